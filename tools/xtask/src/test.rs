//! `cargo xtask test` and `soak`: unit tests once, case files at every vector width.

use crate::{metadata, setup, shell};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Vector levels below the machine's own at which the case files run as well.
const LOWER_ISAS: &[&str] = &["avx2", "sse4.2"];
/// Lowers the vector level.
const MAX_ISA: &str = "VGPU_MAX_ISA";

/// All tests.
///
/// # Errors
/// Something is missing, or a test fails.
pub fn test() -> Result<()> {
    setup::toolchain()?;
    shell::run(shell::cargo().args(["test", "--workspace", "--quiet", "--no-fail-fast"]))?;
    for isa in LOWER_ISAS {
        shell::run(shell::cargo().args(["test", "--package", "filetests", "--quiet"]).env(MAX_ISA, isa))?;
    }
    Ok(())
}

/// `BLESS=1` must change nothing: the expectations that are checked in are those that the code gives.
///
/// # Errors
/// Names the files that changed; they are left changed, so that the difference can be seen.
pub fn clean_cases() -> Result<()> {
    let before = snapshot(&shell::root().join("tests"))?;
    shell::run(shell::cargo().args(["test", "--package", "filetests", "--quiet"]).env("BLESS", "1"))?;
    let after = snapshot(&shell::root().join("tests"))?;
    let paths = before.keys().chain(after.keys()).collect::<std::collections::BTreeSet<_>>();
    let changed: Vec<_> = paths.into_iter().filter(|path| before.get(*path) != after.get(*path)).collect();
    if !changed.is_empty() {
        let names: Vec<_> = changed.iter().map(|path| path.display().to_string()).collect();
        bail!("blessing changes {} files:\n  {}", names.len(), names.join("\n  "));
    }
    Ok(())
}

/// JIT against interpreter on random kernels, then launches, for `minutes` in all.
///
/// # Errors
/// They differ, or memory grows.
pub fn soak(minutes: u64) -> Result<()> {
    setup::toolchain()?;
    let target = metadata::Metadata::load()?.target_directory;
    shell::run(shell::cargo().args(["build", "--release", "--quiet", "--package", "filetests", "--package", "bench"]))?;
    let seconds = (minutes * 60).to_string();
    shell::run(shell::program(target.join("release/filetests")).args(["ptxgen", "--seconds", &seconds]))?;
    shell::run(shell::program(target.join("release/bench")).args(["launch", "--only", "growth"]))
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
