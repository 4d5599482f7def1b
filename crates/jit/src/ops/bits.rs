//! Shifts and bit fields.
//!
//! Model: PTX shift amounts past the width are defined, LLVM's are poison; each shift is guarded by a comparison that constant
//! amounts fold away and x86's variable shifts absorb.
//!
//! Source: PTX ISA, "shl", "shr", "shf", "bfe", "bfi", "bmsk", "szext", "fns".

use super::emit::Emit;
use crate::llvm::{IntOp, IntPredicate, Value};
use vgpu_ptx::ir::ScalarType;

/// `a << n`; 0 when `n` (32 bits) reaches the width.
pub(super) fn shift_left<'c>(e: &Emit<'_, 'c>, a: Value<'c>, n: Value<'c>) -> Value<'c> {
    let bits = a.ty().scalar_bits();
    if bits < 32 {
        let wide = e.zext(a, e.int_type(32));
        return e.trunc(e.int(IntOp::Shl, wide, e.at_most(n, 31)), e.int_type(bits));
    }
    let shifted = e.int(IntOp::Shl, a, e.zext(n, e.int_type(bits)));
    e.select(e.below(n, u64::from(bits)), shifted, a.ty().zero())
}

/// `a >> n`; 0 or the sign when `n` (32 bits) reaches the width.
pub(super) fn shift_right<'c>(e: &Emit<'_, 'c>, a: Value<'c>, n: Value<'c>, signed: bool) -> Value<'c> {
    let bits = a.ty().scalar_bits();
    let op = if signed { IntOp::AShr } else { IntOp::LShr };
    if bits < 32 {
        let wide = e.resize(a, e.int_type(32), signed);
        return e.trunc(e.int(op, wide, e.at_most(n, 31)), e.int_type(bits));
    }
    if signed {
        return e.int(op, a, e.zext(e.at_most(n, u64::from(bits - 1)), e.int_type(bits)));
    }
    let shifted = e.int(op, a, e.zext(n, e.int_type(bits)));
    e.select(e.below(n, u64::from(bits)), shifted, a.ty().zero())
}

/// The `n` lowest bits set (all when `n`, 32 bits, reaches the width), as `bits` bits.
fn low_ones<'c>(e: &Emit<'_, 'c>, n: Value<'c>, bits: u32) -> Value<'c> {
    let one = n.ty().with_scalar(e.int_type(bits)).constant(1);
    e.sub(shift_left(e, one, n), one)
}

/// `bfe`: `length` bits of `a` from `position`, extended.
pub(super) fn extract<'c>(e: &Emit<'_, 'c>, ty: ScalarType, [a, position, length]: [Value<'c>; 3]) -> Value<'c> {
    let (bits, a) = (ty.bits(), e.low(a, ty));
    let byte = |value| e.mask(e.low(value, ScalarType::U32), 0xff);
    let (position, length) = (byte(position), byte(length));
    let field = shift_right(e, a, position, ty.is_signed());
    if !ty.is_signed() {
        return e.and(field, low_ones(e, length, bits));
    }
    // Sign-extend from `length` bits: up and down again, in two shifts of at most `bits - 1` when the length is 0.
    let unused = e.sub(e.k(length, u64::from(bits)), e.at_most(length, u64::from(bits)));
    shift_right(e, shift_left(e, field, unused), unused, true)
}

/// `bfi`: `b` with its bits from `position` on replaced by the low `length` bits of `a`.
pub(super) fn insert<'c>(e: &Emit<'_, 'c>, ty: ScalarType, [a, b, position, length]: [Value<'c>; 4]) -> Value<'c> {
    let byte = |value| e.mask(e.low(value, ScalarType::U32), 0xff);
    let (a, b, position) = (e.low(a, ty), e.low(b, ty), byte(position));
    let mask = shift_left(e, low_ones(e, byte(length), ty.bits()), position);
    let moved = shift_left(e, a, position);
    e.or(e.and(moved, mask), e.and(b, e.not(mask)))
}

