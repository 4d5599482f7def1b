//! Constants as operands: the bits of a literal in the type an instruction asks for.
//!
//! Integers are cut to the width (with a warning by the caller when bits are lost), floating-point literals are
//! rounded to nearest even. `0f`/`0d` literals of the type's own width keep their bits.
//!
//! Source: PTX ISA "Constants".

use crate::ast::ConstValue;
use crate::ir::ScalarType;

/// Why a constant does not fit a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// A floating-point literal for an integer type.
    FloatForInteger,
    /// An integer literal for a floating-point type.
    IntegerForFloat,
}

/// The bits of `value` in type `ty`, and whether bits were lost.
pub(super) fn immediate_bits(value: ConstValue, ty: ScalarType) -> Result<(u64, bool), Misfit> {
    use ScalarType::{B16, B32, B64, BF16, F16, F32, F64, Pred, TF32};
    let bits = ty.bits();
    if let Some(integer) = value.integer_bits() {
        if ty == Pred {
            return Ok((u64::from(integer != 0), false));
        }
        // The 16-bit formats and packed pairs have no literals of their own: their bits are written as integers.
        // A zero is the same in every format, and compilers write it.
        if matches!(ty, F32 | F64 | TF32) && integer != 0 {
            return Err(Misfit::IntegerForFloat);
        }
        if bits >= 64 {
            return Ok((integer, false));
        }
        let mask = (1u64 << bits) - 1;
        let kept = integer & mask;
        let sign_extended = ((kept << (64 - bits)) as i64 >> (64 - bits)) as u64;
        return Ok((kept, kept != integer && sign_extended != integer));
    }
    let bits = match (value, ty) {
        (ConstValue::F32(bits), F32 | TF32 | B32) => u64::from(bits),
        (ConstValue::F64(bits), F64 | B64) => bits,
        (ConstValue::F32(bits), F64 | B64) => f64::from(f32::from_bits(bits)).to_bits(),
        (ConstValue::F64(bits), F32 | TF32 | B32) => u64::from((f64::from_bits(bits) as f32).to_bits()),
        (value, F16 | B16) => u64::from(narrow(as_f64(value), 5, 10)),
        (value, BF16) => u64::from(narrow(as_f64(value), 8, 7)),
        _ => return Err(Misfit::FloatForInteger),
    };
    Ok((bits, false))
}

fn as_f64(value: ConstValue) -> f64 {
    match value {
        ConstValue::F32(bits) => f64::from(f32::from_bits(bits)),
        ConstValue::F64(bits) => f64::from_bits(bits),
        ConstValue::Signed(value) => value as f64,
        ConstValue::Unsigned(value) => value as f64,
    }
}

/// `value` in a 16-bit format with that many exponent and fraction bits, to nearest even.
fn narrow(value: f64, exponent_bits: u32, fraction_bits: u32) -> u16 {
    let sign = u16::from(value.is_sign_negative()) << 15;
    let infinity = ((1u16 << exponent_bits) - 1) << fraction_bits;
    if value.is_nan() {
        return 0x7fff;
    }
    let bias = (1i32 << (exponent_bits - 1)) - 1;
    let magnitude = value.abs();
    let exponent = ((magnitude.to_bits() >> 52) as i32 - 1023).clamp(1 - bias, 1024);
    // Scaled so that one unit in the last place is 1; exact, because it only moves the exponent.
    let scaled = magnitude * 2f64.powi(fraction_bits as i32 - exponent.min(bias + 1));
    let rounded = scaled.round_ties_even();
    if magnitude.is_infinite() || exponent > bias {
        return sign | infinity;
    }
    let hidden = 1u64 << fraction_bits;
    let units = rounded as u64;
    // Adding the units to the exponent field carries into the next exponent by itself.
    let biased = (exponent + bias - 1) as u64;
    let bits = (biased << fraction_bits) + units;
    let bits = if units < hidden && biased == 0 { units } else { bits };
    sign | (bits.min(u64::from(infinity))) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bit_formats() {
        for (value, half, brain) in [
            (0.0, 0, 0),
            (-0.0, 0x8000, 0x8000),
            (1.0, 0x3c00, 0x3f80),
            (-2.5, 0xc100, 0xc020),
            (65504.0, 0x7bff, 0x4780),
            (65520.0, 0x7c00, 0x4780),
            (1e300, 0x7c00, 0x7f80),
            (5.960_464_477_539_063e-8, 0x0001, 0x3380),
            (6.097_555_160_522_461e-5, 0x03ff, 0x3880),
            (f64::INFINITY, 0x7c00, 0x7f80),
        ] {
            assert_eq!(narrow(value, 5, 10), half, "f16 of {value}");
            assert_eq!(narrow(value, 8, 7), brain, "bf16 of {value}");
        }
    }

    #[test]
    fn integers_are_cut() {
        let bits = |value, ty| immediate_bits(ConstValue::Signed(value), ty);
        assert_eq!(bits(-1, ScalarType::S32), Ok((0xffff_ffff, false)));
        assert_eq!(bits(0xffff, ScalarType::U16), Ok((0xffff, false)));
        assert_eq!(bits(0x1_0000, ScalarType::U16), Ok((0, true)));
        assert_eq!(bits(1, ScalarType::F32), Err(Misfit::IntegerForFloat));
        assert_eq!(bits(2, ScalarType::Pred), Ok((1, false)));
    }

    #[test]
    fn floats_keep_or_round() {
        let pi = ConstValue::F64(std::f64::consts::PI.to_bits());
        assert_eq!(immediate_bits(pi, ScalarType::F32), Ok((0x4049_0fdb, false)));
        assert_eq!(immediate_bits(ConstValue::F32(0x7fc0_1234), ScalarType::B32), Ok((0x7fc0_1234, false)));
        assert_eq!(immediate_bits(pi, ScalarType::S32), Err(Misfit::FloatForInteger));
    }
}
