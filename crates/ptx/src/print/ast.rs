//! A syntax tree as PTX text.

use crate::ast::{
    Address, Const, ConstValue, DeclSpace, Function, Init, InitAddress, Inst, Item, Linkage, Module, Operand,
    Prototype, Statement, Variable,
};
use std::fmt::Write as _;

/// Writes a tree as PTX. The text parses to the same tree, spans apart: constants are written as their values.
pub fn print_ast(module: &Module<'_>) -> String {
    let mut out = String::new();
    if let Some(version) = module.version {
        let _ = writeln!(out, ".version {}.{}", version.major, version.minor);
    }
    if !module.target.is_empty() {
        let words: Vec<&str> = module.target.iter().map(|word| word.text).collect();
        let _ = writeln!(out, ".target {}", words.join(", "));
    }
    if let Some((bits, _)) = module.address_size {
        let _ = writeln!(out, ".address_size {bits}");
    }
    for item in &module.items {
        print_item(&mut out, item);
    }
    out
}

fn linkage(linkage: Linkage) -> &'static str {
    match linkage {
        Linkage::None => "",
        Linkage::Visible => ".visible ",
        Linkage::Extern => ".extern ",
        Linkage::Weak => ".weak ",
        Linkage::Common => ".common ",
    }
}

fn space(space: DeclSpace) -> &'static str {
    match space {
        DeclSpace::Reg => ".reg",
        DeclSpace::Local => ".local",
        DeclSpace::Shared => ".shared",
        DeclSpace::Global => ".global",
        DeclSpace::Const => ".const",
        DeclSpace::Param => ".param",
        DeclSpace::Tex => ".tex",
    }
}

fn print_item(out: &mut String, item: &Item<'_>) {
    match item {
        Item::Variable(variable) => {
            print_variable(out, variable);
            out.push_str(";\n");
        }
        Item::Function(function) => print_function(out, function),
        Item::File { number, path } => {
            let _ = writeln!(out, ".file {number} \"{path}\"");
        }
        Item::Alias { alias, aliasee } => {
            let _ = writeln!(out, ".alias {}, {};", alias.text, aliasee.text);
        }
        Item::Pragma(text) => {
            let _ = writeln!(out, ".pragma \"{}\";", text.text);
        }
        Item::Prototype(prototype) => print_prototype(out, prototype),
    }
}

fn print_variable(out: &mut String, variable: &Variable<'_>) {
    let _ = write!(out, "{}{}", linkage(variable.linkage), space(variable.space));
    if !variable.attributes.is_empty() {
        let words: Vec<String> = variable.attributes.iter().map(|word| format!(".{}", word.text)).collect();
        let _ = write!(out, " .attribute({})", words.join(", "));
    }
    if let Some(align) = variable.align {
        let _ = write!(out, " .align {align}");
    }
    if variable.vector != 1 {
        let _ = write!(out, " .v{}", variable.vector);
    }
    let _ = write!(out, " .{}", variable.ty.text);
    if let Some(pointer) = variable.pointer {
        out.push_str(" .ptr");
        if !pointer.is_empty() {
            let _ = write!(out, " .{pointer}");
        }
        if let Some(align) = variable.pointer_align {
            let _ = write!(out, " .align {align}");
        }
    }
    // A parameter without a name is written `_`; it reads back as no name.
    let name = if variable.name.text.is_empty() { "_" } else { variable.name.text };
    let _ = write!(out, " {name}");
    if let Some(count) = variable.count {
        let _ = write!(out, "<{count}>");
    }
    for dim in &variable.dims {
        match dim {
            Some(size) => {
                let _ = write!(out, "[{size}]");
            }
            None => out.push_str("[]"),
        }
    }
    if let Some(init) = &variable.init {
        out.push_str(" = ");
        print_init(out, init);
    }
}

fn print_init(out: &mut String, init: &Init<'_>) {
    match init {
        Init::Value(value) => print_const(out, *value),
        Init::List(items, _) => {
            out.push('{');
            for (idx, item) in items.iter().enumerate() {
                out.push_str(if idx == 0 { "" } else { ", " });
                print_init(out, item);
            }
            out.push('}');
        }
        Init::Text(text) => {
            let _ = write!(out, "\"{}\"", text.text);
        }
        Init::Address(address) => print_init_address(out, address),
    }
}

fn print_init_address(out: &mut String, address: &InitAddress<'_>) {
    let mut text = address.symbol.text.to_owned();
    if address.generic {
        text = format!("generic({text})");
    }
    if address.addend != 0 {
        let _ = write!(text, "{:+}", address.addend);
    }
    match address.mask {
        Some(mask) => {
            let _ = write!(out, "{mask:#x}({text})");
        }
        None => out.push_str(&text),
    }
}

fn print_const(out: &mut String, constant: Const) {
    let _ = match constant.value {
        ConstValue::Signed(value) => write!(out, "{value}"),
        ConstValue::Unsigned(value) => write!(out, "{value}U"),
        ConstValue::F32(bits) => write!(out, "0f{bits:08X}"),
        ConstValue::F64(bits) => write!(out, "0d{bits:016X}"),
    };
}

