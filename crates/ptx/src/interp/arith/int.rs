//! Integer, bit-field, carry-chain and dot-product instructions.
//!
//! Every operation is done on `i128`, where nothing overflows, and cut to the type's width at the end.
//! Source: PTX ISA, "Integer Arithmetic Instructions", "Extended-Precision Integer Arithmetic Instructions" and
//! "Logic and Shift Instructions".

use super::{Bits, NoSuchForm, integer, mask, per_element, range, wrap};
use crate::ir::{BoolOp, CarryOp, IntBinary, IntUnary, MulHalf, PrmtMode, ScalarType};

/// `add sub mul div rem min max and or xor shl shr`; the second operand of a shift is 32 bits.
pub fn binary(op: IntBinary, ty: ScalarType, a: u64, b: u64) -> Bits {
    if matches!(op, IntBinary::Shl | IntBinary::Shr) {
        return Ok(shift(op, ty, a, b as u32));
    }
    per_element(ty, [a, b], |ty, [a, b]| {
        if ty.is_float() {
            return Err(NoSuchForm { operation: "integer arithmetic", ty });
        }
        let (x, y) = (integer(ty, a), integer(ty, b));
        let (low, high) = range(ty);
        Ok(match op {
            IntBinary::Add => wrap(ty, x + y),
            IntBinary::AddSat => wrap(ty, (x + y).clamp(low, high)),
            IntBinary::Sub => wrap(ty, x - y),
            IntBinary::SubSat => wrap(ty, (x - y).clamp(low, high)),
            IntBinary::MulLo => wrap(ty, product(ty, a, b).0 as i128),
            IntBinary::MulHi => wrap(ty, product(ty, a, b).1 as i128),
            IntBinary::Div if y == 0 => mask(ty.bits()),
            IntBinary::Div => wrap(ty, x / y),
            IntBinary::Rem if y == 0 => wrap(ty, x),
            IntBinary::Rem => wrap(ty, x % y),
            IntBinary::Min => wrap(ty, x.min(y)),
            IntBinary::Max => wrap(ty, x.max(y)),
            IntBinary::MinRelu => wrap(ty, x.min(y).max(0)),
            IntBinary::MaxRelu => wrap(ty, x.max(y).max(0)),
            IntBinary::And => wrap(ty, x & y),
            IntBinary::Or => wrap(ty, x | y),
            IntBinary::Xor => wrap(ty, x ^ y),
            IntBinary::Shl | IntBinary::Shr => return Err(NoSuchForm { operation: "shift", ty }),
        })
    })
}

/// Low and high half of the product, each with the width of the type.
fn product(ty: ScalarType, a: u64, b: u64) -> (u64, u64) {
    let bits = ty.bits();
    let whole = if ty.is_signed() {
        (integer(ty, a) * integer(ty, b)) as u128
    } else {
        // Two 64-bit unsigned factors need all 128 bits.
        (a & mask(bits)) as u128 * (b & mask(bits)) as u128
    };
    (whole as u64 & mask(bits), (whole >> bits) as u64 & mask(bits))
}

/// Shift amounts are unsigned and clamped to the width.
fn shift(op: IntBinary, ty: ScalarType, a: u64, amount: u32) -> u64 {
    let bits = ty.bits();
    let amount = amount.min(bits);
    match op {
        IntBinary::Shl => wrap(ty, (integer(ty, a) as u128).wrapping_shl(amount) as i128),
        _ => wrap(ty, integer(ty, a) >> amount),
    }
}

/// `abs neg not cnot popc clz brev bfind`.
pub fn unary(op: IntUnary, ty: ScalarType, a: u64) -> Bits {
    if ty.is_float() {
        return Err(NoSuchForm { operation: "integer arithmetic", ty });
    }
    per_element(ty, [a], |ty, [a]| {
        let bits = ty.bits();
        let value = integer(ty, a);
        let unsigned = a & mask(bits);
        Ok(match op {
            IntUnary::Abs => wrap(ty, value.abs()),
            IntUnary::Neg => wrap(ty, -value),
            IntUnary::Not => wrap(ty, !value),
            IntUnary::Cnot => u64::from(unsigned == 0),
            IntUnary::Popc => u64::from(unsigned.count_ones()),
            IntUnary::Clz => u64::from(unsigned.leading_zeros() - (64 - bits)),
            IntUnary::Brev => unsigned.reverse_bits() >> (64 - bits),
            IntUnary::Bfind | IntUnary::BfindShift => {
                // For a negative number: the highest bit that is 0.
                let significant = if value < 0 { !unsigned & mask(bits) } else { unsigned };
                match significant.checked_ilog2() {
                    None => 0xffff_ffff,
                    Some(top) if op == IntUnary::BfindShift => u64::from(bits - 1 - top),
                    Some(top) => u64::from(top),
                }
            }
        })
    })
}

