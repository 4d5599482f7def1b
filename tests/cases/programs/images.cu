// Images: transpose without bank conflicts, bilinear resize, median filter, Sobel, integral image, grey conversion.
//@ run: kernel=transpose grid=2,2 block=32,8
//@ arg: in x: f32[2050] = random(231)
//@ arg: out y: f32[2050]
//@ arg: u32 50
//@ arg: u32 41
//@ numpy: y = x.reshape(41, 50).T
//@ run: kernel=median grid=2,2 block=12,10
//@ arg: in x: u8[480] = random(232)
//@ arg: out y: u8[480]
//@ arg: s32 24
//@ arg: s32 20
//@ numpy: p = np.pad(x.reshape(20, 24), 1, mode="edge")
//@ numpy: y = np.median(np.stack([p[j:j + 20, i:i + 24] for j in range(3) for i in range(3)]), axis=0).astype(np.uint8)
//@ run: kernel=resize grid=2,3 block=15,7
//@ arg: in x: f32[96] = random(233)
//@ arg: out y: f32[600]
//@ compare: y tolerance(1e-5, 1e-5)
//@ run: kernel=grey grid=1 block=100
//@ arg: in rgb: u8[400] = random(234)
//@ arg: out y: u8[100]
//@ numpy: c = rgb.reshape(100, 4).astype(np.uint32); y = ((c[:, 0] * 77 + c[:, 1] * 150 + c[:, 2] * 29) >> 8).astype(np.uint8)
extern "C" __global__ void transpose(const float *x, float *y, unsigned w, unsigned h) {
    __shared__ float tile[32][33];
    unsigned i = blockIdx.x * 32 + threadIdx.x, j = blockIdx.y * 32 + threadIdx.y;
    for (unsigned k = 0; k < 32; k += 8) if (i < w && j + k < h) tile[threadIdx.y + k][threadIdx.x] = x[(j + k) * w + i];
    __syncthreads();
    i = blockIdx.y * 32 + threadIdx.x; j = blockIdx.x * 32 + threadIdx.y;
    for (unsigned k = 0; k < 32; k += 8) if (i < h && j + k < w) y[(j + k) * h + i] = tile[threadIdx.x][threadIdx.y + k];
}
extern "C" __global__ void median(const unsigned char *x, unsigned char *y, int w, int h) {
    int i = blockIdx.x * blockDim.x + threadIdx.x, j = blockIdx.y * blockDim.y + threadIdx.y;
    unsigned char v[9];
    for (int k = 0; k < 9; k++) v[k] = x[min(max(j + k / 3 - 1, 0), h - 1) * w + min(max(i + k % 3 - 1, 0), w - 1)];
    for (int a = 0; a < 5; a++)
        for (int b = a + 1; b < 9; b++)
            if (v[b] < v[a]) { unsigned char s = v[a]; v[a] = v[b]; v[b] = s; }
    y[j * w + i] = v[4];
}
extern "C" __global__ void resize(const float *x, float *y) {
    // 12 x 8 to 30 x 20.
    unsigned i = blockIdx.x * 15 + threadIdx.x, j = blockIdx.y * 7 + threadIdx.y;
    if (j >= 20) return;
    float u = fmaxf((i + 0.5f) * 0.4f - 0.5f, 0), v = fmaxf((j + 0.5f) * 0.4f - 0.5f, 0);
    int a = (int)u, b = (int)v, c = min(a + 1, 11), d = min(b + 1, 7);
    float fu = u - a, fv = v - b;
    y[j * 30 + i] = (1 - fv) * ((1 - fu) * x[b * 12 + a] + fu * x[b * 12 + c]) + fv * ((1 - fu) * x[d * 12 + a] + fu * x[d * 12 + c]);
}
extern "C" __global__ void grey(const uchar4 *rgb, unsigned char *y) {
    unsigned t = threadIdx.x;
    uchar4 c = rgb[t];
    y[t] = (unsigned char)((c.x * 77u + c.y * 150u + c.z * 29u) >> 8);
}
