//! `setp`, `set`, `testp`, `copysign`: comparisons and what looks at a float's bits.
//!
//! Model: a comparison gives `i1` lanes; packed types give two results. Half-precision numbers are compared as `float`, which is
//! exact.
//!
//! Source: PTX ISA, "Comparison and Selection Instructions", "testp", "copysign".

use super::emit::Emit;
use super::format::{self, widen};
use crate::llvm::{FloatPredicate, IntPredicate, Value};
use smallvec::{SmallVec, smallvec};
use vgpu_ptx::ir::{BoolOp, Compare, Comparison, FloatTest, ScalarType};

/// `a cmp b` for a type that is not packed; operands have the type's width.
pub(super) fn holds<'c>(
    e: &Emit<'_, 'c>,
    op: Compare,
    ty: ScalarType,
    ftz: bool,
    a: Value<'c>,
    b: Value<'c>,
) -> Value<'c> {
    if !ty.is_float() {
        return e.icmp(int_predicate(op, ty.is_signed()), a, b);
    }
    let number = |bits| widen(e, ty, format::flush_if(e, ftz, ty, bits));
    e.fcmp(float_predicate(op), number(a), number(b))
}

const fn int_predicate(op: Compare, signed: bool) -> IntPredicate {
    match (op, signed) {
        (Compare::Eq | Compare::Equ | Compare::Num | Compare::Nan, _) => IntPredicate::Eq,
        (Compare::Ne | Compare::Neu, _) => IntPredicate::Ne,
        (Compare::Lt | Compare::Ltu, false) => IntPredicate::Ult,
        (Compare::Lt | Compare::Ltu, true) => IntPredicate::Slt,
        (Compare::Le | Compare::Leu, false) => IntPredicate::Ule,
        (Compare::Le | Compare::Leu, true) => IntPredicate::Sle,
        (Compare::Gt | Compare::Gtu, false) => IntPredicate::Ugt,
        (Compare::Gt | Compare::Gtu, true) => IntPredicate::Sgt,
        (Compare::Ge | Compare::Geu, false) => IntPredicate::Uge,
        (Compare::Ge | Compare::Geu, true) => IntPredicate::Sge,
    }
}

const fn float_predicate(op: Compare) -> FloatPredicate {
    match op {
        Compare::Eq => FloatPredicate::Oeq,
        Compare::Ne => FloatPredicate::One,
        Compare::Lt => FloatPredicate::Olt,
        Compare::Le => FloatPredicate::Ole,
        Compare::Gt => FloatPredicate::Ogt,
        Compare::Ge => FloatPredicate::Oge,
        Compare::Equ => FloatPredicate::Ueq,
        Compare::Neu => FloatPredicate::Une,
        Compare::Ltu => FloatPredicate::Ult,
        Compare::Leu => FloatPredicate::Ule,
        Compare::Gtu => FloatPredicate::Ugt,
        Compare::Geu => FloatPredicate::Uge,
        Compare::Num => FloatPredicate::Ord,
        Compare::Nan => FloatPredicate::Uno,
    }
}

/// `a op b` of truth values.
pub(super) fn combine<'c>(e: &Emit<'_, 'c>, op: BoolOp, a: Value<'c>, b: Value<'c>) -> Value<'c> {
    match op {
        BoolOp::And => e.and(a, b),
        BoolOp::Or => e.or(a, b),
        BoolOp::Xor => e.xor(a, b),
    }
}

/// The truth of each element: one, or lower and upper half.
fn elements<'c>(e: &Emit<'_, 'c>, form: &Comparison, a: Value<'c>, b: Value<'c>) -> SmallVec<[Value<'c>; 2]> {
    let (a, b) = (e.low(a, form.ty), e.low(b, form.ty));
    let one = |a, b| holds(e, form.op, form.ty.element(), form.ftz, a, b);
    if !form.ty.is_packed() {
        return smallvec![one(a, b)];
    }
    let half = e.int_type(16);
    let high = |value| e.trunc(e.lshr(value, 16), half);
    smallvec![one(e.trunc(a, half), e.trunc(b, half)), one(high(a), high(b))]
}

/// `setp`: `p` and `q`.
pub(super) fn to_predicates<'c>(
    e: &Emit<'_, 'c>,
    form: &Comparison,
    sources: &[Value<'c>],
    n_results: usize,
) -> SmallVec<[Value<'c>; 2]> {
    let mut truths = elements(e, form, sources[0], sources[1]);
    if truths.len() == 1 && n_results > 1 {
        truths.push(e.not(truths[0]));
    }
    if let Some(op) = form.combine {
        for truth in &mut truths {
            *truth = combine(e, op, *truth, sources[2]);
        }
    }
    truths
}

/// The number one, or all ones, that `set` writes.
const fn truth_value(ty: ScalarType) -> u64 {
    match ty {
        ScalarType::F16 => 0x3c00,
        ScalarType::BF16 => 0x3f80,
        ScalarType::F32 => 0x3f80_0000,
        ScalarType::F64 => 0x3ff0_0000_0000_0000,
        _ => u64::MAX,
    }
}

/// `set`.
pub(super) fn to_value<'c>(
    e: &Emit<'_, 'c>,
    form: &Comparison,
    result: ScalarType,
    sources: &[Value<'c>],
) -> Value<'c> {
    let truths = to_predicates(e, form, sources, 1);
    let as_value = |truth: Value<'c>, ty: ScalarType| {
        let int = truth.ty().with_scalar(e.int_type(ty.bits()));
        e.select(truth, int.constant(truth_value(ty)), int.zero())
    };
    let [low, high] = truths.as_slice() else { return as_value(truths[0], result) };
    // A packed comparison with an integer result gives two 16-bit masks.
    let element = if result.is_packed() { result.element() } else { ScalarType::U16 };
    let word = e.int_type(32);
    let (low, high) = (e.zext(as_value(*low, element), word), e.zext(as_value(*high, element), word));
    e.or(low, e.shl(high, 16))
}

/// `testp`.
pub(super) fn test<'c>(e: &Emit<'_, 'c>, property: FloatTest, ty: ScalarType, a: Value<'c>) -> Value<'c> {
    let shape = format::Shape::of(ty);
    let magnitude = e.mask(e.low(a, ty), shape.sign - 1);
    let is = |predicate, bits| e.icmp(predicate, magnitude, e.k(magnitude, bits));
    let is_subnormal = || e.below(e.plus(magnitude, -1), shape.least_normal - 1);
    match property {
        FloatTest::Finite => is(IntPredicate::Ult, shape.infinity),
        FloatTest::Infinite => is(IntPredicate::Eq, shape.infinity),
        FloatTest::Number => is(IntPredicate::Ule, shape.infinity),
        FloatTest::NotANumber => is(IntPredicate::Ugt, shape.infinity),
        // Zeros count as normal.
        FloatTest::Normal => e.and(is(IntPredicate::Ult, shape.infinity), e.not(is_subnormal())),
        FloatTest::Subnormal => is_subnormal(),
    }
}

/// `copysign`: sign of `a`, magnitude of `b`.
pub(super) fn copy_sign<'c>(e: &Emit<'_, 'c>, ty: ScalarType, a: Value<'c>, b: Value<'c>) -> Value<'c> {
    let sign = format::Shape::of(ty).sign;
    e.or(e.mask(e.low(a, ty), sign), e.mask(e.low(b, ty), sign - 1))
}
