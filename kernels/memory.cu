// Kernels whose data may be larger than the memory there is: streams, random access, atomics, pointers kept in memory.
struct Node { Node* next; unsigned long long value; };

extern "C" __global__ void triad(float* a, const float* b, const float* c, float s, unsigned n){
  unsigned i=blockIdx.x*blockDim.x+threadIdx.x;
  if(i<n) a[i]=b[i]+s*c[i];
}

extern "C" __global__ void gather(unsigned* out, const unsigned* x, const unsigned* idx, unsigned n){
  unsigned i=blockIdx.x*blockDim.x+threadIdx.x;
  if(i<n) out[i]=x[idx[i]]+i;
}

extern "C" __global__ void count(unsigned* counts, const unsigned* idx, unsigned n){
  unsigned i=blockIdx.x*blockDim.x+threadIdx.x;
  if(i<n) atomicAdd(&counts[idx[i]],1u);
}

// Node order[i] leads to node order[i+1]; the last to the first.
extern "C" __global__ void link(Node* nodes, const unsigned* order, unsigned n){
  unsigned i=blockIdx.x*blockDim.x+threadIdx.x;
  if(i<n){ nodes[order[i]].next=&nodes[order[i+1==n?0:i+1]]; nodes[order[i]].value=i; }
}

// heads holds addresses: what is followed is known from memory alone.
extern "C" __global__ void chase(unsigned long long* out, Node* const* heads, unsigned threads, unsigned steps){
  unsigned t=blockIdx.x*blockDim.x+threadIdx.x;
  if(t>=threads) return;
  const Node* at=heads[t];
  unsigned long long sum=0;
  for(unsigned s=0;s<steps;s++){ sum=sum*31+at->value; at=at->next; }
  out[t]=sum;
}

// Every thread reads and writes words of its own at random; words of different threads lie side by side.
extern "C" __global__ void stress(unsigned* words, unsigned* out, unsigned per_thread, unsigned threads, unsigned seed, unsigned steps){
  unsigned t=blockIdx.x*blockDim.x+threadIdx.x;
  if(t>=threads) return;
  unsigned r=seed+t*2654435761u, sum=0;
  for(unsigned s=0;s<steps;s++){
    r=r*1664525u+1013904223u;
    unsigned w=(r>>8)%per_thread*threads+t;
    if(r&64u) words[w]=words[w]*3u+r; else sum=sum*5u+words[w];
  }
  out[t]=sum;
}
