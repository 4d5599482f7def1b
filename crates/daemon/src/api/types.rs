//! What goes over HTTP as JSON: the requests and answers of `/api/v1`, also what clients of this crate use.
//!
//! Credits are numbers of credits (the market counts millionths); times are nanoseconds since 1970 unless a name says
//! otherwise. A figure that nothing measures is `null`, with a reason beside it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A short name for programs, such as `unknown_job`.
    pub error: String,
    /// For people.
    pub message: String,
}

/// The daemon as a whole.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// Version of vgpu.
    pub version: String,
    /// `demonstration`, `benchmark` or `production`.
    pub mode: String,
    /// Seconds since the start.
    pub uptime_s: f64,
    /// The device.
    pub device: DeviceStatus,
    /// The epoch that runs.
    pub epoch: u32,
    /// Length of an epoch.
    pub epoch_ms: u64,
    /// Tenants that are open.
    pub tenants: u32,
    /// Jobs by state.
    pub jobs: JobCounts,
    /// Hash of the market's state.
    pub market_hash: String,
    /// What keeps tenants apart, and how it stands.
    pub isolation: Vec<Measure>,
    /// Nothing is wrong with the journal or the market.
    pub healthy: bool,
}

/// One measure of isolation or enforcement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Measure {
    /// Which.
    pub name: String,
    /// Whether it acts.
    pub active: bool,
    /// How, or why not.
    pub detail: String,
}

/// A sensor: a value, or the reason why there is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Sensor {
    /// What it says.
    pub value: Option<f64>,
    /// Where it comes from, or why there is no value.
    pub reason: String,
}

/// The device.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeviceStatus {
    /// Its name.
    pub name: String,
    /// Processors that run blocks.
    pub processors: u32,
    /// Of these, how many are in use.
    pub workers: u32,
    /// Memory for buffers.
    pub memory_bytes: u64,
    /// In use.
    pub memory_used_bytes: u64,
    /// Processor time that tenants used, in percent of all, over the last second.
    pub utilisation_percent: f64,
    /// Temperature in degrees Celsius.
    pub temperature_c: Sensor,
    /// Power in watts.
    pub power_w: Sensor,
    /// Percent of the time that something waited for memory.
    pub memory_pressure_percent: Sensor,
    /// Phase of the cool-down.
    pub phase: String,
    /// Pace of launches, in thousandths.
    pub pace_permille: u32,
    /// Power limit in watts.
    pub power_limit_w: f64,
}

/// Jobs by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobCounts {
    /// Waiting.
    pub queued: u64,
    /// Running.
    pub running: u64,
    /// Done since the start.
    pub done: u64,
    /// Failed since the start.
    pub failed: u64,
    /// Cancelled since the start.
    pub cancelled: u64,
}

/// What makes a tenant.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTenant {
    /// Letters, digits, `-`, `_` and `.`; 1 to 64 of them; unique.
    #[schema(pattern = "^[A-Za-z0-9_.-]{1,64}$")]
    pub name: String,
    /// Credits it starts with.
    #[schema(minimum = 0, maximum = 1000000000)]
    pub budget: f64,
}

/// A tenant that was made, or given a new token.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TenantToken {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Its token; it is not kept and cannot be shown again.
    pub token: String,
}

/// A tenant.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TenantView {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Credits it can spend.
    pub free_credits: f64,
    /// Credits and leases together.
    pub equity: f64,
    /// Units of each resource in this epoch, by the resource's name: what is enforced.
    pub shares: BTreeMap<String, u32>,
    /// Percent of the device's processor time that it is entitled to.
    pub entitled_percent: f64,
    /// Percent of the processor time that all tenants used in the last second.
    pub used_percent: f64,
    /// Processor time since the start of the daemon, in nanoseconds.
    pub cpu_ns: u64,
    /// Bytes in buffers.
    pub memory_bytes: u64,
    /// Bytes that its buffers may have together.
    pub memory_quota_bytes: u64,
    /// Its worker process, when there is one.
    pub pid: Option<u32>,
    /// How its worker process is kept apart.
    pub isolation: Vec<Measure>,
    /// Jobs waiting.
    pub queued: u64,
    /// Jobs running.
    pub running: u64,
}

/// An amount of credits.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Amount {
    /// How many.
    #[schema(minimum = 0, maximum = 1000000000)]
    pub credits: f64,
}

