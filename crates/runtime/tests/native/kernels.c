// Kernels written by hand against the code contract (crates/jit/src/abi.rs), so that the runtime is tested without the compiler.
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { DONE, BARRIER, YIELD, GRID_SYNC, TRAP, STOPPED, ASSERT_FAILED, STACK_OVERFLOW, BAD_CALL, MISALIGNED };

struct block;
struct services {
  uint32_t (*vprintf)(struct block *, uint64_t format, uint64_t args);
  uint64_t (*malloc)(struct block *, uint64_t bytes);
  void (*free)(struct block *, uint64_t address);
  void (*assert_fail)(struct block *, uint64_t message, uint64_t file, uint32_t line, uint64_t function, uint32_t thread);
  uint64_t (*global_timer)(void);
  void (*barrier_arrive)(struct block *, uint32_t id, uint32_t expected, uint32_t threads);
};
struct launch {
  const uint8_t *params;
  const uint64_t *symbols;
  const struct services *services;
  const volatile uint32_t *stop;
  uint32_t grid[3], block[3];
  uint64_t grid_id, grid_workspace;
  uint32_t dynamic_shared_bytes, n_workers;
};
struct block {
  const struct launch *launch;
  uint8_t *shared, *local, *frames;
  uint32_t idx[3], worker;
  uint8_t *runtime;
};
struct frame {
  uint32_t state, exited, barrier_id, expected, arrived, predicates, result, result_threads;
  uint32_t saved[8];
};

#define LANES 32u
#define FRAME_BYTES 64u
static struct frame *frame_of(struct block *b, uint32_t program) { return (struct frame *)(b->frames + program * FRAME_BYTES); }
static uint64_t pointer_param(struct block *b, int idx) {
  uint64_t value;
  memcpy(&value, b->launch->params + 8 * idx, 8);
  return value;
}
static uint64_t linear_block(struct block *b) {
  const uint32_t *g = b->launch->grid;
  return b->idx[0] + (uint64_t)g[0] * (b->idx[1] + (uint64_t)g[1] * b->idx[2]);
}
static uint32_t threads(struct block *b) { return b->launch->block[0] * b->launch->block[1] * b->launch->block[2]; }
static uint32_t wait_at(struct frame *f, uint32_t state, uint32_t id, uint32_t expected, uint32_t arrived, uint32_t predicates) {
  f->state = state, f->barrier_id = id, f->expected = expected, f->arrived = arrived, f->predicates = predicates;
  return BARRIER;
}

uint32_t empty(struct block *b) { return DONE; }

// out[linear thread] = linear thread * scale.
uint32_t number(struct block *b) {
  uint32_t *out = (uint32_t *)pointer_param(b, 0), scale = *(const uint32_t *)(b->launch->params + 8), n = threads(b);
  for (uint32_t t = 0; t < n; t++) out[linear_block(b) * n + t] = (uint32_t)(linear_block(b) * n + t) * scale;
  return DONE;
}

// out[i] = in[i - 1] + in[i] + in[i + 1], linear threads, with zeros beyond the ends.
uint32_t smooth(struct block *b) {
  const uint32_t *in = (const uint32_t *)pointer_param(b, 0);
  uint32_t *out = (uint32_t *)pointer_param(b, 1), n = threads(b);
  uint64_t len = pointer_param(b, 2);
  for (uint32_t t = 0; t < n; t++) {
    uint64_t i = linear_block(b) * n + t;
    if (i < len) out[i] = (i ? in[i - 1] : 0) + in[i] + (i + 1 < len ? in[i + 1] : 0);
  }
  return DONE;
}

// Library calls, constants and a local window.
static const double table[4] = {0.5, 1.5, 2.5, 3.5};
uint32_t library(struct block *b) {
  double *out = (double *)pointer_param(b, 0);
  for (uint32_t t = 0; t < 4; t++) {
    uint8_t *local = b->local + t * 64;
    memset(local, (int)t, 64);
    out[t] = fma(table[t], 2.0, local[63]) + floor(table[t]);
  }
  memmove(out + 4, out, 4 * sizeof *out);
  return DONE;
}

