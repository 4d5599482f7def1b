//! The worker threads: which job runs where, spinning briefly before sleeping.
//!
//! Model. A *job* is something several threads can work on at once (a launch) or one (a host task). Published jobs stand in
//! a list; a thread that has a free *slot* joins the job with the fewest participants, works until the job has nothing left
//! to claim, and leaves. The last to leave completes the job. There are as many slots as workers, so never more than that many
//! threads run blocks; a thread that waits for a stream takes a free slot and helps.
//!
//! A worker without work spins for [`SPIN`], then sleeps. Who publishes wakes a sleeper only if nobody spins or is
//! already waking; who joins a job with more to do wakes the next. So a burst of small launches costs no system call.
//!
//! Locks: the pool's lock is a leaf. Jobs are run and completed without it.

use crate::exec::guard::SignalStack;
use crate::exec::os;
use crate::exec::scratch::Slot;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a worker without work spins.
const SPIN: Duration = Duration::from_micros(50);

/// Stack of a worker: generated code with many live vectors has large frames.
const STACK_BYTES: usize = 16 << 20;

/// Where a pool's threads run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Where the system puts them.
    Anywhere,
    /// Each on a processor of those the process may use.
    Spread,
    /// On these processors. Other threads do not run its jobs.
    Cores(Arc<[usize]>),
}

impl Placement {
    fn place(&self, worker: usize) {
        match self {
            Self::Anywhere => {}
            Self::Spread => os::pin_thread(worker),
            Self::Cores(cores) => {
                cores.get(worker % cores.len().max(1)).into_iter().for_each(|&core| os::pin_thread_to(core))
            }
        }
    }
}

/// Something to run on the workers.
pub(crate) trait Job: Send + Sync {
    /// True when a further participant would find something to do.
    fn has_work(&self) -> bool;
    /// How many threads may take part at a time.
    fn max_participants(&self) -> u32;
    /// Jobs with a smaller number come first.
    fn priority(&self) -> i32 {
        0
    }
    /// Takes part until nothing is left to claim.
    fn run(&self, slot: &mut Slot);
    /// Called once, by the last participant.
    fn complete(&self);
}

struct Published {
    job: Arc<dyn Job>,
    participants: u32,
}

#[derive(Default)]
struct State {
    jobs: Vec<Published>,
    #[allow(clippy::vec_box, reason = "slots move between threads all the time; a box moves as one word")]
    slots: Vec<Box<Slot>>,
    /// Workers asleep, those woken but not yet running, and those spinning.
    asleep: usize,
    waking: usize,
    spinning: usize,
    shutdown: bool,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    /// Changes with every published job; what spinning workers look at.
    published: AtomicU32,
    max_spinning: usize,
}

/// The workers of one device.
pub(crate) struct Pool {
    /// Threads that wait may take part.
    takes_help: bool,
    shared: Arc<Shared>,
    workers: Mutex<Vec<JoinHandle<()>>>,
}

