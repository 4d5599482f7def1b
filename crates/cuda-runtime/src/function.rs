//! What is known of a kernel, what can be set, and how many of its blocks fit.

use crate::code::{INVALID_DEVICE_FUNCTION, INVALID_VALUE};
use crate::{P, context, driver, registry};
use std::ffi::c_char;
use std::ptr::{from_mut, null_mut};

/// `cudaFuncAttributes`.
#[repr(C)]
struct Attributes {
    shared: usize,
    constant: usize,
    local: usize,
    max_threads: i32,
    n_registers: i32,
    ptx_version: i32,
    binary_version: i32,
    cache_mode_ca: i32,
    max_dynamic_shared: i32,
    carveout: i32,
    cluster_must_be_set: i32,
    cluster: [i32; 3],
    scheduling: i32,
    non_portable_cluster: i32,
    reserved: [i32; 16],
}

/// The function of a host address in the current context.
fn function(host: P) -> Result<P, i32> {
    context::ensure()?;
    let kernel = registry::find_kernel(host)?;
    let mut function: P = null_mut();
    // SAFETY: the address of a live pointer.
    unsafe { driver::cuKernelGetFunction(from_mut(&mut function).cast(), kernel) }?;
    Ok(function)
}

/// `CU_FUNC_ATTRIBUTE_*`.
fn attribute(function: P, attribute: i32) -> Result<i32, i32> {
    let mut value = 0i32;
    // SAFETY: the address of a live integer.
    unsafe { driver::cuFuncGetAttribute(from_mut(&mut value).cast(), attribute, function) }?;
    Ok(value)
}

api! {
    cudaFuncGetAttributes(out: P, host: P) {
        if out.is_null() {
            return Err(INVALID_VALUE);
        }
        let function = function(host)?;
        // Attributes that a driver does not know are 0.
        let number = |which| attribute(function, which).unwrap_or(0);
        out.cast::<Attributes>().write(Attributes {
            max_threads: attribute(function, 0)?,
            shared: number(1) as usize,
            constant: number(2) as usize,
            local: number(3) as usize,
            n_registers: number(4),
            ptx_version: number(5),
            binary_version: number(6),
            cache_mode_ca: number(7),
            max_dynamic_shared: number(8),
            carveout: number(9),
            cluster_must_be_set: number(10),
            cluster: [number(11), number(12), number(13)],
            non_portable_cluster: number(14),
            scheduling: number(15),
            reserved: [0; 16],
        });
        Ok(())
    }

    cudaFuncSetAttribute(host: P, attribute: i32, value: i32) {
        driver::cuFuncSetAttribute(function(host)?, attribute, value)
    }

    cudaKernelSetAttributeForDevice(kernel: P, attribute: i32, value: i32, device: i32) {
        context::ensure()?;
        driver::cuKernelSetAttribute(attribute, value, kernel, device)
    }

    cudaFuncSetCacheConfig(host: P, config: i32) {
        driver::cuFuncSetCacheConfig(function(host)?, config)
    }

    // Banks of shared memory have one width; as on NVIDIA's newer devices, setting it changes nothing.
    cudaFuncSetSharedMemConfig(host: P, config: i32) {
        function(host)?;
        if (0..=2).contains(&config) { Ok(()) } else { Err(INVALID_VALUE) }
    }

    cudaFuncGetName(name: P, host: P) {
        if name.is_null() {
            return Err(INVALID_VALUE);
        }
        match registry::name_of(host) {
            Some(known) => {
                *name.cast::<*const c_char>() = known;
                Ok(())
            }
            None => driver::cuFuncGetName(name, function(host)?),
        }
    }

    cudaFuncGetParamInfo(host: P, index: usize, offset: P, size: P) {
        context::ensure()?;
        driver::cuKernelGetParamInfo(registry::find_kernel(host)?, index, offset, size)
    }

    cudaFuncGetParamCount(host: P, count: P) {
        if count.is_null() {
            return Err(INVALID_VALUE);
        }
        context::ensure()?;
        let kernel = registry::find_kernel(host)?;
        let (mut offset, mut size) = (0usize, 0usize);
        let mut exists = |index| driver::cuKernelGetParamInfo(kernel, index, from_mut(&mut offset).cast(), from_mut(&mut size).cast()).is_ok();
        let n = (0..).take_while(|&index| exists(index)).count();
        *count.cast::<usize>() = n;
        Ok(())
    }

    cudaOccupancyMaxActiveBlocksPerMultiprocessor(n_blocks: P, host: P, block: i32, shared: usize) {
        occupancy(n_blocks, host, block, shared, 0)
    }

    cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(n_blocks: P, host: P, block: i32, shared: usize, flags: u32) {
        occupancy(n_blocks, host, block, shared, flags)
    }

    cudaOccupancyAvailableDynamicSMemPerBlock(bytes: P, host: P, n_blocks: i32, block: i32) {
        driver::cuOccupancyAvailableDynamicSMemPerBlock(bytes, function(host)?, n_blocks, block)
    }
}

/// # Safety
/// Rule 1 of the crate.
unsafe fn occupancy(n_blocks: P, host: P, block: i32, shared: usize, flags: u32) -> crate::code::Outcome {
    if n_blocks.is_null() || block <= 0 {
        return Err(INVALID_VALUE);
    }
    let function = function(host).map_err(|code| if code == INVALID_VALUE { INVALID_DEVICE_FUNCTION } else { code })?;
    // SAFETY: the caller's promise.
    unsafe { driver::cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(n_blocks, function, block, shared, flags) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_cudas() {
        assert_eq!(size_of::<Attributes>(), 144);
        assert_eq!(std::mem::offset_of!(Attributes, max_dynamic_shared), 44);
        assert_eq!(std::mem::offset_of!(Attributes, reserved), 76);
    }
}
