//! Graphs: making them, looking at them, changing them.

use crate::abi::{AllocNodeParams, Location, NodeParams, Out, PoolProps, entries};
use crate::abi::{
    Copy3D, EdgeData, FillNodeParams, HostCallback, HostNodeParams, In, KernelNodeParams, KernelNodeParamsV1,
};
use crate::api::copy::of_3d;
use crate::api::launch::{check_shape, read_params};
use crate::context::{self, Context};
use crate::driver;
use crate::graph::{Detail, GRAPHS, Graph, NODES};
use crate::memory::{self, Origin};
use crate::module::FUNCTIONS;
use crate::pool;
use crate::status::{Result, Status};
use crate::stream::EVENTS;
use crate::work::{self, FillArgs};
use std::ffi::c_char;
use std::sync::Arc;
use vgpu_runtime::{LaunchConfig, Work};
use vgpu_types::Dim3;

pub(super) const KERNEL: u32 = 0;
pub(super) const COPY: u32 = 1;
pub(super) const FILL: u32 = 2;
pub(super) const HOST: u32 = 3;
pub(super) const CHILD: u32 = 4;
pub(super) const EMPTY: u32 = 5;
pub(super) const WAIT: u32 = 6;
pub(super) const RECORD: u32 = 7;
pub(super) const ALLOC: u32 = 10;
pub(super) const FREE: u32 = 11;

/// What a node is to do, with what clients see of it.
pub(super) type Made = (Work, Detail);

pub(super) fn find(graph: u64) -> Result<Arc<Graph>> {
    GRAPHS.find(graph).ok_or(Status::INVALID_VALUE)
}

/// A node's graph and number.
pub(super) fn find_node(node: u64) -> Result<(Arc<Graph>, usize)> {
    let node = NODES.find(node).ok_or(Status::INVALID_VALUE)?;
    Ok((node.graph.upgrade().ok_or(Status::INVALID_VALUE)?, node.idx))
}

pub(super) fn kernel(params: &KernelNodeParamsV1, kernel: u64) -> Result<Made> {
    let handle = if params.function == 0 { kernel } else { params.function };
    let function = FUNCTIONS.find(handle).ok_or(Status::INVALID_VALUE)?;
    let context = context::current()?;
    let kernel = function.kernel(&context)?;
    let dim = |[x, y, z]: [u32; 3]| Dim3::new(x, y, z);
    let shape = LaunchConfig::new(dim(params.grid), dim(params.block)).shared(params.shared_bytes);
    check_shape(&function, &kernel, &shape)?;
    if params.grid.contains(&0) || params.block.contains(&0) {
        return Err(Status::INVALID_VALUE);
    }
    let mut packed = vec![0; kernel.param_bytes()];
    read_params(&kernel, params.params, params.extra, &mut packed)?;
    Ok(work::launch_node(handle, &kernel, &shape, &packed))
}

pub(super) fn copy(params: &Copy3D, context: &Context) -> Result<Made> {
    let (work, _) = of_3d(params)?.node(context)?;
    Ok((work, Detail::Copy(*params)))
}

pub(super) fn fill(params: &FillNodeParams, context: &Context) -> Result<Made> {
    let FillNodeParams { to, pitch, value, element_bytes, width, height } = *params;
    let (pitch, width, height) = (pitch as u64, width as u64, height as u64);
    FillArgs { to, pitch, width, height, value, element_bytes }.node(context)
}

pub(super) fn host(params: HostNodeParams) -> Result<Made> {
    let function = HostCallback::at_address(params.function);
    if function.is_null() { Err(Status::INVALID_VALUE) } else { Ok(work::host_node(function, params.data)) }
}

pub(super) fn record(event: u64) -> Result<Made> {
    Ok((Work::Record(EVENTS.get(event)?.runtime.clone()), Detail::Record(event)))
}

pub(super) fn wait(event: u64) -> Result<Made> {
    Ok((Work::Wait(EVENTS.get(event)?.runtime.clone()), Detail::Wait(event)))
}

fn child(graph: u64) -> Result<Made> {
    Ok((Work::Nothing, Detail::Child(find(graph)?.duplicate()?)))
}

/// Memory is there from the moment the node is made, at the address that it will have in every launch.
fn alloc(bytes: usize, device: i32) -> Result<(Made, u64)> {
    driver::ordinal(device)?;
    let pool = pool::current(device)?;
    let pointer = memory::alloc_device(&context::current()?, bytes as u64, Origin::Pool(pool.handle), 0)?;
    pool.allocated(bytes as u64);
    let id = memory::find(pointer).map_or(0, |allocation| allocation.id);
    Ok(((Work::Nothing, Detail::Alloc { pointer, bytes: bytes as u64, device, id }), pointer))
}

