//! `cvt` in all its forms, and `cvt.pack`.
//!
//! A float source is read into a 128-bit format, which holds every number of every other format exactly; one rounding brings it
//! to the destination. Source: PTX ISA, "Data Movement and Conversion Instructions: cvt", "cvt.pack".

use super::float::{default_nan, flush, is_nan, relu, round, saturate, sign_bit};
use super::{Bits, NoSuchForm, integer, mask, range, wrap};
use crate::ir::{Cvt, Rounding, ScalarType};
use rustc_apfloat::ieee::{BFloat, Double, Float8E4M3FN, Float8E5M2, Half, IeeeFloat, Quad, Semantics, Single};
use rustc_apfloat::{Float, FloatConvert};

/// The 19 significant bits of `tf32`: the exponent of f32, 10 fraction bits.
struct Tf32Semantics;

impl Semantics for Tf32Semantics {
    const BITS: usize = 19;
    const EXP_BITS: usize = 8;
}

type Tf32 = IeeeFloat<Tf32Semantics>;

/// Fraction bits of f32 that `tf32` does not have; they are zero in a `tf32` result and ignored in an operand.
const TF32_UNUSED_BITS: u32 = 13;

/// `cvt`: one source, or two when a packed result is made from unpacked sources (`a` is the upper half).
pub fn cvt(form: &Cvt, a: u64, b: Option<u64>) -> Bits {
    let (to, from) = (form.to, form.from);
    let bits = to.element().bits();
    match (to.is_packed(), from.is_packed(), b) {
        (false, false, _) => element(form, to, from, a),
        (true, false, Some(b)) => {
            Ok(element(form, to.element(), from, a)? << bits | element(form, to.element(), from, b)?)
        }
        (true, true, _) => {
            let from_bits = from.element().bits();
            let low = element(form, to.element(), from.element(), a & mask(from_bits))?;
            let high = element(form, to.element(), from.element(), a >> from_bits & mask(from_bits))?;
            Ok(high << bits | low)
        }
        _ => Err(NoSuchForm { operation: "cvt", ty: to }),
    }
}

fn element(form: &Cvt, to: ScalarType, from: ScalarType, a: u64) -> Bits {
    let a = a & mask(from.bits());
    match (from.is_float(), to.is_float()) {
        (false, false) => {
            let value = integer(from, a);
            let (low, high) = range(to);
            Ok(wrap(to, if form.saturate { value.clamp(low, high) } else { value }))
        }
        (false, true) => {
            let rounding = round(form.rounding.unwrap_or(Rounding::NearestEven));
            // A 64-bit integer is exact in the 113 bits of the wide format.
            let wide = Quad::from_i128_r(integer(from, a), rounding).value;
            finish(form, to, narrow(to, wide, form)?)
        }
        (true, false) => Ok(float_to_int(form, to, from, a)?),
        (true, true) => float_to_float(form, to, from, a),
    }
}

/// The number as a 128-bit float; not for NaN.
pub(super) fn widen(ty: ScalarType, bits: u64) -> Result<Quad, NoSuchForm> {
    let mut lossy = false;
    let bits = u128::from(bits);
    Ok(match ty {
        ScalarType::F16 => Half::from_bits(bits).convert(&mut lossy).value,
        ScalarType::BF16 => BFloat::from_bits(bits).convert(&mut lossy).value,
        ScalarType::TF32 => Tf32::from_bits(bits >> TF32_UNUSED_BITS).convert(&mut lossy).value,
        ScalarType::F32 => Single::from_bits(bits).convert(&mut lossy).value,
        ScalarType::F64 => Double::from_bits(bits).convert(&mut lossy).value,
        ScalarType::E4M3 => Float8E4M3FN::from_bits(bits).convert(&mut lossy).value,
        ScalarType::E5M2 => Float8E5M2::from_bits(bits).convert(&mut lossy).value,
        ty => return Err(NoSuchForm { operation: "cvt", ty }),
    })
}

