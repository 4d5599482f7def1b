//! From a program to the kernel's text.
//!
//! Values live in registers by class: bools in predicates, integers up to 32 bits in `.b32` (always sign- or zero-extended), others
//! in `.b64`, `.f32`, `.f64`. Each node gets one register; the text is straight-line.

use crate::op::{Op, Type};
use crate::{Error, Leaf, Node, Program, Step};
use std::fmt::Write as _;

/// The kernel's name.
pub const ENTRY: &str = "vgpu_fused";

/// Text under construction, and how many registers of each class it has.
#[derive(Default)]
pub(crate) struct Text {
    body: String,
    counts: [usize; 5],
}

/// Register classes: predicate, 32 bits, 64 bits, single, double.
const CLASSES: [(&str, &str); 5] = [("p", "pred"), ("r", "b32"), ("rd", "b64"), ("f", "f32"), ("fd", "f64")];

const fn class(ty: Type) -> usize {
    match ty {
        Type::Bool => 0,
        Type::I8 | Type::I16 | Type::I32 | Type::U8 | Type::U16 | Type::U32 => 1,
        Type::I64 | Type::U64 => 2,
        Type::F32 => 3,
        Type::F64 => 4,
    }
}

impl Text {
    fn of_class(&mut self, class: usize) -> String {
        self.counts[class] += 1;
        format!("%{}{}", CLASSES[class].0, self.counts[class])
    }

    /// A new register for a value of this type.
    pub(crate) fn register(&mut self, ty: Type) -> String {
        self.of_class(class(ty))
    }

    /// Writes an instruction.
    pub(crate) fn put(&mut self, line: impl AsRef<str>) {
        self.body.push('\t');
        self.body.push_str(line.as_ref());
        self.body.push_str(";\n");
    }

    /// An instruction with a result of its own: `op result, operands`.
    pub(crate) fn make(&mut self, ty: Type, op: &str, operands: &[&str]) -> String {
        let result = self.register(ty);
        self.put(format!("{op} {result}, {}", operands.join(", ")));
        result
    }
}

/// The type word of arithmetic in a register of this type.
pub(crate) const fn word(ty: Type) -> &'static str {
    match ty {
        Type::Bool => "pred",
        Type::I8 | Type::I16 | Type::I32 => "s32",
        Type::U8 | Type::U16 | Type::U32 => "u32",
        Type::I64 => "s64",
        Type::U64 => "u64",
        Type::F32 => "f32",
        Type::F64 => "f64",
    }
}

/// The type word of a load or store.
const fn memory_word(ty: Type) -> &'static str {
    match ty {
        Type::Bool | Type::U8 => "u8",
        Type::I8 => "s8",
        Type::I16 => "s16",
        Type::U16 => "u16",
        other => word(other),
    }
}

