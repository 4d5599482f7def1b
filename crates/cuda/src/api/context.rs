//! Contexts: created and primary, current per thread, limits and flags.

use crate::abi::{ContextParams, In, Out, entries};
use crate::context::{self, CONTEXTS, Context};
use crate::driver::{self, lock};
use crate::graph;
use crate::status::{Result, Status};
use crate::stream::PRIORITIES;
use std::sync::atomic::Ordering;

/// Limits, by their number in `cuda.h`, with CUDA's defaults; those that this device gives a meaning are handled apart.
const LIMITS: [(u32, u64); 8] = [(0, 1024), (1, 1 << 20), (3, 2), (4, 2048), (5, 64), (6, 0), (7, 0), (10, 0)];
const LIMIT_HEAP: u32 = 2;

fn create(to: Out<u64>, flags: u32, device: i32) -> Result<()> {
    to.check()?;
    to.set(context::create(device, flags)?.handle)
}

fn set_primary_flags(device: i32, flags: u32) -> Result<()> {
    if flags & !context::KNOWN_FLAGS != 0 {
        return Err(Status::INVALID_VALUE);
    }
    let mut primary = lock(&driver::ordinal(device)?.primary);
    primary.flags = flags;
    if let Some(context) = &primary.context {
        context.flags.store(flags, Ordering::Relaxed);
    }
    Ok(())
}

fn synchronize(context: &Context) -> Result<()> {
    graph::check_safe()?;
    // The check tells what went wrong.
    let _ = context.runtime.synchronize();
    context.check()
}

fn pop(to: Out<u64>) -> Result<()> {
    let context = context::pop()?;
    to.set_if_wanted(context.handle);
    Ok(())
}

fn push(handle: u64) -> Result<()> {
    context::push(context::find(handle)?)
}

