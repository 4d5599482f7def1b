//! One case per opcode, type and modifier: a table in the manual's notation becomes small kernels at test time.
//!
//! Each form of an instruction is applied to a vector of values at the limits of its types; interpreter and JIT must give the
//! same bits, or be as close as twice the error bound of the manual where the instruction is an approximation.
//! Every result is also compared with one that is computed from the instruction's text alone.
//! [`collective`] does the same for what threads execute together and for memory, where a form needs a kernel of its own.
//! [`notation`] reads the table, [`values`] makes the inputs, [`emit`] writes PTX and the launch, [`oracle`] computes.

mod collective;
mod emit;
mod notation;
mod oracle;
mod values;

use crate::backend::{Backend, Interpreter};
use crate::case::Run;
use crate::harness::render;
use crate::init::Init;
use crate::outcome::{Outcome, check_agreement};
use anyhow::{Context as _, Result, bail};
use libtest_mimic::{Failed, Trial};
use std::sync::Arc;

pub use notation::{Form, Group};
use oracle::Answer;

const TABLES: [(&str, &str); 2] =
    [("operations.txt", include_str!("operations.txt")), ("video.txt", include_str!("video.txt"))];
/// Failures shown per group.
const MAX_SHOWN: usize = 6;

/// One test per line of the tables.
///
/// # Errors
/// The table is malformed; the message has the line.
pub fn trials(backends: &Arc<Vec<Box<dyn Backend>>>) -> Result<Vec<Trial>> {
    let mut groups = Vec::new();
    for (file, table) in TABLES {
        groups.extend(notation::parse(file, table)?);
    }
    let trial = |group: Group| {
        let backends = Arc::clone(backends);
        let name = format!("ops/{}", group.name);
        Trial::test(name, move || check(&group, &backends).map_err(|error| Failed::from(format!("{error:#}"))))
    };
    let mut trials: Vec<Trial> = groups.into_iter().map(trial).collect();
    trials.extend(collective::trials(backends)?);
    Ok(trials)
}

fn check(group: &Group, backends: &[Box<dyn Backend>]) -> Result<()> {
    let mut problems = Vec::new();
    for form in &group.forms {
        if let Err(error) = check_form(form, backends) {
            problems.push(format!("{}: {error:#}", form.text));
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    let n_problems = problems.len();
    problems.truncate(MAX_SHOWN);
    bail!("{n_problems} of {} forms fail:\n{}", group.forms.len(), problems.join("\n"))
}

/// What [`oracle`] computes for every thread, and its inputs.
fn independent(form: &Form, run: &Run) -> Result<Vec<(Vec<u64>, Answer)>> {
    let Some((out, sources)) = run.buffers.split_last() else { bail!("no result") };
    let inputs: Vec<&[u64]> = sources
        .iter()
        .map(|source| match &source.init {
            Some(Init::Values(values)) => Ok(values.as_slice()),
            _ => bail!("\"{}\" has no list of values", source.name),
        })
        .collect::<Result<_>>()?;
    let one = |i: usize| {
        let values: Vec<u64> = inputs.iter().map(|values| values[i]).collect();
        let answer = oracle::expected(form, &values)?;
        Ok((values, answer))
    };
    (0..out.n).map(one).collect()
}

/// Every result against the one that was computed independently.
fn check_independently(form: &Form, run: &Run, answers: &[(Vec<u64>, Answer)], found: &Outcome) -> Result<()> {
    let (out, results) = run.buffers.last().zip(found.buffers.last()).context("no result")?;
    for (i, (values, answer)) in answers.iter().enumerate() {
        let got = out.element.load(results, i);
        if let Err(error) = oracle::check(answer, form.compare, out.element, got) {
            bail!("{error:#}\n  for {values:x?}");
        }
    }
    Ok(())
}

fn check_form(form: &Form, backends: &[Box<dyn Backend>]) -> Result<()> {
    let (ptx, run) = emit::case(form);
    let module = match vgpu_ptx::load(&ptx) {
        Ok(module) => module,
        Err(diagnostics) => bail!("refused:\n{}", render(&diagnostics, "form.ptx", &ptx)),
    };
    let expected = Interpreter.launch(&module, &run)?;
    if let Some((_, message)) = &expected.fault {
        bail!("faults on the interpreter: {message}");
    }
    let mut problems = Vec::new();
    let answers = independent(form, &run)?;
    if let Err(error) = check_independently(form, &run, &answers, &expected) {
        problems.push(format!("on the interpreter: {error:#}"));
    }
    for backend in backends {
        let checked = backend.launch(&module, &run).and_then(|found| {
            check_agreement(&run, &expected, &found)?;
            check_independently(form, &run, &answers, &found)
        });
        if let Err(error) = checked {
            let inputs = emit::inputs_of_first_difference(&run, &format!("{error:#}"));
            problems.push(format!("on {}: {error:#}{inputs}", backend.name()));
        }
    }
    if problems.is_empty() { Ok(()) } else { bail!("{}", problems.join("\n")) }
}
