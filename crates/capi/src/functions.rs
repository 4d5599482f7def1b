//! The public C API: `vgpu*` functions as CUDA's runtime has them, each one call of the driver API.
//!
//! Model. Pointers and handles are passed on as they come, so their checks are the driver's. What is added here is what a
//! runtime does: the first call of a thread makes its device's primary context current, and each thread keeps its last error.
//! `include/vgpu/runtime.h` is this file's other half.
//!
//! Rules of access: words are passed to driver functions in the places of pointers and integers; on the machines that are
//! supported, both travel in the same registers, and a function reads of a register what its parameter's type has.

#![allow(non_snake_case, reason = "the names are a C API's")]

use std::cell::Cell;
use std::ffi::{c_char, c_int};
use std::sync::OnceLock;

/// `CU_MEM_ATTACH_GLOBAL`.
const GLOBAL: usize = 1;

/// An address that a driver function writes to.
type Out = usize;

/// `vgpuDim3`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Dim3 {
    x: u32,
    y: u32,
    z: u32,
}

/// `vgpuDeviceProp`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct DeviceProp {
    name: [u8; 256],
    total_global_mem: usize,
    shared_mem_per_block: usize,
    total_const_mem: usize,
    major: i32,
    minor: i32,
    multi_processor_count: i32,
    max_threads_per_block: i32,
    max_threads_per_multi_processor: i32,
    max_threads_dim: [i32; 3],
    max_grid_size: [i32; 3],
    warp_size: i32,
    clock_rate: i32,
    l2_cache_size: i32,
}

thread_local! {
    static DEVICE: Cell<i32> = const { Cell::new(0) };
    static LAST: Cell<c_int> = const { Cell::new(0) };
}

/// Calls a function of the driver API with words.
macro_rules! driver {
    ($name:ident($($arg:expr),*)) => {{
        static ADDRESS: OnceLock<usize> = OnceLock::new();
        let address = *ADDRESS.get_or_init(|| vgpu_cuda::symbol(stringify!($name)).unwrap_or(0));
        if address == 0 {
            NOT_SUPPORTED
        } else {
            // SAFETY: the address is that function, and the arguments are the caller's in the function's order (the
            // module's rule says why words will do).
            unsafe {
                let function: unsafe extern "C" fn($(driver!(@word $arg)),*) -> c_int =
                    std::mem::transmute::<usize, _>(address);
                function($($arg as usize),*)
            }
        }
    }};
    (@word $arg:expr) => { usize };
}

const NOT_SUPPORTED: c_int = 801;
const INVALID_VALUE: c_int = 1;

/// Makes the thread's device current, unless a context is.
fn ready() -> c_int {
    let status = driver!(cuInit(0));
    if status != 0 {
        return status;
    }
    let mut context = 0usize;
    let status = driver!(cuCtxGetCurrent(&raw mut context));
    if status != 0 || context != 0 {
        return status;
    }
    select(DEVICE.get())
}

/// Makes a device's primary context current. It is retained once per device and never released, as CUDA's runtime does.
fn select(device: i32) -> c_int {
    let mut context = 0usize;
    let status = driver!(cuDevicePrimaryCtxRetain(&raw mut context, device));
    if status != 0 {
        return status;
    }
    DEVICE.set(device);
    driver!(cuCtxSetCurrent(context))
}

/// Keeps an error as the thread's last; "not ready" is an answer.
fn note(status: c_int) -> c_int {
    if status != 0 && status != 600 {
        LAST.set(status);
    }
    status
}

fn with_device(call: impl FnOnce() -> c_int) -> c_int {
    let status = ready();
    note(if status == 0 { call() } else { status })
}

macro_rules! functions {
    ($($name:ident($($arg:ident: $type:ty),*) = $driver:ident($($value:expr),*);)*) => {
        $(
            #[doc = concat!("`", stringify!($name), "` of `vgpu/runtime.h`.")]
            #[unsafe(no_mangle)]
            pub extern "C" fn $name($($arg: $type),*) -> c_int {
                with_device(|| driver!($driver($($value),*)))
            }
        )*
    };
}

