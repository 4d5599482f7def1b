// CUB's block and warp primitives, as the nvcc driver compiles them: reduce, scan, radix sort, histogram, exchange.
//@ compile: nvcc13:compute_75 nvcc13:compute_90 -- -std=c++17
//@ run: kernel=reduce_scan grid=3 block=128
//@ arg: in x: s32[1536] = random(201, -1000, 1000)
//@ arg: out sums: s32[3]
//@ arg: out scanned: s32[1536]
//@ numpy: b = x.reshape(3, 512); sums = b.sum(axis=1, dtype=np.int32); scanned = (np.cumsum(b, axis=1) - b).astype(np.int32).ravel()
//@ run: kernel=sort_pairs grid=2 block=64
//@ arg: in x: u32[512] = random(202)
//@ arg: out keys: u32[512]
//@ arg: out values: u32[512]
//@ numpy: b = x.reshape(2, 256); o = np.argsort(b, axis=1, kind='stable'); keys = np.take_along_axis(b, o, 1).ravel(); values = o.astype(np.uint32).ravel()
//@ run: kernel=histogram grid=1 block=96
//@ arg: in x: u8[384] = random(203)
//@ arg: out bins: u32[16]
//@ numpy: bins = np.bincount(x // 16, minlength=16).astype(np.uint32)
//@ run: kernel=exchange grid=1 block=64
//@ arg: in x: f64[256] = random(204, -1, 1)
//@ arg: out y: f64[256]
//@ numpy: y = x.reshape(64, 4).max(axis=1).repeat(4) - x
//@ run: kernel=warps grid=1 block=64
//@ arg: in x: u64[64] = random(205)
//@ arg: out y: u64[64]
//@ numpy: y = np.maximum.accumulate(x.reshape(4, 16), axis=1).ravel()
#include <cub/cub.cuh>
extern "C" __global__ void reduce_scan(const int *x, int *sums, int *scanned) {
    using Load = cub::BlockLoad<int, 128, 4, cub::BLOCK_LOAD_WARP_TRANSPOSE>;
    using Store = cub::BlockStore<int, 128, 4, cub::BLOCK_STORE_TRANSPOSE>;
    using Reduce = cub::BlockReduce<int, 128>;
    using Scan = cub::BlockScan<int, 128, cub::BLOCK_SCAN_WARP_SCANS>;
    __shared__ union { Load::TempStorage load; Store::TempStorage store; Reduce::TempStorage reduce; Scan::TempStorage scan; } temp;
    int items[4];
    Load(temp.load).Load(x + blockIdx.x * 512, items);
    __syncthreads();
    int sum = Reduce(temp.reduce).Sum(items);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
    __syncthreads();
    Scan(temp.scan).ExclusiveSum(items, items);
    __syncthreads();
    Store(temp.store).Store(scanned + blockIdx.x * 512, items);
}
extern "C" __global__ void sort_pairs(const unsigned *x, unsigned *keys, unsigned *values) {
    using Sort = cub::BlockRadixSort<unsigned, 64, 4, unsigned>;
    __shared__ Sort::TempStorage temp;
    unsigned k[4], v[4], first = blockIdx.x * 256;
    for (int i = 0; i < 4; i++) { v[i] = threadIdx.x * 4 + i; k[i] = x[first + v[i]]; }
    Sort(temp).Sort(k, v);
    for (int i = 0; i < 4; i++) { keys[first + threadIdx.x * 4 + i] = k[i]; values[first + threadIdx.x * 4 + i] = v[i]; }
}
extern "C" __global__ void histogram(const unsigned char *x, unsigned *bins) {
    using Histogram = cub::BlockHistogram<unsigned char, 96, 4, 16, cub::BLOCK_HISTO_ATOMIC>;
    __shared__ Histogram::TempStorage temp;
    __shared__ unsigned counts[16];
    unsigned char items[4];
    for (int i = 0; i < 4; i++) items[i] = x[threadIdx.x * 4 + i] / 16;
    Histogram(temp).Histogram(items, counts);
    __syncthreads();
    if (threadIdx.x < 16) bins[threadIdx.x] = counts[threadIdx.x];
}
extern "C" __global__ void exchange(const double *x, double *y) {
    using Exchange = cub::BlockExchange<double, 64, 4>;
    __shared__ Exchange::TempStorage temp;
    double items[4];
    for (int i = 0; i < 4; i++) items[i] = x[i * 64 + threadIdx.x];
    Exchange(temp).StripedToBlocked(items);
    double most = items[0];
    for (int i = 1; i < 4; i++) most = max(most, items[i]);
    for (int i = 0; i < 4; i++) items[i] = most - items[i];
    __syncthreads();
    Exchange(temp).BlockedToStriped(items);
    for (int i = 0; i < 4; i++) y[i * 64 + threadIdx.x] = items[i];
}
struct Larger { __device__ unsigned long long operator()(unsigned long long a, unsigned long long b) const { return a > b ? a : b; } };
extern "C" __global__ void warps(const unsigned long long *x, unsigned long long *y) {
    using Scan = cub::WarpScan<unsigned long long, 16>;
    __shared__ Scan::TempStorage temp[4];
    unsigned long long item = x[threadIdx.x];
    Scan(temp[threadIdx.x / 16]).InclusiveScan(item, item, Larger());
    y[threadIdx.x] = item;
}
