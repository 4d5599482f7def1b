//! Peers that run in a Python process of their own: it works once for each line that it is sent. The way there and back
//! takes some 20 us, which counts for the peer: rows that have such peers take milliseconds.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

const SCRIPT: &str = include_str!("peers.py");

/// A folder for operands and results, removed at the end.
pub struct Folder(PathBuf);

impl Folder {
    /// A new one under the system's folder for temporary files.
    pub fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("numbench-data-{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    /// Writes numbers as they lie in memory; the file's path.
    pub fn put(&self, name: &str, bytes: impl IntoIterator<Item = u8>) -> Result<String> {
        let path = self.0.join(name);
        std::fs::write(&path, bytes.into_iter().collect::<Vec<u8>>()).context("cannot write an operand")?;
        Ok(path.display().to_string())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A Python process that is ready to work.
pub struct Peer {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    out: PathBuf,
}

impl Peer {
    /// Starts the peer that `case` describes; `None`, with a remark, when it is not to be had.
    pub fn start(prefix: &Path, folder: &Folder, mut case: Value) -> Option<Self> {
        let out = folder.0.join("result");
        let name = case["peer"].as_str().unwrap_or_default().to_owned();
        case["out"] = json!(out);
        let script = folder.0.join("peers.py");
        std::fs::write(&script, SCRIPT).ok()?;
        let mut child = Command::new(prefix.join("bin/python"))
            .arg(&script)
            .arg(case.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let (to, from) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
        let mut peer = Self { child, to, from, out };
        match peer.line() {
            Ok(line) if line == "ready" => Some(peer),
            Ok(line) => {
                println!("  {name}: {line}");
                None
            }
            Err(_) => None,
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    /// Works once.
    pub fn run(&mut self) -> Result<()> {
        self.send("run")
    }

    fn send(&mut self, what: &str) -> Result<()> {
        writeln!(self.to, "{what}")?;
        let answer = self.line()?;
        ensure!(answer == "done", "the peer answered `{answer}`");
        Ok(())
    }

    /// The bytes of the last result.
    pub fn result(&mut self) -> Result<Vec<u8>> {
        self.send("save")?;
        std::fs::read(&self.out).context("cannot read the peer's result")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
