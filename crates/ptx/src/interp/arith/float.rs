//! Floating-point arithmetic: `add sub mul fma min max neg abs copysign testp`, and `div rcp sqrt` in their IEEE forms.
//!
//! The arithmetic is `rustc_apfloat`'s (exact, then rounded once, in every rounding mode). What PTX adds is here: flushing,
//! clamping, NaN rules. Square roots, which that crate lacks, are done on integers.
//! Source: PTX ISA, "Floating Point Instructions", "Half Precision Floating Point Instructions" and their mixed forms.

use super::{Bits, NoSuchForm, mask, per_element};
use crate::ir::{FloatBinary, FloatMode, FloatTest, FloatUnary, Rounding, ScalarType};
use rustc_apfloat::ieee::{BFloat, Double, Half, Quad, Single};
use rustc_apfloat::{Float, FloatConvert, Round};

/// The crate's name of a rounding.
pub(super) const fn round(rounding: Rounding) -> Round {
    match rounding {
        Rounding::NearestEven => Round::NearestTiesToEven,
        Rounding::NearestAway => Round::NearestTiesToAway,
        Rounding::Zero => Round::TowardZero,
        Rounding::Down => Round::TowardNegative,
        Rounding::Up => Round::TowardPositive,
    }
}

/// Runs the body with `$float` as the arithmetic type of an element type that has arithmetic.
macro_rules! in_format {
    ($operation:literal, $ty:expr, $float:ident => $body:expr) => {
        match $ty {
            ScalarType::F16 => {
                type $float = Half;
                $body
            }
            ScalarType::BF16 => {
                type $float = BFloat;
                $body
            }
            ScalarType::F32 => {
                type $float = Single;
                $body
            }
            ScalarType::F64 => {
                type $float = Double;
                $body
            }
            ty => return Err(NoSuchForm { operation: $operation, ty }),
        }
    };
}

/// Fraction bits (without the hidden one) of a format with IEEE infinities; `e4m3` is not asked.
pub(super) const fn fraction_bits(ty: ScalarType) -> u32 {
    match ty {
        ScalarType::F16 => 10,
        ScalarType::BF16 => 7,
        ScalarType::F64 => 52,
        ScalarType::E5M2 => 2,
        ScalarType::E4M3 => 3,
        _ => 23,
    }
}

/// The sign bit.
pub const fn sign_bit(ty: ScalarType) -> u64 {
    1 << (ty.bits() - 1)
}

/// Positive infinity; in `e4m3`, which has none, the NaN.
pub const fn infinity(ty: ScalarType) -> u64 {
    match ty {
        ScalarType::E4M3 => 0x7f,
        _ => (sign_bit(ty) - 1) & !mask(fraction_bits(ty)),
    }
}

/// The NaN that an invalid operation produces, see the module header of [`super`].
pub const fn default_nan(ty: ScalarType) -> u64 {
    match ty {
        ScalarType::F64 => 0xfff8_0000_0000_0000,
        ScalarType::F32 | ScalarType::TF32 => 0x7fff_ffff,
        ScalarType::E4M3 | ScalarType::E5M2 => 0x7f,
        _ => 0x7fff,
    }
}

/// Whether the bits are a NaN of the (element) type.
pub const fn is_nan(ty: ScalarType, bits: u64) -> bool {
    let magnitude = bits & (sign_bit(ty) - 1);
    match ty {
        ScalarType::E4M3 => magnitude == 0x7f,
        _ => magnitude > infinity(ty),
    }
}

/// Whether the bits are a subnormal number (not zero).
pub const fn is_subnormal(ty: ScalarType, bits: u64) -> bool {
    let magnitude = bits & (sign_bit(ty) - 1);
    magnitude != 0 && magnitude >> fraction_bits(ty) == 0
}

/// A subnormal number becomes the zero of its sign.
pub const fn flush(ty: ScalarType, bits: u64) -> u64 {
    if is_subnormal(ty, bits) { bits & sign_bit(ty) } else { bits & mask(ty.bits()) }
}

/// `flush` for the types that `.ftz` speaks of (f64 never flushes).
const fn flush_if(ftz: bool, ty: ScalarType, bits: u64) -> u64 {
    if ftz && !matches!(ty, ScalarType::F64) { flush(ty, bits) } else { bits & mask(ty.bits()) }
}

/// The NaN result of an operation with these operands, at least one of them NaN.
fn nan_of(ty: ScalarType, operands: &[u64]) -> u64 {
    let first = operands.iter().find(|&&bits| is_nan(ty, bits));
    match first {
        Some(bits) if ty == ScalarType::F64 => bits | 1 << 51,
        _ => default_nan(ty),
    }
}

