//! `ptxas` for toolchains that call one: checks the PTX and writes it, unchanged, where machine code would go.
//!
//! The device loads PTX, so what a compiler driver hands on as a `cubin` may as well be PTX; that is what Triton does when
//! `TRITON_PTXAS_PATH` names this program. All options of NVIDIA's assembler (CUDA 13) are accepted; those that steer its
//! optimiser have nothing to steer and are ignored, which `-v` says. What the device cannot run is refused here, with line
//! and column, as NVIDIA's program refuses what is not PTX.
//!
//! Exit status: 0 success; 255 the PTX is at fault, as NVIDIA's program has it; 1 the command line is.
#![forbid(unsafe_code)]

mod options;

use options::{Job, Options};
use std::process::ExitCode;
use vgpu_types::{LineMap, Severity};

/// The version whose options are accepted; clients derive the PTX version they write from this line.
const VERSION: &str = "\
ptxas: vgpu's stand-in for NVIDIA (R) Ptx optimizing assembler: checks PTX and keeps it
Cuda compilation tools, release 13.4, V13.4.92
";

fn main() -> ExitCode {
    match options::parse(std::env::args().skip(1)) {
        Ok(Job::Help) => {
            print!("{}", options::HELP);
            ExitCode::SUCCESS
        }
        Ok(Job::Version) => {
            print!("{VERSION}");
            ExitCode::SUCCESS
        }
        Ok(Job::Architectures) => {
            print!("{}", options::ARCHITECTURES);
            ExitCode::SUCCESS
        }
        Ok(Job::Assemble(options)) => assemble(&options),
        Err(message) => {
            eprintln!("ptxas fatal   : {message}");
            ExitCode::from(1)
        }
    }
}

/// Checks the inputs and writes them.
fn assemble(options: &Options) -> ExitCode {
    let mut text = String::new();
    for input in &options.inputs {
        match std::fs::read_to_string(input) {
            Ok(source) if check(input, &source, options.warnings) => text.push_str(&source),
            Ok(_) => return ExitCode::from(255),
            Err(error) => {
                eprintln!("ptxas fatal   : cannot read {input}: {error}");
                return ExitCode::from(1);
            }
        }
    }
    if options.verbose {
        eprintln!("ptxas info    : PTX is kept as it is for {}; the device compiles it", options.arch);
    }
    // Loaders that take text stop at a zero byte.
    text.truncate(text.trim_end_matches('\0').len());
    text.push('\0');
    match std::fs::write(&options.output, text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ptxas fatal   : cannot write {}: {error}", options.output);
            ExitCode::from(1)
        }
    }
}

/// Shows what is wrong; true when it can be loaded.
fn check(name: &str, source: &str, warnings: bool) -> bool {
    let source = source.trim_end_matches('\0');
    let (ok, diagnostics) = match vgpu_ptx::load_with_warnings(source) {
        Ok((_, warnings)) => (true, warnings),
        Err(diagnostics) => (false, diagnostics),
    };
    let lines = LineMap::new(source);
    for diagnostic in diagnostics.iter().filter(|d| warnings || d.severity == Severity::Error) {
        eprintln!("{}", diagnostic.render(name, source, &lines));
    }
    if !ok {
        eprintln!("ptxas fatal   : Ptx assembly aborted due to errors");
    }
    ok
}
