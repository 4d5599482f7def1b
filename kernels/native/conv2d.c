// 5 x 5 convolution with zeros outside; the inner columns of the inner rows have no tests.
#include "native.h"

static inline float pixel(const float *in, const float *f, int w, int h, int x, int y) {
  float sum = 0;
  for (int j = 0; j < 5; j++)
    for (int i = 0; i < 5; i++) {
      int px = x + i - 2, py = y + j - 2;
      if (px >= 0 && px < w && py >= 0 && py < h) sum += f[5 * j + i] * in[(size_t)py * w + px];
    }
  return sum;
}

static void conv2d(const float *restrict in, const float *restrict filter, float *restrict out, int w, int h) {
  float f[25];
  memcpy(f, filter, sizeof f);
#pragma omp parallel for schedule(static)
  for (int y = 0; y < h; y++) {
    int inner = y >= 2 && y < h - 2 && w > 4;
    for (int x = 0; x < (inner ? 2 : w); x++) out[(size_t)y * w + x] = pixel(in, f, w, h, x, y);
    if (!inner) continue;
    const float *from = in + (size_t)(y - 2) * w - 2;
    float *to = out + (size_t)y * w;
#pragma omp simd
    for (int x = 2; x < w - 2; x++) {
      float sum = 0;
#pragma GCC unroll 5
      for (int j = 0; j < 5; j++)
#pragma GCC unroll 5
        for (int i = 0; i < 5; i++) sum += f[5 * j + i] * from[(size_t)j * w + x + i];
      to[x] = sum;
    }
    for (int x = w - 2; x < w; x++) to[x] = pixel(in, f, w, h, x, y);
  }
}

ENTRY(conv2d) { conv2d(PTR(0), PTR(1), PTR(2), I32(3), I32(4)); }
