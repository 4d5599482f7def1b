//! The rules of the kernel IR, checked.
//!
//! Lowering keeps them by construction; whoever builds IR otherwise, and every test, can ask. The checks: every index
//! exists, operand counts and widths are those of the op ([`signature`]), terminators go to blocks that exist, block
//! 0 has no predecessors.

mod signature;

use crate::ir::{Block, Function, Inst, Module, Op, Operand, Reg, RegWidth, Space, SymbolRef};
pub use signature::{Signature, Want, signature};
use vgpu_types::{Diagnostic, Span};

/// Most messages given.
const MAX_MESSAGES: usize = 100;

/// Checks a module; an empty list means that all rules hold.
pub fn verify(module: &Module) -> Vec<Diagnostic> {
    let mut checker = Checker { module, found: Vec::new() };
    for function in module.functions.iter() {
        checker.function(function);
    }
    checker.found
}

struct Checker<'m> {
    module: &'m Module,
    found: Vec<Diagnostic>,
}

impl Checker<'_> {
    fn report(&mut self, function: &Function, span: Span, message: impl std::fmt::Display) {
        if self.found.len() < MAX_MESSAGES {
            let message = format!("invalid kernel IR in `{}`: {message}", function.name);
            self.found.push(Diagnostic::error("invalid-ir", span, message));
        }
    }

    fn function(&mut self, function: &Function) {
        if function.regs.len() != function.reg_names.len() {
            self.report(function, function.span, "register widths and names differ in number");
        }
        for block in function.blocks.iter() {
            for inst in &block.insts {
                self.inst(function, inst);
            }
            self.terminator(function, block);
        }
    }

    fn terminator(&mut self, function: &Function, block: &Block) {
        let span = block.terminator_span;
        for target in block.terminator.successors() {
            if target.idx() >= function.blocks.len() {
                self.report(function, span, format_args!("a branch goes to {target}, which does not exist"));
            } else if target.idx() == 0 {
                self.report(function, span, "a branch goes to the entry block");
            }
        }
        if let Some(reg) = block.terminator.condition() {
            let index = matches!(block.terminator, crate::ir::Terminator::IndexBranch { .. });
            let want = if index { Want::Exact(RegWidth::B32) } else { Want::Exact(RegWidth::Pred) };
            self.register(function, span, reg, want, "the condition of a branch");
        }
    }

    fn register(&mut self, function: &Function, span: Span, reg: Reg, want: Want, what: &str) {
        match function.regs.get(reg) {
            None => self.report(function, span, format_args!("{what} is {reg}, which does not exist")),
            Some(&width) if !want.accepts(width) => {
                self.report(function, span, format_args!("{what} has {} bits, wanted {want:?}", width.bits()));
            }
            Some(_) => {}
        }
    }

    fn inst(&mut self, function: &Function, inst: &Inst) {
        if let Some(guard) = inst.guard {
            self.register(function, inst.span, guard.reg, Want::Exact(RegWidth::Pred), "a guard");
            if matches!(inst.op, Op::Call(..) | Op::CallIndirect(..) | Op::CallBuiltin(..) | Op::Barrier(_)) {
                self.report(function, inst.span, "a guard on a call or barrier");
            }
        }
        let wants = signature(&inst.op, inst.dsts.len(), inst.srcs.len());
        if wants.dsts.len() != inst.dsts.len() || wants.srcs.len() != inst.srcs.len() {
            let text = format!(
                "{:?} has {} destinations and {} sources, wanted {} and {}",
                inst.op,
                inst.dsts.len(),
                inst.srcs.len(),
                wants.dsts.len(),
                wants.srcs.len()
            );
            self.report(function, inst.span, text);
            return;
        }
        for (&reg, &want) in inst.dsts.iter().zip(&wants.dsts) {
            self.register(function, inst.span, reg, want, "a destination");
        }
        for (&src, &want) in inst.srcs.iter().zip(&wants.srcs) {
            self.source(function, inst, src, want);
        }
        self.call(function, inst);
    }

    fn source(&mut self, function: &Function, inst: &Inst, src: Operand, want: Want) {
        let span = inst.span;
        match src {
            Operand::Reg(reg) => self.register(function, span, reg, want, "a source"),
            Operand::Imm(_) => {}
            Operand::Symbol(SymbolRef::Var(id), _) => {
                if id.idx() >= self.module.variables.len() {
                    self.report(function, span, format_args!("{id} does not exist"));
                }
            }
            Operand::Symbol(SymbolRef::Func(id), _) => {
                if id.idx() >= self.module.functions.len() {
                    self.report(function, span, format_args!("{id} does not exist"));
                }
            }
            Operand::Frame(id, _) => {
                if id.idx() >= function.frame.len() {
                    self.report(function, span, format_args!("{id} does not exist"));
                }
            }
            Operand::Param(offset) => {
                if offset > function.param_bytes() {
                    self.report(function, span, format_args!("parameter byte {offset} does not exist"));
                }
            }
            Operand::Return(offset) => {
                if offset > function.return_bytes() {
                    self.report(function, span, format_args!("return byte {offset} does not exist"));
                }
            }
        }
    }

    fn call(&mut self, function: &Function, inst: &Inst) {
        let (args, signature) = match &inst.op {
            Op::Call(id, args) => match self.module.functions.get(*id) {
                Some(callee) => (args, Some((callee.params.len(), callee.returns.len()))),
                None => return self.report(function, inst.span, format_args!("{id} does not exist")),
            },
            Op::CallIndirect(id, args) => match self.module.prototypes.get(*id) {
                Some(prototype) => (args, Some((prototype.params.len(), prototype.returns.len()))),
                None => return self.report(function, inst.span, format_args!("{id} does not exist")),
            },
            Op::CallBuiltin(_, args) => (args, None),
            _ => return,
        };
        if signature.is_some_and(|counts| counts != (args.params.len(), args.returns.len())) {
            self.report(function, inst.span, "a call with the wrong number of arguments or results");
        }
        for &var in args.params.iter().chain(&args.returns) {
            if function.frame.get(var).is_none_or(|var| var.space != Space::Param) {
                self.report(function, inst.span, format_args!("{var} is not a call parameter"));
            }
        }
    }
}
