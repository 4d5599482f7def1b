//! Extended-precision arithmetic: the condition code is an explicit predicate.
//!
//! Source: PTX ISA, "Extended-Precision Integer Arithmetic Instructions".

use super::emit::Emit;
use super::integer::multiply_high;
use crate::llvm::{IntPredicate, Value};
use vgpu_ptx::ir::{CarryOp, ScalarType};

/// Result and carry (borrow after a subtraction). `sources` are `a, b[, c][, carry]`.
pub(super) fn with_carry<'c>(
    e: &Emit<'_, 'c>,
    op: CarryOp,
    ty: ScalarType,
    carry_in: bool,
    sources: &[Value<'c>],
) -> [Value<'c>; 2] {
    let low = |value| e.low(value, ty);
    let (a, b) = (low(sources[0]), low(sources[1]));
    let carry = carry_in.then(|| sources[sources.len() - 1]);
    match op {
        CarryOp::Add => add(e, a, b, carry),
        CarryOp::Sub => {
            let difference = e.sub(a, b);
            let borrow = e.icmp(IntPredicate::Ult, a, b);
            let Some(carry) = carry else { return [difference, borrow] };
            let carry = e.zext(carry, a.ty().scalar());
            let again = e.icmp(IntPredicate::Ult, difference, carry);
            [e.sub(difference, carry), e.or(borrow, again)]
        }
        CarryOp::MadLo => add(e, e.mul(a, b), low(sources[2]), carry),
        CarryOp::MadHi => add(e, multiply_high(e, ty.is_signed(), a, b), low(sources[2]), carry),
    }
}

fn add<'c>(e: &Emit<'_, 'c>, a: Value<'c>, b: Value<'c>, carry: Option<Value<'c>>) -> [Value<'c>; 2] {
    let sum = e.add(a, b);
    let over = e.icmp(IntPredicate::Ult, sum, a);
    let Some(carry) = carry else { return [sum, over] };
    let total = e.add(sum, e.zext(carry, a.ty().scalar()));
    let again = e.icmp(IntPredicate::Ult, total, sum);
    [total, e.or(over, again)]
}
