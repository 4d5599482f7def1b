// Atomics of every type and operation; results that no order can change, or compared unordered.
//@ compile: compute_80 compute_90 nvrtc12:compute_60
//@ run: kernel=integers grid=4 block=64
//@ arg: inout a: u32[12] = 0 0 0 0xffffffff 0 0xffffffff 0 0 1000 100 0 0
//@ arg: inout s: s32[4] = 0 2147483647 -2147483648 5
//@ arg: inout w: u64[8] = 0 0 0 0xffffffffffffffff 0 0xffffffffffffffff 0 0
//@ run: kernel=floats grid=4 block=64
//@ arg: inout f: f32[4] = 0 0 0 0
//@ arg: inout d: f64[4] = 0 0 0 0
//@ run: kernel=tickets grid=8 block=33
//@ arg: inout next: u32[1] = 0
//@ arg: out got: u32[264]
//@ compare: got unordered
//@ run: kernel=shared_atomics grid=2 block=96
//@ arg: in x: u32[192] = random(18)
//@ arg: out out: u32[32]
//@ numpy: out = np.concatenate([np.bincount(b % 16, minlength=16) for b in x.reshape(2, 96)])
//@ run: kernel=cas_loop grid=2 block=64
//@ arg: inout a: f32[2] = 1 0
extern "C" __global__ void integers(unsigned *a, int *s, unsigned long long *w) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    atomicAdd(&a[0], i);
    atomicSub(&a[1], i * 3);
    atomicMax(&a[2], i * 2654435761u);
    atomicMin(&a[3], i * 2654435761u + 9);
    atomicOr(&a[4], 1u << (i % 29));
    atomicAnd(&a[5], ~(1u << (i % 23)));
    atomicXor(&a[6], i * 77);
    atomicInc(&a[7], 99);
    atomicDec(&a[8], 999);
    atomicCAS(&a[9], 100, 7);
    if (i == 200) atomicExch(&a[10], 123);
    atomicAdd_block(&a[11], 2);
    atomicAdd(&s[0], (int)i - 300);
    atomicMin(&s[1], (int)(i * 2654435761u));
    atomicMax(&s[2], (int)(i * 2654435761u));
    atomicSub(&s[3], -1);
    atomicAdd(&w[0], (unsigned long long)i << 31);
    atomicMax(&w[1], i * 0x9e3779b97f4a7c15ull);
    atomicOr(&w[2], 1ull << (i % 61));
    atomicMin(&w[3], i * 0x9e3779b97f4a7c15ull + 3);
    atomicXor(&w[4], i * 0x123456789ull);
    atomicAnd(&w[5], ~(1ull << (i % 51)));
    atomicCAS(&w[6], 0ull, 5ull);
    if (i == 17) atomicExch(&w[7], 1ull << 40);
}
extern "C" __global__ void floats(float *f, double *d) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    atomicAdd(&f[0], (float)(i & 7));
    atomicAdd(&f[1], -0.5f);
    if (i < 5) atomicExch(&f[2], 2.5f);
    atomicAdd(&d[0], (double)i);
    atomicAdd(&d[1], 0.25);
    atomicAdd_system(&f[3], 1.0f);
    atomicAdd_block(&d[2], 3.0);
}
extern "C" __global__ void tickets(unsigned *next, unsigned *got) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    got[i] = atomicAdd(next, 1);
}
extern "C" __global__ void shared_atomics(const unsigned *x, unsigned *out) {
    __shared__ unsigned h[16];
    unsigned t = threadIdx.x;
    if (t < 16) h[t] = 0;
    __syncthreads();
    atomicAdd(&h[x[blockIdx.x * 96 + t] % 16], 1);
    __syncthreads();
    if (t < 16) out[blockIdx.x * 16 + t] = h[t];
}
extern "C" __global__ void cas_loop(float *a) {
    // Multiplication by powers of two is exact in any order.
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    unsigned *p = (unsigned *)a, old = *(volatile unsigned *)p, seen;
    do {
        seen = old;
        old = atomicCAS(p, seen, __float_as_uint(__uint_as_float(seen) * (i & 1 ? 2.0f : 0.5f)));
    } while (old != seen);
    atomicAdd(&a[1], 1.0f);
}
