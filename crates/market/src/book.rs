//! One order book: the leases of one resource in one coming epoch.
//!
//! A book is *open* or *halted*. While it is open, orders trade as they come, by price and then by time, and no bid stands
//! at or above an ask. While it is halted, orders are collected and may cross; an auction opens it again. Orders may also
//! ask for the next auction in a book that is open; auctions take place at a fixed interval.
//!
//! Prices come from the ladder `floor + tick * step`. The **mark** is the price at which leases are valued: the
//! volume-weighted price of all trades since the last interval, so that one trade moves nobody's equity. The circuit
//! breaker's band lies around the mark.
//!
//! This module holds the state and its structure; who may trade is in `exchange`, who pays in `accounts`.

mod auction;
mod ladder;
mod orders;

pub(crate) use auction::uniform_price;
pub(crate) use ladder::Ladder;
pub(crate) use orders::{NONE, Orders, Place, Queue, Slot, Ticket};

use crate::order::Side;
use crate::units::{Credits, Epoch, ResourceId, Tick};

/// Prices of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scale {
    /// Price of tick 0.
    pub floor: Credits,
    /// Difference between two ticks.
    pub step: Credits,
}

impl Scale {
    pub fn price(self, tick: u16) -> Credits {
        self.floor + self.step.times(u32::from(tick))
    }

    /// The tick nearest below a price, within the ladder.
    pub fn tick_below(self, price: Credits) -> u16 {
        ((price - self.floor).0 / self.step.0).clamp(0, i64::from(Tick::CEILING.0)) as u16
    }
}

/// State of one book.
#[derive(Clone, Debug)]
pub(crate) struct Book {
    pub resource: ResourceId,
    pub epoch: Epoch,
    pub scale: Scale,
    /// Bids and asks, by [`Side::index`].
    pub resting: [Ladder; 2],
    /// Stops of each side, at their triggers.
    pub stops: [Ladder; 2],
    /// Orders for the next auction, in order of arrival.
    pub waiting: Queue,
    /// Set while the circuit breaker holds: when the auction is due.
    pub halted_until_ns: Option<u64>,
    /// Value of one unit.
    pub mark: Credits,
    /// Lowest and highest tick at which continuous trading is allowed.
    pub band: [u16; 2],
    /// The last trade's tick.
    pub last: Option<u16>,
    /// Units and credits traded since the mark was set.
    pub volume: u64,
    pub turnover: Credits,
    /// Units that exist for the epoch.
    pub supply: u32,
}

impl Book {
    pub fn new(resource: ResourceId, epoch: Epoch, scale: Scale, mark: Credits, band_permille: u32) -> Self {
        let mut book = Self {
            resource,
            epoch,
            scale,
            resting: [Ladder::new(), Ladder::new()],
            stops: [Ladder::new(), Ladder::new()],
            waiting: Queue::EMPTY,
            halted_until_ns: None,
            mark,
            band: [0, 0],
            last: None,
            volume: 0,
            turnover: Credits::ZERO,
            supply: 0,
        };
        book.set_mark(mark, band_permille);
        book
    }

    /// Values units at `mark` and lays the band around it.
    pub fn set_mark(&mut self, mark: Credits, band_permille: u32) {
        self.mark = mark;
        // At least one tick either way, so that a low price can move at all.
        let width = Credits((i128::from(mark.0) * i128::from(band_permille) / 1000) as i64).max(self.scale.step);
        let low = self.scale.tick_below((mark - width).max(self.scale.floor));
        self.band = [low, self.scale.tick_below(mark + width)];
        self.volume = 0;
        self.turnover = Credits::ZERO;
    }

    /// The volume-weighted price since the last mark, or that mark when nothing was traded.
    pub fn average_price(&self) -> Credits {
        if self.volume == 0 { self.mark } else { Credits(self.turnover.0 / self.volume as i64) }
    }

    /// The best tick of a side.
    #[inline]
    pub fn best(&self, side: Side) -> Option<u16> {
        match side {
            Side::Buy => self.resting[0].highest(),
            Side::Sell => self.resting[1].lowest(),
        }
    }

    /// Whether the best bid is at or above the best ask.
    #[inline]
    pub fn crossed(&self) -> bool {
        matches!((self.best(Side::Buy), self.best(Side::Sell)), (Some(bid), Some(ask)) if bid >= ask)
    }

    /// Price levels of a side, best first: tick and units.
    pub fn depth(&self, side: Side) -> Vec<(Tick, u64)> {
        let ladder = &self.resting[side.index()];
        let row = |tick: u16| (Tick(tick), ladder.level(tick).quantity);
        match side {
            Side::Buy => ladder.ticks().rev().map(row).collect(),
            Side::Sell => ladder.ticks().map(row).collect(),
        }
    }
}

/// Whether a trade at `tick` is acceptable to an order with this limit.
#[inline]
pub(crate) const fn accepts(side: Side, limit: u16, tick: u16) -> bool {
    match side {
        Side::Buy => tick <= limit,
        Side::Sell => tick >= limit,
    }
}

/// The more careful of two limits.
#[inline]
pub(crate) fn tighter(side: Side, a: u16, b: u16) -> u16 {
    match side {
        Side::Buy => a.min(b),
        Side::Sell => a.max(b),
    }
}