impl Pool {
    /// Starts `n_workers` threads.
    pub(crate) fn new(n_workers: u32, placement: Placement) -> std::io::Result<Self> {
        let state = State {
            slots: (0..n_workers).rev().map(|number| Box::new(Slot::new(number))).collect(),
            ..State::default()
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            wake: Condvar::new(),
            published: AtomicU32::new(0),
            max_spinning: (n_workers as usize / 2).max(1),
        });
        let takes_help = !matches!(placement, Placement::Cores(_));
        let pool = Self { takes_help, shared: Arc::clone(&shared), workers: Mutex::default() };
        for worker in 0..n_workers {
            let (shared, placement) = (Arc::clone(&shared), placement.clone());
            let builder = std::thread::Builder::new().name(format!("vgpu-worker-{worker}")).stack_size(STACK_BYTES);
            let handle = builder.spawn(move || {
                placement.place(worker as usize);
                let _signal_stack = SignalStack::install();
                shared.work();
            })?;
            lock(&pool.workers).push(handle);
        }
        Ok(pool)
    }

    /// Puts a job up for the workers.
    pub(crate) fn publish(&self, job: Arc<dyn Job>) {
        let mut state = self.shared.lock();
        state.jobs.push(Published { job, participants: 0 });
        self.shared.published.fetch_add(1, Ordering::Release);
        self.shared.wake_one(state);
    }

    /// Takes part in `job` if there is a free slot and something to do. Returns whether it did.
    pub(crate) fn help(&self, job: &Arc<dyn Job>) -> bool {
        if !self.takes_help {
            return false;
        }
        let mut state = self.shared.lock();
        let found = state.jobs.iter().position(|published| Arc::ptr_eq(&published.job, job));
        let Some((job, slot)) = found.filter(|idx| state.is_open(*idx)).and_then(|idx| state.join(idx)) else {
            return false;
        };
        self.shared.wake_one(state);
        drop(self.shared.take_part(job, slot));
        true
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().shutdown = true;
        self.shared.published.fetch_add(1, Ordering::Release);
        self.shared.wake.notify_all();
        let own = std::thread::current().id();
        for worker in std::mem::take(&mut *lock(&self.workers)) {
            // The last owner of a device can be a worker that completes a launch: it cannot wait for itself.
            if worker.thread().id() != own {
                // A worker's panic was reported when it happened.
                let _ = worker.join();
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// True when somebody should join job `idx`. One without participants and work (stopped before it began) still has to
    /// be completed by someone.
    fn is_open(&self, idx: usize) -> bool {
        let Published { job, participants } = &self.jobs[idx];
        *participants == 0 || (*participants < job.max_participants() && job.has_work())
    }

    /// Of the open jobs with the best priority, the one with the fewest participants, the oldest of those.
    fn choose(&self) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        (0..self.jobs.len())
            .filter(|idx| self.is_open(*idx))
            .min_by_key(|idx| (self.jobs[*idx].job.priority(), self.jobs[*idx].participants))
    }

    fn join(&mut self, idx: usize) -> Option<(Arc<dyn Job>, Box<Slot>)> {
        let slot = self.slots.pop()?;
        self.jobs[idx].participants += 1;
        Some((Arc::clone(&self.jobs[idx].job), slot))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Wakes a sleeping worker if there is open work that nobody awake will notice.
    fn wake_one(&self, mut state: MutexGuard<'_, State>) {
        let wanted = state.asleep > 0 && state.waking == 0 && state.spinning == 0 && state.choose().is_some();
        if wanted {
            state.asleep -= 1;
            state.waking += 1;
        }
        drop(state);
        if wanted {
            self.wake.notify_one();
        }
    }

    /// Works on a joined job and leaves it; completes it when it was the last.
    fn take_part(&self, job: Arc<dyn Job>, mut slot: Box<Slot>) -> MutexGuard<'_, State> {
        job.run(&mut slot);
        let mut state = self.lock();
        state.slots.push(slot);
        let idx = state
            .jobs
            .iter()
            .position(|published| Arc::ptr_eq(&published.job, &job))
            .expect("a job is listed until its last participant leaves");
        state.jobs[idx].participants -= 1;
        if state.jobs[idx].participants == 0 && !job.has_work() {
            state.jobs.remove(idx);
            drop(state);
            job.complete();
            drop(job);
            state = self.lock();
        }
        state
    }

    /// A worker's life.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some((job, slot)) = state.choose().and_then(|idx| state.join(idx)) {
                self.wake_one(state);
                state = self.take_part(job, slot);
                continue;
            }
            if state.shutdown {
                return;
            }
            if state.spinning < self.max_spinning {
                state.spinning += 1;
                let seen = self.published.load(Ordering::Acquire);
                drop(state);
                let changed = self.spin(seen);
                state = self.lock();
                state.spinning -= 1;
                if changed || state.choose().is_some() || state.shutdown {
                    continue;
                }
            }
            state.asleep += 1;
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            if state.waking > 0 { state.waking -= 1 } else { state.asleep -= 1 }
        }
    }

    /// Spins until something is published; false when nothing was for [`SPIN`].
    fn spin(&self, seen: u32) -> bool {
        let start = Instant::now();
        loop {
            for _ in 0..64 {
                if self.published.load(Ordering::Acquire) != seen {
                    return true;
                }
                std::hint::spin_loop();
            }
            if start.elapsed() > SPIN {
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    /// Adds up `0..total`, one number per claim.
    struct Sum {
        next: AtomicU64,
        total: u64,
        sum: AtomicU64,
        completed: AtomicU32,
        limit: u32,
        active: AtomicU32,
    }

    impl Sum {
        fn new(total: u64, limit: u32) -> Arc<Self> {
            Arc::new(Self {
                next: AtomicU64::new(0),
                total,
                sum: AtomicU64::new(0),
                completed: AtomicU32::new(0),
                limit,
                active: AtomicU32::new(0),
            })
        }

        fn wait(&self) {
            while self.completed.load(Ordering::Acquire) == 0 {
                std::thread::yield_now();
            }
        }
    }

    impl Job for Sum {
        fn has_work(&self) -> bool {
            self.next.load(Ordering::Relaxed) < self.total
        }

        fn max_participants(&self) -> u32 {
            self.limit
        }

        fn run(&self, _slot: &mut Slot) {
            assert!(self.active.fetch_add(1, Ordering::SeqCst) < self.limit);
            loop {
                let claimed = self.next.fetch_add(1, Ordering::Relaxed);
                if claimed >= self.total {
                    break;
                }
                self.sum.fetch_add(claimed, Ordering::Relaxed);
            }
            self.active.fetch_sub(1, Ordering::SeqCst);
        }

        fn complete(&self) {
            self.completed.fetch_add(1, Ordering::Release);
        }
    }

    #[test]
    fn every_claim_happens_once_and_jobs_complete_once() {
        let pool = Pool::new(3, Placement::Anywhere).unwrap();
        let jobs: Vec<_> = (0..200).map(|idx| Sum::new(idx * 10, if idx % 2 == 0 { 3 } else { 1 })).collect();
        for job in &jobs {
            pool.publish(Arc::clone(job) as Arc<dyn Job>);
        }
        for job in &jobs {
            job.wait();
            assert_eq!(job.sum.load(Ordering::Relaxed), (0..job.total).sum::<u64>());
        }
        drop(pool);
        assert!(jobs.iter().all(|job| job.completed.load(Ordering::Relaxed) == 1));
    }

    #[test]
    fn a_sleeping_pool_wakes_up() {
        let pool = Pool::new(2, Placement::Spread).unwrap();
        for _ in 0..5 {
            std::thread::sleep(SPIN * 20);
            let job = Sum::new(1000, 2);
            pool.publish(Arc::clone(&job) as Arc<dyn Job>);
            job.wait();
        }
    }

    #[test]
    fn a_waiting_thread_can_do_the_work_itself() {
        let pool = Pool::new(1, Placement::Anywhere).unwrap();
        for _ in 0..100 {
            let job = Sum::new(50, 4);
            let shared: Arc<dyn Job> = Arc::clone(&job) as Arc<dyn Job>;
            pool.publish(Arc::clone(&shared));
            while job.completed.load(Ordering::Acquire) == 0 {
                pool.help(&shared);
            }
            assert_eq!(job.sum.load(Ordering::Relaxed), 1225);
        }
    }
}
