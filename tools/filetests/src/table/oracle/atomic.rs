//! Atomic operations: memory holds the first input; the table's kernel gives the old value or what memory holds after.

use super::float::{Direction, Value, finished, format};
use super::{Answer, Instruction, Lane, bits_of, float, is_float, mask, number};

/// The expected result; `None` for an operation that is not known here. Inputs are memory, `b` and, for `cas`, `c`.
pub fn expected(instruction: &Instruction<'_>, inputs: &[u64]) -> Option<Answer> {
    let ty = instruction.ty();
    let (old, b, c) = (inputs[0], inputs[1], inputs.get(2).copied().unwrap_or(0));
    let width = bits_of(ty);
    if instruction.root == "atom" && !instruction.operands.ends_with("after") {
        return Some(Answer::bits(width, old));
    }
    let op =
        instruction.words.iter().copied().find(|word| {
            matches!(*word, "add" | "and" | "or" | "xor" | "inc" | "dec" | "min" | "max" | "exch" | "cas")
        })?;
    if is_float(ty) {
        return float_sum(instruction, old, b);
    }
    let (m, x) = (number(ty, old), number(ty, b));
    let new = match op {
        "add" => m + x,
        "and" => m & x,
        "or" => m | x,
        "xor" => m ^ x,
        "inc" => {
            if m >= x {
                0
            } else {
                m + 1
            }
        }
        "dec" => {
            if m == 0 || m > x {
                x
            } else {
                m - 1
            }
        }
        "min" => m.min(x),
        "max" => m.max(x),
        "exch" => x,
        _ => {
            if m == x {
                number(ty, c)
            } else {
                m
            }
        }
    };
    Some(Answer::bits(width, new as u64))
}

/// `.f32` flushes nothing in shared memory; sums round to nearest.
fn float_sum(instruction: &Instruction<'_>, old: u64, b: u64) -> Option<Answer> {
    let ty = instruction.ty();
    let format = format(ty)?;
    let width = bits_of(ty) / if ty.ends_with("x2") { 2 } else { 1 };
    let plain = Instruction { root: "add", words: Vec::new(), operands: "" };
    let lanes = (0..bits_of(ty) / width).map(|lane| {
        let value = |bits: u64| format.value(bits >> (width * lane) & mask(width));
        match float::sum_of(&value(old), &value(b), Direction::Even) {
            Value::Nan => Lane::Nan(format.infinity()),
            sum => finished(&plain, format, &sum),
        }
    });
    Some(Answer { width, lanes: lanes.collect() })
}
