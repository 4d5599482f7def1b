//! Scratch memory that is kept between calls: fresh pages are slow, so a caller passes the same scratch again.

use crate::Error;

/// A cache line, the unit and alignment of scratch.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line {
    _bytes: [u8; 64],
}

/// Memory for packed operands and partial results; grows to what the largest call so far needed.
#[derive(Default)]
pub struct Scratch {
    lines: Vec<Line>,
}

/// Number types of which every bit pattern is a value.
pub trait AnyBits: Copy {}
impl AnyBits for f32 {}
impl AnyBits for f64 {}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scratch({} bytes)", self.bytes())
    }
}

impl Scratch {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self { lines: Vec::new() }
    }

    /// Its size now.
    pub fn bytes(&self) -> usize {
        self.lines.len() * size_of::<Line>()
    }

    /// `n` numbers, whatever was left there.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; scratch is as before.
    pub(crate) fn elements<T: AnyBits>(&mut self, n: usize) -> Result<&mut [T], Error> {
        let at = self.reserve(n.saturating_mul(size_of::<T>()))?;
        // SAFETY: rule 1: so many bytes are there, initialised, aligned to more than a number, and any bits are a number.
        Ok(unsafe { std::slice::from_raw_parts_mut(at.cast(), n) })
    }

    /// At least `bytes` bytes on a 64-byte boundary; the contents are whatever was left there.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; scratch is as before.
    pub(crate) fn reserve(&mut self, bytes: usize) -> Result<*mut u8, Error> {
        let n_lines = bytes.div_ceil(size_of::<Line>());
        if n_lines > self.lines.len() {
            let more = n_lines - self.lines.len();
            self.lines.try_reserve_exact(more).map_err(|_| Error::OutOfMemory { bytes })?;
            self.lines.resize(n_lines, Line { _bytes: [0; 64] });
        }
        Ok(self.lines.as_mut_ptr().cast())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_and_refuses() {
        let mut scratch = Scratch::new();
        assert_eq!(scratch.reserve(1).expect("a line").align_offset(64), 0);
        assert_eq!(scratch.bytes(), 64);
        let huge = isize::MAX as usize - 128;
        assert_eq!(scratch.reserve(huge).expect_err("too much"), Error::OutOfMemory { bytes: huge });
        assert_eq!(scratch.bytes(), 64);
    }
}
