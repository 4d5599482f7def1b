//! Narrow floating-point formats to and from f32, for scalars and vectors alike: what matrix fragments and narrow atomics
//! compute with.
//!
//! Model: values are bits as integers of the format's width; `to_f32` is exact, `from_f32` rounds to nearest even. NaN
//! results are the canonical NaN of the format (`0x7fff`). f16 uses the processor's conversions where it has them and
//! integer arithmetic elsewhere, so that generated code calls no library.
//!
//! Source: PTX ISA 9.x, "Alternate Floating-Point Data Formats"; OCP 8-bit floating point specification.

use crate::llvm::{Builder, FloatOp, FloatPredicate, IntOp, IntPredicate, Value};
use crate::{Isa, Target};
use vgpu_ptx::ir::ScalarType;

const fn has_half_conversions(target: &Target) -> bool {
    matches!(target.isa, Isa::Avx2 | Isa::Avx512)
}

/// The f32 value of bits in format `ty` (`F16 BF16 TF32 F32 E4M3 E5M2`).
pub(super) fn to_f32<'c>(builder: &Builder<'c>, target: &Target, ty: ScalarType, bits: Value<'c>) -> Value<'c> {
    let context = builder.context();
    let (int, float) = (context.int(32), context.f32());
    match ty {
        ScalarType::F16 if has_half_conversions(target) => builder.fpext(builder.bitcast(bits, context.f16()), float),
        ScalarType::F16 => widen(builder, bits, 10, 5, false),
        ScalarType::E5M2 => {
            // An f16 without its low byte.
            let half = builder.zext(bits, context.int(16));
            to_f32(builder, target, ScalarType::F16, builder.int(IntOp::Shl, half, half.ty().constant(8)))
        }
        ScalarType::E4M3 => widen(builder, bits, 3, 4, true),
        ScalarType::BF16 => {
            let wide = builder.zext(bits, int);
            builder.bitcast(builder.int(IntOp::Shl, wide, wide.ty().constant(16)), float)
        }
        // The low 13 bits of a tf32 register do not take part.
        ScalarType::TF32 => builder.bitcast(builder.and(bits, bits.ty().constant(0xffff_e000)), float),
        _ => builder.bitcast(bits, float),
    }
}

/// Sign, exponent and fraction to f32. `finite`: no infinities, all ones is the only NaN.
fn widen<'c>(builder: &Builder<'c>, bits: Value<'c>, fraction: u32, exponent: u32, finite: bool) -> Value<'c> {
    let context = builder.context();
    let narrow = 1 + exponent + fraction;
    let wide = builder.zext(bits, context.int(32));
    let constant = |value: u64| wide.ty().constant(value);
    let top = 1u64 << (narrow - 1);
    let sign = builder.int(IntOp::Shl, builder.and(wide, constant(top)), constant(u64::from(32 - narrow)));
    let magnitude = builder.and(wide, constant(top - 1));
    // As f32 bits the magnitude is too small by the difference of the biases; the product is exact, also for subnormals.
    let shifted = builder.int(IntOp::Shl, magnitude, constant(u64::from(23 - fraction)));
    let float = builder.bitcast(shifted, context.f32());
    let bias = (1i32 << (exponent - 1)) - 1;
    let scaled = builder.float(FloatOp::Mul, float, float.ty().float_constant(2f64.powi(127 - bias)));
    let scaled = builder.bitcast(scaled, context.int(32));
    let special = if finite { top - 1 } else { ((1u64 << exponent) - 1) << fraction };
    let is_special = builder.icmp(IntPredicate::Uge, magnitude, constant(special));
    let ones = builder.or(shifted, constant(0x7f80_0000));
    let result = builder.or(builder.select(is_special, ones, scaled), sign);
    builder.bitcast(result, context.f32())
}

/// Bits of `value` (f32) in format `ty` (`F16 BF16 F32`).
pub(super) fn from_f32<'c>(builder: &Builder<'c>, target: &Target, ty: ScalarType, value: Value<'c>) -> Value<'c> {
    let context = builder.context();
    let is_nan = builder.fcmp(FloatPredicate::Uno, value, value);
    let bits = builder.bitcast(value, context.int(32));
    let constant = |value: u64| bits.ty().constant(value);
    let shift_right = |value, by| builder.int(IntOp::LShr, value, constant(by));
    let narrow = match ty {
        ScalarType::F16 if has_half_conversions(target) => {
            builder.bitcast(builder.fptrunc(value, context.f16()), context.int(16))
        }
        ScalarType::F16 => {
            let magnitude = builder.and(bits, constant(0x7fff_ffff));
            // Adding 0.5 leaves a subnormal result, correctly rounded, in the low bits.
            let small = builder.bitcast(magnitude, context.f32());
            let small = builder.float(FloatOp::Add, small, small.ty().float_constant(0.5));
            let small = builder.sub(builder.bitcast(small, context.int(32)), constant(0x3f00_0000));
            let odd = builder.and(shift_right(magnitude, 13), constant(1));
            let rebased = builder.sub(magnitude, constant((127 - 15) << 23));
            let normal = shift_right(builder.add(builder.add(rebased, constant(0xfff)), odd), 13);
            let is_small = builder.icmp(IntPredicate::Ult, magnitude, constant(0x3880_0000));
            let is_large = builder.icmp(IntPredicate::Uge, magnitude, constant(0x4780_0000));
            let finite = builder.select(is_small, small, normal);
            let result = builder.select(is_large, constant(0x7c00), finite);
            let sign = builder.and(shift_right(bits, 16), constant(0x8000));
            builder.trunc(builder.or(result, sign), context.int(16))
        }
        ScalarType::BF16 => {
            let odd = builder.and(shift_right(bits, 16), constant(1));
            let rounded = builder.add(builder.add(bits, constant(0x7fff)), odd);
            builder.trunc(shift_right(rounded, 16), context.int(16))
        }
        _ => bits,
    };
    let canonical = if narrow.ty().scalar_bits() == 16 { 0x7fff } else { 0x7fff_ffff };
    builder.select(is_nan, narrow.ty().constant(canonical), narrow)
}
