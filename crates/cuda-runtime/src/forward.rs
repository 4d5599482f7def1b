//! Functions that are a driver function under another name: same arguments, same layouts.
//!
//! After `|` stands the form in which a null stream is the thread's own default stream.

use crate::{P, Stream};

// Streams.
forward! {
    cudaStreamSynchronize | cudaStreamSynchronize_ptsz => cuStreamSynchronize(stream: Stream);
    cudaStreamGetPriority | cudaStreamGetPriority_ptsz => cuStreamGetPriority(stream: Stream, priority: P);
    cudaStreamGetFlags | cudaStreamGetFlags_ptsz => cuStreamGetFlags(stream: Stream, flags: P);
    cudaStreamGetId | cudaStreamGetId_ptsz => cuStreamGetId(stream: Stream, stream_id: P);
    cudaStreamGetDevice | cudaStreamGetDevice_ptsz => cuStreamGetDevice(stream: Stream, device: P);
    cudaStreamWaitEvent | cudaStreamWaitEvent_ptsz => cuStreamWaitEvent(stream: Stream, event: P, flags: u32);
    cudaStreamAddCallback | cudaStreamAddCallback_ptsz => cuStreamAddCallback(stream: Stream, callback: P, user_data: P, flags: u32);
    cudaStreamAttachMemAsync | cudaStreamAttachMemAsync_ptsz => cuStreamAttachMemAsync(stream: Stream, dev_ptr: P, length: usize, flags: u32);
    cudaStreamBeginCapture | cudaStreamBeginCapture_ptsz => cuStreamBeginCapture_v2(stream: Stream, mode: i32);
    cudaStreamBeginCaptureToGraph | cudaStreamBeginCaptureToGraph_ptsz => cuStreamBeginCaptureToGraph(stream: Stream, graph: P, dependencies: P, dependency_data: P, num_dependencies: usize, mode: i32);
    cudaStreamEndCapture | cudaStreamEndCapture_ptsz => cuStreamEndCapture(stream: Stream, p_graph: P);
    cudaStreamIsCapturing | cudaStreamIsCapturing_ptsz => cuStreamIsCapturing(stream: Stream, p_capture_status: P);
    cudaStreamCopyAttributes | cudaStreamCopyAttributes_ptsz => cuStreamCopyAttributes(dst: Stream, src: Stream);
    cudaStreamGetAttribute | cudaStreamGetAttribute_ptsz => cuStreamGetAttribute(stream: Stream, attr: i32, value_out: P);
    cudaStreamSetAttribute | cudaStreamSetAttribute_ptsz => cuStreamSetAttribute(stream: Stream, attr: i32, value: P);
    cudaThreadExchangeStreamCaptureMode => cuThreadExchangeStreamCaptureMode(mode: P);
    cudaLaunchHostFunc | cudaLaunchHostFunc_ptsz => cuLaunchHostFunc(stream: Stream, function: P, user_data: P);
}

// Events.
forward! {
    cudaEventCreateWithFlags => cuEventCreate(event: P, flags: u32);
    cudaEventDestroy => cuEventDestroy_v2(event: P);
    cudaEventElapsedTime => cuEventElapsedTime_v2(ms: P, start: P, end: P);
    cudaEventRecord | cudaEventRecord_ptsz => cuEventRecord(event: P, stream: Stream);
    cudaEventRecordWithFlags | cudaEventRecordWithFlags_ptsz => cuEventRecordWithFlags(event: P, stream: Stream, flags: u32);
    cudaEventSynchronize => cuEventSynchronize(event: P);
}

