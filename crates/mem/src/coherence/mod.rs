//! MESI coherence of pages between devices, with a directory at the page's home.
//!
//! Model. Every page has a *home*: the copy in host memory and the directory entry beside it. A device holds a copy in
//! one of the stable states Modified, Exclusive, Shared and Invalid, or is on the way from one to another and waits for
//! the home. Devices speak only with the home ([`ToHome`], [`ToDevice`]), never with each other. The home serves one
//! transaction per page at a time: a request that arrives meanwhile is *deferred*, that is, left where it is until the
//! transaction is over. A requester acknowledges what it was granted before the next transaction starts, so an
//! invalidation cannot overtake the grant it revokes, whatever the order in which messages arrive.
//!
//! Evictions are announced for every state ([`ToHome::Evict`]), so the directory is exact: a home never asks a device
//! that has nothing. An eviction may cross with an invalidation of the same page; the device then answers the
//! invalidation from its `Evicting` state and the home acknowledges an eviction that no longer concerns anything.
//!
//! [`device_step`] and [`home_step`] are the protocol, whole: pure functions of a state and a message. The model in
//! `tests/coherence_model.rs` explores all their interleavings with unordered messages; [`Directory`] runs the same
//! functions on packed atomic words; [`trace::check`] judges a recorded run.
//!
//! What it does not do: move bytes (a [`Copies`] does), decide what to evict, or order accesses within a page.
//!
//! Source: D. J. Sorin, M. D. Hill, D. A. Wood, "A Primer on Memory Consistency and Cache Coherence", chapter 8
//! (directory protocols; here with a blocking home and completion messages).

mod device;
mod directory;
mod home;
mod message;
mod set;
pub mod trace;

pub use device::{Access, DeviceEvent, DeviceState, Reaction, device_step};
pub use directory::{CoherenceError, Copies, Directory, NoCopies, Outcome};
pub use home::{Answer, HomeState, Outbox, home_step};
pub use message::{ToDevice, ToHome, Unexpected};
pub use set::{DeviceId, DeviceSet, MAX_DEVICES};
