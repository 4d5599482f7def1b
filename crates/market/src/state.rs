//! The whole state as bytes, its hash, and a market from such bytes.
//!
//! Equal states give equal bytes. The configuration is part of them, so that a snapshot stands alone. What follows from the
//! rest (level sums, bitmaps) is not written but rebuilt, and a market that is read is audited before it is used: damaged
//! bytes give an error, never a market that breaks later.

use crate::accounts::{Account, Accounts, Position};
use crate::book::{Book, NONE, Orders, Place, Slot};
use crate::bytes::{Malformed, Reader, Write};
use crate::config::{Class, Config, Resource};
use crate::history::History;
use crate::market::Market;
use crate::order::{Side, Trade};
use crate::primary::Certificate;
use crate::risk::RiskLimits;
use crate::units::{Epoch, N_TICKS, ResourceId, TenantId};

/// First bytes of a snapshot, with the version of its layout.
const MAGIC: &[u8; 8] = b"vgpumkt\x01";

impl Market {
    /// The state. Equal states give equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut to = Vec::new();
        to.extend_from_slice(MAGIC);
        write_config(&self.config, &mut to);
        for number in [self.now_ns, self.next_auction_ns] {
            to.u64(number);
        }
        to.u32(self.epoch.0);
        to.u32(self.cleared.0);
        self.write_accounts(&mut to);
        self.write_orders(&mut to);
        for book in &self.books {
            self.write_book(book, &mut to);
        }
        for units in self.supply.iter().chain(&self.shares) {
            to.u32(*units);
        }
        self.write_history(&mut to);
        match &self.certificate {
            None => to.push(0),
            Some(certificate) => {
                to.push(1);
                to.u32(certificate.epsilon_ppm);
                to.u64(certificate.worst_against_split_ppm as u64);
                to.u32(certificate.rounds);
                to.push(certificate.plain_split.into());
            }
        }
        to
    }

    /// BLAKE3 of [`Self::to_bytes`]: two markets with the same hash are in the same state.
    pub fn hash(&self) -> [u8; 32] {
        *blake3::hash(&self.to_bytes()).as_bytes()
    }

    /// The market that these bytes describe.
    ///
    /// # Errors
    /// The bytes are damaged, or not a market's.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let from = &mut Reader::new(bytes);
        if from.take(MAGIC.len())? != MAGIC {
            return from.error("these are not the bytes of a market of this version");
        }
        let config = read_config(from)?;
        let mut market = match Self::new(config) {
            Ok(market) => market,
            Err(error) => return from.error(error.to_string()),
        };
        market.now_ns = from.u64()?;
        market.next_auction_ns = from.u64()?;
        market.epoch = Epoch(from.u32()?);
        market.cleared = Epoch(from.u32()?);
        market.read_accounts(from)?;
        market.read_orders(from)?;
        for idx in 0..market.books.len() {
            market.read_book(idx, from)?;
        }
        for idx in 0..market.supply.len() {
            market.supply[idx] = from.u32()?;
        }
        for _ in 0..market.accounts.rows.len() * market.supply.len() {
            market.shares.push(from.u32()?);
        }
        market.read_history(from)?;
        market.certificate = match from.u8()? {
            0 => None,
            1 => Some(Certificate {
                epsilon_ppm: from.u32()?,
                worst_against_split_ppm: from.u64()? as i64,
                rounds: from.u32()?,
                plain_split: from.u8()? == 1,
            }),
            other => return from.error(format!("certificate mark {other} is not 0 or 1")),
        };
        std::mem::replace(from, Reader::new(&[])).finish()?;
        let here = Reader::new(bytes);
        if market.next_auction_ns <= market.now_ns {
            return here.error("the next auction lies in the past");
        }
        match market.audit() {
            Ok(()) => Ok(market),
            Err(broken) => here.error(broken.to_string()),
        }
    }

    fn write_accounts(&self, to: &mut Vec<u8>) {
        to.u32(self.accounts.rows.len() as u32);
        to.credits(self.accounts.granted);
        for (row, utility) in self.accounts.rows.iter().zip(&self.utilities) {
            to.credits(row.free);
            to.credits(row.reserved);
            to.credits(row.leases);
            to.u32(row.n_orders);
            to.push(row.open.into());
            to.utility(utility);
        }
        for position in &self.accounts.positions {
            for units in [position.held, position.offered, position.wanted, position.kept] {
                to.u32(units);
            }
        }
    }

    fn read_accounts(&mut self, from: &mut Reader<'_>) -> Result<(), Malformed> {
        let n = from.count(30)?;
        if n > self.config.max_tenants as usize {
            return from.error(format!("{n} tenants, {} are the most", self.config.max_tenants));
        }
        let granted = from.credits()?;
        let mut accounts = Accounts::new(self.books.len());
        for _ in 0..n {
            let (free, reserved, leases) = (from.credits()?, from.credits()?, from.credits()?);
            let (n_orders, open) = (from.u32()?, from.u8()? == 1);
            accounts.rows.push(Account { free, reserved, leases, n_orders, open });
            let utility = from.utility()?;
            if let Err(reject) = utility.check(self.supply.len()) {
                return from.error(reject.to_string());
            }
            self.utilities.push(utility);
        }
        accounts.granted = granted;
        for _ in 0..n * self.books.len() {
            let (held, offered, wanted, kept) = (from.u32()?, from.u32()?, from.u32()?, from.u32()?);
            accounts.positions.push(Position { held, offered, wanted, kept });
        }
        self.accounts = accounts;
        Ok(())
    }

    /// Slots with their generations and the order of the free ones: they decide the ids of coming orders.
    fn write_orders(&self, to: &mut Vec<u8>) {
        to.u32(self.orders.slots.len() as u32);
        for slot in &self.orders.slots {
            to.u32(slot.generation);
            to.push(slot.place as u8);
            if slot.place != Place::Free {
                to.u32(slot.tenant.0);
                to.u32(slot.quantity);
                to.u16(slot.book);
                to.u16(slot.tick);
                to.u16(slot.trigger);
                to.push(slot.side as u8);
                to.push(u8::from(slot.immediate) | u8::from(slot.one_auction) << 1);
            }
        }
        write_list(self.orders.walk(self.orders.free), to);
    }

    fn read_orders(&mut self, from: &mut Reader<'_>) -> Result<(), Malformed> {
        let n = from.count(5)?;
        let mut orders = Orders::new();
        for _ in 0..n {
            let generation = from.u32()?;
            let place = match from.u8()? {
                0 => Place::Free,
                1 => Place::Resting,
                2 => Place::Waiting,
                3 => Place::Stop,
                other => return from.error(format!("place {other} is not within 0 to 3")),
            };
            let mut slot = Slot {
                next: NONE,
                prev: NONE,
                tenant: TenantId(0),
                quantity: 0,
                generation,
                book: 0,
                tick: 0,
                trigger: 0,
                side: Side::Buy,
                place,
                immediate: false,
                one_auction: false,
            };
            if place != Place::Free {
                slot.tenant = TenantId(from.u32()?);
                slot.quantity = from.u32()?;
                (slot.book, slot.tick, slot.trigger) = (from.u16()?, from.u16()?, from.u16()?);
                slot.side = from.side()?;
                let flags = from.u8()?;
                (slot.immediate, slot.one_auction) = (flags & 1 == 1, flags & 2 == 2);
                let within = |tick: u16| usize::from(tick) < N_TICKS;
                let fits = slot.tenant.index() < self.accounts.rows.len()
                    && usize::from(slot.book) < self.books.len()
                    && within(slot.tick)
                    && within(slot.trigger)
                    && (1..=self.config.risk.max_quantity).contains(&slot.quantity);
                if !fits {
                    return from.error("an order is out of range");
                }
            }
            orders.slots.push(slot);
        }
        let free = read_list(from, &orders, Place::Free)?;
        for slot in free.iter().rev() {
            if orders.slots[*slot as usize].next != NONE || orders.free == *slot {
                return from.error(format!("slot {slot} is free twice"));
            }
            orders.slots[*slot as usize].next = orders.free;
            orders.free = *slot;
        }
        self.orders = orders;
        Ok(())
    }

    /// The orders are read back by pushing, so each level is written first in, first out.
    fn write_book(&self, book: &Book, to: &mut Vec<u8>) {
        to.u32(book.epoch.0);
        to.credits(book.mark);
        to.push(book.halted_until_ns.is_some().into());
        to.u64(book.halted_until_ns.unwrap_or(0));
        to.u16(book.last.unwrap_or(u16::MAX));
        to.u64(book.volume);
        to.credits(book.turnover);
        to.u32(book.supply);
        for ladders in [&book.resting, &book.stops] {
            let levels = ladders.iter().flat_map(|ladder| ladder.ticks().map(|tick| ladder.level(tick)));
            write_list(levels.flat_map(|level| self.orders.walk(level.head)), to);
        }
        write_list(self.orders.walk(book.waiting.head), to);
    }

    fn read_book(&mut self, idx: usize, from: &mut Reader<'_>) -> Result<(), Malformed> {
        let epoch = Epoch(from.u32()?);
        let (resource, scale) = (self.books[idx].resource, self.books[idx].scale);
        if !self.open_epochs().contains(&epoch.0) || self.slot_of(resource, epoch) != idx {
            return from.error(format!("{epoch} does not belong into book {idx}"));
        }
        let mark = from.credits()?;
        let range = scale.floor..=scale.price(N_TICKS as u16 - 1);
        if !range.contains(&mark) {
            return from.error(format!("a mark of {mark} is outside the ladder"));
        }
        let mut book = Book::new(resource, epoch, scale, mark, self.config.breaker_band_permille);
        let (halted, until) = (from.u8()?, from.u64()?);
        book.halted_until_ns = (halted == 1).then_some(until);
        let last = from.u16()?;
        book.last = (usize::from(last) < N_TICKS).then_some(last);
        book.volume = from.u64()?;
        book.turnover = from.credits()?;
        book.supply = from.u32()?;
        let mut seen = std::collections::HashSet::new();
        for place in [Place::Resting, Place::Stop, Place::Waiting] {
            for slot in read_list(from, &self.orders, place)? {
                let order = self.orders.slots[slot as usize];
                if usize::from(order.book) != idx || !seen.insert(slot) {
                    return from.error(format!("slot {slot} is not an order of book {idx}, or is listed twice"));
                }
                match place {
                    Place::Resting => book.resting[order.side.index()].push(&mut self.orders, order.tick, slot),
                    Place::Stop => book.stops[order.side.index()].push(&mut self.orders, order.trigger, slot),
                    Place::Waiting | Place::Free => book.waiting.push(&mut self.orders, slot),
                }
            }
        }
        self.books[idx] = book;
        Ok(())
    }

    fn write_history(&self, to: &mut Vec<u8>) {
        to.u64(self.history.n_trades());
        to.u32(self.history.trades().len() as u32);
        for trade in self.history.trades() {
            to.u64(trade.time_ns);
            to.credits(trade.price);
            to.u32(trade.buyer.0);
            to.u32(trade.seller.0);
            to.u32(trade.quantity);
            to.u32(trade.epoch.0);
            to.u16(trade.resource.0);
            to.push(trade.auction.into());
        }
    }

    fn read_history(&mut self, from: &mut Reader<'_>) -> Result<(), Malformed> {
        let n_trades = from.u64()?;
        let n = from.count(35)?;
        if n as u64 != n_trades.min(u64::from(self.config.history)) {
            return from.error(format!("{n} trades kept of {n_trades}"));
        }
        let mut trades = Vec::with_capacity(n);
        for idx in 0..n as u64 {
            trades.push(Trade {
                number: n_trades - n as u64 + idx,
                time_ns: from.u64()?,
                price: from.credits()?,
                buyer: TenantId(from.u32()?),
                seller: TenantId(from.u32()?),
                quantity: from.u32()?,
                epoch: Epoch(from.u32()?),
                resource: ResourceId(from.u16()?),
                auction: from.u8()? == 1,
            });
        }
        self.history = History::restore(self.config.history as usize, n_trades, trades);
        Ok(())
    }
}

