//! Streams: operations that run in order, asynchronously to the host.
//!
//! Model. A stream is *idle* or *busy*. Enqueuing on an idle stream starts the operation at once; on a busy one it waits in the queue.
//! Whoever ends an operation starts the next ([`StreamShared::advance`]), so an empty queue costs nobody anything. Launches and
//! host functions go to the pool; records and satisfied waits end on the spot. Operations of different streams run at the same time.
//! After a sticky error, launches, copies and host functions are skipped, while records and waits still happen, so that nobody
//! waits for ever.
//!
//! Locks: a stream's lock is taken before the pool's or an event's, never after, and never two streams' at once.

use crate::context::{Context, ContextShared};
use crate::error::Error;
use crate::event::{Event, Record};
use crate::exec::copy;
use crate::exec::scratch::Slot;
use crate::launch::Launch;
use crate::memory::DevicePtr;
use crate::pool::Job;
use crate::transfer::{Fill, Transfer};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a waiting thread spins before it sleeps.
const SPIN: Duration = Duration::from_micros(20);

/// An operation in a stream.
pub(crate) enum Operation {
    Launch(Arc<Launch>),
    /// A host function: a copy, a fill, a callback.
    Host(Box<dyn FnOnce() + Send>),
    /// A host function that a sticky error does not keep from being called.
    Always(Box<dyn FnOnce() + Send>),
    Record(Arc<Record>),
    Wait(Arc<Record>),
}

#[derive(Default)]
struct State {
    queue: VecDeque<Operation>,
    busy: bool,
    /// What runs on the pool now.
    current: Option<Arc<dyn Job>>,
    waiters: usize,
}

/// How a stream is ordered with others of its context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamClass {
    /// With none.
    #[default]
    Free,
    /// With the context's legacy stream.
    Blocking,
    /// With every blocking stream: CUDA's stream 0. A context has one.
    Legacy,
}

/// The part of a stream that its operations keep alive.
pub(crate) struct StreamShared {
    context: Arc<ContextShared>,
    class: StreamClass,
    priority: i32,
    state: Mutex<State>,
    idle: Condvar,
    /// Operations enqueued and not done.
    pending: AtomicUsize,
    /// Operations done.
    position: AtomicU64,
}

/// A host function as a job of one participant.
struct HostTask {
    function: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    taken: AtomicBool,
    stream: Arc<StreamShared>,
}

impl Job for HostTask {
    fn has_work(&self) -> bool {
        !self.taken.load(Ordering::Acquire)
    }

    fn max_participants(&self) -> u32 {
        1
    }

    fn priority(&self) -> i32 {
        self.stream.priority()
    }

    fn run(&self, _slot: &mut Slot) {
        self.taken.store(true, Ordering::Release);
        let function = self.function.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(function) = function {
            // A panic in the user's function must not take the worker with it; the hook has reported it.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(function));
        }
    }

    fn complete(&self) {
        self.stream.operation_done();
        self.stream.advance();
    }
}

impl StreamShared {
    pub(crate) fn new(context: Arc<ContextShared>, class: StreamClass, priority: i32) -> Arc<Self> {
        let (state, idle, pending) = (Mutex::default(), Condvar::new(), AtomicUsize::new(0));
        Arc::new(Self { context, class, priority, state, idle, pending, position: AtomicU64::new(0) })
    }

    pub(crate) const fn class(&self) -> StreamClass {
        self.class
    }

    /// Smaller is more urgent, as in CUDA.
    pub(crate) const fn priority(&self) -> i32 {
        self.priority
    }

