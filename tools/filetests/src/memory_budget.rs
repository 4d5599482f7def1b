//! Kernels whose data is several times larger than the memory budget give what they give without one.
//!
//! The kernels are those of the collection, unchanged, and those of `kernels/memory.cu`: streams, matrix products, stencils, random
//! access, atomics, pointers that only memory knows. Expectations are computed on the host. Each runs on one worker and on two; in
//! the stress case a host thread throws pages out all the while.

use anyhow::{Context as _, Result, ensure};
use libtest_mimic::{Failed, Trial};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use vgpu::{Buffer, CachePolicy, Context, Device, DeviceConfig, Error, MemoryBudget, Module};

/// Memory for pages: the least there may be.
const POOL_BYTES: u64 = 4 << 20;
/// Elements of four bytes in one of the large arrays: four times the pool in all where there are three of them.
const N: u32 = 1_400_000;

type Case = fn(&Context) -> Result<()>;

const CASES: [(&str, Case); 9] = [
    ("triad", triad),
    ("matmul", matmul),
    ("stencil", stencil),
    ("gather", gather),
    ("atomics", atomics),
    ("pointers", pointers),
    ("stress", stress),
    ("copies", copies),
    ("errors", errors),
];

/// The tests.
pub fn trials() -> Vec<Trial> {
    let with = |name: &'static str, case: Case, n_workers: u32| {
        Trial::test(format!("memory_budget/{name}/{n_workers}"), move || {
            run(name, case, n_workers).map_err(|error| Failed::from(format!("{error:#}")))
        })
    };
    CASES.into_iter().flat_map(|(name, case)| [with(name, case, 1), with(name, case, 2)]).collect()
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // Empty: spill files have no names.
        let _ = std::fs::remove_dir(&self.0);
    }
}

fn run(name: &str, case: Case, n_workers: u32) -> Result<()> {
    let folder = Folder(std::env::temp_dir().join(format!("vgpu-budget-{name}-{n_workers}-{}", std::process::id())));
    let mut config = DeviceConfig::from_environment()?;
    config.n_workers = n_workers;
    config.cache = CachePolicy::Off;
    config.memory_bytes = 1 << 28;
    config.memory_budget = Some(MemoryBudget {
        pool_bytes: POOL_BYTES,
        packed_bytes: 1 << 20,
        spill_folder: folder.0.clone(),
        spill_bytes: 1 << 28,
    });
    let device = Device::new(config)?;
    let context = Context::new(&device);
    case(&context)?;
    context.synchronize()?;
    let snapshot = device.memory_snapshot().context("a budget has a snapshot")?;
    ensure!(snapshot.counters.evicted > 0, "nothing had to leave the pool: {:?}", snapshot.counters);
    drop(context);
    drop(device);
    ensure!(std::fs::read_dir(&folder.0).map_or(true, |mut files| files.next().is_none()), "a spill file has a name");
    Ok(())
}

fn module(context: &Context, name: &str) -> Result<Module> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../kernels").join(format!("{name}.ptx"));
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(Module::load(context, &text)?)
}

fn same<T: PartialEq + std::fmt::Debug>(found: &[T], expected: impl Fn(usize) -> T) -> Result<()> {
    for (idx, value) in found.iter().enumerate() {
        let expected = expected(idx);
        ensure!(*value == expected, "element {idx} is {value:?}, expected is {expected:?}");
    }
    Ok(())
}

fn random(idx: u32, below: u32) -> u32 {
    crate::init::hash(7, u64::from(idx)) as u32 % below
}

fn triad(context: &Context) -> Result<()> {
    let b: Vec<f32> = (0..N).map(|idx| idx as f32).collect();
    let c: Vec<f32> = (0..N).map(|idx| (idx % 1000) as f32).collect();
    let mut a = Buffer::<f32>::zeroed(context, N as usize)?;
    let (b_there, c_there) = (Buffer::from_slice(context, &b)?, Buffer::from_slice(context, &c)?);
    let kernel = module(context, "memory")?.kernel("triad")?;
    let stream = context.default_stream();
    for round in 1..=3 {
        kernel.launch(&stream, N.div_ceil(256), 256, (&mut a, &b_there, &c_there, round as f32, N))?;
        same(&a.to_vec()?, |idx| b[idx] + round as f32 * c[idx])?;
    }
    same(&b_there.to_vec()?, |idx| b[idx])
}