/// The number one.
pub(super) const fn one(ty: ScalarType) -> u64 {
    match ty {
        ScalarType::F16 => 0x3c00,
        ScalarType::BF16 => 0x3f80,
        ScalarType::F64 => 0x3ff0_0000_0000_0000,
        _ => 0x3f80_0000,
    }
}

/// `.sat`: clamps to `[+0, 1]`; NaN becomes +0.
pub(super) const fn saturate(ty: ScalarType, bits: u64) -> u64 {
    if is_nan(ty, bits) || bits & sign_bit(ty) != 0 {
        0
    } else if bits > one(ty) {
        one(ty)
    } else {
        bits
    }
}

/// `.relu`: negative numbers become +0; NaN becomes the canonical NaN.
pub(super) const fn relu(ty: ScalarType, bits: u64) -> u64 {
    if is_nan(ty, bits) {
        default_nan(ty)
    } else if bits & sign_bit(ty) != 0 {
        0
    } else {
        bits
    }
}

/// What every arithmetic operation does around the exact computation.
fn arithmetic<const N: usize>(
    ty: ScalarType,
    mode: FloatMode,
    operands: [u64; N],
    compute: impl Fn(ScalarType, [u64; N]) -> Bits,
) -> Bits {
    per_element(ty, operands, |ty, operands| {
        let operands = operands.map(|bits| flush_if(mode.ftz, ty, bits));
        let mut result = if operands.iter().any(|&bits| is_nan(ty, bits)) {
            nan_of(ty, &operands)
        } else {
            let exact = compute(ty, operands)?;
            if is_nan(ty, exact) { default_nan(ty) } else { exact }
        };
        result = flush_if(mode.ftz, ty, result);
        if mode.saturate {
            result = saturate(ty, result);
        }
        if mode.relu {
            result = relu(ty, result);
        }
        Ok(result)
    })
}

/// `add sub mul min max`.
pub fn binary(op: FloatBinary, ty: ScalarType, mode: FloatMode, a: u64, b: u64) -> Bits {
    if matches!(op, FloatBinary::Min | FloatBinary::Max) {
        return per_element(ty, [a, b], |ty, [a, b]| min_max(op == FloatBinary::Max, ty, mode, a, b));
    }
    arithmetic(ty, mode, [a, b], |ty, [a, b]| {
        in_format!("add, sub or mul", ty, F => {
            let (x, y) = (F::from_bits(u128::from(a)), F::from_bits(u128::from(b)));
            let rounding = round(mode.rounding);
            let result = match op {
                FloatBinary::Add => x.add_r(y, rounding),
                FloatBinary::Sub => x.sub_r(y, rounding),
                _ => x.mul_r(y, rounding),
            };
            Ok(result.value.to_bits() as u64)
        })
    })
}

/// The order of two numbers that are not NaN, -0 below +0.
fn is_less(ty: ScalarType, a: u64, b: u64) -> bool {
    let key = |bits: u64| {
        let magnitude = (bits & (sign_bit(ty) - 1)) as i128;
        if bits & sign_bit(ty) != 0 { -magnitude - 1 } else { magnitude }
    };
    key(a) < key(b)
}

fn min_max(max: bool, ty: ScalarType, mode: FloatMode, a: u64, b: u64) -> Bits {
    if !matches!(ty, ScalarType::F16 | ScalarType::BF16 | ScalarType::F32 | ScalarType::F64) {
        return Err(NoSuchForm { operation: "min or max", ty });
    }
    let (mut a, mut b) = (flush_if(mode.ftz, ty, a), flush_if(mode.ftz, ty, b));
    let xorsign = (a ^ b) & sign_bit(ty);
    if mode.xorsign_abs {
        (a, b) = (a & !sign_bit(ty), b & !sign_bit(ty));
    }
    let result = match (is_nan(ty, a), is_nan(ty, b)) {
        (true, true) => nan_of(ty, &[a, b]),
        (true, false) | (false, true) if mode.nan => nan_of(ty, &[a, b]),
        (true, false) => b,
        (false, true) => a,
        (false, false) => {
            if is_less(ty, a, b) == max {
                b
            } else {
                a
            }
        }
    };
    Ok(if mode.xorsign_abs && !is_nan(ty, result) { result & !sign_bit(ty) | xorsign } else { result })
}

