//! Builds IR by hand: one kernel with registers `r(0)`, `r(1)` .. of given widths.

use crate::ir::*;
use smallvec::SmallVec;
use vgpu_types::{IndexVec, Span};

/// A function under construction.
pub struct Builder {
    pub function: Function,
}

pub const fn r(i: u32) -> Reg {
    Reg(i)
}

pub const fn reg(i: u32) -> Operand {
    Operand::Reg(Reg(i))
}

pub const fn imm(value: u64) -> Operand {
    Operand::Imm(value)
}

pub fn inst(op: Op, dsts: &[Reg], srcs: &[Operand]) -> Inst {
    Inst {
        op,
        dsts: SmallVec::from_slice(dsts),
        srcs: SmallVec::from_slice(srcs),
        guard: None,
        span: Span::default(),
        line: None,
    }
}

pub const fn access(space: Space, ty: ScalarType) -> Access {
    Access {
        space,
        ty,
        vector: 1,
        offset: 0,
        semantics: MemorySemantics::Weak,
        scope: Scope::Gpu,
        read_only: false,
        cache: CacheOp::Default,
    }
}

pub const fn atomic(space: Space, op: AtomicOp, ty: ScalarType) -> Atomic {
    Atomic { space, op, ty, vector: 1, offset: 0, semantics: MemorySemantics::Relaxed, scope: Scope::Gpu }
}

pub const fn compare(op: Compare, ty: ScalarType) -> Op {
    Op::Setp(Comparison { op, ty, combine: None, ftz: false })
}

impl Builder {
    pub fn new(name: &str, kind: FunctionKind, widths: &[RegWidth], params: &[u32]) -> Self {
        let mut end = 0u32;
        let params: Vec<Param> = params
            .iter()
            .map(|&size| {
                let offset = end.next_multiple_of(size);
                end = offset + size;
                Param { name: String::new(), offset, size, align: size }
            })
            .collect();
        Self {
            function: Function {
                name: name.to_owned(),
                kind,
                linkage: Linkage::Visible,
                params,
                returns: Vec::new(),
                regs: widths.iter().copied().collect(),
                reg_names: widths.iter().map(|_| String::new()).collect(),
                frame: IndexVec::new(),
                blocks: IndexVec::new(),
                performance: Performance::default(),
                span: Span::default(),
            },
        }
    }

    pub fn block(&mut self, insts: Vec<Inst>, terminator: Terminator) -> &mut Self {
        self.function.blocks.push(Block { label: None, insts, terminator, terminator_span: Span::default() });
        self
    }
}

pub fn module(functions: Vec<Function>) -> Module {
    Module { functions: functions.into_iter().collect(), ..Module::default() }
}

/// `if pred goto then else goto otherwise`.
pub const fn branch(pred: u32, then: u32, otherwise: u32) -> Terminator {
    Terminator::CondBranch {
        pred: Reg(pred),
        negated: false,
        then: BlockId(then),
        otherwise: BlockId(otherwise),
        uniform: false,
    }
}
