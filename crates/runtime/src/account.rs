//! What a process uses of a device, for others to see: memory, launches, time in kernels.
//!
//! Model. Every device keeps an [`Account`], whose numbers lie in a page that other processes of the same user can read
//! (`exec::board`). [`processes`] looks for such pages among the open files of all processes that it may look into. There is
//! no folder, no lock and nothing to clean up: a process that has ended has no open files.
//!
//! A page starts with [`MAGIC`], whose last digit is the version of the layout, and the number of the process that made it: a
//! forked child has its parent's files open, and is not counted.
//!
//! What it does not do: show other users' processes, unless the system lets the caller look into them.

use crate::exec::board::{Board, NAME};
use std::io::Read as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// "vgpuacc1" as a little-endian number.
const MAGIC: u64 = u64::from_le_bytes(*b"vgpuacc1");

/// The words of a page, in order.
#[derive(Clone, Copy)]
enum Word {
    Magic,
    Process,
    Started,
    Workers,
    MemoryTotal,
    MemoryUsed,
    MemoryPeak,
    Launches,
    KernelTime,
}

const N_WORDS: usize = Word::KernelTime as usize + 1;

/// See the module header.
#[derive(Debug)]
pub(crate) struct Account {
    /// `None` where the system gives no such page: then nobody sees the account, and it is not kept.
    board: Option<Board>,
}

impl Account {
    pub(crate) fn new(n_workers: u32, memory_bytes: u64) -> Self {
        let account = Self { board: Board::new().ok() };
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        account.set(Word::Process, std::process::id().into());
        account.set(Word::Started, since_epoch.as_nanos() as u64);
        account.set(Word::Workers, n_workers.into());
        account.set(Word::MemoryTotal, memory_bytes);
        if let Some(word) = account.word(Word::Magic) {
            // Last, so that who sees it sees the rest.
            word.store(MAGIC, Ordering::Release);
        }
        account
    }

    fn word(&self, word: Word) -> Option<&AtomicU64> {
        self.board.as_ref().map(|board| &board.words()[word as usize])
    }

    fn set(&self, word: Word, value: u64) {
        if let Some(word) = self.word(word) {
            word.store(value, Ordering::Relaxed);
        }
    }

    /// Memory in use is now this much.
    pub(crate) fn set_memory(&self, used_bytes: u64) {
        self.set(Word::MemoryUsed, used_bytes);
        if let Some(peak) = self.word(Word::MemoryPeak) {
            peak.fetch_max(used_bytes, Ordering::Relaxed);
        }
    }

    /// A launch has ended that took so long.
    pub(crate) fn launched(&self, ns: u64) {
        if let (Some(launches), Some(time)) = (self.word(Word::Launches), self.word(Word::KernelTime)) {
            launches.fetch_add(1, Ordering::Relaxed);
            time.fetch_add(ns, Ordering::Relaxed);
        }
    }
}

/// A device that some process has open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessUse {
    /// The process.
    pub pid: u32,
    /// Its command line.
    pub command: String,
    /// When it opened the device.
    pub started: SystemTime,
    /// Worker threads of the device.
    pub n_workers: u32,
    /// Device memory that there is.
    pub memory_total_bytes: u64,
    /// Device memory in use.
    pub memory_used_bytes: u64,
    /// Most device memory that was in use at a time.
    pub memory_peak_bytes: u64,
    /// Launches that have ended.
    pub launches: u64,
    /// Time from the first block's begin to the last one's end, summed over these launches.
    pub kernel_time: Duration,
}

/// The devices that the processes of this user have open, by process.
pub fn processes() -> Vec<ProcessUse> {
    let numbers = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids: Vec<u32> = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids.into_iter().flat_map(of_process).collect()
}

/// The devices of a process; none when it has ended or is another user's.
fn of_process(pid: u32) -> Vec<ProcessUse> {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let marked = files.filter(|file| {
        let target = std::fs::read_link(file.path()).unwrap_or_default();
        target.to_str().and_then(|target| target.strip_prefix("/memfd:")).is_some_and(|name| name.starts_with(NAME))
    });
    let command = OnceLock::new();
    let read = |path| {
        let mut page = [0; N_WORDS * 8];
        std::fs::File::open(path).ok()?.read_exact(&mut page).ok()?;
        let found = parse(&page, pid)?;
        let command = command.get_or_init(|| command_line(pid)).clone();
        Some(ProcessUse { command, ..found })
    };
    let mut found: Vec<_> = marked.filter_map(|file| read(file.path())).collect();
    found.sort_by_key(|device| device.started);
    found
}

fn command_line(pid: u32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    words.map(|word| String::from_utf8_lossy(word).into_owned()).collect::<Vec<_>>().join(" ")
}

fn parse(page: &[u8; N_WORDS * 8], pid: u32) -> Option<ProcessUse> {
    let mut words = [0; N_WORDS];
    for (word, bytes) in words.iter_mut().zip(page.as_chunks::<8>().0) {
        *word = u64::from_ne_bytes(*bytes);
    }
    let get = |word: Word| words[word as usize];
    if get(Word::Magic) != MAGIC || get(Word::Process) != u64::from(pid) {
        return None;
    }
    Some(ProcessUse {
        pid,
        command: String::new(),
        started: UNIX_EPOCH + Duration::from_nanos(get(Word::Started)),
        n_workers: u32::try_from(get(Word::Workers)).ok()?,
        memory_total_bytes: get(Word::MemoryTotal),
        memory_used_bytes: get(Word::MemoryUsed),
        memory_peak_bytes: get(Word::MemoryPeak),
        launches: get(Word::Launches),
        kernel_time: Duration::from_nanos(get(Word::KernelTime)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_seen_while_it_exists() {
        let account = Account::new(3, 77_777);
        account.set_memory(5000);
        account.set_memory(100);
        account.launched(30);
        account.launched(12);
        let own = |list: Vec<ProcessUse>| {
            list.into_iter().find(|seen| seen.pid == std::process::id() && seen.memory_total_bytes == 77_777)
        };
        let seen = own(processes()).expect("a process sees itself");
        assert_eq!((seen.n_workers, seen.memory_used_bytes, seen.memory_peak_bytes), (3, 100, 5000));
        assert_eq!((seen.launches, seen.kernel_time), (2, Duration::from_nanos(42)));
        assert!(!seen.command.is_empty());
        drop(account);
        assert!(own(processes()).is_none());
    }

    #[test]
    fn other_pages_are_no_accounts() {
        let mut page = [0; N_WORDS * 8];
        assert_eq!(parse(&page, 1), None);
        page[..8].copy_from_slice(&MAGIC.to_ne_bytes());
        page[8..16].copy_from_slice(&2u64.to_ne_bytes());
        assert!(parse(&page, 1).is_none() && parse(&page, 2).is_some());
    }
}
