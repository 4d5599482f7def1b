//! Nodes of graphs whose description differs between the two APIs: kernels, copies and fills.
//!
//! The runtime names a kernel by its host function and describes a copy by `cudaMemcpy3DParms`; the driver has kernel handles
//! and `CUDA_MEMCPY3D`. All other functions of graphs are in [`mod@crate::forward`].

use crate::code::{INVALID_VALUE, Outcome};
use crate::copy::{self, Copy3D, DriverCopy3D};
use crate::{Dim3, P, Stream, context, driver, registry, symbol};
use std::ptr::{from_mut, null_mut};

/// `cudaKernelNodeParams`.
#[repr(C)]
#[derive(Clone, Copy)]
struct KernelParams {
    host: P,
    grid: Dim3,
    block: Dim3,
    shared: u32,
    params: P,
    extra: P,
}

/// `CUDA_KERNEL_NODE_PARAMS_v2`.
#[repr(C)]
#[derive(Clone, Copy)]
struct DriverKernelParams {
    function: P,
    grid: Dim3,
    block: Dim3,
    shared: u32,
    params: P,
    extra: P,
    kernel: P,
    context: P,
}

/// # Safety
/// Null, or a `cudaKernelNodeParams`.
unsafe fn kernel_for_driver(params: P) -> Result<DriverKernelParams, i32> {
    if params.is_null() {
        return Err(INVALID_VALUE);
    }
    context::ensure()?;
    // SAFETY: the caller's promise.
    let from = unsafe { *params.cast::<KernelParams>() };
    let kernel = registry::find_kernel(from.host)?;
    let (grid, block, shared, params, extra) = (from.grid, from.block, from.shared, from.params, from.extra);
    Ok(DriverKernelParams { function: null_mut(), grid, block, shared, params, extra, kernel, context: null_mut() })
}

/// # Safety
/// Null, or a `cudaMemcpy3DParms`.
unsafe fn copy_for_driver(params: P) -> Result<DriverCopy3D, i32> {
    if params.is_null() {
        return Err(INVALID_VALUE);
    }
    // SAFETY: the caller's promise.
    copy::for_driver(unsafe { &*params.cast::<Copy3D>() })
}

/// Where a new copy goes.
struct Place {
    node: P,
    graph: P,
    dependencies: P,
    n: usize,
}

/// # Safety
/// Rule 1 of the crate.
unsafe fn add_copy(place: &Place, mut copy: DriverCopy3D) -> Outcome {
    context::ensure()?;
    let &Place { node, graph, dependencies, n } = place;
    // SAFETY: the caller's promise.
    unsafe {
        driver::cuGraphAddMemcpyNode(node, graph, dependencies, n, from_mut(&mut copy).cast(), context::current()?)
    }
}

/// # Safety
/// Rule 1 of the crate.
unsafe fn set_copy(exec: Option<P>, node: P, mut copy: DriverCopy3D) -> Outcome {
    context::ensure()?;
    let copy = from_mut(&mut copy).cast();
    // SAFETY: the caller's promise.
    unsafe {
        match exec {
            Some(exec) => driver::cuGraphExecMemcpyNodeSetParams(exec, node, copy, context::current()?),
            None => driver::cuGraphMemcpyNodeSetParams(node, copy),
        }
    }
}

fn linear(to: P, from: P, count: usize, kind: i32) -> Result<DriverCopy3D, i32> {
    copy::for_driver(&copy::described(to, from, count, kind))
}

