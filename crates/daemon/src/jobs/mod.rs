//! Jobs: modules and buffers that tenants upload, launches that wait and run, and how they ended.
//!
//! Each tenant has a *bay*: its modules, its buffers, a queue, and at most one worker process with the thread that talks to it (the
//! runner). Jobs of one tenant run one after the other, those that somebody waits for first; jobs of different tenants run side by
//! side and share the processors as the arbiter says. The first job starts the worker; one that has nothing to do for a
//! minute goes.
//!
//! A job's life: `queued -> running -> done | failed | cancelled`, or straight from `queued` to `cancelled`. It is on disk before its
//! submission is answered, and again when it has ended. A daemon that restarts finds jobs that had not ended: they have
//! failed, and say so, because their data was in memory.
//!
//! Locks: one for all bays, never held while a worker is asked or a file is written.

mod buffer;
pub mod classify;
mod runner;
mod worker;

pub use buffer::Buffer;
pub use worker::{Handle, Launcher, Trouble, Worker};

use crate::api::types::{
    Argument, BufferView, JobCounts, JobRequest, JobState, JobView, LaunchFigures, Measure, ModuleView, Problem,
};
use crate::device::{Arbiter, Quotas};
use crate::store::{Store, StoreError};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use thiserror::Error;
use tokio::sync::{oneshot, watch};

/// Jobs that are remembered.
const MAX_JOBS: usize = 10_000;
/// Jobs of one tenant that may wait.
const MAX_QUEUED: usize = 4096;
/// Modules of one tenant.
const MAX_MODULES: usize = 1024;
/// Buffers of one tenant; each is a descriptor of the daemon's.
const MAX_BUFFERS: usize = 1024;
/// Longest time limit.
const MAX_TIMEOUT_MS: u64 = 3_600_000;
/// Time limit of jobs that set none.
const DEFAULT_TIMEOUT_MS: u64 = 300_000;
/// Launches whose times are remembered.
const TIMES: usize = 1024;

/// Why a request about jobs was not done. Whose fault is in the variant.
#[derive(Debug, Error)]
pub enum JobError {
    /// The caller names something that is not there, or not its own.
    #[error("there is no {what} {id} of this tenant")]
    Unknown {
        /// What.
        what: &'static str,
        /// Which.
        id: String,
    },
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The worker refuses the caller's module or launch.
    #[error("{message}")]
    Refused {
        /// A short name.
        error: String,
        /// For people.
        message: String,
    },
    /// A limit.
    #[error("{what}: {found} is more than the {limit} allowed")]
    Limit {
        /// Of what.
        what: &'static str,
        /// What it would be.
        found: u64,
        /// The most.
        limit: u64,
    },
    /// The system, or the store.
    #[error("{0}")]
    System(String),
    /// The daemon is going down.
    #[error("the daemon is shutting down and takes no more work")]
    Draining,
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        Self::System(error.to_string())
    }
}

struct Job {
    view: JobView,
    buffers: Vec<(u64, Arc<Buffer>)>,
    cancelled: bool,
    told: watch::Sender<JobView>,
}

enum Task {
    Job(u64),
    /// Loads a module that was just uploaded, to see what is in it.
    Load(String, oneshot::Sender<Result<ModuleView, JobError>>),
    Benchmark(oneshot::Sender<Result<serde_json::Value, JobError>>),
}

/// How long a kernel took so far.
#[derive(Clone, Copy, Debug, Default)]
struct History {
    runs: u32,
    mean_ms: f64,
}

#[derive(Default)]
struct Bay {
    urgent: VecDeque<Task>,
    queue: VecDeque<Task>,
    modules: BTreeMap<String, ModuleView>,
    buffers: BTreeMap<u64, Arc<Buffer>>,
    history: HashMap<(String, String), History>,
    has_runner: bool,
    running: Option<u64>,
    handle: Option<Handle>,
    isolation: Vec<Measure>,
    closed: bool,
}

