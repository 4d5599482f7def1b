// Threads that wait for each other: locks between blocks and within a warp, decoupled look-back, flags.
//@ compile: compute_80 compute_90
//@ run: kernel=lock_blocks grid=8 block=1
//@ arg: inout lock: u32[1] = 0
//@ arg: inout count: u32[1] = 0
//@ numpy: count = np.uint32([80])
//@ run: kernel=lock_warp grid=2 block=64
//@ arg: inout lock: u32[1] = 0
//@ arg: inout count: u32[1] = 0
//@ numpy: count = np.uint32([128])
//@ run: kernel=lookback grid=16 block=64
//@ arg: in x: u32[1024] = random(71, 0, 100)
//@ arg: out out: u32[1024]
//@ arg: scratch state: u64[16] = zeros
//@ arg: scratch ticket: u32[1] = zeros
//@ numpy: out = np.cumsum(x, dtype=np.uint32)
//@ run: kernel=relay grid=1 block=96
//@ arg: out out: u32[96]
//@ numpy: out = np.uint32([i * (i + 1) // 2 for i in range(96)])
//@ run: kernel=last_block grid=9 block=50
//@ arg: in x: u32[450] = random(72)
//@ arg: scratch partial: u32[9]
//@ arg: scratch done: u32[1] = zeros
//@ arg: out out: u32[1]
//@ numpy: out = np.array([x.sum(dtype=np.uint32)])
extern "C" __global__ void lock_blocks(unsigned *lock, unsigned *count) {
    for (int k = 0; k < 10; k++) {
        while (atomicCAS(lock, 0, 1) != 0) {}
        __threadfence();
        *(volatile unsigned *)count = *(volatile unsigned *)count + 1;
        __threadfence();
        atomicExch(lock, 0);
    }
}
extern "C" __global__ void lock_warp(unsigned *lock, unsigned *count) {
    // The lanes of one warp compete: only independent thread scheduling finishes this.
    while (atomicCAS(lock, 0, 1) != 0) {}
    __threadfence();
    *(volatile unsigned *)count = *(volatile unsigned *)count + 1;
    __threadfence();
    atomicExch(lock, 0);
}
extern "C" __global__ void lookback(const unsigned *x, unsigned *out, unsigned long long *state, unsigned *ticket) {
    __shared__ unsigned s[64], block, before;
    unsigned t = threadIdx.x;
    if (t == 0) block = atomicAdd(ticket, 1);
    __syncthreads();
    s[t] = x[block * 64 + t];
    __syncthreads();
    for (unsigned k = 1; k < 64; k *= 2) {
        unsigned v = t >= k ? s[t - k] : 0;
        __syncthreads();
        s[t] += v;
        __syncthreads();
    }
    if (t == 0) {
        volatile unsigned long long *st = state;
        unsigned sum = 0;
        if (block > 0) {
            st[block] = 1ull << 32 | s[63];
            __threadfence();
            for (int k = (int)block - 1; k >= 0;) {
                unsigned long long v = st[k];
                if (v >> 32 == 0) continue;
                sum += (unsigned)v;
                if (v >> 32 == 2) break;
                k--;
            }
        }
        st[block] = 2ull << 32 | (sum + s[63]);
        __threadfence();
        before = sum;
    }
    __syncthreads();
    out[block * 64 + t] = before + s[t];
}
extern "C" __global__ void relay(unsigned *out) {
    // Each thread waits for its predecessor's flag in shared memory.
    __shared__ volatile unsigned value[97], flag[97];
    unsigned t = threadIdx.x;
    flag[t + 1] = 0;
    if (t == 0) { flag[0] = 1; value[0] = 0; }
    __syncthreads();
    while (flag[t] == 0) {}
    __threadfence_block();
    unsigned v = value[t] + t;
    value[t + 1] = v;
    __threadfence_block();
    flag[t + 1] = 1;
    out[t] = v;
}
extern "C" __global__ void last_block(const unsigned *x, unsigned *partial, unsigned *done, unsigned *out) {
    __shared__ unsigned sum, last;
    if (threadIdx.x == 0) sum = 0;
    __syncthreads();
    atomicAdd(&sum, x[blockIdx.x * blockDim.x + threadIdx.x]);
    __syncthreads();
    if (threadIdx.x == 0) {
        partial[blockIdx.x] = sum;
        __threadfence();
        last = atomicInc(done, gridDim.x - 1) == gridDim.x - 1;
    }
    __syncthreads();
    if (last && threadIdx.x == 0) {
        unsigned r = 0;
        for (unsigned k = 0; k < gridDim.x; k++) r += ((volatile unsigned *)partial)[k];
        *out = r;
    }
}
