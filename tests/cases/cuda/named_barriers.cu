// Named barriers with thread counts: producers and consumers in one block.
//@ run: kernel=pipeline grid=2 block=128
//@ arg: in x: u32[512] = random(11)
//@ arg: out out: u32[512]
//@ numpy: out = (x * np.uint32(5) + np.uint32(1)).astype(np.uint32)
//@ run: kernel=halves grid=1 block=128
//@ arg: out out: u32[128]
extern "C" __global__ void pipeline(const unsigned *x, unsigned *out) {
    // Two warps produce, two consume, two slots.
    __shared__ unsigned slot[2][64];
    unsigned t = threadIdx.x, base = blockIdx.x * 256;
    if (t < 64) {
        for (unsigned k = 0; k < 4; k++) {
            if (k >= 2) { if (k & 1) asm volatile("bar.sync 4, 128;" ::: "memory"); else asm volatile("bar.sync 3, 128;" ::: "memory"); }
            slot[k & 1][t] = x[base + k * 64 + t] * 5;
            if (k & 1) asm volatile("bar.arrive 2, 128;" ::: "memory"); else asm volatile("bar.arrive 1, 128;" ::: "memory");
        }
    } else {
        for (unsigned k = 0; k < 4; k++) {
            if (k & 1) asm volatile("bar.sync 2, 128;" ::: "memory"); else asm volatile("bar.sync 1, 128;" ::: "memory");
            out[base + k * 64 + t - 64] = slot[k & 1][t - 64] + 1;
            if (k < 2) { if (k & 1) asm volatile("bar.arrive 4, 128;" ::: "memory"); else asm volatile("bar.arrive 3, 128;" ::: "memory"); }
        }
    }
}
extern "C" __global__ void halves(unsigned *out) {
    __shared__ unsigned s[128];
    unsigned t = threadIdx.x;
    s[t] = t + 1;
    if (t < 64) asm volatile("bar.sync 5, 64;" ::: "memory");
    else asm volatile("bar.sync 6, 64;" ::: "memory");
    unsigned v = s[t ^ 63];
    unsigned n;
    asm volatile("{ .reg .pred p; setp.gt.u32 p, %1, 40; barrier.sync 0; bar.red.popc.u32 %0, 7, p; }" : "=r"(n) : "r"(v) : "memory");
    out[t] = v + (n << 16);
}
