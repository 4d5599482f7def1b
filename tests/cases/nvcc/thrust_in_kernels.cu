// Thrust's algorithms inside kernels (thrust::seq) and libcu++: sort, reduce, scan, search, complex numbers, atomic_ref.
//@ compile: nvcc13:compute_90 -- -std=c++17 --expt-relaxed-constexpr --extended-lambda
//@ run: kernel=rows grid=1 block=32
//@ arg: in x: s32[1024] = random(211, -500, 500)
//@ arg: out sorted: s32[1024]
//@ arg: out sums: s32[32]
//@ arg: out at: u32[32]
//@ numpy: b = x.reshape(32, 32); s = np.sort(b, axis=1); sorted = s.ravel(); sums = b.sum(axis=1, dtype=np.int32); at = (s < 0).sum(axis=1).astype(np.uint32)
//@ run: kernel=waves grid=2 block=96
//@ arg: in x: f64[192] = random(212, -3, 3)
//@ arg: out y: f64[384]
//@ compare: y rel(1e-13)
//@ numpy: z = np.exp(1j * x) * (x + 2j) / (1 - 0.5j * x); y = np.stack([z.real, z.imag], axis=1).ravel()
//@ run: kernel=counters grid=4 block=64
//@ arg: in x: u32[256] = random(213, 0, 16)
//@ arg: inout counts: u32[16] = zeros
//@ arg: inout most: u32[1] = zeros
//@ numpy: counts = np.bincount(x, minlength=16).astype(np.uint32); most = np.uint32([x.max()])
#include <thrust/binary_search.h>
#include <thrust/execution_policy.h>
#include <thrust/reduce.h>
#include <thrust/sort.h>
#include <cuda/atomic>
#include <cuda/std/array>
#include <cuda/std/complex>
extern "C" __global__ void rows(const int *x, int *sorted, int *sums, unsigned *at) {
    int *row = sorted + threadIdx.x * 32;
    for (int i = 0; i < 32; i++) row[i] = x[threadIdx.x * 32 + i];
    sums[threadIdx.x] = thrust::reduce(thrust::seq, row, row + 32);
    thrust::sort(thrust::seq, row, row + 32);
    at[threadIdx.x] = thrust::lower_bound(thrust::seq, row, row + 32, 0) - row;
}
extern "C" __global__ void waves(const double *x, double *y) {
    using complex = cuda::std::complex<double>;
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    cuda::std::array<complex, 2> parts = {cuda::std::exp(complex(0, x[i])), complex(x[i], 2)};
    complex z = parts[0] * parts[1] / complex(1, -0.5 * x[i]);
    y[2 * i] = z.real(); y[2 * i + 1] = z.imag();
}
extern "C" __global__ void counters(const unsigned *x, unsigned *counts, unsigned *most) {
    unsigned value = x[blockIdx.x * blockDim.x + threadIdx.x];
    cuda::atomic_ref<unsigned, cuda::thread_scope_device>(counts[value]).fetch_add(1, cuda::std::memory_order_relaxed);
    cuda::atomic_ref<unsigned, cuda::thread_scope_system>(*most).fetch_max(value, cuda::std::memory_order_acq_rel);
}
