//! Element types of buffers and scalars in case files, and the text form of their values.
//!
//! A value is its bits in the low bits of a `u64`. Text forms: decimal for integers and floats, `0x` bits for any type,
//! `inf`, `-inf` and `nan` for floats. Formatting is chosen so that parsing gives the same bits back.

use anyhow::{Context, Result, anyhow, bail};
use rustc_apfloat::ieee::{BFloat, Double, Half};
use rustc_apfloat::{Float, FloatConvert};

/// Type of the elements of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are PTX's own type names")]
pub enum Element {
    U8,
    S8,
    U16,
    S16,
    U32,
    S32,
    U64,
    S64,
    B8,
    B16,
    B32,
    B64,
    F16,
    BF16,
    F32,
    F64,
}

const NAMES: [(&str, Element); 16] = [
    ("u8", Element::U8),
    ("s8", Element::S8),
    ("u16", Element::U16),
    ("s16", Element::S16),
    ("u32", Element::U32),
    ("s32", Element::S32),
    ("u64", Element::U64),
    ("s64", Element::S64),
    ("b8", Element::B8),
    ("b16", Element::B16),
    ("b32", Element::B32),
    ("b64", Element::B64),
    ("f16", Element::F16),
    ("bf16", Element::BF16),
    ("f32", Element::F32),
    ("f64", Element::F64),
];

