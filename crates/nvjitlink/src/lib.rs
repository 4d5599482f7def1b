//! `libnvJitLink` whose linked "machine code" is PTX, for a device that loads PTX.
//!
//! A client (Numba, cuda.core) makes a link, adds inputs, completes it and reads the cubin; it gets PTX in its place.
//! The module `linker` says what happens to which input. The names that `nvJitLink.h` really declares carry the version of the header they
//! came with; [`export_versions`] makes them, in the packages that make the shared libraries.
//!
//! Rules of access:
//! 1. A handle is a `Box<Linker>` made by [`nvJitLinkCreate`] and is known to be live until it is destroyed; unknown handles are
//!    refused, not followed.
//! 2. Other pointers are the caller's, valid for the sizes that `nvJitLink.h` states; null is refused.
#![allow(non_snake_case, reason = "the names are nvJitLink's")]

mod linker;
mod merge;

mod real;

use linker::Linker;
use std::collections::HashSet;
use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{LazyLock, Mutex, PoisonError};

const SUCCESS: u32 = 0;
const ERROR_UNRECOGNIZED_OPTION: u32 = 1;
const ERROR_MISSING_ARCH: u32 = 2;
const ERROR_INVALID_INPUT: u32 = 3;
const ERROR_PTX_COMPILE: u32 = 4;
const ERROR_NVVM_COMPILE: u32 = 5;
const ERROR_INTERNAL: u32 = 6;
const ERROR_UNRECOGNIZED_INPUT: u32 = 8;
const ERROR_NULL_INPUT: u32 = 10;
const ERROR_LTO_NOT_ENABLED: u32 = 18;

#[cfg(test)]
const INPUT_CUBIN: u32 = 1;
const INPUT_PTX: u32 = 2;
const INPUT_LTOIR: u32 = 3;
const INPUT_ANY: u32 = 10;

/// `nvJitLinkHandle`.
pub type Handle = *mut c_void;

/// Addresses of live links.
static LIVE: LazyLock<Mutex<HashSet<usize>>> = LazyLock::new(Mutex::default);

fn live() -> std::sync::MutexGuard<'static, HashSet<usize>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs with the link behind a handle; a panic is an internal error.
fn with(handle: Handle, work: impl FnOnce(&mut Linker) -> Result<(), u32>) -> u32 {
    if !live().contains(&(handle as usize)) {
        return ERROR_INVALID_INPUT;
    }
    // SAFETY: rule 1; nvJitLink's handles are not shared between threads without the caller's own lock.
    let linker = unsafe { &mut *handle.cast::<Linker>() };
    match catch_unwind(AssertUnwindSafe(|| work(linker))) {
        Ok(Ok(())) => SUCCESS,
        Ok(Err(code)) => code,
        Err(_) => ERROR_INTERNAL,
    }
}

/// A C string as text.
///
/// # Safety
/// Null, or a string that ends with a zero byte.
unsafe fn text(string: *const c_char) -> Option<String> {
    // SAFETY: the caller's promise.
    (!string.is_null()).then(|| unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned())
}

/// Makes a link.
///
/// # Safety
/// Rule 2: `options` has `n_options` strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvJitLinkCreate(handle: *mut Handle, n_options: u32, options: *const *const c_char) -> u32 {
    if handle.is_null() || options.is_null() && n_options > 0 {
        return ERROR_NULL_INPUT;
    }
    let mut words = Vec::new();
    for idx in 0..n_options as usize {
        // SAFETY: rule 2.
        match unsafe { text(*options.add(idx)) } {
            Some(word) => words.push(word),
            None => return ERROR_NULL_INPUT,
        }
    }
    match Linker::new(words) {
        Ok(linker) => {
            let address = Box::into_raw(Box::new(linker));
            live().insert(address as usize);
            // SAFETY: rule 2.
            unsafe { *handle = address.cast() };
            SUCCESS
        }
        Err(code) => code,
    }
}

