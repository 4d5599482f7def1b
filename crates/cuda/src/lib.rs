//! The CUDA driver API: its handles, contexts, error codes and rules, on the runtime.
//!
//! The concept. [`symbol`] answers for every name that `libcuda.so.1` exports, with the address of a C function. A face (the
//! library `libvgpu.so`, the Python module) holds this crate once per process and hands the addresses out; `libcuda.so.1` itself
//! is nothing but jumps to them. What CUDA has and this does not do returns `CUDA_ERROR_NOT_SUPPORTED` and is named once on
//! standard error.
//!
//! The parts, bottom up:
//! - [`Status`] and its names; `log`: what a person should know besides the code.
//! - `handle`: tables from the numbers clients hold to objects; a number that is no live object is an error, never a pointer.
//! - `context`, `memory`, `module`, `stream`, `event`, `graph`: the objects.
//! - `api`: one function per symbol, grouped as in `cuda.h`, in safe code; `abi` has what makes C functions of them.
//!
//! What it does not do: run anything itself (the runtime does), textures and arrays, IPC, graphics interoperability.
#![deny(unsafe_code)]

#[allow(unsafe_code, reason = "the C boundary; its header has the rules")]
mod abi;

mod handle;
mod log;
mod status;

mod context;
mod driver;
mod graph;
mod image;
mod jit;
mod memory;
mod module;
mod pool;
mod stream;
mod work;

mod symbols;

mod api;

/// The PTX texts in an image (PTX text, fat binary, ELF file with fat binaries) that belong together, for a device of that
/// capability.
///
/// # Errors
/// What is wrong with the image, in words.
pub fn ptx_of_image(bytes: &[u8], capability: (u32, u32)) -> Result<Vec<String>, String> {
    image::texts(bytes, capability).map_err(|refusal| refusal.message)
}

pub use status::Status;
pub use symbols::{DRIVER_VERSION, Symbol, all as all_symbols, symbol};
