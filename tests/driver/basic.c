/* Vector add through the driver API, opened as clients open it: dlopen and dlsym. */
#include "driver.h"

static const char *PTX =
    ".version 7.0\n.target sm_50\n.address_size 64\n"
    ".visible .global .align 4 .u32 counter = 5;\n"
    ".visible .entry add(.param .u64 x, .param .u64 y, .param .u32 n)\n{\n"
    ".reg .pred %p<2>; .reg .b32 %r<8>; .reg .f32 %f<4>; .reg .b64 %rd<8>;\n"
    "mov.u32 %r1, %ctaid.x; mov.u32 %r2, %ntid.x; mov.u32 %r3, %tid.x;\n"
    "mad.lo.s32 %r4, %r1, %r2, %r3;\n"
    "ld.param.u32 %r5, [n]; setp.ge.u32 %p1, %r4, %r5; @%p1 ret;\n"
    "ld.param.u64 %rd1, [x]; ld.param.u64 %rd2, [y];\n"
    "mul.wide.u32 %rd3, %r4, 4; add.s64 %rd4, %rd1, %rd3; add.s64 %rd5, %rd2, %rd3;\n"
    "ld.global.f32 %f1, [%rd4]; ld.global.f32 %f2, [%rd5]; add.f32 %f3, %f1, %f2; st.global.f32 [%rd5], %f3;\n"
    "ret;\n}\n";

int main(void)
{
    int count, version, major;
    CHECK(cuInit(0));
    CHECK(cuDriverGetVersion(&version));
    CHECK(cuDeviceGetCount(&count));
    EXPECT(count == 1 && version >= 12000);
    CHECK(cuDeviceGetAttribute(&major, 75, 0));
    EXPECT(major == 8);
    CUcontext context;
    CHECK(cuDevicePrimaryCtxRetain(&context, 0));
    CHECK(cuCtxSetCurrent(context));

    CUmodule module;
    CUfunction add;
    CHECK(cuModuleLoadData(&module, PTX));
    CHECK(cuModuleGetFunction(&add, module, "add"));
    STATUS(cuModuleGetFunction(&add, module, "missing"), 500);
    CHECK(cuModuleGetFunction(&add, module, "add"));

    enum { N = 1000 };
    static float x[N], y[N];
    for (int i = 0; i < N; i++) {
        x[i] = i;
        y[i] = 2 * i;
    }
    CUdeviceptr dx, dy;
    CHECK(cuMemAlloc_v2(&dx, sizeof x));
    CHECK(cuMemAlloc_v2(&dy, sizeof y));
    CHECK(cuMemcpyHtoD_v2(dx, x, sizeof x));
    CHECK(cuMemcpyHtoD_v2(dy, y, sizeof y));
    unsigned n = N;
    void *args[] = {&dx, &dy, &n};
    CHECK(cuLaunchKernel(add, 8, 1, 1, 128, 1, 1, 0, 0, args, 0));
    CHECK(cuCtxSynchronize());
    CHECK(cuMemcpyDtoH_v2(y, dy, sizeof y));
    for (int i = 0; i < N; i++)
        EXPECT(y[i] == 3.0f * i);

    /* The other way to pass parameters. */
    struct { CUdeviceptr x, y; unsigned n; } packed = {dx, dy, N};
    size_t bytes = sizeof packed;
    void *extra[] = {(void *)1, &packed, (void *)2, &bytes, 0};
    CUstream stream;
    CUevent start, end;
    CHECK(cuStreamCreate(&stream, 1));
    CHECK(cuEventCreate(&start, 0));
    CHECK(cuEventCreate(&end, 0));
    CHECK(cuEventRecord(start, stream));
    CHECK(cuLaunchKernel(add, 8, 1, 1, 128, 1, 1, 0, stream, 0, extra));
    CHECK(cuEventRecord(end, stream));
    CHECK(cuEventSynchronize(end));
    float ms = -1;
    CHECK(cuEventElapsedTime(&ms, start, end));
    EXPECT(ms >= 0 && ms < 60000);
    CHECK(cuMemcpyDtoH_v2(y, dy, sizeof y));
    for (int i = 0; i < N; i++)
        EXPECT(y[i] == 4.0f * i);

    CUdeviceptr counter;
    size_t size;
    unsigned value;
    CHECK(cuModuleGetGlobal_v2(&counter, &size, module, "counter"));
    EXPECT(size == 4);
    CHECK(cuMemcpyDtoH_v2(&value, counter, 4));
    EXPECT(value == 5);

    CHECK(cuMemsetD32_v2(dx, 7, N));
    CHECK(cuMemcpyDtoH_v2(x, dx, sizeof x));
    for (int i = 0; i < N; i++)
        EXPECT(((unsigned *)x)[i] == 7);

    CHECK(cuEventDestroy_v2(start));
    CHECK(cuEventDestroy_v2(end));
    CHECK(cuStreamDestroy_v2(stream));
    CHECK(cuMemFree_v2(dx));
    CHECK(cuMemFree_v2(dy));
    CHECK(cuModuleUnload(module));
    CHECK(cuDevicePrimaryCtxRelease_v2(0));
    return 0;
}
