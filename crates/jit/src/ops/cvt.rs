//! `cvt` in all its forms, and `cvt.pack`.
//!
//! Model: sources are cut to their type, results are delivered in the width of the destination register, integers extended by
//! their own sign. Between floats there is one rounding; from integers too wide for the working format the first
//! rounding is to odd. Float to integer clamps; NaN gives 0, or the lowest signed number where 64 bits are involved.
//!
//! Source: PTX ISA, "cvt", "cvt.pack".

use super::emit::Emit;
use super::format::{self, Shape, flush_if, narrow, widen};
use super::rounding::{Arithmetic, arithmetic, sum_to_odd};
use crate::llvm::{FloatPredicate, Value};
use vgpu_ptx::ir::{Cvt, Rounding, ScalarType};

/// `d <- a`, or `d <- a, b` for packed results, `a` in the upper half. The result has `result_bits` bits.
pub(super) fn convert<'c>(e: &Emit<'_, 'c>, form: &Cvt, sources: &[Value<'c>], result_bits: u32) -> Value<'c> {
    let (to, from) = (form.to, form.from);
    let a = e.low(sources[0], from);
    let result = e.int_type(result_bits);
    if !to.is_packed() {
        return e.resize(element(e, form, to, from, a), result, to.is_signed());
    }
    let whole = e.int_type(to.bits());
    let packed = if from.is_packed() {
        let parts = element(e, form, to.element(), from.element(), e.split(a, from.element().bits()));
        e.join(parts, a.ty().with_scalar(whole))
    } else {
        let half = |value| e.zext(element(e, form, to.element(), from, value), whole);
        let low = sources.get(1).map_or(a, |b| e.low(*b, from));
        e.or(e.shl(half(a), to.element().bits()), half(low))
    };
    e.resize(packed, result, false)
}

fn element<'c>(e: &Emit<'_, 'c>, form: &Cvt, to: ScalarType, from: ScalarType, a: Value<'c>) -> Value<'c> {
    match (from.is_float(), to.is_float()) {
        (false, false) => int_to_int(e, form.saturate, to, from, a),
        (false, true) => finish(e, form, to, int_to_float(e, form, to, from, a)),
        (true, false) => float_to_int(e, form, to, from, a),
        (true, true) => {
            let mut value = widen(e, from, flush_if(e, form.ftz && from == ScalarType::F32, from, a));
            if form.integral {
                value = to_integral(e, form.rounding.unwrap_or(Rounding::NearestEven), value);
            }
            finish(e, form, to, from_float(e, form, to, value))
        }
    }
}

/// Flushing and clamping of a floating-point result.
fn finish<'c>(e: &Emit<'_, 'c>, form: &Cvt, to: ScalarType, bits: Value<'c>) -> Value<'c> {
    let mut bits = flush_if(e, form.ftz && to == ScalarType::F32, to, bits);
    if form.saturate {
        bits = format::saturate(e, to, bits);
    }
    if form.relu {
        bits = format::relu(e, to, bits);
    }
    bits
}

fn int_to_int<'c>(e: &Emit<'_, 'c>, saturate: bool, to: ScalarType, from: ScalarType, a: Value<'c>) -> Value<'c> {
    let a = if saturate { clamp(e, to.bits(), to.is_signed(), from.is_signed(), a) } else { a };
    e.resize(a, e.int_type(to.bits()), from.is_signed())
}

/// An integer clamped to the range of another integer type, in its own width.
fn clamp<'c>(e: &Emit<'_, 'c>, to_bits: u32, to_signed: bool, from_signed: bool, a: Value<'c>) -> Value<'c> {
    let from_bits = a.ty().scalar_bits();
    let value_bits = if to_signed { to_bits - 1 } else { to_bits };
    let largest = if value_bits >= 64 { u64::MAX } else { (1 << value_bits) - 1 };
    // The upper bound matters when the source has more bits for magnitudes.
    let has_larger = value_bits < if from_signed { from_bits - 1 } else { from_bits };
    let mut a = a;
    if from_signed {
        let least = if to_signed { !largest } else { 0 };
        if !to_signed || has_larger {
            a = e.extremum(true, true, a, e.k(a, least));
        }
    }
    if has_larger { e.extremum(false, from_signed, a, e.k(a, largest)) } else { a }
}

