//! The whole market: one state, moved by one command at a time.
//!
//! [`Market::apply`] is the only way in. It first runs the batch auctions that were due before the command's time, each at
//! its own scheduled moment, so that the outcome does not depend on how often somebody looks. Then it does what the command
//! says. A replay of the same commands with the same times gives the same state, to the last bit of [`Market::hash`].

use crate::accounts::{Accounts, Position};
use crate::book::{Book, Orders, Scale};
use crate::config::{Config, ConfigError};
use crate::history::History;
use crate::order::{Command, Event, Receipt, Reject, Side};
use crate::primary::{Certificate, Utility};
use crate::units::{Credits, Epoch, OrderId, ResourceId, TenantId, Tick};

/// A market.
#[derive(Clone, Debug)]
pub struct Market {
    pub(crate) config: Config,
    pub(crate) now_ns: u64,
    /// The epoch that runs.
    pub(crate) epoch: Epoch,
    /// The last epoch whose shares are cleared.
    pub(crate) cleared: Epoch,
    pub(crate) next_auction_ns: u64,
    pub(crate) accounts: Accounts,
    pub(crate) orders: Orders,
    /// Book of a resource and epoch: `resource * horizon + epoch % horizon`.
    pub(crate) books: Vec<Book>,
    pub(crate) history: History,
    /// What each tenant wants.
    pub(crate) utilities: Vec<Utility>,
    /// Units of each resource that there are now.
    pub(crate) supply: Vec<u32>,
    /// Shares of the running epoch: `shares[tenant * n_resources + resource]`.
    pub(crate) shares: Vec<u32>,
    pub(crate) certificate: Option<Certificate>,
    /// What the last command caused; not part of the state.
    pub(crate) events: Vec<Event>,
}

