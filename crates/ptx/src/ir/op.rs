//! Operations. For each: destinations `<-` sources, in operand order.
//!
//! "Width of the type" means `ScalarType::bits`; packed types are one 32-bit (16-bit for `e4m3x2`) register.
//! Where PTX gives a default (`.rn`, no `.ftz`) it is spelled out. f64 and integer operations never flush;
//! `ftz` on f32 flushes subnormal inputs and results to zero with the sign kept.

use super::{
    AtomicOp, BoolOp, CacheOp, CallArgs, Compare, FloatTest, FuncId, MemorySemantics, ProtoId, Rounding, ScalarType,
    Scope, Space, SpecialReg,
};

/// What an instruction does.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    // ---- Data movement -------------------------------------------------------------------------------------------
    /// `mov`: `d <- a`. Also `cvta` forms that change nothing, and materialised symbol addresses.
    Mov(ScalarType),
    /// `mov.bN d, {a, b, ..}`: `d <- a0, a1, ..`, lowest bits first; all sources have type `element`.
    Pack {
        /// Type of each source.
        element: ScalarType,
    },
    /// `mov.bN {d, e, ..}, a`: `d0, d1, .. <- a`, lowest bits first.
    Unpack {
        /// Type of each destination.
        element: ScalarType,
    },
    /// `mov d, %special`: `d <-`. The register has the special register's width; PTX's implicit conversions
    /// (`mov.u16 d, %tid.x`) are a `Cvt` after it.
    ReadSpecial(SpecialReg),
    /// `cvt`: `d <- a`, or `d <- a, b` for packed results (`a` is the upper half). Registers may be wider than the
    /// types: the source is truncated; an integer result is sign- or zero-extended by its own type's sign.
    Cvt(Cvt),
    /// `cvt.pack.sat.to.from{.b32}`: `d <- a, b[, c]`.
    CvtPack {
        /// Type of each packed element (`s16 u16 s8 u8 s4 u4 s2 u2` as bits and sign).
        to_bits: u32,
        /// Packed elements are signed.
        to_signed: bool,
        /// `.s32` source when true, else `.u32`.
        from_signed: bool,
        /// The three-operand form that shifts `c` up and inserts.
        insert: bool,
    },
    /// `cvta` / `cvta.to`: `d <- a`, 64-bit (or 32-bit with `.u32`). Shared and local windows only; others are `Mov`.
    Cvta {
        /// `Shared` or `Local`, or `Param` for a kernel parameter.
        space: Space,
        /// From the space to generic when true, else from generic to the space.
        to_generic: bool,
    },
    /// `isspacep`: `p <- a` (generic address).
    IsSpace(Space),
    /// `selp`: `d <- a, b, p`.
    Selp(ScalarType),
    /// `slct`: `d <- a, b, c`: `a` when `c >= 0` else `b`.
    Slct {
        /// Type of `a`, `b` and `d`.
        ty: ScalarType,
        /// `S32` or `F32`.
        condition: ScalarType,
        /// Flush `c`.
        ftz: bool,
    },
    /// `set`: `d <- a, b[, p]`: all ones / 1.0 where the comparison (combined with `p`) holds, else 0.
    Set {
        /// Comparison.
        compare: Comparison,
        /// `U32 S32 U16 S16 F32 F16 F16x2 BF16 BF16x2 U16x2..` result type.
        result: ScalarType,
    },
    /// `setp`: `p, q <- a, b[, c]`: `p = (a cmp b) op c`, `q = !(a cmp b) op c`. For packed types `p` is the lower and
    /// `q` the upper half's result instead.
    Setp(Comparison),
    /// `prefetch`, `prefetchu`, `discard`, `applypriority`: `<- a`. A hint.
    Prefetch,

    // ---- Integers ------------------------------------------------------------------------------------------------
    /// Two-operand integer and bitwise operations: `d <- a, b`.
    IntBinary(IntBinary, ScalarType),
    /// One-operand integer and bitwise operations: `d <- a`. `Popc`, `Clz`, `Bfind` give 32 bits.
    IntUnary(IntUnary, ScalarType),
    /// `mul.wide`: `d <- a, b`; `d` is twice the width of the type.
    MulWide(ScalarType),
    /// `mad`: `d <- a, b, c`; with `Wide`, `c` and `d` are twice the width.
    Mad {
        /// Operand type.
        ty: ScalarType,
        /// Which half.
        half: MulHalf,
        /// `.sat` (`mad.hi.sat.s32`).
        saturate: bool,
    },
    /// `mul24`/`mad24`: `d <- a, b[, c]`.
    Mul24 {
        /// `U32` or `S32`.
        ty: ScalarType,
        /// `.hi` (bits 47..16 of the product) when true.
        high: bool,
        /// Has the addend `c`.
        mad: bool,
        /// `.sat` (`mad24.hi.sat.s32`).
        saturate: bool,
    },
    /// `sad`: `d <- a, b, c`: `c + |a - b|`.
    Sad(ScalarType),
    /// `add.cc addc sub.cc subc mad.cc madc`: `d[, cc_out] <- a, b[, c][, cc_in]`. `cc` are predicate registers that
    /// stand for the condition-code register; `cc_in` is the last source when `carry_in`, `cc_out` the last
    /// destination when `carry_out`. After a subtraction `cc` holds the borrow.
    Carry {
        /// Which operation.
        op: CarryOp,
        /// `B32`- or `B64`-sized integer type.
        ty: ScalarType,
        /// Reads `cc`.
        carry_in: bool,
        /// Writes `cc`.
        carry_out: bool,
    },
    /// `bfe`: `d <- a, position, length`.
    Bfe(ScalarType),
    /// `bfi`: `f <- a, b, position, length`: insert `a` in `b`.
    Bfi(ScalarType),
    /// `bmsk`: `d <- position, width`; clamp when true, else wrap.
    Bmsk {
        /// `.clamp`.
        clamp: bool,
    },
    /// `szext`: `d <- a, position`.
    Szext {
        /// `S32` or `U32`.
        ty: ScalarType,
        /// `.clamp` when true, else `.wrap`.
        clamp: bool,
    },
    /// `fns`: `d <- mask, base, offset`.
    Fns,
    /// `shf`: `d <- low, high, shift`, 32-bit.
    Shf {
        /// `.l` when true, else `.r`.
        left: bool,
        /// `.clamp` when true, else `.wrap`.
        clamp: bool,
    },
    /// `prmt`: `d <- a, b, selector`.
    Prmt(PrmtMode),
    /// `lop3`: `d <- a, b, c` with an 8-bit truth table; with a `BoolOp`, `d, p <- a, b, c, q`: `p = (d != 0) op q`.
    Lop3 {
        /// Truth table (`immLut`).
        table: u8,
        /// `.or` or `.and` form.
        predicate: Option<BoolOp>,
    },
    /// `dp4a`: `d <- a, b, c`.
    Dp4a {
        /// `a` holds signed bytes.
        a_signed: bool,
        /// `b` holds signed bytes.
        b_signed: bool,
    },
    /// `dp2a`: `d <- a, b, c`.
    Dp2a {
        /// `a` holds signed 16-bit values.
        a_signed: bool,
        /// `b` holds signed bytes.
        b_signed: bool,
        /// `.hi`: upper two bytes of `b`.
        high: bool,
    },
    /// Scalar video instructions: `d <- a, b, c` (`c` present when `second` or `merge` is, or for `vmad`).
    Video(Video),
    /// SIMD video instructions: `d <- a, b, c`.
    VideoSimd(VideoSimd),

    // ---- Floating point ------------------------------------------------------------------------------------------
    /// Two-operand arithmetic: `d <- a, b`.
    FloatBinary(FloatBinary, ScalarType, FloatMode),
    /// One-operand sign operations: `d <- a`.
    FloatUnary(FloatUnary, ScalarType, FloatMode),
    /// `fma` and float `mad`: `d <- a, b, c`, one rounding.
    Fma(ScalarType, FloatMode),
    /// Three-input `min`/`max` (sm_100 in f32; kept for completeness): `d <- a, b, c`.
    FloatMinMax3 {
        /// Maximum when true.
        max: bool,
        /// Modifiers.
        mode: FloatMode,
    },
    /// `div`: `d <- a, b`.
    Div(ScalarType, Accuracy, FloatMode),
    /// `rcp`: `d <- a`. The f64 approximate form reads and writes only the upper 32 bits' precision.
    Rcp(ScalarType, Accuracy, FloatMode),
    /// `sqrt`: `d <- a`.
    Sqrt(ScalarType, Accuracy, FloatMode),
    /// `rsqrt.approx`, `sin.approx`, `cos.approx`, `lg2.approx`, `ex2.approx`, `tanh.approx`: `d <- a`.
    Transcendental(Transcendental, ScalarType, FloatMode),
    /// `copysign`: `d <- a, b`: sign of `a`, magnitude of `b`.
    Copysign(ScalarType),
    /// `testp`: `p <- a`.
    TestP(FloatTest, ScalarType),

    // ---- Memory --------------------------------------------------------------------------------------------------
    /// `ld`, `ldu`: `d0 .. dn <- address`. A destination may be wider than the type: integers are extended by the
    /// type's sign, `.b` and float types zero-extended. `vector` consecutive elements.
    Load(Access),
    /// `st`: `<- address, a0 .. an`. A source may be wider than the type: the low bits are stored.
    Store(Access),
    /// `atom`: `d <- address, b[, c]`; `Cas` has `b` = compare, `c` = swap. Vector forms (`.v2.f32` ..): `n`
    /// destinations, `n` values.
    Atomic(Atomic),
    /// `red`: `<- address, b ..`.
    Reduce(Atomic),
    /// `fence`, `membar`: `<-`.
    Fence(MemorySemantics, Scope),
    /// `cp.async.{ca,cg}.shared.global`: `<- dst (shared), src (global)[, src_size]`. `bytes` are written; with
    /// `src_size` the rest is zero.
    CpAsync {
        /// 4, 8 or 16.
        bytes: u32,
        /// Has the `src_size` operand.
        has_src_size: bool,
        /// Has an `ignore_src` predicate as last source: where true, zeros are written.
        has_ignore: bool,
    },
    /// `cp.async.commit_group`: `<-`.
    CpAsyncCommit,
    /// `cp.async.wait_group n` and `wait_all` (`None`): `<-`.
    CpAsyncWait(Option<u32>),
    /// `mbarrier.*`, and `cp.async.mbarrier.arrive`.
    Mbarrier(Mbarrier),

    // ---- Matrix --------------------------------------------------------------------------------------------------
    /// `mma.sync`: `d.. <- a.., b.., c..[, metadata, selector]`, fragments in PTX's register order.
    Mma(Mma),
    /// `wmma.load`: `d.. <- address[, stride]`.
    WmmaLoad(WmmaAccess),
    /// `wmma.store`: `<- address, a..[, stride]`.
    WmmaStore(WmmaAccess),
    /// `ldmatrix`: `d0 .. dn <- address` (shared or generic).
    LdMatrix(MatrixAccess),
    /// `stmatrix`: `<- address, a0 .. an`.
    StMatrix(MatrixAccess),
    /// `movmatrix.trans.m8n8.b16`: `d <- a`.
    MovMatrix,

    // ---- Between threads -----------------------------------------------------------------------------------------
    /// `bar`, `barrier`: `[d] <- barrier[, threads][, p]`. All lanes of a warp that execute it count as the whole warp.
    Barrier(Barrier),
    /// `bar.warp.sync`: `<- membermask`.
    WarpSync,
    /// `shfl`: `d, p <- a, b, c[, membermask]`.
    Shuffle {
        /// Which lane is read.
        mode: ShuffleMode,
        /// Has a membermask (`.sync`).
        sync: bool,
    },
    /// `vote`: `d <- p[, membermask]`; `d` is a predicate, 32 bits for `Ballot`.
    Vote {
        /// Which vote.
        mode: VoteMode,
        /// Has a membermask (`.sync`).
        sync: bool,
    },
    /// `match.any.sync`: `d <- a, membermask`; `match.all.sync`: `d, p <- a, membermask`.
    Match {
        /// `.all` when true, else `.any`.
        all: bool,
        /// `B32` or `B64`.
        ty: ScalarType,
    },
    /// `activemask`: `d <-`.
    ActiveMask,
    /// `redux.sync`: `d <- a, membermask`.
    Redux {
        /// Operation.
        op: ReduxOp,
        /// Type (`f32` with `.abs`/`.NaN` is sm_100: refused).
        ty: ScalarType,
    },
    /// `elect.sync`: `d, p <- membermask`.
    Elect,
    /// `nanosleep`: `<- t`.
    Nanosleep,

    // ---- Calls and stack -----------------------------------------------------------------------------------------
    /// Direct call: no operands; arguments are in frame variables.
    Call(FuncId, CallArgs),
    /// Indirect call: `<- handle` (64-bit function address).
    CallIndirect(ProtoId, CallArgs),
    /// A function that the device itself provides; arguments as for a call.
    CallBuiltin(Builtin, CallArgs),
    /// `alloca`: `d <- size`; gives a local address.
    Alloca {
        /// Alignment in bytes.
        align: u32,
    },
    /// `stacksave`: `d <-`.
    StackSave,
    /// `stackrestore`: `<- a`.
    StackRestore,
    /// `brkpt`, `pmevent`, `setmaxnreg`, `griddepcontrol`: no effect on the software device.
    Nop,
}

