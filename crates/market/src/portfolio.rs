//! What a tenant has, valued at the marks.

use crate::accounts::Position;
use crate::book::Place;
use crate::market::Market;
use crate::order::{Reject, Side, Trade};
use crate::units::{Credits, Epoch, OrderId, ResourceId, TenantId};

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

/// An order that is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOrder {
    /// Which.
    pub order: OrderId,
    /// Leases of which resource.
    pub resource: ResourceId,
    /// In which epoch.
    pub epoch: Epoch,
    /// Buy or sell.
    pub side: Side,
    /// Units left.
    pub quantity: u32,
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

    /// A tenant's open orders, resting, waiting for an auction or for their trigger.
    pub fn orders_of(&self, tenant: TenantId) -> impl Iterator<Item = OpenOrder> + '_ {
        let slots = self.orders.slots.iter().enumerate();
        let own = slots.filter(move |(_, slot)| slot.place != Place::Free && slot.tenant == tenant);
        own.map(|(idx, slot)| {
            let book = &self.books[usize::from(slot.book)];
            let (resource, epoch, side, quantity) = (book.resource, book.epoch, slot.side, slot.quantity);
            OpenOrder { order: self.orders.id(idx as u32), resource, epoch, side, quantity }
        })
    }

    /// A tenant's trades among those that are kept, oldest first.
    pub fn trades_of(&self, tenant: TenantId) -> impl DoubleEndedIterator<Item = &Trade> {
        self.history.of(tenant)
    }
}
