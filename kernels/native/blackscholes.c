// European call and put prices; the compiler vectorises expf, logf and sqrtf through the C library's vector functions.
#include "native.h"

static inline float cnd(float d) {
  const float a1 = 0.31938153f, a2 = -0.356563782f, a3 = 1.781477937f, a4 = -1.821255978f, a5 = 1.330274429f;
  float k = 1.0f / (1.0f + 0.2316419f * fabsf(d));
  float c = 0.39894228f * expf(-0.5f * d * d) * (k * (a1 + k * (a2 + k * (a3 + k * (a4 + k * a5)))));
  return d > 0 ? 1.0f - c : c;
}

static void blackscholes(float *restrict call, float *restrict put, const float *restrict price, const float *restrict strike,
                         const float *restrict years, float r, float v, int n) {
#pragma omp parallel for simd schedule(static)
  for (int i = 0; i < n; i++) {
    float s = price[i], x = strike[i], t = years[i], root = sqrtf(t);
    float d1 = (logf(s / x) + (r + 0.5f * v * v) * t) / (v * root), d2 = d1 - v * root;
    float c1 = cnd(d1), c2 = cnd(d2), e = expf(-r * t);
    call[i] = s * c1 - x * e * c2;
    put[i] = x * e * (1 - c2) - s * (1 - c1);
  }
}

ENTRY(blackscholes) { blackscholes(PTR(0), PTR(1), PTR(2), PTR(3), PTR(4), F32(5), F32(6), I32(7)); }
