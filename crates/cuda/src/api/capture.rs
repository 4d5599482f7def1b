//! Stream capture.

use crate::abi::{EdgeData, In, Out, entries};
use crate::graph::{self, Capture, GRAPHS, Graph};
use crate::status::{Result, Status};
use crate::stream::{self, Default, Stream};
use std::cell::RefCell;
use std::sync::Arc;

const STATUS_NONE: u32 = 0;
const STATUS_ACTIVE: u32 = 1;
const STATUS_INVALIDATED: u32 = 2;

thread_local! {
    /// What `cuStreamGetCaptureInfo` gave out; good until the thread's next call of it.
    static ANSWER: RefCell<(Vec<u64>, Vec<EdgeData>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

fn status(capture: Option<&Arc<Capture>>) -> u32 {
    capture.map_or(STATUS_NONE, |capture| if capture.is_valid() { STATUS_ACTIVE } else { STATUS_INVALIDATED })
}

struct Wanted {
    status: Out<u32>,
    id: Out<u64>,
    graph: Out<u64>,
    nodes: Out<u64>,
    edges: Out<u64>,
    n: Out<usize>,
}

fn info(stream: u64, mode: Default, wanted: &Wanted) -> Result<()> {
    let stream = stream::resolve(stream, mode)?;
    wanted.status.check()?;
    let capture = stream.capture();
    wanted.status.set(status(capture.as_ref()))?;
    let Some(capture) = capture.filter(|capture| capture.is_valid()) else { return Ok(()) };
    wanted.id.set_if_wanted(capture.id);
    wanted.graph.set_if_wanted(capture.graph.handle());
    let tail = capture.tail(&stream).into_iter().map(|idx| capture.graph.handle_of(idx)).collect::<Result<Vec<_>>>()?;
    wanted.n.set_if_wanted(tail.len());
    let given = ANSWER.try_with(|answer| {
        let mut answer = answer.borrow_mut();
        let plain = EdgeData { from_port: 0, to_port: 0, kind: 0, reserved: [0; 5] };
        *answer = (tail.clone(), vec![plain; tail.len()]);
        wanted.nodes.set_if_wanted(answer.0.as_ptr() as u64);
        wanted.edges.set_if_wanted(answer.1.as_ptr() as u64);
    });
    given.map_err(|_| Status::DEINITIALIZED)
}

/// Adds to what the stream's next operation comes after, or replaces it for flag 1.
fn update(stream: &Arc<Stream>, nodes: In<u64>, n: usize, flags: u32) -> Result<()> {
    let capture = stream.capture().ok_or(Status::ILLEGAL_STATE)?;
    if flags > 1 {
        return Err(Status::INVALID_VALUE);
    }
    let nodes = capture.graph.numbers(&nodes.list(n)?)?;
    capture.set_tail(stream, &nodes, flags == 0);
    Ok(())
}

fn to_graph(stream: u64, graph: u64, nodes: In<u64>, n: usize, mode: u32, default: Default) -> Result<()> {
    let graph: Arc<Graph> = GRAPHS.get(graph).map_err(|_| Status::INVALID_VALUE)?;
    let nodes = graph.numbers(&nodes.list(n)?)?;
    Capture::begin(&stream::resolve(stream, default)?, mode, Some((graph, nodes)))
}

entries! {
    fn cuStreamBeginCapture | cuStreamBeginCapture_ptsz [mode](stream: u64) {
        Capture::begin(&stream::resolve(stream, mode)?, 0, None)
    }

    fn cuStreamBeginCapture_v2 | cuStreamBeginCapture_v2_ptsz [mode](stream: u64, capture_mode: u32) {
        Capture::begin(&stream::resolve(stream, mode)?, capture_mode, None)
    }

    fn cuStreamBeginCaptureToGraph | cuStreamBeginCaptureToGraph_ptsz [mode](
        stream: u64, graph: u64, nodes: In<u64>, edges: In<EdgeData>, n: usize, capture_mode: u32
    ) {
        let _ = edges;
        to_graph(stream, graph, nodes, n, capture_mode, mode)
    }

    fn cuStreamEndCapture | cuStreamEndCapture_ptsz [mode](stream: u64, to: Out<u64>) {
        let stream = stream::resolve(stream, mode)?;
        let capture = stream.capture().ok_or(Status::ILLEGAL_STATE)?;
        let graph = capture.end(&stream);
        to.set_if_wanted(graph.as_ref().map_or(0, |graph| graph.handle()));
        graph.map(drop)
    }

    fn cuStreamIsCapturing | cuStreamIsCapturing_ptsz [mode](stream: u64, to: Out<u32>) {
        to.set(status(stream::resolve(stream, mode)?.capture().as_ref()))
    }

    fn cuStreamGetCaptureInfo | cuStreamGetCaptureInfo_ptsz [mode](stream: u64, state: Out<u32>, id: Out<u64>) {
        let (graph, nodes, edges, n) = (Out::nowhere(), Out::nowhere(), Out::nowhere(), Out::nowhere());
        info(stream, mode, &Wanted { status: state, id, graph, nodes, edges, n })
    }

    fn cuStreamGetCaptureInfo_v2 | cuStreamGetCaptureInfo_v2_ptsz [mode](
        stream: u64, state: Out<u32>, id: Out<u64>, graph: Out<u64>, nodes: Out<u64>, n: Out<usize>
    ) {
        info(stream, mode, &Wanted { status: state, id, graph, nodes, edges: Out::nowhere(), n })
    }

    fn cuStreamGetCaptureInfo_v3 | cuStreamGetCaptureInfo_v3_ptsz [mode](
        stream: u64, state: Out<u32>, id: Out<u64>, graph: Out<u64>, nodes: Out<u64>, edges: Out<u64>, n: Out<usize>
    ) {
        info(stream, mode, &Wanted { status: state, id, graph, nodes, edges, n })
    }

    fn cuStreamUpdateCaptureDependencies | cuStreamUpdateCaptureDependencies_ptsz [mode](
        stream: u64, nodes: In<u64>, n: usize, flags: u32
    ) {
        update(&stream::resolve(stream, mode)?, nodes, n, flags)
    }

    fn cuStreamUpdateCaptureDependencies_v2 | cuStreamUpdateCaptureDependencies_v2_ptsz [mode](
        stream: u64, nodes: In<u64>, edges: In<EdgeData>, n: usize, flags: u32
    ) {
        let _ = edges;
        update(&stream::resolve(stream, mode)?, nodes, n, flags)
    }

    fn cuThreadExchangeStreamCaptureMode(mode: Out<u32>) {
        let new = mode.get()?;
        if new > 2 {
            return Err(Status::INVALID_VALUE);
        }
        mode.set(graph::exchange_mode(new))
    }
}
