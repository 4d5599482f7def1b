//! What a market is set up with; it does not change while the market runs.

use crate::risk::RiskLimits;
use crate::units::{Credits, N_TICKS};
use thiserror::Error;

/// What a resource is of; decides which sensors reduce it ([`crate::supply`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Time of processors.
    Compute,
    /// Bytes of a memory tier.
    Memory,
    /// A part of a cache.
    Cache,
    /// Bytes per second.
    Bandwidth,
}

/// One traded resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Its name in the API, such as `compute`.
    pub name: String,
    /// What it is of.
    pub class: Class,
    /// Units there are when nothing is wrong.
    pub capacity: u32,
    /// Lowest price of a unit for an epoch: tick 0.
    pub floor: Credits,
    /// Difference between two ticks. The price ceiling is `floor + 4095 * step`.
    pub step: Credits,
}

impl Resource {
    /// A resource whose units are ten-thousandths, priced from 0.001 to about 4.1 credits.
    pub fn share(name: &str, class: Class) -> Self {
        Self { name: name.to_owned(), class, capacity: 10_000, floor: Credits(1000), step: Credits(1000) }
    }

    /// The resources of a software device, in shares of a hundredth of a percent.
    pub fn of_device() -> Vec<Self> {
        vec![
            Self::share("compute", Class::Compute),
            Self::share("vram", Class::Memory),
            Self::share("ram", Class::Memory),
            Self::share("cache_l1", Class::Cache),
            Self::share("cache_l2", Class::Cache),
            Self::share("cache_l3", Class::Cache),
            Self::share("bandwidth", Class::Bandwidth),
        ]
    }
}

/// Set-up of a market.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What is traded.
    pub resources: Vec<Resource>,
    /// How many coming epochs can be traded: an epoch is cleared this many epochs before it begins.
    pub horizon: u16,
    /// The most tenants ever.
    pub max_tenants: u32,
    /// Limits before every order.
    pub risk: RiskLimits,
    /// Time between batch auctions.
    pub auction_interval_ns: u64,
    /// How far from the mark continuous trading may go, in thousandths.
    pub breaker_band_permille: u32,
    /// How long continuous trading stops at least when it wants to go further.
    pub halt_ns: u64,
    /// The part of a cleared share that may be sold, in thousandths. Where everything could be sold, gains from misreporting
    /// would have no bound (Polak, arXiv 1609.02423).
    pub transferable_permille: u32,
    /// Trades kept.
    pub history: u32,
    /// The part of its free credits that a tenant bids at each clearing, in thousandths; what it does not bid or need it saves.
    pub spend_permille: u32,
    /// How far from an equilibrium a clearing may be, in millionths of a tenant's utility.
    pub epsilon_ppm: u32,
    /// After how many rounds of bidding a clearing stops anyway.
    pub max_rounds: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            resources: Resource::of_device(),
            horizon: 2,
            max_tenants: 1024,
            risk: RiskLimits::default(),
            auction_interval_ns: 50_000_000,
            breaker_band_permille: 200,
            halt_ns: 100_000_000,
            transferable_permille: 500,
            history: 50_000,
            spend_permille: 200,
            epsilon_ppm: 10_000,
            max_rounds: 512,
        }
    }
}

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{field} is {found}; accepted is {accepted}")]
pub struct ConfigError {
    /// Which field.
    pub field: &'static str,
    /// What it has.
    pub found: String,
    /// What it may have.
    pub accepted: &'static str,
}

impl Config {
    /// The number of books.
    pub fn n_books(&self) -> usize {
        self.resources.len() * usize::from(self.horizon)
    }

    /// Checks every field.
    ///
    /// # Errors
    /// Names the first field that is out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        let within = |field, found: i128, low: i128, high: i128, accepted| {
            if (low..=high).contains(&found) {
                Ok(())
            } else {
                Err(ConfigError { field, found: found.to_string(), accepted })
            }
        };
        within("number of resources", self.resources.len() as i128, 1, 64, "1 to 64")?;
        within("horizon", self.horizon.into(), 1, 64, "1 to 64 epochs")?;
        within("max_tenants", self.max_tenants.into(), 1, 1 << 20, "1 to 1048576")?;
        for resource in &self.resources {
            within("capacity", resource.capacity.into(), 1, 1 << 30, "1 to 1073741824 units")?;
            within("floor", resource.floor.0.into(), 1, 1 << 34, "above 0 and below 17179 credits")?;
            within("step", resource.step.0.into(), 1, 1 << 22, "above 0 and below 4.2 credits")?;
        }
        within("max_quantity", self.risk.max_quantity.into(), 1, 1 << 24, "1 to 16777216 units")?;
        within("max_transaction", self.risk.max_transaction.0.into(), 1, 1 << 60, "above 0")?;
        within("max_risk_ppm", self.risk.max_risk_ppm.into(), 1, 1_000_000, "1 to 1000000 millionths")?;
        within("max_position_permille", self.risk.max_position_permille.into(), 1, 1000, "1 to 1000 thousandths")?;
        within("max_open_orders", self.risk.max_open_orders.into(), 1, 1 << 20, "1 to 1048576")?;
        within("auction_interval_ns", self.auction_interval_ns.into(), 1_000_000, 10_000_000_000, "1 ms to 10 s")?;
        within("breaker_band_permille", self.breaker_band_permille.into(), 1, 1_000_000, "1 to 1000000 thousandths")?;
        within("halt_ns", self.halt_ns.into(), 0, 3_600_000_000_000, "at most an hour")?;
        within("transferable_permille", self.transferable_permille.into(), 0, 1000, "0 to 1000 thousandths")?;
        within("history", self.history.into(), 0, 1 << 24, "0 to 16777216 trades")?;
        within("spend_permille", self.spend_permille.into(), 1, 1000, "1 to 1000 thousandths")?;
        within("epsilon_ppm", self.epsilon_ppm.into(), 1, 1_000_000, "1 to 1000000 millionths")?;
        within("max_rounds", self.max_rounds.into(), 1, 1 << 20, "1 to 1048576")?;
        // Products of price and quantity stay within i64: the ceiling is below 2^35, a quantity at most 2^24.
        const { assert!(N_TICKS as i64 * (1 << 22) <= 1 << 34) };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_accepted_and_nonsense_is_named() {
        assert_eq!(Config::default().check(), Ok(()));
        let broken = Config { horizon: 0, ..Config::default() };
        let error = broken.check().expect_err("no horizon");
        assert_eq!(error.to_string(), "horizon is 0; accepted is 1 to 64 epochs");
        let mut broken = Config::default();
        broken.resources[2].step = Credits(0);
        assert_eq!(broken.check().map_err(|error| error.field), Err("step"));
        let empty = Config { resources: Vec::new(), ..Config::default() };
        assert_eq!(empty.check().map_err(|error| error.field), Err("number of resources"));
    }
}
