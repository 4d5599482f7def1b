//! The heap behind device `malloc` and `free`: power-of-two blocks in one device allocation, sixteen-byte headers outside it.
//!
//! The bookkeeping is kept on the host, so that a kernel that writes past a block cannot corrupt it. Freeing something that is not
//! allocated is ignored, as the manual leaves it undefined.

use crate::memory::DevicePtr;
use std::collections::HashMap;

/// Smallest block.
const MIN_BYTES: u64 = 16;

/// A heap over `bytes` bytes at `base`.
#[derive(Debug)]
pub(crate) struct DeviceHeap {
    base: DevicePtr,
    bytes: u64,
    next: u64,
    /// Free blocks by size class.
    free: HashMap<u64, Vec<u64>>,
    /// Class of each live block, by address.
    live: HashMap<u64, u64>,
}

impl DeviceHeap {
    pub(crate) fn new(base: DevicePtr, bytes: u64) -> Self {
        Self { base, bytes, next: 0, free: HashMap::new(), live: HashMap::new() }
    }

    /// Where the heap lies.
    pub(crate) const fn base(&self) -> DevicePtr {
        self.base
    }

    /// Size of the heap.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A block of at least `bytes` bytes, aligned to 16; `None` when there is no room.
    pub(crate) fn malloc(&mut self, bytes: u64) -> Option<DevicePtr> {
        if bytes == 0 || bytes > self.bytes {
            return None;
        }
        let class = bytes.next_power_of_two().max(MIN_BYTES);
        // Large blocks are not rounded up to a power of two: half the heap could be lost.
        let class = if class > 4096 { bytes.next_multiple_of(4096) } else { class };
        let address = match self.free.get_mut(&class).and_then(Vec::pop) {
            Some(address) => address,
            None => {
                let end = self.next.checked_add(class).filter(|end| *end <= self.bytes)?;
                let address = self.base.0 + self.next;
                self.next = end;
                address
            }
        };
        self.live.insert(address, class);
        Some(DevicePtr(address))
    }

    /// Gives a block back.
    pub(crate) fn free(&mut self, address: DevicePtr) {
        if let Some(class) = self.live.remove(&address.0) {
            self.free.entry(class).or_default().push(address.0);
            if self.live.is_empty() {
                // Everything is free: blocks of other sizes can be cut again.
                self.next = 0;
                self.free.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_disjoint_and_reused() {
        let mut heap = DeviceHeap::new(DevicePtr(0x1000), 1 << 20);
        let mut blocks: Vec<(u64, u64)> = [1, 16, 17, 100, 5000, 4096, 4097]
            .into_iter()
            .map(|bytes| (heap.malloc(bytes).unwrap().0, bytes))
            .collect();
        blocks.sort_unstable();
        assert!(blocks.iter().all(|(address, _)| address % 16 == 0));
        assert!(blocks.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0));
        let again = blocks[2].0;
        heap.free(DevicePtr(again));
        assert_eq!(heap.malloc(blocks[2].1), Some(DevicePtr(again)));
    }

    #[test]
    fn an_exhausted_heap_says_so_and_recovers() {
        let mut heap = DeviceHeap::new(DevicePtr(0x1000), 1 << 16);
        let blocks: Vec<_> = std::iter::from_fn(|| heap.malloc(1024)).collect();
        assert_eq!(blocks.len(), 64);
        assert_eq!(heap.malloc(1), None);
        assert_eq!(heap.malloc(0), None);
        assert_eq!(heap.malloc(u64::MAX), None);
        heap.free(DevicePtr(5));
        for block in blocks {
            heap.free(block);
        }
        assert!(heap.malloc(1 << 16).is_some());
    }
}
