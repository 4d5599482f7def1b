//! Scalar and SIMD video instructions.
//!
//! Source: PTX ISA, "Scalar Video Instructions" and "SIMD Video Instructions"; the steps are the manual's pseudocode:
//! extract and extend, operate, saturate, then merge or apply the second operation.

use super::compare::holds;
use super::{Bits, NoSuchForm, integer, mask};
use crate::ir::{Compare, ScalarType, Video, VideoOp, VideoPart, VideoSecond, VideoSimd};

/// Bit position and width of a part.
const fn field(part: VideoPart) -> (u32, u32) {
    match part {
        VideoPart::Whole => (0, 32),
        VideoPart::Byte(i) => (8 * i as u32, 8),
        VideoPart::Half(i) => (16 * i as u32, 16),
    }
}

/// The low `bits` bits of `value` as a number.
const fn extend(value: u64, bits: u32, signed: bool) -> i128 {
    let low = (value & mask(bits)) as i128;
    if signed && low >> (bits - 1) & 1 == 1 { low - (1 << bits) } else { low }
}

const fn clamp_to(value: i128, bits: u32, signed: bool) -> i128 {
    let (low, high) =
        if signed { (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1) } else { (0, (1i128 << bits) - 1) };
    if value < low {
        low
    } else if value > high {
        high
    } else {
        value
    }
}

fn compare_numbers(op: Compare, a: i128, b: i128) -> bool {
    // Both fit: they come from at most 32 bits.
    holds(op, ScalarType::S64, false, a as u64, b as u64)
}

/// `vadd vsub vabsdiff vmin vmax vshl vshr vmad vset`; `c` is ignored where the form has none.
pub fn scalar(form: &Video, a: u64, b: u64, c: u64) -> Bits {
    let part = |value: u64, part: VideoPart, signed: bool| {
        let (at, bits) = field(part);
        extend(value >> at, bits, signed)
    };
    let ta = part(a, form.a_part, form.a_signed);
    let tb = part(b, form.b_part, form.b_signed);
    if form.op == VideoOp::Mad {
        return Ok(multiply_add(form, ta, tb, c));
    }
    let amount = || if form.clamp { (tb as u64 & mask(32)).min(32) } else { tb as u64 & 31 };
    let result = match form.op {
        VideoOp::Add => ta + tb,
        VideoOp::Sub => ta - tb,
        VideoOp::AbsDiff => (ta - tb).abs(),
        VideoOp::Min => ta.min(tb),
        VideoOp::Max => ta.max(tb),
        VideoOp::Shl => ta << amount(),
        VideoOp::Shr => ta >> amount(),
        VideoOp::Set => i128::from(compare_numbers(form.compare.unwrap_or(Compare::Eq), ta, tb)),
        VideoOp::Mad | VideoOp::Avrg => {
            return Err(NoSuchForm { operation: "scalar video average", ty: ScalarType::U32 });
        }
    };
    let (at, bits) = field(form.d_part);
    let result = if form.saturate { clamp_to(result, bits, form.d_signed) } else { result };
    if let Some(second) = form.second {
        // The result of a comparison is always unsigned.
        let ty = if form.d_signed && form.op != VideoOp::Set { ScalarType::S32 } else { ScalarType::U32 };
        let (x, y) = (integer(ty, result as u64), integer(ty, c));
        let combined = match second {
            VideoSecond::Add => x + y,
            VideoSecond::Min => x.min(y),
            VideoSecond::Max => x.max(y),
        };
        return Ok(combined as u64 & mask(32));
    }
    if form.d_part == VideoPart::Whole {
        return Ok(result as u64 & mask(32));
    }
    Ok((c & !(mask(bits) << at) | (result as u64 & mask(bits)) << at) & mask(32))
}

fn multiply_add(form: &Video, ta: i128, tb: i128, c: u64) -> u64 {
    let signed = form.a_signed || form.b_signed || form.negate_product || form.negate_c;
    let mut product = ta * tb;
    let mut c = extend(c, 32, signed);
    let mut low = 0;
    if form.plus_one {
        low = 1;
    } else if form.negate_product {
        product = !product;
        low = 1;
    } else if form.negate_c {
        c = !c;
        low = 1;
    }
    let shifted = (product + c + low) >> form.shift;
    let result = if form.saturate { clamp_to(shifted, 32, signed) } else { shifted };
    result as u64 & mask(32)
}

/// `vadd2 vsub2 vavrg2 vabsdiff2 vmin2 vmax2 vset2` and the `4` forms.
pub fn simd(form: &VideoSimd, a: u64, b: u64, c: u64) -> Bits {
    let bits = 32 / form.lanes;
    // Elements 0..lanes are those of a, lanes..2*lanes those of b; a's type goes with the operand that selects.
    let pick = |select: u8, signed: bool| {
        let source = if u32::from(select) < form.lanes { a } else { b };
        extend(source >> (bits * (u32::from(select) % form.lanes)), bits, signed)
    };
    let mut merged = c & mask(32);
    let mut sum = 0i128;
    for i in 0..form.lanes {
        if form.mask >> i & 1 == 0 {
            continue;
        }
        let ta = pick(form.a_select[i as usize], form.a_signed);
        let tb = pick(form.b_select[i as usize], form.b_signed);
        let result = match form.op {
            VideoOp::Add => ta + tb,
            VideoOp::Sub => ta - tb,
            VideoOp::AbsDiff => (ta - tb).abs(),
            VideoOp::Min => ta.min(tb),
            VideoOp::Max => ta.max(tb),
            VideoOp::Avrg if ta + tb >= 0 => (ta + tb + 1) >> 1,
            VideoOp::Avrg => (ta + tb) >> 1,
            VideoOp::Set => i128::from(compare_numbers(form.compare.unwrap_or(Compare::Eq), ta, tb)),
            VideoOp::Shl | VideoOp::Shr | VideoOp::Mad => {
                return Err(NoSuchForm { operation: "SIMD video shift or multiply", ty: ScalarType::U32 });
            }
        };
        let result = if form.saturate { clamp_to(result, bits, form.d_signed) } else { result };
        let at = bits * i;
        merged = merged & !(mask(bits) << at) | (result as u64 & mask(bits)) << at;
        // The sum takes the whole intermediate result, not the element it is cut to.
        sum += result;
    }
    Ok(if form.accumulate { c.wrapping_add(sum as u64) & mask(32) } else { merged })
}
