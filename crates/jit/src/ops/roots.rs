//! `div`, `rcp`, `sqrt`, in their exact and approximate forms.
//!
//! Model: the exact forms are the processor's. `div.full` and most approximate forms are the exact ones too: within every bound,
//! and the divider of a current processor is hardly slower than a refined estimate.
//!
//! Source: PTX ISA, "div", "rcp", "sqrt", "rcp.approx.ftz.f64", "rsqrt.approx.ftz.f64".

use super::emit::Emit;
use super::float::finish;
use super::format::{flush, flush_if};
use super::rounding::{Arithmetic, arithmetic};
use crate::llvm::{FloatPredicate, Value};
use vgpu_ptx::ir::{Accuracy, FloatMode, Rounding, ScalarType};

/// The rounding that counts: approximate forms have none.
const fn rounding_of(accuracy: Accuracy, mode: FloatMode) -> Rounding {
    match accuracy {
        Accuracy::Ieee => mode.rounding,
        Accuracy::Approx | Accuracy::Full => Rounding::NearestEven,
    }
}

/// `a / b`.
pub(super) fn divide<'c>(
    e: &Emit<'_, 'c>,
    ty: ScalarType,
    accuracy: Accuracy,
    mode: FloatMode,
    a: Value<'c>,
    b: Value<'c>,
) -> Value<'c> {
    let number = |bits| e.float_of(flush_if(e, mode.ftz, ty, e.low(bits, ty)));
    let (a, mut b) = (number(a), number(b));
    if accuracy == Accuracy::Approx {
        // The manual: a divisor above 2^126 counts as infinite.
        let huge = e.fcmp(FloatPredicate::Ogt, e.fabs(b), e.kf(b, 2f64.powi(126)));
        b = e.select(huge, e.scale(b, f64::INFINITY), b);
    }
    let quotient = arithmetic(e, Arithmetic::Div, rounding_of(accuracy, mode), &[a, b]);
    finish(e, ty, mode, e.bits_of(quotient))
}

/// `1 / a`.
pub(super) fn reciprocal<'c>(
    e: &Emit<'_, 'c>,
    ty: ScalarType,
    accuracy: Accuracy,
    mode: FloatMode,
    a: Value<'c>,
) -> Value<'c> {
    let a = e.low(a, ty);
    if ty == ScalarType::F64 && accuracy == Accuracy::Approx {
        return upper_half(e, a, |value| e.fdiv(e.kf(value, 1.0), value));
    }
    let a = e.float_of(flush_if(e, mode.ftz, ty, a));
    let quotient = arithmetic(e, Arithmetic::Div, rounding_of(accuracy, mode), &[e.kf(a, 1.0), a]);
    finish(e, ty, mode, e.bits_of(quotient))
}

/// Square root.
pub(super) fn square_root<'c>(
    e: &Emit<'_, 'c>,
    ty: ScalarType,
    accuracy: Accuracy,
    mode: FloatMode,
    a: Value<'c>,
) -> Value<'c> {
    let a = e.float_of(flush_if(e, mode.ftz, ty, e.low(a, ty)));
    let root = arithmetic(e, Arithmetic::Sqrt, rounding_of(accuracy, mode), &[a]);
    finish(e, ty, mode, e.bits_of(root))
}

/// The approximate f64 forms read the upper 32 bits and write 20 bits after the point; subnormal numbers count as zero.
pub(super) fn upper_half<'c>(e: &Emit<'_, 'c>, bits: Value<'c>, f: impl Fn(Value<'c>) -> Value<'c>) -> Value<'c> {
    const UPPER: u64 = 0xffff_ffff_0000_0000;
    let operand = e.float_of(flush(e, ScalarType::F64, e.mask(bits, UPPER)));
    let result = f(operand);
    let nan = e.or(e.is_nan(result), e.is_nan(e.float_of(bits)));
    // To nearest: a carry into the exponent is the right result, and infinity has nothing to round.
    let rounded = e.mask(e.plus(e.bits_of(result), 1 << 31), UPPER);
    e.select(nan, e.k(bits, 0x7fff_ffff_0000_0000), flush(e, ScalarType::F64, rounded))
}
