//! The market suite: how fast the book, the journal and the clearing are, how well devices are shared on recorded demand,
//! and what misreporting gains. `cargo xtask bench market` builds and runs this.
//!
//! Recorded traces are data of others and not part of this repository: `--traces` or `VGPU_MARKET_TRACES` names a folder
//! that has them (docs/market.md says which). Without it a generated trace is used, and the suite says so.
#![forbid(unsafe_code)]

mod demand;
mod jobs;
mod manipulation;
mod policy;
mod random;
#[path = "../../bench/src/record.rs"]
mod record;
mod sharing;
mod speed;

use anyhow::Result;
use clap::Parser;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// The compiler flags of native peers, for the record; this suite has none.
const NATIVE_FLAGS: &[&str] = &[];

/// Benchmarks of the market.
#[derive(Parser)]
struct Options {
    /// Folder with the recorded traces.
    #[arg(long, env = "VGPU_MARKET_TRACES")]
    traces: Option<PathBuf>,
    /// Commands of the speed part.
    #[arg(long, default_value_t = 3_000_000)]
    commands: usize,
    /// Where the journal is written; the default is the folder for temporary files.
    #[arg(long)]
    journal: Option<PathBuf>,
}

fn run(options: &Options) -> Result<()> {
    let speed = speed::measure(options.commands, options.journal.as_deref())?;
    let (signals_mops, policy) = policy::measure()?;
    let (demand, source) = demand::load(options.traces.as_deref())?;
    println!("\nsharing: {source}");
    let sharing = sharing::compare(&demand);
    let jobs = jobs::compare(options.traces.as_deref())?;
    let manipulation = manipulation::search();
    let results = json!({ "speed": speed.table, "policy": policy, "trace": source, "sharing": sharing.table, "jobs": jobs, "manipulation": manipulation });
    record::save("market", "the market on one core", &results)?;
    println!(
        "RESULT book_mops={:.1} durable_mops={:.2} p9999_us={:.2} signals_mops={:.1} clear_ms={:.3} worst_tenant_gain={:.3}",
        speed.book_mops, speed.durable_mops, speed.p9999_us, signals_mops, speed.clear_ms, sharing.worst_tenant_gain
    );
    Ok(())
}

fn main() -> ExitCode {
    match run(&Options::parse_from(arguments())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("market-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The arguments without the name of the suite, which all benchmark programs are given first.
fn arguments() -> impl Iterator<Item = String> {
    let mut is_first = true;
    std::env::args().enumerate().filter_map(move |(idx, arg)| {
        let suite = idx == 1 && std::mem::take(&mut is_first) && arg == "market";
        (!suite).then_some(arg)
    })
}

/// A figure for the record.
fn figure(value: f64) -> Value {
    json!((value * 1e4).round() / 1e4)
}
