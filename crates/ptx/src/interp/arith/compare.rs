//! `set`, `setp`, `slct`: comparisons of integers and floating-point numbers.
//!
//! Source: PTX ISA, "Comparison and Selection Instructions" and "Half Precision Comparison Instructions".

use super::float::{flush, is_nan, one, sign_bit};
use super::{Bits, NoSuchForm, integer, mask};
use crate::ir::{Compare, Comparison, ScalarType};
use std::cmp::Ordering;

/// `a cmp b` for operands of type `ty`, which is not packed.
pub fn holds(op: Compare, ty: ScalarType, ftz: bool, a: u64, b: u64) -> bool {
    let order = if ty.is_float() {
        let operand = |bits: u64| if ftz && ty != ScalarType::F64 { flush(ty, bits) } else { bits & mask(ty.bits()) };
        float_order(ty, operand(a), operand(b))
    } else {
        Some(integer(ty, a).cmp(&integer(ty, b)))
    };
    match op {
        Compare::Eq => order == Some(Ordering::Equal),
        Compare::Ne => matches!(order, Some(Ordering::Less | Ordering::Greater)),
        Compare::Lt => order == Some(Ordering::Less),
        Compare::Le => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Compare::Gt => order == Some(Ordering::Greater),
        Compare::Ge => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        Compare::Equ => matches!(order, None | Some(Ordering::Equal)),
        Compare::Neu => order != Some(Ordering::Equal),
        Compare::Ltu => matches!(order, None | Some(Ordering::Less)),
        Compare::Leu => order != Some(Ordering::Greater),
        Compare::Gtu => matches!(order, None | Some(Ordering::Greater)),
        Compare::Geu => order != Some(Ordering::Less),
        Compare::Num => order.is_some(),
        Compare::Nan => order.is_none(),
    }
}

/// The order of two numbers, the two zeros equal; `None` when one is NaN.
fn float_order(ty: ScalarType, a: u64, b: u64) -> Option<Ordering> {
    if is_nan(ty, a) || is_nan(ty, b) {
        return None;
    }
    let key = |bits: u64| {
        let magnitude = (bits & (sign_bit(ty) - 1)) as i128;
        if bits & sign_bit(ty) != 0 { -magnitude } else { magnitude }
    };
    Some(key(a).cmp(&key(b)))
}

/// The comparison of each element: one truth value, or two (lower half first) for packed types.
pub fn elements(comparison: &Comparison, a: u64, b: u64) -> (bool, Option<bool>) {
    let element = comparison.ty.element();
    let bits = element.bits();
    let low = holds(comparison.op, element, comparison.ftz, a & mask(bits), b & mask(bits));
    let high = comparison.ty.is_packed().then(|| holds(comparison.op, element, comparison.ftz, a >> bits, b >> bits));
    (low, high)
}

/// The value that `set` writes for a truth value: all ones, or 1.0 in a floating-point result type.
pub fn set_value(result: ScalarType, truth: bool) -> Bits {
    match result {
        _ if !truth => Ok(0),
        ScalarType::F16 | ScalarType::BF16 | ScalarType::F32 | ScalarType::F64 => Ok(one(result)),
        _ if result.is_float() || result.is_packed() => Err(NoSuchForm { operation: "set", ty: result }),
        _ => Ok(mask(result.bits())),
    }
}

/// `slct`: whether `c >= 0`. -0 counts as zero, NaN does not hold.
pub fn at_least_zero(condition: ScalarType, ftz: bool, c: u64) -> bool {
    holds(Compare::Ge, condition, ftz, c, 0)
}
