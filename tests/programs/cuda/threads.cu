// Several host threads share the device; each has its own streams and, compiled so, its own default stream.
// FLAGS: --default-stream per-thread
#include <thread>
#include "check.h"

__global__ void step(int *x, int n, int add) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) x[i] = x[i] * 3 + add;
}

int main() {
    const int n = 5000, n_threads = 8;
    std::vector<std::thread> threads;
    for (int t = 0; t < n_threads; t++)
        threads.emplace_back([=] {
            for (int round = 0; round < 10; round++) {
                int *x;
                std::vector<int> host(n, t);
                CUDA(cudaMalloc(&x, n * sizeof(int)));
                CUDA(cudaMemcpyAsync(x, host.data(), n * sizeof(int), cudaMemcpyHostToDevice));
                step<<<(n + 127) / 128, 128>>>(x, n, t);
                step<<<(n + 127) / 128, 128>>>(x, n, round);
                CUDA(cudaMemcpyAsync(host.data(), x, n * sizeof(int), cudaMemcpyDeviceToHost));
                CUDA(cudaStreamSynchronize(0));
                for (int v : host) EXPECT(v == (t * 3 + t) * 3 + round);
                CUDA(cudaFree(x));
            }
        });
    for (auto &thread : threads) thread.join();
    return ok();
}
