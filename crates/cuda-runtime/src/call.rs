//! What every exported function goes through.
//!
//! A call makes sure that its thread has a context, does its work, and notes its error for `cudaGetLastError`. Errors are
//! noted per thread. `cudaErrorNotReady` is an answer and not noted (CUDA C++ Programming Guide, error checking). An error
//! that has broken the context is the driver's to repeat: every later call gives it again.

use crate::code::{NOT_READY, Outcome, UNKNOWN};
use crate::{P, Stream};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use vgpu_trace::arguments;

thread_local! {
    static LAST_ERROR: Cell<i32> = const { Cell::new(0) };
}

/// The name of a result, for traces.
fn answer(code: i32) -> String {
    crate::code::name(code).to_owned()
}

/// Runs the work of one call of that name, and records it when the process is traced; the code to return.
pub fn run_named(name: &str, arguments: &dyn Fn() -> String, work: impl FnOnce() -> Outcome) -> i32 {
    vgpu_trace::call(vgpu_trace::Api::Runtime, name, arguments, &answer, || run(work))
}

/// Runs the work of one call; the code to return.
pub fn run(work: impl FnOnce() -> Outcome) -> i32 {
    let code = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => 0,
        Ok(Err(code)) => code,
        Err(_) => UNKNOWN,
    };
    note(code)
}

/// Notes an error for `cudaGetLastError` and gives it back.
pub fn note(code: i32) -> i32 {
    if code != 0 && code != NOT_READY {
        LAST_ERROR.set(code);
    }
    code
}

/// The last error of this thread; none from now on.
#[unsafe(no_mangle)]
pub extern "C" fn cudaGetLastError() -> i32 {
    LAST_ERROR.replace(0)
}

/// The last error of this thread.
#[unsafe(no_mangle)]
pub extern "C" fn cudaPeekAtLastError() -> i32 {
    LAST_ERROR.get()
}

/// What may be an argument: the default stream of a per-thread function is another one than that of the plain function.
pub trait Argument: Copy {
    /// The argument as the per-thread form of a function takes it.
    #[must_use]
    fn per_thread(self) -> Self {
        self
    }
}

impl Argument for P {}
impl Argument for i32 {}
impl Argument for u32 {}
impl Argument for u64 {}
impl Argument for usize {}
impl Argument for crate::Dim3 {}
impl Argument for crate::Location {}
impl Argument for crate::copy::Extent {}
impl Argument for crate::copy::PitchedPtr {}
impl Argument for Stream {
    fn per_thread(self) -> Self {
        /// `CU_STREAM_PER_THREAD`.
        const PER_THREAD: P = std::ptr::without_provenance_mut(2);
        if self.0.is_null() { Self(PER_THREAD) } else { self }
    }
}

/// Exports functions of the runtime API: `name(arguments) { work }`. Work is a block that gives an `Outcome` and may call the
/// driver. `name | other_name(..)` also exports the form in which null means the thread's own default stream.
#[macro_export]
macro_rules! api {
    (@plain $name:ident ($($arg:ident: $ty:ty),* $(,)?) $body:block) => {
        #[doc = concat!("`", stringify!($name), "` of the CUDA runtime API.")]
        ///
        /// # Safety
        /// Rule 1 of the crate.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($arg: $ty),*) -> i32 {
            let arguments = || $crate::call::arguments(&[$((stringify!($arg), &$arg)),*]);
            $crate::call::run_named(stringify!($name), &arguments, || -> $crate::code::Outcome {
                // SAFETY: rules 1 and 2 of the crate.
                #[allow(unused_unsafe, reason = "some bodies call nothing unsafe")]
                unsafe { $body }
            })
        }
    };
    (@per_thread $per_thread:ident $name:ident ($($arg:ident: $ty:ty),* $(,)?)) => {
        #[doc = concat!("`", stringify!($per_thread), "`: with the thread's own default stream.")]
        ///
        /// # Safety
        /// Rule 1 of the crate.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $per_thread($($arg: $ty),*) -> i32 {
            // SAFETY: the caller's promise is the same.
            unsafe { $name($($crate::call::Argument::per_thread($arg)),*) }
        }
    };
    () => {};
    ($name:ident | $per_thread:ident $args:tt $body:block $($rest:tt)*) => {
        $crate::api!(@plain $name $args $body);
        $crate::api!(@per_thread $per_thread $name $args);
        $crate::api!($($rest)*);
    };
    ($name:ident $args:tt $body:block $($rest:tt)*) => {
        $crate::api!(@plain $name $args $body);
        $crate::api!($($rest)*);
    };
}

/// Exports functions that are a driver function under another name, once the thread has a context.
#[macro_export]
macro_rules! forward {
    ($($name:ident $(| $per_thread:ident)? => $driver:ident ($($arg:ident: $ty:ty),*);)*) => {
        $crate::api! {$(
            $name $(| $per_thread)? ($($arg: $ty),*) {
                $crate::context::ensure()?;
                $crate::driver::$driver($($arg),*)
            }
        )*}
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_error_is_the_threads_own_and_read_once() {
        assert_eq!(run(|| Err(1)), 1);
        assert_eq!(run(|| Err(NOT_READY)), NOT_READY);
        assert_eq!(run(|| Ok(())), 0);
        let other = std::thread::spawn(|| cudaPeekAtLastError()).join().expect("no panic");
        assert_eq!((other, cudaPeekAtLastError(), cudaGetLastError(), cudaGetLastError()), (0, 1, 1, 0));
        assert_eq!(run(|| panic!("a bug")), UNKNOWN);
        assert_eq!(cudaGetLastError(), UNKNOWN);
    }
}
