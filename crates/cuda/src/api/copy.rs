//! Copies: flat, in rows and in slices, synchronous and in streams, within and between devices.

use crate::abi::{Copy2D, Copy3D, In, entries};
use crate::context;
use crate::memory::Expected;
use crate::status::{Result, Status};
use crate::stream::{self, Default};
use crate::work::{Copy, End, Pace};

const HOST: u32 = 1;
const DEVICE: u32 = 2;
const ARRAY: u32 = 3;
const UNIFIED: u32 = 4;

fn flat(
    to: (u64, Expected),
    from: (u64, Expected),
    bytes: usize,
    stream: u64,
    mode: Default,
    pace: Pace,
) -> Result<()> {
    let stream = stream::resolve(stream, mode)?;
    Copy::flat(to.0, to.1, from.0, from.1, bytes as u64).submit(&stream, pace)
}

const ANY: Expected = Expected::Any;
const KNOWN: Expected = Expected::Device;

/// The address that a copy structure means, with what is expected of it.
fn chosen(kind: u32, host: u64, device: u64) -> Result<(u64, Expected)> {
    match kind {
        HOST => Ok((host, Expected::Any)),
        DEVICE => Ok((device, Expected::Device)),
        UNIFIED => Ok((device, Expected::Any)),
        ARRAY => Err(Status::NOT_SUPPORTED),
        _ => Err(Status::INVALID_VALUE),
    }
}

fn end(kind: u32, host: u64, device: u64, at: [usize; 3], pitch: usize, rows: usize, width: usize) -> Result<End> {
    let (start, expected) = chosen(kind, host, device)?;
    let [x, y, z] = at.map(|n| n as u64);
    // A pitch of 0 means rows without gaps.
    let pitch = if pitch == 0 { width as u64 } else { pitch as u64 };
    let slice = pitch.checked_mul(rows as u64).ok_or(Status::INVALID_VALUE)?;
    let offset = slice.checked_mul(z).zip(pitch.checked_mul(y)).and_then(|(a, b)| a.checked_add(b)?.checked_add(x));
    let address = offset.and_then(|offset| start.checked_add(offset)).ok_or(Status::INVALID_VALUE)?;
    if start == 0 {
        return Err(Status::INVALID_VALUE);
    }
    Ok(End { address, row_pitch: pitch, slice_pitch: slice, expected })
}

/// A two-dimensional copy as described.
pub(crate) fn of_2d(copy: &Copy2D) -> Result<Copy> {
    let (width, height) = (copy.width, copy.height);
    Ok(Copy {
        to: end(
            copy.dst_type,
            copy.dst_host,
            copy.dst_device,
            [copy.dst_x, copy.dst_y, 0],
            copy.dst_pitch,
            height,
            width,
        )?,
        from: end(
            copy.src_type,
            copy.src_host,
            copy.src_device,
            [copy.src_x, copy.src_y, 0],
            copy.src_pitch,
            height,
            width,
        )?,
        width: width as u64,
        height: height as u64,
        depth: 1,
    })
}

/// A three-dimensional copy as described.
pub(crate) fn of_3d(copy: &Copy3D) -> Result<Copy> {
    if copy.src_lod != 0 || copy.dst_lod != 0 {
        return Err(Status::INVALID_VALUE);
    }
    let (width, height) = (copy.width, copy.height);
    let rows = |given: usize| if given == 0 { height } else { given };
    let (to_at, from_at) = ([copy.dst_x, copy.dst_y, copy.dst_z], [copy.src_x, copy.src_y, copy.src_z]);
    let to = end(copy.dst_type, copy.dst_host, copy.dst_device, to_at, copy.dst_pitch, rows(copy.dst_height), width)?;
    let from =
        end(copy.src_type, copy.src_host, copy.src_device, from_at, copy.src_pitch, rows(copy.src_height), width)?;
    Ok(Copy { to, from, width: width as u64, height: height as u64, depth: copy.depth as u64 })
}

fn copy_2d(copy: In<Copy2D>, stream: u64, mode: Default, pace: Pace) -> Result<()> {
    of_2d(&copy.get()?)?.submit(&stream::resolve(stream, mode)?, pace)
}

fn copy_3d(copy: In<Copy3D>, stream: u64, mode: Default, pace: Pace) -> Result<()> {
    of_3d(&copy.get()?)?.submit(&stream::resolve(stream, mode)?, pace)
}

