// SHA-256 of SHA-256 of an 80-byte header for sixteen nonces at a time; nonces whose last word is below the target are kept.
#include "native.h"

#define ROR(x, n) (((x) >> (n)) | ((x) << (32 - (n))))
#define S0(x) (ROR(x, 2) ^ ROR(x, 13) ^ ROR(x, 22))
#define S1(x) (ROR(x, 6) ^ ROR(x, 11) ^ ROR(x, 25))
#define s0(x) (ROR(x, 7) ^ ROR(x, 18) ^ ((x) >> 3))
#define s1(x) (ROR(x, 17) ^ ROR(x, 19) ^ ((x) >> 10))

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
static const uint32_t H0[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

// One compression, without the final addition of the state.
static inline __attribute__((always_inline)) void compress(u32x16 *state, u32x16 *w) {
  u32x16 a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
#pragma GCC unroll 64
  for (int i = 0; i < 64; i++) {
    u32x16 x;
    if (i < 16)
      x = w[i];
    else
      x = w[i & 15] += s1(w[(i + 14) & 15]) + w[(i + 9) & 15] + s0(w[(i + 1) & 15]);
    u32x16 t1 = h + S1(e) + (g ^ (e & (f ^ g))) + K[i] + x, t2 = S0(a) + ((a & b) | (c & (a | b)));
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  state[0] = a, state[1] = b, state[2] = c, state[3] = d, state[4] = e, state[5] = f, state[6] = g, state[7] = h;
}

static void sha256d(const unsigned *mid, unsigned m0, unsigned m1, unsigned m2, unsigned first, unsigned target, unsigned *found,
                    unsigned *n_found, unsigned n) {
  const u32x16 lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#pragma omp parallel for schedule(static)
  for (unsigned i = 0; i < n; i += 16) {
    u32x16 zero = {0}, w[16], state[8], nonce = lane + (first + i);
    w[0] = zero + m0, w[1] = zero + m1, w[2] = zero + m2, w[3] = nonce, w[4] = zero + 0x80000000u;
    for (int k = 5; k < 15; k++) w[k] = zero;
    w[15] = zero + 640;
    for (int k = 0; k < 8; k++) state[k] = zero + mid[k];
    compress(state, w);
    for (int k = 0; k < 8; k++) w[k] = state[k] + mid[k];
    w[8] = zero + 0x80000000u;
    for (int k = 9; k < 15; k++) w[k] = zero;
    w[15] = zero + 256;
    for (int k = 0; k < 8; k++) state[k] = zero + H0[k];
    compress(state, w);
    u32x16 last = state[7] + H0[7], hit = (u32x16)(last < target);
    unsigned any = 0;
    for (int k = 0; k < 16; k++) any |= hit[k];
    if (!any) continue;
    for (int k = 0; k < 16; k++) {
      if (!hit[k]) continue;
      unsigned slot = __atomic_fetch_add(n_found, 1, __ATOMIC_RELAXED);
      if (slot < 64) found[slot] = nonce[k];
    }
  }
}

ENTRY(sha256d) { sha256d(PTR(0), U32(1), U32(2), U32(3), U32(4), U32(5), PTR(6), PTR(7), THREADS_X); }
