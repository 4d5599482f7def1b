// FFT by butterflies in shared memory and by shuffles, DCT, Walsh-Hadamard, FIR.
//@ run: kernel=fft grid=3 block=64
//@ arg: inout x: f32[768] = random(181, -1, 1)
//@ compare: x tolerance(1e-4, 1e-4)
//@ numpy: z = x.astype(np.float64).reshape(3, 128, 2); f = np.fft.fft(z[..., 0] + 1j * z[..., 1], axis=1)
//@ numpy: x = np.stack([f.real, f.imag], axis=-1)
//@ run: kernel=walsh grid=2 block=32
//@ arg: inout x: s32[64] = random(182, -100, 100)
//@ numpy: x = x.reshape(2, 32)
//@ numpy: H = np.array([[(-1) ** bin(i & j).count("1") for j in range(32)] for i in range(32)]); x = x @ H
//@ run: kernel=dct grid=2,2 block=8,8
//@ arg: in x: f32[256] = random(183, -128, 128)
//@ arg: out y: f32[256]
//@ compare: y tolerance(1e-4, 1e-3)
//@ numpy: u = np.arange(8); C = np.cos((2 * u[None, :] + 1) * u[:, None] * np.pi / 16) / 2; C[0] /= np.sqrt(2)
//@ numpy: b = x.astype(np.float64).reshape(2, 8, 2, 8).transpose(0, 2, 1, 3); y = (C @ b @ C.T).transpose(0, 2, 1, 3)
struct Complex { float re, im; };
extern "C" __global__ void fft(float *data) {
    __shared__ Complex s[128];
    Complex *x = (Complex *)data + blockIdx.x * 128;
    unsigned t = threadIdx.x;
    s[__brev(t) >> 25] = x[t];
    s[__brev(t + 64) >> 25] = x[t + 64];
    for (unsigned half = 1; half < 128; half *= 2) {
        __syncthreads();
        unsigned k = t & (half - 1), i = 2 * (t - k) + k, j = i + half;
        float re, im;
        sincospif(-(float)k / half, &im, &re);
        Complex a = s[i], b = s[j], w = {b.re * re - b.im * im, b.re * im + b.im * re};
        s[i] = {a.re + w.re, a.im + w.im};
        s[j] = {a.re - w.re, a.im - w.im};
    }
    __syncthreads();
    x[t] = s[t];
    x[t + 64] = s[t + 64];
}
extern "C" __global__ void walsh(int *x) {
    unsigned lane = threadIdx.x;
    int v = x[blockIdx.x * 32 + lane];
    for (unsigned k = 1; k < 32; k *= 2) {
        int w = __shfl_xor_sync(~0u, v, k);
        v = lane & k ? w - v : v + w;
    }
    x[blockIdx.x * 32 + lane] = v;
}
extern "C" __global__ void dct(const float *x, float *y) {
    __shared__ float a[8][8], b[8][8];
    unsigned u = threadIdx.x, v = threadIdx.y, p = (blockIdx.y * 8 + v) * 16 + blockIdx.x * 8 + u;
    a[v][u] = x[p];
    __syncthreads();
    float s = 0;
    for (int k = 0; k < 8; k++) s += a[v][k] * cospif((2 * k + 1) * u / 16.0f);
    b[v][u] = s * (u == 0 ? 0.35355339f : 0.5f);
    __syncthreads();
    s = 0;
    for (int k = 0; k < 8; k++) s += b[k][u] * cospif((2 * k + 1) * v / 16.0f);
    y[p] = s * (v == 0 ? 0.35355339f : 0.5f);
}
