//! The daemon suite: how exactly shares are held, what a noisy neighbour costs, how many clients are served.
//! `cargo xtask bench daemon` builds and runs this.
//!
//! The daemon is the release build beside this program. Processor time is read from outside, from the clocks of the worker
//! processes, not from what the daemon says. Everything of a comparison happens in one run.
#![forbid(unsafe_code)]

mod clients;
mod daemon;
#[path = "../../bench/src/record.rs"]
mod record;
mod shares;

use anyhow::{Context as _, Result};
use clap::Parser;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// The compiler flags of native peers, for the record; this suite has none.
const NATIVE_FLAGS: &[&str] = &[];

/// Benchmarks of the daemon.
#[derive(Parser)]
struct Options {
    /// The daemon; the one beside this program when absent.
    #[arg(long)]
    vgpud: Option<PathBuf>,
    /// Seconds that shares are watched.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Clients at a time.
    #[arg(long, default_value_t = 1000)]
    clients: usize,
}

fn run(options: &Options) -> Result<()> {
    let program = match &options.vgpud {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("vgpud"),
    };
    let held = shares::held(&program, options.seconds).context("shares")?;
    let noisy = shares::noisy(&program).context("the noisy neighbour")?;
    let served = clients::serve(&program, options.clients).context("clients")?;
    let results = json!({ "shares": held.table, "noisy": noisy.table, "clients": served.table });
    record::save("daemon", "the daemon and its workers", &results)?;
    println!(
        "RESULT share_error={:.4} noisy_cost={:.4} clients={}",
        held.error_percent / 100.0,
        noisy.cost_percent / 100.0,
        served.clients
    );
    Ok(())
}

fn main() -> ExitCode {
    let arguments = std::env::args().enumerate().filter(|(idx, word)| *idx != 1 || word != "daemon");
    match run(&Options::parse_from(arguments.map(|(_, word)| word))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
