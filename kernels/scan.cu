// Inclusive prefix sum in one pass: each block publishes its sum, looks back at its predecessors until one has published
// a prefix, and publishes its own ("decoupled look-back"). A block waits for earlier ones, so earlier blocks must make progress.
// 2048 values per block of 256 threads; state[0..blocks] and *ticket are 0 before the launch.
// A state word is (flag << 32 | value): flag 1 = the block's sum, 2 = the prefix up to its end.
#define PER_THREAD 8
extern "C" __global__ void scan(const unsigned* in, unsigned* out, unsigned long long* state, unsigned* ticket, unsigned n){
  __shared__ unsigned block_s, before_s, warp_sums[8];
  int t=threadIdx.x, lane=t&31, warp=t>>5;
  if(t==0) block_s=atomicAdd(ticket,1u);
  __syncthreads();
  unsigned block=block_s;
  unsigned first=block*(256u*PER_THREAD)+t*PER_THREAD;
  unsigned v[PER_THREAD], sum=0;
#pragma unroll
  for(int i=0;i<PER_THREAD;i++){ unsigned x=first+i<n?in[first+i]:0u; sum+=x; v[i]=sum; }
  unsigned incl=sum;
  for(int o=1;o<32;o<<=1){ unsigned x=__shfl_up_sync(0xffffffffu,incl,o); if(lane>=o) incl+=x; }
  if(lane==31) warp_sums[warp]=incl;
  __syncthreads();
  unsigned before_warp=0, total=0;
  for(int i=0;i<8;i++){ unsigned x=warp_sums[i]; if(i<warp) before_warp+=x; total+=x; }
  if(t==0){
    unsigned before=0;
    if(block==0){
      atomicExch(&state[0],(2ull<<32)|total);
    } else {
      atomicExch(&state[block],(1ull<<32)|total);
      for(int b=(int)block-1;b>=0;){
        unsigned long long s=*(volatile unsigned long long*)&state[b];
        unsigned flag=(unsigned)(s>>32);
        if(flag==0u) continue;
        before+=(unsigned)s;
        if(flag==2u) break;
        b--;
      }
      atomicExch(&state[block],(2ull<<32)|(before+total));
    }
    before_s=before;
  }
  __syncthreads();
  unsigned offset=before_s+before_warp+incl-sum;
#pragma unroll
  for(int i=0;i<PER_THREAD;i++) if(first+i<n) out[first+i]=offset+v[i];
}