/// Ends a link.
///
/// # Safety
/// Rule 2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvJitLinkDestroy(handle: *mut Handle) -> u32 {
    if handle.is_null() {
        return ERROR_NULL_INPUT;
    }
    // SAFETY: rule 2.
    let address = unsafe { *handle };
    if !live().remove(&(address as usize)) {
        return ERROR_INVALID_INPUT;
    }
    // SAFETY: rule 1: it was live, and now nobody finds it any more.
    drop(unsafe { Box::from_raw(address.cast::<Linker>()) });
    // SAFETY: rule 2.
    unsafe { *handle = std::ptr::null_mut() };
    SUCCESS
}

/// Adds bytes.
///
/// # Safety
/// Rule 2: `data` has `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvJitLinkAddData(
    handle: Handle,
    kind: u32,
    data: *const c_void,
    size: usize,
    name: *const c_char,
) -> u32 {
    if data.is_null() {
        return ERROR_NULL_INPUT;
    }
    // SAFETY: rule 2.
    let (bytes, name) = unsafe { (std::slice::from_raw_parts(data.cast::<u8>(), size), text(name)) };
    with(handle, |linker| linker.add(kind, bytes, name.as_deref().unwrap_or("input")))
}

/// Adds a file.
///
/// # Safety
/// Rule 2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvJitLinkAddFile(handle: Handle, kind: u32, path: *const c_char) -> u32 {
    // SAFETY: rule 2.
    let Some(path) = (unsafe { text(path) }) else { return ERROR_NULL_INPUT };
    with(handle, |linker| {
        let bytes = std::fs::read(&path).map_err(|_| ERROR_INVALID_INPUT)?;
        linker.add(kind, &bytes, &path)
    })
}

/// Links.
///
/// # Safety
/// Rule 2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvJitLinkComplete(handle: Handle) -> u32 {
    with(handle, Linker::complete)
}

/// Hands out the size of something.
fn size_of(handle: Handle, size: *mut usize, pick: impl FnOnce(&Linker) -> Option<usize>) -> u32 {
    if size.is_null() {
        return ERROR_NULL_INPUT;
    }
    with(handle, |linker| {
        let n_bytes = pick(linker).ok_or(ERROR_INVALID_INPUT)?;
        // SAFETY: rule 2.
        unsafe { *size = n_bytes };
        Ok(())
    })
}

/// Hands out bytes; the caller has asked for their number before.
fn copy_of(handle: Handle, out: *mut c_void, pick: impl FnOnce(&Linker) -> Option<Vec<u8>>) -> u32 {
    if out.is_null() {
        return ERROR_NULL_INPUT;
    }
    with(handle, |linker| {
        let bytes = pick(linker).ok_or(ERROR_INVALID_INPUT)?;
        // SAFETY: rule 2.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), out.cast::<u8>(), bytes.len()) };
        Ok(())
    })
}

