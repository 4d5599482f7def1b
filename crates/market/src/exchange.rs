//! The secondary market: how orders enter a book, trade, wait, wake and leave.
//!
//! The path of an order: the tenant and the book exist; the risk limits allow it; it trades with what stands against it, as
//! far as its limit and the circuit breaker's band allow; what is left promises its credits or leases and rests. Orders of
//! the same tenant never trade with each other: the one that stands is ended. Each trade may wake stops, which then take the
//! same path, one after the other in the order in which the price passed them.

use crate::accounts::Settlement;
use crate::book::{Place, Ticket, accepts, tighter, uniform_price};
use crate::market::Market;
use crate::order::{Ended, Event, Execution, Kind, Lifetime, NewOrder, Reject, Side, Trade};
use crate::units::{Credits, OrderId, TenantId, Tick};

impl Market {
    #[inline]
    pub(crate) fn place(&mut self, order: &NewOrder) -> Result<Execution, Reject> {
        let book = self.book(order.resource, order.epoch)?;
        let account = self.accounts.get(order.tenant).ok_or(Reject::UnknownTenant(order.tenant))?;
        if account.n_orders >= self.config.risk.max_open_orders {
            return Err(Reject::TooManyOrders(account.n_orders));
        }
        self.check_quantity(order.quantity)?;
        let (side, quantity) = (order.side, order.quantity);
        let ticket = |tick: Tick| Ticket { tenant: order.tenant, book: book as u16, side, tick: tick.0, quantity };
        let execution = match order.kind {
            Kind::Market => self.trade_now(ticket(any_price(side)))?,
            Kind::Limit { tick, lifetime } => {
                self.check_tick(tick)?;
                match lifetime {
                    Lifetime::Standing => self.stand(ticket(tick))?,
                    Lifetime::Immediate => self.trade_now(ticket(tick))?,
                    Lifetime::Auction => return self.wait_for_auction(ticket(tick)),
                }
            }
            Kind::Stop { trigger } => return self.wait_for_trigger(ticket(any_price(side)), trigger, true),
            Kind::StopLimit { trigger, tick } => {
                self.check_tick(tick)?;
                return self.wait_for_trigger(ticket(tick), trigger, false);
            }
        };
        if execution.filled > 0 {
            self.wake_stops(book);
        }
        Ok(execution)
    }

    /// A limit order: trades, then rests.
    #[inline]
    fn stand(&mut self, ticket: Ticket) -> Result<Execution, Reject> {
        self.admit(&ticket)?;
        let (filled, value) = self.trade(&ticket);
        let left = ticket.quantity - filled;
        if left == 0 {
            return Ok(Execution { filled, value, order: None });
        }
        let ticket = Ticket { quantity: left, ..ticket };
        let slot = self.orders.insert(ticket, Place::Resting);
        self.accounts.rows[ticket.tenant.index()].n_orders += 1;
        self.promise(&ticket);
        self.rest(slot, &ticket);
        Ok(Execution { filled, value, order: Some(self.orders.id(slot)) })
    }

    /// A market or immediate order: trades, and that is all.
    fn trade_now(&mut self, ticket: Ticket) -> Result<Execution, Reject> {
        let book = usize::from(ticket.book);
        if self.books[book].halted_until_ns.is_some() {
            return Err(Reject::Halted);
        }
        // It pays what it finds, so the limits look at that and not at the worst price it would accept.
        let (units, value) = self.quote(&ticket);
        let account = &self.accounts.rows[ticket.tenant.index()];
        let position = self.accounts.position(ticket.tenant, book);
        let risk = &self.config.risk;
        risk.transaction(account, value)?;
        match ticket.side {
            Side::Buy => {
                risk.funds(account.free, value)?;
                risk.position(position, units, self.position_limit(book))?;
            }
            Side::Sell => risk.transferable(position, ticket.quantity)?,
        }
        let (filled, value) = self.trade(&ticket);
        Ok(Execution { filled, value, order: None })
    }

    /// What an order would find within its limit and the band: units and their price.
    fn quote(&self, ticket: &Ticket) -> (u32, Credits) {
        let book = &self.books[usize::from(ticket.book)];
        let limit = tighter(ticket.side, ticket.tick, book.band[usize::from(ticket.side == Side::Buy)]);
        let ladder = &book.resting[ticket.side.opposite().index()];
        let (mut left, mut value) = (ticket.quantity, Credits::ZERO);
        let mut take = |tick: u16| {
            let units = ladder.level(tick).quantity.min(u64::from(left)) as u32;
            left -= units;
            value += book.scale.price(tick).times(units);
            left > 0
        };
        match ticket.side {
            Side::Buy => _ = ladder.ticks().take_while(|tick| *tick <= limit).all(&mut take),
            Side::Sell => _ = ladder.ticks().rev().take_while(|tick| *tick >= limit).all(&mut take),
        }
        (ticket.quantity - left, value)
    }

