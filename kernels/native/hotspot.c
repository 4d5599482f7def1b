// One step of the heat equation with a source; the neighbour of a border cell is the cell itself.
#include "native.h"

static void hotspot(const float *restrict t, const float *restrict power, float *restrict out, int w, int h, float cap, float rx,
                    float ry, float rz, float ambient) {
#pragma omp parallel for schedule(static)
  for (int y = 0; y < h; y++) {
    const float *up = t + (size_t)(y ? y - 1 : 0) * w, *down = t + (size_t)(y < h - 1 ? y + 1 : y) * w;
    const float *mid = t + (size_t)y * w, *source = power + (size_t)y * w;
    float *to = out + (size_t)y * w;
#define CELL(x, left, right)                                                                                                  \
  to[x] = mid[x] + cap * (source[x] + (down[x] + up[x] - 2 * mid[x]) * ry + ((right) + (left) - 2 * mid[x]) * rx + (ambient - mid[x]) * rz)
    CELL(0, mid[0], mid[w > 1]);
    for (int x = 1; x < w - 1; x++) CELL(x, mid[x - 1], mid[x + 1]);
    if (w > 1) CELL(w - 1, mid[w - 2], mid[w - 1]);
#undef CELL
  }
}

ENTRY(hotspot) { hotspot(PTR(0), PTR(1), PTR(2), I32(3), I32(4), F32(5), F32(6), F32(7), F32(8), F32(9)); }
