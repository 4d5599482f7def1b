//! Reads the table: brace expansion, operand types, comparison and target.

use crate::case::Compare;
use anyhow::{Context, Result, anyhow, bail};

/// Type of an operand of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A predicate.
    Pred,
    /// A scalar or packed type by PTX name.
    Type(&'static str),
}

/// The types of the table: name, bits, and the element type of a pair.
const TYPES: [(&str, u32); 27] = [
    ("b8", 8),
    ("u8", 8),
    ("s8", 8),
    ("b16", 16),
    ("u16", 16),
    ("s16", 16),
    ("f16", 16),
    ("bf16", 16),
    ("e4m3x2", 16),
    ("e5m2x2", 16),
    ("b32", 32),
    ("u32", 32),
    ("s32", 32),
    ("f32", 32),
    ("tf32", 32),
    ("f16x2", 32),
    ("bf16x2", 32),
    ("u16x2", 32),
    ("s16x2", 32),
    ("b64", 64),
    ("u64", 64),
    ("s64", 64),
    ("f64", 64),
    ("u4", 4),
    ("s4", 4),
    ("b1", 1),
    ("pred", 1),
];

impl Kind {
    fn from_name(name: &str) -> Option<Self> {
        let (name, _) = TYPES.iter().find(|(known, _)| *known == name)?;
        Some(if *name == "pred" { Self::Pred } else { Self::Type(name) })
    }

    /// PTX name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pred => "pred",
            Self::Type(name) => name,
        }
    }

    /// Bits of a value.
    pub fn bits(self) -> u32 {
        TYPES.iter().find(|(name, _)| *name == self.name()).map_or(0, |(_, bits)| *bits)
    }

    fn wide(self) -> Result<Self> {
        Ok(Self::Type(match self.name() {
            "u16" => "u32",
            "s16" => "s32",
            "u32" => "u64",
            "s32" => "s64",
            other => bail!("no type twice as wide as {other}"),
        }))
    }
}

/// An operand: its name in the table, type, choice of values, and what stands after the register (`.b0`).
#[derive(Clone, Debug, PartialEq)]
pub struct Operand {
    /// `d`, `a`, `b`, `c` or `e`.
    pub name: String,
    /// Type.
    pub kind: Kind,
    /// Choice of values; empty for the edges of the type.
    pub values: String,
    /// A part selector such as `.b0`, or empty.
    pub part: String,
}

/// One form of an instruction.
#[derive(Clone, Debug)]
pub struct Form {
    /// As in the manual: opcode and operands, or the snippet.
    pub text: String,
    /// PTX statement with `%d`, `%a`, ..
    pub statement: String,
    /// Result and sources.
    pub operands: Vec<Operand>,
    /// How results are compared.
    pub compare: Compare,
    /// `.target`.
    pub target: String,
    /// A snippet of several instructions.
    pub snippet: bool,
}

impl Form {
    /// True for instructions with an error bound instead of a result.
    pub fn is_approximate(&self) -> bool {
        matches!(self.compare, Compare::Ulp(_) | Compare::Tolerance { .. })
    }
}

/// A line of the table.
#[derive(Clone, Debug)]
pub struct Group {
    /// A name for the test.
    pub name: String,
    /// Its forms.
    pub forms: Vec<Form>,
}

/// Parses the table.
///
/// # Errors
/// A malformed line; the message has its number.
pub fn parse(file: &str, table: &str) -> Result<Vec<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    for (idx, line) in table.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut group = parse_line(line).with_context(|| format!("{file}:{}: {line}", idx + 1))?;
        let twins = groups.iter().filter(|other| other.name.split('#').next() == Some(&group.name)).count();
        if twins > 0 {
            group.name = format!("{}#{}", group.name, twins + 1);
        }
        groups.push(group);
    }
    Ok(groups)
}

fn parse_line(line: &str) -> Result<Group> {
    let (body, options) = match line.split_once(" | ") {
        Some((body, options)) => (body, options),
        None => (line, ""),
    };
    let mut compare = Compare::Exact;
    let mut target = "sm_80".to_string();
    for option in options.split(" | ").filter(|option| !option.is_empty()) {
        match option.trim().split_once(' ') {
            Some(("compare", mode)) => compare = crate::case::parse_compare(mode)?,
            Some(("target", name)) => target = name.to_string(),
            _ => bail!("unknown option \"{option}\""),
        }
    }
    if let Some(snippet) = body.strip_prefix("do ") {
        let (operands, text) = snippet.split_once(" = ").ok_or_else(|| anyhow!("a snippet needs \" = \""))?;
        let operands = operands.split(", ").map(|operand| parse_operand(operand, &[])).collect::<Result<_>>()?;
        let form = Form { text: text.into(), statement: text.into(), operands, compare, target, snippet: true };
        let opcode = text.split([';', ',']).find_map(|part| part.trim().split(' ').find(|word| word.contains('.')));
        let opcodes = text.split(';').map(|part| part.trim().trim_start_matches("{ ").split(' ').next().unwrap_or(""));
        let word = opcodes.filter(|word| !word.starts_with('.')).find(|word| word.contains('.')).or(opcode);
        return Ok(Group { name: format!("sequence {}", word.unwrap_or("snippet")), forms: vec![form] });
    }
    let mut forms = Vec::new();
    for text in expand(body) {
        let (opcode, operands) = text.split_once(' ').ok_or_else(|| anyhow!("no operands"))?;
        let form = parse_form(opcode, operands, compare, &target)?;
        match opcode.split('.').next() {
            Some("atom") => forms.extend([atomic(opcode, &form, false)?, atomic(opcode, &form, true)?]),
            Some("red") => forms.push(atomic(opcode, &form, true)?),
            _ => forms.push(form),
        }
    }
    let name = body.split_once(' ').map_or(body, |(opcode, _)| opcode);
    Ok(Group { name: name.to_string(), forms })
}

