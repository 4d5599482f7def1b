//! Copies and fills as values: what moves where, in rows, between device and host memory.
//!
//! Model. A [`Transfer`] or [`Fill`] is a description; nothing is checked until it is *pinned*, which finds the live allocations of
//! its device ends. It then runs on whatever thread its stream chooses. Host ends are promises of the face that made the
//! [`HostPtr`]; a host address that is not mapped makes the operation fail, nothing else.

use crate::context::ContextShared;
use crate::error::Error;
use crate::exec::host::{self, HostPtr, Rows};
use crate::memory::{DevicePtr, Pinned};
use crate::paged::{self, End};

/// One end of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In an allocation of the stream's device.
    Device(DevicePtr),
    /// In memory of the process.
    Host(HostPtr),
}

impl Place {
    /// Its address.
    pub const fn address(self) -> u64 {
        match self {
            Self::Device(pointer) => pointer.0,
            Self::Host(pointer) => pointer.address(),
        }
    }

    fn pin(self, context: &ContextShared, bytes: u64) -> Result<Option<Pinned>, Error> {
        match self {
            Self::Device(pointer) => context.pin(pointer, bytes).map(Some),
            Self::Host(_) => Ok(None),
        }
    }
}

/// One end with its row and slice distances in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// First byte.
    pub place: Place,
    /// From one row to the next.
    pub row_pitch: u64,
    /// From one slice to the next.
    pub slice_pitch: u64,
}

/// A copy of `depth` slices of `height` rows of `width` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Destination.
    pub to: Block,
    /// Source.
    pub from: Block,
    /// Bytes of a row.
    pub width: u64,
    /// Rows of a slice.
    pub height: u64,
    /// Slices.
    pub depth: u64,
}

/// A fill of `height` rows of `width` bytes with a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// First byte.
    pub to: Place,
    /// From one row to the next.
    pub pitch: u64,
    /// Bytes of a row.
    pub width: u64,
    /// Rows.
    pub height: u64,
    /// The pattern, little-endian.
    pub value: u32,
    /// Bytes of the pattern: 1, 2 or 4.
    pub element_bytes: u32,
}

/// Bytes from the first to the last that is touched; `None` when that overflows.
fn extent(row_pitch: u64, slice_pitch: u64, width: u64, height: u64, depth: u64) -> Option<u64> {
    if width == 0 || height == 0 || depth == 0 {
        return Some(0);
    }
    let slices = slice_pitch.checked_mul(depth - 1)?;
    let rows = row_pitch.checked_mul(height - 1)?;
    slices.checked_add(rows)?.checked_add(width)
}

impl Transfer {
    /// A copy of `bytes` bytes in one piece.
    pub const fn flat(to: Place, from: Place, bytes: u64) -> Self {
        Self {
            to: Block { place: to, row_pitch: bytes, slice_pitch: bytes },
            from: Block { place: from, row_pitch: bytes, slice_pitch: bytes },
            width: bytes,
            height: 1,
            depth: 1,
        }
    }

    /// Finds the allocations of the device ends and keeps them alive.
    pub(crate) fn pin(&self, context: &ContextShared) -> Result<PinnedTransfer, Error> {
        let Self { to, from, width, height, depth } = *self;
        let pin = |block: Block| {
            let overflow = || Error::InvalidAddress { address: DevicePtr(block.place.address()), bytes: u64::MAX };
            let bytes = extent(block.row_pitch, block.slice_pitch, width, height, depth).ok_or_else(overflow)?;
            block.place.pin(context, bytes)
        };
        let rows = Rows {
            to: to.place.address(),
            from: from.place.address(),
            to_row: to.row_pitch,
            from_row: from.row_pitch,
            to_slice: to.slice_pitch,
            from_slice: from.slice_pitch,
            width,
            height,
            depth,
        };
        let pins = [pin(to)?, pin(from)?];
        Ok(PinnedTransfer { pins, rows, note: vgpu_trace::note() })
    }
}

