//! The memory suite: allocation against mimalloc, and kernels whose data is four times larger than the memory for it.
//!
//! * `alloc_pair_ns`: one allocation of device memory and its release from a warm pool, on one thread; `alloc_mops_t2`: pairs per
//!   second on two threads, in millions. The peer is mimalloc, which hands out host memory, in the same run; to be called
//!   without unsafe code it is the allocator of this whole program, which is why the suite is a program of its own.
//! * out of core: each kernel with all data in memory, and with a budget of a quarter of its data. The peer is `numpy.memmap`, the
//!   system's own paging on a file, in a control group with as much memory; it does the same work with its own, blocked
//!   routines. Where control groups cannot be made the peer is left out, and the row says so.
//! * `triad_vs_ssd`: the triad's time over the time that the bytes it moved take at the disk bandwidth measured in the run.
//!
//! `cargo xtask bench memory` builds and runs this.
#![forbid(unsafe_code)]

#[path = "../record.rs"]
mod record;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use serde_json::json;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use vgpu::{Buffer, Context, Device, DeviceConfig, MemoryBudget, MemorySnapshot, Module};
use workloads::{NATIVE_FLAGS, median};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What to run.
#[derive(Parser)]
struct Options {
    /// The suite's name, so that the record has the whole command.
    #[arg(hide = true)]
    _suite: Option<String>,
    /// MiB of data of each kernel.
    #[arg(long, default_value_t = 192, value_parser = clap::value_parser!(u64).range(24..))]
    mib: u64,
    /// Timed runs; the median counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// A Python that has numpy.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Where the spill file and the peer's files go.
    #[arg(long, default_value = "/var/tmp")]
    folder: PathBuf,
}

const PAIRS: u32 = 400_000;
const SIZES: [u64; 8] = [512, 4096, 1000, 70_000, 20_000, 64, 300_000, 8192];

fn pair_ns(pair: impl Fn(u64)) -> f64 {
    for idx in 0..PAIRS / 10 {
        pair(SIZES[idx as usize % SIZES.len()]);
    }
    let start = Instant::now();
    for idx in 0..PAIRS {
        pair(SIZES[idx as usize % SIZES.len()]);
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(PAIRS)
}

/// Millions of pairs per second on two threads.
fn pairs_on_two(pair: impl Fn(u64) + Sync) -> f64 {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..PAIRS).for_each(|idx| pair(SIZES[idx as usize % SIZES.len()])));
        }
    });
    f64::from(PAIRS) * 2.0 / start.elapsed().as_secs_f64() / 1e6
}

struct Allocation {
    ns: f64,
    mops: f64,
    peer_ns: f64,
    peer_mops: f64,
}

fn allocation() -> Result<Allocation> {
    let context = Context::new(&Device::new(DeviceConfig::from_environment()?)?);
    let own = |bytes: u64| {
        // A failure would show as a time of nothing; the sizes are far below the device's memory.
        if let Ok(address) = context.alloc(black_box(bytes)) {
            let _ = context.free(black_box(address));
        }
    };
    let peer = |bytes: u64| drop(black_box(Vec::<u8>::with_capacity(black_box(bytes) as usize)));
    ensure!(context.alloc(512).is_ok(), "device memory cannot be allocated");
    Ok(Allocation { ns: pair_ns(own), peer_ns: pair_ns(peer), mops: pairs_on_two(own), peer_mops: pairs_on_two(peer) })
}

/// A kernel on data that its closure makes; the closure gives the time of one run.
struct Row {
    name: &'static str,
    module: &'static str,
    run: fn(&Context, &str, u64, u32) -> Result<Duration>,
}

const MEMORY: &str = include_str!("../../../../kernels/memory.ptx");
const MATMUL: &str = include_str!("../../../../kernels/matmul32.ptx");
const STENCIL: &str = include_str!("../../../../kernels/stencil.ptx");

const ROWS: [Row; 4] = [
    Row { name: "triad", module: MEMORY, run: triad },
    Row { name: "stencil", module: STENCIL, run: stencil },
    Row { name: "gather", module: MEMORY, run: gather },
    Row { name: "matmul", module: MATMUL, run: matmul },
];

fn timed(context: &Context, rounds: u32, launch: impl Fn() -> Result<()>) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..=rounds {
        let start = Instant::now();
        launch()?;
        context.synchronize()?;
        times.push(start.elapsed());
    }
    Ok(median(&mut times[1..]))
}

/// Numbers without a pattern that compression could use.
fn noise(idx: u64) -> f32 {
    let mixed = idx.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)) as u32 as f32 / u32::MAX as f32
}

