//! The approximate functions: `div.approx`, `div.full`, `rcp.approx`, `sqrt.approx`, `rsqrt`, `sin`, `cos`, `lg2`, `ex2`, `tanh`.
//!
//! Here they are computed in f64 (error below 2^-50) and rounded once, with the manual's tables of special cases; an implementation
//! may differ from that by what [`approx_bound`] says, and not at all for the special cases.
//! Source: PTX ISA, the sections of these instructions.

use super::float::{default_nan, flush, infinity, is_nan, sign_bit};
use super::{Bits, NoSuchForm, cvt, mask, per_element};
use crate::ir::{Accuracy, Cvt, FloatMode, Rounding, ScalarType, Transcendental};

/// How far a result may be from the exact one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// Units in the last place of the result format.
    Ulp(f64),
    /// Relative to the exact result.
    Relative(f64),
    /// Absolute.
    Absolute(f64),
    /// Absolute inside an interval of the operand (ends excluded), relative outside.
    AbsoluteInside {
        /// Lower end of the operand interval.
        from: f64,
        /// Upper end of the operand interval.
        to: f64,
        /// Bound inside.
        absolute: f64,
        /// Bound outside.
        relative: f64,
    },
    /// Absolute, by the magnitude of the operand: up to the first limit the first bound, up to the second limit the second
    /// bound, none beyond.
    AbsoluteByRange {
        /// Largest operand magnitude and bound.
        near: (f64, f64),
        /// Largest operand magnitude and bound.
        far: (f64, f64),
    },
}

/// An approximate operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are PTX's own names")]
pub enum ApproxOp {
    DivApprox,
    DivFull,
    Rcp,
    Sqrt,
    Function(Transcendental),
}

/// The manual's error bound; `None` where the operation does not exist in that type.
///
/// | operation | type | bound |
/// |---|---|---|
/// | `div.approx`, `div.full` | f32 | 2 ulp |
/// | `rcp.approx` | f32 | 1 ulp |
/// | `rcp.approx.ftz` | f64 | relative 2^-20 (20 fraction bits are computed) |
/// | `sqrt.approx` | f32 | relative 2^-23 |
/// | `rsqrt.approx` | f32 | relative 2^-22.9 |
/// | `rsqrt.approx` | f64 | relative 2^-20 (`.ftz` form computes 20 fraction bits) |
/// | `sin.approx`, `cos.approx` | f32 | absolute 2^-20.5 up to 2 pi, 2^-14.7 up to 100 pi |
/// | `lg2.approx` | f32 | absolute 2^-22 inside (0.5, 2), relative 2^-22 outside |
/// | `ex2.approx` | f32 | 2 ulp |
/// | `ex2.approx` | f16 / bf16 | relative 2^-9.9 / 2^-7 |
/// | `tanh.approx` | f32 | relative 2^-11 |
/// | `tanh.approx` | f16 / bf16 | absolute 2^-10.987 / 2^-8 |
pub fn approx_bound(op: ApproxOp, ty: ScalarType) -> Option<Bound> {
    use Transcendental::{Cos, Ex2, Lg2, Rsqrt, Sin, Tanh};
    let pi = std::f64::consts::PI;
    Some(match (op, ty.element()) {
        (ApproxOp::DivApprox | ApproxOp::DivFull, ScalarType::F32) => Bound::Ulp(2.0),
        (ApproxOp::Rcp, ScalarType::F32) => Bound::Ulp(1.0),
        (ApproxOp::Rcp | ApproxOp::Function(Rsqrt), ScalarType::F64) => Bound::Relative((-20f64).exp2()),
        (ApproxOp::Sqrt, ScalarType::F32) => Bound::Relative((-23f64).exp2()),
        (ApproxOp::Function(Rsqrt), ScalarType::F32) => Bound::Relative((-22.9f64).exp2()),
        (ApproxOp::Function(Sin | Cos), ScalarType::F32) => {
            Bound::AbsoluteByRange { near: (2.0 * pi, (-20.5f64).exp2()), far: (100.0 * pi, (-14.7f64).exp2()) }
        }
        (ApproxOp::Function(Lg2), ScalarType::F32) => {
            Bound::AbsoluteInside { from: 0.5, to: 2.0, absolute: (-22f64).exp2(), relative: (-22f64).exp2() }
        }
        (ApproxOp::Function(Ex2), ScalarType::F32) => Bound::Ulp(2.0),
        (ApproxOp::Function(Ex2), ScalarType::F16) => Bound::Relative((-9.9f64).exp2()),
        (ApproxOp::Function(Ex2), ScalarType::BF16) => Bound::Relative((-7f64).exp2()),
        (ApproxOp::Function(Tanh), ScalarType::F32) => Bound::Relative((-11f64).exp2()),
        (ApproxOp::Function(Tanh), ScalarType::F16) => Bound::Absolute((-10.987f64).exp2()),
        (ApproxOp::Function(Tanh), ScalarType::BF16) => Bound::Absolute((-8f64).exp2()),
        _ => return None,
    })
}