/// A transfer ready to run.
pub(crate) struct PinnedTransfer {
    /// Destination and source, where they are device memory.
    pins: [Option<Pinned>; 2],
    rows: Rows,
    /// Where it was submitted, when the process is traced.
    note: Option<vgpu_trace::Note>,
}

impl PinnedTransfer {
    pub(crate) fn run(&self) -> Result<(), Error> {
        let Some(note) = self.note else { return self.move_rows() };
        let began_ns = vgpu_trace::now_ns();
        let outcome = self.move_rows();
        vgpu_trace::work(note, began_ns, || {
            let [to, from] = &self.pins;
            let bytes = self.rows.width * self.rows.height * self.rows.depth;
            vgpu_trace::Work::Copy { to_device: to.is_some(), from_device: from.is_some(), bytes }
        });
        outcome
    }

    fn move_rows(&self) -> Result<(), Error> {
        let Rows { to, from, to_row, from_row, to_slice, from_slice, width, height, depth } = self.rows;
        let [to_end, from_end] = [(to, &self.pins[0]), (from, &self.pins[1])]
            .map(|(address, pin)| pin.as_ref().map_or(End::plain(address), Pinned::end));
        if to_end.pager.is_none() && from_end.pager.is_none() {
            return host::run_rows(&self.rows);
        }
        for slice in 0..depth {
            for row in 0..height {
                let at = |address: u64, slice_pitch: u64, row_pitch: u64| {
                    address.wrapping_add(slice * slice_pitch).wrapping_add(row * row_pitch)
                };
                let to_end = End { address: at(to, to_slice, to_row), ..to_end };
                let from_end = End { address: at(from, from_slice, from_row), ..from_end };
                paged::pieces(to_end, Some(from_end), width, |to, from, width| {
                    host::run_rows(&Rows { to, from, width, height: 1, depth: 1, ..self.rows })
                })?;
            }
        }
        Ok(())
    }
}

impl Fill {
    /// Finds the allocation of a device destination and keeps it alive.
    pub(crate) fn pin(&self, context: &ContextShared) -> Result<PinnedFill, Error> {
        let address = DevicePtr(self.to.address());
        let bytes = extent(self.pitch, 0, self.width, self.height, 1)
            .ok_or(Error::InvalidAddress { address, bytes: u64::MAX })?;
        Ok(PinnedFill { pin: self.to.pin(context, bytes)?, fill: *self, note: vgpu_trace::note() })
    }
}

/// A fill ready to run.
pub(crate) struct PinnedFill {
    pin: Option<Pinned>,
    fill: Fill,
    /// As in [`PinnedTransfer`].
    note: Option<vgpu_trace::Note>,
}

impl PinnedFill {
    pub(crate) fn run(&self) -> Result<(), Error> {
        let began_ns = self.note.map(|note| (note, vgpu_trace::now_ns()));
        let outcome = self.fill_rows();
        if let Some((note, began_ns)) = began_ns {
            let bytes = self.fill.width * self.fill.height;
            vgpu_trace::work(note, began_ns, || vgpu_trace::Work::Fill { bytes });
        }
        outcome
    }

    fn fill_rows(&self) -> Result<(), Error> {
        let Fill { to, pitch, width, height, value, element_bytes } = self.fill;
        let pattern = value.to_le_bytes();
        let pattern = &pattern[..element_bytes.min(4) as usize];
        let end = self.pin.as_ref().map_or(End::plain(to.address()), Pinned::end);
        if end.pager.is_none() {
            return host::run_fill(to.address(), pitch, width, height, pattern);
        }
        for row in 0..height {
            let start = to.address().wrapping_add(row * pitch);
            paged::pieces(End { address: start, ..end }, None, width, |to, _, width| {
                let mut turned = [0; 4];
                let turned = &mut turned[..pattern.len()];
                turned.copy_from_slice(pattern);
                turned.rotate_left(((to - start) % pattern.len().max(1) as u64) as usize);
                host::run_fill(to, 0, width, 1, turned)
            })?;
        }
        Ok(())
    }
}
