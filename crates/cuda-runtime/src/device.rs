//! Devices: choosing, counting, asking, waiting.

use crate::code::{INVALID_DEVICE, INVALID_VALUE, NO_DEVICE};
use crate::{P, context, driver};
use std::ptr::{from_mut, null_mut};

/// The version of CUDA that a shared library stands for: 12090, 13040.
static VERSION: std::sync::atomic::AtomicI32 = std::sync::atomic::AtomicI32::new(13040);

/// Says which version of CUDA this runtime is; the shared library says it when it is loaded.
pub fn set_version(version: i32) {
    VERSION.store(version, std::sync::atomic::Ordering::Relaxed);
}

fn version() -> i32 {
    VERSION.load(std::sync::atomic::Ordering::Relaxed)
}

/// # Safety
/// Rule 1 of the crate.
unsafe fn entry_point(symbol: P, function: P, version: i32, flags: u64, status: P) -> crate::code::Outcome {
    if symbol.is_null() || function.is_null() {
        return Err(INVALID_VALUE);
    }
    context::start()?;
    // SAFETY: the caller's promise.
    unsafe { driver::cuGetProcAddress_v2(symbol, function, version, flags, status) }
}

/// Asks for the per-thread form of a driver function unless the caller said otherwise.
fn per_thread_flags(flags: u64) -> u64 {
    if flags == 0 { 2 } else { flags }
}

api! {
    cudaGetDeviceCount(count: P) {
        if count.is_null() {
            return Err(INVALID_VALUE);
        }
        *count.cast::<i32>() = 0;
        *count.cast::<i32>() = context::device_count()?;
        Ok(())
    }

    cudaGetDevice(device: P) {
        if device.is_null() {
            return Err(INVALID_VALUE);
        }
        *device.cast::<i32>() = context::ordinal()?;
        Ok(())
    }

    cudaSetDevice(device: i32) {
        context::bind(device)
    }

    cudaInitDevice(device: i32, _device_flags: u32, _flags: u32) {
        context::primary(device).map(drop)
    }

    cudaSetValidDevices(devices: P, n: i32) {
        if n < 0 || devices.is_null() && n > 0 {
            return Err(INVALID_VALUE);
        }
        for idx in 0..n as usize {
            context::device(*devices.cast::<i32>().add(idx))?;
        }
        Ok(())
    }

    // All devices are alike: the first fits best.
    cudaChooseDevice(device: P, properties: P) {
        if device.is_null() || properties.is_null() {
            return Err(INVALID_VALUE);
        }
        context::device_count()?;
        *device.cast::<i32>() = 0;
        Ok(())
    }

    cudaDeviceSynchronize() {
        context::ensure()?;
        driver::cuCtxSynchronize()
    }

    cudaDeviceReset() {
        context::reset(context::ordinal()?)
    }

    cudaDeviceGetAttribute(value: P, attribute: i32, device: i32) {
        if value.is_null() {
            return Err(INVALID_VALUE);
        }
        driver::cuDeviceGetAttribute(value, attribute, context::device(device)?)
    }

    cudaSetDeviceFlags(flags: u32) {
        let ordinal = context::ordinal()?;
        // The bit that says that host memory may be mapped is always set.
        driver::cuDevicePrimaryCtxSetFlags_v2(context::device(ordinal)?, flags & !8)
    }

    cudaGetDeviceFlags(flags: P) {
        if flags.is_null() {
            return Err(INVALID_VALUE);
        }
        let mut active = 0i32;
        driver::cuDevicePrimaryCtxGetState(context::device(context::ordinal()?)?, flags, from_mut(&mut active).cast())?;
        *flags.cast::<u32>() |= 8;
        Ok(())
    }

    // Banks of shared memory have one width of four bytes.
    cudaDeviceGetSharedMemConfig(config: P) {
        if config.is_null() {
            return Err(INVALID_VALUE);
        }
        *config.cast::<i32>() = 1;
        Ok(())
    }

    cudaDeviceSetSharedMemConfig(config: i32) {
        if (0..=2).contains(&config) { Ok(()) } else { Err(INVALID_VALUE) }
    }

    cudaDeviceEnablePeerAccess(device: i32, flags: u32) {
        if flags != 0 {
            return Err(INVALID_VALUE);
        }
        if context::ordinal()? == device {
            return Err(INVALID_DEVICE);
        }
        let peer = context::primary(device)?;
        context::ensure()?;
        driver::cuCtxEnablePeerAccess(peer, 0)
    }

    cudaDeviceDisablePeerAccess(device: i32) {
        let peer = context::primary(device)?;
        context::ensure()?;
        driver::cuCtxDisablePeerAccess(peer)
    }

    cudaDriverGetVersion(version: P) {
        if version.is_null() {
            return Err(INVALID_VALUE);
        }
        // Without a driver the answer is 0, and no error.
        *version.cast::<i32>() = 0;
        match driver::cuDriverGetVersion(version) {
            Err(code) if code != crate::code::INSUFFICIENT_DRIVER && code != NO_DEVICE => Err(code),
            _ => Ok(()),
        }
    }

    cudaRuntimeGetVersion(out: P) {
        if out.is_null() {
            return Err(INVALID_VALUE);
        }
        *out.cast::<i32>() = version();
        Ok(())
    }

    cudaGetDriverEntryPoint(symbol: P, function: P, flags: u64, status: P) {
        entry_point(symbol, function, version(), flags, status)
    }

    cudaGetDriverEntryPoint_ptsz(symbol: P, function: P, flags: u64, status: P) {
        entry_point(symbol, function, version(), per_thread_flags(flags), status)
    }

    cudaGetDriverEntryPointByVersion(symbol: P, function: P, version: u32, flags: u64, status: P) {
        entry_point(symbol, function, version as i32, flags, status)
    }

    cudaGetDriverEntryPointByVersion_ptsz(symbol: P, function: P, version: u32, flags: u64, status: P) {
        entry_point(symbol, function, version as i32, per_thread_flags(flags), status)
    }

    cudaProfilerStart() {
        context::ensure()?;
        driver::cuProfilerStart()
    }

    cudaProfilerStop() {
        context::ensure()?;
        driver::cuProfilerStop()
    }

    // Tables of private functions are NVIDIA's own affair.
    cudaGetExportTable(table: P, _id: P) {
        if !table.is_null() {
            *table.cast::<P>() = null_mut();
        }
        Err(crate::code::NOT_SUPPORTED)
    }
}
