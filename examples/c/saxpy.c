/* saxpy with the vgpu C API: cc saxpy.c -lvgpu -o saxpy */
#include <stdio.h>
#include <stdlib.h>
#include <vgpu/runtime.h>

static const char *PTX =
    ".version 7.0\n.target sm_50\n.address_size 64\n"
    ".visible .entry saxpy(.param .u32 n, .param .f32 a, .param .u64 x, .param .u64 y)\n{\n"
    "    .reg .pred %p<2>; .reg .b32 %r<6>; .reg .f32 %f<5>; .reg .b64 %rd<6>;\n"
    "    mov.u32 %r1, %ctaid.x; mov.u32 %r2, %ntid.x; mov.u32 %r3, %tid.x; mad.lo.s32 %r4, %r1, %r2, %r3;\n"
    "    ld.param.u32 %r5, [n]; setp.ge.u32 %p1, %r4, %r5; @%p1 ret;\n"
    "    ld.param.u64 %rd1, [x]; ld.param.u64 %rd2, [y]; ld.param.f32 %f1, [a]; mul.wide.u32 %rd3, %r4, 4;\n"
    "    add.s64 %rd4, %rd1, %rd3; add.s64 %rd5, %rd2, %rd3;\n"
    "    ld.global.f32 %f2, [%rd4]; ld.global.f32 %f3, [%rd5]; fma.rn.f32 %f4, %f1, %f2, %f3;\n"
    "    st.global.f32 [%rd5], %f4; ret;\n}\n";

static void check(vgpuError_t error, const char *what)
{
    if (error != vgpuSuccess) {
        fprintf(stderr, "%s: %s (%s)\n", what, vgpuGetErrorString(error), vgpuGetErrorName(error));
        exit(1);
    }
}
#define CHECK(call) check(call, #call)

int main(void)
{
    enum { N = 1 << 20 };
    vgpuDeviceProp properties;
    CHECK(vgpuGetDeviceProperties(&properties, 0));
    printf("%s, %d multiprocessors\n", properties.name, properties.multiProcessorCount);

    float *host = malloc(N * sizeof *host);
    void *x, *y;
    CHECK(vgpuMalloc(&x, N * sizeof *host));
    CHECK(vgpuMalloc(&y, N * sizeof *host));
    for (int i = 0; i < N; i++)
        host[i] = (float)i;
    CHECK(vgpuMemcpy(x, host, N * sizeof *host, vgpuMemcpyHostToDevice));
    CHECK(vgpuMemset(y, 0, N * sizeof *host));

    vgpuModule_t module;
    vgpuKernel_t saxpy;
    CHECK(vgpuModuleLoadData(&module, PTX));
    CHECK(vgpuModuleGetKernel(&saxpy, module, "saxpy"));

    unsigned n = N;
    float a = 2;
    void *args[] = {&n, &a, &x, &y};
    dim3 grid = {(N + 255) / 256, 1, 1}, block = {256, 1, 1};
    vgpuEvent_t start, end;
    float milliseconds;
    CHECK(vgpuEventCreate(&start));
    CHECK(vgpuEventCreate(&end));
    CHECK(vgpuEventRecord(start, 0));
    CHECK(vgpuLaunchKernel(saxpy, grid, block, args));
    CHECK(vgpuEventRecord(end, 0));
    CHECK(vgpuDeviceSynchronize());
    CHECK(vgpuEventElapsedTime(&milliseconds, start, end));

    CHECK(vgpuMemcpy(host, y, N * sizeof *host, vgpuMemcpyDeviceToHost));
    for (int i = 0; i < N; i++)
        if (host[i] != 2.0f * (float)i) {
            fprintf(stderr, "y[%d] is %g\n", i, host[i]);
            return 1;
        }
    printf("saxpy of %d elements: %.3f ms\n", N, milliseconds);
    CHECK(vgpuFree(x));
    CHECK(vgpuFree(y));
    if (vgpuFree(y) != vgpuErrorInvalidValue || vgpuGetLastError() != vgpuErrorInvalidValue
        || vgpuGetLastError() != vgpuSuccess) {
        fprintf(stderr, "a second free was not refused\n");
        return 1;
    }
    free(host);
    return 0;
}