/// `cudaGraphNodeParams` as the driver's: the same, but for kernels and copies.
///
/// # Safety
/// Null, or a `cudaGraphNodeParams`.
unsafe fn node_for_driver(params: P) -> Result<[u64; 32], i32> {
    const KERNEL: i32 = 0;
    const COPY: i32 = 1;
    /// Words before the union, and before the description within a copy's part: flags, reserved, context.
    const UNION: usize = 2;
    const COPY_DESCRIPTION: usize = UNION + 2;
    if params.is_null() {
        return Err(INVALID_VALUE);
    }
    // SAFETY: the caller's promise.
    let mut words = unsafe { *params.cast::<[u64; 32]>() };
    let part = |words: &mut [u64; 32], at: usize| -> P { words[at..].as_mut_ptr().cast() };
    match words[0] as i32 {
        KERNEL => {
            // SAFETY: the union has room for both forms.
            let kernel = unsafe { kernel_for_driver(part(&mut words, UNION)) }?;
            // SAFETY: as above.
            unsafe { part(&mut words, UNION).cast::<DriverKernelParams>().write_unaligned(kernel) };
        }
        COPY => {
            // SAFETY: the union has room for both forms.
            let copy = unsafe { copy_for_driver(part(&mut words, COPY_DESCRIPTION)) }?;
            words[UNION + 1] = context::current()? as u64;
            // SAFETY: as above.
            unsafe { part(&mut words, COPY_DESCRIPTION).cast::<DriverCopy3D>().write_unaligned(copy) };
        }
        _ => {}
    }
    Ok(words)
}

/// `cudaGraphAddNode` with edge data, as in CUDA 13.
///
/// # Errors
/// The driver's.
///
/// # Safety
/// Rule 1 of the crate.
pub unsafe fn add_node(node: P, graph: P, dependencies: P, edges: P, n: usize, params: P) -> Outcome {
    context::ensure()?;
    // SAFETY: the caller's promise.
    unsafe {
        let mut words = node_for_driver(params)?;
        driver::cuGraphAddNode_v2(node, graph, dependencies, edges, n, words.as_mut_ptr().cast())
    }
}

/// `cudaStreamGetCaptureInfo` with edge data, as in CUDA 13.
///
/// # Errors
/// The driver's.
///
/// # Safety
/// Rule 1 of the crate.
pub unsafe fn capture_info(stream: Stream, status: P, id: P, graph: P, dependencies: P, edges: P, n: P) -> Outcome {
    context::ensure()?;
    // SAFETY: the caller's promise.
    unsafe { driver::cuStreamGetCaptureInfo_v3(stream, status, id, graph, dependencies, edges, n) }
}

