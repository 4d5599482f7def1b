//! The software device: workers, memory, compiler, and what it says of itself.
//!
//! Model. A [`Device`] is made once and shared; everything made on it keeps it alive. [`Device::shared`] is the one a
//! process normally uses. Settings come from a [`DeviceConfig`], which by default follows the environment:
//! `VGPU_WORKERS`, `VGPU_PIN`, `VGPU_MEMORY_BYTES`, `VGPU_CC`, `VGPU_LAUNCH_TIMEOUT_MS`, `VGPU_MAX_ISA`, `VGPU_CACHE`, `VGPU_CACHE_DIR`,
//! `VGPU_CACHE_BYTES`; and for memory larger than a budget `VGPU_MEMORY_BUDGET`, `VGPU_MEMORY_PACKED`, `VGPU_SPILL_DIR`,
//! `VGPU_SPILL_BYTES`. `VGPU_DEVICES` makes several devices of one machine (`devices`).

use crate::account::Account;
use crate::cache::{CodeCache, DEFAULT_CACHE_BYTES};
use crate::compiler::{CodeMaker, CompileCounts, Compiler};
use crate::devices;
use crate::error::Error;
use crate::exec::os;
use crate::exec::scratch::WindowPool;
use crate::jit::JitCompiler;
use crate::memory::{DeviceMemory, DevicePtr, MemoryInfo};
use crate::paged::MemoryBudget;
use crate::pool::{Placement, Pool};
use crate::split::SpeedBook;
use crate::watchdog::Watchdog;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use vgpu_jit::Target;
use vgpu_turns::Gate;

/// Threads per block, at most.
pub const MAX_THREADS_PER_BLOCK: u32 = 1024;
/// Block shape, at most.
pub const MAX_BLOCK: [u32; 3] = [1024, 1024, 64];
/// Grid shape, at most.
pub const MAX_GRID: [u32; 3] = [0x7fff_ffff, 65_535, 65_535];
/// Static shared memory per block, at most.
pub const MAX_STATIC_SHARED_BYTES: u32 = 48 << 10;
/// Static and dynamic shared memory per block, at most.
pub const MAX_SHARED_BYTES: u32 = 227 << 10;
/// Shared memory of a multiprocessor, for occupancy.
pub const SHARED_BYTES_PER_MULTIPROCESSOR: u32 = 228 << 10;
/// Threads of a multiprocessor, for occupancy.
pub const THREADS_PER_MULTIPROCESSOR: u32 = 2048;
/// Blocks of a multiprocessor, for occupancy.
pub const BLOCKS_PER_MULTIPROCESSOR: u32 = 32;

/// Reserved address space: more than any machine has memory.
const ADDRESS_SPACE_BYTES: u64 = 1 << 40;

/// Where compiled kernels are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CachePolicy {
    /// Only in memory.
    Off,
    /// In a directory of at most so many bytes.
    Directory(PathBuf, u64),
}

/// Settings of a device.
#[derive(Clone)]
pub struct DeviceConfig {
    /// Worker threads.
    pub n_workers: u32,
    /// Tie each worker to a processor.
    pub pinned: bool,
    /// The processors that its workers are tied to, and that alone run its kernels; empty for any.
    pub cores: Vec<usize>,
    /// What it is called among the devices of a process, such as `software(0)`.
    pub label: String,
    /// Device memory.
    pub memory_bytes: u64,
    /// Memory that device memory may take; what is beyond goes to compressed memory and disk. `None` for no bound.
    pub memory_budget: Option<MemoryBudget>,
    /// What the device claims to be.
    pub compute_capability: (u32, u32),
    /// Limit of launches that set none; `None` for no limit.
    pub launch_timeout: Option<Duration>,
    /// What code is made for.
    pub target: Target,
    /// Where code is kept.
    pub cache: CachePolicy,
    /// What makes code.
    pub compiler: Arc<dyn Compiler>,
    /// When other processes have their turn on the processors; `None` when the device has them to itself.
    pub turns: Option<Arc<Gate>>,
}

impl std::fmt::Debug for DeviceConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeviceConfig")
            .field("n_workers", &self.n_workers)
            .field("memory_bytes", &self.memory_bytes)
            .field("memory_budget", &self.memory_budget)
            .field("target", &self.target)
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}

