//! Memory larger than its budget: pages come when they are touched and go when room is needed, and addresses never change.
//!
//! Model. A [`Pager`] owns a range of addresses and a pool of frames, the budget. Allocated pages start as zeros without a frame.
//! An access that cannot go on is a processor fault; its handler calls [`resolve`] on the thread that faulted, which brings
//! the page, and the instruction runs again. Bytes are moved while a page can be reached by nobody, so no access ever sees
//! half a page and no store is lost. Host copies ask first, page by page ([`Pager::hold`]), and say when they overwrite a
//! whole page, which then need not be read.
//!
//! A page is first mapped for reading, so that the first store is noticed: what was not written need not be stored again.
//! Two service threads evict before the last frame is gone and fetch what streams of faults announce.
//!
//! Room in the spill file is reserved when memory is allocated, so a full disk is an error of the allocation and not of a kernel
//! in the middle of its work.
//!
//! Locks: the pager's lock is a leaf; bytes move without it. Faults happen in generated code and in guarded copies, which
//! hold no lock, so the handler may take it.

mod evict;
mod fetch;
mod table;
#[cfg(test)]
mod tests;

pub use table::Counters;

use crate::error::Error;
use crate::grid::{FreePlaces, Tier};
use crate::os::{self, Access, Frames, Registration, Space};
use crate::residency::{Clock, Streams, dense_block};
use crate::snapshot::{Run, Snapshot, TierUse};
use crate::store::{Copy, Store};
use std::cell::Cell;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use table::{Entry, Here, Page, Seat, State};

/// Settings of a pager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Memory for pages that kernels use.
    pub budget_bytes: u64,
    /// Memory for compressed pages, besides.
    pub packed_bytes: u64,
    /// Folder of the spill file.
    pub spill_folder: PathBuf,
    /// Bytes that the spill file may have.
    pub spill_bytes: u64,
    /// Threads that run kernels.
    pub n_workers: u32,
    /// Reserved addresses.
    pub reserve_bytes: u64,
    /// Where the state is published for other processes to look at, if anywhere.
    pub publish: Option<PathBuf>,
}

/// Smallest page: what a disk moves at a fair speed.
const MIN_PAGE_BYTES: u64 = 64 << 10;
/// Largest page.
const MAX_PAGE_BYTES: u64 = 2 << 20;
/// Frames of a pool, where pages are not at their largest: each may take an entry in the kernel's list of mappings, which
/// is bounded (65,530 by default).
const MAX_FRAMES: u64 = 8192;
/// Least number of frames.
const MIN_FRAMES: u64 = 64;
/// Threads besides the workers that may fault at a time: service threads, waiting host threads.
const OTHER_THREADS: u64 = 4;
/// How long a thread waits for others to let go of pages.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often the state is published.
const PUBLISH_EVERY: Duration = Duration::from_millis(250);

/// What became of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The instruction can run again.
    Resolved,
    /// The address is not allocated.
    Illegal,
    /// The page could not be brought.
    Failed(Error),
}

/// What is about to be done with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Reading.
    Read,
    /// Writing some of it.
    Write,
    /// Writing all of it: its old bytes are not needed.
    Overwrite,
}

/// The part of a pager that its threads and the fault handler use.
#[derive(Debug)]
pub(crate) struct Shared {
    space: Space,
    frames: Frames,
    n_frames: u32,
    page_bytes: u64,
    config: Config,
    store: Store,
    state: Mutex<State>,
    /// A page was settled, a frame became free, or a pin went.
    changed: Condvar,
    /// There is something to do for the service threads.
    work: Condvar,
    /// The first failure of a fault, until somebody asks.
    failure: Mutex<Option<Error>>,
}

/// See the module header.
#[derive(Debug)]
pub struct Pager {
    // Dropped in this order: first nobody finds the pager any more.
    registration: Option<Registration>,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

type Guard<'a> = MutexGuard<'a, State>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every update leaves the state consistent before it can panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn thread_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        static NUMBER: Cell<u64> = const { Cell::new(0) };
    }
    NUMBER.with(|number| {
        if number.get() == 0 {
            number.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        number.get()
    })
}

