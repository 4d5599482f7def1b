//! The Python package: its wheel, and its tests.
//!
//! A wheel has the extension module, the engine `libvgpu.so` beside it, and the Python sources. maturin makes it; the tests
//! install one of the debug build into an environment of their own, so that what is tested is what is shipped.

use crate::metadata::Metadata;
use crate::{python, setup, shell};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// What makes wheels.
const MATURIN: &[&str] = &["maturin==1.*"];
/// What the tests need, beside the wheel.
const REQUIREMENTS: &str = "crates/python/tests/requirements.txt";
/// The engine in the source tree, where maturin takes it from; git does not track it.
const ENGINE: &str = "crates/python/python/vgpu/libvgpu.so";

/// `cargo xtask wheel`: the wheel, in `target/wheels`.
///
/// # Errors
/// The build fails.
pub fn wheel() -> Result<()> {
    let target = Metadata::load()?.target_directory;
    let path = build(true, &target.join("wheels"))?;
    println!("{}", path.display());
    Ok(())
}

/// Builds a wheel into a folder and returns its path.
fn build(release: bool, dir: &Path) -> Result<PathBuf> {
    setup::toolchain()?;
    let python = python::environment(MATURIN)?;
    let target = Metadata::load()?.target_directory;
    let mut engine = shell::cargo();
    engine.args(["build", "--quiet", "--package", "vgpu-capi"]);
    if release {
        engine.arg("--release");
    }
    shell::run(&mut engine)?;
    let built = target.join(if release { "release" } else { "debug" }).join("libvgpu.so");
    let engine = shell::root().join(ENGINE);
    fs::copy(&built, &engine).with_context(|| format!("cannot copy {} to {}", built.display(), engine.display()))?;
    // Symbols of LLVM and debug lines are most of the file.
    if !shell::succeeds(shell::program("strip").arg("--strip-unneeded").arg(&engine)) {
        eprintln!("no `strip`: the wheel has the engine's symbols");
    }
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("cannot empty {}", dir.display()))?;
    }
    let mut maturin = shell::program(&python);
    maturin
        .args(["-m", "maturin", "build", "--quiet", "--manifest-path", "crates/python/Cargo.toml", "--out"])
        .arg(dir);
    maturin.args(["--profile", if release { "release" } else { "dev" }, "--auditwheel", "skip"]);
    maturin.arg("--interpreter").arg(&python).env("CARGO_TARGET_DIR", &target);
    let made = shell::run(&mut maturin);
    fs::remove_file(&engine).with_context(|| format!("cannot remove {}", engine.display()))?;
    made?;
    let found = fs::read_dir(dir)?.flatten().map(|entry| entry.path());
    match found.filter(|path| path.extension().is_some_and(|ending| ending == "whl")).collect::<Vec<_>>().as_slice() {
        [wheel] => Ok(wheel.clone()),
        found => bail!("expected one wheel in {}, found {}", dir.display(), found.len()),
    }
}

/// An environment with the wheel of the debug build and what the tests need.
fn environment(target: &Path) -> Result<PathBuf> {
    let wheel = build(false, &target.join("python/wheels"))?;
    let dir = target.join("python/venv");
    let python = dir.join("bin/python");
    let wanted = fs::read_to_string(shell::root().join(REQUIREMENTS)).context("cannot read the requirements")?;
    let stamp = dir.join("installed");
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    if !fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        shell::run(shell::program("python3").args(["-m", "venv", "--clear"]).arg(&dir))?;
        shell::run(shell::program(&python).args(pip).args(["--requirement", REQUIREMENTS]))?;
        fs::write(&stamp, wanted).context("cannot note what was installed")?;
    }
    shell::run(shell::program(&python).args(pip).args(["--force-reinstall", "--no-deps"]).arg(wheel))?;
    Ok(python)
}

/// The package's tests: pytest, the documentation's examples, and the stubs against the module.
///
/// # Errors
/// A test fails.
pub fn test() -> Result<()> {
    let target = Metadata::load()?.target_directory;
    let python = environment(&target)?;
    let cache = target.join("python/cache");
    fs::create_dir_all(&cache)?;
    let tools = |module: &str| {
        let mut command = shell::program(&python);
        command.arg("-m").arg(module).env("MYPY_CACHE_DIR", cache.join("mypy"));
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("HYPOTHESIS_STORAGE_DIRECTORY", cache.join("hypothesis"));
        command
    };
    let mut pytest = tools("pytest");
    pytest.args(["-q", "-p", "no:cacheprovider", "--import-mode=importlib", "crates/python/tests"]);
    shell::run(&mut pytest)?;
    let mut doctest = tools("pytest");
    shell::run(doctest.args(["-q", "-p", "no:cacheprovider", "--doctest-modules", "--pyargs", "vgpu"]))?;
    shell::run(tools("mypy.stubtest").args(["vgpu", "--ignore-missing-stub"]))?;
    shell::run(tools("mypy").args(["--package", "vgpu"]))
}
