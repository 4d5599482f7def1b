//! Modifiers of operations that a thread does by itself: conversions, comparisons, integers, floating point, video.
//!
//! Source: PTX ISA 9.x, chapter "Instruction Set".

use super::{BoolOp, Compare, Rounding, ScalarType};

/// `cvt` modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cvt {
    /// Destination type.
    pub to: ScalarType,
    /// Source type.
    pub from: ScalarType,
    /// Rounding; for float to integer the integer rounding, for float to float of the same type with
    /// `integer`, rounding to an integral value. `None` where the conversion is exact.
    pub rounding: Option<Rounding>,
    /// `.rni .rzi .rmi .rpi` on a float-to-float conversion.
    pub integral: bool,
    /// `.ftz`.
    pub ftz: bool,
    /// `.sat`: clamp to `[0, 1]` for a float result, to the range for an integer result.
    pub saturate: bool,
    /// `.satfinite`.
    pub satfinite: bool,
    /// `.relu`.
    pub relu: bool,
}

/// Comparison of `set` and `setp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Comparison {
    /// Comparison operator.
    pub op: Compare,
    /// Type of `a` and `b`.
    pub ty: ScalarType,
    /// Combination with the third source, when there is one.
    pub combine: Option<BoolOp>,
    /// `.ftz`.
    pub ftz: bool,
}

/// Two-operand integer operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntBinary {
    /// Wraps.
    Add,
    /// `add.sat.s32`.
    AddSat,
    /// Wraps.
    Sub,
    /// `sub.sat.s32`.
    SubSat,
    /// Low half.
    MulLo,
    /// High half.
    MulHi,
    /// Division by zero gives all ones here (the manual leaves it machine-specific); MIN / -1 gives MIN.
    Div,
    /// `a rem 0` gives `a` here; MIN rem -1 gives 0.
    Rem,
    /// Minimum.
    Min,
    /// Maximum.
    Max,
    /// `.relu` minimum (`s16x2`, `s32`): clamp below at zero.
    MinRelu,
    /// `.relu` maximum.
    MaxRelu,
    /// Also for predicates.
    And,
    /// Also for predicates.
    Or,
    /// Also for predicates.
    Xor,
    /// `b` is 32 bits; amounts past the width give 0.
    Shl,
    /// `b` is 32 bits; arithmetic for signed types; amounts past the width give 0 or the sign.
    Shr,
}

/// One-operand integer operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntUnary {
    /// Two's complement; `abs(MIN)` is `MIN`.
    Abs,
    /// Two's complement.
    Neg,
    /// Bitwise, also for predicates.
    Not,
    /// 1 when `a` is 0, else 0.
    Cnot,
    /// Population count, 32-bit result.
    Popc,
    /// Leading zeros, 32-bit result.
    Clz,
    /// Bit reversal.
    Brev,
    /// Highest bit that differs from the sign; all ones when none; 32-bit result.
    Bfind,
    /// As `Bfind`, as the shift that moves it to the top.
    BfindShift,
}

/// Which part of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MulHalf {
    /// Lower half.
    Lo,
    /// Upper half.
    Hi,
    /// Whole product.
    Wide,
}

/// Extended-precision integer operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum CarryOp {
    Add,
    Sub,
    MadLo,
    MadHi,
}

/// `prmt` modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the variants are PTX's own names")]
pub enum PrmtMode {
    Default,
    F4e,
    B4e,
    Rc8,
    Ecl,
    Ecr,
    Rc16,
}

/// Two-operand floating-point operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum FloatBinary {
    Add,
    Sub,
    Mul,
    Min,
    Max,
}

/// Sign operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum FloatUnary {
    Neg,
    Abs,
}

