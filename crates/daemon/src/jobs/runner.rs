//! The thread that talks to one tenant's worker: takes the tenant's tasks one by one, and replaces a worker that is lost.

use super::worker::{Trouble, Worker, nonsense};
use super::{Buffer, DEFAULT_TIMEOUT_MS, JobError, JobState, SYSTEM, Shared, Task};
use crate::api::types::{JobRequest, ModuleView, Problem};
use crate::protocol::{KernelFacts, Reply, Request, Run};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use vgpu_turns::ProcessClock;

/// A worker without work is kept this long.
const KEEP: Duration = Duration::from_secs(60);
/// A worker that does not end a launch by itself at its time limit gets this much more.
const GRACE: Duration = Duration::from_secs(10);
/// The benchmark takes less.
const BENCHMARK: Duration = Duration::from_secs(120);

/// The runner's life: until there is nothing to do for a while.
pub(super) fn run(shared: &Arc<Shared>, tenant: u32) {
    // Whatever happens in here, the bay must not wait for a runner that is gone.
    let mut leave = Leave { shared, tenant, clean: false };
    let mut worker: Option<Worker> = None;
    while let Some(task) = next(shared, tenant) {
        match task {
            Task::Job(id) => job(shared, tenant, &mut worker, id),
            Task::Load(module, done) => {
                let loaded = with_worker(shared, tenant, &mut worker, |worker| {
                    worker.modules.remove(&module);
                    worker.load(&module, &shared.around.modules.join(&module))
                });
                let view = |kernels: Vec<KernelFacts>| ModuleView {
                    id: module.clone(),
                    bytes: 0,
                    kernels: kernels.into_iter().map(KernelFacts::view).collect(),
                };
                // Who asked may have gone away.
                let _ = done.send(loaded.map(view).map_err(refusal));
            }
            Task::Benchmark(done) => {
                let figures = with_worker(shared, tenant, &mut worker, |worker| {
                    match worker.ask(&Request::Benchmark, &[], BENCHMARK)? {
                        Reply::Benchmark(figures) => Ok(figures),
                        other => Err(nonsense(&other)),
                    }
                });
                let _ = done.send(figures.map_err(refusal));
            }
        }
    }
    leave.clean = true;
    drop(worker);
}

struct Leave<'a> {
    shared: &'a Arc<Shared>,
    tenant: u32,
    /// The bay knows already, and may have another runner by now.
    clean: bool,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.runners -= 1;
        if let Some(bay) = state.bays.get_mut(&self.tenant).filter(|_| !self.clean) {
            (bay.has_runner, bay.handle, bay.running) = (false, None, None);
            bay.isolation.clear();
        }
        drop(state);
        self.shared.changed.notify_all();
    }
}

fn refusal(trouble: Trouble) -> JobError {
    match trouble {
        Trouble::Refused { error, message, .. } => JobError::Refused { error, message },
        other => JobError::Refused { error: "worker_lost".to_owned(), message: other.to_string() },
    }
}

