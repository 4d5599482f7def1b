//! Texts of both representations, for people: `vgpu dump --stage ast|ir`.
//!
//! [`print_ast`] writes PTX that parses back to the same tree. [`print`] writes kernel IR in a notation of its own, close to PTX;
//! nothing reads it back.

mod ast;
mod op;

pub use ast::print_ast;

use crate::ir::{
    CallArgs, Function, FunctionKind, InitPart, Inst, Module, Op, Operand, Reg, SymbolRef, Terminator, Variable,
};
use std::collections::HashSet;
use std::fmt::Write as _;

/// Writes a module as text. Every function, variable and block is shown; registers by their name in the PTX text where
/// they have one.
///
/// ```
/// let text = ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k() { .reg .b32 %a; add.s32 %a, %a, 1; ret; }";
/// let module = vgpu_ptx::load(text).unwrap();
/// assert!(vgpu_ptx::print(&module).contains("%a = add.s32 %a, 0x1"));
/// ```
pub fn print(module: &Module) -> String {
    let mut out = String::new();
    let target = module.target.join(", ");
    let _ = writeln!(out, "module version {}.{} target {target}", module.version.0, module.version.1);
    for file in &module.files {
        let _ = writeln!(out, "file {} {:?}", file.number, file.path);
    }
    for (id, variable) in module.variables.iter_enumerated() {
        print_variable(&mut out, module, id.0, variable);
    }
    for (id, function) in module.functions.iter_enumerated() {
        out.push('\n');
        print_function(&mut out, module, id.0, function);
    }
    out
}

fn linkage(linkage: crate::ir::Linkage) -> &'static str {
    use crate::ir::Linkage;
    match linkage {
        Linkage::Internal => "internal",
        Linkage::Visible => "visible",
        Linkage::Extern => "extern",
        Linkage::Weak => "weak",
        Linkage::Common => "common",
    }
}

fn print_variable(out: &mut String, module: &Module, number: u32, variable: &Variable) {
    let space = op::space(variable.space);
    let _ = write!(
        out,
        "var{number} {} {space} {} size {} align {}",
        linkage(variable.linkage),
        variable.name,
        variable.size,
        variable.align
    );
    if variable.managed {
        out.push_str(" managed");
    }
    for part in &variable.init {
        match part {
            InitPart::Bytes { offset, bytes } => {
                const SHOWN: usize = 32;
                let _ = write!(out, " +{offset}:");
                for byte in bytes.iter().take(SHOWN) {
                    let _ = write!(out, "{byte:02x}");
                }
                if bytes.len() > SHOWN {
                    let _ = write!(out, "..({} bytes)", bytes.len());
                }
            }
            InitPart::Address { offset, size, symbol, addend, shift, .. } => {
                let _ = write!(out, " +{offset}:&{}{addend:+}", symbol_name(module, *symbol));
                if *size == 1 {
                    let _ = write!(out, ">>{shift}");
                }
            }
        }
    }
    out.push('\n');
}

fn symbol_name(module: &Module, symbol: SymbolRef) -> &str {
    match symbol {
        SymbolRef::Var(id) => module.variables.get(id).map_or("?", |variable| &variable.name),
        SymbolRef::Func(id) => module.functions.get(id).map_or("?", |function| &function.name),
    }
}

fn print_function(out: &mut String, module: &Module, number: u32, function: &Function) {
    let kind = if function.kind == FunctionKind::Kernel { "kernel" } else { "function" };
    let _ = write!(out, "fn{number} {} {kind} {}(", linkage(function.linkage), function.name);
    let list = |params: &[crate::ir::Param]| {
        let item = |param: &crate::ir::Param| format!("{}@{}:{}", param.name, param.offset, param.size);
        params.iter().map(item).collect::<Vec<_>>().join(", ")
    };
    out.push_str(&list(&function.params));
    out.push(')');
    if !function.returns.is_empty() {
        let _ = write!(out, " -> ({})", list(&function.returns));
    }
    let performance = &function.performance;
    for (name, shape) in [("reqntid", performance.reqntid), ("maxntid", performance.maxntid)] {
        if let Some([x, y, z]) = shape {
            let _ = write!(out, " {name} {x}x{y}x{z}");
        }
    }
    for (name, value) in [("minnctapersm", performance.min_blocks_per_sm), ("maxnreg", performance.max_registers)] {
        if let Some(value) = value {
            let _ = write!(out, " {name} {value}");
        }
    }
    if performance.noreturn {
        out.push_str(" noreturn");
    }
    if function.is_declaration() {
        out.push('\n');
        return;
    }
    out.push_str(" {\n");
    for (id, var) in function.frame.iter_enumerated() {
        let _ = writeln!(out, "  {id} {} size {} align {} {}", op::space(var.space), var.size, var.align, var.name);
    }
    let names = register_names(function);
    for (id, block) in function.blocks.iter_enumerated() {
        let _ = write!(out, "{id}:");
        if let Some(label) = &block.label {
            let _ = write!(out, "  // {label}");
        }
        out.push('\n');
        for inst in &block.insts {
            print_inst(out, module, function, &names, inst);
        }
        print_terminator(out, &names, &block.terminator);
    }
    out.push_str("}\n");
}