    fn wait_for_auction(&mut self, ticket: Ticket) -> Result<Execution, Reject> {
        self.admit(&ticket)?;
        let slot = self.orders.insert(ticket, Place::Waiting);
        self.orders.slots[slot as usize].one_auction = true;
        self.accounts.rows[ticket.tenant.index()].n_orders += 1;
        self.promise(&ticket);
        self.books[usize::from(ticket.book)].waiting.push(&mut self.orders, slot);
        Ok(Execution { filled: 0, value: Credits::ZERO, order: Some(self.orders.id(slot)) })
    }

    /// A stop promises nothing: it is admitted like any other order when it wakes.
    fn wait_for_trigger(&mut self, ticket: Ticket, trigger: Tick, immediate: bool) -> Result<Execution, Reject> {
        self.check_tick(trigger)?;
        let book = &mut self.books[usize::from(ticket.book)];
        if let Some(last) = book.last
            && accepts(ticket.side.opposite(), trigger.0, last)
        {
            return Err(Reject::TriggerPassed { trigger: trigger.0, last });
        }
        let slot = self.orders.insert(ticket, Place::Stop);
        let order = &mut self.orders.slots[slot as usize];
        order.trigger = trigger.0;
        order.immediate = immediate;
        self.accounts.rows[ticket.tenant.index()].n_orders += 1;
        book.stops[ticket.side.index()].push(&mut self.orders, trigger.0, slot);
        Ok(Execution { filled: 0, value: Credits::ZERO, order: Some(self.orders.id(slot)) })
    }

    pub(crate) fn cancel(&mut self, tenant: TenantId, order: OrderId) -> Result<(), Reject> {
        let slot = self.own_order(tenant, order)?;
        self.end(slot, None);
        Ok(())
    }

    #[inline]
    pub(crate) fn move_order(
        &mut self,
        tenant: TenantId,
        order: OrderId,
        tick: Tick,
        quantity: u32,
    ) -> Result<Execution, Reject> {
        let slot = self.own_order(tenant, order)?;
        let old = self.orders.slots[slot as usize];
        if old.place != Place::Resting {
            return Err(Reject::NotResting(order));
        }
        self.check_tick(tick)?;
        self.check_quantity(quantity)?;
        let lifted = Ticket { tenant, book: old.book, side: old.side, tick: old.tick, quantity: old.quantity };
        let moved = Ticket { tick: tick.0, quantity, ..lifted };
        if tick.0 == old.tick && quantity <= old.quantity {
            let units = old.quantity - quantity;
            self.lift(&Ticket { quantity: units, ..lifted });
            let side = &mut self.books[usize::from(old.book)].resting[old.side.index()];
            side.shrink(&mut self.orders, old.tick, slot, units);
            return Ok(Execution { filled: 0, value: Credits::ZERO, order: Some(order) });
        }
        // The old promise is lifted for the check and made again if the new order is refused.
        self.lift(&lifted);
        if let Err(reject) = self.admit(&moved) {
            self.promise(&lifted);
            return Err(reject);
        }
        self.books[usize::from(old.book)].resting[old.side.index()].unlink(&mut self.orders, old.tick, slot);
        let (filled, value) = self.trade(&moved);
        let left = quantity - filled;
        if left == 0 {
            self.orders.release(slot);
            self.accounts.rows[tenant.index()].n_orders -= 1;
        } else {
            let rest = Ticket { quantity: left, ..moved };
            let order = &mut self.orders.slots[slot as usize];
            (order.tick, order.quantity) = (tick.0, left);
            self.promise(&rest);
            self.rest(slot, &rest);
        }
        if filled > 0 {
            self.wake_stops(usize::from(old.book));
        }
        Ok(Execution { filled, value, order: (left > 0).then_some(order) })
    }

    /// The limits before an order that may rest, at its full price.
    #[inline]
    fn admit(&self, ticket: &Ticket) -> Result<(), Reject> {
        let book = usize::from(ticket.book);
        let value = self.books[book].scale.price(ticket.tick).times(ticket.quantity);
        let account = &self.accounts.rows[ticket.tenant.index()];
        let position = self.accounts.position(ticket.tenant, book);
        let risk = &self.config.risk;
        risk.transaction(account, value)?;
        match ticket.side {
            Side::Buy => {
                risk.funds(account.free, value)?;
                risk.position(position, ticket.quantity, self.position_limit(book))
            }
            Side::Sell => risk.transferable(position, ticket.quantity),
        }
    }

