//! The launch suite: how long an empty launch takes, how long compiling takes, and whether memory grows.
//!
//! * `launch_sync_us`: one launch of an empty kernel and waiting for it, median.
//! * `launch_async_us`: launches one after the other without waiting, time per launch, median of several series.
//! * `compile_cold_ms`: from PTX text to a kernel that can be launched with nothing cached, median over the collection without
//!   sha256d. `compile_warm_ms`: the same from the disk cache, on a fresh device.
//! * `sha256d_ms`: cold, for the one long kernel (146 KB of PTX).
//! * growth: resident memory before and after a million launches.

use crate::record;
use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};
use vgpu::{CachePolicy, Context, Device, DeviceConfig, LaunchConfig, Module};
use workloads::kernels::ROWS;
use workloads::median;

/// What to run.
#[derive(clap::Args)]
pub struct Options {
    /// Only one part.
    #[arg(long)]
    only: Option<Part>,
    /// Launches of the growth part.
    #[arg(long, default_value_t = 1_000_000)]
    launches: u32,
}

/// A part of the suite.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Empty launches.
    Latency,
    /// From text to a kernel that can be launched.
    Compile,
    /// Memory over many launches.
    Growth,
}

const EMPTY: &str = ".version 7.0\n.target sm_70\n.address_size 64\n.visible .entry empty() { ret; }\n";
/// Single launches that are timed.
const SYNC_LAUNCHES: usize = 20_000;
/// Series of launches without waiting, and launches of each.
const SERIES: usize = 15;
const SERIES_LAUNCHES: u32 = 10_000;
/// Compilations of each kernel.
const COMPILATIONS: usize = 5;
/// Launches between two waits in the growth part.
const GROWTH_BATCH: u32 = 1000;
/// Growth beyond this is an error: a leak of one byte per launch would show.
const MAX_GROWTH_BYTES: u64 = 1 << 20;

/// Runs the suite.
///
/// # Errors
/// A launch or compilation fails, memory grows, or the record cannot be written.
pub fn run(options: &Options) -> Result<()> {
    let runs = |part| options.only.is_none_or(|only| only == part);
    let device = Device::shared()?;
    let description = format!("{}, {}", device.properties().name, device.properties().isa);
    println!("{description}");
    let mut figures = BTreeMap::new();
    let mut results = Map::new();
    if runs(Part::Latency) {
        results.insert("latency".to_owned(), latency(&device, &mut figures)?);
    }
    if runs(Part::Compile) {
        results.insert("compile".to_owned(), compile(&mut figures)?);
    }
    let mut grown = 0;
    if runs(Part::Growth) {
        let (value, bytes) = growth(&device, options.launches)?;
        results.insert("growth".to_owned(), value);
        grown = bytes;
    }
    record::save("launch", &description, &Value::from(results))?;
    let names = ["launch_sync_us", "launch_async_us", "compile_cold_ms", "compile_warm_ms", "sha256d_ms"];
    let figure =
        |name: &&str| format!("{name}={}", figures.get(name).map_or("na".to_owned(), |v: &f64| format!("{v:.2}")));
    println!("RESULT {}", names.iter().map(figure).collect::<Vec<_>>().join(" "));
    if grown > MAX_GROWTH_BYTES {
        anyhow::bail!("resident memory grew by {} KiB over {} launches", grown >> 10, options.launches);
    }
    Ok(())
}

fn empty_kernel(device: &Device) -> Result<(Context, vgpu::Kernel)> {
    let context = Context::new(device);
    let kernel = Module::load(&context, EMPTY)?.kernel("empty")?;
    Ok((context, kernel))
}

fn latency(device: &Device, figures: &mut BTreeMap<&'static str, f64>) -> Result<Value> {
    let (context, kernel) = empty_kernel(device)?;
    let stream = context.default_stream();
    let config = LaunchConfig::new(1, 32);
    let mut single = Vec::with_capacity(SYNC_LAUNCHES);
    for idx in 0..SYNC_LAUNCHES + SYNC_LAUNCHES / 10 {
        let started = Instant::now();
        kernel.launch_bytes(&stream, &config, &[])?;
        stream.synchronize()?;
        // The first tenth warms up.
        if idx >= SYNC_LAUNCHES / 10 {
            single.push(started.elapsed());
        }
    }
    let mut series = Vec::with_capacity(SERIES);
    for _ in 0..SERIES {
        let started = Instant::now();
        for _ in 0..SERIES_LAUNCHES {
            kernel.launch_bytes(&stream, &config, &[])?;
        }
        stream.synchronize()?;
        series.push(started.elapsed() / SERIES_LAUNCHES);
    }
    let microseconds = |time: Duration| time.as_secs_f64() * 1e6;
    let raw_series: Vec<_> = series.iter().copied().map(microseconds).collect();
    let (sync, back_to_back) = (microseconds(median(&mut single)), microseconds(median(&mut series)));
    let percentile = |p: usize| microseconds(single[single.len() * p / 100]);
    println!("empty launch and wait     {sync:>9.2} us  (1 %: {:.2}, 99 %: {:.2})", percentile(1), percentile(99));
    println!("empty launch back to back {back_to_back:>9.2} us");
    figures.insert("launch_sync_us", sync);
    figures.insert("launch_async_us", back_to_back);
    Ok(json!({
        "sync_us": { "median": sync, "p1": percentile(1), "p99": percentile(99), "n": single.len() },
        "async_us": raw_series,
    }))
}

