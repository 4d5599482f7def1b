//! `cvt` and `cvt.pack`: the value of the source, rounded to the destination.

use super::float::{Direction, Format, Value, finished, format, integral};
use super::{Answer, Instruction, Lane, bits_of, is_float, mask, number, range};
use dashu::integer::IBig;
use dashu::rational::RBig;

/// The expected result; `None` for a conversion that is not known here.
pub fn expected(instruction: &Instruction<'_>, inputs: &[u64]) -> Option<Answer> {
    if instruction.has("pack") {
        return pack(instruction, inputs);
    }
    let types = instruction.types();
    let (to, from) = (*types.first()?, *types.get(1)?);
    if to.ends_with("x2") {
        // Two sources: the first is the upper half. One: half by half.
        let element = bits_of(to) / 2;
        let source = bits_of(from) / 2;
        let halves = if inputs.len() == 2 {
            [inputs[1], inputs[0]]
        } else {
            [inputs[0] & mask(source), inputs[0] >> source & mask(source)]
        };
        let lanes = halves.map(|bits| narrow(instruction, format(to)?, format(from)?, bits));
        return Some(Answer { width: element, lanes: lanes.into_iter().collect::<Option<_>>()? });
    }
    let bits = inputs[0] & mask(bits_of(from));
    match (is_float(to), is_float(from)) {
        (false, false) => {
            let value = number(from, bits);
            let (low, high) = range(to);
            let value = if instruction.has("sat") { value.clamp(low, high) } else { value };
            Some(integer_result(to, value))
        }
        (true, false) => {
            let format = format(to)?;
            let value = Value::Number(RBig::from(IBig::from(number(from, bits))), false);
            Some(Answer::one(bits_of(to), finished(instruction, format, &value)))
        }
        (false, true) => Some(integer_result(to, to_integer(instruction, to, from, bits)?)),
        (true, true) => Some(Answer::one(bits_of(to), narrow(instruction, format(to)?, format(from)?, bits)?)),
    }
}

/// Types of less than 32 bits are extended in the register: the table keeps them in 32-bit ones, 16 bits in 16-bit ones.
fn integer_result(to: &str, value: i128) -> Answer {
    let width = bits_of(to);
    let low = value as u64 & mask(width);
    if width == 8 { Answer::bits(32, number(to, low) as u64) } else { Answer::bits(width, low) }
}

fn to_integer(instruction: &Instruction<'_>, to: &str, from: &str, bits: u64) -> Option<i128> {
    let format = format(from)?;
    let bits = if instruction.has("ftz") { format.flushed(bits) } else { bits };
    let (low, high) = range(to);
    Some(match format.value(bits) {
        // "zero if the source is not .f64 and the destination is not .s64, .u64; otherwise 1 << (width - 1)".
        Value::Nan if from == "f64" || bits_of(to) == 64 => 1 << (bits_of(to) - 1),
        Value::Nan => 0,
        Value::Infinite(negative) => {
            if negative {
                low
            } else {
                high
            }
        }
        Value::Number(value, _) => {
            let whole = integral(&value, Direction::of(instruction));
            i128::try_from(whole.clamp(IBig::from(low), IBig::from(high))).ok()?
        }
    })
}

/// From one floating-point format to another.
fn narrow(instruction: &Instruction<'_>, to: Format, from: Format, bits: u64) -> Option<Lane> {
    let is_f32 = |format: Format| (format.exponent, format.fraction) == (8, 23);
    let flush = instruction.has("ftz");
    let bits = if flush && is_f32(from) { from.flushed(bits) } else { bits };
    let mut value = from.value(bits);
    let integral_rounding = ["rni", "rzi", "rmi", "rpi"].iter().any(|word| instruction.has(word));
    if let (true, Value::Number(number, negative)) = (integral_rounding, &value) {
        value = Value::Number(RBig::from(integral(number, Direction::of(instruction))), *negative);
    }
    let satfinite = instruction.has("satfinite");
    let small = to.exponent + to.fraction == 7;
    if satfinite || small {
        match value {
            Value::Nan if small => return Some(Lane::Bits(0x7f)),
            Value::Infinite(negative) => {
                let negative = negative && !instruction.has("relu");
                let positive_only = instruction.has("relu") && matches!(value, Value::Infinite(true));
                let magnitude = if positive_only { 0 } else { to.largest() };
                return Some(Lane::Bits(magnitude | if negative { to.sign() } else { 0 }));
            }
            _ => {}
        }
    }
    let lane = finished(instruction, to, &value);
    Some(match lane {
        // Past the largest number satisfies `.satfinite` as that number.
        Lane::Bits(bits) if satfinite && bits & !to.sign() == to.infinity() && !to.finite => {
            Lane::Bits(to.largest() | bits & to.sign())
        }
        // Flushing is of single precision alone.
        Lane::Bits(_) if flush && !is_f32(to) => {
            let without: Vec<&str> = instruction.words.iter().copied().filter(|word| *word != "ftz").collect();
            finished(
                &Instruction { root: instruction.root, words: without, operands: instruction.operands },
                to,
                &value,
            )
        }
        other => other,
    })
}

fn pack(instruction: &Instruction<'_>, inputs: &[u64]) -> Option<Answer> {
    let to = *instruction.words.iter().find(|word| matches!(**word, "s16" | "u16" | "s8" | "u8"))?;
    let (low, high) = range(to);
    let width = bits_of(to);
    let part = |bits: u64| number("s32", bits).clamp(low, high) as u64 & mask(width);
    let rest = if width == 8 { inputs[2] << 16 } else { 0 };
    Some(Answer::bits(32, rest | part(inputs[0]) << width | part(inputs[1])))
}
