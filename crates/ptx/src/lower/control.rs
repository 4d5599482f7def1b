//! Branches, calls and the stack.
//!
//! Source: PTX ISA "Control Flow Instructions", "Stack Manipulation Instructions", and "Function declarations and
//! definitions" for how arguments travel.

use super::Lowered;
use super::function::{plain_access, untyped};
use super::operand::{InstCx, describe, width_of};
use super::scope::Entity;
use crate::ast::{Name, Operand as Ast};
use crate::ir::{
    BlockId, Builtin, CallArgs, FrameVarId, FuncId, FunctionKind, Op, Operand, Param, ProtoId, Prototype, Reg,
    ScalarType, Space, SymbolRef, Terminator,
};
use crate::parser::shorten;
use ScalarType::*;

/// `bra{.uni} label`.
pub(super) fn bra(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let uniform = cx.mods.take("uni");
    cx.count(1, 1)?;
    let target = match cx.operand(0)? {
        Ast::Name { name, component: None, minus: false } => label(cx, *name)?,
        other => {
            return cx.error("bad-operand", other.span(), format!("`bra` takes a label, found {}", describe(other)));
        }
    };
    let span = cx.inst.span;
    match cx.guard.take() {
        None => cx.f.terminate(Terminator::Branch(target), span),
        Some(guard) => {
            let otherwise = cx.f.new_block();
            let branch =
                Terminator::CondBranch { pred: guard.reg, negated: guard.negated, then: target, otherwise, uniform };
            cx.f.terminate(branch, span);
            cx.f.start_block(otherwise, span);
        }
    }
    Ok(())
}

fn label<'s>(cx: &mut InstCx<'_, '_, 's>, name: Name<'s>) -> Lowered<BlockId> {
    match cx.f.find(name.text) {
        Ok(Entity::Label(block)) => Ok(block),
        Ok(_) => cx.error("bad-operand", name.span, format!("`{}` is not a label", shorten(name.text))),
        Err(_) => {
            cx.error("unknown-label", name.span, format!("there is no label `{}` in this function", shorten(name.text)))
        }
    }
}

/// `brx.idx{.uni} index, targets`.
pub(super) fn brx(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    cx.mods.require("the kind", &[("idx", ())])?;
    let uniform = cx.mods.take("uni");
    cx.count(2, 2)?;
    let Ast::Name { name, .. } = cx.operand(1)? else {
        return cx.error("bad-operand", cx.inst.span, "`brx.idx` takes a register and a `.branchtargets` label");
    };
    let Ok(Entity::BranchTargets(list)) = cx.f.find(name.text) else {
        return cx.error(
            "unknown-label",
            name.span,
            format!("`{}` is not a `.branchtargets` list", shorten(name.text)),
        );
    };
    let list = cx.f.branch_targets(list);
    let mut targets = Vec::with_capacity(list.names.len());
    for name in &list.names {
        targets.push(label(cx, *name)?);
    }
    let after = cx.begin_guarded();
    let index = match cx.src(0, U32) {
        Ok(Operand::Reg(index)) => index,
        Ok(value) => {
            let index = cx.temp(width_of(U32));
            cx.emit(Op::Mov(U32), &[index], &[value])?;
            index
        }
        Err(diagnostic) => {
            cx.end_guarded(after);
            return Err(diagnostic);
        }
    };
    cx.f.terminate(Terminator::IndexBranch { index, targets, uniform }, cx.inst.span);
    if let Some(after) = after {
        cx.f.start_block(after, cx.inst.span);
    }
    Ok(())
}

/// `ret{.uni}`.
pub(super) fn ret(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    cx.mods.take("uni");
    leave(cx, Terminator::Return)
}

/// `exit`.
pub(super) fn exit(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    leave(cx, Terminator::Exit)
}

/// `trap`.
pub(super) fn trap(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    leave(cx, Terminator::Trap)
}

fn leave(cx: &mut InstCx<'_, '_, '_>, terminator: Terminator) -> Lowered<()> {
    cx.count(0, 0)?;
    let after = cx.begin_guarded();
    cx.f.terminate(terminator, cx.inst.span);
    // What follows runs where the guard failed; the terminator left nothing to fall through from.
    if let Some(after) = after {
        cx.f.start_block(after, cx.inst.span);
    }
    Ok(())
}

