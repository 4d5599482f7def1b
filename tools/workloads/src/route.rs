//! A way to run workloads.

use crate::{Data, Workload};
use anyhow::Result;
use std::time::Duration;

/// A way to run workloads. One workload is loaded at a time.
pub trait Route {
    /// Its name in tables.
    fn name(&self) -> &'static str;

    /// Takes up a workload: buffers are made and filled, code is compiled. Replaces the one before.
    ///
    /// # Errors
    /// The route cannot run it; the message says why.
    fn load(&mut self, workload: &Workload) -> Result<()>;

    /// Puts written buffers back to their first contents.
    ///
    /// # Errors
    /// The route fails.
    fn restore(&mut self, workload: &Workload) -> Result<()>;

    /// Runs all launches of the workload once and waits; the time of that.
    ///
    /// # Errors
    /// A launch fails.
    fn run(&mut self, workload: &Workload) -> Result<Duration>;

    /// The buffers as they are now, unwritten ones empty.
    ///
    /// # Errors
    /// The route fails.
    fn read(&mut self, workload: &Workload) -> Result<Vec<Data>>;

    /// Gives up what the workload needed.
    fn unload(&mut self);
}

/// The middle one of several times.
pub fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