impl Bay {
    fn used_bytes(&self) -> u64 {
        self.buffers.values().map(|buffer| buffer.bytes()).sum()
    }

    fn n_waiting(&self) -> usize {
        self.urgent.len() + self.queue.len()
    }
}

#[derive(Default)]
struct State {
    bays: HashMap<u32, Bay>,
    jobs: BTreeMap<u64, Job>,
    next_job: u64,
    next_buffer: u64,
    counts: JobCounts,
    /// Start to end and submission to start, in nanoseconds, with the time of the end.
    times: VecDeque<(u64, u64, u64)>,
    draining: bool,
    runners: usize,
}

/// The tenant that the daemon's own work belongs to.
pub const SYSTEM: u32 = u32::MAX;

/// What jobs need from outside.
#[derive(Debug)]
pub struct Surroundings {
    /// How workers are started.
    pub launcher: Launcher,
    /// Who enforces shares.
    pub arbiter: Arc<Arbiter>,
    /// What quotas are in force.
    pub quotas: Arc<Quotas>,
    /// Where rows are kept.
    pub store: Store,
    /// Where modules are kept.
    pub modules: PathBuf,
    /// Bytes for all buffers together.
    pub memory_bytes: u64,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    around: Surroundings,
}

/// See the module header. Clones are the same.
#[derive(Clone)]
pub struct Jobs(Arc<Shared>);

impl std::fmt::Debug for Jobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jobs").finish_non_exhaustive()
    }
}

/// Nanoseconds since 1970.
pub fn now_ns() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

impl Jobs {
    /// Finds what is in the store. Jobs that had not ended have failed.
    ///
    /// # Errors
    /// The store is damaged or cannot be written.
    pub fn open(around: Surroundings) -> Result<Self, JobError> {
        let mut state = State { next_job: 1, next_buffer: 1, ..State::default() };
        std::fs::create_dir_all(&around.modules).map_err(|error| JobError::System(error.to_string()))?;
        let mut tickets = Vec::new();
        for (key, mut view) in around.store.all::<JobView>("job")? {
            state.next_job = state.next_job.max(view.id + 1);
            if !view.state.is_final() {
                view.state = JobState::Failed;
                view.ended_ns = Some(now_ns());
                view.error = Some(Problem {
                    error: "daemon_restarted".to_owned(),
                    message: "the daemon restarted before the job ended; its data was in memory".to_owned(),
                });
                tickets.push(around.store.put("job", &key, &view));
            }
            let told = watch::Sender::new(view.clone());
            state.jobs.insert(view.id, Job { view, buffers: Vec::new(), cancelled: false, told });
        }
        while state.jobs.len() > MAX_JOBS {
            if let Some((id, _)) = state.jobs.pop_first() {
                tickets.push(around.store.remove("job", &job_key(id)));
            }
        }
        for (key, view) in around.store.all::<ModuleView>("module")? {
            let tenant = key.split('/').next().and_then(|tenant| tenant.parse().ok());
            if let Some(tenant) = tenant {
                state.bays.entry(tenant).or_default().modules.insert(view.id.clone(), view);
            }
        }
        tickets.into_iter().try_for_each(crate::store::Ticket::wait)?;
        Ok(Self(Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), around })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    /// Stores a module's bytes and finds out what is in it.
    ///
    /// # Errors
    /// It is not a module, there are too many, or the system refuses.
    pub async fn upload_module(&self, tenant: u32, bytes: Vec<u8>) -> Result<ModuleView, JobError> {
        let id = blake3::hash(&bytes).to_hex()[..32].to_owned();
        {
            let mut state = self.lock();
            let bay = state.bays.entry(tenant).or_default();
            if let Some(view) = bay.modules.get(&id) {
                return Ok(view.clone());
            }
            limit("modules", bay.modules.len() as u64 + 1, MAX_MODULES as u64)?;
        }
        let size = bytes.len() as u64;
        let (jobs, name) = (self.clone(), id.clone());
        let kept = tokio::task::spawn_blocking(move || jobs.0.keep_module(&name, &bytes)).await;
        kept.map_err(|error| JobError::System(error.to_string()))??;
        let mut view = self.task(tenant, |done| Task::Load(id.clone(), done)).await?;
        view.bytes = size;
        self.0.around.store.put("module", &format!("{tenant}/{id}"), &view).durable().await?;
        self.lock().bays.entry(tenant).or_default().modules.insert(id, view.clone());
        Ok(view)
    }

