//! Writes the kernel of a form that several threads execute together, and its launch.
//!
//! Inputs are buffers: a word per thread, loaded to a register of the buffer's name, or data that the body addresses
//! itself through `%p_NAME`. Results are registers, stored as a word per thread, or buffers that the body fills. Registers of
//! results begin with a pattern, so that a thread that must not take part is seen to have left it.

use crate::case::{Arg, Buffer, Compare, Direction, Run};
use crate::element::Element;
use crate::init::Init;
use crate::outcome::Outcome;
use anyhow::{Context as _, Result, bail};
use std::fmt::Write as _;
use vgpu_types::Dim3;

/// What a result register holds before the instruction.
pub const UNTOUCHED: u64 = 0xa5a5_a5a5;

/// What a word of a result must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Expect {
    /// These bits.
    Bits(u64),
    /// This number, as far as the manual says how sums are rounded: at most so far away. NaN is any NaN.
    Near(f64, f64),
    /// Anything.
    Open,
}

/// A buffer with data.
pub struct Input {
    /// Name of buffer and register.
    pub name: String,
    /// What it holds.
    pub element: Element,
    /// Its contents.
    pub values: Vec<u64>,
    /// Each thread loads its word to a register.
    pub register: bool,
}

/// A result.
pub struct Output {
    /// Name of buffer and register.
    pub name: String,
    /// What it holds.
    pub element: Element,
    /// What it must hold in the end.
    pub expected: Vec<Expect>,
    /// Each thread stores a register to its word.
    pub register: bool,
}

/// A kernel in parts.
#[derive(Default)]
pub struct Kernel {
    /// `.target`.
    pub target: String,
    /// Declarations before the kernel.
    pub header: String,
    /// Buffers read.
    pub inputs: Vec<Input>,
    /// Buffers written.
    pub outputs: Vec<Output>,
    /// The statements.
    pub body: String,
    /// Threads per block.
    pub block: u32,
    /// Blocks.
    pub grid: u32,
}

fn register_type(element: Element) -> &'static str {
    match element {
        Element::F32 => "f32",
        Element::F64 => "f64",
        _ if element.bytes() == 8 => "b64",
        _ if element.bytes() == 2 => "b16",
        _ => "b32",
    }
}

fn memory_type(element: Element) -> String {
    match element {
        Element::F32 | Element::F64 => element.name().to_string(),
        _ => format!("b{}", element.bytes() * 8),
    }
}

impl Kernel {
    /// A kernel of one block.
    pub fn new(target: &str, block: u32) -> Self {
        Self { target: target.to_string(), block, grid: 1, ..Self::default() }
    }

    /// A word per thread in a register.
    pub fn input(&mut self, name: impl Into<String>, element: Element, values: Vec<u64>) {
        self.inputs.push(Input { name: name.into(), element, values, register: true });
    }

    /// Data that the body loads itself.
    pub fn data(&mut self, name: &str, element: Element, values: Vec<u64>) {
        self.inputs.push(Input { name: name.to_string(), element, values, register: false });
    }

    /// A register that each thread stores.
    pub fn output(&mut self, name: impl Into<String>, element: Element, expected: Vec<Expect>) {
        self.outputs.push(Output { name: name.into(), element, expected, register: true });
    }

    /// A buffer that the body fills.
    pub fn filled(&mut self, name: &str, element: Element, expected: Vec<Expect>) {
        self.outputs.push(Output { name: name.to_string(), element, expected, register: false });
    }