/// To an integral value.
fn to_integral<'c>(e: &Emit<'_, 'c>, rounding: Rounding, value: Value<'c>) -> Value<'c> {
    let name = match rounding {
        Rounding::NearestEven => "llvm.roundeven",
        Rounding::NearestAway => "llvm.round",
        Rounding::Zero => "llvm.trunc",
        Rounding::Down => "llvm.floor",
        Rounding::Up => "llvm.ceil",
    };
    e.call1(name, value)
}

/// Rounds a `float` or `double` to the destination format.
fn from_float<'c>(e: &Emit<'_, 'c>, form: &Cvt, to: ScalarType, value: Value<'c>) -> Value<'c> {
    // Integer roundings have rounded already.
    let rounding = if form.integral { None } else { form.rounding }.unwrap_or(Rounding::NearestEven);
    let double = value.ty().scalar_bits() == 64;
    let to_single = |value| if double { arithmetic(e, Arithmetic::Narrow, rounding, &[value]) } else { value };
    match to {
        ScalarType::F64 => e.bits_of(e.fpext(value, e.float_type(64))),
        ScalarType::F32 => e.bits_of(to_single(value)),
        ScalarType::TF32 => to_tf32(e, rounding, form.satfinite, e.bits_of(to_single(value))),
        _ => {
            let finite = form.satfinite || matches!(to, ScalarType::E4M3 | ScalarType::E5M2);
            narrow(e, to, rounding, finite, value)
        }
    }
}

/// f32 bits rounded to 10 bits after the point.
fn to_tf32<'c>(e: &Emit<'_, 'c>, rounding: Rounding, finite: bool, bits: Value<'c>) -> Value<'c> {
    const UNUSED: u64 = 0x1fff;
    let shape = Shape::of(ScalarType::F32);
    let outward = |when: Value<'c>| e.select(when, e.k(bits, UNUSED), bits.ty().zero());
    let increment = match rounding {
        Rounding::NearestEven => e.plus(e.mask(e.lshr(bits, 13), 1), 0xfff),
        Rounding::NearestAway => e.k(bits, 0x1000),
        Rounding::Zero => bits.ty().zero(),
        Rounding::Down => outward(e.is_negative(bits)),
        Rounding::Up => outward(e.not(e.is_negative(bits))),
    };
    let mut rounded = e.mask(e.add(bits, increment), !UNUSED);
    if finite {
        let magnitude = e.at_most(e.mask(rounded, shape.sign - 1), 0x7f7f_e000);
        rounded = e.or(magnitude, e.mask(bits, shape.sign));
    }
    e.select(e.above(e.mask(bits, shape.sign - 1), shape.infinity), e.k(bits, shape.nan), rounded)
}

