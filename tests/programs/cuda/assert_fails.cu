// A failed assert in a kernel: a message, and a sticky error in the host program.
// EXPECT: Assertion `threadIdx.x < 16` failed
#include <cassert>
#include "check.h"

__global__ void check() { assert(threadIdx.x < 16); }

int main() {
    check<<<1, 32>>>();
    EXPECT(cudaDeviceSynchronize() == cudaErrorAssert);
    void *p;
    EXPECT(cudaMalloc(&p, 16) == cudaErrorAssert);
    EXPECT(cudaGetLastError() == cudaErrorAssert);
    CUDA(cudaDeviceReset());
    CUDA(cudaMalloc(&p, 16));
    return ok();
}
