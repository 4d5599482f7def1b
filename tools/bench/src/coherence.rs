//! The coherence suite: what the directory costs, alone and with the pages moving.
//!
//! * `dir_mops`: transitions per second of one thread, a million pages in an order that no cache foresees. A transition is an
//!   access or eviction that changes a page's state, so it is at least four steps of the protocol. Every page goes through the
//!   same life: read by one device, read by another, written by the first, read by the second, written by it, evicted.
//!   `dir_mops_t2`: the same with two threads in halves of the pages, per thread.
//! * `move_vs_copy`: time to move every page of a buffer from one device to another and back through the directory, over the time
//!   of the copies that this takes (device to home, home to device) in a plain loop. The peers take turns.
//! * `fault_vs_copy`: the same with kernels that touch one word of each page, so that every move also pays for two faults, the
//!   changes of protection, and the hold: the whole path.

use crate::record;
use anyhow::{Context as _, Result};
use serde_json::json;
use std::cell::RefCell;
use std::convert::Infallible;
use std::hint::black_box;
use std::time::{Duration, Instant};
use vgpu::{Context, Device, DeviceConfig, LaunchConfig, Module, SharedBuffer};
use vgpu_mem::coherence::{Access, Copies, DeviceId, Directory, NoCopies};

/// What to run.
#[derive(clap::Args)]
pub struct Options {
    /// Pages of the directory.
    #[arg(long, default_value_t = 1 << 20)]
    pages: usize,
    /// Rounds of each measurement.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Bytes that move between devices.
    #[arg(long, default_value_t = 64 << 20)]
    bytes: usize,
}

const A: DeviceId = DeviceId(0);
const B: DeviceId = DeviceId(1);
/// Size of a page that moves.
const PAGE: usize = 64 << 10;

/// Runs the suite.
///
/// # Errors
/// A device cannot be made, or the record cannot be written.
pub fn run(options: &Options) -> Result<()> {
    let series = |n_threads| (0..options.rounds).map(move |_| transitions(options.pages, n_threads));
    let alone = median(series(1).collect::<Result<_>>()?) / 1e6;
    let two = median(series(2).collect::<Result<_>>()?) / 1e6;
    println!(
        "directory, {} pages: {alone:.1} M transitions/s on one thread, {two:.1} M/s on each of two",
        options.pages
    );
    let (mut moved, mut copied) = (Vec::new(), Vec::new());
    let mut buffers = Buffers::new(options.bytes);
    let directory = Directory::new::<Infallible>(2, buffers.n_pages)?;
    for _ in 0..options.rounds {
        copied.push(buffers.copy().as_secs_f64());
        moved.push(buffers.move_pages(&directory)?.as_secs_f64());
    }
    let (moved, copied) = (median(moved), median(copied));
    let gigabytes = (4 * buffers.n_pages * PAGE) as f64 / 1e9;
    println!(
        "moves of {} MiB: {:.2} GB/s, plain copies {:.2} GB/s",
        options.bytes >> 20,
        gigabytes / moved,
        gigabytes / copied
    );
    let faulted = median(faults(options)?);
    println!("moves by faults: {:.2} GB/s", gigabytes / faulted);
    let results = json!({
        "pages": options.pages, "dir_mops": alone, "dir_mops_t2": two, "page_bytes": PAGE, "bytes": options.bytes,
        "copy_s": copied, "move_s": moved, "fault_s": faulted,
    });
    record::save("coherence", "two devices on one machine", &results)?;
    println!(
        "RESULT dir_mops={alone:.1} dir_mops_t2={two:.1} move_vs_copy={:.2} fault_vs_copy={:.2}",
        moved / copied,
        faulted / copied
    );
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// One page's life: six accesses and an eviction, all of which change its state.
fn live(directory: &Directory, page: usize) -> Result<u32> {
    use Access::{Read, Write};
    let life = [(A, Read), (B, Read), (A, Write), (B, Read), (B, Write)];
    for (device, access) in life {
        directory.access(device, page, access, &NoCopies)?;
    }
    directory.evict(B, page, &NoCopies)?;
    Ok(life.len() as u32 + 1)
}

/// Transitions per second and thread.
fn transitions(n_pages: usize, n_threads: usize) -> Result<f64> {
    let directory = Directory::new::<Infallible>(2, n_pages)?;
    let part = n_pages / n_threads;
    let worker = |thread: usize| -> Result<f64> {
        // A stride that has no factor in common with the number of pages visits each once, far apart.
        let stride = (0..).map(|idx| part * 5 / 8 + 2 * idx + 1).find(|stride| gcd(*stride, part) == 1).unwrap_or(1);
        let (start, mut done, mut at) = (Instant::now(), 0u64, 0);
        for _ in 0..part {
            done += u64::from(live(&directory, thread * part + at)?);
            at = (at + stride) % part;
        }
        Ok(done as f64 / start.elapsed().as_secs_f64())
    };
    let rates: Vec<f64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..n_threads).map(|thread| scope.spawn(move || worker(thread))).collect();
        let joined = threads.into_iter().map(|thread| thread.join().expect("a measuring thread does not panic"));
        joined.collect::<Result<_>>()
    })?;
    for page in (0..n_pages).step_by(4099) {
        anyhow::ensure!(!directory.may_read(A, page) && !directory.may_read(B, page), "page {page} was left behind");
    }
    Ok(rates.iter().sum::<f64>() / n_threads as f64)
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A home copy and one per device.
struct Buffers {
    n_pages: usize,
    home: RefCell<Vec<u8>>,
    copies: [RefCell<Vec<u8>>; 2],
}

