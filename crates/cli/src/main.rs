//! The `vgpu` command: run kernels and programs, check a PTX file, look at compilation, at the device and at who uses it.
//!
//! Exit status of every command: 0 success; 1 the input is at fault, or the launch failed; 2 the command line is at fault; 141
//! nobody reads the output any more.
//! With `--json`, standard output is one JSON value, whether the command succeeds or not.
#![forbid(unsafe_code)]

mod check;
mod checkpoint;
mod dump;
mod info;
mod mem;
mod program;
mod ps;
mod run;
mod trace;

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
    /// Launch a kernel from a PTX or CUDA C++ file; `vgpu run -- COMMAND` runs a program made for an NVIDIA device.
    Run(run::Options),
    /// List everything that is wrong in a PTX or CUDA C++ file.
    Check(check::Options),
    /// Check a checkpoint file and list what it holds.
    Checkpoint(checkpoint::Options),
    /// Show a file at a stage of compilation.
    Dump(dump::Options),
    /// Run a program as `vgpu run --` does, and record every API call and what the device did.
    Trace(trace::Options),
    /// List the processes on the device, with their memory and kernel time.
    Ps,
    /// Print the environment in which programs find this device, for a shell: `eval "$(vgpu env)"`.
    Env,
    /// Compile with the user's nvcc so that the result runs here.
    #[command(disable_help_flag = true)]
    Nvcc {
        /// Passed on to nvcc.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<std::ffi::OsString>,
    },
    /// Show where the device memory of running processes is: in memory, compressed, on disk.
    Mem(mem::Options),
    /// Show the device: what CUDA's deviceQuery prints, vector instructions, caches.
    Info,
}

fn main() -> ExitCode {
    // What follows `vgpu run --` is another program's command line, of which nothing is ours to read.
    let words: Vec<_> = std::env::args_os().collect();
    if let [_, run, dashes, command @ ..] = words.as_slice()
        && run == "run"
        && dashes == "--"
    {
        return match program::run(command) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(false),
        };
    }
    let cli = Cli::parse();
    let result = match &cli.command {
        Command::Run(options) => run::run(options, cli.json),
        Command::Check(options) => check::check(options, cli.json),
        Command::Checkpoint(options) => checkpoint::checkpoint(options, cli.json),
        Command::Dump(options) => dump::dump(options, cli.json),
        Command::Mem(options) => mem::mem(options, cli.json),
        Command::Info => info::info(cli.json),
        Command::Trace(options) => trace::trace(options),
        Command::Ps => ps::ps(cli.json),
        Command::Env => program::env(),
        Command::Nvcc { rest } => program::nvcc(rest),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(cli.json),
    }
}
