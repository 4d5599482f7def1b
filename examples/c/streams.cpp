// Two streams, an event between them, and dim3 with defaults: c++ streams.cpp -lvgpu -o streams
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>
#include <vgpu/runtime.h>

static void check(vgpuError_t error)
{
    if (error != vgpuSuccess)
        throw std::runtime_error(std::string(vgpuGetErrorName(error)) + ": " + vgpuGetErrorString(error));
}

static const char *PTX = R"(
.version 7.0
.target sm_50
.address_size 64
.visible .entry square(.param .u64 data)
{
    .reg .b32 %r<6>; .reg .b64 %rd<4>;
    mov.u32 %r1, %ctaid.x; mov.u32 %r2, %ntid.x; mov.u32 %r3, %tid.x; mad.lo.s32 %r4, %r1, %r2, %r3;
    ld.param.u64 %rd1, [data]; mul.wide.u32 %rd2, %r4, 4; add.s64 %rd3, %rd1, %rd2;
    ld.global.u32 %r5, [%rd3]; mul.lo.u32 %r5, %r5, %r5; st.global.u32 [%rd3], %r5; ret;
}
)";

int main()
{
    try {
        const unsigned n = 1024;
        vgpuModule_t module;
        vgpuKernel_t square;
        check(vgpuModuleLoadData(&module, PTX));
        check(vgpuModuleGetKernel(&square, module, "square"));
        vgpuStream_t first, second;
        vgpuEvent_t done;
        check(vgpuStreamCreate(&first));
        check(vgpuStreamCreate(&second));
        check(vgpuEventCreate(&done));

        std::vector<unsigned> host(n);
        for (unsigned i = 0; i < n; i++)
            host[i] = i % 16;
        void *data;
        check(vgpuMalloc(&data, n * sizeof(unsigned)));
        check(vgpuMemcpyAsync(data, host.data(), n * sizeof(unsigned), vgpuMemcpyHostToDevice, first));
        void *args[] = {&data};
        check(vgpuLaunchKernelEx(square, dim3(n / 128), dim3(128), args, 0, first));
        check(vgpuEventRecord(done, first));
        check(vgpuStreamWaitEvent(second, done, 0));
        check(vgpuLaunchKernelEx(square, dim3(n / 128), dim3(128), args, 0, second));
        check(vgpuMemcpyAsync(host.data(), data, n * sizeof(unsigned), vgpuMemcpyDeviceToHost, second));
        check(vgpuStreamSynchronize(second));
        for (unsigned i = 0; i < n; i++) {
            const unsigned x = i % 16;
            if (host[i] != x * x * x * x)
                throw std::runtime_error("wrong result at " + std::to_string(i));
        }
        check(vgpuFree(data));
        std::puts("streams: ok");
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
