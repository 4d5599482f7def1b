//! Memory and processor calls of the operating system: address ranges, protection, affinity.
//!
//! Access rules:
//! 1. A [`Range`] is address space that this process reserved and nobody else maps; it goes back on drop.
//! 2. Addresses given out of a `Range` are plain numbers until someone in `exec` turns them into pointers.
//! 3. `commit` and `decommit` take offsets in a `Range`, checked against its length.

use crate::error::Error;
use std::io;
use std::ptr;

/// Size of a page. The device address space works in units of it.
pub(crate) const PAGE: u64 = 4096;

fn failed(what: &'static str) -> Error {
    Error::System { what, reason: io::Error::last_os_error().to_string() }
}

/// Address spaces of devices begin here when they can, one after the other, so that addresses are the same in every process and
/// memory can be restored at those it had. No system puts programs, libraries or stacks there.
const PREFERRED: u64 = 0x2000_0000_0000;
const N_PREFERRED: u64 = 16;
/// Size of a device's address space.
const LARGE: u64 = 1 << 40;

/// Reserved address space.
#[derive(Debug)]
pub(crate) struct Range {
    base: u64,
    len: u64,
}

impl Range {
    /// Reserves `len` bytes (a multiple of the page size) without access and without memory behind them.
    pub(crate) fn reserve(len: u64) -> Result<Self, Error> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        if len == LARGE {
            for idx in 0..N_PREFERRED {
                let wanted = PREFERRED + idx * LARGE;
                let flags = flags | libc::MAP_FIXED_NOREPLACE;
                // SAFETY: a new anonymous mapping that replaces nothing: the system refuses when something is there.
                let base =
                    unsafe { libc::mmap(wanted as *mut libc::c_void, len as usize, libc::PROT_NONE, flags, -1, 0) };
                if base == wanted as *mut libc::c_void {
                    return Ok(Self { base: wanted, len });
                }
                if base != libc::MAP_FAILED {
                    // An old system took the address for a hint.
                    // SAFETY: this mapping was made a moment ago and nobody knows of it.
                    unsafe { libc::munmap(base, len as usize) };
                }
            }
        }
        // SAFETY: a new anonymous mapping at an address the system chooses touches nothing that exists.
        let base = unsafe { libc::mmap(ptr::null_mut(), len as usize, libc::PROT_NONE, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(failed("reserving address space"));
        }
        Ok(Self { base: base as u64, len })
    }

    /// First address.
    pub(crate) const fn base(&self) -> u64 {
        self.base
    }

    /// Length in bytes.
    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    fn part(&self, offset: u64, len: u64) -> *mut libc::c_void {
        assert!(offset.checked_add(len).is_some_and(|end| end <= self.len), "part lies inside the range");
        (self.base + offset) as *mut libc::c_void
    }

    /// Makes a part readable and writable. New pages read as zero.
    pub(crate) fn commit(&self, offset: u64, len: u64) -> Result<(), Error> {
        self.protect(offset, len, libc::PROT_READ | libc::PROT_WRITE)
    }

    /// Makes a part readable only.
    pub(crate) fn make_read_only(&self, offset: u64, len: u64) -> Result<(), Error> {
        self.protect(offset, len, libc::PROT_READ)
    }

    /// Makes a part executable and not writable.
    pub(crate) fn make_executable(&self, offset: u64, len: u64) -> Result<(), Error> {
        self.protect(offset, len, libc::PROT_READ | libc::PROT_EXEC)
    }

    fn protect(&self, offset: u64, len: u64, protection: libc::c_int) -> Result<(), Error> {
        let part = self.part(offset, len);
        // SAFETY: the part lies inside this range (checked), which this object owns.
        if unsafe { libc::mprotect(part, len as usize, protection) } != 0 {
            return Err(failed("changing memory protection"));
        }
        Ok(())
    }

    /// Gives the memory of a part back and forbids access to it.
    pub(crate) fn decommit(&self, offset: u64, len: u64) -> Result<(), Error> {
        let part = self.part(offset, len);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED;
        // SAFETY: replaces pages of this range only (checked); their contents are given up by the caller.
        let mapped = unsafe { libc::mmap(part, len as usize, libc::PROT_NONE, flags, -1, 0) };
        if mapped == libc::MAP_FAILED { Err(failed("giving memory back")) } else { Ok(()) }
    }

