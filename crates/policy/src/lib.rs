//! What may be done to the device, and why: decides, never acts.
//!
//! The way of an action has two layers. The static one asks who proposes it ([`Capability`], minted by Cedar policies) and
//! whether it would leave the device in order ([`contract`]: before, after, always, and the effects that it declares). The
//! dynamic one is the [`Gate`]: range, rate, hysteresis and interlocks, a few comparisons before every action. Only the gate
//! makes a [`Permit`], and whatever changes shares, limits or tiers takes one by value ([`Controls`]).
//!
//! What is proposed comes from [`rules`] over [`signal`]s, from the market, or from people. The [`cooldown`] is the state
//! machine of a device that gets too hot. [`Guard`] ties it together and records why each decision fell as it did.
//!
//! ```
//! use vgpu_policy::*;
//! /// A device whose only way to change is through a permit.
//! struct Device { workers: u32 }
//! impl Controls for Device {
//!     type Token = Permit;
//!     type Error = ();
//!     fn change(&mut self, permit: Permit) -> Result<(), ()> {
//!         if let Change::Workers { n } = permit.into_change() { self.workers = n; }
//!         Ok(())
//!     }
//! }
//! let authority = Authority::new(r#"permit(principal in Group::"operators", action, resource);"#)?;
//! let capability = authority.mint("olga", &["operators"], Scope::Device, u64::MAX)?;
//! let gate = Gate::new([Envelope { min: 1, ..Envelope::OPEN }; N_KINDS], 8, 7, 4);
//! let mut guard = Guard::new(gate, 1000);
//! let mut device = Device { workers: 4 };
//! let view = View { workers: 4, processors: 8, ..View::default() };
//!
//! let propose = |n| Proposal {
//!     capability: &capability, because: "night", change: Change::Workers { n }, declared: Effects::LIMITS,
//! };
//! let permit = guard.decide(0, Phase::Normal, &view, &propose(2))?;
//! device.change(permit).expect("this device can");
//! assert_eq!(device.workers, 2);
//! let denied = guard.decide(1, Phase::Normal, &view, &propose(9)).expect_err("more than there are processors");
//! assert_eq!(denied.to_string(), "contract: Workers breaks its contract (Post): workers would be 9, at most 8 is possible");
//! assert_eq!(guard.records().count(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod action;
mod capability;
pub mod contract;
pub mod cooldown;
mod gate;
mod guard;
pub mod rules;
pub mod signal;

pub use action::{Effects, Kind, N_KINDS, amount, tenant};
pub use capability::{Authority, AuthorityError, Capability, NotCovered, Scope};
pub use contract::{Breach, View};
pub use cooldown::{Cooldown, Phase};
pub use gate::{Envelope, Gate, Permit, Refusal};
pub use guard::{Denied, Guard, Proposal, Record};
pub use signal::{Domain, Signal, SignalQueue};
pub use vgpu_types::{Change, Controls, GateToken};