fn triad(context: &Context, ptx: &str, bytes: u64, rounds: u32) -> Result<Duration> {
    let n = (bytes / 12) as u32;
    let data: Vec<f32> = (0..u64::from(n)).map(noise).collect();
    let (b, c) = (Buffer::from_slice(context, &data)?, Buffer::from_slice(context, &data)?);
    let mut a = Buffer::<f32>::zeroed(context, n as usize)?;
    let kernel = Module::load(context, ptx)?.kernel("triad")?;
    let (stream, place) = (context.default_stream(), a.address());
    let time =
        timed(context, rounds, || Ok(kernel.launch(&stream, n.div_ceil(256), 256, (place, &b, &c, 3f32, n))?))?;
    let found = a.to_vec()?;
    ensure!(found.iter().zip(&data).all(|(a, b)| (a - 4.0 * b).abs() < 1e-5), "a wrong sum");
    a.write(&data)?;
    Ok(time)
}

fn stencil(context: &Context, ptx: &str, bytes: u64, rounds: u32) -> Result<Duration> {
    let w = 4096u32;
    let h = (bytes / 8 / u64::from(w)) as u32;
    let data: Vec<f32> = (0..u64::from(w) * u64::from(h)).map(noise).collect();
    let (a, b) = (Buffer::from_slice(context, &data)?, Buffer::from_slice(context, &data)?);
    let kernel = Module::load(context, ptx)?.kernel("stencil")?;
    let (stream, from, to) = (context.default_stream(), a.address(), b.address());
    let grid = (w.div_ceil(32), h.div_ceil(8));
    let time =
        timed(context, rounds, || Ok(kernel.launch(&stream, grid, (32, 8), (from, to, w, h, 0.5f32, 0.125f32))?))?;
    let (found, w) = (b.to_vec()?, w as usize);
    let i = 5 * w + 7;
    let expected = 0.5 * data[i] + 0.125 * (data[i - 1] + data[i + 1] + data[i - w] + data[i + w]);
    ensure!((found[i] - expected).abs() < 1e-5, "a wrong stencil");
    Ok(time)
}

fn gather(context: &Context, ptx: &str, bytes: u64, rounds: u32) -> Result<Duration> {
    let n = (bytes / 12) as u32;
    let x: Vec<u32> = (0..n).map(|idx| idx.wrapping_mul(2_654_435_761)).collect();
    // A sixteenth of a per cent goes anywhere, the rest nearby: random pages are what the disk is slowest at.
    let place =
        |idx: u32| if idx.is_multiple_of(1600) { x[idx as usize] % n } else { (idx + (x[idx as usize] >> 24)) % n };
    let places: Vec<u32> = (0..n).map(place).collect();
    let (x_there, idx) = (Buffer::from_slice(context, &x)?, Buffer::from_slice(context, &places)?);
    let out = Buffer::<u32>::zeroed(context, n as usize)?;
    let kernel = Module::load(context, ptx)?.kernel("gather")?;
    let (stream, to) = (context.default_stream(), out.address());
    let time = timed(context, rounds, || Ok(kernel.launch(&stream, n.div_ceil(256), 256, (to, &x_there, &idx, n))?))?;
    let right = |(i, found): (usize, &u32)| *found == x[places[i] as usize].wrapping_add(i as u32);
    ensure!(out.to_vec()?.iter().enumerate().all(right), "a wrong element");
    Ok(time)
}

fn matmul(context: &Context, ptx: &str, bytes: u64, rounds: u32) -> Result<Duration> {
    let n = ((bytes as f64 / 12.0).sqrt() as u32 / 32 * 32).max(32);
    let data: Vec<f32> = (0..u64::from(n) * u64::from(n)).map(noise).collect();
    let (a, b) = (Buffer::from_slice(context, &data)?, Buffer::from_slice(context, &data)?);
    let c = Buffer::<f32>::zeroed(context, data.len())?;
    let kernel = Module::load(context, ptx)?.kernel("matmul32")?;
    let (stream, to) = (context.default_stream(), c.address());
    let time =
        timed(context, rounds, || Ok(kernel.launch(&stream, (n / 32, n / 32), (32, 32), (&a, &b, to, n as i32))?))?;
    let (found, n) = (c.to_vec()?, n as usize);
    let expected: f64 = (0..n).map(|k| f64::from(data[3 * n + k]) * f64::from(data[k * n + 5])).sum();
    ensure!((f64::from(found[3 * n + 5]) - expected).abs() < 1e-4 * expected, "a wrong product");
    Ok(time)
}

