//! Virtual memory management: addresses, memory, and one mapped into the other.

use crate::abi::{AccessDesc, AllocationProp, In, Location, Out, entries};
use crate::context;
use crate::driver::{self, lock};
use crate::handle::{Kind, Table};
use crate::memory::{self, Origin};
use crate::status::{Result, Status};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use vgpu_runtime::{Access, Physical, Reservation};

/// Sizes and offsets are multiples of this.
const GRANULARITY: usize = 2 << 20;

static MEMORY: Table<Memory> = Table::new(Kind::Physical);
static RANGES: Mutex<BTreeMap<u64, Range>> = Mutex::new(BTreeMap::new());

struct Memory {
    physical: Arc<Physical>,
    prop: AllocationProp,
}

struct Range {
    reservation: Reservation,
    /// What is mapped: offset to length, memory handle, access.
    mappings: BTreeMap<u64, Mapping>,
}

struct Mapping {
    bytes: u64,
    handle: u64,
    access: u32,
    /// Stays as long as it is mapped, also when its handle is released.
    memory: Arc<Memory>,
}

fn check_size(bytes: usize) -> Result<()> {
    if bytes == 0 || !bytes.is_multiple_of(GRANULARITY) { Err(Status::INVALID_VALUE) } else { Ok(()) }
}

fn check_prop(prop: &AllocationProp) -> Result<()> {
    if prop.kind != 1 {
        return Err(Status::INVALID_VALUE);
    }
    if prop.handle_types != 0 {
        return Err(Status::NOT_SUPPORTED);
    }
    match prop.location.kind {
        1 => driver::ordinal(prop.location.id).map(drop),
        2..=4 => Ok(()),
        _ => Err(Status::INVALID_VALUE),
    }
}

/// Runs on the reserved range that contains an address, with the offset in it.
fn with_range<T>(address: u64, run: impl FnOnce(&mut Range, u64) -> Result<T>) -> Result<T> {
    let mut ranges = lock(&RANGES);
    let (start, range) = ranges.range_mut(..=address).next_back().ok_or(Status::INVALID_VALUE)?;
    let offset = address - start;
    if offset >= range.reservation.bytes() {
        return Err(Status::INVALID_VALUE);
    }
    run(range, offset)
}

/// The mappings that lie in a part, which must consist of whole ones.
fn whole_mappings(range: &Range, offset: u64, bytes: u64) -> Result<Vec<u64>> {
    let end = offset.checked_add(bytes).ok_or(Status::INVALID_VALUE)?;
    let mut next = offset;
    let mut found = Vec::new();
    for (&at, mapping) in range.mappings.range(offset..end) {
        if at != next {
            return Err(Status::INVALID_VALUE);
        }
        next = at + mapping.bytes;
        found.push(at);
    }
    if next == end { Ok(found) } else { Err(Status::INVALID_VALUE) }
}

