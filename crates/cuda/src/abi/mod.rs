//! The C boundary: what comes from a C caller, and how a Rust function becomes a C one.
//!
//! Rules of access:
//! 1. Values of [`Out`], [`In`] and the callback types are made only by C callers, as arguments of the functions that
//!    [`entries!`] defines. The CUDA documentation is the caller's contract: such a pointer is null or points to what the
//!    parameter's type says. Null is checked at every use.
//! 2. What a pointer leads to is copied at once; no reference into the caller's memory outlives a call.
//! 3. Host addresses that operations use later become `HostPtr`s here: the caller keeps them valid, as CUDA demands.
//! 4. No panic leaves a C function, and no function works in a forked child.

mod entry;
mod pointer;
mod structs;

pub(crate) use entry::{Function, enter, enter_early, entries, install_fork_guard, refuse};
pub(crate) use pointer::{
    HostCallback, In, OccupancyCallback, Out, Shown, StreamCallback, host_place, read_packed_params,
};
pub(crate) use structs::*;
