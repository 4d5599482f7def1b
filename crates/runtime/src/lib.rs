//! Devices, contexts, streams, events, modules and launches: everything that runs compiled kernels.
//!
//! A [`Device`] owns worker threads, memory and the compiler. A [`Context`] on it owns allocations and streams, and
//! carries the sticky error of a kernel that went wrong. A [`Module`] is PTX made ready; its [`Kernel`]s are launched into a
//! [`Stream`], asynchronously. This is the only crate that calls generated code, and does so only in `exec`.
//!
//! The safe and typed form of all this, with an example, is the crate `vgpu`.
#![deny(unsafe_code)]

mod checkpoint;
mod compiler;
mod context;
mod device;
mod devices;
mod error;
mod event;
mod graph;
mod kernel;
mod launch;
mod memory;
mod module;
mod paged;
mod replicated;
mod split;
mod stream;
mod transfer;
mod work;

mod account;
mod branches;
mod cache;
mod heap;
mod jit;
mod pool;
mod printf;
mod watchdog;

#[allow(unsafe_code, reason = "the one module where it is allowed; its header has the rules")]
mod exec;

pub use account::{ProcessUse, processes};
pub use cache::DEFAULT_CACHE_BYTES;
pub use checkpoint::{Extra, Periodic, Restored};
pub use compiler::{CompileCounts, Compiler};
pub use context::{Context, PrintSink};
pub use device::{
    BLOCKS_PER_MULTIPROCESSOR, CachePolicy, Device, DeviceConfig, DeviceProperties, MAX_BLOCK, MAX_GRID,
    MAX_SHARED_BYTES, MAX_STATIC_SHARED_BYTES, MAX_THREADS_PER_BLOCK, SHARED_BYTES_PER_MULTIPROCESSOR,
    THREADS_PER_MULTIPROCESSOR,
};
pub use error::{Error, Fault};
pub use event::Event;
pub use exec::host::HostPtr;
pub use exec::mapping::{Access, Physical, Reservation};
pub use graph::{Executable, Graph, GraphError, Step};
pub use kernel::{Kernel, KernelAttributes};
pub use launch::LaunchConfig;
pub use memory::HostMemory;
pub use memory::{DevicePtr, MemoryInfo};
pub use module::Module;
pub use paged::MemoryBudget;
pub use replicated::{Replicated, Traffic};
pub use split::{SplitDevice, SplitLaunch, SplitPart};
pub use stream::{Stream, StreamClass};
pub use transfer::{Block, Fill, Place, Transfer};
pub use vgpu_mem::grid::Tier as MemoryTier;
pub use vgpu_mem::snapshot::Snapshot as MemorySnapshot;
pub use work::Work;
