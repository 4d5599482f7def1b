//! `libcudart.so.13`: the functions of `vgpu_cuda_runtime` under this name, those whose signature is CUDA 13's own, and the
//! names that only this version has.
#![allow(non_snake_case, reason = "the names are CUDA's")]
#![allow(clippy::too_many_arguments, reason = "the signatures are CUDA's")]

use vgpu_cuda_runtime::properties::{self, CUDA_13};
use vgpu_cuda_runtime::{Location, P, Stream, graph, memory};

/// Tells the runtime which version it is, when this library is loaded. It also keeps the crate, which exports the functions, in
/// the library.
#[used]
#[unsafe(link_section = ".init_array")]
static LOADED: extern "C" fn() = {
    extern "C" fn loaded() {
        vgpu_cuda_runtime::device::set_version(13040);
    }
    loaded
};

vgpu_cuda_runtime::api! {
    cudaGetDeviceProperties(out: P, device: i32) {
        properties::fill(out, device, &CUDA_13)
    }

    cudaMemAdvise(pointer: P, count: usize, advice: i32, location: Location) {
        memory::advise(pointer, count, advice, location)
    }

    cudaMemPrefetchAsync | cudaMemPrefetchAsync_ptsz(pointer: P, count: usize, location: Location, flags: u32, stream: Stream) {
        memory::prefetch(pointer, count, location, flags, stream)
    }

    cudaGraphAddNode(node: P, graph: P, dependencies: P, edges: P, n: usize, params: P) {
        graph::add_node(node, graph, dependencies, edges, n, params)
    }
}

vgpu_cuda_runtime::forward! {
    cudaGraphGetEdges => cuGraphGetEdges_v2(graph: P, from: P, to: P, edges: P, n: P);
    cudaGraphNodeGetDependencies => cuGraphNodeGetDependencies_v2(node: P, dependencies: P, edges: P, n: P);
    cudaGraphNodeGetDependentNodes => cuGraphNodeGetDependentNodes_v2(node: P, dependents: P, edges: P, n: P);
    cudaGraphAddDependencies => cuGraphAddDependencies_v2(graph: P, from: P, to: P, edges: P, n: usize);
    cudaGraphRemoveDependencies => cuGraphRemoveDependencies_v2(graph: P, from: P, to: P, edges: P, n: usize);
    cudaStreamGetCaptureInfo | cudaStreamGetCaptureInfo_ptsz => cuStreamGetCaptureInfo_v3(stream: Stream, status: P, id: P, graph: P, dependencies: P, edges: P, n: P);
    cudaStreamUpdateCaptureDependencies | cudaStreamUpdateCaptureDependencies_ptsz => cuStreamUpdateCaptureDependencies_v2(stream: Stream, dependencies: P, edges: P, n: usize, flags: u32);
}

vgpu_cuda_runtime::unsupported! {
    __cudaGetProcAddress;
    cudaDevResourceGenerateDesc;
    cudaDevSmResourceSplit;
    cudaDevSmResourceSplitByCount;
    cudaDeviceGetDevResource;
    cudaDeviceGetExecutionCtx;
    cudaDeviceGetHostAtomicCapabilities;
    cudaDeviceGetP2PAtomicCapabilities;
    cudaExecutionCtxDestroy;
    cudaExecutionCtxGetDevResource;
    cudaExecutionCtxGetDevice;
    cudaExecutionCtxGetId;
    cudaExecutionCtxRecordEvent;
    cudaExecutionCtxStreamCreate;
    cudaExecutionCtxSynchronize;
    cudaExecutionCtxWaitEvent;
    cudaGraphConditionalHandleCreate_v2;
    cudaGraphExecGetId;
    cudaGraphGetId;
    cudaGraphNodeGetContainingGraph;
    cudaGraphNodeGetLocalId;
    cudaGraphNodeGetParams;
    cudaGraphNodeGetToolsId;
    cudaGreenCtxCreate;
    cudaLaunchHostFunc_v2;
    cudaLaunchHostFunc_v2_ptsz;
    cudaLogsCurrent;
    cudaLogsDumpToFile;
    cudaLogsDumpToMemory;
    cudaLogsRegisterCallback;
    cudaLogsUnregisterCallback;
    cudaMemDiscardAndPrefetchBatchAsync;
    cudaMemDiscardAndPrefetchBatchAsync_ptsz;
    cudaMemDiscardBatchAsync;
    cudaMemDiscardBatchAsync_ptsz;
    cudaMemGetDefaultMemPool;
    cudaMemGetLocationInfo;
    cudaMemGetMemPool;
    cudaMemPrefetchBatchAsync;
    cudaMemPrefetchBatchAsync_ptsz;
    cudaMemSetMemPool;
    cudaMemcpy3DWithAttributesAsync;
    cudaMemcpy3DWithAttributesAsync_ptsz;
    cudaMemcpyWithAttributesAsync;
    cudaMemcpyWithAttributesAsync_ptsz;
    cudaStreamBeginRecaptureToGraph;
    cudaStreamBeginRecaptureToGraph_ptsz;
    cudaStreamGetDevResource;
    cudaStreamGetDevResource_ptsz;
    cudaSubgridCreate;
    cudaSubgridWorkerGridCreate;
    cudaSubgridWorksetCreate;
}
