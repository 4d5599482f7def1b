//! Named sections of bytes in one file that survives a crash at any moment, and grows by what has changed only.
//!
//! Model. A file is a head, then blocks of [`BLOCK`] bytes, and after the blocks of each checkpoint its *index* and its *footer*,
//! all at multiples of [`ALIGN`]. An index lists the sections with the place and hash of every block; a footer says where the
//! index is, and is the last thing written, after the rest is on disk. So the newest checkpoint is the last whole footer of
//! the file, and whatever follows it is what a crash left of an unfinished one.
//!
//! A block is known by its content: one whose hash the file has already is not written again, so a checkpoint after a small
//! change is small. Blocks of zeros take no room. When more than half of a large file is out of use, the next checkpoint goes
//! to a file of its own, which takes the place of the old one by renaming; the old one is kept beside it with `.previous`
//! at its name until the next time.
//!
//! Everything that is read is checked against its hash, so a damaged file is an error and never wrong data. [`Store::open`] locks
//! the file against a second writer.
//!
//! What it does not do: know what sections mean (the runtime does), or notice damage before something is read
//! ([`Checkpoint::verify`] reads all).

mod format;
mod read;
mod write;

pub use format::{ALIGN, BLOCK};
pub use read::Checkpoint;
pub use write::{Saved, Section, Store};

use std::path::{Path, PathBuf};

/// Why a checkpoint was not written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The system refused something: no room, no permission, no such file.
    #[error("{what} the checkpoint {}: {reason}", path.display())]
    System {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// Another process writes to the file.
    #[error("the checkpoint {} is being written by another process", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file is none of ours, or holds no whole checkpoint.
    #[error("{} holds no checkpoint: {reason}", path.display())]
    NoCheckpoint {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: &'static str,
    },
    /// What is read is not what was written.
    #[error("the checkpoint {} is damaged: {what} at byte {at} of the file has another checksum than it was written with", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is damaged: `section "name", byte 65536`.
        what: String,
        /// Where it stands in the file.
        at: u64,
    },
    /// The caller's fault: no such section, or a place outside of it.
    #[error("the checkpoint {} has no {bytes} bytes at {at} of section \"{section}\"", path.display())]
    Section {
        /// The file.
        path: PathBuf,
        /// The section.
        section: String,
        /// Place in the section.
        at: u64,
        /// Bytes asked for.
        bytes: u64,
    },
    /// What was to be saved could not be read.
    #[error("section \"{section}\" could not be read for a checkpoint: {reason}")]
    Source {
        /// The section.
        section: String,
        /// Why.
        reason: String,
    },
}

fn system(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> CheckpointError {
    let path = path.to_path_buf();
    move |reason| CheckpointError::System { what, path, reason }
}