/// The kernel of a program.
///
/// # Errors
/// As [`Program::types`].
pub fn ptx(program: &Program) -> Result<String, Error> {
    let types = program.types()?;
    let mut text = Text::default();
    let mut parameters = vec![".param .u64 out".to_owned(), ".param .u32 n".to_owned()];
    for (idx, leaf) in program.leaves.iter().enumerate() {
        match leaf {
            Leaf::Array(..) => {
                parameters.push(format!(".param .u64 leaf{idx}"));
                parameters.push(format!(".param .s64 row{idx}"));
            }
            Leaf::Scalar(ty) => parameters.push(format!(".param .{} leaf{idx}", scalar_word(*ty))),
        }
    }
    text.put("mov.u32 %i0, %ctaid.x");
    text.put("mov.u32 %i1, %ntid.x");
    text.put("mov.u32 %i2, %tid.x");
    text.put("mad.lo.u32 %i0, %i0, %i1, %i2");
    text.put("ld.param.u32 %i1, [n]");
    text.put("setp.ge.u32 %stop, %i0, %i1");
    text.put("@%stop bra DONE");
    text.put("mov.u32 %i2, %ctaid.y");
    text.put("cvt.u64.u32 %row, %i2");

    let mut leaves: Vec<Option<String>> = vec![None; program.leaves.len()];
    let mut values: Vec<String> = Vec::with_capacity(types.len());
    for (idx, node) in program.nodes.iter().enumerate() {
        let value = match node {
            Node::Leaf(at) => match &leaves[*at] {
                Some(value) => value.clone(),
                None => {
                    let value = load(&mut text, *at, program.leaves[*at]);
                    leaves[*at] = Some(value.clone());
                    value
                }
            },
            Node::Cast(to, at) => cast(&mut text, types[*at], *to, &values[*at]),
            Node::Apply(op, at) => {
                let operands: Vec<&str> = at.iter().map(|at| values[*at].as_str()).collect();
                // The type that the work is done in is that of the last operand: selections and comparisons too.
                let ty = at.last().map_or(types[idx], |last| types[*last]);
                apply(&mut text, *op, ty, &operands)
            }
        };
        values.push(value);
    }
    let (result, ty) = values.last().zip(types.last()).ok_or(Error::Empty)?;
    store(&mut text, *ty, result);

    let mut whole = String::from(".version 7.0\n.target sm_70\n.address_size 64\n\n");
    _ = writeln!(whole, ".visible .entry {ENTRY}(\n\t{}\n)\n{{", parameters.join(",\n\t"));
    whole.push_str("\t.reg .b32 %i<3>;\n\t.reg .b64 %row, %at;\n\t.reg .pred %stop;\n");
    for ((name, kind), count) in CLASSES.iter().zip(text.counts) {
        if count > 0 {
            _ = writeln!(whole, "\t.reg .{kind} %{name}<{}>;", count + 1);
        }
    }
    whole.push_str(&text.body);
    whole.push_str("DONE:\n\tret;\n}\n");
    Ok(whole)
}

const fn scalar_word(ty: Type) -> &'static str {
    match ty {
        Type::Bool => "u32",
        other => word(other),
    }
}

fn load(text: &mut Text, idx: usize, leaf: Leaf) -> String {
    match leaf {
        Leaf::Scalar(Type::Bool) => {
            let bits = text.make(Type::U32, "ld.param.u32", &[&format!("[leaf{idx}]")]);
            text.make(Type::Bool, "setp.ne.u32", &[&bits, "0"])
        }
        Leaf::Scalar(ty) => text.make(ty, &format!("ld.param.{}", word(ty)), &[&format!("[leaf{idx}]")]),
        Leaf::Array(ty, step) => {
            let start = text.make(Type::U64, "ld.param.u64", &[&format!("[leaf{idx}]")]);
            let row = text.make(Type::U64, "ld.param.s64", &[&format!("[row{idx}]")]);
            let mut at = text.make(Type::U64, "mad.lo.s64", &["%row", &row, &start]);
            if step == Step::One {
                let bytes = ty.bytes().to_string();
                let offset = text.make(Type::U64, "mul.wide.u32", &["%i0", &bytes]);
                at = text.make(Type::U64, "add.s64", &[&at, &offset]);
            }
            let place = format!("[{at}]");
            if ty == Type::Bool {
                let byte = text.make(Type::U32, "ld.global.u8", &[&place]);
                return text.make(Type::Bool, "setp.ne.u32", &[&byte, "0"]);
            }
            text.make(ty, &format!("ld.global.{}", memory_word(ty)), &[&place])
        }
    }
}

fn store(text: &mut Text, ty: Type, value: &str) {
    let bytes = ty.bytes();
    text.put("ld.param.u64 %at, [out]");
    // Row times n elements, then the place in the row.
    let n = text.make(Type::U64, "cvt.u64.u32", &["%i1"]);
    let place = text.make(Type::U64, "cvt.u64.u32", &["%i0"]);
    let row = text.make(Type::U64, "mul.lo.u64", &["%row", &n]);
    let row = text.make(Type::U64, "mul.lo.u64", &[&row, &bytes.to_string()]);
    text.put(format!("add.s64 %at, %at, {row}"));
    let offset = text.make(Type::U64, "mul.lo.u64", &[&place, &bytes.to_string()]);
    text.put(format!("add.s64 %at, %at, {offset}"));
    let value = if ty == Type::Bool { text.make(Type::U32, "selp.u32", &["1", "0", value]) } else { value.to_owned() };
    let kind = match bytes {
        1 => "u8",
        2 => "u16",
        _ => memory_word(ty),
    };
    text.put(format!("st.global.{kind} [%at], {value}"));
}

