//! Graphs, their nodes and executables, and stream capture.
//!
//! Model. A graph here is the runtime's graph plus what CUDA lets clients ask about each node. A node handle names a graph
//! and a number. An executable keeps one step per node, so that single nodes can be given new parameters. A *capture* is a graph
//! under construction with, for each stream that takes part, the nodes that its next operation comes after; a stream joins by
//! waiting for an event that was recorded in the capture.

use crate::abi::{Copy3D, FillNodeParams};
use crate::api::object;
use crate::context::Context;
use crate::driver::lock;
use crate::handle::{Kind, Table};
use crate::memory;
use crate::status::{Result, Status};
use crate::stream::{Event, Stream};
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::thread::ThreadId;
use vgpu_runtime::{Executable, GraphError, Work};

pub(crate) static GRAPHS: Table<Graph> = Table::new(Kind::Graph);
pub(crate) static NODES: Table<Node> = Table::new(Kind::Node);
pub(crate) static EXECS: Table<Exec> = Table::new(Kind::GraphExec);
static NEXT_CAPTURE: AtomicU64 = AtomicU64::new(1);
/// Captures that go on.
static CAPTURES: Mutex<Vec<Weak<Capture>>> = Mutex::new(Vec::new());
static N_CAPTURES: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// `CUstreamCaptureMode` of the thread: which captures forbid it calls that are unsafe in one.
    static MODE: Cell<u32> = const { Cell::new(GLOBAL) };
}

/// Gives the thread another mode; the old one.
pub(crate) fn exchange_mode(mode: u32) -> u32 {
    MODE.replace(mode)
}

/// Refuses a call that is unsafe while streams are captured (CUDA driver API, `cuStreamBeginCapture_v2`): one that may wait for
/// other work, or whose effect the captured work would not have. The captures that forbid it become invalid.
pub(crate) fn check_safe() -> Result<()> {
    if N_CAPTURES.load(Ordering::Acquire) == 0 {
        return Ok(());
    }
    let thread_mode = MODE.get();
    if thread_mode == RELAXED {
        return Ok(());
    }
    let own_thread = std::thread::current().id();
    let captures: Vec<_> = lock(&CAPTURES).iter().filter_map(Weak::upgrade).collect();
    let mut is_safe = true;
    for capture in captures {
        let is_own = capture.thread == own_thread && capture.mode != RELAXED;
        if is_own || thread_mode == GLOBAL && capture.mode == GLOBAL {
            capture.invalidate();
            is_safe = false;
        }
    }
    if is_safe { Ok(()) } else { Err(Status::STREAM_CAPTURE_UNSUPPORTED) }
}

impl From<GraphError> for Status {
    fn from(_: GraphError) -> Self {
        // All of them are the caller's wrong arguments.
        Self::INVALID_VALUE
    }
}

/// The parameters of a kernel node in memory that clients may look at.
#[derive(Debug)]
pub(crate) struct KernelDetail {
    pub(crate) function: u64,
    pub(crate) grid: [u32; 3],
    pub(crate) block: [u32; 3],
    pub(crate) shared_bytes: u32,
    /// Keeps the bytes that `pointers` lead to.
    pub(crate) _packed: Arc<[u8]>,
    pub(crate) pointers: Box<[u64]>,
}

/// What a node is, as clients see it.
#[derive(Clone, Debug)]
pub(crate) enum Detail {
    Kernel(Arc<KernelDetail>),
    Copy(Copy3D),
    Fill(FillNodeParams),
    Host {
        function: u64,
        data: u64,
    },
    Child(Arc<Graph>),
    Empty,
    Wait(u64),
    Record(u64),
    /// Memory that was there since the node was made; `id` tells it from later memory at the same address.
    Alloc {
        pointer: u64,
        bytes: u64,
        device: i32,
        id: u64,
    },
    Free(u64),
}

