//! The process's state: whether `cuInit` was called, and the devices.

use crate::abi;
use crate::context::Context;
use crate::log;
use crate::status::{Result, Status};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use vgpu_runtime::{Device, DevicePtr, HostMemory};

static INITIALIZED: AtomicBool = AtomicBool::new(false);
static DRIVER: OnceLock<Driver> = OnceLock::new();

/// A device with its primary context.
pub(crate) struct Ordinal {
    pub(crate) number: i32,
    pub(crate) device: Device,
    pub(crate) primary: Mutex<Primary>,
}

/// A device's primary context.
#[derive(Default)]
pub(crate) struct Primary {
    pub(crate) context: Option<Arc<Context>>,
    pub(crate) n_retains: u64,
    pub(crate) flags: u32,
}

pub(crate) struct Driver {
    pub(crate) devices: Vec<Ordinal>,
    /// Memory behind `cuMemHostAlloc`.
    pub(crate) host: HostMemory,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open() -> std::result::Result<Driver, vgpu_runtime::Error> {
    let devices = Device::all()?;
    let host = HostMemory::new(devices[0].properties().total_global_mem_bytes)?;
    let numbered: Vec<(i32, Device)> = (0..).zip(devices).collect();
    for (number, device) in &numbered {
        vgpu_trace::announce(|| facts(*number, device));
    }
    let devices =
        numbered.into_iter().map(|(number, device)| Ordinal { number, device, primary: Mutex::default() }).collect();
    Ok(Driver { devices, host })
}

/// A device as traces describe it.
fn facts(number: i32, device: &Device) -> vgpu_trace::DeviceFacts {
    let properties = device.properties();
    vgpu_trace::DeviceFacts {
        id: number,
        name: properties.name.clone(),
        memory_bytes: properties.total_global_mem_bytes,
        capability: properties.compute_capability,
        multiprocessors: properties.multiprocessor_count,
        block_threads: properties.max_threads_per_block,
        multiprocessor_threads: properties.max_threads_per_multiprocessor,
        block_registers: properties.registers_per_block,
        block_shared_bytes: (properties.shared_bytes_per_block, properties.shared_bytes_per_block_optin),
        multiprocessor_shared_bytes: properties.shared_bytes_per_multiprocessor,
    }
}

/// `cuInit`. Can be repeated; a failed attempt too.
pub(crate) fn init(flags: u32) -> Result<()> {
    static OPENING: Mutex<()> = Mutex::new(());
    if flags != 0 {
        return Err(Status::INVALID_VALUE);
    }
    let _opening = lock(&OPENING);
    if DRIVER.get().is_none() {
        abi::install_fork_guard();
        let driver = open().map_err(|error| {
            log::problem(&error.to_string());
            Status::from(error)
        })?;
        // Nobody else sets it: `OPENING` is held.
        let _ = DRIVER.set(driver);
    }
    INITIALIZED.store(true, Ordering::Release);
    Ok(())
}

pub(crate) fn check_initialized() -> Result<()> {
    if INITIALIZED.load(Ordering::Acquire) { Ok(()) } else { Err(Status::NOT_INITIALIZED) }
}

/// The opened driver.
pub(crate) fn driver() -> Result<&'static Driver> {
    DRIVER.get().ok_or(Status::NOT_INITIALIZED)
}

/// The device of that ordinal.
pub(crate) fn ordinal(device: i32) -> Result<&'static Ordinal> {
    let idx = usize::try_from(device).map_err(|_| Status::INVALID_DEVICE)?;
    driver()?.devices.get(idx).ok_or(Status::INVALID_DEVICE)
}

/// Whether the address lies in some device's memory or in that of host allocations, live or not.
pub(crate) fn is_ours(address: u64) -> bool {
    DRIVER.get().is_some_and(|driver| {
        driver.host.contains(address)
            || driver.devices.iter().any(|ordinal| ordinal.device.contains(DevicePtr(address)))
    })
}
