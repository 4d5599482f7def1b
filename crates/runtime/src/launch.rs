//! One launch: a kernel's code, parameters and grid, shared by the threads that run its blocks.
//!
//! Model. A launch is created when it is enqueued, published to the pool when its stream reaches it, and completed by the last
//! thread that leaves it. Threads claim ranges of linear block indices in rising order, so that a block that waits for an
//! earlier one (decoupled look-back) always waits for a block that somebody runs. The size of a claim adapts to the time
//! blocks take: near [`CLAIM_TIME`], and small near the end. The first failure stops the launch and becomes the context's error.

use crate::error::Error;
use crate::exec::block::{self, BlockSource};
use crate::exec::code::Code;
use crate::exec::frame::{Cause, Failure, LaunchFrame, Participants};
use crate::exec::resident::{self, Residents};
use crate::exec::scratch::Slot;
use crate::exec::services::HostServices;
use crate::memory::DevicePtr;
use crate::module::ModuleShared;
use crate::pool::Job;
use crate::split::Split;
use crate::stream::StreamShared;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use vgpu_turns::Turn;
use vgpu_types::Dim3;

/// Shape and options of a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaunchConfig {
    /// Blocks.
    pub grid: Dim3,
    /// Threads per block.
    pub block: Dim3,
    /// Bytes of dynamic shared memory per block.
    pub dynamic_shared_bytes: u32,
    /// All blocks are resident and may synchronise with each other.
    pub cooperative: bool,
    /// The same bits on every run and any number of workers, also where float atomics make the result depend on the order of blocks.
    pub deterministic: bool,
    /// Ends the launch with an error when it runs longer; `None` for the context's default.
    pub timeout: Option<Duration>,
}

impl LaunchConfig {
    /// A plain launch.
    pub fn new(grid: impl Into<Dim3>, block: impl Into<Dim3>) -> Self {
        Self {
            grid: grid.into(),
            block: block.into(),
            dynamic_shared_bytes: 0,
            cooperative: false,
            deterministic: false,
            timeout: None,
        }
    }

    /// The same with dynamic shared memory.
    pub const fn shared(mut self, bytes: u32) -> Self {
        self.dynamic_shared_bytes = bytes;
        self
    }

    /// The same as a cooperative launch.
    pub const fn cooperative(mut self) -> Self {
        self.cooperative = true;
        self
    }

    /// The same, deterministic.
    pub const fn deterministic(mut self) -> Self {
        self.deterministic = true;
        self
    }

    /// The same with a time limit.
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }
}

/// Time that a claimed range of blocks should take.
const CLAIM_TIME: Duration = Duration::from_micros(20);

/// Largest claim.
const MAX_CLAIM: u64 = 4096;

/// What a cooperative launch has besides.
pub(crate) struct Cooperation {
    pub(crate) residents: Residents,
    /// CUDA's grid workspace `{ size, barrier }`; its address is `%envreg1/2`.
    pub(crate) workspace: Box<[AtomicU32; 2]>,
}

/// See the module header.
pub(crate) struct Launch {
    pub(crate) kernel_name: Arc<str>,
    pub(crate) code: Arc<Code>,
    pub(crate) frame: LaunchFrame,
    /// Keeps the variables' memory.
    module: Arc<ModuleShared>,
    pub(crate) stream: Arc<StreamShared>,
    pub(crate) total: u64,
    pub(crate) in_order: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) cooperation: Option<Cooperation>,
    split: Option<Split>,
    /// Blocks go from barrier to barrier together, because their data does not fit into the memory budget.
    in_step: bool,
    /// What to bring when the launch starts: addresses and sizes. It fits unless blocks go in step.
    fetch: Vec<(u64, u64)>,
    next: AtomicU64,
    /// When the first block began, on the clock of traces; 0 before.
    began_ns: AtomicU64,
    /// Where it was submitted, when the process is traced.
    note: Option<vgpu_trace::Note>,
    timed_out: AtomicBool,
    participants: Participants,
    /// For the watchdog, when it must take participants out of endless code.
    itself: Weak<Self>,
    failure: Mutex<Option<Error>>,
    assertion: Mutex<Option<String>>,
}

/// What [`Launch::new`] takes.
pub(crate) struct LaunchParts {
    pub(crate) kernel_name: Arc<str>,
    pub(crate) code: Arc<Code>,
    pub(crate) frame: LaunchFrame,
    pub(crate) module: Arc<ModuleShared>,
    pub(crate) stream: Arc<StreamShared>,
    pub(crate) in_order: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) cooperation: Option<Cooperation>,
    /// The devices that run it, when it is not only the stream's.
    pub(crate) split: Option<Split>,
    pub(crate) in_step: bool,
    pub(crate) fetch: Vec<(u64, u64)>,
}