impl Detail {
    /// `CUgraphNodeType`.
    pub(crate) const fn kind(&self) -> u32 {
        match self {
            Self::Kernel(_) => 0,
            Self::Copy(_) => 1,
            Self::Fill(_) => 2,
            Self::Host { .. } => 3,
            Self::Child(_) => 4,
            Self::Empty => 5,
            Self::Wait(_) => 6,
            Self::Record(_) => 7,
            Self::Alloc { .. } => 10,
            Self::Free(_) => 11,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct NodeInfo {
    pub(crate) handle: u64,
    pub(crate) detail: Detail,
    /// The node that this one was cloned from.
    origin: u64,
}

/// What a node handle stands for.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) graph: Weak<Graph>,
    pub(crate) idx: usize,
}

#[derive(Debug, Default)]
pub(crate) struct GraphState {
    pub(crate) runtime: vgpu_runtime::Graph,
    pub(crate) info: HashMap<usize, NodeInfo>,
    /// References to user objects that it holds.
    pub(crate) objects: HashMap<u64, u64>,
}

/// A graph.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) handle: AtomicU64,
    pub(crate) state: Mutex<GraphState>,
}

impl Graph {
    /// An empty one, with a handle.
    pub(crate) fn create() -> Result<Arc<Self>> {
        let graph = Arc::new(Self::default());
        let handle = GRAPHS.insert_with(|_| Arc::clone(&graph))?;
        graph.handle.store(handle, Ordering::Relaxed);
        Ok(graph)
    }

    pub(crate) fn handle(&self) -> u64 {
        self.handle.load(Ordering::Relaxed)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, GraphState> {
        lock(&self.state)
    }

    /// Adds a node and gives its number.
    pub(crate) fn add(self: &Arc<Self>, work: Work, detail: Detail, after: &[usize]) -> Result<usize> {
        let mut state = self.state();
        let idx = state.runtime.add(work, after)?;
        let handle = NODES.insert(Node { graph: Arc::downgrade(self), idx })?;
        state.info.insert(idx, NodeInfo { handle, detail, origin: 0 });
        Ok(idx)
    }

    /// Adds a node after those with the given handles, and gives its handle.
    pub(crate) fn add_after(self: &Arc<Self>, work: Work, detail: Detail, after: &[u64]) -> Result<u64> {
        let after = self.numbers(after)?;
        let idx = self.add(work, detail, &after)?;
        self.handle_of(idx)
    }

    /// Numbers of nodes of this graph.
    pub(crate) fn numbers(self: &Arc<Self>, handles: &[u64]) -> Result<Vec<usize>> {
        let number = |handle: &u64| {
            let node = NODES.find(*handle).ok_or(Status::INVALID_VALUE)?;
            let own = node.graph.upgrade().is_some_and(|graph| Arc::ptr_eq(&graph, self));
            if own { Ok(node.idx) } else { Err(Status::INVALID_VALUE) }
        };
        handles.iter().map(number).collect()
    }

    pub(crate) fn handle_of(&self, idx: usize) -> Result<u64> {
        self.state().info.get(&idx).map(|info| info.handle).ok_or(Status::INVALID_VALUE)
    }

    /// A copy with nodes of its own; children are copied too.
    pub(crate) fn duplicate(self: &Arc<Self>) -> Result<Arc<Self>> {
        let copy = Self::create()?;
        let state = self.state();
        let objects = state.objects.clone();
        // A copy holds its own references; the objects live, because this graph holds some.
        objects.iter().try_for_each(|(object, n)| object::retain(*object, *n))?;
        let mut new = GraphState { runtime: state.runtime.clone(), info: HashMap::new(), objects };
        for (&idx, info) in &state.info {
            let detail = match &info.detail {
                Detail::Child(child) => Detail::Child(child.duplicate()?),
                // Its memory has one owner; CUDA does not copy such graphs either.
                Detail::Alloc { .. } => return Err(Status::NOT_SUPPORTED),
                detail => detail.clone(),
            };
            let handle = NODES.insert(Node { graph: Arc::downgrade(&copy), idx })?;
            new.info.insert(idx, NodeInfo { handle, detail, origin: info.handle });
        }
        drop(state);
        *copy.state() = new;
        Ok(copy)
    }

    /// The node of this graph that was copied from that one.
    pub(crate) fn copy_of(&self, original: u64) -> Result<u64> {
        let state = self.state();
        let found = state.info.values().find(|info| info.origin == original);
        found.map(|info| info.handle).ok_or(Status::INVALID_VALUE)
    }

    /// All work in order, children in the place of their node.
    pub(crate) fn steps(&self) -> Result<Vec<Step>> {
        let state = self.state();
        let order = state.runtime.order()?;
        let mut places = HashMap::new();
        let mut steps = Vec::with_capacity(order.len());
        for (place, idx) in order.into_iter().enumerate() {
            places.insert(idx, place);
            let info = &state.info[&idx];
            let mut after: Vec<usize> = state.runtime.before(idx)?.iter().map(|before| places[before]).collect();
            after.sort_unstable();
            let work = match &info.detail {
                Detail::Child(child) => Work::Sequence(child.steps()?.into_iter().map(|step| step.work).collect()),
                _ => state.runtime.work(idx)?.clone(),
            };
            steps.push(Step { node: info.handle, kind: info.detail.kind(), after, work, enabled: true });
        }
        Ok(steps)
    }

    /// Ends the handles of its nodes and children.
    fn end_handles(&self) {
        for info in self.state().info.values() {
            // Each was made with the node and is removed once.
            let _ = NODES.remove(info.handle);
            if let Detail::Child(child) = &info.detail {
                let _ = GRAPHS.remove(child.handle());
            }
        }
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        self.end_handles();
        for (object, n) in std::mem::take(&mut lock(&self.state).objects) {
            // The references are this graph's own.
            let _ = object::release(object, n);
        }
        for info in lock(&self.state).info.values() {
            if let Detail::Alloc { pointer, id, .. } = info.detail
                && memory::find(pointer).is_some_and(|allocation| allocation.id == id)
            {
                // Unless another thread frees it at this moment, it is there.
                let _ = memory::free_device(pointer);
            }
        }
    }
}

/// A step of an executable.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) node: u64,
    pub(crate) kind: u32,
    after: Vec<usize>,
    work: Work,
    enabled: bool,
}

/// An instantiated graph.
pub(crate) struct Exec {
    steps: Mutex<Vec<Step>>,
    executable: Executable,
    pub(crate) flags: u64,
    /// Steps were changed since it was made.
    is_changed: AtomicBool,
    /// What it was made from; keeps memory that alloc nodes made.
    graph: Arc<Graph>,
}

/// Why an update was refused: `CUgraphExecUpdateResult`, and the nodes it is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UpdateError {
    pub(crate) result: u32,
    pub(crate) node: u64,
    pub(crate) from: u64,
}

