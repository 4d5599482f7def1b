//! Many tenants on one device: the market made durable, jobs in worker processes, the HTTP interface, the dashboard.
//!
//! [`journal`] puts every command of a [`vgpu_market::Market`] on disk; [`Durable`] is a market whose answers wait for that. With
//! the feature `server` the rest is there: [`hub`] is the one thread through which all that changes money, shares or limits goes;
//! [`device`] is what may be changed, and only with the gate's permit; [`jobs`] keeps data and talks to the worker processes in
//! [`protocol`]; [`api`] is what the world sees; [`run`] is all of it together.
//!
//! ```
//! use vgpu_daemon::Durable;
//! use vgpu_market::{Command, Config, Credits, Receipt};
//! let folder = std::env::temp_dir().join(format!("vgpu-durable-{}", std::process::id()));
//! let mut durable = Durable::open(&folder, Config::default(), 1000)?;
//! durable.submit(0, &Command::OpenTenant { budget: Credits::whole(5000) })?;
//! let answers = durable.flush()?;
//! assert!(matches!(answers[0].outcome, Ok(Receipt::Tenant(_))));
//! drop(durable);
//! // A restart finds it again.
//! let durable = Durable::open(&folder, Config::default(), 1000)?;
//! assert_eq!(durable.market().tenants().count(), 1);
//! std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod durable;
pub mod journal;

#[cfg(feature = "server")]
pub mod api;
#[cfg(feature = "server")]
mod demo;
#[cfg(feature = "server")]
pub mod device;
#[cfg(feature = "server")]
pub mod hub;
#[cfg(feature = "server")]
pub mod jobs;
#[cfg(feature = "server")]
pub mod protocol;
#[cfg(feature = "server")]
mod serve;
#[cfg(feature = "server")]
pub mod settings;
#[cfg(feature = "server")]
pub mod store;
#[cfg(feature = "server")]
mod systemd;
#[cfg(feature = "server")]
pub mod token;

pub use durable::{Answer, Durable, DurableError};
pub use journal::{Journal, JournalError};
#[cfg(feature = "server")]
pub use serve::{ServeError, run};
#[cfg(feature = "server")]
pub use settings::{Mode, Settings};
