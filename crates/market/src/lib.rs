//! The market that shares a device between tenants: pure functions of (state, command, time).
//!
//! Twice a share is decided. The **primary market** ([`primary`]) clears once per epoch: it turns each tenant's budget and
//! wants into leases of every resource, at prices at which nobody could do much better, and hands the revenue back. The
//! **secondary market** lets tenants trade the leases of coming epochs: an order book per resource and epoch, continuous
//! by price and time, with uniform-price batch auctions at a fixed interval. Before every order stand the risk limits
//! ([`RiskLimits`]); before every clearing the sensors ([`supply`]).
//!
//! * [`Market`]: the state. [`Command`]: everything that can change it. [`Receipt`], [`Reject`], [`Event`]: what it answers.
//! * [`Config`]: resources, horizon, limits. [`Portfolio`]: what a tenant has. [`History`]: the last trades.
//!
//! There is no clock, no IO and no thread here, and money is counted in integers: the same commands at the same times give
//! the same bytes ([`Market::to_bytes`]) and the same hash ([`Market::hash`]) on every machine. The journal that makes this
//! durable is the daemon's.
//!
//! ```
//! use vgpu_market::*;
//! let mut market = Market::new(Config::default())?;
//! let Receipt::Tenant(anna) = market.apply(0, &Command::OpenTenant { budget: Credits::whole(5000) })? else { panic!() };
//! let Receipt::Tenant(bert) = market.apply(0, &Command::OpenTenant { budget: Credits::whole(5000) })? else { panic!() };
//! for tenant in [anna, bert] {
//!     let utility = Utility::CobbDouglas { weights: vec![4, 1, 1, 1, 1, 1, 2] };
//!     market.apply(0, &Command::Declare { tenant, utility })?;
//! }
//! market.apply(1_000, &Command::Clear)?;
//! assert_eq!(market.shares(anna), market.shares(bert));
//!
//! // Bert offers a hundredth of the next epoch's compute, Anna buys it.
//! let order = |tenant, side, kind| Command::Place(NewOrder {
//!     tenant, resource: ResourceId(0), epoch: Epoch(2), side, kind, quantity: 100,
//! });
//! let at = Kind::Limit { tick: Tick(50), lifetime: Lifetime::Standing };
//! market.apply(2_000, &order(bert, Side::Sell, at))?;
//! market.apply(3_000, &order(anna, Side::Buy, at))?;
//! market.apply(4_000, &Command::Clear)?;
//! assert_eq!(market.shares(anna).map(|shares| shares[0]), Some(5100));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod accounts;
mod audit;
mod book;
mod bytes;
mod config;
mod epoch;
mod exchange;
mod history;
mod market;
mod order;
mod portfolio;
pub mod primary;
mod risk;
mod state;
pub mod supply;
mod units;

pub use accounts::Position;
pub use audit::Broken;
pub use bytes::Malformed;
pub use config::{Class, Config, ConfigError, Resource};
pub use history::History;
pub use market::Market;
pub use order::{Command, Ended, Event, Execution, Kind, Lifetime, NewOrder, Receipt, Reject, Side, Trade};
pub use portfolio::{Line, OpenOrder, Portfolio};
pub use primary::Utility;
pub use risk::RiskLimits;
pub use units::{Credits, Epoch, N_TICKS, OrderId, ResourceId, TenantId, Tick};
