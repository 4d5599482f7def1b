//! The builder as arithmetic sees it: short names for what every operation needs.
//!
//! Model: [`Emit`] is a [`Builder`] plus the target. Values are integers (a register's bits) or floats, scalars or
//! vectors; every method keeps the shape of its operands. Nothing here knows an instruction of PTX.

use crate::Target;
use crate::llvm::{Builder, FloatOp, FloatPredicate, IntOp, IntPredicate, Type, Value};
use crate::target::Isa;
use std::ops::Deref;
use vgpu_ptx::ir::ScalarType;

/// A builder for a target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Emit<'a, 'c> {
    builder: &'a Builder<'c>,
    /// What the code may use.
    pub(super) target: &'a Target,
}

impl<'c> Deref for Emit<'_, 'c> {
    type Target = Builder<'c>;

    fn deref(&self) -> &Builder<'c> {
        self.builder
    }
}

impl<'a, 'c> Emit<'a, 'c> {
    /// Emits through `builder`.
    pub(super) const fn new(builder: &'a Builder<'c>, target: &'a Target) -> Self {
        Self { builder, target }
    }

    /// True when `llvm.fma` is an instruction of the target.
    pub(super) fn has_fma(&self) -> bool {
        !cfg!(target_arch = "x86_64") || self.target.isa >= Isa::Avx2
    }

    /// True when `half` converts from and to `float` in an instruction.
    pub(super) fn has_half(&self) -> bool {
        !cfg!(target_arch = "x86_64") || self.target.isa >= Isa::Avx2
    }

    /// True when vector arithmetic has a rounding direction in the instruction.
    pub(super) fn has_directed(&self) -> bool {
        self.target.isa == Isa::Avx512
    }

