// Softmax of each row; the compiler vectorises expf through the C library's vector functions.
#include "native.h"

static void softmax(const float *restrict in, float *restrict out, int n_columns, int n_rows) {
#pragma omp parallel for schedule(static)
  for (int r = 0; r < n_rows; r++) {
    const float *from = in + (size_t)r * n_columns;
    float *to = out + (size_t)r * n_columns;
    float top = from[0], sum = 0;
#pragma omp simd reduction(max : top)
    for (int i = 0; i < n_columns; i++) top = from[i] > top ? from[i] : top;
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < n_columns; i++) {
      float e = expf(from[i] - top);
      to[i] = e;
      sum += e;
    }
    float inverse = 1.0f / sum;
#pragma omp simd
    for (int i = 0; i < n_columns; i++) to[i] *= inverse;
  }
}

ENTRY(softmax) { softmax(PTR(0), PTR(1), I32(2), (int)l->grid[0]); }
