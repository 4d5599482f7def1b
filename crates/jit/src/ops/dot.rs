//! `dp4a`, `dp2a`: dot products of bytes and halves with accumulation.
//!
//! Model: bytes are widened to 16 bits (even and odd ones apart), multiplied in pairs and added in 32 bits, which x86 does in
//! one instruction per half; sums wrap.
//!
//! Source: PTX ISA, "dp4a", "dp2a".

use super::emit::Emit;
use super::x86;
use crate::llvm::Value;
use vgpu_ptx::ir::ScalarType;

/// `c + a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3`.
pub(super) fn bytes<'c>(e: &Emit<'_, 'c>, a_signed: bool, b_signed: bool, [a, b, c]: [Value<'c>; 3]) -> Value<'c> {
    let word = |value| e.low(value, ScalarType::U32);
    let (a, b, c) = (word(a), word(b), word(c));
    let even = |value, signed| {
        let halves = e.shl(e.split(value, 16), 8);
        if signed { e.ashr(halves, 8) } else { e.lshr(halves, 8) }
    };
    let odd = |value, signed| {
        let halves = e.split(value, 16);
        if signed { e.ashr(halves, 8) } else { e.lshr(halves, 8) }
    };
    let low = sum_of_products(e, even(a, a_signed), even(b, b_signed), c);
    let high = sum_of_products(e, odd(a, a_signed), odd(b, b_signed), c);
    e.add(c, e.add(low, high))
}

/// For each 32-bit lane the sum of the two products of its signed 16-bit parts.
fn sum_of_products<'c>(e: &Emit<'_, 'c>, a: Value<'c>, b: Value<'c>, like: Value<'c>) -> Value<'c> {
    if let Some(sums) = x86::multiply_add_pairs(e, a, b) {
        return sums;
    }
    let (a, b) = (e.join(a, like.ty()), e.join(b, like.ty()));
    let low = |value| e.ashr(e.shl(value, 16), 16);
    e.add(e.mul(low(a), low(b)), e.mul(e.ashr(a, 16), e.ashr(b, 16)))
}

/// `c + a0 * b0 + a1 * b1`: halves of `a`, bytes of `b`.
pub(super) fn halves<'c>(
    e: &Emit<'_, 'c>,
    a_signed: bool,
    b_signed: bool,
    high: bool,
    [a, b, c]: [Value<'c>; 3],
) -> Value<'c> {
    let word = |value| e.low(value, ScalarType::U32);
    let (a, b, c) = (word(a), word(b), word(c));
    let field = |value, position: u32, bits: u32, signed| {
        let top = e.shl(value, 32 - bits - position);
        if signed { e.ashr(top, 32 - bits) } else { e.lshr(top, 32 - bits) }
    };
    let first = if high { 16 } else { 0 };
    let product = |idx: u32| e.mul(field(a, idx * 16, 16, a_signed), field(b, first + idx * 8, 8, b_signed));
    e.add(c, e.add(product(0), product(1)))
}
