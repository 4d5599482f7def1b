// Launch bounds, tiny and huge blocks, 1024 threads, empty work, large grids.
//@ run: kernel=bounded grid=3 block=128
//@ arg: out out: u32[384]
//@ numpy: out = np.arange(384) * 3
//@ run: kernel=bounded grid=384 block=1
//@ arg: out out: u32[384]
//@ numpy: out = np.arange(384) * 3
//@ run: kernel=full grid=1 block=1024
//@ arg: out out: u32[1024]
//@ numpy: out = 1023 - np.arange(1024)
//@ run: kernel=full grid=1 block=16,8,8
//@ arg: out out: u32[1024]
//@ numpy: out = 1023 - np.arange(1024)
//@ run: kernel=full grid=1 block=1,1,64
//@ arg: out out: u32[64]
//@ numpy: out = 63 - np.arange(64)
//@ run: kernel=full grid=1 block=7,5
//@ arg: out out: u32[35]
//@ numpy: out = 34 - np.arange(35)
//@ run: kernel=wide_grid grid=3,700,2 block=3
//@ arg: inout out: u32[1] = 0
//@ numpy: out = np.uint32([3 * 700 * 2 * 3])
//@ run: kernel=nothing grid=5 block=33
extern "C" __global__ void __launch_bounds__(128, 2) bounded(unsigned *out) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    out[i] = i * 3;
}
extern "C" __global__ void full(unsigned *out) {
    __shared__ unsigned s[1024];
    unsigned n = blockDim.x * blockDim.y * blockDim.z, t = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    s[t] = t;
    __syncthreads();
    out[t] = s[n - 1 - t];
}
extern "C" __global__ void wide_grid(unsigned *out) { atomicAdd(out, 1); }
extern "C" __global__ void nothing() {}
