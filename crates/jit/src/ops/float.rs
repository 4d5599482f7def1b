//! Floating-point arithmetic: `add sub mul fma min max neg abs`.
//!
//! Model: operands are flushed where `.ftz` says, computed in `float` or `double`, rounded once and clamped. f16 and bf16 are
//! computed in `float`: sums and products of 11- or 8-bit significands survive rounding to 24 bits and then to their
//! own (24 >= 2 * 11 + 2); where the first rounding could do harm (`fma`, subnormal bf16 products) it is to odd.
//!
//! Source: PTX ISA, "Floating Point Instructions", "Half Precision Floating Point Instructions".

use super::emit::Emit;
use super::format::{self, Shape, flush_if, narrow, widen};
use super::rounding::{Arithmetic, arithmetic, product_to_odd, sum_to_odd};
use crate::llvm::{FloatPredicate, Value};
use vgpu_ptx::ir::{FloatBinary, FloatMode, FloatUnary, Rounding, ScalarType};

/// Runs `f` on the element type: on 16-bit lanes for packed pairs.
fn per_element<'c, const N: usize>(
    e: &Emit<'_, 'c>,
    ty: ScalarType,
    operands: [Value<'c>; N],
    f: impl Fn(ScalarType, [Value<'c>; N]) -> Value<'c>,
) -> Value<'c> {
    let operands = operands.map(|operand| e.low(operand, ty));
    if !ty.is_packed() {
        return f(ty, operands);
    }
    let result = f(ty.element(), operands.map(|operand| e.split(operand, 16)));
    e.join(result, operands[0].ty())
}

/// Flushing and clamping of a rounded result.
pub(super) fn finish<'c>(e: &Emit<'_, 'c>, ty: ScalarType, mode: FloatMode, bits: Value<'c>) -> Value<'c> {
    let mut bits = flush_if(e, mode.ftz, ty, bits);
    if mode.saturate {
        bits = format::saturate(e, ty, bits);
    }
    if mode.relu {
        bits = format::relu(e, ty, bits);
    }
    bits
}

/// `add sub mul min max`: `d <- a, b`.
pub(super) fn binary<'c>(
    e: &Emit<'_, 'c>,
    op: FloatBinary,
    ty: ScalarType,
    mode: FloatMode,
    a: Value<'c>,
    b: Value<'c>,
) -> Value<'c> {
    per_element(e, ty, [a, b], |ty, [a, b]| {
        let flushed = |bits| flush_if(e, mode.ftz, ty, bits);
        let (a, b) = (flushed(a), flushed(b));
        let op = match op {
            FloatBinary::Min => return min_max(e, false, ty, mode, a, b),
            FloatBinary::Max => return min_max(e, true, ty, mode, a, b),
            FloatBinary::Add => Arithmetic::Add,
            FloatBinary::Sub => Arithmetic::Sub,
            FloatBinary::Mul => Arithmetic::Mul,
        };
        let (x, y) = (widen(e, ty, a), widen(e, ty, b));
        let bits = if matches!(ty, ScalarType::F32 | ScalarType::F64) {
            e.bits_of(arithmetic(e, op, mode.rounding, &[x, y]))
        } else {
            let value = if ty == ScalarType::BF16 && op == Arithmetic::Mul {
                // A product below the normal range of `float` would be rounded twice.
                product_to_odd(e, x, y, None)
            } else {
                arithmetic(e, op, Rounding::NearestEven, &[x, y])
            };
            narrow(e, ty, mode.rounding, false, value)
        };
        finish(e, ty, mode, bits)
    })
}

/// `fma`: `d <- a, b, c`.
pub(super) fn multiply_add<'c>(
    e: &Emit<'_, 'c>,
    ty: ScalarType,
    mode: FloatMode,
    operands: [Value<'c>; 3],
) -> Value<'c> {
    per_element(e, ty, operands, |ty, operands| {
        let [a, b, c] = operands.map(|bits| widen(e, ty, flush_if(e, mode.ftz, ty, bits)));
        let bits = match ty {
            ScalarType::F32 | ScalarType::F64 => e.bits_of(arithmetic(e, Arithmetic::Fma, mode.rounding, &[a, b, c])),
            // The product of two 11-bit significands is exact in `float`, exponents included; that of bf16 numbers not.
            ScalarType::F16 if !e.has_directed() => narrow(e, ty, mode.rounding, false, sum_to_odd(e, e.fmul(a, b), c)),
            _ => narrow(e, ty, mode.rounding, false, product_to_odd(e, a, b, Some(c))),
        };
        finish(e, ty, mode, bits)
    })
}

