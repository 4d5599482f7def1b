//! Random PTX programs, interpreter against JIT: `cargo run -p filetests -- ptxgen --seed S --count N --seconds T`.
//!
//! [`program`] makes a program from a seed, [`render`] writes it as a case file, [`minimise`] makes a failing one small. A
//! failing program is printed and written to a folder; moved to `tests/cases/regressions` it is a case.

mod minimise;
mod program;
mod render;

use crate::backend::{Backend, Interpreter};
use crate::case::Case;
use crate::harness::load;
use crate::outcome::check_agreement;
use anyhow::{Context, Result, anyhow, bail};
use libtest_mimic::{Failed, Trial};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Tests that `cargo test` runs, and programs in each.
const N_TRIALS: u64 = 16;
const PROGRAMS_PER_TRIAL: u64 = 6;

/// A few programs of fixed seeds as tests.
pub fn trials(backends: &Arc<Vec<Box<dyn Backend>>>) -> Vec<Trial> {
    let trial = |idx: u64| {
        let backends = Arc::clone(backends);
        Trial::test(format!("ptxgen/seeds_from_{}", idx * PROGRAMS_PER_TRIAL), move || {
            for seed in idx * PROGRAMS_PER_TRIAL..(idx + 1) * PROGRAMS_PER_TRIAL {
                let text = render::render(&program::generate(seed));
                check(&text, &backends).map_err(|error| Failed::from(format!("seed {seed}: {error:#}")))?;
            }
            Ok(())
        })
    };
    (0..N_TRIALS).map(trial).collect()
}

/// Runs a program everywhere.
fn check(text: &str, backends: &[Box<dyn Backend>]) -> Result<()> {
    let case = Case::parse(Path::new("generated.ptx"), text.to_string())?;
    let module = load(&case)?;
    let run = &case.runs[0];
    let expected = Interpreter.launch(&module, run)?;
    if let Some((_, message)) = &expected.fault {
        bail!("the generator made a program that faults on the interpreter: {message}");
    }
    for backend in backends {
        let found = backend.launch(&module, run).with_context(|| format!("on {}", backend.name()))?;
        check_agreement(run, &expected, &found).with_context(|| format!("on {}", backend.name()))?;
    }
    Ok(())
}

/// The kind of a failure, so that minimising does not slide from one defect to another.
fn kind(error: &anyhow::Error) -> &'static str {
    let text = format!("{error:#}");
    let kinds = ["cannot be compiled", "refused at load", "faults on the interpreter", "differs in", "fault Some"];
    kinds.into_iter().find(|kind| text.contains(kind)).unwrap_or("other")
}

struct Options {
    seed: u64,
    count: u64,
    seconds: u64,
    folder: PathBuf,
}

fn options(arguments: &[String]) -> Result<Options> {
    let mut options =
        Options { seed: 1_000_000, count: u64::MAX, seconds: 60, folder: std::env::temp_dir().join("vgpu-ptxgen") };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| anyhow!("{word} needs a value"))?;
        let number = || value.parse::<u64>().with_context(|| format!("{word} takes a number, found \"{value}\""));
        match word.as_str() {
            "--seed" => options.seed = number()?,
            "--count" => options.count = number()?,
            "--seconds" => options.seconds = number()?,
            "--out" => options.folder = PathBuf::from(value),
            _ => bail!("unknown option {word}; accepted are --seed S --count N --seconds T --out FOLDER"),
        }
    }
    Ok(options)
}

/// The subcommand `ptxgen`.
///
/// # Errors
/// Bad options, or a program on which the backends do not agree; it was minimised and written.
pub fn main(arguments: &[String], backends: &[Box<dyn Backend>]) -> Result<()> {
    let options = options(arguments)?;
    let end = Instant::now() + Duration::from_secs(options.seconds);
    let mut n_programs = 0;
    let mut failures = Vec::new();
    for seed in options.seed..options.seed.saturating_add(options.count) {
        if Instant::now() >= end {
            break;
        }
        n_programs += 1;
        let program = program::generate(seed);
        let Err(error) = check(&render::render(&program), backends) else { continue };
        println!("seed {seed}: {error:#}\nminimising");
        let wanted = kind(&error);
        let small = minimise::minimise(&program, &mut |candidate| {
            check(&render::render(candidate), backends).is_err_and(|error| kind(&error) == wanted)
        });
        let text = render::render(&small);
        std::fs::create_dir_all(&options.folder)
            .with_context(|| format!("cannot make {}", options.folder.display()))?;
        let path = options.folder.join(format!("seed_{seed}.ptx"));
        std::fs::write(&path, &text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{text}\nwritten to {}", path.display());
        failures.push(seed);
    }
    println!("RESULT programs={n_programs} failed={}", failures.len());
    if failures.is_empty() { Ok(()) } else { bail!("the backends do not agree on seeds {failures:?}") }
}