    pub(crate) const fn context(&self) -> &Arc<ContextShared> {
        &self.context
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn position(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
    }

    pub(crate) fn set_position(&self, position: u64) {
        self.position.store(position, Ordering::Relaxed);
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.pending.load(Ordering::Acquire) == 0
    }

    /// Appends an operation behind what the stream's class orders it after, and starts it when the stream is idle.
    pub(crate) fn enqueue(self: &Arc<Self>, operation: Operation) {
        if self.class != StreamClass::Free {
            self.follow_others();
        }
        self.append(operation);
    }

    /// Makes later operations wait for what the other streams that this one is ordered with have now.
    fn follow_others(self: &Arc<Self>) {
        for other in self.others() {
            if !other.is_idle() {
                let record = Arc::<Record>::default();
                other.append(Operation::Record(Arc::clone(&record)));
                self.append(Operation::Wait(record));
            }
        }
    }

    /// The streams that this one is ordered with.
    fn others(&self) -> Vec<Arc<Self>> {
        match self.class {
            StreamClass::Free => Vec::new(),
            StreamClass::Blocking => self.context.legacy_stream().into_iter().collect(),
            StreamClass::Legacy => self.context.blocking_streams(),
        }
    }

    /// Appends an operation and starts it when the stream is idle.
    fn append(self: &Arc<Self>, operation: Operation) {
        self.context.operation_begun();
        self.pending.fetch_add(1, Ordering::AcqRel);
        let mut state = self.lock();
        if state.busy {
            state.queue.push_back(operation);
            return;
        }
        state.busy = true;
        drop(state);
        if self.begin(operation) {
            self.operation_done();
            self.advance();
        }
    }

    /// Starts operations from the queue until one takes time or none is left. Called when an operation has ended.
    pub(crate) fn advance(self: &Arc<Self>) {
        loop {
            let mut state = self.lock();
            state.current = None;
            let Some(operation) = state.queue.pop_front() else {
                state.busy = false;
                if state.waiters > 0 {
                    self.idle.notify_all();
                }
                return;
            };
            drop(state);
            if !self.begin(operation) {
                return;
            }
            self.operation_done();
        }
    }

    /// An operation has ended; its effects are visible to who sees the counter.
    pub(crate) fn operation_done(&self) {
        self.position.fetch_add(1, Ordering::Relaxed);
        self.pending.fetch_sub(1, Ordering::AcqRel);
        self.context.operation_done();
    }

    /// Starts an operation; true when it has ended already.
    fn begin(self: &Arc<Self>, operation: Operation) -> bool {
        match operation {
            Operation::Record(record) => {
                record.complete();
                true
            }
            Operation::Wait(record) => !record.hold(self),
            Operation::Launch(_) | Operation::Host(_) if self.context.has_failed() => true,
            Operation::Launch(launch) => {
                self.lock().current = Some(Arc::clone(&launch) as Arc<dyn Job>);
                launch.start();
                false
            }
            Operation::Host(function) | Operation::Always(function) => {
                let task = Arc::new(HostTask {
                    function: Mutex::new(Some(function)),
                    taken: AtomicBool::new(false),
                    stream: Arc::clone(self),
                });
                self.lock().current = Some(Arc::clone(&task) as Arc<dyn Job>);
                self.context.device().pool().publish(task);
                false
            }
        }
    }

    /// Waits until all operations enqueued so far have ended, helping with them meanwhile.
    pub(crate) fn wait_idle(&self) {
        let mut spinning_since = None;
        while !self.is_idle() {
            let current = self.lock().current.clone();
            if let Some(job) = current
                && self.context.device().pool().help(&job)
            {
                spinning_since = None;
                continue;
            }
            let since = *spinning_since.get_or_insert_with(Instant::now);
            if since.elapsed() < SPIN {
                for _ in 0..32 {
                    std::hint::spin_loop();
                }
                continue;
            }
            let mut state = self.lock();
            state.waiters += 1;
            while state.busy {
                state = self.idle.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.waiters -= 1;
            spinning_since = None;
        }
    }
}

/// See the module header. Clones are the same stream.
#[derive(Clone)]
pub struct Stream {
    pub(crate) shared: Arc<StreamShared>,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("pending", &self.shared.pending.load(Ordering::Relaxed)).finish()
    }
}

impl Stream {
    /// The context it belongs to.
    pub fn context(&self) -> Context {
        Context::from_shared(Arc::clone(self.shared.context()))
    }

    /// True when nothing is enqueued or running; for a legacy stream, also in the streams it is ordered with.
    pub fn is_idle(&self) -> bool {
        self.shared.is_idle()
            && (self.shared.class != StreamClass::Legacy || self.shared.others().iter().all(|other| other.is_idle()))
    }

    /// Operations that it has ended since it was made; a restored stream goes on from where it was saved.
    pub fn position(&self) -> u64 {
        self.shared.position()
    }

    /// How it is ordered with other streams.
    pub fn class(&self) -> StreamClass {
        self.shared.class()
    }

    /// Its priority; smaller is more urgent.
    pub fn priority(&self) -> i32 {
        self.shared.priority()
    }

    /// Copies, in order with the stream's other operations. A host address that turns out not to be mapped becomes the
    /// context's error.
    ///
    /// # Errors
    /// The context's sticky error; [`Error::InvalidAddress`].
    pub fn transfer(&self, transfer: &Transfer) -> Result<(), Error> {
        let context = Arc::clone(self.shared.context());
        let pinned = transfer.pin(&context)?;
        self.host_function(move || pinned.run().unwrap_or_else(|error| context.fail(error)))
    }

    /// Waits for the stream, then copies on the calling thread.
    ///
    /// # Errors
    /// The context's sticky error; [`Error::InvalidAddress`]; [`Error::HostAddress`].
    pub fn transfer_now(&self, transfer: &Transfer) -> Result<(), Error> {
        let pinned = transfer.pin(self.shared.context())?;
        self.wait_for_order()?;
        pinned.run()
    }

    /// Waits for the stream, then fills on the calling thread.
    ///
    /// # Errors
    /// As [`Self::transfer_now`].
    pub fn fill_now(&self, fill: &Fill) -> Result<(), Error> {
        let pinned = fill.pin(self.shared.context())?;
        self.wait_for_order()?;
        pinned.run()
    }