entries! {
    fn cuMemGetAllocationGranularity(to: Out<usize>, prop: In<AllocationProp>, option: u32) {
        to.check()?;
        check_prop(&prop.get()?)?;
        if option > 1 { Err(Status::INVALID_VALUE) } else { to.set(GRANULARITY) }
    }

    fn cuMemAddressReserve(to: Out<u64>, bytes: usize, align: usize, wanted: u64, flags: u64) {
        // A wanted address is a hint.
        let _ = wanted;
        to.check()?;
        check_size(bytes)?;
        if flags != 0 || align != 0 && !align.is_power_of_two() {
            return Err(Status::INVALID_VALUE);
        }
        let reservation = Reservation::new(bytes as u64, align.max(GRANULARITY) as u64)
            .map_err(|_| Status::OUT_OF_MEMORY)?;
        let start = reservation.start();
        lock(&RANGES).insert(start, Range { reservation, mappings: BTreeMap::new() });
        to.set(start)
    }

    fn cuMemAddressFree(address: u64, bytes: usize) {
        let mut ranges = lock(&RANGES);
        let range = ranges.get(&address).ok_or(Status::INVALID_VALUE)?;
        if range.reservation.bytes() != bytes as u64 || !range.mappings.is_empty() {
            return Err(Status::INVALID_VALUE);
        }
        ranges.remove(&address);
        Ok(())
    }

    fn cuMemCreate(to: Out<u64>, bytes: usize, prop: In<AllocationProp>, flags: u64) {
        to.check()?;
        check_size(bytes)?;
        let prop = prop.get()?;
        check_prop(&prop)?;
        if flags != 0 {
            return Err(Status::INVALID_VALUE);
        }
        if bytes as u64 > driver::ordinal(0)?.device.properties().total_global_mem_bytes {
            return Err(Status::OUT_OF_MEMORY);
        }
        let physical = Arc::new(Physical::new(bytes as u64).map_err(|_| Status::OUT_OF_MEMORY)?);
        to.set(MEMORY.insert(Memory { physical, prop })?)
    }

    fn cuMemRelease(handle: u64) {
        MEMORY.remove(handle).map(drop).map_err(|_| Status::INVALID_VALUE)
    }

    fn cuMemMap(address: u64, bytes: usize, offset: usize, handle: u64, flags: u64) {
        check_size(bytes)?;
        let memory = MEMORY.get(handle).map_err(|_| Status::INVALID_VALUE)?;
        if flags != 0 || offset != 0 {
            return Err(Status::INVALID_VALUE);
        }
        with_range(address, |range, at| {
            let end = at.checked_add(bytes as u64).ok_or(Status::INVALID_VALUE)?;
            let taken = range.mappings.range(..end).next_back().is_some_and(|(start, last)| start + last.bytes > at);
            if taken || !at.is_multiple_of(GRANULARITY as u64) {
                return Err(Status::INVALID_VALUE);
            }
            range.reservation.map(at, bytes as u64, &memory.physical, 0)?;
            let mapping = Mapping { bytes: bytes as u64, handle, access: 0, memory };
            range.mappings.insert(at, mapping);
            Ok(())
        })
    }

    fn cuMemUnmap(address: u64, bytes: usize) {
        check_size(bytes)?;
        if let Ok(context) = context::current() {
            // Work in flight may use it; its errors are told elsewhere.
            let _ = context.runtime.synchronize();
        }
        with_range(address, |range, at| {
            for offset in whole_mappings(range, at, bytes as u64)? {
                range.mappings.remove(&offset);
                let start = range.reservation.start() + offset;
                memory::unregister(start, |origin| origin == Origin::Mapped);
            }
            range.reservation.unmap(at, bytes as u64)?;
            Ok(())
        })
    }

    fn cuMemSetAccess(address: u64, bytes: usize, map: In<AccessDesc>, n: usize) {
        check_size(bytes)?;
        let context = context::current().or_else(|_| context::retain_primary(0))?;
        let access = map.list(n)?;
        // The device and the host see the same pages: the widest of what is asked for counts.
        let widest = access.iter().map(|it| it.flags).max().ok_or(Status::INVALID_VALUE)?;
        let allowed = match widest {
            0 => Access::None,
            1 => Access::Read,
            3 => Access::ReadWrite,
            _ => return Err(Status::INVALID_VALUE),
        };
        with_range(address, |range, at| {
            for offset in whole_mappings(range, at, bytes as u64)? {
                let start = range.reservation.start() + offset;
                let Some(mapping) = range.mappings.get_mut(&offset) else { continue };
                mapping.access = widest;
                range.reservation.protect(offset, mapping.bytes, allowed)?;
                memory::unregister(start, |origin| origin == Origin::Mapped);
                if widest != 0 {
                    memory::register(&context, start, mapping.bytes, Origin::Mapped, 0);
                }
            }
            Ok(())
        })
    }

    fn cuMemGetAccess(flags: Out<u64>, location: In<Location>, address: u64) {
        flags.check()?;
        location.get()?;
        let access = with_range(address, |range, at| {
            let found = range.mappings.range(..=at).next_back().filter(|(start, last)| *start + last.bytes > at);
            found.map(|(_, mapping)| mapping.access).ok_or(Status::INVALID_VALUE)
        })?;
        flags.set(access.into())
    }

    fn cuMemGetAllocationPropertiesFromHandle(prop: Out<AllocationProp>, handle: u64) {
        prop.set(MEMORY.get(handle).map_err(|_| Status::INVALID_VALUE)?.prop)
    }

    fn cuMemRetainAllocationHandle(to: Out<u64>, address: u64) {
        to.check()?;
        let memory = with_range(address, |range, at| {
            let found = range.mappings.range(..=at).next_back().filter(|(start, last)| *start + last.bytes > at);
            let (_, mapping) = found.ok_or(Status::INVALID_VALUE)?;
            MEMORY.get(mapping.handle).or_else(|_| Ok(Arc::clone(&mapping.memory)))
        })?;
        let again = Memory { physical: Arc::clone(&memory.physical), prop: memory.prop };
        to.set(MEMORY.insert(again)?)
    }

    fn cuMemExportToShareableHandle(to: Out<u8>, handle: u64, kind: u32, flags: u64) {
        let _ = (kind, flags);
        to.check()?;
        MEMORY.get(handle).map_err(|_| Status::INVALID_VALUE)?;
        Err(Status::NOT_SUPPORTED)
    }
}