// Adds one to the module variable 0.
uint32_t variable(struct block *b) {
  __atomic_fetch_add((uint32_t *)b->launch->symbols[0], 1, __ATOMIC_RELAXED);
  return DONE;
}

uint32_t store(struct block *b) {
  *(volatile uint32_t *)pointer_param(b, 0) = 1;
  return DONE;
}
uint32_t over_shared(struct block *b) {
  for (uint32_t at = 0; at < 1 << 20; at += 256) *(volatile uint32_t *)(b->shared + at) = at;
  return DONE;
}
uint32_t status(struct block *b) { return *(const uint32_t *)b->launch->params; }
uint32_t illegal(struct block *b) { __builtin_trap(); }
uint32_t endless(struct block *b) {
  while (!*b->launch->stop) {}
  return STOPPED;
}

// Does not look at the stop flag.
uint32_t runaway(struct block *b) {
  for (;;) __asm__ volatile("" ::: "memory");
}
// The last block traps, all others wait for it.
uint32_t trap_waits(struct block *b) {
  if (b->idx[0] == 3) return TRAP;
  return runaway(b);
}

uint32_t prints(struct block *b) {
  struct { int32_t i; double d; uint64_t s; } args = {42, 1.5, (uint64_t)"text"};
  b->launch->services->vprintf(b, (uint64_t)"%d %.2f %s\n", (uint64_t)&args);
  return b->launch->services->vprintf(b, 16, 0) == (uint32_t)-2 ? DONE : TRAP;
}
uint32_t asserts(struct block *b) {
  b->launch->services->assert_fail(b, (uint64_t)"x > 0", (uint64_t)"a.cu", 7, (uint64_t)"void k()", 33);
  return ASSERT_FAILED;
}
uint32_t allocates(struct block *b) {
  const struct services *s = b->launch->services;
  uint64_t *out = (uint64_t *)pointer_param(b, 0);
  uint64_t a = s->malloc(b, 100), c = s->malloc(b, (uint64_t)1 << 40);
  if (!a || a % 16 || c) return TRAP;
  memset((void *)a, 7, 100);
  s->free(b, a);
  out[0] = s->malloc(b, 100) == a;
  return s->global_timer() ? DONE : TRAP;
}

// Tree sum over shared memory, one word per program: barriers in a loop.
uint32_t tree_sum(struct block *b, uint32_t p) {
  struct frame *f = frame_of(b, p);
  uint32_t n = (threads(b) + LANES - 1) / LANES, *words = (uint32_t *)b->shared, *out = (uint32_t *)pointer_param(b, 0);
  if (f->state == 0) {
    words[p] = p + 1;
    f->saved[0] = n / 2;
    return wait_at(f, 1, 0, 0, LANES, p % 2 ? LANES : 0);
  }
  if (f->saved[0] == n / 2 && f->result != n / 2 * LANES) return TRAP;
  uint32_t half = f->saved[0];
  if (half == 0) {
    if (p == 0) out[linear_block(b)] = words[0];
    return DONE;
  }
  if (p < half) words[p] += words[p + half];
  f->saved[0] = half / 2;
  return wait_at(f, 1, 0, 0, LANES, 0);
}

// Half of the programs end before the barrier.
uint32_t early_exit(struct block *b, uint32_t p) {
  struct frame *f = frame_of(b, p);
  if (p % 2) return DONE;
  if (f->state == 0) return f->exited = 16, wait_at(f, 1, 5, 0, 16, 0);
  if (p == 0) *(uint32_t *)pointer_param(b, 0) = f->result_threads;
  return DONE;
}