/// What a tenant wants of the resources; one weight per resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum UtilityView {
    /// Nothing.
    Idle {},
    /// Bundles in fixed proportions.
    Leontief {
        /// Units of each resource for one bundle.
        per_bundle: Vec<u32>,
        /// The most bundles that are of use.
        bundles: u32,
    },
    /// A fixed part of the budget for each resource.
    CobbDouglas {
        /// The parts.
        weights: Vec<u32>,
    },
    /// Resources that replace each other.
    Linear {
        /// Worth of each.
        values: Vec<u32>,
    },
}

/// A change to a share, proposed by an operator.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShareChange {
    /// Name of the resource.
    pub resource: String,
    /// Units.
    pub units: u32,
    /// Why; it stands in the audit log.
    #[serde(default)]
    pub because: String,
}

/// A change to the device, proposed by an operator. Fields that are absent stay.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeviceChange {
    /// Processors in use.
    pub workers: Option<u32>,
    /// Pace in thousandths.
    pub pace_permille: Option<u32>,
    /// Power limit in watts.
    pub power_limit_w: Option<f64>,
    /// Why; it stands in the audit log.
    #[serde(default)]
    pub because: String,
}

/// The market.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MarketView {
    /// The epoch that runs.
    pub epoch: u32,
    /// The epochs that are open for trading.
    pub open_epochs: Vec<u32>,
    /// The resources.
    pub resources: Vec<ResourceView>,
    /// Trades ever made.
    pub n_trades: u64,
    /// How far the last clearing is from an equilibrium, in millionths.
    pub epsilon_ppm: Option<u32>,
    /// Rounds of bidding of the last clearing.
    pub rounds: Option<u32>,
}

/// One resource.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ResourceView {
    /// Its number.
    pub id: u16,
    /// Its name.
    pub name: String,
    /// Units when nothing is wrong.
    pub capacity: u32,
    /// Units now.
    pub supply: u32,
    /// Value of a unit in the next epoch, in credits.
    pub price: f64,
    /// Lowest price.
    pub floor: f64,
    /// Highest price.
    pub ceiling: f64,
    /// Whether continuous trading for the next epoch is halted.
    pub halted: bool,
}

/// The book of a resource and epoch.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BookView {
    /// Name of the resource.
    pub resource: String,
    /// The epoch.
    pub epoch: u32,
    /// Value of a unit.
    pub mark: f64,
    /// Whether continuous trading is halted.
    pub halted: bool,
    /// Best first.
    pub bids: Vec<Level>,
    /// Best first.
    pub asks: Vec<Level>,
}

/// Units at a price.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Level {
    /// Price of a unit.
    pub price: f64,
    /// Units.
    pub units: u64,
}

/// An order.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderRequest {
    /// Name of the resource.
    pub resource: String,
    /// For which coming epoch; the last that is open when absent.
    pub epoch: Option<u32>,
    /// `buy` or `sell`.
    pub side: SideName,
    /// `market`, `limit`, `stop` or `stop_limit`.
    #[serde(rename = "type")]
    pub kind: OrderKind,
    /// Worst price of a unit; limit and stop-limit orders need it.
    pub price: Option<f64>,
    /// Price that wakes a stop order.
    pub trigger: Option<f64>,
    /// Units.
    pub quantity: u32,
    /// `standing` (default), `immediate` or `auction`; limit orders only.
    #[serde(default)]
    pub lifetime: LifetimeName,
}

/// Buy or sell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SideName {
    /// Wants leases.
    Buy,
    /// Wants credits.
    Sell,
}

/// Kind of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderKind {
    /// At the best price there is.
    Market,
    /// At this price or better.
    Limit,
    /// A market order once the trigger is reached.
    Stop,
    /// A limit order once the trigger is reached.
    StopLimit,
}

/// How long a limit order lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LifetimeName {
    /// Until filled or cancelled, or until its epoch begins.
    #[default]
    Standing,
    /// Fills at once or not at all.
    Immediate,
    /// For the next batch auction.
    Auction,
}

/// What became of an order at once.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OrderAnswer {
    /// Units traded.
    pub filled: u32,
    /// Credits that changed hands for them.
    pub value: f64,
    /// Number of the part that rests, when there is one.
    pub order: Option<String>,
    /// The epoch it is for.
    pub epoch: u32,
}

/// An open order.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OpenOrder {
    /// Its number.
    pub order: String,
    /// Name of the resource.
    pub resource: String,
    /// Its epoch.
    pub epoch: u32,
    /// Buy or sell.
    pub side: SideName,
    /// Units left.
    pub quantity: u32,
}

/// A new price and quantity.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderMove {
    /// New price of a unit.
    pub price: f64,
    /// New quantity.
    pub quantity: u32,
}

