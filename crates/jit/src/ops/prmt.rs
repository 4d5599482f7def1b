//! `prmt`: four bytes picked from eight.
//!
//! Model: a selector known now is one byte shuffle; else each result byte is a choice of operand and a shift.
//!
//! Source: PTX ISA, "prmt".

use super::emit::Emit;
use crate::llvm::{IntOp, Value};
use vgpu_ptx::ir::{PrmtMode, ScalarType};

/// Result bytes, lowest first, as numbers of bytes of `b:a`, for each value of the two selector bits.
const fn special(mode: PrmtMode) -> [[u32; 4]; 4] {
    match mode {
        PrmtMode::Default => [[0, 1, 2, 3]; 4],
        PrmtMode::F4e => [[0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5], [3, 4, 5, 6]],
        PrmtMode::B4e => [[0, 7, 6, 5], [1, 0, 7, 6], [2, 1, 0, 7], [3, 2, 1, 0]],
        PrmtMode::Rc8 => [[0; 4], [1; 4], [2; 4], [3; 4]],
        PrmtMode::Ecl => [[0, 1, 2, 3], [1, 1, 2, 3], [2, 2, 2, 3], [3, 3, 3, 3]],
        PrmtMode::Ecr => [[0, 0, 0, 0], [0, 1, 1, 1], [0, 1, 2, 2], [0, 1, 2, 3]],
        PrmtMode::Rc16 => [[0, 1, 0, 1], [2, 3, 2, 3], [0, 1, 0, 1], [2, 3, 2, 3]],
    }
}

/// `d <- a, b, selector`.
pub(super) fn permute<'c>(e: &Emit<'_, 'c>, mode: PrmtMode, [a, b, selector]: [Value<'c>; 3]) -> Value<'c> {
    let word = |value| e.low(value, ScalarType::U32);
    let (a, b, selector) = (word(a), word(b), word(selector));
    if mode == PrmtMode::Default {
        return match selector.constant_bits() {
            Some(bits) => shuffle_signs(e, a, b, std::array::from_fn(|byte| (bits >> (byte * 4) & 15) as u32)),
            None => pick(e, a, b, selector),
        };
    }
    let table = special(mode);
    if let Some(bits) = selector.constant_bits() {
        return shuffle(e, a, b, table[bits as usize & 3]);
    }
    let row = e.mask(selector, 3);
    (1..4).fold(shuffle(e, a, b, table[0]), |result, idx| {
        let here = e.eq(row, e.k(row, idx as u64));
        e.select(here, shuffle(e, a, b, table[idx]), result)
    })
}

/// Bytes of `b:a` in each 32-bit lane.
pub(super) fn shuffle<'c>(e: &Emit<'_, 'c>, a: Value<'c>, b: Value<'c>, bytes: [u32; 4]) -> Value<'c> {
    let (x, y) = (e.split(a, 8), e.split(b, 8));
    let n = x.ty().lanes();
    let source = |lane: u32| {
        let byte = bytes[lane as usize % 4];
        lane / 4 * 4 + byte % 4 + if byte < 4 { 0 } else { n }
    };
    e.join(e.shuffle(x, y, (0..n).map(source)), a.ty())
}

/// As [`shuffle`], where bit 3 asks for the byte's sign in all its bits.
fn shuffle_signs<'c>(e: &Emit<'_, 'c>, a: Value<'c>, b: Value<'c>, nibbles: [u32; 4]) -> Value<'c> {
    let plain = shuffle(e, a, b, nibbles.map(|nibble| nibble & 7));
    if nibbles.iter().all(|nibble| nibble & 8 == 0) {
        return plain;
    }
    let bytes = e.split(plain, 8);
    let signs = e.ashr(bytes, 7);
    let n = bytes.ty().lanes();
    let merged =
        e.shuffle(bytes, signs, (0..n).map(|lane| lane + if nibbles[lane as usize % 4] & 8 == 0 { 0 } else { n }));
    e.join(merged, a.ty())
}

fn pick<'c>(e: &Emit<'_, 'c>, a: Value<'c>, b: Value<'c>, selector: Value<'c>) -> Value<'c> {
    (0..4).fold(a.ty().zero(), |result, byte| {
        let nibble = e.lshr(selector, byte * 4);
        let operand = e.select(e.is_zero(e.mask(nibble, 4)), a, b);
        // The chosen byte to the top, so that its sign can follow it down.
        let up = e.sub(e.k(nibble, 24), e.shl(e.mask(nibble, 3), 3));
        let top = e.int(IntOp::Shl, operand, up);
        let sign = e.is_zero(e.mask(nibble, 8));
        let low = e.mask(e.select(sign, e.lshr(top, 24), e.ashr(top, 31)), 0xff);
        e.or(result, e.shl(low, byte * 8))
    })
}
