//! The one thread through which everything goes that changes money, shares or limits.
//!
//! [`Hub`] is the handle that everybody has; [`State`] is what the thread has: the durable market, the guard, the device, the
//! tenants. Market commands that come at once are logged and synced as one group, and answered after that. Everything else is a
//! closure that is run between groups ([`Hub::ask`]). Between messages, time passes: epochs begin, auctions run, sensors are
//! read, rules are asked.
//!
//! The way of a share: the market clears (`epoch`), each difference to what is in force is proposed to the guard, and what the
//! guard admits is done by the device with the permit. Nothing else here can reach the device.

mod audit;
pub(crate) mod epoch;
mod governance;
mod tenants;
pub(crate) mod views;

pub use tenants::Tenant;

use crate::api::types::{LoggedError, RuleView, SignalView};
use crate::device::{Arbiter, Device, N_TIERS, Sensors, Size, Snapshot};
use crate::durable::{Durable, DurableError};
use crate::jobs::{JobError, Jobs, Launcher, Surroundings, now_ns};
use crate::settings::Settings;
use crate::store::{Store, StoreError};
use crate::token::TokenHash;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::sync::{oneshot, watch};
use vgpu_market::{Command, Receipt, Reject};
use vgpu_policy::rules::Rules;
use vgpu_policy::{Authority, Capability, Cooldown, Envelope, Gate, Guard, Kind, N_KINDS, Phase, Scope, SignalQueue};

/// Commands in one group.
const GROUP: usize = 1024;
/// Commands between two snapshots of the market.
const SNAPSHOT_EVERY: u64 = 100_000;
/// How often the hub looks at the time.
const TICK: Duration = Duration::from_millis(50);
/// How often sensors are read and rules asked.
const SENSE: Duration = Duration::from_secs(1);
/// How often the live picture is drawn.
const DRAW: Duration = Duration::from_millis(500);
/// Decisions, signals and errors that are remembered.
const REMEMBERED: usize = 4096;

/// Who may propose what: the static layer.
const POLICIES: &str = r#"
    permit(principal in Group::"operators", action, resource);
    permit(principal == User::"market", action in [Action::"share", Action::"supply", Action::"tier_quota"],
        resource == Device::"device");
    permit(principal == User::"rules", action in [Action::"pace", Action::"workers", Action::"power_limit"],
        resource == Device::"device");
    permit(principal == User::"cooldown", action == Action::"pace", resource == Device::"device");
"#;

