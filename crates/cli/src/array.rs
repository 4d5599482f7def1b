//! Element types of arrays, and the ways to fill an array without a file.

use std::fmt;

/// Element type of an array, or type of a scalar argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// Unsigned integers.
    U8,
    /// 16 bits.
    U16,
    /// 32 bits.
    U32,
    /// 64 bits.
    U64,
    /// Signed integers.
    I8,
    /// 16 bits.
    I16,
    /// 32 bits.
    I32,
    /// 64 bits.
    I64,
    /// IEEE binary16.
    F16,
    /// The upper half of a binary32.
    Bf16,
    /// IEEE binary32.
    F32,
    /// IEEE binary64.
    F64,
}

use Element::{Bf16, F16, F32, F64, I8, I16, I32, I64, U8, U16, U32, U64};

/// Names as in Rust, with PTX's `s` and `b` forms accepted, and the `.npy` descriptions. The first name is the one shown;
/// the first description is the one written.
const TABLE: &[(Element, &[&str], &[&str])] = &[
    (U8, &["u8", "b8", "bool"], &["|u1", "|b1"]),
    (U16, &["u16", "b16"], &["<u2"]),
    (U32, &["u32", "b32"], &["<u4"]),
    (U64, &["u64", "b64"], &["<u8"]),
    (I8, &["i8", "s8"], &["|i1"]),
    (I16, &["i16", "s16"], &["<i2"]),
    (I32, &["i32", "s32"], &["<i4"]),
    (I64, &["i64", "s64"], &["<i8"]),
    (F16, &["f16"], &["<f2"]),
    // NumPy has no bfloat16; ml_dtypes stores it as two opaque bytes.
    (Bf16, &["bf16"], &["<V2", "|V2"]),
    (F32, &["f32"], &["<f4"]),
    (F64, &["f64"], &["<f8"]),
];

