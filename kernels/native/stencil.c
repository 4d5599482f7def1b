// Five-point stencil; the border is left alone.
#include "native.h"

static void stencil(const float *restrict a, float *restrict b, int w, int h, float centre, float side) {
#pragma omp parallel for schedule(static)
  for (int y = 1; y < h - 1; y++) {
    for (int x = 1; x < w - 1; x++) {
      size_t i = (size_t)y * w + x;
      b[i] = centre * a[i] + side * (a[i - 1] + a[i + 1] + a[i - w] + a[i + w]);
    }
  }
}

ENTRY(stencil) { stencil(PTR(0), PTR(1), I32(2), I32(3), F32(4), F32(5)); }
