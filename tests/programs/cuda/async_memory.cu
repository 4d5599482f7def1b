// Stream-ordered allocation, memory pools, host functions and callbacks in a stream.
#include "check.h"

__global__ void fill(int *x, int v) { x[blockIdx.x * blockDim.x + threadIdx.x] = v; }
static void note(void *flag) { *(int *)flag += 1; }
static void CUDART_CB callback(cudaStream_t, cudaError_t status, void *flag) { *(int *)flag += status == cudaSuccess ? 10 : 1000; }

int main() {
    int pools = 0, flag = 0;
    CUDA(cudaDeviceGetAttribute(&pools, cudaDevAttrMemoryPoolsSupported, 0));
    EXPECT(pools);
    cudaStream_t stream;
    CUDA(cudaStreamCreate(&stream));
    std::vector<int> host(1024);
    for (int round = 0; round < 20; round++) {
        int *p;
        CUDA(cudaMallocAsync((void **)&p, 4096, stream));
        fill<<<4, 256, 0, stream>>>(p, round);
        CUDA(cudaMemcpyAsync(host.data(), p, 4096, cudaMemcpyDeviceToHost, stream));
        CUDA(cudaFreeAsync(p, stream));
        CUDA(cudaLaunchHostFunc(stream, note, &flag));
        CUDA(cudaStreamSynchronize(stream));
        for (int v : host) EXPECT(v == round);
    }
    EXPECT(flag == 20);
    CUDA(cudaStreamAddCallback(stream, callback, &flag, 0));
    CUDA(cudaStreamSynchronize(stream));
    EXPECT(flag == 30);
    cudaMemPool_t pool;
    CUDA(cudaDeviceGetDefaultMemPool(&pool, 0));
    unsigned long long threshold = ~0ull, read = 0;
    CUDA(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold));
    CUDA(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &read));
    EXPECT(read == threshold);
    CUDA(cudaMemPoolTrimTo(pool, 0));
    CUDA(cudaStreamDestroy(stream));
    return ok();
}