/// Small whole numbers: every order of additions gives the same sum, and `C x = A (B x)` holds exactly.
fn matmul(context: &Context) -> Result<()> {
    for (name, tile, n) in [("matmul16", 16, 1184u32), ("matmul32", 32, 1184)] {
        let element = |seed: u32, idx: u32| (random(idx.wrapping_mul(31) ^ seed, 5) as f32) - 2.0;
        let a: Vec<f32> = (0..n * n).map(|idx| element(1, idx)).collect();
        let b: Vec<f32> = (0..n * n).map(|idx| element(2, idx)).collect();
        let mut c = Buffer::<f32>::zeroed(context, (n * n) as usize)?;
        let (a_there, b_there) = (Buffer::from_slice(context, &a)?, Buffer::from_slice(context, &b)?);
        let kernel = module(context, name)?.kernel(name)?;
        let (grid, block) = ((n / tile, n / tile), (tile, tile));
        kernel.launch(&context.default_stream(), grid, block, (&a_there, &b_there, &mut c, n as i32))?;
        let c = c.to_vec()?;
        let x: Vec<f64> = (0..n).map(|idx| f64::from(random(idx, 7)) - 3.0).collect();
        let times = |matrix: &[f32], x: &[f64]| -> Vec<f64> {
            let row = |row: &[f32]| row.iter().zip(x).map(|(m, x)| f64::from(*m) * x).sum();
            matrix.chunks(n as usize).map(row).collect()
        };
        let expected = times(&a, &times(&b, &x));
        same(&times(&c, &x), |idx| expected[idx])?;
    }
    Ok(())
}

fn stencil(context: &Context) -> Result<()> {
    const W: u32 = 1500;
    const H: u32 = 1400;
    let input: Vec<f32> = (0..W * H).map(|idx| random(idx, 100) as f32).collect();
    let (mut from, mut to) = (Buffer::from_slice(context, &input)?, Buffer::from_slice(context, &input)?);
    let kernel = module(context, "stencil")?.kernel("stencil")?;
    let stream = context.default_stream();
    let mut expected = input;
    for _ in 0..3 {
        kernel.launch(&stream, (W.div_ceil(32), H.div_ceil(8)), (32, 8), (&from, &mut to, W, H, 0.5f32, 0.125f32))?;
        std::mem::swap(&mut from, &mut to);
        let old = expected.clone();
        for y in 1..H as usize - 1 {
            for x in 1..W as usize - 1 {
                let i = y * W as usize + x;
                let around = old[i - 1] + old[i + 1] + old[i - W as usize] + old[i + W as usize];
                expected[i] = 0.5 * old[i] + 0.125 * around;
            }
        }
    }
    let found = from.to_vec()?;
    let close = |idx: usize| (found[idx] - expected[idx]).abs() <= 1e-4 * expected[idx].abs().max(1.0);
    match (0..found.len()).find(|idx| !close(*idx)) {
        None => Ok(()),
        Some(idx) => anyhow::bail!("element {idx} is {}, expected is {}", found[idx], expected[idx]),
    }
}

fn gather(context: &Context) -> Result<()> {
    let x: Vec<u32> = (0..N).map(|idx| idx.wrapping_mul(2_654_435_761)).collect();
    // Mostly near each other, some anywhere: what data structures in memory look like.
    let place = |idx: u32| if idx.is_multiple_of(128) { random(idx, N) } else { (idx + random(idx, 40)) % N };
    let places: Vec<u32> = (0..N).map(place).collect();
    let mut out = Buffer::<u32>::zeroed(context, N as usize)?;
    let (x_there, idx) = (Buffer::from_slice(context, &x)?, Buffer::from_slice(context, &places)?);
    let kernel = module(context, "memory")?.kernel("gather")?;
    kernel.launch(&context.default_stream(), N.div_ceil(128), 128, (&mut out, &x_there, &idx, N))?;
    same(&out.to_vec()?, |idx| x[places[idx] as usize].wrapping_add(idx as u32))
}

