//! Deterministic launches give the same bits on every run and for any number of workers.
//!
//! The kernel sums numbers of very different size with float atomics of every type and keeps what each atomic gave, so that
//! any change of order shows. That a plain launch would differ is not asked: it may happen not to.

use crate::harness::cases_folder;
use anyhow::{Context as _, Result, ensure};
use libtest_mimic::{Failed, Trial};
use vgpu::{CachePolicy, Context, Device, DeviceConfig, LaunchConfig, Module};
use vgpu_jit::Target;

/// Numbers of workers.
const WORKERS: [u32; 4] = [1, 2, 3, 7];
/// Runs on each device.
const RUNS: usize = 4;
const GRID: u32 = 60;
const BLOCK: u32 = 96;

/// The test.
pub fn trials() -> Vec<Trial> {
    let run = || check().map_err(|error| Failed::from(format!("{error:#}")));
    vec![Trial::test("determinism/float_atomics", run)]
}

fn check() -> Result<()> {
    let path = cases_folder().join("cuda/deterministic.ptx");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut first: Option<Vec<Vec<u8>>> = None;
    for n_workers in WORKERS {
        let mut config = DeviceConfig::from_environment()?;
        config.n_workers = n_workers;
        config.memory_bytes = 1 << 26;
        config.target = Target::from_environment().map_err(anyhow::Error::msg)?;
        config.cache = CachePolicy::Off;
        let device = Device::new(config)?;
        for run in 0..RUNS {
            let found = sums(&device, &text)?;
            let expected = first.get_or_insert_with(|| found.clone());
            ensure!(*expected == found, "run {run} with {n_workers} workers gave other bits than the first of all");
        }
    }
    Ok(())
}

/// All outputs of one launch.
fn sums(device: &Device, text: &str) -> Result<Vec<Vec<u8>>> {
    let context = Context::new(device);
    let kernel = Module::load(&context, text)?.kernel("sums")?;
    let n = (GRID * BLOCK) as usize;
    let values = (0..n as u64).flat_map(|i| {
        let bits = crate::init::hash(99, i);
        let exponent = (bits >> 32) % 24;
        let value = ((bits as u32 as f32 / u32::MAX as f32) - 0.5) * (1u32 << exponent) as f32;
        value.to_le_bytes()
    });
    let x = context.alloc(4 * n as u64)?;
    context.copy_to_device(x, &values.collect::<Vec<u8>>())?;
    let sizes = [16, 16, 4, 4, 12 * n];
    let mut outputs = Vec::new();
    for bytes in sizes {
        let at = context.alloc(bytes as u64)?;
        context.copy_to_device(at, &vec![0; bytes])?;
        outputs.push(at);
    }
    let args: Vec<[u8; 8]> = std::iter::once(x).chain(outputs.iter().copied()).map(|at| at.0.to_le_bytes()).collect();
    let slices: Vec<&[u8]> = args.iter().map(<[u8; 8]>::as_slice).collect();
    let stream = context.default_stream();
    kernel.launch_bytes(&stream, &LaunchConfig::new(GRID, BLOCK).deterministic(), &slices)?;
    stream.synchronize()?;
    let mut found = Vec::new();
    for (at, bytes) in outputs.iter().zip(sizes) {
        let mut out = vec![0; bytes];
        context.copy_to_host(&mut out, *at)?;
        found.push(out);
    }
    Ok(found)
}
