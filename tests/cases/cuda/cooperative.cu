// Grid-wide synchronisation through cooperative groups, and group reductions and scans.
//@ compile: compute_80 compute_90 nvrtc12:compute_60
//@ run: kernel=relax grid=6 block=64 cooperative
//@ arg: inout x: u32[384] = random(69)
//@ arg: inout y: u32[384] = zeros
//@ arg: u32 5
//@ run: kernel=groups grid=1 block=96
//@ arg: in x: u32[96] = random(70, 0, 1000)
//@ arg: out out: u32[384]
#include <cooperative_groups.h>
namespace cg = cooperative_groups;
extern "C" __global__ void relax(unsigned *x, unsigned *y, unsigned steps) {
    cg::grid_group grid = cg::this_grid();
    unsigned i = grid.thread_rank(), n = grid.size();
    for (unsigned k = 0; k < steps; k++) {
        y[i] = x[(i + 1) % n] + x[(i + n - 1) % n] * 3 + k;
        grid.sync();
        unsigned *t = x; x = y; y = t;
    }
}
extern "C" __global__ void groups(const unsigned *x, unsigned *out) {
    cg::thread_block block = cg::this_thread_block();
    auto warp = cg::tiled_partition<32>(block);
    auto tile = cg::tiled_partition<8>(warp);
    unsigned t = block.thread_rank(), v = x[t];
    for (int k = tile.size() / 2; k; k /= 2) v += tile.shfl_down(v, k);
    out[t] = v;
    out[96 + t] = tile.meta_group_rank() * 100 + tile.thread_rank();
    out[192 + t] = warp.ballot(x[t] & 1);
    block.sync();
    unsigned r = 0;
    if (x[t] % 3 == 0) {
        cg::coalesced_group active = cg::coalesced_threads();
        r = active.size() * 100 + active.thread_rank() + active.shfl(x[t], 0) * 10000;
    }
    out[288 + t] = r;
}
