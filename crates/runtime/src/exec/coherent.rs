//! Page copies of several devices in one process: mappings, protection, and the faults that move pages.
//!
//! Rules of access:
//! 1. A copy is one piece of memory mapped twice. The *device's* mapping is what kernels get; its protection is what the
//!    directory's state allows, and nothing else ever changes it. The *service* mapping is always writable and is where
//!    this file alone reads and writes pages, so that a page can be filled before its device may see it.
//! 2. The protection of a page of a device changes only under that page's lock, after a look at the directory: a device's state
//!    changes before its copy is revoked, so either the revocation comes later, or the state says that there is nothing to
//!    allow.
//! 3. `resolve` runs in a signal handler, in the thread that faulted in generated code. It takes no lock that code
//!    elsewhere holds while it can fault or wait, allocates nothing unless the system refuses something, and calls only what
//!    handlers may call.
//! 4. The table of ranges is read by handlers without a lock: an entry's pointer is followed only for an address inside its
//!    range, and a range has kernels on it only while its owner is alive (launches keep it).

use super::os::{PAGE, Range};
use crate::error::Error;
use crate::exec::mapping::{Access as Protection, Physical, Reservation};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use vgpu_mem::coherence::{Access, CoherenceError, Copies, DeviceId, Directory, trace};

/// How long a page stays with a device at least: long enough that the access for which it came is made.
pub(crate) const HOLD: Duration = Duration::from_micros(100);

/// Memory from this size on is kept coherent in large pages: a protection change costs as much as copying 20 KiB.
const LARGE: u64 = 1 << 20;
const LARGE_PAGE: u64 = 64 << 10;

/// A copy: memory, the mapping kernels use, and ours.
struct Copy {
    device: Reservation,
    service: Reservation,
    _memory: Physical,
    /// Per page: what the device's mapping allows (0, 1, 2), and [`LOCKED`].
    allowed: Box<[AtomicU8]>,
    /// Per page: when it came, in nanoseconds since the memory was made.
    came: Box<[AtomicU64]>,
}

const NOTHING: u8 = 0;
const READING: u8 = 1;
const WRITING: u8 = 2;
const LOCKED: u8 = 0x80;

/// See the module header.
pub(crate) struct CoherentMemory {
    /// Unit of coherence.
    page_bytes: u64,
    directory: Directory,
    home: Range,
    copies: Vec<Copy>,
    born: Instant,
    fills: AtomicU64,
    write_backs: AtomicU64,
    recorder: OnceLock<Recorder>,
}

/// Events in the order in which they took effect, as far as there is room.
struct Recorder {
    next: AtomicUsize,
    entries: Box<[AtomicU64]>,
}

impl CoherentMemory {
    /// Zero bytes for `n_devices` devices.
    pub(crate) fn new(n_devices: usize, bytes: u64) -> Result<Box<Self>, Error> {
        let page_bytes = if bytes < LARGE { PAGE } else { LARGE_PAGE };
        let bytes = bytes
            .checked_next_multiple_of(page_bytes)
            .filter(|bytes| *bytes < 1 << 40)
            .ok_or(Error::OutOfMemory { requested: bytes, free: 1 << 40, total: 1 << 40 })?;
        let n_pages = (bytes / page_bytes) as usize;
        let refused = |error: CoherenceError<Error>| Error::SplitDevices { what: error.to_string() };
        let directory = Directory::new(n_devices, n_pages).map_err(refused)?;
        let home = Range::reserve(bytes)?;
        home.commit(0, bytes)?;
        let copy = || -> Result<Copy, Error> {
            let memory = Physical::new(bytes)?;
            let device = Reservation::new(bytes, PAGE)?;
            device.map(0, bytes, &memory, 0)?;
            let service = Reservation::new(bytes, PAGE)?;
            service.map(0, bytes, &memory, 0)?;
            service.protect(0, bytes, Protection::ReadWrite)?;
            let allowed = (0..n_pages).map(|_| AtomicU8::new(NOTHING)).collect();
            let came = (0..n_pages).map(|_| AtomicU64::new(0)).collect();
            Ok(Copy { device, service, _memory: memory, allowed, came })
        };
        let copies = (0..n_devices).map(|_| copy()).collect::<Result<Vec<_>, _>>()?;
        let memory = Box::new(Self {
            page_bytes,
            directory,
            home,
            copies,
            born: Instant::now(),
            fills: AtomicU64::new(0),
            write_backs: AtomicU64::new(0),
            recorder: OnceLock::new(),
        });
        register(&memory)?;
        Ok(memory)
    }

