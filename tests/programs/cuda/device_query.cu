// What programs ask before they start: properties, attributes, versions, occupancy, function attributes.
#include <cstring>
#include "check.h"

__global__ void __launch_bounds__(256) kernel(float *x) {
    __shared__ float s[100];
    s[threadIdx.x % 100] = x[threadIdx.x];
    __syncthreads();
    x[threadIdx.x] = s[(threadIdx.x + 1) % 100];
}

int main() {
    int count, device, driver, runtime;
    CUDA(cudaGetDeviceCount(&count));
    EXPECT(count >= 1);
    CUDA(cudaGetDevice(&device));
    EXPECT(device == 0);
    CUDA(cudaDriverGetVersion(&driver));
    CUDA(cudaRuntimeGetVersion(&runtime));
    EXPECT(driver >= 12000 && runtime >= CUDART_VERSION / 1000 * 1000);
    cudaDeviceProp p;
    CUDA(cudaGetDeviceProperties(&p, 0));
    EXPECT(std::strlen(p.name) > 0 && p.totalGlobalMem > (1u << 20) && p.warpSize == 32);
    EXPECT(p.maxThreadsPerBlock == 1024 && p.multiProcessorCount >= 1 && p.sharedMemPerBlock >= 48 * 1024);
    EXPECT(p.maxThreadsDim[2] == 64 && p.maxGridSize[1] == 65535 && p.major >= 7);
    int value;
    CUDA(cudaDeviceGetAttribute(&value, cudaDevAttrWarpSize, 0));
    EXPECT(value == 32);
    cudaFuncAttributes a;
    CUDA(cudaFuncGetAttributes(&a, kernel));
    EXPECT(a.sharedSizeBytes == 400 && a.maxThreadsPerBlock == 256);
    CUDA(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 64 * 1024));
    int blocks, min_grid, block_size;
    CUDA(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, 128, 0));
    EXPECT(blocks >= 1);
    CUDA(cudaOccupancyMaxPotentialBlockSize(&min_grid, &block_size, kernel, 0, 0));
    EXPECT(min_grid >= 1 && block_size >= 32 && block_size <= 256 && block_size % 32 == 0);
    size_t free, total;
    CUDA(cudaMemGetInfo(&free, &total));
    EXPECT(free <= total && total > 0);
    return ok();
}
