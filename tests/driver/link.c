/* Several texts linked, libraries without a context, occupancy and attributes. */
#include "driver.h"
#include "kernels.h"

static const char *CALLER = HEAD
    ".extern .func (.param .b32 r) twice(.param .b32 x);\n"
    ".visible .entry k(.param .u64 to)\n{\n"
    ".reg .b32 %r<3>; .reg .b64 %rd<2>; .shared .align 4 .b8 room[256];\n"
    "ld.param.u64 %rd1, [to]; mov.u32 %r1, 21;\n"
    "{ .param .b32 x; .param .b32 r; st.param.b32 [x], %r1; call (r), twice, (x); ld.param.b32 %r2, [r]; }\n"
    "st.shared.u32 [room], %r2; ld.shared.u32 %r2, [room];\n"
    "st.global.u32 [%rd1], %r2; ret;\n}\n";
static const char *CALLEE = HEAD
    ".visible .func (.param .b32 r) twice(.param .b32 x)\n{\n.reg .b32 %r<3>;\n"
    "ld.param.b32 %r1, [x]; add.u32 %r2, %r1, %r1; st.param.b32 [r], %r2; ret;\n}\n";

int main(void)
{
    start();
    char log[1024] = "";
    int names[] = {5, 6};
    void *values[] = {log, (void *)sizeof log};
    CUlinkState link;
    void *image;
    size_t bytes;
    CHECK(cuLinkCreate_v2(2, names, values, &link));
    CHECK(cuLinkAddData_v2(link, 1, (void *)CALLER, strlen(CALLER) + 1, "caller", 0, 0, 0));
    EXPECT(cuLinkComplete(link, &image, &bytes) != 0);
    EXPECT(strstr(log, "twice"));
    CHECK(cuLinkAddData_v2(link, 1, (void *)CALLEE, strlen(CALLEE) + 1, "callee", 0, 0, 0));
    CHECK(cuLinkComplete(link, &image, &bytes));
    CUmodule module;
    CUfunction k;
    CHECK(cuModuleLoadData(&module, image));
    CHECK(cuLinkDestroy(link));
    STATUS(cuLinkDestroy(link), 400);
    CHECK(cuModuleGetFunction(&k, module, "k"));
    CUdeviceptr to;
    CHECK(cuMemAlloc_v2(&to, 4));
    void *args[] = {&to};
    CHECK(cuLaunchKernel(k, 1, 1, 1, 1, 1, 1, 0, 0, args, 0));
    unsigned value;
    CHECK(cuMemcpyDtoH_v2(&value, to, 4));
    EXPECT(value == 42);

    int attribute;
    CHECK(cuFuncGetAttribute(&attribute, 1, k));
    EXPECT(attribute == 256);
    CHECK(cuFuncGetAttribute(&attribute, 8, k));
    EXPECT(attribute == 48 * 1024 - 256);
    STATUS(cuFuncSetAttribute(k, 8, 1 << 20), 1);
    CHECK(cuFuncSetAttribute(k, 8, 64 * 1024));
    CHECK(cuLaunchKernel(k, 1, 1, 1, 1, 1, 1, 64 * 1024, 0, args, 0));
    STATUS(cuLaunchKernel(k, 1, 1, 1, 1, 1, 1, 64 * 1024 + 1, 0, args, 0), 1);
    CHECK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&attribute, k, 256, 0));
    EXPECT(attribute == 8);
    CHECK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&attribute, k, 256, 64 * 1024));
    EXPECT(attribute == 3);
    CHECK(cuModuleUnload(module));
    STATUS(cuLaunchKernel(k, 1, 1, 1, 1, 1, 1, 0, 0, args, 0), 400);

    CUlibrary library;
    CUkernel kernel;
    CUfunction function;
    CHECK(cuLibraryLoadData(&library, AXPB, 0, 0, 0, 0, 0, 0));
    CHECK(cuLibraryGetKernel(&kernel, library, "poke"));
    STATUS(cuLibraryGetKernel(&kernel, library, "nothing"), 500);
    CHECK(cuLibraryGetKernel(&kernel, library, "poke"));
    CHECK(cuKernelGetFunction(&function, kernel));
    unsigned number = 3;
    void *poke[] = {&to, &number};
    CHECK(cuLaunchKernel((CUfunction)kernel, 1, 1, 1, 1, 1, 1, 0, 0, poke, 0));
    number = 4;
    CHECK(cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, 0, poke, 0));
    CHECK(cuMemcpyDtoH_v2(&value, to, 4));
    EXPECT(value == 4);

    /* The same library in a context of its own. */
    CUcontext own, top;
    CHECK(cuCtxCreate_v2(&own, 0, 0));
    STATUS(cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, (CUstream)0x77, poke, 0), 400);
    CUdeviceptr there;
    CHECK(cuMemAlloc_v2(&there, 4));
    void *poke_there[] = {&there, &number};
    CHECK(cuLaunchKernel((CUfunction)kernel, 1, 1, 1, 1, 1, 1, 0, 0, poke_there, 0));
    CHECK(cuMemcpyDtoH_v2(&value, there, 4));
    EXPECT(value == 4);
    CHECK(cuCtxPopCurrent_v2(&top));
    EXPECT(top == own);
    CHECK(cuCtxDestroy_v2(own));
    STATUS(cuCtxDestroy_v2(own), 201);
    CHECK(cuLibraryUnload(library));
    STATUS(cuLibraryUnload(library), 400);
    return 0;
}