functions! {
    vgpuGetDeviceCount(count: Out) = cuDeviceGetCount(count);
    vgpuDeviceSynchronize() = cuCtxSynchronize();
    vgpuMalloc(pointer: Out, bytes: usize) = cuMemAlloc_v2(pointer, bytes);
    vgpuMallocManaged(pointer: Out, bytes: usize) = cuMemAllocManaged(pointer, bytes, GLOBAL);
    vgpuFree(pointer: usize) = cuMemFree_v2(pointer);
    vgpuMallocHost(pointer: Out, bytes: usize) = cuMemHostAlloc(pointer, bytes, 0);
    vgpuFreeHost(pointer: usize) = cuMemFreeHost(pointer);
    vgpuMemGetInfo(free: Out, total: Out) = cuMemGetInfo_v2(free, total);
    vgpuMemset(to: usize, value: i32, bytes: usize) = cuMemsetD8_v2(to, value as usize & 0xff, bytes);
    vgpuMemsetAsync(to: usize, value: i32, bytes: usize, stream: usize) = cuMemsetD8Async(to, value as usize & 0xff, bytes, stream);
    vgpuStreamCreate(stream: Out) = cuStreamCreate(stream, 0);
    vgpuStreamDestroy(stream: usize) = cuStreamDestroy_v2(stream);
    vgpuStreamSynchronize(stream: usize) = cuStreamSynchronize(stream);
    vgpuStreamQuery(stream: usize) = cuStreamQuery(stream);
    vgpuStreamWaitEvent(stream: usize, event: usize, flags: u32) = cuStreamWaitEvent(stream, event, flags as usize);
    vgpuLaunchHostFunc(stream: usize, function: usize, data: usize) = cuLaunchHostFunc(stream, function, data);
    vgpuEventCreate(event: Out) = cuEventCreate(event, 0);
    vgpuEventDestroy(event: usize) = cuEventDestroy_v2(event);
    vgpuEventRecord(event: usize, stream: usize) = cuEventRecord(event, stream);
    vgpuEventSynchronize(event: usize) = cuEventSynchronize(event);
    vgpuEventQuery(event: usize) = cuEventQuery(event);
    vgpuEventElapsedTime(milliseconds: Out, start: usize, end: usize) = cuEventElapsedTime_v2(milliseconds, start, end);
    vgpuModuleLoad(module: Out, path: usize) = cuModuleLoad(module, path);
    vgpuModuleLoadData(module: Out, ptx: usize) = cuModuleLoadData(module, ptx);
    vgpuModuleUnload(module: usize) = cuModuleUnload(module);
    vgpuModuleGetKernel(kernel: Out, module: usize, name: usize) = cuModuleGetFunction(kernel, module, name);
    vgpuModuleGetGlobal(pointer: Out, bytes: Out, module: usize, name: usize) = cuModuleGetGlobal_v2(pointer, bytes, module, name);
}

/// `vgpuInit`.
#[unsafe(no_mangle)]
pub extern "C" fn vgpuInit(flags: u32) -> c_int {
    if flags != 0 {
        return note(INVALID_VALUE);
    }
    note(ready())
}

/// `vgpuRuntimeGetVersion`.
#[unsafe(no_mangle)]
pub extern "C" fn vgpuRuntimeGetVersion(version: Out) -> c_int {
    note(driver!(cuDriverGetVersion(version)))
}

/// `vgpuSetDevice`.
#[unsafe(no_mangle)]
pub extern "C" fn vgpuSetDevice(device: i32) -> c_int {
    let status = driver!(cuInit(0));
    note(if status == 0 { select(device) } else { status })
}

/// `vgpuGetDevice`.
#[unsafe(no_mangle)]
pub extern "C" fn vgpuGetDevice(device: Out) -> c_int {
    with_device(|| driver!(cuCtxGetDevice(device)))
}

/// `vgpuDeviceReset`.
#[unsafe(no_mangle)]
pub extern "C" fn vgpuDeviceReset() -> c_int {
    let status = ready();
    if status != 0 {
        return note(status);
    }
    let device = DEVICE.get();
    let status = driver!(cuDevicePrimaryCtxReset_v2(device));
    LAST.set(0);
    note(if status == 0 { select(device) } else { status })
}

/// `vgpuGetDeviceProperties`.
///
/// # Safety
/// `properties` is null or points to room for a `vgpuDeviceProp`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpuGetDeviceProperties(properties: *mut DeviceProp, device: i32) -> c_int {
    if properties.is_null() {
        return note(INVALID_VALUE);
    }
    with_device(|| {
        let mut status = 0;
        let mut attribute = |number: i32| {
            let mut value = 0i32;
            let answer = driver!(cuDeviceGetAttribute(&raw mut value, number, device));
            status = if status == 0 { answer } else { status };
            value
        };
        let mut found = DeviceProp {
            name: [0; 256],
            total_global_mem: 0,
            shared_mem_per_block: attribute(8) as usize,
            total_const_mem: attribute(9) as usize,
            major: attribute(75),
            minor: attribute(76),
            multi_processor_count: attribute(16),
            max_threads_per_block: attribute(1),
            max_threads_per_multi_processor: attribute(39),
            max_threads_dim: [2, 3, 4].map(&mut attribute),
            max_grid_size: [5, 6, 7].map(&mut attribute),
            warp_size: attribute(10),
            clock_rate: attribute(13),
            l2_cache_size: attribute(38),
        };
        if status == 0 {
            status = driver!(cuDeviceGetName(&raw mut found.name, 256, device));
        }
        if status == 0 {
            status = driver!(cuDeviceTotalMem_v2(&raw mut found.total_global_mem, device));
        }
        if status == 0 {
            // SAFETY: not null, and the caller's promise.
            unsafe { properties.write(found) };
        }
        status
    })
}