fn atomics(context: &Context) -> Result<()> {
    // Counters on many pages, each added to from both workers.
    const COUNTERS: u32 = 3_000_000;
    let place = |idx: u32| (idx / 64 * 37 * 64 + idx % 7) % COUNTERS;
    let places: Vec<u32> = (0..N).map(place).collect();
    let mut counts = Buffer::<u32>::zeroed(context, COUNTERS as usize)?;
    let idx = Buffer::from_slice(context, &places)?;
    let kernel = module(context, "memory")?.kernel("count")?;
    for _ in 0..2 {
        kernel.launch(&context.default_stream(), N.div_ceil(256), 256, (&mut counts, &idx, N))?;
    }
    let mut expected = vec![0; COUNTERS as usize];
    places.iter().for_each(|place| expected[*place as usize] += 2);
    same(&counts.to_vec()?, |idx| expected[idx])
}

fn pointers(context: &Context) -> Result<()> {
    const NEAR: u32 = 4096;
    const NODES: u32 = 268 * NEAR;
    const THREADS: u32 = 96;
    const STEPS: u32 = 40;
    // Shuffled near and far: neighbours of the list are near each other 4095 times and far from each other once.
    let shuffled = |n: u32, seed: u32| {
        let mut all: Vec<u32> = (0..n).collect();
        (1..n).rev().for_each(|idx| all.swap(idx as usize, random(idx ^ (seed << 16), idx + 1) as usize));
        all
    };
    let regions = shuffled(NODES / NEAR, 0).into_iter().enumerate();
    let order =
        regions.flat_map(|(idx, region)| shuffled(NEAR, idx as u32).into_iter().map(move |at| region * NEAR + at));
    let order: Vec<u32> = order.collect();
    let nodes = context.alloc(16 * u64::from(NODES))?;
    let there = Buffer::from_slice(context, &order)?;
    let (stream, module) = (context.default_stream(), module(context, "memory")?);
    module.kernel("link")?.launch(&stream, NODES.div_ceil(256), 256, (nodes, &there, NODES))?;
    // Only the list of heads is a parameter: no launch can know what it leads to.
    let starts: Vec<u32> = (0..THREADS).map(|thread| thread * (NODES / THREADS)).collect();
    let heads: Vec<u64> = starts.iter().map(|start| nodes.0 + 16 * u64::from(order[*start as usize])).collect();
    let heads = Buffer::from_slice(context, &heads)?;
    let mut out = Buffer::<u64>::zeroed(context, THREADS as usize)?;
    module.kernel("chase")?.launch(&stream, 3, 32, (&mut out, &heads, THREADS, STEPS))?;
    let walk = |start: u32| {
        (0..STEPS).fold(0u64, |sum, step| sum.wrapping_mul(31).wrapping_add(u64::from((start + step) % NODES)))
    };
    same(&out.to_vec()?, |thread| walk(starts[thread]))
}

fn stress(context: &Context) -> Result<()> {
    const PER_THREAD: u32 = 3000;
    const THREADS: u32 = 512;
    const STEPS: u32 = 60;
    let mut words = Buffer::<u32>::zeroed(context, (PER_THREAD * THREADS) as usize)?;
    let mut out = Buffer::<u32>::zeroed(context, THREADS as usize)?;
    let kernel = module(context, "memory")?.kernel("stress")?;
    let mut oracle = vec![0u32; (PER_THREAD * THREADS) as usize];
    let stream = context.default_stream();
    for seed in 0..2u32 {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| -> Result<()> {
            scope.spawn(|| {
                let mut round = seed;
                while !done.load(Ordering::Acquire) {
                    round += 1;
                    context.device().trim_memory(u64::from(random(round, 24)) << 16);
                    // A pace, not an order: most pages should get to be used.
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
            });
            let launched =
                kernel.launch(&stream, THREADS / 32, 32, (&mut words, &mut out, PER_THREAD, THREADS, seed, STEPS));
            let finished = stream.synchronize();
            done.store(true, Ordering::Release);
            Ok(launched.and(finished)?)
        })?;
        let expected: Vec<u32> =
            (0..THREADS).map(|thread| walk(&mut oracle, thread, seed, PER_THREAD, THREADS, STEPS)).collect();
        same(&out.to_vec()?, |idx| expected[idx]).with_context(|| format!("what the threads read, seed {seed}"))?;
    }
    same(&words.to_vec()?, |idx| oracle[idx]).context("what is in memory afterwards")
}

