//! Scalar video instructions: parts of registers, saturation, a second operation or a merge.
//!
//! Model: parts are extended to 64 bits, where nothing of theirs overflows; only a saturating `vmad` needs 128. The steps are the
//! manual's: extract, operate, saturate, then merge into `c` or combine with it.
//!
//! Source: PTX ISA, "Scalar Video Instructions".

use super::compare;
use super::emit::Emit;
use crate::llvm::{IntOp, Value};
use vgpu_ptx::ir::{Compare, ScalarType, Video, VideoOp, VideoPart, VideoSecond};

/// Lowest bit and width of a part.
const fn field(part: VideoPart) -> (u32, u32) {
    match part {
        VideoPart::Whole => (0, 32),
        VideoPart::Byte(idx) => (8 * idx as u32, 8),
        VideoPart::Half(idx) => (16 * idx as u32, 16),
    }
}

/// `width` bits of 32-bit lanes from `position` on, extended to `bits` bits.
fn part<'c>(e: &Emit<'_, 'c>, value: Value<'c>, (position, width): (u32, u32), signed: bool, bits: u32) -> Value<'c> {
    let top = e.shl(value, 32 - width - position);
    let low = if signed { e.ashr(top, 32 - width) } else { e.lshr(top, 32 - width) };
    e.resize(low, e.int_type(bits), signed)
}

/// A value clamped to `width` bits; the value is taken as signed or unsigned.
pub(super) fn clamp<'c>(e: &Emit<'_, 'c>, value: Value<'c>, value_signed: bool, width: u32, signed: bool) -> Value<'c> {
    let largest: i64 = (1 << if signed { width - 1 } else { width }) - 1;
    if !value_signed {
        return e.at_most(value, largest as u64);
    }
    let least = if signed { -largest - 1 } else { 0 };
    // Constants are sign-extended: the lanes may be wider than a constant's 64 bits.
    let wide = |n: i64| {
        let narrow = value.ty().with_scalar(e.int_type(64)).constant(n as u64);
        e.resize(narrow, value.ty().scalar(), true)
    };
    e.extremum(false, true, e.extremum(true, true, value, wide(least)), wide(largest))
}

/// `d <- a, b[, c]`.
pub(super) fn scalar<'c>(e: &Emit<'_, 'c>, form: &Video, sources: &[Value<'c>]) -> Value<'c> {
    let word = |idx: usize| sources.get(idx).map(|value| e.low(*value, ScalarType::U32));
    let (a, b) = (word(0).expect("two operands at least"), word(1).expect("two operands at least"));
    let c = word(2).unwrap_or(a.ty().zero());
    if form.op == VideoOp::Mad {
        return multiply_add(e, form, a, b, c);
    }
    let x = part(e, a, field(form.a_part), form.a_signed, 64);
    let y = part(e, b, field(form.b_part), form.b_signed, 64);
    let amount = || {
        let low = e.mask(y, 0xffff_ffff);
        if form.clamp { e.at_most(low, 32) } else { e.mask(low, 31) }
    };
    let result = match form.op {
        VideoOp::Sub => e.sub(x, y),
        VideoOp::AbsDiff => e.sub(e.extremum(true, true, x, y), e.extremum(false, true, x, y)),
        VideoOp::Min => e.extremum(false, true, x, y),
        VideoOp::Max => e.extremum(true, true, x, y),
        VideoOp::Shl => e.int(IntOp::Shl, x, amount()),
        VideoOp::Shr => e.int(IntOp::AShr, x, amount()),
        VideoOp::Set => {
            let truth = compare::holds(e, form.compare.unwrap_or(Compare::Eq), ScalarType::S64, false, x, y);
            e.zext(truth, e.int_type(64))
        }
        VideoOp::Add | VideoOp::Avrg | VideoOp::Mad => e.add(x, y),
    };
    let (position, width) = field(form.d_part);
    // An unsigned number shifted left by 32 fills all 64 bits.
    let result_signed = form.op != VideoOp::Shl || form.a_signed;
    let result = if form.saturate { clamp(e, result, result_signed, width, form.d_signed) } else { result };
    let result = e.trunc(result, e.int_type(32));
    match form.second {
        Some(VideoSecond::Add) => e.add(result, c),
        // The result of a comparison is unsigned.
        Some(VideoSecond::Min) => e.extremum(false, form.d_signed && form.op != VideoOp::Set, result, c),
        Some(VideoSecond::Max) => e.extremum(true, form.d_signed && form.op != VideoOp::Set, result, c),
        None if form.d_part == VideoPart::Whole => result,
        None => {
            let mask = ((1u64 << width) - 1) << position;
            e.or(e.mask(e.shl(result, position), mask), e.mask(c, !mask))
        }
    }
}

/// `vmad`.
fn multiply_add<'c>(e: &Emit<'_, 'c>, form: &Video, a: Value<'c>, b: Value<'c>, c: Value<'c>) -> Value<'c> {
    let signed = form.a_signed || form.b_signed || form.negate_product || form.negate_c;
    // Without saturation bits 15 to 46 of the sum suffice, and those are right modulo 2^64.
    let bits = if form.saturate { 128 } else { 64 };
    let x = part(e, a, field(form.a_part), form.a_signed, bits);
    let y = part(e, b, field(form.b_part), form.b_signed, bits);
    let mut product = e.mul(x, y);
    let mut c = e.resize(c, e.int_type(bits), signed);
    if form.plus_one {
        c = e.plus(c, 1);
    } else if form.negate_product {
        product = e.neg(product);
    } else if form.negate_c {
        c = e.neg(c);
    }
    let sum = e.add(product, c);
    let shifted = e.ashr(sum, form.shift);
    let result = if form.saturate { clamp(e, shifted, true, 32, signed) } else { shifted };
    e.trunc(result, e.int_type(32))
}
