//! Changes to a device that must pass a gate, and the shape of the proof that one did.
//!
//! The device implements [`Controls`]: its only way to change shares, limits or tiers takes a [`GateToken`] by value. The
//! token that it names is made by the gate of the policy crate and by nothing else, can be neither copied nor built by
//! hand, and is used up by acting. So code that has no permit cannot be compiled.

/// A change to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// Units of a resource that a tenant may use.
    Share {
        /// Which tenant.
        tenant: u32,
        /// Which resource.
        resource: u16,
        /// How many units.
        units: u32,
    },
    /// The supply of a resource.
    Supply {
        /// Which resource.
        resource: u16,
        /// How many units.
        units: u32,
    },
    /// The power limit, in milliwatts.
    PowerLimit {
        /// The new limit.
        milliwatts: u32,
    },
    /// Bytes of a memory tier that a tenant may use.
    TierQuota {
        /// Which tenant.
        tenant: u32,
        /// Which tier.
        tier: u8,
        /// How many MiB.
        mebibytes: u32,
    },
    /// Worker threads of the device.
    Workers {
        /// How many.
        n: u32,
    },
    /// The pace of all launches, in thousandths of full speed; 0 stops the device.
    Pace {
        /// The new pace.
        permille: u32,
    },
}

/// Proof that a gate has admitted one change.
pub trait GateToken {
    /// The change that was admitted; the proof is used up.
    fn into_change(self) -> Change;
}

/// What can be changed on a device.
pub trait Controls {
    /// The proof that it asks for.
    type Token: GateToken;
    /// Why a change cannot be made.
    type Error;

    /// Makes the change.
    ///
    /// # Errors
    /// The device cannot do it.
    fn change(&mut self, token: Self::Token) -> Result<(), Self::Error>;
}
