//! Loads and stores of every width, with every modifier and in every space; `cp.async`; `mbarrier`.
//!
//! Every thread has sixteen bytes (eight for `mbarrier`) of its own in the space that the form names. They are filled or read
//! back word by word with plain accesses of that space.
//! Source: PTX ISA, "Data Movement and Conversion Instructions" and "mbarrier".

use super::kernel::{Expect, Kernel, UNTOUCHED};
use super::numbers::bits_of;
use crate::element::Element;
use crate::init::hash;
use crate::table::oracle::Instruction;

const THREADS: u32 = 64;
const BYTES: u32 = 16;

fn byte(thread: u32, at: u32) -> u64 {
    hash(41, u64::from(thread * BYTES + at)) & 0xff
}

/// `bytes` bytes of a thread's data, lowest first.
fn value(thread: u32, at: u32, bytes: u32) -> u64 {
    (0..bytes).fold(0, |value, i| value | byte(thread, at + i) << (8 * i))
}

fn all(value: impl Fn(u32) -> u64) -> Vec<Expect> {
    (0..THREADS).map(|thread| Expect::Bits(value(thread))).collect()
}

/// The space that the opcode names.
fn space(instruction: &Instruction<'_>) -> &'static str {
    ["global", "shared", "local", "const"].into_iter().find(|space| instruction.has(space)).unwrap_or("")
}

/// Makes `%at` the thread's bytes in the space.
fn place(kernel: &mut Kernel, space: &str) {
    kernel.body.push_str("    .reg .b64 %at, %mine;\n    mul.wide.u32 %mine, %index, 16;\n");
    let bytes = THREADS * BYTES;
    kernel.body.push_str(&match space {
        "shared" => {
            kernel.header = format!(".shared .align 16 .b8 cells[{bytes}];\n");
            "    mov.u64 %at, cells;\n    add.u64 %at, %at, %mine;\n".to_string()
        }
        "local" => "    .local .align 16 .b8 cells[16];\n    mov.u64 %at, cells;\n".to_string(),
        "const" => {
            let list: Vec<String> = (0..bytes).map(|at| byte(at / BYTES, at % BYTES).to_string()).collect();
            kernel.header = format!(".const .align 16 .b8 cells[{bytes}] = {{{}}};\n", list.join(", "));
            "    mov.u64 %at, cells;\n    add.u64 %at, %at, %mine;\n".to_string()
        }
        // Generic addresses too are of global memory.
        _ => {
            kernel.header = format!(".global .align 16 .b8 cells[{bytes}];\n");
            "    mov.u64 %at, cells;\n    add.u64 %at, %at, %mine;\n".to_string()
        }
    });
}

/// The space of a plain access to the same memory.
fn plain(space: &str) -> &str {
    if space.is_empty() { "global" } else { space }
}

/// The kernel of a form.
pub fn kernel(target: &str, instruction: &Instruction<'_>) -> Option<Kernel> {
    match instruction.root {
        "ld" => load(target, instruction),
        "st" => store(target, instruction),
        "cp" => copy(target, instruction),
        _ => mbarrier(target, instruction),
    }
}

fn element_type<'f>(instruction: &Instruction<'f>) -> Option<(&'f str, u32, u32)> {
    let ty = *instruction.words.last()?;
    let bytes = match ty {
        "b8" => 1,
        "b16" | "u16" | "s16" => 2,
        "b64" | "u64" | "s64" => 8,
        _ => bits_of(ty) / 8,
    };
    let n = instruction.words.iter().find_map(|word| word.strip_prefix('v')?.parse().ok()).unwrap_or(1);
    Some((ty, bytes, n))
}

/// Elements of vectors stand in registers of their own size, of 16 bits at least; others may stand in wider ones.
fn register(ty: &str, bytes: u32, n: u32) -> Element {
    match ty {
        _ if n > 1 && bytes < 4 => Element::B16,
        "f32" => Element::F32,
        "f64" => Element::F64,
        "b64" | "u64" | "s64" => Element::B64,
        _ => Element::B32,
    }
}