    #[inline]
    fn position_limit(&self, book: usize) -> u32 {
        let capacity = self.config.resources[self.books[book].resource.index()].capacity;
        (u64::from(capacity) * u64::from(self.config.risk.max_position_permille) / 1000) as u32
    }

    /// Trades with what stands on the other side: units and value.
    #[inline]
    fn trade(&mut self, ticket: &Ticket) -> (u32, Credits) {
        let idx = usize::from(ticket.book);
        let (maker_side, mut left, mut value) = (ticket.side.opposite(), ticket.quantity, Credits::ZERO);
        while left > 0 && self.books[idx].halted_until_ns.is_none() {
            let book = &mut self.books[idx];
            let Some(tick) = book.best(maker_side).filter(|tick| accepts(ticket.side, ticket.tick, *tick)) else {
                break;
            };
            if !accepts(ticket.side, book.band[usize::from(ticket.side == Side::Buy)], tick) {
                let until_ns = self.now_ns + self.config.halt_ns;
                book.halted_until_ns = Some(until_ns);
                self.events.push(Event::Halted { resource: book.resource, epoch: book.epoch, until_ns });
                break;
            }
            let slot = book.resting[maker_side.index()].level(tick).head;
            let maker = self.orders.slots[slot as usize];
            if maker.tenant == ticket.tenant {
                self.end(slot, Some(Ended::SelfTrade));
                continue;
            }
            let units = left.min(maker.quantity);
            let price = book.scale.price(tick);
            self.exchange(ticket.side, ticket.tenant, maker.tenant, units, price, idx);
            self.take_units(slot, tick, units);
            let book = &mut self.books[idx];
            book.last = Some(tick);
            left -= units;
            value += price.times(units);
        }
        // Bids below asks, or the auction decides: one comparison of two bit scans.
        assert!(self.books[idx].halted_until_ns.is_some() || !self.books[idx].crossed(), "an open book is crossed");
        (ticket.quantity - left, value)
    }

    /// Credits and leases change hands between a taker and the order that stood.
    #[inline]
    fn exchange(&mut self, side: Side, taker: TenantId, maker: TenantId, units: u32, price: Credits, book: usize) {
        let (buyer, seller) = if side == Side::Buy { (taker, maker) } else { (maker, taker) };
        let settlement = Settlement {
            buyer,
            seller,
            quantity: units,
            price,
            reserved_price: (side == Side::Sell).then_some(price),
            offered: side == Side::Buy,
            mark: self.books[book].mark,
        };
        self.accounts.settle(book, settlement);
        self.record(buyer, seller, units, price, book, false);
    }

    #[inline]
    fn record(&mut self, buyer: TenantId, seller: TenantId, units: u32, price: Credits, book: usize, auction: bool) {
        let book = &mut self.books[book];
        book.volume += u64::from(units);
        book.turnover += price.times(units);
        let trade = Trade {
            number: self.history.n_trades(),
            time_ns: self.now_ns,
            price,
            buyer,
            seller,
            quantity: units,
            epoch: book.epoch,
            resource: book.resource,
            auction,
        };
        self.history.push(trade);
        self.events.push(Event::Trade(trade));
    }

    /// A resting order traded `units`, its promise is settled; it leaves when nothing is left.
    #[inline]
    fn take_units(&mut self, slot: u32, tick: u16, units: u32) {
        let order = self.orders.slots[slot as usize];
        let ladder = &mut self.books[usize::from(order.book)].resting[order.side.index()];
        if units == order.quantity {
            ladder.unlink(&mut self.orders, tick, slot);
            self.orders.release(slot);
            self.accounts.rows[order.tenant.index()].n_orders -= 1;
        } else {
            ladder.shrink(&mut self.orders, tick, slot, units);
        }
    }

    /// Puts an order into its ladder.
    #[inline]
    fn rest(&mut self, slot: u32, ticket: &Ticket) {
        let ladder = &mut self.books[usize::from(ticket.book)].resting[ticket.side.index()];
        ladder.push(&mut self.orders, ticket.tick, slot);
    }

