//! Instructions that threads execute together, and those that move memory: one case per form, with expectations from their text.
//!
//! Each form runs on the interpreter and on some of the other backends, which take turns so that every family runs on all.
//! `collective.txt` lists the forms. What a form's threads must get is computed here from the manual's pictures and sentences,
//! with nothing of the kernel IR, the interpreter or the JIT: [`warp`] exchanges between lanes, votes and barriers, [`mma`] and
//! [`wmma`] matrix products, [`fragments`] matrices between memory and lanes, [`memory`] loads, stores, copies and `mbarrier`.

mod fragments;
mod kernel;
mod memory;
mod mma;
mod numbers;
mod warp;
mod wmma;

use super::notation;
use super::oracle::Instruction;
use crate::backend::{Backend, Interpreter};
use crate::harness::render;
use anyhow::{Context as _, Result, anyhow, bail};
use kernel::Kernel;
use libtest_mimic::{Failed, Trial};
use std::sync::Arc;

const FILE: &str = "collective.txt";
const TABLE: &str = include_str!("../collective.txt");
/// Failures shown per group.
const MAX_SHOWN: usize = 4;

/// A line of the table.
struct Group {
    name: String,
    target: String,
    forms: Vec<String>,
}

fn parse() -> Result<Vec<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    for (idx, line) in TABLE.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let (body, target) = match line.split_once(" | target ") {
            Some((body, target)) => (body, target.trim()),
            None => (line, "sm_80"),
        };
        let word = body.split(' ').next().with_context(|| format!("{FILE}:{}: no opcode", idx + 1))?;
        let twins = groups.iter().filter(|other| other.name.split('#').next() == Some(word)).count();
        let name = if twins > 0 { format!("{word}#{}", twins + 1) } else { word.to_string() };
        groups.push(Group { name, target: target.to_string(), forms: notation::expand(body) });
    }
    Ok(groups)
}

/// One test per line of the table.
///
/// # Errors
/// The table is malformed; the message has the line.
pub fn trials(backends: &Arc<Vec<Box<dyn Backend>>>) -> Result<Vec<Trial>> {
    let trial = |group: Group| {
        let backends = Arc::clone(backends);
        let run = move || check(&group.target, &group.forms, &backends);
        (format!("together/{}", group.name), run)
    };
    let trials = parse()?.into_iter().map(trial);
    Ok(trials
        .map(|(name, run)| Trial::test(name, move || run().map_err(|error| Failed::from(format!("{error:#}")))))
        .collect())
}

fn check(target: &str, forms: &[String], backends: &[Box<dyn Backend>]) -> Result<()> {
    let mut problems = Vec::new();
    for (turn, form) in forms.iter().enumerate() {
        if let Err(error) = check_form(target, form, turn, backends) {
            problems.push(format!("{form}: {error:#}"));
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    let n_problems = problems.len();
    problems.truncate(MAX_SHOWN);
    bail!("{n_problems} of {} forms fail:\n{}", forms.len(), problems.join("\n"))
}

fn kernel_of(target: &str, form: &str) -> Result<Kernel> {
    let instruction = Instruction::new(form);
    let kernel = match instruction.root {
        "mma" => mma::kernel(target, &instruction),
        "wmma" => wmma::kernel(target, &instruction),
        "ldmatrix" | "stmatrix" | "movmatrix" => fragments::kernel(target, &instruction),
        "ld" | "st" | "cp" | "mbarrier" => memory::kernel(target, &instruction),
        _ => warp::kernel(target, &instruction),
    };
    kernel.ok_or_else(|| anyhow!("no independent computation"))
}

fn check_form(target: &str, form: &str, turn: usize, backends: &[Box<dyn Backend>]) -> Result<()> {
    let kernel = kernel_of(target, form)?;
    let (ptx, run) = (kernel.ptx(), kernel.run());
    let module = match vgpu_ptx::load(&ptx) {
        Ok(module) => module,
        Err(diagnostics) => bail!("refused:\n{}", render(&diagnostics, "form.ptx", &ptx)),
    };
    let mut problems = Vec::new();
    let n_backends = if form.starts_with("ld.") || form.starts_with("st.") { 2 } else { 3 };
    let takes_part = |idx: &usize| (idx + turn) % backends.len() < n_backends;
    let some = (0..backends.len()).filter(takes_part).map(|idx| backends[idx].as_ref());
    let all = std::iter::once(&Interpreter as &dyn Backend).chain(some);
    for backend in all {
        let checked = backend.launch(&module, &run).and_then(|found| kernel.check(&found));
        if let Err(error) = checked {
            problems.push(format!("on {}: {error:#}", backend.name()));
        }
    }
    if problems.is_empty() { Ok(()) } else { bail!("{}", problems.join("\n")) }
}
