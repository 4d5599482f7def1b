// Lanes of one warp that wait for each other, which only independent thread scheduling finishes: flags tested by control flow
// alone, producers and consumers, spins on one address in a divergent region, ticket and per-lane locks, a lock by
// compare-and-swap with a value that was read, reader and writer.
// Lanes of one warp that wait in different places: at barriers of different number, by part of a warp, by lanes that named them
// in a register, with reductions; at warp synchronisations in different branches; while others of the warp spin, end or trap.
// One file, so that it is long: its kernels take the SSE levels, which have few registers, minutes to compile.
//@ run: kernel=flag_by_control_flow grid=2 block=64
//@ arg: scratch flags: u32[4] = zeros
//@ arg: out out: u32[128]
//@ numpy: out = np.uint32([7 + (i % 32) for i in range(128)])
//@ run: kernel=flag_in_a_branch grid=2 block=64
//@ arg: scratch flags: u32[4] = zeros
//@ arg: out out: u32[128]
//@ numpy: out = np.uint32([100 + i % 32 if i % 32 >= 16 else 5 for i in range(128)])
//@ run: kernel=flag_after_a_branch grid=1 block=64
//@ arg: scratch flags: u32[4] = zeros
//@ arg: out out: u32[64]
//@ numpy: out = np.uint32([3 if i % 32 < 16 else 9 for i in range(64)])
//@ run: kernel=ring grid=2 block=64
//@ arg: scratch ring: u32[64] = zeros
//@ arg: out out: u32[4]
//@ numpy: out = np.uint32([sum(k * k for k in range(40))] * 4)
//@ run: kernel=ticket_lock grid=3 block=96
//@ arg: scratch ticket: u32[2] = zeros
//@ arg: inout count: u32[1] = 0
//@ numpy: count = np.uint32([288])
//@ run: kernel=lock_per_lane grid=2 block=64
//@ arg: scratch locks: u32[4] = zeros
//@ arg: inout count: u32[4] = zeros
//@ numpy: count = np.uint32([128 * 3 // 4] * 4)
//@ run: kernel=lock_with_a_value_read grid=2 block=64
//@ arg: scratch word: u32[1] = zeros
//@ arg: inout count: u32[1] = 0
//@ numpy: count = np.uint32([128])
//@ run: kernel=reader_writer grid=2 block=64
//@ arg: scratch state: s32[1] = zeros
//@ arg: inout value: u32[2] = zeros
//@ arg: inout torn: u32[1] = zeros
//@ numpy: value = np.uint32([64, 64]); torn = np.uint32([0])
//@ run: kernel=flag_through_a_local_array grid=1 block=32
//@ arg: scratch flags: u32[4] = zeros
//@ arg: out out: u32[32]
//@ numpy: out = np.uint32([11] * 32)
//@ run: kernel=chain_in_a_loop grid=1 block=64
//@ arg: scratch turn: u32[1] = zeros
//@ arg: out out: u32[256]
//@ numpy: out = np.uint32([(k * 64 + t) for t in range(64) for k in range(4)])
//@ run: kernel=sleepers grid=1 block=64
//@ arg: scratch flags: u32[2] = zeros
//@ arg: out out: u32[64]
//@ numpy: out = np.uint32([2] * 64)
//@ run: kernel=plain_flag grid=1 block=32
//@ arg: out out: u32[32]
//@ numpy: out = np.uint32([6] * 32)
//@ run: kernel=ask_with_add grid=1 block=32
//@ arg: scratch flag: u32[1] = zeros
//@ arg: out out: u32[32]
//@ numpy: out = np.uint32([1] * 32)
//@ run: kernel=exits_while_others_wait grid=1 block=64
//@ arg: scratch flags: u32[2] = zeros
//@ arg: out out: u32[64]
//@ numpy: out = np.uint32([8 if i % 32 >= 8 else 0 for i in range(64)])
//@ run: kernel=poll_by_vote grid=1 block=32
//@ arg: scratch flags: u32[1] = zeros
//@ arg: out out: u32[32]
//@ numpy: out = np.uint32([4 if i < 16 else 2 for i in range(32)])
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
extern "C" __global__ void flag_by_control_flow(volatile u32 *flags, u32 *out) {
    // The loaded value reaches the exit only through which path is taken.
    u32 t = threadIdx.x, lane = t % 32, warp = blockIdx.x * 2 + t / 32;
    if (lane == 31) { __threadfence(); flags[warp] = 1; out[blockIdx.x * 64 + t] = 7 + lane; return; }
    int done = 0, rounds = 0;
    while (!done) {
        switch (flags[warp]) { case 0: rounds++; break; case 1: done = 1; break; default: done = 2; }
    }
    out[blockIdx.x * 64 + t] = done * 7 + lane;
}
extern "C" __global__ void flag_in_a_branch(volatile u32 *flags, u32 *out) {
    // All spinning lanes look at one address: they leave together, and the others of their warp have not run yet.
    u32 t = threadIdx.x, lane = t % 32, warp = blockIdx.x * 2 + t / 32;
    u32 v;
    if (lane < 16) { while (flags[warp] == 0) {} v = flags[warp]; }
    else { v = 100 + lane; if (lane == 20) flags[warp] = 5; }
    out[blockIdx.x * 64 + t] = v;
}
extern "C" __global__ void flag_after_a_branch(volatile u32 *flags, u32 *out) {
    u32 t = threadIdx.x, lane = t % 32, warp = t / 32, v = 9;
    if (lane < 16) { while (flags[warp] == 0) {} v = flags[warp]; }
    if (lane == 30) flags[warp] = 3;
    out[t] = v;
}
extern "C" __global__ void ring(volatile u32 *rings, u32 *out) {
    // Lane 3 produces, lane 9 consumes, four places.
    u32 t = threadIdx.x, lane = t % 32, warp = blockIdx.x * 2 + t / 32;
    volatile u32 *r = rings + warp * 16, *head = r + 8, *tail = r + 9;
    if (lane == 3) {
        for (u32 k = 0; k < 40; k++) {
            while (k - *tail >= 4) {}
            r[k % 4] = k * k;
            __threadfence_block();
            *head = k + 1;
        }
    } else if (lane == 9) {
        u32 sum = 0;
        for (u32 k = 0; k < 40; k++) {
            while (*head <= k) {}
            __threadfence_block();
            sum += r[k % 4];
            *tail = k + 1;
        }
        out[warp] = sum;
    }
}
extern "C" __global__ void ticket_lock(u32 *ticket, u32 *count) {
    u32 mine = atomicAdd(&ticket[0], 1);
    while (((volatile u32 *)ticket)[1] != mine) {}
    __threadfence();
    *(volatile u32 *)count = *(volatile u32 *)count + 1;
    __threadfence();
    atomicAdd(&ticket[1], 1);
}
extern "C" __global__ void lock_per_lane(u32 *locks, u32 *count) {
    for (int k = 0; k < 3; k++) {
        u32 which = (threadIdx.x + k) % 4;
        bool done = false;
        while (!done) {
            if (atomicCAS(&locks[which], 0, 1) == 0) {
                __threadfence();
                ((volatile u32 *)count)[which] = ((volatile u32 *)count)[which] + 1;
                __threadfence();
                atomicExch(&locks[which], 0);
                done = true;
            }
        }
    }
}
extern "C" __global__ void lock_with_a_value_read(u32 *word, u32 *count) {
    // Bit 0 is the lock, the rest counts: the compare value changes from trip to trip, and still this waits.
    u32 old = 0, seen;
    do {
        seen = old;
        old = atomicCAS(word, seen, seen & 1 ? seen : seen | 1);
    } while (old != seen || (seen & 1));
    __threadfence();
    *(volatile u32 *)count = *(volatile u32 *)count + 1;
    __threadfence();
    atomicAdd(word, 1);
}
extern "C" __global__ void reader_writer(int *state, u32 *value, u32 *torn) {
    // state: -1 written, n readers.
    volatile u32 *v = value;
    if (threadIdx.x % 2 == 0) {
        while (atomicCAS(state, 0, -1) != 0) {}
        __threadfence();
        v[0] = v[0] + 1;
        v[1] = v[1] + 1;
        __threadfence();
        atomicExch(state, 0);
    } else {
        for (;;) {
            int s = *(volatile int *)state;
            if (s >= 0 && atomicCAS(state, s, s + 1) == s) break;
        }
        __threadfence();
        u32 a = v[0], b = v[1];
        if (a != b) atomicAdd(torn, 1);
        __threadfence();
        atomicSub(state, 1);
    }
}
extern "C" __global__ void flag_through_a_local_array(volatile u32 *flags, u32 *out) {
    u32 lane = threadIdx.x;
    volatile u32 state[4] = {0, 0, 0, 0};
    if (lane == 17) flags[0] = 11;
    do { state[(lane + flags[1]) % 4] = flags[0]; } while (state[lane % 4] == 0);
    out[lane] = state[lane % 4];
}
extern "C" __global__ void chain_in_a_loop(volatile u32 *turn, u32 *out) {
    // Threads take turns from last to first in each of four rounds.
    u32 t = threadIdx.x;
    for (u32 k = 0; k < 4; k++) {
        while (*turn != k * 64 + (63 - t)) {}
        out[t * 4 + k] = k * 64 + t;
        __threadfence();
        *turn = *turn + 1;
    }
}
extern "C" __global__ void sleepers(volatile u32 *flags, u32 *out) {
    u32 t = threadIdx.x;
    if (t % 2 == 0) { while (flags[0] != 32) __nanosleep(20); }
    else atomicAdd((u32 *)flags, 1);
    out[t] = 2;
}
extern "C" __global__ void plain_flag(u32 *out) {
    // No volatile, but the compiler must load again.
    __shared__ u32 flag;
    u32 lane = threadIdx.x;
    if (lane == 0) flag = 0;
    __syncwarp();
    if (lane < 5) { while (flag == 0) { asm volatile("" ::: "memory"); } }
    else if (lane == 31) { asm volatile("" ::: "memory"); flag = 6; asm volatile("" ::: "memory"); }
    __syncwarp();
    out[lane] = flag;
}
extern "C" __global__ void ask_with_add(u32 *flag, u32 *out) {
    u32 zero = out[0] & 0;
    if (threadIdx.x < 9) { while (atomicAdd(flag, zero) == 0) {} }
    else atomicOr(flag, 1);
    out[threadIdx.x] = 1;
}
extern "C" __global__ void exits_while_others_wait(volatile u32 *flags, u32 *out) {
    u32 t = threadIdx.x, lane = t % 32;
    if (lane < 8) { out[t] = 0; if (lane == 7) { __threadfence(); atomicAdd((u32 *)&flags[t / 32], 8); } return; }
    u32 v;
    while ((v = flags[t / 32]) == 0) {}
    __syncwarp(0xffffff00);
    out[t] = v;
}
extern "C" __global__ void poll_by_vote(volatile u32 *flags, u32 *out) {
    u32 lane = threadIdx.x;
    if (lane < 16) {
        while (!__any_sync(0xffff, lane == 3 && flags[0] != 0)) {}
        out[lane] = 4;
    } else {
        __syncwarp(0xffff0000);
        if (lane == 20) flags[0] = 1;
        out[lane] = 2;
    }
}
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
