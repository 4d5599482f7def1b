//! Operations. For each: destinations `<-` sources, in operand order.
//!
//! "Width of the type" means `ScalarType::bits`; packed types are one 32-bit (16-bit for `e4m3x2`) register.
//! Where PTX gives a default (`.rn`, no `.ftz`) it is spelled out. f64 and integer operations never flush;
//! `ftz` on f32 flushes subnormal inputs and results to zero with the sign kept.

use super::{
    Access, Accuracy, Atomic, Barrier, BoolOp, CallArgs, CarryOp, Comparison, Cvt, FloatBinary, FloatMode, FloatTest,
    FloatUnary, FuncId, IntBinary, IntUnary, MatrixAccess, Mbarrier, MemorySemantics, Mma, MulHalf, PrmtMode, ProtoId,
    ReduxOp, ScalarType, Scope, ShuffleMode, Space, SpecialReg, Transcendental, Video, VideoSimd, VoteMode, WmmaAccess,
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

impl Op {
    /// What a message calls it, for operations that access memory at an address: `ld.global`, `atom`, `ldmatrix.shared`.
    pub fn access_name(&self) -> Option<String> {
        let (name, space) = match self {
            Self::Load(access) => ("ld", access.space),
            Self::Store(access) => ("st", access.space),
            Self::Atomic(atomic) => ("atom", atomic.space),
            Self::Reduce(atomic) => ("red", atomic.space),
            Self::CpAsync { .. } => ("cp.async", Space::Shared),
            Self::Mbarrier(form) => ("mbarrier", form.space),
            Self::LdMatrix(form) => ("ldmatrix", form.space),
            Self::StMatrix(form) => ("stmatrix", form.space),
            Self::WmmaLoad(form) => ("wmma.load", form.space),
            Self::WmmaStore(form) => ("wmma.store", form.space),
            _ => return None,
        };
        let space = match space {
            Space::Generic => "",
            Space::Global => ".global",
            Space::Shared => ".shared",
            Space::Local => ".local",
            Space::Const => ".const",
            Space::Param => ".param",
        };
        Some(format!("{name}{space}"))
    }

    /// Whether other threads take part or see it happen: atomics, barriers, exchanges in a warp, matrices. Such operations
    /// are what keeps threads of a warp together.
    pub const fn is_between_threads(&self) -> bool {
        matches!(
            self,
            Self::Atomic(_)
                | Self::Reduce(_)
                | Self::Mbarrier(_)
                | Self::Mma(_)
                | Self::WmmaLoad(_)
                | Self::WmmaStore(_)
                | Self::LdMatrix(_)
                | Self::StMatrix(_)
                | Self::MovMatrix
                | Self::Barrier(_)
                | Self::WarpSync
                | Self::Shuffle { .. }
                | Self::Vote { .. }
                | Self::Match { .. }
                | Self::ActiveMask
                | Self::Redux { .. }
                | Self::Elect
        )
    }
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
