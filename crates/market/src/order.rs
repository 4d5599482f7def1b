//! The vocabulary of the market: what may be asked of it, what it answers, and why it refuses.
//!
//! A [`Command`] with its time is all that ever changes a market; the journal is a list of them. What a command caused
//! beyond its own [`Receipt`] (trades, cancellations, halts) is told in [`Event`]s.

use crate::primary::Utility;
use crate::units::{Credits, Epoch, OrderId, ResourceId, TenantId, Tick};
use thiserror::Error;

/// Buy or sell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Wants leases, gives credits.
    Buy,
    /// Wants credits, gives leases.
    Sell,
}

impl Side {
    /// The side that this one trades with.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

/// How long a limit order lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lifetime {
    /// Until it is filled or cancelled, or its epoch begins.
    Standing,
    /// Fills at once as far as it can; the rest is cancelled.
    Immediate,
    /// Takes part in the next batch auction only.
    Auction,
}

/// What kind of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Fills at once at the best prices there are, within the circuit breaker's band.
    Market,
    /// At this price or a better one.
    Limit {
        /// The worst price accepted.
        tick: Tick,
        /// How long it lives.
        lifetime: Lifetime,
    },
    /// Becomes a market order when a trade happens at the trigger or beyond it (buy: at or above; sell: at or below).
    Stop {
        /// The price that wakes it.
        trigger: Tick,
    },
    /// Becomes a standing limit order when a trade happens at the trigger or beyond it.
    StopLimit {
        /// The price that wakes it.
        trigger: Tick,
        /// The worst price accepted then.
        tick: Tick,
    },
}

/// An order as a tenant gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NewOrder {
    /// Whose order.
    pub tenant: TenantId,
    /// Leases of which resource.
    pub resource: ResourceId,
    /// For which coming epoch.
    pub epoch: Epoch,
    /// Buy or sell.
    pub side: Side,
    /// Market, limit, stop or stop-limit.
    pub kind: Kind,
    /// How many units.
    pub quantity: u32,
}

/// Everything that can change a market.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A new tenant with credits of its own.
    OpenTenant {
        /// Credits it starts with.
        budget: Credits,
    },
    /// More credits for a tenant; the operator's decision.
    Grant {
        /// Who.
        tenant: TenantId,
        /// How much.
        credits: Credits,
    },
    /// Cancels a tenant's orders, ends its leases and takes its credits out of the market.
    CloseTenant {
        /// Who.
        tenant: TenantId,
    },
    /// What a tenant wants of the resources, declared or measured.
    Declare {
        /// Who.
        tenant: TenantId,
        /// The new utility.
        utility: Utility,
    },
    /// An order.
    Place(NewOrder),
    /// Takes an order back.
    Cancel {
        /// Whose order.
        tenant: TenantId,
        /// Which.
        order: OrderId,
    },
    /// A new price and quantity for a resting order. It keeps its place in the queue when only the quantity falls.
    /// When the new order is refused the old one stays as it is.
    Move {
        /// Whose order.
        tenant: TenantId,
        /// Which.
        order: OrderId,
        /// The new limit.
        tick: Tick,
        /// The new quantity.
        quantity: u32,
    },
    /// Only lets time pass: runs the auctions that are due.
    Advance,
    /// Starts the next epoch and clears the primary market for the last epoch of the horizon.
    Clear,
    /// The supply of a resource is now this much; less than was leased is shared out pro rata at once.
    Supply {
        /// Which resource.
        resource: ResourceId,
        /// Units there are.
        units: u32,
    },
}

/// The answer to a command that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// Done; nothing more to say.
    Done,
    /// The new tenant.
    Tenant(TenantId),
    /// What became of an order.
    Order(Execution),
    /// This epoch runs now.
    Epoch(Epoch),
}

/// What became of an order at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execution {
    /// Units traded.
    pub filled: u32,
    /// Credits that changed hands for them.
    pub value: Credits,
    /// The part that rests or waits, when there is one.
    pub order: Option<OrderId>,
}

/// A trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// Number of the trade, from 0.
    pub number: u64,
    /// When.
    pub time_ns: u64,
    /// Price of one unit.
    pub price: Credits,
    /// Who bought.
    pub buyer: TenantId,
    /// Who sold.
    pub seller: TenantId,
    /// Units.
    pub quantity: u32,
    /// For which epoch.
    pub epoch: Epoch,
    /// Of which resource.
    pub resource: ResourceId,
    /// Whether it happened in a batch auction.
    pub auction: bool,
}

/// Why an order ended without being asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its epoch began.
    EpochBegan,
    /// It would have traded with an order of the same tenant.
    SelfTrade,
    /// It was for one auction, and that is over.
    AuctionOver,
    /// A supply shock took the leases it offered.
    Haircut,
    /// Its tenant was closed.
    TenantClosed,
}

