//! Contracts: what must hold before an action, after it, and always.
//!
//! Each kind of action has one contract. Its parts look at a [`View`] of the device, a plain copy of the figures that
//! matter, before the action and as it would be after it. The table `CONTRACTS` has an entry for every kind; a kind
//! without a contract does not compile.

use crate::action::{Effects, Kind, N_KINDS};
use thiserror::Error;
use vgpu_types::Change;

/// What contracts look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Units each tenant may use, tenant-major.
    pub shares: Vec<u32>,
    /// Units there are of each resource.
    pub supply: Vec<u32>,
    /// Units there can be of each resource.
    pub capacity: Vec<u32>,
    /// MiB of each tier that each tenant may use, tenant-major.
    pub quotas: Vec<u32>,
    /// MiB of each tier that each tenant uses, tenant-major.
    pub used: Vec<u32>,
    /// MiB of each tier.
    pub tiers: Vec<u32>,
    /// Power limit in milliwatts, and the highest that the machine allows.
    pub power_mw: u32,
    /// The highest power limit.
    pub max_power_mw: u32,
    /// Worker threads, and how many processors there are.
    pub workers: u32,
    /// Processors.
    pub processors: u32,
    /// Pace of launches in thousandths.
    pub pace_permille: u32,
}

/// Which part of a contract is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Before the action.
    Pre,
    /// After it.
    Post,
    /// Always.
    Invariant,
    /// The declaration of effects.
    Effects,
}

/// A broken contract.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{kind:?} breaks its contract ({part:?}): {what}")]
pub struct Breach {
    /// The kind of action.
    pub kind: Kind,
    /// Which part.
    pub part: Part,
    /// What is wrong.
    pub what: String,
}

type Check = fn(&View, &Change) -> Result<(), String>;

/// The contract of one kind of action.
struct Contract {
    pre: Check,
    post: Check,
}

/// By [`Kind`].
const CONTRACTS: [Contract; N_KINDS] = [
    Contract { pre: target_exists, post: shares_fit },
    Contract { pre: target_exists, post: supply_fits },
    Contract { pre: target_exists, post: power_fits },
    Contract { pre: quota_covers_use, post: quotas_fit },
    Contract { pre: target_exists, post: workers_fit },
    Contract { pre: target_exists, post: pace_fits },
];

/// Checks a change against its contract; `declared` is what its author said that it touches.
///
/// # Errors
/// The first part that is broken.
pub fn check(view: &View, change: &Change, declared: Effects) -> Result<(), Breach> {
    let kind = Kind::of(change);
    let breach = |part, what| Breach { kind, part, what };
    if !declared.contains(kind.effects()) {
        let what = format!("it touches {:?} and declares {declared:?}", kind.effects());
        return Err(breach(Part::Effects, what));
    }
    let contract = &CONTRACTS[kind as usize];
    invariant(view).map_err(|what| breach(Part::Invariant, what))?;
    (contract.pre)(view, change).map_err(|what| breach(Part::Pre, what))?;
    let after = view.after(change);
    (contract.post)(&after, change).map_err(|what| breach(Part::Post, what))?;
    invariant(&after).map_err(|what| breach(Part::Invariant, what))
}

impl View {
    /// The view after a change; a change of something that is not there changes nothing.
    #[must_use]
    pub fn after(&self, change: &Change) -> Self {
        let mut after = self.clone();
        let set = |slot: Option<&mut u32>, amount| {
            if let Some(slot) = slot {
                *slot = amount;
            }
        };
        let (n, m) = (self.supply.len(), self.tiers.len());
        match *change {
            Change::Share { tenant, resource, units } => {
                set(cell(tenant, resource.into(), n).and_then(|at| after.shares.get_mut(at)), units);
            }
            Change::Supply { resource, units } => set(after.supply.get_mut(usize::from(resource)), units),
            Change::PowerLimit { milliwatts } => after.power_mw = milliwatts,
            Change::TierQuota { tenant, tier, mebibytes } => {
                set(cell(tenant, tier.into(), m).and_then(|at| after.quotas.get_mut(at)), mebibytes);
            }
            Change::Workers { n } => after.workers = n,
            Change::Pace { permille } => after.pace_permille = permille,
        }
        after
    }
}

fn cell(row: u32, column: usize, n: usize) -> Option<usize> {
    (column < n).then(|| row as usize * n + column)
}

fn at_most(what: &str, found: u64, most: u64) -> Result<(), String> {
    if found <= most { Ok(()) } else { Err(format!("{what} would be {found}, at most {most} is possible")) }
}

fn column(values: &[u32], column: usize, n: usize) -> u64 {
    values.iter().skip(column).step_by(n.max(1)).map(|value| u64::from(*value)).sum()
}

/// What is true of every device at all times.
fn invariant(view: &View) -> Result<(), String> {
    if view.supply.len() != view.capacity.len() || view.quotas.len() != view.used.len() {
        return Err("the view's tables do not match".to_owned());
    }
    for (supply, capacity) in view.supply.iter().zip(&view.capacity) {
        at_most("supply", (*supply).into(), (*capacity).into())?;
    }
    at_most("power limit", view.power_mw.into(), view.max_power_mw.into())
}

