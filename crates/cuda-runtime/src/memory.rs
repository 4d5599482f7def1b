//! Getting and giving back memory, and asking about addresses.

use crate::code::{INVALID_VALUE, Outcome};
use crate::copy::{Extent, PitchedPtr};
use crate::driver::IpcHandle;
use crate::{Location, P, Stream, context, driver};
use std::ptr::{from_mut, null_mut};

/// `cudaPointerAttributes`; CUDA 13 has reserved words after it.
#[repr(C)]
struct PointerAttributes {
    kind: i32,
    device: i32,
    device_pointer: P,
    host_pointer: P,
}

/// One attribute of an address.
///
/// # Errors
/// The driver knows nothing of the address.
fn attribute<T: Default>(attribute: i32, pointer: P) -> Result<T, i32> {
    let mut value = T::default();
    // SAFETY: the callers below pass a type that is as large as the attribute.
    unsafe { driver::cuPointerGetAttribute(from_mut(&mut value).cast(), attribute, pointer) }?;
    Ok(value)
}

/// What is known of an address; an address that is not the device's is ordinary memory of the host.
fn attributes(pointer: P) -> PointerAttributes {
    // Numbers of `CUpointer_attribute` and `cudaMemoryType`.
    const MEMORY_TYPE: i32 = 2;
    const DEVICE_POINTER: i32 = 3;
    const HOST_POINTER: i32 = 4;
    const IS_MANAGED: i32 = 8;
    const DEVICE_ORDINAL: i32 = 9;
    const HOST: u32 = 1;
    const UNREGISTERED_KIND: i32 = 0;
    const MANAGED_KIND: i32 = 3;
    const NO_DEVICE: i32 = -2;
    let Ok(memory) = attribute::<u32>(MEMORY_TYPE, pointer) else {
        return PointerAttributes {
            kind: UNREGISTERED_KIND,
            device: NO_DEVICE,
            device_pointer: null_mut(),
            host_pointer: pointer,
        };
    };
    let address = |which| attribute::<usize>(which, pointer).map_or(null_mut(), |address| address as P);
    let managed = attribute::<u32>(IS_MANAGED, pointer).is_ok_and(|managed| managed != 0);
    let kind = if managed {
        MANAGED_KIND
    } else if memory == HOST {
        1
    } else {
        2
    };
    let on_host = managed || memory == HOST;
    PointerAttributes {
        kind,
        device: attribute(DEVICE_ORDINAL, pointer).unwrap_or(0),
        device_pointer: address(DEVICE_POINTER),
        host_pointer: if on_host { address(HOST_POINTER) } else { null_mut() },
    }
}

/// Runs an allocation of the driver's, with CUDA's answer for nothing: success and a null pointer.
fn allocate(pointer: P, size: usize, work: impl FnOnce() -> Outcome) -> Outcome {
    if pointer.is_null() {
        return Err(INVALID_VALUE);
    }
    context::ensure()?;
    if size == 0 {
        // SAFETY: rule 1 of the crate.
        unsafe { *pointer.cast::<P>() = null_mut() };
        return Ok(());
    }
    work()
}

/// The location that CUDA 12's functions mean by a device number: -1 is the host.
pub fn location(device: i32) -> Location {
    const DEVICE: i32 = 1;
    const HOST: i32 = 2;
    if device < 0 { Location { kind: HOST, id: 0 } } else { Location { kind: DEVICE, id: device } }
}

api! {
    cudaMalloc(pointer: P, size: usize) {
        allocate(pointer, size, || driver::cuMemAlloc_v2(pointer, size))
    }

    cudaMallocHost(pointer: P, size: usize) {
        allocate(pointer, size, || driver::cuMemHostAlloc(pointer, size, 0))
    }

    cudaHostAlloc(pointer: P, size: usize, flags: u32) {
        allocate(pointer, size, || driver::cuMemHostAlloc(pointer, size, flags))
    }

    cudaMallocManaged(pointer: P, size: usize, flags: u32) {
        if size == 0 {
            return Err(INVALID_VALUE);
        }
        allocate(pointer, size, || driver::cuMemAllocManaged(pointer, size, flags))
    }

    cudaMallocPitch(pointer: P, pitch: P, width: usize, height: usize) {
        if pitch.is_null() {
            return Err(INVALID_VALUE);
        }
        *pitch.cast::<usize>() = 0;
        allocate(pointer, width * height, || driver::cuMemAllocPitch_v2(pointer, pitch, width, height, 4))
    }

    cudaMalloc3D(at: P, extent: Extent) {
        if at.is_null() {
            return Err(INVALID_VALUE);
        }
        let (mut pointer, mut pitch): (P, usize) = (null_mut(), 0);
        let (pointer_out, pitch_out) = (from_mut(&mut pointer).cast(), from_mut(&mut pitch).cast());
        let rows = extent.height.checked_mul(extent.depth).ok_or(INVALID_VALUE)?;
        allocate(pointer_out, extent.width.saturating_mul(rows), || driver::cuMemAllocPitch_v2(pointer_out, pitch_out, extent.width, rows, 4))?;
        *at.cast::<PitchedPtr>() = PitchedPtr { pointer, pitch, xsize: extent.width, ysize: extent.height };
        Ok(())
    }

    cudaFree(pointer: P) {
        context::ensure()?;
        if pointer.is_null() { Ok(()) } else { driver::cuMemFree_v2(pointer) }
    }

    cudaFreeHost(pointer: P) {
        context::ensure()?;
        if pointer.is_null() { Ok(()) } else { driver::cuMemFreeHost(pointer) }
    }

    cudaPointerGetAttributes(out: P, pointer: P) {
        if out.is_null() {
            return Err(INVALID_VALUE);
        }
        context::ensure()?;
        *out.cast::<PointerAttributes>() = attributes(pointer);
        Ok(())
    }

    cudaIpcOpenMemHandle(pointer: P, handle: IpcHandle, flags: u32) {
        context::ensure()?;
        driver::cuIpcOpenMemHandle_v2(pointer, handle, flags)
    }

    cudaIpcOpenEventHandle(event: P, handle: IpcHandle) {
        context::ensure()?;
        driver::cuIpcOpenEventHandle(event, handle)
    }
}

/// `cudaMemAdvise` with a location.
///
/// # Errors
/// The driver's.
///
/// # Safety
/// Rule 1 of the crate.
pub unsafe fn advise(pointer: P, count: usize, advice: i32, location: Location) -> Outcome {
    context::ensure()?;
    // SAFETY: the caller's promise.
    unsafe { driver::cuMemAdvise_v2(pointer, count, advice, location) }
}

/// `cudaMemPrefetchAsync` with a location.
///
/// # Errors
/// The driver's.
///
/// # Safety
/// Rule 1 of the crate.
pub unsafe fn prefetch(pointer: P, count: usize, location: Location, flags: u32, stream: Stream) -> Outcome {
    context::ensure()?;
    // SAFETY: the caller's promise.
    unsafe { driver::cuMemPrefetchAsync_v2(pointer, count, location, flags, stream) }
}