    /// Asks for huge pages. Only a hint: a refusal changes speed, not results.
    pub(crate) fn advise_huge(&self, offset: u64, len: u64) {
        let part = self.part(offset, len);
        // SAFETY: advice about pages of this range; does not change their contents.
        unsafe { libc::madvise(part, len as usize, libc::MADV_HUGEPAGE) };
    }
}

impl Drop for Range {
    fn drop(&mut self) {
        // SAFETY: the range is owned by this object, and whoever handed out addresses in it keeps it alive.
        unsafe { libc::munmap(self.base as *mut libc::c_void, self.len as usize) };
    }
}

/// Bytes of memory this process may use: the machine's, or its control group's limit when that is lower.
pub(crate) fn physical_memory() -> u64 {
    // SAFETY: reads a system constant.
    let (pages, page) = unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    let machine = u64::try_from(pages).unwrap_or(0).saturating_mul(u64::try_from(page).unwrap_or(PAGE));
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let group = limits.iter().filter_map(|path| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok()).min();
    machine.min(group.unwrap_or(u64::MAX)).max(1 << 30)
}

/// The processors that the calling thread may use, in rising order; empty when the system does not say.
pub(crate) fn allowed_processors() -> Vec<usize> {
    // SAFETY: `cpu_set_t` is a plain bit set for which all-zero is the empty set; the call writes only to it.
    unsafe {
        let mut allowed: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut allowed) != 0 {
            return Vec::new();
        }
        (0..libc::CPU_SETSIZE as usize).filter(|cpu| libc::CPU_ISSET(*cpu, &allowed)).collect()
    }
}

/// Ties the calling thread to one processor of those it may use, counted from 0. A refusal changes speed only.
pub(crate) fn pin_thread(worker_idx: usize) {
    let allowed = allowed_processors();
    if let Some(&processor) = allowed.get(worker_idx % allowed.len().max(1)) {
        pin_thread_to(processor);
    }
}

/// Ties the calling thread to a processor. A refusal changes speed only.
pub(crate) fn pin_thread_to(processor: usize) {
    if processor >= libc::CPU_SETSIZE as usize {
        return;
    }
    // SAFETY: as in `allowed_processors`; the processor lies inside the set.
    unsafe {
        let mut one: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(processor, &mut one);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const one);
    }
}

/// What tells this build of vgpu from another: path, size and time of the file this code was loaded from.
///
/// A version number alone would let a rebuilt compiler find the code of its predecessor in the cache.
pub(crate) fn build_identity() -> String {
    let own: fn() -> String = build_identity;
    // SAFETY: `Dl_info` is plain data; `dladdr` fills it for an address inside this very program or library, and
    // the name it returns lives as long as the library is loaded.
    let path = unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(own as *const libc::c_void, &raw mut info) == 0 || info.dli_fname.is_null() {
            None
        } else {
            Some(std::ffi::CStr::from_ptr(info.dli_fname).to_string_lossy().into_owned())
        }
    };
    let path =
        path.filter(|path| path.contains('/')).or_else(|| Some(std::env::current_exe().ok()?.display().to_string()));
    let meta = path.as_ref().and_then(|path| std::fs::metadata(path).ok());
    let modified = meta.as_ref().and_then(|meta| meta.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok());
    format!(
        "{} {:?} {:?}",
        env!("CARGO_PKG_VERSION"),
        meta.map(|meta| meta.len()),
        modified.map(|time| time.as_nanos())
    )
}

/// Nanoseconds since 1970, for `%globaltimer`.
pub(crate) fn nanoseconds_since_epoch() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_can_be_reserved_far_beyond_the_memory_there_is() {
        let range = Range::reserve(1 << 40).unwrap();
        range.commit(1 << 39, PAGE).unwrap();
        range.decommit(1 << 39, PAGE).unwrap();
        assert_eq!(range.len(), 1 << 40);
    }

    #[test]
    fn build_identity_is_stable_and_names_the_version() {
        assert_eq!(build_identity(), build_identity());
        assert!(build_identity().starts_with(env!("CARGO_PKG_VERSION")));
    }
}
