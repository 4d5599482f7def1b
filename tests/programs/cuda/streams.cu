// Streams: asynchronous copies, order within a stream, events across streams, priorities, both default streams.
#include "check.h"

__global__ void scale(int *data, int factor, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) data[i] *= factor;
}

int main() {
    const int n = 1 << 16, n_streams = 4;
    int *host, *device;
    CUDA(cudaMallocHost(&host, n_streams * n * sizeof(int)));
    CUDA(cudaMalloc(&device, n_streams * n * sizeof(int)));
    for (int i = 0; i < n_streams * n; i++) host[i] = i;
    int least, greatest;
    CUDA(cudaDeviceGetStreamPriorityRange(&least, &greatest));
    EXPECT(greatest <= least);
    cudaStream_t streams[n_streams];
    for (int s = 0; s < n_streams; s++) CUDA(cudaStreamCreateWithPriority(&streams[s], cudaStreamNonBlocking, s % 2 ? least : greatest));
    for (int s = 0; s < n_streams; s++) {
        size_t bytes = n * sizeof(int);
        CUDA(cudaMemcpyAsync(device + s * n, host + s * n, bytes, cudaMemcpyHostToDevice, streams[s]));
        for (int k = 0; k < 3; k++) scale<<<n / 256, 256, 0, streams[s]>>>(device + s * n, s + 2, n);
        CUDA(cudaMemcpyAsync(host + s * n, device + s * n, bytes, cudaMemcpyDeviceToHost, streams[s]));
    }
    for (int s = 0; s < n_streams; s++) CUDA(cudaStreamSynchronize(streams[s]));
    for (int i = 0; i < n_streams * n; i++) {
        int f = i / n + 2;
        EXPECT(host[i] == i * f * f * f);
    }
    // An event makes one stream wait for another.
    cudaEvent_t done;
    CUDA(cudaEventCreateWithFlags(&done, cudaEventDisableTiming));
    CUDA(cudaMemsetAsync(device, 0, n * sizeof(int), streams[0]));
    CUDA(cudaMemsetAsync(device, 1, n * sizeof(int), streams[0]));
    CUDA(cudaEventRecord(done, streams[0]));
    CUDA(cudaStreamWaitEvent(streams[1], done, 0));
    scale<<<n / 256, 256, 0, streams[1]>>>(device, 2, n);
    CUDA(cudaMemcpyAsync(host, device, n * sizeof(int), cudaMemcpyDeviceToHost, streams[1]));
    CUDA(cudaStreamSynchronize(streams[1]));
    CUDA(cudaStreamQuery(streams[1]));
    for (int i = 0; i < n; i++) EXPECT(host[i] == 0x02020202);
    // The legacy default stream waits for blocking streams.
    cudaStream_t blocking;
    CUDA(cudaStreamCreate(&blocking));
    scale<<<n / 256, 256, 0, blocking>>>(device, 3, n);
    scale<<<n / 256, 256>>>(device, 5, n);
    scale<<<n / 256, 256, 0, cudaStreamPerThread>>>(device + n, 1, n);
    CUDA(cudaDeviceSynchronize());
    CUDA(cudaMemcpy(host, device, n * sizeof(int), cudaMemcpyDeviceToHost));
    for (int i = 0; i < n; i++) EXPECT(host[i] == 0x02020202 * 15);
    for (int s = 0; s < n_streams; s++) CUDA(cudaStreamDestroy(streams[s]));
    CUDA(cudaStreamDestroy(blocking));
    CUDA(cudaEventDestroy(done));
    CUDA(cudaFreeHost(host));
    return ok();
}