/// Brings a register back to its type's range after arithmetic in 32 bits.
fn wrap(text: &mut Text, ty: Type, value: String) -> String {
    let spare = match ty {
        Type::I8 | Type::U8 => "24",
        Type::I16 | Type::U16 => "16",
        _ => return value,
    };
    let up = text.make(ty, "shl.b32", &[&value, spare]);
    text.make(ty, &format!("shr.{}", word(ty)), &[&up, spare])
}

fn cast(text: &mut Text, from: Type, to: Type, value: &str) -> String {
    if from == to {
        return value.to_owned();
    }
    if to == Type::Bool {
        // NaN is true.
        let (op, zero) = match from {
            Type::F32 => ("setp.neu.f32".to_owned(), "0f00000000"),
            Type::F64 => ("setp.neu.f64".to_owned(), "0d0000000000000000"),
            other => (format!("setp.ne.{}", word(other)), "0"),
        };
        return text.make(Type::Bool, &op, &[value, zero]);
    }
    if from == Type::Bool {
        return match to {
            Type::F32 => text.make(to, "selp.f32", &["0f3F800000", "0f00000000", value]),
            Type::F64 => text.make(to, "selp.f64", &["0d3FF0000000000000", "0d0000000000000000", value]),
            other => text.make(to, &format!("selp.{}", word(other)), &["1", "0", value]),
        };
    }
    let (source, target) = (word(from), word(to));
    if !from.is_float() && !to.is_float() {
        let moved = if class(from) == class(to) {
            value.to_owned()
        } else if class(to) == 2 {
            text.make(to, &format!("cvt.{}64.{source}", if from.is_signed() { 's' } else { 'u' }), &[value])
        } else {
            text.make(to, "cvt.u32.u64", &[value])
        };
        return wrap(text, to, moved);
    }
    if to.is_float() {
        // Every f32 is an f64 exactly: that conversion has no rounding to name.
        let rounding = if from == Type::F32 && to == Type::F64 { "" } else { "rn." };
        return text.make(to, &format!("cvt.{rounding}{target}.{source}"), &[value]);
    }
    let whole = if class(to) == 1 {
        // Through 64 bits, so that what does not fit wraps as integers do.
        let wide = text.make(Type::I64, &format!("cvt.rzi.s64.{source}"), &[value]);
        text.make(to, "cvt.u32.u64", &[&wide])
    } else {
        text.make(to, &format!("cvt.rzi.{target}.{source}"), &[value])
    };
    wrap(text, to, whole)
}

