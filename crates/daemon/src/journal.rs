//! The market's journal: a command is answered when it is on disk, and a restart finds the same state.
//!
//! A state folder holds one or two snapshots and the log after each of them:
//! ```text
//! snapshot-00000000000000000000   state after 0 commands: Market::to_bytes, then their BLAKE3 hash
//! log-00000000000000000000        the commands after that, in frames
//! ```
//! Commands are collected ([`Journal::append`]) and written as one **frame** with one `fdatasync` ([`Journal::commit`]):
//! group commit. Only then may they be answered. A frame is all or nothing: its checksum covers its commands and its place
//! in the sequence. Every command is logged, refused ones too, because even they let time pass.
//!
//! After a crash, [`Journal::open`] takes the newest snapshot and replays the log. A frame that is cut off or does not match
//! its checksum at the very end was being written when the machine stopped: nobody had been answered, and it is dropped. The
//! same anywhere else is damage, and is reported, never skipped.
//!
//! [`Journal::snapshot`] writes a new snapshot beside the old one, makes it durable, begins a new log, and only then removes
//! what is no longer needed; a crash between any two of these steps leaves a folder that opens.
//!
//! There is one writer per folder; an exclusive lock on its `lock` file sees to that. Time is an argument here as well.

mod frame;

use frame::Frame;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;
use vgpu_market::{Command, Config, ConfigError, Malformed, Market};

/// Why a journal cannot be opened or written.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The operating system says so.
    #[error("cannot {doing} {path}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Another process has this folder.
    #[error("{0} is in use by another process")]
    InUse(PathBuf),
    /// A frame before the end of a log is not what was written.
    #[error("{path} is damaged at byte {at}: {what}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where.
        at: usize,
        /// What is wrong.
        what: String,
    },
    /// The configuration for a new market is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A write failed before; what is on disk is unknown until the folder is opened again.
    #[error("the journal in {0} failed before and must be opened again")]
    Failed(PathBuf),
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_path_buf();
    move |source| JournalError::Io { doing, path, source }
}

/// The journal of one market.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    log: File,
    /// Commands on disk.
    n_durable: u64,
    /// Commands collected since, as the frame they will be.
    pending: Frame,
    failed: bool,
    _lock: File,
}

impl Journal {
    /// Opens a state folder, or makes one with a new market of this configuration. The market returned has seen exactly the
    /// commands that are durable. A folder that has a market keeps that market's configuration.
    ///
    /// # Errors
    /// The folder cannot be used, is in use, or holds a damaged file.
    pub fn open(folder: &Path, config: Config) -> Result<(Self, Market), JournalError> {
        fs::create_dir_all(folder).map_err(io_error("make", folder))?;
        let lock = lock(folder)?;
        let (mut market, start) = match newest_snapshot(folder)? {
            Some(found) => found,
            None => {
                let market = Market::new(config)?;
                write_snapshot(folder, 0, &market)?;
                (market, 0)
            }
        };
        let path = log_path(folder, start);
        // A missing log is an empty one: the crash came between the snapshot and its log.
        let log =
            OpenOptions::new().create(true).read(true).append(true).open(&path).map_err(io_error("open", &path))?;
        let n_durable = replay(&path, &log, start, &mut market)?;
        sync_folder(folder)?;
        remove_all_but(folder, start)?;
        let pending = Frame::new(n_durable);
        Ok((Self { folder: folder.to_path_buf(), log, n_durable, pending, failed: false, _lock: lock }, market))
    }

    /// Commands that are on disk.
    pub const fn n_durable(&self) -> u64 {
        self.n_durable
    }

    /// Commands collected and not yet on disk.
    pub const fn n_pending(&self) -> u32 {
        self.pending.n_commands()
    }

    /// Adds a command to the frame that the next commit writes. It must not be answered before.
    pub fn append(&mut self, now_ns: u64, command: &Command) {
        self.pending.push(now_ns, command);
    }

    /// Writes what was collected and waits until it is on disk.
    ///
    /// # Errors
    /// It cannot be written. The journal then accepts nothing more: which bytes reached the disk is known only after it is
    /// opened again.
    pub fn commit(&mut self) -> Result<(), JournalError> {
        if self.failed {
            return Err(JournalError::Failed(self.folder.clone()));
        }
        if self.pending.n_commands() == 0 {
            return Ok(());
        }
        self.failed = true;
        let path = self.folder.join("log");
        self.log.write_all(self.pending.seal()).map_err(io_error("write", &path))?;
        self.log.sync_data().map_err(io_error("sync", &path))?;
        self.failed = false;
        self.n_durable += u64::from(self.pending.n_commands());
        self.pending.restart(self.n_durable);
        Ok(())
    }

