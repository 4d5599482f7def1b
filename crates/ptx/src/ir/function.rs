//! Functions: parameters, frame, blocks.

use super::{Inst, Linkage, Reg, RegWidth, Space};
use vgpu_types::{IndexVec, Span, typed_index};

typed_index!(
    /// A basic block of one function.
    BlockId, "bb"
);
typed_index!(
    /// A variable in the frame of one function.
    FrameVarId, "fv"
);

/// Kernel or device function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FunctionKind {
    /// `.entry`.
    Kernel,
    /// `.func`.
    Device,
}

/// A parameter or return value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Name in the text; may be empty for return values.
    pub name: String,
    /// Byte offset in the parameter (or return) area; parameters follow each other, each at its alignment.
    pub offset: u32,
    /// Size in bytes.
    pub size: u32,
    /// Alignment in bytes, a power of two.
    pub align: u32,
}

/// A per-thread variable: `.local` memory, or a `.param` variable that passes a call's arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameVar {
    /// Name in the text.
    pub name: String,
    /// `Space::Local` or `Space::Param`.
    pub space: Space,
    /// Size in bytes.
    pub size: u32,
    /// Alignment in bytes, a power of two.
    pub align: u32,
}

/// Performance directives of a kernel; zero or `None` where not given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Performance {
    /// `.reqntid`: the launch must use exactly this block shape.
    pub reqntid: Option<[u32; 3]>,
    /// `.maxntid`: the product is the largest number of threads per block.
    pub maxntid: Option<[u32; 3]>,
    /// `.minnctapersm`.
    pub min_blocks_per_sm: Option<u32>,
    /// `.maxnreg`.
    pub max_registers: Option<u32>,
    /// `.noreturn`.
    pub noreturn: bool,
}

/// A `.loc` line: index into [`super::Module::files`], line and column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LineLoc {
    /// Index into the module's file table.
    pub file_idx: u32,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1; 0 when unknown.
    pub column: u32,
}

/// How a block ends. Predicates are per lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Terminator {
    /// Always to one block.
    Branch(BlockId),
    /// Two ways.
    CondBranch {
        /// Predicate register.
        pred: Reg,
        /// Take `then` where the predicate is false.
        negated: bool,
        /// Where the (possibly negated) predicate holds.
        then: BlockId,
        /// Where it does not.
        otherwise: BlockId,
        /// `.uni`: the program promises that all active lanes agree.
        uniform: bool,
    },
    /// `brx.idx`: lane goes to `targets[index]`; an index out of range is undefined behaviour (a fault here).
    IndexBranch {
        /// 32-bit register.
        index: Reg,
        /// Branch target list.
        targets: Vec<BlockId>,
        /// As above.
        uniform: bool,
    },
    /// Return from a device function; ends the thread in a kernel.
    Return,
    /// End the thread.
    Exit,
    /// Abort the launch with an error.
    Trap,
}

impl Terminator {
    /// Blocks it can go to, in operand order; may repeat.
    pub fn successors(&self) -> Vec<BlockId> {
        match self {
            Self::Branch(target) => vec![*target],
            Self::CondBranch { then, otherwise, .. } => vec![*then, *otherwise],
            Self::IndexBranch { targets, .. } => targets.clone(),
            Self::Return | Self::Exit | Self::Trap => Vec::new(),
        }
    }

    /// The register it reads.
    pub const fn condition(&self) -> Option<Reg> {
        match self {
            Self::CondBranch { pred, .. } => Some(*pred),
            Self::IndexBranch { index, .. } => Some(*index),
            _ => None,
        }
    }
}

/// Straight-line code with one way out.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Label in the text, for printing.
    pub label: Option<String>,
    /// Instructions in order.
    pub insts: Vec<Inst>,
    /// How it ends.
    pub terminator: Terminator,
    /// Where the terminator stands in the text.
    pub terminator_span: Span,
}

/// A kernel or device function. Execution starts at block 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Name in the text.
    pub name: String,
    /// Kernel or device function.
    pub kind: FunctionKind,
    /// Visibility.
    pub linkage: Linkage,
    /// Parameters in order.
    pub params: Vec<Param>,
    /// Return values in order (device functions; PTX allows several).
    pub returns: Vec<Param>,
    /// Widths of the virtual registers.
    pub regs: IndexVec<Reg, RegWidth>,
    /// Names of the virtual registers in the text, for messages; empty where lowering made the register.
    pub reg_names: IndexVec<Reg, String>,
    /// Per-thread variables.
    pub frame: IndexVec<FrameVarId, FrameVar>,
    /// Code. Empty for a declaration.
    pub blocks: IndexVec<BlockId, Block>,
    /// Performance directives.
    pub performance: Performance,
    /// Where the header stands in the text.
    pub span: Span,
}

impl Function {
    /// Size of the parameter area in bytes.
    pub fn param_bytes(&self) -> u32 {
        self.params.last().map_or(0, |param| param.offset + param.size)
    }

    /// Size of the return area in bytes.
    pub fn return_bytes(&self) -> u32 {
        self.returns.last().map_or(0, |ret| ret.offset + ret.size)
    }

    /// True when there is only a declaration.
    pub fn is_declaration(&self) -> bool {
        self.blocks.is_empty()
    }
}