/// What a command caused beyond its receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A trade.
    Trade(Trade),
    /// An order ended.
    Ended {
        /// Which.
        order: OrderId,
        /// Whose.
        tenant: TenantId,
        /// Units it still had.
        quantity: u32,
        /// Why.
        why: Ended,
    },
    /// A stop order woke.
    Triggered {
        /// Which.
        order: OrderId,
        /// Whose.
        tenant: TenantId,
        /// What became of it as the order that it now is.
        outcome: Result<Execution, Reject>,
    },
    /// The circuit breaker stopped continuous trading of a book; an auction opens it again.
    Halted {
        /// Which resource.
        resource: ResourceId,
        /// Which epoch.
        epoch: Epoch,
        /// When the auction is due.
        until_ns: u64,
    },
    /// A batch auction traded.
    Auctioned {
        /// Which resource.
        resource: ResourceId,
        /// Which epoch.
        epoch: Epoch,
        /// The one price.
        price: Credits,
        /// Units traded.
        quantity: u32,
    },
}

/// Why a command was refused. A refused command changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Reject {
    /// No such tenant, or it was closed.
    #[error("{0} does not exist or was closed")]
    UnknownTenant(TenantId),
    /// No such resource.
    #[error("{0} does not exist")]
    UnknownResource(ResourceId),
    /// That epoch is not open for trading.
    #[error("{found} is not open for trading; open are {first} to {last}")]
    EpochClosed {
        /// What the order named.
        found: Epoch,
        /// The first that is open.
        first: Epoch,
        /// The last that is open.
        last: Epoch,
    },
    /// No such order of this tenant.
    #[error("{0} does not exist, is done, or belongs to another tenant")]
    UnknownOrder(OrderId),
    /// Only resting limit orders can be moved.
    #[error("{0} does not rest in the book; only resting orders can be moved")]
    NotResting(OrderId),
    /// The price is outside the ladder.
    #[error("tick {0} is above the price ceiling, tick {max}", max = Tick::CEILING.0)]
    AboveCeiling(u16),
    /// Quantity out of range.
    #[error("quantity {found} is not within 1 to {max}")]
    Quantity {
        /// What the order named.
        found: u32,
        /// The most accepted.
        max: u32,
    },
    /// A negative or excessive amount of credits.
    #[error("{0} credits cannot be granted: accepted is what keeps the market's total between 0 and its maximum")]
    Amount(Credits),
    /// A tenant more than the configuration allows.
    #[error("the market is full: it takes {0} tenants")]
    TooManyTenants(u32),
    /// An open order more than the risk limits allow.
    #[error("tenant has {0} open orders, the most allowed")]
    TooManyOrders(u32),
    /// Worth more than a transaction may be.
    #[error("transaction of {value} credits exceeds the maximum of {max}")]
    MaxTransaction {
        /// What it is worth.
        value: Credits,
        /// The most allowed.
        max: Credits,
    },
    /// Worth more than the allowed part of the tenant's equity.
    #[error("transaction of {value} credits exceeds {ppm} millionths of the tenant's equity of {equity}")]
    MaxRisk {
        /// What it is worth.
        value: Credits,
        /// The tenant's equity.
        equity: Credits,
        /// The part allowed, in millionths.
        ppm: u32,
    },
    /// Not enough free credits.
    #[error("transaction needs {needed} credits, {free} are free")]
    Funds {
        /// What it needs.
        needed: Credits,
        /// What there is.
        free: Credits,
    },
    /// More leases than may be sold.
    #[error("{asked} units cannot be offered, {transferable} are transferable")]
    Transferable {
        /// What the order named.
        asked: u32,
        /// What may be sold.
        transferable: u32,
    },
    /// More leases than one tenant may hold.
    #[error("the position would be {would_be} units; the limit is {limit}")]
    PositionLimit {
        /// Held, wanted and asked for.
        would_be: u64,
        /// The most allowed.
        limit: u32,
    },
    /// Continuous trading is halted.
    #[error("continuous trading is halted; standing and auction orders are collected")]
    Halted,
    /// The trigger has already been passed.
    #[error("a trade at or beyond the trigger, tick {trigger}, has already happened; the last was at tick {last}")]
    TriggerPassed {
        /// The trigger.
        trigger: u16,
        /// The last trade.
        last: u16,
    },
    /// The utility does not fit the resources.
    #[error("utility names {found} resources, the market has {expected}")]
    UtilityShape {
        /// What it names.
        found: usize,
        /// What there are.
        expected: usize,
    },
    /// The utility wants nothing or too much.
    #[error("utility needs at least one weight above 0, and none above {max}", max = Utility::MAX_WEIGHT)]
    UtilityWeights,
    /// More supply than the resource was configured with.
    #[error("supply of {found} units exceeds the capacity of {capacity}")]
    AboveCapacity {
        /// What the command named.
        found: u32,
        /// The configured capacity.
        capacity: u32,
    },
    /// Time went backwards.
    #[error("the command's time, {found} ns, is before the market's, {now} ns")]
    TimeWentBack {
        /// The command's time.
        found: u64,
        /// The market's time.
        now: u64,
    },
}
