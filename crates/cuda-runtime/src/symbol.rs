//! Variables of device code by the host variable that stands for them.

use crate::code::{INVALID_MEMCPY_DIRECTION, INVALID_VALUE, Outcome};
use crate::{P, Stream, copy, registry};

/// Where a part of a variable lies.
fn part(symbol: P, offset: usize, count: usize) -> Result<P, i32> {
    let (address, size) = registry::variable(symbol)?;
    if offset.checked_add(count).is_none_or(|end| end > size) {
        return Err(INVALID_VALUE);
    }
    Ok(address.wrapping_byte_add(offset))
}

/// To a variable goes what comes from the host, the device, or wherever the address says.
fn to_kind(kind: i32) -> Result<i32, i32> {
    if [copy::HOST_TO_DEVICE, copy::DEVICE_TO_DEVICE, copy::DEFAULT].contains(&kind) {
        Ok(kind)
    } else {
        Err(INVALID_MEMCPY_DIRECTION)
    }
}

fn from_kind(kind: i32) -> Result<i32, i32> {
    if [copy::DEVICE_TO_HOST, copy::DEVICE_TO_DEVICE, copy::DEFAULT].contains(&kind) {
        Ok(kind)
    } else {
        Err(INVALID_MEMCPY_DIRECTION)
    }
}

/// # Safety
/// Rule 1 of the crate.
unsafe fn to(symbol: P, from: P, count: usize, offset: usize, kind: i32, stream: Option<Stream>) -> Outcome {
    let (kind, address) = (to_kind(kind)?, part(symbol, offset, count)?);
    // SAFETY: the caller's promise.
    unsafe { copy::linear(address, from, count, kind, stream) }
}

/// # Safety
/// Rule 1 of the crate.
unsafe fn from(to: P, symbol: P, count: usize, offset: usize, kind: i32, stream: Option<Stream>) -> Outcome {
    let (kind, address) = (from_kind(kind)?, part(symbol, offset, count)?);
    // SAFETY: the caller's promise.
    unsafe { copy::linear(to, address, count, kind, stream) }
}

/// The variable's part, for a graph's copy.
///
/// # Errors
/// No such variable, or the part lies outside.
pub fn address(symbol: P, offset: usize, count: usize) -> Result<P, i32> {
    part(symbol, offset, count)
}

api! {
    cudaGetSymbolAddress(pointer: P, symbol: P) {
        if pointer.is_null() {
            return Err(INVALID_VALUE);
        }
        *pointer.cast::<P>() = registry::variable(symbol)?.0;
        Ok(())
    }

    cudaGetSymbolSize(size: P, symbol: P) {
        if size.is_null() {
            return Err(INVALID_VALUE);
        }
        *size.cast::<usize>() = registry::variable(symbol)?.1;
        Ok(())
    }

    cudaMemcpyToSymbol | cudaMemcpyToSymbol_ptds(symbol: P, source: P, count: usize, offset: usize, kind: i32) {
        to(symbol, source, count, offset, kind, None)
    }

    cudaMemcpyToSymbolAsync | cudaMemcpyToSymbolAsync_ptsz(symbol: P, source: P, count: usize, offset: usize, kind: i32, stream: Stream) {
        to(symbol, source, count, offset, kind, Some(stream))
    }

    cudaMemcpyFromSymbol | cudaMemcpyFromSymbol_ptds(target: P, symbol: P, count: usize, offset: usize, kind: i32) {
        from(target, symbol, count, offset, kind, None)
    }

    cudaMemcpyFromSymbolAsync | cudaMemcpyFromSymbolAsync_ptsz(target: P, symbol: P, count: usize, offset: usize, kind: i32, stream: Stream) {
        from(target, symbol, count, offset, kind, Some(stream))
    }
}
