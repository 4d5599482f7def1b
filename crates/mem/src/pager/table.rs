//! The page table and everything else behind the pager's lock.
//!
//! Model. A page is *free* (not allocated), *away* (its bytes are a copy), *here* (in a frame, mapped for kernels or only
//! loaded), or *busy*: one thread moves it and everybody else waits. Only who made a page busy ends that state. A page that is
//! here and clean keeps its copy, so that giving it up costs nothing.

use crate::grid::FreePlaces;
use crate::os::{Access, Frame, Mapped};
use crate::residency::{Clock, Streams, Thrash};
use crate::store::{Copy, Packed};
use std::collections::VecDeque;

/// A page in a frame.
#[derive(Debug)]
pub(crate) struct Here {
    pub(crate) seat: Seat,
    /// The copy, if any, is out of date.
    pub(crate) dirty: bool,
    pub(crate) copy: Copy,
    /// Fetched on a guess and not touched yet.
    pub(crate) guessed: bool,
}

/// How a page is in its frame.
#[derive(Debug)]
pub(crate) enum Seat {
    /// Its bytes are there; kernels have no way to them.
    Loaded(Frame),
    /// Kernels may do so much.
    Mapped(Mapped, Access),
}

impl Seat {
    pub(crate) const fn frame(&self) -> u32 {
        match self {
            Self::Loaded(frame) => frame.index(),
            Self::Mapped(mapped, _) => mapped.index(),
        }
    }
}

/// See the module header.
#[derive(Debug)]
pub(crate) enum Page {
    Free,
    Away(Copy),
    Here(Here),
    Busy,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) page: Page,
    pub(crate) thrash: Thrash,
    /// Has a place in the spill file.
    pub(crate) reserved: bool,
}

/// Counters since the pager was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Faults of kernels and host copies that found their page out of reach.
    pub faults: u64,
    /// Of these: the page was in its frame, only its access had been taken away or was not enough.
    pub cheap: u64,
    /// First touches of pages that had to be brought back (from compressed memory or disk) while somebody waited.
    pub missed: u64,
    /// First touches of pages that had been brought back before.
    pub foreseen: u64,
    /// Pages brought back on a guess.
    pub guessed: u64,
    /// Of these: given up again without having been touched.
    pub wasted: u64,
    /// Pages of zeros that came to be by their first touch.
    pub fresh: u64,
    /// Pages that left the pool.
    pub evicted: u64,
    /// Of these: nothing had to be stored.
    pub evicted_clean: u64,
    /// Of these: were all zero.
    pub evicted_zero: u64,
    /// Bytes of pages that were compressed, before.
    pub packed_from: u64,
    /// The same, after.
    pub packed_to: u64,
    /// Pages moved from compressed memory to the disk.
    pub demoted: u64,
    /// Pages kept because they came back again and again.
    pub kept: u64,
}

impl Counters {
    /// Share of first touches of stored pages that nobody had to wait for, from 0 to 1.
    pub fn prefetch_hit_rate(&self) -> f64 {
        let all = self.missed + self.foreseen;
        if all == 0 { 1.0 } else { self.foreseen as f64 / all as f64 }
    }

    /// What compression made of the pages it was used on: bytes before per byte after.
    pub fn compression_ratio(&self) -> f64 {
        if self.packed_to == 0 { 1.0 } else { self.packed_from as f64 / self.packed_to as f64 }
    }
}

/// Frames that a thread faulted on last. They stay until it faults on others, so that an instruction that needs several
/// pages at once gets them all.
#[derive(Debug)]
pub(crate) struct Recent {
    pub(crate) thread: u64,
    pub(crate) frames: VecDeque<u32>,
    pub(crate) used: u64,
}

