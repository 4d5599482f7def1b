//! Epochs: the market clears, and what it cleared comes into force, each change through the guard.

use super::{HubError, State};
use crate::device::{COMPUTE, N_TIERS, VRAM};
use crate::jobs::now_ns;
use vgpu_market::{Command, Side, TenantId};
use vgpu_policy::{Capability, Change, Controls as _, Denied, Effects, Kind, Proposal};

/// In whose name something is proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// The market.
    Market,
    /// A rule.
    Rules,
    /// The cool-down.
    Cooldown,
    /// A person.
    Operator,
}

impl State {
    fn capability(&self, author: Author) -> &Capability {
        match author {
            Author::Market => &self.capabilities.market,
            Author::Rules => &self.capabilities.rules,
            Author::Cooldown => &self.capabilities.cooldown,
            Author::Operator => &self.capabilities.operator,
        }
    }

    /// Proposes a change and makes it when the guard admits it. The only way to the device.
    ///
    /// # Errors
    /// The guard denies it; the decision is in the audit log either way.
    pub fn propose(&mut self, author: Author, because: &str, change: Change) -> Result<(), HubError> {
        let declared = match author {
            Author::Market => Effects::SHARES.and(Effects::TIERS),
            Author::Rules | Author::Cooldown => Effects::LIMITS,
            Author::Operator => Kind::of(&change).effects(),
        };
        let capability = self.capability(author).clone();
        let proposal = Proposal { capability: &capability, because, change, declared };
        let decided = self.guard.decide(now_ns(), self.cooldown.phase(), self.device.view(), &proposal);
        self.audit.follow(&self.guard);
        let permit = decided.map_err(|denied: Denied| HubError::Denied(denied.to_string()))?;
        self.device.change(permit).map_err(|error| HubError::Denied(error.to_string()))
    }

    pub(super) fn begin_epoch(&mut self) {
        match self.command(&Command::Clear) {
            Ok(_) => self.enforce_shares("the market cleared"),
            Err(error) => self.log_error(format!("the epoch did not begin: {error}")),
        }
    }

    /// Lets auctions that are due take place, when there is anything to auction.
    pub(super) fn run_auctions(&mut self) {
        let market = self.market.market();
        let open: Vec<TenantId> = market.tenants().collect();
        if open.into_iter().any(|tenant| market.orders_of(tenant).next().is_some())
            && let Err(error) = self.command(&Command::Advance)
        {
            self.log_error(format!("auctions did not take place: {error}"));
        }
    }

    /// Brings what the market says into force: first what shrinks, then what grows, so that the sum always fits.
    pub(super) fn enforce_shares(&mut self, because: &str) {
        let n_resources = self.market.market().config().resources.len();
        let tenants = self.tenants.keys().copied().max().map_or(0, |last| last as usize + 1);
        self.device.know_tenants(tenants);
        let supply: Vec<u32> = self.market.market().supply().to_vec();
        let mut changes = Vec::new();
        for (resource, units) in supply.iter().enumerate() {
            if self.device.view().supply[resource] != *units {
                let grows = *units > self.device.view().supply[resource];
                // More supply comes before the shares that need it, less after those that give it up.
                let rank = if grows { 0 } else { 2 };
                changes.push((rank, Change::Supply { resource: resource as u16, units: *units }));
            }
        }
        for tenant in 0..tenants as u32 {
            let shares = self.market.market().shares(TenantId(tenant)).map(<[u32]>::to_vec);
            let shares = shares.unwrap_or_else(|| vec![0; n_resources]);
            for (resource, units) in shares.iter().enumerate() {
                let before = self.device.share(tenant, resource as u16);
                if *units != before {
                    let change = Change::Share { tenant, resource: resource as u16, units: *units };
                    changes.push((if *units < before { 1 } else { 3 }, change));
                }
            }
            changes.extend(self.quota_change(tenant, shares.get(usize::from(VRAM)).copied().unwrap_or(0)));
        }
        changes.sort_by_key(|(rank, _)| *rank);
        for (_, change) in changes {
            // A denial is in the audit log; what was in force stays, and the next epoch proposes again.
            let _ = self.propose(Author::Market, because, change);
        }
    }

    /// The memory quota that goes with a share of device memory, if it differs.
    fn quota_change(&mut self, tenant: u32, units: u32) -> Option<(u32, Change)> {
        let used = self.jobs.used_bytes(tenant);
        self.device.note_use(tenant, used);
        let view = self.device.view();
        let capacity = u64::from(*view.capacity.get(usize::from(VRAM))?).max(1);
        let entitled = u64::from(view.tiers[0]) * u64::from(units) / capacity;
        // Data that is there stays; nothing is added to it while the tenant is over.
        let at = tenant as usize * N_TIERS;
        let mebibytes = u32::try_from(entitled).unwrap_or(u32::MAX).max(view.used[at]);
        let before = view.quotas[at];
        let change = Change::TierQuota { tenant, tier: 0, mebibytes };
        (mebibytes != before).then_some((if mebibytes < before { 1 } else { 3 }, change))
    }

    /// Percent of the device's processor time that a tenant is entitled to.
    pub(super) fn entitled_percent(&self, tenant: u32) -> f64 {
        let view = self.device.view();
        let total = f64::from(view.capacity[usize::from(COMPUTE)]).max(1.0);
        f64::from(self.device.share(tenant, COMPUTE)) / total * 100.0
    }

    /// A side's best price levels, best first.
    pub(super) fn levels(&self, resource: u16, epoch: u32, side: Side) -> Vec<(f64, u64)> {
        let market = self.market.market();
        let id = vgpu_market::ResourceId(resource);
        let depth = market.depth(id, vgpu_market::Epoch(epoch), side).unwrap_or_default();
        let price = |tick| market.price(id, tick).map_or(0.0, |price| price.as_f64());
        depth.into_iter().map(|(tick, units)| (price(tick), units)).collect()
    }
}