    /// The scalar integer type.
    pub(super) fn int_type(&self, bits: u32) -> Type<'c> {
        self.context().int(bits)
    }

    /// The float type with `bits` bits, 32 or 64.
    pub(super) fn float_type(&self, bits: u32) -> Type<'c> {
        if bits == 64 { self.context().f64() } else { self.context().f32() }
    }

    /// The low bits of a register that may be wider than the type.
    pub(super) fn low(&self, a: Value<'c>, ty: ScalarType) -> Value<'c> {
        self.resize(a, self.int_type(ty.bits()), false)
    }

    /// An integer constant of `like`'s type.
    pub(super) fn k(&self, like: Value<'c>, bits: u64) -> Value<'c> {
        like.ty().constant(bits)
    }

    /// A float constant of `like`'s type.
    pub(super) fn kf(&self, like: Value<'c>, value: f64) -> Value<'c> {
        like.ty().float_constant(value)
    }

    /// The bits of a 32- or 64-bit value as `float` or `double`.
    pub(super) fn float_of(&self, bits: Value<'c>) -> Value<'c> {
        self.bitcast(bits, self.float_type(bits.ty().scalar_bits()))
    }

    /// The bits of a float.
    pub(super) fn bits_of(&self, value: Value<'c>) -> Value<'c> {
        self.bitcast(value, self.int_type(value.ty().scalar_bits()))
    }

    /// Each lane as several elements of `bits` bits, lowest first.
    pub(super) fn split(&self, a: Value<'c>, bits: u32) -> Value<'c> {
        let n = a.ty().scalar_bits() / bits * a.ty().lanes().max(1);
        self.reinterpret(a, self.int_type(bits).vector(n))
    }

    /// The inverse of [`Emit::split`]: elements as lanes of type `like`.
    pub(super) fn join(&self, a: Value<'c>, like: Type<'c>) -> Value<'c> {
        self.reinterpret(a, like)
    }

    /// `a << n` for a constant below the width.
    pub(super) fn shl(&self, a: Value<'c>, n: u32) -> Value<'c> {
        self.int(IntOp::Shl, a, self.k(a, u64::from(n)))
    }

    /// `a >> n`, zeros coming in.
    pub(super) fn lshr(&self, a: Value<'c>, n: u32) -> Value<'c> {
        self.int(IntOp::LShr, a, self.k(a, u64::from(n)))
    }

    /// `a >> n`, the sign coming in.
    pub(super) fn ashr(&self, a: Value<'c>, n: u32) -> Value<'c> {
        self.int(IntOp::AShr, a, self.k(a, u64::from(n)))
    }

    /// `a & mask`.
    pub(super) fn mask(&self, a: Value<'c>, mask: u64) -> Value<'c> {
        self.and(a, self.k(a, mask))
    }

    /// `a + n`, modulo the width.
    pub(super) fn plus(&self, a: Value<'c>, n: i64) -> Value<'c> {
        self.add(a, self.k(a, n as u64))
    }

    /// `a == b`.
    pub(super) fn eq(&self, a: Value<'c>, b: Value<'c>) -> Value<'c> {
        self.icmp(IntPredicate::Eq, a, b)
    }

    /// `a == 0`.
    pub(super) fn is_zero(&self, a: Value<'c>) -> Value<'c> {
        self.icmp(IntPredicate::Eq, a, a.ty().zero())
    }

    /// `a != 0`.
    pub(super) fn is_not_zero(&self, a: Value<'c>) -> Value<'c> {
        self.icmp(IntPredicate::Ne, a, a.ty().zero())
    }

    /// `a < n`, unsigned.
    pub(super) fn below(&self, a: Value<'c>, n: u64) -> Value<'c> {
        self.icmp(IntPredicate::Ult, a, self.k(a, n))
    }

    /// `a > n`, unsigned.
    pub(super) fn above(&self, a: Value<'c>, n: u64) -> Value<'c> {
        self.icmp(IntPredicate::Ugt, a, self.k(a, n))
    }

    /// `a < 0`, signed.
    pub(super) fn is_negative(&self, a: Value<'c>) -> Value<'c> {
        self.icmp(IntPredicate::Slt, a, a.ty().zero())
    }

    /// An intrinsic of one operand.
    pub(super) fn call1(&self, name: &str, a: Value<'c>) -> Value<'c> {
        self.intrinsic(name, &[a.ty()], &[a])
    }

    /// An intrinsic of two operands of one type.
    pub(super) fn call2(&self, name: &str, a: Value<'c>, b: Value<'c>) -> Value<'c> {
        self.intrinsic(name, &[a.ty()], &[a, b])
    }

    /// Integer minimum or maximum.
    pub(super) fn extremum(&self, max: bool, signed: bool, a: Value<'c>, b: Value<'c>) -> Value<'c> {
        let name = match (max, signed) {
            (false, false) => "llvm.umin",
            (false, true) => "llvm.smin",
            (true, false) => "llvm.umax",
            (true, true) => "llvm.smax",
        };
        self.call2(name, a, b)
    }

    /// `min(a, n)`, unsigned.
    pub(super) fn at_most(&self, a: Value<'c>, n: u64) -> Value<'c> {
        self.extremum(false, false, a, self.k(a, n))
    }

    /// `a` between `low` and `high`, signed.
    pub(super) fn clamp_signed(&self, a: Value<'c>, low: i64, high: i64) -> Value<'c> {
        let a = self.extremum(true, true, a, self.k(a, low as u64));
        self.extremum(false, true, a, self.k(a, high as u64))
    }

    /// Leading zeros; the width for 0.
    pub(super) fn ctlz(&self, a: Value<'c>) -> Value<'c> {
        self.intrinsic("llvm.ctlz", &[a.ty()], &[a, self.int_type(1).zero()])
    }

    /// `a + b`, rounded to nearest.
    pub(super) fn fadd(&self, a: Value<'c>, b: Value<'c>) -> Value<'c> {
        self.float(FloatOp::Add, a, b)
    }

    /// `a - b`, rounded to nearest.
    pub(super) fn fsub(&self, a: Value<'c>, b: Value<'c>) -> Value<'c> {
        self.float(FloatOp::Sub, a, b)
    }

    /// `a * b`, rounded to nearest.
    pub(super) fn fmul(&self, a: Value<'c>, b: Value<'c>) -> Value<'c> {
        self.float(FloatOp::Mul, a, b)
    }

    /// `a / b`, rounded to nearest.
    pub(super) fn fdiv(&self, a: Value<'c>, b: Value<'c>) -> Value<'c> {
        self.float(FloatOp::Div, a, b)
    }

    /// `a * factor`.
    pub(super) fn scale(&self, a: Value<'c>, factor: f64) -> Value<'c> {
        self.fmul(a, self.kf(a, factor))
    }

    /// `|a|`.
    pub(super) fn fabs(&self, a: Value<'c>) -> Value<'c> {
        self.call1("llvm.fabs", a)
    }

    /// Square root, rounded to nearest.
    pub(super) fn fsqrt(&self, a: Value<'c>) -> Value<'c> {
        self.call1("llvm.sqrt", a)
    }

    /// True where `a` is NaN.
    pub(super) fn is_nan(&self, a: Value<'c>) -> Value<'c> {
        self.fcmp(FloatPredicate::Uno, a, a)
    }

    /// The larger of `a` and the number `n`; `n` when `a` is NaN or equal.
    pub(super) fn fmax_number(&self, a: Value<'c>, n: f64) -> Value<'c> {
        let n = self.kf(a, n);
        self.select(self.fcmp(FloatPredicate::Ogt, a, n), a, n)
    }

    /// The smaller of `a` and the number `n`; `n` when `a` is NaN or equal.
    pub(super) fn fmin_number(&self, a: Value<'c>, n: f64) -> Value<'c> {
        let n = self.kf(a, n);
        self.select(self.fcmp(FloatPredicate::Olt, a, n), a, n)
    }

    /// `a` between `low` and `high`; NaN stays.
    pub(super) fn fclamp(&self, a: Value<'c>, low: f64, high: f64) -> Value<'c> {
        let (low, high) = (self.kf(a, low), self.kf(a, high));
        let a = self.select(self.fcmp(FloatPredicate::Olt, high, a), high, a);
        self.select(self.fcmp(FloatPredicate::Ogt, low, a), low, a)
    }
}
