//! A tenant's data: memory files that the daemon keeps and a worker maps, so that data outlives a worker that dies.
//!
//! The file is sealed: a worker can write its bytes and nothing else. The daemon reads and writes it as a file and never maps
//! it, so nothing that a worker does to it can hurt the daemon.

use rustix::fs::{MemfdFlags, SealFlags};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt as _;

/// See the module header.
#[derive(Debug)]
pub struct Buffer {
    file: File,
    bytes: u64,
}

impl Buffer {
    /// `bytes` zeros.
    ///
    /// # Errors
    /// The system refuses.
    pub fn new(bytes: u64) -> io::Result<Self> {
        let file = rustix::fs::memfd_create("vgpu-buffer", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        rustix::fs::ftruncate(&file, bytes.max(1).next_multiple_of(4096))?;
        rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Ok(Self { file: file.into(), bytes })
    }

    /// Its size.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Its file, for the worker.
    pub fn file(&self) -> &impl AsFd {
        &self.file
    }

    /// Whether so many bytes at this place lie inside.
    pub const fn contains(&self, offset: u64, bytes: u64) -> bool {
        matches!(offset.checked_add(bytes), Some(end) if end <= self.bytes)
    }

    /// Writes a part; it must lie inside.
    ///
    /// # Errors
    /// It does not, or the system is out of memory.
    pub fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if !self.contains(offset, data.len() as u64) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the part is not inside the buffer"));
        }
        self.file.write_all_at(data, offset)
    }

    /// Reads a part; it must lie inside.
    ///
    /// # Errors
    /// It does not.
    pub fn read(&self, offset: u64, data: &mut [u8]) -> io::Result<()> {
        if !self.contains(offset, data.len() as u64) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the part is not inside the buffer"));
        }
        self.file.read_exact_at(data, offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_checked_and_the_size_is_sealed() {
        let buffer = Buffer::new(5000).expect("memory");
        buffer.write(4990, &[7; 10]).expect("inside");
        let mut back = [0; 10];
        buffer.read(4990, &mut back).expect("inside");
        assert_eq!(back, [7; 10]);
        assert!(buffer.write(4991, &[7; 10]).is_err());
        assert!(buffer.read(u64::MAX, &mut back).is_err());
        assert!(rustix::fs::ftruncate(buffer.file(), 0).is_err(), "sealed");
    }
}
