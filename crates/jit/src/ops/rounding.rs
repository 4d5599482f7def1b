//! Rounding: arithmetic in all of IEEE's directions, and what exactness tricks other files need.
//!
//! Model: to nearest is LLVM's plain instruction. A direction comes from the instruction itself where AVX-512 has it; elsewhere from
//! an internal function that switches the processor's rounding mode, computes and switches back, made once per module and
//! shape. That function is `strictfp`, so LLVM keeps its order; it is not inlined, so nothing else falls between the switches.
//! Rounding to odd (inexact results get an odd last bit) lets a result be rounded twice without harm.
//!
//! Source: IEEE 754; Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums: proved algorithms using
//! rounding to odd".

use super::emit::Emit;
use super::x86;
use crate::llvm::{Builder, FloatOp, FloatPredicate, Function, Type, Value};
use vgpu_ptx::ir::Rounding;

/// What can be rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
    Sqrt,
    Fma,
    /// `double` to `float`.
    Narrow,
}

impl Arithmetic {
    const fn name(self) -> &'static str {
        match self {
            Self::Add => "fadd",
            Self::Sub => "fsub",
            Self::Mul => "fmul",
            Self::Div => "fdiv",
            Self::Sqrt => "sqrt",
            Self::Fma => "fma",
            Self::Narrow => "fptrunc",
        }
    }
}

/// `op` on floats, rounded as asked.
pub(super) fn arithmetic<'c>(e: &Emit<'_, 'c>, op: Arithmetic, rounding: Rounding, args: &[Value<'c>]) -> Value<'c> {
    if matches!(rounding, Rounding::NearestEven | Rounding::NearestAway) {
        return nearest(e, op, args);
    }
    if let Some(result) = x86::rounded(e, op, rounding, args) {
        return result;
    }
    if op == Arithmetic::Fma && !e.has_fma() && args[0].ty().scalar_bits() == 32 {
        return fma_in_double(e, rounding, args);
    }
    let result = if op == Arithmetic::Narrow { args[0].ty().with_scalar(e.float_type(32)) } else { args[0].ty() };
    e.call(switching_function(e, op, rounding, args, result), args)
}

fn nearest<'c>(e: &Emit<'_, 'c>, op: Arithmetic, args: &[Value<'c>]) -> Value<'c> {
    match op {
        Arithmetic::Add => e.float(FloatOp::Add, args[0], args[1]),
        Arithmetic::Sub => e.float(FloatOp::Sub, args[0], args[1]),
        Arithmetic::Mul => e.float(FloatOp::Mul, args[0], args[1]),
        Arithmetic::Div => e.float(FloatOp::Div, args[0], args[1]),
        Arithmetic::Sqrt => e.fsqrt(args[0]),
        Arithmetic::Fma => fma(e, args[0], args[1], args[2]),
        Arithmetic::Narrow => e.fptrunc(args[0], e.float_type(32)),
    }
}

/// The function of the module that computes `op` in another rounding mode.
fn switching_function<'c>(
    e: &Emit<'_, 'c>,
    op: Arithmetic,
    rounding: Rounding,
    args: &[Value<'c>],
    result: Type<'c>,
) -> Function<'c> {
    // The numbers of `llvm.set.rounding`, which are C's FLT_ROUNDS.
    let mode = match rounding {
        Rounding::Zero => 0,
        Rounding::Up => 2,
        Rounding::Down => 3,
        Rounding::NearestEven | Rounding::NearestAway => 1,
    };
    let (context, ty) = (e.context(), args[0].ty());
    let name = format!("vgpu.rounded.{}.{}x{}.{mode}", op.name(), ty.lanes(), ty.scalar_bits());
    if let Some(function) = context.function(&name) {
        return function;
    }
    let params: Vec<_> = args.iter().map(|arg| arg.ty()).collect();
    let function = context.add_function(&name, context.function_type(result, &params));
    function.make_internal();
    for flag in ["strictfp", "noinline", "nounwind"] {
        function.add_flag(context, flag, None);
    }
    let builder = Builder::new(context);
    builder.position(function.append(context, "entry"));
    let args: Vec<_> = (0..args.len() as u32).map(|idx| function.argument(idx)).collect();
    let set = |mode| {
        builder.strict_intrinsic("llvm.set.rounding", &[], &[context.int(32).constant(mode)], &[]);
    };
    set(mode);
    let overloads = if op == Arithmetic::Narrow { vec![result, ty] } else { vec![ty] };
    let intrinsic = format!("llvm.experimental.constrained.{}", op.name());
    let value = builder.strict_intrinsic(&intrinsic, &overloads, &args, &["round.dynamic", "fpexcept.strict"]);
    set(1);
    builder.ret(value);
    function
}

