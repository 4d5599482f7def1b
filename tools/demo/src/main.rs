//! The demonstration: every kernel of the collection on real-sized input, checked, timed beside native code; and two pictures.
//!
//! `cargo xtask demo` builds and runs this. The last line is `RESULT kernels=N correct=N`; the exit status is 1 when a kernel is
//! wrong. `cargo xtask demo memory` multiplies matrices that are larger than the memory for them instead.
#![forbid(unsafe_code)]

mod galaxy;
mod mandelbrot;
mod memory;
mod picture;
mod table;

use anyhow::{Context, Result};
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs the kernel collection, checks each kernel, draws pictures.
#[derive(Parser)]
struct Cli {
    /// Instead of the collection: matrices larger than the memory for them.
    #[arg(value_enum)]
    part: Option<Part>,
    /// Rows of the matrices of that part, a multiple of 32.
    #[arg(long, default_value_t = 4096, value_parser = rows)]
    n: u32,
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

#[derive(Clone, Copy, clap::ValueEnum)]
enum Part {
    /// A product whose data is four times its memory budget.
    Memory,
}

fn rows(text: &str) -> Result<u32, String> {
    let accepted = |n: &u32| n.is_multiple_of(32) && (768..=32_768).contains(n);
    text.parse().ok().filter(accepted).ok_or_else(|| "accepted are multiples of 32 from 768 to 32768".to_owned())
}

fn run(cli: &Cli) -> Result<bool> {
    std::fs::create_dir_all(&cli.pictures).with_context(|| format!("cannot make {}", cli.pictures.display()))?;
    if let Some(Part::Memory) = cli.part {
        return memory::run(cli.n, &cli.pictures.join("memory.svg"));
    }
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
