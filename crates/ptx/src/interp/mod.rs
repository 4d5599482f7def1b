//! The oracle: a plain interpreter over the kernel IR. Simple, slow, written from the PTX manual; shares no code with the JIT.
//!
//! Model. A [`Machine`] owns the variables of one module and a [`Memory`]; [`Machine::launch`] runs one kernel over a grid and either
//! returns [`LaunchStats`] or the first [`Fault`]. Inside a launch:
//! * a thread has its own registers, frames, local memory and program counter; lanes of a warp that stand at the same
//!   place execute together, and the scheduler is fair between places, so that lanes may wait for each other;
//! * warp-wide operations with a membermask wait until every named lane that has not ended has arrived;
//! * barriers count threads; a barrier without a count waits for all threads of the block that have not ended;
//! * blocks run in order, a few at a time (all of them in a cooperative launch), each for a slice of steps;
//! * nothing depends on time or randomness: the same launch gives the same bits, always.
//!
//! Arithmetic on bits is in [`arith`]; it can be used alone.
//!
//! Addresses: allocations lie at fixed virtual addresses; the shared window of the current block, the local window of the current
//! thread and the kernel's parameter buffer have address ranges of their own ([`SHARED_WINDOW`], [`LOCAL_WINDOW`],
//! [`PARAM_WINDOW`]) for generic addressing.
//!
//! Reading order: `arith`, `memory`, `machine`, `launch`, `block`, `thread`, `execute`, then the instruction families.

mod access;
pub mod arith;
mod atomic;
mod barrier;
mod block;
mod call;
mod execute;
mod fault;
mod launch;
mod machine;
mod mbarrier;
mod memory;
mod mma;
mod printf;
mod special;
#[cfg(test)]
mod tests;
mod thread;
mod warp;

pub use fault::{Fault, FaultKind};
pub use launch::{LaunchConfig, LaunchStats};
pub use machine::{Kernel, Machine, MachineError};
pub use memory::{Memory, MemoryError};

/// Generic address of byte 0 of the shared window.
pub const SHARED_WINDOW: u64 = 0x7e_0000_0000;
/// Generic address of byte 0 of the local window.
pub const LOCAL_WINDOW: u64 = 0x7f_0000_0000;
/// Generic address of byte 0 of the kernel's parameter buffer.
pub const PARAM_WINDOW: u64 = 0x7d_0000_0000;
/// Bytes in each of the three windows.
pub const WINDOW_BYTES: u64 = 1 << 32;
