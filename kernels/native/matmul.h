// C = A B for n a multiple of 64, in register tiles of 4 rows x 64 columns.
#include "native.h"

static void matmul(const float *restrict a, const float *restrict b, float *restrict c, int n) {
#pragma omp parallel for collapse(2) schedule(static)
  for (int column = 0; column < n; column += 64) {
    for (int row = 0; row < n; row += 4) {
      f32x16 sum[4][4] = {0};
      for (int k = 0; k < n; k++) {
        f32x16 line[4];
        for (int q = 0; q < 4; q++) memcpy(&line[q], &b[(size_t)k * n + column + 16 * q], 64);
        for (int r = 0; r < 4; r++) {
          f32x16 factor = a[(size_t)(row + r) * n + k] - (f32x16){0};
          for (int q = 0; q < 4; q++) sum[r][q] += factor * line[q];
        }
      }
      for (int r = 0; r < 4; r++)
        for (int q = 0; q < 4; q++) memcpy(&c[(size_t)(row + r) * n + column + 16 * q], &sum[r][q], 64);
    }
  }
}
