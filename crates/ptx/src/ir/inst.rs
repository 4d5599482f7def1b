//! Instructions and their operands.

use super::{FrameVarId, LineLoc, Op, SymbolRef};
use smallvec::SmallVec;
use vgpu_types::{Span, typed_index};

typed_index!(
    /// A virtual register of one function.
    Reg, "%r"
);

/// A source operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// A register.
    Reg(Reg),
    /// Bits; only the low bits of the operand's width count. Floating-point immediates are already in the
    /// instruction's format.
    Imm(u64),
    /// The address of a module variable or function plus a byte offset, in the address form of its space
    /// (see the module header): generic for `.global`, `.const` and functions, an offset for `.shared`.
    Symbol(SymbolRef, i64),
    /// The address of a frame variable plus a byte offset: an offset in the thread's local window.
    Frame(FrameVarId, i64),
    /// A byte offset in this function's own parameters: the kernel's parameter buffer in an entry, the incoming
    /// argument area in a device function (parameters at the offsets of [`super::Param::offset`]).
    Param(u32),
    /// A byte offset in the area where a device function leaves its return values.
    Return(u32),
}

impl Operand {
    /// The register, when it is one.
    pub const fn reg(self) -> Option<Reg> {
        match self {
            Self::Reg(reg) => Some(reg),
            _ => None,
        }
    }
}

/// `@p` or `@!p` in front of an instruction: lanes where it fails do not execute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Guard {
    /// A predicate register.
    pub reg: Reg,
    /// True for `@!p`.
    pub negated: bool,
}

/// Arguments and results of a call: frame variables of the caller, in the callee's parameter order. The callee
/// sees their bytes as its [`Operand::Param`] area and leaves its results in [`Operand::Return`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallArgs {
    /// Frame variables of space `.param` that hold the arguments.
    pub params: Vec<FrameVarId>,
    /// Frame variables that receive the return values.
    pub returns: Vec<FrameVarId>,
}

/// One instruction.
#[derive(Clone, Debug, PartialEq)]
pub struct Inst {
    /// What it does.
    pub op: Op,
    /// Registers written, in the op's documented order. A result that the program discards (`_`) is a register
    /// nobody reads.
    pub dsts: SmallVec<[Reg; 2]>,
    /// Operands read, in the op's documented order.
    pub srcs: SmallVec<[Operand; 4]>,
    /// Lanes for which it executes.
    pub guard: Option<Guard>,
    /// Where it stands in the PTX text.
    pub span: Span,
    /// The source line from `.loc`, when there is one.
    pub line: Option<LineLoc>,
}

impl Inst {
    /// All registers read: operands and guard.
    pub fn uses(&self) -> impl Iterator<Item = Reg> + '_ {
        self.srcs.iter().filter_map(|src| src.reg()).chain(self.guard.map(|guard| guard.reg))
    }
}
