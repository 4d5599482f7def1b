// Histograms: global atomics, shared atomics with merge, per-warp copies.
//@ run: kernel=global_bins grid=5 block=100
//@ arg: in x: u8[4001] = random(131)
//@ arg: inout h: u32[256] = zeros
//@ arg: u32 4001
//@ numpy: h = np.bincount(x, minlength=256)
//@ run: kernel=shared_bins grid=3 block=128
//@ arg: in x: u8[4001] = random(132, 0, 9)
//@ arg: inout h: u32[256] = zeros
//@ arg: u32 4001
//@ numpy: h = np.bincount(x, minlength=256)
//@ run: kernel=warp_bins grid=2 block=96
//@ arg: in x: u8[4001] = random(133, 60, 140)
//@ arg: inout h: u32[256] = zeros
//@ arg: u32 4001
//@ numpy: h = np.bincount(x, minlength=256)
extern "C" __global__ void global_bins(const unsigned char *x, unsigned *h, unsigned n) {
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) atomicAdd(&h[x[i]], 1);
}
extern "C" __global__ void shared_bins(const unsigned char *x, unsigned *h, unsigned n) {
    __shared__ unsigned s[256];
    for (unsigned k = threadIdx.x; k < 256; k += blockDim.x) s[k] = 0;
    __syncthreads();
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) atomicAdd(&s[x[i]], 1);
    __syncthreads();
    for (unsigned k = threadIdx.x; k < 256; k += blockDim.x) if (s[k]) atomicAdd(&h[k], s[k]);
}
extern "C" __global__ void warp_bins(const unsigned char *x, unsigned *h, unsigned n) {
    __shared__ unsigned short s[3][256];
    unsigned lane = threadIdx.x & 31, warp = threadIdx.x / 32;
    for (unsigned k = lane; k < 256; k += 32) s[warp][k] = 0;
    __syncwarp();
    unsigned stride = gridDim.x * blockDim.x;
    for (unsigned base = blockIdx.x * blockDim.x + warp * 32; base < n; base += stride) {
        bool in = base + lane < n;
        unsigned value = in ? x[base + lane] : 1000 + lane;
        unsigned same = __match_any_sync(~0u, value);
        if (in && __ffs(same) - 1 == (int)lane) s[warp][value] += __popc(same);
        __syncwarp();
    }
    __syncthreads();
    for (unsigned k = threadIdx.x; k < 256; k += blockDim.x) { unsigned sum = s[0][k] + s[1][k] + s[2][k]; if (sum) atomicAdd(&h[k], sum); }
}
