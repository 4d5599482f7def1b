//! Pages come into the pool: one that somebody waits for, or several that somebody will want.

use super::table::{Here, Page, Seat};
use super::{Guard, Shared};
use crate::codec::Codec;
use crate::error::Error;
use crate::os::Frame;
use crate::store::{Copy, Stored};

/// Pages that are fetched together.
const FETCH: usize = 16;

/// A page on its way in.
struct Coming {
    page: u32,
    frame: Frame,
    copy: Copy,
    error: Option<Error>,
}

impl Coming {
    fn raw_sum(&self) -> Option<u64> {
        match self.copy {
            Copy::Disk(Stored { codec: Codec::Raw, sum, .. }) => Some(sum),
            _ => None,
        }
    }
}

impl Shared {
    /// Brings a page that is away into `frame`.
    pub(super) fn load<'a>(
        &'a self,
        mut state: Guard<'a>,
        page: u32,
        mut frame: Frame,
        overwrite: bool,
    ) -> (Guard<'a>, Result<(), Error>) {
        let Page::Away(copy) = state.take_page(page) else {
            unreachable!("the caller found the page away, under the same lock")
        };
        drop(state);
        let loaded = if overwrite {
            Ok(())
        } else {
            self.store.fill(self.space.base(), page, &copy, self.frames.bytes(&mut frame))
        };
        let mut state = self.lock();
        if loaded.is_err() {
            state.settle(page, Page::Away(copy));
            state.give_frame(frame);
        } else {
            match copy {
                Copy::Packed(_) | Copy::Disk(_) if !overwrite => state.counters.missed += 1,
                _ => state.counters.fresh += 1,
            }
            let place = frame.index();
            let copy = if overwrite {
                state.drop_copy(copy);
                Copy::None
            } else {
                copy
            };
            let here = Here { seat: Seat::Loaded(frame), dirty: overwrite, copy, guessed: false };
            state.settle(page, Page::Here(here));
            state.clock.fill(place, true);
            let now = state.clock.evictions();
            let frames = self.n_frames as usize;
            if state.pages[page as usize].thrash.returned(now, frames as u64) && state.clock.kept() < frames / 2 {
                state.clock.keep(place, 16 * frames as u64);
                state.counters.kept += 1;
            }
        }
        self.changed.notify_all();
        (state, loaded)
    }

    /// Brings pages that were announced, as far as there is room; what fails is left for whoever really needs it.
    pub(super) fn fetch<'a>(&'a self, mut state: Guard<'a>, wish: (u32, u32, i64)) -> Guard<'a> {
        let (count, first, stride) = wish;
        let now = count.min(FETCH as u32);
        let bound = self.n_frames / 4;
        if state.guessed_unused + now > bound {
            return state;
        }
        if count > now
            && let Ok(rest) = u32::try_from(i64::from(first) + stride * i64::from(now))
        {
            state.wishes.push_front((count - now, rest, stride));
            self.work.notify_one();
        }
        let pages = (0..i64::from(now)).filter_map(|idx| u32::try_from(i64::from(first) + stride * idx).ok());
        let mut pages: Vec<u32> = pages.collect();
        pages.sort_unstable();
        if (state.places.free() as usize) < pages.len() {
            let evicted;
            (state, evicted) = self.evict(state, pages.len());
            if evicted.is_err() {
                return state;
            }
        }
        let mut coming: Vec<Coming> = Vec::with_capacity(pages.len());
        for page in pages {
            let away = state.pages.get(page as usize).map(|entry| &entry.page);
            if !matches!(away, Some(Page::Away(Copy::Packed(_) | Copy::Disk(_)))) {
                continue;
            }
            let Some(frame) = state.take_frame(page) else { break };
            let Page::Away(copy) = state.take_page(page) else {
                unreachable!("the page was just looked at, under the same lock")
            };
            coming.push(Coming { page, frame, copy, error: None });
        }
        if coming.is_empty() {
            return state;
        }
        drop(state);
        self.fill_all(&mut coming);
        let mut state = self.lock();
        for Coming { page, frame, copy, error } in coming {
            if error.is_some() {
                state.settle(page, Page::Away(copy));
                state.give_frame(frame);
                continue;
            }
            state.clock.fill(frame.index(), true);
            state.counters.guessed += 1;
            state.guessed_unused += 1;
            state.settle(page, Page::Here(Here { seat: Seat::Loaded(frame), dirty: false, copy, guessed: true }));
        }
        self.changed.notify_all();
        state
    }

    fn fill_all(&self, coming: &mut [Coming]) {
        let base = self.space.base();
        let is_raw = |one: &Coming| one.raw_sum().is_some();
        for run in coming.chunk_by_mut(|a, b| a.page + 1 == b.page && is_raw(a) && is_raw(b)) {
            let first = run[0].page;
            if !is_raw(&run[0]) {
                let Coming { page, frame, copy, error } = &mut run[0];
                *error = self.store.fill(base, *page, copy, self.frames.bytes(frame)).err();
                continue;
            }
            let mut pieces: Vec<&mut [u8]> = run.iter_mut().map(|one| self.frames.bytes(&mut one.frame)).collect();
            let read = self.store.read_raw(first, &mut pieces);
            for one in run {
                let sum = one.raw_sum();
                one.error = read.clone().err().or_else(|| {
                    let bytes = self.frames.bytes(&mut one.frame);
                    self.store.check(base, one.page, bytes, sum?, "vSSD").err()
                });
            }
        }
    }
}
