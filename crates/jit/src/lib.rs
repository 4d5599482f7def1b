//! Kernel IR to machine code: one warp (or a few) is one vector program.
//!
//! The result is relocatable object code plus the layout facts a runtime needs to run it ([`KernelLayout`]); loading and
//! calling it is the runtime's business. The contract between generated code and the runtime is [`abi`].
//! Source of the method: ../../ARCHITECTURE.md, "The JIT".

pub mod abi;
mod llvm;
#[cfg(test)]
mod loaded;
mod object_code;
mod ops;
mod target;

pub use object_code::{EntryKind, KernelLayout, ObjectCode, Specialization};
pub use target::{Isa, Target};
