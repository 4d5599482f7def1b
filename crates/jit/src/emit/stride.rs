//! Lanes a small constant step apart: members of structures, and threads that each own a few neighbouring elements.
//!
//! Model. The memory that the lanes step through is read in *windows*, full vectors one after the other, and shuffles pick
//! the lanes' elements from them. Nothing is read before the first and after the last lane's element, so no page is touched
//! that the access itself does not touch: lanes are less than a page apart. Loads from the same address with other offsets
//! in the same block run whenever this one does, so their elements count as well, and all of them share the windows. Stores
//! go the other way: each window is stored under a constant mask, so that what lies between the elements is not written.
//!
//! A gather costs a cache access and more per lane; a window serves several lanes for one access and one shuffle.
//! Only for accesses of all lanes, and not for strong ones, which must not read what they do not name.

use super::Emitter;
use super::address::Strided;
use crate::Isa;
use crate::llvm::Value;
use smallvec::SmallVec;
use vgpu_ptx::ir::{Access, Inst, MemorySemantics, Op, Space};

/// Lanes per part below which windows would be shorter than the machine's vectors.
const SHORTEST: usize = 16;

/// How the lanes of an access lie, and how they are taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Steps {
    /// Lanes that follow each other step by step, from each multiple of this number on.
    part: u32,
    /// From lane to lane, in elements; at least two, and more than one lane accesses.
    step: u32,
    /// Elements of a window, and lanes that windows are made for at a time.
    window: u32,
}

/// What of each lane's step an access may read, in elements. Windows lie on the grid of whole steps, so that those of
/// aligned structures do not cross cache lines, and so that all loads of a structure share them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    /// Where the access begins in its step.
    shift: u32,
    /// The part of the step that the block's loads access.
    first: u32,
    end: u32,
}

/// Elements of a window whose shuffles are cheap, and windows that still beat a gather of as many lanes.
const fn limits(isa: Isa, bytes: u32) -> Option<(u32, u32)> {
    match (isa, bytes) {
        (Isa::Avx512, 8) => Some((8, 4)),
        (Isa::Avx512, 4) => Some((16, 8)),
        (Isa::Avx2, 8) => Some((4, 2)),
        (Isa::Avx2, 4) => Some((8, 4)),
        // There is no gather of these: lanes would be loaded one by one.
        (Isa::Avx512 | Isa::Avx2, 2) => Some((8, 8)),
        (Isa::Avx512 | Isa::Avx2, 1) => Some((16, 8)),
        _ => None,
    }
}

impl Strided<'_> {
    /// The lanes' common step, where they have a small one.
    fn steps(&self, isa: Isa, bytes: u32, per_lane: u32) -> Option<Steps> {
        let (window, most) = limits(isa, bytes)?;
        let step = self.c.get(1)? - self.c[0];
        if step % i64::from(bytes) != 0 {
            return None;
        }
        let in_elements = u32::try_from(step / i64::from(bytes)).ok().filter(|&step| step >= 2 && step <= most)?;
        let is_regular = |part: usize| {
            let mut starts = (0..self.c.len()).step_by(part);
            starts.all(|first| {
                let c = &self.c[first..first + part];
                let follow = c.iter().enumerate().all(|(lane, &at)| at == c[0] + lane as i64 * step);
                let d = self.scaled.as_ref().map(|(_, d)| &d[first..first + part]);
                follow && d.is_none_or(|d| d.iter().all(|&times| times == d[0]))
            })
        };
        let mut part = self.c.len();
        while part >= SHORTEST && !is_regular(part) {
            part /= 2;
        }
        let found = part >= SHORTEST && part.is_power_of_two() && in_elements >= per_lane;
        found.then_some(Steps { part: part as u32, step: in_elements, window })
    }
}

