//! Attributes of functions and kernels, and occupancy.

use crate::abi::{In, LaunchConfig, OccupancyCallback, Out, entries};
use crate::context;
use crate::driver;
use crate::module::{FUNCTIONS, Function};
use crate::status::{Result, Status};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use vgpu_runtime::{self as runtime, Kernel};

const MAX_THREADS: u32 = 0;
const SHARED_BYTES: u32 = 1;
const CONST_BYTES: u32 = 2;
const LOCAL_BYTES: u32 = 3;
const REGISTERS: u32 = 4;
const PTX_VERSION: u32 = 5;
const BINARY_VERSION: u32 = 6;
const CACHE_MODE: u32 = 7;
const MAX_DYNAMIC_SHARED: u32 = 8;
const CARVEOUT: u32 = 9;
const LAST_ATTRIBUTE: u32 = 17;

/// Registers are not counted here; a number that lets 2048 threads be resident.
const NOMINAL_REGISTERS: i32 = 32;

fn thread_limit(kernel: &Kernel) -> u64 {
    let max = u64::from(runtime::MAX_THREADS_PER_BLOCK);
    let volume = |shape: [u32; 3]| shape.iter().map(|n| u64::from((*n).max(1))).product::<u64>();
    let performance = kernel.performance();
    performance.reqntid.or(performance.maxntid).map_or(max, |shape| volume(shape).min(max))
}

fn get(function: &Arc<Function>, attribute: u32) -> Result<i32> {
    let kernel = function.any_kernel()?;
    let capability = driver::ordinal(0)?.device.properties().compute_capability;
    let architecture = (capability.0 * 10 + capability.1) as i32;
    Ok(match attribute {
        MAX_THREADS => thread_limit(&kernel) as i32,
        SHARED_BYTES => kernel.named_shared_bytes() as i32,
        LOCAL_BYTES => kernel.named_local_bytes() as i32,
        REGISTERS => NOMINAL_REGISTERS,
        PTX_VERSION | BINARY_VERSION => architecture,
        MAX_DYNAMIC_SHARED => function.dynamic_limit(&kernel) as i32,
        CARVEOUT => function.carveout.load(Ordering::Relaxed),
        CONST_BYTES | CACHE_MODE | 10..=LAST_ATTRIBUTE => 0,
        _ => return Err(Status::INVALID_VALUE),
    })
}

fn set(function: &Arc<Function>, attribute: u32, value: i32) -> Result<()> {
    match attribute {
        MAX_DYNAMIC_SHARED => {
            let named = function.any_kernel()?.named_shared_bytes();
            let room = runtime::MAX_SHARED_BYTES.saturating_sub(named);
            let value = u32::try_from(value).ok().filter(|value| *value <= room).ok_or(Status::INVALID_VALUE)?;
            function.max_dynamic_shared.store(value, Ordering::Relaxed);
            Ok(())
        }
        CARVEOUT if (-1..=100).contains(&value) => {
            function.carveout.store(value, Ordering::Relaxed);
            Ok(())
        }
        // Clusters are not supported; asking for none is fine.
        10..=LAST_ATTRIBUTE if value == 0 => Ok(()),
        10..=LAST_ATTRIBUTE => Err(Status::NOT_SUPPORTED),
        _ => Err(Status::INVALID_VALUE),
    }
}

fn param_info(function: u64, idx: usize, offset: Out<usize>, size: Out<usize>) -> Result<()> {
    let kernel = FUNCTIONS.get(function)?.any_kernel()?;
    let param = kernel.params().get(idx).ok_or(Status::INVALID_VALUE)?;
    offset.set(param.offset as usize)?;
    size.set_if_wanted(param.size as usize);
    Ok(())
}

/// Blocks of a size that are resident at once, by threads, shared memory and number of blocks.
fn active_blocks(kernel: &Kernel, threads: u32, dynamic: usize) -> u32 {
    let warps = threads.next_multiple_of(32).max(32);
    let shared = u64::from(kernel.named_shared_bytes()) + dynamic as u64;
    let by_shared = u64::from(runtime::SHARED_BYTES_PER_MULTIPROCESSOR).checked_div(shared);
    let by_shared = by_shared.map_or(u32::MAX, |n| n.min(u64::from(u32::MAX)) as u32);
    if u64::from(threads) > thread_limit(kernel) || shared > u64::from(runtime::MAX_SHARED_BYTES) {
        return 0;
    }
    (runtime::THREADS_PER_MULTIPROCESSOR / warps).min(by_shared).min(runtime::BLOCKS_PER_MULTIPROCESSOR)
}

fn occupancy(n: Out<i32>, function: u64, threads: i32, dynamic: usize, flags: u32) -> Result<()> {
    let kernel = FUNCTIONS.get(function)?.any_kernel()?;
    let threads = u32::try_from(threads).ok().filter(|threads| *threads > 0).ok_or(Status::INVALID_VALUE)?;
    if flags > 1 {
        return Err(Status::INVALID_VALUE);
    }
    n.set(active_blocks(&kernel, threads, dynamic) as i32)
}

