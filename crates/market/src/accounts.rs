//! Who has what: credits and leases of every tenant, free or promised.
//!
//! A bid promises credits, an ask promises leases; what is promised can be promised only once, and is either traded or
//! given back. So no tenant can owe anything, and credits only move between accounts: their sum changes with grants and
//! closed accounts alone. Both are asserted at every trade, for the price of a few comparisons.

use crate::units::{Credits, TenantId};

/// A tenant's leases in one book.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Units leased.
    pub held: u32,
    /// Units promised by asks.
    pub offered: u32,
    /// Units that bids ask for.
    pub wanted: u32,
    /// Units that may not be sold: the part of the cleared share that is not transferable.
    pub kept: u32,
}

impl Position {
    /// Units that may still be offered.
    pub const fn transferable(&self) -> u32 {
        self.held - self.offered - self.kept
    }
}

/// A tenant's credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub free: Credits,
    /// Promised by bids.
    pub reserved: Credits,
    /// Value of the leases held, each at its book's mark.
    pub leases: Credits,
    pub n_orders: u32,
    pub open: bool,
}

impl Account {
    pub fn equity(&self) -> Credits {
        self.free + self.reserved + self.leases
    }
}

/// A trade as the accounts see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settlement {
    pub buyer: TenantId,
    pub seller: TenantId,
    pub quantity: u32,
    pub price: Credits,
    /// What the bid had reserved per unit; `None` when the buyer pays from free credits.
    pub reserved_price: Option<Credits>,
    /// Whether the leases were promised by an ask.
    pub offered: bool,
    /// Value of a unit in this book.
    pub mark: Credits,
}

/// All accounts.
#[derive(Clone, Debug)]
pub(crate) struct Accounts {
    pub rows: Vec<Account>,
    /// Tenant-major: `positions[tenant * n_books + book]`.
    pub positions: Vec<Position>,
    pub n_books: usize,
    /// What all accounts together hold.
    pub granted: Credits,
}

impl Accounts {
    pub fn new(n_books: usize) -> Self {
        Self { rows: Vec::new(), positions: Vec::new(), n_books, granted: Credits::ZERO }
    }

    pub fn open(&mut self, budget: Credits) -> TenantId {
        let tenant = TenantId(self.rows.len() as u32);
        let row = Account { free: budget, reserved: Credits::ZERO, leases: Credits::ZERO, n_orders: 0, open: true };
        self.rows.push(row);
        self.positions.resize(self.rows.len() * self.n_books, Position::default());
        self.granted += budget;
        tenant
    }

    /// The account, when it exists and is open.
    #[inline]
    pub fn get(&self, tenant: TenantId) -> Option<&Account> {
        self.rows.get(tenant.index()).filter(|row| row.open)
    }

    #[inline]
    pub fn position(&self, tenant: TenantId, book: usize) -> &Position {
        &self.positions[tenant.index() * self.n_books + book]
    }

    #[inline]
    pub fn position_mut(&mut self, tenant: TenantId, book: usize) -> &mut Position {
        &mut self.positions[tenant.index() * self.n_books + book]
    }

    /// A bid of `quantity` at `price` begins to wait.
    #[inline]
    pub fn reserve(&mut self, tenant: TenantId, book: usize, quantity: u32, price: Credits) {
        let row = &mut self.rows[tenant.index()];
        row.free -= price.times(quantity);
        row.reserved += price.times(quantity);
        assert!(row.free >= Credits::ZERO, "{tenant} reserved more than it has");
        self.position_mut(tenant, book).wanted += quantity;
    }

    /// A bid ends, or shrinks by `quantity`.
    #[inline]
    pub fn release(&mut self, tenant: TenantId, book: usize, quantity: u32, price: Credits) {
        let row = &mut self.rows[tenant.index()];
        row.free += price.times(quantity);
        row.reserved -= price.times(quantity);
        assert!(row.reserved >= Credits::ZERO, "{tenant} released more than it reserved");
        self.position_mut(tenant, book).wanted -= quantity;
    }

    /// Moves credits one way and leases the other.
    #[inline]
    pub fn settle(&mut self, book: usize, trade: Settlement) {
        let Settlement { buyer, seller, quantity, mark, .. } = trade;
        let (cost, value) = (trade.price.times(quantity), mark.times(quantity));
        let row = &mut self.rows[buyer.index()];
        match trade.reserved_price {
            Some(price) => {
                row.reserved -= price.times(quantity);
                row.free += price.times(quantity) - cost;
                assert!(price >= trade.price && row.reserved >= Credits::ZERO, "{buyer} pays more than it bid");
            }
            None => {
                row.free -= cost;
                assert!(row.free >= Credits::ZERO, "{buyer} pays more than it has");
            }
        }
        row.leases += value;
        let row = &mut self.rows[seller.index()];
        row.free += cost;
        row.leases -= value;
        let position = self.position_mut(buyer, book);
        position.held += quantity;
        if trade.reserved_price.is_some() {
            position.wanted -= quantity;
        }
        let position = self.position_mut(seller, book);
        if trade.offered {
            position.offered -= quantity;
        }
        assert!(position.held - position.kept >= position.offered + quantity, "{seller} sells what it does not have");
        position.held -= quantity;
    }

    /// Values the leases of a book anew.
    pub fn mark(&mut self, book: usize, old: Credits, new: Credits) {
        for (row, positions) in self.rows.iter_mut().zip(self.positions.chunks_exact(self.n_books)) {
            row.leases += (new - old).times(positions[book].held);
        }
    }
}
