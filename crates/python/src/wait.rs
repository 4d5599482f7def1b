//! Waiting for the device without the interpreter's lock, and so that Ctrl-C works.
//!
//! Model. A thread that waits inside the engine cannot look for signals, and only the main thread of Python gets any. So a
//! helper waits in the engine (and helps to run kernels there, as every waiting thread does), and the caller looks for
//! signals until the helper is done. After an interrupt the helper goes on alone: the kernel is not stopped.

use crate::engine::{self, Engine};
use crate::error::{Fail, check};
use pyo3::prelude::*;
use std::ffi::c_int;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often something was given to the device that was not waited for, and how much of that is known to be done.
static STARTED: AtomicU64 = AtomicU64::new(0);
static SETTLED: AtomicU64 = AtomicU64::new(0);
/// How long the caller asks by itself first: most kernels are short.
const SPIN: Duration = Duration::from_micros(20);
/// How often the caller looks for signals.
const LOOK: Duration = Duration::from_millis(20);
/// `CUDA_ERROR_NOT_READY`.
const NOT_READY: c_int = 600;

/// What to wait for.
#[derive(Clone, Copy)]
pub enum What {
    /// Everything in a stream.
    Stream(u64),
    /// An event.
    Event(u64),
    /// Everything of the context.
    All,
}

impl What {
    fn query(self, engine: &Engine) -> c_int {
        // SAFETY: rules 1 and 2 of `engine`.
        unsafe {
            match self {
                Self::Stream(stream) => (engine.stream_query)(stream),
                Self::Event(event) => (engine.event_query)(event),
                Self::All => NOT_READY,
            }
        }
    }

    fn wait(self, engine: &Engine) -> Result<(), Fail> {
        // SAFETY: rules 1 and 2 of `engine`.
        unsafe {
            match self {
                Self::Stream(stream) => check("cuStreamSynchronize", (engine.stream_synchronize)(stream)),
                Self::Event(event) => check("cuEventSynchronize", (engine.event_synchronize)(event)),
                Self::All => check("cuCtxSynchronize", (engine.synchronize)()),
            }
        }
    }
}

/// Something was given to the device that is not waited for; said after it was given.
pub fn started() {
    STARTED.fetch_add(1, Ordering::AcqRel);
}

/// Waits for everything that was started here, so that the host may read and write arrays.
pub fn settle(py: Python<'_>) -> PyResult<()> {
    let started = STARTED.load(Ordering::Acquire);
    if SETTLED.load(Ordering::Acquire) < started {
        wait(py, What::All)?;
        SETTLED.fetch_max(started, Ordering::AcqRel);
    }
    Ok(())
}

/// Waits; a signal's exception ends the waiting.
pub fn wait(py: Python<'_>, what: What) -> PyResult<()> {
    let engine = engine::entered()?;
    let begun = Instant::now();
    while begun.elapsed() < SPIN {
        match what.query(engine) {
            NOT_READY => std::hint::spin_loop(),
            code => return Ok(check("waiting for the device", code)?),
        }
        if matches!(what, What::All) {
            break;
        }
    }
    let mut context = 0;
    // SAFETY: rule 1 of `engine`; the place is ours.
    check("cuCtxGetCurrent", unsafe { (engine.current)(&raw mut context) })?;
    let (sender, receiver) = channel();
    let receiver = Mutex::new(receiver);
    let helper = std::thread::Builder::new().name("vgpu-wait".to_owned()).spawn(move || {
        // SAFETY: rules 1 and 2 of `engine`.
        let entered = check("cuCtxSetCurrent", unsafe { (engine.set_current)(context) });
        // The caller is gone after an interrupt.
        _ = sender.send(entered.and_then(|()| what.wait(engine)));
    });
    if helper.is_err() {
        // No thread to be had: this one waits, and signals wait with it.
        return Ok(py.detach(|| what.wait(engine))?);
    }
    loop {
        match py.detach(|| receiver.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(LOOK)) {
            Ok(result) => return Ok(result?),
            Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Fail::NoEngine("the thread that waits for the device ended".to_owned()).into());
            }
        }
    }
}
