//! Epochs and supply: clearing, the turn from coming to running, shocks, and the end of a tenant.
//!
//! At [`Market::clear`] the next epoch begins: the books of that epoch close, the leases in them become the shares that the
//! device enforces, and the primary market is cleared for the epoch that comes into the horizon. Revenue goes back to all
//! tenants in equal parts at once. The first clearing serves every epoch of the horizon, so that shares exist from the start.
//!
//! A fall of supply acts at once: running shares and coming leases of the resource are cut pro rata, by largest remainder.
//! Nobody is paid for a cut: the revenue has long been handed back, in equal parts, to the same tenants.

use crate::accounts::Position;
use crate::book::Book;
use crate::market::Market;
use crate::order::{Ended, Reject, Side};
use crate::primary::{self, Precision, Utility, largest_remainder};
use crate::units::{Credits, Epoch, ResourceId, TenantId};

impl Market {
    pub(crate) fn clear(&mut self) -> Epoch {
        let horizon = u32::from(self.config.horizon);
        while self.cleared.0 < self.epoch.0 + horizon {
            self.cleared.0 += 1;
            self.clear_epoch(self.cleared);
        }
        self.begin_epoch(Epoch(self.epoch.0 + 1));
        self.cleared.0 += 1;
        self.clear_epoch(self.cleared);
        self.epoch
    }

    /// The books of `starting` close; what is held in them is what may be used.
    fn begin_epoch(&mut self, starting: Epoch) {
        let n_resources = self.supply.len();
        self.epoch = starting;
        for resource in 0..n_resources {
            let id = ResourceId(resource as u16);
            let idx = self.slot_of(id, starting);
            for slot in self.orders_of_book(idx) {
                self.end(slot, Some(Ended::EpochBegan));
            }
            let (mark, scale, value) = (self.books[idx].mark, self.books[idx].scale, self.books[idx].average_price());
            for tenant in 0..self.accounts.rows.len() {
                let position = std::mem::take(self.accounts.position_mut(TenantId(tenant as u32), idx));
                self.accounts.rows[tenant].leases -= mark.times(position.held);
                self.shares[tenant * n_resources + resource] = position.held;
            }
            let opening = Epoch(starting.0 + u32::from(self.config.horizon));
            self.books[idx] = Book::new(id, opening, scale, value, self.config.breaker_band_permille);
        }
    }

    /// Sells the shares of an epoch whose books are open and empty.
    fn clear_epoch(&mut self, epoch: Epoch) {
        let n_resources = self.supply.len();
        let tenants: Vec<TenantId> = self.tenants().collect();
        let spend = i128::from(self.config.spend_permille);
        let mut budgets = Vec::with_capacity(tenants.len());
        let mut utilities: Vec<&Utility> = Vec::with_capacity(tenants.len());
        for tenant in &tenants {
            let (free, utility) = (self.accounts.rows[tenant.index()].free, &self.utilities[tenant.index()]);
            let budget = if utility.wants_something() { i128::from(free.0) * spend / 1000 } else { 0 };
            budgets.push(Credits(budget as i64));
            utilities.push(utility);
        }
        let precision = Precision { epsilon_ppm: self.config.epsilon_ppm, max_rounds: self.config.max_rounds };
        let clearing = primary::clear(&self.supply, &budgets, &utilities, precision);
        let revenue: Credits = clearing.payments.iter().copied().sum();
        let first = epoch.0 as usize % tenants.len().max(1);
        for ((tenant, paid), back) in
            tenants.iter().zip(&clearing.payments).zip(primary::rebate(revenue, tenants.len(), first))
        {
            let row = &mut self.accounts.rows[tenant.index()];
            row.free += back - *paid;
            assert!(row.free >= Credits::ZERO, "{tenant} pays more than it has");
        }
        for resource in 0..n_resources {
            let idx = self.slot_of(ResourceId(resource as u16), epoch);
            let book = &mut self.books[idx];
            book.supply = self.supply[resource];
            let posted = clearing.prices[resource].per_unit();
            let ceiling = book.scale.price(crate::Tick::CEILING.0);
            book.set_mark(posted.clamp(book.scale.floor, ceiling), self.config.breaker_band_permille);
            let (mark, mut sold) = (book.mark, 0);
            for (row, tenant) in tenants.iter().enumerate() {
                let held = clearing.units[row * n_resources + resource];
                *self.accounts.position_mut(*tenant, idx) =
                    Position { held, kept: self.kept(held), offered: 0, wanted: 0 };
                self.accounts.rows[tenant.index()].leases += mark.times(held);
                sold += u64::from(held);
            }
            assert!(sold <= u64::from(self.supply[resource]), "more of a resource is leased than there is");
        }
        self.certificate = Some(clearing.certificate);
    }