impl Exec {
    pub(crate) fn create(graph: &Arc<Graph>, flags: u64) -> Result<u64> {
        let steps = graph.steps()?;
        let own = |step: &Step| vgpu_runtime::Step { work: step.work.clone(), after: step.after.clone() };
        let executable = Executable::new(steps.iter().map(own).collect());
        EXECS.insert(Self {
            steps: Mutex::new(steps),
            executable,
            flags,
            is_changed: AtomicBool::new(false),
            graph: Arc::clone(graph),
        })
    }

    /// A copy of the graph it was made from, as long as it still does the same.
    pub(crate) fn as_graph(&self) -> Result<Arc<Graph>> {
        if self.is_changed.load(Ordering::Acquire) {
            return Err(Status::STREAM_CAPTURE_UNSUPPORTED);
        }
        self.graph.duplicate()
    }

    pub(crate) fn launch(&self, stream: &Arc<Stream>) -> Result<()> {
        stream.context()?.check()?;
        self.executable.launch(&stream.runtime)?;
        Ok(())
    }

    fn replace(&self, idx: usize, step: &mut Step, work: Work) {
        self.is_changed.store(true, Ordering::Release);
        step.work = work;
        let work = if step.enabled { step.work.clone() } else { Work::Nothing };
        self.executable.set_step(idx, work);
    }

