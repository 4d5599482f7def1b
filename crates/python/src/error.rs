//! Errors of this module and the Python exceptions they become: one table.

use crate::engine;
use pyo3::PyErr;
use pyo3::exceptions::{PyMemoryError, PyNotImplementedError, PyOSError, PyValueError};
use std::ffi::{CStr, c_int};

pyo3::create_exception!(
    _vgpu,
    Error,
    pyo3::exceptions::PyRuntimeError,
    "A call of the device failed; `args` are the message and the driver API's error code."
);

/// `CUDA_ERROR_OUT_OF_MEMORY`.
const OUT_OF_MEMORY: c_int = 2;

/// What can go wrong.
#[derive(Debug)]
pub enum Fail {
    /// The user's machine: there is no engine, or it cannot start.
    NoEngine(String),
    /// A call of the driver API failed.
    Driver {
        /// The function.
        call: &'static str,
        /// Its answer.
        code: c_int,
    },
    /// Limit: no memory.
    Memory(u128),
    /// Caller: a wrong value.
    Value(String),
    /// Unsupported: what is not there.
    Unsupported(String),
}

/// Turns a status into a result.
pub fn check(call: &'static str, code: c_int) -> Result<(), Fail> {
    if code == 0 { Ok(()) } else { Err(Fail::Driver { call, code }) }
}

/// Name and text of a code of the driver API.
fn describe(code: c_int) -> Option<(String, String)> {
    let engine = engine::engine().ok()?;
    let (mut name, mut text) = (std::ptr::null(), std::ptr::null());
    // SAFETY: rule 1 of `engine`; the places are ours, and the texts are constants of the engine.
    unsafe {
        if (engine.error_name)(code, &raw mut name) != 0 || (engine.error_text)(code, &raw mut text) != 0 {
            return None;
        }
        let owned = |text| CStr::from_ptr(text).to_string_lossy().into_owned();
        Some((owned(name), owned(text)))
    }
}

impl std::fmt::Display for Fail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoEngine(text) | Self::Value(text) | Self::Unsupported(text) => f.write_str(text),
            Self::Driver { call, code } => match describe(*code) {
                Some((name, text)) => write!(f, "{call}: {text} ({name}, {code})"),
                None => write!(f, "{call}: error {code}"),
            },
            Self::Memory(bytes) => write!(f, "no memory for {bytes} bytes"),
        }
    }
}

impl From<vgpu_num::Error> for Fail {
    fn from(error: vgpu_num::Error) -> Self {
        match error {
            vgpu_num::Error::OutOfMemory { bytes } => Self::Memory(bytes as u128),
            vgpu_num::Error::TooLarge { count, .. } => Self::Memory(count),
            vgpu_num::Error::Unsupported { .. } => Self::Unsupported(error.to_string()),
            other => Self::Value(other.to_string()),
        }
    }
}

impl From<Fail> for PyErr {
    fn from(fail: Fail) -> Self {
        let text = fail.to_string();
        match fail {
            Fail::NoEngine(_) => PyOSError::new_err(text),
            Fail::Driver { code: OUT_OF_MEMORY, .. } | Fail::Memory(_) => PyMemoryError::new_err(text),
            Fail::Driver { code, .. } => Error::new_err((text, code)),
            Fail::Value(_) => PyValueError::new_err(text),
            Fail::Unsupported(_) => PyNotImplementedError::new_err(text),
        }
    }
}
