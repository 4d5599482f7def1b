// Pitched and three-dimensional copies and fills, peer copies, host registration, mapped memory.
#include "check.h"

__global__ void number(char *base, size_t pitch, int w, int h) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y;
    if (x < w && y < h) ((int *)(base + y * pitch))[x] = y * 1000 + x;
}
__global__ void increase(int *x) { x[threadIdx.x] += 1; }

int main() {
    const int w = 37, h = 11;
    int host[h][w];
    char *device;
    size_t pitch;
    CUDA(cudaMallocPitch(&device, &pitch, w * sizeof(int), h));
    EXPECT(pitch >= w * sizeof(int));
    number<<<dim3(2, h), 32>>>(device, pitch, w, h);
    CUDA(cudaMemcpy2D(host, sizeof host[0], device, pitch, w * sizeof(int), h, cudaMemcpyDeviceToHost));
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) EXPECT(host[y][x] == y * 1000 + x);
    CUDA(cudaMemset2D(device, pitch, 0xff, 10 * sizeof(int), 5));
    CUDA(cudaMemcpy2D(host, sizeof host[0], device, pitch, w * sizeof(int), h, cudaMemcpyDeviceToHost));
    EXPECT(host[4][9] == -1 && host[4][10] == 4010 && host[5][0] == 5000);
    EXPECT(cudaMemcpy2D(host, 4, device, pitch, 100, h, cudaMemcpyDeviceToHost) == cudaErrorInvalidPitchValue);

    const int d = 3;
    std::vector<int> volume(w * h * d), back(w * h * d);
    for (size_t i = 0; i < volume.size(); i++) volume[i] = i;
    cudaPitchedPtr box;
    cudaExtent extent = make_cudaExtent(w * sizeof(int), h, d);
    CUDA(cudaMalloc3D(&box, extent));
    cudaMemcpy3DParms copy = {};
    copy.srcPtr = make_cudaPitchedPtr(volume.data(), w * sizeof(int), w, h);
    copy.dstPtr = box;
    copy.extent = extent;
    copy.kind = cudaMemcpyHostToDevice;
    CUDA(cudaMemcpy3D(&copy));
    copy.srcPtr = box;
    copy.dstPtr = make_cudaPitchedPtr(back.data(), w * sizeof(int), w, h);
    copy.kind = cudaMemcpyDeviceToHost;
    CUDA(cudaMemcpy3D(&copy));
    EXPECT(volume == back);

    int *registered = (int *)std::malloc(4096), *mapped, *view;
    for (int i = 0; i < 64; i++) registered[i] = i;
    CUDA(cudaHostRegister(registered, 4096, cudaHostRegisterMapped));
    CUDA(cudaHostGetDevicePointer(&view, registered, 0));
    increase<<<1, 64>>>(view);
    CUDA(cudaDeviceSynchronize());
    for (int i = 0; i < 64; i++) EXPECT(registered[i] == i + 1);
    CUDA(cudaHostUnregister(registered));
    CUDA(cudaHostAlloc(&mapped, 256, cudaHostAllocMapped));
    for (int i = 0; i < 64; i++) mapped[i] = 2 * i;
    CUDA(cudaHostGetDevicePointer(&view, mapped, 0));
    increase<<<1, 64>>>(view);
    CUDA(cudaDeviceSynchronize());
    for (int i = 0; i < 64; i++) EXPECT(mapped[i] == 2 * i + 1);
    CUDA(cudaFreeHost(mapped));
    return ok();
}
