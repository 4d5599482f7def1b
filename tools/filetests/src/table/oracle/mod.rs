//! Expected results of the table's instructions, computed from their text alone.
//!
//! Nothing here knows the kernel IR, the interpreter or the JIT: an opcode is taken apart by its dots, and the result comes
//! from 128-bit integers ([`integer`], [`video`]), exact rational numbers ([`float`], [`convert`]) or, for the approximations,
//! `f64` mathematics ([`approximate`]), whose error is far below the bounds of the manual. So a reading error in the
//! interpreter cannot confirm itself.
//!
//! A result is a list of lanes, since pairs are judged half by half; a lane may be left open where the manual leaves it open
//! (which NaN, division by zero).

mod approximate;
mod atomic;
mod convert;
mod float;
mod integer;
mod sequence;
mod video;

pub use float::{Format, Value, format as format_of};

use super::notation::Form;
use crate::case::Compare;
use crate::element::Element;
use anyhow::{Result, anyhow, bail};

/// What one lane of a result must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lane {
    /// These bits.
    Bits(u64),
    /// Any NaN of the format whose infinity has these bits.
    Nan(u64),
    /// Anything: the manual does not say.
    Open,
    /// The bits of a correctly rounded result, of which an approximation may miss by the form's bound.
    Near(u64),
}

/// A result: lanes of `width` bits, lowest first.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Bits of a lane.
    pub width: u32,
    /// The lanes.
    pub lanes: Vec<Lane>,
}

impl Answer {
    /// One lane.
    pub fn one(width: u32, lane: Lane) -> Self {
        Self { width, lanes: vec![lane] }
    }

    /// These bits.
    pub fn bits(width: u32, value: u64) -> Self {
        Self::one(width, Lane::Bits(value & mask(width)))
    }
}

/// An instruction taken apart.
pub struct Instruction<'f> {
    /// The word before the first dot.
    pub root: &'f str,
    /// The words after it.
    pub words: Vec<&'f str>,
    /// What stands after the opcode.
    pub operands: &'f str,
}

impl<'f> Instruction<'f> {
    /// Splits `add.s32 d, a, b`.
    pub fn new(text: &'f str) -> Self {
        let (opcode, operands) = text.split_once(' ').unwrap_or((text, ""));
        let mut words = opcode.split('.');
        Self { root: words.next().unwrap_or(""), words: words.collect(), operands }
    }

    /// Whether the opcode has the word.
    pub fn has(&self, word: &str) -> bool {
        self.words.contains(&word)
    }

    /// The type words, in order.
    pub fn types(&self) -> Vec<&'f str> {
        self.words.iter().copied().filter(|word| is_type(word)).collect()
    }

    /// The last type.
    pub fn ty(&self) -> &'f str {
        self.types().last().copied().unwrap_or("b32")
    }
}

fn is_type(word: &str) -> bool {
    const OTHERS: [&str; 13] =
        ["f16", "f16x2", "bf16", "bf16x2", "tf32", "f32", "f64", "e4m3x2", "e5m2x2", "u16x2", "s16x2", "pred", "b1"];
    OTHERS.contains(&word)
        || word.strip_prefix(['b', 'u', 's']).is_some_and(|rest| matches!(rest, "8" | "16" | "32" | "64" | "128"))
}

/// Bits of a type.
pub fn bits_of(ty: &str) -> u32 {
    match ty {
        "pred" => 1,
        "tf32" => 32,
        "e4m3x2" | "e5m2x2" => 16,
        "f16x2" | "bf16x2" | "u16x2" | "s16x2" => 32,
        _ => ty.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(32),
    }
}

/// The low `width` bits.
pub const fn mask(width: u32) -> u64 {
    if width >= 64 { u64::MAX } else { (1 << width) - 1 }
}

/// The number that `bits` are as a value of an integer type.
pub fn number(ty: &str, bits: u64) -> i128 {
    let width = bits_of(ty);
    let value = i128::from(bits & mask(width));
    if ty.starts_with('s') && value >> (width - 1) & 1 == 1 { value - (1 << width) } else { value }
}

/// Least and greatest number of an integer type.
pub fn range(ty: &str) -> (i128, i128) {
    let width = bits_of(ty);
    if ty.starts_with('s') { (-(1 << (width - 1)), (1 << (width - 1)) - 1) } else { (0, (1 << width) - 1) }
}

/// The expected result of `form` for inputs in the order of its sources.
///
/// # Errors
/// This instruction has no independent computation yet: every form must have one.
pub fn expected(form: &Form, inputs: &[u64]) -> Result<Answer> {
    if form.snippet {
        return sequence::expected(&form.text, inputs).ok_or_else(|| anyhow!("no computation for \"{}\"", form.text));
    }
    let instruction = Instruction::new(&form.text);
    let answer = match instruction.root {
        "atom" | "red" => atomic::expected(&instruction, inputs),
        root if root.starts_with('v') => video::expected(form, &instruction, inputs),
        "cvt" => convert::expected(&instruction, inputs),
        "set" | "setp" if is_float(instruction.ty()) => float::compare(&instruction, inputs),
        _ if form.is_approximate() => approximate::expected(&instruction, inputs),
        "testp" | "copysign" | "fma" => float::expected(&instruction, inputs),
        "selp" | "slct" => float::select(&instruction, inputs),
        "mov" => integer::expected(&instruction, inputs),
        _ if is_float(instruction.ty()) => float::expected(&instruction, inputs),
        _ => integer::expected(&instruction, inputs),
    };
    answer.ok_or_else(|| anyhow!("no independent computation of \"{}\"", form.text))
}

/// True for floating-point types.
pub fn is_float(ty: &str) -> bool {
    ty.starts_with('f') || ty.starts_with("bf") || ty == "tf32"
}

/// Checks a result against the expectation; `element` is how it lies in memory.
///
/// # Errors
/// Says which lane differs and what was expected.
pub fn check(answer: &Answer, compare: Compare, element: Element, found: u64) -> Result<()> {
    for (idx, lane) in answer.lanes.iter().enumerate() {
        let got = found >> (answer.width * idx as u32) & mask(answer.width);
        let fits = match *lane {
            Lane::Open => true,
            Lane::Bits(bits) => bits == got,
            Lane::Nan(infinity) => got & mask(answer.width - 1) > infinity,
            Lane::Near(bits) => near(compare, element, bits, got),
        };
        if !fits {
            bail!("lane {idx} is 0x{got:x}, computed independently: {lane:x?}");
        }
    }
    Ok(())
}

/// Whether an approximation is within the manual's bound: the table's bound is for two approximations, so half of it.
fn near(compare: Compare, element: Element, exact: u64, found: u64) -> bool {
    if exact == found {
        return true;
    }
    let (x, y) = (element.to_f64(exact), element.to_f64(found));
    if x.is_nan() || y.is_nan() {
        return x.is_nan() && y.is_nan();
    }
    match compare {
        Compare::Ulp(limit) => element.ulps(exact, found).is_some_and(|ulps| ulps <= limit.div_ceil(2)),
        Compare::Tolerance { rel, abs } => {
            let limit = abs / 2.0 + rel / 2.0 * x.abs();
            // The expected value itself is rounded to the format.
            let rounding = if element == Element::F32 { x.abs() * f64::from(f32::EPSILON) / 2.0 } else { 0.0 };
            x == y || (limit.is_finite() && (x - y).abs() <= limit + rounding)
        }
        Compare::Exact | Compare::Bits | Compare::Unordered => false,
    }
}
