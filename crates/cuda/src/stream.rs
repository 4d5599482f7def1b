//! Streams and events as clients hold them.
//!
//! Model. Stream 0 means the context's legacy stream or the thread's own, depending on which form of a function was
//! called ([`Default`]); 1 and 2 name them outright. The legacy stream and the blocking ones are ordered with each other by
//! the runtime.

use crate::context::{self, Context};
use crate::handle::{Kind, Table};
use crate::status::{Result, Status};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
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
}

impl Stream {
    /// The legacy or a thread's stream.
    pub(crate) fn special(context: &Weak<Context>, context_id: u64, runtime: vgpu_runtime::Stream) -> Arc<Self> {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { runtime, context: Weak::clone(context), context_id, flags: 0, id })
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
    let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    STREAMS.insert(Stream { runtime, context: Arc::downgrade(&context), context_id: context.id, flags, id })
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
    EVENTS.insert(Event { runtime, context: Arc::downgrade(&context), context_id: context.id, flags })
}

/// The streams and events of a context end.
pub(crate) fn forget_context(id: u64) {
    STREAMS.remove_all(|stream| stream.context_id == id);
    EVENTS.remove_all(|event| event.context_id == id);
}