/// `mul.wide`: the whole product, twice as wide as the type.
pub fn mul_wide(ty: ScalarType, a: u64, b: u64) -> Bits {
    if ty.bits() > 32 {
        return Err(NoSuchForm { operation: "mul.wide", ty });
    }
    Ok((integer(ty, a) * integer(ty, b)) as u64 & mask(2 * ty.bits()))
}

/// `mad.lo`, `mad.hi`, `mad.wide`, `mad.hi.sat`.
pub fn mad(ty: ScalarType, half: MulHalf, saturate: bool, a: u64, b: u64, c: u64) -> Bits {
    let (low, high) = product(ty, a, b);
    Ok(match half {
        MulHalf::Lo => wrap(ty, integer(ty, low) + integer(ty, c)),
        MulHalf::Hi => {
            let sum = integer(ty, high) + integer(ty, c);
            let (min, max) = range(ty);
            wrap(ty, if saturate { sum.clamp(min, max) } else { sum })
        }
        MulHalf::Wide => mul_wide(ty, a, b)?.wrapping_add(c) & mask(2 * ty.bits()),
    })
}

/// `mul24` and (with an addend) `mad24`: factors are the low 24 bits; `high` takes bits 47 to 16 of the product.
pub fn mul24(ty: ScalarType, high: bool, saturate: bool, a: u64, b: u64, c: Option<u64>) -> u64 {
    let factor = |value: u64| {
        let low = (value & 0xff_ffff) as i128;
        if ty.is_signed() && low >> 23 == 1 { low - (1 << 24) } else { low }
    };
    let whole = factor(a) * factor(b);
    let part = integer(ty, (if high { whole >> 16 } else { whole }) as u64);
    let sum = part + c.map_or(0, |c| integer(ty, c));
    let (min, max) = range(ty);
    wrap(ty, if saturate { sum.clamp(min, max) } else { sum })
}

/// `sad`: `c + |a - b|`.
pub fn sad(ty: ScalarType, a: u64, b: u64, c: u64) -> u64 {
    wrap(ty, integer(ty, c) + (integer(ty, a) - integer(ty, b)).abs())
}

/// `add.cc addc sub.cc subc mad.cc madc`: the result and the carry (after a subtraction the borrow).
pub fn carry(op: CarryOp, ty: ScalarType, carry_in: bool, a: u64, b: u64, c: u64) -> (u64, bool) {
    let bits = ty.bits();
    let unsigned = |value: u64| (value & mask(bits)) as i128;
    let carry_in = i128::from(carry_in);
    let sum = match op {
        CarryOp::Add => unsigned(a) + unsigned(b) + carry_in,
        CarryOp::Sub => unsigned(a) - unsigned(b) - carry_in,
        CarryOp::MadLo => unsigned(product(ty, a, b).0) + unsigned(c) + carry_in,
        CarryOp::MadHi => unsigned(product(ty, a, b).1) + unsigned(c) + carry_in,
    };
    (wrap(ty, sum), sum < 0 || sum >> bits != 0)
}

/// `bfe`: `length` bits of `a` from `position`, sign-extended for signed types.
pub fn bfe(ty: ScalarType, a: u64, position: u64, length: u64) -> u64 {
    let bits = ty.bits();
    let (position, length) = (position as u32 & 0xff, length as u32 & 0xff);
    let bit = |i: u32| a >> i & 1;
    let sign = if !ty.is_signed() || length == 0 { 0 } else { bit((position + length - 1).min(bits - 1)) };
    (0..bits).fold(0, |d, i| d | (if i < length && position + i < bits { bit(position + i) } else { sign }) << i)
}

/// `bfi`: the low `length` bits of `a` put into `b` at `position`.
pub fn bfi(ty: ScalarType, a: u64, b: u64, position: u64, length: u64) -> u64 {
    let bits = ty.bits();
    let (position, length) = (position as u32 & 0xff, length as u32 & 0xff);
    let mut result = b & mask(bits);
    for i in (0..length).take_while(|i| position + i < bits) {
        result = result & !(1 << (position + i)) | (a >> i & 1) << (position + i);
    }
    result
}

/// `bmsk`: `width` ones from `position`.
pub fn bmsk(clamp: bool, position: u64, width: u64) -> u64 {
    let amount = |value: u64| if clamp { (value as u32).min(32) } else { value as u32 & 31 };
    let (position, width) = (amount(position), amount(width));
    let end = (position + width).min(32);
    mask(end) & !mask(position)
}

/// `szext`: `a` cut to `position` bits and extended.
pub fn szext(ty: ScalarType, clamp: bool, a: u64, position: u64) -> u64 {
    let width = if clamp { (position as u32).min(32) } else { position as u32 & 31 };
    let low = a & mask(width);
    if width > 0 && ty.is_signed() && low >> (width - 1) & 1 == 1 { low | mask(32) & !mask(width) } else { low }
}