/// The same work by numpy on files mapped into memory, in a control group whose memory is what it has now and the budget.
const PEER: &str = r#"
import os, sys, time
import numpy as np
name, total, budget, rounds, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
rng = np.random.default_rng(1)
def limit():
    for root, kind in (("/sys/fs/cgroup/memory", 1), ("/sys/fs/cgroup", 2)):
        group = f"{root}/vgpu-bench-{os.getpid()}"
        file = "memory.limit_in_bytes" if kind == 1 else "memory.max"
        if not os.path.exists(f"{root}/" + ("memory.usage_in_bytes" if kind == 1 else "cgroup.procs")):
            continue
        try:
            os.mkdir(group)
            own = int(open("/proc/self/statm").read().split()[1]) * 4096
            open(f"{group}/{file}", "w").write(str(own + budget))
            open(f"{group}/cgroup.procs", "w").write(str(os.getpid()))
            return group
        except OSError:
            try: os.rmdir(group)
            except OSError: pass
    print("nolimit"); sys.exit(0)
def array(key, shape, dtype):
    path = f"{folder}/vgpu-peer-{os.getpid()}-{key}"
    paths.append(path)
    return np.memmap(path, dtype=dtype, mode="w+", shape=shape)
def fill(a):
    flat = a.reshape(-1)
    for i in range(0, flat.size, 1 << 20):
        part = flat[i:i + (1 << 20)]
        part[:] = rng.random(part.size, dtype=np.float32) if a.dtype == np.float32 else rng.integers(0, 1 << 31, part.size)
