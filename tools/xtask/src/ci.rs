//! `cargo xtask ci`: what a change must pass, in the order in which it fails fastest.

use crate::{licences, setup, shell, test, tidy};
use anyhow::{Context, Result, bail};
use std::time::Instant;

/// A stage: its name and what it does.
type Stage = (&'static str, fn() -> Result<()>);

const STAGES: &[Stage] = &[
    ("setup", setup::toolchain),
    ("tidy", tidy::tidy),
    ("fmt", fmt),
    ("licences", licences::check),
    ("clippy", clippy),
    ("docs", docs),
    ("tests", test::test),
    ("random kernels", test::random_kernels),
    ("clean cases", test::clean_cases),
];

/// Runs all stages; a stage that fails does not keep the others from running.
///
/// # Errors
/// Names the stages that failed.
pub fn ci() -> Result<()> {
    let mut rows = Vec::new();
    for (name, stage) in STAGES {
        eprintln!("== {name}");
        let started = Instant::now();
        let result = stage();
        if let Err(error) = &result {
            eprintln!("== {name} failed: {error:#}");
        }
        rows.push((*name, started.elapsed(), result.is_ok()));
    }
    for (name, time, passed) in &rows {
        println!("{name:<14} {:>7.1} s  {}", time.as_secs_f64(), if *passed { "ok" } else { "FAILED" });
    }
    let failed: Vec<_> = rows.iter().filter(|row| !row.2).map(|row| row.0).collect();
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

fn fmt() -> Result<()> {
    shell::run(shell::cargo().args(["fmt", "--all", "--check"])).context("run `cargo fmt`")
}

fn clippy() -> Result<()> {
    shell::run(shell::cargo().args(["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"]))
}

fn docs() -> Result<()> {
    let mut command = shell::cargo();
    shell::run(command.args(["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings"))
}
