//! Enforces compute shares on the tenants' worker processes: a thread that looks every millisecond.
//!
//! Each look, it reads how much processor time every process used since the last ([`ProcessClock`], measured from outside the
//! process), asks the [`Plan`] who comes next, and writes the grants into the processes' gates, where their threads see them
//! between blocks. A process that runs on without a grant (long blocks, or a tenant that broke into its own process) is
//! stopped by signal within one turn and continued when it is granted again. While only one tenant wants processors, it has them
//! all and nobody is asked anything.
//!
//! The pace slows everybody: at 250 thousandths, three turns of four grant nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use vgpu_turns::{Claim, Gate, Plan, ProcessClock, be_urgent, resume, stop};

/// A turn.
const TURN: Duration = Duration::from_millis(1);
/// Between looks when nobody wants anything.
const REST: Duration = Duration::from_millis(5);
/// Looks without demand before it rests.
const PATIENCE: u32 = 50;
/// Shares are exact over windows of this length.
pub const WINDOW: Duration = Duration::from_millis(100);
/// Windows that are kept.
const WINDOWS: usize = 600;

/// A tenant's worker process as the arbiter sees it.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its number; it stays unreaped as long as it is attached.
    pub pid: u32,
    /// Its gate.
    pub gate: Arc<Gate>,
}

/// What a tenant used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time since the daemon started.
    pub cpu_ns: u64,
    /// In the last second.
    pub last_second_ns: u64,
    /// The process, if there is one.
    pub pid: Option<u32>,
}

/// What happened in one window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Window {
    /// Its length.
    pub length_ns: u64,
    /// Tenant, weight, processor time, and whether it wanted processors all the time.
    pub tenants: Vec<(u32, u32, u64, bool)>,
}

#[derive(Debug)]
struct Running {
    process: Process,
    clock: ProcessClock,
    read_ns: u64,
    stopped: bool,
    /// What it was granted at the last look.
    granted: u32,
}

#[derive(Debug, Default)]
struct Row {
    tenant: u32,
    weight: u32,
    running: Option<Running>,
    cpu_ns: u64,
    /// Used in this window, and whether it wanted processors at every look.
    window_ns: u64,
    always: bool,
}

#[derive(Debug, Default)]
struct State {
    rows: Vec<Row>,
    plan: Plan,
    processors: u32,
    pace_permille: u32,
    /// Runs up to 1000 for each turn that may grant.
    pace_debt: u32,
    windows: VecDeque<Window>,
    window_began: Option<Instant>,
    idle_looks: u32,
    over: bool,
    urgency: String,
}

/// See the module header.
#[derive(Debug)]
pub struct Arbiter {
    state: Mutex<State>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Arbiter {
    /// Starts looking.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn start(processors: u32) -> std::io::Result<Arc<Self>> {
        let state = State { processors, pace_permille: 1000, ..State::default() };
        let arbiter = Arc::new(Self { state: Mutex::new(state), thread: Mutex::default() });
        let weak = Arc::downgrade(&arbiter);
        let thread = std::thread::Builder::new().name("vgpud-arbiter".to_owned()).spawn(move || work(&weak))?;
        *arbiter.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(arbiter)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A tenant's worker process begins; whatever it had before is gone.
    ///
    /// # Errors
    /// The process cannot be looked at.
    pub fn attach(&self, tenant: u32, process: Process) -> std::io::Result<()> {
        let clock = ProcessClock::of(process.pid)?;
        let read_ns = clock.read().unwrap_or(0);
        let mut state = self.lock();
        process.gate.grant(state.processors);
        let row = state.row(tenant);
        state.rows[row].running = Some(Running { process, clock, read_ns, stopped: false, granted: u32::MAX });
        state.idle_looks = 0;
        Ok(())
    }

    /// The process of this number ended or is about to be killed. To be called before it is reaped.
    pub fn detach(&self, tenant: u32, pid: u32) {
        let mut state = self.lock();
        let row = state.row(tenant);
        if state.rows[row].running.as_ref().is_some_and(|running| running.process.pid == pid) {
            state.rows[row].running = None;
        }
    }

    /// What a tenant used.
    pub fn usage(&self, tenant: u32) -> Usage {
        let mut state = self.lock();
        let row = state.row(tenant);
        let per_second = (1_000_000_000 / WINDOW.as_nanos()) as usize;
        let last = state.windows.iter().rev().take(per_second);
        let of = |window: &Window| window.tenants.iter().find(|found| found.0 == tenant).map_or(0, |found| found.2);
        let last_second_ns = last.map(of).sum();
        let row = &state.rows[row];
        Usage { cpu_ns: row.cpu_ns, last_second_ns, pid: row.running.as_ref().map(|running| running.process.pid) }
    }

    /// The last windows, oldest first.
    pub fn windows(&self) -> Vec<Window> {
        self.lock().windows.iter().cloned().collect()
    }

    /// How its thread is scheduled.
    pub fn urgency(&self) -> String {
        self.lock().urgency.clone()
    }

    pub(super) fn set_weight(&self, tenant: u32, weight: u32) {
        let mut state = self.lock();
        let row = state.row(tenant);
        state.rows[row].weight = weight;
    }

    pub(super) fn set_processors(&self, n: u32) {
        self.lock().processors = n;
    }

    pub(super) fn set_pace(&self, permille: u32) {
        self.lock().pace_permille = permille;
    }

    /// Ends the thread; processes that are stopped go on, so that they can end.
    pub fn shut_down(&self) {
        self.lock().over = true;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // It has nothing to say.
            let _ = thread.join();
        }
        for row in &mut self.lock().rows {
            if let Some(running) = &mut row.running {
                running.let_go();
                running.process.gate.grant(u32::MAX);
            }
        }
    }
}

