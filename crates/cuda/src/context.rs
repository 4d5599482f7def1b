//! Contexts: which one a thread works in, and what ends with one.
//!
//! Model. A thread has a stack of contexts; the top is current. A destroyed context stays on the stacks of other threads and
//! refuses there. A primary context that was released or reset and is retained again is a new one; a thread that still has
//! the old one on top goes on with the new one.

use crate::driver::{self, Ordinal, lock};
use crate::handle::{Kind, Table};
use crate::log;
use crate::memory;
use crate::module;
use crate::status::{Result, Status};
use crate::stream::{self, Stream};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use vgpu_runtime::StreamClass;

pub(crate) static CONTEXTS: Table<Context> = Table::new(Kind::Context);
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// Flags of `cuCtxCreate` that are known.
pub(crate) const KNOWN_FLAGS: u32 = 0xff;

/// A context.
pub(crate) struct Context {
    pub(crate) handle: u64,
    pub(crate) id: u64,
    pub(crate) ordinal: &'static Ordinal,
    pub(crate) runtime: vgpu_runtime::Context,
    pub(crate) is_primary: bool,
    pub(crate) flags: AtomicU32,
    destroyed: AtomicBool,
    told: AtomicBool,
    pub(crate) legacy: Arc<Stream>,
    /// Blocking streams that are being captured: the legacy stream must not be used meanwhile.
    pub(crate) n_captures: AtomicUsize,
    /// Contexts whose memory this one may use.
    pub(crate) peers: Mutex<Vec<u64>>,
    /// Limits that are remembered and have no effect.
    pub(crate) limits: Mutex<HashMap<u32, u64>>,
}

thread_local! {
    static STACK: RefCell<Vec<Arc<Context>>> = const { RefCell::new(Vec::new()) };
    static PER_THREAD: RefCell<HashMap<u64, Arc<Stream>>> = RefCell::default();
}

impl Context {
    fn new(handle: u64, ordinal: &'static Ordinal, flags: u32, is_primary: bool) -> Arc<Self> {
        let runtime = vgpu_runtime::Context::new(&ordinal.device);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Arc::new_cyclic(|context: &Weak<Self>| {
            let legacy = runtime.create_stream_with(StreamClass::Legacy, 0);
            Self {
                handle,
                id,
                ordinal,
                legacy: Stream::special(context, id, legacy),
                n_captures: AtomicUsize::new(0),
                runtime,
                is_primary,
                flags: AtomicU32::new(flags),
                destroyed: AtomicBool::new(false),
                told: AtomicBool::new(false),
                peers: Mutex::default(),
                limits: Mutex::default(),
            }
        })
    }

    pub(crate) fn is_destroyed(&self) -> bool {
        self.destroyed.load(Ordering::Acquire)
    }

    /// The sticky error of a kernel that went wrong; told once to the person at the terminal.
    pub(crate) fn check(&self) -> Result<()> {
        let Some(error) = self.runtime.error() else { return Ok(()) };
        if !self.told.swap(true, Ordering::AcqRel) {
            log::problem(&error.to_string());
        }
        Err(error.into())
    }

    /// The calling thread's own default stream.
    pub(crate) fn per_thread_stream(self: &Arc<Self>) -> Arc<Stream> {
        let found = PER_THREAD.try_with(|streams| {
            let mut streams = streams.borrow_mut();
            let stream = streams.entry(self.id).or_insert_with(|| {
                let runtime = self.runtime.create_stream_with(StreamClass::Blocking, 0);
                Stream::special(&Arc::downgrade(self), self.id, runtime)
            });
            Arc::clone(stream)
        });
        // A thread that is ending has no stream of its own any more.
        found.unwrap_or_else(|_| Arc::clone(&self.legacy))
    }

    /// Ends it: waits for its work, gives back what it owns.
    fn destroy(&self) {
        if self.destroyed.swap(true, Ordering::AcqRel) {
            return;
        }
        // What went wrong in it ends with it.
        let _ = self.runtime.synchronize();
        // Other threads' streams of this context end with their threads.
        let _ = PER_THREAD.try_with(|streams| streams.borrow_mut().remove(&self.id));
        stream::forget_context(self.id);
        module::forget_context(self.id);
        memory::forget_context(self.id);
    }
}

/// Makes a context and pushes it.
pub(crate) fn create(device: i32, flags: u32) -> Result<Arc<Context>> {
    if flags & !KNOWN_FLAGS != 0 {
        return Err(Status::INVALID_VALUE);
    }
    let ordinal = driver::ordinal(device)?;
    let handle = CONTEXTS.insert_with(|handle| Context::new(handle, ordinal, flags, false))?;
    let context = CONTEXTS.get(handle)?;
    push(Arc::clone(&context))?;
    Ok(context)
}

