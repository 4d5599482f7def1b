//! Host access to device memory: copies and fills on pinned ranges.
//!
//! The host may copy while a kernel runs on the same bytes; then the bytes read are those of some moment, as on hardware. No
//! reference to device memory is ever made, only raw copies.

use crate::memory::Pinned;

/// Copies `from` to the start of `to`.
///
/// # Panics
/// `from` is longer than `to`: callers pin what they copy.
pub(crate) fn to_device(to: &Pinned, from: &[u8]) {
    assert!(from.len() as u64 <= to.bytes(), "the pinned range covers the copy");
    // SAFETY: the pin keeps the range mapped and writable; `from` is host memory outside the device's range.
    unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to.address() as *mut u8, from.len()) };
}

/// Copies the start of `from` to `to`.
///
/// # Panics
/// `to` is longer than `from`.
pub(crate) fn from_device(to: &mut [u8], from: &Pinned) {
    assert!(to.len() as u64 <= from.bytes(), "the pinned range covers the copy");
    // SAFETY: as in `to_device`.
    unsafe { std::ptr::copy_nonoverlapping(from.address() as *const u8, to.as_mut_ptr(), to.len()) };
}

/// Copies between device ranges of equal length, which may overlap.
///
/// # Panics
/// The lengths differ.
pub(crate) fn within_device(to: &Pinned, from: &Pinned) {
    assert_eq!(to.bytes(), from.bytes(), "both ends of a copy have its length");
    // SAFETY: both pins keep their ranges mapped; `copy` allows overlap.
    unsafe { std::ptr::copy(from.address() as *const u8, to.address() as *mut u8, to.bytes() as usize) };
}

/// Fills the range with a repeated pattern of 1, 2 or 4 bytes, the last one cut off.
pub(crate) fn fill(to: &Pinned, pattern: &[u8]) {
    let address = to.address() as *mut u8;
    match pattern {
        [] => {}
        // SAFETY: the pin keeps the range mapped and writable.
        [byte] => unsafe { std::ptr::write_bytes(address, *byte, to.bytes() as usize) },
        _ => {
            let n = to.bytes() as usize;
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
        let memory = DeviceMemory::new(1 << 32, 1 << 30, None).unwrap();
        let start = memory.alloc(4096).unwrap();
        let all = memory.pin(start, 4096).unwrap();
        let data: Vec<u8> = (0..4096u32).map(|x| (x * 7) as u8).collect();
        to_device(&all, &data);
        let mut back = vec![0; 4096];
        from_device(&mut back, &all);
        assert_eq!(back, data);
        let (a, b) = (memory.pin(start, 100).unwrap(), memory.pin(start.offset(10), 100).unwrap());
        within_device(&b, &a);
        from_device(&mut back[..110], &all);
        assert_eq!(back[10..110], data[..100]);
        fill(&memory.pin(start.offset(3), 11).unwrap(), &[1, 2, 3, 4]);
        from_device(&mut back[..15], &all);
        assert_eq!(back[3..14], [1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3]);
        assert_eq!(back[14], data[4]);
    }
}
