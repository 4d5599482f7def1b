//! Giving work to a stream: at once, or into the graph that the stream is being captured to.

use crate::abi::{HostCallback, In};
use crate::context::Context;
use crate::memory::{self, Expected, Located, Origin};
use crate::pool::{POOLS, Pool};
use crate::status::{Result, Status};
use crate::stream::{Event, Stream};
use std::ffi::c_void;
use std::sync::Arc;
use vgpu_runtime::{Block, DevicePtr, Fill, Kernel, LaunchConfig, Place, Transfer, Work};

/// Copies up to this size are made by the calling thread when nothing is ahead of them.
const INLINE_BYTES: u64 = 64 << 10;

/// Whether the caller waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    Sync,
    Async,
}

/// One end of a copy as the caller gave it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) address: u64,
    pub(crate) row_pitch: u64,
    pub(crate) slice_pitch: u64,
    pub(crate) expected: Expected,
}

impl End {
    pub(crate) const fn flat(address: u64, bytes: u64, expected: Expected) -> Self {
        Self { address, row_pitch: bytes, slice_pitch: bytes, expected }
    }
}

/// A copy as the caller gave it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Copy {
    pub(crate) to: End,
    pub(crate) from: End,
    pub(crate) width: u64,
    pub(crate) height: u64,
    pub(crate) depth: u64,
}

impl Copy {
    pub(crate) const fn flat(to: u64, to_expected: Expected, from: u64, from_expected: Expected, bytes: u64) -> Self {
        Self {
            to: End::flat(to, bytes, to_expected),
            from: End::flat(from, bytes, from_expected),
            width: bytes,
            height: 1,
            depth: 1,
        }
    }

    const fn is_empty(&self) -> bool {
        self.width == 0 || self.height == 0 || self.depth == 0
    }

    const fn is_flat(&self) -> bool {
        self.height <= 1 && self.depth <= 1
    }

    fn locate(&self, context: &Context, end: End) -> Result<Located> {
        if self.height > 1 && end.row_pitch < self.width {
            return Err(Status::INVALID_VALUE);
        }
        let slices = end.slice_pitch.checked_mul(self.depth - 1);
        let rows = end.row_pitch.checked_mul(self.height - 1);
        let bytes = slices.zip(rows).and_then(|(a, b)| a.checked_add(b)?.checked_add(self.width));
        memory::locate(context, end.address, bytes.ok_or(Status::INVALID_VALUE)?, end.expected)
    }

    /// The copy in the runtime's terms, and whether both ends are memory that the device knows.
    fn transfer(&self, context: &Context) -> Result<(Transfer, Located, Located)> {
        let (to, from) = (self.locate(context, self.to)?, self.locate(context, self.from)?);
        let block = |end: End, place: Place| Block { place, row_pitch: end.row_pitch, slice_pitch: end.slice_pitch };
        let transfer = Transfer {
            to: block(self.to, to.place),
            from: block(self.from, from.place),
            width: self.width,
            height: self.height,
            depth: self.depth,
        };
        Ok((transfer, to, from))
    }

    /// The copy as an operation to keep.
    pub(crate) fn work(&self, context: &Context) -> Result<Work> {
        if self.is_empty() {
            return Ok(Work::Nothing);
        }
        Ok(Work::Transfer(self.transfer(context)?.0))
    }

    /// Gives it to a stream.
    ///
    /// As with CUDA, an asynchronous copy from pageable memory has read it when this returns, and one to pageable memory
    /// is complete.
    pub(crate) fn submit(&self, stream: &Arc<Stream>, pace: Pace) -> Result<()> {
        let context = stream.context()?;
        context.check()?;
        if self.is_empty() {
            return if pace == Pace::Sync { stream.synchronize() } else { Ok(()) };
        }
        let (transfer, to, from) = self.transfer(&context)?;
        let bytes = self.width.saturating_mul(self.height).saturating_mul(self.depth);
        if pace == Pace::Sync || bytes <= INLINE_BYTES && stream.runtime.is_clear() || !to.is_known {
            stream.runtime.transfer_now(&transfer)?;
        } else if from.is_known {
            stream.runtime.transfer(&transfer)?;
        } else if let (Place::Device(pointer), true) = (to.place, self.is_flat()) {
            if bytes > INLINE_BYTES {
                stream.runtime.transfer_now(&transfer)?;
            } else {
                let staged = In::<u8>::at_address(self.from.address).bytes(bytes as usize)?;
                stream.runtime.copy_to_device(pointer, staged)?;
            }
        } else {
            stream.runtime.transfer_now(&transfer)?;
        }
        Ok(())
    }
}

