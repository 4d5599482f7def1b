// cp.async: a double-buffered pipeline with groups, zero-filled tails, and an mbarrier that waits for copies.
//@ compile: compute_80 compute_90
//@ run: kernel=pipeline grid=2 block=64
//@ arg: in x: f32[4096] = random(64)
//@ arg: out out: f32[128]
//@ arg: u32 8
//@ run: kernel=tails grid=1 block=32
//@ arg: in x: u32[128] = random(65)
//@ arg: out out: u32[128]
//@ arg: u32 77
//@ run: kernel=barrier grid=1 block=96
//@ arg: in x: u32[768] = random(66)
//@ arg: out out: u32[96]
extern "C" __global__ void pipeline(const float *x, float *out, unsigned steps) {
    __shared__ __align__(16) float s[2][256];
    unsigned t = threadIdx.x;
    x += blockIdx.x * 2048;
    auto copy = [&](unsigned step) {
        unsigned p = (unsigned)__cvta_generic_to_shared(&s[step & 1][t * 4]);
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(p), "l"(x + step * 256 + t * 4) : "memory");
        asm volatile("cp.async.commit_group;" ::: "memory");
    };
    float acc = 0;
    copy(0);
    for (unsigned k = 0; k < steps; k++) {
        if (k + 1 < steps) { copy(k + 1); asm volatile("cp.async.wait_group 1;" ::: "memory"); }
        else asm volatile("cp.async.wait_all;" ::: "memory");
        __syncthreads();
        for (int j = 0; j < 4; j++) acc += s[k & 1][(t + j * 64) & 255] * (j + 1);
        __syncthreads();
    }
    out[blockIdx.x * 64 + t] = acc;
}
extern "C" __global__ void tails(const unsigned *x, unsigned *out, unsigned n) {
    __shared__ __align__(16) unsigned s[128];
    unsigned t = threadIdx.x, p = (unsigned)__cvta_generic_to_shared(&s[t * 4]);
    unsigned left = t * 4 >= n ? 0 : min(16u, (n - t * 4) * 4);
    asm volatile("cp.async.ca.shared.global [%0], [%1], 16, %2;" ::"r"(p), "l"(x + t * 4), "r"(left) : "memory");
    asm volatile("cp.async.wait_all;" ::: "memory");
    __syncthreads();
    for (unsigned k = t; k < 128; k += 32) out[k] = s[k];
}
extern "C" __global__ void barrier(const unsigned *x, unsigned *out) {
    __shared__ __align__(8) unsigned long long bar;
    __shared__ __align__(16) unsigned s[2][384];
    unsigned t = threadIdx.x, b = (unsigned)__cvta_generic_to_shared(&bar), acc = 0;
    if (t == 0) asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(b), "r"(96) : "memory");
    __syncthreads();
    for (unsigned k = 0; k < 2; k++) {
        unsigned p = (unsigned)__cvta_generic_to_shared(&s[k][t * 4]);
        asm volatile("cp.async.ca.shared.global [%0], [%1], 16;" ::"r"(p), "l"(x + k * 384 + t * 4) : "memory");
        asm volatile("cp.async.mbarrier.arrive.shared.b64 [%0];" ::"r"(b) : "memory");
        unsigned long long state;
        asm volatile("mbarrier.arrive.shared.b64 %0, [%1];" : "=l"(state) : "r"(b) : "memory");
        unsigned done = 0;
        while (!done)
            asm volatile("{ .reg .pred p; mbarrier.test_wait.shared.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }" : "=r"(done) : "r"(b), "l"(state) : "memory");
        acc = acc * 3 + s[k][(t * 5 + 7) % 384];
        __syncthreads();
    }
    if (t == 0) asm volatile("mbarrier.inval.shared.b64 [%0];" ::"r"(b) : "memory");
    out[t] = acc;
}
