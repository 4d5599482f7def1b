// Block reductions three ways: shared memory, shuffles, and grid-stride with atomics at the end.
//@ run: kernel=sum_shared grid=4 block=256
//@ arg: in x: f32[1000] = random(101, -1, 1)
//@ arg: out out: f32[4]
//@ arg: u32 1000
//@ compare: out tolerance(1e-5, 1e-5)
//@ numpy: p = np.pad(x.astype(np.float64), (0, 24)).reshape(4, 256); out = p.sum(axis=1)
//@ run: kernel=minmax grid=3 block=192
//@ arg: in x: s32[5000] = random(102)
//@ arg: inout out: s32[2] = 2147483647 -2147483648
//@ arg: u32 5000
//@ numpy: out = np.array([x.min(), x.max()])
//@ run: kernel=dot grid=2 block=160
//@ arg: in x: f64[3000] = random(103, -1, 1)
//@ arg: in y: f64[3000] = random(104, -1, 1)
//@ arg: inout out: f64[1] = 0
//@ arg: u32 3000
//@ compare: out rel(1e-12)
//@ numpy: out = np.array([x @ y])
//@ run: kernel=argmax grid=1 block=128
//@ arg: in x: f32[777] = random(105, -100, 100)
//@ arg: out out: u32[1]
//@ arg: u32 777
//@ numpy: out = np.uint32([np.argmax(x)])
extern "C" __global__ void sum_shared(const float *x, float *out, unsigned n) {
    __shared__ float s[256];
    unsigned t = threadIdx.x, i = blockIdx.x * 256 + t;
    s[t] = i < n ? x[i] : 0;
    __syncthreads();
    for (unsigned k = 128; k; k /= 2) {
        if (t < k) s[t] += s[t + k];
        __syncthreads();
    }
    if (t == 0) out[blockIdx.x] = s[0];
}
extern "C" __global__ void minmax(const int *x, int *out, unsigned n) {
    int lo = 2147483647, hi = -lo - 1;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) { lo = min(lo, x[i]); hi = max(hi, x[i]); }
    for (int k = 16; k; k /= 2) {
        lo = min(lo, __shfl_down_sync(~0u, lo, k));
        hi = max(hi, __shfl_down_sync(~0u, hi, k));
    }
    if ((threadIdx.x & 31) == 0) { atomicMin(&out[0], lo); atomicMax(&out[1], hi); }
}
extern "C" __global__ void dot(const double *x, const double *y, double *out, unsigned n) {
    __shared__ double warp[5];
    double v = 0;
    for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) v += x[i] * y[i];
    for (int k = 16; k; k /= 2) v += __shfl_xor_sync(~0u, v, k);
    if ((threadIdx.x & 31) == 0) warp[threadIdx.x / 32] = v;
    __syncthreads();
    if (threadIdx.x < 32) {
        v = threadIdx.x < 5 ? warp[threadIdx.x] : 0;
        for (int k = 4; k; k /= 2) v += __shfl_xor_sync(~0u, v, k);
        if (threadIdx.x == 0) atomicAdd(out, v);
    }
}
extern "C" __global__ void argmax(const float *x, unsigned *out, unsigned n) {
    __shared__ unsigned long long best;
    if (threadIdx.x == 0) best = 0;
    __syncthreads();
    for (unsigned i = threadIdx.x; i < n; i += blockDim.x) {
        unsigned bits = __float_as_uint(x[i]);
        bits ^= bits >> 31 ? 0xffffffffu : 0x80000000u;
        atomicMax(&best, (unsigned long long)bits << 32 | (0xffffffffu - i));
    }
    __syncthreads();
    if (threadIdx.x == 0) *out = 0xffffffffu - (unsigned)best;
}