/// `bmsk`: `width` ones from `position` on.
pub(super) fn make_mask<'c>(e: &Emit<'_, 'c>, clamp: bool, position: Value<'c>, width: Value<'c>) -> Value<'c> {
    let (position, width) = (e.low(position, ScalarType::U32), e.low(width, ScalarType::U32));
    let (start, n) = (e.mask(position, 31), e.mask(width, 31));
    let ones = position.ty().all_ones();
    let from_start = e.int(IntOp::Shl, ones, start);
    let past_end = shift_left(e, ones, e.add(start, n));
    if !clamp {
        return e.and(from_start, e.not(past_end));
    }
    let from_start = e.select(e.below(position, 32), from_start, ones.ty().zero());
    let past_end = e.select(e.below(width, 32), past_end, ones.ty().zero());
    e.and(from_start, e.not(past_end))
}

/// `szext`: extends `a` from its `position` low bits.
pub(super) fn extend<'c>(e: &Emit<'_, 'c>, signed: bool, clamp: bool, a: Value<'c>, position: Value<'c>) -> Value<'c> {
    let (a, position) = (e.low(a, ScalarType::U32), e.low(position, ScalarType::U32));
    let n = e.mask(position, 31);
    let extended = if signed {
        let unused = e.sub(e.k(n, 32), n);
        shift_right(e, shift_left(e, a, unused), unused, true)
    } else {
        e.and(a, low_ones(e, n, 32))
    };
    if clamp { e.select(e.below(position, 32), extended, a) } else { extended }
}

/// `shf`: 32 bits of the 64-bit `high:low`, shifted.
pub(super) fn funnel<'c>(e: &Emit<'_, 'c>, left: bool, clamp: bool, [low, high, n]: [Value<'c>; 3]) -> Value<'c> {
    let word = |value| e.low(value, ScalarType::U32);
    let (low, high, n) = (word(low), word(high), word(n));
    // LLVM's funnel shifts take the amount modulo the width, which is `.wrap`.
    let name = if left { "llvm.fshl" } else { "llvm.fshr" };
    let shifted = e.intrinsic(name, &[low.ty()], &[high, low, n]);
    if clamp { e.select(e.below(n, 32), shifted, if left { low } else { high }) } else { shifted }
}

/// `fns`: position of the `offset`-th set bit of `mask` from `base` on, upwards or downwards; all ones when none.
pub(super) fn find_nth_set<'c>(e: &Emit<'_, 'c>, [mask, base, offset]: [Value<'c>; 3]) -> Value<'c> {
    let word = |value| e.low(value, ScalarType::U32);
    let (mask, base, offset) = (word(mask), word(base), word(offset));
    let (zero, ones) = (mask.ty().zero(), mask.ty().all_ones());
    let down = e.is_negative(offset);
    // Downwards is upwards in the reversed mask.
    let from = e.select(down, e.sub(e.k(base, 31), base), base);
    let candidates = e.select(down, e.call1("llvm.bitreverse", mask), mask);
    let candidates = e.and(candidates, shift_left(e, ones, from));
    // Offset 0 looks at `base` alone.
    let at_base = e.is_zero(offset);
    let only_base = e.and(mask, shift_left(e, e.k(base, 1), base));
    let candidates = e.select(at_base, only_base, candidates);
    let distance = e.intrinsic("llvm.abs", &[offset.ty()], &[offset, e.int_type(1).zero()]);
    let rank = e.select(at_base, zero, e.plus(distance, -1));
    let found = e.icmp(IntPredicate::Ugt, e.call1("llvm.ctpop", candidates), rank);
    let found = e.and(found, e.below(base, 32));
    // Binary search by the number of set bits in the lower half of what is left.
    let (mut position, mut left, mut rest) = (zero, rank, candidates);
    for step in [16, 8, 4, 2, 1] {
        let count = e.call1("llvm.ctpop", e.mask(rest, (1 << step) - 1));
        let skip = e.icmp(IntPredicate::Uge, left, count);
        position = e.add(position, e.select(skip, e.k(zero, step), zero));
        left = e.select(skip, e.sub(left, count), left);
        rest = e.select(skip, e.lshr(rest, step as u32), rest);
    }
    let position = e.select(down, e.sub(e.k(position, 31), position), position);
    e.select(found, position, ones)
}
