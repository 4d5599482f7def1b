//! Integer arithmetic, bit fields, logic, shifts, dot products: on 128-bit integers and bit by bit, from the manual's words.

use super::{Answer, Instruction, Lane, bits_of, mask, number, range};

fn clamp(ty: &str, value: i128) -> i128 {
    let (low, high) = range(ty);
    value.clamp(low, high)
}

/// The expected result; `None` for an instruction that is not known here.
pub fn expected(instruction: &Instruction<'_>, inputs: &[u64]) -> Option<Answer> {
    let ty = instruction.ty();
    let input = |idx: usize| inputs.get(idx).copied().unwrap_or(0);
    if let Some(half) = ty.strip_suffix("x2") {
        let lanes = (0..2).map(|lane| {
            let part = |idx: usize| number(half, input(idx) >> (16 * lane));
            arithmetic(instruction, half, part(0), part(1), 0).map(|value| Lane::Bits(value as u64 & 0xffff))
        });
        return Some(Answer { width: 16, lanes: lanes.collect::<Option<_>>()? });
    }
    let width = bits_of(ty);
    let (a, b, c) = (number(ty, input(0)), number(ty, input(1)), number(ty, input(2)));
    let wide = instruction.has("wide");
    if matches!(instruction.root, "div" | "rem") && b == 0 {
        return Some(Answer::one(width, Lane::Open));
    }
    if wide && matches!(instruction.root, "mul" | "mad") {
        let addend = number(if ty.starts_with('s') { "s64" } else { "u64" }, input(2));
        let addend = if instruction.root == "mul" { 0 } else { addend };
        return Some(Answer::bits(2 * width, (a * b + addend) as u64));
    }
    if let Some(value) = arithmetic(instruction, ty, a, b, c) {
        return Some(Answer::bits(width, value as u64));
    }
    bits(instruction, ty, inputs)
}

/// What works on numbers.
fn arithmetic(instruction: &Instruction<'_>, ty: &str, a: i128, b: i128, c: i128) -> Option<i128> {
    let saturate = |value: i128| if instruction.has("sat") { clamp(ty, value) } else { value };
    let relu = |value: i128| if instruction.has("relu") { value.max(0) } else { value };
    let width = bits_of(ty);
    let half = |product: i128| if instruction.has("hi") { product >> width } else { product };
    let low24 = |value: i128| {
        let value = value & 0xff_ffff;
        if ty.starts_with('s') && value >> 23 == 1 { value - (1 << 24) } else { value }
    };
    let half24 = |product: i128| if instruction.has("hi") { product >> 16 } else { product };
    Some(match instruction.root {
        "add" => saturate(a + b),
        "sub" => saturate(a - b),
        // 64-bit products of unsigned numbers need all 128 bits.
        "mul" | "mad" if ty == "u64" => {
            let product = (a as u128).wrapping_mul(b as u128);
            let part =
                if instruction.has("hi") { (product >> 64) as i128 } else { (product & u128::from(u64::MAX)) as i128 };
            if instruction.root == "mad" { part + c } else { part }
        }
        "mul" => half(a * b),
        "mad" => {
            // The half is a number of the type before the sum saturates.
            let product = number(ty, half(a * b) as u64);
            saturate(product + c)
        }
        "mul24" => half24(low24(a) * low24(b)),
        "mad24" => saturate(number(ty, half24(low24(a) * low24(b)) as u64) + c),
        "sad" => c + (a - b).abs(),
        "div" => a / b,
        "rem" => a % b,
        "abs" => a.abs(),
        "neg" => -a,
        "min" => relu(a.min(b)),
        "max" => relu(a.max(b)),
        _ => return None,
    })
}

/// Bits `first` to `first + count` of a word, below bit `width`, as a mask.
fn field(first: u64, count: u64, width: u32) -> u64 {
    (0..u64::from(width))
        .filter(|bit| (first..first.saturating_add(count)).contains(bit))
        .fold(0, |all, bit| all | 1 << bit)
}

