//! Exchanges between the lanes of a warp, votes, and barriers with results.
//!
//! Eight warps, each with a membermask of its own: its lanes execute the instruction, the others branch around it.
//! Source: PTX ISA, "Data Movement and Conversion Instructions: shfl.sync" and "Parallel Synchronization and Communication
//! Instructions".

use super::kernel::{Expect, Kernel, UNTOUCHED};
use crate::element::Element;
use crate::init::hash;
use crate::table::oracle::Instruction;

const WARPS: usize = 8;
const THREADS: usize = 32 * WARPS;
const MASKS: [u32; WARPS] = [u32::MAX, 0x0000_ffff, 0x5a5a_00f3, 1 << 7, u32::MAX, 0xfff0_0000, 0x8000_0001, u32::MAX];

fn mask_of(thread: usize) -> u32 {
    MASKS[thread / 32]
}

fn takes_part(thread: usize) -> bool {
    mask_of(thread) >> (thread % 32) & 1 == 1
}

/// The members of a thread's warp, by thread.
fn members(thread: usize) -> impl Iterator<Item = usize> {
    let first = thread / 32 * 32;
    (first..first + 32).filter(|&other| takes_part(other))
}

fn per_thread(value: impl Fn(usize) -> u64) -> Vec<u64> {
    (0..THREADS).map(value).collect()
}

/// The expectation of threads that take part; the others have left the result alone.
fn expected(value: impl Fn(usize) -> Expect) -> Vec<Expect> {
    (0..THREADS).map(|thread| if takes_part(thread) { value(thread) } else { Expect::Bits(UNTOUCHED) }).collect()
}

/// Predicates: of some warps all, of some none.
fn predicate(thread: usize) -> bool {
    match thread / 32 {
        0 | 3 => true,
        1 => false,
        _ => hash(7, thread as u64) & 3 != 0,
    }
}

fn a_value(thread: usize, bits: u32) -> u64 {
    let few = match thread / 32 {
        4 | 5 => 0x1_2345_6789,
        warp => 0x1_0000_0001 * (hash(5, thread as u64) % (2 + warp as u64 * 3)),
    };
    let value = if thread / 32 == 7 { hash(6, thread as u64) } else { few };
    if bits == 64 { value } else { value & 0xffff_ffff }
}

/// Only the members execute the statement.
fn among_members(kernel: &mut Kernel, statement: &str) {
    kernel.input("m", Element::B32, per_thread(|thread| mask_of(thread).into()));
    kernel.body.push_str(&format!(
        "    .reg .pred %out, %p, %q;\n    .reg .b32 %bit;\n    shl.b32 %bit, 1, %lane;\n    and.b32 %bit, %bit, %m;\n    \
         setp.eq.u32 %out, %bit, 0;\n    @%out bra skip;\n{statement}\nskip:\n"
    ));
}

