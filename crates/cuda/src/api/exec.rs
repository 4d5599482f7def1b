//! Executable graphs: instantiating, launching, updating.

use crate::abi::{Copy3D, FillNodeParams, HostNodeParams, In, InstantiateParams, KernelNodeParams, KernelNodeParamsV1};
use crate::abi::{NodeParams, Out, UpdateInfo, entries};
use crate::api::graph::{self as nodes, COPY, FILL, HOST, KERNEL, RECORD, WAIT};
use crate::context;
use crate::graph::{Detail, EXECS, Exec, UpdateError};
use crate::status::{Result, Status};
use crate::stream::{self, Default};
use std::sync::Arc;
use vgpu_runtime::Work;

/// Free on launch, upload, device launch, node priorities.
const KNOWN_FLAGS: u64 = 15;
const FLAG_DEVICE_LAUNCH: u64 = 4;

fn instantiate(to: Out<u64>, graph: u64, flags: u64) -> Result<()> {
    to.check()?;
    let graph = nodes::find(graph)?;
    context::current()?;
    if flags & !KNOWN_FLAGS != 0 {
        return Err(Status::INVALID_VALUE);
    }
    if flags & FLAG_DEVICE_LAUNCH != 0 {
        return Err(Status::NOT_SUPPORTED);
    }
    to.set(Exec::create(&graph, flags)?)
}

fn find(exec: u64) -> Result<Arc<Exec>> {
    EXECS.find(exec).ok_or(Status::INVALID_VALUE)
}

fn set(exec: u64, node: u64, kind: u32, made: Result<nodes::Made>) -> Result<()> {
    find(exec)?.set(node, kind, made?.0)
}

fn launch(exec: u64, stream: u64, mode: Default) -> Result<()> {
    let exec = find(exec)?;
    let stream = stream::resolve(stream, mode)?;
    if let Some(capture) = stream.capture() {
        let child = exec.as_graph()?;
        return capture.add(&stream, Work::Nothing, Detail::Child(child)).map(drop);
    }
    exec.launch(&stream)
}

fn update(exec: u64, graph: u64) -> Result<std::result::Result<(), UpdateError>> {
    Ok(find(exec)?.update(&nodes::find(graph)?))
}

entries! {
    fn cuGraphInstantiate(to: Out<u64>, graph: u64, error_node: Out<u64>, log: Out<u8>, log_bytes: usize) {
        let _ = (error_node, log, log_bytes);
        instantiate(to, graph, 0)
    }

    fn cuGraphInstantiate_v2(to: Out<u64>, graph: u64, error_node: Out<u64>, log: Out<u8>, log_bytes: usize) {
        let _ = (error_node, log, log_bytes);
        instantiate(to, graph, 0)
    }

    fn cuGraphInstantiateWithFlags(to: Out<u64>, graph: u64, flags: u64) {
        instantiate(to, graph, flags)
    }

    fn cuGraphInstantiateWithParams | cuGraphInstantiateWithParams_ptsz [mode](
        to: Out<u64>, graph: u64, params: Out<InstantiateParams>
    ) {
        let _ = mode;
        let mut given = params.get()?;
        let made = instantiate(to, graph, given.flags);
        given.error_node = 0;
        given.result = u32::from(made.is_err());
        params.set(given)?;
        made
    }

    fn cuGraphExecDestroy(exec: u64) {
        EXECS.remove(exec).map(drop).map_err(|_| Status::INVALID_VALUE)
    }

    fn cuGraphExecGetFlags(exec: u64, flags: Out<u64>) {
        flags.set(find(exec)?.flags)
    }

    fn cuGraphLaunch | cuGraphLaunch_ptsz [mode](exec: u64, stream: u64) {
        launch(exec, stream, mode)
    }

    fn cuGraphUpload | cuGraphUpload_ptsz [mode](exec: u64, stream: u64) {
        find(exec)?;
        stream::resolve(stream, mode).map(drop)
    }

    fn cuGraphExecUpdate(exec: u64, graph: u64, error_node: Out<u64>, result: Out<u32>) {
        let updated = update(exec, graph)?;
        error_node.set_if_wanted(updated.err().map_or(0, |error| error.from));
        result.set_if_wanted(updated.err().map_or(0, |error| error.result));
        updated.map_err(|_| Status::GRAPH_EXEC_UPDATE_FAILURE)
    }

    fn cuGraphExecUpdate_v2(exec: u64, graph: u64, info: Out<UpdateInfo>) {
        let updated = update(exec, graph)?;
        let error = updated.err().unwrap_or(UpdateError { result: 0, node: 0, from: 0 });
        info.set_if_wanted(UpdateInfo { result: error.result, error_node: error.node, error_from_node: error.from });
        updated.map_err(|_| Status::GRAPH_EXEC_UPDATE_FAILURE)
    }

    fn cuGraphExecKernelNodeSetParams(exec: u64, node: u64, params: In<KernelNodeParamsV1>) {
        set(exec, node, KERNEL, nodes::kernel(&params.get()?, 0))
    }

    fn cuGraphExecKernelNodeSetParams_v2(exec: u64, node: u64, params: In<KernelNodeParams>) {
        let params = params.get()?;
        set(exec, node, KERNEL, nodes::kernel(&params.launch, params.kernel))
    }

    fn cuGraphExecMemcpyNodeSetParams(exec: u64, node: u64, params: In<Copy3D>, context: u64) {
        set(exec, node, COPY, nodes::copy(&params.get()?, &*context::given_or_current(context)?))
    }

    fn cuGraphExecMemsetNodeSetParams(exec: u64, node: u64, params: In<FillNodeParams>, context: u64) {
        set(exec, node, FILL, nodes::fill(&params.get()?, &*context::given_or_current(context)?))
    }

    fn cuGraphExecHostNodeSetParams(exec: u64, node: u64, params: In<HostNodeParams>) {
        set(exec, node, HOST, nodes::host(params.get()?))
    }

    fn cuGraphExecEventRecordNodeSetEvent(exec: u64, node: u64, event: u64) {
        set(exec, node, RECORD, nodes::record(event))
    }

    fn cuGraphExecEventWaitNodeSetEvent(exec: u64, node: u64, event: u64) {
        set(exec, node, WAIT, nodes::wait(event))
    }

    fn cuGraphExecNodeSetParams(exec: u64, node: u64, params: In<NodeParams>) {
        let params = params.get()?;
        let (made, _) = nodes::of_generic(&params, &*context::current()?)?;
        set(exec, node, params.kind, Ok(made))
    }

    fn cuGraphNodeSetEnabled(exec: u64, node: u64, enabled: u32) {
        find(exec)?.set_enabled(node, enabled != 0)
    }

    fn cuGraphNodeGetEnabled(exec: u64, node: u64, enabled: Out<u32>) {
        enabled.set(find(exec)?.is_enabled(node)?.into())
    }
}
