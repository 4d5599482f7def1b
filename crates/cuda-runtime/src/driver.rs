//! The driver API: `libcuda.so.1`, opened when it is first needed; each function found by name when it is first called.
//!
//! The signatures are those of `cuda.h` of CUDA 13, with every pointer and handle as [`P`]. A missing library is
//! `cudaErrorInsufficientDriver`, as with NVIDIA's runtime; a missing function is `cudaErrorNotSupported`.

use crate::code::{INSUFFICIENT_DRIVER, NOT_SUPPORTED, Outcome};
use crate::{Location, P, Stream};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

/// `CUipcMemHandle` and `CUipcEventHandle`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct IpcHandle(pub [u8; 64]);

/// A function, once it has been found.
struct Slot {
    name: &'static str,
    address: AtomicPtr<std::ffi::c_void>,
}

impl Slot {
    const fn new(name: &'static str) -> Self {
        Self { name, address: AtomicPtr::new(std::ptr::null_mut()) }
    }

    #[inline]
    fn find(&self) -> Result<P, i32> {
        let known = self.address.load(Ordering::Acquire);
        if known.is_null() { self.look_up() } else { Ok(known) }
    }

    #[cold]
    fn look_up(&self) -> Result<P, i32> {
        let library = library().ok_or(INSUFFICIENT_DRIVER)?;
        // SAFETY: the address is only kept here; the callers below know the signature.
        let found = unsafe { library.get::<P>(self.name.as_bytes()) }.map_err(|_| NOT_SUPPORTED)?;
        let address = found.as_raw_ptr();
        self.address.store(address, Ordering::Release);
        Ok(address)
    }
}

/// The driver; `None` when there is none.
fn library() -> Option<&'static libloading::os::unix::Library> {
    static DRIVER: OnceLock<Option<libloading::os::unix::Library>> = OnceLock::new();
    let open = || {
        use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
        // SAFETY: the library is the CUDA driver by its name, made to be opened like this.
        unsafe { Library::open(Some("libcuda.so.1"), RTLD_NOW | RTLD_LOCAL) }.ok()
    };
    DRIVER.get_or_init(open).as_ref()
}

/// Declares driver functions.
macro_rules! driver {
    ($($name:ident ($($arg:ident: $ty:ty),*);)*) => {$(
        #[doc = concat!("`", stringify!($name), "` of the driver API.")]
        ///
        /// # Safety
        /// As `cuda.h` asks for this function.
        #[inline]
        pub unsafe fn $name($($arg: $ty),*) -> Outcome {
            static SLOT: Slot = Slot::new(concat!(stringify!($name), "\0"));
            let address = SLOT.find()?;
            // SAFETY: the signature is that of `cuda.h` for this name.
            let function: unsafe extern "C" fn($($ty),*) -> i32 = unsafe { std::mem::transmute(address) };
            // SAFETY: the caller's promise.
            match unsafe { function($($arg),*) } {
                0 => Ok(()),
                code => Err(code),
            }
        }
    )*};
}

