// Cooperative groups as separately compiled code has them (-rdc=true): grid synchronisation, tiles, reductions, scans.
//@ compile: nvcc13:compute_75 nvcc13:compute_90 -- -std=c++17 -rdc=true
//@ run: kernel=rounds grid=5 block=64 cooperative
//@ arg: inout x: u32[320] = random(221, 0, 1000)
//@ arg: inout y: u32[320] = zeros
//@ arg: u32 3
//@ numpy: a = x.astype(np.uint64); y = x * 0; b = (np.roll(a, -1) + np.roll(a, 1)) % 10007; c = (np.roll(b, -1) + np.roll(b, 1)) % 10007; d = (np.roll(c, -1) + np.roll(c, 1)) % 10007; x = c.astype(np.uint32); y = d.astype(np.uint32)
//@ run: kernel=tiles grid=2 block=64
//@ arg: in x: s32[128] = random(222, -100, 100)
//@ arg: out out: s32[512]
//@ numpy: t = x.reshape(-1, 16); u = x.reshape(-1, 4); out = np.concatenate([t.sum(axis=1, dtype=np.int32).repeat(16), (np.cumsum(t, axis=1) - t).astype(np.int32).ravel(), u.max(axis=1).repeat(4), (x % 2 != 0).reshape(-1, 16).sum(axis=1).astype(np.int32).repeat(16)])
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <cooperative_groups/scan.h>
namespace cg = cooperative_groups;
extern "C" __global__ void rounds(unsigned *x, unsigned *y, unsigned steps) {
    auto grid = cg::this_grid();
    unsigned i = grid.thread_rank(), n = grid.num_threads();
    for (unsigned k = 0; k < steps; k++) {
        y[i] = (x[(i + 1) % n] + x[(i + n - 1) % n]) % 10007;
        cg::sync(grid);
        unsigned *t = x; x = y; y = t;
    }
}
extern "C" __global__ void tiles(const int *x, int *out) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    auto block = cg::this_thread_block();
    auto tile = cg::tiled_partition<16>(block);
    auto quad = cg::tiled_partition<4>(tile);
    out[i] = cg::reduce(tile, x[i], cg::plus<int>());
    out[128 + i] = cg::exclusive_scan(tile, x[i]);
    out[256 + i] = cg::reduce(quad, x[i], cg::greater<int>());
    out[384 + i] = __popc(tile.ballot(x[i] % 2 != 0));
}