    /// A tenant's modules.
    pub fn modules(&self, tenant: u32) -> Vec<ModuleView> {
        self.lock().bays.get(&tenant).map(|bay| bay.modules.values().cloned().collect()).unwrap_or_default()
    }

    /// Forgets a module.
    ///
    /// # Errors
    /// There is none.
    pub async fn remove_module(&self, tenant: u32, id: &str) -> Result<(), JobError> {
        let removed = self.lock().bays.get_mut(&tenant).and_then(|bay| bay.modules.remove(id));
        removed.ok_or_else(|| unknown("module", id))?;
        Ok(self.0.around.store.remove("module", &format!("{tenant}/{id}")).durable().await?)
    }

    /// Makes a buffer of zeros.
    ///
    /// # Errors
    /// The tenant's quota or the device is full.
    pub fn create_buffer(&self, tenant: u32, bytes: u64) -> Result<BufferView, JobError> {
        if bytes == 0 {
            return Err(JobError::Invalid("a buffer of 0 bytes cannot be made; accepted is 1 and more".to_owned()));
        }
        let quota = self.0.around.quotas.of(tenant);
        let mut state = self.lock();
        let all: u64 = state.bays.values().map(Bay::used_bytes).sum();
        let bay = state.bays.entry(tenant).or_default();
        limit("buffers", bay.buffers.len() as u64 + 1, MAX_BUFFERS as u64)?;
        limit("bytes in this tenant's buffers", bay.used_bytes().saturating_add(bytes), quota)?;
        limit("bytes in all buffers", all.saturating_add(bytes), self.0.around.memory_bytes)?;
        let buffer =
            Buffer::new(bytes).map_err(|error| JobError::System(format!("no memory for a buffer: {error}")))?;
        let id = state.next_buffer;
        state.next_buffer += 1;
        state.bays.entry(tenant).or_default().buffers.insert(id, Arc::new(buffer));
        Ok(BufferView { id, bytes })
    }

    /// A tenant's buffer.
    ///
    /// # Errors
    /// There is none.
    pub fn buffer(&self, tenant: u32, id: u64) -> Result<Arc<Buffer>, JobError> {
        let state = self.lock();
        let found = state.bays.get(&tenant).and_then(|bay| bay.buffers.get(&id));
        found.cloned().ok_or_else(|| unknown("buffer", id))
    }

    /// A tenant's buffers.
    pub fn buffers(&self, tenant: u32) -> Vec<BufferView> {
        let state = self.lock();
        let Some(bay) = state.bays.get(&tenant) else { return Vec::new() };
        bay.buffers.iter().map(|(id, buffer)| BufferView { id: *id, bytes: buffer.bytes() }).collect()
    }

    /// Frees a buffer. Jobs that were submitted with it keep it until they end.
    ///
    /// # Errors
    /// There is none.
    pub fn remove_buffer(&self, tenant: u32, id: u64) -> Result<(), JobError> {
        let removed = self.lock().bays.get_mut(&tenant).and_then(|bay| bay.buffers.remove(&id));
        removed.map(|_| ()).ok_or_else(|| unknown("buffer", id))
    }

    /// Bytes in a tenant's buffers.
    pub fn used_bytes(&self, tenant: u32) -> u64 {
        self.lock().bays.get(&tenant).map_or(0, Bay::used_bytes)
    }