fn write_list(slots: impl Iterator<Item = u32>, to: &mut Vec<u8>) {
    let at = to.len();
    to.u32(0);
    let mut n = 0;
    for slot in slots {
        to.u32(slot);
        n += 1_u32;
    }
    to[at..at + 4].copy_from_slice(&n.to_le_bytes());
}

fn read_list(from: &mut Reader<'_>, orders: &Orders, place: Place) -> Result<Vec<u32>, Malformed> {
    let n = from.count(4)?;
    let mut slots = Vec::with_capacity(n);
    for _ in 0..n {
        let slot = from.u32()?;
        if orders.slots.get(slot as usize).is_none_or(|order| order.place != place) {
            return from.error(format!("slot {slot} is listed as {place:?} and is not"));
        }
        slots.push(slot);
    }
    Ok(slots)
}

fn write_config(config: &Config, to: &mut Vec<u8>) {
    to.u32(config.resources.len() as u32);
    for resource in &config.resources {
        to.u32(resource.name.len() as u32);
        to.extend_from_slice(resource.name.as_bytes());
        to.push(resource.class as u8);
        to.u32(resource.capacity);
        to.credits(resource.floor);
        to.credits(resource.step);
    }
    to.u16(config.horizon);
    to.u32(config.max_tenants);
    to.credits(config.risk.max_transaction);
    for number in [
        config.risk.max_risk_ppm,
        config.risk.max_position_permille,
        config.risk.max_open_orders,
        config.risk.max_quantity,
        config.breaker_band_permille,
        config.transferable_permille,
        config.history,
        config.spend_permille,
        config.epsilon_ppm,
        config.max_rounds,
    ] {
        to.u32(number);
    }
    to.u64(config.auction_interval_ns);
    to.u64(config.halt_ns);
}

