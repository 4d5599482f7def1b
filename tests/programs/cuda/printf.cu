// printf in a kernel: the lines come out before the synchronising call returns.
// EXPECT: thread 3 of block 1: 2.50 hello 18446744073709551615 c
#include "check.h"

__global__ void speak() {
    if (threadIdx.x == 3 && blockIdx.x == 1)
        printf("thread %d of block %u: %.2f %s %llu %c\n", threadIdx.x, blockIdx.x, 2.5, "hello", ~0ull, 'c');
}

int main() {
    speak<<<2, 32>>>();
    CUDA(cudaDeviceSynchronize());
    return ok();
}
