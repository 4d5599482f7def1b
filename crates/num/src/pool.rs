//! Where parallel work runs: a pool is passed in, nothing here starts threads behind the caller's back.
//!
//! A routine splits its work into tasks that write to disjoint places and whose results do not depend on who runs
//! them, so results are the same with any number of workers.

use crate::Error;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Something that runs tasks.
pub trait Pool: Sync {
    /// How many tasks can make progress at once; 1 means that splitting is of no use.
    fn workers(&self) -> usize;

    /// Runs `task(0)` to `task(n_tasks - 1)`, each once, in any order, and returns when all have ended. A panic of a
    /// task is passed on.
    fn run(&self, n_tasks: usize, task: &(dyn Fn(usize) + Sync));
}

/// The calling thread alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Serial;

impl Pool for Serial {
    fn workers(&self) -> usize {
        1
    }

    fn run(&self, n_tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        (0..n_tasks).for_each(task);
    }
}

/// Threads of its own; the calling thread takes part. Idle workers take the next task that nobody has begun.
#[derive(Debug)]
pub struct Threads {
    pool: rayon::ThreadPool,
    workers: usize,
}

impl Threads {
    /// A pool in which `workers` threads work, the caller included.
    ///
    /// # Errors
    /// [`Error::Shape`] when `workers` is 0; [`Error::OutOfMemory`] when the system gives no threads.
    pub fn new(workers: usize) -> Result<Self, Error> {
        if workers == 0 {
            return Err(Error::shape("workers", 0, "at least 1"));
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(workers.saturating_sub(1).max(1))
            .thread_name(|idx| format!("vgpu-num-{idx}"))
            .build()
            .map_err(|_| Error::OutOfMemory { bytes: 0 })?;
        Ok(Self { pool, workers })
    }
}

impl Pool for Threads {
    fn workers(&self) -> usize {
        self.workers
    }

    fn run(&self, n_tasks: usize, task: &(dyn Fn(usize) + Sync)) {
        let helpers = n_tasks.min(self.workers).saturating_sub(1);
        if helpers == 0 {
            return Serial.run(n_tasks, task);
        }
        let next = AtomicUsize::new(0);
        let work = || {
            loop {
                let idx = next.fetch_add(1, Ordering::Relaxed);
                if idx >= n_tasks {
                    return;
                }
                task(idx);
            }
        };
        self.pool.in_place_scope(|scope| {
            for _ in 0..helpers {
                scope.spawn(|_| work());
            }
            work();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_once() {
        for workers in 1..4 {
            let pool = Threads::new(workers).expect("threads");
            for n in [0, 1, 2, 1000] {
                let counts: Vec<_> = (0..n).map(|_| AtomicUsize::new(0)).collect();
                pool.run(n, &|idx| _ = counts[idx].fetch_add(1, Ordering::Relaxed));
                assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
            }
        }
        assert!(Threads::new(0).is_err());
    }
}
