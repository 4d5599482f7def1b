//! Memory and addresses apart: reserved address ranges, memory without an address, and mapping one into the other.
//!
//! Rules of access: a [`Reservation`] owns its range; parts of it are mapped, unmapped and protected only through it, with
//! offsets checked against its length. Memory that is mapped somewhere stays until its last mapping is gone, whatever becomes of
//! its [`Physical`].

use super::os::PAGE;
use crate::error::Error;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::ptr;

fn failed(what: &'static str) -> Error {
    Error::System { what, reason: io::Error::last_os_error().to_string() }
}

/// Memory without an address.
#[derive(Debug)]
pub struct Physical {
    file: OwnedFd,
    bytes: u64,
}

impl Physical {
    /// `bytes` bytes of zeros, a multiple of the page size.
    ///
    /// # Errors
    /// [`Error::System`] when the system refuses.
    pub fn new(bytes: u64) -> Result<Self, Error> {
        // SAFETY: the name is a C string; a descriptor that is not negative is new and ours.
        let file = unsafe {
            let file = libc::memfd_create(c"vgpu".as_ptr(), libc::MFD_CLOEXEC);
            if file < 0 {
                return Err(failed("making memory"));
            }
            OwnedFd::from_raw_fd(file)
        };
        let len = libc::off_t::try_from(bytes.next_multiple_of(PAGE)).unwrap_or(libc::off_t::MAX);
        // SAFETY: the descriptor is open.
        if unsafe { libc::ftruncate(file.as_raw_fd(), len) } != 0 {
            return Err(failed("sizing memory"));
        }
        Ok(Self { file, bytes })
    }

    /// The memory behind a file, of at least `bytes` bytes, that another process made and sealed so that it cannot shrink.
    ///
    /// # Errors
    /// [`Error::System`] when it is not such a file.
    pub fn from_file(file: OwnedFd, bytes: u64) -> Result<Self, Error> {
        // SAFETY: the descriptor is open; `stat` is plain data for which zero is valid, and only the call writes to it.
        let (seals, size) = unsafe {
            let mut stat: libc::stat = std::mem::zeroed();
            if libc::fstat(file.as_raw_fd(), &raw mut stat) != 0 {
                return Err(failed("looking at shared memory"));
            }
            (libc::fcntl(file.as_raw_fd(), libc::F_GET_SEALS), stat.st_size)
        };
        if seals < 0 || seals & libc::F_SEAL_SHRINK == 0 {
            return Err(Error::System {
                what: "sharing memory",
                reason: "it is not sealed against shrinking".to_owned(),
            });
        }
        if u64::try_from(size).unwrap_or(0) < bytes.next_multiple_of(PAGE) {
            let reason = format!("it has {size} bytes, not {bytes} in whole pages");
            return Err(Error::System { what: "sharing memory", reason });
        }
        Ok(Self { file, bytes: bytes.next_multiple_of(PAGE) })
    }

    /// Size in bytes.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// What may be done with mapped memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    None,
    /// Reading.
    Read,
    /// Reading and writing.
    ReadWrite,
}

impl Access {
    const fn flags(self) -> i32 {
        match self {
            Self::None => libc::PROT_NONE,
            Self::Read => libc::PROT_READ,
            Self::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
        }
    }
}

/// A reserved range of addresses.
#[derive(Debug)]
pub struct Reservation {
    mapped: u64,
    mapped_bytes: u64,
    start: u64,
    bytes: u64,
}

impl Reservation {
    /// Reserves `bytes` bytes (a multiple of the page size) that start at a multiple of `align`.
    ///
    /// # Errors
    /// [`Error::System`] when the system refuses.
    pub fn new(bytes: u64, align: u64) -> Result<Self, Error> {
        let align = align.max(PAGE);
        let Some(mapped_bytes) = bytes.checked_add(align) else {
            return Err(Error::OutOfMemory { requested: bytes, free: 0, total: 0 });
        };
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new anonymous mapping at an address the system chooses touches nothing that exists.
        let base = unsafe { libc::mmap(ptr::null_mut(), mapped_bytes as usize, libc::PROT_NONE, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(failed("reserving address space"));
        }
        let mapped = base as u64;
        Ok(Self { mapped, mapped_bytes, start: mapped.next_multiple_of(align), bytes })
    }

    /// First address.
    pub const fn start(&self) -> u64 {
        self.start
    }

    /// Length in bytes.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    fn part(&self, offset: u64, bytes: u64) -> Result<*mut libc::c_void, Error> {
        let inside = offset.checked_add(bytes).is_some_and(|end| end <= self.bytes);
        let address = crate::memory::DevicePtr(self.start.wrapping_add(offset));
        if inside { Ok(address.0 as *mut libc::c_void) } else { Err(Error::InvalidAddress { address, bytes }) }
    }

