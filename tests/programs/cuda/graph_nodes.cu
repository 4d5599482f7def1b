// A graph made by hand: fill, kernel, copy and host nodes with dependencies, and changed parameters.
#include "check.h"

__global__ void add(int *x, int amount, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) x[i] += amount;
}

static int called = 0;
static void count(void *data) { *static_cast<int *>(data) += 1; }

int main() {
    const int n = 1000;
    int *device, host[n];
    CUDA(cudaMalloc(&device, sizeof host));
    cudaGraph_t graph;
    CUDA(cudaGraphCreate(&graph, 0));
    cudaMemsetParams fill = {};
    fill.dst = device, fill.elementSize = 4, fill.value = 7, fill.width = n, fill.height = 1;
    cudaGraphNode_t fill_node, kernel_node, copy_node, host_node;
    CUDA(cudaGraphAddMemsetNode(&fill_node, graph, nullptr, 0, &fill));
    int amount = 5, count_arg = n;
    void *args[] = {&device, &amount, &count_arg};
    cudaKernelNodeParams kernel = {};
    kernel.func = (void *)add, kernel.gridDim = dim3(4), kernel.blockDim = dim3(256), kernel.kernelParams = args;
    CUDA(cudaGraphAddKernelNode(&kernel_node, graph, &fill_node, 1, &kernel));
    CUDA(cudaGraphAddMemcpyNode1D(&copy_node, graph, &kernel_node, 1, host, device, sizeof host, cudaMemcpyDeviceToHost));
    cudaHostNodeParams call = {count, &called};
    CUDA(cudaGraphAddHostNode(&host_node, graph, &copy_node, 1, &call));
    cudaGraphExec_t exec;
    CUDA(cudaGraphInstantiate(&exec, graph, 0));
    CUDA(cudaGraphLaunch(exec, 0));
    CUDA(cudaDeviceSynchronize());
    for (int v : host) EXPECT(v == 12);
    EXPECT(called == 1);
    amount = 100;
    CUDA(cudaGraphExecKernelNodeSetParams(exec, kernel_node, &kernel));
    CUDA(cudaGraphLaunch(exec, 0));
    CUDA(cudaDeviceSynchronize());
    for (int v : host) EXPECT(v == 107);
    EXPECT(called == 2);
    cudaGraphNodeType type;
    CUDA(cudaGraphNodeGetType(copy_node, &type));
    EXPECT(type == cudaGraphNodeTypeMemcpy);
    CUDA(cudaGraphExecDestroy(exec));
    CUDA(cudaGraphDestroy(graph));
    return ok();
}
