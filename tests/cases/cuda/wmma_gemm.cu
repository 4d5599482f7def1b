// The CUDA C++ wmma API: 32 x 32 x 32 products in 16x16x16, 32x8x16 and 8x32x16 tiles and in int8.
//@ compile: compute_80 compute_75
//@ run: kernel=gemm16 grid=2,2 block=32
//@ arg: in a: f16[1024] = random(58, -2, 2)
//@ arg: in b: f16[1024] = random(59, -2, 2)
//@ arg: out c: f32[1024]
//@ compare: c tolerance(1e-5, 1e-4)
//@ numpy: c = a.astype(np.float64).reshape(32, 32) @ b.astype(np.float64).reshape(32, 32)
//@ run: kernel=gemm32 grid=1,4 block=32
//@ arg: in a: f16[1024] = random(60, -2, 2)
//@ arg: in b: f16[1024] = random(61, -2, 2)
//@ arg: out c: f16[1024]
//@ compare: c tolerance(0.01, 0.05)
//@ numpy: c = a.astype(np.float64).reshape(32, 32) @ b.astype(np.float64).reshape(32, 32).T
//@ run: kernel=gemm8 grid=4,1 block=32
//@ arg: in a: s8[1024] = random(62)
//@ arg: in b: s8[1024] = random(63)
//@ arg: out c: s32[1024]
//@ numpy: c = a.astype(np.int32).reshape(32, 32) @ b.astype(np.int32).reshape(32, 32)
#include <mma.h>
using namespace nvcuda;
extern "C" __global__ void gemm16(const __half *a, const __half *b, float *c) {
    wmma::fragment<wmma::matrix_a, 16, 16, 16, __half, wmma::row_major> fa;
    wmma::fragment<wmma::matrix_b, 16, 16, 16, __half, wmma::row_major> fb;
    wmma::fragment<wmma::accumulator, 16, 16, 16, float> fc;
    wmma::fill_fragment(fc, 0.0f);
    for (int k = 0; k < 32; k += 16) {
        wmma::load_matrix_sync(fa, a + blockIdx.y * 16 * 32 + k, 32);
        wmma::load_matrix_sync(fb, b + k * 32 + blockIdx.x * 16, 32);
        wmma::mma_sync(fc, fa, fb, fc);
    }
    wmma::store_matrix_sync(c + blockIdx.y * 16 * 32 + blockIdx.x * 16, fc, 32, wmma::mem_row_major);
}
extern "C" __global__ void gemm32(const __half *a, const __half *b, __half *c) {
    __shared__ __half tile[32 * 8];
    wmma::fragment<wmma::matrix_a, 32, 8, 16, __half, wmma::row_major> fa;
    wmma::fragment<wmma::matrix_b, 32, 8, 16, __half, wmma::col_major> fb;
    wmma::fragment<wmma::accumulator, 32, 8, 16, __half> fc;
    wmma::fill_fragment(fc, __float2half(0.0f));
    for (int k = 0; k < 32; k += 16) {
        wmma::load_matrix_sync(fa, a + k, 32);
        wmma::load_matrix_sync(fb, b + blockIdx.y * 8 * 32 + k, 32);
        wmma::mma_sync(fc, fa, fb, fc);
    }
    wmma::store_matrix_sync(tile, fc, 32, wmma::mem_col_major);
    __syncwarp();
    for (int k = threadIdx.x; k < 256; k += 32) c[(k % 32) * 32 + blockIdx.y * 8 + k / 32] = tile[k];
}
extern "C" __global__ void gemm8(const signed char *a, const signed char *b, int *c) {
    wmma::fragment<wmma::matrix_a, 8, 32, 16, signed char, wmma::row_major> fa;
    wmma::fragment<wmma::matrix_b, 8, 32, 16, signed char, wmma::row_major> fb;
    wmma::fragment<wmma::accumulator, 8, 32, 16, int> fc;
    wmma::fill_fragment(fc, 0);
    for (int k = 0; k < 32; k += 16) {
        wmma::load_matrix_sync(fa, a + blockIdx.x * 8 * 32 + k, 32);
        wmma::load_matrix_sync(fb, b + k * 32, 32);
        wmma::mma_sync(fc, fa, fb, fc);
    }
    for (int k = 0; k < fc.num_elements; k++) fc.x[k] = fc.x[k] * 1;
    wmma::store_matrix_sync(c + blockIdx.x * 8 * 32, fc, 32, wmma::mem_row_major);
}
