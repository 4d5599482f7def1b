// Constant memory and device variables by symbol.
#include "check.h"

__constant__ float coefficients[8];
__constant__ int fixed = 42;
__device__ int counter = 3;
__device__ float grid[16][16];

__global__ void polynomial(const float *x, float *y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float r = 0;
    for (int k = 7; k >= 0; k--) r = r * x[i] + coefficients[k];
    y[i] = r;
    if (i == 0) counter += fixed;
}
__global__ void fill() { grid[threadIdx.y][threadIdx.x] = threadIdx.y * 100 + threadIdx.x; }

int main() {
    float c[8] = {1, 2, 3, 4, 0, 0, 1, -1};
    CUDA(cudaMemcpyToSymbol(coefficients, c, sizeof c));
    const int n = 100;
    float x[n], y[n], *dx, *dy;
    for (int i = 0; i < n; i++) x[i] = i / 64.0f - 0.5f;
    CUDA(cudaMalloc(&dx, sizeof x));
    CUDA(cudaMalloc(&dy, sizeof y));
    CUDA(cudaMemcpy(dx, x, sizeof x, cudaMemcpyHostToDevice));
    polynomial<<<1, 128>>>(dx, dy, n);
    CUDA(cudaMemcpy(y, dy, sizeof y, cudaMemcpyDeviceToHost));
    for (int i = 0; i < n; i++) {
        double r = 0;
        for (int k = 7; k >= 0; k--) r = r * x[i] + c[k];
        EXPECT(std::fabs(y[i] - r) < 1e-5);
    }
    int value;
    CUDA(cudaMemcpyFromSymbol(&value, counter, sizeof value));
    EXPECT(value == 45);
    fill<<<1, dim3(16, 16)>>>();
    float back[16][16], one;
    CUDA(cudaMemcpyFromSymbol(back, grid, sizeof back));
    EXPECT(back[3][5] == 305);
    CUDA(cudaMemcpyFromSymbol(&one, grid, sizeof one, (2 * 16 + 7) * sizeof(float)));
    EXPECT(one == 207);
    void *address;
    size_t size;
    CUDA(cudaGetSymbolAddress(&address, grid));
    CUDA(cudaGetSymbolSize(&size, grid));
    EXPECT(size == sizeof back);
    CUDA(cudaMemcpy(&one, (float *)address + 17, sizeof one, cudaMemcpyDeviceToHost));
    EXPECT(one == 101);
    EXPECT(cudaMemcpyToSymbol(coefficients, c, sizeof c + 1) == cudaErrorInvalidValue);
    EXPECT(cudaMemcpyToSymbol(back, c, 4) == cudaErrorInvalidSymbol);
    EXPECT(cudaGetLastError() == cudaErrorInvalidSymbol);
    return ok();
}
