// f32 arithmetic: IEEE operations in every rounding mode, exact; approximations compared with latitude.
//@ compile: compute_80 nvrtc12:compute_50
//@ run: kernel=ieee grid=1 block=112
//@ arg: in x: f32[112] = edge
//@ arg: in y: f32[112] = random(31, -4, 4)
//@ arg: out out: f32[2240]
//@ run: kernel=ieee grid=1 block=112
//@ arg: in x: f32[112] = random(32, -1000, 1000)
//@ arg: in y: f32[112] = edge
//@ arg: out out: f32[2240]
//@ run: kernel=approx grid=1 block=128
//@ arg: in x: f32[128] = random(33, -6, 6)
//@ arg: out out: f32[1280]
//@ compare: out tolerance(4e-6, 2e-6)
//@ numpy: x = x.astype(np.float64); a = np.abs(x) + 1e-3
//@ numpy: out = np.concatenate([np.sin(x), np.cos(x), np.exp2(x), np.log2(a), 1 / a, 1 / np.sqrt(a), np.sqrt(a), x / a, np.exp(x), np.log(a)])
//@ run: kernel=library grid=1 block=128
//@ arg: in x: f32[128] = random(34, -0.999, 0.999)
//@ arg: in y: f32[128] = random(35, 0.01, 20)
//@ arg: out out: f32[2560]
//@ compare: out tolerance(1e-6, 1e-7)
//@ numpy: from math import erf, erfc, gamma, lgamma
//@ numpy: x, y = x.astype(np.float64), y.astype(np.float64)
//@ numpy: v = np.vectorize
//@ numpy: out = np.concatenate([np.sin(y), np.cos(y), np.tan(x), np.exp(x), np.log(y), np.power(y, x), np.sinh(x), np.cosh(x), np.tanh(x), np.arcsin(x), np.arccos(x), np.arctan2(x, y), v(erf)(x), v(erfc)(x), v(gamma)(y / 4), v(lgamma)(y), np.cbrt(x), np.hypot(x, y), np.fmod(y, np.abs(x) + .5), np.expm1(x)])
extern "C" __global__ void ieee(const float *x, const float *y, float *out) {
    unsigned t = threadIdx.x;
    float a = x[t], b = y[t], *o = out + t;
#define ROW(e) o[0] = e; o += 112
    ROW(__fadd_rn(a, b)); ROW(__fadd_rz(a, b)); ROW(__fadd_ru(a, b)); ROW(__fadd_rd(a, b));
    ROW(__fmul_rn(a, b)); ROW(__fmul_rz(a, b)); ROW(__fmul_ru(a, b)); ROW(__fmul_rd(a, b));
    ROW(__fmaf_rn(a, b, 0.3f)); ROW(__fmaf_rz(a, b, -a)); ROW(__fmaf_ru(a, b, b)); ROW(__fmaf_rd(a, b, 1e-38f));
    ROW(__fdiv_rn(a, b)); ROW(__fdiv_rz(a, b)); ROW(__frcp_rn(a)); ROW(__frcp_ru(b));
    ROW(__fsqrt_rn(a)); ROW(__fsqrt_rd(b)); ROW(fminf(a, b) + 0.0f); ROW(fmaxf(a, b) + 0.0f);
#undef ROW
}
extern "C" __global__ void approx(const float *x, float *out) {
    unsigned t = threadIdx.x;
    float v = x[t], a = fabsf(v) + 1e-3f, *o = out + t;
#define ROW(e) o[0] = e; o += 128
    float r;
    ROW(__sinf(v)); ROW(__cosf(v));
    asm("ex2.approx.f32 %0, %1;" : "=f"(r) : "f"(v)); ROW(r);
    ROW(__log2f(a));
    asm("rcp.approx.f32 %0, %1;" : "=f"(r) : "f"(a)); ROW(r);
    ROW(rsqrtf(a));
    asm("sqrt.approx.f32 %0, %1;" : "=f"(r) : "f"(a)); ROW(r);
    ROW(__fdividef(v, a)); ROW(__expf(v)); ROW(__logf(a));
#undef ROW
}
extern "C" __global__ void library(const float *x, const float *y, float *out) {
    unsigned t = threadIdx.x;
    float a = x[t], b = y[t], *o = out + t;
#define ROW(e) o[0] = e; o += 128
    ROW(sinf(b)); ROW(cosf(b)); ROW(tanf(a)); ROW(expf(a)); ROW(logf(b)); ROW(powf(b, a)); ROW(sinhf(a)); ROW(coshf(a)); ROW(tanhf(a));
    ROW(asinf(a)); ROW(acosf(a)); ROW(atan2f(a, b)); ROW(erff(a)); ROW(erfcf(a)); ROW(tgammaf(b / 4)); ROW(lgammaf(b));
    ROW(cbrtf(a)); ROW(hypotf(a, b)); ROW(fmodf(b, fabsf(a) + 0.5f)); ROW(expm1f(a));
#undef ROW
}
