//! The kernel IR: PTX with every name resolved, every default spelled out and control flow as a graph.
//!
//! Model: a [`Module`] owns variables and functions. A [`Function`] is a register machine: virtual registers hold
//! bits of a fixed width ([`RegWidth`]); an instruction's [`Op`] says how to read them. It is not SSA. An [`Inst`] has
//! flat lists of destination and source operands whose meaning and order is documented at its [`Op`], so a pass
//! can walk operands without knowing the operation. A [`Block`] ends in one [`Terminator`].
//!
//! Rules that hold after lowering, checked by the verifier:
//! * an operand has the width its op asks for; the few places where PTX lets a register be wider than the operation
//!   (`ld`, `st`, `cvt`, and `.b8`/16-bit types in wider registers) are documented at the op;
//! * guards (`@p`) stay on plain instructions; guarded branches, calls, barriers, `ret` and `exit` were turned into
//!   control flow;
//! * addresses: `.global` and `.const` addresses are generic addresses (64-bit). `.shared` addresses are byte offsets in
//!   the block's shared window, `.local` addresses byte offsets in the thread's local window; `cvta` adds or
//!   subtracts the window's generic address. `.param` of a kernel is a byte offset in the parameter buffer.
//!
//! Source: PTX ISA 9.x, chapters 4 to 10.

pub mod fragment;
mod function;
mod inst;
mod modifiers;
mod module;
mod op;
mod shared_modifiers;
mod types;

pub use function::{
    Block, BlockId, FrameVar, FrameVarId, Function, FunctionKind, LineLoc, Param, Performance, Terminator,
};
pub use inst::{CallArgs, Guard, Inst, Operand, Reg};
pub use modifiers::{
    Accuracy, CarryOp, Comparison, Cvt, FloatBinary, FloatMode, FloatUnary, IntBinary, IntUnary, MulHalf, PrmtMode,
    Transcendental, Video, VideoOp, VideoPart, VideoSecond, VideoSimd,
};
pub use module::{DebugFile, FuncId, InitPart, Linkage, Module, ProtoId, Prototype, SymbolRef, VarId, Variable};
pub use op::{Builtin, Op};
pub use shared_modifiers::{
    Access, Atomic, Barrier, BarrierOp, BitMma, MatrixAccess, MatrixRole, Mbarrier, MbarrierOp, Mma, ReduxOp,
    ShuffleMode, VoteMode, WmmaAccess,
};
pub use types::{
    AtomicOp, BoolOp, CacheOp, Compare, FloatTest, MemorySemantics, RegWidth, Rounding, ScalarType, Scope, Space,
    SpecialReg,
};
