//! PTX: from text to the kernel IR, and an interpreter that is the oracle for everything that runs it.
//!
//! The path of a module: text -> AST -> [`ir`] -> interpreter or JIT.
//! Nothing here knows LLVM or threads. Every entry point collects diagnostics and never panics on input.
#![forbid(unsafe_code)]

pub mod interp;
pub mod ir;
