// What C++ compilers make: templates, lambdas, structs with destructors, exceptions of control, local statics, unions, bit fields.
//@ compile: compute_80 -- -std=c++17
//@ run: kernel=_Z9map_pairsI3AddEvPKiPi grid=1 block=50
//@ arg: in x: s32[51] = random(241, -1000, 1000)
//@ arg: out y: s32[50]
//@ numpy: y = x[:-1] + x[1:]
//@ run: kernel=_Z9map_pairsI3MaxEvPKiPi grid=1 block=50
//@ arg: in x: s32[51] = random(242, -1000, 1000)
//@ arg: out y: s32[50]
//@ numpy: y = np.maximum(x[:-1], x[1:])
//@ run: kernel=fields grid=1 block=64
//@ arg: in x: u32[64] = random(243)
//@ arg: out y: u32[64]
//@ run: kernel=matrices grid=1 block=40
//@ arg: in x: f32[360] = random(244, -1, 1)
//@ arg: out y: f32[40]
//@ compare: y tolerance(1e-5, 1e-5)
//@ numpy: y = np.linalg.det(x.astype(np.float64).reshape(40, 3, 3))
//@ run: kernel=big_struct grid=1 block=33
//@ arg: bytes 01 00 00 00 02 00 00 00 03 00 00 00 04 00 00 00 05 00 00 00 06 00 00 00 07 00 00 00 08 00 00 00 09 00 00 00 0a 00 00 00
//@ arg: out y: u32[33]
//@ numpy: y = np.uint32([(i % 10 + 1) * 3 for i in range(33)])
struct Add { __device__ int operator()(int a, int b) const { return a + b; } };
struct Max { __device__ int operator()(int a, int b) const { return a > b ? a : b; } };
template <class F> __global__ void map_pairs(const int *x, int *y) { y[threadIdx.x] = F()(x[threadIdx.x], x[threadIdx.x + 1]); }
template __global__ void map_pairs<Add>(const int *, int *);
template __global__ void map_pairs<Max>(const int *, int *);
struct Bits { unsigned a : 5, b : 11; int c : 9; unsigned d : 7; };
union Both { Bits bits; unsigned word; };
struct Guard { unsigned *p; __device__ ~Guard() { *p += 1; } };
extern "C" __global__ void fields(const unsigned *x, unsigned *y) {
    Both u;
    u.word = x[threadIdx.x];
    u.bits.a += 3; u.bits.b ^= 0x2aa; u.bits.c -= 5; u.bits.d = u.bits.a * 2;
    y[threadIdx.x] = u.word;
    Guard g{&y[threadIdx.x]};
    if (u.bits.c < 0) return;
    y[threadIdx.x] ^= 0x80;
}
template <int N> struct Matrix {
    float v[N][N];
    __device__ float det() const {
        float r = 0;
        for (int c = 0; c < N; c++) {
            Matrix<N - 1> m;
            for (int i = 1; i < N; i++) for (int j = 0, k = 0; j < N; j++) if (j != c) m.v[i - 1][k++] = v[i][j];
            r += (c & 1 ? -1 : 1) * v[0][c] * m.det();
        }
        return r;
    }
};
template <> struct Matrix<1> { float v[1][1]; __device__ float det() const { return v[0][0]; } };
extern "C" __global__ void matrices(const Matrix<3> *x, float *y) { y[threadIdx.x] = x[threadIdx.x].det(); }
struct Ten { unsigned v[10]; };
extern "C" __global__ void big_struct(Ten t, unsigned *y) {
    auto at = [&](unsigned i) { return t.v[i % 10] * 3; };
    y[threadIdx.x] = at(threadIdx.x);
}
