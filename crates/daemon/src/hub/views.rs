//! What the hub's thread knows, as the API shows it; and orders, as the market wants them.

use super::{HubError, State};
use crate::api::types::*;
use crate::jobs::now_ns;
use std::sync::Arc;
use vgpu_market::{
    Command, Credits, Epoch, Kind, Lifetime, NewOrder, OrderId, ResourceId, Side, TenantId, Tick, Trade, Utility,
};

/// Rows of the live picture's lists.
const ROWS: usize = 20;

/// An amount of credits as the market counts it.
///
/// # Errors
/// It is not a number of credits.
pub fn credits(amount: f64) -> Result<Credits, HubError> {
    if amount.is_finite() && (0.0..=1e9).contains(&amount) {
        return Ok(Credits((amount * 1e6).round() as i64));
    }
    Err(HubError::Invalid(format!("an amount is {amount}; accepted is 0 to 1000000000 credits")))
}

impl State {
    /// The daemon as a whole.
    pub fn status(&self) -> Status {
        let view = self.device.view();
        let used: u64 = self.tenants.keys().map(|tenant| self.jobs.used_bytes(*tenant)).sum();
        let hash = blake3::Hash::from_bytes(self.market.market().hash());
        let device = DeviceStatus {
            name: format!("vgpu software device, {} processors", self.settings.processors),
            processors: self.settings.processors,
            workers: view.workers,
            memory_bytes: self.settings.memory_bytes,
            memory_used_bytes: used,
            utilisation_percent: self.utilisation_percent(),
            temperature_c: self.snapshot.temperature_c.clone(),
            power_w: self.snapshot.power_w.clone(),
            memory_pressure_percent: self.snapshot.memory_pressure_percent.clone(),
            phase: format!("{:?}", self.cooldown.phase()).to_lowercase(),
            pace_permille: view.pace_permille,
            power_limit_w: f64::from(view.power_mw) / 1000.0,
        };
        let urgency = self.device.arbiter().urgency();
        let isolation = vec![
            Measure { name: "processes".to_owned(), active: true, detail: "one worker process per tenant".to_owned() },
            Measure {
                name: "arbiter".to_owned(),
                active: true,
                detail: format!("shares enforced between blocks every millisecond; its thread runs {urgency}"),
            },
        ];
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            mode: self.settings.mode.name().to_owned(),
            uptime_s: self.started.elapsed().as_secs_f64(),
            device,
            epoch: self.market.market().epoch().0,
            epoch_ms: self.settings.epoch.as_millis() as u64,
            tenants: self.tenants.len() as u32,
            jobs: self.jobs.counts(),
            market_hash: hash.to_hex().to_string(),
            isolation,
            healthy: self.healthy.load(std::sync::atomic::Ordering::Relaxed),
        }
    }

    /// A tenant.
    ///
    /// # Errors
    /// There is none of this number.
    pub fn tenant_view(&self, id: u32) -> Result<TenantView, HubError> {
        let tenant = self.tenant(id)?;
        let market = self.market.market();
        let portfolio = market.portfolio(TenantId(id))?;
        let resources = &market.config().resources;
        let share = |resource: usize| self.device.share(id, resource as u16);
        let shares = resources.iter().enumerate().map(|(idx, resource)| (resource.name.clone(), share(idx))).collect();
        let usage = self.device.arbiter().usage(id);
        let all: u64 = self.tenants.keys().map(|other| self.device.arbiter().usage(*other).last_second_ns).sum();
        let (queued, running) = self.jobs.load(id);
        Ok(TenantView {
            id,
            name: tenant.name.clone(),
            free_credits: portfolio.free.as_f64(),
            equity: portfolio.equity.as_f64(),
            shares,
            entitled_percent: self.entitled_percent(id),
            used_percent: usage.last_second_ns as f64 * 100.0 / all.max(1) as f64,
            cpu_ns: usage.cpu_ns,
            memory_bytes: self.jobs.used_bytes(id),
            memory_quota_bytes: self.device.quotas().of(id),
            pid: usage.pid,
            isolation: self.jobs.isolation(id),
            queued,
            running,
        })
    }

    /// All tenants.
    pub fn tenant_views(&self) -> Vec<TenantView> {
        self.tenants.keys().filter_map(|id| self.tenant_view(*id).ok()).collect()
    }

    /// The market.
    pub fn market_view(&self) -> MarketView {
        let market = self.market.market();
        let next = Epoch(*market.open_epochs().start());
        let resources = market.config().resources.iter().enumerate().map(|(idx, resource)| {
            let id = ResourceId(idx as u16);
            let price = |tick| market.price(id, tick).map_or(0.0, |price| price.as_f64());
            ResourceView {
                id: id.0,
                name: resource.name.clone(),
                capacity: resource.capacity,
                supply: market.supply()[idx],
                price: self.next_price(id.0),
                floor: price(Tick::FLOOR),
                ceiling: price(Tick::CEILING),
                halted: market.is_halted(id, next).unwrap_or(false),
            }
        });
        MarketView {
            epoch: market.epoch().0,
            open_epochs: market.open_epochs().collect(),
            resources: resources.collect(),
            n_trades: market.history().n_trades(),
            epsilon_ppm: market.certificate().map(|certificate| certificate.epsilon_ppm),
            rounds: market.certificate().map(|certificate| certificate.rounds),
        }
    }

    fn resource(&self, name: &str) -> Result<ResourceId, HubError> {
        let resources = &self.market.market().config().resources;
        let found = resources.iter().position(|resource| resource.name == name);
        found.map(|idx| ResourceId(idx as u16)).ok_or_else(|| {
            let names: Vec<&str> = resources.iter().map(|resource| resource.name.as_str()).collect();
            HubError::Invalid(format!("the resource is {name:?}; accepted are {}", names.join(", ")))
        })
    }

    /// Number of the resource of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn resource_id(&self, name: &str) -> Result<u16, HubError> {
        self.resource(name).map(|id| id.0)
    }

    fn resource_name(&self, id: ResourceId) -> String {
        self.market.market().config().resources.get(id.index()).map(|found| found.name.clone()).unwrap_or_default()
    }

    /// The book of a resource in an epoch; the last that is open when none is named.
    ///
    /// # Errors
    /// There is no such resource, or the epoch is not open.
    pub fn book_view(&self, resource: &str, epoch: Option<u32>) -> Result<BookView, HubError> {
        let id = self.resource(resource)?;
        let market = self.market.market();
        let epoch = Epoch(epoch.unwrap_or(*market.open_epochs().end()));
        let levels =
            |side| self.levels(id.0, epoch.0, side).into_iter().map(|(price, units)| Level { price, units }).collect();
        Ok(BookView {
            resource: resource.to_owned(),
            epoch: epoch.0,
            mark: market.mark(id, epoch)?.as_f64(),
            halted: market.is_halted(id, epoch)?,
            bids: levels(Side::Buy),
            asks: levels(Side::Sell),
        })
    }

    /// The newest trades, of one tenant or of all.
    pub fn trade_views(&self, tenant: Option<u32>, most: usize) -> Vec<TradeView> {
        let market = self.market.market();
        let view = |trade: &Trade| TradeView {
            number: trade.number,
            time_ns: trade.time_ns,
            resource: self.resource_name(trade.resource),
            epoch: trade.epoch.0,
            price: trade.price.as_f64(),
            quantity: trade.quantity,
            buyer: trade.buyer.0,
            seller: trade.seller.0,
            auction: trade.auction,
        };
        match tenant {
            Some(tenant) => market.trades_of(TenantId(tenant)).rev().take(most).map(view).collect(),
            None => market.history().trades().rev().take(most).map(view).collect(),
        }
    }

    /// What a tenant has.
    ///
    /// # Errors
    /// There is no such tenant.
    pub fn portfolio_view(&self, tenant: u32) -> Result<PortfolioView, HubError> {
        self.tenant(tenant)?;
        let portfolio = self.market.market().portfolio(TenantId(tenant))?;
        let line = |line: &vgpu_market::Line| LineView {
            resource: self.resource_name(line.resource),
            epoch: line.epoch.0,
            held: line.position.held,
            offered: line.position.offered,
            transferable: line.position.transferable(),
            wanted: line.position.wanted,
            mark: line.mark.as_f64(),
            value: line.value.as_f64(),
        };
        Ok(PortfolioView {
            free: portfolio.free.as_f64(),
            reserved: portfolio.reserved.as_f64(),
            leases: portfolio.leases.as_f64(),
            equity: portfolio.equity.as_f64(),
            n_orders: portfolio.n_orders,
            lines: portfolio.lines.iter().map(line).collect(),
        })
    }

    /// A tenant's open orders.
    ///
    /// # Errors
    /// There is no such tenant.
    pub fn open_orders(&self, tenant: u32) -> Result<Vec<OpenOrder>, HubError> {
        self.tenant(tenant)?;
        let view = |order: vgpu_market::OpenOrder| OpenOrder {
            order: order.order.0.to_string(),
            resource: self.resource_name(order.resource),
            epoch: order.epoch.0,
            side: if order.side == Side::Buy { SideName::Buy } else { SideName::Sell },
            quantity: order.quantity,
        };
        Ok(self.market.market().orders_of(TenantId(tenant)).map(view).collect())
    }

    /// A price as a step of the ladder: what is bid is rounded down, what is asked up, so that nobody gets worse than was said.
    fn tick(&self, resource: ResourceId, side: SideName, price: f64) -> Result<Tick, HubError> {
        let found = &self.market.market().config().resources[resource.index()];
        let (floor, step) = (found.floor.as_f64(), found.step.as_f64());
        let steps = (price - floor) / step;
        // A price that is a step must not become its neighbour by a rounding error.
        let steps = match side {
            SideName::Buy => (steps + 1e-6).floor(),
            SideName::Sell => (steps - 1e-6).ceil(),
        };
        let ceiling = floor + step * f64::from(Tick::CEILING.0);
        if steps.is_finite() && (0.0..=f64::from(Tick::CEILING.0)).contains(&steps) {
            return Ok(Tick(steps as u16));
        }
        Err(HubError::Invalid(format!("the price is {price}; accepted is {floor} to {ceiling} credits")))
    }

    /// An order as the market takes it.
    ///
    /// # Errors
    /// A name or price means nothing.
    pub fn order_command(&self, tenant: u32, request: &OrderRequest) -> Result<(Command, u32), HubError> {
        self.tenant(tenant)?;
        let resource = self.resource(&request.resource)?;
        let epoch = request.epoch.unwrap_or(*self.market.market().open_epochs().end());
        let needed = |what: &str, price: Option<f64>| {
            let price = price.ok_or_else(|| HubError::Invalid(format!("an order of this type needs a {what}")))?;
            self.tick(resource, request.side, price)
        };
        let kind = match request.kind {
            OrderKind::Market => Kind::Market,
            OrderKind::Limit => {
                let lifetime = match request.lifetime {
                    LifetimeName::Standing => Lifetime::Standing,
                    LifetimeName::Immediate => Lifetime::Immediate,
                    LifetimeName::Auction => Lifetime::Auction,
                };
                Kind::Limit { tick: needed("price", request.price)?, lifetime }
            }
            OrderKind::Stop => Kind::Stop { trigger: needed("trigger", request.trigger)? },
            OrderKind::StopLimit => {
                Kind::StopLimit { trigger: needed("trigger", request.trigger)?, tick: needed("price", request.price)? }
            }
        };
        let side = if request.side == SideName::Buy { Side::Buy } else { Side::Sell };
        let (tenant, quantity) = (TenantId(tenant), request.quantity);
        let order = NewOrder { tenant, resource, epoch: Epoch(epoch), side, kind, quantity };
        Ok((Command::Place(order), epoch))
    }

    /// A move of an order as the market takes it.
    ///
    /// # Errors
    /// The tenant has no such order, or the price means nothing.
    pub fn move_command(&self, tenant: u32, order: u64, request: &OrderMove) -> Result<Command, HubError> {
        let mut open = self.market.market().orders_of(TenantId(tenant));
        let found = open.find(|open| open.order == OrderId(order));
        let found = found.ok_or(HubError::Refused(vgpu_market::Reject::UnknownOrder(OrderId(order))))?;
        let side = if found.side == Side::Buy { SideName::Buy } else { SideName::Sell };
        let tick = self.tick(found.resource, side, request.price)?;
        Ok(Command::Move { tenant: TenantId(tenant), order: OrderId(order), tick, quantity: request.quantity })
    }

    /// The newest decisions of the guard.
    pub fn decisions(&self, most: usize) -> Vec<DecisionView> {
        let view = |record: &vgpu_policy::Record| DecisionView {
            number: record.number,
            time_ns: record.time_ns,
            by: record.by.clone(),
            because: record.because.clone(),
            change: format!("{:?}", record.change),
            phase: format!("{:?}", record.phase).to_lowercase(),
            admitted: record.outcome.is_ok(),
            denied: record.outcome.as_ref().err().map(ToString::to_string),
        };
        self.guard.records().rev().take(most).map(view).collect()
    }

    /// The newest signals.
    pub fn signal_views(&self, most: usize) -> Vec<SignalView> {
        self.recent_signals.iter().rev().take(most).cloned().collect()
    }

    /// What lies where.
    pub fn memory_map(&self) -> MemoryMap {
        let tenants: Vec<TenantMemory> = self
            .tenants
            .keys()
            .map(|tenant| TenantMemory {
                tenant: *tenant,
                quota_bytes: self.device.quotas().of(*tenant),
                buffers: self.jobs.buffers(*tenant),
            })
            .collect();
        let used_bytes = tenants.iter().flat_map(|tenant| &tenant.buffers).map(|buffer| buffer.bytes).sum();
        let tiers = vec![TierView { name: "vram".to_owned(), bytes: self.settings.memory_bytes, used_bytes }];
        MemoryMap { tiers, tenants }
    }

    /// Everything at once, for the dashboard.
    pub fn live_picture(&self) -> Live {
        let resources = self.market.market().config().resources.iter();
        let books = resources.filter_map(|resource| self.book_view(&resource.name, None).ok());
        Live {
            time_ns: now_ns(),
            status: self.status(),
            tenants: self.tenant_views(),
            market: self.market_view(),
            books: books.collect(),
            trades: self.trade_views(None, ROWS),
            jobs: self.jobs.jobs(None, ROWS),
            launches: self.jobs.figures(),
            signals: self.signal_views(ROWS),
            decisions: self.decisions(ROWS),
            errors: self.errors.iter().rev().take(ROWS).cloned().collect(),
        }
    }

    pub(super) fn draw(&mut self) {
        if self.live.receiver_count() == 0 {
            // Nobody looks.
            return;
        }
        match serde_json::to_string(&self.live_picture()) {
            Ok(text) => drop(self.live.send_replace(Arc::from(text))),
            Err(error) => self.log_error(format!("the live picture could not be drawn: {error}")),
        }
    }
}

/// A declared utility as the market takes it.
pub fn utility(view: UtilityView) -> Utility {
    match view {
        UtilityView::Idle {} => Utility::Idle,
        UtilityView::Leontief { per_bundle, bundles } => Utility::Leontief { per_bundle, bundles },
        UtilityView::CobbDouglas { weights } => Utility::CobbDouglas { weights },
        UtilityView::Linear { values } => Utility::Linear { values },
    }
}
