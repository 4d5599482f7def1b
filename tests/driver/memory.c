/* Allocation kinds, pointer attributes, pitched copies, pools, virtual memory. */
#include "driver.h"
#include "kernels.h"

int main(void)
{
    start();
    CUmodule module;
    CUfunction f, poke;
    CHECK(cuModuleLoadData(&module, AXPB));
    CHECK(cuModuleGetFunction(&f, module, "axpb"));
    CHECK(cuModuleGetFunction(&poke, module, "poke"));
    int type, managed;

    /* Managed: the same address on both sides. */
    CUdeviceptr m;
    CHECK(cuMemAllocManaged(&m, 400, 1));
    unsigned *host = (unsigned *)(size_t)m;
    for (int i = 0; i < 100; i++)
        host[i] = i;
    axpb(f, m, 3, 1, 100, 0);
    CHECK(cuCtxSynchronize());
    for (int i = 0; i < 100; i++)
        EXPECT(host[i] == 3u * i + 1);
    CHECK(cuPointerGetAttribute(&type, 2, m + 8));
    EXPECT(type == 2);
    managed = 0;
    CHECK(cuPointerGetAttribute(&managed, 8, m));
    EXPECT(managed == 1);
    CHECK(cuMemFree_v2(m));
    STATUS(cuPointerGetAttribute(&type, 2, m), 1);

    /* Registered and page-locked host memory. */
    static unsigned local[64];
    CHECK(cuMemHostRegister_v2(local, sizeof local, 0));
    STATUS(cuMemHostRegister_v2(local, 16, 0), 712);
    CHECK(cuPointerGetAttribute(&type, 2, (CUdeviceptr)(size_t)local));
    EXPECT(type == 1);
    axpb(f, (CUdeviceptr)(size_t)local, 0, 6, 64, 0);
    CHECK(cuCtxSynchronize());
    EXPECT(local[63] == 6);
    CHECK(cuMemHostUnregister(local));
    STATUS(cuMemHostUnregister(local), 713);

    /* Rows. */
    size_t pitch;
    CUdeviceptr rows;
    CHECK(cuMemAllocPitch_v2(&rows, &pitch, 100, 8, 4));
    EXPECT(pitch >= 100 && pitch % 256 == 0);
    unsigned char source[8][20], back[8][10];
    for (int y = 0; y < 8; y++)
        for (int x = 0; x < 20; x++)
            source[y][x] = (unsigned char)(y * 20 + x);
    CUDA_MEMCPY2D copy = {0};
    copy.srcMemoryType = 1, copy.srcHost = source, copy.srcPitch = 20, copy.srcXInBytes = 2;
    copy.dstMemoryType = 2, copy.dstDevice = rows, copy.dstPitch = pitch, copy.dstXInBytes = 4;
    copy.WidthInBytes = 10, copy.Height = 8;
    CHECK(cuMemcpy2D_v2(&copy));
    CUDA_MEMCPY2D down = {0};
    down.srcMemoryType = 2, down.srcDevice = rows, down.srcPitch = pitch, down.srcXInBytes = 4;
    down.dstMemoryType = 1, down.dstHost = back, down.dstPitch = 10, down.WidthInBytes = 10, down.Height = 8;
    CHECK(cuMemcpy2D_v2(&down));
    for (int y = 0; y < 8; y++)
        for (int x = 0; x < 10; x++)
            EXPECT(back[y][x] == y * 20 + x + 2);
    copy.srcMemoryType = 3;
    STATUS(cuMemcpy2D_v2(&copy), 801);
    copy.srcMemoryType = 1, copy.Height = 1000;
    STATUS(cuMemcpy2D_v2(&copy), 1);
    CHECK(cuMemsetD2D32_v2(rows, pitch, 0x01020304, 3, 8));
    CHECK(cuMemcpy2D_v2(&down));
    EXPECT(back[7][0] == 4 && back[7][3] == 1);

    /* Slices. */
    unsigned char cube[3][4][5], part[2][2][2];
    for (int i = 0; i < 60; i++)
        ((unsigned char *)cube)[i] = (unsigned char)i;
    CUdeviceptr c;
    CHECK(cuMemAlloc_v2(&c, sizeof cube));
    CHECK(cuMemcpyHtoD_v2(c, cube, sizeof cube));
    CUDA_MEMCPY3D box = {0};
    box.srcMemoryType = 2, box.srcDevice = c, box.srcPitch = 5, box.srcHeight = 4;
    box.srcXInBytes = 1, box.srcY = 2, box.srcZ = 1;
    box.dstMemoryType = 1, box.dstHost = part, box.dstPitch = 2, box.dstHeight = 2;
    box.WidthInBytes = 2, box.Height = 2, box.Depth = 2;
    CHECK(cuMemcpy3D_v2(&box));
    EXPECT(part[0][0][0] == cube[1][2][1] && part[1][1][1] == cube[2][3][2]);

    /* Pools. */
    CUstream stream;
    CUdeviceptr pooled;
    CHECK(cuStreamCreate(&stream, 1));
    CHECK(cuMemAllocAsync(&pooled, 4096, stream));
    axpb(f, pooled, 0, 4, 1024, stream);
    unsigned word;
    CHECK(cuMemcpyDtoHAsync_v2(&word, pooled + 4092, 4, stream));
    CHECK(cuMemFreeAsync(pooled, stream));
    STATUS(cuMemFreeAsync(pooled, stream), 1);
    CHECK(cuStreamSynchronize(stream));
    EXPECT(word == 4);

    /* One memory at two addresses. */
    size_t granularity;
    CUmemAllocationProp prop = {0};
    prop.type = 1, prop.location.type = 1;
    CHECK(cuMemGetAllocationGranularity(&granularity, &prop, 0));
    CUdeviceptr range;
    unsigned long long memory;
    CHECK(cuMemAddressReserve(&range, 2 * granularity, 0, 0, 0));
    STATUS(cuMemCreate(&memory, 100, &prop, 0), 1);
    CHECK(cuMemCreate(&memory, granularity, &prop, 0));
    CHECK(cuMemMap(range, granularity, 0, memory, 0));
    STATUS(cuMemMap(range, granularity, 0, memory, 0), 1);
    CHECK(cuMemMap(range + granularity, granularity, 0, memory, 0));
    CHECK(cuMemRelease(memory));
    CUmemAccessDesc access = {{1, 0}, 3};
    CHECK(cuMemSetAccess(range, 2 * granularity, &access, 1));
    unsigned value = 99;
    void *args[] = {&range, &value};
    CHECK(cuLaunchKernel(poke, 1, 1, 1, 1, 1, 1, 0, 0, args, 0));
    CHECK(cuMemcpyDtoH_v2(&word, range + granularity, 4));
    EXPECT(word == 99);
    STATUS(cuMemAddressFree(range, 2 * granularity), 1);
    CHECK(cuMemUnmap(range, 2 * granularity));
    STATUS(cuMemcpyDtoH_v2(&word, range, 4), 1);
    CHECK(cuMemAddressFree(range, 2 * granularity));

    /* Memory that a launch still uses may be freed. */
    for (int i = 0; i < 200; i++) {
        CHECK(cuMemAlloc_v2(&c, 1 << 16));
        axpb(f, c, 1, 1, 1 << 14, 0);
        CHECK(cuMemFree_v2(c));
    }
    CHECK(cuCtxSynchronize());
    return 0;
}
