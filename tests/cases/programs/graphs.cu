// Sparse and graph kernels: CSR and ELL products, frontier search, page rank, shortest paths by relaxation.
//@ run: kernel=spmv_row grid=3 block=50
//@ arg: in rows: u32[151] = rows(161, 0, 12)
//@ arg: in cols: u32[1800] = random(162, 0, 150)
//@ arg: in values: f32[1800] = random(163, -1, 1)
//@ arg: in x: f32[150] = random(164)
//@ arg: out y: f32[150]
//@ arg: u32 150
//@ compare: y tolerance(1e-5, 1e-5)
//@ numpy: y = [values[rows[i]:rows[i + 1]].astype(np.float64) @ x[cols[rows[i]:rows[i + 1]]] for i in range(150)]
//@ run: kernel=spmv_warp grid=5 block=96
//@ arg: in rows: u32[151] = rows(161, 0, 12)
//@ arg: in cols: u32[1800] = random(162, 0, 150)
//@ arg: in values: f32[1800] = random(163, -1, 1)
//@ arg: in x: f32[150] = random(164)
//@ arg: out y: f32[150]
//@ arg: u32 150
//@ compare: y tolerance(1e-5, 1e-5)
//@ numpy: y = [values[rows[i]:rows[i + 1]].astype(np.float64) @ x[cols[rows[i]:rows[i + 1]]] for i in range(150)]
//@ run: kernel=search grid=1 block=128
//@ arg: in rows: u32[129] = rows(165, 0, 5)
//@ arg: in cols: u32[700] = random(166, 0, 128)
//@ arg: out distance: s32[128]
//@ numpy: distance = np.full(128, -1); distance[0] = 0; todo = [0]
//@ numpy: for v in todo:
//@ numpy:     for e in range(rows[v], rows[v + 1]):
//@ numpy:         if distance[cols[e]] < 0: distance[cols[e]] = distance[v] + 1; todo.append(cols[e])
//@ run: kernel=shortest grid=1 block=64
//@ arg: in rows: u32[65] = rows(167, 1, 6)
//@ arg: in cols: u32[400] = random(168, 0, 64)
//@ arg: in weights: u32[400] = random(169, 1, 100)
//@ arg: out distance: u32[64]
//@ numpy: distance = np.full(64, 0xffffffff, np.int64); distance[0] = 0
//@ numpy: for _ in range(64):
//@ numpy:     for v in range(64):
//@ numpy:         for e in range(rows[v], rows[v + 1]): distance[cols[e]] = min(distance[cols[e]], distance[v] + weights[e])
//@ numpy: distance = np.minimum(distance, 0xffffffff)
extern "C" __global__ void spmv_row(const unsigned *rows, const unsigned *cols, const float *values, const float *x, float *y, unsigned n) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float s = 0;
    for (unsigned e = rows[i]; e < rows[i + 1]; e++) s += values[e] * __ldg(&x[cols[e]]);
    y[i] = s;
}
extern "C" __global__ void spmv_warp(const unsigned *rows, const unsigned *cols, const float *values, const float *x, float *y, unsigned n) {
    unsigned lane = threadIdx.x & 31, warp = (blockIdx.x * blockDim.x + threadIdx.x) / 32, warps = gridDim.x * blockDim.x / 32;
    for (unsigned i = warp; i < n; i += warps) {
        float s = 0;
        for (unsigned e = rows[i] + lane; e < rows[i + 1]; e += 32) s += values[e] * x[cols[e]];
        for (int k = 16; k; k /= 2) s += __shfl_down_sync(~0u, s, k);
        if (lane == 0) y[i] = s;
    }
}
extern "C" __global__ void search(const unsigned *rows, const unsigned *cols, int *distance) {
    __shared__ unsigned queue[2][128], size[2];
    unsigned t = threadIdx.x;
    distance[t] = t == 0 ? 0 : -1;
    if (t == 0) { queue[0][0] = 0; size[0] = 1; }
    __syncthreads();
    for (int level = 1, from = 0; size[from]; level++, from ^= 1) {
        if (t == 0) size[from ^ 1] = 0;
        __syncthreads();
        if (t < size[from]) {
            unsigned v = queue[from][t];
            for (unsigned e = rows[v]; e < rows[v + 1]; e++)
                if (atomicCAS(&distance[cols[e]], -1, level) == -1) queue[from ^ 1][atomicAdd(&size[from ^ 1], 1)] = cols[e];
        }
        __syncthreads();
    }
}
extern "C" __global__ void shortest(const unsigned *rows, const unsigned *cols, const unsigned *weights, unsigned *distance) {
    __shared__ unsigned d[64];
    unsigned t = threadIdx.x;
    d[t] = t == 0 ? 0 : 0xffffffffu;
    int changed = 1;
    while (changed) {
        __syncthreads();
        unsigned mine = ((volatile unsigned *)d)[t];
        changed = 0;
        if (mine != 0xffffffffu)
            for (unsigned e = rows[t]; e < rows[t + 1]; e++)
                if (atomicMin(&d[cols[e]], mine + weights[e]) > mine + weights[e]) changed = 1;
        changed = __syncthreads_or(changed);
    }
    distance[t] = d[t];
}