    /// Where a device finds the memory.
    pub(crate) fn address(&self, device: DeviceId) -> u64 {
        self.copies[usize::from(device.0)].device.start()
    }

    pub(crate) fn traffic(&self) -> (u64, u64) {
        (self.fills.load(Ordering::Relaxed), self.write_backs.load(Ordering::Relaxed))
    }

    /// Brings the newest bytes of a range home and takes all copies of it away.
    pub(crate) fn bring_home(&self, at: u64, bytes: u64) -> Result<(), Error> {
        if bytes == 0 {
            return Ok(());
        }
        for page in (at / self.page_bytes) as usize..=((at + bytes - 1) / self.page_bytes) as usize {
            for device in 0..self.copies.len() {
                self.directory.evict(DeviceId(device as u8), page, self).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Writes the home copy; the range lies inside and no device has a copy.
    pub(crate) fn write_home(&self, at: u64, data: &[u8]) {
        assert!(at + data.len() as u64 <= self.home.len(), "callers check the range");
        // SAFETY: the range lies inside the committed home (asserted); the source is ordinary memory.
        unsafe { ptr::copy_nonoverlapping(data.as_ptr(), (self.home.base() + at) as *mut u8, data.len()) };
    }

    /// Reads the home copy; as [`Self::write_home`].
    pub(crate) fn read_home(&self, at: u64, data: &mut [u8]) {
        assert!(at + data.len() as u64 <= self.home.len(), "callers check the range");
        // SAFETY: as in `write_home`.
        unsafe { ptr::copy_nonoverlapping((self.home.base() + at) as *const u8, data.as_mut_ptr(), data.len()) };
    }

    pub(crate) fn record(&self, entries: usize) {
        let entries = (0..entries).map(|_| AtomicU64::new(0)).collect();
        self.recorder.get_or_init(|| Recorder { next: AtomicUsize::new(0), entries });
    }

    pub(crate) fn recorded(&self) -> Result<Vec<trace::Entry>, Error> {
        let Some(recorder) = self.recorder.get() else { return Ok(Vec::new()) };
        let n = recorder.next.load(Ordering::Acquire);
        let room = recorder.entries.len();
        if n > room {
            return Err(Error::OutOfMemory { requested: n as u64, free: room as u64, total: room as u64 });
        }
        Ok(recorder.entries[..n].iter().map(|word| unpack(word.load(Ordering::Acquire))).collect())
    }

    fn note(&self, page: usize, device: DeviceId, event: trace::Event) {
        if let Some(recorder) = self.recorder.get() {
            let at = recorder.next.fetch_add(1, Ordering::AcqRel);
            if let Some(entry) = recorder.entries.get(at) {
                entry.store(pack(page, device, event), Ordering::Release);
            }
        }
    }

    /// Lets the device's mapping of a page allow what the directory's state allows; returns false when the system refused.
    fn allow(&self, page: usize, device: DeviceId, access: Access) -> bool {
        let copy = &self.copies[usize::from(device.0)];
        let held = Held::lock(&copy.allowed[page]);
        let state = self.directory.state(device, page);
        let wanted = match access {
            Access::Write if state.may_write() => WRITING,
            _ if state.may_read() => READING,
            // It was taken away again: the access faults once more and asks again.
            _ => return true,
        };
        if wanted <= held.before {
            return true;
        }
        let protection = if wanted == WRITING { Protection::ReadWrite } else { Protection::Read };
        if copy.device.protect(page as u64 * self.page_bytes, self.page_bytes, protection).is_err() {
            return false;
        }
        copy.came[page].store(self.born.elapsed().as_nanos() as u64, Ordering::Release);
        self.note(page, device, if wanted == WRITING { trace::Event::Wrote } else { trace::Event::Read });
        held.unlock_as(wanted);
        true
    }

    /// Gets the page of a faulting address for the device whose mapping it is in; false when that is impossible.
    fn fetch(&self, device: DeviceId, page: usize, write: Option<bool>) -> bool {
        // Without word from the processor, what is readable already must have been written to.
        let write = write.unwrap_or_else(|| {
            self.copies[usize::from(device.0)].allowed[page].load(Ordering::Acquire) & !LOCKED == READING
        });
        let access = if write { Access::Write } else { Access::Read };
        self.directory.access(device, page, access, self).is_ok() && self.allow(page, device, access)
    }

    fn service(&self, page: usize, device: DeviceId) -> *mut u8 {
        (self.copies[usize::from(device.0)].service.start() + page as u64 * self.page_bytes) as *mut u8
    }
}

fn failed(error: CoherenceError<Error>) -> Error {
    match error {
        CoherenceError::Copies(error) => error,
        other => Error::System { what: "moving a page between devices", reason: other.to_string() },
    }
}

impl Copies for CoherentMemory {
    type Error = Error;

    fn revoke(&self, page: usize, device: DeviceId, keep_reading: bool) -> Result<(), Error> {
        let copy = &self.copies[usize::from(device.0)];
        let came = Duration::from_nanos(copy.came[page].load(Ordering::Acquire));
        while self.born.elapsed().saturating_sub(came) < HOLD {
            std::hint::spin_loop();
        }
        let held = Held::lock(&copy.allowed[page]);
        let before = held.before;
        let (allowed, protection) =
            if keep_reading { (before.min(READING), Protection::Read) } else { (NOTHING, Protection::None) };
        if allowed < before {
            // When this returns, no processor has the old permission any more: no access is under way.
            copy.device.protect(page as u64 * self.page_bytes, self.page_bytes, protection)?;
        }
        held.unlock_as(allowed);
        Ok(())
    }

    fn write_back(&self, page: usize, device: DeviceId) -> Result<(), Error> {
        let to = (self.home.base() + page as u64 * self.page_bytes) as *mut u8;
        // SAFETY: both are whole pages inside their ranges (the directory checked the page); nobody else writes either: the
        // device's access was revoked, and the home changes only in this page's transaction.
        unsafe { ptr::copy_nonoverlapping(self.service(page, device), to, self.page_bytes as usize) };
        self.write_backs.fetch_add(1, Ordering::Relaxed);
        self.note(page, device, trace::Event::WroteBack);
        Ok(())
    }

    fn lost(&self, page: usize, device: DeviceId) {
        self.note(page, device, trace::Event::Dropped);
    }

    fn fill(&self, page: usize, device: DeviceId) -> Result<(), Error> {
        let from = (self.home.base() + page as u64 * self.page_bytes) as *const u8;
        // SAFETY: as in `write_back`; the device cannot see its copy yet.
        unsafe { ptr::copy_nonoverlapping(from, self.service(page, device), self.page_bytes as usize) };
        self.fills.fetch_add(1, Ordering::Relaxed);
        self.note(page, device, trace::Event::Filled);
        Ok(())
    }
}

impl Drop for CoherentMemory {
    fn drop(&mut self) {
        let own: *mut Self = self;
        for slot in &TABLE {
            if slot.memory.load(Ordering::Acquire) == own {
                slot.first.store(u64::MAX, Ordering::Release);
                slot.end.store(0, Ordering::Release);
                slot.memory.store(ptr::null_mut(), Ordering::Release);
            }
        }
    }
}

/// A page's lock, with what it protects.
struct Held<'a> {
    word: &'a AtomicU8,
    before: u8,
}

impl<'a> Held<'a> {
    /// Waits a few instructions or a system call of another thread at most: nobody waits for anything while it holds one.
    fn lock(word: &'a AtomicU8) -> Self {
        loop {
            let before = word.load(Ordering::Relaxed);
            if before & LOCKED == 0
                && word.compare_exchange_weak(before, before | LOCKED, Ordering::Acquire, Ordering::Relaxed).is_ok()
            {
                return Self { word, before };
            }
            std::thread::yield_now();
        }
    }

    fn unlock_as(mut self, allowed: u8) {
        self.before = allowed;
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.word.store(self.before, Ordering::Release);
    }
}

/// One device's mapping of one memory: a range whose faults are ours.
struct Slot {
    first: AtomicU64,
    /// One past the last; an empty slot has no addresses.
    end: AtomicU64,
    device: AtomicU8,
    memory: AtomicPtr<CoherentMemory>,
}

const N_SLOTS: usize = 1024;

static TABLE: [Slot; N_SLOTS] = [const {
    Slot {
        first: AtomicU64::new(u64::MAX),
        end: AtomicU64::new(0),
        device: AtomicU8::new(0),
        memory: AtomicPtr::new(ptr::null_mut()),
    }
}; N_SLOTS];

/// Slots used so far, so that a fault looks at few.
static USED: AtomicUsize = AtomicUsize::new(0);

fn register(memory: &CoherentMemory) -> Result<(), Error> {
    let own = ptr::from_ref(memory).cast_mut();
    for (device, copy) in memory.copies.iter().enumerate() {
        let take = |slot: &Slot| {
            slot.memory.compare_exchange(ptr::null_mut(), own, Ordering::AcqRel, Ordering::Acquire).is_ok()
        };
        let Some(idx) = TABLE.iter().position(take) else {
            return Err(Error::System {
                what: "sharing memory between devices",
                reason: format!("{N_SLOTS} copies are in use"),
            });
        };
        let slot = &TABLE[idx];
        slot.device.store(device as u8, Ordering::Release);
        slot.end.store(copy.device.start() + copy.device.bytes(), Ordering::Release);
        slot.first.store(copy.device.start(), Ordering::Release);
        USED.fetch_max(idx + 1, Ordering::AcqRel);
    }
    Ok(())
}

/// Called by the fault handler: gets the page that the thread needs, when the address lies in a device's copy of some memory.
/// `write` is what the processor says of the access. Returns whether the access should be tried again.
///
/// # Safety
/// The calling thread faulted at `address` in generated code whose launch keeps the memory alive, if the address belongs to one.
pub(crate) unsafe fn resolve(address: u64, write: Option<bool>) -> bool {
    let inside =
        |slot: &&Slot| address >= slot.first.load(Ordering::Acquire) && address < slot.end.load(Ordering::Acquire);
    let Some(slot) = TABLE[..USED.load(Ordering::Acquire)].iter().find(inside) else { return false };
    // SAFETY: the caller's promise (rule 4): the memory that this address belongs to is alive, and its slot is filled.
    let Some(memory) = (unsafe { slot.memory.load(Ordering::Acquire).as_ref() }) else { return false };
    let device = DeviceId(slot.device.load(Ordering::Acquire));
    let page = (address - memory.address(device)) / memory.page_bytes;
    memory.fetch(device, page as usize, write)
}

fn pack(page: usize, device: DeviceId, event: trace::Event) -> u64 {
    (page as u64) << 16 | u64::from(device.0) << 8 | event as u64
}

fn unpack(word: u64) -> trace::Entry {
    const EVENTS: [trace::Event; 5] =
        [trace::Event::Filled, trace::Event::Read, trace::Event::Wrote, trace::Event::WroteBack, trace::Event::Dropped];
    let event = EVENTS[(word & 0xff) as usize % EVENTS.len()];
    trace::Entry { page: (word >> 16) as usize, device: DeviceId((word >> 8) as u8), event }
}
