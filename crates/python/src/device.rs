//! Devices, memory, streams and events as functions on numbers; the classes are Python's (`vgpu/device.py`).

use crate::engine::{engine, entered, set_device};
use crate::error::{Fail, check};
use crate::tensor::exchange::Held;
use crate::wait::{self, What};
use pyo3::exceptions::PyBufferError;
use pyo3::prelude::*;
use std::ffi::{CStr, c_char, c_int};

/// How many devices there are.
#[pyfunction]
pub fn device_count() -> PyResult<i32> {
    let mut count = 0;
    // SAFETY: rule 1 of `engine`; the place is ours.
    check("cuDeviceGetCount", unsafe { (engine()?.device_count)(&raw mut count) })?;
    Ok(count)
}

/// The driver API's version that the engine has, as CUDA counts: 1000 major + 10 minor.
#[pyfunction]
pub fn driver_version() -> PyResult<i32> {
    let mut version = 0;
    // SAFETY: rule 1 of `engine`; the place is ours.
    check("cuDriverGetVersion", unsafe { (engine()?.driver_version)(&raw mut version) })?;
    Ok(version)
}

/// Name and bytes of memory of a device.
#[pyfunction]
pub fn device_name_and_memory(device: i32) -> PyResult<(String, usize)> {
    let engine = engine()?;
    let mut name = [0 as c_char; 256];
    let mut bytes = 0;
    // SAFETY: rule 1 of `engine`; the places are ours, and the name is zero-terminated within the length that is passed.
    unsafe {
        check("cuDeviceGetName", (engine.device_name)(name.as_mut_ptr(), name.len() as c_int, device))?;
        check("cuDeviceTotalMem", (engine.device_total_mem)(&raw mut bytes, device))?;
        Ok((CStr::from_ptr(name.as_ptr()).to_string_lossy().into_owned(), bytes))
    }
}

/// An attribute of a device by its number in `cuda.h`.
#[pyfunction]
pub fn device_attribute(device: i32, attribute: i32) -> PyResult<i32> {
    let mut value = 0;
    // SAFETY: rule 1 of `engine`; the place is ours.
    check("cuDeviceGetAttribute", unsafe { (engine()?.device_attribute)(&raw mut value, attribute, device) })?;
    Ok(value)
}

/// Makes a device current on this thread; returns the context before.
#[pyfunction]
pub fn use_device(device: i32) -> PyResult<u64> {
    Ok(set_device(device)?)
}

/// Makes a context current on this thread.
#[pyfunction]
pub fn use_context(context: u64) -> PyResult<()> {
    // SAFETY: rules 1 and 2 of `engine`.
    Ok(check("cuCtxSetCurrent", unsafe { (engine()?.set_current)(context) })?)
}

/// Free and total bytes of the current device.
#[pyfunction]
pub fn memory_info() -> PyResult<(usize, usize)> {
    let (mut free, mut total) = (0, 0);
    // SAFETY: rule 1 of `engine`; the places are ours.
    check("cuMemGetInfo", unsafe { (entered()?.mem_info)(&raw mut free, &raw mut total) })?;
    Ok((free, total))
}

/// Allocates; the address is good for kernels and, when managed, by contract for the host.
#[pyfunction]
pub fn malloc(bytes: usize, managed: bool) -> PyResult<u64> {
    const ATTACH_GLOBAL: u32 = 1;
    let engine = entered()?;
    let mut address = 0;
    // SAFETY: rule 1 of `engine`; the place is ours.
    let code = unsafe {
        if managed {
            (engine.alloc_managed)(&raw mut address, bytes, ATTACH_GLOBAL)
        } else {
            (engine.alloc)(&raw mut address, bytes)
        }
    };
    match check("cuMemAlloc", code) {
        Err(Fail::Driver { code: 2, .. }) => Err(Fail::Memory(bytes as u128).into()),
        other => Ok(other.map(|()| address)?),
    }
}

/// Frees; waits for what uses the memory.
#[pyfunction]
pub fn free(py: Python<'_>, address: u64) -> PyResult<()> {
    let engine = entered()?;
    // SAFETY: rules 1 and 2 of `engine`.
    Ok(py.detach(|| check("cuMemFree", unsafe { (engine.free)(address) }))?)
}

/// Copies between any two addresses, after what is in the stream; waits for the end.
#[pyfunction]
pub fn memcpy(py: Python<'_>, to: u64, from_: u64, bytes: usize, stream: u64) -> PyResult<()> {
    let engine = entered()?;
    // SAFETY: rules 1 and 3 of `engine`: the Python side checked the bytes of both objects and holds them.
    py.detach(|| check("cuMemcpyAsync", unsafe { (engine.copy_async)(to, from_, bytes, stream) }))?;
    wait::wait(py, What::Stream(stream))
}

/// Copies between device addresses; returns when the copy is enqueued.
#[pyfunction]
pub fn memcpy_async(py: Python<'_>, to: u64, from_: u64, bytes: usize, stream: u64) -> PyResult<()> {
    let engine = entered()?;
    // SAFETY: rules 1 and 3 of `engine`: the Python side holds both objects until the stream is waited for.
    py.detach(|| check("cuMemcpyAsync", unsafe { (engine.copy_async)(to, from_, bytes, stream) }))?;
    wait::started();
    Ok(())
}