fn free(pointer: u64) -> Result<Made> {
    memory::find(pointer).filter(|allocation| allocation.start == pointer).ok_or(Status::INVALID_VALUE)?;
    Ok((Work::Nothing, Detail::Free(pointer)))
}

fn add(to: Out<u64>, graph: u64, after: In<u64>, n: usize, made: impl FnOnce() -> Result<Made>) -> Result<()> {
    to.check()?;
    let graph = find(graph)?;
    let after = after.list(n)?;
    graph.numbers(&after)?;
    let (work, detail) = made()?;
    to.set(graph.add_after(work, detail, &after)?)
}

/// The parameters of `cuGraphAddNode`: which words mean what depends on the type.
pub(super) fn of_generic(params: &NodeParams, context: &Context) -> Result<(Made, Option<u64>)> {
    let words = In::<u64>::at_address((&raw const params.words) as u64);
    let made = match params.kind {
        KERNEL => {
            let params = words.cast::<KernelNodeParams>().get()?;
            kernel(&params.launch, params.kernel)?
        }
        // Flags and a context stand before the copy.
        COPY => copy(&In::<Copy3D>::at_address(words.address() + 16).get()?, context)?,
        FILL => fill(&words.cast::<FillNodeParams>().get()?, context)?,
        HOST => host(words.cast::<HostNodeParams>().get()?)?,
        CHILD => child(params.words[0])?,
        EMPTY => (Work::Nothing, Detail::Empty),
        WAIT => wait(params.words[0])?,
        RECORD => record(params.words[0])?,
        ALLOC => {
            let params = words.cast::<AllocNodeParams>().get()?;
            let (made, pointer) = alloc(params.bytes, params.pool.location.id)?;
            return Ok((made, Some(pointer)));
        }
        FREE => free(params.words[0])?,
        _ => return Err(Status::NOT_SUPPORTED),
    };
    Ok((made, None))
}

fn add_generic(to: Out<u64>, graph: u64, after: In<u64>, n: usize, params: Out<NodeParams>) -> Result<()> {
    let given = params.get()?;
    let (made, pointer) = of_generic(&given, &*context::current()?)?;
    add(to, graph, after, n, || Ok(made))?;
    if let Some(pointer) = pointer {
        // The address goes back in the last word of the allocation's parameters.
        Out::<u64>::at_address(params.address() + 16 + 112).set(pointer)?;
    }
    Ok(())
}

/// Runs on a node's details if they are of the kind that is asked for.
fn with_detail<T>(node: u64, look: impl FnOnce(&Detail) -> Option<T>) -> Result<T> {
    let (graph, idx) = find_node(node)?;
    let state = graph.state();
    state.info.get(&idx).and_then(|info| look(&info.detail)).ok_or(Status::INVALID_VALUE)
}

/// Gives a node other parameters of its kind.
fn set(node: u64, made: Made) -> Result<()> {
    let (graph, idx) = find_node(node)?;
    let mut state = graph.state();
    let info = state.info.get_mut(&idx).ok_or(Status::INVALID_VALUE)?;
    if info.detail.kind() != made.1.kind() {
        return Err(Status::INVALID_VALUE);
    }
    info.detail = made.1;
    state.runtime.set_work(idx, made.0)?;
    Ok(())
}

fn kernel_params(node: u64) -> Result<KernelNodeParamsV1> {
    with_detail(node, |detail| match detail {
        Detail::Kernel(kernel) => Some(KernelNodeParamsV1 {
            function: kernel.function,
            grid: kernel.grid,
            block: kernel.block,
            shared_bytes: kernel.shared_bytes,
            params: In::at_address(kernel.pointers.as_ptr() as u64),
            extra: In::at_address(0),
        }),
        _ => None,
    })
}

/// Gives a list as CUDA does: its length without room for it, else as much as there is room for, and how much that was.
fn give(list: &[u64], to: Out<u64>, n: Out<usize>) -> Result<()> {
    if to.is_null() {
        return n.set(list.len());
    }
    let room = n.get()?;
    for idx in 0..room {
        to.set_at(idx, list.get(idx).copied().unwrap_or(0))?;
    }
    n.set(room.min(list.len()))
}

