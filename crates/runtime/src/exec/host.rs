//! Host memory that somebody outside this library owns: addresses taken on trust, copies that survive a wrong one.
//!
//! Model. A [`HostPtr`] is a promise made by the face that received the address. Copies run under the guard, like generated
//! code: an address that is not mapped ends the copy with an error, not the process. That is a safety net for callers' mistakes, not
//! a check: a wrong address that happens to be mapped is written like any other.

use super::guard::Scope;
use crate::error::Error;
use std::ptr;
use vgpu_jit::abi::BlockContext;

/// An address in memory of the host process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostPtr(u64);

impl HostPtr {
    /// Takes an address from a caller.
    ///
    /// # Safety
    /// Until every operation given this address has ended, the bytes it covers may be read, and written if it is a
    /// destination, without breaking a rule of the program that owns them.
    pub const unsafe fn new(address: u64) -> Self {
        Self(address)
    }

    /// The address.
    pub const fn address(self) -> u64 {
        self.0
    }
}

/// Rows of bytes to be moved from one place to another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows {
    pub(crate) to: u64,
    pub(crate) from: u64,
    pub(crate) to_row: u64,
    pub(crate) from_row: u64,
    pub(crate) to_slice: u64,
    pub(crate) from_slice: u64,
    pub(crate) width: u64,
    pub(crate) height: u64,
    pub(crate) depth: u64,
}

unsafe extern "C" fn move_rows(rows: *mut BlockContext, _program: u32) -> u32 {
    // SAFETY: `rows` is what `copy_rows` passed. The addresses may be wild; then this function is left in the middle, which
    // leaks nothing. `copy` allows overlap.
    unsafe {
        let rows = &*rows.cast_const().cast::<Rows>();
        for slice in 0..rows.depth {
            for row in 0..rows.height {
                let to = rows.to.wrapping_add(slice * rows.to_slice).wrapping_add(row * rows.to_row);
                let from = rows.from.wrapping_add(slice * rows.from_slice).wrapping_add(row * rows.from_row);
                ptr::copy(from as *const u8, to as *mut u8, rows.width as usize);
            }
        }
    }
    0
}

/// Copies rows; false when one of the addresses is not mapped.
///
/// # Safety
/// Both ends are memory that a [`HostPtr`] stands for, or pinned device memory.
pub(crate) unsafe fn copy_rows(rows: &Rows) -> bool {
    let scope = Scope::enter(ptr::null());
    // SAFETY: `move_rows` expects rows in place of the block, only reads them, and owns nothing.
    unsafe { scope.call(move_rows, ptr::from_ref(rows).cast_mut().cast(), 0) }.is_ok()
}

/// Copies rows of a pinned transfer: its device ends are pinned, its host ends were promised.
pub(crate) fn run_rows(rows: &Rows) -> Result<(), Error> {
    // SAFETY: only `transfer` makes rows, from pins and `HostPtr`s that live as long as the transfer.
    if unsafe { copy_rows(rows) } {
        return Ok(());
    }
    Err(Error::HostAddress { to: rows.to, from: rows.from })
}

/// Fills rows of a pinned destination.
pub(crate) fn run_fill(to: u64, pitch: u64, width: u64, height: u64, pattern: &[u8]) -> Result<(), Error> {
    // SAFETY: as in `run_rows`.
    if unsafe { fill_rows(to, pitch, width, height, pattern) } {
        return Ok(());
    }
    Err(Error::HostAddress { to, from: to })
}

struct Filling {
    to: u64,
    pitch: u64,
    width: u64,
    height: u64,
    pattern: [u8; 4],
    pattern_bytes: u64,
}

unsafe extern "C" fn fill_row_bytes(filling: *mut BlockContext, _program: u32) -> u32 {
    // SAFETY: as in `move_rows`.
    unsafe {
        let filling = &*filling.cast_const().cast::<Filling>();
        for row in 0..filling.height {
            let to = filling.to.wrapping_add(row * filling.pitch) as *mut u8;
            if filling.pattern_bytes == 1 {
                ptr::write_bytes(to, filling.pattern[0], filling.width as usize);
                continue;
            }
            let mut done = filling.pattern_bytes.min(filling.width) as usize;
            ptr::copy_nonoverlapping(filling.pattern.as_ptr(), to, done);
            // Doubling copies: the filled start is the source of the next piece.
            while done < filling.width as usize {
                let piece = done.min(filling.width as usize - done);
                ptr::copy_nonoverlapping(to, to.add(done), piece);
                done += piece;
            }
        }
    }
    0
}

/// Fills rows with a pattern of 1, 2 or 4 bytes; false when the address is not mapped.
///
/// # Safety
/// As [`copy_rows`].
pub(crate) unsafe fn fill_rows(to: u64, pitch: u64, width: u64, height: u64, pattern: &[u8]) -> bool {
    let mut filling = Filling { to, pitch, width, height, pattern: [0; 4], pattern_bytes: pattern.len() as u64 };
    filling.pattern[..pattern.len()].copy_from_slice(pattern);
    let scope = Scope::enter(ptr::null());
    // SAFETY: as in `copy_rows`.
    unsafe { scope.call(fill_row_bytes, (&raw mut filling).cast(), 0) }.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_arrive_and_a_wild_address_is_an_error() {
        let source: Vec<u8> = (0..64).collect();
        let mut target = vec![0u8; 64];
        let mut rows = Rows {
            to: target.as_mut_ptr() as u64,
            from: source.as_ptr() as u64,
            to_row: 16,
            from_row: 8,
            to_slice: 32,
            from_slice: 32,
            width: 3,
            height: 2,
            depth: 2,
        };
        // SAFETY: both vectors live and cover the rows.
        assert!(unsafe { copy_rows(&rows) });
        assert_eq!(target[16..20], [8, 9, 10, 0]);
        assert_eq!(target[48..52], [40, 41, 42, 0]);
        rows.from = 64;
        // SAFETY: nothing is written: the source is the null page, which is never mapped.
        assert!(!unsafe { copy_rows(&rows) });
        // SAFETY: as above.
        assert!(!unsafe { fill_rows(64, 0, 4, 1, &[1]) });
        // SAFETY: the vector covers the rows.
        assert!(unsafe { fill_rows(target.as_mut_ptr() as u64, 8, 7, 2, &[1, 2]) });
        assert_eq!(target[..16], [1, 2, 1, 2, 1, 2, 1, 0, 1, 2, 1, 2, 1, 2, 1, 0]);
    }
}
