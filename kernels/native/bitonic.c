// One step of a bitonic sort: compare and swap at distance j, in runs of k that rise and fall in turn.
#include "native.h"

static void bitonic(unsigned *restrict d, unsigned j, unsigned k, unsigned n) {
#pragma omp parallel for schedule(static)
  for (unsigned b = 0; b < n; b += 2 * j) {
    int up = (b & k) == 0;
    for (unsigned i = b; i < b + j; i++) {
      unsigned x = d[i], y = d[i + j], low = x < y ? x : y, high = x < y ? y : x;
      d[i] = up ? low : high;
      d[i + j] = up ? high : low;
    }
  }
}

ENTRY(bitonic) { bitonic(PTR(0), U32(1), U32(2), THREADS_X); }
