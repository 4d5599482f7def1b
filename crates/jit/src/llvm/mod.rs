//! LLVM behind a safe door: the only module of the crate that contains unsafe code or names `llvm_sys`.
//!
//! Model. A [`Context`] owns everything made in it; [`Value`], [`Type`] and [`Label`] borrow it through their lifetime, so none
//! can outlive it. A [`Builder`] appends instructions to the block it stands in. Operations on values are generic
//! over scalars and vectors, as in LLVM itself.
//!
//! Access rules that every `unsafe` block here relies on:
//! 1. handles come only from the LLVM C API called with handles of the same `Context`;
//! 2. a `Context` stays on the thread that made it (it is neither `Send` nor `Sync`);
//! 3. a module is disposed before its context, a target machine after use (`Drop` impls);
//! 4. operand types are the caller's duty: LLVM's verifier runs over the finished module before code generation and
//!    turns a mistake into an error ([`CodegenError`]), and builder calls with wrong types do not touch memory
//!    outside LLVM's own data.

mod blends;
mod builder;
mod codegen;
mod value;

pub use builder::{Builder, FloatOp, FloatPredicate, IntOp, IntPredicate, Ordering, RmwOp};
pub use codegen::{CodegenError, Level};
pub use value::{Context, Function, Label, Type, Value};
