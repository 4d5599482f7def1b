//! `cargo xtask bench num`: the numeric algorithms against MKL, OpenBLAS, oneDNN and FFTW, in one process.
//!
//! Peers have different ways to choose threads; all respect the processors that a process may use. So for each number
//! of threads this program starts itself once more under `taskset`, and that process times everybody round robin.
//! Ratios are our time by the best peer's, medians of one run; the RESULT line holds geometric means over all rows.

mod peers;
mod rows;
mod timing;

use anyhow::{Context, Result, bail};
use clap::Parser;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

/// The figures of the RESULT line, and which rows they come from; those without rows are not built yet.
const FIGURES: [(&str, &str); 9] = [
    ("gemm_vs_best", "gemm_"),
    ("lowp_vs_best", "lowp_"),
    ("fft_vs_best", "fft_"),
    ("fmm_vs_fmm3dpy", "fmm_"),
    ("einsum_vs_best", "einsum_"),
    ("conv_vs_onednn", "conv_"),
    ("gelu_vs_limit", "gelu_"),
    ("softmax_vs_onednn", "softmax_"),
    ("te_vs_ckdtree", "te_"),
];

#[derive(Parser)]
struct Options {
    /// Where pip has installed the peers: the prefix of a Python environment.
    #[arg(long)]
    peers: Option<PathBuf>,
    /// Only kinds of rows that start with this: gemm_f32, fft, ...
    #[arg(long, default_value = "")]
    only: String,
    /// Numbers of threads.
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    threads: Vec<usize>,
    /// Measure in this process, with one number of threads, and write the rows to this file.
    #[arg(long, hide = true)]
    rows_to: Option<PathBuf>,
}

fn run(options: &Options) -> Result<()> {
    let prefix = options.peers.clone().unwrap_or_default();
    if let (Some(path), [threads]) = (&options.rows_to, &options.threads[..]) {
        let rows = rows::all(&peers::Peers::open(&prefix, *threads), *threads, &options.only)?;
        return std::fs::write(path, Value::from(rows).to_string()).context("cannot write the rows");
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut rows: Vec<Value> = Vec::new();
    for threads in &options.threads {
        if *threads == 0 || *threads > cores {
            println!("T{threads}: na, this machine has {cores} processors");
            continue;
        }
        let path = std::env::temp_dir().join(format!("numbench-{}-{threads}.json", std::process::id()));
        let own = std::env::current_exe().context("cannot find this program")?;
        let mut command = Command::new("taskset");
        command.arg("-c").arg(format!("0-{}", threads - 1)).arg(own).arg("--peers").arg(&prefix);
        command.arg("--threads").arg(threads.to_string()).arg("--only").arg(&options.only).arg("--rows-to").arg(&path);
        command.env("LD_LIBRARY_PATH", prefix.join("lib")).env("OMP_NUM_THREADS", threads.to_string());
        let status = command.status().context("cannot start taskset (package util-linux)")?;
        let text = std::fs::read_to_string(&path);
        let _ = std::fs::remove_file(&path);
        // A peer may crash while the process ends; the rows are there by then.
        let Ok(text) = text else { bail!("measuring with {threads} threads ended with {status}") };
        rows.extend(serde_json::from_str::<Vec<Value>>(&text).context("cannot read the rows")?);
    }
    save(&rows)?;
    let figure = |(name, start): &(&str, &str)| {
        let ratios: Vec<f64> = rows
            .iter()
            .filter(|row| row["kind"].as_str().is_some_and(|kind| kind.starts_with(start)))
            .filter_map(|row| row["ratio"].as_f64())
            .collect();
        let worst = ratios.iter().copied().fold(0.0, f64::max);
        let mean = timing::geomean(&ratios);
        if mean.is_some() {
            println!("{name}: geomean of {} rows, worst {worst:.3}", ratios.len());
        }
        format!("{name}={}", mean.map_or("na".to_owned(), |mean| format!("{mean:.3}")))
    };
    println!("RESULT {}", FIGURES.iter().map(figure).collect::<Vec<_>>().join(" "));
    Ok(())
}

/// The raw results, under the checkout's `bench/runs`.
fn save(rows: &[Value]) -> Result<()> {
    let manifest = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = manifest.ancestors().nth(2).context("lies in tools/numbench of the checkout")?;
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let answer = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).current_dir(root).stdin(Stdio::null()).output().ok()?;
        Some(String::from_utf8(output.stdout).ok()?.lines().next()?.to_owned())
    };
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
    let record = json!({
        "suite": "num",
        "unix_time": seconds,
        "cpu": cpu.map(|(_, name)| name),
        "instructions": format!("{:?}", vgpu_num::Isa::detect()),
        "commit": answer("git", &["describe", "--always", "--dirty", "--abbrev=12"]),
        "rustc": answer("rustc", &["--version"]),
        "rows": rows,
    });
    let folder = root.join("bench/runs");
    std::fs::create_dir_all(&folder).context("cannot make bench/runs")?;
    std::fs::write(folder.join(format!("num-{seconds}.json")), format!("{record:#}\n")).context("cannot write")?;
    println!("raw results: bench/runs/num-{seconds}.json");
    Ok(())
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("numbench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
