// Shuffles, votes, match, activemask, redux, with full and partial warps.
//@ compile: compute_80 compute_75
//@ run: kernel=shuffles grid=1 block=64
//@ arg: in x: u32[64] = random(12)
//@ arg: out out: u32[512]
//@ run: kernel=votes grid=1 block=64
//@ arg: in x: u32[64] = random(13)
//@ arg: out out: u32[384]
//@ run: kernel=matches grid=1 block=64
//@ arg: in x: u32[64] = random(14, 0, 5)
//@ arg: out out: u32[256]
//@ run: kernel=divergent grid=1 block=96
//@ arg: in x: u32[96] = random(15)
//@ arg: out out: u32[192]
//@ run: kernel=ragged grid=1 block=45
//@ arg: in x: u32[45] = random(16)
//@ arg: out out: u32[90]
//@ run: kernel=wide grid=1 block=64
//@ arg: in x: f64[64] = random(17)
//@ arg: out out: f64[128]
extern "C" __global__ void shuffles(const unsigned *x, unsigned *out) {
    unsigned t = threadIdx.x, v = x[t], m = 0xffffffffu;
    out[t] = __shfl_sync(m, v, 5);
    out[64 + t] = __shfl_sync(m, v, t * 7);
    out[128 + t] = __shfl_up_sync(m, v, 3);
    out[192 + t] = __shfl_down_sync(m, v, 9);
    out[256 + t] = __shfl_xor_sync(m, v, 17);
    out[320 + t] = __shfl_up_sync(m, v, 2, 8);
    out[384 + t] = __shfl_down_sync(m, v, 3, 16);
    out[448 + t] = __shfl_sync(m, v, t + 1, 4);
}
extern "C" __global__ void votes(const unsigned *x, unsigned *out) {
    unsigned t = threadIdx.x, v = x[t], m = 0xffffffffu;
    out[t] = __ballot_sync(m, v & 4);
    out[64 + t] = __any_sync(m, v > 0xf8000000u);
    out[128 + t] = __all_sync(m, v < 0xfff00000u);
    unsigned u;
    asm volatile("{ .reg .pred p, q; setp.ne.u32 p, %1, 0; vote.sync.uni.pred q, p, 0xffffffff; selp.u32 %0, 1, 0, q; }" : "=r"(u) : "r"(v & (t < 32 ? 1 : 0)));
    out[192 + t] = u;
    out[256 + t] = __activemask();
    unsigned r = 0;
    if (v & 1) r = __ballot_sync(__activemask(), v & 2);
    out[320 + t] = r;
}
extern "C" __global__ void matches(const unsigned *x, unsigned *out) {
    unsigned t = threadIdx.x, v = x[t], m = 0xffffffffu;
    out[t] = __match_any_sync(m, v);
    int p;
    out[64 + t] = __match_all_sync(m, v / 8, &p) + p;
    out[128 + t] = __match_any_sync(m, (unsigned long long)v << 33);
    out[192 + t] = __match_all_sync(m, v, &p) + 7 * p;
}
__device__ __forceinline__ unsigned sum(unsigned mask, unsigned v) {
#if __CUDA_ARCH__ >= 800
    return __reduce_add_sync(mask, v) ^ __reduce_max_sync(mask, v) ^ __reduce_or_sync(mask, v) ^ (unsigned)__reduce_min_sync(mask, (int)v) ^ __reduce_xor_sync(mask, v) ^ __reduce_and_sync(mask, v);
#else
    for (int k = 16; k; k >>= 1) v += __shfl_xor_sync(mask, v, k);
    return v;
#endif
}
extern "C" __global__ void divergent(const unsigned *x, unsigned *out) {
    // Both sides of a divergent branch use warp operations with their own masks.
    unsigned t = threadIdx.x, lane = t & 31, v = x[t], r;
    unsigned mask = __ballot_sync(0xffffffffu, lane % 3 == 0);
    if (lane % 3 == 0) r = __shfl_sync(mask, v, (lane + 3) % 33);
    else r = __shfl_sync(~mask, v, lane == 31 ? 1 : lane % 3 == 1 ? lane + 1 : lane - 1);
    out[t] = r;
    out[96 + t] = sum(0xffffffffu, v);
}
extern "C" __global__ void ragged(const unsigned *x, unsigned *out) {
    unsigned t = threadIdx.x, v = x[t], m = __activemask();
    out[t] = m;
    out[45 + t] = __shfl_sync(m, v, 0) + __popc(__ballot_sync(m, v & 1)) + __any_sync(m, v == 0);
}
extern "C" __global__ void wide(const double *x, double *out) {
    unsigned t = threadIdx.x;
    double v = x[t];
    out[t] = __shfl_xor_sync(0xffffffffu, v, 1);
    for (int k = 16; k; k >>= 1) v += __shfl_down_sync(0xffffffffu, v, k);
    out[64 + t] = v;
}