/// What works on bits.
fn bits(instruction: &Instruction<'_>, ty: &str, inputs: &[u64]) -> Option<Answer> {
    let width = if ty == "pred" { 1 } else { bits_of(ty) };
    let input = |idx: usize| inputs.get(idx).copied().unwrap_or(0);
    let (a, b, c) = (input(0) & mask(width), input(1), input(2));
    let signed = ty.starts_with('s');
    let bit = |value: u64, at: u64| value >> at & 1;
    let set_bits = |value: u64| (0..u64::from(width)).filter(move |&at| bit(value, at) == 1);
    // Predicates are stored as words.
    let stored = if width == 1 { 32 } else { width };
    let whole = |value: u64| Some(Answer::bits(stored, value & mask(width)));
    let word = |value: u64| Some(Answer::bits(32, value));
    match instruction.root {
        "popc" => word(set_bits(a).count() as u64),
        "clz" => word(set_bits(a).next_back().map_or(u64::from(width), |top| u64::from(width) - 1 - top)),
        "brev" => whole(set_bits(a).fold(0, |all, at| all | 1 << (u64::from(width) - 1 - at))),
        "bfind" => {
            let seen = if signed && bit(a, u64::from(width) - 1) == 1 { !a & mask(width) } else { a };
            let top = set_bits(seen).next_back();
            let from_top = |top: u64| if instruction.has("shiftamt") { u64::from(width) - 1 - top } else { top };
            word(top.map_or(0xffff_ffff, from_top))
        }
        "fns" => word(find_nth_set(a, b, number("s32", c))),
        "bfe" => {
            let (first, count) = (b & 255, c & 255);
            let last = (first + count).saturating_sub(1).min(u64::from(width) - 1);
            let sign = if !signed || count == 0 { 0 } else { bit(a, last) };
            let one = |at: u64| if at < count && first + at < u64::from(width) { bit(a, first + at) } else { sign };
            whole((0..u64::from(width)).fold(0, |all, at| all | one(at) << at))
        }
        "bfi" => {
            let (first, count) = (c & 255, input(3) & 255);
            let inserted = field(first, count, width);
            let moved = if first < 64 { a << first } else { 0 };
            whole(b & !inserted | moved & inserted)
        }
        "bmsk" => {
            let (a, b) = (input(0) & mask(32), b & mask(32));
            word(if instruction.has("clamp") { field(a, b, 32) } else { field(a & 31, b & 31, 32) })
        }
        "szext" => {
            let count = if instruction.has("clamp") { (b & mask(32)).min(32) } else { b & 31 };
            let low = a & mask(count as u32) & if count == 0 { 0 } else { u64::MAX };
            let negative = signed && count > 0 && bit(a, count - 1) == 1;
            word(if negative { low | !mask(count as u32) } else { low })
        }
        "dp4a" | "dp2a" => word(dot_product(instruction, inputs)),
        "and" => whole(a & b),
        "or" => whole(a | b),
        "xor" => whole(a ^ b),
        "not" => whole(!a),
        "cnot" => whole(u64::from(a == 0)),
        "shl" => whole(if b & mask(32) >= u64::from(width) { 0 } else { a << (b & mask(32)) }),
        "shr" => {
            let amount = (b & mask(32)).min(u64::from(width));
            whole((number(ty, a) >> amount) as u64)
        }
        "shf" => {
            let amount = if instruction.has("clamp") { (c & mask(32)).min(32) } else { c & 31 };
            let both = u128::from(b & mask(32)) << 32 | u128::from(a);
            word(if instruction.has("l") { (both << amount >> 32) as u64 } else { (both >> amount) as u64 })
        }
        "prmt" => word(permute(instruction, a, b, c)),
        "lop3" => {
            let table = instruction.operands.split(", ").find_map(|text| text.strip_prefix("0x"))?;
            let table = u64::from_str_radix(table, 16).ok()?;
            let one = |at: u64| bit(table, bit(a, at) << 2 | bit(b, at) << 1 | bit(c, at));
            word((0..32).fold(0, |all, at| all | one(at) << at))
        }
        "set" | "setp" => compare(instruction, inputs),
        "mov" => whole(a),
        _ => None,
    }
}