impl Element {
    /// The type of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|(_, names, _)| names.contains(&name)).map(|(element, ..)| *element)
    }

    /// The type with that `.npy` description.
    pub fn from_npy(description: &str) -> Option<Self> {
        TABLE.iter().find(|(.., descriptions)| descriptions.contains(&description)).map(|(element, ..)| *element)
    }

    /// The name that is shown.
    pub fn name(self) -> &'static str {
        self.row().1[0]
    }

    /// The `.npy` description that is written.
    pub fn npy(self) -> &'static str {
        self.row().2[0]
    }

    fn row(self) -> &'static (Self, &'static [&'static str], &'static [&'static str]) {
        TABLE.iter().find(|row| row.0 == self).expect("the table has every type")
    }

    /// All names that are shown.
    pub fn names() -> String {
        TABLE.iter().map(|(element, ..)| element.name()).collect::<Vec<_>>().join(", ")
    }

    /// Size in bytes.
    pub const fn size_bytes(self) -> usize {
        match self {
            U8 | I8 => 1,
            U16 | I16 | F16 | Bf16 => 2,
            U32 | I32 | F32 => 4,
            U64 | I64 | F64 => 8,
        }
    }

    /// The little-endian bytes of a value written in decimal, or in hexadecimal with `0x`; `0x` gives a float's bits.
    ///
    /// # Errors
    /// The text is no value of this type; the message says what is accepted.
    pub fn parse_value(self, text: &str) -> Result<Vec<u8>, String> {
        let size = self.size_bytes();
        let accepted = || {
            format!(
                "\"{text}\" is no {}; accepted are a decimal value in range, or {} bits as 0x..",
                self.name(),
                8 * size
            )
        };
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
        if let Some(hex) = digits.strip_prefix("0x") {
            let bits = u64::from_str_radix(hex, 16).map_err(|_| accepted())?;
            let fits = size == 8 || bits >> (8 * size) == 0;
            return if fits && !negative { Ok(bits.to_le_bytes()[..size].to_vec()) } else { Err(accepted()) };
        }
        let bits = match self {
            F16 | Bf16 | F32 | F64 => self.float_bits(text.parse::<f64>().map_err(|_| accepted())?, text),
            U8 | U16 | U32 | U64 => {
                text.parse::<u64>().ok().filter(|v| size == 8 || v >> (8 * size) == 0).ok_or_else(accepted)?
            }
            I8 | I16 | I32 | I64 => {
                let value = text.parse::<i64>().map_err(|_| accepted())?;
                let unused = 64 - 8 * size as u32;
                if value << unused >> unused != value {
                    return Err(accepted());
                }
                value as u64
            }
        };
        Ok(bits.to_le_bytes()[..size].to_vec())
    }

    /// Bits of the nearest float; `text` is read again for binary32, so that it is rounded once.
    fn float_bits(self, value: f64, text: &str) -> u64 {
        match self {
            F64 => value.to_bits(),
            F32 => u64::from(text.parse::<f32>().unwrap_or(value as f32).to_bits()),
            Bf16 => narrow(value, 8, 7),
            _ => narrow(value, 5, 10),
        }
    }

    /// `n` random elements: integers over their whole range, floats in [0, 1). The same for every machine.
    pub fn random(self, n: usize, seed: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(n * self.size_bytes());
        for idx in 0..n as u64 {
            let bits = random_bits(seed, idx);
            let unit = (bits >> 11) as f64 / (1u64 << 53) as f64;
            let value = match self {
                F64 => unit.to_bits(),
                F32 => u64::from(((bits >> 40) as f32 / (1 << 24) as f32).to_bits()),
                // As many bits as the fraction holds, so that nothing rounds up to 1.
                F16 => narrow((bits >> 53) as f64 / 2048.0, 5, 10),
                Bf16 => narrow((bits >> 56) as f64 / 256.0, 8, 7),
                _ => bits,
            };
            bytes.extend_from_slice(&value.to_le_bytes()[..self.size_bytes()]);
        }
        bytes
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Rounds to a float with `exponent` and `fraction` bits, to nearest even.
fn narrow(value: f64, exponent: u32, fraction: u32) -> u64 {
    let sign = u64::from(value.is_sign_negative()) << (exponent + fraction);
    let infinity = ((1 << exponent) - 1) << fraction;
    if value.is_nan() {
        return sign | infinity | 1 << (fraction - 1);
    }
    let bias = (1i32 << (exponent - 1)) - 1;
    let magnitude = value.abs();
    // The weight of the last fraction bit at this value's exponent, or of the subnormals.
    let power = if magnitude == 0.0 { 1 - bias } else { (exponent_of(magnitude)).max(1 - bias) };
    let units = magnitude / 2f64.powi(power - fraction as i32);
    let rounded = units.round_ties_even();
    if !rounded.is_finite() || power > bias {
        return sign | infinity;
    }
    // A carry out of the fraction is the next exponent, up to infinity: the encoding is monotonic.
    let encoded = (((power + bias - 1) as u64) << fraction) + rounded as u64;
    sign | encoded.min(infinity)
}

/// The exponent of a positive finite value, as in `1.f * 2^e`.
fn exponent_of(value: f64) -> i32 {
    let biased = (value.to_bits() >> 52) as i32;
    if biased == 0 { -1074 + (63 - value.to_bits().leading_zeros() as i32) } else { biased - 1023 }
}

/// SplitMix64's output function of a counter.
fn random_bits(seed: u64, idx: u64) -> u64 {
    let mut z =
        seed.wrapping_mul(0xa076_1d64_78bd_642f).wrapping_add(idx.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// An array in host memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array {
    /// Element type.
    pub element: Element,
    /// Extent in each dimension, slowest first.
    pub shape: Vec<usize>,
    /// Elements in row-major order, little-endian.
    pub bytes: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(element: Element, text: &str, expected: Option<u64>) {
        let found = element.parse_value(text).ok().map(|bytes| {
            assert_eq!(bytes.len(), element.size_bytes());
            bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
        });
        assert_eq!(found, expected, "{element} {text}");
    }

    #[test]
    fn values() {
        check(U8, "255", Some(255));
        check(U8, "256", None);
        check(U32, "-1", None);
        check(I8, "-128", Some(0x80));
        check(I8, "128", None);
        check(I64, "-9223372036854775808", Some(1 << 63));
        check(U64, "18446744073709551615", Some(u64::MAX));
        check(U32, "0xffffffff", Some(0xffff_ffff));
        check(U16, "0x10000", None);
        check(F32, "2", Some(0x4000_0000));
        check(F32, "-inf", Some(0xff80_0000));
        check(F32, "0x3f800000", Some(0x3f80_0000));
        check(F64, "0.1", Some(0x3fb9_9999_9999_999a));
        check(F32, "one", None);
    }

    #[test]
    fn half_floats() {
        check(F16, "1", Some(0x3c00));
        check(F16, "65504", Some(0x7bff));
        check(F16, "65519", Some(0x7bff));
        check(F16, "65520", Some(0x7c00));
        check(F16, "5.9604644775390625e-8", Some(1));
        check(F16, "2.98023223876953125e-8", Some(0));
        check(F16, "-0.0", Some(0x8000));
        check(F16, "nan", Some(0x7e00));
        check(F16, "0.333251953125", Some(0x3555));
        check(Bf16, "1", Some(0x3f80));
        check(Bf16, "1.00390625", Some(0x3f80));
        check(Bf16, "1.01171875", Some(0x3f82));
        check(Bf16, "inf", Some(0x7f80));
        check(Bf16, "1e39", Some(0x7f80));
    }

    #[test]
    fn random_floats_are_below_one() {
        for element in [F16, Bf16, F32, F64] {
            let one = element.parse_value("1").expect("a value");
            let bytes = element.random(1000, 3);
            let below = |bytes: &[u8]| bytes.iter().rev().lt(one.iter().rev());
            assert!(bytes.chunks(element.size_bytes()).all(below), "{element}");
        }
        assert_ne!(U64.random(4, 1), U64.random(4, 2));
    }
}
