// Cooperative groups: tiles, coalesced groups, block and whole-grid synchronisation.
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include "check.h"
namespace cg = cooperative_groups;

__global__ void tiles(int *sums) {
    cg::thread_block block = cg::this_thread_block();
    cg::thread_block_tile<8> tile = cg::tiled_partition<8>(block);
    int value = cg::reduce(tile, (int)block.thread_rank(), cg::plus<int>());
    if (tile.thread_rank() == 0) sums[tile.meta_group_rank()] = value;
}

__global__ void odd_threads(int *count) {
    if (threadIdx.x & 1) {
        cg::coalesced_group active = cg::coalesced_threads();
        if (active.thread_rank() == 0) atomicAdd(count, active.size());
    }
}

__global__ void grid_steps(int *data, int n, int steps) {
    cg::grid_group grid = cg::this_grid();
    for (int s = 0; s < steps; s++) {
        for (int i = grid.thread_rank(); i < n; i += grid.size()) {
            int *from = data + (s % 2) * n, *to = data + (1 - s % 2) * n;
            to[i] = from[(i + 1) % n] + 1;
        }
        grid.sync();
    }
}

int main() {
    int *device, host[2048];
    CUDA(cudaMalloc(&device, sizeof host));
    tiles<<<1, 128>>>(device);
    CUDA(cudaMemcpy(host, device, 16 * sizeof(int), cudaMemcpyDeviceToHost));
    for (int t = 0; t < 16; t++) EXPECT(host[t] == 8 * 8 * t + 28);
    CUDA(cudaMemset(device, 0, 4));
    odd_threads<<<2, 64>>>(device);
    CUDA(cudaMemcpy(host, device, 4, cudaMemcpyDeviceToHost));
    EXPECT(host[0] == 64);
    int n = 1024, steps = 7, supported = 0;
    CUDA(cudaDeviceGetAttribute(&supported, cudaDevAttrCooperativeLaunch, 0));
    EXPECT(supported);
    for (int i = 0; i < n; i++) host[i] = i;
    CUDA(cudaMemcpy(device, host, n * sizeof(int), cudaMemcpyHostToDevice));
    void *args[] = {&device, &n, &steps};
    CUDA(cudaLaunchCooperativeKernel((void *)grid_steps, dim3(4), dim3(64), args, 0, 0));
    CUDA(cudaMemcpy(host, device, sizeof host, cudaMemcpyDeviceToHost));
    for (int i = 0; i < n; i++) EXPECT(host[n + i] == (i + steps) % n + steps);
    return ok();
}
