// In the manner of the CUDA samples: dynamic shared memory, templates, recursion, a finite-difference stencil, a reduction tree,
// Hillis-Steele scan, matrix transpose with padding, Monte Carlo with a small generator, byte permutation, clock.
//@ compile: nvcc13:compute_75 nvcc13:compute_90 -- -std=c++17 -lineinfo -use_fast_math
//@ run: kernel=transpose grid=3,2 block=32,8
//@ arg: in x: f32[6144] = random(241, -1, 1)
//@ arg: out y: f32[6144]
//@ arg: u32 96
//@ arg: u32 64
//@ numpy: y = x.reshape(64, 96).T.ravel()
//@ run: kernel=scan grid=1 block=256 shared=2048
//@ arg: inout x: u32[256] = random(242)
//@ numpy: x = np.cumsum(x, dtype=np.uint32)
//@ run: kernel=stencil grid=4 block=64
//@ arg: in x: f32[264] = random(243, -1, 1)
//@ arg: out y: f32[256]
//@ compare: y tolerance(1e-5, 1e-5)
//@ numpy: d = x.astype(np.float64); y = (0.5 * d[4:260] + 0.2 * (d[3:259] + d[5:261]) + 0.05 * (d[2:258] + d[6:262]) + 0.01 * (d[1:257] + d[7:263]) + 0.005 * (d[0:256] + d[8:264])).astype(np.float32)
//@ run: kernel=fibonacci grid=1 block=16
//@ arg: out y: u32[16]
//@ numpy: y = np.array([0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610], dtype=np.uint32)
//@ run: kernel=pi grid=4 block=128
//@ arg: inout inside: u64[1] = zeros
//@ arg: u32 64
//@ numpy: s = np.uint32(12345) + np.uint32(747796405) * np.arange(512, dtype=np.uint32); r = []; exec('for _ in range(128):\n s = s * np.uint32(1664525) + np.uint32(1013904223)\n r.append((s >> 8) / np.float32(16777216))'); q = np.array(r, dtype=np.float32).reshape(64, 2, 512); inside = np.uint64([(q[:, 0].astype(np.float64) ** 2 + q[:, 1].astype(np.float64) ** 2 < 1).sum()])
//@ run: kernel=bytes grid=1 block=64
//@ arg: in x: u32[64] = random(244)
//@ arg: out y: u32[64]
//@ numpy: y = x.byteswap() ^ (((x & 0x7f7f7f7f) + (x[::-1] & 0x7f7f7f7f)) ^ ((x ^ x[::-1]) & 0x80808080))
__device__ unsigned warp_sum(unsigned v) {
    for (int k = 16; k; k /= 2) v += __shfl_xor_sync(~0u, v, k);
    return v;
}
template <int TILE> __device__ void tile_transpose(const float *x, float *y, unsigned w, unsigned h) {
    __shared__ float tile[TILE][TILE + 1];
    unsigned cx = blockIdx.x * TILE + threadIdx.x, cy = blockIdx.y * TILE + threadIdx.y;
    for (int j = 0; j < TILE; j += 8) tile[threadIdx.y + j][threadIdx.x] = x[(cy + j) * w + cx];
    __syncthreads();
    cx = blockIdx.y * TILE + threadIdx.x; cy = blockIdx.x * TILE + threadIdx.y;
    for (int j = 0; j < TILE; j += 8) y[(cy + j) * h + cx] = tile[threadIdx.x][threadIdx.y + j];
}
extern "C" __global__ void transpose(const float *x, float *y, unsigned w, unsigned h) { tile_transpose<32>(x, y, w, h); }
extern "C" __global__ void scan(unsigned *x) {
    extern __shared__ unsigned buffer[];
    unsigned t = threadIdx.x, from = 0, to = 1;
    buffer[t] = x[t];
    __syncthreads();
    for (unsigned step = 1; step < blockDim.x; step *= 2) {
        buffer[to * blockDim.x + t] = buffer[from * blockDim.x + t] + (t >= step ? buffer[from * blockDim.x + t - step] : 0);
        unsigned swap = from; from = to; to = swap;
        __syncthreads();
    }
    x[t] = buffer[from * blockDim.x + t];
}
__constant__ float weights[5] = {0.5f, 0.2f, 0.05f, 0.01f, 0.005f};
extern "C" __global__ void stencil(const float *x, float *y) {
    __shared__ float s[72];
    unsigned t = threadIdx.x, first = blockIdx.x * blockDim.x;
    s[t] = x[first + t];
    if (t < 8) s[64 + t] = x[first + 64 + t];
    __syncthreads();
    float sum = weights[0] * s[t + 4];
#pragma unroll
    for (int k = 1; k < 5; k++) sum += weights[k] * (s[t + 4 - k] + s[t + 4 + k]);
    y[first + t] = sum;
}
__device__ __noinline__ unsigned fib(unsigned n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
extern "C" __global__ void fibonacci(unsigned *y) { y[threadIdx.x] = fib(threadIdx.x); }
extern "C" __global__ void pi(unsigned long long *inside, unsigned n) {
    unsigned state = 12345u + 747796405u * (blockIdx.x * blockDim.x + threadIdx.x), hits = 0;
    for (unsigned i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u; float a = (state >> 8) * (1.0f / 16777216);
        state = state * 1664525u + 1013904223u; float b = (state >> 8) * (1.0f / 16777216);
        hits += a * a + b * b < 1.0f;
    }
    hits = warp_sum(hits);
    if (threadIdx.x % 32 == 0) atomicAdd(inside, (unsigned long long)hits);
}
extern "C" __global__ void bytes(const unsigned *x, unsigned *y) {
    y[threadIdx.x] = __byte_perm(x[threadIdx.x], 0, 0x0123) ^ __vadd4(x[threadIdx.x], x[63 - threadIdx.x]);
}