/// A trade.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TradeView {
    /// Its number.
    pub number: u64,
    /// When.
    pub time_ns: u64,
    /// Name of the resource.
    pub resource: String,
    /// For which epoch.
    pub epoch: u32,
    /// Price of a unit.
    pub price: f64,
    /// Units.
    pub quantity: u32,
    /// Who bought.
    pub buyer: u32,
    /// Who sold.
    pub seller: u32,
    /// Whether in a batch auction.
    pub auction: bool,
}

/// What a tenant has.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PortfolioView {
    /// Credits that nothing was promised from.
    pub free: f64,
    /// Credits promised by bids.
    pub reserved: f64,
    /// Value of all leases.
    pub leases: f64,
    /// Together.
    pub equity: f64,
    /// Open orders.
    pub n_orders: u32,
    /// The leases of coming epochs.
    pub lines: Vec<LineView>,
}

/// Leases of a resource in a coming epoch.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LineView {
    /// Name of the resource.
    pub resource: String,
    /// Which epoch.
    pub epoch: u32,
    /// Units held.
    pub held: u32,
    /// Of these, offered.
    pub offered: u32,
    /// Of these, what may be sold.
    pub transferable: u32,
    /// Wanted by bids.
    pub wanted: u32,
    /// Value of a unit.
    pub mark: f64,
    /// Value of what is held.
    pub value: f64,
}

/// A module.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ModuleView {
    /// Its id: the hash of its bytes.
    pub id: String,
    /// Size of what was uploaded.
    pub bytes: u64,
    /// Its kernels.
    pub kernels: Vec<KernelView>,
}

/// A kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct KernelView {
    /// Its name.
    pub name: String,
    /// Sizes of its parameters in bytes.
    pub params: Vec<u64>,
    /// Instructions in its text, by what they do.
    pub counts: Counts,
    /// What kind of work it looks like: `compute_bound`, `memory_bound`, `latency_bound`.
    pub class: String,
}

/// Static counts of a kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Counts {
    /// Floating-point arithmetic.
    pub float: u64,
    /// Matrix operations.
    pub matrix: u64,
    /// Integer arithmetic and logic.
    pub integer: u64,
    /// Accesses to global memory.
    pub global: u64,
    /// Accesses to shared memory.
    pub shared: u64,
    /// Atomics.
    pub atomic: u64,
    /// Barriers.
    pub barrier: u64,
    /// Branches.
    pub branch: u64,
    /// Everything together.
    pub all: u64,
}

/// A buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BufferView {
    /// Its number.
    pub id: u64,
    /// Its size.
    pub bytes: u64,
}

/// An argument of a launch: exactly one of the fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Argument {
    /// Address of a buffer.
    Buffer(u64),
    /// A number.
    U32(u32),
    /// A number.
    I32(i32),
    /// A number.
    U64(u64),
    /// A number.
    I64(i64),
    /// A number.
    F32(f32),
    /// A number.
    F64(f64),
    /// The parameter's bytes.
    Bytes(Vec<u8>),
}

/// A launch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobRequest {
    /// Id of a module.
    pub module: String,
    /// Name of a kernel in it.
    pub kernel: String,
    /// Blocks: one to three numbers.
    #[schema(min_items = 1, max_items = 3)]
    pub grid: Vec<u32>,
    /// Threads per block: one to three numbers.
    #[schema(min_items = 1, max_items = 3)]
    pub block: Vec<u32>,
    /// Bytes of dynamic shared memory.
    #[serde(default)]
    pub shared_bytes: u32,
    /// One per parameter.
    #[serde(default)]
    pub args: Vec<Argument>,
    /// How long it may run; at most an hour, five minutes when absent.
    pub timeout_ms: Option<u64>,
    /// What kind of work the tenant says it is: `auto` (default), `ml_training`, `ml_inference`, `interactive`, `batch`.
    #[serde(default)]
    pub class: JobClass,
    /// All blocks are resident and may synchronise.
    #[serde(default)]
    pub cooperative: bool,
}

/// Kind of work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobClass {
    /// Found out from the kernel and its history.
    #[default]
    Auto,
    /// Long, throughput counts.
    MlTraining,
    /// Short, latency counts.
    MlInference,
    /// Somebody waits.
    Interactive,
    /// Nobody waits.
    Batch,
}

/// State of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waits for its tenant's worker.
    Queued,
    /// Runs.
    Running,
    /// Ended well.
    Done,
    /// Ended with an error.
    Failed,
    /// Was cancelled.
    Cancelled,
}

