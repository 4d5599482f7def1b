/* PTX of the kernels that several tests launch. */
#ifndef VGPU_TEST_KERNELS_H
#define VGPU_TEST_KERNELS_H

#define HEAD ".version 7.0\n.target sm_50\n.address_size 64\n"

/* data[i] = data[i] * factor + addend, one thread per element */
static const char *AXPB = HEAD
    ".visible .entry axpb(.param .u64 data, .param .u32 factor, .param .u32 addend, .param .u32 n)\n{\n"
    ".reg .pred %p<2>; .reg .b32 %r<10>; .reg .b64 %rd<4>;\n"
    "mov.u32 %r1, %ctaid.x; mov.u32 %r2, %ntid.x; mov.u32 %r3, %tid.x; mad.lo.s32 %r4, %r1, %r2, %r3;\n"
    "ld.param.u32 %r5, [n]; setp.ge.u32 %p1, %r4, %r5; @%p1 ret;\n"
    "ld.param.u64 %rd1, [data]; ld.param.u32 %r6, [factor]; ld.param.u32 %r7, [addend];\n"
    "mul.wide.u32 %rd2, %r4, 4; add.s64 %rd3, %rd1, %rd2;\n"
    "ld.global.u32 %r8, [%rd3]; mad.lo.u32 %r9, %r8, %r6, %r7; st.global.u32 [%rd3], %r9; ret;\n}\n"
    /* one thread stores to the address */
    ".visible .entry poke(.param .u64 to, .param .u32 value)\n{\n"
    ".reg .b32 %r<2>; .reg .b64 %rd<2>;\n"
    "ld.param.u64 %rd1, [to]; ld.param.u32 %r1, [value]; st.global.u32 [%rd1], %r1; ret;\n}\n"
    /* spins until *flag is not 0, then stores it to *to */
    ".visible .entry await(.param .u64 flag, .param .u64 to)\n{\n"
    ".reg .pred %p<2>; .reg .b32 %r<2>; .reg .b64 %rd<3>;\n"
    "ld.param.u64 %rd1, [flag]; ld.param.u64 %rd2, [to];\n"
    "loop: ld.volatile.global.u32 %r1, [%rd1]; setp.eq.u32 %p1, %r1, 0; @%p1 bra loop;\n"
    "st.global.u32 [%rd2], %r1; ret;\n}\n";

static inline CUcontext start(void)
{
    CUcontext context;
    CHECK(cuInit(0));
    CHECK(cuDevicePrimaryCtxRetain(&context, 0));
    CHECK(cuCtxSetCurrent(context));
    return context;
}

static inline void axpb(CUfunction f, CUdeviceptr data, unsigned factor, unsigned addend, unsigned n, CUstream stream)
{
    void *args[] = {&data, &factor, &addend, &n};
    CHECK(cuLaunchKernel(f, (n + 127) / 128, 1, 1, 128, 1, 1, 0, stream, args, 0));
}

#endif