/// `vgpuGetLastError`.
#[unsafe(no_mangle)]
pub extern "C" fn vgpuGetLastError() -> c_int {
    LAST.replace(0)
}

/// `vgpuPeekAtLastError`.
#[unsafe(no_mangle)]
pub extern "C" fn vgpuPeekAtLastError() -> c_int {
    LAST.get()
}

/// `vgpuGetErrorName`.
#[unsafe(no_mangle)]
pub extern "C" fn vgpuGetErrorName(error: c_int) -> *const c_char {
    let mut text = 0usize;
    let status = driver!(cuGetErrorName(error, &raw mut text));
    if status == 0 { text as *const c_char } else { c"unrecognized error code".as_ptr() }
}

/// `vgpuGetErrorString`.
#[unsafe(no_mangle)]
pub extern "C" fn vgpuGetErrorString(error: c_int) -> *const c_char {
    let mut text = 0usize;
    let status = driver!(cuGetErrorString(error, &raw mut text));
    if status == 0 { text as *const c_char } else { c"unrecognized error code".as_ptr() }
}

/// Kinds of copies, as in the header; 0 to 4.
const LAST_KIND: u32 = 4;

/// `vgpuMemcpy`.
#[unsafe(no_mangle)]
pub extern "C" fn vgpuMemcpy(to: usize, from: usize, bytes: usize, kind: u32) -> c_int {
    with_device(|| match kind {
        1 => driver!(cuMemcpyHtoD_v2(to, from, bytes)),
        2 => driver!(cuMemcpyDtoH_v2(to, from, bytes)),
        3 => driver!(cuMemcpyDtoD_v2(to, from, bytes)),
        0 | LAST_KIND => driver!(cuMemcpy(to, from, bytes)),
        _ => INVALID_VALUE,
    })
}

/// `vgpuMemcpyAsync`.
#[unsafe(no_mangle)]
pub extern "C" fn vgpuMemcpyAsync(to: usize, from: usize, bytes: usize, kind: u32, stream: usize) -> c_int {
    with_device(|| match kind {
        1 => driver!(cuMemcpyHtoDAsync_v2(to, from, bytes, stream)),
        2 => driver!(cuMemcpyDtoHAsync_v2(to, from, bytes, stream)),
        3 => driver!(cuMemcpyDtoDAsync_v2(to, from, bytes, stream)),
        0 | LAST_KIND => driver!(cuMemcpyAsync(to, from, bytes, stream)),
        _ => INVALID_VALUE,
    })
}

fn launch(kernel: usize, grid: Dim3, block: Dim3, args: usize, shared: usize, stream: usize) -> c_int {
    let Ok(shared) = u32::try_from(shared) else { return note(INVALID_VALUE) };
    with_device(|| {
        driver!(cuLaunchKernel(kernel, grid.x, grid.y, grid.z, block.x, block.y, block.z, shared, stream, args, 0))
    })
}

/// `vgpuLaunchKernel`.
#[unsafe(no_mangle)]
pub extern "C" fn vgpuLaunchKernel(kernel: usize, grid: Dim3, block: Dim3, args: usize) -> c_int {
    launch(kernel, grid, block, args, 0, 0)
}

/// `vgpuLaunchKernelEx`.
#[unsafe(no_mangle)]
pub extern "C" fn vgpuLaunchKernelEx(
    kernel: usize,
    grid: Dim3,
    block: Dim3,
    args: usize,
    shared: usize,
    stream: usize,
) -> c_int {
    launch(kernel, grid, block, args, shared, stream)
}

/// `vgpuLaunchCooperativeKernel`.
#[unsafe(no_mangle)]
pub extern "C" fn vgpuLaunchCooperativeKernel(
    kernel: usize,
    grid: Dim3,
    block: Dim3,
    args: usize,
    shared: usize,
    stream: usize,
) -> c_int {
    let Ok(shared) = u32::try_from(shared) else { return note(INVALID_VALUE) };
    with_device(|| {
        driver!(cuLaunchCooperativeKernel(
            kernel, grid.x, grid.y, grid.z, block.x, block.y, block.z, shared, stream, args
        ))
    })
}
