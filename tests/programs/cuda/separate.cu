// Separate compilation (-rdc=true): the parts are linked when the program starts.
// FLAGS: -rdc=true
#include "check.h"

extern __device__ int offset;
__device__ int shifted(int x);

__global__ void kernel(int *out) { out[threadIdx.x] = shifted(threadIdx.x); }

__device__ int offset = 1000;
__device__ __noinline__ int shifted(int x) { return x + offset; }

int main() {
    int host[64], *device;
    CUDA(cudaMalloc(&device, sizeof host));
    kernel<<<1, 64>>>(device);
    CUDA(cudaGetLastError());
    CUDA(cudaMemcpy(host, device, sizeof host, cudaMemcpyDeviceToHost));
    for (int i = 0; i < 64; i++) EXPECT(host[i] == i + 1000);
    return ok();
}
