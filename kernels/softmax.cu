// Softmax of each row; one block of 256 threads per row, reductions by shuffle within a warp and shared memory across.
__device__ __forceinline__ float warp_max(float v){
  for(int o=16;o>0;o>>=1) v=fmaxf(v,__shfl_xor_sync(0xffffffffu,v,o));
  return v;
}
__device__ __forceinline__ float warp_sum(float v){
  for(int o=16;o>0;o>>=1) v+=__shfl_xor_sync(0xffffffffu,v,o);
  return v;
}
extern "C" __global__ void softmax(const float* in, float* out, int n_columns){
  __shared__ float part[8];
  const float* row=in+(long long)blockIdx.x*n_columns;
  float* to=out+(long long)blockIdx.x*n_columns;
  int t=threadIdx.x, warp=t>>5;
  float m=__int_as_float(0xff800000);
  for(int i=t;i<n_columns;i+=256) m=fmaxf(m,row[i]);
  m=warp_max(m);
  if((t&31)==0) part[warp]=m;
  __syncthreads();
  m=part[0];
  for(int i=1;i<8;i++) m=fmaxf(m,part[i]);
  __syncthreads();
  float s=0.f;
  for(int i=t;i<n_columns;i+=256){ float e=expf(row[i]-m); to[i]=e; s+=e; }
  s=warp_sum(s);
  if((t&31)==0) part[warp]=s;
  __syncthreads();
  s=part[0];
  for(int i=1;i<8;i++) s+=part[i];
  float inv=1.f/s;
  for(int i=t;i<n_columns;i+=256) to[i]*=inv;
}
