//! The action gate: native checks before every change, and the permits that prove them.
//!
//! Each kind of action has one [`Envelope`]: the range of its amount, how far one action may move it, how often it may act,
//! how large a change must be to be worth it (hysteresis), and in which phases of the cool-down it is locked. The gate
//! remembers the last amount of each kind and target. A check is a few comparisons; nothing is allocated.
//!
//! A [`Permit`] is made here and nowhere else:
//! ```compile_fail
//! use vgpu_policy::{Permit, Change};
//! let forged = Permit { change: Change::Workers { n: 4 } };
//! ```
//! and is used once:
//! ```compile_fail
//! use vgpu_policy::{Permit, GateToken};
//! fn twice(permit: Permit) {
//!     permit.into_change();
//!     permit.into_change();
//! }
//! ```

use crate::action::{Kind, N_KINDS, amount};
use crate::cooldown::Phase;
use thiserror::Error;
use vgpu_types::{Change, GateToken};

/// Proof that the gate has admitted one change.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a permit that is not used changes nothing"]
pub struct Permit {
    change: Change,
}

impl Permit {
    /// What was admitted.
    pub const fn change(&self) -> &Change {
        &self.change
    }
}

impl GateToken for Permit {
    fn into_change(self) -> Change {
        self.change
    }
}

/// What a kind of action may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Lowest amount.
    pub min: u32,
    /// Highest amount.
    pub max: u32,
    /// The most that one action may change the amount by.
    pub max_step: u32,
    /// Changes smaller than this are not worth making.
    pub min_step: u32,
    /// Least time between two actions on the same target.
    pub interval_ns: u64,
    /// Phases in which this kind is locked; bit `p` for phase `p`.
    pub locked: u8,
}

impl Envelope {
    /// Anything, at any time.
    pub const OPEN: Self = Self { min: 0, max: u32::MAX, max_step: u32::MAX, min_step: 0, interval_ns: 0, locked: 0 };

    /// Locked in this phase, too.
    #[must_use]
    pub const fn locked_in(mut self, phase: Phase) -> Self {
        self.locked |= 1 << phase as u8;
        self
    }
}

/// Why the gate refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Outside the range.
    #[error("{found} is not within {min} to {max}")]
    Range {
        /// The amount.
        found: u32,
        /// The lowest accepted.
        min: u32,
        /// The highest accepted.
        max: u32,
    },
    /// Too far from the last amount.
    #[error("a change by {step} is more than {max} at once")]
    Step {
        /// How far.
        step: u32,
        /// How far it may be.
        max: u32,
    },
    /// Too small to be worth it.
    #[error("a change by {step} is less than {min}, the least that is worth making")]
    Hysteresis {
        /// How far.
        step: u32,
        /// The least.
        min: u32,
    },
    /// Too soon after the last.
    #[error("{waited_ns} ns after the last change, which must be {interval_ns}")]
    Rate {
        /// Time since the last.
        waited_ns: u64,
        /// Time there must be.
        interval_ns: u64,
    },
    /// Locked in this phase of the cool-down.
    #[error("{kind:?} is locked while the device is in phase {phase:?}")]
    Interlock {
        /// The kind of action.
        kind: Kind,
        /// The phase.
        phase: Phase,
    },
    /// More targets than the gate was made for.
    #[error("target {found} is beyond the {max} that the gate knows")]
    Target {
        /// Which.
        found: usize,
        /// How many there are.
        max: usize,
    },
}

#[derive(Clone, Copy, Debug)]
struct Last {
    amount: u32,
    time_ns: u64,
    known: bool,
}

/// The gate.
#[derive(Clone, Debug)]
pub struct Gate {
    envelopes: [Envelope; N_KINDS],
    /// Last action per kind and target.
    last: Vec<Last>,
    targets: [usize; N_KINDS],
    offsets: [usize; N_KINDS],
    n_resources: usize,
    n_tiers: usize,
}

impl Gate {
    /// A gate for a device with so many tenants, resources and tiers; `envelopes` by [`Kind`].
    pub fn new(envelopes: [Envelope; N_KINDS], n_tenants: usize, n_resources: usize, n_tiers: usize) -> Self {
        let targets = [n_tenants * n_resources, n_resources, 1, n_tenants * n_tiers, 1, 1];
        let (mut offsets, mut n) = ([0; N_KINDS], 0);
        for (offset, targets) in offsets.iter_mut().zip(targets) {
            *offset = n;
            n += targets;
        }
        let last = vec![Last { amount: 0, time_ns: 0, known: false }; n];
        Self { envelopes, last, targets, offsets, n_resources, n_tiers }
    }

    /// The envelope of a kind.
    pub const fn envelope(&self, kind: Kind) -> &Envelope {
        &self.envelopes[kind as usize]
    }

