// Matrix products: naive, tiled with edges, register-blocked with vector loads, transposed operands, f64.
//@ run: kernel=naive grid=3,2 block=16,16
//@ arg: in a: f32[1271] = random(141, -1, 1)
//@ arg: in b: f32[1517] = random(142, -1, 1)
//@ arg: out c: f32[1147]
//@ arg: u32 31
//@ arg: u32 37
//@ arg: u32 41
//@ compare: c tolerance(1e-5, 1e-5)
//@ numpy: c = a.astype(np.float64).reshape(31, 41) @ b.astype(np.float64).reshape(41, 37)
//@ run: kernel=tiled grid=3,2 block=16,16
//@ arg: in a: f32[1271] = random(143, -1, 1)
//@ arg: in b: f32[1517] = random(144, -1, 1)
//@ arg: out c: f32[1147]
//@ arg: u32 31
//@ arg: u32 37
//@ arg: u32 41
//@ compare: c tolerance(1e-5, 1e-5)
//@ numpy: c = a.astype(np.float64).reshape(31, 41) @ b.astype(np.float64).reshape(41, 37)
//@ run: kernel=blocked grid=1,1 block=8,8
//@ arg: in a: f32[4096] = random(145, -1, 1)
//@ arg: in b: f32[4096] = random(146, -1, 1)
//@ arg: out c: f32[4096]
//@ compare: c tolerance(1e-5, 1e-5)
//@ numpy: c = a.astype(np.float64).reshape(64, 64) @ b.astype(np.float64).reshape(64, 64)
//@ run: kernel=gram grid=2,2 block=8,4
//@ arg: in a: f64[240] = random(147, -1, 1)
//@ arg: out c: f64[100]
//@ arg: u32 10
//@ arg: u32 24
//@ compare: c tolerance(1e-14, 1e-14)
//@ numpy: m = a.reshape(10, 24); c = m @ m.T
extern "C" __global__ void naive(const float *a, const float *b, float *c, unsigned m, unsigned n, unsigned k) {
    unsigned x = blockIdx.x * 16 + threadIdx.x, y = blockIdx.y * 16 + threadIdx.y;
    if (x >= n || y >= m) return;
    float s = 0;
    for (unsigned i = 0; i < k; i++) s += a[y * k + i] * b[i * n + x];
    c[y * n + x] = s;
}
extern "C" __global__ void tiled(const float *a, const float *b, float *c, unsigned m, unsigned n, unsigned k) {
    __shared__ float ta[16][16], tb[16][17];
    unsigned tx = threadIdx.x, ty = threadIdx.y, x = blockIdx.x * 16 + tx, y = blockIdx.y * 16 + ty;
    float s = 0;
    for (unsigned i = 0; i < k; i += 16) {
        ta[ty][tx] = y < m && i + tx < k ? a[y * k + i + tx] : 0;
        tb[ty][tx] = x < n && i + ty < k ? b[(i + ty) * n + x] : 0;
        __syncthreads();
        for (int j = 0; j < 16; j++) s += ta[ty][j] * tb[j][tx];
        __syncthreads();
    }
    if (x < n && y < m) c[y * n + x] = s;
}
extern "C" __global__ void blocked(const float *a, const float *b, float *c) {
    __shared__ float ta[8][64], tb[8][64];
    unsigned tx = threadIdx.x, ty = threadIdx.y, t = ty * 8 + tx;
    float acc[8][8] = {};
    for (unsigned k = 0; k < 64; k += 8) {
        float4 v = *(const float4 *)&a[t * 64 + k], w = *(const float4 *)&a[t * 64 + k + 4];
        ta[0][t] = v.x; ta[1][t] = v.y; ta[2][t] = v.z; ta[3][t] = v.w;
        ta[4][t] = w.x; ta[5][t] = w.y; ta[6][t] = w.z; ta[7][t] = w.w;
        for (unsigned r = 0; r < 2; r++) {
            unsigned e = (t + r * 64) * 4;
            *(float4 *)&tb[e / 64][e % 64] = *(const float4 *)&b[(k + e / 64) * 64 + e % 64];
        }
        __syncthreads();
        for (int i = 0; i < 8; i++)
            for (int y = 0; y < 8; y++)
                for (int x = 0; x < 8; x++) acc[y][x] += ta[i][ty * 8 + y] * tb[i][tx * 8 + x];
        __syncthreads();
    }
    for (int y = 0; y < 8; y++)
        for (int x = 0; x < 8; x += 4) *(float4 *)&c[(ty * 8 + y) * 64 + tx * 8 + x] = make_float4(acc[y][x], acc[y][x + 1], acc[y][x + 2], acc[y][x + 3]);
}
extern "C" __global__ void gram(const double *a, double *c, unsigned n, unsigned k) {
    unsigned x = blockIdx.x * 8 + threadIdx.x, y0 = blockIdx.y * 4 + threadIdx.y;
    for (unsigned y = y0; y < n; y += gridDim.y * 4) {
        if (x > y) continue;
        double s = 0;
        for (unsigned i = 0; i < k; i++) s += a[x * k + i] * a[y * k + i];
        c[y * n + x] = s;
        c[x * n + y] = s;
    }
}