    /// Gives the step of a node other work of the same kind.
    pub(crate) fn set(&self, node: u64, kind: u32, work: Work) -> Result<()> {
        let mut steps = lock(&self.steps);
        let idx = steps.iter().position(|step| step.node == node).ok_or(Status::INVALID_VALUE)?;
        if steps[idx].kind != kind {
            return Err(Status::INVALID_VALUE);
        }
        let step = &mut steps[idx];
        self.replace(idx, step, work);
        Ok(())
    }

    /// Switches a kernel, copy or fill node on or off.
    pub(crate) fn set_enabled(&self, node: u64, enabled: bool) -> Result<()> {
        let mut steps = lock(&self.steps);
        let idx = steps.iter().position(|step| step.node == node && step.kind <= 2).ok_or(Status::INVALID_VALUE)?;
        let step = &mut steps[idx];
        step.enabled = enabled;
        let work = step.work.clone();
        self.replace(idx, step, work);
        Ok(())
    }

    pub(crate) fn is_enabled(&self, node: u64) -> Result<bool> {
        let steps = lock(&self.steps);
        steps.iter().find(|step| step.node == node).map(|step| step.enabled).ok_or(Status::INVALID_VALUE)
    }

    /// Takes over the parameters of a graph of the same shape.
    pub(crate) fn update(&self, graph: &Arc<Graph>) -> std::result::Result<(), UpdateError> {
        const TOPOLOGY: u32 = 2;
        const KIND: u32 = 3;
        let failed = |result: u32, node: u64, from: u64| UpdateError { result, node, from };
        let new = graph.steps().map_err(|_| failed(1, 0, 0))?;
        let mut steps = lock(&self.steps);
        if new.len() != steps.len() {
            return Err(failed(TOPOLOGY, 0, 0));
        }
        for (old, new) in steps.iter().zip(&new) {
            if old.after != new.after {
                return Err(failed(TOPOLOGY, old.node, new.node));
            }
            if old.kind != new.kind {
                return Err(failed(KIND, old.node, new.node));
            }
        }
        for (idx, (old, new)) in steps.iter_mut().zip(new).enumerate() {
            self.replace(idx, old, new.work);
        }
        Ok(())
    }
}

/// A capture in progress.
pub(crate) struct Capture {
    pub(crate) id: u64,
    pub(crate) graph: Arc<Graph>,
    /// `CUstreamCaptureMode`; 2 is relaxed.
    mode: u32,
    /// The stream it began in.
    origin: u64,
    thread: ThreadId,
    state: Mutex<CaptureState>,
}

struct CaptureState {
    is_valid: bool,
    /// What the next operation of each stream comes after, by stream number.
    tails: HashMap<u64, Vec<usize>>,
    streams: Vec<Weak<Stream>>,
    context: Arc<Context>,
}

const GLOBAL: u32 = 0;
const RELAXED: u32 = 2;