/// Resolves a fault at `address`; `None` when no pager has that address. `write` is what the processor says of the access,
/// `None` when it does not. Called from signal handlers, on threads that hold no lock of this crate and are not inside the
/// system's memory allocator.
pub fn resolve(address: u64, write: Option<bool>) -> Option<Outcome> {
    os::find(address).map(|pager| pager.fault(address, write))
}

/// Bytes of a page under a budget.
pub fn page_bytes_for(budget_bytes: u64) -> u64 {
    (budget_bytes / MAX_FRAMES).next_power_of_two().clamp(MIN_PAGE_BYTES, MAX_PAGE_BYTES)
}

impl Pager {
    /// A pager with nothing allocated.
    ///
    /// # Errors
    /// [`Error::Budget`] when the budget is too small for the number of workers; [`Error::System`].
    pub fn new(config: Config) -> Result<Self, Error> {
        let page_bytes = page_bytes_for(config.budget_bytes);
        let threads = u64::from(config.n_workers) + OTHER_THREADS;
        let least = MIN_FRAMES.max(threads * 2 * table::RECENT_PAGES as u64) * page_bytes;
        if config.budget_bytes < least {
            return Err(Error::Budget { found: config.budget_bytes, least });
        }
        let n_frames = u32::try_from(config.budget_bytes / page_bytes).map_err(|_| Error::System {
            what: "making memory for pages",
            reason: "more than 2^32 pages".to_owned(),
        })?;
        let (frames, rights) = Frames::new(n_frames, page_bytes)?;
        let space = Space::reserve(config.reserve_bytes.next_multiple_of(MAX_PAGE_BYTES), MAX_PAGE_BYTES)?;
        let state = State {
            pages: Vec::new(),
            rights: rights.into_iter().map(Some).collect(),
            places: FreePlaces::new(n_frames),
            page_of: vec![0; n_frames as usize],
            clock: Clock::new(n_frames),
            streams: Streams::default(),
            committed: 0,
            busy: 0,
            packed_bytes: 0,
            packed_order: VecDeque::new(),
            wishes: VecDeque::new(),
            guessed_unused: 0,
            recent: Vec::new(),
            max_recent: threads as usize,
            time: 0,
            counters: Counters::default(),
            stop: false,
        };
        let store = Store::new(config.spill_folder.clone(), page_bytes);
        let shared = Arc::new(Shared {
            space,
            frames,
            n_frames,
            page_bytes,
            config,
            store,
            state: Mutex::new(state),
            changed: Condvar::new(),
            work: Condvar::new(),
            failure: Mutex::new(None),
        });
        let registration = os::register(&shared, shared.space.base(), shared.space.bytes())?;
        let mut pager = Self { registration: Some(registration), shared, threads: Vec::new() };
        for idx in 0..2 {
            let shared = Arc::clone(&pager.shared);
            let thread = std::thread::Builder::new().name(format!("vgpu-pager-{idx}")).spawn(move || shared.serve(idx));
            let failed = |error: std::io::Error| Error::System { what: "starting a thread", reason: error.to_string() };
            pager.threads.push(thread.map_err(failed)?);
        }
        Ok(pager)
    }

    /// First address.
    pub fn base(&self) -> u64 {
        self.shared.space.base()
    }

    /// Length of the address range in bytes.
    pub fn bytes(&self) -> u64 {
        self.shared.space.bytes()
    }

    /// Bytes of a page.
    pub fn page_bytes(&self) -> u64 {
        self.shared.page_bytes
    }

    /// Bytes of the budget.
    pub fn budget_bytes(&self) -> u64 {
        u64::from(self.shared.n_frames) * self.shared.page_bytes
    }

    fn pages(&self, offset: u64, bytes: u64) -> (u32, u32) {
        let page_bytes = self.shared.page_bytes;
        assert!(offset.is_multiple_of(page_bytes) && offset + bytes <= self.bytes(), "ranges are whole pages inside");
        ((offset / page_bytes) as u32, bytes.div_ceil(page_bytes) as u32)
    }

