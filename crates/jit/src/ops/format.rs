//! Floating-point formats: bits to numbers and back, flushing, clamping.
//!
//! Model: arithmetic happens in `float` or `double`; narrower formats are read ([`widen`], exact) and written ([`narrow`], one
//! rounding in any direction). Rounding to a format's grid adds and subtracts a number so large that the sum's last place
//! is the grid; a direction then compares the result with the exact value and goes one step back.
//! A NaN result of f16 and bf16 is canonical (`0x7fff`); of f32 and f64 it is any quiet NaN.
//!
//! Source: PTX ISA, "Floating-Point Data Types", "Alternate Floating-Point Data Formats", "cvt".

use super::emit::Emit;
use crate::llvm::{FloatPredicate, IntPredicate, Value};
use vgpu_ptx::ir::{Rounding, ScalarType};

/// Bits of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// The sign bit.
    pub(super) sign: u64,
    /// Infinity; in `e4m3`, which has none, the NaN.
    pub(super) infinity: u64,
    /// The smallest normal number.
    pub(super) least_normal: u64,
    /// Bits after the point.
    pub(super) fraction_bits: u32,
    /// The exponent's bias.
    pub(super) bias: u32,
    /// The NaN that operations make.
    pub(super) nan: u64,
    /// The largest finite number.
    pub(super) largest: u64,
}

impl Shape {
    /// The shape of an element type.
    pub(super) const fn of(ty: ScalarType) -> Self {
        let (bits, fraction_bits, nan) = match ty {
            ScalarType::F16 => (16, 10, 0x7fff),
            ScalarType::BF16 => (16, 7, 0x7fff),
            ScalarType::E4M3 => (8, 3, 0x7f),
            ScalarType::E5M2 => (8, 2, 0x7f),
            ScalarType::F64 => (64, 52, 0x7fff_ffff_ffff_ffff),
            _ => (32, 23, 0x7fff_ffff),
        };
        let sign = 1 << (bits - 1);
        let least_normal = 1 << fraction_bits;
        let infinity = if bits == 8 && fraction_bits == 3 { 0x7f } else { sign - least_normal };
        let bias = (1 << (bits - 2 - fraction_bits)) - 1;
        Self { sign, infinity, least_normal, fraction_bits, bias, nan, largest: infinity - 1 }
    }
}

/// Subnormal numbers become the zero of their sign. On bits of the type's width.
pub(super) fn flush<'c>(e: &Emit<'_, 'c>, ty: ScalarType, bits: Value<'c>) -> Value<'c> {
    let shape = Shape::of(ty);
    let exponent_mask = shape.sign - shape.least_normal;
    if is_flushed(bits, exponent_mask) {
        return bits;
    }
    let exponent = e.mask(bits, exponent_mask);
    e.select(e.is_zero(exponent), e.mask(bits, shape.sign), bits)
}

/// True when `bits` is what [`flush`] makes: results of one operation are operands of the next.
fn is_flushed(bits: Value<'_>, exponent_mask: u64) -> bool {
    let Some([condition, _, kept]) = bits.as_select() else { return false };
    let Some([tested, zero]) = condition.as_equality() else { return false };
    let Some([operand, mask]) = tested.as_and() else { return false };
    operand == kept && mask.constant_bits() == Some(exponent_mask) && zero.constant_bits() == Some(0)
}

/// [`flush`] where `.ftz` is given; f64 never flushes.
pub(super) fn flush_if<'c>(e: &Emit<'_, 'c>, ftz: bool, ty: ScalarType, bits: Value<'c>) -> Value<'c> {
    if ftz && ty != ScalarType::F64 { flush(e, ty, bits) } else { bits }
}

/// The number that bits of a type are, as `float` (or `double` for f64). NaN stays NaN.
pub(super) fn widen<'c>(e: &Emit<'_, 'c>, ty: ScalarType, bits: Value<'c>) -> Value<'c> {
    let word = e.int_type(32);
    match ty {
        ScalarType::BF16 => e.float_of(e.shl(e.zext(bits, word), 16)),
        ScalarType::F16 if e.has_half() => e.fpext(e.bitcast(bits, e.context().f16()), e.float_type(32)),
        ScalarType::F16 => from_small(e, ty, e.zext(bits, word)),
        ScalarType::E4M3 => from_small(e, ty, e.zext(bits, word)),
        ScalarType::E5M2 => widen(e, ScalarType::F16, e.shl(e.zext(bits, e.int_type(16)), 8)),
        ScalarType::TF32 => e.float_of(e.mask(bits, 0xffff_e000)),
        _ => e.float_of(bits),
    }
}

