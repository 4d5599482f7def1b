//! Giving work to a stream: at once, or into the graph that the stream is being captured to.

use crate::abi::{Copy3D, FillNodeParams, HostCallback, In};
use crate::context::Context;
use crate::driver::lock;
use crate::graph::{Capture, Detail, KernelDetail};
use crate::log;
use crate::memory::{self, Expected, Located, Origin};
use crate::module::Function;
use crate::pool::Pool;
use crate::status::{Result, Status};
use crate::stream::{Event, Stream};
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use vgpu_runtime::{Block, DevicePtr, Fill, Kernel, LaunchConfig, Place, Transfer, Work};
use vgpu_types::Dim3;

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

    /// The copy as a node of a graph.
    pub(crate) fn node(&self, context: &Context) -> Result<(Work, Detail)> {
        let kind = |expected| if expected == Expected::Device { 2 } else { 4 };
        let rows = |end: End| end.slice_pitch.checked_div(end.row_pitch).unwrap_or(0) as usize;
        let detail = Copy3D {
            src_x: 0,
            src_y: 0,
            src_z: 0,
            src_lod: 0,
            src_type: kind(self.from.expected),
            src_host: 0,
            src_device: self.from.address,
            src_array: 0,
            src_context: 0,
            src_pitch: self.from.row_pitch as usize,
            src_height: rows(self.from),
            dst_x: 0,
            dst_y: 0,
            dst_z: 0,
            dst_lod: 0,
            dst_type: kind(self.to.expected),
            dst_host: 0,
            dst_device: self.to.address,
            dst_array: 0,
            dst_context: 0,
            dst_pitch: self.to.row_pitch as usize,
            dst_height: rows(self.to),
            width: self.width as usize,
            height: self.height as usize,
            depth: self.depth as usize,
        };
        Ok((self.work(context)?, Detail::Copy(detail)))
    }

    /// Gives it to a stream.
    ///
    /// As with CUDA, an asynchronous copy from pageable memory has read it when this returns, and one to pageable memory
    /// is complete.
    pub(crate) fn submit(&self, stream: &Arc<Stream>, pace: Pace) -> Result<()> {
        let context = begin(stream)?;
        if let Some(capture) = stream.capture() {
            check_pace(&capture, pace)?;
            let (work, detail) = self.node(&context)?;
            return capture.add(stream, work, detail).map(drop);
        }
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

    /// The fill as a node of a graph.
    pub(crate) fn node(&self, context: &Context) -> Result<(Work, Detail)> {
        let Self { to, pitch, width, height, value, element_bytes } = *self;
        let (pitch, width, height) = (pitch as usize, width as usize, height as usize);
        let work = self.fill(context)?.map_or(Work::Nothing, Work::Fill);
        Ok((work, Detail::Fill(FillNodeParams { to, pitch, value, element_bytes, width, height })))
    }

    /// Gives it to a stream.
    pub(crate) fn submit(&self, stream: &Arc<Stream>, pace: Pace) -> Result<()> {
        let context = begin(stream)?;
        if let Some(capture) = stream.capture() {
            check_pace(&capture, pace)?;
            let (work, detail) = self.node(&context)?;
            return capture.add(stream, work, detail).map(drop);
        }
        let Some(fill) = self.fill(&context)? else { return Ok(()) };
        if pace == Pace::Sync || fill.width.saturating_mul(fill.height) <= INLINE_BYTES && stream.runtime.is_clear() {
            stream.runtime.fill_now(&fill)?;
        } else {
            stream.runtime.fill_rows(&fill)?;
        }
        Ok(())
    }
}

/// The context of a stream that is about to get work.
fn begin(stream: &Arc<Stream>) -> Result<Arc<Context>> {
    let context = stream.context()?;
    context.check()?;
    if vgpu_trace::is_on() {
        vgpu_trace::submit_to(stream.id, context.id, context.ordinal.number);
    }
    if stream.is_legacy() && context.n_captures.load(Ordering::Acquire) > 0 {
        // It would have to wait for a stream whose work does not run now.
        return Err(Status::STREAM_CAPTURE_IMPLICIT);
    }
    Ok(context)
}

/// A capture takes no operation that the caller waits for.
fn check_pace(capture: &Capture, pace: Pace) -> Result<()> {
    if pace == Pace::Async {
        return Ok(());
    }
    capture.invalidate();
    Err(Status::STREAM_CAPTURE_UNSUPPORTED)
}

/// A launch as a node of a graph.
pub(crate) fn launch_node(function: u64, kernel: &Kernel, shape: &LaunchConfig, params: &[u8]) -> (Work, Detail) {
    let packed: Arc<[u8]> = params.into();
    let base = packed.as_ptr() as u64;
    let pointers = kernel.params().iter().map(|param| base + u64::from(param.offset)).collect();
    let triple = |dim: Dim3| [dim.x, dim.y, dim.z];
    let detail = KernelDetail {
        function,
        grid: triple(shape.grid),
        block: triple(shape.block),
        shared_bytes: shape.dynamic_shared_bytes,
        _packed: Arc::clone(&packed),
        pointers,
    };
    let work = Work::Launch { kernel: kernel.clone(), config: *shape, params: packed };
    (work, Detail::Kernel(Arc::new(detail)))
}

