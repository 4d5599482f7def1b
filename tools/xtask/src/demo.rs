//! `cargo xtask demo` and `bench`: builds the binaries that need vgpu, gets the peers, and runs them.

use crate::metadata::Metadata;
use crate::{Suite, clients, programs, python, setup, shell};
use anyhow::Result;

/// Intel's OpenCL runtime for CPUs, the libraries that it needs and does not name, and the way to it. The versions in use are
/// recorded with the results.
const OPENCL_PACKAGES: &[&str] = &["intel-opencl-rt", "intel-cmplr-lib-rt", "pyopencl", "numpy"];

/// What the numeric suite compares with: MKL, oneDNN, OpenBLAS (in numpy), FFTW (in pyfftw), contractions, trees.
const NUM_PACKAGES: &[&str] = &["mkl", "onednn", "numpy", "pyfftw", "opt_einsum", "cotengra", "scipy"];

/// oneDNN's engine in the package above runs on OpenCL devices only; this older one runs on the processor itself. Both have
/// the same file names, so it goes to a folder of its own.
const ONEDNN_FOR_CPUS: &str = "onednn-cpu-iomp==2023.2.0";

/// The demonstration.
///
/// # Errors
/// Something is missing, or a kernel is wrong.
pub fn demo(rest: &[String]) -> Result<()> {
    setup::toolchain()?;
    shell::run(shell::cargo().args(["build", "--release", "--package", "demo"]))?;
    let target = Metadata::load()?.target_directory;
    shell::run(shell::program(target.join("release/demo")).arg("--pictures").arg(target.join("demo")).args(rest))
}

/// A benchmark suite.
///
/// # Errors
/// Something is missing, or the suite fails. A peer that cannot be had is a remark in the table, not an error.
pub fn bench(suite: Suite, rest: &[String]) -> Result<()> {
    if matches!(suite, Suite::Num) {
        return bench_num(rest);
    }
    if matches!(suite, Suite::Programs) {
        return bench_programs(rest);
    }
    if matches!(suite, Suite::Memory) {
        return bench_memory(rest);
    }
    // The market's suite is a program of its own, which needs no LLVM.
    let package = match suite {
        Suite::Market => "market-bench",
        Suite::Daemon => "daemon-bench",
        _ => "bench",
    };
    if !matches!(suite, Suite::Market) {
        setup::toolchain()?;
    }
    let mut build = shell::cargo();
    build.args(["build", "--release", "--package", package]);
    if matches!(suite, Suite::Daemon) {
        build.args(["--package", "vgpud"]);
    }
    shell::run(&mut build)?;
    let target = Metadata::load()?.target_directory;
    let mut command = shell::program(target.join("release").join(package));
    command.arg(suite.name());
    if matches!(suite, Suite::Kernels) {
        match python::environment(OPENCL_PACKAGES) {
            Ok(python) => _ = command.arg("--opencl-python").arg(python),
            Err(error) => _ = command.arg("--opencl-missing").arg(format!("{error:#}")),
        }
    }
    shell::run(command.args(rest))
}

/// Programs of CUDA's users, which find the device as they do anywhere.
fn bench_programs(rest: &[String]) -> Result<()> {
    setup::toolchain()?;
    let mut build = shell::cargo();
    build.args(["build", "--release", "--package", "bench"]);
    shell::run(build.args(programs::PACKAGES.iter().flat_map(|package| ["--package", package])))?;
    let target = Metadata::load()?.target_directory;
    let python = clients::python(&target)?;
    let mut command = shell::program(target.join("release/bench"));
    command.arg(Suite::Programs.name()).arg("--vgpu").arg(target.join("release/vgpu")).arg("--python").arg(python);
    shell::run(command.args(rest))
}

/// The memory suite is a program of its own, whose allocator is its peer.
fn bench_memory(rest: &[String]) -> Result<()> {
    setup::toolchain()?;
    shell::run(shell::cargo().args(["build", "--release", "--package", "bench", "--bin", "memory-bench"]))?;
    let mut command = shell::program(Metadata::load()?.target_directory.join("release/memory-bench"));
    command.arg("memory");
    match python::environment(&["numpy"]) {
        Ok(python) => _ = command.arg("--python").arg(python),
        Err(error) => eprintln!("no numpy, its column says so: {error:#}"),
    }
    shell::run(command.args(rest))
}

/// The numeric suite needs neither LLVM nor the device, so it is a program of its own.
fn bench_num(rest: &[String]) -> Result<()> {
    shell::run(shell::cargo().args(["build", "--release", "--package", "numbench"]))?;
    let mut command = shell::program(Metadata::load()?.target_directory.join("release/numbench"));
    match python::environment(NUM_PACKAGES) {
        Ok(python) => {
            if let Some(prefix) = python.parent().and_then(std::path::Path::parent) {
                let folder = prefix.join("onednn-cpu");
                if !folder.exists() {
                    let mut pip = shell::program(&python);
                    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--prefix"]).arg(&folder);
                    // Without it the convolutions' column says na.
                    let _ = shell::succeeds(pip.arg(ONEDNN_FOR_CPUS));
                }
                command.arg("--peers").arg(prefix);
            }
        }
        Err(error) => eprintln!("no peers, their columns say na: {error:#}"),
    }
    shell::run(command.args(rest))
}
