//! Events: points in a stream that the host or another stream can wait for.
//!
//! Model. An event has a latest *record*; recording again starts a new one, and who waits for the old one still gets it.
//! A record is pending until its stream reaches it, then complete for ever, with a time.

use crate::error::Error;
use crate::stream::StreamShared;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[derive(Default)]
struct RecordState {
    at: Option<Instant>,
    /// Streams that stand still until the record completes.
    waiting: Vec<Arc<StreamShared>>,
}

/// One recording of an event.
#[derive(Default)]
pub(crate) struct Record {
    state: Mutex<RecordState>,
    complete: Condvar,
}

impl Record {
    fn lock(&self) -> MutexGuard<'_, RecordState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stream has reached the record. Streams that waited go on.
    pub(crate) fn complete(&self) {
        let waiting = {
            let mut state = self.lock();
            state.at = Some(Instant::now());
            std::mem::take(&mut state.waiting)
        };
        self.complete.notify_all();
        for stream in waiting {
            stream.operation_done();
            stream.advance();
        }
    }

    /// When it was reached.
    pub(crate) fn completed_at(&self) -> Option<Instant> {
        self.lock().at
    }

    /// Makes `stream` go on when the record completes. False when it is complete already.
    pub(crate) fn hold(&self, stream: &Arc<StreamShared>) -> bool {
        let mut state = self.lock();
        if state.at.is_some() {
            return false;
        }
        state.waiting.push(Arc::clone(stream));
        true
    }
}

/// See the module header. Clones are the same event.
#[derive(Clone, Default)]
pub struct Event {
    latest: Arc<Mutex<Option<Arc<Record>>>>,
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Event").field("is_complete", &self.is_complete()).finish()
    }
}

impl Event {
    /// An event that was never recorded; waiting for it does nothing.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn latest(&self) -> Option<Arc<Record>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts a new record.
    pub(crate) fn begin(&self) -> Arc<Record> {
        let record = Arc::new(Record::default());
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&record));
        record
    }

    /// True when it was ever recorded.
    pub fn was_recorded(&self) -> bool {
        self.latest().is_some()
    }

    /// True when the latest record is complete, or there is none.
    pub fn is_complete(&self) -> bool {
        self.latest().is_none_or(|record| record.completed_at().is_some())
    }

    /// Waits on the host until the latest record is complete.
    pub fn synchronize(&self) {
        let Some(record) = self.latest() else { return };
        let mut state = record.lock();
        while state.at.is_none() {
            state = record.complete.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Time from the completion of `start` to that of this event; zero when `start` came later.
    ///
    /// # Errors
    /// [`Error::EventNotReady`] when one of them was never recorded or is not complete.
    pub fn elapsed_since(&self, start: &Self) -> Result<Duration, Error> {
        let at = |event: &Self| {
            let record = event.latest().ok_or(Error::EventNotReady { state: "not recorded" })?;
            record.completed_at().ok_or(Error::EventNotReady { state: "not complete" })
        };
        let (start, end) = (at(start)?, at(self)?);
        Ok(end.saturating_duration_since(start))
    }
}