/// `a * b + c`, rounded once to nearest.
pub(super) fn fma<'c>(e: &Emit<'_, 'c>, a: Value<'c>, b: Value<'c>, c: Value<'c>) -> Value<'c> {
    if e.has_fma() || a.ty().scalar_bits() == 64 {
        return e.intrinsic("llvm.fma", &[a.ty()], &[a, b, c]);
    }
    fma_in_double(e, Rounding::NearestEven, &[a, b, c])
}

/// `float` operands, where their type has no fused instruction: `double` holds the product exactly.
fn fma_in_double<'c>(e: &Emit<'_, 'c>, rounding: Rounding, args: &[Value<'c>]) -> Value<'c> {
    let double = |idx: usize| e.fpext(args[idx], e.float_type(64));
    let (product, addend) = (e.fmul(double(0), double(1)), double(2));
    let sum = sum_to_odd(e, product, addend);
    let result = arithmetic(e, Arithmetic::Narrow, rounding, &[sum]);
    if rounding != Rounding::Down {
        return result;
    }
    // An exact zero is -0 in this direction unless both terms are +0.
    let signs = e.or(e.bits_of(product), e.bits_of(addend));
    let zero = e.fcmp(FloatPredicate::Oeq, sum, sum.ty().zero());
    let negative = e.and(zero, e.is_negative(signs));
    e.select(negative, e.kf(result, -0.0), result)
}

/// `a * b` or `a * b + c` on `float`s, rounded to odd, whatever the exponents.
pub(super) fn product_to_odd<'c>(e: &Emit<'_, 'c>, a: Value<'c>, b: Value<'c>, c: Option<Value<'c>>) -> Value<'c> {
    let (op, args) = match c {
        Some(c) => (Arithmetic::Fma, vec![a, b, c]),
        None => (Arithmetic::Mul, vec![a, b]),
    };
    if let Some(result) = odd_neighbour(e, op, &args) {
        return result;
    }
    let double = |value| e.fpext(value, e.float_type(64));
    let product = e.fmul(double(a), double(b));
    c.map_or(product, |c| sum_to_odd(e, product, double(c)))
}

/// Rounds both ways and takes the odd one: of two neighbours one is, and what is exact is both. A zero sum of two signs is
/// positive, as to nearest.
fn odd_neighbour<'c>(e: &Emit<'_, 'c>, op: Arithmetic, args: &[Value<'c>]) -> Option<Value<'c>> {
    let down = x86::rounded(e, op, Rounding::Down, args)?;
    let up = x86::rounded(e, op, Rounding::Up, args)?;
    let odd = e.is_not_zero(e.mask(e.bits_of(down), 1));
    Some(e.select(odd, down, up))
}

/// `a + b` rounded to odd.
pub(super) fn sum_to_odd<'c>(e: &Emit<'_, 'c>, a: Value<'c>, b: Value<'c>) -> Value<'c> {
    if let Some(result) = odd_neighbour(e, Arithmetic::Add, &[a, b]) {
        return result;
    }
    let sum = e.fadd(a, b);
    // Knuth's two-sum: the error of the rounded sum, exactly.
    let from_b = e.fsub(sum, a);
    let error = e.fadd(e.fsub(a, e.fsub(sum, from_b)), e.fsub(b, from_b));
    let bits = e.bits_of(sum);
    let even = e.is_zero(e.mask(bits, 1));
    let inexact = e.fcmp(FloatPredicate::One, error, error.ty().zero());
    // One step toward the exact sum: away from zero when the error has the sum's sign.
    let same_sign = e.icmp(crate::llvm::IntPredicate::Sge, e.xor(bits, e.bits_of(error)), bits.ty().zero());
    let step = e.select(same_sign, e.k(bits, 1), bits.ty().all_ones());
    let odd = e.select(e.and(even, inexact), e.add(bits, step), bits);
    e.float_of(odd)
}
