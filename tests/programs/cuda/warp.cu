// Warp operations: shuffles, votes, matches, a scan and a reduction made of them.
#include "check.h"

__global__ void scan(int *data) {
    int lane = threadIdx.x % 32, value = data[threadIdx.x];
    for (int d = 1; d < 32; d *= 2) {
        int other = __shfl_up_sync(~0u, value, d);
        if (lane >= d) value += other;
    }
    data[threadIdx.x] = value;
}

__global__ void votes(unsigned *out) {
    int i = threadIdx.x;
    out[i] = __ballot_sync(~0u, i % 3 == 0);
    out[32 + i] = __any_sync(~0u, i == 5) + 2 * __all_sync(~0u, i < 32) + 4 * __all_sync(~0u, i < 31);
    out[64 + i] = __match_any_sync(~0u, i / 8);
    out[96 + i] = __reduce_add_sync(~0u, i);
    out[128 + i] = __shfl_xor_sync(~0u, i, 16);
    out[160 + i] = __popc(i * 77) + __clz(i + 1) + __ffs(i + 1) + __brev(i);
    if (i % 2) out[192 + i] = __activemask();
    else out[192 + i] = 0;
}

int main() {
    int host[128], *device;
    for (int i = 0; i < 128; i++) host[i] = i;
    CUDA(cudaMalloc(&device, sizeof host));
    CUDA(cudaMemcpy(device, host, sizeof host, cudaMemcpyHostToDevice));
    scan<<<1, 128>>>(device);
    CUDA(cudaMemcpy(host, device, sizeof host, cudaMemcpyDeviceToHost));
    for (int w = 0; w < 4; w++)
        for (int l = 0, s = 0; l < 32; l++) {
            s += w * 32 + l;
            EXPECT(host[w * 32 + l] == s);
        }
    unsigned out[224], *dout;
    CUDA(cudaMalloc(&dout, sizeof out));
    votes<<<1, 32>>>(dout);
    CUDA(cudaMemcpy(out, dout, sizeof out, cudaMemcpyDeviceToHost));
    for (int i = 0; i < 32; i++) {
        EXPECT(out[i] == 0x49249249u);
        EXPECT(out[32 + i] == 3);
        EXPECT(out[64 + i] == 0xffu << (i / 8 * 8));
        EXPECT(out[96 + i] == 496);
        EXPECT(out[128 + i] == unsigned(i ^ 16));
        unsigned reversed = 0;
        for (int b = 0; b < 32; b++) reversed |= (unsigned(i) >> b & 1) << (31 - b);
        EXPECT(out[160 + i] == unsigned(__builtin_popcount(i * 77) + __builtin_clz(i + 1) + __builtin_ffs(i + 1)) + reversed);
        EXPECT(out[192 + i] == (i % 2 ? 0xaaaaaaaau : 0));
    }
    return ok();
}
