//! Launches of kernels and host functions.

use crate::abi::{HostCallback, In, LaunchConfig, entries, read_packed_params};
use crate::log;
use crate::module::{FUNCTIONS, Function};
use crate::status::{Result, Status};
use crate::stream::{self, Default, EVENTS};
use crate::work;
use std::ffi::c_void;
use vgpu_runtime::{Kernel, LaunchConfig as Shape};
use vgpu_types::Dim3;

const ATTRIBUTE_COOPERATIVE: u32 = 2;
const ATTRIBUTE_CLUSTER: u32 = 4;
const ATTRIBUTE_EVENT: u32 = 7;
const ATTRIBUTE_COMPLETION_EVENT: u32 = 12;
const ATTRIBUTE_DEVICE_UPDATABLE: u32 = 13;
const LAST_ATTRIBUTE: u32 = 18;

/// Marks in the `extra` list of a launch.
const EXTRA_END: u64 = 0;
const EXTRA_BUFFER: u64 = 1;
const EXTRA_BYTES: u64 = 2;

/// Parameters up to this size need no allocation.
const INLINE_PARAMS: usize = 512;

/// The parameter buffer, from an array of pointers or from `extra`.
pub(super) fn read_params(kernel: &Kernel, args: In<*const u8>, extra: In<u64>, buffer: &mut [u8]) -> Result<()> {
    if buffer.is_empty() {
        return Ok(());
    }
    if !args.is_null() {
        if !extra.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        let params = kernel.params().iter().map(|param| (param.offset as usize, param.size as usize));
        return read_packed_params(args, params, buffer);
    }
    let (mut packed, mut bytes) = (0, 0);
    let mut idx = 0;
    loop {
        match extra.get_at(idx)? {
            EXTRA_END => break,
            EXTRA_BUFFER => packed = extra.get_at(idx + 1)?,
            EXTRA_BYTES => bytes = In::<usize>::at_address(extra.get_at(idx + 1)?).get()?,
            _ => return Err(Status::INVALID_VALUE),
        }
        idx += 2;
    }
    // The buffer may be longer than needed, for alignment, and shorter by the padding at its end.
    let needed = kernel.params().last().map_or(0, |param| (param.offset + param.size) as usize);
    if packed == 0 || bytes < needed {
        return Err(Status::INVALID_VALUE);
    }
    let n = bytes.min(buffer.len());
    buffer[..n].copy_from_slice(&In::<u8>::at_address(packed).bytes(n)?);
    Ok(())
}

/// What every launch is checked for besides what the runtime checks.
pub(super) fn check_shape(function: &Function, kernel: &Kernel, shape: &Shape) -> Result<()> {
    if shape.dynamic_shared_bytes > 0 && shape.dynamic_shared_bytes > function.dynamic_limit(kernel) {
        return Err(Status::INVALID_VALUE);
    }
    Ok(())
}

fn launch(function: u64, shape: &Shape, stream: u64, args: In<*const u8>, extra: In<u64>, mode: Default) -> Result<()> {
    let function = FUNCTIONS.get(function)?;
    let stream = stream::resolve(stream, mode)?;
    let context = stream.context()?;
    context.check()?;
    let kernel = function.kernel(&context)?;
    check_shape(&function, &kernel, shape)?;
    let n = kernel.param_bytes();
    let mut inline = [0u8; INLINE_PARAMS];
    let mut long = Vec::new();
    let buffer = match inline.get_mut(..n) {
        Some(buffer) => buffer,
        None => {
            long.resize(n, 0);
            &mut long[..]
        }
    };
    read_params(&kernel, args, extra, buffer)?;
    work::launch(&stream, &function, &kernel, shape, buffer)
}

fn shape(grid: [u32; 3], block: [u32; 3], shared: u32, cooperative: bool) -> Shape {
    let dim = |[x, y, z]: [u32; 3]| Dim3::new(x, y, z);
    let mut shape = Shape::new(dim(grid), dim(block)).shared(shared);
    shape.cooperative = cooperative;
    shape
}

fn launch_ex(
    config: In<LaunchConfig>,
    function: u64,
    args: In<*const u8>,
    extra: In<u64>,
    mode: Default,
) -> Result<()> {
    let config = config.get()?;
    let mut cooperative = false;
    let mut events = Vec::new();
    for attribute in config.attributes.list(config.n_attributes as usize)? {
        match attribute.id {
            ATTRIBUTE_COOPERATIVE => cooperative = attribute.value[0] != 0,
            ATTRIBUTE_CLUSTER if attribute.value[..3].iter().any(|n| *n > 1) => {
                log::once("a launch with thread block clusters", "is not supported");
                return Err(Status::NOT_SUPPORTED);
            }
            ATTRIBUTE_EVENT | ATTRIBUTE_COMPLETION_EVENT => {
                events.push(u64::from(attribute.value[0]) | u64::from(attribute.value[1]) << 32);
            }
            ATTRIBUTE_DEVICE_UPDATABLE if attribute.value[0] != 0 => return Err(Status::NOT_SUPPORTED),
            // Hints about caches, priorities, overlap with the next kernel: none has an effect on results.
            0..=LAST_ATTRIBUTE => {}
            _ => return Err(Status::INVALID_VALUE),
        }
    }
    let shape = shape(config.grid, config.block, config.shared_bytes, cooperative);
    launch(function, &shape, config.stream, args, extra, mode)?;
    for event in events {
        // The event may be recorded later than at the earliest moment that it allows.
        work::record(&stream::resolve(config.stream, mode)?, &EVENTS.get(event)?, false)?;
    }
    Ok(())
}

/// A host function with its data, for a worker thread.
fn host_function(stream: u64, function: HostCallback, data: *mut c_void, mode: Default) -> Result<()> {
    if function.is_null() {
        return Err(Status::INVALID_VALUE);
    }
    let stream = stream::resolve(stream, mode)?;
    stream.context()?.check()?;
    work::host(&stream, function, data as u64)
}

entries! {
    fn cuLaunchKernel | cuLaunchKernel_ptsz [mode](
        function: u64, gx: u32, gy: u32, gz: u32, bx: u32, by: u32, bz: u32, shared: u32, stream: u64,
        args: In<*const u8>, extra: In<u64>
    ) {
        launch(function, &shape([gx, gy, gz], [bx, by, bz], shared, false), stream, args, extra, mode)
    }

    fn cuLaunchKernelEx | cuLaunchKernelEx_ptsz [mode](
        config: In<LaunchConfig>, function: u64, args: In<*const u8>, extra: In<u64>
    ) {
        launch_ex(config, function, args, extra, mode)
    }

    fn cuLaunchCooperativeKernel | cuLaunchCooperativeKernel_ptsz [mode](
        function: u64, gx: u32, gy: u32, gz: u32, bx: u32, by: u32, bz: u32, shared: u32, stream: u64,
        args: In<*const u8>
    ) {
        let no_extra = In::<u64>::at_address(0);
        launch(function, &shape([gx, gy, gz], [bx, by, bz], shared, true), stream, args, no_extra, mode)
    }

    fn cuLaunchHostFunc | cuLaunchHostFunc_ptsz [mode](stream: u64, function: HostCallback, data: *mut c_void) {
        host_function(stream, function, data, mode)
    }

    fn cuLaunchHostFunc_v2 | cuLaunchHostFunc_v2_ptsz [mode](
        stream: u64, function: HostCallback, data: *mut c_void, sync_mode: u32
    ) {
        let _ = sync_mode;
        host_function(stream, function, data, mode)
    }

}