/// Fills with a byte, after what is in the stream; waits for the end.
#[pyfunction]
pub fn memset(py: Python<'_>, to: u64, value: u8, bytes: usize, stream: u64) -> PyResult<()> {
    let engine = entered()?;
    // SAFETY: rules 1 and 2 of `engine`; the Python side checked the bytes.
    py.detach(|| check("cuMemsetD8Async", unsafe { (engine.fill_async)(to, value, bytes, stream) }))?;
    wait::wait(py, What::Stream(stream))
}

/// Waits for everything on the current device.
#[pyfunction]
pub fn synchronize(py: Python<'_>) -> PyResult<()> {
    wait::wait(py, What::All)
}

/// Address and bytes of an object's buffer; the object keeps it alive, not this call.
#[pyfunction]
pub fn buffer_address(object: &Bound<'_, PyAny>, writable: bool) -> PyResult<(u64, usize)> {
    let buffer = Held::of(object)?;
    if !buffer.is_contiguous() {
        return Err(PyBufferError::new_err("the buffer is not contiguous: copy it first"));
    }
    if writable && !buffer.writable() {
        return Err(PyBufferError::new_err("the buffer is read-only"));
    }
    Ok((buffer.address() as u64, buffer.bytes()))
}

/// Makes a stream.
#[pyfunction]
pub fn stream_create(non_blocking: bool, priority: i32) -> PyResult<u64> {
    let mut stream = 0;
    // SAFETY: rule 1 of `engine`; the place is ours.
    let code = unsafe { (entered()?.stream_create)(&raw mut stream, u32::from(non_blocking), priority) };
    check("cuStreamCreate", code)?;
    Ok(stream)
}

/// Ends a stream; what is in it still runs.
#[pyfunction]
pub fn stream_destroy(stream: u64) -> PyResult<()> {
    // SAFETY: rules 1 and 2 of `engine`.
    Ok(check("cuStreamDestroy", unsafe { (entered()?.stream_destroy)(stream) })?)
}

/// Whether everything in the stream is done.
#[pyfunction]
pub fn stream_done(stream: u64) -> PyResult<bool> {
    // SAFETY: rules 1 and 2 of `engine`.
    done("cuStreamQuery", unsafe { (entered()?.stream_query)(stream) })
}

fn done(call: &'static str, code: c_int) -> PyResult<bool> {
    const NOT_READY: c_int = 600;
    if code == NOT_READY {
        return Ok(false);
    }
    Ok(check(call, code).map(|()| true)?)
}

/// Waits for everything in the stream.
#[pyfunction]
pub fn stream_synchronize(py: Python<'_>, stream: u64) -> PyResult<()> {
    wait::wait(py, What::Stream(stream))
}

/// What comes later in the stream waits for the event.
#[pyfunction]
pub fn stream_wait_event(stream: u64, event: u64) -> PyResult<()> {
    // SAFETY: rules 1 and 2 of `engine`.
    Ok(check("cuStreamWaitEvent", unsafe { (entered()?.stream_wait_event)(stream, event, 0) })?)
}

/// Makes an event.
#[pyfunction]
pub fn event_create(flags: u32) -> PyResult<u64> {
    let mut event = 0;
    // SAFETY: rule 1 of `engine`; the place is ours.
    check("cuEventCreate", unsafe { (entered()?.event_create)(&raw mut event, flags) })?;
    Ok(event)
}

/// Ends an event.
#[pyfunction]
pub fn event_destroy(event: u64) -> PyResult<()> {
    // SAFETY: rules 1 and 2 of `engine`.
    Ok(check("cuEventDestroy", unsafe { (entered()?.event_destroy)(event) })?)
}

/// Records an event in a stream.
#[pyfunction]
pub fn event_record(event: u64, stream: u64) -> PyResult<()> {
    // SAFETY: rules 1 and 2 of `engine`.
    Ok(check("cuEventRecord", unsafe { (entered()?.event_record)(event, stream) })?)
}

/// Whether what came before the event is done.
#[pyfunction]
pub fn event_done(event: u64) -> PyResult<bool> {
    // SAFETY: rules 1 and 2 of `engine`.
    done("cuEventQuery", unsafe { (entered()?.event_query)(event) })
}

/// Waits for an event.
#[pyfunction]
pub fn event_synchronize(py: Python<'_>, event: u64) -> PyResult<()> {
    wait::wait(py, What::Event(event))
}

/// Milliseconds between two recorded events.
#[pyfunction]
pub fn event_elapsed(start: u64, end: u64) -> PyResult<f32> {
    let mut milliseconds = 0.0;
    // SAFETY: rules 1 and 2 of `engine`; the place is ours.
    let code = unsafe { (entered()?.event_elapsed)(&raw mut milliseconds, start, end) };
    check("cuEventElapsedTime", code)?;
    Ok(milliseconds)
}
