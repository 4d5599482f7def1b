//! The device address space: allocation, lookup by address, statistics.
//!
//! Model. One reserved range of virtual addresses is the device's memory; an address in it is a host address, so kernels and
//! the host use the same pointer. A *small* allocation (up to 64 KiB) comes from a size class of a slab; a *large* one has pages
//! of its own with an inaccessible page behind it, so that running over its end faults. A freed large allocation stays
//! committed in a cache (touching fresh pages is the expensive part of an allocation) until the cache is over its bound;
//! then its pages go back and its addresses become free. An allocation that is being copied from or to is *pinned*: a
//! `free` takes effect when the last pin is gone.
//!
//! With a memory budget (`paged`) large allocations are whole pages of the pager and go back at once when they are freed.
//!
//! What it does not do: zeroing (device memory is undefined after allocation, as in CUDA).

use crate::account::Account;
use crate::error::Error;
use crate::paged::{Backing, End, MemoryBudget};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An address in device memory. `DevicePtr::NULL` is no address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct DevicePtr(pub u64);

impl DevicePtr {
    /// No address.
    pub const NULL: Self = Self(0);

    /// The address `bytes` further on.
    pub const fn offset(self, bytes: u64) -> Self {
        Self(self.0.wrapping_add(bytes))
    }
}

impl fmt::Display for DevicePtr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// How much device memory there is and how much is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryInfo {
    /// Bytes the device has.
    pub total_bytes: u64,
    /// Bytes in live allocations, rounded up to their size classes.
    pub used_bytes: u64,
    /// Largest `used_bytes` so far.
    pub peak_bytes: u64,
    /// Bytes freed but kept committed for reuse.
    pub cached_bytes: u64,
    /// Number of live allocations.
    pub allocations: usize,
}

/// Alignment of every allocation.
const ALIGN: u64 = 512;
/// Largest allocation that shares a slab with others.
const SMALL_LIMIT: u64 = 64 << 10;
/// Bytes of a slab.
const SLAB_BYTES: u64 = 4 << 20;
/// Size of a huge page.
const HUGE: u64 = 2 << 20;
/// Cached bytes that are always allowed.
const CACHE_FLOOR: u64 = 256 << 20;

#[derive(Debug)]
struct Entry {
    /// Size asked for.
    bytes: u64,
    /// Size of its class.
    class: u64,
    pins: u32,
    freed: bool,
}

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<u64, Entry>,
    /// Freed and committed, by class.
    cache: BTreeMap<u64, Vec<u64>>,
    /// Uncommitted address ranges below `next`: offset to length.
    holes: BTreeMap<u64, u64>,
    /// Offset of the address space never used yet.
    next: u64,
    /// Unused part of the current slab: offset and bytes left.
    slab: (u64, u64),
    used: u64,
    peak: u64,
    cached: u64,
}

/// The memory of one device.
#[derive(Debug)]
pub(crate) struct DeviceMemory {
    range: Backing,
    capacity: u64,
    state: Mutex<State>,
    /// Told how much is in use; host memory has none.
    account: Option<Arc<Account>>,
}

/// A range of a live allocation that stays mapped as long as this exists.
#[derive(Debug)]
pub(crate) struct Pinned {
    memory: Arc<DeviceMemory>,
    allocation: u64,
    address: u64,
    bytes: u64,
}

impl Pinned {
    /// First address.
    pub(crate) const fn address(&self) -> u64 {
        self.address
    }

    /// Length in bytes.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// As an end of a copy.
    pub(crate) fn end(&self) -> End<'_> {
        End { address: self.address, pager: self.memory.range.pager() }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let mut state = self.memory.lock();
        if let Some(entry) = state.entries.get_mut(&self.allocation) {
            entry.pins -= 1;
            if entry.freed && entry.pins == 0 {
                self.memory.release(&mut state, self.allocation);
            }
        }
    }
}

/// Memory for host buffers that kernels may use as well: the same allocator over address space of its own.
#[derive(Clone, Debug)]
pub struct HostMemory {
    memory: Arc<DeviceMemory>,
}

impl HostMemory {
    /// Memory of at most `capacity` bytes.
    ///
    /// # Errors
    /// [`Error::System`] when the system refuses address space.
    pub fn new(capacity: u64) -> Result<Self, Error> {
        Ok(Self { memory: DeviceMemory::new(1 << 40, capacity, None, None)? })
    }