// Graphs.
forward! {
    cudaGraphCreate => cuGraphCreate(p_graph: P, flags: u32);
    cudaGraphDebugDotPrint => cuGraphDebugDotPrint(graph: P, path: P, flags: u32);
    cudaGraphDestroy => cuGraphDestroy(graph: P);
    cudaGraphDestroyNode => cuGraphDestroyNode(node: P);
    cudaGraphClone => cuGraphClone(p_graph_clone: P, original_graph: P);
    cudaGraphAddChildGraphNode => cuGraphAddChildGraphNode(node_out: P, graph: P, p_dependencies: P, num_dependencies: usize, child_graph: P);
    cudaGraphAddEmptyNode => cuGraphAddEmptyNode(node_out: P, graph: P, p_dependencies: P, num_dependencies: usize);
    cudaGraphAddEventRecordNode => cuGraphAddEventRecordNode(node_out: P, graph: P, p_dependencies: P, num_dependencies: usize, event: P);
    cudaGraphAddEventWaitNode => cuGraphAddEventWaitNode(node_out: P, graph: P, p_dependencies: P, num_dependencies: usize, event: P);
    cudaGraphAddHostNode => cuGraphAddHostNode(node_out: P, graph: P, p_dependencies: P, num_dependencies: usize, p_node_params: P);
    cudaGraphAddMemFreeNode => cuGraphAddMemFreeNode(node_out: P, graph: P, p_dependencies: P, num_dependencies: usize, dptr: P);
    cudaGraphAddMemAllocNode => cuGraphAddMemAllocNode(node_out: P, graph: P, p_dependencies: P, num_dependencies: usize, node_params: P);
    cudaGraphMemAllocNodeGetParams => cuGraphMemAllocNodeGetParams(node: P, params_out: P);
    cudaGraphMemFreeNodeGetParams => cuGraphMemFreeNodeGetParams(node: P, dptr_out: P);
    cudaGraphChildGraphNodeGetGraph => cuGraphChildGraphNodeGetGraph(node: P, p_graph: P);
    cudaGraphEventRecordNodeGetEvent => cuGraphEventRecordNodeGetEvent(node: P, event_out: P);
    cudaGraphEventRecordNodeSetEvent => cuGraphEventRecordNodeSetEvent(node: P, event: P);
    cudaGraphEventWaitNodeGetEvent => cuGraphEventWaitNodeGetEvent(node: P, event_out: P);
    cudaGraphEventWaitNodeSetEvent => cuGraphEventWaitNodeSetEvent(node: P, event: P);
    cudaGraphExecChildGraphNodeSetParams => cuGraphExecChildGraphNodeSetParams(h_graph_exec: P, node: P, child_graph: P);
    cudaGraphExecDestroy => cuGraphExecDestroy(graph_exec: P);
    cudaGraphExecEventRecordNodeSetEvent => cuGraphExecEventRecordNodeSetEvent(h_graph_exec: P, h_node: P, event: P);
    cudaGraphExecEventWaitNodeSetEvent => cuGraphExecEventWaitNodeSetEvent(h_graph_exec: P, h_node: P, event: P);
    cudaGraphExecGetFlags => cuGraphExecGetFlags(graph_exec: P, flags: P);
    cudaGraphExecHostNodeSetParams => cuGraphExecHostNodeSetParams(h_graph_exec: P, node: P, p_node_params: P);
    cudaGraphExecUpdate => cuGraphExecUpdate_v2(h_graph_exec: P, h_graph: P, result_info: P);
    cudaGraphGetNodes => cuGraphGetNodes(graph: P, nodes: P, num_nodes: P);
    cudaGraphGetRootNodes => cuGraphGetRootNodes(graph: P, p_root_nodes: P, p_num_root_nodes: P);
    cudaGraphHostNodeGetParams => cuGraphHostNodeGetParams(node: P, p_node_params: P);
    cudaGraphHostNodeSetParams => cuGraphHostNodeSetParams(node: P, p_node_params: P);
    cudaGraphInstantiate => cuGraphInstantiateWithFlags(p_graph_exec: P, graph: P, flags: u64);
    cudaGraphInstantiateWithFlags => cuGraphInstantiateWithFlags(p_graph_exec: P, graph: P, flags: u64);
    cudaGraphInstantiateWithParams | cudaGraphInstantiateWithParams_ptsz => cuGraphInstantiateWithParams(p_graph_exec: P, graph: P, instantiate_params: P);
    cudaGraphKernelNodeCopyAttributes => cuGraphKernelNodeCopyAttributes(h_dst: P, h_src: P);
    cudaGraphKernelNodeGetAttribute => cuGraphKernelNodeGetAttribute(h_node: P, attr: i32, value_out: P);
    cudaGraphKernelNodeSetAttribute => cuGraphKernelNodeSetAttribute(h_node: P, attr: i32, value: P);
    cudaGraphLaunch | cudaGraphLaunch_ptsz => cuGraphLaunch(graph_exec: P, stream: Stream);
    cudaGraphUpload | cudaGraphUpload_ptsz => cuGraphUpload(graph_exec: P, stream: Stream);
    cudaGraphMemsetNodeGetParams => cuGraphMemsetNodeGetParams(node: P, p_node_params: P);
    cudaGraphMemsetNodeSetParams => cuGraphMemsetNodeSetParams(node: P, p_node_params: P);
    cudaGraphNodeFindInClone => cuGraphNodeFindInClone(p_node: P, original_node: P, cloned_graph: P);
    cudaGraphNodeGetEnabled => cuGraphNodeGetEnabled(h_graph_exec: P, h_node: P, is_enabled: P);
    cudaGraphNodeSetEnabled => cuGraphNodeSetEnabled(h_graph_exec: P, h_node: P, is_enabled: u32);
    cudaGraphNodeGetType => cuGraphNodeGetType(node: P, p_type: P);
    cudaGraphReleaseUserObject => cuGraphReleaseUserObject(graph: P, object: P, count: u32);
    cudaGraphRetainUserObject => cuGraphRetainUserObject(graph: P, object: P, count: u32, flags: u32);
    cudaUserObjectCreate => cuUserObjectCreate(object_out: P, ptr: P, destroy: P, initial_refcount: u32, flags: u32);
    cudaUserObjectRelease => cuUserObjectRelease(object: P, count: u32);
    cudaUserObjectRetain => cuUserObjectRetain(object: P, count: u32);
    cudaDeviceGraphMemTrim => cuDeviceGraphMemTrim(device: i32);
    cudaDeviceGetGraphMemAttribute => cuDeviceGetGraphMemAttribute(device: i32, attr: i32, value: P);
    cudaDeviceSetGraphMemAttribute => cuDeviceSetGraphMemAttribute(device: i32, attr: i32, value: P);
}

