// Events: timing, queries, and what a query does not do to the last error.
#include "check.h"

__global__ void work(float *x, int rounds) {
    float v = x[threadIdx.x];
    for (int i = 0; i < rounds; i++) v = v * 1.0001f + 0.5f;
    x[threadIdx.x] = v;
}

int main() {
    float *x;
    CUDA(cudaMalloc(&x, 1024));
    CUDA(cudaMemset(x, 0, 1024));
    cudaEvent_t start, middle, end;
    CUDA(cudaEventCreate(&start));
    CUDA(cudaEventCreate(&middle));
    CUDA(cudaEventCreate(&end));
    CUDA(cudaEventRecord(start));
    work<<<1, 256>>>(x, 1000);
    CUDA(cudaEventRecord(middle));
    work<<<1, 256>>>(x, 2000000);
    CUDA(cudaEventRecord(end));
    cudaError_t query = cudaEventQuery(end);
    EXPECT(query == cudaSuccess || query == cudaErrorNotReady);
    EXPECT(cudaPeekAtLastError() == cudaSuccess);
    CUDA(cudaEventSynchronize(end));
    CUDA(cudaEventQuery(end));
    float first, all;
    CUDA(cudaEventElapsedTime(&first, start, middle));
    CUDA(cudaEventElapsedTime(&all, start, end));
    EXPECT(first >= 0 && all > first);
    cudaEvent_t untimed;
    CUDA(cudaEventCreateWithFlags(&untimed, cudaEventDisableTiming));
    CUDA(cudaEventRecord(untimed));
    EXPECT(cudaEventElapsedTime(&all, start, untimed) == cudaErrorInvalidResourceHandle);
    EXPECT(cudaGetLastError() == cudaErrorInvalidResourceHandle);
    EXPECT(cudaGetLastError() == cudaSuccess);
    CUDA(cudaEventDestroy(start));
    CUDA(cudaEventDestroy(middle));
    CUDA(cudaEventDestroy(end));
    CUDA(cudaEventDestroy(untimed));
    return ok();
}