impl Market {
    /// A market without tenants, at time 0 and in epoch 0.
    ///
    /// # Errors
    /// A field of the configuration is out of range.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        let mut books = Vec::with_capacity(config.n_books());
        for (idx, resource) in config.resources.iter().enumerate() {
            let scale = Scale { floor: resource.floor, step: resource.step };
            for place in 0..u32::from(config.horizon) {
                // Epochs 1 to horizon, each at its remainder.
                let epoch = if place == 0 { u32::from(config.horizon) } else { place };
                let middle = scale.price(Tick::CEILING.0 / 2);
                let resource = ResourceId(idx as u16);
                books.push(Book::new(resource, Epoch(epoch), scale, middle, config.breaker_band_permille));
            }
        }
        Ok(Self {
            now_ns: 0,
            epoch: Epoch(0),
            cleared: Epoch(0),
            next_auction_ns: config.auction_interval_ns,
            accounts: Accounts::new(books.len()),
            orders: Orders::new(),
            books,
            history: History::new(config.history as usize),
            utilities: Vec::new(),
            supply: config.resources.iter().map(|resource| resource.capacity).collect(),
            shares: Vec::new(),
            certificate: None,
            events: Vec::new(),
            config,
        })
    }

    /// Does what the command says, at this time.
    ///
    /// # Errors
    /// Why the command was refused; nothing changed then, except that auctions due by `now_ns` have taken place.
    ///
    /// # Panics
    /// Money or leases would be created or lost: a bug in this crate. The market must not be used after it.
    #[inline]
    pub fn apply(&mut self, now_ns: u64, command: &Command) -> Result<Receipt, Reject> {
        self.events.clear();
        if now_ns < self.now_ns {
            return Err(Reject::TimeWentBack { found: now_ns, now: self.now_ns });
        }
        if now_ns >= self.next_auction_ns {
            self.run_auctions_until(now_ns);
        }
        self.now_ns = now_ns;
        match *command {
            Command::Place(ref order) => self.place(order).map(Receipt::Order),
            Command::Cancel { tenant, order } => self.cancel(tenant, order).map(|()| Receipt::Done),
            Command::Move { tenant, order, tick, quantity } => {
                self.move_order(tenant, order, tick, quantity).map(Receipt::Order)
            }
            Command::Advance => Ok(Receipt::Done),
            Command::OpenTenant { budget } => self.open_tenant(budget).map(Receipt::Tenant),
            Command::Grant { tenant, credits } => self.grant(tenant, credits).map(|()| Receipt::Done),
            Command::CloseTenant { tenant } => self.close_tenant(tenant).map(|()| Receipt::Done),
            Command::Declare { tenant, ref utility } => self.declare(tenant, utility).map(|()| Receipt::Done),
            Command::Clear => Ok(Receipt::Epoch(self.clear())),
            Command::Supply { resource, units } => self.change_supply(resource, units).map(|()| Receipt::Done),
        }
    }

    /// What the last command caused beyond its receipt, in order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The set-up.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Time of the last command.
    pub const fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// The epoch that runs.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The epochs open for trading.
    pub fn open_epochs(&self) -> std::ops::RangeInclusive<u32> {
        self.epoch.0 + 1..=self.epoch.0 + u32::from(self.config.horizon)
    }

    /// The last trades.
    pub const fn history(&self) -> &History {
        &self.history
    }

    /// How good the last clearing is.
    pub const fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// Units of each resource that there are now.
    pub fn supply(&self) -> &[u32] {
        &self.supply
    }

    /// Units of each resource that `tenant` may use in the running epoch. This is what the device enforces.
    pub fn shares(&self, tenant: TenantId) -> Option<&[u32]> {
        let n = self.config.resources.len();
        self.accounts.get(tenant)?;
        self.shares.get(tenant.index() * n..(tenant.index() + 1) * n)
    }

    /// The tenants that are open.
    pub fn tenants(&self) -> impl Iterator<Item = TenantId> + '_ {
        (0..self.accounts.rows.len() as u32).map(TenantId).filter(|tenant| self.accounts.get(*tenant).is_some())
    }

    /// Price levels of one side of a book, best first: tick and units.
    ///
    /// # Errors
    /// No such resource, or the epoch is not open.
    pub fn depth(&self, resource: ResourceId, epoch: Epoch, side: Side) -> Result<Vec<(Tick, u64)>, Reject> {
        Ok(self.books[self.book(resource, epoch)?].depth(side))
    }

    /// Value of one unit of a resource in an open epoch.
    ///
    /// # Errors
    /// No such resource, or the epoch is not open.
    pub fn mark(&self, resource: ResourceId, epoch: Epoch) -> Result<Credits, Reject> {
        Ok(self.books[self.book(resource, epoch)?].mark)
    }

    /// Price at a tick of a resource's ladder.
    ///
    /// # Errors
    /// No such resource, or the tick is above the ceiling.
    pub fn price(&self, resource: ResourceId, tick: Tick) -> Result<Credits, Reject> {
        let found = self.config.resources.get(resource.index()).ok_or(Reject::UnknownResource(resource))?;
        self.check_tick(tick)?;
        Ok(Scale { floor: found.floor, step: found.step }.price(tick.0))
    }

    /// Whether continuous trading of a book is halted.
    ///
    /// # Errors
    /// No such resource, or the epoch is not open.
    pub fn is_halted(&self, resource: ResourceId, epoch: Epoch) -> Result<bool, Reject> {
        Ok(self.books[self.book(resource, epoch)?].halted_until_ns.is_some())
    }

    /// Quantity that an open order still has.
    pub fn open_quantity(&self, order: OrderId) -> Option<u32> {
        self.orders.find(order).map(|slot| self.orders.slots[slot as usize].quantity)
    }

    /// A tenant's leases in an open epoch.
    ///
    /// # Errors
    /// No such resource, or the epoch is not open, or no such tenant.
    pub fn position(&self, tenant: TenantId, resource: ResourceId, epoch: Epoch) -> Result<Position, Reject> {
        let book = self.book(resource, epoch)?;
        self.accounts.get(tenant).ok_or(Reject::UnknownTenant(tenant))?;
        Ok(*self.accounts.position(tenant, book))
    }

    /// Index of the book of a resource in an epoch.
    #[inline]
    pub(crate) fn book(&self, resource: ResourceId, epoch: Epoch) -> Result<usize, Reject> {
        if resource.index() >= self.supply.len() {
            return Err(Reject::UnknownResource(resource));
        }
        let idx = self.slot_of(resource, epoch);
        if self.books[idx].epoch != epoch {
            let open = self.open_epochs();
            return Err(Reject::EpochClosed { found: epoch, first: Epoch(*open.start()), last: Epoch(*open.end()) });
        }
        Ok(idx)
    }

    /// Where the book of an epoch lies, whether it is there or not.
    #[inline]
    pub(crate) fn slot_of(&self, resource: ResourceId, epoch: Epoch) -> usize {
        let horizon = u32::from(self.config.horizon);
        resource.index() * usize::from(self.config.horizon) + (epoch.0 % horizon) as usize
    }

    #[inline]
    pub(crate) fn check_tick(&self, tick: Tick) -> Result<(), Reject> {
        if tick > Tick::CEILING { Err(Reject::AboveCeiling(tick.0)) } else { Ok(()) }
    }

    fn open_tenant(&mut self, budget: Credits) -> Result<TenantId, Reject> {
        self.check_grant(budget)?;
        if self.accounts.rows.len() as u32 >= self.config.max_tenants {
            return Err(Reject::TooManyTenants(self.config.max_tenants));
        }
        let tenant = self.accounts.open(budget);
        self.utilities.push(Utility::Idle);
        self.shares.resize(self.accounts.rows.len() * self.supply.len(), 0);
        Ok(tenant)
    }

    fn grant(&mut self, tenant: TenantId, credits: Credits) -> Result<(), Reject> {
        self.accounts.get(tenant).ok_or(Reject::UnknownTenant(tenant))?;
        self.check_grant(credits)?;
        self.accounts.rows[tenant.index()].free += credits;
        self.accounts.granted += credits;
        Ok(())
    }

    fn check_grant(&self, credits: Credits) -> Result<(), Reject> {
        let room = Credits::MAX_TOTAL - self.accounts.granted;
        if credits < Credits::ZERO || credits > room { Err(Reject::Amount(credits)) } else { Ok(()) }
    }

    fn declare(&mut self, tenant: TenantId, utility: &Utility) -> Result<(), Reject> {
        self.accounts.get(tenant).ok_or(Reject::UnknownTenant(tenant))?;
        utility.check(self.supply.len())?;
        self.utilities[tenant.index()] = utility.clone();
        Ok(())
    }
}
