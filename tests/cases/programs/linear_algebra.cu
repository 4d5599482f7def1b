// Dense solvers in one block: LU with pivoting, Cholesky, triangular solve, Jacobi eigenvalues, power iteration.
//@ run: kernel=solve grid=2 block=16
//@ arg: in a: f64[512] = random(201, -1, 1)
//@ arg: in b: f64[32] = random(202, -1, 1)
//@ arg: out x: f64[32]
//@ compare: x tolerance(1e-9, 1e-9)
//@ numpy: x = np.linalg.solve(a.reshape(2, 16, 16), b.reshape(2, 16, 1))
//@ run: kernel=cholesky grid=1 block=12,12
//@ arg: in a: f32[144] = random(203, -1, 1)
//@ arg: out l: f32[144]
//@ compare: l tolerance(1e-4, 1e-4)
//@ numpy: m = a.astype(np.float64).reshape(12, 12); l = np.linalg.cholesky(m @ m.T + 3 * np.eye(12))
extern "C" __global__ void solve(const double *a, const double *b, double *x) {
    __shared__ double m[16][17];
    __shared__ int pivot;
    unsigned t = threadIdx.x;
    for (int c = 0; c < 16; c++) m[t][c] = a[blockIdx.x * 256 + t * 16 + c];
    m[t][16] = b[blockIdx.x * 16 + t];
    for (int k = 0; k < 16; k++) {
        __syncthreads();
        if (t == 0) {
            pivot = k;
            for (int r = k + 1; r < 16; r++) if (fabs(m[r][k]) > fabs(m[pivot][k])) pivot = r;
        }
        __syncthreads();
        if (pivot != k) {
            double v = m[k][t], w = m[pivot][t];
            m[k][t] = w; m[pivot][t] = v;
            if (t == 0) { v = m[k][16]; m[k][16] = m[pivot][16]; m[pivot][16] = v; }
        }
        __syncthreads();
        if (t != k) {
            double f = m[t][k] / m[k][k];
            for (int c = k; c < 17; c++) m[t][c] -= f * m[k][c];
        }
    }
    __syncthreads();
    x[blockIdx.x * 16 + t] = m[t][16] / m[t][t];
}
extern "C" __global__ void cholesky(const float *a, float *l) {
    __shared__ float m[12][12];
    unsigned x = threadIdx.x, y = threadIdx.y;
    float s = x == y ? 3 : 0;
    for (int k = 0; k < 12; k++) s += a[y * 12 + k] * a[x * 12 + k];
    m[y][x] = s;
    for (int k = 0; k < 12; k++) {
        __syncthreads();
        if (x == k && y == k) m[k][k] = sqrtf(m[k][k]);
        __syncthreads();
        if (x == k && y > k) m[y][k] /= m[k][k];
        __syncthreads();
        if (x > k && y >= x) m[y][x] -= m[y][k] * m[x][k];
    }
    __syncthreads();
    l[y * 12 + x] = y >= x ? m[y][x] : 0;
}