/// `brkpt`, `pmevent`, `setmaxnreg`, `griddepcontrol`: no effect here.
pub(super) fn nop(cx: &mut InstCx<'_, '_, '_>, root: &str) -> Lowered<()> {
    match root {
        "brkpt" => cx.count(0, 0)?,
        "pmevent" => {
            cx.mods.take("mask");
            cx.count(1, 1)?;
        }
        "setmaxnreg" => {
            cx.mods.require("a direction", &[("inc", ()), ("dec", ())])?;
            cx.mods.require("the kind", &[("sync", ())])?;
            cx.mods.require("alignment", &[("aligned", ())])?;
            cx.mods.scalar(&[U32])?;
            cx.count(1, 1)?;
        }
        _ => {
            cx.mods.require("an action", &[("launch_dependents", ()), ("wait", ())])?;
            cx.count(0, 0)?;
        }
    }
    cx.emit(Op::Nop, &[], &[])
}

/// `alloca.type ptr, size{, align}`.
pub(super) fn alloca(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let ty = cx.mods.scalar(&[U32, U64])?;
    cx.count(2, 3)?;
    let align = if cx.n_operands() == 3 { cx.constant(2, "the alignment of `alloca`")? } else { 8 };
    if !align.is_power_of_two() || align > 1 << 16 {
        return cx.error("bad-operand", cx.inst.span, format!("alignment {align}; accepted: powers of two"));
    }
    let size = cx.src(1, ty)?;
    let dst = cx.dst(0, ty)?;
    cx.emit(Op::Alloca { align: align as u32 }, &[dst], &[size])
}

/// `stacksave.type d`, `stackrestore.type a`.
pub(super) fn stack(cx: &mut InstCx<'_, '_, '_>, save: bool) -> Lowered<()> {
    let ty = cx.mods.scalar(&[U32, U64])?;
    cx.count(1, 1)?;
    if save {
        let dst = cx.dst(0, ty)?;
        return cx.emit(Op::StackSave, &[dst], &[]);
    }
    let src = cx.src(0, ty)?;
    cx.emit(Op::StackRestore, &[], &[src])
}

// ---- Calls -----------------------------------------------------------------------------------------------------------

/// Functions the device provides, with their number of arguments and results.
const BUILTINS: [(&str, Builtin, usize, usize); 8] = [
    ("vprintf", Builtin::Vprintf, 2, 1),
    ("malloc", Builtin::Malloc, 1, 1),
    ("free", Builtin::Free, 1, 0),
    ("__assertfail", Builtin::AssertFail, 5, 0),
    ("cudaCGGetIntrinsicHandle", Builtin::CgGetIntrinsicHandle, 1, 1),
    ("cudaCGSynchronize", Builtin::CgSynchronize, 2, 1),
    ("cudaCGGetSize", Builtin::CgGetSize, 3, 1),
    ("cudaCGGetRank", Builtin::CgGetRank, 3, 1),
];

/// The function of that name that the device itself provides.
pub(crate) fn builtin(name: &str) -> Option<Builtin> {
    BUILTINS.iter().find(|entry| entry.0 == name).map(|entry| entry.1)
}

/// Where a call goes.
enum Callee {
    Direct(FuncId),
    Builtin(Builtin),
    Indirect(Operand),
}