driver! {
    cuCtxDisablePeerAccess(context: P);
    cuCtxEnablePeerAccess(context: P, flags: u32);
    cuCtxGetCacheConfig(p_cache_config: P);
    cuCtxGetCurrent(context: P);
    cuCtxGetDevice(device: P);
    cuCtxGetLimit(p_value: P, limit: i32);
    cuCtxGetStreamPriorityRange(least_priority: P, greatest_priority: P);
    cuCtxResetPersistingL2Cache();
    cuCtxSetCacheConfig(cache_config: i32);
    cuCtxSetCurrent(context: P);
    cuCtxSetLimit(limit: i32, value: usize);
    cuCtxSynchronize();
    cuDeviceCanAccessPeer(can_access_peer: P, device: i32, peer_device: i32);
    cuDeviceGet(device: P, ordinal: i32);
    cuDeviceGetAttribute(value: P, attribute: i32, device: i32);
    cuDeviceGetByPCIBusId(device: P, pci_bus_id: P);
    cuDeviceGetCount(count: P);
    cuDeviceGetDefaultMemPool(mem_pool: P, device: i32);
    cuDeviceGetGraphMemAttribute(device: i32, attr: i32, value: P);
    cuDeviceGetMemPool(mem_pool: P, device: i32);
    cuDeviceGetName(name: P, len: i32, device: i32);
    cuDeviceGetP2PAttribute(value: P, attr: i32, src_device: i32, dst_device: i32);
    cuDeviceGetPCIBusId(pci_bus_id: P, len: i32, device: i32);
    cuDeviceGetUuid_v2(uuid: P, device: i32);
    cuDeviceGraphMemTrim(device: i32);
    cuDevicePrimaryCtxGetState(device: i32, flags: P, active: P);
    cuDevicePrimaryCtxReset_v2(device: i32);
    cuDevicePrimaryCtxRetain(context: P, device: i32);
    cuDevicePrimaryCtxSetFlags_v2(device: i32, flags: u32);
    cuDeviceSetGraphMemAttribute(device: i32, attr: i32, value: P);
    cuDeviceSetMemPool(device: i32, mem_pool: P);
    cuDeviceTotalMem_v2(bytes: P, device: i32);
    cuDriverGetVersion(version: P);
    cuEventCreate(event: P, flags: u32);
    cuEventDestroy_v2(event: P);
    cuEventElapsedTime_v2(ms: P, start: P, end: P);
    cuEventQuery(event: P);
    cuEventRecord(event: P, stream: Stream);
    cuEventRecordWithFlags(event: P, stream: Stream, flags: u32);
    cuEventSynchronize(event: P);
    cuFuncGetAttribute(value: P, attribute: i32, function: P);
    cuFuncGetName(name: P, function: P);
    cuFuncSetAttribute(function: P, attribute: i32, value: i32);
    cuFuncSetCacheConfig(function: P, config: i32);
    cuGetProcAddress_v2(symbol: P, function: P, version: i32, flags: u64, status: P);
    cuGraphAddChildGraphNode(node_out: P, graph: P, p_dependencies: P, num_dependencies: usize, child_graph: P);
    cuGraphAddDependencies_v2(graph: P, from: P, to: P, edges: P, n: usize);
    cuGraphAddEmptyNode(node_out: P, graph: P, p_dependencies: P, num_dependencies: usize);
    cuGraphAddEventRecordNode(node_out: P, graph: P, p_dependencies: P, num_dependencies: usize, event: P);
    cuGraphAddEventWaitNode(node_out: P, graph: P, p_dependencies: P, num_dependencies: usize, event: P);
    cuGraphAddHostNode(node_out: P, graph: P, p_dependencies: P, num_dependencies: usize, p_node_params: P);
    cuGraphAddKernelNode_v2(node: P, graph: P, dependencies: P, n: usize, params: P);
    cuGraphAddMemAllocNode(node_out: P, graph: P, p_dependencies: P, num_dependencies: usize, node_params: P);
    cuGraphAddMemFreeNode(node_out: P, graph: P, p_dependencies: P, num_dependencies: usize, dptr: P);
    cuGraphAddMemcpyNode(node: P, graph: P, dependencies: P, n: usize, copy: P, context: P);
    cuGraphAddMemsetNode(node: P, graph: P, dependencies: P, n: usize, params: P, context: P);
    cuGraphAddNode_v2(node: P, graph: P, dependencies: P, edges: P, n: usize, params: P);
    cuGraphChildGraphNodeGetGraph(node: P, p_graph: P);
    cuGraphClone(p_graph_clone: P, original_graph: P);
    cuGraphCreate(p_graph: P, flags: u32);
    cuGraphDebugDotPrint(graph: P, path: P, flags: u32);
    cuGraphDestroy(graph: P);
    cuGraphDestroyNode(node: P);
    cuGraphEventRecordNodeGetEvent(node: P, event_out: P);
    cuGraphEventRecordNodeSetEvent(node: P, event: P);
    cuGraphEventWaitNodeGetEvent(node: P, event_out: P);
    cuGraphEventWaitNodeSetEvent(node: P, event: P);
    cuGraphExecChildGraphNodeSetParams(h_graph_exec: P, node: P, child_graph: P);
    cuGraphExecDestroy(graph_exec: P);
    cuGraphExecEventRecordNodeSetEvent(h_graph_exec: P, h_node: P, event: P);
    cuGraphExecEventWaitNodeSetEvent(h_graph_exec: P, h_node: P, event: P);
    cuGraphExecGetFlags(graph_exec: P, flags: P);
    cuGraphExecHostNodeSetParams(h_graph_exec: P, node: P, p_node_params: P);
    cuGraphExecKernelNodeSetParams_v2(exec: P, node: P, params: P);
    cuGraphExecMemcpyNodeSetParams(exec: P, node: P, copy: P, context: P);
    cuGraphExecMemsetNodeSetParams(exec: P, node: P, params: P, context: P);
    cuGraphExecUpdate_v2(h_graph_exec: P, h_graph: P, result_info: P);
    cuGraphGetEdges_v2(graph: P, from: P, to: P, edges: P, n: P);
    cuGraphGetNodes(graph: P, nodes: P, num_nodes: P);
    cuGraphGetRootNodes(graph: P, p_root_nodes: P, p_num_root_nodes: P);
    cuGraphHostNodeGetParams(node: P, p_node_params: P);
    cuGraphHostNodeSetParams(node: P, p_node_params: P);
    cuGraphInstantiateWithFlags(p_graph_exec: P, graph: P, flags: u64);
    cuGraphInstantiateWithParams(p_graph_exec: P, graph: P, instantiate_params: P);
    cuGraphKernelNodeCopyAttributes(h_dst: P, h_src: P);
    cuGraphKernelNodeGetAttribute(h_node: P, attr: i32, value_out: P);
    cuGraphKernelNodeGetParams_v2(node: P, params: P);
    cuGraphKernelNodeSetAttribute(h_node: P, attr: i32, value: P);
    cuGraphKernelNodeSetParams_v2(node: P, params: P);
    cuGraphLaunch(graph_exec: P, stream: Stream);
    cuGraphMemAllocNodeGetParams(node: P, params_out: P);
    cuGraphMemFreeNodeGetParams(node: P, dptr_out: P);
    cuGraphMemcpyNodeGetParams(node: P, copy: P);
    cuGraphMemcpyNodeSetParams(node: P, copy: P);
    cuGraphMemsetNodeGetParams(node: P, p_node_params: P);
    cuGraphMemsetNodeSetParams(node: P, p_node_params: P);
    cuGraphNodeFindInClone(p_node: P, original_node: P, cloned_graph: P);
    cuGraphNodeGetDependencies_v2(node: P, dependencies: P, edges: P, n: P);
    cuGraphNodeGetDependentNodes_v2(node: P, dependents: P, edges: P, n: P);
    cuGraphNodeGetEnabled(h_graph_exec: P, h_node: P, is_enabled: P);
    cuGraphNodeGetType(node: P, p_type: P);
    cuGraphNodeSetEnabled(h_graph_exec: P, h_node: P, is_enabled: u32);
    cuGraphReleaseUserObject(graph: P, object: P, count: u32);
    cuGraphRemoveDependencies_v2(graph: P, from: P, to: P, edges: P, n: usize);
    cuGraphRetainUserObject(graph: P, object: P, count: u32, flags: u32);
    cuGraphUpload(graph_exec: P, stream: Stream);
    cuInit(flags: u32);
    cuIpcCloseMemHandle(dev_ptr: P);
    cuIpcGetEventHandle(handle: P, event: P);
    cuIpcGetMemHandle(handle: P, dev_ptr: P);
    cuIpcOpenEventHandle(event: P, handle: IpcHandle);
    cuIpcOpenMemHandle_v2(pointer: P, handle: IpcHandle, flags: u32);
    cuKernelGetFunction(function: P, kernel: P);
    cuKernelGetParamInfo(kernel: P, index: usize, offset: P, size: P);
    cuKernelSetAttribute(attribute: i32, value: i32, kernel: P, device: i32);
    cuLaunchCooperativeKernel(function: P, gx: u32, gy: u32, gz: u32, bx: u32, by: u32, bz: u32, shared: u32, stream: Stream, params: P);
    cuLaunchHostFunc(stream: Stream, function: P, user_data: P);
    cuLaunchKernel(function: P, gx: u32, gy: u32, gz: u32, bx: u32, by: u32, bz: u32, shared: u32, stream: Stream, params: P, extra: P);
    cuLaunchKernelEx(config: P, function: P, params: P, extra: P);
    cuLibraryEnumerateKernels(kernels: P, num_kernels: u32, lib: P);
    cuLibraryGetGlobal(dptr: P, bytes: P, library: P, name: P);
    cuLibraryGetKernel(p_kernel: P, library: P, name: P);
    cuLibraryGetKernelCount(count: P, lib: P);
    cuLibraryGetManaged(dptr: P, bytes: P, library: P, name: P);
    cuLibraryGetModule(module: P, library: P);
    cuLibraryGetUnifiedFunction(fptr: P, library: P, symbol: P);
    cuLibraryLoadData(library: P, code: P, jit_options: P, jit_options_values: P, num_jit_options: u32, library_options: P, library_option_values: P, num_library_options: u32);
    cuLibraryLoadFromFile(library: P, file_name: P, jit_options: P, jit_options_values: P, num_jit_options: u32, library_options: P, library_option_values: P, num_library_options: u32);
    cuLibraryUnload(library: P);
    cuLinkAddData_v2(state: P, kind: i32, data: P, size: usize, name: P, n: u32, options: P, values: P);
    cuLinkComplete(state: P, cubin: P, size: P);
    cuLinkCreate_v2(n: u32, options: P, values: P, state: P);
    cuLinkDestroy(state: P);
    cuMemAdvise_v2(pointer: P, size: usize, advice: i32, location: Location);
    cuMemAllocAsync(dev_ptr: P, size: usize, stream: Stream);
    cuMemAllocFromPoolAsync(ptr: P, size: usize, mem_pool: P, stream: Stream);
    cuMemAllocManaged(pointer: P, size: usize, flags: u32);
    cuMemAllocPitch_v2(pointer: P, pitch: P, width: usize, height: usize, element: u32);
    cuMemAlloc_v2(pointer: P, size: usize);
    cuMemFreeAsync(dev_ptr: P, stream: Stream);
    cuMemFreeHost(pointer: P);
    cuMemFree_v2(pointer: P);
    cuMemGetInfo_v2(free: P, total: P);
    cuMemHostAlloc(pointer: P, size: usize, flags: u32);
    cuMemHostGetDevicePointer_v2(p_device: P, p_host: P, flags: u32);
    cuMemHostGetFlags(p_flags: P, p_host: P);
    cuMemHostRegister_v2(ptr: P, size: usize, flags: u32);
    cuMemHostUnregister(ptr: P);
    cuMemPoolCreate(mem_pool: P, pool_props: P);
    cuMemPoolDestroy(mem_pool: P);
    cuMemPoolExportPointer(export_data: P, ptr: P);
    cuMemPoolExportToShareableHandle(shareable_handle: P, mem_pool: P, handle_type: i32, flags: u32);
    cuMemPoolGetAccess(flags: P, mem_pool: P, location: P);
    cuMemPoolGetAttribute(mem_pool: P, attr: i32, value: P);
    cuMemPoolImportFromShareableHandle(mem_pool: P, shareable_handle: P, handle_type: i32, flags: u32);
    cuMemPoolImportPointer(ptr: P, mem_pool: P, export_data: P);
    cuMemPoolSetAccess(mem_pool: P, desc_list: P, count: usize);
    cuMemPoolSetAttribute(mem_pool: P, attr: i32, value: P);
    cuMemPoolTrimTo(mem_pool: P, min_bytes_to_keep: usize);
    cuMemPrefetchAsync_v2(pointer: P, size: usize, location: Location, flags: u32, stream: Stream);
    cuMemRangeGetAttribute(data: P, data_size: usize, attribute: i32, dev_ptr: P, count: usize);
    cuMemRangeGetAttributes(data: P, data_sizes: P, attributes: P, num_attributes: usize, dev_ptr: P, count: usize);
    cuMemcpy(to: P, from: P, size: usize);
    cuMemcpy2DAsync_v2(copy: P, stream: Stream);
    cuMemcpy2DUnaligned_v2(copy: P);
    cuMemcpy3DAsync_v2(copy: P, stream: Stream);
    cuMemcpy3D_v2(copy: P);
    cuMemcpyAsync(to: P, from: P, size: usize, stream: Stream);
    cuMemcpyDtoDAsync_v2(to: P, from: P, size: usize, stream: Stream);
    cuMemcpyDtoD_v2(to: P, from: P, size: usize);
    cuMemcpyDtoHAsync_v2(to: P, from: P, size: usize, stream: Stream);
    cuMemcpyDtoH_v2(to: P, from: P, size: usize);
    cuMemcpyHtoDAsync_v2(to: P, from: P, size: usize, stream: Stream);
    cuMemcpyHtoD_v2(to: P, from: P, size: usize);
    cuMemcpyPeer(to: P, to_context: P, from: P, from_context: P, size: usize);
    cuMemcpyPeerAsync(to: P, to_context: P, from: P, from_context: P, size: usize, stream: Stream);
    cuMemcpy_ptds(to: P, from: P, size: usize);
    cuMemsetD2D8Async(pointer: P, pitch: usize, value: u8, width: usize, height: usize, stream: Stream);
    cuMemsetD2D8_v2(pointer: P, pitch: usize, value: u8, width: usize, height: usize);
    cuMemsetD8Async(pointer: P, value: u8, n: usize, stream: Stream);
    cuMemsetD8_v2(pointer: P, value: u8, n: usize);
    cuOccupancyAvailableDynamicSMemPerBlock(bytes: P, function: P, n_blocks: i32, block: i32);
    cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(n: P, function: P, block: i32, shared: usize, flags: u32);
    cuPointerGetAttribute(data: P, attribute: i32, pointer: P);
    cuProfilerStart();
    cuProfilerStop();
    cuStreamAddCallback(stream: Stream, callback: P, user_data: P, flags: u32);
    cuStreamAttachMemAsync(stream: Stream, dev_ptr: P, length: usize, flags: u32);
    cuStreamBeginCaptureToGraph(stream: Stream, graph: P, dependencies: P, dependency_data: P, num_dependencies: usize, mode: i32);
    cuStreamBeginCapture_v2(stream: Stream, mode: i32);
    cuStreamCopyAttributes(dst: Stream, src: Stream);
    cuStreamCreate(stream: P, flags: u32);
    cuStreamCreateWithPriority(stream: P, flags: u32, priority: i32);
    cuStreamDestroy_v2(stream: Stream);
    cuStreamEndCapture(stream: Stream, p_graph: P);
    cuStreamGetAttribute(stream: Stream, attr: i32, value_out: P);
    cuStreamGetCaptureInfo_v2(stream: Stream, status: P, id: P, graph: P, dependencies: P, n: P);
    cuStreamGetCaptureInfo_v3(stream: Stream, status: P, id: P, graph: P, dependencies: P, edges: P, n: P);
    cuStreamGetDevice(stream: Stream, device: P);
    cuStreamGetFlags(stream: Stream, flags: P);
    cuStreamGetId(stream: Stream, stream_id: P);
    cuStreamGetPriority(stream: Stream, priority: P);
    cuStreamIsCapturing(stream: Stream, p_capture_status: P);
    cuStreamQuery(stream: Stream);
    cuStreamSetAttribute(stream: Stream, attr: i32, value: P);
    cuStreamSynchronize(stream: Stream);
    cuStreamUpdateCaptureDependencies_v2(stream: Stream, dependencies: P, edges: P, n: usize, flags: u32);
    cuStreamWaitEvent(stream: Stream, event: P, flags: u32);
    cuThreadExchangeStreamCaptureMode(mode: P);
    cuUserObjectCreate(object_out: P, ptr: P, destroy: P, initial_refcount: u32, flags: u32);
    cuUserObjectRelease(object: P, count: u32);
    cuUserObjectRetain(object: P, count: u32);
}
