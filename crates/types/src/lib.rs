//! The words every other crate speaks: launch shapes, typed indices, source spans and diagnostics.
//!
//! Nothing here does IO, takes a lock or uses unsafe code.
//!
//! Glossary (CUDA's own words, used the same way in every crate):
//! * **grid**: all thread blocks of one launch. **block**: threads that share shared memory and barriers.
//! * **warp**: 32 consecutive threads of a block. **lane**: a thread's index within its warp, 0 to 31.
//! * **kernel**: a function with `.entry` linkage. **launch**: one execution of a kernel over a grid.
//! * **stream**: launches and copies that run in order. **event**: a point in a stream.
//!
//! ```
//! use vgpu_types::Dim3;
//! let block = Dim3::new(32, 8, 1);
//! assert_eq!(block.volume(), 256);
//! ```
#![forbid(unsafe_code)]

mod diagnostic;
mod dim3;
mod gate;
mod index;
mod span;

pub use diagnostic::{Diagnostic, Label, Severity};
pub use dim3::Dim3;
pub use gate::{Change, Controls, GateToken};
pub use index::IndexVec;
pub use span::{LineColumn, LineMap, Span};

/// Threads in a warp. Fixed by the PTX manual ("WARP_SZ" is 32 on every architecture).
pub const WARP_SIZE: u32 = 32;
