// FLAGS: --extended-lambda
// C++ in kernels: templates, lambdas, classes with virtual functions made on the device, recursion, references.
#include "check.h"

template <typename T, typename F>
__global__ void transform(T *data, int n, F f) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) data[i] = f(data[i]);
}

struct Shape {
    __device__ virtual float area() const = 0;
    __device__ virtual ~Shape() {}
};
struct Square : Shape {
    float side;
    __device__ explicit Square(float s) : side(s) {}
    __device__ float area() const override { return side * side; }
};
struct Circle : Shape {
    float radius;
    __device__ explicit Circle(float r) : radius(r) {}
    __device__ float area() const override { return 3 * radius * radius; }
};

__global__ void areas(float *out) {
    Shape *shape;
    if (threadIdx.x % 2) shape = new Square(threadIdx.x);
    else shape = new Circle(threadIdx.x);
    out[threadIdx.x] = shape->area();
    delete shape;
}

__device__ int fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
__global__ void recurse(int *out) { out[threadIdx.x] = fibonacci(threadIdx.x); }

template <int N>
struct Factorial {
    static constexpr int value = N * Factorial<N - 1>::value;
};
template <>
struct Factorial<0> {
    static constexpr int value = 1;
};
__global__ void constant(int *out) { *out = Factorial<7>::value; }

template <typename T>
void check_transform() {
    const int n = 500;
    std::vector<T> host(n);
    for (int i = 0; i < n; i++) host[i] = T(i);
    T *device, offset = T(3);
    CUDA(cudaMalloc(&device, n * sizeof(T)));
    CUDA(cudaMemcpy(device, host.data(), n * sizeof(T), cudaMemcpyHostToDevice));
    transform<<<2, 256>>>(device, n, [offset] __device__(T x) { return x * x + offset; });
    CUDA(cudaMemcpy(host.data(), device, n * sizeof(T), cudaMemcpyDeviceToHost));
    for (int i = 0; i < n; i++) EXPECT(host[i] == T(i) * T(i) + offset);
    CUDA(cudaFree(device));
}

int main() {
    check_transform<int>();
    check_transform<float>();
    check_transform<double>();
    check_transform<unsigned long long>();
    float *out, areas_host[32];
    CUDA(cudaMalloc(&out, sizeof areas_host));
    areas<<<1, 32>>>(out);
    CUDA(cudaMemcpy(areas_host, out, sizeof areas_host, cudaMemcpyDeviceToHost));
    for (int i = 0; i < 32; i++) EXPECT(areas_host[i] == (i % 2 ? 1 : 3) * i * i);
    int *numbers, host[16];
    CUDA(cudaMalloc(&numbers, sizeof host));
    recurse<<<1, 16>>>(numbers);
    CUDA(cudaMemcpy(host, numbers, sizeof host, cudaMemcpyDeviceToHost));
    EXPECT(host[0] == 0 && host[1] == 1 && host[15] == 610);
    constant<<<1, 1>>>(numbers);
    CUDA(cudaMemcpy(host, numbers, 4, cudaMemcpyDeviceToHost));
    EXPECT(host[0] == 5040);
    return ok();
}
