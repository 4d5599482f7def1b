// Gravity of all on all; positions are first taken apart into one array per component.
#include "native.h"

static void nbody(const float *restrict p, float *restrict acceleration, int n, float eps2) {
  float *x = aligned_alloc(64, (size_t)n * 16), *y = x + n, *z = y + n, *mass = z + n;
  if (!x) abort();
  for (int i = 0; i < n; i++) {
    x[i] = p[4 * i];
    y[i] = p[4 * i + 1];
    z[i] = p[4 * i + 2];
    mass[i] = p[4 * i + 3];
  }
#pragma omp parallel for schedule(static)
  for (int i = 0; i < n; i++) {
    float ax = 0, ay = 0, az = 0, mx = x[i], my = y[i], mz = z[i];
#pragma omp simd reduction(+ : ax, ay, az)
    for (int j = 0; j < n; j++) {
      float dx = x[j] - mx, dy = y[j] - my, dz = z[j] - mz;
      float inverse = 1.0f / sqrtf(dx * dx + dy * dy + dz * dz + eps2), s = mass[j] * inverse * inverse * inverse;
      ax += dx * s;
      ay += dy * s;
      az += dz * s;
    }
    acceleration[4 * i] = ax;
    acceleration[4 * i + 1] = ay;
    acceleration[4 * i + 2] = az;
    acceleration[4 * i + 3] = 0;
  }
  free(x);
}

ENTRY(nbody) { nbody(PTR(0), PTR(1), I32(2), F32(3)); }
