// Vector loads and stores, unaligned struct members, byte and short access, read-only and volatile loads.
//@ compile: compute_80 nvrtc12:compute_50
//@ run: kernel=vectors grid=2 block=48
//@ arg: in x: u32[384] = random(73)
//@ arg: out out: u32[384]
//@ run: kernel=small grid=1 block=64
//@ arg: in x: u8[512] = random(74)
//@ arg: out out: u8[512]
//@ run: kernel=strided grid=1 block=64
//@ arg: in x: u32[1024] = random(75)
//@ arg: out out: u32[1024] = zeros
struct __align__(4) Odd { unsigned char a; short b; unsigned c; };
extern "C" __global__ void vectors(const uint4 *x, uint4 *out) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    uint4 v = __ldg(&x[i]);
    uint2 w = ((const uint2 *)x)[i * 2 + 1];
    out[i] = make_uint4(v.w + w.x, v.z ^ w.y, v.y * 3, v.x - 1);
}
extern "C" __global__ void small(const unsigned char *x, unsigned char *out) {
    unsigned t = threadIdx.x;
    Odd o = ((const Odd *)x)[t];
    o.a += 3; o.b = (short)(o.b * 5); o.c ^= 0xf0f0f0f0;
    ((volatile Odd *)out)[t].a = o.a;
    ((Odd *)out)[t].b = o.b;
    ((Odd *)out)[t].c = o.c + *(const volatile short *)(x + t * 2);
    out[t * 8 + 1] = (unsigned char)((signed char)x[t] >> 1);
}
extern "C" __global__ void strided(const unsigned *x, unsigned *out) {
    unsigned t = threadIdx.x;
    for (unsigned k = 0; k < 4; k++) {
        unsigned v = x[t * 16 + k] + x[(t * 37 + k * 64) & 1023] + x[k];
        out[(t * 5 + k * 64) % 64 * 16 + k] = v;
        if (t % (k + 2) == 0) out[t * 16 + 8 + k] = x[1023 - t];
    }
}
