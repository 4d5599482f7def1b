//! Launching: the `<<< >>>` syntax, and the functions that launch by host function or kernel handle.
//!
//! `f<<<grid, block, shared, stream>>>(args)` pushes its configuration, and the stub of `f` pops it and launches. The stack is
//! the thread's own, because arguments may themselves launch.

use crate::code::{INVALID_CONFIGURATION, INVALID_DEVICE_FUNCTION, INVALID_VALUE, MISSING_CONFIGURATION, Outcome};
use crate::{Dim3, P, Stream, context, driver, registry};
use std::cell::{Cell, RefCell};
use std::ptr::null_mut;

struct Configuration {
    grid: Dim3,
    block: Dim3,
    shared: usize,
    stream: Stream,
}

thread_local! {
    static PUSHED: RefCell<Vec<Configuration>> = const { RefCell::new(Vec::new()) };
    /// Why the last `__cudaGetKernel` of this thread's stubs gave no handle.
    static NO_KERNEL: Cell<i32> = const { Cell::new(INVALID_DEVICE_FUNCTION) };
}

/// The configuration of the launch that follows; 0 when it was taken.
///
/// # Safety
/// Rule 1 of the crate.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn __cudaPushCallConfiguration(grid: Dim3, block: Dim3, shared: usize, stream: Stream) -> u32 {
    PUSHED.with_borrow_mut(|pushed| pushed.push(Configuration { grid, block, shared, stream }));
    0
}

/// `cudaLaunchConfig_t`.
#[repr(C)]
struct Config {
    grid: Dim3,
    block: Dim3,
    shared: usize,
    stream: Stream,
    attributes: P,
    n_attributes: u32,
}

/// `CUlaunchConfig`.
#[repr(C)]
struct DriverConfig {
    grid: Dim3,
    block: Dim3,
    shared: u32,
    stream: Stream,
    attributes: P,
    n_attributes: u32,
}

/// What no device accepts is a wrong configuration; the driver would call it a wrong value.
fn check(grid: Dim3, block: Dim3) -> Outcome {
    let zero = [grid.x, grid.y, grid.z, block.x, block.y, block.z].contains(&0);
    let threads = u64::from(block.x) * u64::from(block.y) * u64::from(block.z);
    let grid_fits = grid.x <= 0x7fff_ffff && grid.y <= 0xffff && grid.z <= 0xffff;
    if zero || threads > 1024 || block.z > 64 || !grid_fits { Err(INVALID_CONFIGURATION) } else { Ok(()) }
}

/// Remembers why a stub got no kernel handle: its launch gives the same error.
pub fn no_kernel(code: i32) -> i32 {
    NO_KERNEL.set(code);
    code
}

fn shared_bytes(shared: usize) -> Result<u32, i32> {
    u32::try_from(shared).map_err(|_| INVALID_VALUE)
}

/// # Safety
/// Rule 1 of the crate.
unsafe fn launch(kernel: P, grid: Dim3, block: Dim3, params: P, shared: usize, stream: Stream) -> Outcome {
    check(grid, block)?;
    let shared = shared_bytes(shared)?;
    let (g, b) = (grid, block);
    // SAFETY: the caller's promise.
    unsafe { driver::cuLaunchKernel(kernel, g.x, g.y, g.z, b.x, b.y, b.z, shared, stream, params, null_mut()) }
}

api! {
    __cudaPopCallConfiguration(grid: P, block: P, shared: P, stream: P) {
        let top = PUSHED.with_borrow_mut(Vec::pop).ok_or(MISSING_CONFIGURATION)?;
        *grid.cast::<Dim3>() = top.grid;
        *block.cast::<Dim3>() = top.block;
        *shared.cast::<usize>() = top.shared;
        *stream.cast::<Stream>() = top.stream;
        Ok(())
    }

    // A stub whose kernel was not found launches null; the reason has been the result of the look-up.
    __cudaLaunchKernel | __cudaLaunchKernel_ptsz(kernel: P, grid: Dim3, block: Dim3, params: P, shared: usize, stream: Stream) {
        if kernel.is_null() {
            return Err(NO_KERNEL.get());
        }
        context::ensure()?;
        launch(kernel, grid, block, params, shared, stream)
    }

    cudaLaunchKernel | cudaLaunchKernel_ptsz(host: P, grid: Dim3, block: Dim3, params: P, shared: usize, stream: Stream) {
        context::ensure()?;
        launch(registry::find_kernel(host)?, grid, block, params, shared, stream)
    }

    cudaLaunchCooperativeKernel | cudaLaunchCooperativeKernel_ptsz(host: P, grid: Dim3, block: Dim3, params: P, shared: usize, stream: Stream) {
        context::ensure()?;
        check(grid, block)?;
        let (kernel, shared, g, b) = (registry::find_kernel(host)?, shared_bytes(shared)?, grid, block);
        driver::cuLaunchCooperativeKernel(kernel, g.x, g.y, g.z, b.x, b.y, b.z, shared, stream, params)
    }

    cudaLaunchKernelExC(config: P, host: P, params: P) {
        launch_configured(config, host, params, false)
    }

    cudaLaunchKernelExC_ptsz(config: P, host: P, params: P) {
        launch_configured(config, host, params, true)
    }
}

/// # Safety
/// Rule 1 of the crate: `config` is null or a `cudaLaunchConfig_t`.
unsafe fn launch_configured(config: P, host: P, params: P, per_thread: bool) -> Outcome {
    use crate::call::Argument as _;
    if config.is_null() {
        return Err(INVALID_VALUE);
    }
    context::ensure()?;
    // SAFETY: the caller's promise.
    let config = unsafe { &*config.cast::<Config>() };
    check(config.grid, config.block)?;
    let stream = if per_thread { config.stream.per_thread() } else { config.stream };
    let mut for_driver = DriverConfig {
        grid: config.grid,
        block: config.block,
        shared: shared_bytes(config.shared)?,
        stream,
        attributes: config.attributes,
        n_attributes: config.n_attributes,
    };
    let kernel = registry::find_kernel(host)?;
    // SAFETY: the address of a live structure; the rest is the caller's promise.
    unsafe { driver::cuLaunchKernelEx(std::ptr::from_mut(&mut for_driver).cast(), kernel, params, null_mut()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_cudas() {
        assert_eq!(size_of::<Config>(), 56);
        assert_eq!(std::mem::offset_of!(Config, attributes), 40);
        assert_eq!(size_of::<DriverConfig>(), 56);
        assert_eq!(std::mem::offset_of!(DriverConfig, stream), 32);
    }

    #[test]
    fn shapes_that_no_device_takes_are_refused() {
        let one = Dim3 { x: 1, y: 1, z: 1 };
        assert_eq!(check(one, one), Ok(()));
        assert_eq!(check(Dim3 { x: 0, ..one }, one), Err(INVALID_CONFIGURATION));
        assert_eq!(check(one, Dim3 { x: 1025, ..one }), Err(INVALID_CONFIGURATION));
        assert_eq!(check(one, Dim3 { z: 65, ..one }), Err(INVALID_CONFIGURATION));
        assert_eq!(check(Dim3 { y: 65536, ..one }, one), Err(INVALID_CONFIGURATION));
    }
}
