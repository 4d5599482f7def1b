//! Copies and fills: linear, two- and three-dimensional, at once or in a stream.
//!
//! A copy without a stream is one in the default stream that the caller waits for. The `kind` of a copy decides which driver
//! function is called, so that the driver can refuse addresses that do not fit it.

use crate::code::{INVALID_MEMCPY_DIRECTION, INVALID_PITCH_VALUE, INVALID_VALUE, NOT_SUPPORTED, Outcome};
use crate::{P, Stream, context, driver};
use std::ptr::{from_mut, null_mut};

/// `cudaMemcpyHostToHost`.
pub const HOST_TO_HOST: i32 = 0;
/// `cudaMemcpyHostToDevice`.
pub const HOST_TO_DEVICE: i32 = 1;
/// `cudaMemcpyDeviceToHost`.
pub const DEVICE_TO_HOST: i32 = 2;
/// `cudaMemcpyDeviceToDevice`.
pub const DEVICE_TO_DEVICE: i32 = 3;
/// `cudaMemcpyDefault`.
pub const DEFAULT: i32 = 4;

/// `cudaExtent`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Bytes in a row.
    pub width: usize,
    /// Rows in a layer.
    pub height: usize,
    /// Layers.
    pub depth: usize,
}

/// `cudaPos`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Position {
    x: usize,
    y: usize,
    z: usize,
}

/// `cudaPitchedPtr`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PitchedPtr {
    /// The address.
    pub pointer: P,
    /// Bytes from row to row.
    pub pitch: usize,
    /// Bytes of a row.
    pub xsize: usize,
    /// Rows of a layer.
    pub ysize: usize,
}

/// `cudaMemcpy3DParms`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Copy3D {
    from_array: P,
    from_position: Position,
    from: PitchedPtr,
    to_array: P,
    to_position: Position,
    to: PitchedPtr,
    extent: Extent,
    kind: i32,
}

/// One side of the driver's copy structures.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Side3D {
    x: usize,
    y: usize,
    z: usize,
    lod: usize,
    memory: u32,
    host: P,
    device: P,
    array: P,
    reserved: P,
    pitch: usize,
    height: usize,
}

/// `CUDA_MEMCPY3D`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct DriverCopy3D {
    from: Side3D,
    to: Side3D,
    extent: Extent,
}

/// One side of `CUDA_MEMCPY2D`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Side2D {
    x: usize,
    y: usize,
    memory: u32,
    host: P,
    device: P,
    array: P,
    pitch: usize,
}

/// `CUDA_MEMCPY2D`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct DriverCopy2D {
    from: Side2D,
    to: Side2D,
    width: usize,
    height: usize,
}

/// `CUmemorytype` of source and target.
fn memory_types(kind: i32) -> Result<(u32, u32), i32> {
    const HOST: u32 = 1;
    const DEVICE: u32 = 2;
    const UNIFIED: u32 = 4;
    match kind {
        HOST_TO_HOST => Ok((HOST, HOST)),
        HOST_TO_DEVICE => Ok((HOST, DEVICE)),
        DEVICE_TO_HOST => Ok((DEVICE, HOST)),
        DEVICE_TO_DEVICE => Ok((DEVICE, DEVICE)),
        DEFAULT => Ok((UNIFIED, UNIFIED)),
        _ => Err(INVALID_MEMCPY_DIRECTION),
    }
}

/// A linear copy; waited for when there is no stream.
///
/// # Errors
/// A wrong kind, or the driver's.
///
/// # Safety
/// Rule 1 of the crate.
pub unsafe fn linear(to: P, from: P, count: usize, kind: i32, stream: Option<Stream>) -> Outcome {
    memory_types(kind)?;
    context::ensure()?;
    if count == 0 {
        return Ok(());
    }
    if to.is_null() || from.is_null() {
        return Err(INVALID_VALUE);
    }
    // SAFETY: the caller's promise.
    unsafe {
        match (stream, kind) {
            (None, HOST_TO_DEVICE) => driver::cuMemcpyHtoD_v2(to, from, count),
            (None, DEVICE_TO_HOST) => driver::cuMemcpyDtoH_v2(to, from, count),
            (None, DEVICE_TO_DEVICE) => driver::cuMemcpyDtoD_v2(to, from, count),
            (None, _) => driver::cuMemcpy(to, from, count),
            (Some(stream), HOST_TO_DEVICE) => driver::cuMemcpyHtoDAsync_v2(to, from, count, stream),
            (Some(stream), DEVICE_TO_HOST) => driver::cuMemcpyDtoHAsync_v2(to, from, count, stream),
            (Some(stream), DEVICE_TO_DEVICE) => driver::cuMemcpyDtoDAsync_v2(to, from, count, stream),
            (Some(stream), _) => driver::cuMemcpyAsync(to, from, count, stream),
        }
    }
}

struct Plane {
    to: P,
    to_pitch: usize,
    from: P,
    from_pitch: usize,
    width: usize,
    height: usize,
}

