//! Scalar types, state spaces and the modifiers that several instruction families share.

use std::fmt;

/// Width of a virtual register. Registers hold bits; instructions give them meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RegWidth {
    /// One truth value.
    Pred,
    /// 8 bits.
    B8,
    /// 16 bits.
    B16,
    /// 32 bits.
    B32,
    /// 64 bits.
    B64,
    /// 128 bits.
    B128,
}

impl RegWidth {
    /// Width in bits; 1 for a predicate.
    pub const fn bits(self) -> u32 {
        match self {
            Self::Pred => 1,
            Self::B8 => 8,
            Self::B16 => 16,
            Self::B32 => 32,
            Self::B64 => 64,
            Self::B128 => 128,
        }
    }

    /// The width with that many bits, when there is one.
    pub const fn from_bits(bits: u32) -> Option<Self> {
        Some(match bits {
            1 => Self::Pred,
            8 => Self::B8,
            16 => Self::B16,
            32 => Self::B32,
            64 => Self::B64,
            128 => Self::B128,
            _ => return None,
        })
    }
}

/// Instruction type: PTX ISA "Fundamental Types" plus the packed and alternate floating-point formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the variants are PTX's own type names")]
pub enum ScalarType {
    Pred,
    B8,
    B16,
    B32,
    B64,
    B128,
    U8,
    U16,
    U32,
    U64,
    S8,
    S16,
    S32,
    S64,
    /// Two unsigned 16-bit integers in 32 bits.
    U16x2,
    /// Two signed 16-bit integers in 32 bits.
    S16x2,
    F16,
    F16x2,
    BF16,
    BF16x2,
    TF32,
    F32,
    F64,
    E4M3,
    E5M2,
    /// Two `e4m3` in 16 bits.
    E4M3x2,
    /// Two `e5m2` in 16 bits.
    E5M2x2,
    /// 4-bit and 1-bit integers exist only inside `mma` fragments.
    U4,
    S4,
    B1,
}

impl ScalarType {
    /// Size of a value of this type in bits.
    pub const fn bits(self) -> u32 {
        match self {
            Self::Pred | Self::B1 => 1,
            Self::U4 | Self::S4 => 4,
            Self::B8 | Self::U8 | Self::S8 | Self::E4M3 | Self::E5M2 => 8,
            Self::B16 | Self::U16 | Self::S16 | Self::F16 | Self::BF16 | Self::E4M3x2 | Self::E5M2x2 => 16,
            Self::B32 | Self::U32 | Self::S32 | Self::F32 | Self::TF32 => 32,
            Self::U16x2 | Self::S16x2 | Self::F16x2 | Self::BF16x2 => 32,
            Self::B64 | Self::U64 | Self::S64 | Self::F64 => 64,
            Self::B128 => 128,
        }
    }

    /// Size in bytes of a value in memory.
    pub const fn bytes(self) -> u32 {
        self.bits().div_ceil(8)
    }

    /// Signed integer types, packed ones included.
    pub const fn is_signed(self) -> bool {
        matches!(self, Self::S8 | Self::S16 | Self::S32 | Self::S64 | Self::S16x2 | Self::S4)
    }

    /// Floating-point types, packed and alternate ones included.
    pub const fn is_float(self) -> bool {
        matches!(
            self,
            Self::F16
                | Self::F16x2
                | Self::BF16
                | Self::BF16x2
                | Self::TF32
                | Self::F32
                | Self::F64
                | Self::E4M3
                | Self::E5M2
                | Self::E4M3x2
                | Self::E5M2x2
        )
    }

    /// The element type of a packed pair, else `self`.
    pub const fn element(self) -> Self {
        match self {
            Self::U16x2 => Self::U16,
            Self::S16x2 => Self::S16,
            Self::F16x2 => Self::F16,
            Self::BF16x2 => Self::BF16,
            Self::E4M3x2 => Self::E4M3,
            Self::E5M2x2 => Self::E5M2,
            other => other,
        }
    }

    /// True for `f16x2` and the like.
    pub const fn is_packed(self) -> bool {
        matches!(self, Self::U16x2 | Self::S16x2 | Self::F16x2 | Self::BF16x2 | Self::E4M3x2 | Self::E5M2x2)
    }

    /// PTX spelling without the dot.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pred => "pred",
            Self::B8 => "b8",
            Self::B16 => "b16",
            Self::B32 => "b32",
            Self::B64 => "b64",
            Self::B128 => "b128",
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::S8 => "s8",
            Self::S16 => "s16",
            Self::S32 => "s32",
            Self::S64 => "s64",
            Self::U16x2 => "u16x2",
            Self::S16x2 => "s16x2",
            Self::F16 => "f16",
            Self::F16x2 => "f16x2",
            Self::BF16 => "bf16",
            Self::BF16x2 => "bf16x2",
            Self::TF32 => "tf32",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::E4M3 => "e4m3",
            Self::E5M2 => "e5m2",
            Self::E4M3x2 => "e4m3x2",
            Self::E5M2x2 => "e5m2x2",
            Self::U4 => "u4",
            Self::S4 => "s4",
            Self::B1 => "b1",
        }
    }
}