    /// Writes the state and begins a new log. `market` must have seen all commands appended; they are committed first.
    ///
    /// # Errors
    /// Something cannot be written; the old snapshot and log are still there then.
    pub fn snapshot(&mut self, market: &Market) -> Result<(), JournalError> {
        self.commit()?;
        write_snapshot(&self.folder, self.n_durable, market)?;
        let path = log_path(&self.folder, self.n_durable);
        self.log = OpenOptions::new().create(true).append(true).open(&path).map_err(io_error("open", &path))?;
        sync_folder(&self.folder)?;
        remove_all_but(&self.folder, self.n_durable)
    }
}

fn lock(folder: &Path) -> Result<File, JournalError> {
    let path = folder.join("lock");
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(io_error("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(JournalError::InUse(folder.to_path_buf())),
        Err(fs::TryLockError::Error(source)) => Err(io_error("lock", &path)(source)),
    }
}

fn snapshot_path(folder: &Path, n_commands: u64) -> PathBuf {
    folder.join(format!("snapshot-{n_commands:020}"))
}

fn log_path(folder: &Path, n_commands: u64) -> PathBuf {
    folder.join(format!("log-{n_commands:020}"))
}

/// A snapshot gets its name only when all of it is on disk.
fn write_snapshot(folder: &Path, n_commands: u64, market: &Market) -> Result<(), JournalError> {
    let mut bytes = market.to_bytes();
    bytes.extend_from_slice(blake3::hash(&bytes).as_bytes());
    let unfinished = folder.join("snapshot.new");
    let mut file = File::create(&unfinished).map_err(io_error("make", &unfinished))?;
    file.write_all(&bytes).map_err(io_error("write", &unfinished))?;
    file.sync_all().map_err(io_error("sync", &unfinished))?;
    let path = snapshot_path(folder, n_commands);
    fs::rename(&unfinished, &path).map_err(io_error("name", &path))?;
    sync_folder(folder)
}

/// Makes new and removed names durable.
fn sync_folder(folder: &Path) -> Result<(), JournalError> {
    let sync = || File::open(folder)?.sync_all();
    sync().map_err(io_error("sync", folder))
}

/// Numbers of the files with this prefix.
fn numbered(folder: &Path, prefix: &str) -> Result<Vec<u64>, JournalError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder).map_err(io_error("list", folder))? {
        let name = entry.map_err(io_error("list", folder))?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix(prefix));
        numbers.extend(digits.filter(|digits| digits.len() == 20).and_then(|digits| digits.parse::<u64>().ok()));
    }
    Ok(numbers)
}

fn newest_snapshot(folder: &Path) -> Result<Option<(Market, u64)>, JournalError> {
    let Some(n_commands) = numbered(folder, "snapshot-")?.into_iter().max() else { return Ok(None) };
    let path = snapshot_path(folder, n_commands);
    let bytes = fs::read(&path).map_err(io_error("read", &path))?;
    let damaged = |at, what: String| JournalError::Damaged { path: path.clone(), at, what };
    let Some((state, hash)) = bytes.split_last_chunk::<32>() else {
        return Err(damaged(0, format!("{} bytes are too few", bytes.len())));
    };
    if blake3::hash(state).as_bytes() != hash {
        return Err(damaged(0, "the state does not match its hash".to_owned()));
    }
    let market = Market::from_bytes(state).map_err(|Malformed { at, what }| damaged(at, what))?;
    Ok(Some((market, n_commands)))
}

/// Applies a log; cuts off a frame that was being written. Returns how many commands are durable.
fn replay(path: &Path, log: &File, start: u64, market: &mut Market) -> Result<u64, JournalError> {
    let bytes = fs::read(path).map_err(io_error("read", path))?;
    let (mut at, mut n_commands) = (0, start);
    while at < bytes.len() {
        let found = frame::read(&bytes[at..], n_commands, |now_ns, command| {
            // What was refused then is refused now.
            let _ = market.apply(now_ns, &command);
        });
        match found {
            frame::Found::Whole { length, n } => {
                at += length;
                n_commands += u64::from(n);
            }
            frame::Found::Torn => {
                log.set_len(at as u64).map_err(io_error("shorten", path))?;
                log.sync_all().map_err(io_error("sync", path))?;
                break;
            }
            frame::Found::Damaged(what) => {
                return Err(JournalError::Damaged { path: path.to_path_buf(), at, what });
            }
        }
    }
    Ok(n_commands)
}

/// Removes snapshots and logs that a newer snapshot replaces.
fn remove_all_but(folder: &Path, n_commands: u64) -> Result<(), JournalError> {
    for (prefix, name) in [("snapshot-", snapshot_path as fn(&Path, u64) -> PathBuf), ("log-", log_path)] {
        for number in numbered(folder, prefix)?.into_iter().filter(|number| *number < n_commands) {
            let path = name(folder, number);
            fs::remove_file(&path).map_err(io_error("remove", &path))?;
        }
    }
    Ok(())
}
