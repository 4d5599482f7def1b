//! Modifiers of operations on memory and between threads: accesses, atomics, `mbarrier`, matrices, barriers, warps.
//!
//! Source: PTX ISA 9.x, chapter "Instruction Set".

use super::{AtomicOp, CacheOp, MemorySemantics, Rounding, ScalarType, Scope, Space};

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
