//! `cargo xtask bench num`: the numeric algorithms against MKL, OpenBLAS, oneDNN and FFTW in one process, and against Python packages in
//! processes of their own.
//!
//! Peers have different ways to choose threads; all respect the processors that a process may use. So for each number
//! of threads this program starts itself once more under `taskset`, and that process times everybody round robin.
//! Ratios are our time by the best peer's, medians of one run; the RESULT line holds geometric means over all rows.

mod families;
mod peers;
mod python;
#[path = "../../bench/src/record.rs"]
mod record;
mod rows;
mod timing;

use anyhow::{Context, Result, bail};
use clap::Parser;
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// The compiler flags of native peers, for the record; this suite's come compiled.
const NATIVE_FLAGS: &[&str] = &[];

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
        let rows = rows::all(&prefix, *threads, &options.only)?;
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
    let device = format!("num at {:?}", vgpu_num::Isa::detect());
    record::save("num", &device, &Value::from(rows.clone()))?;
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

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("numbench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
