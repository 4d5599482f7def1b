//! Devices and their attributes.

use crate::abi::{DeviceProperties, In, Out, Uuid, entries};
use crate::driver::{self, Ordinal};
use crate::status::{Result, Status};
use std::ffi::c_char;
use vgpu_runtime as runtime;

/// Number of the last attribute that `cuda.h` 13.x has.
const LAST_ATTRIBUTE: i32 = 161;

/// The value of a device attribute, by its number in `cuda.h`. What the device does not have is 0.
fn attribute(ordinal: &Ordinal, number: i32) -> Result<i32> {
    let properties = ordinal.device.properties();
    let int = |value: u64| i32::try_from(value).unwrap_or(i32::MAX);
    Ok(match number {
        1 => runtime::MAX_THREADS_PER_BLOCK as i32,
        2..=4 => runtime::MAX_BLOCK[number as usize - 2] as i32,
        5..=7 => runtime::MAX_GRID[number as usize - 5] as i32,
        8 => properties.shared_bytes_per_block as i32,
        9 => properties.total_const_mem_bytes as i32,
        10 => properties.warp_size as i32,
        // Largest pitch.
        11 => i32::MAX,
        12 | 82 => properties.registers_per_block as i32,
        13 | 36 => properties.clock_rate_khz as i32,
        // Texture alignment and pitch alignment.
        14 => 512,
        51 => 32,
        16 => properties.multiprocessor_count as i32,
        17 => i32::from(std::env::var("VGPU_LAUNCH_TIMEOUT_MS").is_ok_and(|text| text != "0")),
        // Overlap, host memory mapping, concurrent kernels, unified addressing, stream priorities, caches, managed memory.
        15 | 19 | 31 | 41 | 78 | 79 | 80 | 83 => 1,
        // The device shares the host's memory.
        18 => 1,
        // Surface alignment.
        30 => 512,
        // PCI bus, device, domain: made up, different for each device.
        33 => 0,
        34 => ordinal.number,
        50 => 0x1000,
        // Memory bus width in bits.
        37 => 64,
        38 => int(properties.l2_cache_bytes),
        39 => properties.max_threads_per_multiprocessor as i32,
        40 => 2,
        75 => properties.compute_capability.0 as i32,
        76 => properties.compute_capability.1 as i32,
        81 => properties.shared_bytes_per_multiprocessor as i32,
        // Native atomics between host and device; pageable and managed memory used by both at once.
        86 | 88 | 89 | 91 | 100 | 101 => 1,
        // Single to double precision.
        87 => 2,
        // Compute pre-emption, cooperative launch.
        90 | 95 => 1,
        97 => properties.shared_bytes_per_block_optin as i32,
        // Host memory registration, also of read-only memory.
        99 | 113 => 1,
        // Virtual memory management.
        102 => 1,
        106 => properties.max_blocks_per_multiprocessor as i32,
        // Memory pools; function pointers are the same on all devices.
        115 | 129 => 1,
        126 => 1,
        // NUMA node of the device and of the host nearest to it: none, the first.
        131 => -1,
        134 => 0,
        _ if (1..=LAST_ATTRIBUTE).contains(&number) => 0,
        _ => return Err(Status::INVALID_VALUE),
    })
}

/// A device's 16 bytes: the same in every process, different between devices.
fn uuid(ordinal: &Ordinal) -> Uuid {
    let mut bytes = *b"vgpu-software-00";
    bytes[15] = b'0' + ordinal.number as u8 % 10;
    bytes[14] = b'0' + ordinal.number as u8 / 10;
    Uuid { bytes }
}

fn bus_id(ordinal: &Ordinal) -> String {
    format!("1000:00:{:02X}.0", ordinal.number)
}

