//! The exchange against a naive one: a flat list of orders, searched from end to end, promises added up anew each time.
//!
//! It shares no code with the crate beyond the vocabulary, and follows the documented rules in the plainest way. Random
//! commands run through both; receipts, events, depths and portfolios must agree after each.

use proptest::prelude::*;
use std::collections::HashMap;
use vgpu_market::*;

const FLOOR: i64 = 1000;
const STEP: i64 = 500;
const INTERVAL: u64 = 1000 * 1000;
const HALT: u64 = 2_500_000;
const BAND_PERMILLE: i64 = 300;
const N_TENANTS: u32 = 4;

fn config() -> Config {
    let resource = Resource {
        name: "compute".to_owned(),
        class: Class::Compute,
        capacity: 1000,
        floor: Credits(FLOOR),
        step: Credits(STEP),
    };
    Config {
        resources: vec![resource],
        horizon: 1,
        auction_interval_ns: INTERVAL,
        halt_ns: HALT,
        breaker_band_permille: BAND_PERMILLE as u32,
        risk: RiskLimits { max_transaction: Credits(4_000_000), max_open_orders: 12, ..RiskLimits::default() },
        ..Config::default()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Resting,
    Waiting,
    Stop { trigger: u16, immediate: bool },
}

#[derive(Clone, Copy, Debug)]
struct Naive {
    number: usize,
    tenant: usize,
    side: Side,
    tick: u16,
    quantity: u32,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Trade(usize, usize, u32, u16, u64, bool),
    Ended(usize, u32, Ended),
    Triggered(usize, Result<(u32, i64, Option<usize>), Reject>),
    Halted(u64),
    Auctioned(u16, u32),
}

/// The naive exchange. Orders are listed in the order of their priority in time.
struct Exchange {
    orders: Vec<Naive>,
    free: Vec<i64>,
    held: Vec<u32>,
    kept: Vec<u32>,
    n_orders: usize,
    mark: i64,
    last: Option<u16>,
    traded: Vec<(u32, i64)>,
    halted: Option<u64>,
    now: u64,
    next_auction: u64,
    said: Vec<Said>,
}

type Done = Result<(u32, i64, Option<usize>), Reject>;

fn price(tick: u16) -> i64 {
    FLOOR + STEP * i64::from(tick)
}

fn good(side: Side, limit: u16, tick: u16) -> bool {
    if side == Side::Buy { tick <= limit } else { tick >= limit }
}

impl Exchange {
    /// Credits without what open bids promise.
    fn unpromised(&self, tenant: usize) -> i64 {
        self.free[tenant] - self.promised(tenant, Side::Buy).map(|o| price(o.tick) * i64::from(o.quantity)).sum::<i64>()
    }

    fn promised(&self, tenant: usize, side: Side) -> impl Iterator<Item = &Naive> {
        let open = move |o: &&Naive| o.tenant == tenant && o.side == side && !matches!(o.state, State::Stop { .. });
        self.orders.iter().filter(open)
    }

    fn band(&self) -> (u16, u16) {
        let width = (self.mark * BAND_PERMILLE / 1000).max(STEP);
        let tick = |price: i64| ((price - FLOOR) / STEP).clamp(0, 4095) as u16;
        (tick((self.mark - width).max(FLOOR)), tick(self.mark + width))
    }

    fn best(&self, side: Side) -> Option<Naive> {
        let resting = self.orders.iter().filter(|o| o.side == side && o.state == State::Resting);
        // The first of equals wins: `min_by_key` keeps it.
        let key = |o: &&Naive| if side == Side::Buy { -i32::from(o.tick) } else { i32::from(o.tick) };
        resting.min_by_key(key).copied()
    }

    fn limits(&self, tenant: usize, value: i64) -> Result<(), Reject> {
        if value > 4_000_000 {
            return Err(Reject::MaxTransaction { value: Credits(value), max: Credits(4_000_000) });
        }
        let equity = self.free[tenant] + i64::from(self.held[tenant]) * self.mark;
        if value * 100 > equity * 8 {
            return Err(Reject::MaxRisk { value: Credits(value), equity: Credits(equity), ppm: 80_000 });
        }
        Ok(())
    }

    fn may(&self, tenant: usize, side: Side, value: i64, buying: u32, selling: u32) -> Result<(), Reject> {
        self.limits(tenant, value)?;
        if side == Side::Buy {
            let free = self.unpromised(tenant);
            if value > free {
                return Err(Reject::Funds { needed: Credits(value), free: Credits(free) });
            }
            let wanted: u32 = self.promised(tenant, Side::Buy).map(|o| o.quantity).sum();
            let would_be = u64::from(self.held[tenant] + wanted + buying);
            if would_be > 750 {
                return Err(Reject::PositionLimit { would_be, limit: 750 });
            }
        } else {
            let offered: u32 = self.promised(tenant, Side::Sell).map(|o| o.quantity).sum();
            let transferable = self.held[tenant] - self.kept[tenant] - offered;
            if selling > transferable {
                return Err(Reject::Transferable { asked: selling, transferable });
            }
        }
        Ok(())
    }

    fn hand_over(&mut self, buyer: usize, seller: usize, units: u32, tick: u16, auction: bool) {
        let cost = price(tick) * i64::from(units);
        self.free[buyer] -= cost;
        self.free[seller] += cost;
        self.held[buyer] += units;
        self.held[seller] -= units;
        self.traded.push((units, price(tick)));
        self.said.push(Said::Trade(buyer, seller, units, tick, self.now, auction));
    }

    fn shrink(&mut self, number: usize, units: u32) {
        let at = self.orders.iter().position(|o| o.number == number).expect("listed");
        self.orders[at].quantity -= units;
        if self.orders[at].quantity == 0 {
            self.orders.remove(at);
        }
    }

    fn trade(&mut self, tenant: usize, side: Side, limit: u16, quantity: u32) -> (u32, i64) {
        let (mut left, mut value) = (quantity, 0);
        while left > 0 && self.halted.is_none() {
            let Some(maker) = self.best(side.opposite()).filter(|o| good(side, limit, o.tick)) else { break };
            let (low, high) = self.band();
            if !good(side, if side == Side::Buy { high } else { low }, maker.tick) {
                self.halted = Some(self.now + HALT);
                self.said.push(Said::Halted(self.now + HALT));
                break;
            }
            if maker.tenant == tenant {
                self.orders.retain(|o| o.number != maker.number);
                self.said.push(Said::Ended(maker.number, maker.quantity, Ended::SelfTrade));
                continue;
            }
            let units = left.min(maker.quantity);
            let (buyer, seller) = if side == Side::Buy { (tenant, maker.tenant) } else { (maker.tenant, tenant) };
            self.hand_over(buyer, seller, units, maker.tick, false);
            self.shrink(maker.number, units);
            self.last = Some(maker.tick);
            left -= units;
            value += price(maker.tick) * i64::from(units);
        }
        (quantity - left, value)
    }

    fn add(&mut self, tenant: usize, side: Side, tick: u16, quantity: u32, state: State) -> usize {
        self.n_orders += 1;
        self.orders.push(Naive { number: self.n_orders, tenant, side, tick, quantity, state });
        self.n_orders
    }

    fn stand(&mut self, tenant: usize, side: Side, tick: u16, quantity: u32) -> Done {
        self.may(tenant, side, price(tick) * i64::from(quantity), quantity, quantity)?;
        let (filled, value) = self.trade(tenant, side, tick, quantity);
        let rest = (filled < quantity).then(|| self.add(tenant, side, tick, quantity - filled, State::Resting));
        Ok((filled, value, rest))
    }

    fn now(&mut self, tenant: usize, side: Side, limit: u16, quantity: u32) -> Done {
        if self.halted.is_some() {
            return Err(Reject::Halted);
        }
        let (low, high) = self.band();
        let edge = if side == Side::Buy { limit.min(high) } else { limit.max(low) };
        let mut makers: Vec<_> = self.orders.iter().filter(|o| o.side != side && o.state == State::Resting).collect();
        makers.retain(|o| good(side, edge, o.tick));
        makers.sort_by_key(|o| if side == Side::Buy { i32::from(o.tick) } else { -i32::from(o.tick) });
        let (mut units, mut value) = (0, 0);
        for maker in makers {
            let more = maker.quantity.min(quantity - units);
            units += more;
            value += price(maker.tick) * i64::from(more);
        }
        self.may(tenant, side, value, units, quantity)?;
        let (filled, value) = self.trade(tenant, side, limit, quantity);
        Ok((filled, value, None))
    }

    fn wake(&mut self) {
        loop {
            let (Some(last), None) = (self.last, self.halted) else { return };
            let woken = |o: &&Naive, side: Side| match o.state {
                State::Stop { trigger, .. } => o.side == side && good(side.opposite(), trigger, last),
                _ => false,
            };
            let trigger = |o: &&Naive| match o.state {
                State::Stop { trigger, .. } => i32::from(trigger),
                _ => 0,
            };
            let buy = self.orders.iter().filter(|o| woken(o, Side::Buy)).min_by_key(trigger);
            let sell = || self.orders.iter().filter(|o| woken(o, Side::Sell)).min_by_key(|o| -trigger(o));
            let Some(stop) = buy.or_else(sell).copied() else { return };
            self.orders.retain(|o| o.number != stop.number);
            let State::Stop { immediate, .. } = stop.state else { return };
            let done = if immediate {
                self.now(stop.tenant, stop.side, stop.tick, stop.quantity)
            } else {
                self.stand(stop.tenant, stop.side, stop.tick, stop.quantity)
            };
            self.said.push(Said::Triggered(stop.number, done));
        }
    }

    fn auction(&mut self) {
        let guests: Vec<usize> = self.orders.iter().filter(|o| o.state == State::Waiting).map(|o| o.number).collect();
        // They queue behind what rests already.
        let (waiting, mut rest): (Vec<_>, Vec<_>) = self.orders.iter().partition(|o| o.state == State::Waiting);
        rest.extend(waiting.into_iter().map(|o: Naive| Naive { state: State::Resting, ..o }));
        self.orders = rest;
        let reference = self.last.unwrap_or(((self.mark - FLOOR) / STEP).clamp(0, 4095) as u16);
        let volume_at = |tick: u16| {
            let sum = |side: Side| -> u64 {
                let open = |o: &&Naive| o.side == side && o.state == State::Resting && good(side, o.tick, tick);
                self.orders.iter().filter(open).map(|o| u64::from(o.quantity)).sum()
            };
            let (demand, supply) = (sum(Side::Buy), sum(Side::Sell));
            (demand.min(supply), demand.abs_diff(supply))
        };
        let mut ticks: Vec<u16> = self.orders.iter().filter(|o| o.state == State::Resting).map(|o| o.tick).collect();
        ticks.push(reference);
        let key = |tick: &u16| {
            let (volume, imbalance) = volume_at(*tick);
            (u64::MAX - volume, imbalance, tick.abs_diff(reference), *tick)
        };
        let tick = ticks.into_iter().min_by_key(key).expect("the reference at least");
        let (mut left, _) = volume_at(tick);
        let mut traded = 0;
        while left > 0 {
            let (bid, ask) = (self.best(Side::Buy).expect("volume"), self.best(Side::Sell).expect("volume"));
            let units = u64::from(bid.quantity.min(ask.quantity)).min(left) as u32;
            if bid.tenant == ask.tenant {
                self.said.push(Said::Ended(bid.number, units, Ended::SelfTrade));
                self.said.push(Said::Ended(ask.number, units, Ended::SelfTrade));
            } else {
                self.hand_over(bid.tenant, ask.tenant, units, tick, true);
                traded += units;
            }
            self.shrink(bid.number, units);
            self.shrink(ask.number, units);
            left -= u64::from(units);
        }
        if traded > 0 {
            self.last = Some(tick);
            self.said.push(Said::Auctioned(tick, traded));
        }
        for guest in guests {
            if let Some(at) = self.orders.iter().position(|o| o.number == guest) {
                let order = self.orders.remove(at);
                self.said.push(Said::Ended(guest, order.quantity, Ended::AuctionOver));
            }
        }
        self.halted = None;
    }

    fn pass_time(&mut self, now: u64) {
        while self.next_auction <= now {
            self.now = self.next_auction;
            let over = self.halted.is_some_and(|until| until <= self.now);
            let open = self.halted.is_none();
            let wanted = over || open && self.orders.iter().any(|o| o.state == State::Waiting);
            if wanted {
                self.auction();
            }
            let volume: i64 = self.traded.iter().map(|(units, _)| i64::from(*units)).sum();
            if wanted || open && volume > 0 {
                if volume > 0 {
                    self.mark =
                        self.traded.iter().map(|(units, price)| i64::from(*units) * price).sum::<i64>() / volume;
                }
                self.traded.clear();
            }
            if wanted {
                self.wake();
            }
            self.next_auction += INTERVAL;
        }
        self.now = now;
    }

    fn depth(&self, side: Side) -> Vec<(Tick, u64)> {
        let mut levels: HashMap<u16, u64> = HashMap::new();
        for order in self.orders.iter().filter(|o| o.side == side && o.state == State::Resting) {
            *levels.entry(order.tick).or_default() += u64::from(order.quantity);
        }
        let mut levels: Vec<_> = levels.into_iter().map(|(tick, quantity)| (Tick(tick), quantity)).collect();
        levels.sort();
        if side == Side::Buy {
            levels.reverse();
        }
        levels
    }
}

#[derive(Clone, Debug)]
enum Step {
    Place { tenant: u32, side: bool, kind: u8, tick: u16, trigger: u16, quantity: u32 },
    Cancel { nth: usize },
    Move { nth: usize, tick: u16, quantity: u32 },
    Wait { ns: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    // Most prices around the middle, so that orders meet; some far off, so that the breaker is reached.
    let tick = || prop_oneof![8 => 90u16..110, 1 => 60u16..140, 1 => 0u16..4096];
    let quantity = || prop_oneof![6 => 1u32..30, 1 => 1u32..400];
    prop_oneof![
        10 => (0..N_TENANTS, any::<bool>(), 0u8..9, tick(), tick(), quantity()).prop_map(
            |(tenant, side, kind, tick, trigger, quantity)| Step::Place { tenant, side, kind, tick, trigger, quantity }
        ),
        2 => any::<usize>().prop_map(|nth| Step::Cancel { nth }),
        4 => (any::<usize>(), tick(), quantity()).prop_map(|(nth, tick, quantity)| Step::Move { nth, tick, quantity }),
        2 => (1u64..1_500_000).prop_map(|ns| Step::Wait { ns }),
    ]
}

/// Both exchanges, and which order of one is which of the other.
struct Pair {
    market: Market,
    naive: Exchange,
    ids: HashMap<usize, OrderId>,
}

impl Pair {
    fn new() -> Self {
        let mut market = Market::new(config()).expect("valid");
        for _ in 0..N_TENANTS {
            let opened = market.apply(0, &Command::OpenTenant { budget: Credits::whole(60) });
            let Ok(Receipt::Tenant(tenant)) = opened else { panic!("{opened:?}") };
            let utility = Utility::CobbDouglas { weights: vec![1] };
            market.apply(0, &Command::Declare { tenant, utility }).expect("accepted");
        }
        market.apply(0, &Command::Clear).expect("accepted");
        let (resource, epoch) = (ResourceId(0), Epoch(2));
        let all = || (0..N_TENANTS).map(TenantId);
        let position = |tenant| market.position(tenant, resource, epoch).expect("open");
        let naive = Exchange {
            orders: Vec::new(),
            free: all().map(|tenant| market.portfolio(tenant).expect("open").free.0).collect(),
            held: all().map(|tenant| position(tenant).held).collect(),
            kept: all().map(|tenant| position(tenant).kept).collect(),
            n_orders: 0,
            mark: market.mark(resource, epoch).expect("open").0,
            last: None,
            traded: Vec::new(),
            halted: None,
            now: 0,
            next_auction: INTERVAL,
            said: Vec::new(),
        };
        Self { market, naive, ids: HashMap::new() }
    }

    fn run(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let mut now = self.naive.now;
        self.naive.said.clear();
        let outcome = match step {
            Step::Wait { ns } => {
                now += ns;
                self.naive.pass_time(now);
                self.market.apply(now, &Command::Advance)
            }
            Step::Place { tenant, side, kind, tick, trigger, quantity } => {
                let side = if *side { Side::Buy } else { Side::Sell };
                let (expected, kind) = self.place_naive(*tenant as usize, side, *kind, *tick, *trigger, *quantity);
                let (tenant, resource, epoch) = (TenantId(*tenant), ResourceId(0), Epoch(2));
                let order = NewOrder { tenant, resource, epoch, side, kind, quantity: *quantity };
                let outcome = self.market.apply(now, &Command::Place(order));
                self.same(&outcome, expected)?;
                outcome
            }
            Step::Cancel { nth } => {
                let Some(order) = self.pick(*nth) else { return Ok(()) };
                let id = self.ids[&order.number];
                self.naive.orders.retain(|o| o.number != order.number);
                let tenant = TenantId(order.tenant as u32);
                let stranger = TenantId((order.tenant as u32 + 1) % N_TENANTS);
                let refused = self.market.apply(now, &Command::Cancel { tenant: stranger, order: id });
                prop_assert_eq!(refused, Err(Reject::UnknownOrder(id)));
                let outcome = self.market.apply(now, &Command::Cancel { tenant, order: id });
                prop_assert_eq!(&outcome, &Ok(Receipt::Done));
                let again = self.market.apply(now, &Command::Cancel { tenant, order: id });
                prop_assert_eq!(again, Err(Reject::UnknownOrder(id)));
                outcome
            }
            Step::Move { nth, tick, quantity } => {
                let Some(order) = self.pick(*nth) else { return Ok(()) };
                let id = self.ids[&order.number];
                let expected = self.move_naive(order, id, *tick, *quantity);
                let tenant = TenantId(order.tenant as u32);
                let command = Command::Move { tenant, order: id, tick: Tick(*tick), quantity: *quantity };
                let outcome = self.market.apply(now, &command);
                self.same(&outcome, expected)?;
                outcome
            }
        };
        let _ = outcome;
        self.compare()
    }

    fn pick(&self, nth: usize) -> Option<Naive> {
        let orders = &self.naive.orders;
        (!orders.is_empty()).then(|| orders[nth % orders.len()])
    }

    fn place_naive(
        &mut self,
        tenant: usize,
        side: Side,
        kind: u8,
        tick: u16,
        trigger: u16,
        quantity: u32,
    ) -> (Done, Kind) {
        let naive = &mut self.naive;
        let any = if side == Side::Buy { 4095 } else { 0 };
        let kind = match kind {
            0 => Kind::Market,
            1 => Kind::Limit { tick: Tick(tick), lifetime: Lifetime::Immediate },
            2 => Kind::Limit { tick: Tick(tick), lifetime: Lifetime::Auction },
            3 => Kind::Stop { trigger: Tick(trigger) },
            4 => Kind::StopLimit { trigger: Tick(trigger), tick: Tick(tick) },
            _ => Kind::Limit { tick: Tick(tick), lifetime: Lifetime::Standing },
        };
        let n_open = naive.orders.iter().filter(|o| o.tenant == tenant).count() as u32;
        if n_open >= 12 {
            return (Err(Reject::TooManyOrders(n_open)), kind);
        }
        let value = price(tick) * i64::from(quantity);
        let stop = |naive: &mut Exchange, tick: u16, immediate: bool| match naive.last {
            Some(last) if good(side.opposite(), trigger, last) => Err(Reject::TriggerPassed { trigger, last }),
            _ => Ok((0, 0, Some(naive.add(tenant, side, tick, quantity, State::Stop { trigger, immediate })))),
        };
        let done = match kind {
            Kind::Market => naive.now(tenant, side, any, quantity),
            Kind::Limit { lifetime: Lifetime::Immediate, .. } => naive.now(tenant, side, tick, quantity),
            Kind::Limit { lifetime: Lifetime::Standing, .. } => naive.stand(tenant, side, tick, quantity),
            Kind::Limit { lifetime: Lifetime::Auction, .. } => naive
                .may(tenant, side, value, quantity, quantity)
                .map(|()| (0, 0, Some(naive.add(tenant, side, tick, quantity, State::Waiting)))),
            Kind::Stop { .. } => stop(naive, any, true),
            Kind::StopLimit { .. } => stop(naive, tick, false),
        };
        if matches!(done, Ok((1.., _, _))) {
            naive.wake();
        }
        (done, kind)
    }

    fn move_naive(&mut self, order: Naive, id: OrderId, tick: u16, quantity: u32) -> Done {
        let naive = &mut self.naive;
        if order.state != State::Resting {
            return Err(Reject::NotResting(id));
        }
        let at = naive.orders.iter().position(|o| o.number == order.number).expect("listed");
        if tick == order.tick && quantity <= order.quantity {
            naive.orders[at].quantity = quantity;
            return Ok((0, 0, Some(order.number)));
        }
        naive.orders.remove(at);
        let value = price(tick) * i64::from(quantity);
        if let Err(reject) = naive.may(order.tenant, order.side, value, quantity, quantity) {
            naive.orders.insert(at, order);
            return Err(reject);
        }
        let (filled, value) = naive.trade(order.tenant, order.side, tick, quantity);
        let rest = (filled < quantity).then(|| {
            naive.orders.push(Naive { tick, quantity: quantity - filled, ..order });
            order.number
        });
        if filled > 0 {
            naive.wake();
        }
        Ok((filled, value, rest))
    }

    fn same(&mut self, outcome: &Result<Receipt, Reject>, expected: Done) -> Result<(), TestCaseError> {
        match (outcome, expected) {
            (Ok(Receipt::Order(done)), Ok((filled, value, order))) => {
                prop_assert_eq!((done.filled, done.value.0), (filled, value));
                prop_assert_eq!(done.order.is_some(), order.is_some());
                if let (Some(id), Some(number)) = (done.order, order) {
                    let known = self.ids.insert(number, id);
                    prop_assert!(known.is_none_or(|known| known == id));
                }
            }
            (Err(reject), Err(expected)) => prop_assert_eq!(*reject, expected),
            (outcome, expected) => prop_assert!(false, "{:?}, expected {:?}", outcome, expected),
        }
        Ok(())
    }

    fn compare(&mut self) -> Result<(), TestCaseError> {
        let said = self.naive.said.clone();
        let events = self.market.events().to_vec();
        prop_assert_eq!(events.len(), said.len(), "{:?} and {:?}", events, said);
        for (event, said) in events.iter().zip(said) {
            match (event, said) {
                (Event::Trade(trade), Said::Trade(buyer, seller, units, tick, at, auction)) => {
                    prop_assert_eq!((trade.buyer.index(), trade.seller.index()), (buyer, seller));
                    prop_assert_eq!((trade.quantity, trade.price.0), (units, price(tick)));
                    prop_assert_eq!((trade.time_ns, trade.auction), (at, auction));
                }
                (Event::Ended { order, quantity, why, .. }, Said::Ended(number, units, reason)) => {
                    prop_assert_eq!((*order, *quantity, *why), (self.ids[&number], units, reason));
                }
                (Event::Triggered { order, outcome, .. }, Said::Triggered(number, expected)) => {
                    prop_assert_eq!(*order, self.ids[&number]);
                    self.same(&outcome.map(Receipt::Order), expected)?;
                }
                (Event::Halted { until_ns, .. }, Said::Halted(until)) => prop_assert_eq!(*until_ns, until),
                (Event::Auctioned { price: at, quantity, .. }, Said::Auctioned(tick, units)) => {
                    prop_assert_eq!((at.0, *quantity), (price(tick), units));
                }
                (event, said) => prop_assert!(false, "{:?}, expected {:?}", event, said),
            }
        }
        let (market, naive) = (&self.market, &self.naive);
        for side in [Side::Buy, Side::Sell] {
            prop_assert_eq!(market.depth(ResourceId(0), Epoch(2), side).expect("open"), naive.depth(side));
        }
        for tenant in 0..N_TENANTS {
            let portfolio = market.portfolio(TenantId(tenant)).expect("open");
            let tenant = tenant as usize;
            prop_assert_eq!(portfolio.free.0, naive.unpromised(tenant));
            prop_assert_eq!((portfolio.free + portfolio.reserved).0, naive.free[tenant]);
            prop_assert_eq!(portfolio.leases.0, naive.mark * i64::from(naive.held[tenant]));
        }
        if let Err(broken) = market.audit() {
            prop_assert!(false, "{}", broken);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_exchange_is_the_naive_one(steps in prop::collection::vec(step(), 1..120)) {
        let mut pair = Pair::new();
        for step in &steps {
            pair.run(step)?;
        }
    }
}

/// The strategy reaches what it is for: all kinds of events happen.
#[test]
fn the_random_commands_reach_everything() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config as Runs, RngAlgorithm, TestRng, TestRunner};
    let mut runner = TestRunner::new_with_rng(Runs::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let mut counts: HashMap<String, usize> = HashMap::new();
    for _ in 0..60 {
        let steps = prop::collection::vec(step(), 120..121).new_tree(&mut runner).expect("generates").current();
        let mut pair = Pair::new();
        for step in &steps {
            pair.run(step).expect("agrees");
            for event in pair.market.events() {
                let name = match event {
                    Event::Trade(trade) if trade.auction => "auction trade".to_owned(),
                    Event::Ended { why, .. } => format!("{why:?}"),
                    Event::Triggered { outcome, .. } => format!("triggered {}", outcome.is_ok()),
                    other => format!("{other:?}").split([' ', '(']).next().expect("a name").to_owned(),
                };
                *counts.entry(name).or_default() += 1;
            }
        }
    }
    let expected = [
        "Trade",
        "auction trade",
        "SelfTrade",
        "AuctionOver",
        "triggered true",
        "triggered false",
        "Halted",
        "Auctioned",
    ];
    for name in expected {
        assert!(counts.get(name).copied().unwrap_or(0) >= 5, "{name}: {counts:?}");
    }
}