/// `cuCtxDestroy`: not for primary contexts.
pub(crate) fn destroy(handle: u64) -> Result<()> {
    let context = find(handle)?;
    if context.is_primary {
        return Err(Status::INVALID_CONTEXT);
    }
    CONTEXTS.remove(handle).map_err(|_| Status::INVALID_CONTEXT)?;
    with_stack(|stack| {
        if stack.last().is_some_and(|top| Arc::ptr_eq(top, &context)) {
            stack.pop();
        }
    })?;
    context.destroy();
    Ok(())
}

/// The live context of a handle.
pub(crate) fn find(handle: u64) -> Result<Arc<Context>> {
    CONTEXTS.find(handle).filter(|context| !context.is_destroyed()).ok_or(Status::INVALID_CONTEXT)
}

/// Runs on the thread's stack. Destructors of a process that ends come after it is gone: then the driver shuts down.
fn with_stack<T>(run: impl FnOnce(&mut Vec<Arc<Context>>) -> T) -> Result<T> {
    STACK.try_with(|stack| run(&mut stack.borrow_mut())).map_err(|_| Status::DEINITIALIZED)
}

pub(crate) fn push(context: Arc<Context>) -> Result<()> {
    with_stack(|stack| stack.push(context))
}

pub(crate) fn pop() -> Result<Arc<Context>> {
    with_stack(Vec::pop)?.ok_or(Status::INVALID_CONTEXT)
}

/// Replaces the top of the thread's stack; `None` takes it away.
pub(crate) fn set_current(context: Option<Arc<Context>>) -> Result<()> {
    with_stack(|stack| {
        stack.pop();
        stack.extend(context);
    })
}

/// What is on top, be it alive or not.
pub(crate) fn top() -> Result<Option<Arc<Context>>> {
    let Some(context) = with_stack(|stack| stack.last().cloned())? else { return Ok(None) };
    if !context.is_destroyed() || !context.is_primary {
        return Ok(Some(context));
    }
    let renewed = lock(&context.ordinal.primary).context.clone();
    let Some(renewed) = renewed else { return Ok(Some(context)) };
    set_current(Some(Arc::clone(&renewed)))?;
    Ok(Some(renewed))
}

/// The calling thread's current context.
pub(crate) fn current() -> Result<Arc<Context>> {
    let context = top()?.ok_or(Status::INVALID_CONTEXT)?;
    if context.is_destroyed() { Err(Status::CONTEXT_IS_DESTROYED) } else { Ok(context) }
}

/// The current context without a sticky error.
pub(crate) fn healthy() -> Result<Arc<Context>> {
    let context = current()?;
    context.check()?;
    Ok(context)
}

/// The context of a handle, or the current one for 0.
pub(crate) fn given_or_current(handle: u64) -> Result<Arc<Context>> {
    if handle == 0 { current() } else { find(handle) }
}

/// `cuDevicePrimaryCtxRetain`.
pub(crate) fn retain_primary(device: i32) -> Result<Arc<Context>> {
    let ordinal = driver::ordinal(device)?;
    let mut primary = lock(&ordinal.primary);
    let context = match &primary.context {
        Some(context) => Arc::clone(context),
        None => {
            let flags = primary.flags;
            let handle = CONTEXTS.insert_with(|handle| Context::new(handle, ordinal, flags, true))?;
            let context = CONTEXTS.get(handle)?;
            primary.context = Some(Arc::clone(&context));
            context
        }
    };
    primary.n_retains += 1;
    Ok(context)
}

/// `cuDevicePrimaryCtxRelease`; `all` is a reset.
pub(crate) fn release_primary(device: i32, all: bool) -> Result<()> {
    let ordinal = driver::ordinal(device)?;
    let mut primary = lock(&ordinal.primary);
    if primary.context.is_none() {
        return if all { Ok(()) } else { Err(Status::INVALID_CONTEXT) };
    }
    primary.n_retains = primary.n_retains.saturating_sub(1);
    if !all && primary.n_retains > 0 {
        return Ok(());
    }
    let ended = primary.context.take();
    if all {
        primary.n_retains = 0;
    }
    drop(primary);
    if let Some(context) = ended {
        // It was inserted when it was made and is removed only here.
        let _ = CONTEXTS.remove(context.handle);
        context.destroy();
    }
    Ok(())
}