fn target_exists(view: &View, change: &Change) -> Result<(), String> {
    let (n, m) = (view.supply.len(), view.tiers.len());
    let exists = match *change {
        Change::Share { tenant, resource, .. } => {
            cell(tenant, resource.into(), n).is_some_and(|at| at < view.shares.len())
        }
        Change::Supply { resource, .. } => usize::from(resource) < n,
        Change::TierQuota { tenant, tier, .. } => cell(tenant, tier.into(), m).is_some_and(|at| at < view.quotas.len()),
        Change::PowerLimit { .. } | Change::Workers { .. } | Change::Pace { .. } => true,
    };
    if exists { Ok(()) } else { Err(format!("{change:?} names something that is not there")) }
}

fn shares_fit(after: &View, change: &Change) -> Result<(), String> {
    let Change::Share { resource, .. } = *change else { return Ok(()) };
    let resource = usize::from(resource);
    let total = column(&after.shares, resource, after.supply.len());
    at_most("the sum of the shares", total, after.supply[resource].into())
}

fn supply_fits(after: &View, change: &Change) -> Result<(), String> {
    let Change::Supply { resource, units } = *change else { return Ok(()) };
    at_most("supply", units.into(), after.capacity[usize::from(resource)].into())
}

fn power_fits(after: &View, _: &Change) -> Result<(), String> {
    if after.power_mw == 0 { Err("a power limit of 0 cannot be kept".to_owned()) } else { Ok(()) }
}

/// Data that is there must go somewhere first.
fn quota_covers_use(view: &View, change: &Change) -> Result<(), String> {
    target_exists(view, change)?;
    let Change::TierQuota { tenant, tier, mebibytes } = *change else { return Ok(()) };
    let used = cell(tenant, tier.into(), view.tiers.len()).and_then(|at| view.used.get(at)).copied().unwrap_or(0);
    if used <= mebibytes { Ok(()) } else { Err(format!("the tenant uses {used} MiB, more than {mebibytes}")) }
}

fn quotas_fit(after: &View, change: &Change) -> Result<(), String> {
    let Change::TierQuota { tier, .. } = *change else { return Ok(()) };
    let tier = usize::from(tier);
    at_most("the sum of the quotas", column(&after.quotas, tier, after.tiers.len()), after.tiers[tier].into())
}

fn workers_fit(after: &View, _: &Change) -> Result<(), String> {
    if after.workers == 0 {
        return Err("a device without workers never finishes".to_owned());
    }
    at_most("workers", after.workers.into(), after.processors.into())
}

fn pace_fits(after: &View, _: &Change) -> Result<(), String> {
    at_most("pace", after.pace_permille.into(), 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        View {
            shares: vec![50, 10, 40, 20],
            supply: vec![100, 50],
            capacity: vec![100, 100],
            quotas: vec![512, 256],
            used: vec![300, 0],
            tiers: vec![1024],
            power_mw: 200_000,
            max_power_mw: 250_000,
            workers: 2,
            processors: 4,
            pace_permille: 1000,
        }
    }

    const ALL: Effects = Effects(7);

    /// Of each kind one change that is allowed, and one per way of breaking its contract.
    #[test]
    fn every_contract_holds_and_breaks() {
        let share = |tenant, resource, units| Change::Share { tenant, resource, units };
        let quota = |tenant, tier, mebibytes| Change::TierQuota { tenant, tier, mebibytes };
        let cases = [
            (share(0, 0, 60), None),
            (share(0, 0, 61), Some(Part::Post)),
            (share(2, 0, 0), Some(Part::Pre)),
            (share(0, 2, 0), Some(Part::Pre)),
            (Change::Supply { resource: 1, units: 100 }, None),
            (Change::Supply { resource: 1, units: 101 }, Some(Part::Post)),
            (Change::Supply { resource: 2, units: 1 }, Some(Part::Pre)),
            (Change::PowerLimit { milliwatts: 250_000 }, None),
            (Change::PowerLimit { milliwatts: 250_001 }, Some(Part::Invariant)),
            (Change::PowerLimit { milliwatts: 0 }, Some(Part::Post)),
            (quota(0, 0, 300), None),
            (quota(0, 0, 299), Some(Part::Pre)),
            (quota(0, 0, 769), Some(Part::Post)),
            (quota(0, 1, 1), Some(Part::Pre)),
            (Change::Workers { n: 4 }, None),
            (Change::Workers { n: 5 }, Some(Part::Post)),
            (Change::Workers { n: 0 }, Some(Part::Post)),
            (Change::Pace { permille: 0 }, None),
            (Change::Pace { permille: 1001 }, Some(Part::Post)),
        ];
        for (change, part) in cases {
            let found = check(&view(), &change, ALL).err().map(|breach| breach.part);
            assert_eq!(found, part, "{change:?}");
        }
    }

    #[test]
    fn effects_must_be_declared() {
        let change = Change::Workers { n: 1 };
        let breach = check(&view(), &change, Effects::SHARES.and(Effects::TIERS)).expect_err("not declared");
        assert_eq!(breach.part, Part::Effects);
        assert_eq!(check(&view(), &change, Effects::LIMITS), Ok(()));
    }
}