/// A fill as the caller gave it; `width` in elements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FillArgs {
    pub(crate) to: u64,
    pub(crate) pitch: u64,
    pub(crate) width: u64,
    pub(crate) height: u64,
    pub(crate) value: u32,
    pub(crate) element_bytes: u32,
}

impl FillArgs {
    /// The fill in the runtime's terms; `None` for an empty one.
    pub(crate) fn fill(&self, context: &Context) -> Result<Option<Fill>> {
        let Self { to, pitch, width, height, value, element_bytes } = *self;
        if width == 0 || height == 0 {
            return Ok(None);
        }
        if !matches!(element_bytes, 1 | 2 | 4) || !to.is_multiple_of(element_bytes.into()) {
            return Err(Status::INVALID_VALUE);
        }
        let width = width.checked_mul(element_bytes.into()).ok_or(Status::INVALID_VALUE)?;
        if height > 1 && (pitch < width || !pitch.is_multiple_of(element_bytes.into())) {
            return Err(Status::INVALID_VALUE);
        }
        let bytes = pitch.checked_mul(height - 1).and_then(|rows| rows.checked_add(width));
        let located = memory::locate(context, to, bytes.ok_or(Status::INVALID_VALUE)?, Expected::Device)?;
        Ok(Some(Fill { to: located.place, pitch, width, height, value, element_bytes }))
    }

    /// Gives it to a stream.
    pub(crate) fn submit(&self, stream: &Arc<Stream>, pace: Pace) -> Result<()> {
        let context = stream.context()?;
        context.check()?;
        let Some(fill) = self.fill(&context)? else { return Ok(()) };
        if pace == Pace::Sync || fill.width.saturating_mul(fill.height) <= INLINE_BYTES && stream.runtime.is_clear() {
            stream.runtime.fill_now(&fill)?;
        } else {
            stream.runtime.fill_rows(&fill)?;
        }
        Ok(())
    }
}

/// Launches a kernel.
pub(crate) fn launch(
    stream: &Arc<Stream>,
    kernel: &Kernel,
    shape: &LaunchConfig,
    params: &[u8],
) -> std::result::Result<(), vgpu_runtime::Error> {
    kernel.launch_packed(&stream.runtime, shape, params)
}

/// Calls a host function.
pub(crate) fn host(stream: &Arc<Stream>, function: HostCallback, data: u64) -> Result<()> {
    stream.runtime.host_function(move || function.call(data as *mut c_void))?;
    Ok(())
}

/// Records an event.
pub(crate) fn record(stream: &Arc<Stream>, event: &Arc<Event>) -> Result<()> {
    if event.context_id != stream.context_id {
        return Err(Status::INVALID_HANDLE);
    }
    stream.context()?.check()?;
    stream.runtime.record(&event.runtime)?;
    Ok(())
}

/// Waits for an event of any context.
pub(crate) fn wait(stream: &Arc<Stream>, event: &Arc<Event>) -> Result<()> {
    stream.context()?.check()?;
    stream.runtime.wait(&event.runtime)?;
    Ok(())
}

/// Allocates from a pool.
pub(crate) fn alloc(stream: &Arc<Stream>, pool: &Arc<Pool>, bytes: u64) -> Result<u64> {
    let context = stream.context()?;
    context.check()?;
    if bytes == 0 {
        return Err(Status::INVALID_VALUE);
    }
    let made = memory::alloc_device(&context, bytes, Origin::Pool(pool.handle), 0);
    let address = match made {
        Err(Status::OUT_OF_MEMORY) => {
            // Frees that are still to come in streams may make room.
            context.runtime.synchronize()?;
            memory::alloc_device(&context, bytes, Origin::Pool(pool.handle), 0)?
        }
        made => made?,
    };
    pool.allocated(bytes);
    Ok(address)
}

/// Frees when the stream gets there. The address is no allocation any more from now on.
pub(crate) fn free(stream: &Arc<Stream>, address: u64) -> Result<()> {
    let of_device = |origin| matches!(origin, Origin::Device | Origin::Managed | Origin::Pool(_));
    let allocation = memory::unregister(address, of_device).ok_or(Status::INVALID_VALUE)?;
    if let Origin::Pool(pool) = allocation.origin
        && let Some(pool) = POOLS.find(pool)
    {
        pool.freed(allocation.bytes);
    }
    // The runtime gives memory back when nothing in flight can use it.
    stream.runtime.after_all(move || {
        let _ = allocation.context.runtime.free(DevicePtr(address));
    });
    Ok(())
}

/// Refuses what must not happen to a stream that is being captured.
pub(crate) fn check_not_capturing(stream: &Arc<Stream>) -> Result<()> {
    let _ = stream;
    Ok(())
}

/// Refuses what must not happen to an event of a capture.
pub(crate) fn check_not_captured(event: &Arc<Event>) -> Result<()> {
    let _ = event;
    Ok(())
}