fn load(target: &str, instruction: &Instruction<'_>) -> Option<Kernel> {
    let (ty, bytes, n) = element_type(instruction)?;
    let mut kernel = Kernel::new(target, THREADS);
    let space = space(instruction);
    place(&mut kernel, space);
    if space != "const" {
        for word in 0..4 {
            kernel.input(format!("w{word}"), Element::B32, (0..THREADS).map(|t| value(t, 4 * word, 4)).collect());
            kernel.body.push_str(&format!("    st.{}.b32 [%at+{}], %w{word};\n", plain(space), 4 * word));
        }
    }
    let opcode = format!("ld.{}", instruction.words.join("."));
    let names: Vec<String> = (0..n).map(|i| format!("%d{i}")).collect();
    let list = if n == 1 { names.join(", ") } else { format!("{{{}}}", names.join(", ")) };
    // A constant that nothing writes may also be read before the stores that nobody else makes.
    kernel.body.push_str(&format!("    {opcode} {list}, [%at];\n"));
    for i in 0..n {
        let extended = |thread: u32| {
            let value = value(thread, i * bytes, bytes);
            let width = 8 * bytes;
            let negative = ty.starts_with('s') && value >> (width - 1) & 1 == 1;
            if negative && width < 64 { value | u64::MAX << width } else { value }
        };
        kernel.output(format!("d{i}"), register(ty, bytes, n), all(extended));
    }
    Some(kernel)
}

fn store(target: &str, instruction: &Instruction<'_>) -> Option<Kernel> {
    let (ty, bytes, n) = element_type(instruction)?;
    let mut kernel = Kernel::new(target, THREADS);
    let space = space(instruction);
    place(&mut kernel, space);
    for word in 0..4 {
        kernel.body.push_str(&format!("    st.{}.b32 [%at+{}], {UNTOUCHED};\n", plain(space), 4 * word));
    }
    for i in 0..n {
        // What stands above the element in a wider register is not stored.
        let above = match (bytes, n) {
            (4.., _) | (2, 2..) => 0,
            (_, 2..) => 0xde00,
            _ => 0xdead_be00 & (u64::MAX << (8 * bytes)),
        };
        let values = (0..THREADS).map(|thread| value(thread, i * bytes, bytes) | above).collect();
        kernel.input(format!("a{i}"), register(ty, bytes, n), values);
    }
    let names: Vec<String> = (0..n).map(|i| format!("%a{i}")).collect();
    let list = if n == 1 { names.join(", ") } else { format!("{{{}}}", names.join(", ")) };
    kernel.body.push_str(&format!("    st.{} [%at], {list};\n", instruction.words.join(".")));
    for word in 0..4 {
        kernel.body.push_str(&format!("    ld.{}.b32 %d{word}, [%at+{}];\n", plain(space), 4 * word));
        let stored = |thread: u32| {
            (0..4).fold(0, |so_far, i| {
                let at = 4 * word + i;
                let one = if at < n * bytes { byte(thread, at) } else { UNTOUCHED >> (8 * i) & 0xff };
                so_far | one << (8 * i)
            })
        };
        kernel.output(format!("d{word}"), Element::B32, all(stored));
    }
    Some(kernel)
}

/// Operands: bytes, then `n` when the source's size is given, `!p` when a predicate ignores it, then how to wait.
fn copy(target: &str, instruction: &Instruction<'_>) -> Option<Kernel> {
    let operands: Vec<&str> = instruction.operands.split(", ").collect();
    let bytes: u32 = operands.first()?.parse().ok()?;
    let (sized, ignoring) = (operands.contains(&"n"), operands.contains(&"ignore"));
    let mut kernel = Kernel::new(target, THREADS);
    place(&mut kernel, "shared");
    let words: Vec<u64> = (0..THREADS * 4).map(|at| value(at / 4, at % 4 * 4, 4)).collect();
    kernel.data("from", Element::B32, words);
    let size = |thread: u32| if sized { (hash(42, thread.into()) % u64::from(bytes + 1)) as u32 } else { bytes };
    let ignored = |thread: u32| ignoring && thread.is_multiple_of(3);
    kernel.input("n", Element::B32, (0..THREADS).map(|thread| size(thread).into()).collect());
    kernel.input("i", Element::B32, (0..THREADS).map(|thread| ignored(thread).into()).collect());
    for word in 0..4 {
        kernel.body.push_str(&format!("    st.shared.b32 [%at+{}], {UNTOUCHED};\n", 4 * word));
    }
    let rest = match (sized, ignoring) {
        (true, _) => ", %n",
        (_, true) => ", %ignored",
        _ => "",
    };
    let wait = match *operands.last()? {
        "wait_group" => "cp.async.commit_group;\n    cp.async.wait_group 0",
        _ => "cp.async.wait_all",
    };
    kernel.body.push_str(&format!(
        "    .reg .pred %ignored;\n    .reg .b64 %source;\n    setp.ne.u32 %ignored, %i, 0;\n    \
         add.u64 %source, %p_from, %mine;\n    cp.{} [%at], [%source], {bytes}{rest};\n    {wait};\n",
        instruction.words.join(".")
    ));
    for word in 0..4 {
        kernel.body.push_str(&format!("    ld.shared.b32 %d{word}, [%at+{}];\n", 4 * word));
        let copied = |thread: u32| {
            let read = if ignored(thread) { 0 } else { size(thread) };
            (0..4).fold(0, |so_far, i| {
                let at = 4 * word + i;
                let one = if at >= bytes {
                    UNTOUCHED >> (8 * i) & 0xff
                } else if at < read {
                    byte(thread, at)
                } else {
                    0
                };
                so_far | one << (8 * i)
            })
        };
        kernel.output(format!("d{word}"), Element::B32, all(copied));
    }
    Some(kernel)
}

