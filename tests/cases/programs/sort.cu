// Sorting: bitonic in shared memory, radix by 4 bits with stable scatter, odd-even in one warp, quicksort by recursion.
//@ run: kernel=bitonic grid=2 block=128
//@ arg: inout x: u32[512] = random(121)
//@ numpy: x = np.sort(x.reshape(2, 256), axis=1)
//@ run: kernel=radix grid=1 block=256
//@ arg: inout x: u32[256] = random(122)
//@ numpy: x = np.sort(x)
//@ run: kernel=odd_even grid=3 block=32
//@ arg: inout x: s32[96] = random(123)
//@ numpy: x = np.sort(x.reshape(3, 32), axis=1)
//@ run: kernel=quicksort grid=1 block=8
//@ arg: inout x: f32[512] = random(124, -10, 10)
//@ numpy: x = np.sort(x.reshape(8, 64), axis=1)
extern "C" __global__ void bitonic(unsigned *x) {
    __shared__ unsigned s[256];
    unsigned t = threadIdx.x;
    x += blockIdx.x * 256;
    s[t] = x[t]; s[t + 128] = x[t + 128];
    for (unsigned k = 2; k <= 256; k *= 2)
        for (unsigned j = k / 2; j; j /= 2) {
            __syncthreads();
            unsigned i = 2 * t - (t & (j - 1)), p = i + j;
            bool up = (i & k) == 0;
            if ((s[i] > s[p]) == up) { unsigned v = s[i]; s[i] = s[p]; s[p] = v; }
        }
    __syncthreads();
    x[t] = s[t]; x[t + 128] = s[t + 128];
}
extern "C" __global__ void radix(unsigned *x) {
    __shared__ unsigned keys[256], counts[16][8], starts[16];
    unsigned t = threadIdx.x, lane = t & 31, warp = t / 32;
    unsigned v = x[t];
    for (unsigned shift = 0; shift < 32; shift += 4) {
        unsigned digit = (v >> shift) & 15;
        unsigned same = __match_any_sync(~0u, digit), rank = __popc(same & ((1u << lane) - 1));
        if (lane < 16) counts[lane][warp] = 0;
        __syncwarp();
        if (rank == 0) counts[digit][warp] = __popc(same);
        __syncthreads();
        if (t < 16) { unsigned sum = 0; for (int k = 0; k < 8; k++) { unsigned c = counts[t][k]; counts[t][k] = sum; sum += c; } starts[t] = sum; }
        __syncthreads();
        if (t == 0) { unsigned sum = 0; for (int k = 0; k < 16; k++) { unsigned c = starts[k]; starts[k] = sum; sum += c; } }
        __syncthreads();
        keys[starts[digit] + counts[digit][warp] + rank] = v;
        __syncthreads();
        v = keys[t];
        __syncthreads();
    }
    x[t] = v;
}
extern "C" __global__ void odd_even(int *x) {
    unsigned lane = threadIdx.x;
    int v = x[blockIdx.x * 32 + lane];
    for (unsigned k = 0; k < 32; k++) {
        unsigned partner = (lane & 1) == (k & 1) ? lane + 1 : lane - 1;
        bool has = partner < 32;
        int w = __shfl_sync(~0u, v, has ? partner : lane);
        if (has) v = partner > lane ? min(v, w) : max(v, w);
    }
    x[blockIdx.x * 32 + lane] = v;
}
__device__ __noinline__ void sort_range(float *a, int lo, int hi) {
    if (lo >= hi) return;
    float pivot = a[(lo + hi) / 2];
    int i = lo, j = hi;
    while (i <= j) {
        while (a[i] < pivot) i++;
        while (a[j] > pivot) j--;
        if (i <= j) { float v = a[i]; a[i++] = a[j]; a[j--] = v; }
    }
    sort_range(a, lo, j);
    sort_range(a, i, hi);
}
extern "C" __global__ void quicksort(float *x) { sort_range(x + threadIdx.x * 64, 0, 63); }