fn setting<T>(name: &str, accepted: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Error> {
    match std::env::var(name) {
        Err(_) => Ok(None),
        Ok(text) => {
            let wrong = || Error::Setting(format!("{name} is \"{text}\"; accepted is {accepted}"));
            parse(text.trim()).map(Some).ok_or_else(wrong)
        }
    }
}

fn cache_policy() -> Result<CachePolicy, Error> {
    if setting("VGPU_CACHE", "on or off", |text| ["on", "off"].iter().position(|word| *word == text))? == Some(1) {
        return Ok(CachePolicy::Off);
    }
    let bytes =
        setting("VGPU_CACHE_BYTES", "a number of bytes", |text| text.parse().ok())?.unwrap_or(DEFAULT_CACHE_BYTES);
    let path = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let dir = std::env::var_os("VGPU_CACHE_DIR")
        .map(PathBuf::from)
        .or_else(|| Some(path("XDG_CACHE_HOME")?.join("vgpu")))
        .or_else(|| Some(path("HOME")?.join(".cache").join("vgpu")));
    Ok(dir.map_or(CachePolicy::Off, |dir| CachePolicy::Directory(dir, bytes)))
}

const BYTES_ACCEPTED: &str = "a number of bytes, with K, M, G or T for powers of 1024";

fn bytes_of(text: &str) -> Option<u64> {
    let unit = text.chars().last()?.to_ascii_uppercase();
    let shift = match unit {
        'K' => 10,
        'M' => 20,
        'G' => 30,
        'T' => 40,
        _ => return text.parse().ok(),
    };
    text[..text.len() - 1].trim_end().parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// The environment's memory budget, if it sets one.
fn memory_budget() -> Result<Option<MemoryBudget>, Error> {
    let Some(pool_bytes) = setting("VGPU_MEMORY_BUDGET", BYTES_ACCEPTED, bytes_of)? else { return Ok(None) };
    let mut budget = MemoryBudget::new(pool_bytes);
    if let Some(folder) = std::env::var_os("VGPU_SPILL_DIR") {
        budget = MemoryBudget { pool_bytes, packed_bytes: pool_bytes / 4, ..MemoryBudget::in_folder(folder.into()) };
    }
    if let Some(bytes) = setting("VGPU_MEMORY_PACKED", BYTES_ACCEPTED, bytes_of)? {
        budget.packed_bytes = bytes;
    }
    if let Some(bytes) = setting("VGPU_SPILL_BYTES", BYTES_ACCEPTED, bytes_of)? {
        budget.spill_bytes = bytes;
    }
    Ok(Some(budget))
}

impl DeviceConfig {
    /// The machine as it is, as far as the environment does not say otherwise.
    ///
    /// # Errors
    /// [`Error::Setting`] for a variable with a value that is not accepted.
    pub fn from_environment() -> Result<Self, Error> {
        let count = |text: &str| text.parse::<u32>().ok().filter(|n| (1..=1024).contains(n));
        let available = std::thread::available_parallelism().map_or(1, |n| n.get() as u32).min(1024);
        let capability = |text: &str| {
            let (major, minor) = text.split_once('.')?;
            Some((major.parse().ok()?, minor.parse().ok()?))
                .filter(|(major, minor)| (5..=20).contains(major) && *minor <= 9)
        };
        let timeout =
            setting("VGPU_LAUNCH_TIMEOUT_MS", "a number of milliseconds, 0 for no limit", |text| text.parse().ok())?;
        let memory_budget = memory_budget()?;
        let memory_bytes = setting("VGPU_MEMORY_BYTES", BYTES_ACCEPTED, bytes_of)?;
        Ok(Self {
            n_workers: setting("VGPU_WORKERS", "a number from 1 to 1024", count)?.unwrap_or(available),
            pinned: setting("VGPU_PIN", "0 or 1", |text| ["0", "1"].iter().position(|word| *word == text))? == Some(1),
            cores: Vec::new(),
            label: "software(0)".to_owned(),
            memory_bytes: memory_bytes.unwrap_or_else(|| match &memory_budget {
                Some(budget) => budget.spill_bytes.max(budget.pool_bytes),
                None => os::physical_memory(),
            }),
            memory_budget,
            compute_capability: setting("VGPU_CC", "a capability such as 8.9", capability)?.unwrap_or((8, 9)),
            launch_timeout: timeout.filter(|ms| *ms > 0).map(Duration::from_millis),
            target: Target::from_environment().map_err(Error::Setting)?,
            cache: cache_policy()?,
            compiler: Arc::new(JitCompiler::new()),
            turns: None,
        })
    }
}

/// What a device says of itself; the names follow CUDA's `cudaDeviceProp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceProperties {
    /// Name, with the processor's.
    pub name: String,
    /// Claimed compute capability.
    pub compute_capability: (u32, u32),
    /// Workers.
    pub multiprocessor_count: u32,
    /// Device memory.
    pub total_global_mem_bytes: u64,
    /// Clock, or 0 when it is not known.
    pub clock_rate_khz: u32,
    /// Vector instructions used.
    pub isa: &'static str,
    /// 32.
    pub warp_size: u32,
    /// Limits, see the constants of this module.
    pub max_threads_per_block: u32,
    /// As above.
    pub max_block: [u32; 3],
    /// As above.
    pub max_grid: [u32; 3],
    /// As above.
    pub shared_bytes_per_block: u32,
    /// As above.
    pub shared_bytes_per_block_optin: u32,
    /// As above.
    pub shared_bytes_per_multiprocessor: u32,
    /// As above.
    pub max_threads_per_multiprocessor: u32,
    /// As above.
    pub max_blocks_per_multiprocessor: u32,
    /// Registers are virtual; CUDA's number, for programs that compute occupancy.
    pub registers_per_block: u32,
    /// `.const` memory. Not limited here; CUDA's number.
    pub total_const_mem_bytes: u32,
    /// Last-level cache, or 0 when it is not known.
    pub l2_cache_bytes: u64,
}

/// The part of a device that everything made on it keeps alive.
pub(crate) struct DeviceShared {
    properties: DeviceProperties,
    label: String,
    speeds: SpeedBook,
    launch_timeout: Option<Duration>,
    memory: Arc<DeviceMemory>,
    maker: CodeMaker,
    next_grid: AtomicU64,
    watchdog: Watchdog,
    windows: Arc<WindowPool>,
    account: Arc<Account>,
    turns: Option<Arc<Gate>>,
    pool: Pool,
}

impl DeviceShared {
    pub(crate) const fn properties(&self) -> &DeviceProperties {
        &self.properties
    }

    /// How fast it ran which kernel.
    pub(crate) const fn speeds(&self) -> &SpeedBook {
        &self.speeds
    }

    pub(crate) const fn launch_timeout(&self) -> Option<Duration> {
        self.launch_timeout
    }

    pub(crate) const fn memory(&self) -> &Arc<DeviceMemory> {
        &self.memory
    }

    pub(crate) const fn maker(&self) -> &CodeMaker {
        &self.maker
    }

    pub(crate) const fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(crate) const fn watchdog(&self) -> &Watchdog {
        &self.watchdog
    }

    pub(crate) const fn windows(&self) -> &Arc<WindowPool> {
        &self.windows
    }

    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    pub(crate) fn turns(&self) -> Option<&Gate> {
        self.turns.as_deref()
    }

    pub(crate) fn new_grid_id(&self) -> u64 {
        self.next_grid.fetch_add(1, Ordering::Relaxed)
    }
}

/// See the module header. Clones are the same device.
#[derive(Clone)]
pub struct Device {
    pub(crate) shared: Arc<DeviceShared>,
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device").field("name", &self.properties().name).finish_non_exhaustive()
    }
}

