//! Programs of CUDA's users, unmodified: Numba, Triton, cuda.core, cudarc, and C++ compiled by NVIDIA's nvcc.
//!
//! They lie in `tests/programs` and are found by scanning. Each runs through `vgpu run --` as its user would run it, checks its
//! own results, and prints `ok` at its end. A line `// EXPECT: text` in a C++ program must be in its output; `// FLAGS: options`
//! are nvcc's. The compilers come from PyPI into an environment under `target/`, made once; compiled programs are kept until
//! their source changes.

use crate::programs::PACKAGES;
use crate::{metadata, setup, shell};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What programs need beside vgpu.
const REQUIREMENTS: &str = "tests/programs/requirements.txt";
/// A program that runs longer hangs.
const LIMIT: Duration = Duration::from_secs(300);

/// Where things are.
struct Place {
    /// The `vgpu` command.
    vgpu: PathBuf,
    /// The environment's interpreter.
    python: PathBuf,
    /// Where NVIDIA's toolkit lies in the environment.
    toolkit: PathBuf,
    /// Compiled programs.
    compiled: PathBuf,
}

/// Makes the environment unless it has what the requirements ask for.
fn environment(dir: &Path) -> Result<PathBuf> {
    let python = dir.join("bin/python");
    let wanted = fs::read_to_string(shell::root().join(REQUIREMENTS)).context("cannot read the requirements")?;
    let stamp = dir.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    let make = || shell::run(shell::program("python3").args(["-m", "venv", "--clear"]).arg(dir));
    if make().is_err() {
        setup::install(&["python3", "python3-venv"])?;
        make().context("cannot make a Python environment")?;
    }
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", REQUIREMENTS];
    shell::run(shell::program(&python).args(install))?;
    fs::write(&stamp, wanted).context("cannot note what was installed")?;
    Ok(python)
}

/// The interpreter of the clients' environment, which is made when it is not there yet.
///
/// # Errors
/// There is no Python 3, or pip fails.
pub fn python(target: &Path) -> Result<PathBuf> {
    let clients = target.join("clients");
    fs::create_dir_all(&clients)?;
    environment(&clients.join("venv"))
}

fn place() -> Result<Place> {
    let target = metadata::Metadata::load()?.target_directory;
    let mut build = shell::cargo();
    build.args(["build", "--quiet"]);
    for package in PACKAGES {
        build.args(["--package", package]);
    }
    shell::run(&mut build)?;
    let python = python(&target)?;
    let ask = "import nvidia, os; print(os.path.join(list(nvidia.__path__)[0], 'cu13'))";
    let toolkit = shell::output(shell::program(&python).args(["-c", ask]))?.trim().into();
    let compiled = target.join("clients/bin");
    fs::create_dir_all(&compiled)?;
    Ok(Place { vgpu: target.join("debug/vgpu"), python, toolkit, compiled })
}

/// Files of a folder with an extension, in order.
fn files(dir: &str, extension: &str) -> Result<Vec<PathBuf>> {
    let dir = shell::root().join(dir);
    let list = fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()))?;
    let mut found: Vec<_> = list.flatten().map(|entry| entry.path()).collect();
    found.retain(|path| path.extension().is_some_and(|known| known == extension));
    found.sort();
    Ok(found)
}

/// Folders of a folder, in order.
fn folders(dir: &str) -> Result<Vec<PathBuf>> {
    let dir = shell::root().join(dir);
    let list = fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()))?;
    let mut found: Vec<_> = list.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    found.sort();
    Ok(found)
}

/// What stands after a word in the comments of a program.
fn remarks<'s>(source: &'s str, word: &str) -> Vec<&'s str> {
    let after = |line: &'s str| line.strip_prefix("// ")?.strip_prefix(word)?.strip_prefix(": ");
    source.lines().filter_map(after).collect()
}

fn modified(path: &Path) -> Option<std::time::SystemTime> {
    fs::metadata(path).and_then(|data| data.modified()).ok()
}

