//! The approximate functions: `rsqrt sin cos lg2 ex2 tanh` as polynomials over all lanes.
//!
//! Model: each is `float` in, `float` out, special cases included; f16 and bf16 pass through `float`. Coefficients are minimax fits
//! whose leading ones were rounded to `float` before the rest was fitted. Errors, against the manual's bound:
//! | function | method | error | bound |
//! |---|---|---|---|
//! | `ex2` | `2^floor(x) * p(x - floor(x))`, degree 6 | 1 ulp | 2 ulp |
//! | `lg2` | exponent + `f * p(f)`, degree 8, mantissa in [3/4, 3/2) | 2^-23 absolute | 2^-22 |
//! | `sin`, `cos` | two polynomials on [-pi/4, pi/4], three-part reduction | 2^-23 absolute | 2^-20.5 |
//! | `rsqrt` | 14-bit estimate and a Newton step, else root and division | 2^-23.2 relative | 2^-22.9 |
//! | `tanh` | rational 5/6 in x | 2^-13 relative | 2^-11 |
//!
//! Source: PTX ISA, the sections of these instructions; Muller, "Elementary Functions".

use super::emit::Emit;
use super::float::finish;
use super::format::{flush_if, narrow, widen};
use super::roots::upper_half;
use super::rounding::fma;
use super::x86;
use crate::llvm::{FloatPredicate, Value};
use vgpu_ptx::ir::{FloatMode, Rounding, ScalarType, Transcendental};

/// `d <- a`.
pub(super) fn function<'c>(
    e: &Emit<'_, 'c>,
    function: Transcendental,
    ty: ScalarType,
    mode: FloatMode,
    a: Value<'c>,
) -> Value<'c> {
    let a = e.low(a, ty);
    if ty.is_packed() {
        return e.join(element(e, function, ty.element(), mode, e.split(a, 16)), a.ty());
    }
    element(e, function, ty, mode, a)
}

fn element<'c>(
    e: &Emit<'_, 'c>,
    function: Transcendental,
    ty: ScalarType,
    mode: FloatMode,
    bits: Value<'c>,
) -> Value<'c> {
    if ty == ScalarType::F64 {
        let inverse_root = |x| e.fdiv(e.kf(x, 1.0), e.fsqrt(x));
        return if mode.ftz { upper_half(e, bits, inverse_root) } else { e.bits_of(inverse_root(e.float_of(bits))) };
    }
    // 2 to a subnormal power is 1 with or without flushing.
    let flush_operand = mode.ftz && function != Transcendental::Ex2;
    let x = widen(e, ty, flush_if(e, flush_operand, ty, bits));
    // Narrow formats have no subnormal `float` to care for.
    let normal = mode.ftz || ty == ScalarType::F16;
    let y = match function {
        Transcendental::Rsqrt => inverse_root(e, x),
        Transcendental::Sin => sine(e, x, false),
        Transcendental::Cos => sine(e, x, true),
        Transcendental::Lg2 => logarithm(e, x, normal),
        Transcendental::Ex2 => power_of_two(e, x, normal),
        Transcendental::Tanh => hyperbolic_tangent(e, x),
    };
    let bits = narrow(e, ty, Rounding::NearestEven, false, y);
    // These results are never subnormal, or have been flushed on the way.
    let flushed =
        matches!(function, Transcendental::Ex2 | Transcendental::Lg2 | Transcendental::Rsqrt) && ty == ScalarType::F32;
    finish(e, ty, FloatMode { ftz: mode.ftz && !flushed, ..mode }, bits)
}

/// `c0 + x * (c1 + x * (..))`.
fn polynomial<'c>(e: &Emit<'_, 'c>, x: Value<'c>, coefficients: &[f32]) -> Value<'c> {
    let (last, rest) = coefficients.split_last().expect("a polynomial has coefficients");
    let last = e.kf(x, f64::from(*last));
    rest.iter().rev().fold(last, |sum, c| multiply_add(e, sum, x, e.kf(x, f64::from(*c))))
}