    /// Takes a job in; it is on disk when this returns.
    ///
    /// # Errors
    /// The request is not one, or too many jobs wait.
    pub async fn submit(&self, tenant: u32, request: JobRequest) -> Result<JobView, JobError> {
        let ticket = {
            let mut state = self.lock();
            if state.draining {
                return Err(JobError::Draining);
            }
            let job = state.admit(tenant, request)?;
            let id = job.view.id;
            let ticket = self.0.around.store.put("job", &job_key(id), &job.view);
            state.jobs.insert(id, job);
            while state.jobs.len() > MAX_JOBS {
                let ended = state.jobs.iter().find(|(_, job)| job.view.state.is_final()).map(|(id, _)| *id);
                let Some(ended) = ended else { break };
                state.jobs.remove(&ended);
                // That a row that is not needed stays a little longer hurts nobody.
                drop(self.0.around.store.remove("job", &job_key(ended)));
            }
            (id, ticket)
        };
        let (id, ticket) = ticket;
        if let Err(error) = ticket.durable().await {
            self.lock().jobs.remove(&id);
            return Err(error.into());
        }
        let view = {
            let mut state = self.lock();
            let State { bays, jobs, counts, .. } = &mut *state;
            let job = jobs.get(&id).ok_or_else(|| unknown("job", id))?;
            let bay = bays.entry(tenant).or_default();
            let queue = if classify::is_urgent(&job.view.classified) { &mut bay.urgent } else { &mut bay.queue };
            queue.push_back(Task::Job(id));
            counts.queued += 1;
            job.view.clone()
        };
        self.wake(tenant)?;
        Ok(view)
    }

    /// A tenant's job.
    ///
    /// # Errors
    /// There is none.
    pub fn job(&self, tenant: u32, id: u64) -> Result<JobView, JobError> {
        self.own(&self.lock(), tenant, id).map(|job| job.view.clone())
    }

    /// A job's states from now on; the last is final.
    ///
    /// # Errors
    /// There is none.
    pub fn watch(&self, tenant: u32, id: u64) -> Result<watch::Receiver<JobView>, JobError> {
        self.own(&self.lock(), tenant, id).map(|job| job.told.subscribe())
    }

