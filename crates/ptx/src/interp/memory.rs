//! Device memory: allocations at virtual addresses, every access checked.
//!
//! Addresses are never reused within one `Memory` and allocations are kept apart, so that an access past the end or after `free`
//! is always found.

use std::collections::BTreeMap;

/// Where the first allocation lies.
const FIRST_ADDRESS: u64 = 0x7_0000_0000;
/// Alignment of every allocation, and the least distance between two.
const GRAIN: u64 = 256;

/// A failed access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// Not wholly inside one allocation.
    #[error("{size} bytes at {address:#x} are not inside an allocation")]
    OutOfBounds {
        /// First byte.
        address: u64,
        /// Number of bytes.
        size: u64,
    },
    /// Not a multiple of the access size.
    #[error("{size} bytes at {address:#x} are misaligned")]
    Misaligned {
        /// First byte.
        address: u64,
        /// Number of bytes.
        size: u64,
    },
}

/// Allocations by address.
#[derive(Clone, Debug)]
pub struct Memory {
    allocations: BTreeMap<u64, Vec<u8>>,
    next: u64,
}

impl Default for Memory {
    fn default() -> Self {
        Self { allocations: BTreeMap::new(), next: FIRST_ADDRESS }
    }
}

impl Memory {
    /// Empty memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allocates `size` zero bytes, aligned to 256. An allocation of no bytes has an address of its own as well.
    pub fn alloc(&mut self, size: u64) -> u64 {
        let address = self.next;
        self.next += size.next_multiple_of(GRAIN) + GRAIN;
        self.allocations.insert(address, vec![0; size as usize]);
        address
    }

    /// Allocates a copy of `bytes`.
    pub fn alloc_bytes(&mut self, bytes: &[u8]) -> u64 {
        let address = self.alloc(bytes.len() as u64);
        self.allocations.insert(address, bytes.to_vec());
        address
    }

    /// Frees the allocation that starts at `address`; false when there is none.
    pub fn free(&mut self, address: u64) -> bool {
        self.allocations.remove(&address).is_some()
    }

    /// The allocation that `address` lies in (one past its end does not count): its start and size.
    pub fn allocation(&self, address: u64) -> Option<(u64, u64)> {
        let (&start, bytes) = self.allocations.range(..=address).next_back()?;
        (address - start < bytes.len() as u64).then_some((start, bytes.len() as u64))
    }

    /// `size` bytes at `address`.
    ///
    /// # Errors
    /// When they are not wholly inside one allocation.
    pub fn read(&self, address: u64, size: u64) -> Result<&[u8], MemoryError> {
        let error = MemoryError::OutOfBounds { address, size };
        let (&start, bytes) = self.allocations.range(..=address).next_back().ok_or(error)?;
        let at = address - start;
        let end = at.checked_add(size).filter(|&end| end <= bytes.len() as u64).ok_or(error)?;
        Ok(&bytes[at as usize..end as usize])
    }

    /// The same, to be changed.
    ///
    /// # Errors
    /// When they are not wholly inside one allocation.
    pub fn read_mut(&mut self, address: u64, size: u64) -> Result<&mut [u8], MemoryError> {
        let error = MemoryError::OutOfBounds { address, size };
        let (&start, bytes) = self.allocations.range_mut(..=address).next_back().ok_or(error)?;
        let at = address - start;
        let end = at.checked_add(size).filter(|&end| end <= bytes.len() as u64).ok_or(error)?;
        Ok(&mut bytes[at as usize..end as usize])
    }

    /// Writes `bytes` at `address`.
    ///
    /// # Errors
    /// When they do not fit wholly inside one allocation; then nothing is written.
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), MemoryError> {
        self.read_mut(address, bytes.len() as u64)?.copy_from_slice(bytes);
        Ok(())
    }

    /// The text at `address` up to its zero byte or the end of the allocation, invalid UTF-8 replaced.
    ///
    /// # Errors
    /// When `address` is not inside an allocation.
    pub fn c_string(&self, address: u64) -> Result<String, MemoryError> {
        let error = MemoryError::OutOfBounds { address, size: 1 };
        let (start, size) = self.allocation(address).ok_or(error)?;
        let bytes = self.read(address, start + size - address)?;
        let text = bytes.split(|&byte| byte == 0).next().unwrap_or(bytes);
        Ok(String::from_utf8_lossy(text).into_owned())
    }
}