/// Pages a single instruction needs at once, at most: two operands that each cross a page boundary.
pub(crate) const RECENT_PAGES: usize = 4;

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) pages: Vec<Entry>,
    /// Rights to the free frames, by place.
    pub(crate) rights: Vec<Option<Frame>>,
    pub(crate) places: FreePlaces,
    /// The page in each frame.
    pub(crate) page_of: Vec<u32>,
    pub(crate) clock: Clock,
    pub(crate) streams: Streams,
    pub(crate) committed: u32,
    pub(crate) busy: u32,
    pub(crate) packed_bytes: u64,
    /// Pages packed in memory, the oldest first; some are not any more.
    pub(crate) packed_order: VecDeque<u32>,
    /// Pages to fetch: count, first, stride.
    pub(crate) wishes: VecDeque<(u32, u32, i64)>,
    pub(crate) guessed_unused: u32,
    pub(crate) recent: Vec<Recent>,
    pub(crate) max_recent: usize,
    pub(crate) time: u64,
    pub(crate) counters: Counters,
    pub(crate) stop: bool,
}

impl State {
    /// A free frame, near the one of the page before or after.
    pub(crate) fn take_frame(&mut self, page: u32) -> Option<Frame> {
        let neighbour = |page: Option<u32>| match &self.pages.get(page? as usize)?.page {
            Page::Here(here) => Some(here.seat.frame()),
            _ => None,
        };
        let near = neighbour(page.checked_sub(1)).or_else(|| neighbour(page.checked_add(1))?.checked_sub(2));
        let place = self.places.take(near)?;
        self.page_of[place as usize] = page;
        self.rights[place as usize].take()
    }

    pub(crate) fn give_frame(&mut self, frame: Frame) {
        let place = frame.index();
        self.clock.empty(place);
        self.places.give(place);
        self.rights[place as usize] = Some(frame);
    }

    /// Makes a page busy; the caller ends that with [`Self::settle`].
    pub(crate) fn take_page(&mut self, page: u32) -> Page {
        self.busy += 1;
        std::mem::replace(&mut self.pages[page as usize].page, Page::Busy)
    }

    /// Ends a page's being busy.
    pub(crate) fn settle(&mut self, page: u32, now: Page) {
        debug_assert!(matches!(self.pages[page as usize].page, Page::Busy), "only a busy page is settled");
        self.busy -= 1;
        self.pages[page as usize].page = now;
    }

    /// Books a packed copy that is new.
    pub(crate) fn keep_packed(&mut self, page: u32, packed: &Packed) {
        self.packed_bytes += packed.bytes.len() as u64;
        self.packed_order.push_back(page);
    }

    /// Books a copy that is given up.
    pub(crate) fn drop_copy(&mut self, copy: Copy) {
        if let Copy::Packed(packed) = copy {
            self.packed_bytes -= packed.bytes.len() as u64;
        }
    }

    /// Remembers that a thread faulted on a frame.
    pub(crate) fn note_recent(&mut self, thread: u64, frame: u32) {
        self.time += 1;
        let time = self.time;
        let known = self.recent.iter().position(|recent| recent.thread == thread);
        let idx = known.unwrap_or_else(|| {
            if self.recent.len() < self.max_recent {
                self.recent.push(Recent { thread, frames: VecDeque::new(), used: 0 });
                return self.recent.len() - 1;
            }
            let oldest = (0..self.recent.len()).min_by_key(|idx| self.recent[*idx].used);
            let idx = oldest.expect("there is room for at least one thread");
            let recent = &mut self.recent[idx];
            recent.thread = thread;
            for frame in std::mem::take(&mut recent.frames) {
                self.clock.unpin(frame);
            }
            idx
        });
        let recent = &mut self.recent[idx];
        recent.used = time;
        if recent.frames.contains(&frame) {
            return;
        }
        recent.frames.push_back(frame);
        self.clock.pin(frame);
        if recent.frames.len() > RECENT_PAGES
            && let Some(old) = recent.frames.pop_front()
        {
            self.clock.unpin(old);
        }
    }

    /// Forgets a frame whose page is freed.
    pub(crate) fn forget_recent(&mut self, frame: u32) {
        for recent in &mut self.recent {
            let before = recent.frames.len();
            recent.frames.retain(|known| *known != frame);
            for _ in recent.frames.len()..before {
                self.clock.unpin(frame);
            }
        }
    }
}
