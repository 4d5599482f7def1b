//! Integer arithmetic and bitwise logic.
//!
//! Model: values wrap at the type's width. Packed pairs are computed as twice as many 16-bit lanes.
//!
//! Source: PTX ISA, "Integer Arithmetic Instructions", "Logic and Shift Instructions".

use super::bits::{shift_left, shift_right};
use super::divide;
use super::emit::Emit;
use crate::llvm::Value;
use vgpu_ptx::ir::{IntBinary, IntUnary, MulHalf, ScalarType};

/// `d <- a, b`.
pub(super) fn binary<'c>(e: &Emit<'_, 'c>, op: IntBinary, ty: ScalarType, a: Value<'c>, b: Value<'c>) -> Value<'c> {
    let a = e.low(a, ty);
    if matches!(op, IntBinary::Shl | IntBinary::Shr) {
        let n = e.low(b, ScalarType::U32);
        return if op == IntBinary::Shl { shift_left(e, a, n) } else { shift_right(e, a, n, ty.is_signed()) };
    }
    let b = e.low(b, ty);
    if ty.is_packed() {
        let result = element(e, op, ty.is_signed(), e.split(a, 16), e.split(b, 16));
        return e.join(result, a.ty());
    }
    element(e, op, ty.is_signed(), a, b)
}

fn element<'c>(e: &Emit<'_, 'c>, op: IntBinary, signed: bool, a: Value<'c>, b: Value<'c>) -> Value<'c> {
    let at_least_zero = |value: Value<'c>| e.extremum(true, true, value, value.ty().zero());
    match op {
        IntBinary::Add => e.add(a, b),
        IntBinary::AddSat => e.call2(if signed { "llvm.sadd.sat" } else { "llvm.uadd.sat" }, a, b),
        IntBinary::Sub => e.sub(a, b),
        IntBinary::SubSat => e.call2(if signed { "llvm.ssub.sat" } else { "llvm.usub.sat" }, a, b),
        IntBinary::MulLo => e.mul(a, b),
        IntBinary::MulHi => multiply_high(e, signed, a, b),
        IntBinary::Div => divide::quotient(e, signed, a, b),
        IntBinary::Rem => divide::remainder(e, signed, a, b),
        IntBinary::Min => e.extremum(false, signed, a, b),
        IntBinary::Max => e.extremum(true, signed, a, b),
        IntBinary::MinRelu => at_least_zero(e.extremum(false, signed, a, b)),
        IntBinary::MaxRelu => at_least_zero(e.extremum(true, signed, a, b)),
        IntBinary::And => e.and(a, b),
        IntBinary::Or => e.or(a, b),
        IntBinary::Xor => e.xor(a, b),
        IntBinary::Shl => shift_left(e, a, b),
        IntBinary::Shr => shift_right(e, a, b, signed),
    }
}

/// Upper half of a product.
pub(super) fn multiply_high<'c>(e: &Emit<'_, 'c>, signed: bool, a: Value<'c>, b: Value<'c>) -> Value<'c> {
    let bits = a.ty().scalar_bits();
    if bits == 64 && a.ty().is_vector() {
        return multiply_high_64(e, signed, a, b);
    }
    let wide = e.int_type(bits * 2);
    let product = e.mul(e.resize(a, wide, signed), e.resize(b, wide, signed));
    e.trunc(e.lshr(product, bits), e.int_type(bits))
}

/// From four 32-bit products, which vectors have; 128-bit lanes would be taken apart.
fn multiply_high_64<'c>(e: &Emit<'_, 'c>, signed: bool, a: Value<'c>, b: Value<'c>) -> Value<'c> {
    let low = |value| e.mask(value, 0xffff_ffff);
    let (a0, a1, b0, b1) = (low(a), e.lshr(a, 32), low(b), e.lshr(b, 32));
    let t = e.add(e.mul(a1, b0), e.lshr(e.mul(a0, b0), 32));
    let w = e.add(e.mul(a0, b1), low(t));
    let high = e.add(e.add(e.mul(a1, b1), e.lshr(t, 32)), e.lshr(w, 32));
    if !signed {
        return high;
    }
    // A negative factor counts as 2^64 too much.
    let excess = |sign, other| e.and(e.ashr(sign, 63), other);
    e.sub(e.sub(high, excess(a, b)), excess(b, a))
}

