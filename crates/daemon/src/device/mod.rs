//! The device that tenants share: what may be changed on it, and only with a permit.
//!
//! [`Device`] holds what is in force: shares, supply, quotas, processors, pace, power limit. Its one way to change any of it is
//! [`Controls::change`], which takes a [`Permit`] of the gate by value. The [`Arbiter`] below it, which enforces the shares on
//! running processes, can be told weights by this module alone:
//! ```compile_fail
//! fn without_a_permit(arbiter: &vgpu_daemon::device::Arbiter) {
//!     arbiter.set_weight(0, 10_000);
//! }
//! ```
//! and the table that is in force cannot be written from outside:
//! ```compile_fail
//! fn without_a_permit(device: &mut vgpu_daemon::device::Device) {
//!     device.view.shares[0] = 10_000;
//! }
//! ```

mod arbiter;
mod sensors;

pub use arbiter::{Arbiter, Process, Usage, Window};
pub use sensors::{Sensors, Snapshot};

use std::sync::{Arc, Mutex, PoisonError};
use thiserror::Error;
use vgpu_market::Resource;
use vgpu_policy::{Change, Controls, GateToken as _, Permit, View};

/// Number of the resource that is processor time.
pub const COMPUTE: u16 = 0;
/// Number of the resource that is device memory.
pub const VRAM: u16 = 1;
/// Tiers that have quotas: device memory.
pub const N_TIERS: usize = 1;

/// What the device cannot do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DeviceError {
    /// The change names a tenant, resource or tier that is not there.
    #[error("{0:?} names something that the device does not have")]
    Unknown(Change),
}

/// How large the device is.
#[derive(Clone, Debug)]
pub struct Size {
    /// Processors.
    pub processors: u32,
    /// Bytes for buffers.
    pub memory_bytes: u64,
    /// Highest power limit.
    pub max_power_mw: u32,
    /// Tenants at most.
    pub max_tenants: u32,
}

/// The quotas that are in force, for those that allocate; written by the device alone.
#[derive(Debug, Default)]
pub struct Quotas(Mutex<Vec<u64>>);

impl Quotas {
    /// Bytes that a tenant's buffers may have.
    pub fn of(&self, tenant: u32) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(tenant as usize).copied().unwrap_or(0)
    }

    fn set(&self, tenant: u32, bytes: u64) {
        let mut quotas = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let n = quotas.len().max(tenant as usize + 1);
        quotas.resize(n, 0);
        quotas[tenant as usize] = bytes;
    }
}

/// See the module header.
#[derive(Debug)]
pub struct Device {
    view: View,
    arbiter: Arc<Arbiter>,
    quotas: Arc<Quotas>,
}

impl Device {
    /// A device of which nobody has anything yet.
    pub fn new(size: &Size, resources: &[Resource], arbiter: Arc<Arbiter>) -> Self {
        let capacity: Vec<u32> = resources.iter().map(|resource| resource.capacity).collect();
        let mebibytes = u32::try_from(size.memory_bytes >> 20).unwrap_or(u32::MAX);
        let view = View {
            shares: Vec::new(),
            supply: capacity.clone(),
            capacity,
            quotas: Vec::new(),
            used: Vec::new(),
            tiers: vec![mebibytes; N_TIERS],
            power_mw: size.max_power_mw,
            max_power_mw: size.max_power_mw,
            workers: size.processors,
            processors: size.processors,
            pace_permille: 1000,
        };
        Self { view, arbiter, quotas: Arc::default() }
    }

    /// The quotas that are in force.
    pub const fn quotas(&self) -> &Arc<Quotas> {
        &self.quotas
    }

    /// What is in force.
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// What enforces the shares.
    pub const fn arbiter(&self) -> &Arc<Arbiter> {
        &self.arbiter
    }

    /// Makes room for tenants up to this number; they have nothing.
    pub fn know_tenants(&mut self, n: usize) {
        self.view.shares.resize(n * self.view.supply.len(), 0);
        self.view.quotas.resize(n * N_TIERS, 0);
        self.view.used.resize(n * N_TIERS, 0);
    }

    /// What a tenant's buffers take; a fact, not a decision.
    pub fn note_use(&mut self, tenant: u32, bytes: u64) {
        if let Some(used) = self.view.used.get_mut(tenant as usize * N_TIERS) {
            *used = u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX);
        }
    }

    /// Units of a resource that a tenant may use.
    pub fn share(&self, tenant: u32, resource: u16) -> u32 {
        let at = tenant as usize * self.view.supply.len() + usize::from(resource);
        self.view.shares.get(at).copied().unwrap_or(0)
    }
}

impl Controls for Device {
    type Token = Permit;
    type Error = DeviceError;

    fn change(&mut self, permit: Permit) -> Result<(), DeviceError> {
        let change = permit.into_change();
        let n = self.view.supply.len();
        let known = match change {
            Change::Share { tenant, resource, .. } => {
                usize::from(resource) < n && (tenant as usize) < self.view.shares.len() / n.max(1)
            }
            Change::Supply { resource, .. } => usize::from(resource) < n,
            Change::TierQuota { tenant, tier, .. } => {
                usize::from(tier) < N_TIERS && (tenant as usize) < self.view.quotas.len() / N_TIERS
            }
            Change::PowerLimit { .. } | Change::Workers { .. } | Change::Pace { .. } => true,
        };
        if !known {
            return Err(DeviceError::Unknown(change));
        }
        self.view = self.view.after(&change);
        match change {
            Change::Share { tenant, resource: COMPUTE, units } => self.arbiter.set_weight(tenant, units),
            Change::Workers { n } => self.arbiter.set_processors(n),
            Change::Pace { permille } => self.arbiter.set_pace(permille),
            Change::TierQuota { tenant, mebibytes, .. } => self.quotas.set(tenant, u64::from(mebibytes) << 20),
            _ => {}
        }
        Ok(())
    }
}