impl Launch {
    pub(crate) fn new(parts: LaunchParts) -> Arc<Self> {
        let LaunchParts {
            kernel_name,
            code,
            frame,
            module,
            stream,
            in_order,
            timeout,
            cooperation,
            split,
            in_step,
            fetch,
        } = parts;
        // The grid was checked against CUDA's limits, whose product is below 2^63.
        let total = frame.grid().volume() as u64;
        Arc::new_cyclic(|itself| Self {
            kernel_name,
            code,
            frame,
            module,
            stream,
            total,
            in_order,
            timeout,
            cooperation,
            split,
            in_step,
            fetch,
            next: AtomicU64::new(0),
            began_ns: AtomicU64::new(0),
            note: vgpu_trace::note(),
            timed_out: AtomicBool::new(false),
            participants: Participants::default(),
            itself: Weak::clone(itself),
            failure: Mutex::new(None),
            assertion: Mutex::new(None),
        })
    }

    /// `%gridid`, unique per device.
    pub(crate) fn id(&self) -> u64 {
        self.frame.context().grid_id
    }

    /// Called by the stream when the launch's turn has come.
    pub(crate) fn start(self: &Arc<Self>) {
        let device = self.stream.context().device();
        if let Some(limit) = self.timeout {
            device.watchdog().watch(self, Instant::now() + limit);
        }
        if let Some(pager) = device.memory().pager() {
            self.fetch.iter().for_each(|(address, bytes)| pager.prefetch(*address, *bytes));
        }
        if self.split.is_some() {
            Split::publish(self);
        } else {
            device.pool().publish(Arc::clone(self) as Arc<dyn Job>);
        }
    }

    /// The devices that run it, when it is not only the stream's.
    pub(crate) const fn split(&self) -> Option<&Split> {
        self.split.as_ref()
    }

    /// Takes part on a worker of the split's device `idx` until that device has nothing to claim.
    pub(crate) fn run_portion(&self, idx: usize, slot: &mut Slot) {
        let Some(split) = &self.split else { return };
        self.note_begin();
        let _participation = self.participants.join();
        let device = split.device(idx);
        let source = BlockSource {
            code: &self.code,
            frame: split.frame(idx).unwrap_or(&self.frame),
            services: self,
            windows: device.windows(),
            first_worker: split.first_worker(idx),
            in_order: false,
            in_step: self.in_step,
        };
        let n_workers = u64::from(device.properties().multiprocessor_count);
        let claim = |most| if self.frame.is_stopping() { None } else { split.supply().claim(idx, most, n_workers) };
        if let Err(failure) = self.run_claims(slot, &source, claim) {
            self.fail(failure);
        }
    }

    /// Called by the watchdog at the launch's deadline, and then again and again until the launch has completed.
    pub(crate) fn expire(&self) {
        if !self.frame.is_stopping() {
            self.timed_out.store(true, Ordering::Release);
            self.frame.request_stop();
        }
        self.participants.interrupt();
    }

