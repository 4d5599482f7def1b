//! Integer division without traps.
//!
//! Model: x86's `div` traps on a zero divisor and on MIN / -1; here the quotient by zero is all ones, the remainder by zero
//! is the dividend, MIN / -1 is MIN. Vectors of up to 32 bits divide in floating point: with operands below 2^32 the
//! rounded `double` quotient never reaches the next integer (its error is below a * 2^-53 / b < 1 / b), so truncating it
//! is exact; 16 bits and `float` likewise.
//!
//! Source: PTX ISA, "div", "rem".

use super::emit::Emit;
use crate::llvm::{IntOp, Value};

/// `a / b`.
pub(super) fn quotient<'c>(e: &Emit<'_, 'c>, signed: bool, a: Value<'c>, b: Value<'c>) -> Value<'c> {
    let (zero, safe) = safe_divisor(e, signed, b);
    let quotient = if in_floating_point(a, b) {
        float_quotient(e, signed, a, safe)
    } else {
        e.int(if signed { IntOp::SDiv } else { IntOp::UDiv }, a, safe)
    };
    let quotient = if signed { e.select(e.eq(b, b.ty().all_ones()), e.neg(a), quotient) } else { quotient };
    e.select(zero, a.ty().all_ones(), quotient)
}

/// `a - a / b * b`.
pub(super) fn remainder<'c>(e: &Emit<'_, 'c>, signed: bool, a: Value<'c>, b: Value<'c>) -> Value<'c> {
    let (zero, safe) = safe_divisor(e, signed, b);
    let remainder = if in_floating_point(a, b) {
        e.sub(a, e.mul(float_quotient(e, signed, a, safe), safe))
    } else {
        e.int(if signed { IntOp::SRem } else { IntOp::URem }, a, safe)
    };
    // A divisor of -1 was replaced by 1, with the same remainder 0.
    e.select(zero, a, remainder)
}

/// Constant divisors become multiplications in LLVM; scalars have an instruction; 64 bits have no wider float.
fn in_floating_point<'c>(a: Value<'c>, b: Value<'c>) -> bool {
    a.ty().is_vector() && a.ty().scalar_bits() <= 32 && !b.is_constant()
}

/// Where `b` is zero, and `b` with 1 in place of what traps.
fn safe_divisor<'c>(e: &Emit<'_, 'c>, signed: bool, b: Value<'c>) -> (Value<'c>, Value<'c>) {
    let zero = e.is_zero(b);
    let traps = if signed { e.or(zero, e.eq(b, b.ty().all_ones())) } else { zero };
    (zero, e.select(traps, e.k(b, 1), b))
}

fn float_quotient<'c>(e: &Emit<'_, 'c>, signed: bool, a: Value<'c>, b: Value<'c>) -> Value<'c> {
    let bits = a.ty().scalar_bits();
    let (float, int) =
        if bits <= 16 { (e.float_type(32), e.int_type(32)) } else { (e.float_type(64), e.int_type(bits)) };
    let quotient = e.fdiv(e.int_to_float(a, float, signed), e.int_to_float(b, float, signed));
    e.resize(e.float_to_int(quotient, int, signed), e.int_type(bits), signed)
}
