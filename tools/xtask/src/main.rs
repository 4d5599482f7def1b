//! The project's own commands: `cargo xtask demo | test | ci | tidy | bench SUITE | soak | wheel | setup`.
//!
//! Every command first sets up what it needs (the LLVM libraries, a Python environment), so that a clean clone of a
//! fresh machine needs nothing but Rust and the permission to install packages.
//! This program depends on no vgpu crate: it must build before LLVM is there. What needs vgpu is a binary of its own
//! that is built and run from here.
#![forbid(unsafe_code)]

mod ci;
mod clients;
mod demo;
mod licences;
mod metadata;
mod programs;
mod python;
mod setup;
mod shell;
mod test;
mod tidy;
mod wheel;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run real kernels on real-sized input, check each, and draw the pictures.
    Demo {
        /// `memory` for matrices larger than the memory for them, and options.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Run all tests, the case files at every vector width.
    Test,
    /// Run the programs of CUDA's users: Numba, Triton, cuda.core, nvcc.
    Programs,
    /// What a change must pass: fmt, clippy, tests, docs, licences, tidy, clean cases.
    Ci,
    /// Check the rules of the code base that no other tool checks.
    Tidy,
    /// Measure against native code and Intel's OpenCL runtime; raw results go to bench/runs.
    Bench {
        /// What to measure.
        suite: Suite,
        /// Passed on to the suite; `--help` lists what it takes.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Hostile and mutated texts, random kernels on JIT and interpreter, ten million launches: for a long time.
    Soak {
        /// How long in all.
        #[arg(long, default_value_t = 30)]
        minutes: u64,
        /// One part only.
        #[arg(long)]
        only: Option<SoakPart>,
        /// Seed of the first part's mutations and the second's kernels; the time when left out, and printed.
        #[arg(long)]
        seed: Option<u64>,
        /// Size of each hostile text.
        #[arg(long, default_value_t = 8)]
        megabytes: u64,
    },
    /// Build and install the command, the libraries under NVIDIA's names, and the C library with its header and build files.
    Install {
        /// Where `bin`, `lib` and `include` go.
        #[arg(long)]
        prefix: PathBuf,
    },
    /// Run the Python package's tests on an installed wheel.
    Python,
    /// Build the Python package's wheel into target/wheels.
    Wheel,
    /// Install what the other commands need, and say what was found.
    Setup,
}

/// A benchmark suite.
#[derive(Clone, Copy, ValueEnum)]
pub enum Suite {
    /// The kernel collection: vgpu, native C and Intel's OpenCL runtime, side by side.
    Kernels,
    /// Launch and compile latencies, and memory over a million launches.
    Launch,
    /// The directory of pages that devices share: transitions per second, and moves against plain copies.
    Coherence,
    /// The market: book, journal, clearing, sharing on recorded demand.
    Market,
    /// Call overhead; Numba's and Triton's kernels against prange and NumPy.
    Programs,
    /// Allocation against mimalloc; kernels larger than their memory against numpy.memmap.
    Memory,
    /// The daemon: shares held, noisy neighbours, many clients.
    Daemon,
    /// The numeric algorithms: vgpu, MKL, OpenBLAS, oneDNN and FFTW, side by side.
    Num,
}

/// A part of the soak test.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SoakPart {
    /// Hostile texts, then mutations of the cases, against the front end.
    Texts,
    /// Random kernels: JIT against interpreter.
    Kernels,
    /// Memory over ten million launches.
    Launches,
    /// A process that writes checkpoints, killed a hundred times.
    Checkpoints,
}

impl Suite {
    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kernels => "kernels",
            Self::Launch => "launch",
            Self::Coherence => "coherence",
            Self::Market => "market",
            Self::Programs => "programs",
            Self::Memory => "memory",
            Self::Daemon => "daemon",
            Self::Num => "num",
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Demo { rest } => demo::demo(&rest),
        Command::Test => test::test(),
        Command::Programs => clients::test(),
        Command::Ci => ci::ci(),
        Command::Tidy => tidy::tidy(),
        Command::Bench { suite, rest } => demo::bench(suite, &rest),
        Command::Soak { minutes, only, seed, megabytes } => test::soak(minutes, only, seed, megabytes),
        Command::Install { prefix } => setup::toolchain().and_then(|()| programs::install(&prefix, true)),
        Command::Python => wheel::test(),
        Command::Wheel => wheel::wheel(),
        Command::Setup => setup::report(),
    }
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
