//! Device memory with a budget: what lies behind the addresses, and copies that go page by page.
//!
//! Model. Without a budget the address space is plain memory and nothing here costs anything. With one, `vgpu_mem`'s pager stands
//! behind it. Kernels meet missing pages as faults. Copies by the host are cut into pieces in which each end lies in one
//! page; the page is held while its piece moves, and one that is overwritten as a whole is not read first.

use crate::error::Error;
use crate::exec::guard;
use crate::exec::os::{PAGE, Range};
use std::path::PathBuf;
use vgpu_mem::pager::{Config, Intent, Pager};

/// How much memory a device's pages may take, and where they go beyond that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryBudget {
    /// Bytes of memory for pages that kernels use.
    pub pool_bytes: u64,
    /// Bytes of memory for compressed pages, besides.
    pub packed_bytes: u64,
    /// Folder of the spill file, which has no name there.
    pub spill_folder: PathBuf,
    /// Bytes that the spill file may have.
    pub spill_bytes: u64,
}

impl MemoryBudget {
    /// A budget with a quarter as much memory for compressed pages, and half of the free disk space of `/var/tmp`.
    pub fn new(pool_bytes: u64) -> Self {
        let folder = PathBuf::from("/var/tmp");
        let spill_folder = if folder.is_dir() { folder } else { std::env::temp_dir() };
        Self { pool_bytes, packed_bytes: pool_bytes / 4, ..Self::in_folder(spill_folder) }
    }

    /// What each of `n` devices has of it.
    pub(crate) fn shared_by(&self, n: u64) -> Self {
        Self {
            pool_bytes: self.pool_bytes / n,
            packed_bytes: self.packed_bytes / n,
            spill_folder: self.spill_folder.clone(),
            spill_bytes: self.spill_bytes / n,
        }
    }

    /// No memory, and half of the free disk space of a folder.
    pub(crate) fn in_folder(spill_folder: PathBuf) -> Self {
        let spill_bytes = vgpu_mem::free_disk_bytes(&spill_folder) / 2;
        Self { pool_bytes: 0, packed_bytes: 0, spill_folder, spill_bytes }
    }
}

/// What lies behind a device's addresses.
#[derive(Debug)]
pub(crate) enum Backing {
    /// As much memory as is touched.
    Plain(Range),
    /// A budget.
    Paged(Pager),
}

impl Backing {
    /// Reserves `reserve` bytes of addresses.
    pub(crate) fn new(reserve: u64, budget: Option<(&MemoryBudget, u32)>) -> Result<Self, Error> {
        let Some((budget, n_workers)) = budget else { return Ok(Self::Plain(Range::reserve(reserve)?)) };
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let publish = vgpu_mem::snapshot::folder().join(format!("{}-{number}", std::process::id()));
        let config = Config {
            budget_bytes: budget.pool_bytes,
            packed_bytes: budget.packed_bytes,
            spill_folder: budget.spill_folder.clone(),
            spill_bytes: budget.spill_bytes,
            n_workers,
            reserve_bytes: reserve,
            publish: Some(publish),
        };
        guard::enable_paging();
        Ok(Self::Paged(Pager::new(config).map_err(Error::Memory)?))
    }

    pub(crate) const fn pager(&self) -> Option<&Pager> {
        match self {
            Self::Plain(_) => None,
            Self::Paged(pager) => Some(pager),
        }
    }

    pub(crate) fn base(&self) -> u64 {
        match self {
            Self::Plain(range) => range.base(),
            Self::Paged(pager) => pager.base(),
        }
    }

    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Plain(range) => range.len(),
            Self::Paged(pager) => pager.bytes(),
        }
    }

    /// What large allocations are made of.
    pub(crate) fn granule(&self) -> u64 {
        self.pager().map_or(PAGE, Pager::page_bytes)
    }

    pub(crate) fn commit(&self, offset: u64, bytes: u64) -> Result<(), Error> {
        match self {
            Self::Plain(range) => range.commit(offset, bytes),
            Self::Paged(pager) => pager.commit(offset, bytes).map_err(Error::Memory),
        }
    }

    pub(crate) fn decommit(&self, offset: u64, bytes: u64) -> Result<(), Error> {
        match self {
            Self::Plain(range) => range.decommit(offset, bytes),
            Self::Paged(pager) => {
                pager.decommit(offset, bytes);
                Ok(())
            }
        }
    }

    pub(crate) fn advise_huge(&self, offset: u64, bytes: u64) {
        if let Self::Plain(range) = self {
            range.advise_huge(offset, bytes);
        }
    }
}

/// One end of a copy: its first address, and the pager behind it if there is one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End<'a> {
    pub(crate) address: u64,
    pub(crate) pager: Option<&'a Pager>,
}

impl End<'_> {
    /// Memory without a pager.
    pub(crate) const fn plain(address: u64) -> Self {
        Self { address, pager: None }
    }

    /// Bytes from `at` to the end of its page, or from the start of the page of the byte before `at` when going back.
    fn room(&self, at: u64, back: bool) -> u64 {
        match self.pager {
            None => u64::MAX,
            Some(pager) if back => at - (pager.page_end(at - 1) - pager.page_bytes()),
            Some(pager) => pager.page_end(at) - at,
        }
    }

    fn hold(&self, at: u64, bytes: u64, writes: bool) -> Result<Option<vgpu_mem::pager::Hold<'_>>, Error> {
        let Some(pager) = self.pager else { return Ok(None) };
        let intent = match (writes, bytes == pager.page_bytes()) {
            (false, _) => Intent::Read,
            (true, false) => Intent::Write,
            (true, true) => Intent::Overwrite,
        };
        pager.hold(at, intent).map(Some).map_err(Error::Memory)
    }
}

/// Calls `run(to, from, bytes)` for pieces of a copy, with their pages held; from the back where the ends overlap so. A fill
/// has no `from`.
pub(crate) fn pieces(
    to: End<'_>,
    from: Option<End<'_>>,
    bytes: u64,
    mut run: impl FnMut(u64, u64, u64) -> Result<(), Error>,
) -> Result<(), Error> {
    let source = from.unwrap_or(End::plain(0));
    if to.pager.is_none() && source.pager.is_none() {
        return run(to.address, source.address, bytes);
    }
    let back = from.is_some() && to.address > source.address && to.address - source.address < bytes;
    let mut done = 0;
    while done < bytes {
        let rest = bytes - done;
        let at = if back { rest } else { done };
        let (to_at, from_at) = (to.address + at, source.address.wrapping_add(at));
        let n = rest.min(to.room(to_at, back)).min(source.room(from_at, back));
        let (to_at, from_at) = if back { (to_at - n, from_at.wrapping_sub(n)) } else { (to_at, from_at) };
        // The source first: where both lie in one page, it must have come before it is overwritten.
        let _source = source.hold(from_at, n, false)?;
        let _to = to.hold(to_at, n, true)?;
        run(to_at, from_at, n)?;
        done += n;
    }
    Ok(())
}
