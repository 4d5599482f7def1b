// cvt between all integer and float types, saturating and rounding in every direction.
//@ compile: compute_80 compute_89 nvrtc12:compute_53
//@ run: kernel=from_float grid=1 block=112
//@ arg: in x: f32[112] = edge
//@ arg: out out: s64[2576]
//@ run: kernel=from_float grid=1 block=112
//@ arg: in x: f32[112] = random(45, -70000, 70000)
//@ arg: out out: s64[2576]
//@ run: kernel=from_double grid=1 block=104
//@ arg: in x: f64[104] = edge
//@ arg: out out: s64[1456]
//@ run: kernel=from_integer grid=1 block=88
//@ arg: in x: s64[88] = edge
//@ arg: out out: f64[1056]
//@ run: kernel=from_integer grid=1 block=88
//@ arg: in x: s64[88] = random(46)
//@ arg: out out: f64[1056]
#include <cuda_fp16.h>
// Which NaN comes out is nobody's business.
__device__ int bits(float v) { return v != v ? 1 : __float_as_int(v); }
__device__ long long bits(double v) { return v != v ? 1 : __double_as_longlong(v); }
extern "C" __global__ void from_float(const float *x, long long *out) {
    unsigned t = threadIdx.x;
    float v = x[t];
    long long *o = out + t;
#define ROW(e) o[0] = (long long)(e); o += 112
    ROW(__float2int_rn(v)); ROW(__float2int_rz(v)); ROW(__float2int_ru(v)); ROW(__float2int_rd(v));
    ROW(__float2uint_rn(v)); ROW(__float2uint_rz(v)); ROW(__float2ll_rn(v)); ROW(__float2ll_rd(v)); ROW(__float2ull_ru(v)); ROW(__float2ull_rz(v));
    short s; unsigned short us; int r;
    asm("cvt.rzi.s16.f32 %0, %1;" : "=h"(s) : "f"(v)); ROW(s);
    asm("cvt.rni.u16.f32 %0, %1;" : "=h"(us) : "f"(v)); ROW(us);
    asm("{ .reg .s32 r; cvt.rzi.s8.f32 r, %1; mov.u32 %0, r; }" : "=r"(r) : "f"(v)); ROW(r);
    asm("{ .reg .u32 r; cvt.rpi.u8.f32 r, %1; mov.u32 %0, r; }" : "=r"(r) : "f"(v)); ROW(r);
    ROW(bits(rintf(v))); ROW(bits(truncf(v))); ROW(bits(ceilf(v))); ROW(bits(floorf(v))); ROW(bits(roundf(v)));
    ROW(bits(__saturatef(v))); ROW(v != v ? 1 : __half_as_short(__float2half_rn(v))); ROW(v != v ? 1 : __half_as_short(__float2half_rd(v))); ROW(bits((double)v));
#undef ROW
}
extern "C" __global__ void from_double(const double *x, long long *out) {
    unsigned t = threadIdx.x;
    double v = x[t];
    long long *o = out + t;
#define ROW(e) o[0] = (long long)(e); o += 104
    ROW(__double2int_rn(v)); ROW(__double2int_rz(v)); ROW(__double2uint_ru(v)); ROW(__double2ll_rn(v)); ROW(__double2ll_rz(v)); ROW(__double2ull_rd(v));
    ROW(bits(__double2float_rn(v))); ROW(bits(__double2float_rz(v))); ROW(bits(__double2float_ru(v)));
    ROW(bits(rint(v))); ROW(bits(floor(v))); ROW(bits(trunc(v))); ROW(v != v ? 1 : __half_as_short(__double2half(v)));
    ROW(__double2hiint(v) ^ __double2loint(v));
#undef ROW
}
extern "C" __global__ void from_integer(const long long *x, double *out) {
    unsigned t = threadIdx.x;
    long long v = x[t];
    double *o = out + t;
#define ROW(e) o[0] = (double)(e); o += 88
    ROW(__ll2float_rn(v)); ROW(__ll2float_rz(v)); ROW(__ll2float_ru(v)); ROW(__ull2float_rn(v)); ROW(__int2float_rn((int)v)); ROW(__int2float_rd((int)v));
    ROW(__uint2float_ru((unsigned)v)); ROW(__ll2double_rn(v)); ROW(__ull2double_rz(v)); ROW((short)v); ROW((unsigned char)v); ROW((signed char)v);
#undef ROW
}
