// e4m3 and e5m2: packed conversions with saturation, both ways, and relu.
//@ compile: compute_89 compute_90
//@ run: kernel=to_fp8 grid=1 block=112
//@ arg: in x: f32[112] = edge
//@ arg: in y: f32[112] = random(47, -600, 600)
//@ arg: out out: u16[448]
//@ run: kernel=from_fp8 grid=1 block=256
//@ arg: out out: u32[512]
extern "C" __global__ void to_fp8(const float *x, const float *y, unsigned short *out) {
    unsigned t = threadIdx.x;
    float a = x[t], b = y[t];
    unsigned short r;
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(r) : "f"(a), "f"(b)); out[t] = r;
    asm("cvt.rn.satfinite.e5m2x2.f32 %0, %1, %2;" : "=h"(r) : "f"(b), "f"(a)); out[112 + t] = r;
    asm("cvt.rn.satfinite.relu.e4m3x2.f32 %0, %1, %2;" : "=h"(r) : "f"(a), "f"(b)); out[224 + t] = r;
    unsigned h;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(h) : "f"(a), "f"(b));
    asm("cvt.rn.satfinite.e5m2x2.f16x2 %0, %1;" : "=h"(r) : "r"(h)); out[336 + t] = r;
}
extern "C" __global__ void from_fp8(unsigned *out) {
    unsigned t = threadIdx.x, r;
    unsigned short v = (unsigned short)(t | (255 - t) << 8);
    asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(r) : "h"(v)); out[t] = r;
    asm("cvt.rn.relu.f16x2.e5m2x2 %0, %1;" : "=r"(r) : "h"(v)); out[256 + t] = r;
}