/// # Safety
/// Rule 1 of the crate.
unsafe fn plane(plane: &Plane, kind: i32, stream: Option<Stream>) -> Outcome {
    let (from_memory, to_memory) = memory_types(kind)?;
    context::ensure()?;
    let &Plane { to, to_pitch, from, from_pitch, width, height } = plane;
    if width > to_pitch || width > from_pitch {
        return Err(INVALID_PITCH_VALUE);
    }
    if width == 0 || height == 0 {
        return Ok(());
    }
    let side = |pointer, memory, pitch| Side2D {
        x: 0,
        y: 0,
        memory,
        host: pointer,
        device: pointer,
        array: null_mut(),
        pitch,
    };
    let mut copy =
        DriverCopy2D { from: side(from, from_memory, from_pitch), to: side(to, to_memory, to_pitch), width, height };
    let copy = from_mut(&mut copy).cast();
    // SAFETY: the caller's promise.
    unsafe {
        match stream {
            None => driver::cuMemcpy2DUnaligned_v2(copy),
            Some(stream) => driver::cuMemcpy2DAsync_v2(copy, stream),
        }
    }
}

/// The runtime's description of a copy as the driver's.
///
/// # Errors
/// A wrong kind, a pitch that is less than a row, or arrays, which are not supported.
pub fn for_driver(copy: &Copy3D) -> Result<DriverCopy3D, i32> {
    if !copy.from_array.is_null() || !copy.to_array.is_null() {
        return Err(NOT_SUPPORTED);
    }
    let (from_memory, to_memory) = memory_types(copy.kind)?;
    let side = |at: &PitchedPtr, position: &Position, memory| {
        let one_row = copy.extent.height <= 1 && copy.extent.depth <= 1;
        if copy.extent.width > at.pitch && !one_row {
            return Err(INVALID_PITCH_VALUE);
        }
        Ok(Side3D {
            x: position.x,
            y: position.y,
            z: position.z,
            lod: 0,
            memory,
            host: at.pointer,
            device: at.pointer,
            array: null_mut(),
            reserved: null_mut(),
            pitch: at.pitch.max(copy.extent.width),
            height: at.ysize.max(copy.extent.height),
        })
    };
    let (from, to) =
        (side(&copy.from, &copy.from_position, from_memory)?, side(&copy.to, &copy.to_position, to_memory)?);
    Ok(DriverCopy3D { from, to, extent: copy.extent })
}

/// The driver's description of a copy as the runtime's.
pub fn from_driver(copy: &DriverCopy3D) -> Copy3D {
    let kind = match (copy.from.memory, copy.to.memory) {
        (1, 1) => HOST_TO_HOST,
        (1, _) => HOST_TO_DEVICE,
        (2, 1) => DEVICE_TO_HOST,
        (2, 2) => DEVICE_TO_DEVICE,
        _ => DEFAULT,
    };
    let position = |side: &Side3D| Position { x: side.x, y: side.y, z: side.z };
    let pointer = |side: &Side3D| PitchedPtr {
        pointer: if side.memory == 1 { side.host } else { side.device },
        pitch: side.pitch,
        xsize: side.pitch,
        ysize: side.height,
    };
    Copy3D {
        from_array: copy.from.array,
        from_position: position(&copy.from),
        from: pointer(&copy.from),
        to_array: copy.to.array,
        to_position: position(&copy.to),
        to: pointer(&copy.to),
        extent: copy.extent,
        kind,
    }
}

/// A linear copy as a description.
pub fn described(to: P, from: P, count: usize, kind: i32) -> Copy3D {
    let pointer = |pointer| PitchedPtr { pointer, pitch: count, xsize: count, ysize: 1 };
    let extent = Extent { width: count, height: 1, depth: 1 };
    let start = Position::default();
    Copy3D {
        from_array: null_mut(),
        from_position: start,
        from: pointer(from),
        to_array: null_mut(),
        to_position: start,
        to: pointer(to),
        extent,
        kind,
    }
}

/// # Safety
/// Rule 1 of the crate: null or a `cudaMemcpy3DParms`.
unsafe fn volume(copy: P, stream: Option<Stream>) -> Outcome {
    if copy.is_null() {
        return Err(INVALID_VALUE);
    }
    context::ensure()?;
    // SAFETY: the caller's promise.
    let mut copy = for_driver(unsafe { &*copy.cast::<Copy3D>() })?;
    if copy.extent.width == 0 || copy.extent.height == 0 || copy.extent.depth == 0 {
        return Ok(());
    }
    let copy = from_mut(&mut copy).cast();
    // SAFETY: the caller's promise.
    unsafe {
        match stream {
            None => driver::cuMemcpy3D_v2(copy),
            Some(stream) => driver::cuMemcpy3DAsync_v2(copy, stream),
        }
    }
}

