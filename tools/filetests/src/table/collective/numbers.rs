//! Numbers for matrices: small whole ones, whose sums are exact in any order; ordinary ones; and what is no number.

use crate::init::hash;
use crate::table::oracle::{self, Format, Value};

/// What a matrix is filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filling {
    /// -3 to 3; all bits for integers.
    Whole,
    /// Around one; for integers the least and the greatest.
    Ordinary,
    /// Some infinities and NaNs among whole numbers; the same as [`Self::Whole`] for integers.
    Special,
}

/// The fillings in turn.
pub const FILLINGS: [Filling; 3] = [Filling::Whole, Filling::Ordinary, Filling::Special];

/// Bits in memory of an element; 1 and 4 below a byte.
pub fn bits_of(ty: &str) -> u32 {
    match ty {
        "b1" => 1,
        "u4" | "s4" => 4,
        "e4m3" | "e5m2" | "u8" | "s8" => 8,
        "f16" | "bf16" => 16,
        "f64" => 64,
        _ => 32,
    }
}

/// Whether elements are integers.
pub fn is_integer(ty: &str) -> bool {
    matches!(ty, "b1" | "u4" | "s4" | "u8" | "s8" | "s32")
}

/// Element `i` of a matrix.
pub fn element(ty: &str, filling: Filling, seed: u64, i: u64) -> u64 {
    let random = hash(seed, i);
    if is_integer(ty) {
        return integer(ty, filling, random);
    }
    let Some(format) = oracle::format_of(ty) else { return 0 };
    let bias = (1u64 << (format.exponent - 1)) - 1;
    let small = |value: u64| -> u64 {
        let (exponent, fraction) = match value {
            0 => (0, 0),
            1 => (bias, 0),
            2 => (bias + 1, 0),
            _ => (bias + 1, 1 << (format.fraction - 1)),
        };
        (exponent << format.fraction | fraction) << format.below
    };
    let sign = if random >> 40 & 1 == 1 { format.sign() } else { 0 };
    match filling {
        Filling::Special if random.is_multiple_of(31) && !format.finite => sign | format.infinity(),
        Filling::Special if random % 97 == 1 => format.sign() - 1,
        Filling::Ordinary => {
            let exponent = bias - 3 + random % 5;
            let fraction = random >> 8 & ((1 << format.fraction) - 1);
            sign | (exponent << format.fraction | fraction) << format.below
        }
        _ => sign | small(random % 4),
    }
}

fn integer(ty: &str, filling: Filling, random: u64) -> u64 {
    let width = bits_of(ty);
    let mask = (1u64 << width) - 1;
    match filling {
        // Accumulators close to where they wrap or saturate.
        Filling::Special if ty == "s32" => {
            if random & 1 == 0 {
                0x7fff_ff00 | random >> 8 & 0xff
            } else {
                0x8000_0000 | random >> 8 & 0xff
            }
        }
        Filling::Ordinary if width > 1 && ty != "s32" => match random % 4 {
            0 => 1 << (width - 1),
            1 => mask >> 1,
            2 => mask,
            _ => random >> 8 & mask,
        },
        _ if ty == "s32" => (random as i32 >> 12) as u32 as u64,
        _ => random >> 8 & mask,
    }
}

/// The value of an integer element.
pub fn integer_value(ty: &str, bits: u64) -> i64 {
    let width = bits_of(ty);
    let value = bits & (u64::MAX >> (64 - width));
    if ty.starts_with('s') { (value << (64 - width)) as i64 >> (64 - width) } else { value as i64 }
}

/// The value of a floating-point element. Every format fits f64.
pub fn float_value(ty: &str, bits: u64) -> f64 {
    match oracle::format_of(ty).map(|format: Format| format.value(bits)) {
        Some(Value::Number(number, negative)) => {
            let value = number.to_f64().value();
            if negative && value == 0.0 { -0.0 } else { value }
        }
        Some(Value::Infinite(negative)) => {
            if negative {
                f64::NEG_INFINITY
            } else {
                f64::INFINITY
            }
        }
        _ => f64::NAN,
    }
}

/// `c + a . b` and how far an instruction may be from it: the manual leaves open in which order, and with how many
/// bits beyond those of f32, products are summed.
pub fn dot(d_type: &str, pairs: &[(f64, f64)], c: f64) -> (f64, f64) {
    let sum = pairs.iter().fold(c, |sum, (a, b)| sum + a * b);
    let size = pairs.iter().fold(c.abs(), |size, (a, b)| size + (a * b).abs());
    let terms = pairs.len() as f64 + 1.0;
    let inner = if d_type == "f64" { f64::EPSILON } else { f64::from(f32::EPSILON) };
    let mut error = terms * inner * size;
    if d_type == "f16" {
        // The result is rounded once more.
        error += 2f64.powi(-11) * sum.abs() + 2f64.powi(-25);
    }
    (sum, error)
}
