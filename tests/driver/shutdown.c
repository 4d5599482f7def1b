/* Calls made while the process ends, as destructors of static objects make them. */
#include "driver.h"
#include "kernels.h"

static CUmodule module;
static CUdeviceptr p;
static CUstream stream;

static void last(void)
{
    /* Each may work or say that the driver shuts down; none may crash or hang. */
    int status = cuStreamSynchronize(stream);
    int freed = cuMemFree_v2(p);
    int unloaded = cuModuleUnload(module);
    if ((status | freed | unloaded) & ~4)
        _Exit(1);
}

int main(void)
{
    atexit(last);
    start();
    CUfunction f;
    CHECK(cuModuleLoadData(&module, AXPB));
    CHECK(cuModuleGetFunction(&f, module, "axpb"));
    CHECK(cuStreamCreate(&stream, 0));
    CHECK(cuMemAlloc_v2(&p, 4096));
    axpb(f, p, 1, 1, 1024, stream);
    return 0;
}