// Memorys.
forward! {
    cudaFreeAsync | cudaFreeAsync_ptsz => cuMemFreeAsync(dev_ptr: P, stream: Stream);
    cudaMallocAsync | cudaMallocAsync_ptsz => cuMemAllocAsync(dev_ptr: P, size: usize, stream: Stream);
    cudaMallocFromPoolAsync | cudaMallocFromPoolAsync_ptsz => cuMemAllocFromPoolAsync(ptr: P, size: usize, mem_pool: P, stream: Stream);
    cudaHostUnregister => cuMemHostUnregister(ptr: P);
    cudaHostRegister => cuMemHostRegister_v2(ptr: P, size: usize, flags: u32);
    cudaHostGetFlags => cuMemHostGetFlags(p_flags: P, p_host: P);
    cudaHostGetDevicePointer => cuMemHostGetDevicePointer_v2(p_device: P, p_host: P, flags: u32);
    cudaMemGetInfo => cuMemGetInfo_v2(free: P, total: P);
    cudaMemRangeGetAttribute => cuMemRangeGetAttribute(data: P, data_size: usize, attribute: i32, dev_ptr: P, count: usize);
    cudaMemRangeGetAttributes => cuMemRangeGetAttributes(data: P, data_sizes: P, attributes: P, num_attributes: usize, dev_ptr: P, count: usize);
    cudaMemPoolCreate => cuMemPoolCreate(mem_pool: P, pool_props: P);
    cudaMemPoolDestroy => cuMemPoolDestroy(mem_pool: P);
    cudaMemPoolGetAccess => cuMemPoolGetAccess(flags: P, mem_pool: P, location: P);
    cudaMemPoolGetAttribute => cuMemPoolGetAttribute(mem_pool: P, attr: i32, value: P);
    cudaMemPoolSetAccess => cuMemPoolSetAccess(mem_pool: P, desc_list: P, count: usize);
    cudaMemPoolSetAttribute => cuMemPoolSetAttribute(mem_pool: P, attr: i32, value: P);
    cudaMemPoolTrimTo => cuMemPoolTrimTo(mem_pool: P, min_bytes_to_keep: usize);
    cudaMemPoolExportPointer => cuMemPoolExportPointer(export_data: P, ptr: P);
    cudaMemPoolExportToShareableHandle => cuMemPoolExportToShareableHandle(shareable_handle: P, mem_pool: P, handle_type: i32, flags: u32);
    cudaMemPoolImportFromShareableHandle => cuMemPoolImportFromShareableHandle(mem_pool: P, shareable_handle: P, handle_type: i32, flags: u32);
    cudaMemPoolImportPointer => cuMemPoolImportPointer(ptr: P, mem_pool: P, export_data: P);
    cudaIpcGetMemHandle => cuIpcGetMemHandle(handle: P, dev_ptr: P);
    cudaIpcGetEventHandle => cuIpcGetEventHandle(handle: P, event: P);
    cudaIpcCloseMemHandle => cuIpcCloseMemHandle(dev_ptr: P);
}