/// The next task, or `None` when the runner is to end.
fn next(shared: &Shared, tenant: u32) -> Option<Task> {
    let deadline = Instant::now() + KEEP;
    let mut state = shared.lock();
    loop {
        let draining = state.draining;
        let bay = state.bays.get_mut(&tenant)?;
        if !draining && let Some(task) = bay.urgent.pop_front().or_else(|| bay.queue.pop_front()) {
            return Some(task);
        }
        let now = Instant::now();
        if draining || bay.closed || now >= deadline {
            // Decided under the lock: who adds a task later starts a new runner.
            (bay.has_runner, bay.handle) = (false, None);
            bay.isolation.clear();
            return None;
        }
        state = shared.changed.wait_timeout(state, deadline - now).unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// Does something with the tenant's worker, started if need be; a worker that is lost over it is put away.
fn with_worker<T>(
    shared: &Shared,
    tenant: u32,
    slot: &mut Option<Worker>,
    act: impl FnOnce(&mut Worker) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let worker = match slot {
        Some(worker) => worker,
        None => {
            let arbiter = (tenant != SYSTEM).then(|| Arc::clone(&shared.around.arbiter));
            let worker = Worker::start(&shared.around.launcher, tenant, arbiter)?;
            if let Some(bay) = shared.lock().bays.get_mut(&tenant) {
                bay.handle = Some(worker.handle());
                bay.isolation.clone_from(&worker.isolation);
            }
            slot.insert(worker)
        }
    };
    let outcome = act(worker);
    if outcome.as_ref().is_err_and(Trouble::is_fatal) {
        *slot = None;
        if let Some(bay) = shared.lock().bays.get_mut(&tenant) {
            bay.handle = None;
            bay.isolation.clear();
        }
    }
    outcome
}

/// Runs one job.
fn job(shared: &Shared, tenant: u32, slot: &mut Option<Worker>, id: u64) {
    let Some((request, buffers)) = begin(shared, tenant, id) else { return };
    let before = slot.as_ref().and_then(clock).and_then(ProcessClock::read).unwrap_or(0);
    let mut used = 0;
    let outcome = with_worker(shared, tenant, slot, |worker| {
        // A cancel that came while the worker started found no process to kill.
        if is_cancelled(shared, id) {
            return Err(Trouble::Refused { error: "cancelled".to_owned(), message: String::new(), fatal: false });
        }
        let outcome = launch(shared, worker, &request, &buffers);
        used = clock(worker).and_then(ProcessClock::read).unwrap_or(before).saturating_sub(before);
        outcome
    });
    let cancelled = {
        let mut state = shared.lock();
        if let Some(bay) = state.bays.get_mut(&tenant) {
            bay.running = None;
        }
        state.jobs.get(&id).is_some_and(|job| job.cancelled)
    };
    match outcome {
        Ok(output) => shared.end(id, JobState::Done, None, output, used),
        Err(_) if cancelled => shared.end(id, JobState::Cancelled, None, String::new(), used),
        Err(trouble) => {
            let error = match &trouble {
                Trouble::Refused { error, .. } => error.clone(),
                Trouble::Gone(_) => "worker_lost".to_owned(),
                Trouble::Silent(_) => "launch_timeout".to_owned(),
            };
            let problem = Problem { error, message: trouble.to_string() };
            shared.end(id, JobState::Failed, Some(problem), String::new(), used);
        }
    }
}

fn clock(worker: &Worker) -> Option<ProcessClock> {
    ProcessClock::of(worker.handle().pid()).ok()
}

fn is_cancelled(shared: &Shared, id: u64) -> bool {
    shared.lock().jobs.get(&id).is_none_or(|job| job.cancelled)
}

type Begun = (JobRequest, Vec<(u64, Arc<Buffer>)>);

/// Makes a queued job a running one.
fn begin(shared: &Shared, tenant: u32, id: u64) -> Option<Begun> {
    let mut locked = shared.lock();
    let state = &mut *locked;
    let job = state.jobs.get_mut(&id)?;
    if job.cancelled {
        drop(locked);
        shared.end(id, JobState::Cancelled, None, String::new(), 0);
        return None;
    }
    job.view.state = JobState::Running;
    job.view.started_ns = Some(super::now_ns());
    job.told.send_replace(job.view.clone());
    state.counts.queued = state.counts.queued.saturating_sub(1);
    state.counts.running += 1;
    state.bays.entry(tenant).or_default().running = Some(id);
    Some((job.view.request.clone(), job.buffers.clone()))
}

fn launch(
    shared: &Shared,
    worker: &mut Worker,
    request: &JobRequest,
    buffers: &[(u64, Arc<Buffer>)],
) -> Result<String, Trouble> {
    if !worker.modules.contains(&request.module) {
        worker.load(&request.module, &shared.around.modules.join(&request.module))?;
    }
    let alive: Vec<u64> = {
        let state = shared.lock();
        state.bays.values().flat_map(|bay| bay.buffers.keys().copied()).collect()
    };
    let alive: std::collections::HashSet<u64> = alive.into_iter().collect();
    worker.detach_all_but(|id| alive.contains(&id) || buffers.iter().any(|(own, _)| *own == id))?;
    for (id, buffer) in buffers {
        worker.attach(*id, buffer)?;
    }
    let three = |numbers: &[u32]| {
        let at = |idx: usize| numbers.get(idx).copied().unwrap_or(1);
        [at(0), at(1), at(2)]
    };
    let timeout_ms = request.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS).max(1);
    let run = Run {
        module: request.module.clone(),
        kernel: request.kernel.clone(),
        grid: three(&request.grid),
        block: three(&request.block),
        shared_bytes: request.shared_bytes,
        args: request.args.clone(),
        timeout_ms,
        cooperative: request.cooperative,
    };
    match worker.ask(&Request::Run(run), &[], Duration::from_millis(timeout_ms) + GRACE)? {
        Reply::Ran { mut output } => {
            let end = (0..=output.len().min(64 << 10)).rev().find(|at| output.is_char_boundary(*at)).unwrap_or(0);
            output.truncate(end);
            Ok(output)
        }
        other => Err(nonsense(&other)),
    }
}
