// Lanes of one warp that wait in different places: at barriers of different number, by part of a warp, by lanes that named them
// in a register, with reductions; at warp synchronisations in different branches; while others of the warp spin, end or trap.
//@ run: kernel=halves_meet grid=2 block=64
//@ arg: out out: u32[128]
//@ numpy: out = np.uint32([sum(1000 * k + (i % 64 ^ 32) for k in range(5)) + 7 * (i % 32 < 16) for i in range(128)])
//@ run: kernel=number_in_a_register grid=1 block=64
//@ arg: out out: u32[64]
//@ numpy: out = np.uint32([(i ^ 32) + 1 for i in range(64)])
//@ run: kernel=short_warp grid=2 block=80
//@ arg: out out: u32[160]
//@ numpy: out = np.uint32([79 - i % 80 for i in range(160)])
//@ run: kernel=ended_lanes grid=1 block=64
//@ arg: out out: u32[64]
//@ numpy: out = np.uint32([5 if i < 32 or i % 2 else 0 for i in range(64)])
//@ run: kernel=reductions grid=1 block=64
//@ arg: out out: u32[64]
//@ numpy: out = np.uint32([(8 * 2 if i % 32 < 16 else 4 * 2) + (100 if i % 32 < 16 else 0) for i in range(64)])
//@ run: kernel=sync_in_both_branches grid=2 block=64
//@ arg: out out: u32[128]
//@ numpy: out = np.uint32([2 * (i % 64 ^ 16) + 3 * (i % 64 ^ 16) for i in range(128)])
//@ run: kernel=arrive_by_lane grid=1 block=64
//@ arg: out out: u32[64]
//@ numpy: out = np.uint32([0] * 32 + [i + 1 for i in range(32)])
//@ run: kernel=half_waits_half_spins grid=1 block=64
//@ arg: scratch flag: u32[1] = zeros
//@ arg: out out: u32[64]
//@ numpy: out = np.uint32([1 if i % 32 < 16 else 3 if i < 32 else 2 for i in range(64)])
//@ run: kernel=never_meet grid=1 block=32 timeout-ms=500
//@ arg: out out: u32[32]
//@ expect-fault: timeout
//@ run: kernel=trap_while_others_wait grid=1 block=64
//@ arg: out out: u32[64]
//@ expect-fault: trap
//@ run: kernel=leave_while_others_wait grid=1 block=96
//@ arg: out out: u32[96]
//@ numpy: out = np.uint32([7 if i % 3 else 1 for i in range(96)])
//@ run: kernel=barrier_in_recursion grid=2 block=48
//@ arg: out out: u32[96]
//@ numpy: out = np.uint32([4 * 47 + 6 if i % 48 == 0 else 0 for i in range(96)])
//@ run: kernel=pipeline_in_a_warp grid=1 block=64
//@ arg: out out: u32[8]
//@ numpy: out = np.uint32([k * 16 * 2 + sum(range(16)) * 2 + 32 * 16 for k in range(8)])
//@ run: kernel=sync_in_loops_apart grid=1 block=32
//@ arg: out out: u32[32]
//@ numpy: out = np.uint32([sum(range(6)) * 2 + 6 * (i ^ 16) for i in range(32)])
typedef unsigned u32;
#define SYNC(id, n) asm volatile("barrier.sync %0, %1;" :: "r"(id), "r"(n) : "memory")
extern "C" __global__ void halves_meet(u32 *out) {
    __shared__ u32 s[64];
    u32 t = threadIdx.x, sum = 0;
    if (t % 32 < 16) {
        for (u32 k = 0; k < 5; k++) {
            s[t] = 1000 * k + t;
            asm volatile("barrier.sync 1, 32;" ::: "memory");
            sum += s[t ^ 32];
            asm volatile("barrier.sync 1, 32;" ::: "memory");
        }
        sum += 7;
    } else {
        for (u32 k = 0; k < 5; k++) {
            s[t] = 1000 * k + t;
            asm volatile("barrier.sync 2, 32;" ::: "memory");
            sum += s[t ^ 32];
            asm volatile("barrier.sync 2, 32;" ::: "memory");
        }
    }
    out[blockIdx.x * 64 + t] = sum;
}
extern "C" __global__ void number_in_a_register(u32 *out) {
    __shared__ u32 s[64];
    u32 t = threadIdx.x;
    s[t] = t + 1;
    SYNC(3 + t % 2, 32);
    out[t] = s[t ^ 32];
}
extern "C" __global__ void short_warp(u32 *out) {
    // The third warp has 16 threads and counts as 32.
    __shared__ u32 s[80];
    u32 t = threadIdx.x;
    s[t] = t;
    asm volatile("bar.sync 1, 96;" ::: "memory");
    out[blockIdx.x * 80 + t] = s[79 - t];
}
extern "C" __global__ void ended_lanes(u32 *out) {
    __shared__ u32 v;
    u32 t = threadIdx.x;
    out[t] = 0;
    if (t >= 32 && t % 2 == 0) return;
    if (t == 33) v = 5;
    asm volatile("barrier.sync 1, 64;" ::: "memory");
    out[t] = v;
}
extern "C" __global__ void reductions(u32 *out) {
    u32 t = threadIdx.x, n, all;
    if (t % 32 < 16) {
        asm volatile("{ .reg .pred p, q; setp.lt.u32 p, %2, 8; barrier.red.popc.u32 %0, 1, 32, p; setp.lt.u32 p, %2, 16;"
                     " barrier.red.and.pred q, 1, 32, p; selp.u32 %1, 100, 0, q; }" : "=r"(n), "=r"(all) : "r"(t % 32) : "memory");
    } else {
        asm volatile("{ .reg .pred p, q; setp.lt.u32 p, %2, 20; barrier.red.popc.u32 %0, 2, 32, p;"
                     " barrier.red.and.pred q, 2, 32, p; selp.u32 %1, 100, 0, q; }" : "=r"(n), "=r"(all) : "r"(t % 32) : "memory");
    }
    out[t] = n + all;
}
extern "C" __global__ void sync_in_both_branches(u32 *out) {
    __shared__ volatile u32 s[64];
    u32 t = threadIdx.x, v;
    if (t & 16) {
        s[t] = 2 * t;
        __syncwarp();
        v = s[t ^ 16];
        __syncwarp();
        s[t] = 3 * t;
        __syncwarp();
        v += s[t ^ 16];
    } else {
        s[t] = 2 * t;
        __syncwarp();
        v = s[t ^ 16];
        __syncwarp();
        s[t] = 3 * t;
        __syncwarp();
        v += s[t ^ 16];
        out[blockIdx.x * 64 + t] = 1;
    }
    out[blockIdx.x * 64 + t] = v;
}
extern "C" __global__ void arrive_by_lane(u32 *out) {
    __shared__ u32 s[64];
    u32 t = threadIdx.x;
    if (t < 32) {
        s[t] = t + 1;
        asm volatile("barrier.arrive %0, 64;" :: "r"(1 + t / 16) : "memory");
        out[t] = 0;
    } else {
        // Sixteen lanes each of the first warp and of this one, and the same for the other barrier, make half of what is asked:
        // both halves arrive at both.
        if (t < 48) { SYNC(3, 32); } else { asm volatile("barrier.arrive 3, 32;" ::: "memory"); }
        out[t] = t - 31;
    }
}
extern "C" __global__ void half_waits_half_spins(volatile u32 *flag, u32 *out) {
    u32 t = threadIdx.x, v;
    if (t % 32 < 16) {
        SYNC(1, 32);
        if (t == 32) flag[0] = 1;
        v = 1;
    } else if (t < 32) {
        while (flag[0] == 0) {}
        v = 3;
    } else v = 2;
    out[t] = v;
}
extern "C" __global__ void never_meet(u32 *out) {
    if (threadIdx.x < 16) asm volatile("barrier.sync 1;" ::: "memory");
    else asm volatile("barrier.sync 2;" ::: "memory");
    out[threadIdx.x] = 1;
}
extern "C" __global__ void trap_while_others_wait(u32 *out) {
    if (threadIdx.x == 37) asm volatile("trap;");
    __syncthreads();
    out[threadIdx.x] = 1;
}
extern "C" __global__ void leave_while_others_wait(u32 *out) {
    __shared__ u32 v;
    u32 t = threadIdx.x;
    out[t] = 1;
    if (t % 3 == 0) { if (t == 93) { v = 7; __threadfence_block(); } return; }
    asm volatile("barrier.sync 0;" ::: "memory");
    out[t] = v;
}
__device__ __noinline__ u32 descend(volatile u32 *s, u32 n) {
    if (n == 0) return 0;
    __syncthreads();
    if (threadIdx.x == n) s[0] = s[0] + 47;
    __syncthreads();
    return descend(s, n - 1) + n - 1;
}
extern "C" __global__ void barrier_in_recursion(u32 *out) {
    __shared__ volatile u32 s[1];
    if (threadIdx.x == 0) s[0] = 0;
    __syncthreads();
    u32 v = descend(s, 4);
    out[blockIdx.x * 48 + threadIdx.x] = threadIdx.x == 0 ? s[0] + v : 0;
}
extern "C" __global__ void pipeline_in_a_warp(u32 *out) {
    // The lower halves of two warps produce, the upper halves consume, one slot.
    __shared__ u32 slot[32], total;
    u32 t = threadIdx.x, lane = t % 32, which = t / 32 * 16 + lane % 16;
    if (t == 0) total = 0;
    __syncthreads();
    for (u32 k = 0; k < 8; k++) {
        if (lane < 16) {
            slot[which] = k + which;
            SYNC(1, 64);
            SYNC(2, 64);
        } else {
            SYNC(1, 64);
            atomicAdd(&total, slot[which] + (which < 16 ? 16 : 0));
            SYNC(3, 32);
            if (t == 16) { out[k] = total; total = 0; }
            SYNC(2, 64);
        }
    }
}
extern "C" __global__ void sync_in_loops_apart(u32 *out) {
    __shared__ volatile u32 s[32];
    u32 t = threadIdx.x, v = 0;
    if (t < 16) {
        for (u32 k = 0; k < 6; k++) { s[t] = 2 * k + t; __syncwarp(); v += s[t ^ 16]; __syncwarp(); }
    } else {
        u32 k = 0;
        do { s[t] = 2 * k + t; __syncwarp(); v += s[t ^ 16]; __syncwarp(); k++; } while (k < 6);
    }
    out[t] = v;
}
