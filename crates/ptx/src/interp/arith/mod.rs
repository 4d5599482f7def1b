//! The arithmetic of PTX as pure functions on bits: what every instruction that computes a value from values does.
//!
//! Model: a value is the low bits of a `u64`, as many as its [`ScalarType`] has; bits above are ignored on input and zero on
//! output. Packed types are computed element by element. A combination of operation and type that PTX does not have gives
//! [`NoSuchForm`]; nothing else can fail, whatever the bits.
//!
//! Choices where the manual leaves room, which the JIT makes in the same way:
//! * a NaN result of f32 arithmetic is `0x7fffffff`, of f16 and bf16 `0x7fff` ("canonical NaN");
//! * f64 arithmetic "supports NaN payloads" without saying whose: here the first NaN operand in operand order, made quiet; an
//!   invalid operation gives `0xfff8000000000000`. Compare f64 results with [`same_value`], which takes all NaNs as equal,
//!   because compilers may swap the operands of an addition;
//! * `.ftz` looks at the rounded result: a result that rounding brings up to the smallest normal number stays;
//! * `.sat` and `.relu` turn -0 into +0; `neg`, `abs` and `copysign` work on the sign bit of whatever the value is, NaN included.
//!
//! What it does not do: memory, threads, tensor fragments (see [`super`]).
//!
//! Source: PTX ISA 9.x, chapter 9.7, sections "Integer Arithmetic" to "Video Instructions".

pub mod approx;
pub mod compare;
pub mod cvt;
pub mod float;
pub mod int;
mod tolerance;
pub mod video;

use crate::ir::ScalarType;

pub use approx::{ApproxOp, Bound, approx_bound};
pub use tolerance::accepts;

/// The operation does not exist for that type: the verifier should have refused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{operation} does not exist for type {ty}")]
pub struct NoSuchForm {
    /// The operation in PTX's words.
    pub operation: &'static str,
    /// The type asked for.
    pub ty: ScalarType,
}

/// Bits of a result.
pub type Bits = Result<u64, NoSuchForm>;

/// The low `bits` bits set, `bits` at most 64.
pub const fn mask(bits: u32) -> u64 {
    if bits >= 64 { u64::MAX } else { (1 << bits) - 1 }
}

/// `value` as the signed or unsigned number that its low bits are in type `ty` (not packed).
pub const fn integer(ty: ScalarType, value: u64) -> i128 {
    let bits = ty.bits();
    let low = value & mask(bits);
    if ty.is_signed() && low >> (bits - 1) & 1 == 1 { low as i128 - (1 << bits) } else { low as i128 }
}

/// The low bits of `value` in type `ty`.
pub const fn wrap(ty: ScalarType, value: i128) -> u64 {
    value as u64 & mask(ty.bits())
}

/// Smallest and largest number of an integer type.
pub const fn range(ty: ScalarType) -> (i128, i128) {
    let bits = ty.bits();
    if ty.is_signed() { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) }
}

/// Applies `f` to each element of packed operands, or to the whole operands of a type that is not packed.
pub fn per_element<const N: usize>(
    ty: ScalarType,
    operands: [u64; N],
    f: impl Fn(ScalarType, [u64; N]) -> Bits,
) -> Bits {
    let element = ty.element();
    if !ty.is_packed() {
        return f(ty, operands);
    }
    let bits = element.bits();
    let low = f(element, operands.map(|value| value & mask(bits)))?;
    let high = f(element, operands.map(|value| value >> bits & mask(bits)))?;
    Ok(low | high << bits)
}

/// Whether two results count as the same: equal bits, or in f64 two NaNs.
pub fn same_value(ty: ScalarType, a: u64, b: u64) -> bool {
    match ty {
        ScalarType::F64 => a == b || float::is_nan(ty, a) && float::is_nan(ty, b),
        _ => (a ^ b) & mask(ty.bits()) == 0,
    }
}
