//! `cargo xtask test` and `soak`: all tests once, and what the environment can lower once more at each lower level.
//!
//! `filetests` itself runs every case on the interpreter and on the JIT at each vector level that the machine has.

use crate::{SoakPart, clients, programs, setup, shell, wheel};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Vector levels that a user may choose with the environment variable below.
const LOWER_ISAS: &[&str] = &["avx2", "sse4.2"];
/// Lowers the vector level of the whole process.
const MAX_ISA: &str = "VGPU_MAX_ISA";
/// What runs at each of those levels: the facade's and the command line's tests, in which real kernels run.
const AT_LOWER_ISAS: &[&str] = &["test", "--quiet", "--package", "vgpu", "--package", "vgpu-cli", "--tests"];
/// How long CI compares random kernels, and how many at most.
const RANDOM_SECONDS: u64 = 120;
const RANDOM_KERNELS: u64 = 150;

/// All tests; a part that fails does not keep the others from running.
///
/// # Errors
/// Something is missing, or a test fails: every part that failed is named, with its failed tests.
pub fn test() -> Result<()> {
    setup::toolchain()?;
    let workspace = || shell::run_tests(shell::cargo().args(["test", "--workspace", "--quiet", "--no-fail-fast"]));
    let mut parts = vec![workspace(), programs::test(), clients::test(), wheel::test()];
    parts.extend(LOWER_ISAS.iter().map(|isa| shell::run_tests(shell::cargo().args(AT_LOWER_ISAS).env(MAX_ISA, isa))));
    let failed: Vec<_> = parts.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect();
    if !failed.is_empty() {
        bail!("{}", failed.join("\n"));
    }
    Ok(())
}

/// JIT against interpreter on random kernels, for two minutes.
///
/// # Errors
/// They differ; the kernel is shown and kept.
pub fn random_kernels() -> Result<()> {
    // The binary that the tests have built: a release build would take longer than it saves.
    // The same kernels every time, so that a change is judged by what it changed; `soak` tries new ones.
    let count = ["--seed".to_owned(), "1".to_owned(), "--count".to_owned(), RANDOM_KERNELS.to_string()];
    let seconds = ["--seconds".to_owned(), RANDOM_SECONDS.to_string()];
    let mut command = shell::cargo();
    command.args(["test", "--quiet", "--package", "filetests", "--", "ptxgen"]).args(count).args(seconds);
    shell::run_tests(&mut command)
}

/// `BLESS=1` must change nothing: the expectations that are checked in are those that the code gives. They come from the
/// interpreter, and the tests have compared the JIT with them, so it does not run again.
///
/// # Errors
/// Names the files that changed; they are left changed, so that the difference can be seen.
pub fn clean_cases() -> Result<()> {
    let before = snapshot(&shell::root().join("tests"))?;
    let mut bless = shell::cargo();
    bless
        .args(["test", "--package", "filetests", "--quiet"])
        .env("BLESS", "1")
        .env("VGPU_TEST_BACKENDS", "interpreter");
    shell::run(&mut bless)?;
    let after = snapshot(&shell::root().join("tests"))?;
    let paths = before.keys().chain(after.keys()).collect::<std::collections::BTreeSet<_>>();
    let changed: Vec<_> = paths.into_iter().filter(|path| before.get(*path) != after.get(*path)).collect();
    if !changed.is_empty() {
        let names: Vec<_> = changed.iter().map(|path| path.display().to_string()).collect();
        bail!("blessing changes {} files:\n  {}", names.len(), names.join("\n  "));
    }
    Ok(())
}

/// The soak test: its parts share `minutes`, except that the launches are counted, not timed.
///
/// # Errors
/// A text falls, JIT and interpreter differ, or memory grows.
pub fn soak(minutes: u64, only: Option<SoakPart>, seed: Option<u64>, megabytes: u64) -> Result<()> {
    setup::toolchain()?;
    // New texts and kernels every time; the seed is printed with the command line.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let seed = seed.unwrap_or(now).to_string();
    let wanted = |part| only.is_none_or(|only| only == part);
    let seconds = (minutes * if only.is_none() { 30 } else { 60 }).to_string();
    let filetests = |words: &[&str]| {
        let cargo = ["run", "--release", "--quiet", "--package", "filetests", "--"];
        shell::run(shell::cargo().args(cargo).args(words).args(["--seed", &seed, "--seconds", &seconds]))
    };
    if wanted(SoakPart::Texts) {
        filetests(&["torture", "--megabytes", &megabytes.to_string()])?;
    }
    if wanted(SoakPart::Kernels) {
        filetests(&["ptxgen"])?;
    }
    if wanted(SoakPart::Checkpoints) {
        let kills = ["test", "--release", "--quiet", "--package", "vgpu-mem", "--test", "checkpoint", "killed"];
        shell::run(shell::cargo().args(kills).env("VGPU_TEST_KILLS", "100"))?;
    }
    if wanted(SoakPart::Launches) {
        let growth = ["--package", "bench", "--", "launch", "--only", "growth", "--launches", "10000000"];
        shell::run(shell::cargo().args(["run", "--release", "--quiet"]).args(growth))?;
    }
    Ok(())
}

/// Contents of all files under `dir`.
fn snapshot(dir: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    let mut pending = vec![dir.to_path_buf()];
    while let Some(dir) = pending.pop() {
        if !dir.exists() {
            continue;
        }
        for entry in std::fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                pending.push(path);
            } else {
                let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
                files.insert(path, bytes);
            }
        }
    }
    Ok(files)
}