/// An object per thread: two phases, looked at before and after the arrival that completes each. The operand says how the last of
/// the first phase arrives.
fn mbarrier(target: &str, instruction: &Instruction<'_>) -> Option<Kernel> {
    let mut kernel = Kernel::new(target, THREADS);
    let shared = if instruction.has("shared") { ".shared" } else { "" };
    place(&mut kernel, "shared");
    if shared.is_empty() {
        kernel.body.push_str("    cvta.shared.u64 %at, %at;\n");
    }
    let count = |thread: u32| 3 + thread % 4;
    let drops = instruction.operands.contains("arrive_drop");
    let together = instruction.operands.contains("noComplete");
    let parity = instruction.has("parity");
    let wait = |result: &str, state: &str, phase: u32| {
        let operand = if parity { phase.to_string() } else { state.to_string() };
        format!(
            "    mbarrier.{} %done, [%at], {operand};\n    selp.b32 %{result}, 1, 0, %done;\n",
            instruction.words.join(".")
        )
    };
    // Arrivals that leave one pending, of `%n` and one that has happened.
    let most = |label: &str| {
        if together {
            format!("    sub.u32 %left, %n, 2;\n    mbarrier.arrive.noComplete{shared}.b64 _, [%at], %left;\n")
        } else {
            format!(
                "    sub.u32 %left, %n, 2;\n{label}:\n    mbarrier.arrive{shared}.b64 _, [%at];\n    sub.u32 %left, %left, 1;\n    \
                 setp.ne.u32 %more, %left, 0;\n    @%more bra {label};\n"
            )
        }
    };
    kernel.input("n", Element::B32, (0..THREADS).map(|thread| count(thread).into()).collect());
    let last = if drops { "arrive_drop" } else { "arrive" };
    let body = [
        "    .reg .b64 %first, %second;\n    .reg .b32 %left;\n    .reg .pred %done, %more;\n".to_string(),
        format!("    mbarrier.init{shared}.b64 [%at], %n;\n    mbarrier.arrive{shared}.b64 %first, [%at];\n"),
        most("phase0"),
        wait("d0", "%first", 0),
        format!("    mbarrier.{last}{shared}.b64 _, [%at];\n"),
        wait("d1", "%first", 0),
        // One fewer is expected from now on where one has dropped out; then the rest of this phase is nobody or more.
        if drops { "    sub.u32 %n, %n, 1;\n".to_string() } else { String::new() },
        format!("    mbarrier.arrive{shared}.b64 %second, [%at];\n"),
        wait("d2", "%second", 1),
        "    setp.le.u32 %more, %n, 2;\n    @%more bra rest;\n".to_string(),
        most("phase1"),
        "rest:\n".to_string(),
        wait("d3", "%second", 1),
        format!("    mbarrier.arrive{shared}.b64 _, [%at];\n"),
        wait("d4", "%second", 1),
        format!("    mbarrier.inval{shared}.b64 [%at];\n"),
    ];
    kernel.body.push_str(&body.concat());
    for (idx, done) in [0, 1, 0, 0, 1].into_iter().enumerate() {
        kernel.output(format!("d{idx}"), Element::B32, all(|_| done));
    }
    Some(kernel)
}
