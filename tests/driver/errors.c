/* Wrong calls give the code that CUDA gives, and the process lives. */
#include "driver.h"
#include "kernels.h"
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    int value, count;
    CUdeviceptr p, q;
    STATUS(cuMemAlloc_v2(&p, 16), 3);
    STATUS(cuDeviceGetCount(&count), 3);
    STATUS(cuInit(1), 1);
    CHECK(cuInit(0));
    STATUS(cuMemAlloc_v2(&p, 16), 201);
    STATUS(cuDeviceGetAttribute(&value, 75, 7), 101);
    STATUS(cuDeviceGetAttribute(&value, 100000, 0), 1);
    STATUS(cuDeviceGetAttribute(0, 75, 0), 1);
    STATUS(cuCtxSetCurrent((CUcontext)0xdeadbeef), 201);
    start();

    STATUS(cuMemAlloc_v2(&p, 0), 1);
    STATUS(cuMemAlloc_v2(0, 16), 1);
    STATUS(cuMemAlloc_v2(&p, (size_t)1 << 60), 2);
    CHECK(cuMemAlloc_v2(&p, 1000));
    CHECK(cuMemFree_v2(p));
    STATUS(cuMemFree_v2(p), 1);
    STATUS(cuMemFree_v2(p + 8), 1);
    STATUS(cuMemFree_v2(12345), 1);
    char bytes[64] = {0};
    STATUS(cuMemcpyHtoD_v2(p, bytes, 16), 1);
    STATUS(cuMemcpyDtoH_v2(bytes, 0, 16), 1);
    CHECK(cuMemAlloc_v2(&q, 16));
    STATUS(cuMemcpyHtoD_v2(q, bytes, 17), 1);
    STATUS(cuMemcpyHtoD_v2(q, 0, 16), 1);
    STATUS(cuMemsetD32_v2(q + 1, 0, 1), 1);
    STATUS(cuMemsetD32_v2(q, 0, 5), 1);
    CHECK(cuMemcpyHtoD_v2(q, bytes, 0));
    /* A host address that is not mapped: an error, not a crash. */
    STATUS(cuMemcpyHtoD_v2(q, (void *)64, 16), 1);

    CUmodule module;
    CUfunction poke, none;
    STATUS(cuModuleLoadData(&module, "not ptx"), 200);
    STATUS(cuModuleLoadData(&module, 0), 1);
    STATUS(cuModuleLoadData(&module, HEAD ".visible .entry k() { bogus.u32 %r1; }"), 218);
    char log[512] = "";
    int names[] = {5, 6};
    void *values[] = {log, (void *)sizeof log};
    STATUS(cuModuleLoadDataEx(&module, HEAD ".visible .entry k() { bogus.u32 %r1; }", 2, names, values), 218);
    EXPECT(strstr(log, "bogus"));
    CHECK(cuModuleLoadData(&module, AXPB));
    STATUS(cuModuleGetFunction(&none, module, "none"), 500);
    STATUS(cuModuleGetFunction(&none, (CUmodule)0x1234, "poke"), 400);
    CHECK(cuModuleGetFunction(&poke, module, "poke"));

    unsigned number = 7;
    void *args[] = {&q, &number};
    STATUS(cuLaunchKernel(poke, 0, 1, 1, 1, 1, 1, 0, 0, args, 0), 1);
    STATUS(cuLaunchKernel(poke, 1, 1, 1, 1025, 1, 1, 0, 0, args, 0), 1);
    STATUS(cuLaunchKernel(poke, 1, 1, 1, 1, 1, 1, 1 << 20, 0, args, 0), 1);
    STATUS(cuLaunchKernel((CUfunction)0x40, 1, 1, 1, 1, 1, 1, 0, 0, args, 0), 400);
    STATUS(cuLaunchKernel(poke, 1, 1, 1, 1, 1, 1, 0, (CUstream)0x40, args, 0), 400);
    STATUS(cuLaunchKernel(poke, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0), 1);

    CUstream stream;
    CUevent event;
    STATUS(cuStreamCreate(&stream, 77), 1);
    CHECK(cuStreamCreate(&stream, 0));
    CHECK(cuStreamDestroy_v2(stream));
    STATUS(cuStreamDestroy_v2(stream), 400);
    STATUS(cuStreamSynchronize(stream), 400);
    STATUS(cuStreamDestroy_v2(0), 400);
    CHECK(cuEventCreate(&event, 0));
    float ms;
    STATUS(cuEventElapsedTime(&ms, event, event), 400);
    CHECK(cuEventQuery(event));
    CHECK(cuEventDestroy_v2(event));
    STATUS(cuEventDestroy_v2(event), 400);

    const char *text;
    CHECK(cuGetErrorName(700, &text));
    EXPECT(!strcmp(text, "CUDA_ERROR_ILLEGAL_ADDRESS"));
    CHECK(cuGetErrorString(2, &text));
    EXPECT(!strcmp(text, "out of memory"));
    STATUS(cuGetErrorName(12345, &text), 1);
    EXPECT(!text);

    void *function;
    int answer = -1;
    CHECK(cuGetProcAddress_v2("cuMemAlloc", &function, 12000, 0, &answer));
    EXPECT(answer == 0);
    CHECK(((CUresult(*)(CUdeviceptr *, size_t))function)(&p, 100));
    CHECK(cuMemFree_v2(p));
    CHECK(cuGetProcAddress_v2("cuNothing", &function, 12000, 0, &answer));
    EXPECT(answer == 1 && !function);
    STATUS(cuGetProcAddress_v2("cuNothing", &function, 12000, 0, 0), 500);
    char id[16] = {0};
    STATUS(cuGetExportTable((const void **)&function, id), 801);
    STATUS(cuIpcGetMemHandle(bytes, q), 801);

    /* A forked child has no device. */
    pid_t child = fork();
    if (child == 0)
        _exit(cuMemAlloc_v2(&p, 16) == 3 && cuCtxSynchronize() == 3 ? 0 : 1);
    int status;
    waitpid(child, &status, 0);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);

    /* A wild store is sticky until the context is reset. */
    CUdeviceptr wild = 8;
    void *wild_args[] = {&wild, &number};
    CHECK(cuLaunchKernel(poke, 1, 1, 1, 1, 1, 1, 0, 0, wild_args, 0));
    STATUS(cuCtxSynchronize(), 700);
    STATUS(cuMemAlloc_v2(&p, 16), 700);
    STATUS(cuLaunchKernel(poke, 1, 1, 1, 1, 1, 1, 0, 0, args, 0), 700);
    CHECK(cuDevicePrimaryCtxReset_v2(0));
    STATUS(cuMemAlloc_v2(&p, 16), 709);
    CUcontext context;
    CHECK(cuDevicePrimaryCtxRetain(&context, 0));
    STATUS(cuMemFree_v2(q), 1);
    CHECK(cuMemAlloc_v2(&p, 16));

    /* So is one at an address that is no multiple of its size. */
    CHECK(cuModuleLoadData(&module, AXPB));
    CHECK(cuModuleGetFunction(&poke, module, "poke"));
    wild = p + 4;
    CHECK(cuLaunchKernel(poke, 1, 1, 1, 1, 1, 1, 0, 0, wild_args, 0));
    CHECK(cuCtxSynchronize());
    wild = p + 6;
    CHECK(cuLaunchKernel(poke, 1, 1, 1, 1, 1, 1, 0, 0, wild_args, 0));
    STATUS(cuCtxSynchronize(), 716);
    STATUS(cuMemAlloc_v2(&p, 16), 716);
    return 0;
}