// Devices.
forward! {
    cudaDeviceGetDefaultMemPool => cuDeviceGetDefaultMemPool(mem_pool: P, device: i32);
    cudaDeviceGetMemPool => cuDeviceGetMemPool(mem_pool: P, device: i32);
    cudaDeviceSetMemPool => cuDeviceSetMemPool(device: i32, mem_pool: P);
    cudaDeviceCanAccessPeer => cuDeviceCanAccessPeer(can_access_peer: P, device: i32, peer_device: i32);
    cudaDeviceGetP2PAttribute => cuDeviceGetP2PAttribute(value: P, attr: i32, src_device: i32, dst_device: i32);
    cudaDeviceGetPCIBusId => cuDeviceGetPCIBusId(pci_bus_id: P, len: i32, device: i32);
    cudaDeviceGetByPCIBusId => cuDeviceGetByPCIBusId(device: P, pci_bus_id: P);
    cudaDeviceGetStreamPriorityRange => cuCtxGetStreamPriorityRange(least_priority: P, greatest_priority: P);
    cudaDeviceGetLimit => cuCtxGetLimit(p_value: P, limit: i32);
    cudaDeviceSetLimit => cuCtxSetLimit(limit: i32, value: usize);
    cudaDeviceGetCacheConfig => cuCtxGetCacheConfig(p_cache_config: P);
    cudaDeviceSetCacheConfig => cuCtxSetCacheConfig(cache_config: i32);
    cudaCtxResetPersistingL2Cache => cuCtxResetPersistingL2Cache();
}

// Librarys.
forward! {
    cudaLibraryLoadData => cuLibraryLoadData(library: P, code: P, jit_options: P, jit_options_values: P, num_jit_options: u32, library_options: P, library_option_values: P, num_library_options: u32);
    cudaLibraryLoadFromFile => cuLibraryLoadFromFile(library: P, file_name: P, jit_options: P, jit_options_values: P, num_jit_options: u32, library_options: P, library_option_values: P, num_library_options: u32);
    cudaLibraryUnload => cuLibraryUnload(library: P);
    cudaLibraryGetKernelCount => cuLibraryGetKernelCount(count: P, lib: P);
    cudaLibraryGetGlobal => cuLibraryGetGlobal(dptr: P, bytes: P, library: P, name: P);
    cudaLibraryGetManaged => cuLibraryGetManaged(dptr: P, bytes: P, library: P, name: P);
    cudaLibraryGetUnifiedFunction => cuLibraryGetUnifiedFunction(fptr: P, library: P, symbol: P);
}

api! {
    cudaLibraryGetKernel(kernel: P, library: P, name: P) {
        crate::context::ensure()?;
        crate::driver::cuLibraryGetKernel(kernel, library, name)?;
        crate::registry::adopt(*kernel.cast::<P>());
        Ok(())
    }

    cudaLibraryEnumerateKernels(kernels: P, n: u32, library: P) {
        crate::context::ensure()?;
        crate::driver::cuLibraryEnumerateKernels(kernels, n, library)?;
        let mut found = 0u32;
        crate::driver::cuLibraryGetKernelCount(std::ptr::from_mut(&mut found).cast(), library)?;
        for idx in 0..n.min(found) as usize {
            crate::registry::adopt(*kernels.cast::<P>().add(idx));
        }
        Ok(())
    }
}
