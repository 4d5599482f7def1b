//! A market whose answers are held back until they are on disk.
//!
//! [`Durable::submit`] logs a command, then applies it; its answer waits. [`Durable::flush`] commits the group and releases
//! the answers, in order. So nobody learns of a trade that a crash could undo. Every so many commands a flush also writes a
//! snapshot, so that a restart replays a bounded log.
//!
//! Should the market find that it would break a rule of its own, it panics; that is caught here, the market is not used
//! again, and what was answered before is still on disk.

use crate::journal::{Journal, JournalError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use thiserror::Error;
use vgpu_market::{Command, Config, Event, Market, Receipt, Reject};

/// An answer: what the market said, and what else the command caused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The receipt or the refusal.
    pub outcome: Result<Receipt, Reject>,
    /// Trades, cancellations, halts, in order.
    pub events: Vec<Event>,
}

/// Why no answers can be given.
#[derive(Debug, Error)]
pub enum DurableError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The market stopped itself.
    #[error("the market stopped itself, a bug: {0}")]
    Broken(String),
}

/// A market with its journal.
#[derive(Debug)]
pub struct Durable {
    market: Market,
    journal: Journal,
    held_back: Vec<Answer>,
    snapshot_every: u64,
    last_snapshot: u64,
    broken: Option<String>,
}

impl Durable {
    /// Opens a state folder; a snapshot is written every `snapshot_every` commands.
    ///
    /// # Errors
    /// The folder cannot be used or is damaged.
    pub fn open(folder: &Path, config: Config, snapshot_every: u64) -> Result<Self, JournalError> {
        let (journal, market) = Journal::open(folder, config)?;
        let last_snapshot = journal.n_durable();
        let snapshot_every = snapshot_every.max(1);
        Ok(Self { market, journal, held_back: Vec::new(), snapshot_every, last_snapshot, broken: None })
    }

    /// The market as it is in memory. What it shows may not be on disk before the next flush.
    pub const fn market(&self) -> &Market {
        &self.market
    }

    /// Answers that wait for a flush.
    pub fn n_held_back(&self) -> usize {
        self.held_back.len()
    }

    /// Logs and applies a command; its answer comes with the next flush.
    ///
    /// # Errors
    /// The market stopped itself, now or before.
    pub fn submit(&mut self, now_ns: u64, command: &Command) -> Result<(), DurableError> {
        self.usable()?;
        self.journal.append(now_ns, command);
        // The market is not used after a panic, so nobody sees what it left half done.
        match catch_unwind(AssertUnwindSafe(|| self.market.apply(now_ns, command))) {
            Ok(outcome) => {
                self.held_back.push(Answer { outcome, events: self.market.events().to_vec() });
                Ok(())
            }
            Err(panic) => {
                let words = panic.downcast_ref::<String>().map(String::as_str);
                let words = words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
                self.broken = Some(words.to_owned());
                self.usable()
            }
        }
    }

    /// Makes everything submitted durable and gives the answers, in the order of the commands.
    ///
    /// # Errors
    /// It cannot be written, or the market stopped itself: no answer is given then.
    pub fn flush(&mut self) -> Result<Vec<Answer>, DurableError> {
        self.usable()?;
        self.journal.commit()?;
        if self.journal.n_durable() - self.last_snapshot >= self.snapshot_every {
            self.journal.snapshot(&self.market)?;
            self.last_snapshot = self.journal.n_durable();
        }
        Ok(std::mem::take(&mut self.held_back))
    }

    fn usable(&self) -> Result<(), DurableError> {
        match &self.broken {
            Some(words) => Err(DurableError::Broken(words.clone())),
            None => Ok(()),
        }
    }
}
