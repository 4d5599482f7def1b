// Device function pointers: through a table, and handed over by the host.
#include "check.h"

typedef float (*Operation)(float, float);
__device__ float plus(float a, float b) { return a + b; }
__device__ float minus(float a, float b) { return a - b; }
__device__ float times(float a, float b) { return a * b; }
__device__ Operation table[3] = {plus, minus, times};
__device__ Operation chosen = times;

__global__ void by_table(float *out) { out[threadIdx.x] = table[threadIdx.x % 3](threadIdx.x, 2); }
__global__ void by_argument(float *out, Operation f) { out[threadIdx.x] = f(threadIdx.x, 10); }

int main() {
    float *device, host[64];
    CUDA(cudaMalloc(&device, sizeof host));
    by_table<<<1, 64>>>(device);
    CUDA(cudaMemcpy(host, device, sizeof host, cudaMemcpyDeviceToHost));
    for (int i = 0; i < 64; i++) EXPECT(host[i] == (i % 3 == 0 ? i + 2 : i % 3 == 1 ? i - 2 : i * 2));
    Operation f;
    CUDA(cudaMemcpyFromSymbol(&f, chosen, sizeof f));
    by_argument<<<1, 64>>>(device, f);
    CUDA(cudaMemcpy(host, device, sizeof host, cudaMemcpyDeviceToHost));
    for (int i = 0; i < 64; i++) EXPECT(host[i] == i * 10);
    return ok();
}
