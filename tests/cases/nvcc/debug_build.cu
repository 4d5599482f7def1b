// A debug build (-G: unoptimised code, debug sections in the PTX, every variable in local memory) with printf and assert.
//@ compile: nvcc13:compute_75 -- -std=c++17 -G
//@ run: kernel=collatz grid=2 block=32
//@ arg: in n: u32[64] = iota(1, 1)
//@ arg: out steps: u32[64]
//@ numpy: steps = np.array([__import__('functools').reduce(lambda s, _: s if s[0] == 1 else ((s[0] // 2 if s[0] % 2 == 0 else 3 * s[0] + 1), s[1] + 1), range(200), (int(v), 0))[1] for v in n], dtype=np.uint32)
//@ run: kernel=speak grid=1 block=3
//@ arg: s32 7
//@ expect-printf: unordered "0: 7 0.5 word\n1: 8 1.5 word\n2: 9 2.5 word\n"
//@ run: kernel=check grid=1 block=2
//@ arg: u32 1
//@ expect-fault: assert
//@ run: kernel=shapes grid=1 block=8
//@ arg: out area: f32[8]
//@ numpy: i = np.arange(8, dtype=np.float32); area = np.where(np.arange(8) % 2 == 0, i * i, np.float32(0.5) * i * (i + 1)).astype(np.float32)
#include <assert.h>
#include <stdio.h>
__device__ unsigned next(unsigned n) { return n % 2 ? 3 * n + 1 : n / 2; }
extern "C" __global__ void collatz(const unsigned *n, unsigned *steps) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x, v = n[i], count = 0;
    while (v != 1) { v = next(v); count++; }
    steps[i] = count;
}
extern "C" __global__ void speak(int base) {
    printf("%d: %d %g %s\n", threadIdx.x, base + (int)threadIdx.x, threadIdx.x + 0.5, "word");
}
extern "C" __global__ void check(unsigned bad) { assert(threadIdx.x != bad); }
struct Shape { __device__ virtual float area() const = 0; };
struct Square : Shape { float a; __device__ Square(float a) : a(a) {} __device__ float area() const override { return a * a; } };
struct Triangle : Shape { float a, h; __device__ Triangle(float a, float h) : a(a), h(h) {} __device__ float area() const override { return 0.5f * a * h; } };
extern "C" __global__ void shapes(float *area) {
    float i = threadIdx.x;
    Square square(i);
    Triangle triangle(i, i + 1);
    const Shape *shape = threadIdx.x % 2 ? (const Shape *)&triangle : (const Shape *)&square;
    area[threadIdx.x] = shape->area();
}
