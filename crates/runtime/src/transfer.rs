//! Copies and fills as values: what moves where, in rows, between device and host memory.
//!
//! Model. A [`Transfer`] or [`Fill`] is a description; nothing is checked until it is *pinned*, which finds the live allocations of
//! its device ends. It then runs on whatever thread its stream chooses. Host ends are promises of the face that made the
//! [`HostPtr`]; a host address that is not mapped makes the operation fail, nothing else.

use crate::context::ContextShared;
use crate::error::Error;
use crate::exec::host::{self, HostPtr, Rows};
use crate::memory::{DevicePtr, Pinned};

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
        let Some(note) = self.note else { return host::run_rows(&self.rows) };
        let began_ns = vgpu_trace::now_ns();
        let outcome = host::run_rows(&self.rows);
        vgpu_trace::work(note, began_ns, || {
            let [to, from] = &self.pins;
            let bytes = self.rows.width * self.rows.height * self.rows.depth;
            vgpu_trace::Work::Copy { to_device: to.is_some(), from_device: from.is_some(), bytes }
        });
        outcome
    }
}

impl Fill {
    /// Finds the allocation of a device destination and keeps it alive.
    pub(crate) fn pin(&self, context: &ContextShared) -> Result<PinnedFill, Error> {
        let address = DevicePtr(self.to.address());
        let bytes = extent(self.pitch, 0, self.width, self.height, 1)
            .ok_or(Error::InvalidAddress { address, bytes: u64::MAX })?;
        Ok(PinnedFill { _pin: self.to.pin(context, bytes)?, fill: *self, note: vgpu_trace::note() })
    }
}

/// A fill ready to run.
pub(crate) struct PinnedFill {
    _pin: Option<Pinned>,
    fill: Fill,
    /// As in [`PinnedTransfer`].
    note: Option<vgpu_trace::Note>,
}

impl PinnedFill {
    pub(crate) fn run(&self) -> Result<(), Error> {
        let Fill { to, pitch, width, height, value, element_bytes } = self.fill;
        let began_ns = self.note.map(|note| (note, vgpu_trace::now_ns()));
        let pattern = value.to_le_bytes();
        let outcome = host::run_fill(to.address(), pitch, width, height, &pattern[..element_bytes.min(4) as usize]);
        if let Some((note, began_ns)) = began_ns {
            vgpu_trace::work(note, began_ns, || vgpu_trace::Work::Fill { bytes: width * height });
        }
        outcome
    }
}
