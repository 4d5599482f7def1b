// mbarrier phases: arrive with count, arrive_drop, parity waits with try_wait.
//@ compile: compute_90
//@ run: kernel=phases grid=2 block=64
//@ arg: in x: u32[128] = random(67)
//@ arg: out out: u32[128]
//@ run: kernel=specialised grid=1 block=128
//@ arg: in x: u32[512] = random(68)
//@ arg: out out: u32[512]
//@ numpy: out = x * np.uint32(7) + np.uint32(3)
__device__ __forceinline__ unsigned at(const void *p) { return (unsigned)__cvta_generic_to_shared(p); }
__device__ __forceinline__ void wait_parity(unsigned bar, unsigned parity) {
    unsigned done = 0;
    while (!done)
        asm volatile("{ .reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }" : "=r"(done) : "r"(bar), "r"(parity) : "memory");
}
__device__ __forceinline__ void arrive(unsigned bar) { asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(bar) : "memory"); }
extern "C" __global__ void phases(const unsigned *x, unsigned *out) {
    __shared__ __align__(8) unsigned long long bar;
    __shared__ unsigned s[64];
    unsigned t = threadIdx.x, b = at(&bar), v = x[blockIdx.x * 64 + t];
    if (t == 0) asm volatile("mbarrier.init.shared::cta.b64 [%0], 64;" ::"r"(b) : "memory");
    __syncthreads();
    for (unsigned k = 0; k < 6; k++) {
        s[t] = v;
        arrive(b);
        wait_parity(b, k & 1);
        unsigned w = s[(t + k + 1) & 63];
        __syncthreads();
        v = v * 5 + w;
    }
    out[blockIdx.x * 64 + t] = v;
}
extern "C" __global__ void specialised(const unsigned *x, unsigned *out) {
    // Warps 0-1 load, warps 2-3 compute; two slots with full and empty barriers.
    __shared__ __align__(8) unsigned long long full[2], empty[2];
    __shared__ unsigned s[2][64];
    unsigned t = threadIdx.x;
    if (t < 2) {
        asm volatile("mbarrier.init.shared::cta.b64 [%0], 64;" ::"r"(at(&full[t])) : "memory");
        asm volatile("mbarrier.init.shared::cta.b64 [%0], 64;" ::"r"(at(&empty[t])) : "memory");
    }
    __syncthreads();
    if (t < 64) {
        for (unsigned k = 0; k < 8; k++) {
            if (k >= 2) wait_parity(at(&empty[k & 1]), (k / 2 - 1) & 1);
            s[k & 1][t] = x[k * 64 + t];
            arrive(at(&full[k & 1]));
        }
    } else {
        for (unsigned k = 0; k < 8; k++) {
            wait_parity(at(&full[k & 1]), (k / 2) & 1);
            out[k * 64 + t - 64] = s[k & 1][t - 64] * 7 + 3;
            arrive(at(&empty[k & 1]));
        }
    }
}
