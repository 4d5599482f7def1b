//! The CUDA runtime API (`libcudart`) over the driver API (`libcuda.so.1`).
//!
//! A program compiled by nvcc registers its kernels and variables here before `main` ([`registry`]), calls `cuda*` functions,
//! and launches by the address of a host function. Everything ends in a driver call ([`driver`]), found by name in
//! `libcuda.so.1` when it is first needed; this crate holds no device and no memory of its own, so the programs' runtime
//! and driver calls share everything, and it runs over NVIDIA's driver as it does over ours.
//!
//! Structure: [`call`] is what every exported function goes through (context, last error, panics); [`mod@forward`] is the table of
//! functions that are a driver function under another name; the other modules are areas of the API. `sonames/cudart12` and
//! `sonames/cudart13` make the shared libraries; they hold what differs between the two versions, and the list of names that
//! are not supported.
//!
//! Rules of access:
//! 1. The signatures are those of `cuda_runtime_api.h`. Pointers of a caller are read and written as that header says, after a
//!    check for null where null is not allowed; a caller's wrong pointer is the caller's fault, as with NVIDIA's.
//! 2. Handles (streams, events, graphs ..) are the driver's, passed through and checked by it.
//! 3. What a program registers at start-up (fat binaries, names) is static in the program and outlives its registration.
//!
//! Not here: textures, surfaces, arrays, interoperability with graphics; their functions return `cudaErrorNotSupported`.
#![allow(non_snake_case, reason = "the names are CUDA's")]
#![allow(clippy::too_many_arguments, reason = "the signatures are CUDA's")]
#![allow(clippy::macro_metavars_in_unsafe, reason = "every body of `api` is under the crate's rules, which it says")]
#![allow(clippy::redundant_closure, reason = "functions with a C signature are no closures")]

#[macro_use]
pub mod call;

pub mod context;
pub mod registry;

pub mod device;
pub mod properties;

pub mod copy;
pub mod memory;
pub mod symbol;

pub mod function;
pub mod launch;

pub mod forward;
pub mod graph;
pub mod stream;

#[macro_use]
pub mod unsupported;

pub mod code;
mod code_text;
pub mod driver;

use std::ffi::c_void;

/// Any pointer or handle of the API.
pub type P = *mut c_void;

/// Three extents, as CUDA passes them by value.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dim3 {
    /// Along x.
    pub x: u32,
    /// Along y.
    pub y: u32,
    /// Along z.
    pub z: u32,
}

/// `cudaMemLocation`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Location {
    /// `cudaMemLocationType`.
    pub kind: i32,
    /// Number of the device or NUMA node.
    pub id: i32,
}

/// A stream handle; null is the default stream, of which there are two kinds.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub struct Stream(pub P);
