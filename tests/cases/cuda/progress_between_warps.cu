// Warps and blocks that wait for each other in plain launches: mailboxes in both directions, a barrier of the whole grid made of
// atomics, a block counter, a lock-free stack, a poll that one thread does for its block, look-back from later blocks.
//@ run: kernel=mailbox grid=6 block=32
//@ arg: scratch box: u32[12] = zeros
//@ arg: out out: u32[6]
//@ numpy: out = np.uint32([10 + (i ^ 1) for i in range(6)])
//@ run: kernel=earlier_waits_for_later grid=40 block=64
//@ arg: scratch flags: u32[41] = zeros
//@ arg: out out: u32[40]
//@ numpy: out = np.uint32([sum(range(i, 40)) for i in range(40)])
//@ run: kernel=grid_barrier grid=24 block=48
//@ arg: scratch state: u32[2] = zeros
//@ arg: inout data: u32[1152] = iota(0, 1)
//@ numpy: data = (lambda d: [d := (d + np.roll(d, -7)).astype(np.uint32) for _ in range(5)][-1])(data)
//@ run: kernel=dynamic_blocks grid=5 block=64
//@ arg: scratch next: u32[1] = zeros
//@ arg: inout done: u32[300] = zeros
//@ numpy: done = np.uint32([1] * 300)
//@ run: kernel=stack grid=4 block=64
//@ arg: scratch head: u32[1] = 0xffffffff
//@ arg: scratch nexts: u32[256] = zeros
//@ arg: inout popped: u32[256] = zeros
//@ numpy: popped = np.uint32([1] * 256)
//@ run: kernel=one_polls_for_all grid=3 block=128
//@ arg: scratch flag: u32[1] = zeros
//@ arg: out out: u32[3]
//@ numpy: out = np.uint32([1, 1, 1])
//@ run: kernel=warps_in_turn grid=2 block=256
//@ arg: out out: u32[16]
//@ numpy: out = np.uint32([sum(range(1, i % 8 + 2)) for i in range(16)])
//@ run: kernel=clock_and_flag grid=2 block=64
//@ arg: scratch flag: u32[1] = zeros
//@ arg: out out: u32[128]
//@ numpy: out = np.uint32([1] * 128)
//@ run: kernel=look_back_by_flag_byte grid=50 block=32
//@ arg: scratch flags: u32[50] = zeros
//@ arg: scratch sums: u32[50] = zeros
//@ arg: scratch ticket: u32[1] = zeros
//@ arg: out out: u32[50]
//@ numpy: out = np.uint32([i * (i + 1) // 2 for i in range(50)])
typedef unsigned u32;
extern "C" __global__ void mailbox(volatile u32 *box, u32 *out) {
    // Neighbouring blocks exchange a word, whichever comes first.
    u32 b = blockIdx.x;
    if (threadIdx.x == 0) {
        box[b * 2 + 1] = 10 + b;
        __threadfence();
        box[b * 2] = 1;
        while (box[(b ^ 1) * 2] == 0) {}
        __threadfence();
        out[b] = box[(b ^ 1) * 2 + 1];
    }
}
extern "C" __global__ void earlier_waits_for_later(volatile u32 *flags, u32 *out) {
    u32 b = blockIdx.x, n = gridDim.x;
    __shared__ u32 sum;
    if (threadIdx.x == 0) {
        u32 v = 1;
        if (b + 1 < n) { while ((v = flags[b + 1]) == 0) {} }
        sum = v + b;
        __threadfence();
        flags[b] = sum;
    }
    __syncthreads();
    if (threadIdx.x == 40) out[b] = sum - 1;
}
__device__ void wait_for_grid(u32 *state, u32 n) {
    __syncthreads();
    if (threadIdx.x == 0) {
        __threadfence();
        u32 phase = *(volatile u32 *)&state[1];
        if (atomicAdd(&state[0], 1) == n - 1) {
            state[0] = 0;
            __threadfence();
            atomicAdd(&state[1], 1);
        } else {
            while (*(volatile u32 *)&state[1] == phase) {}
        }
        __threadfence();
    }
    __syncthreads();
}
extern "C" __global__ void grid_barrier(u32 *state, u32 *data) {
    u32 n = gridDim.x * blockDim.x, i = blockIdx.x * blockDim.x + threadIdx.x;
    for (int k = 0; k < 5; k++) {
        u32 v = ((volatile u32 *)data)[i] + ((volatile u32 *)data)[(i + 7) % n];
        wait_for_grid(state, gridDim.x);
        ((volatile u32 *)data)[i] = v;
        wait_for_grid(state, gridDim.x);
    }
}
extern "C" __global__ void dynamic_blocks(u32 *next, u32 *done) {
    __shared__ u32 item;
    for (;;) {
        if (threadIdx.x == 0) item = atomicAdd(next, 1);
        __syncthreads();
        u32 mine = item;
        __syncthreads();
        if (mine >= 300) break;
        if (threadIdx.x == mine % 64) atomicAdd(&done[mine], 1);
    }
}
extern "C" __global__ void stack(u32 *head, u32 *nexts, u32 *popped) {
    u32 i = blockIdx.x * 64 + threadIdx.x;
    for (;;) {
        u32 seen = *(volatile u32 *)head;
        if (seen == 0xfffffffe) continue;
        ((volatile u32 *)nexts)[i] = seen;
        __threadfence();
        if (atomicCAS(head, seen, i) == seen) break;
    }
    // Each thread takes one out again; pushes are all different, so that there is always one.
    __syncthreads();
    u32 top = atomicExch(head, 0xfffffffe);
    while (top == 0xfffffffe) top = atomicExch(head, 0xfffffffe);
    u32 rest = ((volatile u32 *)nexts)[top];
    __threadfence();
    atomicExch(head, rest);
    atomicAdd(&popped[top], 1);
}
extern "C" __global__ void one_polls_for_all(volatile u32 *flag, u32 *out) {
    // The last block raises the flag; the others look at it once per trip, with barriers in the loop.
    __shared__ u32 seen;
    if (blockIdx.x == gridDim.x - 1 && threadIdx.x == 0) flag[0] = 1;
    do {
        __syncthreads();
        if (threadIdx.x == 0) seen = flag[0];
        __syncthreads();
    } while (seen == 0);
    if (threadIdx.x == 0) out[blockIdx.x] = seen;
}
extern "C" __global__ void warps_in_turn(u32 *out) {
    // The last warp of the block goes first in the text order of flags, the others follow.
    __shared__ volatile u32 turn, sum;
    if (threadIdx.x == 0) { turn = 0; sum = 0; }
    __syncthreads();
    u32 warp = threadIdx.x / 32;
    if (threadIdx.x % 32 == 0) {
        while (turn != warp) {}
        sum = sum + warp + 1;
        out[blockIdx.x * 8 + warp] = sum;
        __threadfence_block();
        turn = warp + 1;
    }
}
extern "C" __global__ void clock_and_flag(volatile u32 *flag, u32 *out) {
    // A time limit in the loop: it ends either way, and the flag comes long before.
    u32 t = threadIdx.x;
    long long start = clock64();
    u32 ok = 0;
    if (blockIdx.x == 1 && t == 63) flag[0] = 1;
    while (clock64() - start < 20000000000ll) { if (flag[0]) { ok = 1; break; } }
    out[blockIdx.x * 64 + t] = ok;
}
extern "C" __global__ void look_back_by_flag_byte(volatile u32 *flags, volatile u32 *sums, u32 *ticket, u32 *out) {
    // Blocks number themselves; flags are read with a switch: nothing yet, own sum, all sums.
    if (threadIdx.x != 0) return;
    u32 b = atomicAdd(ticket, 1), sum = 0;
    sums[b] = b;
    __threadfence();
    if (b == 0) flags[0] = 2;
    else {
        int k = (int)b - 1;
        bool more = true;
        while (more) {
            u32 f = flags[k];
            if (f == 2) { __threadfence(); sum += sums[k]; more = false; }
        }
        sums[b] = sum + b;
        __threadfence();
        flags[b] = 2;
    }
    out[b] = sum + b;
}