    /// Sets credits or leases aside.
    #[inline]
    fn promise(&mut self, ticket: &Ticket) {
        let book = usize::from(ticket.book);
        match ticket.side {
            Side::Buy => {
                let price = self.books[book].scale.price(ticket.tick);
                self.accounts.reserve(ticket.tenant, book, ticket.quantity, price);
            }
            Side::Sell => self.accounts.position_mut(ticket.tenant, book).offered += ticket.quantity,
        }
    }

    /// Gives back what was set aside.
    #[inline]
    fn lift(&mut self, ticket: &Ticket) {
        let book = usize::from(ticket.book);
        match ticket.side {
            Side::Buy => {
                let price = self.books[book].scale.price(ticket.tick);
                self.accounts.release(ticket.tenant, book, ticket.quantity, price);
            }
            Side::Sell => self.accounts.position_mut(ticket.tenant, book).offered -= ticket.quantity,
        }
    }

    /// Takes an order out, wherever it is.
    pub(crate) fn end(&mut self, slot: u32, why: Option<Ended>) {
        let order = self.orders.slots[slot as usize];
        let book = &mut self.books[usize::from(order.book)];
        match order.place {
            Place::Free => return,
            Place::Resting => book.resting[order.side.index()].unlink(&mut self.orders, order.tick, slot),
            Place::Waiting => book.waiting.unlink(&mut self.orders, slot),
            Place::Stop => book.stops[order.side.index()].unlink(&mut self.orders, order.trigger, slot),
        }
        if order.place != Place::Stop {
            self.lift(&self.ticket(slot));
        }
        let id = self.orders.id(slot);
        self.orders.release(slot);
        self.accounts.rows[order.tenant.index()].n_orders -= 1;
        if let Some(why) = why {
            let (tenant, quantity) = (order.tenant, order.quantity);
            self.events.push(Event::Ended { order: id, tenant, quantity, why });
        }
    }

    /// Wakes the stops that the last price has passed, until none is left.
    fn wake_stops(&mut self, idx: usize) {
        loop {
            let book = &mut self.books[idx];
            let [buys, sells] = &book.stops;
            if book.halted_until_ns.is_some() || buys.is_empty() && sells.is_empty() {
                return;
            }
            let Some(last) = book.last else { return };
            let passed = |side: Side, trigger: Option<u16>| {
                trigger.filter(|trigger| accepts(side.opposite(), *trigger, last)).map(|trigger| (side, trigger))
            };
            let Some((side, trigger)) =
                passed(Side::Buy, buys.lowest()).or_else(|| passed(Side::Sell, sells.highest()))
            else {
                return;
            };
            let slot = book.stops[side.index()].level(trigger).head;
            book.stops[side.index()].unlink(&mut self.orders, trigger, slot);
            let (id, order, ticket) = (self.orders.id(slot), self.orders.slots[slot as usize], self.ticket(slot));
            self.orders.release(slot);
            self.accounts.rows[order.tenant.index()].n_orders -= 1;
            let outcome = if order.immediate { self.trade_now(ticket) } else { self.stand(ticket) };
            self.events.push(Event::Triggered { order: id, tenant: order.tenant, outcome });
        }
    }

    /// Runs every auction due by `now_ns`, each at its own time.
    #[cold]
    pub(crate) fn run_auctions_until(&mut self, now_ns: u64) {
        let interval = self.config.auction_interval_ns;
        while self.next_auction_ns <= now_ns {
            let at = self.next_auction_ns;
            self.now_ns = at;
            let mut pending = false;
            for idx in 0..self.books.len() {
                self.interval_ends(idx);
                let book = &self.books[idx];
                pending |= book.halted_until_ns.is_some() || book.volume > 0;
            }
            // With nothing pending, the intervals up to now are all alike: skip them.
            let skipped = if pending { 0 } else { (now_ns - at) / interval };
            self.next_auction_ns = at + (1 + skipped) * interval;
        }
    }

    /// A book at the end of an interval: auction where one is wanted, then a new mark.
    fn interval_ends(&mut self, idx: usize) {
        let (book, at) = (&self.books[idx], self.now_ns);
        let halt_over = book.halted_until_ns.is_some_and(|until| until <= at);
        let open = book.halted_until_ns.is_none();
        let wanted = halt_over || open && !book.waiting.is_empty();
        if wanted {
            self.run_auction(idx);
        }
        let book = &mut self.books[idx];
        if wanted || open && book.volume > 0 {
            let (old, new) = (book.mark, book.average_price());
            book.set_mark(new, self.config.breaker_band_permille);
            self.accounts.mark(idx, old, new);
        }
        if wanted {
            self.wake_stops(idx);
        }
    }