fn find_nth_set(word: u64, base: u64, offset: i128) -> u64 {
    if offset == 0 {
        return if word >> base & 1 == 1 { base } else { 0xffff_ffff };
    }
    let ahead: Vec<u64> = if offset > 0 { (base..32).collect() } else { (0..=base).rev().collect() };
    let mut found = ahead.into_iter().filter(|&at| word >> at & 1 == 1);
    found.nth(offset.unsigned_abs() as usize - 1).unwrap_or(0xffff_ffff)
}

fn dot_product(instruction: &Instruction<'_>, inputs: &[u64]) -> u64 {
    let types = instruction.types();
    let part = |value: u64, ty: &str, at: u32, width: u32| {
        let text = format!("{}{width}", &ty[..1]);
        number(&text, value >> at)
    };
    let sum: i128 = if instruction.root == "dp4a" {
        (0..4).map(|i| part(inputs[0], types[0], 8 * i, 8) * part(inputs[1], types[1], 8 * i, 8)).sum()
    } else {
        let first = if instruction.has("hi") { 16 } else { 0 };
        (0..2).map(|i| part(inputs[0], types[0], 16 * i, 16) * part(inputs[1], types[1], first + 8 * i, 8)).sum()
    };
    (sum + i128::from(inputs[2])) as u64
}

fn permute(instruction: &Instruction<'_>, a: u64, b: u64, c: u64) -> u64 {
    let bytes = |at: u64| (if at < 4 { a >> (8 * at) } else { b >> (8 * (at - 4)) }) & 255;
    // For each byte of the result which byte of the pair, lowest first; the modes are the manual's tables.
    let s = c & 3;
    let mode = ["f4e", "b4e", "rc8", "ecl", "ecr", "rc16"].into_iter().find(|mode| instruction.has(mode));
    let chosen: [u64; 4] = match mode {
        None => {
            let one = |at: u64| {
                let selector = c >> (4 * at) & 15;
                let byte = bytes(selector & 7);
                if selector & 8 == 0 { byte } else { 255 * (byte >> 7) }
            };
            return (0..4).fold(0, |all, at| all | one(at) << (8 * at));
        }
        Some("f4e") => [s, s + 1, s + 2, s + 3],
        Some("b4e") => [s, (s + 7) % 8, (s + 6) % 8, (s + 5) % 8],
        Some("rc8") => [s; 4],
        Some("ecl") => [0u64, 1, 2, 3].map(|at| at.max(s)),
        Some("ecr") => [0u64, 1, 2, 3].map(|at| at.min(s)),
        _ => [2 * (s & 1), 2 * (s & 1) + 1, 2 * (s & 1), 2 * (s & 1) + 1],
    };
    chosen.into_iter().enumerate().fold(0, |all, (at, byte)| all | bytes(byte) << (8 * at))
}

/// Whether `a op b` holds for numbers.
pub fn holds(op: &str, a: i128, b: i128) -> Option<bool> {
    Some(match op {
        "eq" => a == b,
        "ne" => a != b,
        "lt" | "lo" => a < b,
        "le" | "ls" => a <= b,
        "gt" | "hi" => a > b,
        "ge" | "hs" => a >= b,
        _ => return None,
    })
}

/// The truth of a comparison with its combination, and how `set` or `setp` writes it.
pub fn written(instruction: &Instruction<'_>, truth: bool, c: u64) -> Option<Answer> {
    let c = c & 1 == 1;
    let truth = match instruction.words.get(1).copied() {
        Some("and") => truth && c,
        Some("or") => truth || c,
        Some("xor") => truth != c,
        _ => truth,
    };
    if instruction.root == "setp" {
        return Some(Answer::bits(32, u64::from(truth)));
    }
    let result = *instruction.types().first()?;
    let one = match result {
        "f32" => 0x3f80_0000,
        "f16" => 0x3c00,
        "bf16" => 0x3f80,
        _ => mask(bits_of(result)),
    };
    Some(Answer::bits(bits_of(result), if truth { one } else { 0 }))
}

fn compare(instruction: &Instruction<'_>, inputs: &[u64]) -> Option<Answer> {
    let ty = instruction.ty();
    let truth = holds(instruction.words.first()?, number(ty, inputs[0]), number(ty, inputs[1]))?;
    written(instruction, truth, inputs.get(2).copied().unwrap_or(0))
}