impl<'c> Emitter<'c, '_> {
    /// How a load of all lanes is done in windows; `None` where it is not.
    pub(super) fn load_steps(&self, access: &Access, strided: &Strided<'_>, mask: Option<Value<'_>>) -> Option<Steps> {
        if mask.is_some() || access.semantics != MemorySemantics::Weak {
            return None;
        }
        strided.steps(self.input.target.isa, access.ty.bytes(), access.vector)
    }

    /// How a store of all lanes is done in windows; `None` where it is not.
    pub(super) fn store_steps(&self, access: &Access, strided: &Strided<'_>, mask: Option<Value<'_>>) -> Option<Steps> {
        // Only AVX-512 stores under a mask without microcode.
        let suits = self.input.target.isa == Isa::Avx512 && access.ty.bytes() >= 4 && access.vector <= 2;
        self.load_steps(access, strided, mask).filter(|_| suits)
    }

    /// The block's loads that surely run with this one and access the same structures.
    fn extent(&self, inst: &Inst, access: &Access, step: u32) -> Extent {
        let bytes = i64::from(access.ty.bytes());
        let shift = shift(access, step);
        let own = Extent { shift, first: shift, end: shift + access.vector };
        // A call's parameters are accessed like local memory, at addresses of their own.
        if access.space == Space::Local {
            return own;
        }
        let insts = self.input.program.blocks[self.current].insts.iter();
        let others = insts.filter(|other| other.guard.is_none() && other.srcs.first() == inst.srcs.first());
        others.fold(own, |so_far, other| {
            let Op::Load(there) = &other.op else { return so_far };
            let from = there.offset - access.offset + i64::from(shift) * bytes;
            let to = from + i64::from(there.vector * there.ty.bytes());
            let fits = from >= 0 && to <= i64::from(step) * bytes && from % bytes == 0 && to % bytes == 0;
            if !fits || there.space != access.space {
                return so_far;
            }
            let (from, to) = ((from / bytes) as u32, (to / bytes) as u32);
            Extent { first: so_far.first.min(from), end: so_far.end.max(to), ..so_far }
        })
    }

    /// The elements of a load, one vector per element of a lane.
    pub(super) fn load_stepped(
        &mut self,
        inst: &Inst,
        access: &Access,
        strided: &Strided<'c>,
        steps: Steps,
    ) -> SmallVec<[Value<'c>; 4]> {
        let Steps { step, window, .. } = steps;
        let extent = self.extent(inst, access, step);
        let mut pieces: Vec<Vec<(u32, Value<'c>)>> = vec![Vec::new(); access.vector as usize];
        for first in (0..self.lanes).step_by(window as usize) {
            let origin = self.grid(access, strided, steps, first);
            let mut windows: Vec<Option<Value<'c>>> = vec![None; step as usize];
            for (idx, pieces) in pieces.iter_mut().enumerate() {
                // Window and place in it, of each lane.
                let at = |lane: u32| lane * step + extent.shift + idx as u32;
                let places: Vec<(u32, u32)> = (0..window).map(|lane| (at(lane) / window, at(lane) % window)).collect();
                let (mut picked, mut done): (Option<Value<'c>>, u32) = (None, 0);
                while done < window {
                    let number = places[done as usize].0;
                    let last = places.iter().take_while(|place| place.0 <= number).count() as u32;
                    let loaded = windows[number as usize];
                    let whole = loaded.unwrap_or_else(|| self.load_window(access, origin, steps, extent, number));
                    windows[number as usize] = Some(whole);
                    let here = |lane: u32| (done..last).contains(&lane);
                    let from = |lane: u32| places[lane as usize].1;
                    picked = Some(match picked {
                        None => {
                            self.b.permute(whole, (0..window).map(|lane| if here(lane) { from(lane) } else { lane }))
                        }
                        Some(before) => {
                            let place = |lane| if here(lane) { window + from(lane) } else { lane };
                            self.b.shuffle(before, whole, (0..window).map(place))
                        }
                    });
                    done = last;
                }
                pieces.push((window, picked.expect("a window has lanes")));
            }
        }
        pieces.into_iter().map(|pieces| self.concatenate(pieces)).collect()
    }

    /// One window; of the first and the last only what the lanes' accesses reach.
    fn load_window(&self, access: &Access, origin: Value<'c>, steps: Steps, extent: Extent, number: u32) -> Value<'c> {
        let Steps { step, window, .. } = steps;
        let bytes = access.ty.bytes();
        let ty = self.element_type(access).vector(window);
        let from = self.b.offset_by(origin, i64::from(number * window * bytes));
        let (first, end) = (extent.first, (window - 1) * step + extent.end);
        let is_inside = |place: u32| (first..end).contains(&(number * window + place));
        if (0..window).all(is_inside) {
            return self.b.load(ty, from, bytes);
        }
        let mask = self.context.int(1).constant_vector((0..window).map(|place| i64::from(is_inside(place))));
        self.b.intrinsic("llvm.masked.load", &[ty, from.ty()], &[from, self.i32(bytes), mask, ty.zero()])
    }

    /// Where the step of lane `first` begins.
    fn grid(&self, access: &Access, strided: &Strided<'c>, steps: Steps, first: u32) -> Value<'c> {
        let Steps { part, step, .. } = steps;
        let pointer = self.lane_pointer(strided, first - first % part);
        let moved = i64::from(first % part * step) - i64::from(shift(access, step));
        self.b.offset_by(pointer, moved * i64::from(access.ty.bytes()))
    }

    /// Stores `values`, one vector per element of a lane.
    pub(super) fn store_stepped(&mut self, access: &Access, values: &[Value<'c>], strided: &Strided<'c>, steps: Steps) {
        let bytes = access.ty.bytes();
        let Steps { step, window, .. } = steps;
        let shift = shift(access, step);
        let n = values.len() as u32;
        for first in (0..self.lanes).step_by(window as usize) {
            let origin = self.grid(access, strided, steps, first);
            let here: SmallVec<[Value<'c>; 2]> =
                values.iter().map(|&value| self.b.permute(value, first..first + window)).collect();
            for number in 0..step {
                // Lane and place in its step, of each place of the window.
                let at = |place: u32| ((number * window + place) / step, (number * window + place) % step);
                let is_stored = |place: u32| (shift..shift + n).contains(&at(place).1);
                if !(0..window).any(is_stored) {
                    continue;
                }
                let source = |place: u32| {
                    let (lane, within) = at(place);
                    if is_stored(place) { lane + (within - shift) * window } else { place }
                };
                let other = here.get(1).copied().unwrap_or_else(|| here[0].ty().poison());
                let run = self.b.shuffle(here[0], other, (0..window).map(source));
                let mask = self.context.int(1).constant_vector((0..window).map(|place| i64::from(is_stored(place))));
                let to = self.b.offset_by(origin, i64::from(number * window * bytes));
                self.b.intrinsic("llvm.masked.store", &[run.ty(), to.ty()], &[run, to, self.i32(bytes), mask]);
            }
        }
    }
}

/// Where an access begins in its step, in elements; 0 where it would not end in it.
fn shift(access: &Access, step: u32) -> u32 {
    let bytes = i64::from(access.ty.bytes());
    let at = access.offset.rem_euclid(i64::from(step) * bytes);
    let shift = (at / bytes) as u32;
    if at % bytes == 0 && shift + access.vector <= step { shift } else { 0 }
}