entries! {
    fn cuDeviceGet(device: Out<i32>, number: i32) {
        driver::ordinal(number)?;
        device.set(number)
    }

    fn cuDeviceGetCount(count: Out<i32>) {
        count.set(driver::driver()?.devices.len() as i32)
    }

    fn cuDeviceGetName(name: Out<u8>, room: i32, device: i32) {
        let properties = driver::ordinal(device)?.device.properties();
        name.set_text(&properties.name, usize::try_from(room).map_err(|_| Status::INVALID_VALUE)?)
    }

    fn cuDeviceGetUuid(to: Out<Uuid>, device: i32) {
        to.set(uuid(driver::ordinal(device)?))
    }

    fn cuDeviceGetUuid_v2(to: Out<Uuid>, device: i32) {
        to.set(uuid(driver::ordinal(device)?))
    }

    fn cuDeviceGetLuid(luid: Out<u8>, mask: Out<u32>, device: i32) {
        // Windows only, as with CUDA.
        driver::ordinal(device)?;
        luid.check()?;
        mask.check()?;
        Err(Status::NOT_SUPPORTED)
    }

    fn cuDeviceTotalMem_v2(bytes: Out<usize>, device: i32) {
        bytes.set(driver::ordinal(device)?.device.properties().total_global_mem_bytes as usize)
    }

    fn cuDeviceTotalMem(bytes: Out<u32>, device: i32) {
        let total = driver::ordinal(device)?.device.properties().total_global_mem_bytes;
        bytes.set(u32::try_from(total).unwrap_or(u32::MAX))
    }

    fn cuDeviceGetAttribute(value: Out<i32>, number: i32, device: i32) {
        value.check()?;
        value.set(attribute(driver::ordinal(device)?, number)?)
    }

    fn cuDeviceComputeCapability(major: Out<i32>, minor: Out<i32>, device: i32) {
        let capability = driver::ordinal(device)?.device.properties().compute_capability;
        minor.check()?;
        major.set(capability.0 as i32)?;
        minor.set(capability.1 as i32)
    }

    fn cuDeviceGetProperties(to: Out<DeviceProperties>, device: i32) {
        let properties = driver::ordinal(device)?.device.properties();
        to.set(DeviceProperties {
            max_threads_per_block: runtime::MAX_THREADS_PER_BLOCK as i32,
            max_threads_dim: runtime::MAX_BLOCK.map(|n| n as i32),
            max_grid_size: runtime::MAX_GRID.map(|n| n as i32),
            shared_mem_per_block: properties.shared_bytes_per_block as i32,
            total_constant_memory: properties.total_const_mem_bytes as i32,
            simd_width: properties.warp_size as i32,
            mem_pitch: i32::MAX,
            regs_per_block: properties.registers_per_block as i32,
            clock_rate: properties.clock_rate_khz as i32,
            texture_align: 512,
        })
    }

    fn cuDeviceGetPCIBusId(text: Out<u8>, room: i32, device: i32) {
        let ordinal = driver::ordinal(device)?;
        text.set_text(&bus_id(ordinal), usize::try_from(room).map_err(|_| Status::INVALID_VALUE)?)
    }

    fn cuDeviceGetByPCIBusId(device: Out<i32>, text: In<c_char>) {
        let wanted = text.text()?.to_uppercase();
        let found = driver::driver()?.devices.iter().find(|ordinal| bus_id(ordinal).ends_with(&wanted));
        device.set(found.ok_or(Status::INVALID_DEVICE)?.number)
    }

    fn cuDeviceGetExecAffinitySupport(supported: Out<i32>, kind: i32, device: i32) {
        driver::ordinal(device)?;
        if kind != 0 {
            return Err(Status::INVALID_VALUE);
        }
        supported.set(0)
    }

    fn cuDeviceGetTexture1DLinearMaxWidth(width: Out<usize>, format: u32, channels: u32, device: i32) {
        driver::ordinal(device)?;
        let _ = (format, channels);
        width.check()?;
        Err(Status::NOT_SUPPORTED)
    }
}
