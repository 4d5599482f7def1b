//! Memory pools: what stream-ordered allocations come from.
//!
//! Model. The runtime's allocator caches freed memory for all, so a pool here only counts what came from it and remembers its
//! settings. Allocation takes effect at once; a free when the stream reaches it.

use crate::driver::{self, lock};
use crate::handle::{Kind, Table};
use crate::status::{Result, Status};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

pub(crate) static POOLS: Table<Pool> = Table::new(Kind::Pool);

/// A pool.
pub(crate) struct Pool {
    pub(crate) handle: u64,
    pub(crate) device: i32,
    used: AtomicU64,
    high: AtomicU64,
    threshold: AtomicU64,
    reuse: AtomicU8,
}

#[derive(Default)]
struct Chosen {
    default: Option<Arc<Pool>>,
    current: Option<Arc<Pool>>,
}

static CHOSEN: Mutex<Option<HashMap<i32, Chosen>>> = Mutex::new(None);

impl Pool {
    pub(crate) fn allocated(&self, bytes: u64) {
        let used = self.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.high.fetch_max(used, Ordering::Relaxed);
    }

    pub(crate) fn freed(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(crate) fn high(&self) -> u64 {
        self.high.load(Ordering::Relaxed)
    }

    pub(crate) fn reset_high(&self) {
        self.high.store(self.used(), Ordering::Relaxed);
    }

    pub(crate) fn threshold(&self) -> u64 {
        self.threshold.load(Ordering::Relaxed)
    }

    pub(crate) fn set_threshold(&self, bytes: u64) {
        self.threshold.store(bytes, Ordering::Relaxed);
    }

    /// The reuse policy with that number; only remembered.
    pub(crate) fn reuse(&self, policy: u32) -> bool {
        self.reuse.load(Ordering::Relaxed) >> policy & 1 != 0
    }

    pub(crate) fn set_reuse(&self, policy: u32, on: bool) {
        let bit = 1 << policy;
        if on {
            self.reuse.fetch_or(bit, Ordering::Relaxed);
        } else {
            self.reuse.fetch_and(!bit, Ordering::Relaxed);
        }
    }
}

/// `cuMemPoolCreate`.
pub(crate) fn create(device: i32) -> Result<u64> {
    POOLS.insert_with(|handle| {
        Arc::new(Pool {
            handle,
            device,
            used: AtomicU64::new(0),
            high: AtomicU64::new(0),
            threshold: AtomicU64::new(0),
            reuse: AtomicU8::new(7),
        })
    })
}

fn with<T>(device: i32, look: impl FnOnce(&mut Chosen) -> T) -> Result<T> {
    driver::ordinal(device)?;
    let mut all = lock(&CHOSEN);
    let chosen = all.get_or_insert_default().entry(device).or_default();
    if chosen.default.is_none() {
        let pool = POOLS.get(create(device)?)?;
        chosen.current = Some(Arc::clone(&pool));
        chosen.default = Some(pool);
    }
    Ok(look(chosen))
}

/// A device's own pool.
pub(crate) fn default(device: i32) -> Result<Arc<Pool>> {
    with(device, |chosen| chosen.default.clone())?.ok_or(Status::UNKNOWN)
}

/// The pool that allocations on a device come from now.
pub(crate) fn current(device: i32) -> Result<Arc<Pool>> {
    with(device, |chosen| chosen.current.clone())?.ok_or(Status::UNKNOWN)
}

/// Makes allocations on a device come from a pool.
pub(crate) fn set_current(device: i32, pool: Arc<Pool>) -> Result<()> {
    if pool.device != device {
        return Err(Status::INVALID_VALUE);
    }
    with(device, |chosen| chosen.current = Some(pool))
}

/// `cuMemPoolDestroy`: not for a device's own pool. Allocations stay good until they are freed.
pub(crate) fn destroy(handle: u64) -> Result<()> {
    let pool = POOLS.get(handle)?;
    let default = default(pool.device)?;
    if default.handle == handle {
        return Err(Status::INVALID_VALUE);
    }
    POOLS.remove(handle)?;
    with(pool.device, |chosen| {
        if chosen.current.as_ref().is_some_and(|current| current.handle == handle) {
            chosen.current = Some(default);
        }
    })
}