/// `fns`: position of the `offset`-th set bit counted from `base`, all ones when there is none.
pub fn fns(mask: u64, base: u64, offset: u64) -> u64 {
    let (mask, base, offset) = (mask as u32, base as u32, offset as u32 as i32);
    let is_set = |position: i64| mask >> position & 1 == 1;
    if base > 31 {
        return 0xffff_ffff;
    }
    let mut position = i64::from(base);
    if offset == 0 {
        return if is_set(position) { u64::from(base) } else { 0xffff_ffff };
    }
    let mut count = offset.unsigned_abs() - 1;
    while (0..32).contains(&position) {
        if is_set(position) {
            if count == 0 {
                return position as u64;
            }
            count -= 1;
        }
        position += i64::from(offset.signum());
    }
    0xffff_ffff
}

/// `shf`: 32 bits of the 64-bit value `high:low` shifted.
pub fn shf(left: bool, clamp: bool, low: u64, high: u64, amount: u64) -> u64 {
    let n = if clamp { (amount as u32).min(32) } else { amount as u32 & 31 };
    let both = (high & mask(32)) << 32 | low & mask(32);
    if left { u64::from(((both as u128) << n >> 32) as u32) } else { u64::from((both >> n) as u32) }
}

/// `prmt`: four bytes picked from the eight of `b:a`.
pub fn prmt(mode: PrmtMode, a: u64, b: u64, selector: u64) -> u64 {
    let bytes = ((b & mask(32)) << 32 | a & mask(32)).to_le_bytes();
    let s = (selector & 3) as usize;
    // Sources of result bytes 3, 2, 1, 0 as the manual's table lists them.
    let table: [[usize; 4]; 4] = match mode {
        PrmtMode::Default => {
            let mut result = [0; 4];
            for (i, byte) in result.iter_mut().enumerate() {
                let nibble = (selector >> (4 * i) & 0xf) as usize;
                let value = bytes[nibble & 7];
                *byte = if nibble & 8 == 0 { value } else { ((value as i8) >> 7) as u8 };
            }
            return u64::from(u32::from_le_bytes(result));
        }
        PrmtMode::F4e => [[3, 2, 1, 0], [4, 3, 2, 1], [5, 4, 3, 2], [6, 5, 4, 3]],
        PrmtMode::B4e => [[5, 6, 7, 0], [6, 7, 0, 1], [7, 0, 1, 2], [0, 1, 2, 3]],
        PrmtMode::Rc8 => [[0, 0, 0, 0], [1, 1, 1, 1], [2, 2, 2, 2], [3, 3, 3, 3]],
        PrmtMode::Ecl => [[3, 2, 1, 0], [3, 2, 1, 1], [3, 2, 2, 2], [3, 3, 3, 3]],
        PrmtMode::Ecr => [[0, 0, 0, 0], [1, 1, 1, 0], [2, 2, 1, 0], [3, 2, 1, 0]],
        PrmtMode::Rc16 => [[1, 0, 1, 0], [3, 2, 3, 2], [1, 0, 1, 0], [3, 2, 3, 2]],
    };
    u64::from(u32::from_be_bytes(table[s].map(|source| bytes[source])))
}

/// `lop3`: bit `i` of the table is the result where the bits of `a`, `b`, `c` read as the number `i` (a highest).
pub fn lop3(table: u8, a: u64, b: u64, c: u64) -> u64 {
    (0..32).fold(0, |d, i| {
        let row = (a >> i & 1) << 2 | (b >> i & 1) << 1 | c >> i & 1;
        d | u64::from(table >> row & 1) << i
    })
}

/// `and`, `or`, `xor` of truth values.
pub const fn combine(op: BoolOp, a: bool, b: bool) -> bool {
    match op {
        BoolOp::And => a & b,
        BoolOp::Or => a | b,
        BoolOp::Xor => a ^ b,
    }
}

const fn byte_of(value: u64, i: u32, signed: bool) -> i64 {
    let byte = (value >> (8 * i)) as u8;
    if signed { byte as i8 as i64 } else { byte as i64 }
}

/// `dp4a`: `c` plus the sum of four byte products.
pub fn dp4a(a_signed: bool, b_signed: bool, a: u64, b: u64, c: u64) -> u64 {
    let sum: i64 = (0..4).map(|i| byte_of(a, i, a_signed) * byte_of(b, i, b_signed)).sum();
    c.wrapping_add(sum as u64) & mask(32)
}

/// `dp2a`: `c` plus the sum of two products of a 16-bit half of `a` and a byte of `b` (bytes 2 and 3 when `high`).
pub fn dp2a(a_signed: bool, b_signed: bool, high: bool, a: u64, b: u64, c: u64) -> u64 {
    let half_of = |i: u32| {
        let half = (a >> (16 * i)) as u16;
        if a_signed { i64::from(half as i16) } else { i64::from(half) }
    };
    let first = if high { 2 } else { 0 };
    let sum: i64 = (0..2).map(|i| half_of(i) * byte_of(b, first + i, b_signed)).sum();
    c.wrapping_add(sum as u64) & mask(32)
}
