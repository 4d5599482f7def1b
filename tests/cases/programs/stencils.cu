// Stencils: five points with halo in shared memory, seven points in three dimensions, hot spot with several steps per launch.
//@ run: kernel=jacobi grid=3,4 block=16,8
//@ arg: in x: f32[1488] = random(151)
//@ arg: out y: f32[1488]
//@ arg: u32 48
//@ arg: u32 31
//@ compare: y tolerance(1e-6, 1e-6)
//@ numpy: p = np.pad(x.astype(np.float64).reshape(31, 48), 1, mode="edge")
//@ numpy: y = .5 * p[1:-1, 1:-1] + .125 * (p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:])
//@ run: kernel=heat3 grid=2,2,3 block=8,4,2
//@ arg: in x: f64[480] = random(152)
//@ arg: out y: f64[480]
//@ arg: u32 12
//@ arg: u32 8
//@ arg: u32 5
//@ compare: y tolerance(1e-14, 1e-14)
//@ run: kernel=life grid=2 block=128
//@ arg: inout cells: u8[1024] = random(153, 0, 2)
//@ arg: u32 6
//@ run: kernel=convolve grid=2 block=100
//@ arg: in x: f32[200] = random(154)
//@ arg: out y: f32[200]
//@ variable: in taps: f32[9] = 1 2 4 8 16 8 4 2 1
//@ numpy: y = np.convolve(x, taps, mode="same")
//@ compare: y rel(1e-5)
extern "C" __global__ void jacobi(const float *x, float *y, unsigned w, unsigned h) {
    __shared__ float s[10][18];
    int tx = threadIdx.x, ty = threadIdx.y, px = blockIdx.x * 16 + tx, py = blockIdx.y * 8 + ty;
    auto at = [&](int i, int j) { return x[min(max(j, 0), (int)h - 1) * w + min(max(i, 0), (int)w - 1)]; };
    s[ty + 1][tx + 1] = at(px, py);
    if (tx == 0) s[ty + 1][0] = at(px - 1, py);
    if (tx == 15) s[ty + 1][17] = at(px + 1, py);
    if (ty == 0) s[0][tx + 1] = at(px, py - 1);
    if (ty == 7 || py == (int)h - 1) s[ty + 2][tx + 1] = at(px, py + 1);
    __syncthreads();
    if (px < (int)w && py < (int)h)
        y[py * w + px] = 0.5f * s[ty + 1][tx + 1] + 0.125f * (s[ty][tx + 1] + s[ty + 2][tx + 1] + s[ty + 1][tx] + s[ty + 1][tx + 2]);
}
extern "C" __global__ void heat3(const double *x, double *y, unsigned w, unsigned h, unsigned d) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x, j = blockIdx.y * blockDim.y + threadIdx.y, k = blockIdx.z * blockDim.z + threadIdx.z;
    if (i >= w || j >= h || k >= d) return;
    unsigned p = (k * h + j) * w + i;
    if (i == 0 || j == 0 || k == 0 || i == w - 1 || j == h - 1 || k == d - 1) { y[p] = x[p]; return; }
    y[p] = x[p] + 0.1 * (x[p - 1] + x[p + 1] + x[p - w] + x[p + w] + x[p - w * h] + x[p + w * h] - 6 * x[p]);
}
extern "C" __global__ void life(unsigned char *cells, unsigned steps) {
    // Two worlds of 32 x 16, one per block, four cells per thread.
    __shared__ unsigned char s[512];
    cells += blockIdx.x * 512;
    for (unsigned k = threadIdx.x; k < 512; k += 128) s[k] = cells[k];
    for (unsigned step = 0; step < steps; step++) {
        unsigned char next[4];
        __syncthreads();
        for (unsigned c = 0; c < 4; c++) {
            unsigned k = threadIdx.x + c * 128, x = k & 31, y = k >> 5, n = 0;
            for (int dy = -1; dy <= 1; dy++)
                for (int dx = -1; dx <= 1; dx++)
                    if (dx || dy) n += s[((y + dy) & 15) * 32 + ((x + dx) & 31)];
            next[c] = n == 3 || (n == 2 && s[k]);
        }
        __syncthreads();
        for (unsigned c = 0; c < 4; c++) s[threadIdx.x + c * 128] = next[c];
    }
    for (unsigned c = 0; c < 4; c++) cells[threadIdx.x + c * 128] = s[threadIdx.x + c * 128];
}
__constant__ float taps[9];
extern "C" __global__ void convolve(const float *x, float *y) {
    int i = blockIdx.x * blockDim.x + threadIdx.x, n = gridDim.x * blockDim.x;
    float s = 0;
    for (int k = -4; k <= 4; k++) if (i + k >= 0 && i + k < n) s += x[i + k] * taps[4 - k];
    y[i] = s;
}
