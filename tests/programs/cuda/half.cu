// Half and bfloat16 arithmetic, vector types, conversions, and a tensor-core product.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <mma.h>
#include "check.h"
using namespace nvcuda;

__global__ void halves(const __half *a, const __half *b, __half *c, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) c[i] = __hfma(a[i], b[i], __float2half(1.0f));
}
__global__ void pairs(const __half2 *a, __half2 *c) { c[threadIdx.x] = __hadd2(a[threadIdx.x], __float2half2_rn(0.5f)); }
__global__ void bfloats(const float *a, float *c) {
    __nv_bfloat16 x = __float2bfloat16(a[threadIdx.x]);
    c[threadIdx.x] = __bfloat162float(__hmul(x, x));
}
__global__ void product(const __half *a, const __half *b, float *c) {
    wmma::fragment<wmma::matrix_a, 16, 16, 16, __half, wmma::row_major> fa;
    wmma::fragment<wmma::matrix_b, 16, 16, 16, __half, wmma::col_major> fb;
    wmma::fragment<wmma::accumulator, 16, 16, 16, float> fc;
    wmma::fill_fragment(fc, 0.0f);
    wmma::load_matrix_sync(fa, a, 16);
    wmma::load_matrix_sync(fb, b, 16);
    wmma::mma_sync(fc, fa, fb, fc);
    wmma::store_matrix_sync(c, fc, 16, wmma::mem_row_major);
}

int main() {
    const int n = 256;
    __half a[n], b[n], c[n], *da, *db, *dc;
    for (int i = 0; i < n; i++) a[i] = __float2half(i % 16), b[i] = __float2half((i * 3) % 8 - 4);
    CUDA(cudaMalloc(&da, sizeof a));
    CUDA(cudaMalloc(&db, sizeof b));
    CUDA(cudaMalloc(&dc, sizeof c));
    CUDA(cudaMemcpy(da, a, sizeof a, cudaMemcpyHostToDevice));
    CUDA(cudaMemcpy(db, b, sizeof b, cudaMemcpyHostToDevice));
    halves<<<1, n>>>(da, db, dc, n);
    CUDA(cudaMemcpy(c, dc, sizeof c, cudaMemcpyDeviceToHost));
    for (int i = 0; i < n; i++) EXPECT(__half2float(c[i]) == __half2float(a[i]) * __half2float(b[i]) + 1);
    pairs<<<1, n / 2>>>((__half2 *)da, (__half2 *)dc);
    CUDA(cudaMemcpy(c, dc, sizeof c, cudaMemcpyDeviceToHost));
    for (int i = 0; i < n; i++) EXPECT(__half2float(c[i]) == __half2float(a[i]) + 0.5f);
    float f[n], *df;
    CUDA(cudaMalloc(&df, sizeof f));
    product<<<1, 32>>>(da, db, df);
    CUDA(cudaMemcpy(f, df, sizeof f, cudaMemcpyDeviceToHost));
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 16; j++) {
            float sum = 0;
            for (int k = 0; k < 16; k++) sum += __half2float(a[i * 16 + k]) * __half2float(b[j * 16 + k]);
            EXPECT(f[i * 16 + j] == sum);
        }
    for (int i = 0; i < n; i++) f[i] = i / 8.0f;
    CUDA(cudaMemcpy(df, f, sizeof f, cudaMemcpyHostToDevice));
    bfloats<<<1, n>>>(df, df);
    float g[n];
    CUDA(cudaMemcpy(g, df, sizeof g, cudaMemcpyDeviceToHost));
    for (int i = 0; i < n; i++) EXPECT(std::fabs(g[i] - f[i] * f[i]) <= f[i] * f[i] / 128);
    return ok();
}
