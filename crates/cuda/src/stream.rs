//! Streams and events as clients hold them.
//!
//! Model. Stream 0 means the context's legacy stream or the thread's own, depending on which form of a function was
//! called ([`Default`]); 1 and 2 name them outright. The legacy stream and the blocking ones are ordered with each other by
//! the runtime.

use crate::context::{self, Context};
use crate::driver::lock;
use crate::graph::Capture;
use crate::handle::{Kind, Table};
use crate::status::{Result, Status};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use vgpu_runtime::StreamClass;

/// What stream 0 is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Default {
    Legacy,
    PerThread,
}

/// `CU_STREAM_LEGACY`.
pub(crate) const LEGACY: u64 = 1;
/// `CU_STREAM_PER_THREAD`.
pub(crate) const PER_THREAD: u64 = 2;
/// `CU_STREAM_NON_BLOCKING`.
pub(crate) const NON_BLOCKING: u32 = 1;

/// Priorities, greatest and least; smaller is more urgent.
pub(crate) const PRIORITIES: (i32, i32) = (-5, 0);

pub(crate) static STREAMS: Table<Stream> = Table::new(Kind::Stream);
pub(crate) static EVENTS: Table<Event> = Table::new(Kind::Event);
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A stream.
pub(crate) struct Stream {
    pub(crate) runtime: vgpu_runtime::Stream,
    context: Weak<Context>,
    pub(crate) context_id: u64,
    pub(crate) flags: u32,
    pub(crate) id: u64,
    is_capturing: AtomicBool,
    capture: Mutex<Option<Arc<Capture>>>,
}

impl Stream {
    fn new(context: &Weak<Context>, context_id: u64, runtime: vgpu_runtime::Stream, flags: u32) -> Self {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let (is_capturing, capture) = (AtomicBool::new(false), Mutex::new(None));
        Self { runtime, context: Weak::clone(context), context_id, flags, id, is_capturing, capture }
    }

    /// The capture that it takes part in.
    pub(crate) fn capture(&self) -> Option<Arc<Capture>> {
        if !self.is_capturing.load(Ordering::Acquire) {
            return None;
        }
        lock(&self.capture).clone()
    }

    pub(crate) fn set_capture(&self, capture: Option<Arc<Capture>>) {
        self.is_capturing.store(capture.is_some(), Ordering::Release);
        *lock(&self.capture) = capture;
    }

    pub(crate) fn is_blocking(&self) -> bool {
        self.runtime.class() == StreamClass::Blocking
    }

    /// The legacy or a thread's stream.
    pub(crate) fn special(context: &Weak<Context>, context_id: u64, runtime: vgpu_runtime::Stream) -> Arc<Self> {
        Arc::new(Self::new(context, context_id, runtime, 0))
    }

    /// The context it belongs to, unless that has ended.
    pub(crate) fn context(&self) -> Result<Arc<Context>> {
        let context = self.context.upgrade().filter(|context| !context.is_destroyed());
        context.ok_or(Status::CONTEXT_IS_DESTROYED)
    }

    /// Waits for it.
    pub(crate) fn synchronize(&self) -> Result<()> {
        // The context tells the person what went wrong.
        let _ = self.runtime.synchronize();
        self.context()?.check()
    }

    pub(crate) fn is_legacy(&self) -> bool {
        self.runtime.class() == StreamClass::Legacy
    }
}

/// `cuStreamCreateWithPriority`.
pub(crate) fn create(flags: u32, priority: i32) -> Result<u64> {
    if flags & !NON_BLOCKING != 0 {
        return Err(Status::INVALID_VALUE);
    }
    let context = context::healthy()?;
    let class = if flags & NON_BLOCKING != 0 { StreamClass::Free } else { StreamClass::Blocking };
    let runtime = context.runtime.create_stream_with(class, priority.clamp(PRIORITIES.0, PRIORITIES.1));
    STREAMS.insert(Stream::new(&Arc::downgrade(&context), context.id, runtime, flags))
}

/// The stream of a handle.
pub(crate) fn resolve(handle: u64, default: Default) -> Result<Arc<Stream>> {
    match (handle, default) {
        (LEGACY, _) | (0, Default::Legacy) => Ok(Arc::clone(&context::current()?.legacy)),
        (PER_THREAD, _) | (0, Default::PerThread) => Ok(context::current()?.per_thread_stream()),
        _ => STREAMS.get(handle),
    }
}

/// An event.
pub(crate) struct Event {
    pub(crate) runtime: vgpu_runtime::Event,
    pub(crate) context: Weak<Context>,
    pub(crate) context_id: u64,
    pub(crate) flags: u32,
    pub(crate) handle: u64,
    /// When it was last recorded in a capture: which, and the nodes it stands for.
    pub(crate) captured: Mutex<Option<(Weak<Capture>, Vec<usize>)>>,
}

/// `CU_EVENT_DISABLE_TIMING`.
pub(crate) const DISABLE_TIMING: u32 = 2;
/// `CU_EVENT_INTERPROCESS`.
pub(crate) const INTERPROCESS: u32 = 4;

/// `cuEventCreate`.
pub(crate) fn create_event(flags: u32) -> Result<u64> {
    if flags & !7 != 0 || flags & INTERPROCESS != 0 && flags & DISABLE_TIMING == 0 {
        return Err(Status::INVALID_VALUE);
    }
    if flags & INTERPROCESS != 0 {
        return Err(Status::NOT_SUPPORTED);
    }
    let context = context::healthy()?;
    let runtime = vgpu_runtime::Event::new();
    let (context, context_id) = (Arc::downgrade(&context), context.id);
    EVENTS.insert_with(|handle| {
        Arc::new(Event { runtime, context, context_id, flags, handle, captured: Mutex::new(None) })
    })
}

/// The streams and events of a context end.
pub(crate) fn forget_context(id: u64) {
    STREAMS.remove_all(|stream| stream.context_id == id);
    EVENTS.remove_all(|event| event.context_id == id);
}
