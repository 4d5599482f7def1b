//! Whose turn it is on the processors: the shares of tenants that run in processes of their own, enforced between blocks.
//!
//! The model has three parts.
//! * [`Plan`] decides, as a pure function of what was used: every turn (a millisecond, say) it gives the device's processors to the
//!   tenants that want them and have had the least for their weight. Time that a tenant took without being asked counts like any
//!   other, so errors of one turn are made good in the next.
//! * [`Gate`] is a page of memory shared by the process that decides and one that runs kernels. The first writes how many
//!   threads may run ([`Gate::grant`]); in the second each thread that runs blocks holds a [`Turn`] and asks between blocks whether
//!   it may go on ([`Turn::between_blocks`]). Asking costs two loads; waiting is a futex.
//! * [`ProcessClock`] tells how much processor time a process has used, to the nanosecond, from outside it.
//!
//! A process can only write its own page, so a tenant that breaks into its process's memory can lie about what it wants and
//! gains nothing: what it used is measured from outside, and a process that runs without a grant is stopped by signal
//! ([`stop`], [`resume`]), in the middle of a block if need be. So a share is exact whatever the length of the blocks.
//!
//! What this does not do: decide weights, start processes, or keep time; the daemon does.
#![deny(unsafe_code)]

mod gate;
#[allow(unsafe_code, reason = "the one module where it is allowed; its header has the rules")]
mod os;
mod plan;

pub use gate::{Gate, Turn};
pub use os::{ProcessClock, be_urgent, resume, stop};
pub use plan::{Claim, Plan};
