// CUB, which compiles into the program: block-wide and device-wide reduction, scan and radix sort.
#include <cub/cub.cuh>
#include <algorithm>
#include <numeric>
#include "check.h"

__global__ void block_sum(const int *in, int *out) {
    using Reduce = cub::BlockReduce<int, 128>;
    __shared__ typename Reduce::TempStorage storage;
    int sum = Reduce(storage).Sum(in[blockIdx.x * 128 + threadIdx.x]);
    if (threadIdx.x == 0) out[blockIdx.x] = sum;
}

int main() {
    const int n = 4096;
    std::vector<int> host(n), back(n), expected(n);
    for (int i = 0; i < n; i++) host[i] = (i * 2654435761u) >> 20;
    int *in, *out;
    CUDA(cudaMalloc(&in, n * sizeof(int)));
    CUDA(cudaMalloc(&out, n * sizeof(int)));
    CUDA(cudaMemcpy(in, host.data(), n * sizeof(int), cudaMemcpyHostToDevice));
    block_sum<<<n / 128, 128>>>(in, out);
    CUDA(cudaMemcpy(back.data(), out, n / 128 * sizeof(int), cudaMemcpyDeviceToHost));
    for (int b = 0; b < n / 128; b++) EXPECT(back[b] == std::accumulate(&host[b * 128], &host[b * 128] + 128, 0));
    void *temp = nullptr;
    size_t bytes = 0;
    CUDA(cub::DeviceReduce::Sum(temp, bytes, in, out, n));
    CUDA(cudaMalloc(&temp, bytes));
    CUDA(cub::DeviceReduce::Sum(temp, bytes, in, out, n));
    CUDA(cudaMemcpy(back.data(), out, sizeof(int), cudaMemcpyDeviceToHost));
    EXPECT(back[0] == std::accumulate(host.begin(), host.end(), 0));
    CUDA(cudaFree(temp));
    temp = nullptr, bytes = 0;
    CUDA(cub::DeviceScan::ExclusiveSum(temp, bytes, in, out, n));
    CUDA(cudaMalloc(&temp, bytes));
    CUDA(cub::DeviceScan::ExclusiveSum(temp, bytes, in, out, n));
    CUDA(cudaMemcpy(back.data(), out, n * sizeof(int), cudaMemcpyDeviceToHost));
    std::exclusive_scan(host.begin(), host.end(), expected.begin(), 0);
    EXPECT(back == expected);
    CUDA(cudaFree(temp));
    temp = nullptr, bytes = 0;
    CUDA(cub::DeviceRadixSort::SortKeys(temp, bytes, in, out, n));
    CUDA(cudaMalloc(&temp, bytes));
    CUDA(cub::DeviceRadixSort::SortKeys(temp, bytes, in, out, n));
    CUDA(cudaMemcpy(back.data(), out, n * sizeof(int), cudaMemcpyDeviceToHost));
    std::sort(host.begin(), host.end());
    EXPECT(back == host);
    return ok();
}