/// The kernel of a form.
pub fn kernel(target: &str, instruction: &Instruction<'_>) -> Option<Kernel> {
    let mut kernel = Kernel::new(target, THREADS as u32);
    let operands: Vec<&str> = instruction.operands.split(", ").collect();
    let opcode = format!("{}.{}", instruction.root, instruction.words.join("."));
    match instruction.root {
        "shfl" => shuffle(&mut kernel, &opcode, instruction, &operands)?,
        "vote" => vote(&mut kernel, &opcode, instruction, &operands)?,
        "match" => matching(&mut kernel, &opcode, instruction),
        "redux" => redux(&mut kernel, &opcode, instruction)?,
        "activemask" => {
            among_members(&mut kernel, "    activemask.b32 %d;");
            kernel.output("d", Element::B32, expected(|thread| Expect::Bits(mask_of(thread).into())));
        }
        "elect" => {
            among_members(&mut kernel, "    elect.sync %d|%p, %m;\n    selp.b32 %e, 1, 0, %p;");
            let leader = |thread: usize| mask_of(thread).trailing_zeros() as usize;
            kernel.output("d", Element::B32, expected(|thread| Expect::Bits(leader(thread) as u64)));
            kernel.output("e", Element::B32, expected(|t| Expect::Bits(u64::from(t % 32 == leader(t)))));
        }
        _ => barrier(&mut kernel, &opcode, instruction, &operands)?,
    }
    Some(kernel)
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn shuffle(kernel: &mut Kernel, opcode: &str, instruction: &Instruction<'_>, operands: &[&str]) -> Option<()> {
    let &[d, _, b_text, c_text, _] = operands else { return None };
    let b = |thread: usize| number(b_text).unwrap_or((hash(8, thread as u64) % 40) as u32);
    let c = |thread: usize| {
        number(c_text).unwrap_or_else(|| {
            let random = hash(9, thread as u64);
            let clamps = if instruction.has("up") { [0, 0, 4, 9] } else { [31, 31, 15, 6] };
            (32 - (1u32 << (random % 6))) << 8 | clamps[(random >> 8) as usize % 4]
        })
    };
    kernel.input("a", Element::B32, per_thread(|thread| hash(10, thread as u64) & 0xffff_ffff));
    kernel.input("b", Element::B32, per_thread(|thread| b(thread).into()));
    kernel.input("c", Element::B32, per_thread(|thread| c(thread).into()));
    let written = |text: &str| if number(text).is_some() { text.to_string() } else { format!("%{text}") };
    let (result, after) = if d == "d|p" { ("%d|%p", "\n    selp.b32 %e, 1, 0, %p;") } else { ("%d", "") };
    among_members(kernel, &format!("    {opcode} {result}, %a, {}, {}, %m;{after}", written(b_text), written(c_text)));
    // The source lane and whether it is in range, as the manual's pseudocode has it.
    let source = |thread: usize| -> (usize, bool) {
        let lane = (thread % 32) as i32;
        let (b, c) = (b(thread) as i32, c(thread) as i32);
        let (b, clamp, segment) = (b & 31, c & 31, c >> 8 & 31);
        let most = (lane & segment) | (clamp & !segment & 31);
        let (from, fits) = if instruction.has("up") {
            (lane - b, lane - b >= most)
        } else if instruction.has("down") {
            (lane + b, lane + b <= most)
        } else if instruction.has("bfly") {
            (lane ^ b, (lane ^ b) <= most)
        } else {
            let from = (lane & segment) | (b & !segment & 31);
            (from, from <= most)
        };
        (thread / 32 * 32 + if fits { from } else { lane } as usize, fits)
    };
    let value = |thread: usize| {
        let (from, _) = source(thread);
        if takes_part(from) { Expect::Bits(hash(10, from as u64) & 0xffff_ffff) } else { Expect::Open }
    };
    kernel.output("d", Element::B32, expected(value));
    if d == "d|p" {
        kernel.output("e", Element::B32, expected(|thread| Expect::Bits(source(thread).1.into())));
    }
    Some(())
}

/// The predicate operand, and what it is for a thread.
fn read_predicate(kernel: &mut Kernel, text: &str) -> bool {
    kernel.input("a", Element::B32, per_thread(|thread| predicate(thread).into()));
    kernel.body.push_str("    .reg .pred %r;\n    setp.ne.u32 %r, %a, 0;\n");
    text.starts_with('!')
}

fn vote(kernel: &mut Kernel, opcode: &str, instruction: &Instruction<'_>, operands: &[&str]) -> Option<()> {
    let &[_, source, _] = operands else { return None };
    let negated = read_predicate(kernel, source);
    let source = if negated { "!%r" } else { "%r" };
    let holds = |thread: usize| predicate(thread) != negated;
    if instruction.has("ballot") {
        among_members(kernel, &format!("    {opcode} %d, {source}, %m;"));
        let ballot =
            |thread| members(thread).filter(|&other| holds(other)).fold(0u64, |bits, other| bits | 1 << (other % 32));
        kernel.output("d", Element::B32, expected(|thread| Expect::Bits(ballot(thread))));
        return Some(());
    }
    among_members(kernel, &format!("    {opcode} %p, {source}, %m;\n    selp.b32 %d, 1, 0, %p;"));
    let result = |thread| {
        let (all, any) = (members(thread).all(holds), members(thread).any(holds));
        if instruction.has("all") {
            all
        } else if instruction.has("any") {
            any
        } else {
            all || !any
        }
    };
    kernel.output("d", Element::B32, expected(|thread| Expect::Bits(result(thread).into())));
    Some(())
}

fn matching(kernel: &mut Kernel, opcode: &str, instruction: &Instruction<'_>) {
    let bits = if instruction.has("b64") { 64 } else { 32 };
    let element = if bits == 64 { Element::B64 } else { Element::B32 };
    kernel.input("a", element, per_thread(|thread| a_value(thread, bits)));
    let same = move |thread: usize| {
        members(thread)
            .filter(|&other| a_value(other, bits) == a_value(thread, bits))
            .fold(0u64, |mask, other| mask | 1 << (other % 32))
    };
    if instruction.has("any") {
        among_members(kernel, &format!("    {opcode} %d, %a, %m;"));
        kernel.output("d", Element::B32, expected(|thread| Expect::Bits(same(thread))));
        return;
    }
    among_members(kernel, &format!("    {opcode} %d|%p, %a, %m;\n    selp.b32 %e, 1, 0, %p;"));
    let all = move |thread: usize| same(thread) == u64::from(mask_of(thread));
    let mask = |thread| if all(thread) { mask_of(thread).into() } else { 0 };
    kernel.output("d", Element::B32, expected(|thread| Expect::Bits(mask(thread))));
    kernel.output("e", Element::B32, expected(|thread| Expect::Bits(all(thread).into())));
}

fn redux(kernel: &mut Kernel, opcode: &str, instruction: &Instruction<'_>) -> Option<()> {
    let value = |thread: usize| hash(11, thread as u64) as u32;
    kernel.input("a", Element::B32, per_thread(|thread| value(thread).into()));
    among_members(kernel, &format!("    {opcode} %d, %a, %m;"));
    let op = *instruction.words.get(1)?;
    let signed = instruction.has("s32");
    let result = |thread: usize| -> u32 {
        let values = members(thread).map(value);
        match op {
            "add" => values.fold(0, u32::wrapping_add),
            "and" => values.fold(u32::MAX, |all, one| all & one),
            "or" => values.fold(0, |all, one| all | one),
            "xor" => values.fold(0, |all, one| all ^ one),
            "min" if signed => values.map(|one| one as i32).min().unwrap_or(0) as u32,
            "max" if signed => values.map(|one| one as i32).max().unwrap_or(0) as u32,
            "min" => values.min().unwrap_or(0),
            _ => values.max().unwrap_or(0),
        }
    };
    kernel.output("d", Element::B32, expected(|thread| Expect::Bits(result(thread).into())));
    Some(())
}

/// Barriers. With a count, as many threads from the first on take part.
fn barrier(kernel: &mut Kernel, opcode: &str, instruction: &Instruction<'_>, operands: &[&str]) -> Option<()> {
    if instruction.has("warp") {
        // Each member gets what the next one stored before.
        kernel.header = ".shared .align 4 .b8 cells[1024];\n".to_string();
        let next = |thread: usize| {
            members(thread).find(|&other| other > thread).or_else(|| members(thread).next()).unwrap_or(thread)
        };
        kernel.input("a", Element::B32, per_thread(|thread| next(thread) as u64));
        among_members(
            kernel,
            "    .reg .b32 %at;\n    shl.b32 %at, %t2, 2;\n    mov.u32 %bit, cells;\n    add.u32 %at, %at, %bit;\n    \
             st.shared.u32 [%at], %t2;\n    bar.warp.sync %m;\n    shl.b32 %at, %a, 2;\n    add.u32 %at, %at, %bit;\n    \
             ld.shared.u32 %d, [%at];",
        );
        kernel.output("d", Element::B32, expected(|thread| Expect::Bits(next(thread) as u64)));
        return Some(());
    }
    if instruction.has("red") {
        let (d, rest) = operands.split_first()?;
        let (source, rest) = rest.split_last()?;
        let threads = rest.get(1).map_or(Some(THREADS), |count| Some(number(count)? as usize))?;
        let negated = read_predicate(kernel, source);
        let source = if negated { "!%r" } else { "%r" };
        let result = if *d == "d" { "%d" } else { "%q" };
        let after = if *d == "d" { "" } else { "\n    selp.b32 %d, 1, 0, %q;" };
        kernel.body.push_str(&format!(
            "    .reg .pred %out, %q;\n    setp.ge.u32 %out, %t2, {threads};\n    @%out bra skip;\n    \
             {opcode} {result}, {}, {source};{after}\nskip:\n",
            rest.join(", ")
        ));
        let count = (0..threads).filter(|&thread| predicate(thread) != negated).count();
        let value = if instruction.has("popc") {
            count as u64
        } else if instruction.has("and") {
            u64::from(count == threads)
        } else {
            u64::from(count > 0)
        };
        let all = (0..THREADS).map(|thread| Expect::Bits(if thread < threads { value } else { UNTOUCHED }));
        kernel.output("d", Element::B32, all.collect());
        return Some(());
    }
    // Every thread stores, those of the first half may only arrive; the others then read what a thread of the first stored.
    let id = operands.first()?;
    let counted = operands.get(1).is_some();
    let arrive = instruction.has("arrive");
    let wait = opcode.replace("arrive", "sync");
    let first = if arrive { opcode } else { wait.as_str() };
    let count = if counted { format!(", {THREADS}") } else { String::new() };
    kernel.header = ".shared .align 4 .b8 cells[1024];\n".to_string();
    kernel.body.push_str(&format!(
        "    .reg .pred %p;\n    .reg .b32 %at, %base;\n    mov.u32 %base, cells;\n    shl.b32 %at, %t2, 2;\n    \
         add.u32 %at, %at, %base;\n    mad.lo.u32 %d, %t2, 3, 1;\n    st.shared.u32 [%at], %d;\n    setp.lt.u32 %p, %t2, {half};\n    \
         @%p bra first;\n    {wait} {id}{count};\n    sub.u32 %at, %at, {bytes};\n    ld.shared.u32 %d, [%at];\n    bra.uni end;\n\
         first:\n    {first} {id}{count};\nend:\n",
        half = THREADS / 2,
        bytes = 4 * (THREADS / 2)
    ));
    let stored = |thread: usize| if thread < THREADS / 2 { thread } else { thread - THREADS / 2 };
    let all = (0..THREADS).map(|thread| Expect::Bits(stored(thread) as u64 * 3 + 1));
    kernel.output("d", Element::B32, all.collect());
    Some(())
}
