// One level of a breadth-first search. Threads may set the same vertex: they all store the same value.
#include "native.h"

static void bfs(const int *row, const int *column, int *distance, int *flag, int level, int n) {
#pragma omp parallel for schedule(static)
  for (int v = 0; v < n; v++) {
    if (distance[v] != level) continue;
    for (int j = row[v]; j < row[v + 1]; j++) {
      int u = column[j];
      if (distance[u] < 0) {
        distance[u] = level + 1;
        *flag = 1;
      }
    }
  }
}

ENTRY(bfs) { bfs(PTR(0), PTR(1), PTR(2), PTR(3), I32(4), I32(5)); }
