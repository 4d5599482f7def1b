//! Is a result of an approximate function good enough? The comparison for everything that is checked against the interpreter.
//!
//! A result is accepted when it lies within the manual's bound ([`super::approx_bound`]) of the exact value. Subnormal operands
//! and results may be flushed whether or not the instruction says `.ftz`: the manual's tables of special cases and its
//! text differ on this from version to version.

use super::approx::{ApproxOp, Bound, approx_bound};
use super::cvt::widen;
use super::float::{flush, fraction_bits, infinity, is_nan, is_subnormal, sign_bit};
use super::mask;
use crate::ir::{ScalarType, Transcendental};
use rustc_apfloat::ieee::Double;
use rustc_apfloat::{Float, FloatConvert};

/// Whether `got` is an acceptable result of `op` on `a` (and `b` for a division). Packed types: both halves must be.
pub fn accepts(op: ApproxOp, ty: ScalarType, a: u64, b: u64, got: u64) -> bool {
    let Some(bound) = approx_bound(op, ty) else { return false };
    let element = ty.element();
    let bits = element.bits();
    let halves = if ty.is_packed() { 2 } else { 1 };
    (0..halves).all(|i| {
        let part = |value: u64| value >> (i * bits) & mask(bits);
        accepts_element(op, element, bound, part(a), part(b), part(got))
    })
}

/// The value in f64; every format here fits.
fn value(ty: ScalarType, bits: u64) -> f64 {
    if is_nan(ty, bits) {
        return f64::NAN;
    }
    let mut lossy = false;
    let Ok(wide) = widen(ty, bits) else { return f64::NAN };
    let double: Double = wide.convert(&mut lossy).value;
    f64::from_bits(double.to_bits() as u64)
}

fn accepts_element(op: ApproxOp, ty: ScalarType, bound: Bound, a: u64, b: u64, got: u64) -> bool {
    let choices = |bits: u64| [bits, flush(ty, bits)];
    choices(a).into_iter().any(|a| choices(b).into_iter().any(|b| accepts_value(op, ty, bound, a, b, got)))
}

fn accepts_value(op: ApproxOp, ty: ScalarType, bound: Bound, a: u64, b: u64, got: u64) -> bool {
    // The double-precision forms read the upper half only.
    let read = |bits: u64| if ty == ScalarType::F64 { value(ty, bits & !mask(32)) } else { value(ty, bits) };
    let (x, y) = (read(a), read(b));
    let exact = match op {
        ApproxOp::DivApprox | ApproxOp::DivFull => x / y,
        ApproxOp::Rcp => 1.0 / x,
        ApproxOp::Sqrt => x.sqrt(),
        ApproxOp::Function(function) => match function {
            Transcendental::Rsqrt if x == 0.0 => 1.0 / x,
            Transcendental::Rsqrt => 1.0 / x.sqrt(),
            Transcendental::Sin => x.sin(),
            Transcendental::Cos => x.cos(),
            Transcendental::Lg2 => x.log2(),
            Transcendental::Ex2 => x.exp2(),
            Transcendental::Tanh => x.tanh(),
        },
    };
    let far_divisor = op == ApproxOp::DivApprox && y.is_finite() && y.abs() > 126f64.exp2();
    if far_divisor && (x.is_infinite() && is_nan(ty, got) || x.is_finite() && got & !sign_bit(ty) == 0) {
        return true;
    }
    if exact.is_nan() || is_nan(ty, got) {
        return exact.is_nan() && is_nan(ty, got);
    }
    let result = value(ty, got);
    // Zero at a special operand is exact; lg2(1) is a zero like any other value.
    let is_special_zero = exact == 0.0 && !(matches!(bound, Bound::AbsoluteInside { .. }) && x == 1.0);
    if is_special_zero || exact.is_infinite() {
        return result == exact && result.is_sign_negative() == exact.is_sign_negative();
    }
    if result == 0.0 && exact.abs() < value(ty, 1 << fraction_bits(ty)) {
        return true;
    }
    let error = allowed(ty, bound, x, exact);
    if result.is_infinite() {
        let largest = value(ty, infinity(ty) - 1);
        return exact.signum() == result.signum() && exact.abs() + error > largest;
    }
    // Rounding into the subnormal range cannot be better than its spacing.
    let spacing = if is_subnormal(ty, got) { value(ty, 1) } else { 0.0 };
    (result - exact).abs() <= error.max(spacing)
}

/// The largest error at operand `x` for the exact result `exact`.
fn allowed(ty: ScalarType, bound: Bound, x: f64, exact: f64) -> f64 {
    match bound {
        Bound::Ulp(ulps) => ulps * unit_in_last_place(ty, exact),
        Bound::Relative(relative) => relative * exact.abs() + unit_in_last_place(ty, exact) / 2.0,
        Bound::Absolute(absolute) => absolute,
        Bound::AbsoluteInside { from, to, absolute, .. } if x > from && x < to => absolute,
        Bound::AbsoluteInside { relative, .. } => relative * exact.abs(),
        Bound::AbsoluteByRange { near, .. } if x.abs() <= near.0 => near.1,
        Bound::AbsoluteByRange { far, .. } if x.abs() <= far.0 => far.1,
        // Sine and cosine of a large operand: any value from -1 to 1.
        Bound::AbsoluteByRange { .. } => 2.0,
    }
}

/// The distance of neighbours of `exact` in the format.
fn unit_in_last_place(ty: ScalarType, exact: f64) -> f64 {
    let (fraction, min_exponent) = match ty {
        ScalarType::F16 => (10, -14),
        ScalarType::BF16 => (7, -126),
        ScalarType::F64 => (52, -1022),
        _ => (23, -126),
    };
    let exponent = exact.abs().log2().floor().max(f64::from(min_exponent));
    (exponent - f64::from(fraction)).exp2()
}