/// Functions that CUDA's device runtime provides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Builtin {
    /// `vprintf(format: u64, args: u64) -> s32`.
    Vprintf,
    /// `malloc(size: u64) -> u64`.
    Malloc,
    /// `free(ptr: u64)`.
    Free,
    /// `__assertfail(message, file: u64, line: u32, function: u64, char_size: u64)`.
    AssertFail,
    /// `cudaCGGetIntrinsicHandle(scope: u32) -> u64`.
    CgGetIntrinsicHandle,
    /// `cudaCGSynchronize(handle: u64, flags: u32) -> u32`.
    CgSynchronize,
    /// `cudaCGGetSize(num_threads: u64, num_grids: u64, handle: u64) -> u32`; null pointers want no value.
    CgGetSize,
    /// `cudaCGGetRank(thread_rank: u64, grid_rank: u64, handle: u64) -> u32`; the same.
    CgGetRank,
}

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

/// A load or store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Access {
    /// State space.
    pub space: Space,
    /// Element type.
    pub ty: ScalarType,
    /// Number of elements: 1, 2, 4 or 8.
    pub vector: u32,
    /// Added to the address, bytes.
    pub offset: i64,
    /// Strength.
    pub semantics: MemorySemantics,
    /// Scope of a strong access.
    pub scope: Scope,
    /// `.nc`: nobody writes it during the launch.
    pub read_only: bool,
    /// Hint.
    pub cache: CacheOp,
}

