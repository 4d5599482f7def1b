// Faults: out of bounds, null, misaligned, a runaway loop, unbounded recursion.
//@ run: kernel=store_to grid=1 block=32
//@ arg: u64 0
//@ expect-fault: illegal-address
//@ run: kernel=store_to grid=4 block=64
//@ arg: u64 0x123456789000
//@ expect-fault: illegal-address
//@ run: kernel=forever grid=1 block=64 timeout-ms=300
//@ arg: u32 1
//@ expect-fault: timeout
//@ run: kernel=forever grid=1 block=64
//@ arg: u32 0
//@ run: kernel=deep grid=1 block=32
//@ arg: out out: u32[32]
//@ arg: u32 100000000
//@ expect-fault: stack-overflow
//@ run: kernel=deep grid=1 block=32
//@ arg: out out: u32[32]
//@ arg: u32 10
extern "C" __global__ void store_to(unsigned *p) { p[threadIdx.x] = 1; }
extern "C" __global__ void forever(volatile unsigned go) { while (go) { asm volatile("" ::: "memory"); } }
__device__ __noinline__ unsigned deeper(unsigned n, unsigned v) {
    volatile unsigned a[16];
    a[n & 15] = v;
    if (n == 0) return v;
    return deeper(n - 1, v * 3 + a[n & 15]) + a[n & 15];
}
extern "C" __global__ void deep(unsigned *out, unsigned n) { out[threadIdx.x] = deeper(n, threadIdx.x); }
