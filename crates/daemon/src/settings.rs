//! What a daemon is set up with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;
use vgpu_market::supply::Thresholds;
use vgpu_policy::cooldown::Limits;

/// What the daemon is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To be looked at: tenants that work by themselves, pages that answer without a token on loopback.
    Demonstration,
    /// To be measured: nothing runs by itself.
    Benchmark,
    /// To be relied on.
    Production,
}

impl Mode {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Demonstration => "demonstration",
            Self::Benchmark => "benchmark",
            Self::Production => "production",
        }
    }
}

/// See the module header.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What it is for.
    pub mode: Mode,
    /// Where it listens; systemd's sockets come besides.
    pub listen: Vec<SocketAddr>,
    /// A socket for local users, who are known by their user number.
    pub unix_socket: Option<PathBuf>,
    /// Where its state is.
    pub state_dir: PathBuf,
    /// The program and arguments of a worker process.
    pub worker_command: Vec<PathBuf>,
    /// Whether workers give up their rights.
    pub confined: bool,
    /// Processors that run blocks.
    pub processors: u32,
    /// Bytes for buffers.
    pub memory_bytes: u64,
    /// Length of an epoch.
    pub epoch: Duration,
    /// Names by which the daemon may be called, besides its addresses and `localhost`.
    pub allowed_hosts: Vec<String>,
    /// Requests per second and caller.
    pub requests_per_second: u32,
    /// Connections at a time.
    pub max_connections: usize,
    /// The market.
    pub market: vgpu_market::Config,
    /// Where supply shrinks.
    pub thresholds: Thresholds,
    /// Where the cool-down acts.
    pub cooldown: Limits,
    /// Time that running jobs get at the end.
    pub drain: Duration,
}

/// A setting that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{name} is {found}; accepted is {accepted}")]
pub struct SettingError {
    /// Which.
    pub name: &'static str,
    /// What it is.
    pub found: String,
    /// What it may be.
    pub accepted: &'static str,
}

impl Settings {
    /// Settings for this machine, with the state in this folder and this program as worker.
    pub fn new(mode: Mode, state_dir: PathBuf, worker_command: Vec<PathBuf>) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, |n| n.get() as u32).min(1024);
        Self {
            mode,
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 8000))],
            unix_socket: None,
            state_dir,
            worker_command,
            confined: true,
            processors,
            memory_bytes: memory_bytes() / 2,
            epoch: Duration::from_secs(1),
            allowed_hosts: Vec::new(),
            requests_per_second: 2000,
            max_connections: 4096,
            market: vgpu_market::Config::default(),
            thresholds: Thresholds::default(),
            cooldown: Limits::default(),
            drain: Duration::from_secs(20),
        }
    }

    /// Checks every field that has a range.
    ///
    /// # Errors
    /// Names the first that is out of range.
    pub fn check(&self) -> Result<(), SettingError> {
        let within = |name, found: u128, low: u128, high: u128, accepted| {
            let wrong = SettingError { name, found: found.to_string(), accepted };
            if (low..=high).contains(&found) { Ok(()) } else { Err(wrong) }
        };
        within("processors", self.processors.into(), 1, 1024, "1 to 1024")?;
        within("memory_bytes", self.memory_bytes.into(), 1 << 20, 1 << 50, "1 MiB to 1 PiB")?;
        within("epoch", self.epoch.as_millis(), 10, 86_400_000, "10 ms to a day")?;
        within("requests_per_second", self.requests_per_second.into(), 1, 1_000_000, "1 to 1000000")?;
        within("max_connections", self.max_connections as u128, 1, 1 << 20, "1 to 1048576")?;
        let market = self.market.check();
        market.map_err(|error| SettingError { name: error.field, found: error.found, accepted: error.accepted })
    }
}

/// Memory of the machine.
fn memory_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.map_or(1 << 31, |kib| kib << 10).max(1 << 28)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked() {
        let mut settings = Settings::new(Mode::Production, PathBuf::from("state"), Vec::new());
        assert_eq!(settings.check(), Ok(()));
        settings.epoch = Duration::from_millis(1);
        let error = settings.check().expect_err("too short");
        assert_eq!(error.to_string(), "epoch is 1; accepted is 10 ms to a day");
        settings.epoch = Duration::from_secs(1);
        settings.market.horizon = 0;
        assert_eq!(settings.check().expect_err("no horizon").name, "horizon");
    }
}
