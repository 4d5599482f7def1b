// Float atomics of every type whose sums depend on the order, with results that are used, in shared and global memory, and a sum by
// compare-and-swap. The sums here are exact; the tool runs the same kernel on other numbers in deterministic launches.
//@ compile: compute_90
//@ run: kernel=sums grid=12 block=96
//@ arg: in x: f32[1152] = mod(5)
//@ arg: inout f: f32[4] = zeros
//@ arg: inout d: f64[2] = zeros
//@ arg: inout h: f16[2] = zeros
//@ arg: inout b: bf16[2] = zeros
//@ arg: scratch seen: f32[3456]
//@ numpy: s = x.sum(); f = np.float32([s, s, s, s]); d = np.float64([s, s])
//@ numpy: h = np.float16([288, 288]); b = b
//@ compare: b abs(1e9)
#include <cuda_fp16.h>
#include <cuda_bf16.h>
extern "C" __global__ void sums(const float *x, float *f, double *d, __half2 *h, __nv_bfloat162 *b, float *seen) {
    __shared__ float s;
    __shared__ double sd;
    unsigned t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
    if (t == 0) { s = 0; sd = 0; }
    __syncthreads();
    float v = x[i];
    seen[i * 3] = atomicAdd(&f[0], v);
    atomicAdd(&f[1], v);
    float in_block = atomicAdd(&s, v);
    atomicAdd(&sd, (double)v);
    seen[i * 3 + 1] = in_block;
    seen[i * 3 + 2] = (float)atomicAdd(&d[0], (double)v);
    if (t % 4 == 0) {
        // Every fourth value of 0 1 2 3 4 0 ..: a small sum that half precision holds.
        float q = v < 2 ? 1.0f : v < 3 ? v - 1.0f : 1.0f;
        atomicAdd(h, __float22half2_rn(make_float2(q, q)));
        atomicAdd(b, __float22bfloat162_rn(make_float2(v, v)));
    }
    unsigned *word = (unsigned *)&f[2], old = *(volatile unsigned *)word, expected;
    do {
        expected = old;
        old = atomicCAS(word, expected, __float_as_uint(__uint_as_float(expected) + v));
    } while (old != expected);
    __syncthreads();
    if (t == 0) { atomicAdd(&f[3], s); atomicAdd(&d[1], sd); }
}