fn int_to_float<'c>(e: &Emit<'_, 'c>, form: &Cvt, to: ScalarType, from: ScalarType, a: Value<'c>) -> Value<'c> {
    let (signed, bits) = (from.is_signed(), from.bits());
    let rounding = form.rounding.unwrap_or(Rounding::NearestEven);
    let nearest = rounding == Rounding::NearestEven;
    let (single, double) = (e.float_type(32), e.float_type(64));
    match to {
        ScalarType::F64 if bits < 64 || nearest => e.bits_of(e.int_to_float(a, double, signed)),
        ScalarType::F64 => {
            let [high, low] = halves(e, signed, a);
            e.bits_of(arithmetic(e, Arithmetic::Add, rounding, &[high, low]))
        }
        ScalarType::F32 if bits < 32 || nearest => e.bits_of(e.int_to_float(a, single, signed)),
        ScalarType::F16 => {
            // Everything past 2^16 overflows alike; within 2^17 `float` is exact.
            let small = if bits <= 16 {
                a
            } else if signed {
                e.trunc(e.clamp_signed(a, -0x2_0000, 0x2_0000), e.int_type(32))
            } else {
                e.trunc(e.at_most(a, 0x2_0000), e.int_type(32))
            };
            narrow(e, to, rounding, form.satfinite, e.int_to_float(small, single, signed))
        }
        _ if bits < 32 => narrow(e, to, rounding, form.satfinite, e.int_to_float(a, single, signed)),
        _ => {
            let exact = if bits == 32 {
                e.int_to_float(a, double, signed)
            } else {
                let [high, low] = halves(e, signed, a);
                sum_to_odd(e, high, low)
            };
            from_float(e, form, to, exact)
        }
    }
}

/// A 64-bit integer as the sum of two `double`s, each exact.
fn halves<'c>(e: &Emit<'_, 'c>, signed: bool, a: Value<'c>) -> [Value<'c>; 2] {
    let (word, double) = (e.int_type(32), e.float_type(64));
    let high = e.int_to_float(e.trunc(e.lshr(a, 32), word), double, signed);
    [e.scale(high, 2f64.powi(32)), e.int_to_float(e.trunc(a, word), double, false)]
}

fn float_to_int<'c>(e: &Emit<'_, 'c>, form: &Cvt, to: ScalarType, from: ScalarType, a: Value<'c>) -> Value<'c> {
    let value = widen(e, from, flush_if(e, form.ftz && from == ScalarType::F32, from, a));
    let value = match form.rounding {
        // The conversion itself cuts.
        None | Some(Rounding::Zero) => value,
        Some(rounding) => to_integral(e, rounding, value),
    };
    let (bits, signed) = (to.bits(), to.is_signed());
    let least = if signed { -2f64.powi(bits as i32 - 1) } else { 0.0 };
    let past = 2f64.powi(if signed { bits as i32 - 1 } else { bits as i32 });
    // NaN becomes `least` here.
    let not_below = e.fmax_number(value, least);
    let largest_is_exact = bits < 32 || bits == 32 && value.ty().scalar_bits() == 64;
    let result = if largest_is_exact {
        let inside = e.fmin_number(not_below, past - 1.0);
        e.trunc(e.float_to_int(inside, e.int_type(32), signed || bits < 32), e.int_type(bits))
    } else {
        let inside = e.float_to_int(not_below, e.int_type(bits), signed);
        let largest = if signed { (1u64 << (bits - 1)) - 1 } else { u64::MAX };
        let beyond = e.fcmp(FloatPredicate::Oge, value, e.kf(value, past));
        e.select(beyond, e.k(inside, largest), inside)
    };
    let zero_for_nan = from != ScalarType::F64 && bits != 64;
    if zero_for_nan != signed {
        return result;
    }
    let for_nan = if zero_for_nan { 0 } else { 1 << (bits - 1) };
    e.select(e.is_nan(value), e.k(result, for_nan), result)
}

/// `cvt.pack.sat`: `a` and `b` clamped, `b` lowest, `c` above them.
pub(super) fn pack<'c>(
    e: &Emit<'_, 'c>,
    to_bits: u32,
    to_signed: bool,
    from_signed: bool,
    sources: &[Value<'c>],
    insert: bool,
) -> Value<'c> {
    let field = |value| {
        let clamped = clamp(e, to_bits, to_signed, from_signed, e.low(value, ScalarType::U32));
        e.mask(clamped, (1 << to_bits) - 1)
    };
    let packed = e.or(e.shl(field(sources[0]), to_bits), field(sources[1]));
    // Two 16-bit fields leave nothing to insert above.
    if insert && to_bits < 16 { e.or(packed, e.shl(e.low(sources[2], ScalarType::U32), 2 * to_bits)) } else { packed }
}
