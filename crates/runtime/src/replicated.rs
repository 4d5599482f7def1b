//! Memory of which every device has its own copy, kept coherent page by page.
//!
//! Model. A [`Replicated`] memory has a home copy and one copy per device, each at an address of its own. A kernel is given the
//! address of the device it runs on; what it reads and writes there is brought and taken away by the protocol of
//! `vgpu_mem::coherence` (many readers or one writer per page, decided by the directory), at the processor's own faults: a
//! page that a device has not got is fetched when a kernel touches it. A copy is taken from a device only when the page
//! has been there for a moment ([`HOLD`]), so that devices which want the same page get on.
//!
//! Pointers *into* such memory differ from device to device, so they must not be stored in memory.
//!
//! The host reads and writes the home copy, when no launch is under way: the devices' copies are brought home first.
//!
//! [`HOLD`]: crate::exec::coherent::HOLD

use crate::context::Context;
use crate::device::{Device, DeviceShared};
use crate::error::Error;
use crate::exec::coherent::CoherentMemory;
use crate::memory::DevicePtr;
use std::sync::{Arc, Mutex, PoisonError};
use vgpu_mem::coherence::{DeviceId, trace};

struct Shared {
    memory: Box<CoherentMemory>,
    devices: Vec<Arc<DeviceShared>>,
    bytes: u64,
    /// One host access or eviction at a time.
    host: Mutex<()>,
}

/// See the module header. Clones are the same memory.
#[derive(Clone)]
pub struct Replicated {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Replicated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replicated").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

/// How often pages moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Pages copied from the home to a device.
    pub fills: u64,
    /// Pages copied from a device to the home.
    pub write_backs: u64,
}

impl Replicated {
    /// `bytes` zero bytes for `devices`. Nothing is in memory until it is touched.
    ///
    /// # Errors
    /// [`Error::SplitDevices`] without devices or with more than the directory serves; [`Error::System`] when the system refuses
    /// address space or memory.
    pub fn new(devices: &[Device], bytes: u64) -> Result<Self, Error> {
        let memory = CoherentMemory::new(devices.len(), bytes.max(1))?;
        let devices = devices.iter().map(|device| Arc::clone(&device.shared)).collect();
        Ok(Self { shared: Arc::new(Shared { memory, devices, bytes, host: Mutex::default() }) })
    }

    /// Size in bytes.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes
    }

    /// Where `device` finds it.
    ///
    /// # Errors
    /// [`Error::SplitDevices`] when it was not made for that device.
    pub fn address(&self, device: &Device) -> Result<DevicePtr, Error> {
        let idx = self.shared.devices.iter().position(|one| Arc::ptr_eq(one, &device.shared));
        let idx = idx.ok_or_else(|| Error::SplitDevices {
            what: format!("{} has no copy of the replicated memory that the kernel is given", device.label()),
        })?;
        Ok(DevicePtr(self.shared.memory.address(DeviceId(idx as u8))))
    }

    /// Copies host data to offset `at`. No launch may use the memory meanwhile.
    ///
    /// # Errors
    /// [`Error::InvalidAddress`] outside of the memory; [`Error::System`].
    pub fn write(&self, at: u64, data: &[u8]) -> Result<(), Error> {
        let _host = self.shared.host.lock().unwrap_or_else(PoisonError::into_inner);
        self.check(at, data.len())?;
        self.shared.memory.bring_home(at, data.len() as u64)?;
        self.shared.memory.write_home(at, data);
        Ok(())
    }

    /// Copies the bytes at offset `at` to the host. No launch may use the memory meanwhile.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn read(&self, at: u64, data: &mut [u8]) -> Result<(), Error> {
        let _host = self.shared.host.lock().unwrap_or_else(PoisonError::into_inner);
        self.check(at, data.len())?;
        self.shared.memory.bring_home(at, data.len() as u64)?;
        self.shared.memory.read_home(at, data);
        Ok(())
    }

    fn check(&self, at: u64, len: usize) -> Result<(), Error> {
        if at.checked_add(len as u64).is_some_and(|end| end <= self.shared.bytes) {
            return Ok(());
        }
        Err(Error::InvalidAddress { address: DevicePtr(at), bytes: len as u64 })
    }

    /// How often pages moved so far.
    pub fn traffic(&self) -> Traffic {
        let (fills, write_backs) = self.shared.memory.traffic();
        Traffic { fills, write_backs }
    }

    /// Keeps the next `entries` events of the protocol, for [`Self::recorded`]. Only once.
    pub fn record(&self, entries: usize) {
        self.shared.memory.record(entries);
    }

    /// The recorded run, in an order that is exact for each page, for `vgpu_mem::coherence::trace::check`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] when there were more events than [`Self::record`] made room for.
    pub fn recorded(&self) -> Result<Vec<trace::Entry>, Error> {
        self.shared.memory.recorded()
    }

    /// What keeps the memory alive, for a launch that uses it.
    pub(crate) fn keep(&self) -> Arc<dyn Send + Sync> {
        Arc::clone(&self.shared) as Arc<dyn Send + Sync>
    }
}

/// The parameters with the addresses that `device` has; `None` when there is nothing to change.
pub(crate) fn params_for(
    device: &Device,
    params: &[u8],
    replicas: &[(usize, Replicated)],
) -> Result<Option<Vec<u8>>, Error> {
    if replicas.is_empty() {
        return Ok(None);
    }
    let mut own = params.to_vec();
    for (offset, memory) in replicas {
        let address = memory.address(device)?.0.to_le_bytes();
        let end = offset.checked_add(8).filter(|end| *end <= own.len());
        let end = end.ok_or_else(|| Error::SplitDevices {
            what: format!("an address at byte {offset} does not fit into {} bytes of parameters", params.len()),
        })?;
        own[*offset..end].copy_from_slice(&address);
    }
    Ok(Some(own))
}

impl Context {
    /// Waits for both contexts, then copies device memory of `peer` to device memory of this context, which may be on another
    /// device.
    ///
    /// # Errors
    /// The sticky error of either; [`Error::InvalidAddress`].
    pub fn copy_from_peer(&self, to: DevicePtr, peer: &Self, from: DevicePtr, bytes: u64) -> Result<(), Error> {
        peer.synchronize()?;
        self.synchronize()?;
        let (to, from) = (self.shared.pin(to, bytes)?, peer.shared.pin(from, bytes)?);
        crate::exec::copy::within_device(&to, &from)
    }
}