entries! {
    fn cuDevicePrimaryCtxRetain(to: Out<u64>, device: i32) {
        to.check()?;
        to.set(context::retain_primary(device)?.handle)
    }

    fn cuDevicePrimaryCtxRelease(device: i32) {
        context::release_primary(device, false)
    }

    fn cuDevicePrimaryCtxRelease_v2(device: i32) {
        context::release_primary(device, false)
    }

    fn cuDevicePrimaryCtxReset(device: i32) {
        context::release_primary(device, true)
    }

    fn cuDevicePrimaryCtxReset_v2(device: i32) {
        context::release_primary(device, true)
    }

    fn cuDevicePrimaryCtxSetFlags(device: i32, flags: u32) {
        set_primary_flags(device, flags)
    }

    fn cuDevicePrimaryCtxSetFlags_v2(device: i32, flags: u32) {
        set_primary_flags(device, flags)
    }

    fn cuDevicePrimaryCtxGetState(device: i32, flags: Out<u32>, active: Out<i32>) {
        let primary = lock(&driver::ordinal(device)?.primary);
        flags.set(primary.flags)?;
        active.set(i32::from(primary.context.is_some()))
    }

    fn cuCtxCreate(to: Out<u64>, flags: u32, device: i32) {
        create(to, flags, device)
    }

    fn cuCtxCreate_v2(to: Out<u64>, flags: u32, device: i32) {
        create(to, flags, device)
    }

    fn cuCtxCreate_v3(to: Out<u64>, affinity: In<u64>, n_affinity: i32, flags: u32, device: i32) {
        if !affinity.is_null() && n_affinity > 0 {
            return Err(Status::NOT_SUPPORTED);
        }
        create(to, flags, device)
    }

    fn cuCtxCreate_v4(to: Out<u64>, params: In<ContextParams>, flags: u32, device: i32) {
        if let Ok(params) = params.get()
            && (params.n_affinity > 0 || params.cig != 0)
        {
            return Err(Status::NOT_SUPPORTED);
        }
        create(to, flags, device)
    }

    fn cuCtxDestroy(handle: u64) {
        context::destroy(handle)
    }

    fn cuCtxDestroy_v2(handle: u64) {
        context::destroy(handle)
    }

    fn cuCtxPushCurrent(handle: u64) {
        push(handle)
    }

    fn cuCtxPushCurrent_v2(handle: u64) {
        push(handle)
    }

    fn cuCtxPopCurrent(to: Out<u64>) {
        pop(to)
    }

    fn cuCtxPopCurrent_v2(to: Out<u64>) {
        pop(to)
    }

    fn cuCtxSetCurrent(handle: u64) {
        let context = if handle == 0 { None } else { Some(context::find(handle)?) };
        context::set_current(context)
    }

    fn cuCtxGetCurrent(to: Out<u64>) {
        to.set(context::top()?.map_or(0, |context| context.handle))
    }

    fn cuCtxGetDevice(device: Out<i32>) {
        device.set(context::current()?.ordinal.number)
    }

    fn cuCtxGetDevice_v2(device: Out<i32>, handle: u64) {
        device.set(context::given_or_current(handle)?.ordinal.number)
    }

    fn cuCtxGetFlags(flags: Out<u32>) {
        flags.set(context::current()?.flags.load(Ordering::Relaxed))
    }

    fn cuCtxSetFlags(flags: u32) {
        if flags & !context::KNOWN_FLAGS != 0 {
            return Err(Status::INVALID_VALUE);
        }
        context::current()?.flags.store(flags, Ordering::Relaxed);
        Ok(())
    }

    fn cuCtxGetId(handle: u64, id: Out<u64>) {
        id.set(context::given_or_current(handle)?.id)
    }

    fn cuCtxGetApiVersion(handle: u64, version: Out<u32>) {
        context::given_or_current(handle)?;
        version.set(3020)
    }

    fn cuCtxSynchronize() {
        synchronize(&*context::current()?)
    }

    fn cuCtxSynchronize_v2(handle: u64) {
        synchronize(&*context::given_or_current(handle)?)
    }

    fn cuCtxAttach(to: Out<u64>, flags: u32) {
        if flags != 0 {
            return Err(Status::INVALID_VALUE);
        }
        to.set(context::current()?.handle)
    }

    fn cuCtxDetach(handle: u64) {
        CONTEXTS.find(handle).ok_or(Status::INVALID_CONTEXT)?;
        context::destroy(handle)
    }

    fn cuCtxGetLimit(value: Out<usize>, limit: u32) {
        let context = context::current()?;
        value.check()?;
        if limit == LIMIT_HEAP {
            return value.set(context.runtime.heap_bytes() as usize);
        }
        let (_, default) = LIMITS.iter().find(|(number, _)| *number == limit).ok_or(Status::UNSUPPORTED_LIMIT)?;
        value.set(*lock(&context.limits).get(&limit).unwrap_or(default) as usize)
    }

    fn cuCtxSetLimit(limit: u32, value: usize) {
        let context = context::current()?;
        if limit == LIMIT_HEAP {
            context.runtime.set_heap_bytes(value as u64);
            return Ok(());
        }
        LIMITS.iter().find(|(number, _)| *number == limit).ok_or(Status::UNSUPPORTED_LIMIT)?;
        // Stacks and buffers grow as needed here: the number is remembered for who asks.
        lock(&context.limits).insert(limit, value as u64);
        Ok(())
    }

    fn cuCtxGetCacheConfig(config: Out<u32>) {
        context::current()?;
        config.set(0)
    }

    fn cuCtxSetCacheConfig(config: u32) {
        context::current()?;
        if config > 3 { Err(Status::INVALID_VALUE) } else { Ok(()) }
    }

    fn cuCtxGetSharedMemConfig(config: Out<u32>) {
        context::current()?;
        config.set(1)
    }

    fn cuCtxSetSharedMemConfig(config: u32) {
        context::current()?;
        if config > 2 { Err(Status::INVALID_VALUE) } else { Ok(()) }
    }

    fn cuCtxGetStreamPriorityRange(least: Out<i32>, greatest: Out<i32>) {
        context::current()?;
        least.set_if_wanted(PRIORITIES.1);
        greatest.set_if_wanted(PRIORITIES.0);
        Ok(())
    }

    fn cuCtxResetPersistingL2Cache() {
        context::current().map(drop)
    }

    fn cuCtxGetExecAffinity(to: Out<[u32; 2]>, kind: i32) {
        let context = context::current()?;
        if kind != 0 {
            return Err(Status::INVALID_VALUE);
        }
        to.set([0, context.ordinal.device.properties().multiprocessor_count])
    }
}
