//! One launch on several devices: who runs which blocks, and how fast each device was.
//!
//! Model. A split launch is one launch, of one stream and one kernel, whose blocks are run by the workers of several devices.
//! Every device begins with a range of blocks in proportion to its speed with this kernel, as earlier split launches measured it
//! (before the first, to its number of workers), and its workers claim from that range in rising order. A device whose
//! range is used up takes a part of the largest range that is left, in proportion to the two devices' speeds, from its
//! end. So a device that turns out slow, or is held up, keeps nobody waiting for more than its claims.
//!
//! A device may be limited to a part of the blocks ([`SplitDevice::at_most`]), which is how power and temperature limits
//! lower its share.
//!
//! Blocks that wait for earlier ones (decoupled look-back) still end: the lowest block that has not ended is either being
//! run, or is the next that some device will claim, and a device's worker that waits, waits for a lower block.
//!
//! Which kernels may be split: see [`check`]. Memory: all devices reach all plain memory, atomics included, and the module's
//! variables exist once; [`crate::Replicated`] memory has a copy per device, of which each device is given its own address.

pub(crate) mod check;
mod ranges;
mod speed;

pub(crate) use ranges::Supply;
pub(crate) use speed::SpeedBook;

use crate::device::{Device, DeviceShared};
use crate::error::Error;
use crate::exec::frame::LaunchFrame;
use crate::exec::scratch::Slot;
use crate::launch::Launch;
use crate::pool::Job;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;
use vgpu_types::Dim3;

/// One of the devices of a split launch.
#[derive(Clone, Debug)]
pub struct SplitDevice {
    /// The device.
    pub device: Device,
    /// The largest part of the blocks that it runs, from 0 to 1.
    pub at_most: f64,
}

impl SplitDevice {
    /// A device without a limit.
    pub fn new(device: &Device) -> Self {
        Self { device: device.clone(), at_most: 1.0 }
    }

    /// The same with a limit.
    pub const fn at_most(mut self, part: f64) -> Self {
        self.at_most = part;
        self
    }
}

/// What one device did of a split launch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SplitPart {
    /// Blocks that it was given at the start.
    pub planned_blocks: u64,
    /// Blocks that it ran.
    pub blocks: u64,
    /// Of those, blocks that it took from other devices.
    pub taken_blocks: u64,
    /// From its first claim to the end of its last block.
    pub seconds: f64,
}

/// A split launch that was enqueued.
#[derive(Clone)]
pub struct SplitLaunch {
    launch: Arc<Launch>,
}

impl std::fmt::Debug for SplitLaunch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SplitLaunch").field(&self.parts()).finish()
    }
}

impl SplitLaunch {
    pub(crate) const fn new(launch: Arc<Launch>) -> Self {
        Self { launch }
    }

    /// What each device has done so far, in the order of the launch's devices; final when its stream is synchronised.
    pub fn parts(&self) -> Vec<SplitPart> {
        self.launch.split().map(Split::parts).unwrap_or_default()
    }
}

/// One device's part of a launch.
pub(crate) struct Share {
    device: Arc<DeviceShared>,
    /// The launch's frame with this device's parameters; `None` when they are the launch's own.
    frame: Option<LaunchFrame>,
    /// Number of its first worker among those of the launch.
    first_worker: u32,
    planned: u64,
    began: OnceLock<Instant>,
    /// Nanoseconds from `began` to the end of its latest worker.
    elapsed_ns: AtomicU64,
}

/// The devices of a launch.
pub(crate) struct Split {
    shares: Vec<Share>,
    supply: Supply,
    /// Portions that have not completed.
    open: AtomicUsize,
    key: SpeedKey,
    _keep: Vec<Arc<dyn Send + Sync>>,
}

/// What a speed is known for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SpeedKey {
    pub(crate) kernel: Arc<str>,
    pub(crate) module: [u8; 32],
    pub(crate) block: Dim3,
}

/// A device's way to take part, before its range is known.
pub(crate) struct Taker {
    pub(crate) device: Arc<DeviceShared>,
    pub(crate) at_most: f64,
    pub(crate) frame: Option<LaunchFrame>,
}

