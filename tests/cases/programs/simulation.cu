// Simulations: n-body with tiles, Mandelbrot, particles on a grid, LBM-like collision, k-means step, Black-Scholes.
//@ run: kernel=nbody grid=2 block=64
//@ arg: in p: f32[512] = random(221, -1, 1)
//@ arg: out a: f32[512]
//@ compare: a tolerance(1e-4, 1e-3)
//@ numpy: P = p.astype(np.float64).reshape(128, 4); d = P[None, :, :3] - P[:, None, :3]
//@ numpy: r = (d ** 2).sum(axis=2) + .01; a = np.zeros((128, 4)); a[:, :3] = (d * (P[None, :, 3:] * r[..., None] ** -1.5)).sum(axis=1)
//@ run: kernel=mandelbrot grid=4,5 block=16,8
//@ arg: out out: u8[2560]
//@ run: kernel=kmeans grid=3 block=100
//@ arg: in x: f32[600] = random(222, -1, 1)
//@ arg: in centres: f32[10] = random(223, -1, 1)
//@ arg: out label: u8[300]
//@ arg: inout count: u32[5] = zeros
//@ numpy: d = ((x.reshape(300, 1, 2) - centres.reshape(1, 5, 2)) ** 2).sum(axis=2); label = d.argmin(axis=1).astype(np.uint8)
//@ numpy: count = np.bincount(label, minlength=5)
//@ run: kernel=options grid=2 block=64
//@ arg: in s: f32[128] = random(224, 5, 30)
//@ arg: in x: f32[128] = random(225, 1, 100)
//@ arg: in t: f32[128] = random(226, 0.25, 10)
//@ arg: out call: f32[128]
//@ compare: call tolerance(1e-4, 1e-4)
//@ numpy: from math import erf
//@ numpy: s, x, t = (m.astype(np.float64) for m in (s, x, t)); n = np.vectorize(lambda d: .5 * (1 + erf(d / 2 ** .5)))
//@ numpy: d = (np.log(s / x) + (.02 + .045) * t) / (.3 * np.sqrt(t)); call = s * n(d) - x * np.exp(-.02 * t) * n(d - .3 * np.sqrt(t))
extern "C" __global__ void nbody(const float4 *p, float4 *a) {
    __shared__ float4 tile[64];
    unsigned i = blockIdx.x * 64 + threadIdx.x;
    float4 me = p[i];
    float ax = 0, ay = 0, az = 0;
    for (unsigned b = 0; b < 2; b++) {
        tile[threadIdx.x] = p[b * 64 + threadIdx.x];
        __syncthreads();
        for (int j = 0; j < 64; j++) {
            float dx = tile[j].x - me.x, dy = tile[j].y - me.y, dz = tile[j].z - me.z;
            float r = rsqrtf(dx * dx + dy * dy + dz * dz + 0.01f), f = tile[j].w * r * r * r;
            ax += dx * f; ay += dy * f; az += dz * f;
        }
        __syncthreads();
    }
    a[i] = make_float4(ax, ay, az, 0);
}
extern "C" __global__ void mandelbrot(unsigned char *out) {
    unsigned px = blockIdx.x * 16 + threadIdx.x, py = blockIdx.y * 8 + threadIdx.y;
    float cx = px / 20.0f - 2.2f, cy = py / 16.0f - 1.2f, x = 0, y = 0;
    int n = 0;
    while (n < 100 && __fadd_rn(__fmul_rn(x, x), __fmul_rn(y, y)) < 4) {
        float next = __fadd_rn(__fsub_rn(__fmul_rn(x, x), __fmul_rn(y, y)), cx);
        y = __fadd_rn(__fmul_rn(2 * x, y), cy);
        x = next;
        n++;
    }
    out[py * 64 + px] = (unsigned char)n;
}
extern "C" __global__ void kmeans(const float2 *x, const float2 *centres, unsigned char *label, unsigned *count) {
    __shared__ unsigned s[5];
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (threadIdx.x < 5) s[threadIdx.x] = 0;
    __syncthreads();
    float best = 1e30f;
    unsigned char at = 0;
    for (int k = 0; k < 5; k++) {
        float dx = x[i].x - centres[k].x, dy = x[i].y - centres[k].y, d = dx * dx + dy * dy;
        if (d < best) { best = d; at = (unsigned char)k; }
    }
    label[i] = at;
    atomicAdd(&s[at], 1);
    __syncthreads();
    if (threadIdx.x < 5) atomicAdd(&count[threadIdx.x], s[threadIdx.x]);
}
extern "C" __global__ void options(const float *s, const float *x, const float *t, float *call) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    float q = sqrtf(t[i]), d = (logf(s[i] / x[i]) + (0.02f + 0.045f) * t[i]) / (0.3f * q);
    call[i] = s[i] * normcdff(d) - x[i] * expf(-0.02f * t[i]) * normcdff(d - 0.3f * q);
}
