__kernel void conv2d(__global const float* in, __global const float* filter, __global float* out, int w, int h){
  __local float tile[36][36];
  __local float f[25];
  int tx=(int)get_local_id(0), ty=(int)get_local_id(1), t=ty*32+tx;
  int x0=(int)get_group_id(0)*32-2, y0=(int)get_group_id(1)*32-2;
  if(t<25) f[t]=filter[t];
  for(int i=t;i<36*36;i+=256){
    int r=i/36, c=i-r*36, x=x0+c, y=y0+r;
    tile[r][c]=(x>=0 && x<w && y>=0 && y<h)?in[y*w+x]:0.f;
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  int x=(int)get_group_id(0)*32+tx;
  for(int r=ty;r<32;r+=8){
    int y=(int)get_group_id(1)*32+r;
    float s=0.f;
#pragma unroll
    for(int j=0;j<5;j++)
#pragma unroll
      for(int i=0;i<5;i++) s+=f[j*5+i]*tile[r+j][tx+i];
    if(x<w && y<h) out[y*w+x]=s;
  }
}