    /// Checks a change at this time, in this phase, and remembers it when it is admitted.
    ///
    /// # Errors
    /// Which check it does not pass; nothing is remembered then.
    #[inline]
    pub fn admit(&mut self, now_ns: u64, phase: Phase, change: Change) -> Result<Permit, Refusal> {
        let kind = Kind::of(&change);
        let envelope = &self.envelopes[kind as usize];
        if envelope.locked >> phase as u8 & 1 == 1 {
            return Err(Refusal::Interlock { kind, phase });
        }
        let found = amount(&change);
        if found < envelope.min || found > envelope.max {
            return Err(Refusal::Range { found, min: envelope.min, max: envelope.max });
        }
        let target = self.target(&change);
        if target >= self.targets[kind as usize] {
            return Err(Refusal::Target { found: target, max: self.targets[kind as usize] });
        }
        let last = &mut self.last[self.offsets[kind as usize] + target];
        if last.known {
            let waited_ns = now_ns.saturating_sub(last.time_ns);
            if waited_ns < envelope.interval_ns {
                return Err(Refusal::Rate { waited_ns, interval_ns: envelope.interval_ns });
            }
            let step = found.abs_diff(last.amount);
            if step > envelope.max_step {
                return Err(Refusal::Step { step, max: envelope.max_step });
            }
            if step < envelope.min_step {
                return Err(Refusal::Hysteresis { step, min: envelope.min_step });
            }
        }
        *last = Last { amount: found, time_ns: now_ns, known: true };
        Ok(Permit { change })
    }

    /// Place of a change's target among those of its kind.
    #[inline]
    fn target(&self, change: &Change) -> usize {
        let of = |row: u32, column: usize, n: usize| {
            // A column outside its row must not be another row's.
            if column < n { (row as usize).saturating_mul(n).saturating_add(column) } else { usize::MAX }
        };
        match *change {
            Change::Share { tenant, resource, .. } => of(tenant, resource.into(), self.n_resources),
            Change::Supply { resource, .. } => resource.into(),
            Change::TierQuota { tenant, tier, .. } => of(tenant, tier.into(), self.n_tiers),
            Change::PowerLimit { .. } | Change::Workers { .. } | Change::Pace { .. } => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        let envelope = Envelope { min: 10, max: 100, max_step: 20, min_step: 5, interval_ns: 1000, locked: 0 };
        Gate::new([envelope.locked_in(Phase::Emergency); N_KINDS], 2, 3, 2)
    }

    #[test]
    fn each_check_refuses() {
        let mut gate = gate();
        let share = |tenant, resource, units| Change::Share { tenant, resource, units };
        let mut at = |now, change| gate.admit(now, Phase::Normal, change).map(GateToken::into_change);
        assert_eq!(at(0, share(0, 0, 9)), Err(Refusal::Range { found: 9, min: 10, max: 100 }));
        assert_eq!(at(0, share(0, 0, 50)), Ok(share(0, 0, 50)));
        assert_eq!(at(999, share(0, 0, 60)), Err(Refusal::Rate { waited_ns: 999, interval_ns: 1000 }));
        assert_eq!(at(1000, share(0, 0, 71)), Err(Refusal::Step { step: 21, max: 20 }));
        assert_eq!(at(1000, share(0, 0, 54)), Err(Refusal::Hysteresis { step: 4, min: 5 }));
        assert_eq!(at(1000, share(0, 0, 70)), Ok(share(0, 0, 70)));
        // Another target has its own history.
        assert_eq!(at(1001, share(1, 2, 100)), Ok(share(1, 2, 100)));
        assert!(matches!(at(1001, share(2, 0, 50)), Err(Refusal::Target { .. })));
        assert!(matches!(at(1001, share(0, 3, 50)), Err(Refusal::Target { .. })));
        let refused = gate.admit(9999, Phase::Emergency, Change::Workers { n: 50 });
        assert_eq!(refused, Err(Refusal::Interlock { kind: Kind::Workers, phase: Phase::Emergency }));
        assert_eq!(Refusal::Step { step: 21, max: 20 }.to_string(), "a change by 21 is more than 20 at once");
    }

    #[test]
    fn every_kind_finds_its_target() {
        let mut gate = Gate::new([Envelope::OPEN; N_KINDS], 2, 3, 2);
        let changes = [
            Change::Share { tenant: 1, resource: 2, units: 1 },
            Change::Supply { resource: 2, units: 2 },
            Change::PowerLimit { milliwatts: 3 },
            Change::TierQuota { tenant: 1, tier: 1, mebibytes: 4 },
            Change::Workers { n: 5 },
            Change::Pace { permille: 6 },
        ];
        for (kind, change) in Kind::ALL.into_iter().zip(changes) {
            assert_eq!(Kind::of(&change), kind);
            assert!(gate.admit(0, Phase::Normal, change).is_ok());
            assert_eq!(Kind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(
            gate.last.iter().map(|last| last.amount).filter(|amount| *amount > 0).collect::<Vec<_>>(),
            [1, 2, 3, 4, 5, 6]
        );
    }
}
