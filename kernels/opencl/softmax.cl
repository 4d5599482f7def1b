__kernel void softmax(__global const float* in, __global float* out, int n_columns){
  __local float part[256];
  __global const float* row=in+(long)get_group_id(0)*n_columns;
  __global float* to=out+(long)get_group_id(0)*n_columns;
  int t=(int)get_local_id(0);
  float m=-INFINITY;
  for(int i=t;i<n_columns;i+=256) m=fmax(m,row[i]);
  part[t]=m;
  barrier(CLK_LOCAL_MEM_FENCE);
  for(int k=128;k>0;k>>=1){ if(t<k) part[t]=fmax(part[t],part[t+k]); barrier(CLK_LOCAL_MEM_FENCE); }
  m=part[0];
  barrier(CLK_LOCAL_MEM_FENCE);
  float s=0.f;
  for(int i=t;i<n_columns;i+=256){ float e=exp(row[i]-m); to[i]=e; s+=e; }
  part[t]=s;
  barrier(CLK_LOCAL_MEM_FENCE);
  for(int k=128;k>0;k>>=1){ if(t<k) part[t]+=part[t+k]; barrier(CLK_LOCAL_MEM_FENCE); }
  float inv=1.f/part[0];
  for(int i=t;i<n_columns;i+=256) to[i]*=inv;
}