/// Launches a kernel.
pub(crate) fn launch(
    stream: &Arc<Stream>,
    function: &Function,
    kernel: &Kernel,
    shape: &LaunchConfig,
    params: &[u8],
) -> Result<()> {
    begin(stream)?;
    if let Some(capture) = stream.capture() {
        let (work, detail) = launch_node(function.handle, kernel, shape, params);
        return capture.add(stream, work, detail).map(drop);
    }
    kernel.launch_packed(&stream.runtime, shape, params).map_err(|error| {
        let told = matches!(error, vgpu_runtime::Error::Compile { .. } | vgpu_runtime::Error::Code { .. });
        if told {
            log::once(&error.to_string(), "");
        }
        Status::from(error)
    })
}

/// A call of a host function as a node of a graph.
pub(crate) fn host_node(function: HostCallback, data: u64) -> (Work, Detail) {
    let work = Work::Host(Arc::new(move || function.call(data as *mut c_void)));
    (work, Detail::Host { function: function.address(), data })
}

/// Calls a host function.
pub(crate) fn host(stream: &Arc<Stream>, function: HostCallback, data: u64) -> Result<()> {
    begin(stream)?;
    if let Some(capture) = stream.capture() {
        let (work, detail) = host_node(function, data);
        return capture.add(stream, work, detail).map(drop);
    }
    stream.runtime.host_function(move || function.call(data as *mut c_void))?;
    Ok(())
}

/// Records an event. In a capture it stands for what was captured so far, unless it is for others to see.
pub(crate) fn record(stream: &Arc<Stream>, event: &Arc<Event>, external: bool) -> Result<()> {
    if event.context_id != stream.context_id {
        return Err(Status::INVALID_HANDLE);
    }
    begin(stream)?;
    if let Some(capture) = stream.capture() {
        if external {
            let work = Work::Record(event.runtime.clone());
            return capture.add(stream, work, Detail::Record(event.handle)).map(drop);
        }
        return capture.record(stream, event);
    }
    *lock(&event.captured) = None;
    stream.runtime.record(&event.runtime)?;
    Ok(())
}

/// The capture that an event was last recorded in, if it goes on.
fn capture_of(event: &Event) -> Option<(Arc<Capture>, Vec<usize>)> {
    let captured = lock(&event.captured);
    let (capture, nodes) = captured.as_ref()?;
    Some((capture.upgrade()?, nodes.clone()))
}

/// Waits for an event of any context.
pub(crate) fn wait(stream: &Arc<Stream>, event: &Arc<Event>, external: bool) -> Result<()> {
    stream.context()?.check()?;
    match (stream.capture(), capture_of(event)) {
        (Some(capture), _) if external => {
            let work = Work::Wait(event.runtime.clone());
            capture.add(stream, work, Detail::Wait(event.handle)).map(drop)
        }
        (Some(own), Some((other, nodes))) => {
            if !Arc::ptr_eq(&own, &other) {
                own.invalidate();
                other.invalidate();
                return Err(Status::STREAM_CAPTURE_MERGE);
            }
            own.join(stream, &nodes)
        }
        (Some(own), None) => {
            // Nothing to wait for is fine; work outside of the capture is not.
            if !event.runtime.was_recorded() {
                return Ok(());
            }
            own.invalidate();
            Err(Status::STREAM_CAPTURE_ISOLATION)
        }
        (None, Some((other, nodes))) => other.join(stream, &nodes),
        (None, None) => {
            begin(stream)?;
            stream.runtime.wait(&event.runtime)?;
            Ok(())
        }
    }
}

/// Allocates from a pool.
pub(crate) fn alloc(stream: &Arc<Stream>, pool: &Arc<Pool>, bytes: u64) -> Result<u64> {
    let context = begin(stream)?;
    if bytes == 0 {
        return Err(Status::INVALID_VALUE);
    }
    let made = memory::alloc_device(&context, bytes, Origin::Pool(pool.handle), 0);
    let address = match made {
        Err(Status::OUT_OF_MEMORY) if stream.capture().is_none() => {
            // Frees that are still to come in streams may make room.
            context.runtime.synchronize()?;
            memory::alloc_device(&context, bytes, Origin::Pool(pool.handle), 0)?
        }
        made => made?,
    };
    pool.allocated(bytes);
    if let Some(capture) = stream.capture() {
        let id = memory::find(address).map_or(0, |allocation| allocation.id);
        let detail = Detail::Alloc { pointer: address, bytes, device: context.ordinal.number, id };
        capture.add(stream, Work::Nothing, detail)?;
    }
    Ok(address)
}

/// Frees when the stream gets there. The address is no allocation any more from now on.
pub(crate) fn free(stream: &Arc<Stream>, address: u64) -> Result<()> {
    begin(stream)?;
    if let Some(capture) = stream.capture() {
        memory::find(address).filter(|allocation| allocation.start == address).ok_or(Status::INVALID_VALUE)?;
        // The memory belongs to the graph, for its next launch.
        return capture.add(stream, Work::Nothing, Detail::Free(address)).map(drop);
    }
    let allocation = memory::take_device(address)?;
    // The runtime gives memory back when nothing in flight can use it.
    stream.runtime.after_all(move || {
        // Taken out of the registry above, so nobody else frees it.
        let _ = allocation.context.runtime.free(DevicePtr(address));
    });
    Ok(())
}

/// Refuses what must not happen to a stream that is being captured.
pub(crate) fn check_not_capturing(stream: &Arc<Stream>) -> Result<()> {
    let Some(capture) = stream.capture() else { return Ok(()) };
    capture.invalidate();
    Err(Status::STREAM_CAPTURE_UNSUPPORTED)
}

/// Refuses what must not happen to an event of a capture.
pub(crate) fn check_not_captured(event: &Arc<Event>) -> Result<()> {
    let Some((capture, _)) = capture_of(event) else { return Ok(()) };
    capture.invalidate();
    Err(Status::CAPTURED_EVENT)
}
