//! Stream-ordered allocation and memory pools.

use crate::abi::{AccessDesc, In, Location, Out, PoolProps, entries};
use crate::context;
use crate::driver;
use crate::pool::{self, POOLS};
use crate::status::{Result, Status};
use crate::stream::{self, Default};
use crate::work;

const REUSE_FIRST: u32 = 1;
const REUSE_LAST: u32 = 3;
const THRESHOLD: u32 = 4;
const RESERVED: u32 = 5;
const RESERVED_HIGH: u32 = 6;
const USED: u32 = 7;
const USED_HIGH: u32 = 8;

fn alloc(to: Out<u64>, bytes: usize, pool: Option<u64>, stream: u64, mode: Default) -> Result<()> {
    to.check()?;
    let stream = stream::resolve(stream, mode)?;
    let pool = match pool {
        Some(pool) => POOLS.get(pool)?,
        None => pool::current(stream.context()?.ordinal.number)?,
    };
    to.set(work::alloc(&stream, &pool, bytes as u64)?)
}

entries! {
    fn cuMemAllocAsync | cuMemAllocAsync_ptsz [mode](to: Out<u64>, bytes: usize, stream: u64) {
        alloc(to, bytes, None, stream, mode)
    }

    fn cuMemAllocFromPoolAsync | cuMemAllocFromPoolAsync_ptsz [mode](
        to: Out<u64>, bytes: usize, pool: u64, stream: u64
    ) {
        alloc(to, bytes, Some(pool), stream, mode)
    }

    fn cuMemFreeAsync | cuMemFreeAsync_ptsz [mode](address: u64, stream: u64) {
        let stream = stream::resolve(stream, mode)?;
        if address == 0 { Err(Status::INVALID_VALUE) } else { work::free(&stream, address) }
    }

    fn cuMemPoolCreate(to: Out<u64>, props: In<PoolProps>) {
        to.check()?;
        let props = props.get()?;
        if props.alloc_type != 1 || props.location.kind != 1 {
            return Err(if props.location.kind > 4 { Status::INVALID_VALUE } else { Status::NOT_SUPPORTED });
        }
        if props.handle_types != 0 {
            return Err(Status::NOT_SUPPORTED);
        }
        driver::ordinal(props.location.id)?;
        to.set(pool::create(props.location.id)?)
    }

    fn cuMemPoolDestroy(handle: u64) {
        pool::destroy(handle)
    }

    fn cuMemPoolTrimTo(handle: u64, keep: usize) {
        let _ = keep;
        // Freed memory goes back to the device at once.
        POOLS.get(handle).map(drop)
    }

    fn cuMemPoolSetAttribute(handle: u64, attribute: u32, value: In<u32>) {
        let pool = POOLS.get(handle)?;
        match attribute {
            REUSE_FIRST..=REUSE_LAST => pool.set_reuse(attribute - REUSE_FIRST, value.get()? != 0),
            THRESHOLD => pool.set_threshold(In::<u64>::at_address(value.address()).get()?),
            RESERVED_HIGH | USED_HIGH => {
                // Only resetting is allowed.
                if In::<u64>::at_address(value.address()).get()? != 0 {
                    return Err(Status::INVALID_VALUE);
                }
                pool.reset_high();
            }
            _ => return Err(Status::INVALID_VALUE),
        }
        Ok(())
    }

    fn cuMemPoolGetAttribute(handle: u64, attribute: u32, value: Out<u32>) {
        let pool = POOLS.get(handle)?;
        let long = value.cast::<u64>();
        match attribute {
            REUSE_FIRST..=REUSE_LAST => value.set(pool.reuse(attribute - REUSE_FIRST).into()),
            THRESHOLD => long.set(pool.threshold()),
            RESERVED | USED => long.set(pool.used()),
            RESERVED_HIGH | USED_HIGH => long.set(pool.high()),
            _ => Err(Status::INVALID_VALUE),
        }
    }

    fn cuMemPoolSetAccess(handle: u64, map: In<AccessDesc>, n: usize) {
        POOLS.get(handle)?;
        map.list(n)?.iter().try_for_each(|access| driver::ordinal(access.location.id).map(drop))
    }

    fn cuMemPoolGetAccess(flags: Out<u32>, handle: u64, location: In<Location>) {
        POOLS.get(handle)?;
        location.get()?;
        flags.set(3)
    }

    fn cuDeviceGetDefaultMemPool(to: Out<u64>, device: i32) {
        to.check()?;
        to.set(pool::default(device)?.handle)
    }

    fn cuDeviceGetMemPool(to: Out<u64>, device: i32) {
        to.check()?;
        to.set(pool::current(device)?.handle)
    }

    fn cuDeviceSetMemPool(device: i32, handle: u64) {
        pool::set_current(device, POOLS.get(handle)?)
    }

    fn cuMemGetDefaultMemPool(to: Out<u64>, location: In<Location>, kind: u32) {
        let location = location.get()?;
        if location.kind != 1 || kind != 1 {
            return Err(Status::NOT_SUPPORTED);
        }
        to.set(pool::default(location.id)?.handle)
    }

    fn cuMemGetMemPool(to: Out<u64>, location: In<Location>, kind: u32) {
        let location = location.get()?;
        if location.kind != 1 || kind != 1 {
            return Err(Status::NOT_SUPPORTED);
        }
        to.set(pool::current(location.id)?.handle)
    }

    fn cuMemSetMemPool(location: In<Location>, kind: u32, handle: u64) {
        let location = location.get()?;
        if location.kind != 1 || kind != 1 {
            return Err(Status::NOT_SUPPORTED);
        }
        pool::set_current(location.id, POOLS.get(handle)?)
    }

    fn cuMemPoolExportToShareableHandle(to: Out<u8>, handle: u64, kind: u32, flags: u64) {
        let _ = (kind, flags);
        to.check()?;
        POOLS.get(handle)?;
        context::current()?;
        Err(Status::NOT_SUPPORTED)
    }
}
