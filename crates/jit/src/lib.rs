//! Kernel IR to machine code: one warp (or a few) is one vector program.
//!
//! The result is relocatable object code plus the layout facts a runtime needs to run it ([`KernelLayout`]); loading and
//! calling it is the runtime's business. The contract between generated code and the runtime is [`abi`].
//! Source of the method: ../../ARCHITECTURE.md, "The JIT".

mod pipeline;

mod emit;
mod middle;
mod ops;

mod llvm;
#[cfg(test)]
mod loaded;

pub mod abi;
mod error;
mod object_code;
mod target;

pub use error::JitError;
pub use object_code::{EntryKind, KernelLayout, ObjectCode, ParamAlignment, Specialization};
pub use pipeline::{compile, dump, stages};
pub use target::{Isa, Target};

/// Registers of one function; the parser's own limit is the same.
pub(crate) const MAX_REGISTERS: usize = 4_000_000;
/// Blocks of one function.
pub(crate) const MAX_BLOCKS: usize = 400_000;
