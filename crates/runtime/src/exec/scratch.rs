//! The memory a block runs in: shared window, local windows, program frames. Kept by a worker and reused.
//!
//! Each window lies between inaccessible pages; the shared window ends (but for alignment) at one, so that running over
//! its end is a fault.

use super::block::BlockRun;
use super::os::{PAGE, Range};
use crate::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};
use vgpu_jit::KernelLayout;

/// A growing piece of private memory with inaccessible pages before and after it.
#[derive(Debug, Default)]
struct Region {
    range: Option<Range>,
    /// Committed bytes.
    bytes: u64,
}

impl Region {
    /// Makes room for at least `bytes`; the contents are lost when it grows. Memory is only taken where it is touched.
    fn ensure(&mut self, bytes: u64) -> Result<(), Error> {
        if bytes <= self.bytes {
            return Ok(());
        }
        let bytes = bytes.next_multiple_of(16 * PAGE);
        // The old region goes first: a block's windows can be large.
        *self = Self::default();
        let range = Range::reserve(bytes + 2 * PAGE)?;
        range.commit(PAGE, bytes)?;
        *self = Self { range: Some(range), bytes };
        Ok(())
    }

    fn start(&self) -> *mut u8 {
        self.range.as_ref().map_or(std::ptr::null_mut(), |range| (range.base() + PAGE) as *mut u8)
    }

    /// Start of a window of `bytes` that ends at the end of the region, aligned to 256.
    fn window_at_end(&self, bytes: u64) -> *mut u8 {
        self.start().wrapping_add((self.bytes - bytes.next_multiple_of(256)) as usize)
    }
}

/// The windows of one block.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    shared: Region,
    local: Region,
    frames: Region,
}

/// Where the windows are, for `BlockContext`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WindowAddresses {
    pub(crate) shared: *mut u8,
    pub(crate) local: *mut u8,
    pub(crate) frames: *mut u8,
}

impl Windows {
    /// Makes room for a block of `threads` threads.
    pub(crate) fn prepare(
        &mut self,
        layout: &KernelLayout,
        threads: u32,
        dynamic_shared_bytes: u32,
    ) -> Result<WindowAddresses, Error> {
        let shared = (u64::from(layout.shared_static_bytes) + u64::from(dynamic_shared_bytes)).max(16);
        // A program may have fewer threads than lanes; their windows exist all the same.
        let threads = u64::from(threads).max(u64::from(layout.lanes) * u64::from(layout.programs));
        self.shared.ensure(shared.next_multiple_of(256))?;
        self.local.ensure(u64::from(layout.local_bytes) * threads)?;
        self.frames.ensure(u64::from(layout.frame_bytes) * u64::from(layout.programs))?;
        Ok(WindowAddresses {
            shared: self.shared.window_at_end(shared),
            local: self.local.start(),
            frames: self.frames.start(),
        })
    }
}

impl Windows {
    /// Memory taken, at most.
    pub(crate) const fn bytes(&self) -> u64 {
        self.shared.bytes + self.local.bytes + self.frames.bytes
    }
}

/// Windows of finished resident blocks, for the next cooperative launch: making them costs more than running a small block.
#[derive(Debug, Default)]
pub(crate) struct WindowPool(Mutex<Vec<Windows>>);

impl WindowPool {
    fn lock(&self) -> MutexGuard<'_, Vec<Windows>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Used windows if there are some, else new ones.
    pub(crate) fn take(&self) -> Windows {
        self.lock().pop().unwrap_or_default()
    }

    /// Keeps windows for later. There are never more than blocks that can be resident.
    pub(crate) fn give(&self, windows: Windows) {
        self.lock().push(windows);
    }
}

/// What a thread needs to run blocks; the software device's streaming multiprocessor. There are as many as workers,
/// and a thread holds one while it runs blocks.
#[derive(Debug)]
pub(crate) struct Slot {
    /// `%smid`.
    pub(crate) number: u32,
    pub(crate) windows: Windows,
    pub(crate) run: BlockRun,
}

impl Slot {
    pub(crate) fn new(number: u32) -> Self {
        Self { number, windows: Windows::default(), run: BlockRun::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::guard;
    use vgpu_jit::EntryKind;

    fn layout(shared: u32, local: u32) -> KernelLayout {
        KernelLayout {
            entry: EntryKind::Resumable,
            lanes: 32,
            programs: 4,
            shared_static_bytes: shared,
            local_bytes: local,
            frame_bytes: 128,
            param_bytes: 0,
            ordered_atomics: false,
            aligned_params: Vec::new(),
        }
    }

    #[test]
    fn windows_are_aligned_and_the_shared_window_ends_at_a_guard_page() {
        let mut windows = Windows::default();
        for shared in [0, 16, 1000, 48 << 10] {
            let addresses = windows.prepare(&layout(shared, 64), 128, 512).unwrap();
            assert_eq!(addresses.shared as u64 % 256, 0);
            assert_eq!(addresses.local as u64 % 64, 0);
            assert_eq!(addresses.frames as u64 % 64, 0);
            let end = addresses.shared as u64 + u64::from(shared + 512).next_multiple_of(256);
            assert_eq!(guard::try_read(end - 1, &mut [0], false), Some(1));
            assert_eq!(guard::try_read(end, &mut [0], false), None);
        }
    }
}