/// `call{.uni} (ret), function, (args){, prototype}`.
pub(super) fn call(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    cx.mods.take("uni");
    let operands = &cx.inst.operands;
    let (returns, rest): (&[Ast<'_>], _) = match operands.split_first() {
        Some((Ast::List(items, _), rest)) => (items, rest),
        _ => (&[], &operands[..]),
    };
    let Some((target, rest)) = rest.split_first() else {
        return cx.error("operand-count", cx.inst.span, "`call` needs a function");
    };
    let (args, rest): (&[Ast<'_>], _) = match rest.split_first() {
        Some((Ast::List(items, _), rest)) => (items, rest),
        _ => (&[], rest),
    };
    if rest.len() > 1 {
        return cx.error(
            "operand-count",
            cx.inst.span,
            "`call` has the form `call (results), function, (arguments), prototype`",
        );
    }
    let Ast::Name { name, component: None, minus: false } = target else {
        return cx.error(
            "bad-operand",
            target.span(),
            format!("`call` takes a function or a register, found {}", describe(target)),
        );
    };
    let after = cx.begin_guarded();
    let result = lower_call(cx, returns, *name, args, rest.first());
    cx.end_guarded(after);
    result
}

fn lower_call<'a, 's>(
    cx: &mut InstCx<'_, 'a, 's>,
    returns: &'a [Ast<'s>],
    target: Name<'s>,
    args: &'a [Ast<'s>],
    prototype: Option<&'a Ast<'s>>,
) -> Lowered<()> {
    let callee = match cx.entity(target, None)? {
        Some(Entity::Reg(reg)) => {
            cx.check_width(reg, target.span, target.text, U64, super::operand::Width::Exact)?;
            Callee::Indirect(Operand::Reg(reg))
        }
        Some(_) => {
            return cx.error("bad-operand", target.span, format!("`{}` is not a function", shorten(target.text)));
        }
        None => match cx.module_symbol(target)? {
            SymbolRef::Func(id) => direct(cx, target, id)?,
            SymbolRef::Var(_) => {
                return cx.error(
                    "bad-operand",
                    target.span,
                    format!("`{}` is a variable, not a function", shorten(target.text)),
                );
            }
        },
    };
    let (params, results, proto) = match &callee {
        Callee::Direct(id) => {
            let function = &cx.f.module.ir.functions[*id];
            (function.params.clone(), function.returns.clone(), None)
        }
        Callee::Builtin(_) => {
            let SymbolRef::Func(id) = cx.module_symbol(target)? else {
                return cx.error("bad-operand", target.span, "not a function");
            };
            let function = &cx.f.module.ir.functions[id];
            (function.params.clone(), function.returns.clone(), None)
        }
        Callee::Indirect(_) => {
            let proto = indirect_prototype(cx, prototype)?;
            let found = &cx.f.module.ir.prototypes[proto];
            (found.params.clone(), found.returns.clone(), Some(proto))
        }
    };
    check_count(cx, target, "argument", args.len(), params.len())?;
    check_count(cx, target, "result", returns.len(), results.len())?;
    let mut call_args = CallArgs::default();
    for (arg, param) in args.iter().zip(&params) {
        let var = argument(cx, arg, param)?;
        call_args.params.push(var);
    }
    let mut loads: Vec<(Reg, FrameVarId)> = Vec::new();
    for (result, param) in returns.iter().zip(&results) {
        let var = match frame_of(cx, result, param)? {
            Some(var) => var,
            None => {
                let var = cx.f.new_call_param(param.size, param.align);
                let ty = sized(cx, result, param)?;
                let reg = cx.dst_of(result, ty, super::operand::Width::Exact)?;
                loads.push((reg, var));
                var
            }
        };
        call_args.returns.push(var);
    }
    match (callee, proto) {
        (Callee::Direct(id), _) => cx.emit(Op::Call(id, call_args), &[], &[])?,
        (Callee::Builtin(builtin), _) => cx.emit(Op::CallBuiltin(builtin, call_args), &[], &[])?,
        (Callee::Indirect(handle), Some(proto)) => cx.emit(Op::CallIndirect(proto, call_args), &[], &[handle])?,
        (Callee::Indirect(_), None) => {
            return cx.error("bad-operand", cx.inst.span, "an indirect call needs a prototype");
        }
    }
    for (reg, var) in loads {
        let ty = untyped(cx.f.width(reg));
        cx.emit(Op::Load(plain_access(Space::Param, ty)), &[reg], &[Operand::Frame(var, 0)])?;
    }
    Ok(())
}

fn direct(cx: &InstCx<'_, '_, '_>, target: Name<'_>, id: FuncId) -> Lowered<Callee> {
    let function = &cx.f.module.ir.functions[id];
    if function.kind == FunctionKind::Kernel {
        return cx.error(
            "bad-operand",
            target.span,
            format!("`{}` is a kernel; only `.func` functions can be called", shorten(target.text)),
        );
    }
    if cx.f.module.is_defined(id) {
        return Ok(Callee::Direct(id));
    }
    if device_launch(target.text) {
        return cx.unsupported(
            &format!("`{}` launches or waits for kernels from the device", target.text),
            "call (CUDA dynamic parallelism)",
        );
    }
    let Some((_, builtin, n_params, n_returns)) = BUILTINS.iter().find(|entry| entry.0 == target.text) else {
        return Ok(Callee::Direct(id));
    };
    if (function.params.len(), function.returns.len()) != (*n_params, *n_returns) {
        let message = format!(
            "`{}` is declared with {} parameters and {} results; the device's takes {n_params} and gives {n_returns}",
            target.text,
            function.params.len(),
            function.returns.len()
        );
        return cx.error("signature-mismatch", target.span, message);
    }
    Ok(Callee::Builtin(*builtin))
}