/// The number rounded to the destination format; `.satfinite` clamps to its largest finite number.
fn narrow(to: ScalarType, value: Quad, form: &Cvt) -> Bits {
    let rounding = round(form.rounding.unwrap_or(Rounding::NearestEven));
    let mut lossy = false;
    // The 8-bit formats are always converted with saturation: e4m3 has no infinity to overflow to.
    let clamp = form.satfinite || matches!(to, ScalarType::E4M3 | ScalarType::E5M2);
    if clamp {
        let largest = match to {
            ScalarType::E4M3 => 0x7e,
            ScalarType::E5M2 => 0x7b,
            ScalarType::F16 => 0x7bff,
            ScalarType::BF16 => 0x7f7f,
            ScalarType::TF32 => 0x7f7f_e000,
            ty => return Err(NoSuchForm { operation: "cvt.satfinite", ty }),
        };
        if value.abs() >= widen(to, largest)? {
            return Ok(if value.is_negative() { largest | sign_bit(to) } else { largest });
        }
    }
    let bits = match to {
        ScalarType::F16 => FloatConvert::<Half>::convert_r(value, rounding, &mut lossy).value.to_bits(),
        ScalarType::BF16 => FloatConvert::<BFloat>::convert_r(value, rounding, &mut lossy).value.to_bits(),
        ScalarType::TF32 => {
            FloatConvert::<Tf32>::convert_r(value, rounding, &mut lossy).value.to_bits() << TF32_UNUSED_BITS
        }
        ScalarType::F32 => FloatConvert::<Single>::convert_r(value, rounding, &mut lossy).value.to_bits(),
        ScalarType::F64 => FloatConvert::<Double>::convert_r(value, rounding, &mut lossy).value.to_bits(),
        ScalarType::E4M3 => FloatConvert::<Float8E4M3FN>::convert_r(value, rounding, &mut lossy).value.to_bits(),
        ScalarType::E5M2 => FloatConvert::<Float8E5M2>::convert_r(value, rounding, &mut lossy).value.to_bits(),
        ty => return Err(NoSuchForm { operation: "cvt", ty }),
    };
    Ok(bits as u64)
}

/// Flushing and clamping of a floating-point result.
fn finish(form: &Cvt, to: ScalarType, bits: u64) -> Bits {
    let mut bits = if form.ftz && to == ScalarType::F32 { flush(to, bits) } else { bits };
    if form.saturate {
        bits = saturate(to, bits);
    }
    if form.relu {
        bits = relu(to, bits);
    }
    Ok(bits)
}

fn float_to_float(form: &Cvt, to: ScalarType, from: ScalarType, a: u64) -> Bits {
    let a = if form.ftz && from == ScalarType::F32 { flush(from, a) } else { a };
    if is_nan(from, a) {
        return finish(form, to, nan(to, from, a));
    }
    let mut value = widen(from, a)?;
    if form.integral {
        value = value.round_to_integral(round(form.rounding.unwrap_or(Rounding::NearestEven))).value;
    }
    finish(form, to, narrow(to, value, form)?)
}

/// The NaN that a NaN becomes: canonical, except that f64 results keep sign and payload.
const fn nan(to: ScalarType, from: ScalarType, a: u64) -> u64 {
    match (to, from) {
        (ScalarType::F64, ScalarType::F64) => a | 1 << 51,
        (ScalarType::F64, ScalarType::F32) => (a & 0x8000_0000) << 32 | 0x7ff8_0000_0000_0000 | (a & 0x7f_ffff) << 29,
        (ScalarType::F64, _) => 0x7fff_ffff_e000_0000,
        _ => default_nan(to),
    }
}

fn float_to_int(form: &Cvt, to: ScalarType, from: ScalarType, a: u64) -> Bits {
    let a = if form.ftz && from == ScalarType::F32 { flush(from, a) } else { a };
    if is_nan(from, a) {
        // "Zero if the source is not f64 and the destination is not 64 bits wide, else 1 << (width - 1)."
        let narrow = from != ScalarType::F64 && to.bits() != 64;
        return Ok(if narrow { 0 } else { 1 << (to.bits() - 1) });
    }
    let value = widen(from, a)?.round_to_integral(round(form.rounding.unwrap_or(Rounding::Zero))).value;
    let (low, high) = range(to);
    // Out of range is clamped with or without `.sat`; the conversion to 128 bits itself saturates.
    let mut exact = false;
    let whole = value.to_i128_r(128, round(Rounding::Zero), &mut exact).value;
    Ok(wrap(to, whole.clamp(low, high)))
}

/// `cvt.pack.sat`: `a` and `b` clamped to `to_bits` bits, `b` lowest; with `c`, `c` shifted up above them.
pub fn pack(to_bits: u32, to_signed: bool, from_signed: bool, a: u64, b: u64, c: Option<u64>) -> u64 {
    let (low, high) =
        if to_signed { (-(1i128 << (to_bits - 1)), (1i128 << (to_bits - 1)) - 1) } else { (0, (1i128 << to_bits) - 1) };
    let source = if from_signed { ScalarType::S32 } else { ScalarType::U32 };
    let clamped = |value: u64| integer(source, value).clamp(low, high) as u64 & mask(to_bits);
    let above = c.map_or(0, |c| c << (2 * to_bits));
    (above | clamped(a) << to_bits | clamped(b)) & mask(32)
}