    /// Allocates the pages of a range: whole pages that are not allocated. They read as zero.
    ///
    /// # Errors
    /// [`Error::SpillLimit`] and [`Error::Disk`] when there is no room to store them; then nothing has changed.
    pub fn commit(&self, offset: u64, bytes: u64) -> Result<(), Error> {
        let (first, count) = self.pages(offset, bytes);
        let shared = &*self.shared;
        let mut state = shared.lock();
        let end = (first + count) as usize;
        if state.pages.len() < end {
            let fresh = || Entry { page: Page::Free, thrash: crate::residency::Thrash::default(), reserved: false };
            state.pages.resize_with(end, fresh);
        }
        let free = state.pages[first as usize..end].iter().all(|entry| matches!(entry.page, Page::Free));
        assert!(free, "pages are allocated once");
        for entry in &mut state.pages[first as usize..end] {
            entry.page = Page::Away(Copy::Zero);
            entry.thrash = crate::residency::Thrash::default();
        }
        state.committed += count;
        shared.reserve_disk(&mut state).inspect_err(|_| {
            state.committed -= count;
            for entry in &mut state.pages[first as usize..end] {
                entry.page = Page::Free;
            }
        })
    }

    /// Gives the pages of a range up. Nobody uses them any more.
    pub fn decommit(&self, offset: u64, bytes: u64) {
        let (first, count) = self.pages(offset, bytes);
        let shared = &*self.shared;
        let mut state = shared.lock();
        let mut reserved = false;
        for page in first..first + count {
            while matches!(state.pages[page as usize].page, Page::Busy) {
                state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let entry = &mut state.pages[page as usize];
            reserved |= std::mem::take(&mut entry.reserved);
            let was = std::mem::replace(&mut entry.page, Page::Free);
            state.committed -= u32::from(!matches!(was, Page::Free));
            match was {
                Page::Away(copy) => state.drop_copy(copy),
                Page::Here(Here { seat, copy, guessed, .. }) => {
                    state.drop_copy(copy);
                    state.guessed_unused -= u32::from(guessed);
                    state.forget_recent(seat.frame());
                    let frame = match seat {
                        Seat::Loaded(frame) => Ok(frame),
                        Seat::Mapped(mapped, _) => {
                            let at = u64::from(page) * shared.page_bytes;
                            let unmapped = shared.space.unmap(at, shared.page_bytes, vec![mapped]);
                            unmapped.map(|mut frames| frames.remove(0))
                        }
                    };
                    // A frame that the system would not unmap is lost to the pool, and still mapped at its old address.
                    if let Ok(frame) = frame {
                        state.give_frame(frame);
                    }
                }
                Page::Free | Page::Busy => {}
            }
        }
        drop(state);
        if reserved {
            shared.store.release(first, count);
        }
        shared.changed.notify_all();
    }

    /// Brings the page of `address` and keeps it until the result is dropped.
    ///
    /// # Errors
    /// [`Error::NotAllocated`], or why the page cannot be brought.
    pub fn hold(&self, address: u64, intent: Intent) -> Result<Hold<'_>, Error> {
        let shared = &*self.shared;
        let page = shared.page_of(address).ok_or(Error::NotAllocated { address, bytes: 1 })?;
        let access = if intent == Intent::Read { Access::Read } else { Access::Write };
        let (mut state, brought) = shared.bring(shared.lock(), page, Some(access), intent == Intent::Overwrite);
        brought?;
        let frame = state.frame_of(page).expect("the page was just brought, under the same lock");
        state.clock.pin(frame);
        Ok(Hold { shared, frame })
    }

    /// The first address behind the page of `address`.
    pub fn page_end(&self, address: u64) -> u64 {
        let offset = (address - self.base()) / self.page_bytes() * self.page_bytes();
        self.base() + offset + self.page_bytes()
    }

    /// Asks for pages to be fetched, as far as they fit: only a hint.
    pub fn prefetch(&self, address: u64, bytes: u64) {
        let shared = &*self.shared;
        let (Some(first), Some(last)) =
            (shared.page_of(address), shared.page_of(address.saturating_add(bytes.saturating_sub(1))))
        else {
            return;
        };
        let most = shared.n_frames / 2;
        shared.lock().wishes.push_back(((last - first + 1).min(most), first, 1));
        shared.work.notify_all();
    }

