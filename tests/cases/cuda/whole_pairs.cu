// Vector accesses that other blocks see whole: the first block writes values that belong together into slots, over and over,
// while the others read them and count those that do not belong together. CUB's look-back does this with a flag and a sum.
//@ run: kernel=pairs32 grid=8 block=64
//@ arg: inout slots: u32[128] = zeros
//@ arg: out torn: u32[448] = fill(9)
//@ numpy: slots = np.tile(np.array([3999, 3999 * 7], np.uint32), 64)
//@ numpy: torn = np.zeros(448, np.uint32)
//@ run: kernel=pairs64 grid=8 block=64
//@ arg: inout slots: u64[128] = zeros
//@ arg: out torn: u32[448] = fill(9)
//@ numpy: slots = np.tile(np.array([3999, 3999 * 7], np.uint64), 64)
//@ numpy: torn = np.zeros(448, np.uint32)
//@ run: kernel=quads32 grid=8 block=48
//@ arg: inout slots: u32[192] = zeros
//@ arg: out torn: u32[336] = fill(9)
//@ numpy: slots = np.tile(np.arange(1, 5, dtype=np.uint32) * np.uint32(3999), 48)
//@ numpy: torn = np.zeros(336, np.uint32)
//@ run: kernel=volatile_pairs grid=8 block=64
//@ arg: inout slots: u32[128] = zeros
//@ arg: out torn: u32[448] = fill(9)
//@ numpy: slots = np.tile(np.array([3999, 3999 * 7], np.uint32), 64)
//@ numpy: torn = np.zeros(448, np.uint32)
//@ run: kernel=cached_pairs grid=8 block=64
//@ arg: inout slots: u64[128] = zeros
//@ arg: out torn: u32[448] = fill(9)
//@ numpy: slots = np.tile(np.array([3999, 3999 * 7], np.uint64), 64)
//@ numpy: torn = np.zeros(448, np.uint32)

typedef unsigned u32;
typedef unsigned long long u64;

// A lane's slot is not its neighbour's, so that lanes are taken one by one as well.
__device__ int place(int lane) { return lane ^ 5; }

#define PAIRS(name, type, letter, load, store)                                                              \
    extern "C" __global__ void name(type* slots, u32* torn) {                                              \
        type* mine = slots + 2 * place(threadIdx.x);                                                       \
        if (blockIdx.x == 0) {                                                                             \
            for (type i = 0; i < 4000; i++)                                                                \
                asm volatile(store " [%0], {%1, %2};" ::"l"(mine), letter(i), letter(i * 7) : "memory");   \
            return;                                                                                        \
        }                                                                                                  \
        u32 count = 0;                                                                                     \
        for (int i = 0; i < 1000; i++) {                                                                   \
            type a, b;                                                                                     \
            asm volatile(load " {%0, %1}, [%2];" : "=" letter(a), "=" letter(b) : "l"(mine) : "memory");   \
            count += b != a * 7;                                                                           \
        }                                                                                                  \
        torn[(blockIdx.x - 1) * blockDim.x + threadIdx.x] = count;                                         \
    }

PAIRS(pairs32, u32, "r", "ld.relaxed.gpu.v2.u32", "st.relaxed.gpu.v2.u32")
PAIRS(pairs64, u64, "l", "ld.relaxed.gpu.v2.u64", "st.relaxed.gpu.v2.u64")
PAIRS(volatile_pairs, u32, "r", "ld.volatile.global.v2.u32", "st.volatile.global.v2.u32")
PAIRS(cached_pairs, u64, "l", "ld.global.cg.v2.u64", "st.global.cg.v2.u64")

extern "C" __global__ void quads32(u32* slots, u32* torn) {
    u32* mine = slots + 4 * threadIdx.x;
    if (blockIdx.x == 0) {
        for (u32 i = 0; i < 4000; i++)
            asm volatile("st.release.gpu.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(mine), "r"(i), "r"(i * 2), "r"(i * 3),
                         "r"(i * 4)
                         : "memory");
        return;
    }
    u32 count = 0;
    for (int i = 0; i < 1000; i++) {
        u32 a, b, c, d;
        asm volatile("ld.acquire.gpu.v4.u32 {%0, %1, %2, %3}, [%4];"
                     : "=r"(a), "=r"(b), "=r"(c), "=r"(d)
                     : "l"(mine)
                     : "memory");
        count += b != a * 2 || c != a * 3 || d != a * 4;
    }
    torn[(blockIdx.x - 1) * blockDim.x + threadIdx.x] = count;
}