/// Modifiers of floating-point arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FloatMode {
    /// Rounding of the result.
    pub rounding: Rounding,
    /// Flush subnormal inputs and results to sign-preserving zero.
    pub ftz: bool,
    /// Clamp to `[0, 1]`; NaN becomes +0.
    pub saturate: bool,
    /// `min`/`max`: NaN if either is NaN (else the number wins). A NaN result is canonical (`0x7fffffff`, `0x7fff`).
    pub nan: bool,
    /// `min`/`max` `.xorsign.abs`.
    pub xorsign_abs: bool,
    /// `fma.relu`: negative and NaN-free clamp at zero; NaN becomes canonical NaN.
    pub relu: bool,
}

impl Default for FloatMode {
    fn default() -> Self {
        Self {
            rounding: Rounding::NearestEven,
            ftz: false,
            saturate: false,
            nan: false,
            xorsign_abs: false,
            relu: false,
        }
    }
}

/// How exact `div`, `rcp` and `sqrt` are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Accuracy {
    /// `.approx`: within the manual's bound.
    Approx,
    /// `div.full`: 2 ulp over the full range.
    Full,
    /// IEEE, rounded as the mode says.
    Ieee,
}

/// Approximate functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the variants are PTX's own names")]
pub enum Transcendental {
    Rsqrt,
    Sin,
    Cos,
    Lg2,
    Ex2,
    Tanh,
}

/// Scalar video instruction: `vadd vsub vabsdiff vmin vmax vshl vshr vmad vset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Video {
    /// Operation.
    pub op: VideoOp,
    /// Result is signed (`.s32`).
    pub d_signed: bool,
    /// `a` is signed.
    pub a_signed: bool,
    /// `b` is signed.
    pub b_signed: bool,
    /// Part of `a`.
    pub a_part: VideoPart,
    /// Part of `b`.
    pub b_part: VideoPart,
    /// Where the result goes in `c` (data-merge form); `Whole` when not merged.
    pub d_part: VideoPart,
    /// Clamp to the range of the result part.
    pub saturate: bool,
    /// Secondary operation on `c`.
    pub second: Option<VideoSecond>,
    /// `vset` comparison.
    pub compare: Option<Compare>,
    /// `vshl`/`vshr`: clamp when true, else wrap.
    pub clamp: bool,
    /// `vmad`: `.po` plus one.
    pub plus_one: bool,
    /// `vmad`: negate the product.
    pub negate_product: bool,
    /// `vmad`: negate `c`.
    pub negate_c: bool,
    /// `vmad`: right shift by 0, 7 or 15.
    pub shift: u32,
}

/// SIMD video instruction: `vadd2 vsub2 vavrg2 vabsdiff2 vmin2 vmax2 vset2` and the `4` forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VideoSimd {
    /// Operation.
    pub op: VideoOp,
    /// 2 halfwords or 4 bytes.
    pub lanes: u32,
    /// Result is signed.
    pub d_signed: bool,
    /// `a` is signed.
    pub a_signed: bool,
    /// `b` is signed.
    pub b_signed: bool,
    /// For each element of `a` the index among the elements of `a` (0..lanes) and `b` (lanes..2*lanes).
    pub a_select: [u8; 4],
    /// The same for `b`.
    pub b_select: [u8; 4],
    /// Which elements are written (bit `i` for element `i`); the others come from `c`.
    pub mask: u8,
    /// Clamp.
    pub saturate: bool,
    /// `.add`: sum the elements and `c`.
    pub accumulate: bool,
    /// `vset` comparison.
    pub compare: Option<Compare>,
}

/// Video operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the variants are PTX's own names without the v")]
pub enum VideoOp {
    Add,
    Sub,
    AbsDiff,
    Min,
    Max,
    Shl,
    Shr,
    Mad,
    Set,
    Avrg,
}

/// Byte or half of a 32-bit operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VideoPart {
    /// All 32 bits.
    Whole,
    /// `.b0` to `.b3`.
    Byte(u8),
    /// `.h0`, `.h1`.
    Half(u8),
}

/// Secondary operation of a scalar video instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the variants are PTX's own names")]
pub enum VideoSecond {
    Add,
    Min,
    Max,
}
