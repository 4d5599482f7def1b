//! Programs of CUDA's users: what a call costs, and Numba's and Triton's kernels against the processor's own ways.
//!
//! Each part is a program in `tools/bench/programs` that runs under `vgpu run --` and prints JSON. A kernel's time is from the
//! launch in Python to the end of the wait, data on the device; the peer's is the function's, data in NumPy arrays. Numba's
//! simulator runs the same kernels on small sizes; its time per element is compared with ours at full size.

use crate::record;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `xtask` passes.
#[derive(clap::Args)]
pub struct Options {
    /// The `vgpu` command.
    #[arg(long)]
    vgpu: PathBuf,
    /// An interpreter that has Numba, Triton and NumPy.
    #[arg(long)]
    python: PathBuf,
}

fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("programs")
}

/// The JSON that a program prints.
fn answer(command: &mut Command) -> Result<Value> {
    let name = format!("{command:?}");
    let output = command.output().with_context(|| format!("cannot start {name}"))?;
    if !output.status.success() {
        bail!("{name} ended with {}:\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let line = output.stdout.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty()).unwrap_or_default();
    serde_json::from_slice(line).with_context(|| format!("{name} printed no JSON"))
}

impl Options {
    fn under_vgpu(&self, program: &Path) -> Command {
        let mut command = Command::new(&self.vgpu);
        command.args(["run", "--"]).arg(program);
        command
    }

    fn python(&self, script: &str) -> Command {
        let mut command = self.under_vgpu(&self.python);
        command.arg(programs().join(script));
        command
    }

    fn calls(&self) -> Result<Value> {
        let folder = std::env::temp_dir().join(format!("vgpu-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let program = folder.join("calls");
        let status = Command::new("cc").arg("-O2").arg(programs().join("calls.c")).arg("-o").arg(&program).status();
        let answer = match status {
            Ok(status) if status.success() => answer(&mut self.under_vgpu(&program)),
            other => Err(anyhow::anyhow!("cc failed: {other:?}")),
        };
        std::fs::remove_dir_all(&folder)?;
        answer
    }

    /// Time per element of each of Numba's kernels on its simulator, in milliseconds.
    fn simulator(&self) -> Result<Value> {
        let mut command = Command::new(&self.python);
        command.arg(programs().join("numba_kernels.py")).arg("small").env("NUMBA_ENABLE_CUDASIM", "1");
        answer(&mut command)
    }
}

/// Time of each task over a peer's, with its name.
fn ratios<'v>(answer: &'v Value, peer: &str) -> Result<Vec<(&'v str, f64)>> {
    let tasks = answer["tasks"].as_array().context("no tasks")?;
    let ratio = |task: &'v Value| {
        let ours = task["vgpu_ms"].as_f64()?;
        let ratio = ours / task[peer].as_f64()?;
        println!("  {:<14} {ours:>9.3} ms   {ratio:>6.2}", task["task"].as_str()?);
        Some((task["task"].as_str()?, ratio))
    };
    tasks.iter().map(|task| ratio(task).context("a task lacks a time")).collect()
}

fn geomean(ratios: &[(&str, f64)]) -> f64 {
    (ratios.iter().map(|(_, ratio)| ratio.ln()).sum::<f64>() / ratios.len().max(1) as f64).exp()
}

/// Runs the suite.
///
/// # Errors
/// A program fails or prints something else.
pub fn run(options: &Options) -> Result<()> {
    let calls = options.calls()?;
    println!("calls of the driver API, us each");
    let mut slowest = 0.0f64;
    for name in ["alloc_free", "launch", "record"] {
        let time = calls[name].as_f64().with_context(|| format!("no time of {name}"))?;
        println!("  {name:<14} {time:>9.3}");
        slowest = slowest.max(time);
    }
    let numba = answer(&mut options.python("numba_kernels.py"))?;
    println!("Numba kernels, and their time over that of Numba's prange");
    let over_prange = ratios(&numba, "prange_ms")?;
    let triton = answer(&mut options.python("triton_kernels.py"))?;
    println!("Triton kernels, and their time over NumPy's");
    let over_numpy = ratios(&triton, "numpy_ms")?;
    let small = answer(options.python("numba_kernels.py").arg("small"))?;
    let simulator = options.simulator()?;
    println!("Numba kernels on small input, and their time over that on Numba's simulator");
    let mut over_simulator = Vec::new();
    for (name, time) in small.as_object().context("no times of small kernels")? {
        let ratio = time.as_f64().zip(simulator[name].as_f64()).map(|(ours, theirs)| ours / theirs);
        let ratio = ratio.with_context(|| format!("no time of {name} on the simulator"))?;
        println!("  {name:<14} {ratio:>9.5}");
        over_simulator.push((name.as_str(), ratio));
    }
    let worst = over_prange.iter().chain(&over_numpy).map(|(_, ratio)| *ratio).fold(0.0, f64::max);
    let results = json!({
        "calls_us": calls, "numba": numba, "triton": triton, "small_ms_per_element": small,
        "simulator_ms_per_element": simulator,
    });
    record::save("programs", "software", &results)?;
    println!(
        "RESULT call_us={slowest:.2} numba_vs_prange={:.2} triton_vs_numpy={:.2} worst_vs_cpu={worst:.2} \
         numba_vs_simulator={:.5}",
        geomean(&over_prange),
        geomean(&over_numpy),
        geomean(&over_simulator),
    );
    Ok(())
}