fn apply(text: &mut Text, op: Op, ty: Type, operands: &[&str]) -> String {
    let w = word(ty);
    let arithmetic = |text: &mut Text, name: &str| {
        let name = if ty.is_float() { format!("{name}.rn.{w}") } else { format!("{name}.{w}") };
        let value = text.make(ty, &name, operands);
        wrap(text, ty, value)
    };
    let compare = |text: &mut Text, how: &str| text.make(Type::Bool, &format!("setp.{how}.{w}"), operands);
    let rounding = |text: &mut Text, how: &str| text.make(ty, &format!("cvt.{how}.{w}.{w}"), operands);
    match op {
        Op::Add => arithmetic(text, "add"),
        Op::Sub => arithmetic(text, "sub"),
        Op::Mul if ty.is_float() => arithmetic(text, "mul"),
        Op::Mul => arithmetic(text, "mul.lo"),
        Op::Square => apply(text, Op::Mul, ty, &[operands[0], operands[0]]),
        Op::Div => text.make(ty, &format!("div.rn.{w}"), operands),
        Op::Recip => text.make(ty, &format!("rcp.rn.{w}"), operands),
        Op::Sqrt => text.make(ty, &format!("sqrt.rn.{w}"), operands),
        Op::Max | Op::Min if ty.is_float() => {
            let how = if op == Op::Max { "gt" } else { "lt" };
            let better = text.make(Type::Bool, &format!("setp.{how}.{w}"), operands);
            let nan = text.make(Type::Bool, &format!("setp.nan.{w}"), &[operands[0], operands[0]]);
            let first = text.make(Type::Bool, "or.pred", &[&better, &nan]);
            text.make(ty, &format!("selp.{w}"), &[operands[0], operands[1], &first])
        }
        Op::Max => text.make(ty, &format!("max.{w}"), operands),
        Op::Min => text.make(ty, &format!("min.{w}"), operands),
        Op::Eq if ty == Type::Bool => {
            let differs = text.make(ty, "xor.pred", operands);
            text.make(ty, "not.pred", &[&differs])
        }
        Op::Ne if ty == Type::Bool => text.make(ty, "xor.pred", operands),
        Op::Eq => compare(text, "eq"),
        Op::Ne if ty.is_float() => compare(text, "neu"),
        Op::Ne => compare(text, "ne"),
        Op::Lt => compare(text, "lt"),
        Op::Le => compare(text, "le"),
        Op::Gt => compare(text, "gt"),
        Op::Ge => compare(text, "ge"),
        Op::And | Op::Or | Op::Xor | Op::Not => {
            let name = match op {
                Op::And => "and",
                Op::Or => "or",
                Op::Xor => "xor",
                _ => "not",
            };
            let kind = ["pred", "b32", "b64"][class(ty).min(2)];
            let value = text.make(ty, &format!("{name}.{kind}"), operands);
            wrap(text, ty, value)
        }
        Op::Neg if ty.is_float() => text.make(ty, &format!("neg.{w}"), operands),
        Op::Neg => {
            let signed = if class(ty) == 2 { "s64" } else { "s32" };
            let value = text.make(ty, &format!("neg.{signed}"), operands);
            wrap(text, ty, value)
        }
        Op::Abs if ty.is_signed() => {
            let value = text.make(ty, &format!("abs.{w}"), operands);
            wrap(text, ty, value)
        }
        Op::Abs => operands[0].to_owned(),
        Op::Floor => rounding(text, "rmi"),
        Op::Ceil => rounding(text, "rpi"),
        Op::Trunc => rounding(text, "rzi"),
        Op::Round => rounding(text, "rni"),
        Op::IsNan => text.make(Type::Bool, &format!("setp.nan.{w}"), &[operands[0], operands[0]]),
        Op::IsInf | Op::IsFinite => {
            let infinity = if ty == Type::F32 { "0f7F800000" } else { "0d7FF0000000000000" };
            let size = text.make(ty, &format!("abs.{w}"), operands);
            let how = if op == Op::IsInf { "eq" } else { "lt" };
            text.make(Type::Bool, &format!("setp.{how}.{w}"), &[&size, infinity])
        }
        Op::Select if ty == Type::Bool => {
            let yes = text.make(ty, "and.pred", &[operands[0], operands[1]]);
            let no = text.make(ty, "not.pred", &[operands[0]]);
            let no = text.make(ty, "and.pred", &[&no, operands[2]]);
            text.make(ty, "or.pred", &[&yes, &no])
        }
        Op::Select => text.make(ty, &format!("selp.{w}"), &[operands[1], operands[2], operands[0]]),
        Op::Exp => crate::math::exp(text, operands[0]),
        Op::Log => crate::math::log(text, operands[0]),
        Op::Tanh => crate::math::tanh(text, operands[0]),
        Op::Erf => crate::math::erf(text, operands[0]),
        Op::Sigmoid => crate::math::sigmoid(text, operands[0]),
        Op::Gelu => crate::math::gelu(text, operands[0]),
    }
}
