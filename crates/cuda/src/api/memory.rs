//! Allocation of device, host and managed memory.

use crate::abi::{In, Location, Out, entries};
use crate::context;
use crate::driver;
use crate::graph;
use crate::memory::{self, Expected, Origin};
use crate::status::{Result, Status};
use crate::stream;

const GLOBAL_ATTACH: u32 = 1;
const HOST_ATTACH: u32 = 2;
/// Portable, device-mapped, write-combined.
const HOST_ALLOC_FLAGS: u32 = 7;
/// Portable, device-mapped, IO memory, read-only.
const REGISTER_FLAGS: u32 = 15;
const REGISTER_IO: u32 = 4;
/// Rows of pitched allocations start at multiples of this.
const PITCH: usize = 512;

fn alloc_host(to: Out<u64>, bytes: usize, flags: u32) -> Result<()> {
    graph::check_safe()?;
    to.check()?;
    if flags & !HOST_ALLOC_FLAGS != 0 {
        return Err(Status::INVALID_VALUE);
    }
    to.set(memory::alloc_host(&context::healthy()?, bytes as u64, flags)?)
}

fn register(address: u64, bytes: usize, flags: u32) -> Result<()> {
    let context = context::healthy()?;
    if address == 0 || bytes == 0 || flags & !REGISTER_FLAGS != 0 || address.checked_add(bytes as u64).is_none() {
        return Err(Status::INVALID_VALUE);
    }
    if flags & REGISTER_IO != 0 {
        return Err(Status::NOT_SUPPORTED);
    }
    if memory::overlaps(address, bytes as u64) {
        return Err(Status::HOST_MEMORY_ALREADY_REGISTERED);
    }
    memory::register(&context, address, bytes as u64, Origin::Registered, flags);
    Ok(())
}

fn check_managed(address: u64, bytes: usize) -> Result<()> {
    let context = context::current()?;
    if bytes == 0 {
        return Err(Status::INVALID_VALUE);
    }
    // Pageable memory may be advised as well: the device reads it where it is.
    memory::locate(&context, address, bytes as u64, Expected::Any).map(drop)
}

fn check_location(location: Location) -> Result<()> {
    match location.kind {
        1 => driver::ordinal(location.id).map(drop),
        2..=4 => Ok(()),
        _ => Err(Status::INVALID_VALUE),
    }
}

/// `CU_DEVICE_CPU` or a device.
fn check_device_or_cpu(device: i32) -> Result<()> {
    if device == -1 { Ok(()) } else { driver::ordinal(device).map(drop) }
}

fn check_advice(advice: u32) -> Result<()> {
    if (1..=6).contains(&advice) { Ok(()) } else { Err(Status::INVALID_VALUE) }
}

