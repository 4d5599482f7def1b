// Inclusive prefix sum in two passes: sums of one part per thread, then each part from where the one before ends.
#include "native.h"
#include <omp.h>

static void scan(const unsigned *restrict in, unsigned *restrict out, unsigned n) {
  enum { MAX_PARTS = 1024 };
  static unsigned sum[MAX_PARTS];
  int threads = omp_get_max_threads(), n_parts = threads < MAX_PARTS ? threads : MAX_PARTS;
#pragma omp parallel num_threads(n_parts)
  {
    int part = omp_get_thread_num();
    size_t first = (size_t)n * part / n_parts, end = (size_t)n * (part + 1) / n_parts;
    unsigned own = 0;
    for (size_t i = first; i < end; i++) own += in[i];
    sum[part] = own;
#pragma omp barrier
    unsigned total = 0;
    for (int i = 0; i < part; i++) total += sum[i];
#pragma omp simd reduction(inscan, + : total)
    for (size_t i = first; i < end; i++) {
      total += in[i];
#pragma omp scan inclusive(total)
      out[i] = total;
    }
  }
}

ENTRY(scan) { scan(PTR(0), PTR(1), U32(4)); }