fn handles(graph: &Graph, idxs: &[usize]) -> Result<Vec<u64>> {
    idxs.iter().map(|idx| graph.handle_of(*idx)).collect()
}

fn give_edges(graph: u64, from: Out<u64>, to: Out<u64>, data: Out<EdgeData>, n: Out<usize>) -> Result<()> {
    let graph = find(graph)?;
    let edges = graph.state().runtime.edges();
    let (before, after): (Vec<_>, Vec<_>) = edges.into_iter().unzip();
    let (before, after) = (handles(&graph, &before)?, handles(&graph, &after)?);
    if from.is_null() && to.is_null() {
        return n.set(before.len());
    }
    let room = n.get()?;
    for idx in 0..room {
        from.set_at(idx, before.get(idx).copied().unwrap_or(0))?;
        to.set_at(idx, after.get(idx).copied().unwrap_or(0))?;
        if !data.is_null() {
            data.set_at(idx, EdgeData { from_port: 0, to_port: 0, kind: 0, reserved: [0; 5] })?;
        }
    }
    n.set(room.min(before.len()))
}

fn neighbours(node: u64, to: Out<u64>, n: Out<usize>, before: bool) -> Result<()> {
    let (graph, idx) = find_node(node)?;
    let edges = graph.state().runtime.edges();
    let found: Vec<usize> = if before {
        edges.iter().filter(|edge| edge.1 == idx).map(|edge| edge.0).collect()
    } else {
        edges.iter().filter(|edge| edge.0 == idx).map(|edge| edge.1).collect()
    };
    give(&handles(&graph, &found)?, to, n)
}

fn change_edges(graph: u64, from: In<u64>, to: In<u64>, n: usize, connect: bool) -> Result<()> {
    let graph = find(graph)?;
    let (from, to) = (graph.numbers(&from.list(n)?)?, graph.numbers(&to.list(n)?)?);
    let mut state = graph.state();
    for (from, to) in from.into_iter().zip(to) {
        if connect { state.runtime.connect(from, to)? } else { state.runtime.disconnect(from, to)? }
    }
    Ok(())
}

