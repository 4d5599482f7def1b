// Indices of neighbours clamped to the grid, in the ways programs write it; grids larger and smaller than a block, so that
// blocks at the border, inner blocks and blocks that are both run. `wrapped` has indices that pass the greatest integer.
//@ run: kernel=selected grid=6,5 block=16,16
//@ arg: in x: u32[5390] = random(1)
//@ arg: out out: u32[5390] = zeros
//@ arg: s32 77
//@ arg: s32 70
//@ numpy: p = np.pad(x.reshape(70, 77), 1, mode="edge")
//@ numpy: out = (p[1:-1, 1:-1] + np.uint32(3) * p[:-2, 1:-1] + np.uint32(5) * p[2:, 1:-1] + np.uint32(7) * p[1:-1, :-2] + np.uint32(11) * p[1:-1, 2:]).ravel()
//@ run: kernel=min_max grid=3,9 block=32,8
//@ arg: in x: u32[5390] = random(1)
//@ arg: out out: u32[5390] = zeros
//@ arg: s32 77
//@ arg: s32 70
//@ numpy: p = np.pad(x.reshape(70, 77), 1, mode="edge")
//@ numpy: out = (p[1:-1, 1:-1] + np.uint32(3) * p[:-2, 1:-1] + np.uint32(5) * p[2:, 1:-1] + np.uint32(7) * p[1:-1, :-2] + np.uint32(11) * p[1:-1, 2:]).ravel()
//@ run: kernel=min_max grid=1,1 block=32,8
//@ arg: in x: u32[35] = random(2)
//@ arg: out out: u32[35] = zeros
//@ arg: s32 7
//@ arg: s32 5
//@ numpy: p = np.pad(x.reshape(5, 7), 1, mode="edge")
//@ numpy: out = (p[1:-1, 1:-1] + np.uint32(3) * p[:-2, 1:-1] + np.uint32(5) * p[2:, 1:-1] + np.uint32(7) * p[1:-1, :-2] + np.uint32(11) * p[1:-1, 2:]).ravel()
//@ run: kernel=tiled grid=6,5 block=16,16
//@ arg: in x: u32[5390] = random(3)
//@ arg: out out: u32[5390] = zeros
//@ arg: s32 77
//@ arg: s32 70
//@ numpy: p = np.pad(x.reshape(70, 77), 1, mode="edge")
//@ numpy: out = (p[1:-1, 1:-1] + np.uint32(3) * p[:-2, 1:-1] + np.uint32(5) * p[2:, 1:-1] + np.uint32(7) * p[1:-1, :-2] + np.uint32(11) * p[1:-1, 2:]).ravel()
//@ run: kernel=tall_tiles grid=6,2 block=16,64
//@ arg: in x: u32[5390] = random(4)
//@ arg: out out: u32[5390] = zeros
//@ arg: s32 77
//@ arg: s32 70
//@ numpy: p = np.pad(x.reshape(70, 77), 1, mode="edge")
//@ numpy: out = (p[1:-1, 1:-1] + np.uint32(3) * p[:-2, 1:-1] + np.uint32(5) * p[2:, 1:-1] + np.uint32(7) * p[1:-1, :-2] + np.uint32(11) * p[1:-1, 2:]).ravel()
//@ run: kernel=unsigned_ahead grid=5 block=256
//@ arg: in x: u32[1000] = random(5)
//@ arg: out out: u32[1000] = zeros
//@ arg: u32 1000
//@ numpy: i = np.arange(1000)
//@ numpy: out = x[i] ^ x[np.minimum(i + 9, 999)]
//@ run: kernel=wrapped grid=8 block=128
//@ arg: in x: u32[64] = random(6)
//@ arg: out out: u32[1024] = zeros
//@ arg: s32 2147483147
//@ arg: s32 2147483157
//@ arg: s32 64
//@ numpy: i = (np.arange(1024) + 2147483147).astype(np.uint32).astype(np.int32).astype(np.int64)
//@ numpy: out = x[np.clip(i - 2147483157, 0, 63)]

typedef unsigned u32;

__device__ u32 sum(u32 c, u32 up, u32 down, u32 left, u32 right) {
    return c + 3 * up + 5 * down + 7 * left + 11 * right;
}

extern "C" __global__ void selected(const u32* x, u32* out, int w, int h) {
    int i = blockIdx.x * 16 + threadIdx.x, j = blockIdx.y * 16 + threadIdx.y;
    int left = i - 1 < 0 ? 0 : i - 1 >= w ? w - 1 : i - 1, right = i + 1 < 0 ? 0 : i + 1 >= w ? w - 1 : i + 1;
    int up = j - 1 < 0 ? 0 : j - 1 >= h ? h - 1 : j - 1, down = j + 1 < 0 ? 0 : j + 1 >= h ? h - 1 : j + 1;
    int ci = i >= w ? w - 1 : i, cj = j >= h ? h - 1 : j;
    u32 s = sum(x[cj * w + ci], x[up * w + ci], x[down * w + ci], x[cj * w + left], x[cj * w + right]);
    if (i < w && j < h) out[j * w + i] = s;
}

extern "C" __global__ void min_max(const u32* x, u32* out, int w, int h) {
    int i = blockIdx.x * 32 + threadIdx.x, j = blockIdx.y * 8 + threadIdx.y;
    int left = max(0, min(i - 1, w - 1)), right = max(0, min(i + 1, w - 1));
    int up = min(max(j - 1, 0), h - 1), down = min(max(j + 1, 0), h - 1);
    int ci = min(i, w - 1), cj = min(j, h - 1);
    u32 s = sum(x[cj * w + ci], x[up * w + ci], x[down * w + ci], x[cj * w + left], x[cj * w + right]);
    if (i < w && j < h) out[j * w + i] = s;
}

template <int HEIGHT>
__device__ void tile(const u32* x, u32* out, int w, int h) {
    __shared__ u32 t[HEIGHT][16];
    int tx = threadIdx.x, ty = threadIdx.y;
    int i = blockIdx.x * 14 + tx - 1, j = blockIdx.y * (HEIGHT - 2) + ty - 1;
    int ci = i < 0 ? 0 : i >= w ? w - 1 : i, cj = j < 0 ? 0 : j >= h ? h - 1 : j;
    t[ty][tx] = x[cj * w + ci];
    __syncthreads();
    if (tx > 0 && tx < 15 && ty > 0 && ty < HEIGHT - 1 && i < w && j < h)
        out[j * w + i] = sum(t[ty][tx], t[ty - 1][tx], t[ty + 1][tx], t[ty][tx - 1], t[ty][tx + 1]);
}

extern "C" __global__ void tiled(const u32* x, u32* out, int w, int h) { tile<16>(x, out, w, h); }
extern "C" __global__ void tall_tiles(const u32* x, u32* out, int w, int h) { tile<64>(x, out, w, h); }

extern "C" __global__ void unsigned_ahead(const u32* x, u32* out, u32 n) {
    u32 i = blockIdx.x * 256 + threadIdx.x;
    u32 here = min(i, n - 1), ahead = i + 9 < n - 1 ? i + 9 : n - 1;
    u32 both = x[here] ^ x[ahead];
    if (i < n) out[i] = both;
}

extern "C" __global__ void wrapped(const u32* x, u32* out, int first, int low, int n) {
    u32 thread = blockIdx.x * 128 + threadIdx.x;
    int i = (int)(thread + (u32)first);
    int clamped = i < low ? low : i > low + n - 1 ? low + n - 1 : i;
    out[thread] = x[clamped - low];
}