    /// Allocates `bytes` bytes, aligned to 512, readable and writable by everybody in the process.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn alloc(&self, bytes: u64) -> Result<u64, Error> {
        Ok(self.memory.alloc(bytes)?.0)
    }

    /// Frees an allocation.
    ///
    /// # Errors
    /// [`Error::InvalidFree`].
    pub fn free(&self, address: u64) -> Result<(), Error> {
        self.memory.free(DevicePtr(address))
    }

    /// Whether the address lies in this memory, allocated or not.
    pub fn contains(&self, address: u64) -> bool {
        self.memory.contains(address)
    }
}

/// The size class of an allocation: eight steps per power of two.
fn class_of(bytes: u64, granule: u64) -> u64 {
    let bytes = bytes.max(1).next_multiple_of(ALIGN);
    let step = (bytes.next_power_of_two() / 16).max(ALIGN);
    let step = if bytes > SMALL_LIMIT { step.max(granule) } else { step };
    bytes.next_multiple_of(step)
}

impl DeviceMemory {
    /// An address space of `reserve` bytes of which at most `capacity` are in use at a time.
    /// `budget` bounds the memory behind it; it comes with the number of threads that run kernels.
    pub(crate) fn new(
        reserve: u64,
        capacity: u64,
        budget: Option<(&MemoryBudget, u32)>,
        account: Option<Arc<Account>>,
    ) -> Result<Arc<Self>, Error> {
        let range = Backing::new(reserve, budget)?;
        // The first address is a multiple of a huge page.
        let first = range.base().next_multiple_of(HUGE) - range.base();
        let state = State { next: first, ..State::default() };
        Ok(Arc::new(Self { range, capacity, state: Mutex::new(state), account }))
    }