fn read_config(from: &mut Reader<'_>) -> Result<Config, Malformed> {
    let n = from.count(25)?;
    let mut resources = Vec::with_capacity(n);
    for _ in 0..n {
        let length = from.count(1)?;
        let Ok(name) = std::str::from_utf8(from.take(length)?) else { return from.error("a name is not UTF-8") };
        let class = match from.u8()? {
            0 => Class::Compute,
            1 => Class::Memory,
            2 => Class::Cache,
            3 => Class::Bandwidth,
            other => return from.error(format!("class {other} is not within 0 to 3")),
        };
        let (capacity, floor, step) = (from.u32()?, from.credits()?, from.credits()?);
        resources.push(Resource { name: name.to_owned(), class, capacity, floor, step });
    }
    let (horizon, max_tenants, max_transaction) = (from.u16()?, from.u32()?, from.credits()?);
    let risk = RiskLimits {
        max_transaction,
        max_risk_ppm: from.u32()?,
        max_position_permille: from.u32()?,
        max_open_orders: from.u32()?,
        max_quantity: from.u32()?,
    };
    Ok(Config {
        resources,
        horizon,
        max_tenants,
        risk,
        breaker_band_permille: from.u32()?,
        transferable_permille: from.u32()?,
        history: from.u32()?,
        spend_permille: from.u32()?,
        epsilon_ppm: from.u32()?,
        max_rounds: from.u32()?,
        auction_interval_ns: from.u64()?,
        halt_ns: from.u64()?,
    })
}