impl Split {
    /// Divides `total` blocks among devices.
    pub(crate) fn new(takers: Vec<Taker>, total: u64, key: SpeedKey, keep: Vec<Arc<dyn Send + Sync>>) -> Self {
        let workers = |taker: &Taker| f64::from(taker.device.properties().multiprocessor_count);
        let known: Vec<Option<f64>> = takers.iter().map(|taker| taker.device.speeds().get(&key)).collect();
        let speeds: Vec<f64> = if known.iter().all(Option::is_some) {
            known.into_iter().flatten().collect()
        } else {
            takers.iter().map(workers).collect()
        };
        let limits: Vec<f64> = takers.iter().map(|taker| taker.at_most).collect();
        let supply = Supply::new(total, &speeds, &limits);
        let planned = supply.planned();
        let mut first_worker = 0;
        let share = |(taker, planned): (Taker, u64)| {
            let first = first_worker;
            first_worker += taker.device.properties().multiprocessor_count;
            let (began, elapsed_ns) = (OnceLock::new(), AtomicU64::new(0));
            let Taker { device, frame, .. } = taker;
            Share { device, frame, first_worker: first, planned, began, elapsed_ns }
        };
        let shares: Vec<Share> = takers.into_iter().zip(planned).map(share).collect();
        Self { open: AtomicUsize::new(shares.len()), shares, supply, key, _keep: keep }
    }

    fn parts(&self) -> Vec<SplitPart> {
        let done = self.supply.counts();
        let part = |(share, (blocks, taken_blocks)): (&Share, (u64, u64))| SplitPart {
            planned_blocks: share.planned,
            blocks,
            taken_blocks,
            seconds: share.elapsed_ns.load(Ordering::Acquire) as f64 * 1e-9,
        };
        self.shares.iter().zip(done).map(part).collect()
    }

    /// Puts the launch up on every device.
    pub(crate) fn publish(launch: &Arc<Launch>) {
        let Some(split) = launch.split() else { return };
        for (idx, share) in split.shares.iter().enumerate() {
            share.device.pool().publish(Arc::new(Portion { launch: Arc::clone(launch), idx }));
        }
    }

    /// Notes the speeds; called when all blocks have ended well.
    pub(crate) fn learn(&self) {
        for (share, part) in self.shares.iter().zip(self.parts()) {
            if part.blocks > 0 && part.seconds > 0.0 {
                share.device.speeds().learn(&self.key, part.blocks as f64 / part.seconds);
            }
        }
    }

    /// The frame that blocks of a device are given.
    pub(crate) fn frame(&self, idx: usize) -> Option<&LaunchFrame> {
        self.shares[idx].frame.as_ref()
    }

    pub(crate) fn first_worker(&self, idx: usize) -> u32 {
        self.shares[idx].first_worker
    }

    pub(crate) fn device(&self, idx: usize) -> &DeviceShared {
        &self.shares[idx].device
    }

    pub(crate) const fn supply(&self) -> &Supply {
        &self.supply
    }
}

/// A device's part as a job of its pool.
struct Portion {
    launch: Arc<Launch>,
    idx: usize,
}

impl Portion {
    fn split(&self) -> &Split {
        self.launch.split().expect("only split launches have portions")
    }
}

impl Job for Portion {
    fn has_work(&self) -> bool {
        !self.launch.frame.is_stopping() && self.split().supply.has_work(self.idx)
    }

    fn max_participants(&self) -> u32 {
        u32::MAX
    }

    fn priority(&self) -> i32 {
        self.launch.stream.priority()
    }

    fn run(&self, slot: &mut Slot) {
        let share = &self.split().shares[self.idx];
        let began = *share.began.get_or_init(Instant::now);
        self.launch.run_portion(self.idx, slot);
        let elapsed = began.elapsed().as_nanos().try_into().unwrap_or(u64::MAX);
        share.elapsed_ns.fetch_max(elapsed, Ordering::AcqRel);
    }

    fn complete(&self) {
        if self.split().open.fetch_sub(1, Ordering::AcqRel) == 1 {
            Job::complete(&*self.launch);
        }
    }
}

/// Checks what a caller wants of the devices of a split launch.
pub(crate) fn check_devices(devices: &[SplitDevice]) -> Result<(), Error> {
    let wrong = |what: String| Err(Error::SplitDevices { what });
    if devices.is_empty() {
        return wrong("there is none".to_owned());
    }
    for (idx, one) in devices.iter().enumerate() {
        if !(0.0..=1.0).contains(&one.at_most) {
            return wrong(format!("{} is limited to {} of the blocks", one.device.label(), one.at_most));
        }
        if devices[..idx].iter().any(|other| Arc::ptr_eq(&other.device.shared, &one.device.shared)) {
            return wrong(format!("{} is named twice", one.device.label()));
        }
    }
    let sum: f64 = devices.iter().map(|one| one.at_most).sum();
    if sum < 1.0 {
        return wrong(format!("their limits add up to {sum}, so that some blocks could run nowhere"));
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