    fn run_auction(&mut self, idx: usize) {
        let collected: Vec<u32> = self.orders.walk(self.books[idx].waiting.head).collect();
        let mut guests = Vec::with_capacity(collected.len());
        for slot in collected {
            self.books[idx].waiting.unlink(&mut self.orders, slot);
            self.orders.slots[slot as usize].place = Place::Resting;
            self.rest(slot, &self.ticket(slot));
            guests.push(self.orders.id(slot));
        }
        let book = &self.books[idx];
        let reference = book.last.unwrap_or_else(|| book.scale.tick_below(book.mark));
        if let Some((tick, volume)) = uniform_price(book, reference) {
            self.trade_at(idx, tick, volume);
        }
        for guest in guests {
            if let Some(slot) = self.orders.find(guest) {
                self.end(slot, Some(Ended::AuctionOver));
            }
        }
        self.books[idx].halted_until_ns = None;
        assert!(!self.books[idx].crossed(), "a book is crossed after its auction");
    }

    /// Trades `volume` units between the best bids and the best asks, all at one price.
    fn trade_at(&mut self, idx: usize, tick: u16, volume: u64) {
        let (mut left, mut traded) = (volume, 0);
        let price = self.books[idx].scale.price(tick);
        while left > 0 {
            let book = &self.books[idx];
            let (Some(bid_tick), Some(ask_tick)) = (book.best(Side::Buy), book.best(Side::Sell)) else { break };
            let bid_slot = book.resting[Side::Buy.index()].level(bid_tick).head;
            let ask_slot = book.resting[Side::Sell.index()].level(ask_tick).head;
            let (bid, ask) = (self.orders.slots[bid_slot as usize], self.orders.slots[ask_slot as usize]);
            let units = (bid.quantity.min(ask.quantity) as u64).min(left) as u32;
            if bid.tenant == ask.tenant {
                // Both sides of it cancel out; the price is the same as if they had traded.
                for slot in [bid_slot, ask_slot] {
                    let ticket = Ticket { quantity: units, ..self.ticket(slot) };
                    self.lift(&ticket);
                    let (order, tenant) = (self.orders.id(slot), ticket.tenant);
                    self.events.push(Event::Ended { order, tenant, quantity: units, why: Ended::SelfTrade });
                }
            } else {
                let settlement = Settlement {
                    buyer: bid.tenant,
                    seller: ask.tenant,
                    quantity: units,
                    price,
                    reserved_price: Some(book.scale.price(bid_tick)),
                    offered: true,
                    mark: book.mark,
                };
                self.accounts.settle(idx, settlement);
                self.record(bid.tenant, ask.tenant, units, price, idx, true);
                traded += units;
            }
            self.take_units(bid_slot, bid_tick, units);
            self.take_units(ask_slot, ask_tick, units);
            left -= u64::from(units);
        }
        if traded > 0 {
            let book = &mut self.books[idx];
            book.last = Some(tick);
            let (resource, epoch) = (book.resource, book.epoch);
            self.events.push(Event::Auctioned { resource, epoch, price, quantity: traded });
        }
    }

    /// All open orders of a book, in no particular order of places.
    pub(crate) fn orders_of_book(&self, idx: usize) -> Vec<u32> {
        let book = &self.books[idx];
        let mut slots: Vec<u32> = self.orders.walk(book.waiting.head).collect();
        for ladder in book.resting.iter().chain(&book.stops) {
            for tick in ladder.ticks() {
                slots.extend(self.orders.walk(ladder.level(tick).head));
            }
        }
        slots
    }

    fn ticket(&self, slot: u32) -> Ticket {
        let order = &self.orders.slots[slot as usize];
        let (tenant, book, side) = (order.tenant, order.book, order.side);
        Ticket { tenant, book, side, tick: order.tick, quantity: order.quantity }
    }

    #[inline]
    fn own_order(&self, tenant: TenantId, order: OrderId) -> Result<u32, Reject> {
        let slot = self.orders.find(order).ok_or(Reject::UnknownOrder(order))?;
        if self.orders.slots[slot as usize].tenant == tenant { Ok(slot) } else { Err(Reject::UnknownOrder(order)) }
    }

    #[inline]
    fn check_quantity(&self, quantity: u32) -> Result<(), Reject> {
        let max = self.config.risk.max_quantity;
        if (1..=max).contains(&quantity) { Ok(()) } else { Err(Reject::Quantity { found: quantity, max }) }
    }
}

/// The limit of an order that accepts any price.
const fn any_price(side: Side) -> Tick {
    match side {
        Side::Buy => Tick::CEILING,
        Side::Sell => Tick::FLOOR,
    }
}