/// `d <- a`.
pub(super) fn unary<'c>(e: &Emit<'_, 'c>, op: IntUnary, ty: ScalarType, a: Value<'c>) -> Value<'c> {
    let a = e.low(a, ty);
    if ty.is_packed() {
        return e.join(unary(e, op, ty.element(), e.split(a, 16)), a.ty());
    }
    let bits = ty.bits();
    let to_32 = |value| e.resize(value, e.int_type(32), false);
    match op {
        IntUnary::Abs => e.intrinsic("llvm.abs", &[a.ty()], &[a, e.int_type(1).zero()]),
        IntUnary::Neg => e.neg(a),
        IntUnary::Not => e.not(a),
        IntUnary::Cnot => e.zext(e.is_zero(a), e.int_type(bits)),
        IntUnary::Popc => to_32(e.call1("llvm.ctpop", a)),
        IntUnary::Clz => to_32(e.ctlz(a)),
        IntUnary::Brev => e.call1("llvm.bitreverse", a),
        IntUnary::Bfind | IntUnary::BfindShift => {
            let a = if ty.is_signed() { e.xor(a, e.ashr(a, bits - 1)) } else { a };
            let zeros = to_32(e.ctlz(a));
            if op == IntUnary::Bfind {
                e.sub(e.k(zeros, u64::from(bits - 1)), zeros)
            } else {
                e.select(e.is_zero(a), zeros.ty().all_ones(), zeros)
            }
        }
    }
}

/// The whole product, twice as wide.
pub(super) fn multiply_wide<'c>(e: &Emit<'_, 'c>, ty: ScalarType, a: Value<'c>, b: Value<'c>) -> Value<'c> {
    let wide = e.int_type(ty.bits() * 2);
    let extend = |value| e.resize(e.low(value, ty), wide, ty.is_signed());
    e.mul(extend(a), extend(b))
}

/// `d <- a * b + c`.
pub(super) fn multiply_add<'c>(
    e: &Emit<'_, 'c>,
    ty: ScalarType,
    half: MulHalf,
    saturate: bool,
    [a, b, c]: [Value<'c>; 3],
) -> Value<'c> {
    let product = match half {
        MulHalf::Lo => e.mul(e.low(a, ty), e.low(b, ty)),
        MulHalf::Hi => multiply_high(e, ty.is_signed(), e.low(a, ty), e.low(b, ty)),
        MulHalf::Wide => multiply_wide(e, ty, a, b),
    };
    let c = e.resize(c, product.ty().scalar(), false);
    if saturate { e.call2("llvm.sadd.sat", product, c) } else { e.add(product, c) }
}

/// `mul24` and `mad24`: factors are the low 24 bits.
pub(super) fn multiply_24<'c>(
    e: &Emit<'_, 'c>,
    signed: bool,
    high: bool,
    saturate: bool,
    a: Value<'c>,
    b: Value<'c>,
    c: Option<Value<'c>>,
) -> Value<'c> {
    let factor = |value: Value<'c>| {
        let top = e.shl(e.low(value, ScalarType::U32), 8);
        if signed { e.ashr(top, 8) } else { e.lshr(top, 8) }
    };
    let (a, b) = (factor(a), factor(b));
    let product = if high {
        let wide = e.int_type(64);
        let product = e.mul(e.resize(a, wide, signed), e.resize(b, wide, signed));
        e.trunc(e.lshr(product, 16), e.int_type(32))
    } else {
        e.mul(a, b)
    };
    match c.map(|c| e.low(c, ScalarType::U32)) {
        None => product,
        Some(c) if saturate => e.call2("llvm.sadd.sat", product, c),
        Some(c) => e.add(product, c),
    }
}

/// `c + |a - b|`.
pub(super) fn sum_of_difference<'c>(e: &Emit<'_, 'c>, ty: ScalarType, [a, b, c]: [Value<'c>; 3]) -> Value<'c> {
    let (a, b, signed) = (e.low(a, ty), e.low(b, ty), ty.is_signed());
    let difference = e.sub(e.extremum(true, signed, a, b), e.extremum(false, signed, a, b));
    e.add(e.low(c, ty), difference)
}