/// `atom` and `red`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Atomic {
    /// State space: `Generic`, `Global` or `Shared`.
    pub space: Space,
    /// Operation.
    pub op: AtomicOp,
    /// Element type.
    pub ty: ScalarType,
    /// Number of elements (`.v2 .v4 .v8`), normally 1; each element is atomic on its own.
    pub vector: u32,
    /// Added to the address, bytes.
    pub offset: i64,
    /// Strength.
    pub semantics: MemorySemantics,
    /// Scope.
    pub scope: Scope,
}

/// `mbarrier` operations on a 64-bit object at an address in shared memory (`space` Shared or Generic).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mbarrier {
    /// State space of the address.
    pub space: Space,
    /// Added to the address, bytes.
    pub offset: i64,
    /// Which operation.
    pub op: MbarrierOp,
}

/// Which `mbarrier` operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MbarrierOp {
    /// `init`: `<- address, count`.
    Init,
    /// `inval`: `<- address`.
    Invalidate,
    /// `arrive[.noComplete]`: `state <- address, count`; `drop` for `arrive_drop`.
    Arrive {
        /// `arrive_drop`: lowers the expected count of the following phases as well.
        drop: bool,
        /// `.expect_tx`: the second operand is a transaction count and one arrival happens.
        expect_tx: bool,
    },
    /// `expect_tx`: `<- address, tx`.
    ExpectTx,
    /// `complete_tx`: `<- address, tx`.
    CompleteTx,
    /// `test_wait` / `try_wait`: `p <- address, state`; with `parity`, the second operand is the phase parity.
    TestWait {
        /// `.parity`.
        parity: bool,
        /// `try_wait`: potentially blocking.
        blocking: bool,
    },
    /// `pending_count`: `d <- state` (no address).
    PendingCount,
    /// `cp.async.mbarrier.arrive[.noinc]`: `<- address`.
    CpAsyncArrive {
        /// `.noinc`.
        no_increment: bool,
    },
}

