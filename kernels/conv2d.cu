// 5 x 5 convolution of a w x h image with zeros outside; a block of 32 x 8 threads computes a 32 x 32 tile from shared memory.
extern "C" __global__ void conv2d(const float* in, const float* filter, float* out, int w, int h){
  __shared__ float tile[36][36];
  __shared__ float f[25];
  int tx=threadIdx.x, ty=threadIdx.y, t=ty*32+tx;
  int x0=blockIdx.x*32-2, y0=blockIdx.y*32-2;
  if(t<25) f[t]=filter[t];
  for(int i=t;i<36*36;i+=256){
    int r=i/36, c=i-r*36, x=x0+c, y=y0+r;
    tile[r][c]=(x>=0 && x<w && y>=0 && y<h)?in[y*w+x]:0.f;
  }
  __syncthreads();
  int x=blockIdx.x*32+tx;
  for(int r=ty;r<32;r+=8){
    int y=blockIdx.y*32+r;
    float s=0.f;
#pragma unroll
    for(int j=0;j<5;j++)
#pragma unroll
      for(int i=0;i<5;i++) s+=f[j*5+i]*tile[r+j][tx+i];
    if(x<w && y<h) out[y*w+x]=s;
  }
}
