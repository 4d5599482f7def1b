//! A Python environment under `target/venv` for the parts that compare with Python packages.

use crate::{metadata, setup, shell};
use anyhow::{Context, Result};
use std::path::PathBuf;

/// The interpreter of an environment that has `packages` (pip requirements, exact versions where results depend on
/// them); the environment is made, and packages are installed, when they are not there yet.
///
/// # Errors
/// There is no Python 3, or pip fails.
pub fn environment(packages: &[&str]) -> Result<PathBuf> {
    let dir = metadata::Metadata::load()?.target_directory.join("venv");
    let python = dir.join("bin/python");
    if !shell::succeeds(shell::program(&python).args(["-m", "pip", "--version"])) {
        let make = || shell::run(shell::program("python3").args(["-m", "venv", "--clear"]).arg(&dir));
        if make().is_err() {
            setup::install(&["python3", "python3-venv"])?;
            make().context("cannot make a Python environment")?;
        }
    }
    let stamp = dir.join("installed");
    let wanted = packages.join("\n");
    let installed = std::fs::read_to_string(&stamp).unwrap_or_default();
    if !packages.iter().all(|package| installed.lines().any(|line| line == *package)) {
        let mut pip = shell::program(&python);
        shell::run(pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages))?;
        std::fs::write(&stamp, format!("{installed}\n{wanted}\n")).context("cannot note what was installed")?;
    }
    Ok(python)
}
