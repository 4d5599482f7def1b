//! `libcudart.so.12`: the functions of `vgpu_cuda_runtime` under this name, those whose signature is CUDA 12's own, and the
//! names that only this version has.
#![allow(non_snake_case, reason = "the names are CUDA's")]
#![allow(clippy::too_many_arguments, reason = "the signatures are CUDA's")]

use std::ptr::null_mut;
use vgpu_cuda_runtime::properties::{self, CUDA_12};
use vgpu_cuda_runtime::{Location, P, Stream, context, driver, graph, memory};

/// Tells the runtime which version it is, when this library is loaded. It also keeps the crate, which exports the functions, in
/// the library.
#[used]
#[unsafe(link_section = ".init_array")]
static LOADED: extern "C" fn() = {
    extern "C" fn loaded() {
        vgpu_cuda_runtime::device::set_version(12090);
    }
    loaded
};

vgpu_cuda_runtime::api! {
    cudaGetDeviceProperties_v2(out: P, device: i32) {
        properties::fill(out, device, &CUDA_12)
    }

    cudaMemAdvise_v2(pointer: P, count: usize, advice: i32, location: Location) {
        memory::advise(pointer, count, advice, location)
    }

    cudaMemPrefetchAsync_v2 | cudaMemPrefetchAsync_v2_ptsz(pointer: P, count: usize, location: Location, flags: u32, stream: Stream) {
        memory::prefetch(pointer, count, location, flags, stream)
    }

    cudaGraphAddNode_v2(node: P, graph: P, dependencies: P, edges: P, n: usize, params: P) {
        graph::add_node(node, graph, dependencies, edges, n, params)
    }

    cudaMemAdvise(pointer: P, count: usize, advice: i32, device: i32) {
        memory::advise(pointer, count, advice, memory::location(device))
    }

    cudaMemPrefetchAsync | cudaMemPrefetchAsync_ptsz(pointer: P, count: usize, device: i32, stream: Stream) {
        memory::prefetch(pointer, count, memory::location(device), 0, stream)
    }

    cudaGraphAddNode(node: P, graph: P, dependencies: P, n: usize, params: P) {
        graph::add_node(node, graph, dependencies, null_mut(), n, params)
    }

    cudaGraphGetEdges(graph: P, from: P, to: P, n: P) {
        driver::cuGraphGetEdges_v2(graph, from, to, null_mut(), n)
    }

    cudaGraphNodeGetDependencies(node: P, dependencies: P, n: P) {
        driver::cuGraphNodeGetDependencies_v2(node, dependencies, null_mut(), n)
    }

    cudaGraphNodeGetDependentNodes(node: P, dependents: P, n: P) {
        driver::cuGraphNodeGetDependentNodes_v2(node, dependents, null_mut(), n)
    }

    cudaGraphAddDependencies(graph: P, from: P, to: P, n: usize) {
        driver::cuGraphAddDependencies_v2(graph, from, to, null_mut(), n)
    }

    cudaGraphRemoveDependencies(graph: P, from: P, to: P, n: usize) {
        driver::cuGraphRemoveDependencies_v2(graph, from, to, null_mut(), n)
    }

    cudaStreamGetCaptureInfo | cudaStreamGetCaptureInfo_ptsz(stream: Stream, status: P, id: P) {
        let none = null_mut();
        graph::capture_info(stream, status, id, none, none, none, none)
    }

    cudaStreamGetCaptureInfo_v2 | cudaStreamGetCaptureInfo_v2_ptsz(stream: Stream, status: P, id: P, graph: P, dependencies: P, n: P) {
        graph::capture_info(stream, status, id, graph, dependencies, null_mut(), n)
    }

    cudaStreamUpdateCaptureDependencies | cudaStreamUpdateCaptureDependencies_ptsz(stream: Stream, dependencies: P, n: usize, flags: u32) {
        driver::cuStreamUpdateCaptureDependencies_v2(stream, dependencies, null_mut(), n, flags)
    }

    cudaThreadExit() {
        context::reset(context::ordinal()?)
    }
}

vgpu_cuda_runtime::forward! {
    cudaGraphGetEdges_v2 => cuGraphGetEdges_v2(graph: P, from: P, to: P, edges: P, n: P);
    cudaGraphNodeGetDependencies_v2 => cuGraphNodeGetDependencies_v2(node: P, dependencies: P, edges: P, n: P);
    cudaGraphNodeGetDependentNodes_v2 => cuGraphNodeGetDependentNodes_v2(node: P, dependents: P, edges: P, n: P);
    cudaGraphAddDependencies_v2 => cuGraphAddDependencies_v2(graph: P, from: P, to: P, edges: P, n: usize);
    cudaGraphRemoveDependencies_v2 => cuGraphRemoveDependencies_v2(graph: P, from: P, to: P, edges: P, n: usize);
    cudaStreamGetCaptureInfo_v3 | cudaStreamGetCaptureInfo_v3_ptsz => cuStreamGetCaptureInfo_v3(stream: Stream, status: P, id: P, graph: P, dependencies: P, edges: P, n: P);
    cudaStreamUpdateCaptureDependencies_v2 | cudaStreamUpdateCaptureDependencies_v2_ptsz => cuStreamUpdateCaptureDependencies_v2(stream: Stream, dependencies: P, edges: P, n: usize, flags: u32);
    cudaEventElapsedTime_v2 => cuEventElapsedTime_v2(ms: P, start: P, end: P);
    cudaThreadSynchronize => cuCtxSynchronize();
    cudaThreadGetLimit => cuCtxGetLimit(value: P, limit: i32);
    cudaThreadSetLimit => cuCtxSetLimit(limit: i32, value: usize);
    cudaThreadGetCacheConfig => cuCtxGetCacheConfig(config: P);
    cudaThreadSetCacheConfig => cuCtxSetCacheConfig(config: i32);
}

vgpu_cuda_runtime::unsupported! {
    cudaGetDeviceProperties;
    cudaLaunchCooperativeKernelMultiDevice;
    cudaSetDoubleForDevice;
    cudaSetDoubleForHost;
    cudaSignalExternalSemaphoresAsync_v2;
    cudaSignalExternalSemaphoresAsync_v2_ptsz;
    cudaWaitExternalSemaphoresAsync_v2;
    cudaWaitExternalSemaphoresAsync_v2_ptsz;
}
