//! A page of numbers that other processes of the same user may read.
//!
//! Rules of access: a [`Board`] owns its page; its words are only read and written as atomics, here and (through the file) nowhere
//! else in this process. The page lies in an anonymous file that the process keeps open, so the system removes it with the
//! process, however that ends; others find it among the process's open files.

use super::os::PAGE;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::ptr;
use std::sync::atomic::AtomicU64;

/// Name of the file, as the system shows it in `/proc`.
pub(crate) const NAME: &str = "vgpu-status";

/// The page; see the module header.
#[derive(Debug)]
pub(crate) struct Board {
    _file: OwnedFd,
    words: *mut AtomicU64,
}

// SAFETY: the words are atomics in memory that lives as long as the board.
unsafe impl Send for Board {}
// SAFETY: as above.
unsafe impl Sync for Board {}

impl Board {
    /// A page of zeros.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn new() -> io::Result<Self> {
        let name = std::ffi::CString::new(NAME)?;
        // SAFETY: the name is a C string; a descriptor that is not negative is new and ours.
        let file = unsafe {
            let file = libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC);
            if file < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(file)
        };
        // SAFETY: the descriptor is open.
        if unsafe { libc::ftruncate(file.as_raw_fd(), PAGE as libc::off_t) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping of the whole file at an address the system chooses touches nothing that exists.
        let words =
            unsafe { libc::mmap(ptr::null_mut(), PAGE as usize, access, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        if words == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { _file: file, words: words.cast() })
    }

    /// The page's words.
    pub(crate) const fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is a page of readable and writable memory, zero at first, that lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.words, PAGE as usize / size_of::<AtomicU64>()) }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        // SAFETY: the mapping is owned by this object, and no reference into it outlives it.
        unsafe { libc::munmap(self.words.cast(), PAGE as usize) };
    }
}
