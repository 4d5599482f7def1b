// f16, bf16 and their packed forms.
//@ compile: compute_80 compute_90
//@ run: kernel=half1 grid=1 block=110
//@ arg: in x: f16[110] = edge
//@ arg: in y: f16[110] = random(39, -4, 4)
//@ arg: out out: f16[1870]
//@ run: kernel=half2v grid=1 block=64
//@ arg: in x: f16[128] = random(40, -8, 8)
//@ arg: in y: f16[128] = random(41, -8, 8)
//@ arg: out out: f16[1408]
//@ run: kernel=brain grid=1 block=110
//@ arg: in x: bf16[220] = edge
//@ arg: in y: bf16[220] = random(42, -4, 4)
//@ arg: out out: bf16[1980]
//@ run: kernel=math grid=1 block=64
//@ arg: in x: f16[64] = random(43, 0.1, 4)
//@ arg: out out: f16[640]
//@ compare: out tolerance(0.002, 0.002)
//@ numpy: x = x.astype(np.float64)
//@ numpy: out = np.concatenate([np.sin(x), np.cos(x), np.exp(x), np.log(x), np.sqrt(x), 1 / np.sqrt(x), 1 / x, np.exp2(x), np.log2(x), np.tanh(x)])
#include <cuda_fp16.h>
#include <cuda_bf16.h>
extern "C" __global__ void half1(const __half *x, const __half *y, __half *out) {
    unsigned t = threadIdx.x;
    __half a = x[t], b = y[t], *o = out + t;
#define ROW(e) o[0] = e; o += 110
    ROW(__hadd_rn(a, b)); ROW(__hsub_rn(a, b)); ROW(__hmul_rn(a, b)); ROW(__hfma(a, b, a)); ROW(__hadd_sat(a, b)); ROW(__hmul_sat(a, b));
    ROW(__hneg(a)); ROW(__habs(a)); ROW(__hdiv(a, b)); ROW(__hmin(a, b)); ROW(__hmax(a, b));
    ROW(__hgt(a, b) ? a : b); ROW(__hisnan(a) ? b : a); ROW(__float2half_rz(__half2float(a) * 3.3f));
    ROW(__float2half_ru(__half2float(b) / 7)); ROW(__int2half_rn(__half2int_rz(b) * 100)); ROW(__ushort2half_rn((unsigned short)(t * 599)));
#undef ROW
}
extern "C" __global__ void half2v(const __half2 *x, const __half2 *y, __half2 *out) {
    unsigned t = threadIdx.x;
    __half2 a = x[t], b = y[t], *o = out + t;
#define ROW(e) o[0] = e; o += 64
    ROW(__hadd2(a, b)); ROW(__hsub2(a, b)); ROW(__hmul2(a, b)); ROW(__hfma2(a, b, a)); ROW(__hmin2(a, b)); ROW(__hmax2(a, b));
    ROW(__heq2(a, b)); ROW(__hle2(a, b)); ROW(__lowhigh2highlow(a)); ROW(__halves2half2(__low2half(a), __high2half(b))); ROW(__hfma2_sat(a, b, a));
#undef ROW
}
extern "C" __global__ void brain(const __nv_bfloat16 *x, const __nv_bfloat16 *y, __nv_bfloat16 *out) {
    unsigned t = threadIdx.x;
    __nv_bfloat16 a = x[t], b = y[t], *o = out + t;
#define ROW(e) o[0] = e; o += 220
    ROW(__hadd(a, b)); ROW(__hmul(a, b)); ROW(__hfma(a, b, b)); ROW(__hmin(a, b)); ROW(__hmax(a, b));
    ROW(__float2bfloat16_rn(__bfloat162float(a) * 1.7f)); ROW(__hneg(a)); ROW(__float2bfloat16(__bfloat162float(b) / 3)); ROW(__hlt(a, b) ? a : b);
#undef ROW
#define ROW(e) o[0] = e; o += 220
    o = out + 110 + t; a = x[110 + t]; b = y[110 + t];
    ROW(__hsub(a, b)); ROW(__hmul(a, a)); ROW(__hfma(b, b, a)); ROW(__hmin(b, a)); ROW(__hmax(b, a));
    ROW(__float2bfloat16_rz(__bfloat162float(a) * 1.7f)); ROW(__habs(a)); ROW(__float2bfloat16(__bfloat162float(b) * 9)); ROW(__hge(a, b) ? a : b);
#undef ROW
}
extern "C" __global__ void math(const __half *x, __half *out) {
    unsigned t = threadIdx.x;
    __half a = x[t], *o = out + t;
#define ROW(e) o[0] = e; o += 64
    ROW(hsin(a)); ROW(hcos(a)); ROW(hexp(a)); ROW(hlog(a)); ROW(hsqrt(a)); ROW(hrsqrt(a)); ROW(hrcp(a)); ROW(hexp2(a)); ROW(hlog2(a));
    float f = __half2float(a);
    ROW(__float2half(tanhf(f)));
#undef ROW
}