    fn tell(&self, used_bytes: u64) {
        if let Some(account) = &self.account {
            account.set_memory(used_bytes);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every update leaves the state consistent before it can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pager, when there is a budget.
    pub(crate) const fn pager(&self) -> Option<&vgpu_mem::pager::Pager> {
        self.range.pager()
    }

    /// Whether the address lies in the device's address space, allocated or not.
    pub(crate) fn contains(&self, address: u64) -> bool {
        address.wrapping_sub(self.range.base()) < self.range.len()
    }

    pub(crate) fn info(&self) -> MemoryInfo {
        let state = self.lock();
        MemoryInfo {
            total_bytes: self.capacity,
            used_bytes: state.used,
            peak_bytes: state.peak,
            cached_bytes: state.cached,
            allocations: state.entries.values().filter(|entry| !entry.freed).count(),
        }
    }

    /// Allocates at least `bytes` bytes. Zero bytes give a valid address that must not be accessed.
    pub(crate) fn alloc(&self, bytes: u64) -> Result<DevicePtr, Error> {
        let mut state = self.lock();
        let refused = |state: &State| Error::OutOfMemory {
            requested: bytes,
            free: self.capacity - state.used,
            total: self.capacity,
        };
        if bytes > self.capacity - state.used {
            return Err(refused(&state));
        }
        let class = class_of(bytes, self.range.granule());
        let cached = state.cache.get_mut(&class).and_then(Vec::pop);
        let address = if let Some(address) = cached {
            state.cached -= class;
            address
        } else {
            if state.used + state.cached + class > self.capacity {
                self.trim(&mut state, 0);
            }
            let fresh = if class <= SMALL_LIMIT {
                self.fresh_small(&mut state, class)
            } else {
                self.fresh_large(&mut state, class)
            };
            match fresh {
                Ok(Some(address)) => address,
                Err(error @ Error::Memory(_)) => return Err(error),
                Ok(None) | Err(_) => return Err(refused(&state)),
            }
        };
        state.used += class;
        state.peak = state.peak.max(state.used);
        self.tell(state.used);
        state.entries.insert(address, Entry { bytes, class, pins: 0, freed: false });
        Ok(DevicePtr(address))
    }

    fn fresh_small(&self, state: &mut State, class: u64) -> Result<Option<u64>, Error> {
        if state.slab.1 < class {
            // The rest of the old slab stays unused: at most one small allocation's worth per slab.
            let taken = take_addresses(state, SLAB_BYTES, HUGE, self.range.len(), self.range.base());
            let Some(offset) = taken else { return Ok(None) };
            if let Err(error) = self.range.commit(offset, SLAB_BYTES) {
                give_addresses(state, offset, SLAB_BYTES);
                return Err(error);
            }
            state.slab = (offset, SLAB_BYTES);
        }
        let offset = state.slab.0;
        state.slab = (offset + class, state.slab.1 - class);
        Ok(Some(self.range.base() + offset))
    }

    fn fresh_large(&self, state: &mut State, class: u64) -> Result<Option<u64>, Error> {
        let guard = self.range.granule();
        let align = if class >= HUGE { HUGE } else { guard };
        let taken = take_addresses(state, class + guard, align, self.range.len(), self.range.base());
        let Some(offset) = taken else { return Ok(None) };
        if let Err(error) = self.range.commit(offset, class) {
            give_addresses(state, offset, class + guard);
            return Err(error);
        }
        if class >= HUGE {
            self.range.advise_huge(offset, class);
        }
        Ok(Some(self.range.base() + offset))
    }

    /// Frees the allocation that starts at `address`; the null address is accepted and ignored.
    pub(crate) fn free(&self, address: DevicePtr) -> Result<(), Error> {
        if address == DevicePtr::NULL {
            return Ok(());
        }
        let mut state = self.lock();
        match state.entries.get_mut(&address.0) {
            Some(entry) if !entry.freed => entry.freed = true,
            _ => return Err(Error::InvalidFree { address }),
        }
        if state.entries[&address.0].pins == 0 {
            self.release(&mut state, address.0);
        }
        Ok(())
    }

    fn release(&self, state: &mut State, address: u64) {
        let Some(entry) = state.entries.remove(&address) else { return };
        state.used -= entry.class;
        self.tell(state.used);
        if self.pager().is_some() && entry.class > SMALL_LIMIT {
            // Nothing is gained by keeping it: the pager's frames are memory that was touched before.
            let offset = address - self.range.base();
            if self.range.decommit(offset, entry.class).is_ok() {
                give_addresses(state, offset, entry.class + self.range.granule());
            }
            return;
        }
        state.cached += entry.class;
        state.cache.entry(entry.class).or_default().push(address);
        if entry.class > SMALL_LIMIT {
            let bound = CACHE_FLOOR.max(self.capacity / 8);
            if state.cached > bound {
                self.trim(state, bound / 2);
            }
        }
    }

    /// Gives cached large allocations back to the system, largest first, until at most `bound` bytes are cached.
    fn trim(&self, state: &mut State, bound: u64) {
        while state.cached > bound {
            let Some((&class, addresses)) = state.cache.iter_mut().rev().find(|(_, addresses)| !addresses.is_empty())
            else {
                return;
            };
            if class <= SMALL_LIMIT {
                return;
            }
            let address = addresses.pop().expect("the search skipped empty lists");
            state.cached -= class;
            let offset = address - self.range.base();
            if self.range.decommit(offset, class).is_ok() {
                give_addresses(state, offset, class + self.range.granule());
            }
        }
    }

    /// Allocates memory at given addresses, all of it or none. `memory` is addresses and sizes in rising order.
    pub(crate) fn place(&self, memory: &[(u64, u64)]) -> Result<(), Error> {
        let refused = |at: u64, why: &str| Error::Checkpoint {
            message: format!("memory at {at:#x} cannot be had at its address: {why}"),
        };
        if self.pager().is_some() {
            let message = "memory cannot be had at given addresses on a device with a memory budget".to_owned();
            return Err(Error::Checkpoint { message });
        }
        let granule = self.range.granule();
        let base = self.range.base();
        let mut state = self.lock();
        // Whole pages; what lies on one page is taken together. A page behind large ones stays closed.
        let mut pieces: Vec<(u64, u64)> = Vec::new();
        let (mut end, mut total) = (0, 0u64);
        for &(address, bytes) in memory {
            let class = class_of(bytes, granule);
            let offset = address.wrapping_sub(base);
            let inside = offset < self.range.len() && class < self.range.len() - offset;
            if !inside || address < end || !address.is_multiple_of(ALIGN) {
                let first = format!("device memory begins at {base:#x}");
                return Err(refused(address, if inside { "it overlaps with another allocation" } else { &first }));
            }
            end = address + class;
            total = total.saturating_add(class);
            let first = offset / granule * granule;
            let guard = if class > SMALL_LIMIT { granule } else { 0 };
            let last = (offset + class).next_multiple_of(granule) + guard;
            match pieces.last_mut() {
                Some((_, until)) if first <= *until => *until = last.max(*until),
                _ => pieces.push((first, last)),
            }
        }
        if total > self.capacity - state.used {
            return Err(Error::OutOfMemory {
                requested: total,
                free: self.capacity - state.used,
                total: self.capacity,
            });
        }
        for (idx, &(first, last)) in pieces.iter().enumerate() {
            if !take_exactly(&mut state, first, last - first, self.range.len()) {
                pieces[..idx].iter().for_each(|(first, last)| give_addresses(&mut state, *first, last - first));
                return Err(refused(base + first, "it is in use"));
            }
        }
        for (idx, &(address, bytes)) in memory.iter().enumerate() {
            let offset = address - base;
            let first = offset / granule * granule;
            let class = class_of(bytes, granule);
            if let Err(error) = self.range.commit(first, (offset + class).next_multiple_of(granule) - first) {
                memory[..idx].iter().for_each(|(address, _)| self.release(&mut state, *address));
                return Err(error);
            }
            state.used += class;
            state.entries.insert(address, Entry { bytes, class, pins: 0, freed: false });
        }
        state.peak = state.peak.max(state.used);
        Ok(())
    }

    /// Start and size of the live allocation that contains `address`.
    pub(crate) fn lookup(&self, address: DevicePtr) -> Option<(DevicePtr, u64)> {
        let state = self.lock();
        let (&start, entry) = state.entries.range(..=address.0).next_back()?;
        (!entry.freed && address.0 - start < entry.bytes.max(1)).then_some((DevicePtr(start), entry.bytes))
    }

    /// Pins `bytes` bytes at `address`, which must lie inside one live allocation.
    pub(crate) fn pin(self: &Arc<Self>, address: DevicePtr, bytes: u64) -> Result<Pinned, Error> {
        let mut state = self.lock();
        let found = state.entries.range_mut(..=address.0).next_back();
        if let Some((&start, entry)) = found {
            let offset = address.0 - start;
            if !entry.freed && offset.checked_add(bytes).is_some_and(|end| end <= entry.bytes) {
                entry.pins += 1;
                drop(state);
                return Ok(Pinned { memory: Arc::clone(self), allocation: start, address: address.0, bytes });
            }
        }
        Err(Error::InvalidAddress { address, bytes })
    }
}

/// Takes `len` bytes of addresses, aligned, from a hole or from the end. Offsets are relative to the range's start `base`.
fn take_addresses(state: &mut State, len: u64, align: u64, limit: u64, base: u64) -> Option<u64> {
    let aligned = |offset: u64| (base + offset).next_multiple_of(align) - base;
    let hole = state.holes.iter().map(|(&start, &size)| (start, size)).find(|&(start, size)| {
        let offset = aligned(start);
        offset - start <= size && size - (offset - start) >= len
    });
    if let Some((start, size)) = hole {
        state.holes.remove(&start);
        let offset = aligned(start);
        if offset > start {
            state.holes.insert(start, offset - start);
        }
        let end = start + size;
        if offset + len < end {
            state.holes.insert(offset + len, end - offset - len);
        }
        return Some(offset);
    }
    let offset = aligned(state.next);
    let end = offset.checked_add(len)?;
    if end > limit {
        return None;
    }
    if offset > state.next {
        let gap = state.next;
        give_addresses(state, gap, offset - gap);
    }
    state.next = end;
    Some(offset)
}

/// Takes `len` bytes of addresses at `offset`, if they are free.
fn take_exactly(state: &mut State, offset: u64, len: u64, limit: u64) -> bool {
    let end = offset + len;
    if offset >= state.next && end <= limit {
        if offset > state.next {
            let gap = state.next;
            give_addresses(state, gap, offset - gap);
        }
        state.next = end;
        return true;
    }
    let hole = state.holes.range(..=offset).next_back().map(|(&start, &size)| (start, start + size));
    let Some((start, until)) = hole.filter(|(_, until)| end <= *until) else { return false };
    state.holes.remove(&start);
    if start < offset {
        state.holes.insert(start, offset - start);
    }
    if end < until {
        state.holes.insert(end, until - end);
    }
    true
}

/// Makes addresses free again and joins neighbouring holes.
fn give_addresses(state: &mut State, mut offset: u64, mut len: u64) {
    if let Some((&start, &size)) = state.holes.range(..offset).next_back()
        && start + size == offset
    {
        state.holes.remove(&start);
        offset = start;
        len += size;
    }
    if let Some(size) = state.holes.remove(&(offset + len)) {
        len += size;
    }
    state.holes.insert(offset, len);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::os::PAGE;

    fn memory(capacity: u64) -> Arc<DeviceMemory> {
        DeviceMemory::new(1 << 36, capacity, None, None).unwrap()
    }

    #[test]
    fn classes_waste_at_most_an_eighth_beyond_the_alignment() {
        for bytes in [1, 511, 512, 513, 5_000, 65_536, 65_537, 1 << 20, (1 << 20) + 1, 123_456_789] {
            let class = class_of(bytes, PAGE);
            assert!(class >= bytes && class.is_multiple_of(ALIGN));
            assert!(class - bytes <= bytes / 8 + PAGE, "{bytes} -> {class}");
            assert_eq!(class_of(class, PAGE), class);
        }
    }

    #[test]
    fn allocations_are_aligned_disjoint_and_counted() {
        let memory = memory(1 << 30);
        let mut seen: Vec<(u64, u64)> = Vec::new();
        for idx in 0..300u64 {
            let bytes = (idx * 7919) % 200_000;
            let address = memory.alloc(bytes).unwrap();
            assert_eq!(address.0 % ALIGN, 0);
            seen.push((address.0, address.0 + class_of(bytes, PAGE)));
        }
        seen.sort_unstable();
        assert!(seen.windows(2).all(|pair| pair[0].1 <= pair[1].0));
        assert_eq!(memory.info().allocations, 300);
        for (start, _) in &seen {
            memory.free(DevicePtr(*start)).unwrap();
        }
        let info = memory.info();
        assert_eq!((info.used_bytes, info.allocations), (0, 0));
        assert!(info.peak_bytes > 0);
    }

    #[test]
    fn freed_memory_is_reused_and_a_million_cycles_do_not_grow() {
        let memory = memory(1 << 30);
        for _ in 0..1_000 {
            let first = memory.alloc(100_000).unwrap();
            let second = memory.alloc(3_000_000).unwrap();
            memory.free(first).unwrap();
            memory.free(second).unwrap();
        }
        assert!(memory.info().cached_bytes < 4 << 20);
    }

    #[test]
    fn capacity_is_a_limit_and_the_message_has_the_numbers() {
        let memory = memory(1 << 20);
        let error = memory.alloc(2 << 20).unwrap_err();
        assert_eq!(error, Error::OutOfMemory { requested: 2 << 20, free: 1 << 20, total: 1 << 20 });
        assert!(memory.alloc(u64::MAX).is_err());
    }

    #[test]
    fn cached_memory_goes_back_when_it_is_needed() {
        let memory = memory(64 << 20);
        let first = memory.alloc(40 << 20).unwrap();
        memory.free(first).unwrap();
        let second = memory.alloc(50 << 20).unwrap();
        assert_eq!(memory.info().cached_bytes, 0);
        memory.free(second).unwrap();
    }

    #[test]
    fn lookup_and_free_know_only_live_allocations() {
        let memory = memory(1 << 30);
        let start = memory.alloc(1000).unwrap();
        assert_eq!(memory.lookup(start.offset(999)), Some((start, 1000)));
        assert_eq!(memory.lookup(start.offset(1000)), None);
        assert_eq!(memory.free(start.offset(8)), Err(Error::InvalidFree { address: start.offset(8) }));
        memory.free(start).unwrap();
        assert_eq!(memory.lookup(start), None);
        assert_eq!(memory.free(start), Err(Error::InvalidFree { address: start }));
        assert_eq!(memory.free(DevicePtr::NULL), Ok(()));
    }

    #[test]
    fn a_pin_delays_the_free() {
        let memory = memory(1 << 30);
        let start = memory.alloc(100_000).unwrap();
        assert!(memory.pin(start, 100_001).is_err());
        assert!(memory.pin(start.offset(1), u64::MAX).is_err());
        let pinned = memory.pin(start.offset(10), 20).unwrap();
        assert_eq!((pinned.address(), pinned.bytes()), (start.0 + 10, 20));
        memory.free(start).unwrap();
        assert!(memory.pin(start, 1).is_err());
        assert!(memory.info().used_bytes > 0);
        drop(pinned);
        assert_eq!(memory.info().used_bytes, 0);
    }

    #[test]
    fn holes_join() {
        let mut state = State::default();
        let offsets: Vec<u64> = (0..4).map(|_| take_addresses(&mut state, 100, 1, 1000, 0).unwrap()).collect();
        for idx in [0, 2, 1, 3] {
            give_addresses(&mut state, offsets[idx], 100);
        }
        assert_eq!(state.holes.into_iter().collect::<Vec<_>>(), [(0, 400)]);
    }
}
