// Loops with break and continue, nested divergence, early return, do-while, goto.
//@ compile: compute_80 nvrtc12:compute_50
//@ run: kernel=collatz grid=3 block=65
//@ arg: out out: u32[195]
//@ numpy: out = []
//@ numpy: for i in range(195):
//@ numpy:     v, n = i + 1, 0
//@ numpy:     while v != 1: v, n = (3 * v + 1 if v & 1 else v // 2), n + 1
//@ numpy:     out.append(n)
//@ numpy: out = np.uint32(out)
//@ run: kernel=primes grid=2 block=96
//@ arg: out out: u32[192]
//@ numpy: out = np.uint32([next((d for d in range(2, i + 3) if (i + 2) % d == 0), 0) for i in range(192)])
//@ run: kernel=maze grid=1 block=128
//@ arg: in x: u32[128] = random(3)
//@ arg: out out: u32[128]
//@ run: kernel=jumps grid=1 block=64
//@ arg: in x: u32[64] = random(4)
//@ arg: out out: u32[64]
extern "C" __global__ void collatz(unsigned *out) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x, v = i + 1, n = 0;
    while (v != 1) { v = v & 1 ? 3 * v + 1 : v / 2; n++; }
    out[i] = n;
}
extern "C" __global__ void primes(unsigned *out) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x, v = i + 2;
    for (unsigned d = 2;; d++) {
        if (v % d) continue;
        out[i] = d;
        return;
    }
}
extern "C" __global__ void maze(const unsigned *x, unsigned *out) {
    unsigned i = threadIdx.x, v = x[i], acc = 0;
    for (int a = 0; a < 9; a++) {
        if (v & (1u << a)) {
            for (int b = 0; b < (int)(v >> 28); b++) {
                if ((v >> b) % 3 == 0) { acc += b * 7 + 1; if (acc > 500) break; }
                else if ((v >> b) % 3 == 1) { acc ^= v; continue; }
                else { acc = acc * 3 + a; if ((acc & 15) == 9) goto out; }
                acc += 2;
            }
        } else if (v & (1u << (a + 10))) {
            do { acc = acc / 2 + 3; } while (acc > 1000);
        } else acc++;
    }
    acc |= 0x80000000u;
out:
    out[i] = acc;
}
extern "C" __global__ void jumps(const unsigned *x, unsigned *out) {
    // A loop with two entries.
    unsigned v = x[threadIdx.x], n = v & 31, acc = 0, k = 0;
    if (v & 64) goto second;
first:
    acc = acc * 5 + 1;
    if ((acc & 0x100) && k++ < 20) { acc += 11; n++; }
second:
    acc ^= v >> (n & 15);
    if (n-- > 0) goto first;
    out[threadIdx.x] = acc;
}