    fn note_begin(&self) {
        if self.began_ns.load(Ordering::Relaxed) == 0 {
            // Who comes second finds it set.
            let now = vgpu_trace::now_ns();
            let _ = self.began_ns.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Takes the next blocks, at most `most`.
    fn claim(&self, most: u64) -> Option<Range<u64>> {
        if self.frame.is_stopping() {
            return None;
        }
        let workers = u64::from(self.frame.context().n_workers);
        let mut start = self.next.load(Ordering::Relaxed);
        loop {
            if start >= self.total {
                return None;
            }
            let fair = (self.total - start).div_ceil(workers * 2);
            let n = most.min(fair).max(1).min(self.total - start);
            match self.next.compare_exchange_weak(start, start + n, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(start..start + n),
                Err(now) => start = now,
            }
        }
    }

    /// The calling thread's right to run blocks beside other processes, when there are any.
    fn turn(&self) -> Option<Turn<'_>> {
        let gate = self.stream.context().device().turns()?;
        Some(gate.enter(|| !self.frame.is_stopping()))
    }

    fn run_blocks(&self, slot: &mut Slot, turn: &mut Option<Turn<'_>>) -> Result<(), Failure> {
        let source = BlockSource {
            code: &self.code,
            frame: &self.frame,
            services: self,
            windows: self.stream.context().device().windows(),
            first_worker: 0,
            in_order: self.in_order,
            in_step: self.in_step,
        };
        self.run_claims(slot, &source, |most| {
            if let Some(turn) = turn {
                turn.between_blocks(|| !self.frame.is_stopping());
            }
            self.claim(most)
        })
    }

    /// Runs what `claim` gives out for at most so many blocks at a time.
    fn run_claims(
        &self,
        slot: &mut Slot,
        source: &BlockSource<'_>,
        mut claim: impl FnMut(u64) -> Option<Range<u64>>,
    ) -> Result<(), Failure> {
        let mut size = 1;
        let mut claimed_at: Option<Instant> = None;
        block::run_blocks(slot, source, || {
            if self.total > 1 {
                let now = Instant::now();
                if let Some(before) = claimed_at.replace(now) {
                    let took = now - before;
                    if took < CLAIM_TIME {
                        size = (size * 2).min(MAX_CLAIM);
                    } else if took > CLAIM_TIME * 4 {
                        size = (size / 2).max(1);
                    }
                }
            }
            claim(size)
        })
    }

    /// Adds the launch, which has ended, to the device's account and to the trace.
    fn account(&self) {
        let began_ns = self.began_ns.load(Ordering::Relaxed);
        let ns = if began_ns == 0 { 0 } else { vgpu_trace::now_ns().saturating_sub(began_ns) };
        self.stream.context().device().account().launched(ns);
        if let Some(note) = self.note.filter(|_| began_ns != 0) {
            vgpu_trace::work(note, began_ns, || {
                let (grid, block) = (self.frame.grid(), self.frame.context().block);
                vgpu_trace::Work::Kernel {
                    name: self.kernel_name.to_string(),
                    grid: [grid.x, grid.y, grid.z],
                    block,
                    shared_bytes: self.code.layout().shared_static_bytes + self.frame.context().dynamic_shared_bytes,
                }
            });
        }
    }

    fn fail(&self, failure: Failure) {
        let kernel = self.kernel_name.to_string();
        let block = failure.block;
        let error = match failure.cause {
            Cause::IllegalAddress { address, code_offset } => {
                // The address may be good and its page not: then the pager knows why.
                let pager = self.stream.context().device().memory().pager();
                match pager.and_then(vgpu_mem::pager::Pager::take_failure) {
                    Some(error) => Error::Memory(error),
                    None => Error::IllegalAddress { kernel, address, block, code_offset },
                }
            }
            Cause::IllegalInstruction { code_offset } => Error::IllegalInstruction { kernel, block, code_offset },
            Cause::Trap => Error::Trap { kernel, block },
            Cause::Assert => {
                let message = lock(&self.assertion).take();
                Error::Assert { message: message.unwrap_or_else(|| format!("assertion failed in kernel \"{kernel}\"")) }
            }
            Cause::StackOverflow => Error::StackOverflow { kernel, block },
            Cause::BadCall => Error::BadCall { kernel, block },
            Cause::Misaligned(found) => Error::MisalignedAddress {
                kernel,
                address: found.address,
                bytes: found.bytes,
                access: self.module.describe_access(&self.kernel_name, found.text_offset),
                block,
            },
            Cause::Deadlock { waiting } => Error::Deadlock { kernel, block, waiting },
            Cause::GridSync => Error::GridSyncOutsideCooperative { kernel },
            Cause::UnknownStatus(status) => {
                Error::Code { kernel, message: format!("it returned {status}, which is no status") }
            }
            Cause::System(error) => error,
        };
        lock(&self.failure).get_or_insert(error);
        self.frame.request_stop();
        // Others may wait in a loop for what this block will never do.
        if let Some(itself) = self.itself.upgrade() {
            self.stream.context().device().watchdog().watch(&itself, Instant::now());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Job for Launch {
    fn has_work(&self) -> bool {
        if self.frame.is_stopping() {
            return false;
        }
        match &self.cooperation {
            Some(cooperation) => cooperation.residents.has_work(),
            None => self.next.load(Ordering::Relaxed) < self.total,
        }
    }

    fn max_participants(&self) -> u32 {
        if self.in_order { 1 } else { u32::MAX }
    }

    fn priority(&self) -> i32 {
        self.stream.priority()
    }

    fn run(&self, slot: &mut Slot) {
        self.note_begin();
        let mut turn = self.turn();
        let _participation = self.participants.join();
        let result = match &self.cooperation {
            Some(cooperation) => {
                resident::run_turns(&cooperation.residents, slot, &self.code, &self.frame, self, &mut turn)
            }
            None => self.run_blocks(slot, &mut turn),
        };
        if let Err(failure) = result {
            self.fail(failure);
        }
    }

    fn complete(&self) {
        let context = self.stream.context();
        self.account();
        if self.timeout.is_some() || self.frame.is_stopping() {
            context.device().watchdog().forget(self.id());
        }
        if let Some(limit) = self.timeout
            && self.timed_out.load(Ordering::Acquire)
        {
            let error = Error::LaunchTimeout {
                kernel: self.kernel_name.to_string(),
                limit_ms: limit.as_millis().try_into().unwrap_or(u64::MAX),
            };
            lock(&self.failure).get_or_insert(error);
        }
        match (lock(&self.failure).take(), &self.split) {
            (Some(error), _) => context.fail(error),
            (None, Some(split)) => split.learn(),
            (None, None) => {}
        }
        self.stream.operation_done();
        self.stream.advance();
    }
}

impl HostServices for Launch {
    fn print(&self, text: &[u8]) {
        self.stream.context().print(text);
    }

    fn malloc(&self, bytes: u64) -> u64 {
        self.stream.context().device_malloc(bytes).map_or(0, |address| address.0)
    }

    fn free(&self, address: u64) {
        self.stream.context().device_free(DevicePtr(address));
    }

    fn assert_failed(&self, message: String) {
        lock(&self.assertion).get_or_insert(message);
    }
}
