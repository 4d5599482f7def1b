// The same sources as nvcc users build them with -use_fast_math: ftz, approx division and square root.
//@ compile: compute_80 -- -use_fast_math
//@ run: kernel=fast grid=2 block=64
//@ arg: in x: f32[128] = random(44, 0.1, 10)
//@ arg: out out: f32[896]
//@ compare: out tolerance(1e-5, 1e-6)
//@ numpy: x = x.astype(np.float64)
//@ numpy: out = np.concatenate([np.sin(x / 3), np.exp(-x), np.log(x), np.sqrt(x), 1 / x, x ** 1.7, x / (x + 1)])
//@ run: kernel=tanh_approx grid=2 block=64
//@ arg: in x: f32[128] = random(44, 0.1, 10)
//@ arg: out out: f32[128]
//@ compare: out tolerance(1e-3, 1e-6)
//@ numpy: out = np.tanh(x.astype(np.float64) / 5)
//@ run: kernel=flush grid=1 block=64
//@ arg: in x: f32[64] = edge
//@ arg: out out: f32[256]
extern "C" __global__ void fast(const float *x, float *out) {
    unsigned t = blockIdx.x * blockDim.x + threadIdx.x;
    float v = x[t], *o = out + t;
#define ROW(e) o[0] = e; o += 128
    ROW(sinf(v / 3)); ROW(expf(-v)); ROW(logf(v)); ROW(sqrtf(v)); ROW(1 / v); ROW(powf(v, 1.7f)); ROW(v / (v + 1));
#undef ROW
}
extern "C" __global__ void tanh_approx(const float *x, float *out) {
    unsigned t = blockIdx.x * blockDim.x + threadIdx.x;
    out[t] = tanhf(x[t] / 5);
}
extern "C" __global__ void flush(const float *x, float *out) {
    unsigned t = threadIdx.x;
    float v = x[t], *o = out + t;
    o[0] = v + 1e-39f; o[64] = v * 0.25f; o[128] = fmaf(v, 0.5f, v); o[192] = fabsf(v) < 1e-40f ? 1 : fminf(v, 2.0f);
}