    /// The text.
    pub fn ptx(&self) -> String {
        let mut ptx = String::new();
        // Writing to a String cannot fail.
        let mut line = |text: &str| {
            let _ = writeln!(ptx, "{text}");
        };
        line(".version 8.5");
        line(&format!(".target {}\n.address_size 64\n{}", self.target, self.header));
        let names = self.inputs.iter().map(|input| &input.name).chain(self.outputs.iter().map(|output| &output.name));
        let params: Vec<String> = names.clone().map(|name| format!(".param .u64 q_{name}")).collect();
        line(&format!(".visible .entry k({})\n{{", params.join(", ")));
        line("    .reg .b32 %index, %t<3>, %lane;\n    .reg .b64 %addr, %offset;");
        line("    mov.u32 %t0, %ctaid.x;\n    mov.u32 %t1, %ntid.x;\n    mov.u32 %t2, %tid.x;");
        line("    mov.u32 %lane, %laneid;\n    mad.lo.u32 %index, %t0, %t1, %t2;");
        for name in names {
            line(&format!("    .reg .b64 %p_{name};\n    ld.param.u64 %p_{name}, [q_{name}];"));
        }
        let address = |name: &str, element: Element| {
            let bytes = element.bytes();
            format!("    mul.wide.u32 %offset, %index, {bytes};\n    add.u64 %addr, %p_{name}, %offset;")
        };
        for Input { name, element, .. } in self.inputs.iter().filter(|input| input.register) {
            line(&format!("    .reg .{} %{name};", register_type(*element)));
            line(&address(name, *element));
            line(&format!("    ld.global.{} %{name}, [%addr];", memory_type(*element)));
        }
        let results = || self.outputs.iter().filter(|output| output.register);
        for Output { name, element, .. } in results() {
            line(&format!("    .reg .{} %{name};", register_type(*element)));
            let untouched = UNTOUCHED & (u64::MAX >> (64 - 8 * element.bytes()));
            match element {
                Element::F32 => line(&format!("    mov.b32 %{name}, 0f{untouched:08x};")),
                Element::F64 => line(&format!("    mov.b64 %{name}, 0d{untouched:016x};")),
                _ => line(&format!("    mov.b{} %{name}, {untouched};", 8 * element.bytes())),
            }
        }
        line(&self.body);
        for Output { name, element, .. } in results() {
            line(&address(name, *element));
            line(&format!("    st.global.{} [%addr], %{name};", memory_type(*element)));
        }
        line("    ret;\n}");
        ptx
    }

    /// The launch.
    pub fn run(&self) -> Run {
        let new = |name: &str, direction, element, n, init| Buffer {
            name: name.to_string(),
            variable: false,
            direction,
            element,
            n,
            init: Some(init),
            compare: Compare::Exact,
        };
        let inputs = self.inputs.iter().map(|input| {
            let init = Init::Values(input.values.clone());
            new(&input.name, Direction::In, input.element, input.values.len(), init)
        });
        let outputs = self
            .outputs
            .iter()
            .map(|output| new(&output.name, Direction::Out, output.element, output.expected.len(), Init::Poison));
        let buffers: Vec<Buffer> = inputs.chain(outputs).collect();
        Run {
            line: 0,
            kernel: "k".to_string(),
            grid: Dim3::new(self.grid, 1, 1),
            block: Dim3::new(self.block, 1, 1),
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

    /// Checks what a launch left.
    ///
    /// # Errors
    /// The first word that is not as expected.
    pub fn check(&self, found: &Outcome) -> Result<()> {
        if let Some((kind, message)) = &found.fault {
            bail!("fault {}: {message}", kind.name());
        }
        for (output, idx) in self.outputs.iter().zip(self.inputs.len()..) {
            let bytes = found.buffers.get(idx).context("no result")?;
            for (i, expected) in output.expected.iter().enumerate() {
                let got = output.element.load(bytes, i);
                let fits = match *expected {
                    Expect::Open => true,
                    Expect::Bits(bits) => bits & (u64::MAX >> (64 - 8 * output.element.bytes())) == got,
                    Expect::Near(value, error) => {
                        let got = output.element.to_f64(got);
                        got == value || (got.is_nan() && value.is_nan()) || (got - value).abs() <= error
                    }
                };
                if !fits {
                    bail!("{}[{i}] is 0x{got:x} ({}), expected {expected:x?}", output.name, output.element.format(got));
                }
            }
        }
        Ok(())
    }
}