// Program 0 produces (bar.arrive), the others consume (bar.sync), with a thread count.
uint32_t producer(struct block *b, uint32_t p) {
  struct frame *f = frame_of(b, p);
  uint32_t *word = (uint32_t *)b->shared, n = threads(b);
  if (f->state == 0) {
    if (p > 0) return wait_at(f, 1, 3, n, LANES, 0);
    *word = 99;
    b->launch->services->barrier_arrive(b, 3, n, LANES);
    return DONE;
  }
  __atomic_fetch_add((uint32_t *)pointer_param(b, 0), *word, __ATOMIC_RELAXED);
  return DONE;
}

uint32_t dead(struct block *b, uint32_t p) { return wait_at(frame_of(b, p), 1, p % 2, 0, LANES, 0); }

// Program 0 spins until the last program has run.
uint32_t spins(struct block *b, uint32_t p) {
  uint32_t *word = (uint32_t *)b->shared, n = threads(b) / LANES;
  struct frame *f = frame_of(b, p);
  if (p == 0 && f->state == 0) return *word = 0, f->state = 1, YIELD;
  if (p == 0 && *(volatile uint32_t *)word == 0) return YIELD;
  if (p == n - 1) *word = 1;
  return DONE;
}

// Frame headers start as zeroes in every block.
uint32_t fresh_frames(struct block *b, uint32_t p) {
  struct frame *f = frame_of(b, p);
  uint32_t any = f->state | f->exited | f->barrier_id | f->expected | f->arrived | f->predicates | f->result | f->result_threads;
  memset(f, 0xff, FRAME_BYTES);
  return any ? TRAP : DONE;
}

// Waits for the block before (decoupled look-back).
uint32_t look_back(struct block *b) {
  volatile uint32_t *flags = (volatile uint32_t *)pointer_param(b, 0);
  uint64_t i = linear_block(b);
  uint32_t before = 0;
  if (i > 0)
    while (!(before = __atomic_load_n(&flags[i - 1], __ATOMIC_ACQUIRE)))
      if (*b->launch->stop) return STOPPED;
  __atomic_store_n(&flags[i], before + 1, __ATOMIC_RELEASE);
  return DONE;
}

// Order of blocks.
uint32_t ticket(struct block *b) {
  uint32_t *out = (uint32_t *)pointer_param(b, 0);
  out[1 + linear_block(b)] = __atomic_fetch_add(&out[0], 1, __ATOMIC_RELAXED);
  return DONE;
}

// out[block] += sum of all blocks' words, through cudaCGSynchronize.
uint32_t grid_sum(struct block *b, uint32_t p) {
  struct frame *f = frame_of(b, p);
  uint32_t *out = (uint32_t *)pointer_param(b, 0), n = b->launch->grid[0], sum = 0;
  switch (f->state) {
    case 0:
      if (p == 0) out[linear_block(b)] = b->idx[0] + 1;
      f->state = 1;
      return GRID_SYNC;
    case 1:
      for (uint32_t i = 0; i < n; i++) sum += out[i];
      f->saved[0] = sum, f->state = 2;
      return GRID_SYNC;
    default:
      if (p == 0) out[linear_block(b)] = f->saved[0];
      return DONE;
  }
}

// The same through the workspace in %envreg1/2, as CUDA's cooperative_groups does it.
uint32_t grid_spin(struct block *b, uint32_t p) {
  struct frame *f = frame_of(b, p);
  uint32_t *out = (uint32_t *)pointer_param(b, 0), n = b->launch->grid[0], sum = 0;
  uint32_t *counter = (uint32_t *)(b->launch->grid_workspace + 4);
  if (f->state == 0) {
    out[linear_block(b)] = b->idx[0] + 1;
    f->saved[0] = __atomic_fetch_add(counter, b->idx[0] == 0 ? 0x80000000u - (n - 1) : 1, __ATOMIC_ACQ_REL);
    f->state = 1;
  }
  if (f->state == 1) {
    if (!((f->saved[0] ^ __atomic_load_n(counter, __ATOMIC_ACQUIRE)) & 0x80000000u)) return YIELD;
    f->state = 2;
  }
  for (uint32_t i = 0; i < n; i++) sum += out[i];
  out[n + linear_block(b)] = sum;
  return DONE;
}
