//! The table's snippets: carry chains, predicates in pairs, packing. Each is computed as a whole, as what it is for.

use super::float::format;
use super::{Answer, mask, number};

fn wide(bits: u64) -> u128 {
    u128::from(bits)
}

/// The expected result of the snippet with these inputs; `None` for one that is not known here.
pub fn expected(text: &str, inputs: &[u64]) -> Option<Answer> {
    let input = |idx: usize| inputs.get(idx).copied().unwrap_or(0);
    let (a, b, c) = (input(0), input(1), input(2));
    let starts = |part: &str| text.contains(part);
    let word = |value: u128| Some(Answer::bits(32, value as u64));
    let double = |value: u128| Some(Answer::bits(64, value as u64));
    if starts("add.cc.u32 t, %a, %b; addc.u32 %d, %c, t") {
        let sum = wide(a) + wide(b);
        return word(wide(c) + (sum & 0xffff_ffff) + (sum >> 32));
    }
    if starts("add.cc.u64 t, %a, %b; addc.cc.u64 %d, %c, t; addc.u64 %d, %d, %d") {
        let low = wide(a) + wide(b);
        let high = wide(c) + (low & u128::from(u64::MAX)) + (low >> 64);
        return double(2 * (high & u128::from(u64::MAX)) + (high >> 64));
    }
    if starts("sub.cc.s32 t, %a, %b; subc.cc.s32 %d, %c, t; subc.s32 %d, %d, %a") {
        let (t, first) = (a as u32).overflowing_sub(b as u32);
        let second = i128::from(c as u32) - i128::from(t) - i128::from(first);
        let borrow = i128::from(second < 0);
        return word((i128::from(second as u32) - i128::from(a as u32) - borrow) as u128);
    }
    if starts("sub.cc.u64 t, %a, %b; subc.u64 %d, %c, t") {
        let (t, borrow) = a.overflowing_sub(b);
        return double((wide(c).wrapping_sub(wide(t))).wrapping_sub(u128::from(borrow)));
    }
    if starts("mad.lo.cc.u32 t, %a, %b, %c; madc.hi.u32 %d, %a, %b, t") {
        let product = wide(a) * wide(b);
        let low = (product & 0xffff_ffff) + wide(c);
        return word((product >> 32) + (low & 0xffff_ffff) + (low >> 32));
    }
    if starts("mad.lo.cc.u64 t, %a, %b, %c; madc.hi.u64 %d, %a, %b, t") {
        let product = wide(a) * wide(b);
        let low = (product & u128::from(u64::MAX)) + wide(c);
        return double((product >> 64) + (low & u128::from(u64::MAX)) + (low >> 64));
    }
    if starts("mad.hi.cc.s32 t, %a, %b, %c; madc.lo.cc.s32 t, %a, t, %b; madc.hi.s32 %d, %a, %b, t") {
        let (x, y) = (number("s32", a), number("s32", b));
        // Carries are of the unsigned sums of 32-bit words.
        let first = ((x * y) >> 32) as u32 as u64 + (c & mask(32));
        let t = number("s32", first);
        let second = (x * t) as u32 as u64 + (b & mask(32)) + (first >> 32);
        let third = ((x * y) >> 32) as u32 as u64 + (second & mask(32)) + (second >> 32);
        return word(wide(third));
    }
    if starts("setp.lt.and.s32 p|q, %a, %b, !%c") {
        let (less, other) = (number("s32", a) < number("s32", b), c & 1 == 0);
        return word(u128::from(less && other) | u128::from(!less && other) << 1);
    }
    if starts("setp.le.f16x2 p|q, %a, %b") {
        let format = format("f16")?;
        let less = |at: u32| {
            let order = |bits: u64| {
                let magnitude = (bits & 0x7fff) as i64;
                if bits & 0x8000 == 0 { magnitude } else { -magnitude }
            };
            let (x, y) = (a >> at & 0xffff, b >> at & 0xffff);
            let nan = |bits: u64| bits & 0x7fff > format.infinity();
            !nan(x) && !nan(y) && order(x) <= order(y)
        };
        return word(u128::from(less(0)) | u128::from(less(16)) << 1);
    }
    if starts("mov.b32 {l, h}, %a; mov.b32 %d, {h, l}") {
        return word(wide(a >> 16 & 0xffff | a << 16 & 0xffff_0000));
    }
    if starts("mov.b64 {l, h}, %a; mov.b64 %d, {h, l}") {
        return double(wide(a.rotate_left(32)));
    }
    if starts("mov.b64 {s0, s1, s2, s3}, %a; mov.b64 %d, {s2, s0, s3, s1}") {
        let part = |at: u32| a >> (16 * at) & 0xffff;
        return double(wide(part(2) | part(0) << 16 | part(3) << 32 | part(1) << 48));
    }
    None
}
