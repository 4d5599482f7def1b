//! What a tenant has, valued at the marks.

use crate::accounts::Position;
use crate::market::Market;
use crate::order::{Reject, Trade};
use crate::units::{Credits, Epoch, ResourceId, TenantId};

/// Leases of one resource in one coming epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which resource.
    pub resource: ResourceId,
    /// Which epoch.
    pub epoch: Epoch,
    /// Units held, offered and wanted.
    pub position: Position,
    /// Value of one unit.
    pub mark: Credits,
    /// Value of what is held.
    pub value: Credits,
}

/// A tenant's credits and leases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portfolio {
    /// Credits that nothing was promised from.
    pub free: Credits,
    /// Credits promised by bids.
    pub reserved: Credits,
    /// Value of all leases.
    pub leases: Credits,
    /// Everything together; the risk limits are a part of it.
    pub equity: Credits,
    /// Open orders.
    pub n_orders: u32,
    /// The leases, by resource and epoch, without the empty ones.
    pub lines: Vec<Line>,
}

impl Market {
    /// A tenant's credits and leases, valued at the marks.
    ///
    /// # Errors
    /// No such tenant.
    pub fn portfolio(&self, tenant: TenantId) -> Result<Portfolio, Reject> {
        let row = self.accounts.get(tenant).ok_or(Reject::UnknownTenant(tenant))?;
        let mut lines: Vec<Line> = Vec::new();
        for (idx, book) in self.books.iter().enumerate() {
            let position = *self.accounts.position(tenant, idx);
            if position != Position::default() {
                let value = book.mark.times(position.held);
                lines.push(Line { resource: book.resource, epoch: book.epoch, position, mark: book.mark, value });
            }
        }
        lines.sort_by_key(|line| (line.resource, line.epoch));
        let (free, reserved, leases) = (row.free, row.reserved, row.leases);
        Ok(Portfolio { free, reserved, leases, equity: row.equity(), n_orders: row.n_orders, lines })
    }

    /// A tenant's trades among those that are kept, oldest first.
    pub fn trades_of(&self, tenant: TenantId) -> impl DoubleEndedIterator<Item = &Trade> {
        self.history.of(tenant)
    }
}
