//! Fills with 8, 16 and 32-bit values, flat and in rows.

use crate::abi::entries;
use crate::status::Result;
use crate::stream::{self, Default};
use crate::work::{FillArgs, Pace};

fn flat(to: u64, value: u32, element_bytes: u32, n: usize, stream: u64, mode: Default, pace: Pace) -> Result<()> {
    rows(to, 0, value, element_bytes, [n, 1], stream, mode, pace)
}

#[allow(clippy::too_many_arguments, reason = "the parameters are CUDA's")]
fn rows(
    to: u64,
    pitch: usize,
    value: u32,
    element_bytes: u32,
    [width, height]: [usize; 2],
    stream: u64,
    mode: Default,
    pace: Pace,
) -> Result<()> {
    let fill = FillArgs { to, pitch: pitch as u64, width: width as u64, height: height as u64, value, element_bytes };
    fill.submit(&stream::resolve(stream, mode)?, pace)
}

entries! {
    fn cuMemsetD8_v2 | cuMemsetD8_v2_ptds [mode](to: u64, value: u8, n: usize) {
        flat(to, value.into(), 1, n, 0, mode, Pace::Sync)
    }

    fn cuMemsetD8Async | cuMemsetD8Async_ptsz [mode](to: u64, value: u8, n: usize, stream: u64) {
        flat(to, value.into(), 1, n, stream, mode, Pace::Async)
    }

    fn cuMemsetD2D8_v2 | cuMemsetD2D8_v2_ptds [mode](
        to: u64, pitch: usize, value: u8, width: usize, height: usize
    ) {
        rows(to, pitch, value.into(), 1, [width, height], 0, mode, Pace::Sync)
    }

    fn cuMemsetD2D8Async | cuMemsetD2D8Async_ptsz [mode](
        to: u64, pitch: usize, value: u8, width: usize, height: usize, stream: u64
    ) {
        rows(to, pitch, value.into(), 1, [width, height], stream, mode, Pace::Async)
    }

    fn cuMemsetD16_v2 | cuMemsetD16_v2_ptds [mode](to: u64, value: u16, n: usize) {
        flat(to, value.into(), 2, n, 0, mode, Pace::Sync)
    }

    fn cuMemsetD16Async | cuMemsetD16Async_ptsz [mode](to: u64, value: u16, n: usize, stream: u64) {
        flat(to, value.into(), 2, n, stream, mode, Pace::Async)
    }

    fn cuMemsetD2D16_v2 | cuMemsetD2D16_v2_ptds [mode](
        to: u64, pitch: usize, value: u16, width: usize, height: usize
    ) {
        rows(to, pitch, value.into(), 2, [width, height], 0, mode, Pace::Sync)
    }

    fn cuMemsetD2D16Async | cuMemsetD2D16Async_ptsz [mode](
        to: u64, pitch: usize, value: u16, width: usize, height: usize, stream: u64
    ) {
        rows(to, pitch, value.into(), 2, [width, height], stream, mode, Pace::Async)
    }

    fn cuMemsetD32_v2 | cuMemsetD32_v2_ptds [mode](to: u64, value: u32, n: usize) {
        flat(to, value, 4, n, 0, mode, Pace::Sync)
    }

    fn cuMemsetD32Async | cuMemsetD32Async_ptsz [mode](to: u64, value: u32, n: usize, stream: u64) {
        flat(to, value, 4, n, stream, mode, Pace::Async)
    }

    fn cuMemsetD2D32_v2 | cuMemsetD2D32_v2_ptds [mode](
        to: u64, pitch: usize, value: u32, width: usize, height: usize
    ) {
        rows(to, pitch, value, 4, [width, height], 0, mode, Pace::Sync)
    }

    fn cuMemsetD2D32Async | cuMemsetD2D32Async_ptsz [mode](
        to: u64, pitch: usize, value: u32, width: usize, height: usize, stream: u64
    ) {
        rows(to, pitch, value, 4, [width, height], stream, mode, Pace::Async)
    }
}
