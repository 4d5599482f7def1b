// b = transpose of a (h rows of w), in tiles of 16 x 16; w and h are multiples of 16.
#include "native.h"

static void transpose(const float *restrict a, float *restrict b, int w, int h) {
#pragma omp parallel for collapse(2) schedule(static)
  for (int x = 0; x < w; x += 16)
    for (int y = 0; y < h; y += 16)
      for (int i = 0; i < 16; i++)
        for (int j = 0; j < 16; j++) b[(size_t)(x + i) * h + y + j] = a[(size_t)(y + j) * w + x + i];
}

ENTRY(transpose) { transpose(PTR(0), PTR(1), I32(2), I32(3)); }