impl JobState {
    /// Nothing more happens to it.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// A job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobView {
    /// Its number.
    pub id: u64,
    /// Whose.
    pub tenant: u32,
    /// Its state.
    pub state: JobState,
    /// What was asked for.
    pub request: JobRequest,
    /// What kind of work it was taken for, from the kernel and its history.
    pub classified: String,
    /// Why it failed.
    pub error: Option<Problem>,
    /// What it printed, cut off at 64 KiB.
    pub output: String,
    /// When it came.
    pub submitted_ns: u64,
    /// When it began.
    pub started_ns: Option<u64>,
    /// When it ended.
    pub ended_ns: Option<u64>,
    /// Processor time of its tenant's worker while it ran.
    pub cpu_ns: u64,
}

/// What lies where.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MemoryMap {
    /// Tiers of the machine.
    pub tiers: Vec<TierView>,
    /// Buffers by tenant.
    pub tenants: Vec<TenantMemory>,
}

/// One tier.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TierView {
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// In use.
    pub used_bytes: u64,
}

/// A tenant's memory.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TenantMemory {
    /// Whose.
    pub tenant: u32,
    /// Bytes its buffers may have.
    pub quota_bytes: u64,
    /// Its buffers.
    pub buffers: Vec<BufferView>,
}

/// A signal as it was served.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SignalView {
    /// When.
    pub time_ns: u64,
    /// What it is about.
    pub domain: String,
    /// Which figure.
    pub source: String,
    /// What it says.
    pub value: f64,
}

/// A decision of the gate.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DecisionView {
    /// Its number.
    pub number: u64,
    /// When.
    pub time_ns: u64,
    /// Who proposed it.
    pub by: String,
    /// Why.
    pub because: String,
    /// What.
    pub change: String,
    /// Phase of the cool-down.
    pub phase: String,
    /// Whether it was admitted.
    pub admitted: bool,
    /// Why not.
    pub denied: Option<String>,
}

/// A rule: when its condition holds, its change is proposed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleView {
    /// Its name.
    pub name: String,
    /// A CEL expression over the facts.
    pub when: String,
    /// What it proposes.
    pub propose: RuleChange,
}

/// What a rule can propose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuleChange {
    /// Pace in thousandths.
    PacePermille(u32),
    /// Processors in use.
    Workers(u32),
    /// Power limit in milliwatts.
    PowerLimitMw(u32),
}

/// The rules in use, and what they see.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RuleSet {
    /// Counts the reloads.
    pub version: u64,
    /// The rules.
    pub rules: Vec<RuleView>,
    /// The facts that conditions may name.
    pub facts: BTreeMap<String, f64>,
}

/// What rules would do.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DryRunView {
    /// Names of the current rules that hold now.
    pub now: Vec<String>,
    /// Names of the new rules that would.
    pub then: Vec<String>,
    /// What could not be decided.
    pub errors: Vec<String>,
}

/// Everything the dashboard shows, twice a second.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Live {
    /// When.
    pub time_ns: u64,
    /// The daemon.
    pub status: Status,
    /// The tenants.
    pub tenants: Vec<TenantView>,
    /// The market.
    pub market: MarketView,
    /// The books of the last open epoch.
    pub books: Vec<BookView>,
    /// The last trades, newest first.
    pub trades: Vec<TradeView>,
    /// The last jobs, newest first.
    pub jobs: Vec<JobView>,
    /// Launches.
    pub launches: LaunchFigures,
    /// The last signals, newest first.
    pub signals: Vec<SignalView>,
    /// The last decisions, newest first.
    pub decisions: Vec<DecisionView>,
    /// The last errors, newest first.
    pub errors: Vec<LoggedError>,
}

/// Launches and how long they took, over the last 1,024 jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LaunchFigures {
    /// Jobs that ended in the last second.
    pub per_second: f64,
    /// Milliseconds from the start to the end of a job: median.
    pub run_p50_ms: f64,
    /// 99th percentile.
    pub run_p99_ms: f64,
    /// Milliseconds that a job waits: median.
    pub wait_p50_ms: f64,
    /// 99th percentile.
    pub wait_p99_ms: f64,
}

/// Something that went wrong.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LoggedError {
    /// When.
    pub time_ns: u64,
    /// What.
    pub message: String,
}

/// What happened in one window of about 100 ms.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct WindowView {
    /// Its length.
    pub length_ns: u64,
    /// Who used what.
    pub tenants: Vec<WindowTenant>,
}

/// A tenant in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WindowTenant {
    /// Which.
    pub tenant: u32,
    /// Its share of compute, in units.
    pub weight: u32,
    /// Processor time it used.
    pub used_ns: u64,
    /// It wanted processors all the time.
    pub always: bool,
}
