//! Host access to device memory: copies and fills on pinned ranges.
//!
//! The host may copy while a kernel runs on the same bytes; then the bytes read are those of some moment, as on hardware. No
//! reference to device memory is ever made, only raw copies. With a memory budget copies go page by page, each page held in its
//! place while its bytes move; they fail when a page cannot be brought.

use crate::error::Error;
use crate::memory::Pinned;
use crate::paged::{End, pieces};

/// Copies `from` to the start of `to`.
///
/// # Panics
/// `from` is longer than `to`: callers pin what they copy.
pub(crate) fn to_device(to: &Pinned, from: &[u8]) -> Result<(), Error> {
    assert!(from.len() as u64 <= to.bytes(), "the pinned range covers the copy");
    let source = End::plain(from.as_ptr() as u64);
    pieces(to.end(), Some(source), from.len() as u64, |to, from, n| {
        // SAFETY: the pin keeps the range mapped and writable; the source is host memory outside the device's range.
        unsafe { std::ptr::copy_nonoverlapping(from as *const u8, to as *mut u8, n as usize) };
        Ok(())
    })
}

/// Copies the start of `from` to `to`.
///
/// # Panics
/// `to` is longer than `from`.
pub(crate) fn from_device(to: &mut [u8], from: &Pinned) -> Result<(), Error> {
    assert!(to.len() as u64 <= from.bytes(), "the pinned range covers the copy");
    let bytes = to.len() as u64;
    pieces(End::plain(to.as_mut_ptr() as u64), Some(from.end()), bytes, |to, from, n| {
        // SAFETY: as in `to_device`.
        unsafe { std::ptr::copy_nonoverlapping(from as *const u8, to as *mut u8, n as usize) };
        Ok(())
    })
}

/// Copies between device ranges of equal length, which may overlap.
///
/// # Panics
/// The lengths differ.
pub(crate) fn within_device(to: &Pinned, from: &Pinned) -> Result<(), Error> {
    assert_eq!(to.bytes(), from.bytes(), "both ends of a copy have its length");
    pieces(to.end(), Some(from.end()), to.bytes(), |to, from, n| {
        // SAFETY: both pins keep their ranges mapped; `copy` allows overlap.
        unsafe { std::ptr::copy(from as *const u8, to as *mut u8, n as usize) };
        Ok(())
    })
}

/// Fills the range with a repeated pattern of 1, 2 or 4 bytes, the last one cut off.
pub(crate) fn fill(to: &Pinned, pattern: &[u8]) -> Result<(), Error> {
    let mut pattern = pattern.to_vec();
    let mut start = to.address();
    pieces(to.end(), None, to.bytes(), |address, _, n| {
        // Later pieces begin where the pattern is in the middle.
        if !pattern.is_empty() {
            let turn = ((address - start) % pattern.len() as u64) as usize;
            pattern.rotate_left(turn);
        }
        start = address;
        fill_piece(address, &pattern, n as usize);
        Ok(())
    })
}

/// Fills bytes of a pinned range.
fn fill_piece(address: u64, pattern: &[u8], n: usize) {
    let address = address as *mut u8;
    match pattern {
        [] => {}
        // SAFETY: the pin keeps the range mapped and writable.
        [byte] => unsafe { std::ptr::write_bytes(address, *byte, n) },
        _ => {
            // Doubling copies: the filled start is the source of the next piece.
            let mut done = pattern.len().min(n);
            // SAFETY: every piece lies inside the pinned range, and source and destination do not overlap.
            unsafe {
                std::ptr::copy_nonoverlapping(pattern.as_ptr(), address, done);
                while done < n {
                    let piece = done.min(n - done);
                    std::ptr::copy_nonoverlapping(address, address.add(done), piece);
                    done += piece;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::DeviceMemory;

    #[test]
    fn copies_and_fills_arrive() {
        let memory = DeviceMemory::new(1 << 32, 1 << 30, None, None).unwrap();
        let start = memory.alloc(4096).unwrap();
        let all = memory.pin(start, 4096).unwrap();
        let data: Vec<u8> = (0..4096u32).map(|x| (x * 7) as u8).collect();
        to_device(&all, &data).unwrap();
        let mut back = vec![0; 4096];
        from_device(&mut back, &all).unwrap();
        assert_eq!(back, data);
        let (a, b) = (memory.pin(start, 100).unwrap(), memory.pin(start.offset(10), 100).unwrap());
        within_device(&b, &a).unwrap();
        from_device(&mut back[..110], &all).unwrap();
        assert_eq!(back[10..110], data[..100]);
        fill(&memory.pin(start.offset(3), 11).unwrap(), &[1, 2, 3, 4]).unwrap();
        from_device(&mut back[..15], &all).unwrap();
        assert_eq!(back[3..14], [1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3]);
        assert_eq!(back[14], data[4]);
    }
}
