// Iterations until escape; two vectors of pixels at once hide the latency of the recurrence.
#include "native.h"

static int any(i32x16 mask) {
  int found = 0;
  for (int i = 0; i < 16; i++) found |= mask[i];
  return found;
}

static void mandel(int *out, int w, int h, float x0, float y0, float dx, float dy, int max_iterations) {
  const f32x16 lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#pragma omp parallel for schedule(dynamic, 16)
  for (int py = 0; py < h; py++) {
    for (int px = 0; px < w; px += 32) {
      f32x16 cr0 = x0 + (lane + (float)px) * dx, cr1 = x0 + (lane + (float)(px + 16)) * dx;
      f32x16 ci = y0 + py * dy + lane * 0;
      f32x16 zr0 = {0}, zi0 = {0}, zr1 = {0}, zi1 = {0};
      i32x16 n0 = {0}, n1 = {0}, active0 = ~(i32x16){0}, active1 = active0;
      for (int k = 0; k < max_iterations; k++) {
        f32x16 r0 = zr0 * zr0, i0 = zi0 * zi0, r1 = zr1 * zr1, i1 = zi1 * zi1;
        active0 &= (r0 + i0 <= 4.0f);
        active1 &= (r1 + i1 <= 4.0f);
        n0 -= active0;
        n1 -= active1;
        zi0 = 2 * zr0 * zi0 + ci;
        zr0 = r0 - i0 + cr0;
        zi1 = 2 * zr1 * zi1 + ci;
        zr1 = r1 - i1 + cr1;
        if (!any(active0 | active1)) break;
      }
      int n = w - px < 32 ? w - px : 32;
      int count[32];
      memcpy(count, &n0, 64);
      memcpy(count + 16, &n1, 64);
      memcpy(out + (size_t)py * w + px, count, (size_t)n * sizeof(int));
    }
  }
}

ENTRY(mandel) { mandel(PTR(0), I32(1), I32(2), F32(3), F32(4), F32(5), F32(6), I32(7)); }
