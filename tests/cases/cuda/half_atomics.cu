// Packed half-precision atomics; sums of small integers are exact in any order.
//@ compile: compute_80 compute_90
//@ run: kernel=halves grid=2 block=64
//@ arg: inout h: f16[4] = 0 0 0 0
//@ arg: inout b: bf16[4] = 0 0 0 0
#include <cuda_fp16.h>
#include <cuda_bf16.h>
extern "C" __global__ void halves(__half *h, __nv_bfloat16 *b) {
    unsigned i = threadIdx.x;
    atomicAdd((__half2 *)h, __floats2half2_rn(i & 1, 2.0f));
    atomicAdd(&h[2], __float2half(1.0f));
    atomicAdd((__nv_bfloat162 *)b, __floats2bfloat162_rn(i & 1, 1.0f));
    atomicAdd(&b[2], __float2bfloat16(1.0f));
}
