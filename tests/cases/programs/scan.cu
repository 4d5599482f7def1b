// Scans: warp, block (work-efficient, with padding against bank conflicts), segmented, stream compaction.
//@ run: kernel=warp_scan grid=2 block=96
//@ arg: in x: u32[192] = random(111)
//@ arg: out out: u32[192]
//@ numpy: out = np.cumsum(x.reshape(6, 32), axis=1, dtype=np.uint32)
//@ run: kernel=block_scan grid=2 block=128
//@ arg: in x: u32[512] = random(112)
//@ arg: out out: u32[512]
//@ numpy: c = np.cumsum(x.reshape(2, 256), axis=1, dtype=np.uint32); out = c - x.reshape(2, 256)
//@ run: kernel=segmented grid=1 block=256
//@ arg: in x: u32[256] = random(113, 0, 10)
//@ arg: in flags: u8[256] = repeat(1 0 0 0 1 0 0 0 0 0 0 0 0 1)
//@ arg: out out: u32[256]
//@ run: kernel=compact grid=1 block=256
//@ arg: in x: s32[256] = random(114, -50, 50)
//@ arg: inout out: s32[256] = zeros
//@ arg: out count: u32[1]
//@ numpy: k = x[x > 0]; out = np.pad(k, (0, 256 - len(k))); count = np.uint32([len(k)])
extern "C" __global__ void warp_scan(const unsigned *x, unsigned *out) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x, v = x[i], lane = threadIdx.x & 31;
    for (unsigned k = 1; k < 32; k *= 2) { unsigned w = __shfl_up_sync(~0u, v, k); if (lane >= k) v += w; }
    out[i] = v;
}
#define AT(i) ((i) + ((i) >> 5))
extern "C" __global__ void block_scan(const unsigned *x, unsigned *out) {
    __shared__ unsigned s[256 + 8];
    unsigned t = threadIdx.x, base = blockIdx.x * 256, step = 1;
    s[AT(t)] = x[base + t];
    s[AT(t + 128)] = x[base + t + 128];
    for (unsigned d = 128; d; d >>= 1, step *= 2) {
        __syncthreads();
        if (t < d) s[AT(step * (2 * t + 2) - 1)] += s[AT(step * (2 * t + 1) - 1)];
    }
    if (t == 0) s[AT(255)] = 0;
    for (unsigned d = 1; d < 256; d *= 2) {
        step >>= 1;
        __syncthreads();
        if (t < d) {
            unsigned a = AT(step * (2 * t + 1) - 1), b = AT(step * (2 * t + 2) - 1), v = s[a];
            s[a] = s[b];
            s[b] += v;
        }
    }
    __syncthreads();
    out[base + t] = s[AT(t)];
    out[base + t + 128] = s[AT(t + 128)];
}
extern "C" __global__ void segmented(const unsigned *x, const unsigned char *flags, unsigned *out) {
    __shared__ unsigned s[256];
    __shared__ unsigned char f[256];
    unsigned t = threadIdx.x;
    s[t] = x[t]; f[t] = flags[t];
    __syncthreads();
    for (unsigned k = 1; k < 256; k *= 2) {
        unsigned v = 0; unsigned char g = 0;
        if (t >= k) { v = s[t - k]; g = f[t - k]; }
        __syncthreads();
        if (!f[t]) { s[t] += v; f[t] |= g; }
        __syncthreads();
    }
    out[t] = s[t];
}
extern "C" __global__ void compact(const int *x, int *out, unsigned *count) {
    __shared__ unsigned warps[8];
    unsigned t = threadIdx.x, lane = t & 31;
    bool keep = x[t] > 0;
    unsigned votes = __ballot_sync(~0u, keep), before = __popc(votes & ((1u << lane) - 1));
    if (lane == 0) warps[t / 32] = __popc(votes);
    __syncthreads();
    for (unsigned k = 0; k < t / 32; k++) before += warps[k];
    if (keep) out[before] = x[t];
    if (t == 255) *count = before + keep;
}
