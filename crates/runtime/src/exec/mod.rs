//! Where unsafe code lives: loading and calling generated code, its memory windows, signals, and system memory calls.
//!
//! Rules of access:
//! 1. Generated code is trusted to follow `vgpu_jit::abi`. What a *kernel* does wrong (wild addresses, endless loops, traps)
//!    must become an error value here; a wild address that happens to be mapped in the host process is the one thing that
//!    cannot be told from a good one, as between two allocations on hardware.
//! 2. Generated code runs only inside [`guard::Scope::call`], on a thread that holds a [`scratch::Slot`] or a resident block.
//! 3. Nothing with a destructor lives in a stack frame that a fault can abandon: those are frames of generated code and of
//!    C library routines it calls. Services suspend the guard before they run Rust code.
//! 4. Device memory is touched by the host only through [`copy`], on pinned ranges.

pub(crate) mod barrier;
pub(crate) mod block;
pub(crate) mod board;
pub(crate) mod cformat;
pub(crate) mod code;
pub(crate) mod coherent;
pub(crate) mod copy;
pub(crate) mod frame;
pub(crate) mod guard;
pub(crate) mod host;
pub(crate) mod library;
pub(crate) mod mapping;
pub(crate) mod os;
pub(crate) mod reloc;
pub(crate) mod resident;
pub(crate) mod scratch;
pub(crate) mod services;
pub(crate) mod warp_wait;
