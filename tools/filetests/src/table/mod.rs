//! One case per opcode, type and modifier: a table in the manual's notation becomes small kernels at test time.
//!
//! Each form of an instruction is applied to a vector of values at the limits of its types; interpreter and JIT must give the
//! same bits, or be as close as twice the error bound of the manual where the instruction is an approximation.
//! [`notation`] reads the table, [`values`] makes the inputs, [`emit`] writes PTX and the launch.

mod emit;
mod notation;
mod values;

use crate::backend::{Backend, Interpreter};
use crate::harness::render;
use crate::outcome::check_agreement;
use anyhow::{Result, bail};
use libtest_mimic::{Failed, Trial};
use std::sync::Arc;

pub use notation::{Form, Group};

const TABLES: [(&str, &str); 2] =
    [("operations.txt", include_str!("operations.txt")), ("video.txt", include_str!("video.txt"))];
/// Failures shown per group.
const MAX_SHOWN: usize = 6;

/// One test per line of the table.
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
    Ok(groups.into_iter().map(trial).collect())
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
    for backend in backends {
        let checked = backend.launch(&module, &run).and_then(|found| check_agreement(&run, &expected, &found));
        if let Err(error) = checked {
            let inputs = emit::inputs_of_first_difference(&run, &format!("{error:#}"));
            problems.push(format!("on {}: {error:#}{inputs}", backend.name()));
        }
    }
    if problems.is_empty() { Ok(()) } else { bail!("{}", problems.join("\n")) }
}