impl Device {
    /// A device of its own, with its own workers and memory.
    ///
    /// # Errors
    /// [`Error::System`] when the system refuses threads or address space.
    pub fn new(config: DeviceConfig) -> Result<Self, Error> {
        let cache = match config.cache {
            CachePolicy::Off => None,
            CachePolicy::Directory(dir, bytes) => Some(CodeCache::new(dir, bytes)),
        };
        let placement = match (&config.cores[..], config.pinned) {
            ([], false) => Placement::Anywhere,
            ([], true) => Placement::Spread,
            (cores, _) => Placement::Cores(cores.into()),
        };
        let pool = Pool::new(config.n_workers.max(1), placement)
            .map_err(|error| Error::System { what: "starting worker threads", reason: error.to_string() })?;
        let properties = DeviceProperties {
            name: format!(
                "vgpu software ({})",
                processor_fact("model name").unwrap_or_else(|| "unknown CPU".to_owned())
            ),
            compute_capability: config.compute_capability,
            multiprocessor_count: config.n_workers.max(1),
            total_global_mem_bytes: config.memory_bytes,
            clock_rate_khz: clock_rate_khz(),
            isa: config.target.isa.name(),
            warp_size: vgpu_types::WARP_SIZE,
            max_threads_per_block: MAX_THREADS_PER_BLOCK,
            max_block: MAX_BLOCK,
            max_grid: MAX_GRID,
            shared_bytes_per_block: MAX_STATIC_SHARED_BYTES,
            shared_bytes_per_block_optin: MAX_SHARED_BYTES,
            shared_bytes_per_multiprocessor: SHARED_BYTES_PER_MULTIPROCESSOR,
            max_threads_per_multiprocessor: THREADS_PER_MULTIPROCESSOR,
            max_blocks_per_multiprocessor: BLOCKS_PER_MULTIPROCESSOR,
            registers_per_block: 65_536,
            total_const_mem_bytes: 65_536,
            l2_cache_bytes: last_level_cache_bytes(),
        };
        let account = Arc::new(Account::new(properties.multiprocessor_count, config.memory_bytes));
        let shared = DeviceShared {
            properties,
            label: config.label,
            speeds: SpeedBook::default(),
            launch_timeout: config.launch_timeout,
            memory: DeviceMemory::new(
                ADDRESS_SPACE_BYTES,
                config.memory_bytes,
                config.memory_budget.as_ref().map(|budget| (budget, config.n_workers.max(1))),
                Some(Arc::clone(&account)),
            )?,
            account,
            maker: CodeMaker::new(config.compiler, config.target, cache),
            next_grid: AtomicU64::new(1),
            watchdog: Watchdog::default(),
            windows: Arc::default(),
            turns: config.turns,
            pool,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The process's devices, made at the first call with the environment's settings: one with all processors, unless
    /// `VGPU_DEVICES` says otherwise.
    ///
    /// # Errors
    /// As [`DeviceConfig::from_environment`] and [`Self::new`]; a failed attempt can be repeated.
    pub fn all() -> Result<Vec<Self>, Error> {
        devices::all()
    }

    /// The first of the process's devices.
    ///
    /// # Errors
    /// As [`Self::all`].
    pub fn shared() -> Result<Self, Error> {
        let first = devices::all()?.into_iter().next();
        first.ok_or_else(|| Error::Setting("VGPU_DEVICES names no device".to_owned()))
    }

    /// What it is called among the devices of a process: `software(0)`, `software-eco`.
    pub fn label(&self) -> &str {
        &self.shared.label
    }

    /// What the device says of itself.
    pub fn properties(&self) -> &DeviceProperties {
        self.shared.properties()
    }

    /// How much device memory there is and how much is in use.
    pub fn memory_info(&self) -> MemoryInfo {
        self.shared.memory.info()
    }

    /// Where the pages of device memory are now; `None` without a memory budget.
    pub fn memory_snapshot(&self) -> Option<vgpu_mem::snapshot::Snapshot> {
        self.shared.memory.pager().map(vgpu_mem::pager::Pager::snapshot)
    }

    /// Sends about `bytes` bytes of device memory from the pool of its budget to compressed memory and disk, where there is a
    /// budget; a page that cannot be stored stays.
    pub fn trim_memory(&self, bytes: u64) {
        if let Some(pager) = self.shared.memory.pager() {
            // What could not be stored is still there, and will be tried again when its room is needed.
            let _ = pager.trim(usize::try_from(bytes.div_ceil(pager.page_bytes())).unwrap_or(usize::MAX));
        }
    }

    /// Whether the address lies in this device's memory, allocated or not.
    pub fn contains(&self, address: DevicePtr) -> bool {
        self.shared.memory.contains(address.0)
    }

    /// Start and size of the live allocation that contains `address`.
    pub fn allocation(&self, address: DevicePtr) -> Option<(DevicePtr, u64)> {
        self.shared.memory.lookup(address)
    }

    /// What code is made for.
    pub fn target(&self) -> &Target {
        self.shared.maker.target()
    }

    /// How often kernels were compiled and found in the disk cache.
    pub fn compile_counts(&self) -> CompileCounts {
        self.shared.maker.counts()
    }
}

/// A line of `/proc/cpuinfo`.
fn processor_fact(name: &str) -> Option<String> {
    let facts = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = facts.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn clock_rate_khz() -> u32 {
    let scaling = std::fs::read_to_string("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq");
    let from_scaling = scaling.ok().and_then(|text| text.trim().parse().ok());
    let from_facts = || Some((processor_fact("cpu MHz")?.parse::<f64>().ok()? * 1000.0) as u32);
    from_scaling.or_else(from_facts).unwrap_or(0)
}

fn last_level_cache_bytes() -> u64 {
    let size = |idx: u32| {
        let text = std::fs::read_to_string(format!("/sys/devices/system/cpu/cpu0/cache/index{idx}/size")).ok()?;
        text.trim().strip_suffix('K')?.parse::<u64>().ok().map(|kib| kib << 10)
    };
    (0..8).filter_map(size).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_with_wrong_values_name_what_is_accepted() {
        let error = setting("PATH", "a number", |text| text.parse::<u32>().ok()).unwrap_err();
        assert!(error.to_string().starts_with("PATH is \""), "{error}");
        assert!(error.to_string().ends_with("accepted is a number"), "{error}");
        assert_eq!(setting("VGPU_NO_SUCH_SETTING", "", |_| Some(1)), Ok(None));
    }

    #[test]
    fn numbers_of_bytes_may_have_a_unit() {
        let cases = [
            ("12", Some(12)),
            ("2K", Some(2048)),
            ("3 m", Some(3 << 20)),
            ("1T", Some(1 << 40)),
            ("4g", Some(4 << 30)),
        ];
        for (text, bytes) in cases {
            assert_eq!(bytes_of(text), bytes, "{text}");
        }
        for wrong in ["", "K", "-1", "1.5G", "99999999T", "5X", "1é"] {
            assert_eq!(bytes_of(wrong), None, "{wrong}");
        }
    }
}