/// Why the hub cannot be started, or did not do something.
#[derive(Debug, Error)]
pub enum HubError {
    /// The market refuses.
    #[error(transparent)]
    Refused(#[from] Reject),
    /// The journal or the market is broken: nothing is accepted any more.
    #[error("{0}")]
    Broken(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The jobs.
    #[error(transparent)]
    Jobs(#[from] JobError),
    /// The guard denies.
    #[error("{0}")]
    Denied(String),
    /// The caller's request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The caller names a tenant that is not there.
    #[error("there is no tenant {0}")]
    UnknownTenant(u32),
    /// The system.
    #[error("{0}")]
    System(String),
    /// The hub has ended.
    #[error("the daemon is shutting down")]
    Over,
}

type Answer = oneshot::Sender<Result<Receipt, HubError>>;

enum Message {
    Command(Command, Answer),
    Ask(Box<dyn FnOnce(&mut State) + Send>),
    Stop,
}

/// The rights that the daemon's own parts have.
struct Capabilities {
    market: Capability,
    rules: Capability,
    cooldown: Capability,
    operator: Capability,
}

/// What the hub's thread has. Reached through [`Hub::ask`].
pub struct State {
    settings: Arc<Settings>,
    market: Durable,
    store: Store,
    guard: Guard,
    capabilities: Capabilities,
    device: Device,
    jobs: Jobs,
    tenants: BTreeMap<u32, Tenant>,
    tokens: Arc<RwLock<HashMap<TokenHash, u32>>>,
    cooldown: Cooldown,
    /// A temperature was read at least once: from then on silence is a bad sign.
    has_thermometer: bool,
    /// The pace that rules and operators want; the cool-down's comes first.
    wanted_pace: u32,
    sensors: Sensors,
    snapshot: Snapshot,
    signals: SignalQueue,
    recent_signals: VecDeque<SignalView>,
    rules: Rules,
    rule_texts: Vec<RuleView>,
    facts: BTreeMap<String, f64>,
    rule_errors: VecDeque<String>,
    errors: VecDeque<LoggedError>,
    audit: audit::AuditLog,
    started: Instant,
    next_epoch: Instant,
    next_sense: Instant,
    next_draw: Instant,
    live: watch::Sender<Arc<str>>,
    healthy: Arc<std::sync::atomic::AtomicBool>,
}

/// See the module header. Clones are the same hub.
#[derive(Clone)]
pub struct Hub {
    messages: Sender<Message>,
    tokens: Arc<RwLock<HashMap<TokenHash, u32>>>,
    jobs: Jobs,
    arbiter: Arc<Arbiter>,
    live: watch::Sender<Arc<str>>,
    healthy: Arc<std::sync::atomic::AtomicBool>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").finish_non_exhaustive()
    }
}

fn system(what: &str, error: &dyn std::fmt::Display) -> HubError {
    HubError::System(format!("{what}: {error}"))
}

impl Hub {
    /// Opens the state folder and starts the thread.
    ///
    /// # Errors
    /// The folder cannot be used or is damaged; a setting is out of range.
    pub fn open(settings: Settings) -> Result<Self, HubError> {
        settings.check().map_err(|error| HubError::Invalid(error.to_string()))?;
        let folder = &settings.state_dir;
        std::fs::create_dir_all(folder).map_err(|error| system("cannot make the state folder", &error))?;
        // The journal's lock is the daemon's lock, so it comes first.
        let market = Durable::open(&folder.join("market"), settings.market.clone(), SNAPSHOT_EVERY);
        let market = market.map_err(|error| HubError::Broken(error.to_string()))?;
        let store = Store::open(&folder.join("store.redb"))?;
        let arbiter =
            Arbiter::start(settings.processors).map_err(|error| system("no thread for the arbiter", &error))?;
        let resources = market.market().config().resources.clone();
        let size = Size {
            processors: settings.processors,
            memory_bytes: settings.memory_bytes,
            max_power_mw: settings.thresholds.power_mw,
            max_tenants: settings.market.max_tenants,
        };
        let device = Device::new(&size, &resources, Arc::clone(&arbiter));
        let launcher = Launcher {
            command: settings.worker_command.clone(),
            workers: settings.processors,
            memory_bytes: settings.memory_bytes,
            cache: folder.join("cache"),
            confined: settings.confined,
        };
        let jobs = Jobs::open(Surroundings {
            launcher,
            arbiter: Arc::clone(&arbiter),
            quotas: Arc::clone(device.quotas()),
            store: store.clone(),
            modules: folder.join("modules"),
            memory_bytes: settings.memory_bytes,
        })?;
        let tokens = Arc::new(RwLock::new(HashMap::new()));
        let healthy = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let live: watch::Sender<Arc<str>> = watch::Sender::new(Arc::from("{}"));
        let drawn = live.clone();
        let now = Instant::now();
        let mut state = State {
            guard: guard(&size, resources.len(), settings.market.max_tenants),
            capabilities: capabilities()?,
            tenants: BTreeMap::new(),
            tokens: Arc::clone(&tokens),
            cooldown: Cooldown::new(settings.cooldown, now_ns()),
            has_thermometer: false,
            wanted_pace: 1000,
            sensors: Sensors::default(),
            snapshot: Snapshot::default(),
            signals: SignalQueue::new(REMEMBERED),
            recent_signals: VecDeque::new(),
            rules: Rules::none(),
            rule_texts: Vec::new(),
            facts: BTreeMap::new(),
            rule_errors: VecDeque::new(),
            errors: VecDeque::new(),
            audit: audit::AuditLog::open(&folder.join("audit.log")),
            started: now,
            next_epoch: now + settings.epoch,
            next_sense: now,
            next_draw: now,
            live,
            healthy: Arc::clone(&healthy),
            jobs: jobs.clone(),
            settings: Arc::new(settings),
            market,
            store,
            device,
        };
        state.find_tenants()?;
        state.sense(now);
        state.find_rules()?;
        state.enforce_shares("the daemon starts");
        let (messages, incoming) = channel();
        let thread = std::thread::Builder::new().name("vgpud-hub".to_owned()).spawn(move || state.work(&incoming));
        let thread = thread.map_err(|error| system("no thread for the hub", &error))?;
        Ok(Self { messages, tokens, jobs, arbiter, live: drawn, healthy, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    /// The jobs.
    pub const fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    /// What enforces the shares.
    pub const fn arbiter(&self) -> &Arc<Arbiter> {
        &self.arbiter
    }

    /// The tenant that has this token.
    pub fn tenant_of(&self, token: &TokenHash) -> Option<u32> {
        self.tokens.read().unwrap_or_else(PoisonError::into_inner).get(token).copied()
    }

    /// Pictures of everything, as JSON, twice a second.
    pub fn live(&self) -> watch::Receiver<Arc<str>> {
        self.live.subscribe()
    }

    /// Nothing is wrong with the journal or the market.
    pub fn is_healthy(&self) -> bool {
        self.healthy.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Gives the market a command; the answer comes when it is on disk.
    ///
    /// # Errors
    /// The market refuses, or is broken.
    pub async fn command(&self, command: Command) -> Result<Receipt, HubError> {
        let (answer, answered) = oneshot::channel();
        self.messages.send(Message::Command(command, answer)).map_err(|_| HubError::Over)?;
        answered.await.unwrap_or(Err(HubError::Over))
    }

    /// Runs a closure on the hub's thread.
    ///
    /// # Errors
    /// The hub has ended.
    pub async fn ask<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut State) -> T + Send + 'static,
    ) -> Result<T, HubError> {
        let (answer, answered) = oneshot::channel();
        let act = Box::new(move |state: &mut State| {
            // Who asked may have gone away.
            let _ = answer.send(act(state));
        });
        self.messages.send(Message::Ask(act)).map_err(|_| HubError::Over)?;
        answered.await.map_err(|_| HubError::Over)
    }

    /// Ends jobs, workers and the thread; what was answered is on disk.
    pub fn shut_down(&self, patience: Duration) {
        self.jobs.drain(patience);
        // A hub that has ended needs no stopping.
        let _ = self.messages.send(Message::Stop);
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
        self.arbiter.shut_down();
    }
}

fn guard(size: &Size, n_resources: usize, max_tenants: u32) -> Guard {
    let mut envelopes = [Envelope::OPEN; N_KINDS];
    envelopes[Kind::Workers as usize] =
        Envelope { min: 1, max: size.processors, ..Envelope::OPEN }.locked_in(Phase::Emergency);
    envelopes[Kind::Pace as usize] = Envelope { max: 1000, ..Envelope::OPEN };
    envelopes[Kind::PowerLimit as usize] =
        Envelope { min: 1000, max: size.max_power_mw, ..Envelope::OPEN }.locked_in(Phase::Emergency);
    Guard::new(Gate::new(envelopes, max_tenants as usize, n_resources, N_TIERS), REMEMBERED)
}

fn capabilities() -> Result<Capabilities, HubError> {
    let authority = Authority::new(POLICIES).map_err(|error| HubError::Broken(error.to_string()))?;
    let mint = |user: &str, groups: &[&str]| {
        authority.mint(user, groups, Scope::Device, u64::MAX).map_err(|error| HubError::Broken(error.to_string()))
    };
    Ok(Capabilities {
        market: mint("market", &[])?,
        rules: mint("rules", &[])?,
        cooldown: mint("cooldown", &[])?,
        operator: mint("operator", &["operators"])?,
    })
}

impl State {
    fn work(mut self, incoming: &Receiver<Message>) {
        loop {
            let first = match incoming.recv_timeout(TICK) {
                Ok(message) => Some(message),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let mut answers: Vec<Answer> = Vec::new();
            let mut stop = false;
            for message in first.into_iter().chain(incoming.try_iter().take(GROUP)) {
                match message {
                    Message::Command(command, answer) => match self.submit(&command) {
                        Ok(()) => answers.push(answer),
                        Err(error) => drop(answer.send(Err(error))),
                    },
                    Message::Ask(act) => {
                        // A closure sees only what is on disk.
                        self.answer(&mut answers);
                        act(&mut self);
                    }
                    Message::Stop => stop = true,
                }
            }
            self.answer(&mut answers);
            self.pass_time(Instant::now());
            if stop {
                break;
            }
        }
        self.audit.flush();
    }

    /// Logs and applies a command; the answer comes with [`Self::answer`].
    fn submit(&mut self, command: &Command) -> Result<(), HubError> {
        // The market's time never goes back, whatever the clock does.
        let now = now_ns().max(self.market.market().now_ns());
        let submitted = self.market.submit(now, command);
        submitted.map_err(|error| self.broken(&error))
    }

    /// Makes what was submitted durable, and answers.
    fn answer(&mut self, answers: &mut Vec<Answer>) {
        if answers.is_empty() {
            return;
        }
        match self.market.flush() {
            Ok(outcomes) => {
                for (answer, outcome) in answers.drain(..).zip(outcomes) {
                    // Who asked may have gone away.
                    let _ = answer.send(outcome.outcome.map_err(HubError::Refused));
                }
            }
            Err(error) => {
                let error = self.broken(&error).to_string();
                answers.drain(..).for_each(|answer| drop(answer.send(Err(HubError::Broken(error.clone())))));
            }
        }
    }

    /// Does a command at once; for the hub itself, between groups.
    fn command(&mut self, command: &Command) -> Result<Receipt, HubError> {
        self.submit(command)?;
        let outcomes = self.market.flush().map_err(|error| self.broken(&error))?;
        let last = outcomes.into_iter().next_back().ok_or(HubError::Over)?;
        Ok(last.outcome?)
    }

    fn broken(&mut self, error: &DurableError) -> HubError {
        let message = error.to_string();
        if self.healthy.swap(false, std::sync::atomic::Ordering::Relaxed) {
            self.log_error(format!("the market takes no more commands: {message}"));
        }
        HubError::Broken(message)
    }

    fn log_error(&mut self, message: String) {
        eprintln!("vgpud: {message}");
        remember(&mut self.errors, LoggedError { time_ns: now_ns(), message });
    }

    fn pass_time(&mut self, now: Instant) {
        if now >= self.next_sense {
            self.next_sense = now + SENSE;
            self.sense(now);
        }
        if now >= self.next_epoch {
            // Epochs that a stopped machine slept through are not made up for.
            self.next_epoch = (self.next_epoch + self.settings.epoch).max(now);
            self.begin_epoch();
        }
        if now >= self.next_draw {
            self.next_draw = now + DRAW;
            self.run_auctions();
            self.draw();
            self.audit.flush();
        }
    }
}

fn remember<T>(list: &mut VecDeque<T>, item: T) {
    if list.len() == REMEMBERED {
        list.pop_front();
    }
    list.push_back(item);
}
