// ldmatrix in all counts, transposed too, movmatrix, stmatrix on sm_90.
//@ compile: compute_80 compute_90
//@ run: kernel=load grid=1 block=32
//@ arg: in x: u16[256] = iota
//@ arg: out out: u32[512]
extern "C" __global__ void load(const unsigned short *x, unsigned *out) {
    __shared__ __align__(16) unsigned short s[256];
    unsigned t = threadIdx.x, a, b, c, d;
    for (unsigned k = t; k < 256; k += 32) s[k] = x[k];
    __syncthreads();
    unsigned p = (unsigned)__cvta_generic_to_shared(s + t * 8);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(a), "=r"(b), "=r"(c), "=r"(d) : "r"(p));
    out[t] = a; out[32 + t] = b; out[64 + t] = c; out[96 + t] = d;
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(a), "=r"(b), "=r"(c), "=r"(d) : "r"(p));
    out[128 + t] = a; out[160 + t] = b; out[192 + t] = c; out[224 + t] = d;
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];" : "=r"(a), "=r"(b) : "r"(p));
    out[256 + t] = a; out[288 + t] = b;
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];" : "=r"(a) : "r"(p));
    out[320 + t] = a;
    asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(a) : "r"(b));
    out[352 + t] = a;
    __syncthreads();
#if __CUDA_ARCH__ >= 900
    asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1,%2,%3,%4};" ::"r"(p), "r"(a), "r"(b), "r"(c), "r"(d) : "memory");
#endif
    __syncthreads();
    for (unsigned k = t; k < 128; k += 32) out[384 + k] = ((unsigned *)s)[k];
}
