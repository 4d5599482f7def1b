// Compiled with NVRTC 13.5 for compute_80.
// c = a * b for n x n matrices: one warp per 16 x 16 tile of c; a and b row-major f16, c row-major f32.
#include <mma.h>
using namespace nvcuda;
extern "C" __global__ void wmma_gemm(const half* a, const half* b, float* c, int n){
  int row=blockIdx.y*16, col=blockIdx.x*16;
  wmma::fragment<wmma::matrix_a,16,16,16,half,wmma::row_major> fa;
  wmma::fragment<wmma::matrix_b,16,16,16,half,wmma::row_major> fb;
  wmma::fragment<wmma::accumulator,16,16,16,float> fc;
  wmma::fill_fragment(fc,0.f);
  for(int k=0;k<n;k+=16){
    wmma::load_matrix_sync(fa,a+row*n+k,n);
    wmma::load_matrix_sync(fb,b+k*n+col,n);
    wmma::mma_sync(fc,fa,fb,fc);
  }
  // Elementwise work on the fragment does not depend on its layout.
  for(int i=0;i<fc.num_elements;i++) fc.x[i]*=0.5f;
  wmma::store_matrix_sync(c+row*n+col,fc,n,wmma::mem_row_major);
}