api! {
    cudaGraphAddKernelNode(node: P, graph: P, dependencies: P, n: usize, params: P) {
        let mut kernel = kernel_for_driver(params)?;
        driver::cuGraphAddKernelNode_v2(node, graph, dependencies, n, from_mut(&mut kernel).cast())
    }

    cudaGraphKernelNodeSetParams(node: P, params: P) {
        let mut kernel = kernel_for_driver(params)?;
        driver::cuGraphKernelNodeSetParams_v2(node, from_mut(&mut kernel).cast())
    }

    cudaGraphExecKernelNodeSetParams(exec: P, node: P, params: P) {
        let mut kernel = kernel_for_driver(params)?;
        driver::cuGraphExecKernelNodeSetParams_v2(exec, node, from_mut(&mut kernel).cast())
    }

    cudaGraphKernelNodeGetParams(node: P, out: P) {
        if out.is_null() {
            return Err(INVALID_VALUE);
        }
        context::ensure()?;
        let mut from = std::mem::zeroed::<DriverKernelParams>();
        driver::cuGraphKernelNodeGetParams_v2(node, from_mut(&mut from).cast())?;
        let kernel = if from.kernel.is_null() { from.function } else { from.kernel };
        let (grid, block, shared, params, extra) = (from.grid, from.block, from.shared, from.params, from.extra);
        out.cast::<KernelParams>().write(KernelParams { host: registry::host_of(kernel), grid, block, shared, params, extra });
        Ok(())
    }

    cudaGraphAddMemcpyNode(node: P, graph: P, dependencies: P, n: usize, params: P) {
        add_copy(&Place { node, graph, dependencies, n }, copy_for_driver(params)?)
    }

    cudaGraphAddMemcpyNode1D(node: P, graph: P, dependencies: P, n: usize, to: P, from: P, count: usize, kind: i32) {
        add_copy(&Place { node, graph, dependencies, n }, linear(to, from, count, kind)?)
    }

    cudaGraphAddMemcpyNodeToSymbol(node: P, graph: P, dependencies: P, n: usize, symbol: P, from: P, count: usize, offset: usize, kind: i32) {
        let to = symbol::address(symbol, offset, count)?;
        add_copy(&Place { node, graph, dependencies, n }, linear(to, from, count, kind)?)
    }

    cudaGraphAddMemcpyNodeFromSymbol(node: P, graph: P, dependencies: P, n: usize, to: P, symbol: P, count: usize, offset: usize, kind: i32) {
        let from = symbol::address(symbol, offset, count)?;
        add_copy(&Place { node, graph, dependencies, n }, linear(to, from, count, kind)?)
    }

    cudaGraphMemcpyNodeSetParams(node: P, params: P) {
        set_copy(None, node, copy_for_driver(params)?)
    }

    cudaGraphMemcpyNodeSetParams1D(node: P, to: P, from: P, count: usize, kind: i32) {
        set_copy(None, node, linear(to, from, count, kind)?)
    }

    cudaGraphMemcpyNodeSetParamsToSymbol(node: P, symbol: P, from: P, count: usize, offset: usize, kind: i32) {
        set_copy(None, node, linear(symbol::address(symbol, offset, count)?, from, count, kind)?)
    }

    cudaGraphMemcpyNodeSetParamsFromSymbol(node: P, to: P, symbol: P, count: usize, offset: usize, kind: i32) {
        set_copy(None, node, linear(to, symbol::address(symbol, offset, count)?, count, kind)?)
    }

    cudaGraphExecMemcpyNodeSetParams(exec: P, node: P, params: P) {
        set_copy(Some(exec), node, copy_for_driver(params)?)
    }

    cudaGraphExecMemcpyNodeSetParams1D(exec: P, node: P, to: P, from: P, count: usize, kind: i32) {
        set_copy(Some(exec), node, linear(to, from, count, kind)?)
    }

    cudaGraphExecMemcpyNodeSetParamsToSymbol(exec: P, node: P, symbol: P, from: P, count: usize, offset: usize, kind: i32) {
        set_copy(Some(exec), node, linear(symbol::address(symbol, offset, count)?, from, count, kind)?)
    }

    cudaGraphExecMemcpyNodeSetParamsFromSymbol(exec: P, node: P, to: P, symbol: P, count: usize, offset: usize, kind: i32) {
        set_copy(Some(exec), node, linear(to, symbol::address(symbol, offset, count)?, count, kind)?)
    }

    cudaGraphMemcpyNodeGetParams(node: P, out: P) {
        if out.is_null() {
            return Err(INVALID_VALUE);
        }
        context::ensure()?;
        let mut copy = std::mem::zeroed::<DriverCopy3D>();
        driver::cuGraphMemcpyNodeGetParams(node, from_mut(&mut copy).cast())?;
        out.cast::<Copy3D>().write(copy::from_driver(&copy));
        Ok(())
    }

    cudaGraphAddMemsetNode(node: P, graph: P, dependencies: P, n: usize, params: P) {
        if params.is_null() {
            return Err(INVALID_VALUE);
        }
        context::ensure()?;
        driver::cuGraphAddMemsetNode(node, graph, dependencies, n, params, context::current()?)
    }

    cudaGraphExecMemsetNodeSetParams(exec: P, node: P, params: P) {
        if params.is_null() {
            return Err(INVALID_VALUE);
        }
        context::ensure()?;
        driver::cuGraphExecMemsetNodeSetParams(exec, node, params, context::current()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_cudas() {
        assert_eq!((size_of::<KernelParams>(), size_of::<DriverKernelParams>()), (56, 72));
    }
}
