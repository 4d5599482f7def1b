//! The memory demonstration: matrices four times larger than the memory for them, multiplied by an unchanged kernel.
//!
//! The kernel is `kernels/matmul32.ptx` as it is for data that fits. Elements are small whole numbers, so that float sums are
//! exact in any order, and the product is checked as `C x = A (B x)`, which finds any wrong element of a row with all but
//! certainty. The last line is `RESULT memory ..`.

use anyhow::{Context as _, Result};
use std::path::Path;
use std::time::{Duration, Instant};
use vgpu::{Buffer, Context, Device, DeviceConfig, MemoryBudget, MemorySnapshot, Module};

const KERNEL: &str = include_str!("../../../kernels/matmul32.ptx");
const TILE: u32 = 32;

/// Elements are made from their place alone.
fn element(seed: u64, idx: u64) -> f32 {
    let mixed = (idx ^ (seed << 40)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f32 % 7.0 - 3.0
}

struct Run {
    time: Duration,
    correct: bool,
    snapshot: Option<MemorySnapshot>,
}

fn multiply(n: u32, budget: Option<MemoryBudget>) -> Result<Run> {
    let mut config = DeviceConfig::from_environment()?;
    config.memory_budget = budget;
    let device = Device::new(config)?;
    let context = Context::new(&device);
    let len = n as usize * n as usize;
    let matrix = |seed| -> Vec<f32> { (0..len as u64).map(|idx| element(seed, idx)).collect() };
    let (a, b) = (matrix(1), matrix(2));
    let (a_there, b_there) = (Buffer::from_slice(&context, &a)?, Buffer::from_slice(&context, &b)?);
    let mut c = Buffer::<f32>::zeroed(&context, len)?;
    let kernel = Module::load(&context, KERNEL)?.kernel("matmul32")?;
    let stream = context.default_stream();
    let start = Instant::now();
    kernel.launch(&stream, (n / TILE, n / TILE), (TILE, TILE), (&a_there, &b_there, &mut c, n as i32))?;
    stream.synchronize()?;
    let time = start.elapsed();
    let snapshot = device.memory_snapshot();
    let x: Vec<f64> = (0..u64::from(n)).map(|idx| f64::from(element(3, idx))).collect();
    let times = |matrix: &[f32], x: &[f64]| -> Vec<f64> {
        let row = |row: &[f32]| row.iter().zip(x).map(|(m, x)| f64::from(*m) * x).sum();
        matrix.chunks(n as usize).map(row).collect()
    };
    let correct = times(&c.to_vec()?, &x) == times(&a, &times(&b, &x));
    Ok(Run { time, correct, snapshot })
}

/// Runs it with and without a budget. `n` is a multiple of 32. Tells whether both products are right.
pub fn run(n: u32, picture: &Path) -> Result<bool> {
    let data = 3 * 4 * u64::from(n) * u64::from(n);
    let budget = MemoryBudget::new(data / 4);
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!("matmul32 of {n} x {n} matrices: {:.0} MiB of data", mib(data));
    let free = multiply(n, None)?;
    println!("all in memory:          {:8.3} s, {}", free.time.as_secs_f64(), verdict(free.correct));
    println!(
        "with {:.0} MiB for pages and {:.0} MiB for compressed pages:",
        mib(budget.pool_bytes),
        mib(budget.packed_bytes)
    );
    let bound = multiply(n, Some(budget.clone()))?;
    println!("with a quarter of it:   {:8.3} s, {}", bound.time.as_secs_f64(), verdict(bound.correct));
    let snapshot = bound.snapshot.context("a device with a budget has a snapshot")?;
    println!("\n{}\n{}", snapshot.table(), snapshot.map_text());
    std::fs::write(picture, snapshot.map_svg()).with_context(|| format!("cannot write {}", picture.display()))?;
    println!(
        "RESULT memory n={n} data_mib={:.0} budget_mib={:.0} correct={} in_memory_s={:.3} out_of_core_s={:.3} slowdown={:.2} \
         prefetch_hit={:.3} compression={:.2} disk_written_mib={:.0} disk_read_mib={:.0}",
        mib(data),
        mib(budget.pool_bytes),
        u32::from(free.correct && bound.correct),
        free.time.as_secs_f64(),
        bound.time.as_secs_f64(),
        bound.time.as_secs_f64() / free.time.as_secs_f64(),
        snapshot.counters.prefetch_hit_rate(),
        snapshot.counters.compression_ratio(),
        mib(snapshot.traffic.written),
        mib(snapshot.traffic.read),
    );
    Ok(free.correct && bound.correct)
}

const fn verdict(correct: bool) -> &'static str {
    if correct { "correct" } else { "WRONG" }
}