impl Element {
    /// The type of that PTX name.
    ///
    /// # Errors
    /// No such type; the message lists the accepted ones.
    pub fn from_name(name: &str) -> Result<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, element)| *element).ok_or_else(|| {
            let known: Vec<_> = NAMES.iter().map(|(known, _)| *known).collect();
            anyhow!("unknown element type \"{name}\"; accepted are {}", known.join(", "))
        })
    }

    /// PTX name.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, element)| *element == self).map_or("", |(name, _)| name)
    }

    /// Size in bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::S8 | Self::B8 => 1,
            Self::U16 | Self::S16 | Self::B16 | Self::F16 | Self::BF16 => 2,
            Self::U32 | Self::S32 | Self::B32 | Self::F32 => 4,
            Self::U64 | Self::S64 | Self::B64 | Self::F64 => 8,
        }
    }

    /// True for `f16 bf16 f32 f64`.
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::BF16 | Self::F32 | Self::F64)
    }

    /// True for `s8 s16 s32 s64`.
    pub const fn is_signed(self) -> bool {
        matches!(self, Self::S8 | Self::S16 | Self::S32 | Self::S64)
    }

    const fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bytes() * 8)
    }

    /// Bits of a value from its text.
    ///
    /// # Errors
    /// Not a value of this type, or out of its range.
    pub fn parse(self, text: &str) -> Result<u64> {
        if let Some(digits) = text.strip_prefix("0x") {
            let bits = u64::from_str_radix(digits, 16).with_context(|| format!("bad bit pattern \"{text}\""))?;
            if bits & !self.mask() != 0 {
                bail!("bit pattern {text} does not fit {}", self.name());
            }
            return Ok(bits);
        }
        if self.is_float() {
            let value: f64 = text.parse().with_context(|| format!("bad {} value \"{text}\"", self.name()))?;
            // A decimal f32 is rounded once, from its own text.
            if self == Self::F32 {
                let value: f32 = text.parse().with_context(|| format!("bad f32 value \"{text}\""))?;
                return Ok(if value.is_nan() { 0x7fff_ffff } else { u64::from(value.to_bits()) });
            }
            return Ok(self.rounded(value));
        }
        let value: i128 = text.parse().with_context(|| format!("bad {} value \"{text}\"", self.name()))?;
        let low = if self.is_signed() { -(1i128 << (self.bytes() * 8 - 1)) } else { 0 };
        let high = if self.is_signed() { -low - 1 } else { i128::from(self.mask()) };
        if value < low || value > high {
            bail!("{value} is out of range for {}: {low} to {high}", self.name());
        }
        Ok(value as u64 & self.mask())
    }

    /// Text of a value.
    pub fn format(self, bits: u64) -> String {
        match self {
            Self::B8 | Self::B16 | Self::B32 | Self::B64 => format!("0x{bits:x}"),
            Self::S8 => (bits as i8).to_string(),
            Self::S16 => (bits as i16).to_string(),
            Self::S32 => (bits as i32).to_string(),
            Self::S64 => (bits as i64).to_string(),
            Self::U8 | Self::U16 | Self::U32 | Self::U64 => bits.to_string(),
            Self::F16 | Self::BF16 | Self::F32 | Self::F64 => {
                let value = self.to_f64(bits);
                if value.is_nan() {
                    return format!("0x{bits:x}");
                }
                let text =
                    if self == Self::F32 { format!("{:?}", f32::from_bits(bits as u32)) } else { format!("{value:?}") };
                text.trim_end_matches(".0").to_string()
            }
        }
    }

    /// A number rounded to nearest even (floats), or truncated (integers).
    pub fn rounded(self, value: f64) -> u64 {
        match self {
            Self::F64 if value.is_nan() => 0x7fff_ffff_ffff_ffff,
            Self::F64 => value.to_bits(),
            Self::F32 if value.is_nan() => 0x7fff_ffff,
            Self::F32 => u64::from((value as f32).to_bits()),
            Self::F16 | Self::BF16 if value.is_nan() => 0x7fff,
            Self::F16 => {
                let half: Half = Double::from_bits(u128::from(value.to_bits())).convert(&mut false).value;
                half.to_bits() as u64
            }
            Self::BF16 => {
                let half: BFloat = Double::from_bits(u128::from(value.to_bits())).convert(&mut false).value;
                half.to_bits() as u64
            }
            _ => value as i128 as u64 & self.mask(),
        }
    }

    /// The value as a number.
    pub fn to_f64(self, bits: u64) -> f64 {
        match self {
            Self::F64 => f64::from_bits(bits),
            Self::F32 => f64::from(f32::from_bits(bits as u32)),
            Self::F16 => {
                let double: Double = Half::from_bits(u128::from(bits)).convert(&mut false).value;
                f64::from_bits(double.to_bits() as u64)
            }
            Self::BF16 => f64::from(f32::from_bits((bits as u32) << 16)),
            Self::S8 => f64::from(bits as i8),
            Self::S16 => f64::from(bits as i16),
            Self::S32 => f64::from(bits as i32),
            Self::S64 => bits as i64 as f64,
            _ => bits as f64,
        }
    }

    /// The element `idx` of a buffer.
    pub fn load(self, buffer: &[u8], idx: usize) -> u64 {
        let mut bytes = [0; 8];
        let size = self.bytes();
        bytes[..size].copy_from_slice(&buffer[idx * size..(idx + 1) * size]);
        u64::from_le_bytes(bytes)
    }

    /// Appends an element to a buffer.
    pub fn push(self, buffer: &mut Vec<u8>, bits: u64) {
        buffer.extend_from_slice(&bits.to_le_bytes()[..self.bytes()]);
    }

    /// Distance in representable values; `None` when exactly one of them is NaN.
    pub fn ulps(self, a: u64, b: u64) -> Option<u64> {
        let nan = |bits| self.is_float() && self.to_f64(bits).is_nan();
        match (nan(a), nan(b)) {
            (true, true) => return Some(0),
            (false, false) => {}
            _ => return None,
        }
        // Sign-magnitude to a line on which neighbours differ by one and both zeros are 0.
        let line = |bits: u64| -> i128 {
            if self.is_float() {
                let sign = 1u64 << (self.bytes() * 8 - 1);
                let magnitude = i128::from(bits & (sign - 1));
                if bits & sign != 0 { -magnitude } else { magnitude }
            } else if self.is_signed() {
                let shift = 64 - self.bytes() * 8;
                i128::from((bits << shift) as i64 >> shift)
            } else {
                i128::from(bits)
            }
        };
        Some(u64::try_from((line(a) - line(b)).unsigned_abs()).unwrap_or(u64::MAX))
    }
}
