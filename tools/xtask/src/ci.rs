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
        let (started, cpu_before) = (Instant::now(), cpu_seconds());
        let result = stage();
        let cpu = cpu_before.zip(cpu_seconds()).map_or_else(|| "?".to_owned(), |(a, b)| format!("{:.1}", b - a));
        rows.push((*name, started.elapsed(), cpu, result));
    }
    for (name, time, cpu, result) in &rows {
        let passed = if result.is_ok() { "ok" } else { "FAILED" };
        println!("{name:<14} {:>7.1} s {cpu:>7} s of processor  {passed}", time.as_secs_f64());
    }
    // Again at the end, with what failed: the rest of the log may be long, or cut.
    let failed = |(name, _, _, result): (&str, _, _, Result<()>)| Some(format!("{name}: {:#}", result.err()?));
    let failed: Vec<_> = rows.into_iter().filter_map(failed).collect();
    if !failed.is_empty() {
        bail!("failed: {}", failed.join("\nfailed: "));
    }
    Ok(())
}

/// Processor time of all programs that this one has run to their end, from Linux's `/proc`; `None` elsewhere.
fn cpu_seconds() -> Option<f64> {
    // User and system time of ended children: fields 16 and 17 of the line (proc(5)), counted in hundredths.
    let line = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, after_name) = line.rsplit_once(')')?;
    let ticks: u64 = after_name.split_whitespace().skip(13).take(2).map_while(|word| word.parse::<u64>().ok()).sum();
    Some(ticks as f64 / 100.0)
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
