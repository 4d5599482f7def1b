// Two translation units compiled apart (-rdc=true -lineinfo) and linked: functions, device and constant variables across them.
//@ compile: nvcc13:compute_75 -- -std=c++17 -rdc=true -lineinfo
//@ link: linked_part.ptx
//@ run: kernel=apply grid=2 block=64
//@ arg: in x: s32[128] = random(231, -50, 50)
//@ arg: out y: s32[128]
//@ numpy: y = (np.where(x % 2 == 0, x * x + 3, -x) + np.array([1, 10, 100, 1000])[np.arange(128) % 4]).astype(np.int32)
//@ run: kernel=count grid=3 block=64
//@ variable: inout calls: u32[1] = zeros
//@ numpy: calls = np.uint32([192])
extern __device__ int square_plus(int x);
extern __device__ unsigned calls;
extern __constant__ int offsets[4];
typedef int (*Function)(int);
extern __device__ Function functions[2];
extern "C" __global__ void apply(const int *x, int *y) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    y[i] = functions[x[i] & 1](x[i]) + offsets[i % 4];
}
extern "C" __global__ void count() { if (square_plus(threadIdx.x) >= 0) atomicAdd(&calls, 1); }