/// What a thread of the kernel `stress` does.
fn walk(words: &mut [u32], thread: u32, seed: u32, per_thread: u32, threads: u32, steps: u32) -> u32 {
    let mut state = seed.wrapping_add(thread.wrapping_mul(2_654_435_761));
    let mut sum = 0u32;
    for _ in 0..steps {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let word = &mut words[((state >> 8) % per_thread * threads + thread) as usize];
        if state & 64 != 0 {
            *word = word.wrapping_mul(3).wrapping_add(state);
        } else {
            sum = sum.wrapping_mul(5).wrapping_add(*word);
        }
    }
    sum
}

/// Copies and fills by the host, within a page and over many, overlapping forwards and backwards.
fn copies(context: &Context) -> Result<()> {
    const BYTES: usize = 20 << 20;
    let mut oracle: Vec<u8> = (0..BYTES as u32).map(|idx| (random(idx / 4, 256) + idx) as u8).collect();
    let start = context.alloc(BYTES as u64)?;
    context.copy_to_device(start, &oracle)?;
    for round in 0..40u32 {
        let len = if round % 2 == 0 { random(round, 300_000) } else { random(round, 9 << 20) } as usize;
        let (from, to) = (random(round * 3 + 1, (BYTES - len) as u32), random(round * 5 + 2, (BYTES - len) as u32));
        let near = round % 4 == 3;
        let to = if near { (from as usize + 100_000).min(BYTES - len) } else { to as usize };
        let (from, at) = (from as usize, start.offset(to as u64));
        match round % 5 {
            0 => {
                let data: Vec<u8> = (0..len as u32).map(|idx| (idx * 3 + round) as u8).collect();
                context.copy_to_device(at, &data)?;
                oracle[to..to + len].copy_from_slice(&data);
            }
            1 => {
                let mut pattern = [1u8, 2, 3, round as u8];
                context.fill(at, len as u64, &pattern)?;
                for byte in &mut oracle[to..to + len] {
                    *byte = pattern[0];
                    pattern.rotate_left(1);
                }
            }
            _ => {
                context.copy_within_device(at, start.offset(from as u64), len as u64)?;
                oracle.copy_within(from..from + len, to);
            }
        }
    }
    let mut found = vec![0; BYTES];
    context.copy_to_host(&mut found, start)?;
    same(&found, |idx| oracle[idx])?;
    // The stream's own operations go the same way.
    let stream = context.default_stream();
    stream.fill(start, BYTES as u64, &[9])?;
    context.copy_to_host(&mut found, start)?;
    same(&found, |_| 9)
}

/// What is wrong stays wrong: wild and freed addresses, and more than may be spilled.
fn errors(context: &Context) -> Result<()> {
    let data = vec![5u32; N as usize];
    let kernel = module(context, "memory")?.kernel("triad")?;
    let stream = context.default_stream();
    let mut live = Buffer::from_slice(context, &data)?;
    let freed = context.alloc(4 * u64::from(N))?;
    context.free(freed)?;
    kernel.launch(&stream, N.div_ceil(256), 256, (&mut live, freed, freed, 1f32, N))?;
    let error = stream.synchronize().err().context("a freed address was read")?;
    ensure!(matches!(error, Error::IllegalAddress { address, .. } if address >= freed.0), "{error}");
    context.reset();
    let error = context.alloc(1 << 40).err().context("too much was allocated")?;
    ensure!(matches!(error, Error::OutOfMemory { .. }), "{error}");
    let mut kept = Vec::new();
    let error = loop {
        match context.alloc(16 << 20) {
            Ok(address) => kept.push(address),
            Err(error) => break error,
        }
    };
    ensure!(matches!(error, Error::OutOfMemory { .. } | Error::Memory(_)), "{error}");
    kept.into_iter().try_for_each(|address| context.free(address))?;
    // All is well afterwards.
    let other = Buffer::from_slice(context, &vec![1f32; N as usize])?;
    let mut sum = Buffer::<f32>::zeroed(context, N as usize)?;
    kernel.launch(&stream, N.div_ceil(256), 256, (&mut sum, &other, &other, 2f32, N))?;
    same(&sum.to_vec()?, |_| 3.0)
}