/// Three-input `min` and `max`: the two-input operation twice.
pub fn min_max3(max: bool, mode: FloatMode, a: u64, b: u64, c: u64) -> Bits {
    let op = if max { FloatBinary::Max } else { FloatBinary::Min };
    let first = binary(op, ScalarType::F32, mode, a, b)?;
    binary(op, ScalarType::F32, mode, first, c)
}

/// `neg` and `abs`: on the sign bit.
pub fn unary(op: FloatUnary, ty: ScalarType, mode: FloatMode, a: u64) -> Bits {
    per_element(ty, [a], |ty, [a]| {
        let a = flush_if(mode.ftz, ty, a);
        Ok(match op {
            FloatUnary::Neg => a ^ sign_bit(ty),
            FloatUnary::Abs => a & !sign_bit(ty),
        })
    })
}

/// `fma`: one rounding.
pub fn fma(ty: ScalarType, mode: FloatMode, a: u64, b: u64, c: u64) -> Bits {
    arithmetic(ty, mode, [a, b, c], |ty, [a, b, c]| {
        in_format!("fma", ty, F => {
            let [x, y, z] = [a, b, c].map(|bits| F::from_bits(u128::from(bits)));
            Ok(x.mul_add_r(y, z, round(mode.rounding)).value.to_bits() as u64)
        })
    })
}

/// `div.rn` and the other IEEE divisions.
pub fn div(ty: ScalarType, mode: FloatMode, a: u64, b: u64) -> Bits {
    arithmetic(ty, mode, [a, b], |ty, [a, b]| {
        in_format!("div", ty, F => {
            let (x, y) = (F::from_bits(u128::from(a)), F::from_bits(u128::from(b)));
            Ok(x.div_r(y, round(mode.rounding)).value.to_bits() as u64)
        })
    })
}

/// `rcp.rn` and the other IEEE reciprocals.
pub fn rcp(ty: ScalarType, mode: FloatMode, a: u64) -> Bits {
    div(ty, mode, one(ty), a)
}

/// `sqrt.rn` and the other IEEE square roots.
pub fn sqrt(ty: ScalarType, mode: FloatMode, a: u64) -> Bits {
    arithmetic(ty, mode, [a], |ty, [a]| {
        in_format!("sqrt", ty, F => {
            if a & (sign_bit(ty) - 1) == 0 || a == infinity(ty) {
                return Ok(a);
            }
            if a & sign_bit(ty) != 0 {
                return Ok(default_nan(ty));
            }
            let mut lossy = false;
            let root: F = exact_root(ty, a).convert_r(round(mode.rounding), &mut lossy).value;
            Ok(root.to_bits() as u64)
        })
    })
}

/// A number that rounds like the square root of the positive finite number `bits`: the root cut to more than 60 bits, with a
/// bit below them set when something was cut off.
fn exact_root(ty: ScalarType, bits: u64) -> Quad {
    let fraction = fraction_bits(ty);
    let biased = (bits >> fraction) as i32;
    let bias = (infinity(ty) >> fraction) as i32 / 2;
    let hidden = if biased == 0 { 0 } else { 1 << fraction };
    let mut significand = u128::from(bits & mask(fraction) | hidden);
    // The value is significand * 2^exponent; bring the significand to 125 or 126 bits with an even exponent.
    let mut exponent = biased.max(1) - bias - fraction as i32;
    let up = significand.leading_zeros() as i32 - 2;
    significand <<= up;
    exponent -= up;
    if exponent % 2 != 0 {
        significand >>= 1;
        exponent += 1;
    }
    let root = significand.isqrt();
    let sticky = u128::from(root * root != significand);
    Quad::from_u128(root << 1 | sticky).value.scalbn(exponent / 2 - 1)
}

/// `copysign`: sign of `a`, magnitude of `b`.
pub const fn copysign(ty: ScalarType, a: u64, b: u64) -> u64 {
    a & sign_bit(ty) | b & (sign_bit(ty) - 1)
}

/// `testp`.
pub const fn test(property: FloatTest, ty: ScalarType, a: u64) -> bool {
    let magnitude = a & (sign_bit(ty) - 1);
    // The manual counts zeros as normal numbers.
    let normal = magnitude < infinity(ty) && !is_subnormal(ty, a);
    match property {
        FloatTest::Finite => magnitude < infinity(ty),
        FloatTest::Infinite => magnitude == infinity(ty),
        FloatTest::Number => magnitude <= infinity(ty),
        FloatTest::NotANumber => magnitude > infinity(ty),
        FloatTest::Normal => normal,
        FloatTest::Subnormal => is_subnormal(ty, a),
    }
}
