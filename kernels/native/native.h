// What every native version shares: how it is called, and vectors of the compiler's own.
//
// `ENTRY(name)` gets a launch the way the kernel of the same name does: grid, block and the arguments in order, each in a
// 64-bit slot (addresses of host memory, integers, or the bits of a float).
#pragma once
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct launch {
  uint32_t grid[3];
  uint32_t block[3];
  const uint64_t *args;
};

#define ENTRY(name) void native_##name(const struct launch *l)
#define PTR(i) ((void *)(uintptr_t)l->args[i])
#define U32(i) ((uint32_t)l->args[i])
#define I32(i) ((int32_t)l->args[i])

static inline float float_of_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}
#define F32(i) float_of_bits(U32(i))

// Threads along x of the whole grid.
#define THREADS_X (l->grid[0] * l->block[0])

// Sixteen lanes; the compiler splits them where the machine's registers are shorter.
typedef float f32x16 __attribute__((vector_size(64)));
typedef int32_t i32x16 __attribute__((vector_size(64)));
typedef uint32_t u32x16 __attribute__((vector_size(64)));
