//! Which device and context a thread works with.
//!
//! A thread has a device number (0 until `cudaSetDevice`). The first call that needs a context makes the device's primary
//! context current, unless the thread already has one from the driver API, which is then used. Primary contexts are
//! retained once and kept until the process ends.

use crate::code::{INVALID_DEVICE, NO_DEVICE, Outcome};
use crate::{P, driver};
use std::cell::Cell;
use std::ptr::{from_mut, null_mut};
use std::sync::{Mutex, OnceLock, PoisonError};

thread_local! {
    static DEVICE: Cell<i32> = const { Cell::new(0) };
}

/// Retained primary contexts, by device number; addresses, because pointers do not go between threads.
static PRIMARY: Mutex<Vec<Option<usize>>> = Mutex::new(Vec::new());

/// Starts the driver.
///
/// # Errors
/// There is no driver, or it does not start; the same every time.
pub fn start() -> Outcome {
    static STARTED: OnceLock<Outcome> = OnceLock::new();
    // SAFETY: no pointers.
    *STARTED.get_or_init(|| unsafe { driver::cuInit(0) })
}

/// Number of devices.
///
/// # Errors
/// As [`start`].
pub fn device_count() -> Result<i32, i32> {
    start()?;
    let mut count = 0i32;
    // SAFETY: the address of a live integer.
    unsafe { driver::cuDeviceGetCount(from_mut(&mut count).cast()) }?;
    if count == 0 { Err(NO_DEVICE) } else { Ok(count) }
}

/// The driver's handle of a device.
///
/// # Errors
/// There is no device of this number.
pub fn device(ordinal: i32) -> Result<i32, i32> {
    if !(0..device_count()?).contains(&ordinal) {
        return Err(INVALID_DEVICE);
    }
    let mut device = 0i32;
    // SAFETY: the address of a live integer.
    unsafe { driver::cuDeviceGet(from_mut(&mut device).cast(), ordinal) }?;
    Ok(device)
}

/// The primary context of a device.
///
/// # Errors
/// As [`device`], or the context cannot be made.
pub fn primary(ordinal: i32) -> Result<P, i32> {
    let handle = device(ordinal)?;
    let mut all = PRIMARY.lock().unwrap_or_else(PoisonError::into_inner);
    let slot = ordinal as usize;
    if all.len() <= slot {
        all.resize(slot + 1, None);
    }
    if let Some(context) = all[slot] {
        return Ok(context as P);
    }
    let mut context: P = null_mut();
    // SAFETY: the address of a live pointer.
    unsafe { driver::cuDevicePrimaryCtxRetain(from_mut(&mut context).cast(), handle) }?;
    all[slot] = Some(context as usize);
    Ok(context)
}

/// The context that is current, if any.
///
/// # Errors
/// As [`start`].
pub fn current() -> Result<P, i32> {
    start()?;
    let mut context: P = null_mut();
    // SAFETY: the address of a live pointer.
    unsafe { driver::cuCtxGetCurrent(from_mut(&mut context).cast()) }?;
    Ok(context)
}

/// Makes sure that this thread has a context.
///
/// # Errors
/// As [`primary`].
pub fn ensure() -> Outcome {
    if current()?.is_null() { bind(DEVICE.get()) } else { Ok(()) }
}

/// The device of this thread.
///
/// # Errors
/// As [`start`].
pub fn ordinal() -> Result<i32, i32> {
    if current()?.is_null() {
        device_count()?;
        return Ok(DEVICE.get());
    }
    let mut device = 0i32;
    // SAFETY: the address of a live integer.
    unsafe { driver::cuCtxGetDevice(from_mut(&mut device).cast()) }?;
    Ok(device)
}

/// Makes a device this thread's.
///
/// # Errors
/// As [`primary`].
pub fn bind(ordinal: i32) -> Outcome {
    let context = primary(ordinal)?;
    DEVICE.set(ordinal);
    // SAFETY: a context that the driver has just given.
    unsafe { driver::cuCtxSetCurrent(context) }
}

/// Ends a device's primary context; the next call makes it anew.
///
/// # Errors
/// As [`device`].
pub fn reset(ordinal: i32) -> Outcome {
    let handle = device(ordinal)?;
    // SAFETY: no pointers.
    unsafe { driver::cuDevicePrimaryCtxReset_v2(handle) }?;
    let mut all = PRIMARY.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(slot) = all.get_mut(ordinal as usize) {
        *slot = None;
    }
    DEVICE.set(ordinal);
    // SAFETY: null is allowed: no context is current.
    unsafe { driver::cuCtxSetCurrent(null_mut()) }
}