/// Names as in the text; a number is added where scopes use a name twice.
fn register_names(function: &Function) -> Vec<String> {
    let mut taken = HashSet::new();
    let numbered = function.reg_names.iter().enumerate();
    numbered
        .map(
            |(idx, name)| {
                if name.is_empty() || !taken.insert(name.as_str()) { format!("{name}#{idx}") } else { name.clone() }
            },
        )
        .collect()
}

fn reg_name(names: &[String], reg: Reg) -> &str {
    names.get(reg.idx()).map_or("?", |name| name)
}

fn operand(module: &Module, function: &Function, names: &[String], operand: Operand) -> String {
    let offset = |offset: i64| if offset == 0 { String::new() } else { format!("{offset:+}") };
    match operand {
        Operand::Reg(reg) => reg_name(names, reg).to_owned(),
        Operand::Imm(bits) => format!("{bits:#x}"),
        Operand::Symbol(symbol, at) => format!("&{}{}", symbol_name(module, symbol), offset(at)),
        Operand::Frame(id, at) => {
            let name = function.frame.get(id).map_or("?", |var| &var.name);
            format!("{id}({name}){}", offset(at))
        }
        Operand::Param(at) => format!("param+{at}"),
        Operand::Return(at) => format!("return+{at}"),
    }
}

fn print_inst(out: &mut String, module: &Module, function: &Function, names: &[String], inst: &Inst) {
    out.push_str("  ");
    if let Some(guard) = inst.guard {
        let _ = write!(out, "@{}{} ", if guard.negated { "!" } else { "" }, reg_name(names, guard.reg));
    }
    for (idx, &dst) in inst.dsts.iter().enumerate() {
        let _ = write!(out, "{}{}", if idx == 0 { "" } else { ", " }, reg_name(names, dst));
    }
    if !inst.dsts.is_empty() {
        out.push_str(" = ");
    }
    out.push_str(&op::text(&inst.op));
    let args = |args: &CallArgs| {
        let list = |vars: &[crate::ir::FrameVarId]| vars.iter().map(|id| id.to_string()).collect::<Vec<_>>().join(", ");
        format!(" ({}) -> ({})", list(&args.params), list(&args.returns))
    };
    match &inst.op {
        Op::Call(id, call) => {
            let _ = write!(out, " {}{}", symbol_name(module, SymbolRef::Func(*id)), args(call));
        }
        Op::CallIndirect(_, call) | Op::CallBuiltin(_, call) => out.push_str(&args(call)),
        _ => {}
    }
    for (idx, &src) in inst.srcs.iter().enumerate() {
        let _ = write!(out, "{}{}", if idx == 0 { " " } else { ", " }, operand(module, function, names, src));
    }
    if let Some(line) = inst.line {
        let _ = write!(out, "  // {}:{}:{}", line.file_idx, line.line, line.column);
    }
    out.push('\n');
}

fn print_terminator(out: &mut String, names: &[String], terminator: &Terminator) {
    let uni = |uniform: bool| if uniform { ".uni" } else { "" };
    let _ = match terminator {
        Terminator::Branch(target) => writeln!(out, "  goto {target}"),
        Terminator::CondBranch { pred, negated, then, otherwise, uniform } => {
            let not = if *negated { "!" } else { "" };
            writeln!(out, "  if{} {not}{} goto {then} else {otherwise}", uni(*uniform), reg_name(names, *pred))
        }
        Terminator::IndexBranch { index, targets, uniform } => {
            let targets = targets.iter().map(|target| target.to_string()).collect::<Vec<_>>().join(", ");
            writeln!(out, "  goto{} [{targets}] at {}", uni(*uniform), reg_name(names, *index))
        }
        Terminator::Return => writeln!(out, "  return"),
        Terminator::Exit => writeln!(out, "  exit"),
        Terminator::Trap => writeln!(out, "  trap"),
    };
}