entries! {
    fn cuGraphCreate(to: Out<u64>, flags: u32) {
        to.check()?;
        if flags != 0 {
            return Err(Status::INVALID_VALUE);
        }
        to.set(Graph::create()?.handle())
    }

    fn cuGraphDestroy(graph: u64) {
        GRAPHS.remove(graph).map(drop).map_err(|_| Status::INVALID_VALUE)
    }

    fn cuGraphClone(to: Out<u64>, graph: u64) {
        to.check()?;
        to.set(find(graph)?.duplicate()?.handle())
    }

    fn cuGraphNodeFindInClone(to: Out<u64>, node: u64, clone: u64) {
        to.check()?;
        to.set(find(clone)?.copy_of(node)?)
    }

    fn cuGraphAddKernelNode(to: Out<u64>, graph: u64, after: In<u64>, n: usize, params: In<KernelNodeParamsV1>) {
        add(to, graph, after, n, || kernel(&params.get()?, 0))
    }

    fn cuGraphAddKernelNode_v2(to: Out<u64>, graph: u64, after: In<u64>, n: usize, params: In<KernelNodeParams>) {
        let params = params.get()?;
        add(to, graph, after, n, || kernel(&params.launch, params.kernel))
    }

    fn cuGraphAddMemcpyNode(to: Out<u64>, graph: u64, after: In<u64>, n: usize, params: In<Copy3D>, context: u64) {
        add(to, graph, after, n, || copy(&params.get()?, &*context::given_or_current(context)?))
    }

    fn cuGraphAddMemsetNode(
        to: Out<u64>, graph: u64, after: In<u64>, n: usize, params: In<FillNodeParams>, context: u64
    ) {
        add(to, graph, after, n, || fill(&params.get()?, &*context::given_or_current(context)?))
    }

    fn cuGraphAddHostNode(to: Out<u64>, graph: u64, after: In<u64>, n: usize, params: In<HostNodeParams>) {
        add(to, graph, after, n, || host(params.get()?))
    }

    fn cuGraphAddChildGraphNode(to: Out<u64>, graph: u64, after: In<u64>, n: usize, inner: u64) {
        add(to, graph, after, n, || child(inner))
    }

    fn cuGraphAddEmptyNode(to: Out<u64>, graph: u64, after: In<u64>, n: usize) {
        add(to, graph, after, n, || Ok((Work::Nothing, Detail::Empty)))
    }

    fn cuGraphAddEventRecordNode(to: Out<u64>, graph: u64, after: In<u64>, n: usize, event: u64) {
        add(to, graph, after, n, || record(event))
    }

    fn cuGraphAddEventWaitNode(to: Out<u64>, graph: u64, after: In<u64>, n: usize, event: u64) {
        add(to, graph, after, n, || wait(event))
    }

    fn cuGraphAddMemAllocNode(to: Out<u64>, graph: u64, after: In<u64>, n: usize, params: Out<AllocNodeParams>) {
        let mut given = params.get()?;
        let (made, pointer) = alloc(given.bytes, given.pool.location.id)?;
        add(to, graph, after, n, || Ok(made))?;
        given.pointer = pointer;
        params.set(given)
    }

    fn cuGraphAddMemFreeNode(to: Out<u64>, graph: u64, after: In<u64>, n: usize, pointer: u64) {
        add(to, graph, after, n, || free(pointer))
    }

    fn cuGraphAddNode(to: Out<u64>, graph: u64, after: In<u64>, n: usize, params: Out<NodeParams>) {
        add_generic(to, graph, after, n, params)
    }

    fn cuGraphAddNode_v2(
        to: Out<u64>, graph: u64, after: In<u64>, edges: In<EdgeData>, n: usize, params: Out<NodeParams>
    ) {
        let _ = edges;
        add_generic(to, graph, after, n, params)
    }

    fn cuGraphNodeSetParams(node: u64, params: In<NodeParams>) {
        let (made, _) = of_generic(&params.get()?, &*context::current()?)?;
        set(node, made)
    }

    fn cuGraphKernelNodeGetParams(node: u64, params: Out<KernelNodeParamsV1>) {
        params.set(kernel_params(node)?)
    }

    fn cuGraphKernelNodeGetParams_v2(node: u64, params: Out<KernelNodeParams>) {
        params.set(KernelNodeParams { launch: kernel_params(node)?, kernel: 0, context: 0 })
    }

    fn cuGraphKernelNodeSetParams(node: u64, params: In<KernelNodeParamsV1>) {
        set(node, kernel(&params.get()?, 0)?)
    }

    fn cuGraphKernelNodeSetParams_v2(node: u64, params: In<KernelNodeParams>) {
        let params = params.get()?;
        set(node, kernel(&params.launch, params.kernel)?)
    }

    fn cuGraphMemcpyNodeGetParams(node: u64, params: Out<Copy3D>) {
        params.set(with_detail(node, |detail| if let Detail::Copy(copy) = detail { Some(*copy) } else { None })?)
    }

    fn cuGraphMemcpyNodeSetParams(node: u64, params: In<Copy3D>) {
        set(node, copy(&params.get()?, &*context::current()?)?)
    }

    fn cuGraphMemsetNodeGetParams(node: u64, params: Out<FillNodeParams>) {
        params.set(with_detail(node, |detail| if let Detail::Fill(fill) = detail { Some(*fill) } else { None })?)
    }

    fn cuGraphMemsetNodeSetParams(node: u64, params: In<FillNodeParams>) {
        set(node, fill(&params.get()?, &*context::current()?)?)
    }

    fn cuGraphHostNodeGetParams(node: u64, params: Out<HostNodeParams>) {
        params.set(with_detail(node, |detail| match *detail {
            Detail::Host { function, data } => Some(HostNodeParams { function, data }),
            _ => None,
        })?)
    }

    fn cuGraphHostNodeSetParams(node: u64, params: In<HostNodeParams>) {
        set(node, host(params.get()?)?)
    }

    fn cuGraphChildGraphNodeGetGraph(node: u64, to: Out<u64>) {
        to.set(with_detail(node, |detail| if let Detail::Child(child) = detail { Some(child.handle()) } else { None })?)
    }

    fn cuGraphEventRecordNodeGetEvent(node: u64, to: Out<u64>) {
        to.set(with_detail(node, |detail| if let Detail::Record(event) = detail { Some(*event) } else { None })?)
    }

    fn cuGraphEventRecordNodeSetEvent(node: u64, event: u64) {
        set(node, record(event)?)
    }

    fn cuGraphEventWaitNodeGetEvent(node: u64, to: Out<u64>) {
        to.set(with_detail(node, |detail| if let Detail::Wait(event) = detail { Some(*event) } else { None })?)
    }

    fn cuGraphEventWaitNodeSetEvent(node: u64, event: u64) {
        set(node, wait(event)?)
    }

    fn cuGraphMemAllocNodeGetParams(node: u64, to: Out<AllocNodeParams>) {
        to.set(with_detail(node, |detail| match *detail {
            Detail::Alloc { pointer, bytes, device, .. } => {
                let pool = PoolProps {
                    alloc_type: 1, handle_types: 0, location: Location { kind: 1, id: device }, security: 0, max_size: 0,
                    usage: 0, reserved: [0; 54],
                };
                Some(AllocNodeParams { pool, access: In::at_address(0), n_access: 0, bytes: bytes as usize, pointer })
            }
            _ => None,
        })?)
    }

    fn cuGraphMemFreeNodeGetParams(node: u64, to: Out<u64>) {
        to.set(with_detail(node, |detail| if let Detail::Free(pointer) = detail { Some(*pointer) } else { None })?)
    }

    fn cuGraphNodeGetType(node: u64, to: Out<u32>) {
        to.set(with_detail(node, |detail| Some(detail.kind()))?)
    }

    fn cuGraphGetNodes(graph: u64, to: Out<u64>, n: Out<usize>) {
        let graph = find(graph)?;
        let nodes = graph.state().runtime.nodes();
        give(&handles(&graph, &nodes)?, to, n)
    }

    fn cuGraphGetRootNodes(graph: u64, to: Out<u64>, n: Out<usize>) {
        let graph = find(graph)?;
        let roots = {
            let state = graph.state();
            let is_root = |idx: &usize| state.runtime.before(*idx).is_ok_and(<[usize]>::is_empty);
            state.runtime.nodes().into_iter().filter(is_root).collect::<Vec<_>>()
        };
        give(&handles(&graph, &roots)?, to, n)
    }

    fn cuGraphGetEdges(graph: u64, from: Out<u64>, to: Out<u64>, n: Out<usize>) {
        give_edges(graph, from, to, Out::nowhere(), n)
    }

    fn cuGraphGetEdges_v2(graph: u64, from: Out<u64>, to: Out<u64>, data: Out<EdgeData>, n: Out<usize>) {
        give_edges(graph, from, to, data, n)
    }

    fn cuGraphNodeGetDependencies(node: u64, to: Out<u64>, n: Out<usize>) {
        neighbours(node, to, n, true)
    }

    fn cuGraphNodeGetDependencies_v2(node: u64, to: Out<u64>, data: Out<EdgeData>, n: Out<usize>) {
        let _ = data;
        neighbours(node, to, n, true)
    }

    fn cuGraphNodeGetDependentNodes(node: u64, to: Out<u64>, n: Out<usize>) {
        neighbours(node, to, n, false)
    }

    fn cuGraphNodeGetDependentNodes_v2(node: u64, to: Out<u64>, data: Out<EdgeData>, n: Out<usize>) {
        let _ = data;
        neighbours(node, to, n, false)
    }

    fn cuGraphAddDependencies(graph: u64, from: In<u64>, to: In<u64>, n: usize) {
        change_edges(graph, from, to, n, true)
    }

    fn cuGraphAddDependencies_v2(graph: u64, from: In<u64>, to: In<u64>, data: In<EdgeData>, n: usize) {
        let _ = data;
        change_edges(graph, from, to, n, true)
    }

    fn cuGraphRemoveDependencies(graph: u64, from: In<u64>, to: In<u64>, n: usize) {
        change_edges(graph, from, to, n, false)
    }

    fn cuGraphRemoveDependencies_v2(graph: u64, from: In<u64>, to: In<u64>, data: In<EdgeData>, n: usize) {
        let _ = data;
        change_edges(graph, from, to, n, false)
    }

    fn cuGraphDestroyNode(node: u64) {
        let (graph, idx) = find_node(node)?;
        let mut state = graph.state();
        state.runtime.remove(idx)?;
        state.info.remove(&idx);
        NODES.remove(node).map(drop)
    }

    fn cuGraphDebugDotPrint(graph: u64, path: In<c_char>, flags: u32) {
        let _ = flags;
        let graph = find(graph)?;
        let mut text = String::from("digraph dot {\n");
        {
            let state = graph.state();
            for idx in state.runtime.nodes() {
                text.push_str(&format!("  n{idx} [label=\"{:?}\"];\n", state.runtime.work(idx)?).replace("\"k", "'k"));
            }
            for (from, to) in state.runtime.edges() {
                text.push_str(&format!("  n{from} -> n{to};\n"));
            }
        }
        text.push_str("}\n");
        std::fs::write(path.text()?, text).map_err(|_| Status::OPERATING_SYSTEM)
    }
}