    fn own<'a>(&self, state: &'a State, tenant: u32, id: u64) -> Result<&'a Job, JobError> {
        state.jobs.get(&id).filter(|job| job.view.tenant == tenant).ok_or_else(|| unknown("job", id))
    }

    /// The newest jobs, of one tenant or of all.
    pub fn jobs(&self, tenant: Option<u32>, most: usize) -> Vec<JobView> {
        let state = self.lock();
        let of = state.jobs.values().rev().filter(|job| tenant.is_none_or(|tenant| job.view.tenant == tenant));
        of.take(most).map(|job| job.view.clone()).collect()
    }

    /// Cancels a job: at once when it waits; one that runs takes its worker process with it.
    ///
    /// # Errors
    /// There is none.
    pub async fn cancel(&self, tenant: u32, id: u64) -> Result<JobView, JobError> {
        let ended = {
            let mut state = self.lock();
            self.own(&state, tenant, id)?;
            let State { bays, jobs, .. } = &mut *state;
            let (Some(job), Some(bay)) = (jobs.get_mut(&id), bays.get_mut(&tenant)) else {
                return Err(unknown("job", id));
            };
            match job.view.state {
                JobState::Queued => {
                    job.cancelled = true;
                    let n = bay.n_waiting();
                    bay.urgent.retain(|task| !matches!(task, Task::Job(found) if *found == id));
                    bay.queue.retain(|task| !matches!(task, Task::Job(found) if *found == id));
                    // A job whose submission is not on disk yet is in no queue; the runner finds it cancelled.
                    (bay.n_waiting() < n).then_some(())
                }
                JobState::Running => {
                    job.cancelled = true;
                    if let Some(handle) = &bay.handle {
                        handle.kill();
                    }
                    None
                }
                JobState::Done | JobState::Failed | JobState::Cancelled => None,
            }
        };
        if ended.is_some() {
            self.0.end(id, JobState::Cancelled, None, String::new(), 0);
        }
        self.job(tenant, id)
    }

    /// Ends everything that a tenant has.
    pub fn close_tenant(&self, tenant: u32) {
        let (ids, modules) = {
            let mut state = self.lock();
            let Some(mut bay) = state.bays.remove(&tenant) else { return };
            bay.closed = true;
            let tasks = bay.urgent.drain(..).chain(bay.queue.drain(..));
            let ids: Vec<u64> =
                tasks.filter_map(|task| if let Task::Job(id) = task { Some(id) } else { None }).collect();
            if let Some(job) = bay.running.and_then(|id| state.jobs.get_mut(&id)) {
                job.cancelled = true;
            }
            if let Some(handle) = &bay.handle {
                handle.kill();
            }
            (ids, bay.modules.into_keys().collect::<Vec<_>>())
        };
        for id in ids {
            self.0.end(id, JobState::Cancelled, None, String::new(), 0);
        }
        for module in modules {
            // Rows of a tenant that is gone are not looked at any more.
            drop(self.0.around.store.remove("module", &format!("{tenant}/{module}")));
        }
        self.0.changed.notify_all();
    }

    /// Jobs by state.
    pub fn counts(&self) -> JobCounts {
        self.lock().counts
    }

    /// Jobs of a tenant that wait, and that run.
    pub fn load(&self, tenant: u32) -> (u64, u64) {
        let state = self.lock();
        let Some(bay) = state.bays.get(&tenant) else { return (0, 0) };
        (bay.n_waiting() as u64, u64::from(bay.running.is_some()))
    }

    /// How a tenant's worker is confined, when it has one.
    pub fn isolation(&self, tenant: u32) -> Vec<Measure> {
        self.lock().bays.get(&tenant).map(|bay| bay.isolation.clone()).unwrap_or_default()
    }

    /// How long launches took.
    pub fn figures(&self) -> LaunchFigures {
        let state = self.lock();
        let now = now_ns();
        let recent = state.times.iter().filter(|(_, _, end)| now.saturating_sub(*end) <= 1_000_000_000).count();
        let mut run: Vec<u64> = state.times.iter().map(|times| times.0).collect();
        let mut wait: Vec<u64> = state.times.iter().map(|times| times.1).collect();
        run.sort_unstable();
        wait.sort_unstable();
        let at = |sorted: &[u64], permille: usize| {
            let last = sorted.len().saturating_sub(1);
            sorted.get((last * permille).div_ceil(1000)).map_or(0.0, |ns| *ns as f64 / 1e6)
        };
        LaunchFigures {
            per_second: recent as f64,
            run_p50_ms: at(&run, 500),
            run_p99_ms: at(&run, 990),
            wait_p50_ms: at(&wait, 500),
            wait_p99_ms: at(&wait, 990),
        }
    }

    /// The oldest waiting job's waiting time, in milliseconds.
    pub fn queue_delay_ms(&self) -> f64 {
        let state = self.lock();
        let waiting = state.jobs.values().find(|job| job.view.state == JobState::Queued);
        waiting.map_or(0.0, |job| now_ns().saturating_sub(job.view.submitted_ns) as f64 / 1e6)
    }

    /// Runs the software device's benchmark in a worker of its own.
    ///
    /// # Errors
    /// The worker cannot be started or fails.
    pub async fn benchmark(&self) -> Result<serde_json::Value, JobError> {
        self.task(SYSTEM, Task::Benchmark).await
    }

    async fn task<T>(
        &self,
        tenant: u32,
        make: impl FnOnce(oneshot::Sender<Result<T, JobError>>) -> Task,
    ) -> Result<T, JobError> {
        let (done, answer) = oneshot::channel();
        {
            let mut state = self.lock();
            if state.draining {
                return Err(JobError::Draining);
            }
            let bay = state.bays.entry(tenant).or_default();
            limit("waiting jobs", bay.n_waiting() as u64 + 1, MAX_QUEUED as u64)?;
            bay.urgent.push_back(make(done));
        }
        self.wake(tenant)?;
        answer.await.unwrap_or(Err(JobError::Draining))
    }

    /// Makes sure that somebody runs the tenant's tasks.
    fn wake(&self, tenant: u32) -> Result<(), JobError> {
        let start = {
            let mut state = self.lock();
            let state = &mut *state;
            let Some(bay) = state.bays.get_mut(&tenant) else { return Ok(()) };
            let start = !bay.has_runner;
            bay.has_runner = true;
            state.runners += usize::from(start);
            start
        };
        if start {
            let shared = Arc::clone(&self.0);
            let builder = std::thread::Builder::new().name(format!("vgpud-tenant-{tenant}"));
            if let Err(error) = builder.spawn(move || runner::run(&shared, tenant)) {
                let mut state = self.lock();
                state.runners -= 1;
                if let Some(bay) = state.bays.get_mut(&tenant) {
                    bay.has_runner = false;
                }
                return Err(JobError::System(format!("no thread for the tenant's jobs: {error}")));
            }
        }
        self.0.changed.notify_all();
        Ok(())
    }

    /// Takes no more work and waits until what runs has ended, at most this long; then ends it.
    pub fn drain(&self, patience: std::time::Duration) {
        let deadline = std::time::Instant::now() + patience;
        let mut state = self.lock();
        state.draining = true;
        self.0.changed.notify_all();
        while state.runners > 0 {
            let now = std::time::Instant::now();
            if now >= deadline {
                for bay in state.bays.values() {
                    if let Some(handle) = &bay.handle {
                        handle.kill();
                    }
                }
            }
            let wait = if now < deadline { deadline - now } else { std::time::Duration::from_millis(50) };
            state = self.0.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(state);
        // Writes are made in order: when this one is on disk, so is how every job ended. A store that fails has said so.
        let _ = self.0.around.store.put("daemon", "ended", &now_ns()).wait();
    }
}

