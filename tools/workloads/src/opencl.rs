//! The OpenCL route: a Python process with pyopencl, spoken to in JSON lines; buffers travel through files.
//!
//! Requests and answers are one line each. The process is started once and holds one workload at a time.

use crate::workload::Arg;
use crate::{Data, Route, Workload};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// A Python process with an OpenCL runtime for CPUs.
pub struct OpenCl {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    folder: PathBuf,
    /// What the runtime calls itself.
    pub platform: String,
}

impl OpenCl {
    /// Starts `python`; files go to `folder`.
    ///
    /// # Errors
    /// It does not start, or finds no OpenCL platform; the message is the process's own.
    pub fn new(python: &Path, folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("opencl_peer.py");
        let mut process = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", python.display()))?;
        let requests = process.stdin.take().context("the process has no input")?;
        let answers = BufReader::new(process.stdout.take().context("the process has no output")?);
        let mut route = Self { process, requests, answers, folder: folder.to_path_buf(), platform: String::new() };
        let answer = route.answer()?;
        route.platform = answer["platform"].as_str().unwrap_or("unknown").to_owned();
        Ok(route)
    }

    fn answer(&mut self) -> Result<Value> {
        let mut line = String::new();
        self.answers.read_line(&mut line).context("cannot read from the OpenCL process")?;
        if line.is_empty() {
            bail!("the OpenCL process ended");
        }
        let answer: Value = serde_json::from_str(&line).with_context(|| format!("the OpenCL process said: {line}"))?;
        match answer["error"].as_str() {
            Some(error) => bail!("{error}"),
            None => Ok(answer),
        }
    }

    fn ask(&mut self, request: &Value) -> Result<Value> {
        writeln!(self.requests, "{request}").context("the OpenCL process takes no requests")?;
        self.requests.flush().context("the OpenCL process takes no requests")?;
        self.answer()
    }

    fn file(&self, idx: usize) -> PathBuf {
        self.folder.join(format!("buffer-{idx}.raw"))
    }
}

fn argument(arg: Arg) -> Value {
    match arg {
        Arg::Buffer(idx) => json!(["buffer", idx]),
        Arg::U32(value) => json!(["u32", value]),
        Arg::I32(value) => json!(["i32", value]),
        // A float has no exact decimal form in every reader: its bits do.
        Arg::F32(value) => json!(["f32", value.to_bits()]),
    }
}

impl Route for OpenCl {
    fn name(&self) -> &'static str {
        "intel opencl"
    }

    fn load(&mut self, workload: &Workload) -> Result<()> {
        let source = crate::kernel_folder().join("opencl").join(format!("{}.cl", workload.kernel));
        if !source.exists() {
            bail!("no OpenCL version");
        }
        let mut buffers = Vec::new();
        for (idx, buffer) in workload.buffers.iter().enumerate() {
            let path = self.file(idx);
            std::fs::write(&path, buffer.data.as_bytes())
                .with_context(|| format!("cannot write {}", path.display()))?;
            buffers.push(json!({ "path": path, "written": buffer.written }));
        }
        let launches = workload.launches.iter().map(|launch| {
            let args: Vec<_> = launch.args.iter().copied().map(argument).collect();
            json!({ "grid": launch.grid, "block": launch.block, "args": args })
        });
        let launches: Vec<_> = launches.collect();
        let request = json!({
            "do": "load", "kernel": workload.kernel, "source": source, "buffers": buffers, "launches": launches,
        });
        self.ask(&request).map(drop)
    }

    fn restore(&mut self, _workload: &Workload) -> Result<()> {
        self.ask(&json!({ "do": "restore" })).map(drop)
    }

    fn run(&mut self, _workload: &Workload) -> Result<Duration> {
        let answer = self.ask(&json!({ "do": "run" }))?;
        Ok(Duration::from_secs_f64(answer["seconds"].as_f64().context("no time in the answer")?))
    }

    fn read(&mut self, workload: &Workload) -> Result<Vec<Data>> {
        self.ask(&json!({ "do": "read" }))?;
        let mut after = Vec::new();
        for (idx, buffer) in workload.buffers.iter().enumerate() {
            after.push(if buffer.written {
                let path = self.file(idx);
                let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
                buffer.data.from_bytes(&bytes)?
            } else {
                buffer.data.empty()
            });
        }
        Ok(after)
    }

    fn unload(&mut self) {
        // A process that is gone has given up everything.
        let _ = self.ask(&json!({ "do": "unload" }));
    }
}

impl Drop for OpenCl {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