fn copy_peer(copy: In<Copy3D>, stream: u64, mode: Default, pace: Pace) -> Result<()> {
    let copy = copy.get()?;
    context::given_or_current(copy.src_context)?;
    context::given_or_current(copy.dst_context)?;
    of_3d(&copy)?.submit(&stream::resolve(stream, mode)?, pace)
}

entries! {
    fn cuMemcpy | cuMemcpy_ptds [mode](to: u64, from: u64, bytes: usize) {
        flat((to, ANY), (from, ANY), bytes, 0, mode, Pace::Sync)
    }

    fn cuMemcpyAsync | cuMemcpyAsync_ptsz [mode](to: u64, from: u64, bytes: usize, stream: u64) {
        flat((to, ANY), (from, ANY), bytes, stream, mode, Pace::Async)
    }

    fn cuMemcpyHtoD_v2 | cuMemcpyHtoD_v2_ptds [mode](to: u64, from: u64, bytes: usize) {
        flat((to, KNOWN), (from, ANY), bytes, 0, mode, Pace::Sync)
    }

    fn cuMemcpyDtoH_v2 | cuMemcpyDtoH_v2_ptds [mode](to: u64, from: u64, bytes: usize) {
        flat((to, ANY), (from, KNOWN), bytes, 0, mode, Pace::Sync)
    }

    fn cuMemcpyDtoD_v2 | cuMemcpyDtoD_v2_ptds [mode](to: u64, from: u64, bytes: usize) {
        flat((to, KNOWN), (from, KNOWN), bytes, 0, mode, Pace::Sync)
    }

    fn cuMemcpyHtoDAsync_v2 | cuMemcpyHtoDAsync_v2_ptsz [mode](to: u64, from: u64, bytes: usize, stream: u64) {
        flat((to, KNOWN), (from, ANY), bytes, stream, mode, Pace::Async)
    }

    fn cuMemcpyDtoHAsync_v2 | cuMemcpyDtoHAsync_v2_ptsz [mode](to: u64, from: u64, bytes: usize, stream: u64) {
        flat((to, ANY), (from, KNOWN), bytes, stream, mode, Pace::Async)
    }

    fn cuMemcpyDtoDAsync_v2 | cuMemcpyDtoDAsync_v2_ptsz [mode](to: u64, from: u64, bytes: usize, stream: u64) {
        flat((to, KNOWN), (from, KNOWN), bytes, stream, mode, Pace::Async)
    }

    fn cuMemcpyPeer | cuMemcpyPeer_ptds [mode](
        to: u64, to_context: u64, from: u64, from_context: u64, bytes: usize
    ) {
        context::find(to_context)?;
        context::find(from_context)?;
        flat((to, KNOWN), (from, KNOWN), bytes, 0, mode, Pace::Sync)
    }

    fn cuMemcpyPeerAsync | cuMemcpyPeerAsync_ptsz [mode](
        to: u64, to_context: u64, from: u64, from_context: u64, bytes: usize, stream: u64
    ) {
        context::find(to_context)?;
        context::find(from_context)?;
        flat((to, KNOWN), (from, KNOWN), bytes, stream, mode, Pace::Async)
    }

    fn cuMemcpy2D_v2 | cuMemcpy2D_v2_ptds [mode](copy: In<Copy2D>) {
        copy_2d(copy, 0, mode, Pace::Sync)
    }

    fn cuMemcpy2DUnaligned_v2 | cuMemcpy2DUnaligned_v2_ptds [mode](copy: In<Copy2D>) {
        copy_2d(copy, 0, mode, Pace::Sync)
    }

    fn cuMemcpy2DAsync_v2 | cuMemcpy2DAsync_v2_ptsz [mode](copy: In<Copy2D>, stream: u64) {
        copy_2d(copy, stream, mode, Pace::Async)
    }

    fn cuMemcpy3D_v2 | cuMemcpy3D_v2_ptds [mode](copy: In<Copy3D>) {
        copy_3d(copy, 0, mode, Pace::Sync)
    }

    fn cuMemcpy3DAsync_v2 | cuMemcpy3DAsync_v2_ptsz [mode](copy: In<Copy3D>, stream: u64) {
        copy_3d(copy, stream, mode, Pace::Async)
    }

    fn cuMemcpy3DPeer | cuMemcpy3DPeer_ptds [mode](copy: In<Copy3D>) {
        copy_peer(copy, 0, mode, Pace::Sync)
    }

    fn cuMemcpy3DPeerAsync | cuMemcpy3DPeerAsync_ptsz [mode](copy: In<Copy3D>, stream: u64) {
        copy_peer(copy, stream, mode, Pace::Async)
    }
}
