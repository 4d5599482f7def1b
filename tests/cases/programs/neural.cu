// Pieces of networks: softmax, layer norm, GELU, attention with running maximum, embedding gradients.
//@ run: kernel=softmax grid=5 block=64
//@ arg: in x: f32[500] = random(171, -8, 8)
//@ arg: out y: f32[500]
//@ arg: u32 100
//@ compare: y tolerance(1e-5, 1e-7)
//@ numpy: e = np.exp(x.astype(np.float64).reshape(5, 100)); y = e / e.sum(axis=1, keepdims=True)
//@ run: kernel=layer_norm grid=6 block=32
//@ arg: in x: f32[420] = random(172, -3, 5)
//@ arg: in gain: f32[70] = random(173, 0.5, 1.5)
//@ arg: out y: f32[420]
//@ arg: u32 70
//@ compare: y tolerance(1e-4, 1e-5)
//@ numpy: m = x.astype(np.float64).reshape(6, 70)
//@ numpy: y = (m - m.mean(axis=1, keepdims=True)) / np.sqrt(m.var(axis=1, keepdims=True) + 1e-5) * gain
//@ run: kernel=gelu grid=2 block=75
//@ arg: in x: f32[150] = random(174, -4, 4)
//@ arg: out y: f32[150]
//@ compare: y tolerance(1e-5, 1e-6)
//@ numpy: x = x.astype(np.float64); y = .5 * x * (1 + np.tanh(.7978845608 * (x + .044715 * x ** 3)))
//@ run: kernel=attention grid=4 block=32
//@ arg: in q: f32[2048] = random(175, -1, 1)
//@ arg: in k: f32[2048] = random(176, -1, 1)
//@ arg: in v: f32[2048] = random(177, -1, 1)
//@ arg: out o: f32[2048]
//@ arg: u32 16
//@ compare: o tolerance(1e-4, 1e-5)
//@ numpy: Q, K, V = (m.astype(np.float64).reshape(4, 16, 32) for m in (q, k, v))
//@ numpy: s = np.exp(Q @ K.transpose(0, 2, 1) / np.sqrt(32)); o = s / s.sum(axis=2, keepdims=True) @ V
//@ run: kernel=embedding grid=3 block=40
//@ arg: in index: u32[120] = random(178, 0, 10)
//@ arg: in gradient: f32[120] = random(179, -1, 1)
//@ arg: inout table: f32[10] = zeros
//@ compare: table tolerance(1e-5, 1e-5)
//@ numpy: table = np.bincount(index, weights=gradient.astype(np.float64), minlength=10)
extern "C" __global__ void softmax(const float *x, float *y, unsigned n) {
    __shared__ float s[64];
    unsigned t = threadIdx.x;
    x += blockIdx.x * n; y += blockIdx.x * n;
    float m = -1e30f;
    for (unsigned i = t; i < n; i += 64) m = fmaxf(m, x[i]);
    s[t] = m;
    __syncthreads();
    for (unsigned k = 32; k; k /= 2) { if (t < k) s[t] = fmaxf(s[t], s[t + k]); __syncthreads(); }
    m = s[0];
    __syncthreads();
    float sum = 0;
    for (unsigned i = t; i < n; i += 64) sum += __expf(x[i] - m);
    s[t] = sum;
    __syncthreads();
    for (unsigned k = 32; k; k /= 2) { if (t < k) s[t] += s[t + k]; __syncthreads(); }
    for (unsigned i = t; i < n; i += 64) y[i] = __expf(x[i] - m) / s[0];
}
__device__ float warp_sum(float v) {
    for (int k = 16; k; k /= 2) v += __shfl_xor_sync(~0u, v, k);
    return v;
}
extern "C" __global__ void layer_norm(const float *x, const float *gain, float *y, unsigned n) {
    x += blockIdx.x * n; y += blockIdx.x * n;
    float s = 0, q = 0;
    for (unsigned i = threadIdx.x; i < n; i += 32) s += x[i];
    float mean = warp_sum(s) / n;
    for (unsigned i = threadIdx.x; i < n; i += 32) q += (x[i] - mean) * (x[i] - mean);
    float scale = rsqrtf(warp_sum(q) / n + 1e-5f);
    for (unsigned i = threadIdx.x; i < n; i += 32) y[i] = (x[i] - mean) * scale * gain[i];
}
extern "C" __global__ void gelu(const float *x, float *y) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    float v = x[i];
    y[i] = 0.5f * v * (1 + tanhf(0.7978845608f * (v + 0.044715f * v * v * v)));
}
extern "C" __global__ void attention(const float *q, const float *k, const float *v, float *o, unsigned n) {
    // One block per head, lanes over the 32 channels, running maximum and sum.
    unsigned c = threadIdx.x, base = blockIdx.x * n * 32;
    for (unsigned i = 0; i < n; i++) {
        float qi = q[base + i * 32 + c], m = -1e30f, l = 0, acc = 0;
        for (unsigned j = 0; j < n; j++) {
            float s = warp_sum(qi * k[base + j * 32 + c]) * 0.17677669f;
            float next = fmaxf(m, s), scale = __expf(m - next), p = __expf(s - next);
            l = l * scale + p;
            acc = acc * scale + p * v[base + j * 32 + c];
            m = next;
        }
        o[base + i * 32 + c] = acc / l;
    }
}
extern "C" __global__ void embedding(const unsigned *index, const float *gradient, float *table) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    atomicAdd(&table[index[i]], gradient[i]);
}