/// `mma.sync` (dense and `.sp`) and `wmma.mma`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mma {
    /// `m`, `n`, `k`.
    pub shape: [u32; 3],
    /// Row-major `a`.
    pub a_row: bool,
    /// Row-major `b` (`mma.sync` uses `col`).
    pub b_row: bool,
    /// Type of `d`.
    pub d: ScalarType,
    /// Type of `a`.
    pub a: ScalarType,
    /// Type of `b`.
    pub b: ScalarType,
    /// Type of `c`.
    pub c: ScalarType,
    /// `wmma.mma` fragment layout when true, else `mma.sync` layout.
    pub wmma: bool,
    /// Clamp integer results.
    pub satfinite: bool,
    /// Sparse `a` (`mma.sp`): metadata and selector are the last two sources.
    pub sparse: bool,
    /// For 1-bit: `xor.popc` or `and.popc`.
    pub bit_op: Option<BitMma>,
    /// Rounding of f64 `mma`.
    pub rounding: Rounding,
}

/// 1-bit `mma` operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the variants are PTX's own names")]
pub enum BitMma {
    XorPopc,
    AndPopc,
}

/// Which matrix a `wmma` fragment belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the variants are PTX's own names")]
pub enum MatrixRole {
    A,
    B,
    C,
    D,
}