/// `a * b + c`, in one rounding where that is one instruction.
fn multiply_add<'c>(e: &Emit<'_, 'c>, a: Value<'c>, b: Value<'c>, c: Value<'c>) -> Value<'c> {
    if e.has_fma() { fma(e, a, b, c) } else { e.fadd(e.fmul(a, b), c) }
}

/// `2^x`; results below the normal range are zero when `normal`.
pub(super) fn power_of_two<'c>(e: &Emit<'_, 'c>, x: Value<'c>, normal: bool) -> Value<'c> {
    const P: [f32; 7] =
        [1.0, 0.693_147_06, 0.240_229_09, 0.055_486_184, 0.009_673_775, 0.001_248_229, 0.000_215_659_72];
    if let Some(fraction) = x86::fraction(e, x) {
        let mantissa = polynomial(e, fraction, &P);
        let keep = normal.then(|| e.fcmp(FloatPredicate::Uge, x, e.kf(x, -126.0)));
        return x86::scale_by_power(e, mantissa, x, keep).expect("the same targets have both instructions");
    }
    // Subnormal results are computed 64 powers higher and scaled down in one rounding.
    let least = if normal { -126.0 } else { -190.0 };
    let x = e.fclamp(x, least - 1.0, 128.0);
    let small = e.fcmp(FloatPredicate::Olt, x, e.kf(x, -126.0));
    let shifted = if normal { x } else { e.select(small, e.fadd(x, e.kf(x, 64.0)), x) };
    let whole = e.call1("llvm.floor", shifted);
    let mantissa = polynomial(e, e.fsub(shifted, whole), &P);
    // NaN is no integer: its conversion must not be looked at.
    let number = e.select(e.is_nan(x), x.ty().zero(), whole);
    let exponent = e.shl(e.float_to_int(number, e.int_type(32), true), 23);
    let power = e.float_of(e.add(e.bits_of(mantissa), exponent));
    if normal {
        return e.select(small, x.ty().zero(), power);
    }
    e.select(small, e.scale(power, 2f64.powi(-64)), power)
}

/// `log2(x)`; subnormal operands may be taken for zero when `normal`.
fn logarithm<'c>(e: &Emit<'_, 'c>, x: Value<'c>, normal: bool) -> Value<'c> {
    const P: [f32; 9] = [
        std::f32::consts::LOG2_E,
        -0.721_349_36,
        0.480_902_55,
        -0.360_532_73,
        0.288_154_27,
        -0.243_313_09,
        0.217_131_18,
        -0.172_164_54,
        0.074_721_34,
    ];
    /// Bits of 3/4, where mantissas begin.
    const LEAST_MANTISSA: i64 = 0x3f40_0000;
    if let Some((mantissa, exponent)) = x86::mantissa_and_exponent(e, x) {
        // Zero and infinity have mantissa 1 and an infinite exponent; negative numbers and NaN have mantissa NaN.
        let f = e.fsub(mantissa, e.kf(mantissa, 1.0));
        return multiply_add(e, polynomial(e, f, &P), f, exponent);
    }
    let (scaled, offset) = if normal {
        (x, None)
    } else {
        let small = e.fcmp(FloatPredicate::Olt, x, e.kf(x, f64::from(f32::MIN_POSITIVE)));
        let scaled = e.select(small, e.scale(x, 2f64.powi(32)), x);
        (scaled, Some(e.select(small, e.kf(x, -32.0), x.ty().zero())))
    };
    let bits = e.bits_of(scaled);
    let exponent = e.mask(e.plus(bits, -LEAST_MANTISSA), 0xff80_0000);
    let mantissa = e.float_of(e.sub(bits, exponent));
    let whole = e.int_to_float(e.ashr(exponent, 23), e.float_type(32), true);
    let whole = offset.map_or(whole, |offset| e.fadd(whole, offset));
    let f = e.fsub(mantissa, e.kf(mantissa, 1.0));
    let result = multiply_add(e, polynomial(e, f, &P), f, whole);
    // Zero, negative, infinite, NaN.
    let regular = e.below(e.plus(e.bits_of(x), -1), 0x7f7f_ffff);
    let zero = e.fcmp(FloatPredicate::Oeq, x, x.ty().zero());
    let negative = e.fcmp(FloatPredicate::Olt, x, x.ty().zero());
    let special = e.select(negative, e.kf(x, f64::NAN), x);
    let special = e.select(zero, e.kf(x, f64::NEG_INFINITY), special);
    e.select(regular, result, special)
}

