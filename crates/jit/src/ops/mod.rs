//! The arithmetic of generated code: IR operations as LLVM instructions.
//!
//! Model: pure functions from LLVM values to LLVM values. A source is the register's bits as an integer (`iN`, `i1` for a
//! predicate), either a scalar (all lanes agree) or a vector with one element per lane; all sources of one call have the
//! same shape, and so have the results. Nothing here knows about control flow, masks or memory.
//!
//! Source: PTX ISA 9.x, chapter "Instruction Set".

mod matrix_convert;
mod warp;
mod warp_atomic;
mod warp_shuffle;
mod warp_vote;
mod warp_x86;

pub(crate) use warp::{LaneResults, LaneValue, Warps, cross_lane};
pub(crate) use warp_atomic::{Addresses, atomic};

use crate::Target;
use crate::llvm::{Builder, Value};
use smallvec::SmallVec;
use vgpu_ptx::ir::{Op, RegWidth};

/// Results of one operation, in the order of its destinations.
pub(crate) type Results<'c> = SmallVec<[Value<'c>; 2]>;

/// Emits an operation that computes each lane from that lane's sources alone. `None` when `op` is not of that kind
/// (memory, control, or between lanes). `results` are the widths of the destination registers: `cvt` and `ld` may write
/// registers wider than their type.
pub(crate) fn elementwise<'c>(
    builder: &Builder<'c>,
    target: &Target,
    op: &Op,
    sources: &[Value<'c>],
    results: &[RegWidth],
) -> Option<Results<'c>> {
    let _ = (builder, target, op, sources, results);
    None
}
