//! Benchmarks. Each suite prints a table, ends with a `RESULT` line, and leaves its raw results under `bench/runs`.
//!
//! Only ratios taken in one run count: peers take turns with vgpu, round by round. Nothing here is a test.
//! `cargo xtask bench SUITE` builds and runs this.
#![forbid(unsafe_code)]

mod coherence;
mod kernels;
mod launch;
mod programs;
mod record;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;
use workloads::NATIVE_FLAGS;

/// Benchmarks of vgpu.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    suite: Suite,
}

#[derive(Subcommand)]
enum Suite {
    /// The kernel collection: vgpu, native C and Intel's OpenCL runtime.
    Kernels(kernels::Options),
    /// Launch and compile latencies, and memory over a million launches.
    Launch(launch::Options),
    /// The directory of pages that devices share, alone and with the pages moving.
    Coherence(coherence::Options),
    /// Call overhead, and the kernels of Numba and Triton against the processor's own ways.
    Programs(programs::Options),
}

fn run() -> Result<()> {
    match Cli::parse().suite {
        Suite::Kernels(options) => kernels::run(&options),
        Suite::Launch(options) => launch::run(&options),
        Suite::Coherence(options) => coherence::run(&options),
        Suite::Programs(options) => programs::run(&options),
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
