// Static and dynamic shared memory, local arrays, constants, initialised globals, pointers into all of them.
//@ compile: compute_80 nvrtc12:compute_50
//@ run: kernel=spaces grid=2 block=64 shared=768
//@ arg: out out: u32[128]
//@ arg: in x: u32[128] = random(19)
//@ variable: inout counter: u32[1]
//@ variable: in weights: f32[4] = 1 2 4 8
//@ run: kernel=generic grid=1 block=64
//@ arg: out out: u32[256]
//@ run: kernel=tables grid=1 block=32
//@ arg: out out: u64[160]
//@ run: kernel=locals grid=2 block=50
//@ arg: in x: u32[100] = random(20)
//@ arg: out out: u32[100]
__device__ unsigned counter = 17;
__constant__ float weights[4] = {0.5f, 0.25f, 0.125f, 1.0f};
__device__ short shorts[5] = {-3, 7, 32767, -32768, 0};
__device__ const char text[] = "hello, device";
__device__ double doubles[3] = {1.5, -2.25, 1e300};
struct Node { int value; const Node *next; };
__device__ Node last = {30, nullptr};
__device__ Node pair[2] = {{15, &last}, {20, &last}};
__device__ Node first = {10, &pair[1]};
__device__ const Node *head = &first;
__constant__ unsigned long long big[2] = {0x123456789abcdef0ull, 42};
__device__ unsigned zeroed[64];
extern "C" __global__ void spaces(unsigned *out, const unsigned *x) {
    extern __shared__ unsigned dynamic[];
    __shared__ unsigned fixed[64];
    unsigned t = threadIdx.x, i = blockIdx.x * 64 + t;
    fixed[t] = x[i];
    dynamic[t] = x[i] * 2;
    dynamic[64 + t] = x[i] * 3;
    ((unsigned char *)dynamic)[512 + t * 4] = (unsigned char)t;
    __syncthreads();
    out[i] = fixed[63 - t] + dynamic[(t + 1) % 64] + dynamic[64 + (t + 2) % 64] + ((unsigned char *)dynamic)[512 + (t ^ 1) * 4] +
             (unsigned)weights[t & 3];
    atomicAdd(&counter, 1);
}
__device__ __noinline__ unsigned load_any(const unsigned *p) { return *p; }
extern "C" __global__ void generic(unsigned *out) {
    __shared__ unsigned s[64];
    unsigned local[4], t = threadIdx.x;
    for (int k = 0; k < 4; k++) local[(k + t) & 3] = t * 10 + k;
    s[t] = t * 100;
    zeroed[t] = t + 5;
    __syncthreads();
    const unsigned *p = t % 3 == 0 ? &s[t] : t % 3 == 1 ? &zeroed[t] : &local[t & 3];
    out[t] = load_any(p);
    out[64 + t] = *p + 1;
    out[128 + t] = __isShared(p) * 1 + __isGlobal(p) * 2 + __isLocal(p) * 4 + __isConstant(p) * 8;
    *(unsigned *)p = 77;
    __syncthreads();
    out[192 + t] = s[t] + zeroed[t] + local[0] + local[1] + local[2] + local[3];
}
extern "C" __global__ void tables(unsigned long long *out) {
    unsigned t = threadIdx.x;
    out[t] = (unsigned long long)(long long)shorts[t % 5];
    out[32 + t] = text[t % sizeof(text)];
    out[64 + t] = __double_as_longlong(doubles[t % 3]);
    const Node *n = head;
    for (unsigned k = 0; k < t % 3; k++) n = n->next;
    out[96 + t] = n->value + (n->next == nullptr ? 1000 : 0);
    out[128 + t] = big[t & 1] + (unsigned long long)(weights[t & 3] * 8);
}
extern "C" __global__ void locals(const unsigned *x, unsigned *out) {
    // A local array too large for registers, sorted by each thread.
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x, a[24], v = x[i];
    for (int k = 0; k < 24; k++) { v = v * 1664525u + 1013904223u; a[k] = v >> 16; }
    for (int k = 1; k < 24; k++) {
        unsigned key = a[k];
        int j = k - 1;
        while (j >= 0 && a[j] > key) { a[j + 1] = a[j]; j--; }
        a[j + 1] = key;
    }
    unsigned r = 0;
    for (int k = 0; k < 24; k++) r = r * 31 + a[k];
    out[i] = r;
}
