// Accesses that cross cache lines: neighbours in a shared tile that was just stored, in all element sizes, masked rows of
// global memory at every phase within a line, and tiles whose rows are longer than sixteen lanes.
//@ run: kernel=tile32 grid=1 block=16,16
//@ arg: in x: u32[256] = random(301)
//@ arg: out out: u32[512] = zeros
//@ numpy: t = np.uint32
//@ numpy: p, i = np.concatenate([np.zeros(16, t), x, np.zeros(16, t)]), np.arange(256) + 16
//@ numpy: out = np.zeros(512, t)
//@ numpy: out[:256] = p[i - 1] + t(3) * p[i + 1] + t(5) * p[i - 13] + t(7) * p[i + 11]
//@ numpy: y, o = x.reshape(16, 16), out[256:].reshape(16, 16)
//@ numpy: o[1:15, 1:15] = y[1:15, :14] + t(3) * y[1:15, 2:] + t(5) * y[:14, 1:15] + t(7) * y[2:, 2:]
//@ run: kernel=tile64 grid=1 block=16,16
//@ arg: in x: u64[256] = random(302)
//@ arg: out out: u64[512] = zeros
//@ numpy: t = np.uint64
//@ numpy: p, i = np.concatenate([np.zeros(16, t), x, np.zeros(16, t)]), np.arange(256) + 16
//@ numpy: out = np.zeros(512, t)
//@ numpy: out[:256] = p[i - 1] + t(3) * p[i + 1] + t(5) * p[i - 13] + t(7) * p[i + 11]
//@ numpy: y, o = x.reshape(16, 16), out[256:].reshape(16, 16)
//@ numpy: o[1:15, 1:15] = y[1:15, :14] + t(3) * y[1:15, 2:] + t(5) * y[:14, 1:15] + t(7) * y[2:, 2:]
//@ run: kernel=tile16 grid=1 block=16,16
//@ arg: in x: u16[256] = random(303)
//@ arg: out out: u16[512] = zeros
//@ numpy: t = np.uint16
//@ numpy: p, i = np.concatenate([np.zeros(16, t), x, np.zeros(16, t)]), np.arange(256) + 16
//@ numpy: out = np.zeros(512, t)
//@ numpy: out[:256] = p[i - 1] + t(3) * p[i + 1] + t(5) * p[i - 13] + t(7) * p[i + 11]
//@ numpy: y, o = x.reshape(16, 16), out[256:].reshape(16, 16)
//@ numpy: o[1:15, 1:15] = y[1:15, :14] + t(3) * y[1:15, 2:] + t(5) * y[:14, 1:15] + t(7) * y[2:, 2:]
//@ run: kernel=tile8 grid=1 block=16,16
//@ arg: in x: u8[256] = random(304)
//@ arg: out out: u8[512] = zeros
//@ numpy: t = np.uint8
//@ numpy: p, i = np.concatenate([np.zeros(16, t), x, np.zeros(16, t)]), np.arange(256) + 16
//@ numpy: out = np.zeros(512, t)
//@ numpy: out[:256] = p[i - 1] + t(3) * p[i + 1] + t(5) * p[i - 13] + t(7) * p[i + 11]
//@ numpy: y, o = x.reshape(16, 16), out[256:].reshape(16, 16)
//@ numpy: o[1:15, 1:15] = y[1:15, :14] + t(3) * y[1:15, 2:] + t(5) * y[:14, 1:15] + t(7) * y[2:, 2:]
//@ run: kernel=rows32 grid=18 block=64
//@ arg: in x: u32[64] = random(305)
//@ arg: inout out: u32[3600] = random(306)
//@ numpy: for row in range(18):
//@ numpy:     for t in range(64):
//@ numpy:         if int(x[t]) >> (row & 7) & 1: out[row * 99 + t + 1] = x[t] + np.uint32(row)
//@ numpy:         if t % 16 < 14 and t >= row: out[1800 + row * 99 + (t ^ 4) + 2] = x[t] * np.uint32(3)
//@ run: kernel=rows64 grid=18 block=64
//@ arg: in x: u64[64] = random(307)
//@ arg: inout out: u64[3600] = random(308)
//@ numpy: for row in range(18):
//@ numpy:     for t in range(64):
//@ numpy:         if int(x[t]) >> (row & 7) & 1: out[row * 99 + t + 1] = x[t] + np.uint64(row)
//@ numpy:         if t % 16 < 14 and t >= row: out[1800 + row * 99 + (t ^ 4) + 2] = x[t] * np.uint64(3)
//@ run: kernel=halo32 grid=3,3 block=16,8
//@ arg: in x: u32[903] = random(309)
//@ arg: out out: u32[903] = zeros
//@ arg: u32 43
//@ arg: u32 21
//@ numpy: p = np.zeros((32, 60), np.uint32)
//@ numpy: p[2:23, 2:45] = x.reshape(21, 43)
//@ numpy: out = (p[:21, :43] + np.uint32(3) * p[4:25, 1:44] + np.uint32(5) * p[2:23, 4:47]).ravel()
//@ run: kernel=halo64 grid=3,3 block=16,8
//@ arg: in x: u64[903] = random(310)
//@ arg: out out: u64[903] = zeros
//@ arg: u32 43
//@ arg: u32 21
//@ numpy: p = np.zeros((32, 60), np.uint64)
//@ numpy: p[2:23, 2:45] = x.reshape(21, 43)
//@ numpy: out = (p[:21, :43] + np.uint64(3) * p[4:25, 1:44] + np.uint64(5) * p[2:23, 4:47]).ravel()
template <typename T> __device__ void tile(const T *x, T *out) {
    __shared__ T padded[18 * 16], plain[16][16];
    int tx = threadIdx.x, ty = threadIdx.y, t = ty * 16 + tx;
    if (t < 16) { padded[t] = 0; padded[17 * 16 + t] = 0; }
    padded[16 + t] = x[t];
    plain[ty][tx] = x[t];
    __syncthreads();
    // All threads, at constant distances.
    out[t] = padded[16 + t - 1] + 3 * padded[16 + t + 1] + 5 * padded[16 + t - 13] + 7 * padded[16 + t + 11];
    // Only those inside.
    if (tx > 0 && tx < 15 && ty > 0 && ty < 15)
        out[256 + t] = plain[ty][tx - 1] + 3 * plain[ty][tx + 1] + 5 * plain[ty - 1][tx] + 7 * plain[ty + 1][tx + 1];
}
extern "C" __global__ void tile32(const unsigned *x, unsigned *out) { tile(x, out); }
extern "C" __global__ void tile64(const unsigned long long *x, unsigned long long *out) { tile(x, out); }
extern "C" __global__ void tile16(const unsigned short *x, unsigned short *out) { tile(x, out); }
extern "C" __global__ void tile8(const unsigned char *x, unsigned char *out) { tile(x, out); }
template <typename T> __device__ void rows(const T *x, T *out) {
    unsigned t = threadIdx.x, row = blockIdx.x;
    // The phase within the line differs from row to row; so does who stores.
    T *to = out + row * 99;
    if ((x[t] >> (row & 7)) & 1) to[t + 1] = x[t] + row;
    if (t % 16 < 14 && t >= row) to[1800 + (t ^ 4) + 2] = x[t] * 3;
}
extern "C" __global__ void rows32(const unsigned *x, unsigned *out) { rows(x, out); }
extern "C" __global__ void rows64(const unsigned long long *x, unsigned long long *out) { rows(x, out); }
template <typename T> __device__ void halo(const T *x, T *out, int w, int h) {
    __shared__ T tile[12][20];
    int tx = threadIdx.x, ty = threadIdx.y, t = ty * 16 + tx, x0 = blockIdx.x * 16 - 2, y0 = blockIdx.y * 8 - 2;
    for (int i = t; i < 240; i += 128) {
        int r = i / 20, c = i - r * 20, px = x0 + c, py = y0 + r;
        tile[r][c] = px >= 0 && px < w && py >= 0 && py < h ? x[py * w + px] : 0;
    }
    __syncthreads();
    int px = blockIdx.x * 16 + tx, py = blockIdx.y * 8 + ty;
    if (px < w && py < h) out[py * w + px] = tile[ty][tx] + 3 * tile[ty + 4][tx + 1] + 5 * tile[ty + 2][tx + 4];
}
extern "C" __global__ void halo32(const unsigned *x, unsigned *out, int w, int h) { halo(x, out, w, h); }
extern "C" __global__ void halo64(const unsigned long long *x, unsigned long long *out, int w, int h) { halo(x, out, w, h); }