/// `wmma.load` and `wmma.store`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WmmaAccess {
    /// Which matrix.
    pub role: MatrixRole,
    /// `m`, `n`, `k`.
    pub shape: [u32; 3],
    /// Row-major in memory.
    pub row: bool,
    /// Element type.
    pub ty: ScalarType,
    /// State space.
    pub space: Space,
    /// Added to the address, bytes.
    pub offset: i64,
    /// Has a leading-dimension operand (in elements).
    pub has_stride: bool,
}

/// `ldmatrix` and `stmatrix`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MatrixAccess {
    /// 1, 2 or 4 matrices of 8x8 16-bit elements.
    pub count: u32,
    /// `.trans`.
    pub transposed: bool,
    /// State space: `Shared` or `Generic`.
    pub space: Space,
    /// Added to the address, bytes.
    pub offset: i64,
}

/// `bar` and `barrier`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Barrier {
    /// Which operation.
    pub op: BarrierOp,
    /// Has a thread count operand after the barrier number.
    pub has_threads: bool,
    /// `.aligned`: all threads of the warp execute it together.
    pub aligned: bool,
}

/// Which barrier operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BarrierOp {
    /// Arrive and wait.
    Sync,
    /// Arrive without waiting.
    Arrive,
    /// `red.popc`: 32-bit count of true predicates; the predicate is the last source.
    RedPopc,
    /// `red.and`: predicate result.
    RedAnd,
    /// `red.or`: predicate result.
    RedOr,
}

/// `shfl` modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the variants are PTX's own names")]
pub enum ShuffleMode {
    Up,
    Down,
    Bfly,
    Idx,
}

/// `vote` modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the variants are PTX's own names")]
pub enum VoteMode {
    All,
    Any,
    Uni,
    Ballot,
}

/// `redux.sync` operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the variants are PTX's own names")]
pub enum ReduxOp {
    Add,
    Min,
    Max,
    And,
    Or,
    Xor,
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
