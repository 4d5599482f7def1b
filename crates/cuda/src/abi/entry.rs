//! From a Rust function to a C one: the `entries!` macro, the checks every call passes, and the functions that refuse.

use crate::driver;
use crate::log;
use crate::status::{Result, Status};
use crate::symbols;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

/// A symbol and its address.
#[derive(Clone, Copy)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) address: *const (),
}

// SAFETY: the address of a function, valid in every thread.
unsafe impl Sync for Function {}

static FORKED: AtomicBool = AtomicBool::new(false);

extern "C" fn in_child() {
    FORKED.store(true, Ordering::Relaxed);
}

/// Marks forked children, in which there are no worker threads and so no device.
pub(crate) fn install_fork_guard() {
    static INSTALLED: std::sync::Once = std::sync::Once::new();
    // SAFETY: the handler only stores to an atomic.
    INSTALLED.call_once(|| unsafe {
        libc::pthread_atfork(None, None, Some(in_child));
    });
}

/// The name of a result, for traces.
fn answer(result: c_int) -> String {
    Status(result).name().unwrap_or("an unknown code").to_owned()
}

/// Runs the body of a function that works before `cuInit`; `arguments` are for traces.
pub(crate) fn enter_early(
    name: &'static str,
    arguments: &dyn Fn() -> String,
    body: impl FnOnce() -> Result<()>,
) -> c_int {
    vgpu_trace::call(vgpu_trace::Api::Driver, name, arguments, &answer, || checked(name, body))
}

/// Runs a body; its status as a number.
fn checked(name: &'static str, body: impl FnOnce() -> Result<()>) -> c_int {
    if FORKED.load(Ordering::Relaxed) {
        log::once(name, "called in a forked child: start a new process instead (Python: the \"spawn\" start method)");
        return Status::NOT_INITIALIZED.0;
    }
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => Status::SUCCESS.0,
        Ok(Err(status)) => {
            log::trace_failure(name, status);
            status.0
        }
        Err(_) => {
            log::once(name, "failed in a way that is a defect of vgpu");
            Status::UNKNOWN.0
        }
    }
}

/// Runs the body of a function that needs `cuInit`.
pub(crate) fn enter(name: &'static str, arguments: &dyn Fn() -> String, body: impl FnOnce() -> Result<()>) -> c_int {
    enter_early(name, arguments, || {
        driver::check_initialized()?;
        body()
    })
}

/// What a symbol without implementation does; one function per symbol, so that it can say its name.
pub(crate) extern "C" fn refuse<const IDX: usize>() -> c_int {
    let name = symbols::SYMBOLS.get(IDX).map_or("?", |symbol| symbol.name);
    enter_early(name, &String::new, || {
        log::once(name, "is not supported");
        Err(Status::NOT_SUPPORTED)
    })
}

/// Defines C functions of the driver API and their list `ENTRIES`.
///
/// `fn name(args) { body }` is a function whose body gives `Result<()>`; `fn @early name` works before `cuInit`. With
/// `fn name | name_ptsz [stream]`, the two differ in what the default stream is: `stream` is a [`crate::stream::Default`].
macro_rules! entries {
    (@arguments) => { String::new };
    (@arguments $($arg:ident),+) => {
        move || vgpu_trace::arguments(&[$((stringify!($arg), &$crate::abi::Shown($arg))),+])
    };
    (@one [early] $name:ident ($($arg:ident: $type:ty),*) $body:block) => {
        pub(crate) extern "C" fn $name($($arg: $type),*) -> std::ffi::c_int {
            let arguments = $crate::abi::entries!(@arguments $($arg),*);
            $crate::abi::enter_early(stringify!($name), &arguments, move || $body)
        }
    };
    (@one [] $name:ident ($($arg:ident: $type:ty),*) $body:block) => {
        pub(crate) extern "C" fn $name($($arg: $type),*) -> std::ffi::c_int {
            let arguments = $crate::abi::entries!(@arguments $($arg),*);
            $crate::abi::enter(stringify!($name), &arguments, move || $body)
        }
    };
    ($($(#[$doc:meta])* fn $(@$early:ident)? $name:ident $(| $per_thread:ident [$mode:ident])? ($($arg:ident: $type:ty),* $(,)?) $body:block)*) => {
        mod symbols {
            #![allow(non_snake_case, reason = "the names are CUDA's")]
            #![allow(clippy::too_many_arguments, reason = "the parameters are CUDA's")]
            use super::*;
            $($crate::abi::entries!(@define [$($early)?] $name [$($per_thread $mode)?] ($($arg: $type),*) $body);)*
        }
        /// The functions of this file.
        pub(crate) static ENTRIES: &[$crate::abi::Function] = &[
            $($crate::abi::Function { name: stringify!($name), address: symbols::$name as *const () },
            $($crate::abi::Function { name: stringify!($per_thread), address: symbols::$per_thread as *const () },)?)*
        ];
    };
    (@define [$($early:ident)?] $name:ident [] ($($arg:ident: $type:ty),*) $body:block) => {
        $crate::abi::entries!(@one [$($early)?] $name ($($arg: $type),*) $body);
    };
    (@define [] $name:ident [$per_thread:ident $mode:ident] ($($arg:ident: $type:ty),*) $body:block) => {
        pub(crate) extern "C" fn $name($($arg: $type),*) -> std::ffi::c_int {
            let $mode = $crate::stream::Default::Legacy;
            let arguments = $crate::abi::entries!(@arguments $($arg),*);
            $crate::abi::enter(stringify!($name), &arguments, move || $body)
        }
        pub(crate) extern "C" fn $per_thread($($arg: $type),*) -> std::ffi::c_int {
            let $mode = $crate::stream::Default::PerThread;
            let arguments = $crate::abi::entries!(@arguments $($arg),*);
            $crate::abi::enter(stringify!($per_thread), &arguments, move || $body)
        }
    };
}
pub(crate) use entries;