    /// Maps a part of `memory`; nobody may access it yet.
    ///
    /// # Errors
    /// [`Error::InvalidAddress`] outside of the range or the memory; [`Error::System`].
    pub fn map(&self, offset: u64, bytes: u64, memory: &Physical, memory_offset: u64) -> Result<(), Error> {
        let part = self.part(offset, bytes)?;
        if memory_offset.checked_add(bytes).is_none_or(|end| end > memory.bytes) {
            return Err(Error::InvalidAddress { address: crate::memory::DevicePtr(memory_offset), bytes });
        }
        let flags = libc::MAP_SHARED | libc::MAP_FIXED;
        let (file, at) = (memory.file.as_raw_fd(), memory_offset as libc::off_t);
        // SAFETY: replaces pages of this range only (checked); its owner decides what is mapped there.
        let mapped = unsafe { libc::mmap(part, bytes as usize, libc::PROT_NONE, flags, file, at) };
        if mapped == libc::MAP_FAILED { Err(failed("mapping memory")) } else { Ok(()) }
    }

    /// Allows or forbids access to a part.
    ///
    /// # Errors
    /// As [`Self::map`].
    pub fn protect(&self, offset: u64, bytes: u64, access: Access) -> Result<(), Error> {
        let part = self.part(offset, bytes)?;
        // SAFETY: the part lies inside this range (checked).
        let status = unsafe { libc::mprotect(part, bytes as usize, access.flags()) };
        if status == 0 { Ok(()) } else { Err(failed("changing memory protection")) }
    }

    /// Takes what is mapped in a part away.
    ///
    /// # Errors
    /// As [`Self::map`].
    pub fn unmap(&self, offset: u64, bytes: u64) -> Result<(), Error> {
        let part = self.part(offset, bytes)?;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED;
        // SAFETY: replaces pages of this range only (checked).
        let mapped = unsafe { libc::mmap(part, bytes as usize, libc::PROT_NONE, flags, -1, 0) };
        if mapped == libc::MAP_FAILED { Err(failed("unmapping memory")) } else { Ok(()) }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: the range is owned by this object, and whoever handed out addresses in it keeps it alive.
        unsafe { libc::munmap(self.mapped as *mut libc::c_void, self.mapped_bytes as usize) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_memory_at_two_addresses() {
        let memory = Physical::new(2 << 20).unwrap();
        let range = Reservation::new(4 << 20, 2 << 20).unwrap();
        assert_eq!(range.start() % (2 << 20), 0);
        for offset in [0, 2 << 20] {
            range.map(offset, 2 << 20, &memory, 0).unwrap();
            range.protect(offset, 2 << 20, Access::ReadWrite).unwrap();
        }
        let (first, second) = (range.start() as *mut u32, (range.start() + (2 << 20)) as *const u32);
        // SAFETY: both addresses were just mapped for reading and writing.
        unsafe {
            first.add(100).write_volatile(77);
            assert_eq!(second.add(100).read_volatile(), 77);
        }
        assert!(range.map(4 << 20, PAGE, &memory, 0).is_err());
        assert!(range.map(0, PAGE, &memory, 2 << 20).is_err());
        range.unmap(0, 4 << 20).unwrap();
    }

    #[test]
    fn shared_files_must_be_sealed_and_large_enough() {
        let plain = std::fs::File::open("/proc/self/exe").unwrap();
        assert!(Physical::from_file(plain.into(), PAGE).is_err());
        let unsealed = Physical::new(PAGE).unwrap();
        assert!(Physical::from_file(unsealed.file.try_clone().unwrap(), PAGE).is_err());
        // SAFETY: a C string, and a new descriptor that is ours.
        let sealed = unsafe { OwnedFd::from_raw_fd(libc::memfd_create(c"sealed".as_ptr(), libc::MFD_ALLOW_SEALING)) };
        // SAFETY: the descriptor is open.
        unsafe {
            assert_eq!(libc::ftruncate(sealed.as_raw_fd(), 2 * PAGE as libc::off_t), 0);
            assert_eq!(libc::fcntl(sealed.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_SHRINK), 0);
        }
        assert!(Physical::from_file(sealed.try_clone().unwrap(), 2 * PAGE + 1).is_err());
        assert_eq!(Physical::from_file(sealed, PAGE + 1).unwrap().bytes(), 2 * PAGE);
    }
}