    /// Waits for all that an operation enqueued now would wait for.
    fn wait_for_order(&self) -> Result<(), Error> {
        self.shared.wait_idle();
        self.shared.others().iter().for_each(|other| other.wait_idle());
        self.shared.context().flush_print();
        self.shared.context().check()
    }

    /// True when an operation enqueued now would start at once.
    pub fn is_clear(&self) -> bool {
        self.shared.is_idle() && self.shared.others().iter().all(|other| other.is_idle())
    }

    /// Fills, in order with the stream's other operations.
    ///
    /// # Errors
    /// As [`Self::transfer`].
    pub fn fill_rows(&self, fill: &Fill) -> Result<(), Error> {
        let context = Arc::clone(self.shared.context());
        let pinned = fill.pin(&context)?;
        self.host_function(move || pinned.run().unwrap_or_else(|error| context.fail(error)))
    }

    /// Waits until everything enqueued so far is done. The calling thread helps to run it.
    ///
    /// # Errors
    /// The context's sticky error.
    pub fn synchronize(&self) -> Result<(), Error> {
        self.shared.wait_idle();
        if self.shared.class == StreamClass::Legacy {
            self.shared.others().iter().for_each(|other| other.wait_idle());
        }
        self.shared.context().flush_print();
        self.shared.context().check()
    }

    /// Records `event` when everything enqueued so far is done.
    ///
    /// # Errors
    /// The context's sticky error.
    pub fn record(&self, event: &Event) -> Result<(), Error> {
        self.shared.context().check()?;
        self.shared.enqueue(Operation::Record(event.begin()));
        Ok(())
    }

    /// Makes later operations wait until the event's latest record is complete.
    ///
    /// # Errors
    /// The context's sticky error.
    pub fn wait(&self, event: &Event) -> Result<(), Error> {
        self.shared.context().check()?;
        if let Some(record) = event.latest() {
            self.shared.enqueue(Operation::Wait(record));
        }
        Ok(())
    }

    /// Calls `function` on a worker thread when everything enqueued so far is done. It must not wait for this device.
    ///
    /// # Errors
    /// The context's sticky error.
    pub fn host_function(&self, function: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        self.shared.context().check()?;
        self.shared.enqueue(Operation::Host(Box::new(function)));
        Ok(())
    }

    /// Calls `function` on a worker thread when everything enqueued so far is done, also when the context has failed.
    pub fn after_all(&self, function: impl FnOnce() + Send + 'static) {
        self.shared.enqueue(Operation::Always(Box::new(function)));
    }

    /// Copies host data to the device, in order with the stream's other operations.
    ///
    /// # Errors
    /// The context's sticky error; [`Error::InvalidAddress`].
    pub fn copy_to_device(&self, to: DevicePtr, from: impl AsRef<[u8]> + Send + 'static) -> Result<(), Error> {
        let bytes = from.as_ref().len() as u64;
        let context = Arc::clone(self.shared.context());
        let to = context.pin(to, bytes)?;
        self.host_function(move || copy::to_device(&to, from.as_ref()).unwrap_or_else(|error| context.fail(error)))
    }

    /// Copies device memory to the host when everything enqueued so far is done, and hands the bytes to `then`.
    ///
    /// # Errors
    /// The context's sticky error; [`Error::InvalidAddress`].
    pub fn copy_to_host(
        &self,
        from: DevicePtr,
        bytes: u64,
        then: impl FnOnce(Vec<u8>) + Send + 'static,
    ) -> Result<(), Error> {
        let context = Arc::clone(self.shared.context());
        let from = context.pin(from, bytes)?;
        self.host_function(move || {
            let mut data = vec![0; bytes as usize];
            match copy::from_device(&mut data, &from) {
                Ok(()) => then(data),
                Err(error) => context.fail(error),
            }
        })
    }

    /// Copies within device memory, in order with the stream's other operations. The ranges may overlap.
    ///
    /// # Errors
    /// The context's sticky error; [`Error::InvalidAddress`].
    pub fn copy_within_device(&self, to: DevicePtr, from: DevicePtr, bytes: u64) -> Result<(), Error> {
        let context = Arc::clone(self.shared.context());
        let (to, from) = (context.pin(to, bytes)?, context.pin(from, bytes)?);
        self.host_function(move || copy::within_device(&to, &from).unwrap_or_else(|error| context.fail(error)))
    }

    /// Fills device memory with a repeated pattern of 1, 2 or 4 bytes, in order with the stream's other operations.
    ///
    /// # Errors
    /// The context's sticky error; [`Error::InvalidAddress`].
    pub fn fill(&self, to: DevicePtr, bytes: u64, pattern: &[u8]) -> Result<(), Error> {
        let context = Arc::clone(self.shared.context());
        let to = context.pin(to, bytes)?;
        let pattern = pattern.to_vec();
        self.host_function(move || copy::fill(&to, &pattern).unwrap_or_else(|error| context.fail(error)))
    }
}
