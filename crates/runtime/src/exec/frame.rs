//! The facts of one launch in the form generated code reads, with the buffers they point into.

use super::guard::ThreadHandle;
use super::services::SERVICES;
use crate::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vgpu_jit::abi;
use vgpu_types::Dim3;

/// Sixteen bytes of parameters, aligned as the contract asks.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(16))]
struct ParamWord([u8; 16]);

/// A launch's `LaunchContext` and what it points to.
#[derive(Debug)]
pub(crate) struct LaunchFrame {
    context: abi::LaunchContext,
    stop: Arc<AtomicU32>,
    _params: Box<[ParamWord]>,
    _symbols: Arc<[u64]>,
}

// SAFETY: the pointers in `context` lead to heap memory that this value keeps alive and does not move or change (but for `stop`,
// which is atomic) and to a static table.
unsafe impl Send for LaunchFrame {}
// SAFETY: as above.
unsafe impl Sync for LaunchFrame {}

/// What differs from launch to launch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LaunchFacts {
    pub(crate) grid: Dim3,
    pub(crate) block: Dim3,
    pub(crate) grid_id: u64,
    pub(crate) grid_workspace: u64,
    pub(crate) dynamic_shared_bytes: u32,
    pub(crate) n_workers: u32,
}

impl LaunchFrame {
    /// A frame for a launch with these parameters; `param_bytes` is the size the code expects.
    pub(crate) fn new(params: &[u8], param_bytes: u32, symbols: Arc<[u64]>, facts: LaunchFacts) -> Self {
        Self::with_stop(params, param_bytes, symbols, facts, Arc::new(AtomicU32::new(0)))
    }

    /// A frame of the same launch with other parameters: asking one of them to stop asks all.
    pub(crate) fn sibling(&self, params: &[u8], param_bytes: u32, facts: LaunchFacts) -> Self {
        Self::with_stop(params, param_bytes, Arc::clone(&self._symbols), facts, Arc::clone(&self.stop))
    }

    fn with_stop(
        params: &[u8],
        param_bytes: u32,
        symbols: Arc<[u64]>,
        facts: LaunchFacts,
        stop: Arc<AtomicU32>,
    ) -> Self {
        let words = params.len().max(param_bytes as usize).div_ceil(16) + 1;
        let mut buffer = vec![ParamWord::default(); words].into_boxed_slice();
        for (word, chunk) in buffer.iter_mut().zip(params.chunks(16)) {
            word.0[..chunk.len()].copy_from_slice(chunk);
        }
        let context = abi::LaunchContext {
            params: buffer.as_ptr().cast(),
            symbols: symbols.as_ptr(),
            services: &raw const SERVICES,
            stop: &raw const *stop,
            grid: [facts.grid.x, facts.grid.y, facts.grid.z],
            block: [facts.block.x, facts.block.y, facts.block.z],
            grid_id: facts.grid_id,
            grid_workspace: facts.grid_workspace,
            dynamic_shared_bytes: facts.dynamic_shared_bytes,
            n_workers: facts.n_workers,
        };
        Self { context, stop, _params: buffer, _symbols: symbols }
    }

    /// What generated code is given.
    pub(crate) const fn context(&self) -> &abi::LaunchContext {
        &self.context
    }

    /// Grid shape.
    pub(crate) fn grid(&self) -> Dim3 {
        let [x, y, z] = self.context.grid;
        Dim3::new(x, y, z)
    }

    /// Block shape.
    pub(crate) fn block(&self) -> Dim3 {
        let [x, y, z] = self.context.block;
        Dim3::new(x, y, z)
    }

    /// Asks all programs to stop.
    pub(crate) fn request_stop(&self) {
        self.stop.store(1, Ordering::Release);
    }

    /// True when programs were asked to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire) != 0
    }
}

/// The threads that take part in a launch, so that they can be taken out of its code.
#[derive(Debug, Default)]
pub(crate) struct Participants(Mutex<Vec<ThreadHandle>>);

/// Membership in [`Participants`]; ends with the value.
#[derive(Debug)]
pub(crate) struct Participation<'a> {
    participants: &'a Participants,
    thread: ThreadHandle,
}

impl Participants {
    fn lock(&self) -> MutexGuard<'_, Vec<ThreadHandle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calling thread takes part while the result lives.
    pub(crate) fn join(&self) -> Participation<'_> {
        let thread = ThreadHandle::current();
        self.lock().push(thread);
        Participation { participants: self, thread }
    }

    /// Takes all participants out of generated code, if the launch is being stopped. One that was just entering it may be
    /// missed: repeat until the launch has completed.
    pub(crate) fn interrupt(&self) {
        for thread in self.lock().iter() {
            // SAFETY: a thread that is listed has not ended: it takes itself off the list, for which it needs the lock.
            unsafe { thread.interrupt() };
        }
    }
}

impl Drop for Participation<'_> {
    fn drop(&mut self) {
        let mut threads = self.participants.lock();
        if let Some(idx) = threads.iter().position(|thread| *thread == self.thread) {
            threads.swap_remove(idx);
        }
    }
}

/// Why a block did not end well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    IllegalAddress {
        address: u64,
        code_offset: u64,
    },
    IllegalInstruction {
        code_offset: u64,
    },
    Trap,
    Assert,
    StackOverflow,
    BadCall,
    Misaligned(abi::MisalignedAccess),
    Deadlock {
        waiting: String,
    },
    GridSync,
    UnknownStatus(u32),
    /// The system refused memory for the block's windows.
    System(Error),
}

/// A block that did not end well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) cause: Cause,
    pub(crate) block: Dim3,
}