fn print_parameters(out: &mut String, params: &[Variable<'_>]) {
    out.push('(');
    for (idx, param) in params.iter().enumerate() {
        out.push_str(if idx == 0 { "" } else { ", " });
        print_variable(out, param);
    }
    out.push(')');
}

fn print_function(out: &mut String, function: &Function<'_>) {
    let _ = write!(out, "\n{}{} ", linkage(function.linkage), if function.entry { ".entry" } else { ".func" });
    if !function.returns.is_empty() {
        print_parameters(out, &function.returns);
        out.push(' ');
    }
    out.push_str(function.name.text);
    print_parameters(out, &function.params);
    for directive in &function.directives {
        let _ = write!(out, "\n.{}", directive.name.text);
        match directive.text {
            Some(text) => {
                let _ = write!(out, " \"{text}\";");
            }
            None => {
                let values: Vec<String> = directive.values.iter().map(u64::to_string).collect();
                let _ = write!(out, " {}", values.join(", "));
            }
        }
    }
    match &function.body {
        None => out.push_str(";\n"),
        Some(body) => {
            out.push_str("\n{\n");
            print_statements(out, body, 1);
            out.push_str("}\n");
        }
    }
}

fn print_prototype(out: &mut String, prototype: &Prototype<'_>) {
    let _ = write!(out, "{}: .callprototype ", prototype.name.text);
    if !prototype.returns.is_empty() {
        print_parameters(out, &prototype.returns);
        out.push(' ');
    }
    out.push_str("_ ");
    print_parameters(out, &prototype.params);
    out.push_str(if prototype.noreturn { " .noreturn;\n" } else { ";\n" });
}

fn print_statements(out: &mut String, statements: &[Statement<'_>], depth: usize) {
    let indent = "\t".repeat(depth);
    for statement in statements {
        match statement {
            Statement::Label(name) => {
                let _ = writeln!(out, "{}:", name.text);
                continue;
            }
            Statement::Prototype(prototype) => {
                print_prototype(out, prototype);
                continue;
            }
            Statement::BranchTargets(list) | Statement::CallTargets(list) => {
                let word =
                    if matches!(statement, Statement::BranchTargets(_)) { "branchtargets" } else { "calltargets" };
                let names: Vec<&str> = list.names.iter().map(|name| name.text).collect();
                let _ = writeln!(out, "{}: .{word} {};", list.name.text, names.join(", "));
                continue;
            }
            _ => out.push_str(&indent),
        }
        match statement {
            Statement::Inst(inst) => print_inst(out, inst),
            Statement::Variable(variable) => {
                print_variable(out, variable);
                out.push_str(";\n");
            }
            Statement::Scope(inner) => {
                out.push_str("{\n");
                print_statements(out, inner, depth + 1);
                let _ = writeln!(out, "{indent}}}");
            }
            Statement::Loc(loc) => {
                let _ = writeln!(out, ".loc {} {} {}", loc.file, loc.line, loc.column);
            }
            Statement::Pragma(text) => {
                let _ = writeln!(out, ".pragma \"{}\";", text.text);
            }
            Statement::Label(_) | Statement::Prototype(_) | Statement::BranchTargets(_) | Statement::CallTargets(_) => {
            }
        }
    }
}

fn print_inst(out: &mut String, inst: &Inst<'_>) {
    if let Some(guard) = inst.guard {
        let _ = write!(out, "@{}{} ", if guard.negated { "!" } else { "" }, guard.name.text);
    }
    out.push_str(inst.opcode.text);
    for (idx, operand) in inst.operands.iter().enumerate() {
        out.push_str(if idx == 0 { " " } else { ", " });
        print_operand(out, operand);
    }
    out.push_str(";\n");
}

fn print_list(out: &mut String, operands: &[Operand<'_>]) {
    for (idx, operand) in operands.iter().enumerate() {
        out.push_str(if idx == 0 { "" } else { ", " });
        print_operand(out, operand);
    }
}

fn print_operand(out: &mut String, operand: &Operand<'_>) {
    match operand {
        Operand::Name { name, component, minus } => {
            let _ = write!(out, "{}{}", if *minus { "-" } else { "" }, name.text);
            if let Some(component) = component {
                let _ = write!(out, ".{}", component.text);
            }
        }
        Operand::Not(name) => {
            let _ = write!(out, "!{}", name.text);
        }
        Operand::Offset { name, offset } => {
            let _ = write!(out, "{}{offset:+}", name.text);
        }
        Operand::Const(constant) => print_const(out, *constant),
        Operand::Sink(_) => out.push('_'),
        Operand::Pair(pair) => {
            print_operand(out, &pair[0]);
            out.push('|');
            print_operand(out, &pair[1]);
        }
        Operand::Vector(items, _) => {
            out.push('{');
            print_list(out, items);
            out.push('}');
        }
        Operand::List(items, _) => {
            out.push('(');
            print_list(out, items);
            out.push(')');
        }
        Operand::Address(address) => print_address(out, address),
    }
}

fn print_address(out: &mut String, address: &Address<'_>) {
    out.push('[');
    match address.base {
        Some(base) => {
            out.push_str(base.text);
            if address.offset != 0 {
                let _ = write!(out, "{:+}", address.offset);
            }
        }
        None => {
            let _ = write!(out, "{}", address.offset);
        }
    }
    for extra in &address.extra {
        out.push_str(", ");
        print_operand(out, extra);
    }
    out.push(']');
}