impl Running {
    fn let_go(&mut self) {
        if self.stopped {
            // A process that is gone needs nothing.
            let _ = resume(self.process.pid);
            self.stopped = false;
        }
    }
}

fn work(arbiter: &Weak<Arbiter>) {
    let urgency = match be_urgent() {
        Ok(how) => how.to_owned(),
        Err(error) => format!("like any other thread ({error}): shares hold less exactly on a busy machine"),
    };
    if let Some(arbiter) = arbiter.upgrade() {
        arbiter.lock().urgency = urgency;
    }
    let mut last = Instant::now();
    loop {
        let rest = {
            let Some(arbiter) = arbiter.upgrade() else { return };
            let mut state = arbiter.lock();
            if state.over {
                return;
            }
            let now = Instant::now();
            state.look(now, now - last);
            last = now;
            if state.idle_looks > PATIENCE { REST } else { TURN }
        };
        std::thread::sleep((last + rest).saturating_duration_since(Instant::now()));
    }
}

impl State {
    fn row(&mut self, tenant: u32) -> usize {
        if let Some(found) = self.rows.iter().position(|row| row.tenant == tenant) {
            return found;
        }
        self.rows.push(Row { tenant, ..Row::default() });
        self.rows.len() - 1
    }

    fn look(&mut self, now: Instant, elapsed: Duration) {
        let turn_ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX).max(1);
        let processors = self.processors;
        let claims: Vec<Claim> = self.rows.iter_mut().map(|row| row.claim(turn_ns, processors)).collect();
        let n_active = claims.iter().filter(|claim| claim.wants > 0).count();
        self.idle_looks = if n_active == 0 { self.idle_looks.saturating_add(1) } else { 0 };
        let mut grants = self.plan.turn(processors, turn_ns, &claims);
        // Alone, a tenant is not held up by gates; who comes new may begin at once, and is charged for it.
        for (grant, claim) in grants.iter_mut().zip(&claims) {
            if n_active <= 1 || claim.wants == 0 {
                *grant = processors;
            }
        }
        if !self.may_grant() {
            grants.fill(0);
        }
        for (row, (grant, claim)) in self.rows.iter_mut().zip(grants.iter().zip(&claims)) {
            row.act(*grant, claim, turn_ns);
        }
        self.window(now);
    }

    /// Whether this turn is one of those that the pace allows.
    fn may_grant(&mut self) -> bool {
        self.pace_debt += self.pace_permille.min(1000);
        let may = self.pace_debt >= 1000;
        if may {
            self.pace_debt -= 1000;
        }
        may
    }

    fn window(&mut self, now: Instant) {
        let began = *self.window_began.get_or_insert(now);
        if now - began < WINDOW {
            return;
        }
        let length_ns = u64::try_from((now - began).as_nanos()).unwrap_or(u64::MAX);
        let used = self.rows.iter().filter(|row| row.window_ns > 0 || row.always);
        let tenants = used.map(|row| (row.tenant, row.weight, row.window_ns, row.always)).collect();
        if self.windows.len() == WINDOWS {
            self.windows.pop_front();
        }
        self.windows.push_back(Window { length_ns, tenants });
        self.window_began = Some(now);
        for row in &mut self.rows {
            (row.window_ns, row.always) = (0, true);
        }
    }
}

impl Row {
    /// Reads the clock and says what the tenant wants.
    fn claim(&mut self, turn_ns: u64, processors: u32) -> Claim {
        let mut used_ns = 0;
        let mut wants = 0;
        if let Some(running) = &mut self.running {
            let now_ns = running.clock.read().unwrap_or(running.read_ns);
            used_ns = now_ns.saturating_sub(running.read_ns);
            running.read_ns = now_ns;
            // A compiler thread is in no launch and uses time all the same; a stopped process says nothing.
            let busy = u32::try_from((used_ns * 4 / 3 + turn_ns / 2) / turn_ns).unwrap_or(u32::MAX);
            wants = running.process.gate.inside().max(busy).max(u32::from(running.stopped)).min(processors);
        }
        self.cpu_ns += used_ns;
        self.window_ns += used_ns;
        self.always &= wants > 0;
        Claim { weight: self.weight, wants, used_ns }
    }

    fn act(&mut self, grant: u32, claim: &Claim, turn_ns: u64) {
        let Some(running) = &mut self.running else { return };
        if grant > 0 {
            running.let_go();
        } else if running.granted == 0 && !running.stopped && claim.used_ns > turn_ns / 4 {
            // It was told a whole turn ago. A process that is gone needs no stopping.
            running.stopped = stop(running.process.pid).is_ok();
        }
        if running.granted != grant {
            running.process.gate.grant(grant);
            running.granted = grant;
        }
    }
}
