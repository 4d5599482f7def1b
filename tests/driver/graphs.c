/* Graphs made by hand and by capture; launched, updated, cloned, looked at. */
#include "driver.h"
#include "kernels.h"

enum { N = 256 };
static int calls;

static void count(void *data)
{
    ++*(int *)data;
}

static void expect_all(CUdeviceptr p, unsigned value)
{
    unsigned host[N];
    CHECK(cuMemcpyDtoH_v2(host, p, sizeof host));
    for (int i = 0; i < N; i++)
        EXPECT(host[i] == value);
}

int main(void)
{
    CUcontext context = start();
    CUmodule module;
    CUfunction f;
    CHECK(cuModuleLoadData(&module, AXPB));
    CHECK(cuModuleGetFunction(&f, module, "axpb"));
    CUdeviceptr p, q;
    CHECK(cuMemAlloc_v2(&p, N * 4));
    CHECK(cuMemAlloc_v2(&q, N * 4));
    CUstream stream, other;
    CHECK(cuStreamCreate(&stream, 1));
    CHECK(cuStreamCreate(&other, 1));

    /* fill p with 5 -> p = p * 2 + 1 -> q = p, and a host call at the end */
    CUgraph graph;
    CUgraphNode fill, kernel, copy, host, empty;
    CHECK(cuGraphCreate(&graph, 0));
    CUDA_MEMSET_NODE_PARAMS fill_params = {p, 0, 5, 4, N, 1};
    CHECK(cuGraphAddMemsetNode(&fill, graph, 0, 0, &fill_params, context));
    unsigned factor = 2, addend = 1, n = N;
    void *args[] = {&p, &factor, &addend, &n};
    CUDA_KERNEL_NODE_PARAMS kernel_params = {f, 2, 1, 1, 128, 1, 1, 0, args, 0, 0, 0};
    CHECK(cuGraphAddKernelNode_v2(&kernel, graph, &fill, 1, &kernel_params));
    CUDA_MEMCPY3D copy_params = {0};
    copy_params.srcMemoryType = 2, copy_params.srcDevice = p;
    copy_params.dstMemoryType = 2, copy_params.dstDevice = q;
    copy_params.WidthInBytes = N * 4, copy_params.Height = 1, copy_params.Depth = 1;
    CHECK(cuGraphAddMemcpyNode(&copy, graph, &kernel, 1, &copy_params, context));
    CUDA_HOST_NODE_PARAMS host_params = {count, &calls};
    CHECK(cuGraphAddHostNode(&host, graph, &copy, 1, &host_params));
    CHECK(cuGraphAddEmptyNode(&empty, graph, &host, 1));
    size_t n_nodes = 0, n_edges = 0;
    CHECK(cuGraphGetNodes(graph, 0, &n_nodes));
    CHECK(cuGraphGetEdges(graph, 0, 0, &n_edges));
    EXPECT(n_nodes == 5 && n_edges == 4);
    int type;
    CHECK(cuGraphNodeGetType(copy, &type));
    EXPECT(type == 1);
    STATUS(cuGraphNodeGetType((CUgraphNode)0x99, &type), 1);

    CUgraphExec exec;
    CHECK(cuGraphInstantiateWithFlags(&exec, graph, 0));
    for (int i = 0; i < 3; i++)
        CHECK(cuGraphLaunch(exec, i % 2 ? stream : other));
    CHECK(cuCtxSynchronize());
    EXPECT(calls == 3);
    expect_all(q, 11);

    /* New parameters for one node. */
    addend = 100;
    CHECK(cuGraphExecKernelNodeSetParams_v2(exec, kernel, &kernel_params));
    CHECK(cuGraphLaunch(exec, stream));
    CHECK(cuStreamSynchronize(stream));
    expect_all(q, 110);
    STATUS(cuGraphExecKernelNodeSetParams_v2(exec, copy, &kernel_params), 1);

    /* The whole graph's parameters; then a graph of another shape. */
    CUgraph clone;
    CHECK(cuGraphClone(&clone, graph));
    CUgraphExecUpdateResultInfo info;
    CHECK(cuGraphExecUpdate_v2(exec, clone, &info));
    EXPECT(info.result == 0);
    CHECK(cuGraphLaunch(exec, stream));
    CHECK(cuStreamSynchronize(stream));
    expect_all(q, 11);
    CHECK(cuGraphAddEmptyNode(&empty, clone, 0, 0));
    STATUS(cuGraphExecUpdate_v2(exec, clone, &info), 910);
    EXPECT(info.result == 2);
    CHECK(cuGraphDestroy(clone));
    CHECK(cuGraphDestroy(graph));
    CHECK(cuGraphLaunch(exec, stream));
    CHECK(cuStreamSynchronize(stream));
    CHECK(cuGraphExecDestroy(exec));
    STATUS(cuGraphExecDestroy(exec), 1);
    STATUS(cuGraphDestroy(graph), 1);

    /* Capture, with a fork and a join. */
    CUevent forked, joined;
    CHECK(cuEventCreate(&forked, 2));
    CHECK(cuEventCreate(&joined, 2));
    CHECK(cuMemsetD32_v2(p, 1, N));
    CHECK(cuMemsetD32_v2(q, 1, N));
    CHECK(cuStreamBeginCapture_v2(stream, 0));
    int state;
    CHECK(cuStreamIsCapturing(stream, &state));
    EXPECT(state == 1);
    axpb(f, p, 3, 0, N, stream);
    CHECK(cuEventRecord(forked, stream));
    CHECK(cuStreamWaitEvent(other, forked, 0));
    axpb(f, q, 5, 0, N, other);
    axpb(f, p, 1, 1, N, stream);
    CHECK(cuEventRecord(joined, other));
    CHECK(cuStreamWaitEvent(stream, joined, 0));
    CHECK(cuMemcpyHtoDAsync_v2(p, "\7\0\0\0", 4, stream));
    CHECK(cuStreamEndCapture(stream, &graph));
    CHECK(cuStreamIsCapturing(other, &state));
    EXPECT(state == 0);
    unsigned first;
    CHECK(cuMemcpyDtoH_v2(&first, p, 4));
    EXPECT(first == 1); /* nothing ran */
    CHECK(cuGraphInstantiateWithFlags(&exec, graph, 0));
    CHECK(cuGraphLaunch(exec, stream));
    CHECK(cuStreamSynchronize(stream));
    CHECK(cuMemcpyDtoH_v2(&first, p, 4));
    EXPECT(first == 7);
    CHECK(cuMemcpyDtoH_v2(&first, p + 4, 4));
    EXPECT(first == 4);
    expect_all(q, 5);

    /* A launch inside of a capture is a child graph. */
    CUgraph outer;
    CUgraphExec outer_exec;
    CHECK(cuMemsetD32_v2(q, 1, N));
    CHECK(cuStreamBeginCapture_v2(other, 0));
    CHECK(cuGraphLaunch(exec, other));
    axpb(f, q, 1, 2, N, other);
    CHECK(cuStreamEndCapture(other, &outer));
    n_nodes = 0;
    CHECK(cuGraphGetNodes(outer, 0, &n_nodes));
    EXPECT(n_nodes == 2);
    CHECK(cuGraphInstantiateWithFlags(&outer_exec, outer, 0));
    CHECK(cuGraphLaunch(outer_exec, other));
    CHECK(cuStreamSynchronize(other));
    expect_all(q, 7);

    /* What a graph keeps alive ends with it. */
    CUuserObject object;
    calls = 0;
    CHECK(cuUserObjectCreate(&object, &calls, count, 1, 1));
    CHECK(cuGraphRetainUserObject(outer, object, 1, 1));
    CHECK(cuGraphExecDestroy(outer_exec));
    EXPECT(calls == 0);
    CHECK(cuGraphDestroy(outer));
    EXPECT(calls == 1);
    STATUS(cuUserObjectRelease(object, 1), 1);

    /* What a capture refuses. */
    CHECK(cuStreamBeginCapture_v2(stream, 0));
    STATUS(cuStreamSynchronize(stream), 900);
    STATUS(cuStreamEndCapture(stream, &graph), 901);
    CHECK(cuStreamBeginCapture_v2(stream, 0));
    CHECK(cuEventRecord(forked, stream));
    CHECK(cuStreamWaitEvent(other, forked, 0));
    axpb(f, q, 5, 0, N, other);
    STATUS(cuStreamEndCapture(stream, &graph), 904);
    STATUS(cuStreamBeginCapture_v2(0, 0), 900);

    /* Calls that are unsafe in a capture end it, unless the capture or the thread is relaxed. */
    CUdeviceptr fresh;
    CHECK(cuStreamBeginCapture_v2(stream, 0));
    STATUS(cuMemAlloc_v2(&fresh, 64), 900);
    STATUS(cuStreamEndCapture(stream, &graph), 901);
    CHECK(cuStreamBeginCapture_v2(stream, 1));
    STATUS(cuCtxSynchronize(), 900);
    STATUS(cuStreamEndCapture(stream, &graph), 901);
    CHECK(cuStreamBeginCapture_v2(stream, 2));
    CHECK(cuMemAlloc_v2(&fresh, 64));
    CHECK(cuMemFree_v2(fresh));
    CHECK(cuStreamEndCapture(stream, &graph));
    CHECK(cuGraphDestroy(graph));
    CHECK(cuMemAlloc_v2(&fresh, 64));
    CHECK(cuMemFree_v2(fresh));

    STATUS(cuStreamEndCapture(stream, &graph), 401);
    CUstream blocking;
    CHECK(cuStreamCreate(&blocking, 0));
    CHECK(cuStreamBeginCapture_v2(blocking, 0));
    STATUS(cuMemsetD32Async(p, 1, N, 0), 906);
    CHECK(cuStreamEndCapture(blocking, &graph));
    CHECK(cuMemsetD32Async(p, 1, N, 0));
    CHECK(cuCtxSynchronize());
    return 0;
}
