//! The daemon's library: what stands between the pure crates and the world.
//!
//! [`journal`] puts every command of a [`vgpu_market::Market`] on disk; [`Durable`] is a market whose answers wait for that.
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

pub use durable::{Answer, Durable, DurableError};
pub use journal::{Journal, JournalError};
