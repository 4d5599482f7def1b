// Barriers in loops and under uniform branches, barrier reductions, shapes that are not multiples of 32.
//@ compile: compute_80 nvrtc12:compute_50
//@ run: kernel=rotate grid=2 block=100
//@ arg: inout x: u32[200] = random(7)
//@ arg: u32 13
//@ run: kernel=tree grid=3 block=128
//@ arg: in x: u32[384] = random(8)
//@ arg: out out: u32[3]
//@ numpy: out = x.reshape(3, 128).sum(axis=1, dtype=np.uint32)
//@ run: kernel=votes grid=1 block=70
//@ arg: in x: u32[70] = random(9)
//@ arg: out out: u32[210]
//@ run: kernel=branchy grid=4 block=48
//@ arg: inout x: u32[192] = random(10)
//@ run: kernel=early grid=1 block=128
//@ arg: out out: u32[128] = zeros
//@ run: kernel=cube grid=2,2,2 block=5,3,7
//@ arg: out out: u32[840]
extern "C" __global__ void rotate(unsigned *x, unsigned steps) {
    __shared__ unsigned s[2][100];
    unsigned t = threadIdx.x, b = blockIdx.x * blockDim.x;
    s[0][t] = x[b + t];
    for (unsigned k = 0; k < steps; k++) {
        __syncthreads();
        s[(k + 1) & 1][(t + 1) % 100] = s[k & 1][t] * 3 + k;
    }
    __syncthreads();
    x[b + t] = s[steps & 1][t];
}
extern "C" __global__ void tree(const unsigned *x, unsigned *out) {
    __shared__ unsigned s[128];
    unsigned t = threadIdx.x;
    s[t] = x[blockIdx.x * 128 + t];
    __syncthreads();
    for (unsigned k = 64; k > 0; k >>= 1) {
        if (t < k) s[t] += s[t + k];
        __syncthreads();
    }
    if (t == 0) out[blockIdx.x] = s[0];
}
extern "C" __global__ void votes(const unsigned *x, unsigned *out) {
    unsigned t = threadIdx.x;
    out[t] = __syncthreads_count(x[t] & 1);
    out[70 + t] = __syncthreads_and(x[t] != 5) ? 1 : 2;
    out[140 + t] = __syncthreads_or(x[t] > 0xfff00000u) ? 3 : 4;
}
extern "C" __global__ void branchy(unsigned *x) {
    __shared__ unsigned s[48];
    unsigned t = threadIdx.x, i = blockIdx.x * 48 + t;
    s[t] = x[i];
    if (blockIdx.x & 1) {
        __syncthreads();
        unsigned v = s[47 - t];
        __syncthreads();
        s[t] = v + 1;
        if (blockIdx.x == 3) { __syncthreads(); v = s[(t + 5) % 48]; __syncthreads(); s[t] = v; }
    } else {
        for (unsigned k = 0; k <= blockIdx.x; k++) {
            __syncthreads();
            unsigned v = s[(t * 7 + k) % 48];
            __syncthreads();
            s[t] = v ^ k;
        }
    }
    __syncthreads();
    x[i] = s[(t + 1) % 48];
}
extern "C" __global__ void early(unsigned *out) {
    // Threads that have ended do not hold up a barrier.
    __shared__ unsigned s[128];
    unsigned t = threadIdx.x;
    s[t] = t * t;
    if (t >= 96) return;
    __syncthreads();
    if (t >= 64) { out[t] = s[95 - t]; return; }
    __syncthreads();
    out[t] = s[63 - t] + 1;
}
extern "C" __global__ void cube(unsigned *out) {
    __shared__ unsigned s[7][3][5];
    unsigned x = threadIdx.x, y = threadIdx.y, z = threadIdx.z;
    s[z][y][x] = x + 10 * y + 100 * z;
    __syncthreads();
    unsigned block = blockIdx.x + 2 * (blockIdx.y + 2 * blockIdx.z);
    unsigned t = x + 5 * (y + 3 * z);
    out[block * 105 + t] = s[6 - z][2 - y][4 - x] + 1000 * block + 10000 * gridDim.z;
}