fn compile(figures: &mut BTreeMap<&'static str, f64>) -> Result<Value> {
    let folder = std::env::temp_dir().join(format!("vgpu-bench-cache-{}", std::process::id()));
    let mut rows = Vec::new();
    let (mut cold_typical, mut warm_typical) = (Vec::new(), Vec::new());
    println!("{:<14} {:>10} {:>10}", "compile", "cold ms", "cached ms");
    let mut seen = Vec::new();
    for row in ROWS.iter().filter(|row| row.measured_elsewhere) {
        if seen.contains(&row.kernel) {
            continue;
        }
        seen.push(row.kernel);
        let path = workloads::kernel_folder().join(format!("{}.ptx", row.kernel));
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let block = block_of(row.kernel);
        let (mut cold, mut warm) = (Vec::new(), Vec::new());
        for _ in 0..COMPILATIONS {
            let _ = std::fs::remove_dir_all(&folder);
            cold.push(prepare(&folder, &text, row.kernel, block)?);
            warm.push(prepare(&folder, &text, row.kernel, block)?);
        }
        let milliseconds = |times: &[Duration]| times.iter().map(|time| time.as_secs_f64() * 1e3).collect::<Vec<_>>();
        rows.push(json!({ "kernel": row.kernel, "cold_ms": milliseconds(&cold), "warm_ms": milliseconds(&warm) }));
        let (cold, warm) = (median(&mut cold), median(&mut warm));
        println!("{:<14} {:>10.2} {:>10.2}", row.kernel, cold.as_secs_f64() * 1e3, warm.as_secs_f64() * 1e3);
        if row.kernel == "sha256d" {
            figures.insert("sha256d_ms", cold.as_secs_f64() * 1e3);
        } else {
            cold_typical.push(cold);
            warm_typical.push(warm);
        }
    }
    let _ = std::fs::remove_dir_all(&folder);
    figures.insert("compile_cold_ms", median(&mut cold_typical).as_secs_f64() * 1e3);
    figures.insert("compile_warm_ms", median(&mut warm_typical).as_secs_f64() * 1e3);
    Ok(Value::from(rows))
}

/// The block shape that the collection launches the kernel with.
fn block_of(kernel: &str) -> (u32, u32) {
    match kernel {
        "mandel" | "stencil" | "transpose" => (32, 8),
        "matmul16" | "hotspot" => (16, 16),
        "matmul32" => (32, 32),
        _ => (256, 1),
    }
}

/// Time from text to a kernel that can be launched, on a device that knows nothing but what the cache folder has.
fn prepare(folder: &Path, text: &str, kernel: &str, block: (u32, u32)) -> Result<Duration> {
    let mut config = DeviceConfig::from_environment()?;
    config.cache = CachePolicy::Directory(folder.to_path_buf(), 1 << 30);
    let context = Context::new(&Device::new(config)?);
    let started = Instant::now();
    let kernel = Module::load(&context, text)?.kernel(kernel)?;
    kernel.prepare(&LaunchConfig::new(1, block))?;
    Ok(started.elapsed())
}

/// What was measured, and by how many bytes memory grew.
fn growth(device: &Device, launches: u32) -> Result<(Value, u64)> {
    let (context, kernel) = empty_kernel(device)?;
    let stream = context.default_stream();
    let config = LaunchConfig::new(8, 64);
    let run = |n: u32| -> Result<()> {
        for idx in 0..n {
            kernel.launch_bytes(&stream, &config, &[])?;
            if idx % GROWTH_BATCH == GROWTH_BATCH - 1 {
                stream.synchronize()?;
            }
        }
        Ok(stream.synchronize()?)
    };
    // Scratch and queues reach their size first.
    run(10 * GROWTH_BATCH)?;
    let before = status("VmRSS")?;
    let started = Instant::now();
    run(launches)?;
    let seconds = started.elapsed().as_secs_f64();
    let (after, peak) = (status("VmRSS")?, status("VmHWM")?);
    let grown = after.saturating_sub(before);
    println!(
        "{launches} launches in {seconds:.1} s: resident memory {} KiB before, {} KiB after, peak {} KiB",
        before >> 10,
        after >> 10,
        peak >> 10
    );
    let value = json!({ "launches": launches, "seconds": seconds, "before_bytes": before, "after_bytes": after, "peak_bytes": peak });
    Ok((value, grown))
}

/// A line of `/proc/self/status`, in bytes.
fn status(name: &str) -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/status").context("resident memory is read from /proc")?;
    let line =
        text.lines().find(|line| line.starts_with(name)).with_context(|| format!("no {name} in /proc/self/status"))?;
    let kib = line.split_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok());
    Ok(kib.with_context(|| format!("no number in \"{line}\""))? << 10)
}