/// Entry points of the device runtime that launch kernels.
fn device_launch(name: &str) -> bool {
    name.starts_with("cudaLaunchDevice")
        || name.starts_with("cudaGetParameterBuffer")
        || name.starts_with("cudaStream")
        || name.starts_with("cudaEvent")
        || name.starts_with("__cudaCDP2")
        || matches!(name, "cudaDeviceSynchronize" | "cudaGetLastError" | "cudaPeekAtLastError" | "cudaGraphLaunch")
}

fn indirect_prototype<'s>(cx: &mut InstCx<'_, '_, 's>, operand: Option<&Ast<'s>>) -> Lowered<ProtoId> {
    let Some(operand) = operand else {
        return cx.error(
            "operand-count",
            cx.inst.span,
            "an indirect call needs a `.callprototype` or `.calltargets` label",
        );
    };
    let Ast::Name { name, .. } = operand else {
        return cx.error("bad-operand", operand.span(), format!("a prototype is a label, found {}", describe(operand)));
    };
    match cx.f.find(name.text) {
        Ok(Entity::Prototype(proto)) => return Ok(proto),
        Ok(Entity::CallTargets(list)) => {
            let list = cx.f.call_targets(list);
            if let Some(SymbolRef::Func(id)) = list.names.first().and_then(|first| cx.f.module.symbols.get(first.text))
            {
                let function = &cx.f.module.ir.functions[*id];
                let prototype = Prototype { params: function.params.clone(), returns: function.returns.clone() };
                return Ok(cx.f.module.ir.prototypes.push(prototype));
            }
            return cx.error(
                "unknown-name",
                list.name.span,
                format!("`{}` lists no function of this text", shorten(name.text)),
            );
        }
        _ => {}
    }
    match cx.f.module.prototypes.get(name.text) {
        Some(&proto) => Ok(proto),
        None => cx.error(
            "unknown-label",
            name.span,
            format!("`{}` is neither a `.callprototype` nor a `.calltargets` label", shorten(name.text)),
        ),
    }
}

fn check_count(cx: &InstCx<'_, '_, '_>, target: Name<'_>, what: &str, found: usize, expected: usize) -> Lowered<()> {
    if found == expected {
        return Ok(());
    }
    let s = if expected == 1 { "" } else { "s" };
    cx.error(
        "signature-mismatch",
        cx.inst.span,
        format!("`{}` has {expected} {what}{s}, the call has {found}", shorten(target.text)),
    )
}

/// The `.param` variable that an argument or result names; checks its size.
fn frame_of<'s>(cx: &mut InstCx<'_, '_, 's>, operand: &Ast<'s>, param: &Param) -> Lowered<Option<FrameVarId>> {
    let Ast::Name { name, component: None, minus: false } = operand else { return Ok(None) };
    let Ok(Entity::Frame(id)) = cx.f.find(name.text) else { return Ok(None) };
    let var = cx.f.frame_var(id);
    if var.space != Space::Param {
        return Ok(None);
    }
    if var.size != param.size && param.size != 0 {
        let message =
            format!("`{}` has {} bytes, the function's parameter {}", shorten(name.text), var.size, param.size);
        return cx.error("signature-mismatch", name.span, message);
    }
    Ok(Some(id))
}

/// The `.param` variable of an argument; registers and constants are stored in a new one.
fn argument<'a, 's>(cx: &mut InstCx<'_, 'a, 's>, operand: &'a Ast<'s>, param: &Param) -> Lowered<FrameVarId> {
    if let Some(var) = frame_of(cx, operand, param)? {
        return Ok(var);
    }
    let ty = sized(cx, operand, param)?;
    let value = cx.src_of(operand, ty, super::operand::Width::Exact)?;
    let var = cx.f.new_call_param(param.size, param.align);
    cx.emit(Op::Store(plain_access(Space::Param, ty)), &[], &[Operand::Frame(var, 0), value])?;
    Ok(var)
}

/// The bit type of a parameter that travels in a register.
fn sized(cx: &InstCx<'_, '_, '_>, operand: &Ast<'_>, param: &Param) -> Lowered<ScalarType> {
    Ok(match param.size {
        1 => B8,
        2 => B16,
        4 => B32,
        8 => B64,
        16 => B128,
        size => {
            let message =
                format!("a parameter of {size} bytes is passed in a `.param` variable, found {}", describe(operand));
            return cx.error("bad-operand", operand.span(), message);
        }
    })
}