/// # Safety
/// Rule 1 of the crate.
unsafe fn fill(at: PitchedPtr, value: i32, extent: Extent, stream: Option<Stream>) -> Outcome {
    context::ensure()?;
    if extent.width == 0 || extent.height == 0 || extent.depth == 0 {
        return Ok(());
    }
    if extent.width > at.pitch {
        return Err(INVALID_PITCH_VALUE);
    }
    let layer = at.pitch * at.ysize.max(extent.height);
    for z in 0..extent.depth {
        let (start, value) = (at.pointer.wrapping_byte_add(z * layer), value as u8);
        // SAFETY: the caller's promise.
        unsafe {
            match stream {
                None => driver::cuMemsetD2D8_v2(start, at.pitch, value, extent.width, extent.height),
                Some(stream) => driver::cuMemsetD2D8Async(start, at.pitch, value, extent.width, extent.height, stream),
            }
        }?;
    }
    Ok(())
}

/// A plane as a volume of one layer.
fn flat(pointer: P, pitch: usize, width: usize, height: usize) -> (PitchedPtr, Extent) {
    (PitchedPtr { pointer, pitch, xsize: width, ysize: height }, Extent { width, height, depth: 1 })
}

api! {
    cudaMemcpy | cudaMemcpy_ptds(to: P, from: P, count: usize, kind: i32) {
        linear(to, from, count, kind, None)
    }

    cudaMemcpyAsync | cudaMemcpyAsync_ptsz(to: P, from: P, count: usize, kind: i32, stream: Stream) {
        linear(to, from, count, kind, Some(stream))
    }

    cudaMemcpy2D | cudaMemcpy2D_ptds(to: P, to_pitch: usize, from: P, from_pitch: usize, width: usize, height: usize, kind: i32) {
        plane(&Plane { to, to_pitch, from, from_pitch, width, height }, kind, None)
    }

    cudaMemcpy2DAsync | cudaMemcpy2DAsync_ptsz(to: P, to_pitch: usize, from: P, from_pitch: usize, width: usize, height: usize, kind: i32, stream: Stream) {
        plane(&Plane { to, to_pitch, from, from_pitch, width, height }, kind, Some(stream))
    }

    cudaMemcpy3D | cudaMemcpy3D_ptds(copy: P) {
        volume(copy, None)
    }

    cudaMemcpy3DAsync | cudaMemcpy3DAsync_ptsz(copy: P, stream: Stream) {
        volume(copy, Some(stream))
    }

    cudaMemcpyPeer(to: P, to_device: i32, from: P, from_device: i32, count: usize) {
        let (to_context, from_context) = (context::primary(to_device)?, context::primary(from_device)?);
        driver::cuMemcpyPeer(to, to_context, from, from_context, count)
    }

    cudaMemcpyPeerAsync(to: P, to_device: i32, from: P, from_device: i32, count: usize, stream: Stream) {
        let (to_context, from_context) = (context::primary(to_device)?, context::primary(from_device)?);
        context::ensure()?;
        driver::cuMemcpyPeerAsync(to, to_context, from, from_context, count, stream)
    }

    cudaMemset | cudaMemset_ptds(pointer: P, value: i32, count: usize) {
        context::ensure()?;
        if count == 0 { Ok(()) } else { driver::cuMemsetD8_v2(pointer, value as u8, count) }
    }

    cudaMemsetAsync | cudaMemsetAsync_ptsz(pointer: P, value: i32, count: usize, stream: Stream) {
        context::ensure()?;
        if count == 0 { Ok(()) } else { driver::cuMemsetD8Async(pointer, value as u8, count, stream) }
    }

    cudaMemset2D | cudaMemset2D_ptds(pointer: P, pitch: usize, value: i32, width: usize, height: usize) {
        let (at, extent) = flat(pointer, pitch, width, height);
        fill(at, value, extent, None)
    }

    cudaMemset2DAsync | cudaMemset2DAsync_ptsz(pointer: P, pitch: usize, value: i32, width: usize, height: usize, stream: Stream) {
        let (at, extent) = flat(pointer, pitch, width, height);
        fill(at, value, extent, Some(stream))
    }

    cudaMemset3D | cudaMemset3D_ptds(at: PitchedPtr, value: i32, extent: Extent) {
        fill(at, value, extent, None)
    }

    cudaMemset3DAsync | cudaMemset3DAsync_ptsz(at: PitchedPtr, value: i32, extent: Extent, stream: Stream) {
        fill(at, value, extent, Some(stream))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_cudas() {
        assert_eq!((size_of::<Copy3D>(), size_of::<DriverCopy3D>(), size_of::<DriverCopy2D>()), (160, 200, 128));
        assert_eq!(size_of::<PitchedPtr>(), 32);
    }

    #[test]
    fn descriptions_go_there_and_back() {
        let at = |number: usize| std::ptr::without_provenance_mut(number);
        for kind in HOST_TO_HOST..=DEFAULT {
            let copy = described(at(4096), at(8192), 100, kind);
            let back = from_driver(&for_driver(&copy).expect("a correct copy"));
            assert_eq!(
                (back.to.pointer, back.from.pointer, back.extent, back.kind),
                (at(4096), at(8192), copy.extent, kind)
            );
        }
        assert_eq!(for_driver(&described(at(1), at(2), 3, 5)).err(), Some(INVALID_MEMCPY_DIRECTION));
        let array = Copy3D { from_array: at(1), ..described(at(1), at(2), 3, DEFAULT) };
        assert_eq!(for_driver(&array).err(), Some(NOT_SUPPORTED));
    }
}
