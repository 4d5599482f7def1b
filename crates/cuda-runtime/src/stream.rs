//! Streams and events, as far as they are not the driver's functions under another name.

use crate::code::{INVALID_RESOURCE_HANDLE, INVALID_VALUE};
use crate::{P, Stream, context, driver};

api! {
    cudaStreamCreate(stream: P) {
        if stream.is_null() {
            return Err(INVALID_VALUE);
        }
        context::ensure()?;
        driver::cuStreamCreate(stream, 0)
    }

    cudaStreamCreateWithFlags(stream: P, flags: u32) {
        if stream.is_null() || flags > 1 {
            return Err(INVALID_VALUE);
        }
        context::ensure()?;
        driver::cuStreamCreate(stream, flags)
    }

    cudaStreamCreateWithPriority(stream: P, flags: u32, priority: i32) {
        if stream.is_null() || flags > 1 {
            return Err(INVALID_VALUE);
        }
        context::ensure()?;
        driver::cuStreamCreateWithPriority(stream, flags, priority)
    }

    cudaStreamDestroy(stream: Stream) {
        // 1 and 2 are the two default streams.
        if stream.0 as usize <= 2 {
            return Err(INVALID_RESOURCE_HANDLE);
        }
        context::ensure()?;
        driver::cuStreamDestroy_v2(stream)
    }

    cudaStreamQuery | cudaStreamQuery_ptsz(stream: Stream) {
        context::ensure()?;
        driver::cuStreamQuery(stream)
    }

    cudaEventCreate(event: P) {
        if event.is_null() {
            return Err(INVALID_VALUE);
        }
        context::ensure()?;
        driver::cuEventCreate(event, 0)
    }

    cudaEventQuery(event: P) {
        context::ensure()?;
        driver::cuEventQuery(event)
    }
}