entries! {
    fn cuMemGetInfo_v2(free: Out<usize>, total: Out<usize>) {
        let info = context::current()?.runtime.memory_info();
        free.set((info.total_bytes - info.used_bytes.min(info.total_bytes)) as usize)?;
        total.set(info.total_bytes as usize)
    }

    fn cuMemAlloc_v2(to: Out<u64>, bytes: usize) {
        graph::check_safe()?;
        to.check()?;
        to.set(memory::alloc_device(&context::healthy()?, bytes as u64, Origin::Device, 0)?)
    }

    fn cuMemAllocPitch_v2(to: Out<u64>, pitch: Out<usize>, width: usize, height: usize, element_bytes: u32) {
        graph::check_safe()?;
        to.check()?;
        pitch.check()?;
        if width == 0 || height == 0 || !matches!(element_bytes, 4 | 8 | 16) {
            return Err(Status::INVALID_VALUE);
        }
        let row = width.checked_next_multiple_of(PITCH).ok_or(Status::OUT_OF_MEMORY)?;
        let bytes = row.checked_mul(height).ok_or(Status::OUT_OF_MEMORY)?;
        to.set(memory::alloc_device(&context::healthy()?, bytes as u64, Origin::Device, 0)?)?;
        pitch.set(row)
    }

    fn cuMemFree_v2(address: u64) {
        graph::check_safe()?;
        context::healthy()?;
        if address == 0 { Ok(()) } else { memory::free_device(address) }
    }

    fn cuMemAllocManaged(to: Out<u64>, bytes: usize, flags: u32) {
        graph::check_safe()?;
        to.check()?;
        if flags != GLOBAL_ATTACH && flags != HOST_ATTACH {
            return Err(Status::INVALID_VALUE);
        }
        to.set(memory::alloc_device(&context::healthy()?, bytes as u64, Origin::Managed, flags)?)
    }

    fn cuMemAllocHost_v2(to: Out<u64>, bytes: usize) {
        alloc_host(to, bytes, 0)
    }

    fn cuMemHostAlloc(to: Out<u64>, bytes: usize, flags: u32) {
        alloc_host(to, bytes, flags)
    }

    fn cuMemFreeHost(address: u64) {
        graph::check_safe()?;
        context::current()?;
        if address == 0 { Ok(()) } else { memory::free_host(address) }
    }

    fn cuMemHostRegister(address: u64, bytes: usize, flags: u32) {
        register(address, bytes, flags)
    }

    fn cuMemHostRegister_v2(address: u64, bytes: usize, flags: u32) {
        register(address, bytes, flags)
    }

    fn cuMemHostUnregister(address: u64) {
        context::current()?;
        if address == 0 {
            return Err(Status::INVALID_VALUE);
        }
        let found = memory::unregister(address, |origin| origin == Origin::Registered);
        let allocation = found.ok_or(Status::HOST_MEMORY_NOT_REGISTERED)?;
        // Work in flight may use it; an error of that work is told elsewhere.
        let _ = allocation.context.runtime.synchronize();
        Ok(())
    }

    fn cuMemHostGetDevicePointer_v2(to: Out<u64>, address: u64, flags: u32) {
        context::current()?;
        to.check()?;
        if flags != 0 {
            return Err(Status::INVALID_VALUE);
        }
        let allocation = memory::find(address).ok_or(Status::INVALID_VALUE)?;
        match allocation.origin {
            Origin::Host | Origin::Registered => to.set(address),
            _ => Err(Status::INVALID_VALUE),
        }
    }

    fn cuMemHostGetFlags(flags: Out<u32>, address: u64) {
        context::current()?;
        let allocation = memory::find(address).filter(|allocation| allocation.origin == Origin::Host);
        flags.set(allocation.ok_or(Status::INVALID_VALUE)?.flags)
    }

    fn cuMemGetAddressRange_v2(start: Out<u64>, bytes: Out<usize>, address: u64) {
        let context = context::current()?;
        if let Some(allocation) = memory::find(address) {
            start.set_if_wanted(allocation.start);
            bytes.set_if_wanted(allocation.bytes as usize);
            return Ok(());
        }
        let found = context.ordinal.device.allocation(vgpu_runtime::DevicePtr(address)).ok_or(Status::NOT_FOUND)?;
        start.set_if_wanted(found.0.0);
        bytes.set_if_wanted(found.1 as usize);
        Ok(())
    }

    fn cuMemAdvise(address: u64, bytes: usize, advice: u32, device: i32) {
        check_managed(address, bytes)?;
        check_advice(advice)?;
        // Read-mostly advice ignores the device.
        if advice <= 2 || advice == 4 { Ok(()) } else { check_device_or_cpu(device) }
    }

    fn cuMemAdvise_v2(address: u64, bytes: usize, advice: u32, location: Location) {
        check_managed(address, bytes)?;
        check_advice(advice)?;
        if advice <= 2 || advice == 4 { Ok(()) } else { check_location(location) }
    }

    fn cuMemPrefetchAsync | cuMemPrefetchAsync_ptsz [mode](address: u64, bytes: usize, device: i32, stream: u64) {
        check_managed(address, bytes)?;
        check_device_or_cpu(device)?;
        // The memory is where both use it already.
        stream::resolve(stream, mode).map(drop)
    }

    fn cuMemPrefetchAsync_v2 | cuMemPrefetchAsync_v2_ptsz [mode](
        address: u64, bytes: usize, location: Location, flags: u32, stream: u64
    ) {
        check_managed(address, bytes)?;
        check_location(location)?;
        if flags != 0 {
            return Err(Status::INVALID_VALUE);
        }
        stream::resolve(stream, mode).map(drop)
    }

    fn cuMemRangeGetAttribute(data: Out<u32>, data_bytes: usize, attribute: u32, address: u64, bytes: usize) {
        check_managed(address, bytes)?;
        if data_bytes == 0 || !data_bytes.is_multiple_of(4) {
            return Err(Status::INVALID_VALUE);
        }
        // Advice has no effect here, so it is not kept: not read-mostly, and no location (CU_DEVICE_INVALID).
        let value = match attribute {
            1 | 5 | 7 => 0,
            2 | 3 | 4 | 6 | 8 => -2i32 as u32,
            _ => return Err(Status::INVALID_VALUE),
        };
        (0..data_bytes / 4).try_for_each(|idx| data.set_at(idx, value))
    }

    fn cuStreamAttachMemAsync | cuStreamAttachMemAsync_ptsz [mode](
        stream: u64, address: u64, bytes: usize, flags: u32
    ) {
        if !matches!(flags, 1 | 2 | 4) {
            return Err(Status::INVALID_VALUE);
        }
        check_managed(address, bytes.max(1))?;
        stream::resolve(stream, mode).map(drop)
    }

    fn cuIpcGetMemHandle(handle: Out<u8>, address: u64) {
        handle.check()?;
        memory::find(address).ok_or(Status::INVALID_VALUE)?;
        Err(Status::NOT_SUPPORTED)
    }

    fn cuIpcGetEventHandle(handle: Out<u8>, event: u64) {
        handle.check()?;
        stream::EVENTS.get(event)?;
        Err(Status::NOT_SUPPORTED)
    }

    fn cuMemRangeGetAttributes(
        data: In<u64>, sizes: In<usize>, attributes: In<u32>, n: usize, address: u64, bytes: usize
    ) {
        check_managed(address, bytes)?;
        for idx in 0..n {
            let (at, size) = (data.get_at(idx)?, sizes.get_at(idx)?);
            let value = match attributes.get_at(idx)? {
                1 | 5 | 7 => 0,
                2 | 3 | 4 | 6 | 8 => -2i32 as u32,
                _ => return Err(Status::INVALID_VALUE),
            };
            (0..size / 4).try_for_each(|word| Out::<u32>::at_address(at).set_at(word, value))?;
        }
        Ok(())
    }
}