paths, CHUNK = [], 1 << 18
group = limit()
try:
    if name == "matmul":
        n = int((total / 12) ** 0.5) // 32 * 32
        a, b, c = (array(k, (n, n), np.float32) for k in "abc"); fill(a); fill(b)
        def work(): np.matmul(a, b, out=c)
    elif name == "stencil":
        w = 4096; h = total // 8 // w
        a, b = (array(k, (h, w), np.float32) for k in "ab"); fill(a)
        def work():
            for y in range(1, h - 1, 64):
                e = min(y + 64, h - 1)
                b[y:e, 1:-1] = 0.5 * a[y:e, 1:-1] + 0.125 * (a[y:e, :-2] + a[y:e, 2:] + a[y-1:e-1, 1:-1] + a[y+1:e+1, 1:-1])
    elif name == "triad":
        n = total // 12
        a, b, c = (array(k, (n,), np.float32) for k in "abc"); fill(b); fill(c)
        def work():
            for i in range(0, n, CHUNK): np.multiply(c[i:i+CHUNK], 3, out=a[i:i+CHUNK]); a[i:i+CHUNK] += b[i:i+CHUNK]
    else:
        n = total // 12
        x, idx, out = (array(k, (n,), np.uint32) for k in "xio"); fill(x)
        for i in range(0, n, CHUNK):
            m = min(CHUNK, n - i); near = (np.arange(i, i + m) + rng.integers(0, 256, m)) % n
            far = np.arange(i, i + m) % 1600 == 0
            near[far] = rng.integers(0, n, far.sum()); idx[i:i+m] = near
        def work():
            for i in range(0, n, CHUNK): out[i:i+CHUNK] = x[idx[i:i+CHUNK]] + np.arange(i, min(i + CHUNK, n), dtype=np.uint32)
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter(); work(); times.append(time.perf_counter() - start)
    print(sorted(times[1:])[rounds // 2])
finally:
    for path in paths: os.remove(path)
    root = os.path.dirname(group)
    open(f"{root}/cgroup.procs", "w").write(str(os.getpid()))
    os.rmdir(group)
"#;

fn peer(python: &Path, name: &str, bytes: u64, budget: u64, rounds: u32, folder: &Path) -> Result<Option<f64>> {
    let numbers = [bytes, budget, u64::from(rounds)].map(|number| number.to_string());
    let output = Command::new(python).args(["-c", PEER, name]).args(numbers).arg(folder).output()?;
    ensure!(output.status.success(), "the peer failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    if text.trim() == "nolimit" { Ok(None) } else { Ok(Some(text.trim().parse().context("the peer's time")?)) }
}

fn device(budget: Option<MemoryBudget>) -> Result<Device> {
    let mut config = DeviceConfig::from_environment()?;
    config.memory_budget = budget;
    Ok(Device::new(config)?)
}

/// Bytes per second that the disk writes and reads in pieces of a mebibyte, past the page cache where it can.
fn disk_bandwidth(folder: &Path) -> Result<(f64, f64)> {
    const BYTES: u64 = 256 << 20;
    let path = folder.join(format!("vgpu-bench-{}", std::process::id()));
    let dd = |args: [String; 5]| -> Result<f64> {
        let start = Instant::now();
        let status = Command::new("dd").args(args).args(["bs=1M", "status=none"]).status().context("running dd")?;
        ensure!(status.success(), "dd failed");
        Ok(BYTES as f64 / start.elapsed().as_secs_f64())
    };
    let (name, count) = (path.display(), format!("count={}", BYTES >> 20));
    let words =
        |from: String, to: String, flag: &str| [from, to, count.clone(), flag.to_owned(), "conv=notrunc".into()];
    let measured = (|| {
        let write = dd(words("if=/dev/zero".into(), format!("of={name}"), "oflag=direct"))?;
        let read = dd(words(format!("if={name}"), "of=/dev/null".into(), "iflag=direct"))?;
        Ok((write, read))
    })();
    std::fs::remove_file(&path)?;
    measured
}

fn run(options: &Options) -> Result<()> {
    let description = device(None)?.properties().name.clone();
    println!("{description}");
    let alloc = allocation()?;
    println!(
        "alloc+free pair: {:.0} ns (mimalloc {:.0}), two threads {:.1} M/s (mimalloc {:.1})",
        alloc.ns, alloc.peer_ns, alloc.mops, alloc.peer_mops
    );
    let (write, read) = disk_bandwidth(&options.folder)?;
    println!("disk: writes {:.2} GB/s, reads {:.2} GB/s", write / 1e9, read / 1e9);
    let bytes = options.mib << 20;
    let mut results = Vec::new();
    let mut ratios = std::collections::BTreeMap::new();
    let (mut triad_vs_ssd, mut foreseen, mut touched) = (f64::NAN, 0, 0);
    println!(
        "{:<8} {:>10} {:>10} {:>9} {:>12} {:>9} {:>9} {:>11}",
        "kernel", "in memory", "budget/4", "ratio", "numpy.memmap", "vs numpy", "hit rate", "disk MiB"
    );
    for row in &ROWS {
        let inside = (row.run)(&Context::new(&device(None)?), row.module, bytes, options.rounds)?.as_secs_f64();
        let budget = MemoryBudget {
            pool_bytes: bytes / 4,
            packed_bytes: 0,
            spill_folder: options.folder.clone(),
            spill_bytes: bytes * 4,
        };
        let bound = device(Some(budget))?;
        let before: MemorySnapshot = bound.memory_snapshot().context("a budget has a snapshot")?;
        let outside = (row.run)(&Context::new(&bound), row.module, bytes, options.rounds)?.as_secs_f64();
        let after = bound.memory_snapshot().context("a budget has a snapshot")?;
        let peer = match &options.python {
            Some(python) => peer(python, row.name, bytes, bytes / 4, options.rounds, &options.folder)?,
            None => None,
        };
        let disk = after.traffic.read + after.traffic.written - before.traffic.read - before.traffic.written;
        if row.name == "triad" {
            // Of every round two arrays are read and one written.
            let bound = bytes as f64 / 3.0 * (2.0 / read + 1.0 / write);
            triad_vs_ssd = outside / bound;
        }
        if row.name != "gather" {
            foreseen += after.counters.foreseen;
            touched += after.counters.foreseen + after.counters.missed;
        }
        let versus = peer.map(|peer| peer / outside);
        if let Some(versus) = versus {
            ratios.insert(row.name, versus);
        }
        let show = |value: Option<f64>| value.map_or_else(|| "no cgroup".to_owned(), |value| format!("{value:.3}"));
        println!(
            "{:<8} {inside:>10.3} {outside:>10.3} {:>9.2} {:>12} {:>9} {:>9.3} {:>11}",
            row.name,
            outside / inside,
            show(peer),
            show(versus),
            after.counters.prefetch_hit_rate(),
            disk >> 20
        );
        results
            .push(json!({ "kernel": row.name, "in_memory_s": inside, "out_of_core_s": outside, "numpy_memmap_s": peer,
            "prefetch_hit_rate": after.counters.prefetch_hit_rate(), "disk_bytes": disk }));
    }
    let value = json!({ "alloc_pair_ns": alloc.ns, "mimalloc_pair_ns": alloc.peer_ns, "alloc_mops_t2": alloc.mops,
        "mimalloc_mops_t2": alloc.peer_mops, "disk_write": write, "disk_read": read, "mib": options.mib, "rows": results });
    record::save("memory", &description, &value)?;
    let matmul = ratios.get("matmul").map_or_else(|| "na".to_owned(), |ratio| format!("{ratio:.2}"));
    println!(
        "RESULT alloc_pair_ns={:.0} mimalloc_pair_ns={:.0} alloc_mops_t2={:.2} mimalloc_mops_t2={:.2} triad_vs_ssd={triad_vs_ssd:.2} \
         matmul_vs_mmap={matmul} prefetch_hit={:.3}",
        alloc.ns,
        alloc.peer_ns,
        alloc.mops,
        alloc.peer_mops,
        foreseen as f64 / (touched as f64).max(1.0)
    );
    Ok(())
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("memory-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
