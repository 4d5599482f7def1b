//! Indirect calls as a choice: the handle is compared with those of the functions that can be meant.
//!
//! A function can be meant when the module takes its address (in code or in an initialiser) and its signature has the
//! prototype's sizes. A handle that is none of them reaches the `CallIndirect` that stays, which fails.

use super::prepare::new_reg;
use smallvec::smallvec;
use std::collections::BTreeSet;
use vgpu_ptx::ir::{
    Block, BlockId, Compare, Comparison, FuncId, Function, FunctionKind, InitPart, Inst, Module, Op, Operand, Param,
    RegWidth, ScalarType, SymbolRef, Terminator,
};

/// Functions whose address the module takes.
pub(super) fn address_taken(module: &Module) -> BTreeSet<FuncId> {
    let in_code = module.functions.iter().flat_map(|function| function.blocks.iter()).flat_map(|block| &block.insts);
    let in_code = in_code.flat_map(|inst| &inst.srcs).filter_map(|src| match src {
        Operand::Symbol(SymbolRef::Func(id), _) => Some(*id),
        _ => None,
    });
    let in_data = module.variables.iter().flat_map(|variable| &variable.init).filter_map(|part| match part {
        InitPart::Address { symbol: SymbolRef::Func(id), .. } => Some(*id),
        _ => None,
    });
    in_code.chain(in_data).collect()
}

fn sizes(params: &[Param]) -> impl Iterator<Item = u32> + '_ {
    params.iter().map(|param| param.size)
}

/// Replaces every indirect call of `function`.
pub(super) fn choose_targets(module: &Module, taken: &BTreeSet<FuncId>, function: &mut Function) {
    let mut idx = 0;
    while idx < function.blocks.len() {
        let block = BlockId::from(idx);
        idx += 1;
        let is_call = |inst: &Inst| matches!(inst.op, Op::CallIndirect(..));
        let Some(at) = function.blocks[block].insts.iter().position(is_call) else { continue };
        if at == 0 && matches!(function.blocks[block].terminator, Terminator::Trap) {
            // The failing case of a call done before.
            continue;
        }
        let current = &mut function.blocks[block];
        let rest = current.insts.split_off(at + 1);
        let Some(call) = current.insts.pop() else { continue };
        let Op::CallIndirect(prototype, args) = &call.op else { continue };
        let terminator_span = current.terminator_span;
        let terminator = std::mem::replace(&mut current.terminator, Terminator::Trap);
        let tail = function.blocks.push(Block { label: None, insts: rest, terminator, terminator_span });
        let prototype = &module.prototypes[*prototype];
        let targets = taken.iter().copied().filter(|&id| {
            let target = &module.functions[id];
            target.kind == FunctionKind::Device
                && !target.is_declaration()
                && sizes(&target.params).eq(sizes(&prototype.params))
                && sizes(&target.returns).eq(sizes(&prototype.returns))
        });
        let mut from = block;
        for target in targets {
            let direct = Inst { op: Op::Call(target, args.clone()), srcs: smallvec![], ..call.clone() };
            let then = function.blocks.push(Block {
                label: None,
                insts: vec![direct],
                terminator: Terminator::Branch(tail),
                terminator_span,
            });
            let otherwise = function.blocks.push(Block {
                label: None,
                insts: Vec::new(),
                terminator: Terminator::Trap,
                terminator_span,
            });
            let pred = new_reg(function, RegWidth::Pred);
            let compare = Comparison { op: Compare::Eq, ty: ScalarType::U64, combine: None, ftz: false };
            let test = Inst {
                op: Op::Setp(compare),
                dsts: smallvec![pred],
                srcs: smallvec![call.srcs[0], Operand::Imm(u64::from(target.0) + 1)],
                guard: None,
                span: call.span,
                line: call.line,
            };
            function.blocks[from].insts.push(test);
            function.blocks[from].terminator =
                Terminator::CondBranch { pred, negated: false, then, otherwise, uniform: false };
            from = otherwise;
        }
        if from == block {
            from = function.blocks.push(Block {
                label: None,
                insts: Vec::new(),
                terminator: Terminator::Trap,
                terminator_span,
            });
            function.blocks[block].terminator = Terminator::Branch(from);
        }
        function.blocks[from].insts.push(call);
    }
}
