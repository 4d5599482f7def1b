//! The daemon's library: what stands between the pure crates and the world.
//!
//! [`journal`] makes a [`vgpu_market::Market`] durable: every command is on disk before it is answered.
#![forbid(unsafe_code)]

pub mod journal;

pub use journal::{Journal, JournalError};