/// `neg`, `abs`: on the sign bit, NaN included.
pub(super) fn unary<'c>(e: &Emit<'_, 'c>, op: FloatUnary, ty: ScalarType, mode: FloatMode, a: Value<'c>) -> Value<'c> {
    per_element(e, ty, [a], |ty, [a]| {
        let a = flush_if(e, mode.ftz, ty, a);
        let sign = Shape::of(ty).sign;
        match op {
            FloatUnary::Neg => e.xor(a, e.k(a, sign)),
            FloatUnary::Abs => e.mask(a, sign - 1),
        }
    })
}

/// Three-input `min`, `max` on f32.
pub(super) fn min_max3<'c>(e: &Emit<'_, 'c>, max: bool, mode: FloatMode, [a, b, c]: [Value<'c>; 3]) -> Value<'c> {
    let op = if max { FloatBinary::Max } else { FloatBinary::Min };
    let first = binary(e, op, ScalarType::F32, mode, a, b);
    binary(e, op, ScalarType::F32, mode, first, c)
}

/// `min`, `max` on flushed bits of an element type: -0 is below +0; a number wins over NaN unless `.NaN`.
fn min_max<'c>(
    e: &Emit<'_, 'c>,
    max: bool,
    ty: ScalarType,
    mode: FloatMode,
    mut a: Value<'c>,
    mut b: Value<'c>,
) -> Value<'c> {
    let shape = Shape::of(ty);
    let sign = e.mask(e.xor(a, b), shape.sign);
    if mode.xorsign_abs {
        (a, b) = (e.mask(a, shape.sign - 1), e.mask(b, shape.sign - 1));
    }
    let result = if matches!(ty, ScalarType::F32 | ScalarType::F64) {
        float_min_max(e, max, mode.nan, &shape, a, b)
    } else {
        half_min_max(e, max, mode.nan, &shape, a, b)
    };
    if !mode.xorsign_abs {
        return result;
    }
    let nan = e.above(result, shape.infinity);
    e.select(nan, result, e.or(result, sign))
}

fn float_min_max<'c>(
    e: &Emit<'_, 'c>,
    max: bool,
    nan_wins: bool,
    shape: &Shape,
    a: Value<'c>,
    b: Value<'c>,
) -> Value<'c> {
    let (x, y) = (e.float_of(a), e.float_of(b));
    // The operand on the right when they are equal or one is NaN, as x86's instruction has it.
    let better = |x, y| e.fcmp(if max { FloatPredicate::Ogt } else { FloatPredicate::Olt }, x, y);
    let canonical = e.k(a, shape.nan);
    // Against a constant that decides ties and NaN correctly by itself this is one instruction.
    let tie_zero = if max { shape.sign } else { 0 };
    let decides = |value: Value<'c>| {
        value.constant_bits().is_some_and(|bits| bits & (shape.sign - 1) <= shape.infinity && bits != tie_zero)
    };
    if !nan_wins && decides(b) {
        return e.select(better(x, y), a, b);
    }
    if !nan_wins && decides(a) {
        return e.select(better(y, x), b, a);
    }
    let picked = e.select(better(x, y), a, b);
    // Equal operands have equal bits unless they are zeros of both signs.
    let merged = if max { e.and(a, b) } else { e.or(a, b) };
    let picked = e.select(e.fcmp(FloatPredicate::Oeq, x, y), merged, picked);
    if nan_wins {
        return e.select(e.fcmp(FloatPredicate::Uno, x, y), canonical, picked);
    }
    let number = e.select(e.is_nan(y), a, picked);
    e.select(e.is_nan(e.float_of(number)), canonical, number)
}

/// On 16-bit integers in the order of the numbers: negative ones have their magnitude bits flipped.
fn half_min_max<'c>(
    e: &Emit<'_, 'c>,
    max: bool,
    nan_wins: bool,
    shape: &Shape,
    a: Value<'c>,
    b: Value<'c>,
) -> Value<'c> {
    let key = |bits| e.xor(bits, e.mask(e.ashr(bits, 15), shape.sign - 1));
    let is_nan = |bits| e.above(e.mask(bits, shape.sign - 1), shape.infinity);
    let picked = key(e.extremum(max, true, key(a), key(b)));
    let (nan_a, nan_b, canonical) = (is_nan(a), is_nan(b), e.k(a, shape.nan));
    if nan_wins {
        return e.select(e.or(nan_a, nan_b), canonical, picked);
    }
    let number = e.select(nan_a, b, e.select(nan_b, a, picked));
    e.select(e.and(nan_a, nan_b), canonical, number)
}
