/* Order within a stream, across streams by events, the legacy stream, callbacks, threads that share a context. */
#include "driver.h"
#include "kernels.h"
#include <pthread.h>

enum { N = 4096 };
static CUcontext context;
static CUfunction f;
static int calls;

static void count(void *data)
{
    EXPECT(data == &calls);
    calls++;
}

static void callback(CUstream stream, CUresult status, void *data)
{
    (void)stream;
    EXPECT(status == 0);
    count(data);
}

static void *worker(void *data)
{
    unsigned start = (unsigned)(size_t)data, host[64];
    CUdeviceptr p;
    CUstream stream;
    CHECK(cuCtxSetCurrent(context));
    CHECK(cuStreamCreate(&stream, 1));
    for (int round = 0; round < 50; round++) {
        CHECK(cuMemAlloc_v2(&p, sizeof host));
        CHECK(cuMemsetD32Async(p, start, 64, stream));
        axpb(f, p, 3, 1, 64, stream);
        CHECK(cuMemcpyDtoHAsync_v2(host, p, sizeof host, stream));
        CHECK(cuStreamSynchronize(stream));
        for (int i = 0; i < 64; i++)
            EXPECT(host[i] == start * 3 + 1);
        CHECK(cuMemFree_v2(p));
    }
    CHECK(cuStreamDestroy_v2(stream));
    return 0;
}

int main(void)
{
    context = start();
    CUmodule module;
    CUfunction await;
    CHECK(cuModuleLoadData(&module, AXPB));
    CHECK(cuModuleGetFunction(&f, module, "axpb"));
    CHECK(cuModuleGetFunction(&await, module, "await"));
    static unsigned host[N];
    CUdeviceptr p, to;
    CHECK(cuMemAlloc_v2(&p, sizeof host));
    CHECK(cuMemAlloc_v2(&to, 4));

    /* In order: ((1 * 2 + 1) * 2 + 1) ... */
    CUstream a, b, free_stream;
    CHECK(cuStreamCreate(&a, 0));
    CHECK(cuStreamCreate(&b, 0));
    CHECK(cuStreamCreateWithPriority(&free_stream, 1, -100));
    int priority;
    CHECK(cuStreamGetPriority(free_stream, &priority));
    EXPECT(priority == -5);
    CHECK(cuMemsetD32Async(p, 1, N, a));
    for (int i = 0; i < 10; i++)
        axpb(f, p, 2, 1, N, a);
    CHECK(cuLaunchHostFunc(a, count, &calls));
    CHECK(cuStreamAddCallback(a, callback, &calls, 0));
    CHECK(cuMemcpyDtoHAsync_v2(host, p, sizeof host, a));
    CHECK(cuStreamSynchronize(a));
    EXPECT(calls == 2);
    for (int i = 0; i < N; i++)
        EXPECT(host[i] == 2047);

    /* An event orders b after a; a stands still on a flag that the host sets later. */
    volatile unsigned *flag;
    CUevent event;
    CHECK(cuMemHostAlloc((void **)&flag, 4, 0));
    *flag = 0;
    CHECK(cuEventCreate(&event, 2));
    CUdeviceptr flag_address = (CUdeviceptr)(size_t)flag;
    void *args[] = {&flag_address, &to};
    CHECK(cuMemsetD32_v2(to, 0, 1));
    CHECK(cuLaunchKernel(await, 1, 1, 1, 1, 1, 1, 0, free_stream, args, 0));
    CHECK(cuEventRecord(event, free_stream));
    CHECK(cuStreamWaitEvent(b, event, 0));
    CHECK(cuMemcpyDtoHAsync_v2(host, p, 4, a)); /* a is not held up */
    CHECK(cuStreamSynchronize(a));
    axpb(f, p, 0, 9, N, b);
    STATUS(cuEventQuery(event), 600);
    STATUS(cuStreamQuery(b), 600);
    *flag = 33;
    CHECK(cuStreamSynchronize(b));
    CHECK(cuEventQuery(event));
    unsigned seen;
    CHECK(cuMemcpyDtoH_v2(&seen, to, 4));
    EXPECT(seen == 33);

    /* The legacy stream waits for blocking streams, and they for it. */
    CHECK(cuMemsetD32Async(p, 5, N, a));
    axpb(f, p, 2, 0, N, b); /* after a? only through the legacy stream below */
    CHECK(cuStreamSynchronize(b));
    CHECK(cuStreamSynchronize(a));
    CHECK(cuMemsetD32Async(p, 5, N, a));
    axpb(f, p, 2, 0, N, 0);
    axpb(f, p, 1, 1, N, b);
    CHECK(cuMemcpyDtoH_v2(host, p, sizeof host));
    for (int i = 0; i < N; i++)
        EXPECT(host[i] == 11);

    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        pthread_create(&threads[i], 0, worker, (void *)(i + 10));
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], 0);
    CHECK(cuCtxSynchronize());
    CHECK(cuMemFreeHost((void *)flag));
    return 0;
}
