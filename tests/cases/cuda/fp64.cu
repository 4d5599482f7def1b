// f64 arithmetic and the double-precision library.
//@ compile: compute_80 nvrtc12:compute_50
//@ run: kernel=ieee grid=1 block=104
//@ arg: in x: f64[104] = edge
//@ arg: in y: f64[104] = random(36, -4, 4)
//@ arg: out out: f64[1872]
//@ run: kernel=library grid=1 block=64
//@ arg: in x: f64[64] = random(37, -0.999, 0.999)
//@ arg: in y: f64[64] = random(38, 0.01, 20)
//@ arg: out out: f64[1152]
//@ compare: out tolerance(4e-15, 1e-15)
//@ numpy: from math import erf, erfc, gamma, lgamma
//@ numpy: v = np.vectorize
//@ numpy: out = np.concatenate([np.sin(y), np.cos(y), np.tan(x), np.exp(x), np.log(y), np.power(y, x), np.sinh(x), np.cosh(x), np.tanh(x), np.arcsin(x), np.arccos(x), np.arctan2(x, y), v(erf)(x), v(erfc)(x), v(gamma)(y / 4), np.cbrt(x), np.hypot(x, y), np.fmod(y, np.abs(x) + .5)])
extern "C" __global__ void ieee(const double *x, const double *y, double *out) {
    unsigned t = threadIdx.x;
    double a = x[t], b = y[t], *o = out + t;
#define ROW(e) o[0] = e; o += 104
    ROW(__dadd_rn(a, b)); ROW(__dadd_rz(a, b)); ROW(__dadd_ru(a, b)); ROW(__dadd_rd(a, b));
    ROW(__dmul_rn(a, b)); ROW(__dmul_rz(a, b)); ROW(__dmul_ru(a, b)); ROW(__dmul_rd(a, b));
    ROW(__fma_rn(a, b, 0.3)); ROW(__fma_rz(a, b, -a)); ROW(__fma_ru(a, b, b)); ROW(__fma_rd(a, b, 1e-308));
    ROW(__ddiv_rn(a, b)); ROW(__ddiv_ru(a, b)); ROW(__drcp_rn(a)); ROW(__dsqrt_rn(a)); ROW(__dsqrt_rz(b)); ROW(fmin(a, b) + 0.0);
#undef ROW
}
extern "C" __global__ void library(const double *x, const double *y, double *out) {
    unsigned t = threadIdx.x;
    double a = x[t], b = y[t], *o = out + t;
#define ROW(e) o[0] = e; o += 64
    ROW(sin(b)); ROW(cos(b)); ROW(tan(a)); ROW(exp(a)); ROW(log(b)); ROW(pow(b, a)); ROW(sinh(a)); ROW(cosh(a)); ROW(tanh(a));
    ROW(asin(a)); ROW(acos(a)); ROW(atan2(a, b)); ROW(erf(a)); ROW(erfc(a)); ROW(tgamma(b / 4));
    ROW(cbrt(a)); ROW(hypot(a, b)); ROW(fmod(b, fabs(a) + 0.5));
#undef ROW
}