/// The block size with most resident threads, the largest of those.
fn potential(
    grid: Out<i32>,
    block: Out<i32>,
    function: u64,
    callback: OccupancyCallback,
    dynamic: usize,
    limit: i32,
) -> Result<()> {
    grid.check()?;
    block.check()?;
    let kernel = FUNCTIONS.get(function)?.any_kernel()?;
    let most = thread_limit(&kernel) as u32;
    let most = if limit > 0 { most.min(limit as u32) } else { most };
    let shared = |threads: u32| if callback.is_null() { dynamic } else { callback.call(threads as i32) };
    let (mut best, mut best_resident, mut best_blocks) = (0, 0, 0);
    let sizes = std::iter::once(most).chain((1..=most / 32).rev().map(|warps| warps * 32).filter(|size| *size < most));
    for threads in sizes {
        let blocks = active_blocks(&kernel, threads, shared(threads));
        if blocks * threads > best_resident {
            (best, best_resident, best_blocks) = (threads, blocks * threads, blocks);
        }
    }
    let multiprocessors = context::current()?.ordinal.device.properties().multiprocessor_count;
    grid.set((best_blocks * multiprocessors) as i32)?;
    block.set(best as i32)
}

entries! {
    fn cuFuncGetAttribute(value: Out<i32>, attribute: u32, function: u64) {
        value.check()?;
        value.set(get(&FUNCTIONS.get(function)?, attribute)?)
    }

    fn cuFuncSetAttribute(function: u64, attribute: u32, value: i32) {
        set(&FUNCTIONS.get(function)?, attribute, value)
    }

    fn cuKernelGetAttribute(value: Out<i32>, attribute: u32, kernel: u64, device: i32) {
        driver::ordinal(device)?;
        value.check()?;
        value.set(get(&FUNCTIONS.get(kernel)?, attribute)?)
    }

    fn cuKernelSetAttribute(attribute: u32, value: i32, kernel: u64, device: i32) {
        driver::ordinal(device)?;
        set(&FUNCTIONS.get(kernel)?, attribute, value)
    }

    fn cuFuncSetCacheConfig(function: u64, config: u32) {
        FUNCTIONS.get(function)?;
        if config > 3 { Err(Status::INVALID_VALUE) } else { Ok(()) }
    }

    fn cuKernelSetCacheConfig(kernel: u64, config: u32, device: i32) {
        driver::ordinal(device)?;
        FUNCTIONS.get(kernel)?;
        if config > 3 { Err(Status::INVALID_VALUE) } else { Ok(()) }
    }

    fn cuFuncSetSharedMemConfig(function: u64, config: u32) {
        FUNCTIONS.get(function)?;
        if config > 2 { Err(Status::INVALID_VALUE) } else { Ok(()) }
    }

    fn cuFuncGetModule(to: Out<u64>, function: u64) {
        to.set(FUNCTIONS.get(function)?.module().ok_or(Status::INVALID_HANDLE)?)
    }

    fn cuFuncGetName(to: Out<u64>, function: u64) {
        to.set(FUNCTIONS.get(function)?.name_z.as_ptr() as u64)
    }

    fn cuKernelGetName(to: Out<u64>, kernel: u64) {
        to.set(FUNCTIONS.get(kernel)?.name_z.as_ptr() as u64)
    }

    fn cuFuncGetParamInfo(function: u64, idx: usize, offset: Out<usize>, size: Out<usize>) {
        param_info(function, idx, offset, size)
    }

    fn cuKernelGetParamInfo(kernel: u64, idx: usize, offset: Out<usize>, size: Out<usize>) {
        param_info(kernel, idx, offset, size)
    }

    fn cuFuncGetParamCount(function: u64, n: Out<usize>) {
        n.set(FUNCTIONS.get(function)?.any_kernel()?.params().len())
    }

    fn cuKernelGetParamCount(kernel: u64, n: Out<usize>) {
        n.set(FUNCTIONS.get(kernel)?.any_kernel()?.params().len())
    }

    fn cuFuncIsLoaded(state: Out<u32>, function: u64) {
        FUNCTIONS.get(function)?;
        state.set(1)
    }

    fn cuFuncLoad(function: u64) {
        FUNCTIONS.get(function)?.any_kernel().map(drop)
    }

    fn cuOccupancyMaxActiveBlocksPerMultiprocessor(n: Out<i32>, function: u64, threads: i32, dynamic: usize) {
        occupancy(n, function, threads, dynamic, 0)
    }

    fn cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
        n: Out<i32>, function: u64, threads: i32, dynamic: usize, flags: u32
    ) {
        occupancy(n, function, threads, dynamic, flags)
    }

    fn cuOccupancyMaxPotentialBlockSize(
        grid: Out<i32>, block: Out<i32>, function: u64, callback: OccupancyCallback, dynamic: usize, limit: i32
    ) {
        potential(grid, block, function, callback, dynamic, limit)
    }

    fn cuOccupancyMaxPotentialBlockSizeWithFlags(
        grid: Out<i32>, block: Out<i32>, function: u64, callback: OccupancyCallback, dynamic: usize, limit: i32,
        flags: u32
    ) {
        if flags > 1 {
            return Err(Status::INVALID_VALUE);
        }
        potential(grid, block, function, callback, dynamic, limit)
    }

    fn cuOccupancyAvailableDynamicSMemPerBlock(to: Out<usize>, function: u64, blocks: i32, threads: i32) {
        let kernel = FUNCTIONS.get(function)?.any_kernel()?;
        if blocks <= 0 || threads <= 0 {
            return Err(Status::INVALID_VALUE);
        }
        let share = runtime::SHARED_BYTES_PER_MULTIPROCESSOR / blocks as u32;
        to.set(share.min(runtime::MAX_SHARED_BYTES).saturating_sub(kernel.named_shared_bytes()) as usize)
    }

    fn cuOccupancyMaxPotentialClusterSize(to: Out<i32>, function: u64, config: In<LaunchConfig>) {
        FUNCTIONS.get(function)?;
        config.get()?;
        to.set(1)
    }
}
