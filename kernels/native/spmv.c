// y = M x, M in compressed rows.
#include "native.h"

static void spmv(const int *restrict row, const int *restrict column, const float *restrict value, const float *restrict x,
                 float *restrict y, int n) {
#pragma omp parallel for schedule(static)
  for (int r = 0; r < n; r++) {
    float sum = 0;
    for (int j = row[r]; j < row[r + 1]; j++) sum += value[j] * x[column[j]];
    y[r] = sum;
  }
}

ENTRY(spmv) { spmv(PTR(0), PTR(1), PTR(2), PTR(3), PTR(4), I32(5)); }