/// Sine, or cosine.
fn sine<'c>(e: &Emit<'_, 'c>, x: Value<'c>, cosine: bool) -> Value<'c> {
    const SINE: [f32; 4] = [1.0, -0.166_666_51, 0.008_331_982, -0.000_194_959_6];
    const COSINE: [f32; 5] = [1.0, -0.5, 0.041_666_646, -0.001_388_730_1, 0.000_024_430_668];
    // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits. Operands past 2^22 have no quadrant in
    // `float`; the result then is at least a sine of something.
    let magic = e.kf(x, 1.5 * 2f64.powi(23));
    let rounded = multiply_add(e, x, e.kf(x, std::f64::consts::FRAC_2_PI), magic);
    let turns = e.fsub(rounded, magic);
    let reduced = if e.has_fma() {
        // pi/2 in three parts, each cut so that the next is positive: -0 then stays -0.
        let cut = |x: f64| {
            let nearest = x as f32;
            if f64::from(nearest) > x { nearest.next_down() } else { nearest }
        };
        let part = |r, c: f32| fma(e, turns, e.kf(x, -f64::from(c)), r);
        let first = cut(std::f64::consts::FRAC_PI_2);
        let rest = std::f64::consts::FRAC_PI_2 - f64::from(first);
        let second = cut(rest);
        part(part(part(x, first), second), (rest - f64::from(second)) as f32)
    } else {
        let double = e.float_type(64);
        let (wide, turns) = (e.fpext(x, double), e.fpext(turns, double));
        e.fptrunc(e.fsub(wide, e.scale(turns, std::f64::consts::FRAC_PI_2)), e.float_type(32))
    };
    let r = e.fclamp(reduced, -0.8, 0.8);
    let square = e.fmul(r, r);
    let sine = e.fmul(polynomial(e, square, &SINE), r);
    let cosine_value = polynomial(e, square, &COSINE);
    let quadrant = e.bits_of(rounded);
    let quadrant = if cosine { e.plus(quadrant, 1) } else { quadrant };
    let even = e.is_zero(e.mask(quadrant, 1));
    let value = e.select(even, sine, cosine_value);
    let sign = e.shl(e.mask(quadrant, 2), 30);
    // The sign of a zero has come through: its quadrant is +0.
    e.float_of(e.xor(e.bits_of(value), sign))
}

/// `1 / sqrt(x)`.
fn inverse_root<'c>(e: &Emit<'_, 'c>, x: Value<'c>) -> Value<'c> {
    let Some(estimate) = x86::reciprocal_root_14(e, x) else {
        return e.fdiv(e.kf(x, 1.0), e.fsqrt(x));
    };
    // Newton: y + y / 2 * (1 - x * y * y). For 0 and infinity the residual is NaN and the estimate is already right.
    let product = e.fmul(x, estimate);
    let residual = fma(e, e.fneg(product), estimate, e.kf(x, 1.0));
    let refined = fma(e, e.scale(estimate, 0.5), residual, estimate);
    e.select(e.is_nan(residual), estimate, refined)
}

/// `tanh(x)`.
fn hyperbolic_tangent<'c>(e: &Emit<'_, 'c>, x: Value<'c>) -> Value<'c> {
    const P: [f32; 3] = [0.999_925_1, 0.108_678_62, 0.001_171_200_2];
    const Q: [f32; 4] = [1.0, 0.441_615_64, 0.015_412_082, 0.000_036_704_918];
    let r = e.fclamp(x, -9.0, 9.0);
    let square = e.fmul(r, r);
    let ratio = e.fdiv(e.fmul(r, polynomial(e, square, &P)), polynomial(e, square, &Q));
    // Past the fit's interval the function is 1 to far more than the bound.
    let large = e.fcmp(FloatPredicate::Oge, e.fabs(x), e.kf(x, 9.0));
    let one = e.intrinsic("llvm.copysign", &[x.ty()], &[e.kf(x, 1.0), x]);
    e.select(large, one, ratio)
}