fn parse_form(opcode: &str, operands: &str, compare: Compare, target: &str) -> Result<Form> {
    let types: Vec<Kind> = opcode.split('.').skip(1).filter_map(Kind::from_name).collect();
    let mut parsed = Vec::new();
    let mut written = Vec::new();
    for operand in operands.split(", ") {
        if operand.starts_with("0x") {
            written.push(operand.to_string());
            continue;
        }
        let operand = parse_operand(operand, &types)?;
        let mut text = format!("%{}{}", operand.name, operand.part);
        // `lop3.or.b32 d|p, ..`: the predicate result is dropped, the value checked.
        if opcode.starts_with("lop3.") && operand.name == "d" && !opcode.starts_with("lop3.b32") {
            text = "%d|%unused".to_string();
        }
        written.push(text);
        parsed.push(operand);
    }
    Ok(Form {
        text: format!("{opcode} {operands}"),
        statement: format!("{opcode} {};", written.join(", ")),
        operands: parsed,
        compare,
        target: target.to_string(),
        snippet: false,
    })
}

/// An atomic operation on a cell of memory that holds the first source: the old value is the result, or with `after` what
/// the cell holds in the end.
fn atomic(opcode: &str, form: &Form, after: bool) -> Result<Form> {
    let result = form.operands.first().ok_or_else(|| anyhow!("no operands"))?;
    let bits = result.kind.bits();
    let space = if opcode.contains(".shared") { "shared" } else { "global" };
    let values = if form.operands.len() == 4 { "%b, %c" } else { "%b" };
    let old = match (opcode.starts_with("atom"), after) {
        (true, false) => "%d, ",
        (true, true) => "_, ",
        (false, _) => "",
    };
    let address = match space {
        "shared" => {
            ".shared .align 8 .b8 cells[1024]; .reg .u32 cell; mov.u32 cell, cells; mad.lo.u32 cell, %t2, 8, cell;"
        }
        _ => {
            ".global .align 8 .b8 cells[8192]; .reg .u64 cell; mov.u64 cell, cells; mad.wide.u32 cell, %index, 8, cell;"
        }
    };
    let read = if after { format!(" ld.{space}.b{bits} %d, [cell];") } else { String::new() };
    let statement = format!("{{ {address} st.{space}.b{bits} [cell], %a; {opcode} {old}[cell], {values};{read} }}");
    let suffix = if after { " after" } else { "" };
    Ok(Form { text: format!("{}{suffix}", form.text), statement, ..form.clone() })
}

fn parse_operand(text: &str, types: &[Kind]) -> Result<Operand> {
    let (text, values) = text.split_once('~').unwrap_or((text, ""));
    let (name, ty) = text.split_once(':').unwrap_or((text, ""));
    let (ty, part) = match ty.split_once('.') {
        Some((ty, part)) => (ty, format!(".{part}")),
        None => (ty, String::new()),
    };
    let last = || types.last().copied().ok_or_else(|| anyhow!("operand \"{text}\" needs a type"));
    let kind = match ty {
        "" => last()?,
        "wide" => last()?.wide()?,
        "T0" => *types.first().ok_or_else(|| anyhow!("the opcode has no type"))?,
        "T1" => *types.get(1).ok_or_else(|| anyhow!("the opcode has no second type"))?,
        name => Kind::from_name(name).ok_or_else(|| anyhow!("unknown type \"{name}\""))?,
    };
    Ok(Operand { name: name.to_string(), kind, values: values.to_string(), part })
}

/// Brace expansion: every combination of the alternatives.
pub fn expand(text: &str) -> Vec<String> {
    let Some(open) = text.find('{') else { return vec![text.to_string()] };
    let Some(close) = text[open..].find('}') else { return vec![text.to_string()] };
    let (head, rest) = (&text[..open], &text[open + close + 1..]);
    let tails = expand(rest);
    let alternatives = text[open + 1..open + close].split(',');
    alternatives.flat_map(|choice| tails.iter().map(move |tail| format!("{head}{choice}{tail}"))).collect()
}