/// A format with a smaller exponent, by scaling; `bits` are in 32-bit lanes.
fn from_small<'c>(e: &Emit<'_, 'c>, ty: ScalarType, bits: Value<'c>) -> Value<'c> {
    let shape = Shape::of(ty);
    let magnitude = e.mask(bits, shape.sign - 1);
    let unscaled = e.float_of(e.shl(magnitude, 23 - shape.fraction_bits));
    let number = e.bits_of(e.scale(unscaled, 2f64.powi(127 - shape.bias as i32)));
    // Infinity and NaN: the exponent becomes all ones, the payload stays. e4m3 has a single NaN and no infinity.
    let special = if ty == ScalarType::E4M3 {
        e.k(bits, 0x7fff_ffff)
    } else {
        e.or(e.shl(magnitude, 23 - shape.fraction_bits), e.k(bits, 0x7f80_0000))
    };
    let is_special = e.icmp(IntPredicate::Uge, magnitude, e.k(magnitude, shape.infinity));
    let number = e.select(is_special, special, number);
    let sign = e.shl(e.mask(bits, shape.sign), 32 - shape.sign.ilog2() - 1);
    e.float_of(e.or(number, sign))
}

/// Rounds a float to a narrower format (f16, bf16, e4m3, e5m2; f32 and f64 just give their bits). Overflow goes to
/// infinity or the largest number as the rounding says, or to the largest number when `finite`. NaN becomes canonical.
pub(super) fn narrow<'c>(
    e: &Emit<'_, 'c>,
    ty: ScalarType,
    rounding: Rounding,
    finite: bool,
    value: Value<'c>,
) -> Value<'c> {
    if matches!(ty, ScalarType::F32 | ScalarType::F64) {
        return e.bits_of(value);
    }
    let shape = Shape::of(ty);
    let result = e.int_type(ty.bits());
    if rounding == Rounding::NearestEven && !finite && value.ty().scalar_bits() == 32 && has_short_way(e, ty, rounding)
    {
        let bits = e.trunc(short_way(e, ty, value), result);
        return e.select(e.is_nan(value), e.k(bits, shape.nan), bits);
    }
    let double = value.ty().scalar_bits() == 64;
    let exact = e.fabs(value);
    let (mut magnitude, grid) = if double || !has_short_way(e, ty, rounding) {
        let (grid, half_step) = round_to_grid(e, &shape, exact);
        let encoded = encode(e, ty, grid);
        let encoded = if rounding == Rounding::NearestAway {
            // A tie that went down to even.
            let tie = e.fcmp(FloatPredicate::Oeq, e.fsub(exact, grid), half_step);
            e.add(encoded, e.zext(tie, e.int_type(32)))
        } else {
            encoded
        };
        (encoded, grid)
    } else {
        let encoded = short_way(e, ty, exact);
        let grid = match rounding {
            Rounding::NearestEven | Rounding::NearestAway => exact,
            _ => widen(e, ty, e.trunc(encoded, result)),
        };
        (encoded, grid)
    };
    magnitude = e.at_most(magnitude, shape.infinity);
    // Where the magnitude went up although it should not have, or the other way round, go one step.
    let negative = e.is_negative(e.bits_of(value));
    let overflown = e.eq(magnitude, e.k(magnitude, shape.infinity));
    let finite_input = e.fcmp(FloatPredicate::Olt, exact, e.kf(exact, f64::INFINITY));
    let too_large = || e.or(e.fcmp(FloatPredicate::Ogt, grid, exact), e.and(overflown, finite_input));
    let too_small = || e.and(e.fcmp(FloatPredicate::Olt, grid, exact), e.not(overflown));
    let one = e.k(magnitude, 1);
    let zero = e.k(magnitude, 0);
    let toward = |condition: Value<'c>, down: Value<'c>| {
        let up = e.select(e.and(e.not(condition), too_small()), one, zero);
        let down = e.select(e.and(condition, down), one, zero);
        e.sub(e.add(magnitude, up), down)
    };
    magnitude = match rounding {
        Rounding::NearestEven | Rounding::NearestAway => magnitude,
        Rounding::Zero => e.sub(magnitude, e.select(too_large(), one, zero)),
        Rounding::Down => toward(e.not(negative), too_large()),
        Rounding::Up => toward(negative, too_large()),
    };
    if finite {
        magnitude = e.at_most(magnitude, shape.largest);
    }
    let sign = e.select(negative, e.k(magnitude, shape.sign), zero);
    let bits = e.select(e.is_nan(value), e.k(magnitude, shape.nan), e.or(magnitude, sign));
    e.trunc(bits, result)
}

