//! Allocations: what an address belongs to, for pointer attributes, frees and copies.
//!
//! Model. The runtime knows the live allocations of each device; the registry here knows what CUDA adds: how an allocation
//! was made, by which context, and host memory that was allocated or registered. Host and device addresses are the same numbers,
//! so every address means the same to kernels and host.

use crate::abi::host_place;
use crate::context::Context;
use crate::driver::{self, driver};
use crate::pool::POOLS;
use crate::status::{Result, Status};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use vgpu_runtime::{DevicePtr, Place};

/// How an allocation was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Device,
    Managed,
    /// From a pool with that handle.
    Pool(u64),
    Host,
    Registered,
    /// A part of a reserved range with memory mapped to it.
    Mapped,
}

/// What is known of an allocation.
#[derive(Clone, Debug)]
pub(crate) struct Allocation {
    pub(crate) start: u64,
    pub(crate) bytes: u64,
    pub(crate) origin: Origin,
    pub(crate) flags: u32,
    pub(crate) context: Arc<Context>,
    pub(crate) id: u64,
}

static REGISTRY: RwLock<BTreeMap<u64, Arc<Allocation>>> = RwLock::new(BTreeMap::new());
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("id", &self.id).finish_non_exhaustive()
    }
}

fn read() -> RwLockReadGuard<'static, BTreeMap<u64, Arc<Allocation>>> {
    REGISTRY.read().unwrap_or_else(PoisonError::into_inner)
}

fn write() -> RwLockWriteGuard<'static, BTreeMap<u64, Arc<Allocation>>> {
    REGISTRY.write().unwrap_or_else(PoisonError::into_inner)
}

/// Enters an allocation.
pub(crate) fn register(context: &Arc<Context>, start: u64, bytes: u64, origin: Origin, flags: u32) {
    let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    let allocation = Allocation { start, bytes, origin, flags, context: Arc::clone(context), id };
    write().insert(start, Arc::new(allocation));
}

/// Takes out the allocation that starts there, if it is one that `accepted` picks.
pub(crate) fn unregister(start: u64, accepted: impl Fn(Origin) -> bool) -> Option<Arc<Allocation>> {
    let mut all = write();
    if !all.get(&start).is_some_and(|allocation| accepted(allocation.origin)) {
        return None;
    }
    all.remove(&start)
}

/// The registered allocation that contains an address.
pub(crate) fn find(address: u64) -> Option<Arc<Allocation>> {
    let all = read();
    let (_, allocation) = all.range(..=address).next_back()?;
    (address - allocation.start < allocation.bytes.max(1)).then(|| Arc::clone(allocation))
}

/// Whether a range touches a registered allocation.
pub(crate) fn overlaps(start: u64, bytes: u64) -> bool {
    let end = start.saturating_add(bytes);
    read().range(..end).next_back().is_some_and(|(_, last)| last.start.saturating_add(last.bytes) > start)
}

/// Device memory for a context.
pub(crate) fn alloc_device(context: &Arc<Context>, bytes: u64, origin: Origin, flags: u32) -> Result<u64> {
    if bytes == 0 {
        return Err(Status::INVALID_VALUE);
    }
    let address = context.runtime.alloc(bytes)?.0;
    register(context, address, bytes, origin, flags);
    Ok(address)
}

/// Frees device or managed memory; who made it does not matter.
pub(crate) fn free_device(address: u64) -> Result<()> {
    take_device(address)?.context.runtime.free(DevicePtr(address))?;
    Ok(())
}

/// Takes device or managed memory out of the registry and its pool's account; the caller frees it.
pub(crate) fn take_device(address: u64) -> Result<Arc<Allocation>> {
    let of_device = |origin| matches!(origin, Origin::Device | Origin::Managed | Origin::Pool(_));
    let allocation = unregister(address, of_device).ok_or(Status::INVALID_VALUE)?;
    if let Origin::Pool(pool) = allocation.origin
        && let Some(pool) = POOLS.find(pool)
    {
        pool.freed(allocation.bytes);
    }
    Ok(allocation)
}

/// Page-locked host memory.
pub(crate) fn alloc_host(context: &Arc<Context>, bytes: u64, flags: u32) -> Result<u64> {
    if bytes == 0 {
        return Err(Status::INVALID_VALUE);
    }
    let address = driver()?.host.alloc(bytes)?;
    register(context, address, bytes, Origin::Host, flags);
    Ok(address)
}

/// Frees page-locked host memory. Work in flight may use it, so the context's work ends first, as with CUDA.
pub(crate) fn free_host(address: u64) -> Result<()> {
    let allocation = unregister(address, |origin| origin == Origin::Host).ok_or(Status::INVALID_VALUE)?;
    // A sticky error does not keep memory from being freed.
    let _ = allocation.context.runtime.synchronize();
    driver()?.host.free(address)?;
    Ok(())
}

/// A context ends: its memory goes with it. The runtime frees device memory itself.
pub(crate) fn forget_context(id: u64) {
    let mut all = write();
    let ended: Vec<_> = all.values().filter(|allocation| allocation.context.id == id).cloned().collect();
    for allocation in &ended {
        all.remove(&allocation.start);
    }
    drop(all);
    for allocation in ended {
        // Registered above as live; nobody else has freed it since.
        let _ = match allocation.origin {
            Origin::Device | Origin::Managed | Origin::Pool(_) => {
                allocation.context.runtime.free(DevicePtr(allocation.start)).map_err(Status::from)
            }
            Origin::Host => driver().and_then(|driver| driver.host.free(allocation.start).map_err(Status::from)),
            Origin::Registered | Origin::Mapped => Ok(()),
        };
    }
}

/// What a caller says an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// An address that the device must know.
    Device,
    /// Any memory.
    Any,
}

/// An end of a copy, found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Located {
    pub(crate) place: Place,
    /// Memory that the device knows; other host memory is pageable, and asynchronous copies of it are staged.
    pub(crate) is_known: bool,
}

/// Finds what `bytes` bytes at `address` are. An address in memory of ours that is not allocated now, or a range that
/// leaves its allocation, is `CUDA_ERROR_INVALID_VALUE`.
pub(crate) fn locate(context: &Context, address: u64, bytes: u64, expected: Expected) -> Result<Located> {
    let pointer = DevicePtr(address);
    if bytes == 0 {
        return Ok(Located { place: host_place(address), is_known: true });
    }
    if address == 0 {
        return Err(Status::INVALID_VALUE);
    }
    let inside = |start: u64, len: u64| {
        let end = (address - start).checked_add(bytes);
        if end.is_some_and(|end| end <= len) { Ok(()) } else { Err(Status::INVALID_VALUE) }
    };
    for ordinal in &driver()?.devices {
        if !ordinal.device.contains(pointer) {
            continue;
        }
        let (start, len) = ordinal.device.allocation(pointer).ok_or(Status::INVALID_VALUE)?;
        inside(start.0, len)?;
        let own = std::ptr::eq(ordinal, context.ordinal);
        // Another device's memory is reached by its address, which is good in the whole process.
        let place = if own { Place::Device(pointer) } else { host_place(address) };
        return Ok(Located { place, is_known: true });
    }
    if let Some(allocation) = find(address) {
        inside(allocation.start, allocation.bytes)?;
        return Ok(Located { place: host_place(address), is_known: true });
    }
    if expected == Expected::Device || driver::is_ours(address) {
        return Err(Status::INVALID_VALUE);
    }
    Ok(Located { place: host_place(address), is_known: false })
}