impl Buffers {
    fn new(bytes: usize) -> Self {
        let n_pages = bytes.div_ceil(PAGE).max(1);
        let filled = |value| RefCell::new(vec![value; n_pages * PAGE]);
        Self { n_pages, home: filled(1), copies: [filled(2), filled(3)] }
    }

    /// What moving every page to the second device and back takes, without a directory.
    fn copy(&mut self) -> Duration {
        let start = Instant::now();
        for (from, to) in [(0, 1), (1, 0)] {
            for page in 0..self.n_pages {
                self.to_home(page, from);
                self.fetch_home(page, to);
            }
        }
        start.elapsed()
    }

    fn move_pages(&mut self, directory: &Directory) -> Result<Duration> {
        for page in 0..self.n_pages {
            directory.access(A, page, Access::Write, &*self)?;
        }
        let start = Instant::now();
        for device in [B, A] {
            for page in 0..self.n_pages {
                directory.access(device, page, Access::Write, &*self)?;
            }
        }
        let elapsed = start.elapsed();
        black_box(&self.home);
        Ok(elapsed)
    }

    fn to_home(&self, page: usize, device: usize) {
        let range = page * PAGE..(page + 1) * PAGE;
        self.home.borrow_mut()[range.clone()].copy_from_slice(&self.copies[device].borrow()[range]);
    }

    fn fetch_home(&self, page: usize, device: usize) {
        let range = page * PAGE..(page + 1) * PAGE;
        self.copies[device].borrow_mut()[range.clone()].copy_from_slice(&self.home.borrow()[range]);
    }
}

impl Copies for Buffers {
    type Error = Infallible;

    fn revoke(&self, _: usize, _: DeviceId, _: bool) -> Result<(), Infallible> {
        Ok(())
    }

    fn write_back(&self, page: usize, device: DeviceId) -> Result<(), Infallible> {
        self.to_home(page, usize::from(device.0));
        Ok(())
    }

    fn fill(&self, page: usize, device: DeviceId) -> Result<(), Infallible> {
        self.fetch_home(page, usize::from(device.0));
        Ok(())
    }
}

/// Writes one word of each page.
const TOUCH: &str = ".version 7.0\n.target sm_70\n.address_size 64\n\
    .visible .entry touch(.param .u64 at, .param .u32 n) { .reg .pred %p<2>; .reg .b32 %r<6>; .reg .b64 %rd<4>;\n\
    mov.u32 %r1, %ctaid.x; mov.u32 %r2, %ntid.x; mov.u32 %r3, %tid.x; mad.lo.s32 %r4, %r1, %r2, %r3;\n\
    ld.param.u32 %r5, [n]; setp.ge.u32 %p1, %r4, %r5; @%p1 ret;\n\
    ld.param.u64 %rd1, [at]; mul.wide.u32 %rd2, %r4, 65536; add.s64 %rd3, %rd1, %rd2; st.global.u32 [%rd3], %r4; ret; }\n";

/// Seconds for moving all pages to the second device and back by kernels that write to them, by round.
fn faults(options: &Options) -> Result<Vec<f64>> {
    let config = DeviceConfig { n_workers: 1, ..DeviceConfig::from_environment()? };
    let devices = [Device::new(config.clone())?, Device::new(config)?];
    let n_pages = options.bytes.div_ceil(PAGE).max(1);
    let mut buffer = SharedBuffer::<u8>::zeroed(&devices, n_pages * PAGE)?;
    let mut sides = Vec::new();
    for device in &devices {
        let context = Context::new(device);
        let kernel = Module::load(&context, TOUCH)?.kernel("touch")?;
        sides.push((context.default_stream(), kernel));
    }
    let n = u32::try_from(n_pages).context("too many pages")?;
    let mut touch = |side: usize| -> Result<()> {
        let (stream, kernel) = &sides[side];
        kernel.launch_with(stream, &LaunchConfig::new(n, 1), (&mut buffer, n))?;
        Ok(stream.synchronize()?)
    };
    // The first round brings the memory itself.
    for side in [0, 1, 0] {
        touch(side)?;
    }
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        let start = Instant::now();
        touch(1)?;
        touch(0)?;
        rounds.push(start.elapsed().as_secs_f64());
    }
    Ok(rounds)
}