/// Compiles a program unless that has been done.
fn compile(place: &Place, source: &Path) -> Result<PathBuf> {
    let program = place.compiled.join(source.file_stem().unwrap_or_default());
    if program.exists() && modified(&program) > modified(source) {
        return Ok(program);
    }
    let text = fs::read_to_string(source).with_context(|| format!("cannot read {}", source.display()))?;
    let mut nvcc = shell::program(&place.vgpu);
    nvcc.args(["nvcc", "-std=c++17"]).args(remarks(&text, "FLAGS").iter().flat_map(|flags| flags.split_whitespace()));
    nvcc.arg(source).arg("-o").arg(&program).env("CUDA_HOME", &place.toolkit);
    shell::run(&mut nvcc)?;
    Ok(program)
}

/// Runs a program to its end; what it wrote.
fn output(mut command: Command) -> Result<String> {
    let file = std::env::temp_dir().join(format!("vgpu-client-{}", std::process::id()));
    let out = fs::File::create(&file)?;
    let mut child = command.stdout(out.try_clone()?).stderr(out).spawn().context("cannot start it")?;
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if started.elapsed() > LIMIT {
            child.kill()?;
            child.wait()?;
            bail!("did not end within {} s", LIMIT.as_secs());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let text = fs::read(&file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())?;
    fs::remove_file(&file)?;
    if !status.success() || text.lines().last() != Some("ok") {
        bail!("ended with {status}:\n{text}");
    }
    Ok(text)
}

fn check_cuda(place: &Place, source: &Path) -> Result<()> {
    let program = compile(place, source)?;
    let mut command = shell::program(&place.vgpu);
    command.args(["run", "--"]).arg(program);
    let text = output(command)?;
    for expected in remarks(&fs::read_to_string(source)?, "EXPECT") {
        if !text.contains(expected) {
            bail!("`{expected}` is not in its output:\n{text}");
        }
    }
    Ok(())
}

/// Builds a Rust program, which is a cargo project of its own, and runs it.
fn check_rust(place: &Place, project: &Path) -> Result<()> {
    let built = place.compiled.join("rust");
    let mut build = shell::cargo();
    build.args(["build", "--quiet", "--locked", "--manifest-path"]).arg(project.join("Cargo.toml"));
    shell::run(build.arg("--target-dir").arg(&built))?;
    let mut name = project.file_name().unwrap_or_default().to_owned();
    name.push("-client");
    let mut command = shell::program(&place.vgpu);
    command.args(["run", "--"]).arg(built.join("debug").join(name));
    output(command).map(drop)
}

/// A traced program runs as it does otherwise, and its calls, kernels and copies are in the trace.
fn check_trace(place: &Place) -> Result<()> {
    let program = compile(place, &shell::root().join("tests/programs/cuda/streams.cu"))?;
    let (trace, calls) = (place.compiled.join("trace.json"), place.compiled.join("calls.txt"));
    let mut command = shell::program(&place.vgpu);
    command.arg("trace").arg("--output").arg(&trace).arg("--calls").arg(&calls).arg("--").arg(program);
    let text = shell::output(&mut command)?;
    if text.lines().last() != Some("ok") {
        bail!("the traced program wrote {text}");
    }
    let calls = fs::read_to_string(&calls)?;
    for expected in ["cudaLaunchKernel(", "  cuLaunchKernel(", "cudaMemcpyAsync(", " = 0 cudaSuccess"] {
        if !calls.contains(expected) {
            bail!("`{expected}` is not in the list of {} calls", calls.lines().count());
        }
    }
    let trace: serde_json::Value = serde_json::from_slice(&fs::read(&trace)?).context("the trace is no JSON")?;
    let events = trace["traceEvents"].as_array().context("the trace has no events")?;
    let of = |cat: &str| events.iter().filter(|event| event["cat"] == cat).collect::<Vec<_>>();
    let launches = of("cuda_driver").into_iter().filter(|event| event["name"] == "cuLaunchKernel").collect::<Vec<_>>();
    let kernels = of("kernel");
    let caused = |kernel: &&serde_json::Value| {
        launches.iter().any(|launch| launch["args"]["correlation"] == kernel["args"]["correlation"])
    };
    if kernels.is_empty() || kernels.len() != launches.len() || !kernels.iter().all(caused) {
        bail!("{} launches and {} kernels, which are to belong together", launches.len(), kernels.len());
    }
    if of("gpu_memcpy").is_empty() || of("cuda_runtime").is_empty() || trace["deviceProperties"][0]["warpSize"] != 32 {
        bail!("the trace lacks copies, runtime calls or the device");
    }
    Ok(())
}

/// A user's test suite passes on a machine without a GPU when pytest has the plugin, and says what is wrong when it cannot.
fn check_pytest(place: &Place) -> Result<()> {
    let suite = shell::root().join("tests/programs/pytest");
    let pytest = |options: &[&str], vgpu: &Path| {
        let mut command = shell::program(&place.python);
        command.args(["-m", "pytest", "-q", "-p", "vgpu_pytest", "-p", "no:cacheprovider"]).args(options);
        command.arg(&suite).env("VGPU_COMMAND", vgpu).env("PYTHONDONTWRITEBYTECODE", "1");
        command.env("PYTHONPATH", shell::root().join("plugins/pytest")).env_remove("VGPU_PYTEST");
        command.output().context("cannot start pytest")
    };
    let passed = pytest(&["--vgpu-devices", "2"], &place.vgpu)?;
    let text = String::from_utf8_lossy(&passed.stdout);
    if !passed.status.success() || !text.contains("5 passed") {
        bail!("the suite ended with {}:\n{text}{}", passed.status, String::from_utf8_lossy(&passed.stderr));
    }
    let missing = pytest(&["--vgpu"], Path::new("/nowhere/vgpu"))?;
    let text = String::from_utf8_lossy(&missing.stderr);
    if missing.status.success() || !text.contains("VGPU_COMMAND is '/nowhere/vgpu', which is no program") {
        bail!("a wrong VGPU_COMMAND gives {}:\n{text}", missing.status);
    }
    Ok(())
}

fn check_python(place: &Place, source: &Path) -> Result<()> {
    let mut command = shell::program(&place.vgpu);
    command.args(["run", "--"]).arg(&place.python).arg(source);
    // Kernels that Triton kept from an earlier state of this device would hide what this one does.
    command.env("TRITON_CACHE_DIR", place.compiled.join("triton"));
    output(command).map(drop)
}

/// Runs all programs.
///
/// # Errors
/// Names those that fail, with what they wrote.
pub fn test() -> Result<()> {
    setup::toolchain()?;
    let place = place()?;
    let mut failed = Vec::new();
    let mut n_programs = 0;
    for (dir, extension, check) in [
        ("tests/programs/cuda", "cu", check_cuda as fn(&Place, &Path) -> Result<()>),
        ("tests/programs/python", "py", check_python),
    ] {
        for source in files(dir, extension)? {
            n_programs += 1;
            if let Err(error) = check(&place, &source) {
                failed.push(format!("{}: {error:#}", source.display()));
            }
        }
    }
    for project in folders("tests/programs/rust")? {
        n_programs += 1;
        if let Err(error) = check_rust(&place, &project) {
            failed.push(format!("{}: {error:#}", project.display()));
        }
    }
    for (name, check) in [("vgpu trace", check_trace as fn(&Place) -> Result<()>), ("the pytest plugin", check_pytest)]
    {
        n_programs += 1;
        if let Err(error) = check(&place) {
            failed.push(format!("{name}: {error:#}"));
        }
    }
    if !failed.is_empty() {
        bail!("{} of {n_programs} programs failed:\n{}", failed.len(), failed.join("\n"));
    }
    eprintln!("{n_programs} programs of CUDA's users: ok");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_are_read() {
        let source = "// FLAGS: -a -b\n// EXPECT: one\nint x; // EXPECT: no\n// EXPECT: two words\n";
        assert_eq!(remarks(source, "EXPECT"), ["one", "two words"]);
        assert_eq!(remarks(source, "FLAGS"), ["-a -b"]);
    }

    #[test]
    fn there_are_programs_of_each_kind() {
        assert!(files("tests/programs/cuda", "cu").is_ok_and(|found| found.len() >= 20));
        assert!(files("tests/programs/python", "py").is_ok_and(|found| found.len() >= 3));
    }
}
