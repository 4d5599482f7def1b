// Errors: codes for wrong calls, last errors per thread, and what a kernel that goes wrong does.
#include <string>
#include <thread>
#include "check.h"

__global__ void nothing() {}
__global__ void wild(int *p) { *p = 1; }

int main() {
    EXPECT(cudaMalloc(nullptr, 16) == cudaErrorInvalidValue);
    cudaError_t other = cudaSuccess;
    std::thread([&] { other = cudaPeekAtLastError(); }).join();
    EXPECT(other == cudaSuccess);
    EXPECT(cudaPeekAtLastError() == cudaErrorInvalidValue);
    EXPECT(cudaGetLastError() == cudaErrorInvalidValue);
    EXPECT(cudaGetLastError() == cudaSuccess);
    nothing<<<1, 2000>>>();
    EXPECT(cudaGetLastError() == cudaErrorInvalidConfiguration);
    nothing<<<0, 32>>>();
    EXPECT(cudaGetLastError() == cudaErrorInvalidConfiguration);
    nothing<<<1, 32, 1 << 20>>>();
    EXPECT(cudaGetLastError() == cudaErrorInvalidValue);
    EXPECT(cudaSetDevice(1000) == cudaErrorInvalidDevice);
    EXPECT(cudaFree((void *)0x1234) == cudaErrorInvalidValue);
    int *p, host;
    CUDA(cudaMalloc(&p, 64));
    CUDA(cudaFree(p));
    EXPECT(cudaFree(p) == cudaErrorInvalidValue);
    EXPECT(cudaMemcpy(&host, p, 4, (cudaMemcpyKind)9) == cudaErrorInvalidMemcpyDirection);
    EXPECT(cudaStreamSynchronize((cudaStream_t)0x5678) == cudaErrorInvalidResourceHandle);
    size_t huge = size_t(1) << 50;
    EXPECT(cudaMalloc(&p, huge) == cudaErrorMemoryAllocation);
    CUDA(cudaMalloc(&p, 0));
    EXPECT(p == nullptr);
    CUDA(cudaFree(nullptr));
    cudaGetLastError();
    EXPECT(std::string(cudaGetErrorName(cudaErrorInvalidValue)) == "cudaErrorInvalidValue");
    wild<<<1, 1>>>((int *)64);
    EXPECT(cudaDeviceSynchronize() == cudaErrorIllegalAddress);
    EXPECT(cudaMalloc(&p, 64) == cudaErrorIllegalAddress);
    CUDA(cudaDeviceReset());
    CUDA(cudaMalloc(&p, 64));
    nothing<<<1, 1>>>();
    CUDA(cudaDeviceSynchronize());
    return ok();
}
