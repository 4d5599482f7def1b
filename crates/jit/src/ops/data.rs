//! Moving bits: packing and unpacking registers, selection.
//!
//! Source: PTX ISA, "mov" (vector forms), "selp", "slct".

use super::compare;
use super::emit::Emit;
use crate::llvm::{IntOp, Value};
use smallvec::SmallVec;
use vgpu_ptx::ir::{Compare, RegWidth, ScalarType};

/// `mov.bN d, {a, b, ..}`, lowest bits first.
pub(super) fn pack<'c>(e: &Emit<'_, 'c>, element: ScalarType, parts: &[Value<'c>], result: RegWidth) -> Value<'c> {
    let wide = e.int_type(result.bits());
    let mut whole: Option<Value<'c>> = None;
    for (idx, part) in parts.iter().enumerate() {
        let part = e.resize(e.low(*part, element), wide, false);
        let amount = part.ty().constant(u64::from(idx as u32 * element.bits()));
        let part = e.int(IntOp::Shl, part, amount);
        whole = Some(whole.map_or(part, |whole| e.or(whole, part)));
    }
    whole.expect("the verifier gives a pack at least two sources")
}

/// `mov.bN {d, e, ..}, a`.
pub(super) fn unpack<'c>(e: &Emit<'_, 'c>, element: ScalarType, a: Value<'c>, n: usize) -> SmallVec<[Value<'c>; 2]> {
    (0..n as u32).map(|idx| e.low(e.lshr(a, idx * element.bits()), element)).collect()
}

/// `selp`: `p ? a : b`.
pub(super) fn select_by_predicate<'c>(e: &Emit<'_, 'c>, ty: ScalarType, [a, b, p]: [Value<'c>; 3]) -> Value<'c> {
    e.select(p, e.low(a, ty), e.low(b, ty))
}

/// `slct`: `c >= 0 ? a : b`; -0 is zero, NaN is not.
pub(super) fn select_by_sign<'c>(
    e: &Emit<'_, 'c>,
    ty: ScalarType,
    condition: ScalarType,
    ftz: bool,
    [a, b, c]: [Value<'c>; 3],
) -> Value<'c> {
    let c = e.low(c, condition);
    let holds = compare::holds(e, Compare::Ge, condition, ftz, c, c.ty().zero());
    e.select(holds, e.low(a, ty), e.low(b, ty))
}
