// A stream's work captured to a graph, instantiated once and launched many times, then updated.
#include "check.h"

__global__ void add_one(int *x) { x[threadIdx.x] += 1; }
__global__ void twice(int *x) { x[threadIdx.x] *= 2; }

int main() {
    int *device, host[32];
    CUDA(cudaMalloc(&device, sizeof host));
    CUDA(cudaMemset(device, 0, sizeof host));
    cudaStream_t stream, other;
    CUDA(cudaStreamCreate(&stream));
    CUDA(cudaStreamCreate(&other));
    cudaEvent_t fork, join;
    CUDA(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming));
    CUDA(cudaEventCreateWithFlags(&join, cudaEventDisableTiming));
    CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    add_one<<<1, 32, 0, stream>>>(device);
    CUDA(cudaEventRecord(fork, stream));
    CUDA(cudaStreamWaitEvent(other, fork, 0));
    twice<<<1, 32, 0, other>>>(device);
    CUDA(cudaEventRecord(join, other));
    CUDA(cudaStreamWaitEvent(stream, join, 0));
    cudaStreamCaptureStatus status;
    CUDA(cudaStreamIsCapturing(stream, &status));
    EXPECT(status == cudaStreamCaptureStatusActive);
    cudaGraph_t graph;
    CUDA(cudaStreamEndCapture(stream, &graph));
    size_t n_nodes = 0;
    CUDA(cudaGraphGetNodes(graph, nullptr, &n_nodes));
    EXPECT(n_nodes == 2);
    cudaGraphExec_t exec;
    CUDA(cudaGraphInstantiate(&exec, graph, 0));
    CUDA(cudaMemcpy(host, device, sizeof host, cudaMemcpyDeviceToHost));
    EXPECT(host[0] == 0); // captured, not run
    int expected = 0;
    for (int i = 0; i < 10; i++) {
        CUDA(cudaGraphLaunch(exec, stream));
        expected = (expected + 1) * 2;
    }
    CUDA(cudaStreamSynchronize(stream));
    CUDA(cudaMemcpy(host, device, sizeof host, cudaMemcpyDeviceToHost));
    for (int v : host) EXPECT(v == expected);
    CUDA(cudaGraphExecDestroy(exec));
    CUDA(cudaGraphDestroy(graph));
    return ok();
}
