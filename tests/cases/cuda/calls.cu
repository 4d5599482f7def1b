// Direct, indirect and recursive calls, function pointers in tables, virtual functions, structs by value.
//@ compile: compute_80 nvrtc12:compute_50
//@ run: kernel=direct grid=1 block=64
//@ arg: out out: u32[64]
//@ run: kernel=recursive grid=1 block=40
//@ arg: out out: u32[40]
//@ numpy: fib = [0, 1]
//@ numpy: for i in range(40): fib.append(fib[-1] + fib[-2])
//@ numpy: out = np.uint32([fib[i % 14] + 1000 * sum(1 for _ in range(i % 7)) for i in range(40)])
//@ run: kernel=pointers grid=2 block=48
//@ arg: in x: u32[96] = random(21)
//@ arg: out out: u32[96]
//@ run: kernel=virtuals grid=1 block=64
//@ arg: out out: s32[64]
//@ run: kernel=structs grid=1 block=33
//@ arg: struct u32 7, f32 2.5, u64 1000000000000, u8 3
//@ arg: out out: f64[33]
__device__ __noinline__ unsigned three(unsigned a, unsigned short b, long long c) { return a * 3 + b - (unsigned)c; }
extern "C" __global__ void direct(unsigned *out) {
    unsigned t = threadIdx.x, r = 0;
    for (unsigned k = 0; k < t % 5; k++) r += three(t + k, (unsigned short)(t * 1000), k - 3);
    if (t & 1) r = three(r, 1, 2);
    out[t] = r;
}
__device__ __noinline__ unsigned fib(unsigned n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
__device__ __noinline__ unsigned odd(unsigned n);
__device__ __noinline__ unsigned even(unsigned n) { return n == 0 ? 0 : 1000 + odd(n - 1); }
__device__ __noinline__ unsigned odd(unsigned n) { return n == 0 ? 0 : 1000 + even(n - 1); }
extern "C" __global__ void recursive(unsigned *out) { out[threadIdx.x] = fib(threadIdx.x % 14) + even(threadIdx.x % 7); }
typedef unsigned (*Fn)(unsigned);
__device__ __noinline__ unsigned f0(unsigned v) { return v + 1; }
__device__ __noinline__ unsigned f1(unsigned v) { return v * 2; }
__device__ __noinline__ unsigned f2(unsigned v) { return v ^ 0xff; }
__device__ __noinline__ unsigned f3(unsigned v) { return v > 100 ? f1(v) : f2(v); }
__device__ Fn table[4] = {f0, f1, f2, f3};
extern "C" __global__ void pointers(const unsigned *x, unsigned *out) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x, v = x[i];
    for (int k = 0; k < 4; k++) v = table[(v >> k) & 3](v);
    Fn same = blockIdx.x ? f0 : f3;
    out[i] = same(v);
}
struct Shape {
    int size;
    __device__ explicit Shape(int s) : size(s) {}
    __device__ virtual int area() const { return size; }
    __device__ virtual int twice() const { return 2 * area(); }
};
struct Square : Shape {
    __device__ explicit Square(int s) : Shape(s) {}
    __device__ int area() const override { return size * size; }
};
struct Odd : Square {
    __device__ explicit Odd(int s) : Square(s) {}
    __device__ int twice() const override { return area() + 1; }
};
__device__ __noinline__ int ask(const Shape *s) { return s->area() * 1000 + s->twice(); }
extern "C" __global__ void virtuals(int *out) {
    int t = threadIdx.x;
    Shape a(t);
    Square b(t);
    Odd c(t + 1);
    const Shape *which[3] = {&a, &b, &c};
    out[t] = ask(which[t % 3]);
}
struct Params { unsigned n; float f; unsigned long long big; unsigned char c; };
struct Result { double a, b; int c; };
__device__ __noinline__ Result work(Params p, int t) { return {p.f * t, (double)p.big / p.n, (int)p.c + t}; }
extern "C" __global__ void structs(Params p, double *out) {
    Result r = work(p, threadIdx.x);
    out[threadIdx.x] = r.a + r.b + r.c;
}
