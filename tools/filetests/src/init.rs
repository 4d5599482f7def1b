//! Initial contents of buffers: a small vocabulary, every word of it a pure function of its arguments.
//!
//! `bench/gpu/caseformat.py` has the same words, so that a real driver gets the same inputs. `hash(seed, i)` is
//! splitmix64's finaliser over `seed * 0x9e3779b97f4a7c15 + i`.

use crate::element::Element;
use anyhow::{Result, bail};

/// How a buffer is filled.
#[derive(Clone, Debug, PartialEq)]
pub enum Init {
    /// Every byte `0xa5`: an `out` buffer nobody initialised, so that a forgotten store shows.
    Poison,
    /// All zero.
    Zeros,
    /// `iota`, `iota(start, step)`.
    Iota(f64, f64),
    /// `fill(x)`.
    Fill(u64),
    /// `random(seed)`: all bits for integers, `[0, 1)` for floats. `random(seed, lo, hi)`: in `[lo, hi)`.
    Random(u64, Option<(f64, f64)>),
    /// `mod(m)`: `i mod m`.
    Mod(u64),
    /// `permutation(seed)`: the numbers `0..n` shuffled.
    Permutation(u64),
    /// `rows(seed, lo, hi)`: `n` row starts, each row `lo..hi` long, first 0 (CSR row pointers).
    Rows(u64, u64, u64),
    /// `edge`: values at the limits of the type, over and over.
    Edge,
    /// `repeat(v v ..)`.
    Repeat(Vec<u64>),
    /// `addresses(a b ..)`: the device addresses of other buffers.
    Addresses(Vec<String>),
    /// Values, exactly as many as elements.
    Values(Vec<u64>),
}

