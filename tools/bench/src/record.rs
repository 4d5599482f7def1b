//! Raw results with what is needed to read them later: command, machine, versions, time.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

/// Writes `bench/runs/SUITE-DATE-TIME.json` in the checkout and says so.
///
/// # Errors
/// The file cannot be written.
pub fn save(suite: &str, device: &str, results: &Value) -> Result<()> {
    let stamp = stamp(SystemTime::now());
    let record = json!({
        "suite": suite,
        "command": command_line(),
        "time": stamp,
        "machine": machine(),
        "versions": {
            "vgpu": env!("CARGO_PKG_VERSION"),
            "commit": first_line(root().as_path(), "git", &["describe", "--always", "--dirty", "--abbrev=12"]),
            "cc": first_line(root().as_path(), "cc", &["--version"]),
            "rustc": first_line(root().as_path(), "rustc", &["--version"]),
            "native_flags": crate::NATIVE_FLAGS,
        },
        "device": device,
        "results": results,
    });
    let folder = root().join("bench/runs");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.join(format!("{suite}-{stamp}.json"));
    std::fs::write(&path, format!("{record:#}\n")).with_context(|| format!("cannot write {}", path.display()))?;
    println!("raw results: bench/runs/{suite}-{stamp}.json");
    Ok(())
}

fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).expect("lies in tools/bench of the checkout").to_path_buf()
}

/// `cargo xtask bench ..` without what names this machine's folders.
fn command_line() -> String {
    let own =
        ["--opencl-python", "--opencl-missing", "--journal", "--traces", "--peers", "--vgpu", "--python", "--folder"];
    let mut words = vec!["cargo xtask bench".to_owned()];
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        if own.contains(&arg.as_str()) {
            args.next();
        } else {
            words.push(arg);
        }
    }
    words.join(" ")
}

fn first_line(folder: &Path, program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).current_dir(folder).stdin(Stdio::null()).output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.lines().next()?.to_owned())
}

fn machine() -> Value {
    let field = |file: &str, name: &str| {
        let text = std::fs::read_to_string(file).ok()?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    json!({
        "cpu": field("/proc/cpuinfo", "model name"),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "memory": field("/proc/meminfo", "MemTotal"),
        "kernel": std::fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|text| text.trim().to_owned()),
        "os": field_of_os_release(),
    })
}

fn field_of_os_release() -> Option<String> {
    let text = std::fs::read_to_string("/etc/os-release").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(line.trim_matches('"').to_owned())
}

/// `YYYYMMDD-HHMMSS` in UTC.
fn stamp(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86400, seconds % 86400);
    // Civil date from days since 1970 (Howard Hinnant's algorithm), eras of 400 years that start in March.
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}-{:02}{:02}{:02}", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn stamps() {
        let at = |seconds| stamp(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "19700101-000000");
        assert_eq!(at(951_782_400), "20000229-000000");
        assert_eq!(at(1_000_000_000), "20010909-014640");
        assert_eq!(at(4_107_542_399), "21000228-235959");
        assert_eq!(at(4_107_542_400), "21000301-000000");
    }
}
