//! The test binary of everything that runs kernels: `cargo test -p filetests [FILTER]` runs the case files under `tests/cases`.
//!
//! Each `.ptx` file there is one test (see [`case`] for its directives): its launches run on the interpreter, are checked against
//! the expectations beside the PTX, and run on the JIT at several widths and vector levels, which must give the same bits
//! except where the case allows latitude. `BLESS=1` rewrites the expectations from the interpreter.
//! This is the only test binary that links the JIT; the tests of the tool itself are in it too.

mod backend;
mod bless;
mod case;
mod checks;
mod determinism;
mod element;
mod faults;
mod harness;
mod init;
mod jit;
mod memory_budget;
mod outcome;
mod ptxgen;
mod table;
mod torture;

use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "ptxgen") {
        let done = jit::backends().and_then(|backends| ptxgen::main(&words[1..], &backends));
        if let Err(error) = &done {
            eprintln!("filetests: {error:#}");
        }
        return if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if words.first().is_some_and(|word| word == "torture") {
        let done = harness::texts().and_then(|corpus| torture::main(&words[1..], &corpus));
        if let Err(error) = &done {
            eprintln!("filetests: {error:#}");
        }
        return if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let arguments = libtest_mimic::Arguments::from_args();
    match trials() {
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(error) => {
            eprintln!("filetests: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn trials() -> anyhow::Result<Vec<libtest_mimic::Trial>> {
    let backends = Arc::new(jit::backends()?);
    let mut trials = checks::trials();
    trials.extend(determinism::trials());
    trials.extend(faults::trials());
    trials.extend(memory_budget::trials());
    trials.extend(harness::trials(&backends)?);
    trials.extend(table::trials(&backends)?);
    trials.extend(ptxgen::trials(&backends));
    Ok(trials)
}
