//! Splices the body of a called function in place of one call.
//!
//! The callee's registers, frame variables and blocks become fresh ones of the caller; its parameters and return values are the
//! caller's argument variables, so that nothing is copied. Source: PTX ISA, "Control Flow Instructions: call".

use super::prepare::{new_reg, retarget};
use smallvec::smallvec;
use vgpu_ptx::ir::{
    Block, BlockId, CallArgs, FrameVarId, Function, Inst, Op, Operand, Param, Reg, RegWidth, Space, Terminator,
};

/// Where the parts of a callee stand in the caller.
pub(super) struct Moved {
    regs: u32,
    frame: u32,
    pub(super) blocks: u32,
}

impl Moved {
    /// Makes room for `callee` in `caller` and takes over everything but its code.
    pub(super) fn into(caller: &mut Function, callee: &Function) -> Self {
        let moved = Self {
            regs: caller.regs.len() as u32,
            frame: caller.frame.len() as u32,
            blocks: caller.blocks.len() as u32,
        };
        callee.regs.iter().for_each(|width| {
            new_reg(caller, *width);
        });
        callee.frame.iter().for_each(|var| {
            caller.frame.push(var.clone());
        });
        moved
    }

    pub(super) const fn reg(&self, reg: Reg) -> Reg {
        Reg(reg.0 + self.regs)
    }

    pub(super) const fn var(&self, var: FrameVarId) -> FrameVarId {
        FrameVarId(var.0 + self.frame)
    }

    pub(super) const fn block(&self, block: BlockId) -> BlockId {
        BlockId(block.0 + self.blocks)
    }

    /// The block with the caller's numbers. `place` says what becomes of frame variables, parameters and return values.
    pub(super) fn code(&self, block: &Block, place: &mut impl FnMut(Operand) -> Operand) -> Block {
        let mut block = block.clone();
        for inst in &mut block.insts {
            inst.dsts.iter_mut().for_each(|dst| *dst = self.reg(*dst));
            if let Some(guard) = &mut inst.guard {
                guard.reg = self.reg(guard.reg);
            }
            for src in &mut inst.srcs {
                *src = match *src {
                    Operand::Reg(reg) => Operand::Reg(self.reg(reg)),
                    Operand::Frame(var, offset) => place(Operand::Frame(self.var(var), offset)),
                    Operand::Param(_) | Operand::Return(_) => place(*src),
                    other => other,
                };
            }
            match &mut inst.op {
                // A device function's parameters are in its caller's local memory.
                Op::Load(access) | Op::Store(access) if access.space == Space::Param => access.space = Space::Local,
                Op::Cvta { space, .. } if *space == Space::Param => *space = Space::Local,
                Op::Call(_, args) | Op::CallIndirect(_, args) | Op::CallBuiltin(_, args) => {
                    args.params.iter_mut().chain(&mut args.returns).for_each(|var| *var = self.var(*var));
                }
                _ => {}
            }
        }
        retarget(&mut block.terminator, |target| self.block(target));
        match &mut block.terminator {
            Terminator::CondBranch { pred: reg, .. } | Terminator::IndexBranch { index: reg, .. } => {
                *reg = self.reg(*reg);
            }
            _ => {}
        }
        block
    }
}

/// Moves what follows instruction `at` to a block of its own and drops the instruction. Gives the new block.
pub(super) fn split_at(function: &mut Function, block: BlockId, at: usize) -> BlockId {
    let current = &mut function.blocks[block];
    let rest = current.insts.split_off(at + 1);
    current.insts.truncate(at);
    let terminator_span = current.terminator_span;
    let terminator = std::mem::replace(&mut current.terminator, Terminator::Trap);
    function.blocks.push(Block { label: None, insts: rest, terminator, terminator_span })
}

/// Replaces the call that is instruction `at` of `block`.
pub(super) fn splice(caller: &mut Function, block: BlockId, at: usize, callee: &Function, args: &CallArgs) {
    let call = caller.blocks[block].insts[at].clone();
    let tail = split_at(caller, block, at);
    let moved = Moved::into(caller, callee);
    let argument = |params: &[Param], vars: &[FrameVarId], offset: u32| {
        let found = params.iter().zip(vars).rev().find(|(param, _)| param.offset <= offset);
        found.map_or(Operand::Imm(0), |(param, var)| Operand::Frame(*var, i64::from(offset - param.offset)))
    };
    let mut place = |operand: Operand| match operand {
        Operand::Param(offset) => argument(&callee.params, &args.params, offset),
        Operand::Return(offset) => argument(&callee.returns, &args.returns, offset),
        other => other,
    };
    let allocates =
        callee.blocks.iter().flat_map(|block| &block.insts).any(|inst| matches!(inst.op, Op::Alloca { .. }));
    for source in callee.blocks.iter() {
        let mut code = moved.code(source, &mut place);
        if code.terminator == Terminator::Return {
            code.terminator = Terminator::Branch(tail);
        }
        caller.blocks.push(code);
    }
    let entry = moved.block(BlockId(0));
    caller.blocks[block].terminator = Terminator::Branch(entry);
    if allocates {
        // What the callee allocated ends with the call.
        let top = new_reg(caller, RegWidth::B64);
        let save = Inst { op: Op::StackSave, dsts: smallvec![top], srcs: smallvec![], guard: None, ..call.clone() };
        let restore =
            Inst { op: Op::StackRestore, dsts: smallvec![], srcs: smallvec![Operand::Reg(top)], ..save.clone() };
        caller.blocks[block].insts.push(save);
        caller.blocks[tail].insts.insert(0, restore);
    }
}
