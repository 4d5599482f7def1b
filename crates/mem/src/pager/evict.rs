//! Pages leave the pool: chosen by the clock, taken away from kernels, stored, and only then given up.
//!
//! A page whose bytes could not be stored stays where it is: nothing is lost when the disk fails, there is only less room.

use super::table::{Here, Page, Seat, State};
use super::{Guard, Shared};
use crate::codec::Codec;
use crate::error::Error;
use crate::os::{Access, Frame};
use crate::store::{Copy, Packed, Plan, Stored};

/// Pages that leave together.
pub(super) const BATCH: usize = 16;

/// Where the bytes of a leaving page are.
enum Bytes {
    /// Kernels cannot reach them any more.
    Ours(Frame),
    /// Still as it was: the system refused.
    Seated(Seat, Error),
}

/// A page on its way out.
struct Leaving {
    page: u32,
    bytes: Bytes,
    /// Must be stored: there is no copy, or an old one.
    must_store: bool,
    copy: Copy,
    guessed: bool,
    plan: Option<Plan>,
    error: Option<Error>,
}

impl Shared {
    /// Takes up to `want` pages out of the pool. Tells how many frames became free; an error when pages had to leave and
    /// none could.
    pub(super) fn evict<'a>(&'a self, mut state: Guard<'a>, want: usize) -> (Guard<'a>, Result<usize, Error>) {
        let sweep = state.clock.sweep(want);
        self.deactivate(&mut state, &sweep.deactivate);
        let now = state.clock.evictions();
        let mut seated = Vec::with_capacity(sweep.evict.len());
        for frame in sweep.evict {
            let page = state.page_of[frame as usize];
            state.pages[page as usize].thrash.evicted(now);
            match state.take_page(page) {
                Page::Here(here) => seated.push((page, here)),
                other => unreachable!("the clock knows only frames of pages that are here, not {other:?}"),
            }
        }
        if seated.is_empty() {
            return (state, Ok(0));
        }
        let in_memory = state.packed_bytes < self.config.packed_bytes;
        drop(state);
        seated.sort_unstable_by_key(|(page, _)| *page);
        let mut leaving = self.take_away(seated);
        self.store_all(&mut leaving, in_memory);
        let mut state = self.lock();
        let result = self.settle_leaving(&mut state, leaving);
        state = self.demote(state);
        self.changed.notify_all();
        (state, result)
    }

    /// Makes the next access of each page a fault, by which its use is noticed.
    fn deactivate(&self, state: &mut State, frames: &[u32]) {
        let mut pages: Vec<u32> = frames.iter().map(|frame| state.page_of[*frame as usize]).collect();
        pages.retain(|page| match &mut state.pages[*page as usize].page {
            Page::Here(Here { seat: Seat::Mapped(_, access), .. }) if *access != Access::None => {
                *access = Access::None;
                true
            }
            _ => false,
        });
        pages.sort_unstable();
        for run in pages.chunk_by(|a, b| a + 1 == *b) {
            let bytes = run.len() as u64 * self.page_bytes;
            // A page that stays accessible only looks as if it were not used.
            let _ = self.space.protect(u64::from(run[0]) * self.page_bytes, bytes, Access::None);
        }
    }

    /// After this no kernel reaches the pages.
    fn take_away(&self, seated: Vec<(u32, Here)>) -> Vec<Leaving> {
        let mut leaving = Vec::with_capacity(seated.len());
        let mut run: Vec<(u32, Here)> = Vec::new();
        for (page, here) in seated {
            let mapped = matches!(here.seat, Seat::Mapped(..));
            let joins = mapped && run.last().is_some_and(|(last, _)| last + 1 == page);
            if !joins {
                self.take_run_away(&mut run, &mut leaving);
            }
            run.push((page, here));
            if !mapped {
                self.take_run_away(&mut run, &mut leaving);
            }
        }
        self.take_run_away(&mut run, &mut leaving);
        leaving
    }

    /// A run is one loaded page, or neighbouring mapped ones.
    fn take_run_away(&self, run: &mut Vec<(u32, Here)>, leaving: &mut Vec<Leaving>) {
        let Some(first) = run.first().map(|(page, _)| *page) else { return };
        let mut facts = Vec::with_capacity(run.len());
        let mut mapped = Vec::with_capacity(run.len());
        let mut accesses = Vec::with_capacity(run.len());
        let mut bytes: Vec<Bytes> = Vec::with_capacity(run.len());
        for (page, Here { seat, dirty, copy, guessed }) in run.drain(..) {
            facts.push((page, dirty || copy == Copy::None, copy, guessed));
            match seat {
                Seat::Loaded(frame) => bytes.push(Bytes::Ours(frame)),
                Seat::Mapped(page, access) => {
                    mapped.push(page);
                    accesses.push(access);
                }
            }
        }
        if !mapped.is_empty() {
            match self.space.unmap(u64::from(first) * self.page_bytes, self.page_bytes, mapped) {
                Ok(frames) => bytes.extend(frames.into_iter().map(Bytes::Ours)),
                Err((error, mapped)) => {
                    let seats = mapped.into_iter().zip(accesses).map(|(page, access)| Seat::Mapped(page, access));
                    bytes.extend(seats.map(|seat| Bytes::Seated(seat, error.clone())));
                }
            }
        }
        for ((page, must_store, copy, guessed), bytes) in facts.into_iter().zip(bytes) {
            leaving.push(Leaving { page, bytes, must_store, copy, guessed, plan: None, error: None });
        }
    }

    fn store_all(&self, leaving: &mut [Leaving], in_memory: bool) {
        for one in leaving.iter_mut().filter(|one| one.must_store) {
            if let Bytes::Ours(frame) = &mut one.bytes {
                one.plan = Some(self.store.plan(one.page, self.frames.bytes(frame), in_memory));
            }
        }
        let is_raw = |one: &Leaving| matches!(one.plan, Some(Plan::WriteRaw(_)));
        for run in leaving.chunk_by_mut(|a, b| a.page + 1 == b.page && is_raw(a) && is_raw(b)) {
            let first = run[0].page;
            if is_raw(&run[0]) {
                let pieces = run.iter_mut().filter_map(|one| match &mut one.bytes {
                    Bytes::Ours(frame) => Some(&*self.frames.bytes(frame)),
                    Bytes::Seated(..) => None,
                });
                let pieces: Vec<&[u8]> = pieces.collect();
                let written = self.store.write_raw(first, &pieces);
                for one in run {
                    match (&written, &one.plan) {
                        (Ok(()), Some(Plan::WriteRaw(sum))) => {
                            let bytes = self.page_bytes as u32;
                            one.copy = Copy::Disk(Stored { codec: Codec::Raw, bytes, sum: *sum });
                        }
                        (Err(error), _) => one.error = Some(error.clone()),
                        (Ok(()), _) => {}
                    }
                }
            } else if let Some(Plan::WritePacked(packed)) = &run[0].plan {
                match self.store.write_packed(first, packed) {
                    Ok(stored) => run[0].copy = Copy::Disk(stored),
                    Err(error) => run[0].error = Some(error),
                }
            }
        }
    }

    /// Books what became of the pages.
    fn settle_leaving(&self, state: &mut State, leaving: Vec<Leaving>) -> Result<usize, Error> {
        let mut freed = 0;
        let mut failure = None;
        for Leaving { page, bytes, must_store, copy, guessed, plan, error } in leaving {
            let (frame, error) = match (bytes, error) {
                (Bytes::Ours(frame), None) => (frame, None),
                (Bytes::Ours(frame), Some(error)) => (frame, Some(error)),
                (Bytes::Seated(seat, error), _) => {
                    state.clock.fill(seat.frame(), true);
                    state.settle(page, Page::Here(Here { seat, dirty: must_store, copy, guessed }));
                    failure = Some(error);
                    continue;
                }
            };
            if let Some(error) = error {
                state.clock.fill(frame.index(), true);
                let seat = Seat::Loaded(frame);
                state.settle(page, Page::Here(Here { seat, dirty: true, copy: Copy::None, guessed }));
                failure = Some(error);
                continue;
            }
            let counters = &mut state.counters;
            counters.evicted += 1;
            counters.evicted_clean += u64::from(!must_store);
            let packed = |counters: &mut super::Counters, bytes: usize| {
                counters.packed_from += self.page_bytes;
                counters.packed_to += bytes as u64;
            };
            let copy = match plan {
                Some(Plan::Keep(kept)) => {
                    match &kept {
                        Copy::Packed(new) => {
                            packed(counters, new.bytes.len());
                            state.keep_packed(page, new);
                        }
                        _ => counters.evicted_zero += 1,
                    }
                    kept
                }
                Some(Plan::WritePacked(Packed { bytes, .. })) => {
                    packed(counters, bytes.len());
                    copy
                }
                Some(Plan::WriteRaw(_)) | None => copy,
            };
            state.guessed_unused -= u32::from(guessed);
            state.counters.wasted += u64::from(guessed);
            state.settle(page, Page::Away(copy));
            state.give_frame(frame);
            freed += 1;
        }
        match failure {
            Some(error) if freed == 0 => Err(error),
            _ => Ok(freed),
        }
    }

    /// Moves the oldest packed pages to the disk until the rest is within bounds.
    fn demote<'a>(&'a self, mut state: Guard<'a>) -> Guard<'a> {
        while state.packed_bytes > self.config.packed_bytes {
            let Some(page) = state.packed_order.pop_front() else { break };
            match &mut state.pages[page as usize].page {
                Page::Away(Copy::Packed(_)) => {}
                Page::Here(here) if matches!(here.copy, Copy::Packed(_)) => {
                    // The page itself is in the pool: it only has to be stored again when it leaves.
                    here.dirty = true;
                    let copy = std::mem::replace(&mut here.copy, Copy::None);
                    state.drop_copy(copy);
                    continue;
                }
                _ => continue,
            }
            let Page::Away(Copy::Packed(packed)) = state.take_page(page) else {
                unreachable!("the page was just looked at, under the same lock")
            };
            drop(state);
            let stored = self.store.write_packed(page, &packed);
            state = self.lock();
            match stored {
                Ok(stored) => {
                    state.packed_bytes -= packed.bytes.len() as u64;
                    state.counters.demoted += 1;
                    state.settle(page, Page::Away(Copy::Disk(stored)));
                }
                Err(_) => {
                    // It stays in memory, over the bound; the next eviction tries again.
                    state.packed_order.push_back(page);
                    state.settle(page, Page::Away(Copy::Packed(packed)));
                    break;
                }
            }
        }
        state
    }
}
