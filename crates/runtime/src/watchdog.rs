//! Ends launches that run longer than their limit.
//!
//! One thread per device, started with the first limited launch. It sleeps until the earliest deadline; launches register when
//! they start and leave when they complete, so nothing grows. A launch whose deadline has passed is told every [`INSISTENCE`]
//! until it has completed: a thread that was just entering generated code misses an interrupt.

use crate::launch::Launch;
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Time between two interrupts of a launch that is being stopped.
const INSISTENCE: Duration = Duration::from_millis(2);

#[derive(Default)]
struct State {
    deadlines: HashMap<u64, (Instant, Weak<Launch>)>,
    /// When the thread will look next.
    planned: Option<Instant>,
    running: bool,
    shutdown: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// The watchdog of one device.
#[derive(Default)]
pub(crate) struct Watchdog {
    shared: Arc<Shared>,
}

impl Watchdog {
    /// Watches a launch until [`Self::forget`].
    pub(crate) fn watch(&self, launch: &Arc<Launch>, deadline: Instant) {
        let mut state = self.shared.lock();
        state.deadlines.insert(launch.id(), (deadline, Arc::downgrade(launch)));
        if !state.running {
            let shared = Arc::clone(&self.shared);
            // Without a thread (the system refuses one) launches are simply not limited.
            state.running =
                std::thread::Builder::new().name("vgpu-watchdog".to_owned()).spawn(move || shared.work()).is_ok();
        } else if state.planned.is_none_or(|planned| deadline < planned) {
            self.shared.changed.notify_one();
        }
    }

    /// The launch has completed.
    pub(crate) fn forget(&self, launch_id: u64) {
        self.shared.lock().deadlines.remove(&launch_id);
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.lock().shutdown = true;
        self.shared.changed.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.lock();
        while !state.shutdown {
            let now = Instant::now();
            let due: Vec<u64> =
                state.deadlines.iter().filter(|(_, (deadline, _))| *deadline <= now).map(|(id, _)| *id).collect();
            let mut expired = Vec::new();
            for id in due {
                let launch = state.deadlines.get(&id).and_then(|(_, launch)| launch.upgrade());
                match launch {
                    Some(launch) => {
                        state.deadlines.insert(id, (now + INSISTENCE, Arc::downgrade(&launch)));
                        expired.push(launch);
                    }
                    None => drop(state.deadlines.remove(&id)),
                }
            }
            state.planned = state.deadlines.values().map(|(deadline, _)| *deadline).min();
            if !expired.is_empty() {
                drop(state);
                expired.iter().for_each(|launch| launch.expire());
                drop(expired);
                state = self.lock();
                continue;
            }
            state = match state.planned {
                Some(at) => {
                    self.changed
                        .wait_timeout(state, at.saturating_duration_since(now))
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}
