//! `vgpu trace -- COMMAND`: what a program asks of the device and what the device does.
//!
//! The program runs as under `vgpu run --`, with one more variable in its environment that names a folder for records. When it
//! has ended, the records become a list of calls and a Chrome trace, and the folder is removed. Its exit status is kept.

use crate::failure::Failure;
use crate::program::Plan;
use anyhow::{Context as _, anyhow};
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// What to trace.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  vgpu trace --output matmul.json -- python matmul.py

The output opens in https://ui.perfetto.dev and chrome://tracing. Exit status: the command's.")]
pub struct Options {
    /// The Chrome trace, with the keys that PyTorch's profiler uses.
    #[arg(long, short, value_name = "FILE", default_value = "vgpu-trace.json")]
    output: PathBuf,
    /// Write the list of calls to this file instead of standard error.
    #[arg(long, value_name = "FILE")]
    calls: Option<PathBuf>,
    /// The program and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// A folder of our own that goes away at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> anyhow::Result<Self> {
        let pid = std::process::id();
        for number in 0..1000 {
            let path = std::env::temp_dir().join(format!("vgpu-trace-{pid}-{number}"));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).with_context(|| format!("cannot make {}", path.display())),
            }
        }
        Err(anyhow!("{} is full of traces", std::env::temp_dir().display()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs and traces it.
pub fn trace(options: &Options) -> Result<(), Failure> {
    let folder = Folder::new()?;
    let mut command = Plan::new()?.command(&options.command)?;
    command.env(vgpu_trace::DIRECTORY, &folder.0);
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|error| Failure::usage(format!("cannot run {name}: {error}")))?;
    write(options, &folder.0)?;
    match exit_code(status) {
        0 => Ok(()),
        code => Err(Failure::Status(code)),
    }
}

fn write(options: &Options, folder: &Path) -> Result<(), Failure> {
    let trace = vgpu_trace::read(folder).context("cannot read the records")?;
    let calls = vgpu_trace::listing(&trace);
    match &options.calls {
        Some(path) => std::fs::write(path, calls).map_err(|error| cannot_write(path, &error))?,
        None => eprint!("{calls}"),
    }
    let words: Vec<_> = options.command.iter().map(|word| word.to_string_lossy()).collect();
    let chrome = vgpu_trace::chrome(&trace, &words.join(" "));
    std::fs::write(&options.output, chrome.to_string()).map_err(|error| cannot_write(&options.output, &error))?;
    if trace.n_broken_lines > 0 {
        eprintln!("vgpu: {} records were cut off", trace.n_broken_lines);
    }
    if trace.processes.is_empty() {
        eprintln!("vgpu: the program made no call of the CUDA driver or runtime API");
    }
    eprintln!("vgpu: trace in {}", options.output.display());
    Ok(())
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("cannot write {}: {error}", path.display()))
}

/// As shells give it: 128 and the signal's number for a program that a signal ended.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}
