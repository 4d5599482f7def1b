//! The demonstration: every kernel of the collection on real-sized input, checked, timed beside native code; and two pictures.
//!
//! `cargo xtask demo` builds and runs this. The last line is `RESULT kernels=N correct=N`; the exit status is 1 when a kernel is
//! wrong.
#![forbid(unsafe_code)]

mod galaxy;
mod mandelbrot;
mod picture;
mod table;

use anyhow::{Context, Result};
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs the kernel collection, checks each kernel, draws pictures.
#[derive(Parser)]
struct Cli {
    /// The folder for the pictures.
    #[arg(long, default_value = "target/demo")]
    pictures: PathBuf,
    /// Timed runs of each kernel; the median is shown.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Only rows whose name contains this.
    #[arg(long)]
    only: Option<String>,
}

fn run(cli: &Cli) -> Result<bool> {
    std::fs::create_dir_all(&cli.pictures).with_context(|| format!("cannot make {}", cli.pictures.display()))?;
    let mut device = workloads::Device::new()?;
    println!("{}", device.description());
    let outcome = table::run(&mut device, &cli.pictures, cli.rounds, cli.only.as_deref())?;
    if cli.only.is_none() {
        galaxy::draw(&mut device, &cli.pictures.join("galaxies.png"))?;
    }
    println!("RESULT kernels={} correct={}", outcome.kernels, outcome.correct);
    Ok(outcome.kernels == outcome.correct)
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}
