//! Video instructions: the manual's pseudo code on 128-bit integers.

use super::integer::holds;
use super::{Answer, Instruction, mask, number, range};
use crate::table::notation::Form;

/// First bit and width of a part such as `.b2` or `.h1`.
fn place(part: &str) -> (u32, u32) {
    let digit = part.bytes().last().map_or(0, |byte| u32::from(byte - b'0'));
    match part.trim_start_matches('.').as_bytes().first() {
        Some(b'b') => (8 * digit, 8),
        Some(b'h') => (16 * digit, 16),
        _ => (0, 32),
    }
}

fn extract(value: u64, (at, width): (u32, u32), ty: &str) -> i128 {
    let text = format!("{}{width}", &ty[..1]);
    number(&text, value >> at)
}

fn saturated(ty: &str, width: u32, value: i128) -> i128 {
    let text = format!("{}{width}", &ty[..1]);
    let (low, high) = range(&text);
    value.clamp(low, high)
}

/// The expected result; `None` for an instruction that is not known here.
pub fn expected(form: &Form, instruction: &Instruction<'_>, inputs: &[u64]) -> Option<Answer> {
    let part =
        |name: &str| form.operands.iter().find(|operand| operand.name == name).map_or("", |operand| &operand.part);
    let input = |idx: usize| inputs.get(idx).copied().unwrap_or(0);
    let parts = [part("d"), part("a"), part("b")];
    let value = match instruction.root.strip_suffix(['2', '4']) {
        Some(root) => simd(instruction, root, parts, input(0), input(1), input(2))?,
        None => scalar(instruction, parts, input(0), input(1), input(2))?,
    };
    Some(Answer::bits(32, value))
}

fn operate(root: &str, instruction: &Instruction<'_>, a: i128, b: i128) -> Option<i128> {
    Some(match root {
        "vadd" => a + b,
        "vsub" => a - b,
        "vabsdiff" => (a - b).abs(),
        "vmin" => a.min(b),
        "vmax" => a.max(b),
        // Rounded half up for sums that are not negative.
        "vavrg" => (a + b + i128::from(a + b >= 0)) >> 1,
        "vset" => i128::from(holds(instruction.words.iter().find(|word| holds(word, 0, 0).is_some())?, a, b)?),
        "vshl" | "vshr" => {
            let amount = if instruction.has("clamp") { b.clamp(0, 32) } else { b & 31 };
            if root == "vshl" { a << amount } else { a >> amount }
        }
        _ => return None,
    })
}

fn scalar(instruction: &Instruction<'_>, [d, a_part, b_part]: [&str; 3], a: u64, b: u64, c: u64) -> Option<u64> {
    let types: Vec<&str> = instruction.types();
    let set = instruction.root == "vset";
    let (to, of_a, of_b) = if set { ("u32", types[0], types[1]) } else { (types[0], types[1], types[2]) };
    let (x, y) = (extract(a, place(a_part), of_a), extract(b, place(b_part), of_b));
    if instruction.root == "vmad" {
        let signed = types.contains(&"s32");
        let word = if signed { "s32" } else { "u32" };
        let shift = if instruction.has("shr7") {
            7
        } else if instruction.has("shr15") {
            15
        } else {
            0
        };
        let sum = (x * y + number(word, c) + i128::from(instruction.has("po"))) >> shift;
        return Some(if instruction.has("sat") { saturated(word, 32, sum) } else { sum } as u64);
    }
    let (at, width) = place(d);
    let mut result = operate(instruction.root, instruction, x, y)?;
    if instruction.has("sat") {
        result = saturated(to, width, result);
    }
    // The secondary operation is the word after the types.
    let second = instruction.words.last().copied().filter(|word| matches!(*word, "add" | "min" | "max"));
    if let Some(second) = second {
        let (x, y) = (number(to, result as u64), number(to, c));
        return Some(match second {
            "add" => x + y,
            "min" => x.min(y),
            _ => x.max(y),
        } as u64);
    }
    if d.is_empty() {
        return Some(result as u64);
    }
    Some(c & !(mask(width) << at) | (result as u64 & mask(width)) << at)
}

fn simd(
    instruction: &Instruction<'_>,
    root: &str,
    [d, a_part, b_part]: [&str; 3],
    a: u64,
    b: u64,
    c: u64,
) -> Option<u64> {
    let lanes = if instruction.root.ends_with('2') { 2u32 } else { 4 };
    let width = 32 / lanes;
    let types: Vec<&str> = instruction.types();
    let set = root == "vset";
    let (to, of_a, of_b) = if set { ("u32", types[0], types[1]) } else { (types[0], types[1], types[2]) };
    let pair = u128::from(b & mask(32)) << 32 | u128::from(a & mask(32));
    // Digits are written highest first.
    let digits = |part: &str, first: u32| -> Vec<u32> {
        let found: Vec<u32> =
            part.bytes().filter(u8::is_ascii_digit).map(|byte| u32::from(byte - b'0')).rev().collect();
        if found.is_empty() { (first..first + lanes).collect() } else { found }
    };
    let (chosen_a, chosen_b) = (digits(a_part, 0), digits(b_part, lanes));
    let written = digits(d, 0);
    let element = |at: u32, ty: &str| extract((pair >> (at * width)) as u64, (0, width), ty);
    let (mut merged, mut total) = (c & mask(32), i128::from(c));
    for lane in written {
        let at = lane as usize;
        let mut result = operate(root, instruction, element(chosen_a[at], of_a), element(chosen_b[at], of_b))?;
        if instruction.has("sat") {
            result = saturated(to, width, result);
        }
        merged = merged & !(mask(width) << (lane * width)) | (result as u64 & mask(width)) << (lane * width);
        total += result;
    }
    Some(if instruction.has("add") { total as u64 } else { merged })
}