impl fmt::Display for ScalarType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// State space of a memory access. `Generic` is an address with no space given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the variants are PTX's own state spaces")]
pub enum Space {
    Generic,
    Global,
    Shared,
    Local,
    Const,
    /// The kernel's parameter buffer (`ld.param` in an entry), or with `Operand::Frame` a call parameter.
    Param,
}

/// IEEE rounding of a floating-point result. `.rni` and the like are the integer-valued forms in `cvt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// To nearest, ties to even (`.rn`, `.rni`).
    NearestEven,
    /// To nearest, ties away from zero (`.rna`).
    NearestAway,
    /// Toward zero (`.rz`, `.rzi`).
    Zero,
    /// Toward minus infinity (`.rm`, `.rmi`).
    Down,
    /// Toward plus infinity (`.rp`, `.rpi`).
    Up,
}

/// Comparison of `set` and `setp`. Ordered float comparisons are false when an operand is NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compare {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less (`lo` for unsigned).
    Lt,
    /// Less or equal (`ls`).
    Le,
    /// Greater (`hi`).
    Gt,
    /// Greater or equal (`hs`).
    Ge,
    /// Float: equal or unordered.
    Equ,
    /// Float: not equal or unordered.
    Neu,
    /// Float: less or unordered.
    Ltu,
    /// Float: less, equal or unordered.
    Leu,
    /// Float: greater or unordered.
    Gtu,
    /// Float: greater, equal or unordered.
    Geu,
    /// Float: neither is NaN.
    Num,
    /// Float: at least one is NaN.
    Nan,
}

/// Combination of a comparison with a third predicate operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum BoolOp {
    And,
    Or,
    Xor,
}

/// `testp` property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the variants are PTX's own names")]
pub enum FloatTest {
    Finite,
    Infinite,
    Number,
    NotANumber,
    Normal,
    Subnormal,
}

/// Memory-model strength of an access (PTX ISA "Memory Consistency Model").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the variants are PTX's own names")]
pub enum MemorySemantics {
    Weak,
    Volatile,
    Relaxed,
    Acquire,
    Release,
    AcquireRelease,
    /// Only for `fence.sc`.
    SeqCst,
    /// `.mmio`: relaxed, never merged.
    Mmio,
}

/// Threads that a strong operation synchronises with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the variants are PTX's own names")]
pub enum Scope {
    Cta,
    Cluster,
    Gpu,
    Sys,
}

/// Cache operator of a load or store: a performance hint here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CacheOp {
    /// No operator given.
    #[default]
    Default,
    /// Data that is used once (`.cs`, `.lu`, evict-first): streaming stores are allowed.
    Streaming,
    /// Data that other multiprocessors see (`.cg .cv .wt`).
    Coherent,
    /// Anything else (`.ca .wb`, L2 policies).
    Other,
}

/// Operation of `atom` and `red`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the variants are PTX's own names")]
pub enum AtomicOp {
    And,
    Or,
    Xor,
    Exch,
    Cas,
    Add,
    Inc,
    Dec,
    Min,
    Max,
}

/// Special registers, PTX ISA chapter "Special Registers". All read as 32 bits unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the variants are PTX's own names")]
pub enum SpecialReg {
    /// `%tid.{x,y,z}`; the number is 0 for x, 1 for y, 2 for z, here and below.
    Tid(u8),
    Ntid(u8),
    Ctaid(u8),
    Nctaid(u8),
    LaneId,
    WarpId,
    NWarpId,
    SmId,
    NSmId,
    /// 64 bits.
    GridId,
    LaneMaskEq,
    LaneMaskLe,
    LaneMaskLt,
    LaneMaskGe,
    LaneMaskGt,
    Clock,
    ClockHi,
    /// 64 bits.
    Clock64,
    /// 64 bits, nanoseconds.
    GlobalTimer,
    GlobalTimerLo,
    GlobalTimerHi,
    /// `%envreg0` to `%envreg31`.
    EnvReg(u8),
    /// `%pm0` to `%pm7`: always zero (no performance monitor is programmed).
    Pm(u8),
    /// `%pm0_64` to `%pm7_64`: 64 bits.
    Pm64(u8),
    /// Shared memory sizes in bytes.
    TotalSmemSize,
    AggrSmemSize,
    DynamicSmemSize,
    /// Offset and size of shared memory reserved by the system.
    ReservedSmemOffset,
    /// Cluster registers: a launch without clusters is a grid of one-block clusters. Vectors as `Tid`.
    ClusterId(u8),
    NClusterId(u8),
    ClusterCtaid(u8),
    ClusterNctaid(u8),
    ClusterCtaRank,
    ClusterNctaRank,
    /// A predicate: was the launch made with explicit clusters.
    IsExplicitCluster,
    /// 64 bits: graph execution handle, zero outside a graph.
    CurrentGraphExec,
}

impl SpecialReg {
    /// Width of the register.
    pub const fn width(self) -> RegWidth {
        match self {
            Self::GridId | Self::Clock64 | Self::GlobalTimer | Self::Pm64(_) | Self::CurrentGraphExec => RegWidth::B64,
            Self::IsExplicitCluster => RegWidth::Pred,
            _ => RegWidth::B32,
        }
    }
}
