//! `vgpud`: the daemon that lets many tenants share one device, and, as `vgpud worker`, the process of one of them.
//!
//! The daemon is `vgpu-daemon`; here are its command line and the worker. They are one program so that the daemon always
//! finds a worker of its own version: itself.
#![forbid(unsafe_code)]

mod worker;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use vgpu_daemon::{Mode, Settings};

/// Many tenants on one software GPU: market, jobs, HTTP, dashboard.
#[derive(Debug, Parser)]
#[command(name = "vgpud", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    /// Starts with three tenants that work and trade; pages answer without a token on loopback
    #[arg(long)]
    demo: bool,
    /// Nothing runs by itself and no page is open; for measurements
    #[arg(long, conflicts_with = "demo")]
    benchmark: bool,
    /// Address to listen at; may be given several times
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8000")]
    listen: Vec<SocketAddr>,
    /// Socket for local users, who are known by their user number
    #[arg(long, value_name = "PATH")]
    unix_socket: Option<PathBuf>,
    /// Folder for the market, tenants, modules and compiled kernels
    #[arg(long, value_name = "DIR", env = "VGPUD_STATE_DIR")]
    state_dir: Option<PathBuf>,
    /// Length of a market epoch in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    epoch_ms: u64,
    /// Processors that run blocks; all of them when absent
    #[arg(long, value_name = "N")]
    processors: Option<u32>,
    /// Memory for buffers in MiB; half of the machine's when absent
    #[arg(long, value_name = "MIB")]
    memory_mib: Option<u64>,
    /// A name by which clients may call the daemon, besides its addresses and localhost
    #[arg(long = "allow-host", value_name = "NAME")]
    allowed_hosts: Vec<String>,
    /// Requests per second and caller
    #[arg(long, value_name = "N", default_value_t = 2000)]
    requests_per_second: u32,
    /// Seconds that running jobs get when the daemon ends
    #[arg(long, value_name = "S", default_value_t = 20)]
    drain_s: u64,
    /// Workers keep all rights of the daemon's user; for machines whose kernel cannot confine them
    #[arg(long)]
    unconfined: bool,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// The process of one tenant; started by the daemon, which talks to it through its standard input
    #[command(hide = true)]
    Worker,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.role {
        Some(Role::Worker) => worker::run(),
        None => daemon(arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vgpud: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn daemon(arguments: Arguments) -> Result<()> {
    let state_dir = match arguments.state_dir {
        Some(folder) => folder,
        None => default_state_dir()?,
    };
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let mode = match (arguments.demo, arguments.benchmark) {
        (true, _) => Mode::Demonstration,
        (_, true) => Mode::Benchmark,
        _ => Mode::Production,
    };
    let mut settings = Settings::new(mode, state_dir, vec![program, PathBuf::from("worker")]);
    settings.listen = arguments.listen;
    settings.unix_socket = arguments.unix_socket;
    settings.epoch = Duration::from_millis(arguments.epoch_ms);
    settings.processors = arguments.processors.unwrap_or(settings.processors);
    settings.memory_bytes = arguments.memory_mib.map_or(settings.memory_bytes, |mib| mib.saturating_mul(1 << 20));
    settings.allowed_hosts = arguments.allowed_hosts;
    settings.requests_per_second = arguments.requests_per_second;
    settings.drain = Duration::from_secs(arguments.drain_s);
    settings.confined = !arguments.unconfined;
    Ok(vgpu_daemon::run(settings)?)
}

/// Where state goes by default: systemd's folder, or the user's.
fn default_state_dir() -> Result<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("STATE_DIRECTORY")
        .or_else(|| Some(absolute("XDG_STATE_HOME")?.join("vgpud")))
        .or_else(|| Some(absolute("HOME")?.join(".local/state/vgpud")))
        .context("neither STATE_DIRECTORY, XDG_STATE_HOME nor HOME is set; use --state-dir")
}
