//! What can go wrong with memory that is larger than the memory there is: one variant per cause.

/// Why a page could not be kept, stored or brought back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A setting that cannot work.
    #[error("a memory budget of {found} bytes is too small: at least {least} are accepted")]
    Budget {
        /// Bytes asked for.
        found: u64,
        /// Least that is accepted.
        least: u64,
    },
    /// The spill file may not grow that far.
    #[error("{needed} bytes of spill space are needed, {limit} are allowed; free memory or raise the limit")]
    SpillLimit {
        /// Bytes that all pages need.
        needed: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The disk of the spill file refused something.
    #[error("spill file in {folder}: {what}: {reason}")]
    Disk {
        /// Folder of the file, which itself has no name.
        folder: String,
        /// What was tried.
        what: &'static str,
        /// The system's answer.
        reason: String,
    },
    /// A stored page came back different.
    #[error(
        "the page at {address:#x} was damaged in the {tier} tier: its checksum is {found:#x} and was {expected:#x}"
    )]
    Corrupt {
        /// First address of the page.
        address: u64,
        /// Where it was stored.
        tier: &'static str,
        /// Checksum when it was stored.
        expected: u64,
        /// Checksum now.
        found: u64,
    },
    /// Everything that could make room is in use at this moment.
    #[error("all {frames} pages of the memory budget are in use at the same time")]
    NoRoom {
        /// Pages of the budget.
        frames: usize,
    },
    /// The range is not one that was committed.
    #[error("{bytes} bytes at {address:#x} are not allocated")]
    NotAllocated {
        /// First address.
        address: u64,
        /// Length.
        bytes: u64,
    },
    /// The operating system refused something.
    #[error("{what}: {reason}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// The system's answer.
        reason: String,
    },
}