impl Drop for Capture {
    fn drop(&mut self) {
        lock(&CAPTURES).retain(|capture| capture.strong_count() > 0);
        N_CAPTURES.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Capture {
    /// `cuStreamBeginCapture`.
    pub(crate) fn begin(stream: &Arc<Stream>, mode: u32, graph: Option<(Arc<Graph>, Vec<usize>)>) -> Result<()> {
        if mode > RELAXED {
            return Err(Status::INVALID_VALUE);
        }
        if stream.is_legacy() {
            return Err(Status::STREAM_CAPTURE_UNSUPPORTED);
        }
        if stream.capture().is_some() {
            return Err(Status::ILLEGAL_STATE);
        }
        let context = stream.context()?;
        context.check()?;
        let (graph, tail) = match graph {
            Some(given) => given,
            None => (Graph::create()?, Vec::new()),
        };
        let state = CaptureState {
            is_valid: true,
            tails: HashMap::from([(stream.id, tail)]),
            streams: vec![Arc::downgrade(stream)],
            context: Arc::clone(&context),
        };
        let capture = Arc::new(Self {
            id: NEXT_CAPTURE.fetch_add(1, Ordering::Relaxed),
            graph,
            mode,
            origin: stream.id,
            thread: std::thread::current().id(),
            state: Mutex::new(state),
        });
        lock(&CAPTURES).push(Arc::downgrade(&capture));
        N_CAPTURES.fetch_add(1, Ordering::AcqRel);
        if stream.is_blocking() {
            context.n_captures.fetch_add(1, Ordering::AcqRel);
        }
        stream.set_capture(Some(capture));
        Ok(())
    }

    pub(crate) fn is_valid(&self) -> bool {
        lock(&self.state).is_valid
    }

    pub(crate) fn invalidate(&self) {
        lock(&self.state).is_valid = false;
    }

    /// What the next operation of a stream comes after.
    pub(crate) fn tail(&self, stream: &Stream) -> Vec<usize> {
        lock(&self.state).tails.get(&stream.id).cloned().unwrap_or_default()
    }

    /// Replaces it, or adds to it.
    pub(crate) fn set_tail(&self, stream: &Stream, nodes: &[usize], add: bool) {
        let mut state = lock(&self.state);
        let tail = state.tails.entry(stream.id).or_default();
        if !add {
            tail.clear();
        }
        for &node in nodes {
            if !tail.contains(&node) {
                tail.push(node);
            }
        }
    }

    /// Adds an operation of a stream.
    pub(crate) fn add(&self, stream: &Stream, work: Work, detail: Detail) -> Result<usize> {
        let mut state = lock(&self.state);
        if !state.is_valid {
            return Err(Status::STREAM_CAPTURE_INVALIDATED);
        }
        let tail = state.tails.entry(stream.id).or_default();
        let idx = self.graph.add(work, detail, tail)?;
        *tail = vec![idx];
        Ok(idx)
    }

    /// An event is recorded: it stands for the stream's tail.
    pub(crate) fn record(self: &Arc<Self>, stream: &Stream, event: &Event) -> Result<()> {
        if !self.is_valid() {
            return Err(Status::STREAM_CAPTURE_INVALIDATED);
        }
        *lock(&event.captured) = Some((Arc::downgrade(self), self.tail(stream)));
        Ok(())
    }

    /// A stream waits for an event of this capture, and joins if it has not.
    pub(crate) fn join(self: &Arc<Self>, stream: &Arc<Stream>, nodes: &[usize]) -> Result<()> {
        if !self.is_valid() {
            return Err(Status::STREAM_CAPTURE_INVALIDATED);
        }
        if stream.is_legacy() {
            self.invalidate();
            return Err(Status::STREAM_CAPTURE_IMPLICIT);
        }
        if stream.capture().is_none() {
            if stream.is_blocking() {
                stream.context()?.n_captures.fetch_add(1, Ordering::AcqRel);
            }
            lock(&self.state).streams.push(Arc::downgrade(stream));
            stream.set_capture(Some(Arc::clone(self)));
        }
        self.set_tail(stream, nodes, true);
        Ok(())
    }

    /// `cuStreamEndCapture`.
    pub(crate) fn end(self: &Arc<Self>, stream: &Stream) -> Result<Arc<Graph>> {
        if stream.id != self.origin {
            self.invalidate();
            return Err(Status::STREAM_CAPTURE_UNMATCHED);
        }
        if self.mode != RELAXED && self.thread != std::thread::current().id() {
            return Err(Status::STREAM_CAPTURE_WRONG_THREAD);
        }
        let state = lock(&self.state);
        for member in state.streams.iter().filter_map(Weak::upgrade) {
            member.set_capture(None);
            if member.is_blocking() {
                state.context.n_captures.fetch_sub(1, Ordering::AcqRel);
            }
        }
        let own = state.tails.get(&self.origin).cloned().unwrap_or_default();
        let all: Vec<usize> = state.tails.values().flatten().copied().collect();
        let joined = self.graph.state().runtime.covers(&own, &all);
        if state.is_valid && joined {
            return Ok(Arc::clone(&self.graph));
        }
        // A graph of a failed capture is nobody's.
        let _ = GRAPHS.remove(self.graph.handle());
        Err(if state.is_valid { Status::STREAM_CAPTURE_UNJOINED } else { Status::STREAM_CAPTURE_INVALIDATED })
    }
}
