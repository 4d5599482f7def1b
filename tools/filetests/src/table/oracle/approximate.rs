//! Approximate instructions: the function in `f64`, rounded to the type; the bound of the form says how near a result must be.
//!
//! `f64` mathematics of the standard library is good to a few units of 2^-52, thousands of times finer than any bound here.

use super::float::{Direction, Format, Value, format};
use super::{Answer, Instruction, Lane, mask};
use dashu::rational::RBig;

fn to_f64(format: Format, bits: u64) -> f64 {
    match format.value(bits) {
        Value::Nan => f64::NAN,
        Value::Infinite(true) => f64::NEG_INFINITY,
        Value::Infinite(false) => f64::INFINITY,
        Value::Number(number, negative) => {
            // Every format here is no finer than f64.
            let double = Format { exponent: 11, fraction: 52, below: 0, finite: false };
            f64::from_bits(double.rounded(&number, negative, Direction::Even))
        }
    }
}

fn from_f64(format: Format, value: f64) -> Lane {
    if value.is_nan() {
        return Lane::Nan(format.infinity());
    }
    if value.is_infinite() {
        return Lane::Near(format.infinity() | if value < 0.0 { format.sign() } else { 0 });
    }
    let exact = RBig::try_from(value).unwrap_or(RBig::ZERO);
    Lane::Near(format.rounded(&exact, value.is_sign_negative(), Direction::Even))
}

/// The expected result; `None` for an instruction that is not known here.
pub fn expected(instruction: &Instruction<'_>, inputs: &[u64]) -> Option<Answer> {
    let ty = instruction.ty();
    let format = format(ty)?;
    let width = super::bits_of(ty) / if ty.ends_with("x2") { 2 } else { 1 };
    let lanes = (0..super::bits_of(ty) / width).map(|lane| {
        let part = |idx: usize| {
            let bits = inputs.get(idx).map_or(0, |bits| bits >> (width * lane) & mask(width));
            if instruction.has("ftz") { format.flushed(bits) } else { bits }
        };
        one(instruction, format, part(0), part(1))
    });
    Some(Answer { width, lanes: lanes.collect::<Option<_>>()? })
}

fn one(instruction: &Instruction<'_>, format: Format, a: u64, b: u64) -> Option<Lane> {
    // `.approx.ftz.f64` looks at the upper half of its operand only.
    let half = format.fraction == 52 && instruction.has("ftz") && format.value(a) != Value::Nan;
    let a = if half { a & !mask(32) } else { a };
    let (x, y) = (to_f64(format, a), to_f64(format, b));
    let value = match instruction.root {
        "div" => {
            // Past 2^126 a divisor gives zero, or NaN for infinite dividends: the manual's range of `div.approx`.
            if y.abs() > 2f64.powi(126) && y.is_finite() {
                return Some(Lane::Open);
            }
            x / y
        }
        "rcp" => 1.0 / x,
        "sqrt" => x.sqrt(),
        "rsqrt" if x == 0.0 => f64::INFINITY.copysign(x),
        "rsqrt" => 1.0 / x.sqrt(),
        "sin" => x.sin(),
        "cos" => x.cos(),
        "lg2" if x == 0.0 => f64::NEG_INFINITY,
        "lg2" => x.log2(),
        "ex2" => x.exp2(),
        "tanh" => x.tanh(),
        _ => return None,
    };
    Some(match from_f64(format, value) {
        Lane::Near(bits) if instruction.has("ftz") => Lane::Near(format.flushed(bits)),
        other => other,
    })
}
