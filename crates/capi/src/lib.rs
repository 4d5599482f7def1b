//! `libvgpu.so`: the engine of a process, and the C API of `vgpu/runtime.h`.
//!
//! Model. A process holds one engine: the first library that contains one. Faces (`libcuda.so.1`, and `libcudart` through it)
//! find it by the symbol [`vgpu_engine_1`], which gives the address of each function by name. The number in the name is the
//! version of that contract.

mod functions;

use std::ffi::{CStr, c_char};

/// Address of a function of the engine by its name; null when there is none. Names of the CUDA driver API are those that
/// `libcuda.so.1` exports.
///
/// # Safety
/// `name` is null or a zero-terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_engine_1(name: *const c_char) -> usize {
    if name.is_null() {
        return 0;
    }
    // SAFETY: the caller's promise.
    let name = unsafe { CStr::from_ptr(name) };
    name.to_str().ok().and_then(vgpu_cuda::symbol).unwrap_or(0)
}
