// Counts of byte values; four tables per thread, so that equal neighbours do not wait for each other.
#include "native.h"

static void histogram(const unsigned char *data, unsigned *count, unsigned n) {
#pragma omp parallel
  {
    unsigned own[4][256];
    memset(own, 0, sizeof own);
#pragma omp for schedule(static)
    for (unsigned i = 0; i < n / 4; i++) {
      own[0][data[4 * i]]++;
      own[1][data[4 * i + 1]]++;
      own[2][data[4 * i + 2]]++;
      own[3][data[4 * i + 3]]++;
    }
#pragma omp critical
    for (int i = 0; i < 256; i++) count[i] += own[0][i] + own[1][i] + own[2][i] + own[3][i];
  }
  for (unsigned i = n / 4 * 4; i < n; i++) count[data[i]]++;
}

ENTRY(histogram) { histogram(PTR(0), PTR(1), U32(2)); }