/// Formats that `float` reaches in an instruction or two, to nearest even; other directions correct that.
fn has_short_way(e: &Emit<'_, '_>, ty: ScalarType, rounding: Rounding) -> bool {
    rounding != Rounding::NearestAway && (ty == ScalarType::BF16 || ty == ScalarType::F16 && e.has_half())
}

/// A `float` in f16 or bf16, rounded to nearest even, in the low half of 32-bit lanes. Not for NaN.
fn short_way<'c>(e: &Emit<'_, 'c>, ty: ScalarType, value: Value<'c>) -> Value<'c> {
    if ty == ScalarType::F16 {
        let half = e.bitcast(e.fptrunc(value, e.context().f16()), e.int_type(16));
        return e.zext(half, e.int_type(32));
    }
    let bits = e.bits_of(value);
    let odd = e.mask(e.lshr(bits, 16), 1);
    e.lshr(e.add(bits, e.plus(odd, 0x7fff)), 16)
}

/// A non-negative number rounded to nearest even on the format's grid, and half the grid's step there. What is far above
/// the format's range stays above it.
fn round_to_grid<'c>(e: &Emit<'_, 'c>, shape: &Shape, value: Value<'c>) -> (Value<'c>, Value<'c>) {
    let double = value.ty().scalar_bits() == 64;
    let (fraction_bits, bias) = if double { (52, 1023) } else { (23, 127) };
    let limit = e.kf(value, 2f64.powi(shape.bias as i32 + 2));
    let value = e.select(e.fcmp(FloatPredicate::Olt, value, limit), value, limit);
    // 1.5 * 2^k with k such that its last place is the grid's step at `value`.
    let exponent_mask = if double { 0x7ff0_0000_0000_0000 } else { 0x7f80_0000 };
    let exponent = e.mask(e.bits_of(value), exponent_mask);
    let least = u64::from(bias + 1 - shape.bias) << fraction_bits;
    let exponent = e.extremum(true, false, exponent, e.k(exponent, least));
    let up = u64::from(fraction_bits - shape.fraction_bits) << fraction_bits;
    let half = 1u64 << (fraction_bits - 1);
    let magic = e.float_of(e.or(e.plus(exponent, up as i64), e.k(exponent, half)));
    let down = u64::from(shape.fraction_bits + 1) << fraction_bits;
    // Half a step; the exponent may pass below that of a normal `float` only where the format's own does (bf16).
    let half_step = e.float_of(e.sub(exponent, e.k(exponent, down)));
    (e.fsub(e.fadd(value, magic), magic), half_step)
}

/// A non-negative number of the format's grid, as the format's bits in 32-bit lanes; too large ones give at least infinity.
fn encode<'c>(e: &Emit<'_, 'c>, ty: ScalarType, value: Value<'c>) -> Value<'c> {
    let value = e.fptrunc(value, e.float_type(32));
    let shape = Shape::of(ty);
    // Scaled so that the smallest normal numbers of both formats meet; subnormal ones then agree too.
    let scaled = if shape.bias == 127 { value } else { e.scale(value, 2f64.powi(shape.bias as i32 - 127)) };
    e.lshr(e.bits_of(scaled), 23 - shape.fraction_bits)
}

/// `.sat` on a result's bits: `[+0, 1]`, NaN becomes +0.
pub(super) fn saturate<'c>(e: &Emit<'_, 'c>, ty: ScalarType, bits: Value<'c>) -> Value<'c> {
    if matches!(ty, ScalarType::F32 | ScalarType::F64) {
        // The comparisons fail for NaN and for -0, which become the constant.
        return e.bits_of(e.fmin_number(e.fmax_number(e.float_of(bits), 0.0), 1.0));
    }
    let shape = Shape::of(ty);
    let one = u64::from(shape.bias) << shape.fraction_bits;
    let positive = e.extremum(true, true, bits, bits.ty().zero());
    let nan = e.above(positive, shape.infinity);
    e.select(nan, bits.ty().zero(), e.at_most(positive, one))
}

/// `.relu` on a result's bits: negative numbers become +0, NaN canonical.
pub(super) fn relu<'c>(e: &Emit<'_, 'c>, ty: ScalarType, bits: Value<'c>) -> Value<'c> {
    let shape = Shape::of(ty);
    let nan = e.above(e.mask(bits, shape.sign - 1), shape.infinity);
    // e4m3 has no infinity: its NaN is the largest magnitude itself.
    let nan = if ty == ScalarType::E4M3 { e.eq(e.mask(bits, 0x7f), e.k(bits, 0x7f)) } else { nan };
    let positive = e.extremum(true, true, bits, bits.ty().zero());
    e.select(nan, e.k(bits, shape.nan), positive)
}
