//! Running other programs: shown before they run, and an error when they fail.

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The root of the checkout this program was built from.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).expect("xtask lies in tools/xtask of the checkout").to_path_buf()
}

/// A program that runs in the root of the checkout, with nothing to read.
pub fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// The cargo that runs this program.
pub fn cargo() -> Command {
    program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Shows the command line and runs it.
///
/// # Errors
/// It cannot be started, or ends with another status than 0.
pub fn run(command: &mut Command) -> Result<()> {
    let line = command_line(command);
    eprintln!("> {line}");
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// As [`run`], for `cargo test`: what it says of failed tests becomes part of the error, so that the end of a long log
/// names them.
///
/// # Errors
/// As [`run`], with the tests that failed and what they printed.
pub fn run_tests(command: &mut Command) -> Result<()> {
    let line = command_line(command);
    eprintln!("> {line}");
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{line}`"))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let failures = std::thread::scope(|scope| {
        let out = scope.spawn(|| out.map_or_else(Vec::new, |pipe| forward(pipe, &mut std::io::stdout())));
        let mut kept = err.map_or_else(Vec::new, |pipe| forward(pipe, &mut std::io::stderr()));
        kept.extend(out.join().unwrap_or_default());
        kept
    });
    let status = child.wait().with_context(|| format!("cannot wait for `{line}`"))?;
    if !status.success() {
        let shown = failures.len().min(MAX_FAILURE_LINES);
        bail!("`{line}` ended with {status}\n{}", failures[..shown].join("\n"));
    }
    Ok(())
}

/// How much of what failed tests print an error repeats.
const MAX_FAILURE_LINES: usize = 80;

/// Copies lines from a program's output to ours; returns those that tell of failed tests: the test runner's list of
/// failures with their output, and cargo's errors.
fn forward(pipe: impl Read, ours: &mut impl Write) -> Vec<String> {
    let mut kept = Vec::new();
    let mut within_failures = false;
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|n_bytes| n_bytes > 0) {
        // Nobody may be reading our own output any more: the program still has to end.
        let _ = ours.write_all(&line);
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        within_failures |= text == "failures:";
        if within_failures || text.starts_with("error") {
            kept.push(text.to_owned());
        }
        within_failures &= !text.starts_with("test result:");
        line.clear();
    }
    kept
}

/// Runs it and returns what it writes to standard output.
///
/// # Errors
/// As [`run`]; also when the output is not UTF-8.
pub fn output(command: &mut Command) -> Result<String> {
    let line = command_line(command);
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` ended with {}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("the output of `{line}` is not UTF-8"))
}

/// Whether it runs and ends with status 0; its output is dropped.
pub fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn command_line(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(name).chain(command.get_args());
    let vars = command
        .get_envs()
        .filter_map(|(key, value)| Some(format!("{}={} ", key.to_string_lossy(), value?.to_string_lossy())));
    let words: Vec<_> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    vars.collect::<String>() + &words.join(" ")
}
