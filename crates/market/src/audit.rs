//! The whole state against its own rules: what the assertions at each trade cannot see.
//!
//! Costs a walk over everything; the daemon runs it beside its snapshots, the tests after every command.

use crate::accounts::Position;
use crate::book::{NONE, Place, accepts};
use crate::market::Market;
use crate::order::Side;
use crate::units::{Credits, TenantId};
use thiserror::Error;

/// A rule that does not hold: a bug, or a damaged snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{rule}: {found}")]
pub struct Broken {
    /// The rule.
    pub rule: &'static str,
    /// Where and how it is broken.
    pub found: String,
}

fn broken<T>(rule: &'static str, found: String) -> Result<T, Broken> {
    Err(Broken { rule, found })
}

/// What the orders of a tenant promise in one book.
#[derive(Clone, Copy, Default)]
struct Promised {
    offered: u64,
    wanted: u64,
}

impl Market {
    /// Checks every rule.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn audit(&self) -> Result<(), Broken> {
        let mut promised = vec![Promised::default(); self.accounts.positions.len()];
        let mut reserved = vec![Credits::ZERO; self.accounts.rows.len()];
        let mut n_orders = vec![0; self.accounts.rows.len()];
        for idx in 0..self.books.len() {
            self.audit_book(idx, &mut promised, &mut reserved, &mut n_orders)?;
        }
        self.audit_slots(&n_orders)?;
        self.audit_accounts(&promised, &reserved, &n_orders)?;
        self.audit_supply()
    }

    fn audit_book(
        &self,
        idx: usize,
        promised: &mut [Promised],
        reserved: &mut [Credits],
        n_orders: &mut [u32],
    ) -> Result<(), Broken> {
        let book = &self.books[idx];
        if book.halted_until_ns.is_none() && book.crossed() {
            return broken("an open book is not crossed", format!("{} {}", book.resource, book.epoch));
        }
        let mut seen = |slot: u32, place: Place, side: Option<Side>, tick: Option<u16>| {
            let order = &self.orders.slots[slot as usize];
            let at = if place == Place::Stop { order.trigger } else { order.tick };
            let right = order.place == place
                && usize::from(order.book) == idx
                && side.is_none_or(|side| side == order.side)
                && tick.is_none_or(|tick| tick == at)
                && order.quantity > 0
                && order.tenant.index() < n_orders.len();
            if !right {
                return broken("an order is where it says", format!("slot {slot} in book {idx}"));
            }
            n_orders[order.tenant.index()] += 1;
            if place != Place::Stop {
                let entry = &mut promised[order.tenant.index() * self.accounts.n_books + idx];
                match order.side {
                    Side::Buy => {
                        entry.wanted += u64::from(order.quantity);
                        reserved[order.tenant.index()] += book.scale.price(order.tick).times(order.quantity);
                    }
                    Side::Sell => entry.offered += u64::from(order.quantity),
                }
            }
            Ok(u64::from(order.quantity))
        };
        for side in [Side::Buy, Side::Sell] {
            for (place, ladder) in
                [(Place::Resting, &book.resting[side.index()]), (Place::Stop, &book.stops[side.index()])]
            {
                for tick in ladder.ticks() {
                    let level = ladder.level(tick);
                    let mut sum = 0;
                    for slot in self.orders.walk(level.head) {
                        sum += seen(slot, place, Some(side), Some(tick))?;
                    }
                    if sum != level.quantity || sum == 0 {
                        return broken("a level is the sum of its orders", format!("{sum} and {}", level.quantity));
                    }
                    let passed = book.last.is_some_and(|last| accepts(side.opposite(), tick, last));
                    if place == Place::Stop && passed && book.halted_until_ns.is_none() {
                        return broken("a stop wakes when its trigger is passed", format!("{side:?} at tick {tick}"));
                    }
                }
            }
        }
        let mut sum = 0;
        for slot in self.orders.walk(book.waiting.head) {
            sum += seen(slot, Place::Waiting, None, None)?;
        }
        if sum != book.waiting.quantity {
            return broken("a queue is the sum of its orders", format!("{sum} and {}", book.waiting.quantity));
        }
        Ok(())
    }

    fn audit_slots(&self, n_orders: &[u32]) -> Result<(), Broken> {
        let n_live = self.orders.slots.iter().filter(|order| order.place != Place::Free).count();
        let n_listed: usize = n_orders.iter().map(|n| *n as usize).sum();
        let free: Vec<u32> = self.orders.walk(self.orders.free).take(self.orders.slots.len() + 1).collect();
        let all_free = free.iter().all(|slot| self.orders.slots[*slot as usize].place == Place::Free);
        if n_live != n_listed || n_live + free.len() != self.orders.slots.len() || !all_free {
            let found = format!("{n_live} live, {n_listed} listed, {} free", free.len());
            return broken("every slot is in one list", found);
        }
        debug_assert!(self.orders.slots.len() < NONE as usize);
        Ok(())
    }

    fn audit_accounts(&self, promised: &[Promised], reserved: &[Credits], n_orders: &[u32]) -> Result<(), Broken> {
        let (mut total, n_books) = (0_i128, self.accounts.n_books);
        for (tenant, row) in self.accounts.rows.iter().enumerate() {
            let id = TenantId(tenant as u32);
            if row.free < Credits::ZERO || row.reserved < Credits::ZERO || row.leases < Credits::ZERO {
                return broken("nothing is negative", format!("{id}: {row:?}"));
            }
            if row.reserved != reserved[tenant] || row.n_orders != n_orders[tenant] {
                return broken("reserved is what bids promise", format!("{id}: {row:?}, {}", reserved[tenant]));
            }
            total += i128::from(row.free.0) + i128::from(row.reserved.0);
            let mut leases = Credits::ZERO;
            for (idx, book) in self.books.iter().enumerate() {
                let Position { held, offered, wanted, kept } = *self.accounts.position(id, idx);
                let open = &promised[tenant * n_books + idx];
                if u64::from(offered) != open.offered || u64::from(wanted) != open.wanted {
                    return broken("positions are what orders promise", format!("{id}, book {idx}"));
                }
                if u64::from(held) < u64::from(offered) + u64::from(kept) {
                    return broken("no lease is promised twice", format!("{id}, book {idx}: {held} held"));
                }
                leases += book.mark.times(held);
            }
            if leases != row.leases {
                return broken("leases are valued at the marks", format!("{id}: {leases} and {}", row.leases));
            }
        }
        if total != i128::from(self.accounts.granted.0) {
            return broken("credits are conserved", format!("{total} of {}", self.accounts.granted.0));
        }
        Ok(())
    }

    fn audit_supply(&self) -> Result<(), Broken> {
        for (idx, book) in self.books.iter().enumerate() {
            let held = self.accounts.positions.iter().skip(idx).step_by(self.accounts.n_books);
            let held: u64 = held.map(|position| u64::from(position.held)).sum();
            if held > u64::from(book.supply) {
                return broken("leases fit into the supply", format!("book {idx}: {held} of {}", book.supply));
            }
        }
        for (resource, supply) in self.supply.iter().enumerate() {
            let shares = self.shares.iter().skip(resource).step_by(self.supply.len());
            let shares: u64 = shares.map(|share| u64::from(*share)).sum();
            if shares > u64::from(*supply) {
                return broken("shares fit into the supply", format!("resource {resource}: {shares} of {supply}"));
            }
        }
        Ok(())
    }
}
