//! The `vgpu` command: run a kernel, check a PTX file, look at compilation, look at the device.
//!
//! Exit status of every command: 0 success; 1 the input is at fault, or the launch failed; 2 the command line is at fault; 141
//! nobody reads the output any more.
//! With `--json`, standard output is one JSON value, whether the command succeeds or not.
#![forbid(unsafe_code)]

mod check;
mod dump;
mod info;
mod run;

mod argument;
mod array;
mod npy;
mod source;

mod output;

mod failure;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A GPU made of software: runs CUDA kernels on the processor.
///
/// Exit status: 0 success; 1 the input is at fault or the launch failed; 2 the command line is at fault.
#[derive(Parser)]
#[command(name = "vgpu", version, arg_required_else_help = true)]
struct Cli {
    /// Print one JSON value instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Launch a kernel from a PTX or CUDA C++ file.
    Run(run::Options),
    /// List everything that is wrong in a PTX or CUDA C++ file.
    Check(check::Options),
    /// Show a file at a stage of compilation.
    Dump(dump::Options),
    /// Show the device: what CUDA's deviceQuery prints, vector instructions, caches.
    Info,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.command {
        Command::Run(options) => run::run(options, cli.json),
        Command::Check(options) => check::check(options, cli.json),
        Command::Dump(options) => dump::dump(options, cli.json),
        Command::Info => info::info(cli.json),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(cli.json),
    }
}