    /// The part of a cleared share that stays with its tenant.
    fn kept(&self, held: u32) -> u32 {
        held - (u64::from(held) * u64::from(self.config.transferable_permille) / 1000) as u32
    }

    pub(crate) fn change_supply(&mut self, resource: ResourceId, units: u32) -> Result<(), Reject> {
        let configured = self.config.resources.get(resource.index()).ok_or(Reject::UnknownResource(resource))?;
        if units > configured.capacity {
            return Err(Reject::AboveCapacity { found: units, capacity: configured.capacity });
        }
        self.supply[resource.index()] = units;
        let n_resources = self.supply.len();
        let running: Vec<u64> =
            self.shares.iter().skip(resource.index()).step_by(n_resources).map(|s| u64::from(*s)).collect();
        for (tenant, share) in cut(&running, units) {
            self.shares[tenant * n_resources + resource.index()] = share;
        }
        for epoch in self.open_epochs() {
            self.cut_leases(self.slot_of(resource, Epoch(epoch)), units);
        }
        Ok(())
    }

    /// Cuts the leases of a coming epoch to what there will be, and ends the asks that they no longer cover.
    fn cut_leases(&mut self, idx: usize, units: u32) {
        if self.cleared < self.books[idx].epoch {
            return;
        }
        let n_books = self.accounts.n_books;
        let held = self.accounts.positions.iter().skip(idx).step_by(n_books);
        let held: Vec<u64> = held.map(|position| u64::from(position.held)).collect();
        let mark = self.books[idx].mark;
        self.books[idx].supply = units;
        for (tenant, now) in cut(&held, units) {
            let id = TenantId(tenant as u32);
            let before = *self.accounts.position(id, idx);
            let kept = (u64::from(before.kept) * u64::from(now) / u64::from(before.held)) as u32;
            if before.offered + kept > now {
                for slot in self.orders_of_book(idx) {
                    let order = &self.orders.slots[slot as usize];
                    if order.tenant == id && order.side == Side::Sell && order.place != crate::book::Place::Stop {
                        self.end(slot, Some(Ended::Haircut));
                    }
                }
            }
            let position = self.accounts.position_mut(id, idx);
            (position.held, position.kept) = (now, kept);
            self.accounts.rows[tenant].leases -= mark.times(before.held - now);
        }
    }

    pub(crate) fn close_tenant(&mut self, tenant: TenantId) -> Result<(), Reject> {
        self.accounts.get(tenant).ok_or(Reject::UnknownTenant(tenant))?;
        for slot in 0..self.orders.slots.len() as u32 {
            if self.orders.slots[slot as usize].tenant == tenant {
                self.end(slot, Some(Ended::TenantClosed));
            }
        }
        for idx in 0..self.books.len() {
            *self.accounts.position_mut(tenant, idx) = Position::default();
        }
        let row = &mut self.accounts.rows[tenant.index()];
        self.accounts.granted -= row.free;
        (row.free, row.leases, row.open) = (Credits::ZERO, Credits::ZERO, false);
        self.utilities[tenant.index()] = Utility::Idle;
        let n = self.supply.len();
        self.shares[tenant.index() * n..(tenant.index() + 1) * n].fill(0);
        Ok(())
    }
}

/// Who has how much left when `held` must fit into `units`: index and new amount, of those that change.
fn cut(held: &[u64], units: u32) -> Vec<(usize, u32)> {
    if held.iter().sum::<u64>() <= u64::from(units) {
        return Vec::new();
    }
    let left = largest_remainder(u64::from(units), held);
    let changed = left.iter().zip(held).enumerate().filter(|(_, (now, before))| now != before);
    changed.map(|(tenant, (now, _))| (tenant, *now as u32)).collect()
}
