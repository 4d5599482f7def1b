// Tiled matrix product: static and dynamic shared memory, barriers, a template over the tile.
#include "check.h"

template <int TILE>
__global__ void matmul(const float *a, const float *b, float *c, int n) {
    __shared__ float as[TILE][TILE], bs[TILE][TILE];
    int row = blockIdx.y * TILE + threadIdx.y, col = blockIdx.x * TILE + threadIdx.x;
    float sum = 0;
    for (int t = 0; t < n; t += TILE) {
        as[threadIdx.y][threadIdx.x] = a[row * n + t + threadIdx.x];
        bs[threadIdx.y][threadIdx.x] = b[(t + threadIdx.y) * n + col];
        __syncthreads();
        for (int k = 0; k < TILE; k++) sum += as[threadIdx.y][k] * bs[k][threadIdx.x];
        __syncthreads();
    }
    c[row * n + col] = sum;
}

__global__ void matmul_dynamic(const float *a, const float *b, float *c, int n) {
    extern __shared__ float tiles[];
    int tile = blockDim.x;
    float *as = tiles, *bs = tiles + tile * tile;
    int row = blockIdx.y * tile + threadIdx.y, col = blockIdx.x * tile + threadIdx.x;
    float sum = 0;
    for (int t = 0; t < n; t += tile) {
        as[threadIdx.y * tile + threadIdx.x] = a[row * n + t + threadIdx.x];
        bs[threadIdx.y * tile + threadIdx.x] = b[(t + threadIdx.y) * n + col];
        __syncthreads();
        for (int k = 0; k < tile; k++) sum += as[threadIdx.y * tile + k] * bs[k * tile + threadIdx.x];
        __syncthreads();
    }
    c[row * n + col] = sum;
}

int main() {
    const int n = 128;
    std::vector<float> a(n * n), b(n * n), c(n * n);
    for (int i = 0; i < n * n; i++) a[i] = (i % 7) - 3, b[i] = (i % 5) - 2;
    float *da, *db, *dc;
    size_t bytes = n * n * sizeof(float);
    CUDA(cudaMalloc(&da, bytes));
    CUDA(cudaMalloc(&db, bytes));
    CUDA(cudaMalloc(&dc, bytes));
    CUDA(cudaMemcpy(da, a.data(), bytes, cudaMemcpyHostToDevice));
    CUDA(cudaMemcpy(db, b.data(), bytes, cudaMemcpyHostToDevice));
    for (int variant = 0; variant < 3; variant++) {
        CUDA(cudaMemset(dc, 0, bytes));
        if (variant == 0) matmul<16><<<dim3(n / 16, n / 16), dim3(16, 16)>>>(da, db, dc, n);
        if (variant == 1) matmul<32><<<dim3(n / 32, n / 32), dim3(32, 32)>>>(da, db, dc, n);
        if (variant == 2) matmul_dynamic<<<dim3(n / 16, n / 16), dim3(16, 16), 2 * 16 * 16 * sizeof(float)>>>(da, db, dc, n);
        CUDA(cudaMemcpy(c.data(), dc, bytes, cudaMemcpyDeviceToHost));
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++) {
                float sum = 0;
                for (int k = 0; k < n; k++) sum += a[i * n + k] * b[k * n + j];
                EXPECT(c[i * n + j] == sum); // small integers: exact
            }
    }
    return ok();
}
