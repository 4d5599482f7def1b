//! The software device's benchmark: matrix product, convolution and memory hierarchy, as CUDA kernels on this device.
//!
//! Each figure is the best of a few runs after one that compiles. The results are checked: the product and the convolution in
//! sampled places against double precision, so that a figure never stands for a wrong result.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use vgpu::{Buffer, Context, Kernel, KernelArgs, Module};

/// Runs of each kernel.
const RUNS: u32 = 5;
/// A kernel is not repeated beyond this.
const PATIENCE: Duration = Duration::from_secs(6);
/// Side of the matrices.
const SIDE: usize = 1024;
/// Side of the picture.
const PICTURE: usize = 1024;

/// All figures.
///
/// # Errors
/// A kernel fails, or gives a wrong result.
pub fn run(context: &Context) -> Result<Value> {
    let properties = context.device();
    let properties = properties.properties();
    Ok(json!({
        "device": properties.name,
        "isa": properties.isa,
        "processors": properties.multiprocessor_count,
        "matmul": matmul(context)?,
        "conv2d": conv2d(context)?,
        "memory": memory(context)?,
    }))
}

fn kernel(context: &Context, text: &str, name: &str) -> Result<Kernel> {
    Ok(Module::load(context, text)?.kernel(name)?)
}

/// Seconds of the fastest run.
fn best(mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    run()?;
    let start = Instant::now();
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let before = Instant::now();
        run()?;
        best = best.min(before.elapsed().as_secs_f64());
        if start.elapsed() > PATIENCE {
            break;
        }
    }
    Ok(best)
}

fn launch(context: &Context, kernel: &Kernel, grid: [u32; 2], block: [u32; 2], args: impl KernelArgs) -> Result<()> {
    let stream = context.default_stream();
    kernel.launch(&stream, (grid[0], grid[1], 1), (block[0], block[1], 1), args)?;
    Ok(stream.synchronize()?)
}

/// Numbers between -0.5 and 0.5 without a pattern that a wrong index would hide in.
fn numbers(n: usize, seed: u32) -> Vec<f32> {
    let hash = |i: u32| (i ^ seed).wrapping_mul(0x9e37_79b1).rotate_left(13).wrapping_mul(0x85eb_ca6b) >> 8;
    (0..n as u32).map(|i| hash(i) as f32 / (1 << 24) as f32 - 0.5).collect()
}

fn matmul(context: &Context) -> Result<Value> {
    let kernel = kernel(context, include_str!("../../../../kernels/matmul16.ptx"), "matmul16")?;
    let (a, b) = (numbers(SIDE * SIDE, 1), numbers(SIDE * SIDE, 2));
    let (left, right) = (Buffer::from_slice(context, &a)?, Buffer::from_slice(context, &b)?);
    let mut out = Buffer::<f32>::zeroed(context, SIDE * SIDE)?;
    let blocks = (SIDE / 16) as u32;
    let seconds =
        best(|| launch(context, &kernel, [blocks, blocks], [16, 16], (&left, &right, &mut out, SIDE as i32)))?;
    let c = out.to_vec()?;
    for (row, column) in (0..64).map(|i| (i * 131 % SIDE, i * 517 % SIDE)) {
        let exact: f64 = (0..SIDE).map(|k| f64::from(a[row * SIDE + k]) * f64::from(b[k * SIDE + column])).sum();
        // Rounding errors of a sum of products of numbers up to 1/4.
        let bound = SIDE as f64 * f64::from(f32::EPSILON) * SIDE as f64 / 4.0;
        let found = f64::from(c[row * SIDE + column]);
        ensure!((found - exact).abs() <= bound, "the product is {found} at ({row}, {column}), not {exact}");
    }
    let operations = 2.0 * (SIDE as f64).powi(3);
    Ok(json!({ "side": SIDE, "time_ms": seconds * 1e3, "gflops": operations / seconds / 1e9 }))
}

fn conv2d(context: &Context) -> Result<Value> {
    let kernel = kernel(context, include_str!("../../../../kernels/conv2d.ptx"), "conv2d")?;
    let (picture, filter) = (numbers(PICTURE * PICTURE, 3), numbers(25, 4));
    let (input, weights) = (Buffer::from_slice(context, &picture)?, Buffer::from_slice(context, &filter)?);
    let mut out = Buffer::<f32>::zeroed(context, PICTURE * PICTURE)?;
    let (tiles, side) = ((PICTURE / 32) as u32, PICTURE as i32);
    let seconds = best(|| launch(context, &kernel, [tiles, tiles], [32, 8], (&input, &weights, &mut out, side, side)))?;
    let found = out.to_vec()?;
    for (x, y) in (0..64).map(|i| (i * 131 % PICTURE, i * 517 % PICTURE)) {
        let at = |dx: usize, dy: usize| {
            let (x, y) = ((x + dx).checked_sub(2)?, (y + dy).checked_sub(2)?);
            (x < PICTURE && y < PICTURE).then(|| f64::from(picture[y * PICTURE + x]))
        };
        let terms = (0..25).map(|i| f64::from(filter[i]) * at(i % 5, i / 5).unwrap_or(0.0));
        let exact: f64 = terms.sum();
        let found = f64::from(found[y * PICTURE + x]);
        ensure!((found - exact).abs() < 1e-4, "the convolution is {found} at ({x}, {y}), not {exact}");
    }
    let operations = 50.0 * (PICTURE * PICTURE) as f64;
    Ok(json!({ "side": PICTURE, "filter": 5, "time_ms": seconds * 1e3, "gflops": operations / seconds / 1e9 }))
}

/// Bytes per second of `y = a x + y` over vectors that fit into different levels of the hierarchy.
fn memory(context: &Context) -> Result<Value> {
    let kernel = kernel(context, include_str!("../../../../kernels/saxpy.ptx"), "saxpy")?;
    let mut levels = Vec::new();
    let mut most = 0.0_f64;
    for kib in [16usize, 256, 4 << 10, 64 << 10] {
        let n = kib << 10 >> 3;
        let (x, mut y) = (Buffer::from_slice(context, &numbers(n, 5))?, Buffer::<f32>::zeroed(context, n)?);
        // Small vectors are walked several times, or only the launch would be measured.
        let rounds = ((8 << 10) / kib).max(1);
        let blocks = n.div_ceil(256) as u32;
        let stream = context.default_stream();
        let seconds = best(|| {
            for _ in 0..rounds {
                kernel.launch(&stream, blocks, 256, (n as u32, 0.5_f32, &x, &mut y))?;
            }
            Ok(stream.synchronize()?)
        })?;
        let gb_per_s = (12 * n * rounds) as f64 / seconds / 1e9;
        most = most.max(gb_per_s);
        levels.push(json!({ "kib": kib, "gb_per_s": gb_per_s }));
    }
    Ok(json!({ "levels": levels, "best_gb_per_s": most }))
}