    /// Takes up to `pages` pages out of the pool now.
    ///
    /// # Errors
    /// Why none could be stored.
    pub fn trim(&self, pages: usize) -> Result<(), Error> {
        self.shared.evict(self.shared.lock(), pages).1.map(drop)
    }

    /// The first failure of a fault since the last call.
    pub fn take_failure(&self) -> Option<Error> {
        lock(&self.shared.failure).take()
    }

    /// Counters since the pager was made.
    pub fn counters(&self) -> Counters {
        self.shared.lock().counters
    }

    /// Bytes moved to and from the disk.
    pub fn disk_traffic(&self) -> crate::store::DiskTraffic {
        self.shared.store.traffic()
    }

    /// What is where now.
    pub fn snapshot(&self) -> Snapshot {
        self.shared.snapshot()
    }
}

impl Drop for Pager {
    fn drop(&mut self) {
        self.registration = None;
        self.shared.lock().stop = true;
        self.shared.work.notify_all();
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // A panic of a service thread was reported when it happened.
            let _ = thread.join();
        }
        if let Some(path) = &self.shared.config.publish {
            // Gone already, perhaps with the folder.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A page that stays.
#[derive(Debug)]
pub struct Hold<'a> {
    shared: &'a Shared,
    frame: u32,
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.shared.lock().clock.unpin(self.frame);
        self.shared.changed.notify_all();
    }
}

impl State {
    fn frame_of(&self, page: u32) -> Option<u32> {
        match &self.pages.get(page as usize)?.page {
            Page::Here(here) => Some(here.seat.frame()),
            _ => None,
        }
    }
}

