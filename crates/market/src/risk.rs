//! What a tenant may do: the limits before every order.
//!
//! Two limits bound a transaction, and the tighter binds: an absolute one, and a part of the tenant's equity. A position
//! limit bounds the leases of one book. There is no credit: a bid needs its full price in free credits, an ask its leases.
//! Price floor and ceiling are the ends of the ladder; the circuit breaker is the book's.

use crate::accounts::{Account, Position};
use crate::order::Reject;
use crate::units::Credits;

/// The limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RiskLimits {
    /// The most that one order may be worth.
    pub max_transaction: Credits,
    /// The most that one order may be worth, in millionths of the tenant's equity.
    pub max_risk_ppm: u32,
    /// The most units of one book that a tenant may come to hold by buying, in thousandths of the resource's capacity.
    pub max_position_permille: u32,
    /// Open orders per tenant.
    pub max_open_orders: u32,
    /// Units in one order.
    pub max_quantity: u32,
}

impl Default for RiskLimits {
    /// A transaction of 1,000 credits, 8 % of equity, three quarters of a resource.
    fn default() -> Self {
        Self {
            max_transaction: Credits::whole(1000),
            max_risk_ppm: 80_000,
            max_position_permille: 750,
            max_open_orders: 1024,
            max_quantity: 1 << 24,
        }
    }
}

impl RiskLimits {
    /// A transaction of this value is allowed to this tenant.
    #[inline]
    pub(crate) fn transaction(&self, account: &Account, value: Credits) -> Result<(), Reject> {
        if value > self.max_transaction {
            return Err(Reject::MaxTransaction { value, max: self.max_transaction });
        }
        let equity = account.equity();
        // Multiplied out: no division before every order.
        if i128::from(value.0) * 1_000_000 > i128::from(equity.0) * i128::from(self.max_risk_ppm) {
            return Err(Reject::MaxRisk { value, equity, ppm: self.max_risk_ppm });
        }
        Ok(())
    }

    /// `quantity` more may be wanted in a book with this position limit.
    #[inline]
    pub(crate) fn position(&self, position: &Position, quantity: u32, limit: u32) -> Result<(), Reject> {
        let would_be = u64::from(position.held) + u64::from(position.wanted) + u64::from(quantity);
        if would_be > u64::from(limit) { Err(Reject::PositionLimit { would_be, limit }) } else { Ok(()) }
    }

    /// `needed` credits are free.
    #[inline]
    pub(crate) fn funds(&self, free: Credits, needed: Credits) -> Result<(), Reject> {
        if needed > free { Err(Reject::Funds { needed, free }) } else { Ok(()) }
    }

    /// `quantity` may be offered.
    #[inline]
    pub(crate) fn transferable(&self, position: &Position, quantity: u32) -> Result<(), Reject> {
        let transferable = position.transferable();
        if quantity > transferable { Err(Reject::Transferable { asked: quantity, transferable }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(free: i32, leases: i32) -> Account {
        let (free, leases) = (Credits::whole(free), Credits::whole(leases));
        Account { free, reserved: Credits::ZERO, leases, n_orders: 0, open: true }
    }

    #[test]
    fn the_tighter_limit_binds() {
        let limits = RiskLimits::default();
        // 8 % of 5,000 is 400, below the 1,000 of every transaction.
        assert_eq!(limits.transaction(&account(4000, 1000), Credits::whole(400)), Ok(()));
        let above = Credits(Credits::whole(400).0 + 1);
        let refused = limits.transaction(&account(4000, 1000), above);
        assert_eq!(refused, Err(Reject::MaxRisk { value: above, equity: Credits::whole(5000), ppm: 80_000 }));
        // 8 % of 50,000 is 4,000: now the other one binds.
        assert_eq!(limits.transaction(&account(50_000, 0), Credits::whole(1000)), Ok(()));
        let refused = limits.transaction(&account(50_000, 0), Credits::whole(1001));
        assert_eq!(refused, Err(Reject::MaxTransaction { value: Credits::whole(1001), max: Credits::whole(1000) }));
    }
}
