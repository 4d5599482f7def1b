//! What an address belongs to.

use crate::abi::{In, Out, entries};
use crate::context;
use crate::driver;
use crate::memory::{self, Origin};
use crate::status::{Result, Status};
use vgpu_runtime::DevicePtr;

const CONTEXT: u32 = 1;
const MEMORY_TYPE: u32 = 2;
const DEVICE_POINTER: u32 = 3;
const HOST_POINTER: u32 = 4;
const SYNC_MEMOPS: u32 = 6;
const BUFFER_ID: u32 = 7;
const IS_MANAGED: u32 = 8;
const DEVICE_ORDINAL: u32 = 9;
const IPC_CAPABLE: u32 = 10;
const RANGE_START: u32 = 11;
const RANGE_SIZE: u32 = 12;
const MAPPED: u32 = 13;
const HANDLE_TYPES: u32 = 14;
const RDMA_CAPABLE: u32 = 15;
const ACCESS_FLAGS: u32 = 16;
const POOL: u32 = 17;
const MAPPING_SIZE: u32 = 18;
const MAPPING_BASE: u32 = 19;
const BLOCK_ID: u32 = 20;
const DECOMPRESS: u32 = 21;

/// What is known of an address.
struct Facts {
    context: u64,
    ordinal: i32,
    start: u64,
    bytes: u64,
    id: u64,
    origin: Origin,
}

fn facts(address: u64) -> Option<Facts> {
    if let Some(allocation) = memory::find(address) {
        return Some(Facts {
            context: allocation.context.handle,
            ordinal: allocation.context.ordinal.number,
            start: allocation.start,
            bytes: allocation.bytes,
            id: allocation.id,
            origin: allocation.origin,
        });
    }
    // Variables of modules are known to the runtime alone.
    let devices = &driver::driver().ok()?.devices;
    let (ordinal, found) =
        devices.iter().find_map(|ordinal| Some((ordinal, ordinal.device.allocation(DevicePtr(address))?)))?;
    let context = context::current().ok().filter(|context| std::ptr::eq(context.ordinal, ordinal));
    Some(Facts {
        context: context.map_or(0, |context| context.handle),
        ordinal: ordinal.number,
        start: found.0.0,
        bytes: found.1,
        id: found.0.0,
        origin: Origin::Device,
    })
}

/// Writes an attribute in the width that CUDA gives it.
fn write(to: Out<u8>, attribute: u32, address: u64, facts: &Facts) -> Result<()> {
    let is_host = matches!(facts.origin, Origin::Host | Origin::Registered);
    let on_host = is_host || facts.origin == Origin::Managed;
    let word = |value: u32| to.cast::<u32>().set(value);
    let long = |value: u64| to.cast::<u64>().set(value);
    let flag = |value: bool| to.set(value.into());
    match attribute {
        CONTEXT => long(facts.context),
        MEMORY_TYPE => word(if is_host { 1 } else { 2 }),
        DEVICE_POINTER => long(address),
        HOST_POINTER if on_host => long(address),
        HOST_POINTER => Err(Status::INVALID_VALUE),
        SYNC_MEMOPS => flag(true),
        BUFFER_ID => long(facts.id),
        IS_MANAGED => flag(facts.origin == Origin::Managed),
        DEVICE_ORDINAL => word(facts.ordinal as u32),
        IPC_CAPABLE | RDMA_CAPABLE | DECOMPRESS => flag(false),
        RANGE_START | MAPPING_BASE => long(facts.start),
        RANGE_SIZE | MAPPING_SIZE => long(facts.bytes),
        MAPPED => flag(true),
        HANDLE_TYPES => long(0),
        // Read and write.
        ACCESS_FLAGS => word(3),
        POOL => long(match facts.origin {
            Origin::Pool(pool) => pool,
            _ => 0,
        }),
        BLOCK_ID => long(facts.id),
        _ => Err(Status::INVALID_VALUE),
    }
}

/// `cuPointerGetAttributes` gives zeros for addresses that are not known.
fn write_unknown(to: Out<u8>, attribute: u32) -> Result<()> {
    match attribute {
        MEMORY_TYPE | ACCESS_FLAGS => to.cast::<u32>().set(0),
        DEVICE_ORDINAL => to.cast::<u32>().set(-2i32 as u32),
        SYNC_MEMOPS | IS_MANAGED | IPC_CAPABLE | MAPPED | RDMA_CAPABLE | DECOMPRESS => to.set(0),
        CONTEXT..=BLOCK_ID => to.cast::<u64>().set(0),
        _ => Err(Status::INVALID_VALUE),
    }
}

entries! {
    fn cuPointerGetAttribute(to: Out<u8>, attribute: u32, address: u64) {
        context::current()?;
        to.check()?;
        if !(CONTEXT..=DECOMPRESS).contains(&attribute) {
            return Err(Status::INVALID_VALUE);
        }
        write(to, attribute, address, &facts(address).ok_or(Status::INVALID_VALUE)?)
    }

    fn cuPointerGetAttributes(n: u32, attributes: In<u32>, to: In<u64>, address: u64) {
        context::current()?;
        let facts = facts(address);
        for idx in 0..n as usize {
            let (attribute, to) = (attributes.get_at(idx)?, Out::<u8>::at_address(to.get_at(idx)?));
            let written = facts.as_ref().map_or(Err(Status::INVALID_VALUE), |facts| write(to, attribute, address, facts));
            if written.is_err() {
                write_unknown(to, attribute)?;
            }
        }
        Ok(())
    }

    fn cuPointerSetAttribute(value: In<u32>, attribute: u32, address: u64) {
        context::current()?;
        value.get()?;
        facts(address).ok_or(Status::INVALID_VALUE)?;
        // Copies are synchronous where this asks for it.
        if attribute == SYNC_MEMOPS { Ok(()) } else { Err(Status::INVALID_VALUE) }
    }
}