/// Counter-based random bits.
pub const fn hash(seed: u64, idx: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(idx).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Values at the limits of the type: zeros, ones, largest, subnormals, infinities, NaN, sign boundaries.
pub fn edge_values(element: Element) -> Vec<u64> {
    let bits = element.bytes() * 8;
    let mask = u64::MAX >> (64 - bits);
    match element {
        Element::F64 => vec![
            0,
            1 << 63,
            1.0f64.to_bits(),
            (-1.0f64).to_bits(),
            0.5f64.to_bits(),
            1.5f64.to_bits(),
            (-2.5f64).to_bits(),
            1,
            (1 << 63) | 1,
            0x000f_ffff_ffff_ffff,
            f64::MIN_POSITIVE.to_bits(),
            f64::MAX.to_bits(),
            f64::MIN.to_bits(),
            f64::INFINITY.to_bits(),
            f64::NEG_INFINITY.to_bits(),
            0x7ff8_0000_0000_0000,
            0xfff8_0000_0000_1234,
            0x7ff0_0000_0000_0001,
            (1.0f64 + f64::EPSILON).to_bits(),
            std::f64::consts::PI.to_bits(),
            1e300f64.to_bits(),
            (-1e-300f64).to_bits(),
            2_147_483_648.5f64.to_bits(),
            9.3e18f64.to_bits(),
            (-9.3e18f64).to_bits(),
            4_503_599_627_370_497.5f64.to_bits(),
        ],
        Element::F32 => [
            0x0000_0000u64,
            0x8000_0000,
            0x3f80_0000,
            0xbf80_0000,
            0x3f00_0000,
            0x3fc0_0000,
            0xc020_0000,
            0x0000_0001,
            0x8000_0001,
            0x007f_ffff,
            0x0080_0000,
            0x7f7f_ffff,
            0xff7f_ffff,
            0x7f80_0000,
            0xff80_0000,
            0x7fc0_0000,
            0xffc0_1234,
            0x7f80_0001,
            0x3f80_0001,
            0x4049_0fdb,
            0x7149_f2ca,
            0x8d80_0000,
            0x4f00_0000,
            0xcf00_0001,
            0x5f80_0000,
            0x4b00_0001,
            0x3e99_999a,
            0x477f_e000,
        ]
        .to_vec(),
        Element::F16 => [
            0x0000u64, 0x8000, 0x3c00, 0xbc00, 0x3800, 0x3e00, 0xc100, 0x0001, 0x8001, 0x03ff, 0x0400, 0x7bff, 0xfbff,
            0x7c00, 0xfc00, 0x7e00, 0xfe12, 0x7c01, 0x3c01, 0x4248, 0x6400, 0x1400,
        ]
        .to_vec(),
        Element::BF16 => [
            0x0000u64, 0x8000, 0x3f80, 0xbf80, 0x3f00, 0x3fc0, 0xc020, 0x0001, 0x8001, 0x007f, 0x0080, 0x7f7f, 0xff7f,
            0x7f80, 0xff80, 0x7fc0, 0xffd2, 0x7f81, 0x3f81, 0x4049, 0x4f00, 0x0d80,
        ]
        .to_vec(),
        _ => {
            let top = 1u64 << (bits - 1);
            let mut values = vec![0, 1, 2, 3, 7, 31, 32, 33, 63, 64, 65, 127, 128, 255];
            values.extend([top - 1, top, top + 1, mask, mask - 1, mask / 3, mask / 3 * 2, 0x0123_4567_89ab_cdef]);
            values.into_iter().map(|value| value & mask).collect()
        }
    }
}

impl Init {
    /// Parses the text after `=`.
    ///
    /// # Errors
    /// Unknown word, wrong number of arguments, or a bad value.
    pub fn parse(text: &str, element: Element) -> Result<Self> {
        let text = text.trim();
        let (word, inner) = match text.split_once('(') {
            Some((word, rest)) => {
                let Some(inner) = rest.strip_suffix(')') else {
                    bail!("missing ) in initial contents \"{text}\"");
                };
                (word.trim(), Some(inner))
            }
            None => (text, None),
        };
        let numbers = || -> Result<Vec<f64>> {
            let parts = inner.unwrap_or("").split(',').map(str::trim).filter(|part| !part.is_empty());
            parts.map(|part| part.parse::<f64>().map_err(|_| anyhow::anyhow!("bad number \"{part}\""))).collect()
        };
        Ok(match (word, inner) {
            ("zeros", None) => Self::Zeros,
            ("iota", None) => Self::Iota(0.0, 1.0),
            ("edge", None) => Self::Edge,
            ("iota", Some(_)) => match numbers()?[..] {
                [start, step] => Self::Iota(start, step),
                _ => bail!("iota takes (start, step)"),
            },
            ("fill", Some(inner)) => Self::Fill(element.parse(inner.trim())?),
            ("random", Some(_)) => match numbers()?[..] {
                [seed] => Self::Random(seed as u64, None),
                [seed, lo, hi] if lo < hi => Self::Random(seed as u64, Some((lo, hi))),
                _ => bail!("random takes (seed) or (seed, lo, hi) with lo < hi"),
            },
            ("mod", Some(_)) => match numbers()?[..] {
                [m] if m >= 1.0 => Self::Mod(m as u64),
                _ => bail!("mod takes (m) with m >= 1"),
            },
            ("permutation", Some(_)) => match numbers()?[..] {
                [seed] => Self::Permutation(seed as u64),
                _ => bail!("permutation takes (seed)"),
            },
            ("rows", Some(_)) => match numbers()?[..] {
                [seed, lo, hi] if lo < hi => Self::Rows(seed as u64, lo as u64, hi as u64),
                _ => bail!("rows takes (seed, lo, hi) with lo < hi"),
            },
            ("repeat", Some(inner)) => Self::Repeat(values(inner, element)?),
            ("addresses", Some(inner)) => {
                Self::Addresses(inner.split_whitespace().map(|name| name.trim_matches(',').to_string()).collect())
            }
            (_, None) => Self::Values(values(text, element)?),
            (word, Some(_)) => bail!(
                "unknown initial contents \"{word}\"; accepted are zeros, iota, fill, random, mod, permutation, rows, edge, \
                 repeat, addresses, or values"
            ),
        })
    }

    /// The bytes of `n` elements. `address` gives the device address of a buffer.
    ///
    /// # Errors
    /// A value list of the wrong length, or an unknown buffer.
    pub fn bytes(&self, element: Element, n: usize, address: &dyn Fn(&str) -> Result<u64>) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(n * element.bytes());
        let value = |i: u64| -> u64 {
            match self {
                Self::Iota(start, step) => element.rounded(start + step * i as f64),
                Self::Fill(bits) => *bits,
                Self::Random(seed, None) if element.is_float() => element.rounded(unit(hash(*seed, i))),
                Self::Random(seed, None) => hash(*seed, i),
                Self::Random(seed, Some((lo, hi))) => {
                    let number = lo + (hi - lo) * unit(hash(*seed, i));
                    element.rounded(if element.is_float() { number } else { number.floor() })
                }
                Self::Mod(m) => element.rounded((i % m) as f64),
                Self::Repeat(values) => values[i as usize % values.len()],
                _ => 0,
            }
        };
        match self {
            Self::Poison => out.resize(n * element.bytes(), 0xa5),
            Self::Edge => {
                let values = edge_values(element);
                (0..n).for_each(|i| element.push(&mut out, values[i % values.len()]));
            }
            Self::Permutation(seed) => {
                let mut order: Vec<u64> = (0..n as u64).collect();
                order.sort_by_key(|&i| (hash(*seed, i), i));
                order.into_iter().for_each(|i| element.push(&mut out, element.rounded(i as f64)));
            }
            Self::Rows(seed, lo, hi) => {
                let mut start = 0;
                for i in 0..n as u64 {
                    element.push(&mut out, element.rounded(start as f64));
                    start += lo + hash(*seed, i) % (hi - lo);
                }
            }
            Self::Values(values) => {
                if values.len() != n {
                    bail!("{} values given for {n} elements", values.len());
                }
                values.iter().for_each(|&bits| element.push(&mut out, bits));
            }
            Self::Addresses(names) => {
                if names.len() != n || element.bytes() != 8 {
                    bail!("{} addresses given for {n} elements of {}", names.len(), element.name());
                }
                for name in names {
                    element.push(&mut out, address(name)?);
                }
            }
            Self::Repeat(values) if values.is_empty() => bail!("repeat needs at least one value"),
            _ => (0..n as u64).for_each(|i| element.push(&mut out, value(i))),
        }
        Ok(out)
    }
}

/// A number in `[0, 1)` with 24 bits, so that it is exact in `f32`.
fn unit(bits: u64) -> f64 {
    (bits >> 40) as f64 / f64::from(1 << 24)
}

/// Values separated by blanks.
///
/// # Errors
/// A bad value.
pub fn values(text: &str, element: Element) -> Result<Vec<u64>> {
    text.split_whitespace().map(|word| element.parse(word)).collect()
}