impl State {
    /// Checks a request and makes a job of it.
    fn admit(&mut self, tenant: u32, request: JobRequest) -> Result<Job, JobError> {
        let bay = self.bays.entry(tenant).or_default();
        limit("waiting jobs", bay.n_waiting() as u64 + 1, MAX_QUEUED as u64)?;
        let module = bay.modules.get(&request.module).ok_or_else(|| unknown("module", &request.module))?;
        let kernel = module.kernels.iter().find(|kernel| kernel.name == request.kernel);
        let Some(kernel) = kernel else {
            let names: Vec<&str> = module.kernels.iter().map(|kernel| kernel.name.as_str()).collect();
            let message = format!("the module has no kernel {:?}; it has {}", request.kernel, names.join(", "));
            return Err(JobError::Invalid(message));
        };
        dimensions("grid", &request.grid)?;
        dimensions("block", &request.block)?;
        limit("timeout_ms", request.timeout_ms.unwrap_or(0), MAX_TIMEOUT_MS)?;
        if request.args.len() != kernel.params.len() {
            let (found, expected) = (request.args.len(), kernel.params.len());
            return Err(JobError::Invalid(format!("{found} arguments were given; {} takes {expected}", kernel.name)));
        }
        let mut buffers = Vec::new();
        for (idx, (argument, bytes)) in request.args.iter().zip(&kernel.params).enumerate() {
            let found = argument_bytes(argument);
            if found != *bytes {
                let message = format!("argument {idx} has {found} bytes; {}'s parameter has {bytes}", kernel.name);
                return Err(JobError::Invalid(message));
            }
            if let Argument::Buffer(id) = argument {
                let buffer = bay.buffers.get(id).ok_or_else(|| unknown("buffer", id))?;
                buffers.push((*id, Arc::clone(buffer)));
            }
        }
        let history = bay.history.get(&(request.module.clone(), request.kernel.clone()));
        let classified = classify::classify(request.class, &kernel.counts, history.map(|history| history.mean_ms));
        let id = self.next_job;
        self.next_job += 1;
        let view = JobView {
            id,
            tenant,
            state: JobState::Queued,
            request,
            classified,
            error: None,
            output: String::new(),
            submitted_ns: now_ns(),
            started_ns: None,
            ended_ns: None,
            cpu_ns: 0,
        };
        let told = watch::Sender::new(view.clone());
        Ok(Job { view, buffers, cancelled: false, told })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held that would leave half a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a module's bytes under their hash.
    fn keep_module(&self, id: &str, bytes: &[u8]) -> Result<(), JobError> {
        let path = self.around.modules.join(id);
        let write = || -> std::io::Result<()> {
            if path.exists() {
                return Ok(());
            }
            static UNIQUE: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
            let number = UNIQUE.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let unfinished = self.around.modules.join(format!("unfinished-{number}"));
            let mut file = std::fs::File::create(&unfinished)?;
            std::io::Write::write_all(&mut file, bytes)?;
            file.sync_all()?;
            std::fs::rename(&unfinished, &path)
        };
        write().map_err(|error| JobError::System(format!("cannot keep the module: {error}")))
    }

    /// A job has ended.
    fn end(&self, id: u64, state: JobState, error: Option<Problem>, output: String, cpu_ns: u64) {
        let mut locked = self.lock();
        let State { jobs, counts, times, bays, .. } = &mut *locked;
        let Some(job) = jobs.get_mut(&id) else { return };
        if job.view.state.is_final() {
            return;
        }
        match job.view.state {
            JobState::Running => counts.running -= 1,
            _ => counts.queued = counts.queued.saturating_sub(1),
        }
        match state {
            JobState::Done => counts.done += 1,
            JobState::Cancelled => counts.cancelled += 1,
            _ => counts.failed += 1,
        }
        let now = now_ns();
        let view = &mut job.view;
        (view.state, view.error, view.output, view.cpu_ns, view.ended_ns) = (state, error, output, cpu_ns, Some(now));
        if let Some(started) = view.started_ns {
            if times.len() == TIMES {
                times.pop_front();
            }
            let ran = now.saturating_sub(started);
            times.push_back((ran, started.saturating_sub(view.submitted_ns), now));
            if state == JobState::Done
                && let Some(bay) = bays.get_mut(&view.tenant)
            {
                let key = (view.request.module.clone(), view.request.kernel.clone());
                let history = bay.history.entry(key).or_default();
                history.runs = history.runs.saturating_add(1);
                let weight = f64::from(history.runs.min(16));
                history.mean_ms += (ran as f64 / 1e6 - history.mean_ms) / weight;
            }
        }
        job.buffers.clear();
        job.told.send_replace(job.view.clone());
        // The next one may start before this is on disk; a crash in between makes it a job that did not end.
        drop(self.around.store.put("job", &job_key(id), &job.view));
        drop(locked);
        self.changed.notify_all();
    }
}

fn job_key(id: u64) -> String {
    format!("{id:020}")
}

fn unknown(what: &'static str, id: impl ToString) -> JobError {
    JobError::Unknown { what, id: id.to_string() }
}

fn limit(what: &'static str, found: u64, limit: u64) -> Result<(), JobError> {
    if found <= limit { Ok(()) } else { Err(JobError::Limit { what, found, limit }) }
}

fn dimensions(what: &str, numbers: &[u32]) -> Result<(), JobError> {
    if (1..=3).contains(&numbers.len()) && numbers.iter().all(|n| *n > 0) {
        return Ok(());
    }
    Err(JobError::Invalid(format!("{what} is {numbers:?}; accepted are one to three numbers above 0")))
}

/// Size of an argument.
fn argument_bytes(argument: &Argument) -> u64 {
    match argument {
        Argument::U32(_) | Argument::I32(_) | Argument::F32(_) => 4,
        Argument::Buffer(_) | Argument::U64(_) | Argument::I64(_) | Argument::F64(_) => 8,
        Argument::Bytes(bytes) => bytes.len() as u64,
    }
}
