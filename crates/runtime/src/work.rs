//! Operations as values: what a stream can be given, kept by who wants to give it again.

use crate::error::Error;
use crate::event::Event;
use crate::kernel::Kernel;
use crate::launch::LaunchConfig;
use crate::stream::Stream;
use crate::transfer::{Fill, Transfer};
use std::fmt;
use std::sync::Arc;

/// An operation.
#[derive(Clone)]
pub enum Work {
    /// A kernel with its packed parameters.
    Launch {
        /// What runs.
        kernel: Kernel,
        /// Shape and options.
        config: LaunchConfig,
        /// The parameter buffer.
        params: Arc<[u8]>,
    },
    /// A copy.
    Transfer(Transfer),
    /// A fill.
    Fill(Fill),
    /// A host function; see [`Stream::host_function`].
    Host(Arc<dyn Fn() + Send + Sync>),
    /// Records an event.
    Record(Event),
    /// Waits for an event.
    Wait(Event),
    /// Several operations, one after the other.
    Sequence(Arc<[Work]>),
    /// Nothing: a point that others can depend on.
    Nothing,
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Launch { kernel, config, .. } => f.debug_tuple("Launch").field(&kernel.name()).field(config).finish(),
            Self::Transfer(transfer) => f.debug_tuple("Transfer").field(transfer).finish(),
            Self::Fill(fill) => f.debug_tuple("Fill").field(fill).finish(),
            Self::Host(_) => f.write_str("Host"),
            Self::Record(_) => f.write_str("Record"),
            Self::Wait(_) => f.write_str("Wait"),
            Self::Sequence(steps) => f.debug_list().entries(steps.iter()).finish(),
            Self::Nothing => f.write_str("Nothing"),
        }
    }
}

impl Stream {
    /// Enqueues an operation.
    ///
    /// # Errors
    /// As the method of that operation.
    pub fn submit(&self, work: &Work) -> Result<(), Error> {
        match work {
            Work::Launch { kernel, config, params } => kernel.launch_packed(self, config, params),
            Work::Transfer(transfer) => self.transfer(transfer),
            Work::Fill(fill) => self.fill_rows(fill),
            Work::Host(function) => {
                let function = Arc::clone(function);
                self.host_function(move || function())
            }
            Work::Record(event) => self.record(event),
            Work::Wait(event) => self.wait(event),
            Work::Sequence(steps) => steps.iter().try_for_each(|step| self.submit(step)),
            Work::Nothing => Ok(()),
        }
    }
}