/// A conversion that only rounds.
const fn plain(to: ScalarType, from: ScalarType) -> Cvt {
    Cvt {
        to,
        from,
        rounding: Some(Rounding::NearestEven),
        integral: false,
        ftz: false,
        saturate: false,
        satfinite: false,
        relu: false,
    }
}

/// Computes `f` in f64 on a value of type `ty` that is not NaN, flushing where the mode says.
fn in_f64(ty: ScalarType, mode: FloatMode, a: u64, f: impl Fn(f64) -> f64) -> Bits {
    let a = a & mask(ty.bits());
    let a = if mode.ftz { flush(ty, a) } else { a };
    if is_nan(ty, a) {
        return Ok(default_nan(ty));
    }
    let wide = f64::from_bits(cvt::cvt(&plain(ScalarType::F64, ty), a, None)?);
    round_to(ty, mode, f(wide))
}

fn round_to(ty: ScalarType, mode: FloatMode, value: f64) -> Bits {
    let bits =
        if value.is_nan() { default_nan(ty) } else { cvt::cvt(&plain(ty, ScalarType::F64), value.to_bits(), None)? };
    Ok(if mode.ftz { flush(ty, bits) } else { bits })
}

/// `div.approx.f32` and `div.full.f32`.
pub fn div(accuracy: Accuracy, ty: ScalarType, mode: FloatMode, a: u64, b: u64) -> Bits {
    if ty != ScalarType::F32 {
        return Err(NoSuchForm { operation: "div.approx or div.full", ty });
    }
    let flushed = |bits: u64| if mode.ftz { flush(ty, bits) } else { bits & mask(32) };
    let (a, b) = (flushed(a), flushed(b));
    if is_nan(ty, a) || is_nan(ty, b) {
        return Ok(default_nan(ty));
    }
    let (x, y) = (f64::from(f32::from_bits(a as u32)), f64::from(f32::from_bits(b as u32)));
    if accuracy == Accuracy::Approx && y.is_finite() && y.abs() > 126f64.exp2() {
        // The manual: for 2^126 < |b| < 2^128 the result is 0, or NaN when a is infinite.
        return Ok(if x.is_infinite() { default_nan(ty) } else { (a ^ b) & sign_bit(ty) });
    }
    round_to(ty, mode, x / y)
}

/// `rcp.approx.f32` and `rcp.approx.ftz.f64`.
pub fn rcp(ty: ScalarType, mode: FloatMode, a: u64) -> Bits {
    match ty {
        ScalarType::F32 => in_f64(ty, mode, a, |x| 1.0 / x),
        ScalarType::F64 => upper_half(a, |x| 1.0 / x),
        ty => Err(NoSuchForm { operation: "rcp.approx", ty }),
    }
}

/// `rcp.approx.ftz.f64` and `rsqrt.approx.ftz.f64` read the upper 32 bits and compute 20 fraction bits; the lower 32 bits of
/// the result are zero and subnormal numbers are flushed.
fn upper_half(a: u64, f: impl Fn(f64) -> f64) -> Bits {
    let ty = ScalarType::F64;
    if is_nan(ty, a) {
        return Ok(0x7fff_ffff_0000_0000);
    }
    let result = f(f64::from_bits(flush(ty, a & !mask(32)))).to_bits();
    if is_nan(ty, result) {
        return Ok(0x7fff_ffff_0000_0000);
    }
    // To nearest; a carry into the exponent is the right result.
    let rounded = if result & !sign_bit(ty) == infinity(ty) { result } else { (result + (1 << 31)) & !mask(32) };
    Ok(flush(ty, rounded))
}

/// `sqrt.approx.f32`.
pub fn sqrt(ty: ScalarType, mode: FloatMode, a: u64) -> Bits {
    if ty != ScalarType::F32 {
        return Err(NoSuchForm { operation: "sqrt.approx", ty });
    }
    in_f64(ty, mode, a, f64::sqrt)
}

/// `rsqrt sin cos lg2 ex2 tanh`.
pub fn transcendental(function: Transcendental, ty: ScalarType, mode: FloatMode, a: u64) -> Bits {
    if approx_bound(ApproxOp::Function(function), ty).is_none() {
        return Err(NoSuchForm { operation: "this approximate function", ty });
    }
    if ty == ScalarType::F64 {
        // Only rsqrt: the form without .ftz keeps subnormal operands.
        let inverse_root = |x: f64| if x == 0.0 { 1.0 / x } else { 1.0 / x.sqrt() };
        if mode.ftz {
            return upper_half(a, inverse_root);
        }
        let result = inverse_root(f64::from_bits(a));
        return Ok(if result.is_nan() { 0x7fff_ffff_ffff_ffff } else { result.to_bits() });
    }
    per_element(ty, [a], |ty, [a]| {
        in_f64(ty, mode, a, |x| match function {
            // rsqrt(-0) is -inf.
            Transcendental::Rsqrt if x == 0.0 => 1.0 / x,
            Transcendental::Rsqrt => 1.0 / x.sqrt(),
            Transcendental::Sin => x.sin(),
            Transcendental::Cos => x.cos(),
            Transcendental::Lg2 => x.log2(),
            Transcendental::Ex2 => x.exp2(),
            Transcendental::Tanh => x.tanh(),
        })
    })
}