impl Shared {
    fn lock(&self) -> Guard<'_> {
        lock(&self.state)
    }

    fn page_of(&self, address: u64) -> Option<u32> {
        let offset = address.checked_sub(self.space.base()).filter(|offset| *offset < self.space.bytes())?;
        u32::try_from(offset / self.page_bytes).ok()
    }

    /// Reserves room for all pages once they are more than the frames.
    fn reserve_disk(&self, state: &mut State) -> Result<(), Error> {
        if state.committed <= self.n_frames {
            return Ok(());
        }
        let needed = u64::from(state.committed) * self.page_bytes;
        if needed > self.config.spill_bytes {
            return Err(Error::SpillLimit { needed, limit: self.config.spill_bytes });
        }
        let mut page = 0;
        while page < state.pages.len() {
            let wants = |entry: &Entry| !entry.reserved && !matches!(entry.page, Page::Free);
            let count = state.pages[page..].iter().take_while(|entry| wants(entry)).count();
            if count > 0 {
                self.store.reserve(page as u32, count as u32)?;
                state.pages[page..page + count].iter_mut().for_each(|entry| entry.reserved = true);
            }
            page += count.max(1);
        }
        Ok(())
    }

    fn fault(&self, address: u64, write: Option<bool>) -> Outcome {
        let Some(page) = self.page_of(address) else { return Outcome::Illegal };
        let mut state = self.lock();
        state.counters.faults += 1;
        let access = write.map(|write| if write { Access::Write } else { Access::Read });
        let (mut state, brought) = self.bring(state, page, access, false);
        match brought {
            Ok(first_touch) => {
                let frame = state.frame_of(page).expect("the page was just brought, under the same lock");
                state.note_recent(thread_number(), frame);
                if first_touch {
                    self.look_ahead(&mut state, page);
                } else {
                    state.counters.cheap += 1;
                }
                Outcome::Resolved
            }
            Err(Error::NotAllocated { .. }) => Outcome::Illegal,
            Err(error) => {
                lock(&self.failure).get_or_insert_with(|| error.clone());
                Outcome::Failed(error)
            }
        }
    }

    /// Makes a page accessible. `access` is `None` when it is not known; then reading is tried first. Tells whether this
    /// was the page's first touch since it came.
    fn bring<'a>(
        &'a self,
        mut state: Guard<'a>,
        page: u32,
        access: Option<Access>,
        overwrite: bool,
    ) -> (Guard<'a>, Result<bool, Error>) {
        let address = self.space.base() + u64::from(page) * self.page_bytes;
        let mut waited: Option<Instant> = None;
        let mut came = false;
        loop {
            match state.pages.get(page as usize).map(|entry| &entry.page) {
                None | Some(Page::Free) => {
                    return (state, Err(Error::NotAllocated { address, bytes: self.page_bytes }));
                }
                Some(Page::Busy) => {
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                Some(Page::Here(_)) => {
                    let granted = self.grant(&mut state, page, access);
                    return (state, granted.map(|guessed| guessed || came));
                }
                Some(Page::Away(_)) => {
                    if let Some(frame) = state.take_frame(page) {
                        let (again, loaded) = self.load(state, page, frame, overwrite);
                        state = again;
                        if let Err(error) = loaded {
                            return (state, Err(error));
                        }
                        came = true;
                        continue;
                    }
                    let (again, evicted) = self.evict(state, evict::BATCH);
                    state = again;
                    match evicted {
                        Ok(0) => {
                            // Everything is held or on its way; others will let go.
                            if waited.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                                return (state, Err(Error::NoRoom { frames: self.n_frames as usize }));
                            }
                            let pause = Duration::from_millis(5);
                            let wait = self.changed.wait_timeout(state, pause);
                            state = wait.unwrap_or_else(PoisonError::into_inner).0;
                        }
                        Ok(_) => {}
                        Err(error) => return (state, Err(error)),
                    }
                }
            }
        }
    }

    /// Gives kernels the access they want to a page that is here. Tells whether it had been fetched on a guess.
    fn grant(&self, state: &mut State, page: u32, access: Option<Access>) -> Result<bool, Error> {
        let offset = u64::from(page) * self.page_bytes;
        // Nobody sees the page busy: the lock is not given up.
        let was = std::mem::replace(&mut state.pages[page as usize].page, Page::Busy);
        let Page::Here(Here { mut seat, mut dirty, mut copy, guessed }) = was else {
            unreachable!("the caller found the page here, under the same lock")
        };
        let has = match &seat {
            Seat::Mapped(_, has) => *has,
            Seat::Loaded(_) => Access::None,
        };
        // Of an access that is not known: it is a store if the page could be read.
        let wants = access.unwrap_or(if has == Access::Read { Access::Write } else { Access::Read });
        let gets = if dirty { Access::Write } else { wants };
        let mut refused = None;
        if has < gets {
            seat = match seat {
                Seat::Mapped(mapped, _) => match self.space.protect(offset, self.page_bytes, gets) {
                    Ok(()) => Seat::Mapped(mapped, gets),
                    Err(error) => {
                        refused = Some(error);
                        Seat::Mapped(mapped, has)
                    }
                },
                Seat::Loaded(frame) => match self.space.map(offset, &self.frames, frame, gets) {
                    Ok(mapped) => Seat::Mapped(mapped, gets),
                    Err((error, frame)) => {
                        refused = Some(error);
                        Seat::Loaded(frame)
                    }
                },
            };
        }
        let frame = seat.frame();
        if refused.is_none() && gets == Access::Write && !dirty {
            dirty = true;
            state.drop_copy(std::mem::replace(&mut copy, Copy::None));
        }
        let still_guessed = guessed && refused.is_some();
        state.pages[page as usize].page = Page::Here(Here { seat, dirty, copy, guessed: still_guessed });
        if let Some(error) = refused {
            return Err(error);
        }
        if guessed {
            state.guessed_unused -= 1;
            state.counters.foreseen += 1;
        }
        state.clock.touch(frame);
        Ok(guessed)
    }

    /// Follows the stream that a first touch belongs to, and asks for what comes next.
    fn look_ahead(&self, state: &mut State, page: u32) {
        let most = (self.n_frames / 16).clamp(4, 64);
        let mut wishes = Vec::new();
        wishes.extend(state.streams.touch(page, most));
        let dense = dense_block(page, most.next_power_of_two(), |other| {
            matches!(state.pages.get(other as usize), Some(Entry { page: Page::Here(_) | Page::Busy, .. }))
        });
        if dense.len() > 1 {
            wishes.push((dense.len() as u32, dense.start, 1));
        }
        let stored = |page: i64| {
            let page = usize::try_from(page).unwrap_or(usize::MAX);
            let away = state.pages.get(page).map(|entry| &entry.page);
            matches!(away, Some(Page::Away(Copy::Packed(_) | Copy::Disk(_))))
        };
        wishes.retain(|(count, first, stride)| {
            (0..i64::from(*count)).any(|idx| stored(i64::from(*first) + idx * stride))
        });
        if !wishes.is_empty() {
            state.wishes.extend(wishes);
            self.work.notify_one();
        }
    }

    /// True when the service threads should make room.
    fn wants_room(&self, state: &State) -> bool {
        let low = (self.n_frames / 32).clamp(2, 32);
        state.committed > self.n_frames && state.places.free() < low
    }

    /// A service thread's life.
    fn serve(&self, idx: usize) {
        let mut state = self.lock();
        let mut published = Instant::now();
        let mut last = None;
        while !state.stop {
            if idx == 0 && self.config.publish.is_some() && (last.is_none() || published.elapsed() >= PUBLISH_EVERY) {
                published = Instant::now();
                let now = (state.counters, state.committed);
                if last != Some(now) {
                    last = Some(now);
                    drop(state);
                    self.publish();
                    state = self.lock();
                    continue;
                }
            }
            if self.wants_room(&state) {
                let (again, evicted) = self.evict(state, evict::BATCH);
                state = again;
                if matches!(evicted, Ok(n) if n > 0) {
                    continue;
                }
            } else if let Some(wish) = state.wishes.pop_front() {
                state = self.fetch(state, wish);
                continue;
            }
            if state.stop {
                break;
            }
            let wait = self.work.wait_timeout(state, PUBLISH_EVERY);
            state = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn publish(&self) {
        if let Some(path) = &self.config.publish {
            // Nobody can look at the state then; the work goes on.
            let _ = self.snapshot().write(path);
        }
    }

    fn snapshot(&self) -> Snapshot {
        let traffic = self.store.traffic();
        let state = self.lock();
        let mut pages = [0u64; Tier::ALL.len()];
        let mut zero_pages = 0;
        let mut runs: Vec<Run> = Vec::new();
        for (page, entry) in state.pages.iter().enumerate() {
            let (tier, index) = match &entry.page {
                Page::Free => continue,
                Page::Away(Copy::Packed(_)) => (Some(Tier::Packed), page as u32),
                Page::Away(Copy::Disk(_)) => (Some(Tier::Disk), page as u32),
                Page::Here(here) => (Some(Tier::Vram), here.seat.frame()),
                Page::Away(_) | Page::Busy => (None, 0),
            };
            match tier {
                Some(tier) => pages[tier as usize] += 1,
                None => zero_pages += 1,
            }
            let follows = |run: &Run| {
                let len = run.count;
                run.tier == tier && run.page + len == page as u32 && (tier.is_none() || run.index + len == index)
            };
            match runs.last_mut() {
                Some(run) if follows(run) => run.count += 1,
                _ => runs.push(Run { page: page as u32, count: 1, tier, index }),
            }
        }
        let used = |tier: Tier| match tier {
            Tier::Packed => state.packed_bytes,
            tier => pages[tier as usize] * self.page_bytes,
        };
        let capacity = |tier: Tier| match tier {
            Tier::Vram => u64::from(self.n_frames) * self.page_bytes,
            Tier::Packed => self.config.packed_bytes,
            Tier::Disk => self.config.spill_bytes,
            _ => 0,
        };
        let tiers = Tier::ALL.into_iter().filter(|tier| tier.holds_pages());
        let tiers = tiers.map(|tier| TierUse {
            tier,
            pages: pages[tier as usize],
            used_bytes: used(tier),
            capacity_bytes: capacity(tier),
        });
        Snapshot {
            process: std::process::id(),
            base: self.space.base(),
            page_bytes: self.page_bytes,
            committed_pages: u64::from(state.committed),
            zero_pages,
            tiers: tiers.collect(),
            counters: state.counters,
            traffic,
            runs,
        }
    }
}
