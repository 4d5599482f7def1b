//! The page between the process that grants and the one that runs: how many threads may run blocks now.
//!
//! Words: `grant`, how many may (written by the one that grants); `running`, how many do; `inside`, how many are in a launch,
//! running or waiting for their turn. A thread takes its turn by raising `running` while it is below `grant`, gives it up
//! between blocks when `running` is above `grant`, and sleeps on `grant`. Whoever leaves wakes one that sleeps.

use crate::os::{self, SharedWords};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const GRANT: usize = 0;
const RUNNING: usize = 1;
const INSIDE: usize = 2;
/// Counts what a sleeper may wait for: new grants, and turns that were given up.
const NEWS: usize = 3;

/// A sleeper looks this often whether its launch was stopped.
const LOOK: Duration = Duration::from_millis(20);

/// See the module header.
#[derive(Debug)]
pub struct Gate {
    page: SharedWords,
}

impl Gate {
    /// A gate that lets `grant` threads through.
    ///
    /// # Errors
    /// The system refuses memory.
    pub fn new(grant: u32) -> io::Result<Self> {
        let gate = Self { page: SharedWords::new()? };
        gate.word(GRANT).store(grant, Ordering::Release);
        Ok(gate)
    }

    /// The gate that another process made; `file` came from its [`Self::file`].
    ///
    /// # Errors
    /// The file is not a sealed page.
    pub fn open(file: OwnedFd) -> io::Result<Self> {
        Ok(Self { page: SharedWords::open(file)? })
    }

    /// To be passed to the other process.
    pub fn file(&self) -> BorrowedFd<'_> {
        self.page.file()
    }

    fn word(&self, idx: usize) -> &AtomicU32 {
        self.page.word(idx)
    }

    /// How many threads may run blocks from now on. Those above it stop after their block.
    pub fn grant(&self, n: u32) {
        if self.word(GRANT).swap(n, Ordering::AcqRel) < n {
            self.tell(i32::MAX);
        }
    }

    /// How many threads may run.
    pub fn granted(&self) -> u32 {
        self.word(GRANT).load(Ordering::Acquire)
    }

    /// How many threads are in a launch, running or waiting. Only as true as the other process is honest.
    pub fn inside(&self) -> u32 {
        self.word(INSIDE).load(Ordering::Relaxed)
    }

    /// How many threads run blocks. Only as true as the other process is honest.
    pub fn running(&self) -> u32 {
        self.word(RUNNING).load(Ordering::Relaxed)
    }

    /// Takes a turn for the calling thread; waits for it as long as `go_on` says so.
    pub fn enter(&self, go_on: impl Fn() -> bool) -> Turn<'_> {
        self.word(INSIDE).fetch_add(1, Ordering::AcqRel);
        let mut turn = Turn { gate: self, held: false };
        turn.take(&go_on);
        turn
    }

    fn tell(&self, n: i32) {
        self.word(NEWS).fetch_add(1, Ordering::AcqRel);
        os::wake(self.word(NEWS), n);
    }
}

/// A thread's presence in a launch. It has the right to run a block until it asks again; the presence ends on drop.
#[derive(Debug)]
pub struct Turn<'a> {
    gate: &'a Gate,
    /// False only when the wait was given up because the launch was stopped.
    held: bool,
}

impl Turn<'_> {
    /// Between two blocks: gives the turn up when fewer threads may run now, and waits for the next one as long as `go_on`.
    #[inline]
    pub fn between_blocks(&mut self, go_on: impl Fn() -> bool) {
        let (running, grant) = (self.gate.running(), self.gate.word(GRANT).load(Ordering::Relaxed));
        if running > grant || !self.held {
            self.wait_again(&go_on);
        }
    }

    #[cold]
    fn wait_again(&mut self, go_on: &dyn Fn() -> bool) {
        if self.held {
            let over = |running: u32| (running > self.gate.granted()).then(|| running - 1);
            let given = self.gate.word(RUNNING).fetch_update(Ordering::AcqRel, Ordering::Acquire, over).is_ok();
            if !given {
                return;
            }
            self.held = false;
        }
        self.take(go_on);
    }

    fn take(&mut self, go_on: &dyn Fn() -> bool) {
        loop {
            let news = self.gate.word(NEWS).load(Ordering::Acquire);
            let below = |running: u32| (running < self.gate.granted()).then(|| running + 1);
            if self.gate.word(RUNNING).fetch_update(Ordering::AcqRel, Ordering::Acquire, below).is_ok() {
                self.held = true;
                return;
            }
            if !go_on() {
                return;
            }
            os::wait(self.gate.word(NEWS), news, LOOK);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.gate.word(INSIDE).fetch_sub(1, Ordering::AcqRel);
        if self.held {
            self.gate.word(RUNNING).fetch_sub(1, Ordering::AcqRel);
            self.gate.tell(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::sync::{Arc, Barrier};

    #[test]
    fn no_more_threads_run_than_were_granted() {
        let gate = Gate::new(0).expect("memory");
        let other = Gate::open(gate.file().try_clone_to_owned().expect("descriptor")).expect("a gate");
        let (most, now, done) = (AtomicU32::new(0), AtomicU32::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut turn = other.enter(|| true);
                    for _ in 0..200 {
                        let running = now.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(running, Ordering::SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(1, Ordering::SeqCst);
                        turn.between_blocks(|| true);
                    }
                });
            }
            while gate.inside() < 4 {
                std::thread::yield_now();
            }
            assert_eq!((gate.running(), now.load(Ordering::SeqCst)), (0, 0), "nothing was granted");
            gate.grant(2);
            while gate.inside() > 0 {
                std::thread::yield_now();
            }
            done.store(true, Ordering::Release);
        });
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)), "{most:?}");
        assert_eq!((gate.running(), gate.granted()), (0, 2));
    }

    #[test]
    fn a_turn_that_is_taken_away_is_given_up_between_blocks() {
        let gate = Arc::new(Gate::new(1).expect("memory"));
        let meet = Arc::new(Barrier::new(2));
        let thread = std::thread::spawn({
            let (gate, meet) = (Arc::clone(&gate), Arc::clone(&meet));
            move || {
                let mut turn = gate.enter(|| true);
                meet.wait();
                meet.wait();
                turn.between_blocks(|| true);
                turn.held
            }
        });
        meet.wait();
        assert_eq!(gate.running(), 1);
        gate.grant(0);
        meet.wait();
        while gate.running() > 0 {
            std::thread::yield_now();
        }
        assert_eq!(gate.inside(), 1, "it waits for its next turn");
        gate.grant(1);
        assert!(thread.join().expect("no panic"));
        assert_eq!((gate.inside(), gate.running()), (0, 0));
    }

    #[test]
    fn a_stopped_launch_does_not_wait() {
        let gate = Gate::new(0).expect("memory");
        let turn = gate.enter(|| false);
        assert!(!turn.held);
        drop(turn);
        assert_eq!((gate.inside(), gate.running()), (0, 0));
    }
}
