//! Writes the kernel of one instruction form and its launch.
//!
//! Every thread loads its values, applies the instruction once and stores the result; predicates travel as bytes, 8-bit values in
//! 32-bit registers, so that the extension of the result is seen too.

use super::notation::{Form, Kind, Operand};
use super::values::{N_VALUES, values};
use crate::case::{Arg, Buffer, Compare, Direction, Run};
use crate::element::Element;
use crate::init::Init;
use std::fmt::Write as _;
use vgpu_types::Dim3;

/// Threads per block.
const BLOCK: u32 = 128;

/// Register type, memory type and bytes of an operand in the kernel.
fn storage(kind: Kind) -> (&'static str, &'static str, usize) {
    match kind.name() {
        "pred" => ("b32", "u8", 1),
        "u8" | "b8" => ("b32", "u8", 1),
        "s8" => ("b32", "s8", 1),
        "f32" => ("f32", "f32", 4),
        "f64" => ("f64", "f64", 8),
        "b16" | "u16" | "s16" | "f16" | "bf16" | "e4m3x2" | "e5m2x2" => ("b16", "b16", 2),
        "b64" | "u64" | "s64" => ("b64", "b64", 8),
        _ => ("b32", "b32", 4),
    }
}

/// How the result is stored and shown.
fn result_element(kind: Kind) -> Element {
    match kind.name() {
        "f32" | "tf32" => Element::F32,
        "f64" => Element::F64,
        "f16" => Element::F16,
        "bf16" => Element::BF16,
        _ => match storage(kind) {
            ("b16", ..) => Element::B16,
            ("b64", ..) => Element::B64,
            _ => Element::B32,
        },
    }
}

fn input_element(kind: Kind) -> Element {
    match storage(kind).2 {
        1 => Element::B8,
        2 => Element::B16,
        8 => Element::B64,
        _ => Element::B32,
    }
}

/// The PTX of `form` and its launch.
pub fn case(form: &Form) -> (String, Run) {
    let (results, sources): (Vec<&Operand>, Vec<&Operand>) =
        form.operands.iter().partition(|operand| operand.name == "d");
    let result = results.first().map_or(Kind::Type("b32"), |operand| operand.kind);
    let merged = results.first().is_some_and(|operand| !operand.part.is_empty());
    let element = result_element(result);
    let mut ptx = String::new();
    // Writing to a String cannot fail.
    let mut line = |text: String| {
        let _ = writeln!(ptx, "{text}");
    };
    line(".version 8.5".to_string());
    line(format!(".target {}\n.address_size 64\n", form.target));
    let params: Vec<String> = sources
        .iter()
        .map(|source| source.name.as_str())
        .chain(["out"])
        .map(|name| format!(".param .u64 p_{name}"))
        .collect();
    line(format!(".visible .entry k({})\n{{", params.join(", ")));
    line("    .reg .u32 %index, %t<3>;\n    .reg .u64 %addr, %offset;\n    .reg .pred %unused;".to_string());
    line("    mov.u32 %t0, %ctaid.x;\n    mov.u32 %t1, %ntid.x;\n    mov.u32 %t2, %tid.x;".to_string());
    line("    mad.lo.u32 %index, %t0, %t1, %t2;".to_string());
    for source in &sources {
        let (register, memory, bytes) = storage(source.kind);
        let name = &source.name;
        let loaded = if source.kind == Kind::Pred { format!("w{name}") } else { name.clone() };
        line(format!("    .reg .{register} %{loaded};"));
        line(format!("    ld.param.u64 %addr, [p_{name}];\n    mul.wide.u32 %offset, %index, {bytes};"));
        line(format!("    add.u64 %addr, %addr, %offset;\n    ld.global.{memory} %{loaded}, [%addr];"));
        if source.kind == Kind::Pred {
            line(format!("    .reg .pred %{name};\n    setp.ne.b32 %{name}, %{loaded}, 0;"));
        }
    }
    let register = if result == Kind::Pred { "pred" } else { storage(result).0 };
    line(format!("    .reg .{register} %d;"));
    if merged {
        line("    mov.b32 %d, 0;".to_string());
    }
    line(format!("    {}", form.statement));
    let stored = if result == Kind::Pred {
        line("    .reg .b32 %wd;\n    selp.b32 %wd, 1, 0, %d;".to_string());
        "%wd"
    } else {
        "%d"
    };
    line(format!("    ld.param.u64 %addr, [p_out];\n    mul.wide.u32 %offset, %index, {};", element.bytes()));
    let memory = match element {
        Element::F32 if storage(result).0 == "f32" => "f32".to_string(),
        Element::F64 => "f64".to_string(),
        _ => format!("b{}", element.bytes() * 8),
    };
    line(format!("    add.u64 %addr, %addr, %offset;\n    st.global.{memory} [%addr], {stored};\n    ret;\n}}"));
    (ptx, launch(form, &sources, element))
}

fn launch(form: &Form, sources: &[&Operand], element: Element) -> Run {
    let mut buffers: Vec<Buffer> = Vec::new();
    for (idx, source) in sources.iter().enumerate() {
        buffers.push(Buffer {
            name: source.name.clone(),
            variable: false,
            direction: Direction::In,
            element: input_element(source.kind),
            n: N_VALUES,
            init: Some(Init::Values(values(source, idx, sources.len()))),
            compare: Compare::Exact,
        });
    }
    buffers.push(Buffer {
        name: "out".to_string(),
        variable: false,
        direction: Direction::Out,
        element,
        n: N_VALUES,
        init: Some(Init::Poison),
        compare: form.compare,
    });
    Run {
        line: 0,
        kernel: "k".to_string(),
        grid: Dim3::new(N_VALUES as u32 / BLOCK, 1, 1),
        block: Dim3::new(BLOCK, 1, 1),
        shared_bytes: 0,
        cooperative: false,
        timeout_ms: None,
        args: buffers.iter().map(|buffer| Arg::Address(buffer.name.clone(), 0)).collect(),
        buffers,
        expects: Vec::new(),
        fault: None,
        printf: None,
    }
}

/// The inputs that gave the first difference in a comparison's message.
pub fn inputs_of_first_difference(run: &Run, message: &str) -> String {
    let index =
        message.split_once("out[").and_then(|(_, rest)| rest.split_once(']')).and_then(|(index, _)| index.parse().ok());
    let Some(index): Option<usize> = index else { return String::new() };
    let mut out = String::from("\n  where");
    for buffer in &run.buffers {
        if let Some(Init::Values(values)) = &buffer.init {
            let _ = write!(out, " {} = 0x{:x}", buffer.name, values[index]);
        }
    }
    out
}
