//! Syntax tree to kernel IR: names become indices, defaults are spelled out, control flow becomes a graph.
//!
//! Model: [`lower`] declares every module symbol, then fills in initialisers, then lowers bodies one function at a
//! time ([`function`]). An instruction goes by its opcode's root to one function of one family file
//! ([`dispatch`]), which asks the [`modifiers`] for what it knows and the [`operand`] layer for operands of the
//! right width. A failure is one diagnostic; the next instruction goes on.
//!
//! What it does not do: optimise, or refuse what is legal but foolish.

mod address;
mod async_copy;
mod atomic;
mod control;
mod convert;
mod data_movement;
mod dispatch;
mod float;
mod function;
mod immediate;
mod initialiser;
mod integer;
mod layout;
mod logic;
mod matrix;
mod memory;
mod modifiers;
mod module;
mod operand;
mod scope;
mod special;
mod unsupported;
mod video;
mod warp;

use vgpu_types::Diagnostic;

pub(crate) use control::builtin;
pub use module::lower;
pub(crate) use module::same_signature;

/// Result of lowering a piece; the diagnostic is collected by whoever goes on with the next piece.
pub(crate) type Lowered<T> = Result<T, Box<Diagnostic>>;
