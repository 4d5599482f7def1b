// Thread and grid coordinates in three dimensions, lane masks, clocks that do not run backwards.
//@ compile: compute_80 nvrtc12:compute_70
//@ run: kernel=coordinates grid=2,3,2 block=5,3,2
//@ arg: out out: u32[360]
//@ numpy: out = np.uint32([v for b in range(12) for t in range(30) for v in [t % 5 + 10 * (t // 5 % 3) + 100 * (t // 15) + 1000 * (b % 2) + 10000 * (b // 2 % 3) + 100000 * (b // 6)]])
//@ run: kernel=lanes grid=1 block=70
//@ arg: out out: u32[420]
//@ numpy: t = np.arange(70); l = (t % 32).astype(np.uint64); one = np.uint64(1)
//@ numpy: eq = one << l; lt = eq - one; full = np.uint64(0xffffffff)
//@ numpy: out = np.concatenate([l, t // 32, eq, lt, full - lt, lt + eq]).astype(np.uint32)
//@ run: kernel=clocks grid=2 block=33
//@ arg: out out: u32[66]
//@ numpy: out = np.uint32([7] * 66)
//@ run: kernel=sizes grid=3,1,2 block=4,4 shared=640
//@ arg: out out: u32[8]
extern "C" __global__ void coordinates(unsigned *out) {
    unsigned b = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    unsigned t = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    out[b * 30 + t] = threadIdx.x + 10 * threadIdx.y + 100 * threadIdx.z + 1000 * blockIdx.x + 10000 * blockIdx.y + 100000 * blockIdx.z;
}
extern "C" __global__ void lanes(unsigned *out) {
    unsigned t = threadIdx.x, v;
#define ROW(k, r) asm("mov.u32 %0, %%" r ";" : "=r"(v)); out[k * 70 + t] = v
    ROW(0, "laneid"); ROW(1, "warpid"); ROW(2, "lanemask_eq"); ROW(3, "lanemask_lt"); ROW(4, "lanemask_ge"); ROW(5, "lanemask_le");
#undef ROW
}
extern "C" __global__ void clocks(unsigned *out) {
    long long a = clock64();
    unsigned long long g, h;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(g));
    __nanosleep(100);
    long long b = clock64();
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(h));
    out[blockIdx.x * 33 + threadIdx.x] = (b >= a) + 2 * (h >= g) + 4 * (g != 0);
}
extern "C" __global__ void sizes(unsigned *out) {
    if (threadIdx.x || threadIdx.y || blockIdx.x || blockIdx.z) return;
    unsigned d;
    asm("mov.u32 %0, %%dynamic_smem_size;" : "=r"(d));
    out[0] = gridDim.x; out[1] = gridDim.y; out[2] = gridDim.z; out[3] = blockDim.x; out[4] = blockDim.y; out[5] = blockDim.z;
    out[6] = d; out[7] = warpSize;
}
