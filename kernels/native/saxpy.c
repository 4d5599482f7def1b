// y = a x + y.
#include "native.h"

static void saxpy(unsigned n, float a, const float *restrict x, float *restrict y) {
#pragma omp parallel for simd schedule(static)
  for (unsigned i = 0; i < n; i++) y[i] = a * x[i] + y[i];
}

ENTRY(saxpy) { saxpy(U32(0), F32(1), PTR(2), PTR(3)); }
