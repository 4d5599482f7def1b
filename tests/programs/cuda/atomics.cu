// Atomics on global and shared memory, of several types, and a compare-and-swap loop.
#include "check.h"

__global__ void histogram(const unsigned char *data, int n, unsigned *bins) {
    __shared__ unsigned local[256];
    for (int i = threadIdx.x; i < 256; i += blockDim.x) local[i] = 0;
    __syncthreads();
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) atomicAdd(&local[data[i]], 1);
    __syncthreads();
    for (int i = threadIdx.x; i < 256; i += blockDim.x) atomicAdd(&bins[i], local[i]);
}

__device__ double add_by_swap(double *address, double value) {
    unsigned long long *bits = (unsigned long long *)address, old = *bits, seen;
    do {
        seen = old;
        old = atomicCAS(bits, seen, __double_as_longlong(value + __longlong_as_double(seen)));
    } while (seen != old);
    return __longlong_as_double(old);
}

struct Results {
    int min, max, bits, inc;
    float sum;
    double swapped, added;
    unsigned long long wide;
};

__global__ void all(Results *r) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    atomicMin(&r->min, -i);
    atomicMax(&r->max, i);
    atomicOr(&r->bits, 1 << (i % 31));
    atomicInc((unsigned *)&r->inc, 99);
    atomicAdd(&r->sum, 0.5f);
    add_by_swap(&r->swapped, 1.0);
    atomicAdd(&r->added, 0.25);
    atomicAdd(&r->wide, 1ull << 33);
}

int main() {
    const int n = 100000;
    std::vector<unsigned char> data(n);
    unsigned expected[256] = {}, bins[256];
    for (int i = 0; i < n; i++) data[i] = (i * 2654435761u) >> 24, expected[data[i]]++;
    unsigned char *dd;
    unsigned *db;
    CUDA(cudaMalloc(&dd, n));
    CUDA(cudaMalloc(&db, sizeof bins));
    CUDA(cudaMemcpy(dd, data.data(), n, cudaMemcpyHostToDevice));
    CUDA(cudaMemset(db, 0, sizeof bins));
    histogram<<<16, 128>>>(dd, n, db);
    CUDA(cudaMemcpy(bins, db, sizeof bins, cudaMemcpyDeviceToHost));
    for (int i = 0; i < 256; i++) EXPECT(bins[i] == expected[i]);
    Results *dr, r;
    CUDA(cudaMalloc(&dr, sizeof r));
    CUDA(cudaMemset(dr, 0, sizeof r));
    all<<<10, 64>>>(dr);
    CUDA(cudaMemcpy(&r, dr, sizeof r, cudaMemcpyDeviceToHost));
    EXPECT(r.min == -639 && r.max == 639 && r.bits == 0x7fffffff && r.inc == 640 % 100);
    EXPECT(r.sum == 320 && r.swapped == 640 && r.added == 160 && r.wide == 640ull << 33);
    return ok();
}
