// The other half of linked_main.cu.
//@ compile: nvcc13:compute_75 -- -std=c++17 -rdc=true -lineinfo
//@ part-of: linked_main.ptx
__device__ int square_plus(int x) { return x * x + 3; }
static __device__ int negative(int x) { return -x; }
__device__ unsigned calls;
__constant__ int offsets[4] = {1, 10, 100, 1000};
typedef int (*Function)(int);
__device__ Function functions[2] = {square_plus, negative};
