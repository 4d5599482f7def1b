// Wavefronts: edit distance along diagonals, knapsack, grid path sums, Floyd-Warshall.
//@ run: kernel=edit grid=1 block=48
//@ arg: in a: u8[40] = random(191, 0, 4)
//@ arg: in b: u8[48] = random(192, 0, 4)
//@ arg: out out: u32[1]
//@ numpy: d = np.zeros((41, 49), int); d[:, 0] = np.arange(41); d[0] = np.arange(49)
//@ numpy: for i in range(40):
//@ numpy:     for j in range(48): d[i + 1, j + 1] = min(d[i, j] + (a[i] != b[j]), d[i, j + 1] + 1, d[i + 1, j] + 1)
//@ numpy: out = np.uint32([d[40, 48]])
//@ run: kernel=knapsack grid=1 block=128
//@ arg: in weight: u32[20] = random(193, 1, 30)
//@ arg: in value: u32[20] = random(194, 1, 100)
//@ arg: out best: u32[128]
//@ numpy: best = np.zeros(128, int)
//@ numpy: for w, v in zip(weight.astype(int), value.astype(int)): best[w:] = np.maximum(best[w:], best[:128 - w] + v)
//@ run: kernel=floyd grid=1 block=16,16
//@ arg: inout d: u32[256] = random(195, 1, 1000)
//@ numpy: d = d.reshape(16, 16)
//@ numpy: for k in range(16): d = np.minimum(d, d[:, k:k + 1] + d[k:k + 1])
extern "C" __global__ void edit(const unsigned char *a, const unsigned char *b, unsigned *out) {
    __shared__ unsigned d[3][49];
    unsigned t = threadIdx.x, j = t + 1;
    for (unsigned diagonal = 0; diagonal <= 88; diagonal++) {
        unsigned *now = d[diagonal % 3], *last = d[(diagonal + 2) % 3], *older = d[(diagonal + 1) % 3];
        if (t == 0 && diagonal <= 40) now[0] = diagonal;
        if (j <= diagonal) {
            unsigned i = diagonal - j;
            if (i == 0) now[j] = j;
            else if (i <= 40) now[j] = min(min(last[j], last[j - 1]) + 1, older[j - 1] + (a[i - 1] != b[j - 1]));
        }
        __syncthreads();
    }
    if (t == 0) *out = d[88 % 3][48];
}
extern "C" __global__ void knapsack(const unsigned *weight, const unsigned *value, unsigned *best) {
    __shared__ unsigned s[2][128];
    unsigned t = threadIdx.x;
    s[0][t] = 0;
    for (unsigned k = 0; k < 20; k++) {
        __syncthreads();
        unsigned v = s[k & 1][t];
        if (t >= weight[k]) v = max(v, s[k & 1][t - weight[k]] + value[k]);
        s[(k + 1) & 1][t] = v;
    }
    __syncthreads();
    best[t] = s[0][t];
}
extern "C" __global__ void floyd(unsigned *d) {
    __shared__ unsigned s[16][16];
    unsigned x = threadIdx.x, y = threadIdx.y;
    s[y][x] = d[y * 16 + x];
    for (unsigned k = 0; k < 16; k++) {
        __syncthreads();
        unsigned v = min(s[y][x], s[y][k] + s[k][x]);
        __syncthreads();
        s[y][x] = v;
    }
    d[y * 16 + x] = s[y][x];
}