fn log_bytes(log: &str) -> Vec<u8> {
    let mut bytes = log.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// Declares the pairs of a size and what has it.
macro_rules! results {
    ($($(#[$doc:meta])* $size:ident, $get:ident: $out:ty = $pick:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// This is the size.
        ///
        /// # Safety
        /// Rule 2.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $size(handle: Handle, size: *mut usize) -> u32 {
            let pick: fn(&Linker) -> Option<Vec<u8>> = $pick;
            size_of(handle, size, |linker| pick(linker).map(|bytes| bytes.len()))
        }
        $(#[$doc])*
        ///
        /// # Safety
        /// Rule 2: `out` has the size that the function before states.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $get(handle: Handle, out: $out) -> u32 {
            copy_of(handle, out.cast(), $pick)
        }
    )*};
}

results! {
    /// What stands for machine code: PTX.
    nvJitLinkGetLinkedCubinSize, nvJitLinkGetLinkedCubin: *mut c_void = |linker| linker.ptx().map(<[u8]>::to_vec);
    /// The linked PTX.
    nvJitLinkGetLinkedPtxSize, nvJitLinkGetLinkedPtx: *mut c_char = |linker| linker.ptx().map(<[u8]>::to_vec);
    /// Linked intermediate code: there is none.
    nvJitLinkGetLinkedLTOIRSize, nvJitLinkGetLinkedLTOIR: *mut c_void = |_| None;
    /// Why a link went wrong.
    nvJitLinkGetErrorLogSize, nvJitLinkGetErrorLog: *mut c_char = |linker| Some(log_bytes(linker.error_log()));
    /// What else a link had to say.
    nvJitLinkGetInfoLogSize, nvJitLinkGetInfoLog: *mut c_char = |linker| Some(log_bytes(linker.info_log()));
}

/// The version of NVIDIA's library where it is installed, since that is what decides which inputs are read; else 13.4.
///
/// # Safety
/// Rule 2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvJitLinkVersion(major: *mut u32, minor: *mut u32) -> u32 {
    if major.is_null() || minor.is_null() {
        return ERROR_NULL_INPUT;
    }
    let version = real::version().unwrap_or((13, 4));
    // SAFETY: rule 2.
    unsafe { (*major, *minor) = version };
    SUCCESS
}

/// Exports every function under the names of the headers `major.minor`: `__nvJitLinkCreate_13_4` and so on.
#[macro_export]
macro_rules! export_versions {
    ($major:literal: $($minor:literal)*) => {$(
        const _: () = {
            use ::std::ffi::{c_char, c_void};
            $crate::export_versions!(@one $major $minor nvJitLinkCreate(a: *mut *mut c_void, b: u32, c: *const *const c_char));
            $crate::export_versions!(@one $major $minor nvJitLinkDestroy(a: *mut *mut c_void));
            $crate::export_versions!(@one $major $minor nvJitLinkAddData(a: *mut c_void, b: u32, c: *const c_void, d: usize, e: *const c_char));
            $crate::export_versions!(@one $major $minor nvJitLinkAddFile(a: *mut c_void, b: u32, c: *const c_char));
            $crate::export_versions!(@one $major $minor nvJitLinkComplete(a: *mut c_void));
            $crate::export_versions!(@one $major $minor nvJitLinkGetLinkedCubinSize(a: *mut c_void, b: *mut usize));
            $crate::export_versions!(@one $major $minor nvJitLinkGetLinkedCubin(a: *mut c_void, b: *mut c_void));
            $crate::export_versions!(@one $major $minor nvJitLinkGetLinkedPtxSize(a: *mut c_void, b: *mut usize));
            $crate::export_versions!(@one $major $minor nvJitLinkGetLinkedPtx(a: *mut c_void, b: *mut c_char));
            $crate::export_versions!(@one $major $minor nvJitLinkGetLinkedLTOIRSize(a: *mut c_void, b: *mut usize));
            $crate::export_versions!(@one $major $minor nvJitLinkGetLinkedLTOIR(a: *mut c_void, b: *mut c_void));
            $crate::export_versions!(@one $major $minor nvJitLinkGetErrorLogSize(a: *mut c_void, b: *mut usize));
            $crate::export_versions!(@one $major $minor nvJitLinkGetErrorLog(a: *mut c_void, b: *mut c_char));
            $crate::export_versions!(@one $major $minor nvJitLinkGetInfoLogSize(a: *mut c_void, b: *mut usize));
            $crate::export_versions!(@one $major $minor nvJitLinkGetInfoLog(a: *mut c_void, b: *mut c_char));
        };
    )*};
    (@one $major:literal $minor:literal $name:ident($($arg:ident: $ty:ty),*)) => {
        const _: () = {
            /// # Safety
            /// As the function it stands for.
            #[unsafe(export_name = concat!("__", stringify!($name), "_", $major, "_", $minor))]
            unsafe extern "C" fn versioned($($arg: $ty),*) -> u32 {
                // SAFETY: the caller's promise is the same.
                unsafe { $crate::$name($($arg),*) }
            }
        };
    };
}
