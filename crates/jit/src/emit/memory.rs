//! Loads and stores: plain vector accesses where lanes are neighbours, one scalar access where they agree, gathers and
//! scatters else.
//!
//! Strong accesses (volatile, relaxed, acquire, release) are the same machine accesses between compiler fences: on the
//! supported machines an aligned access is single-copy atomic and ordered as `acquire`/`release` ask. Those of several elements
//! are in [`super::single`].

use super::Emitter;
use super::address::{Place, Segment, SegmentKind, Strided};
use super::neighbours::{Neighbours, RUN, Rows};
use super::single::Whole;
use crate::JitError;
use crate::llvm::{Label, Ordering, Type, Value};
use crate::middle::operands::source_width;
use smallvec::SmallVec;
use vgpu_ptx::ir::{Access, Inst, MemorySemantics, Op, Operand, RegWidth, Space};

pub(super) type Elements<'c> = SmallVec<[Value<'c>; 4]>;

impl<'c> Emitter<'c, '_> {
    /// Lanes that take part in an instruction: the active ones whose guard holds. `None` means all.
    pub(super) fn lane_mask(&mut self, inst: &Inst) -> Option<Value<'c>> {
        let Some(guard) = inst.guard else { return self.mask };
        let sym = self.read(guard.reg);
        let mut holds = self.vector(&sym);
        if guard.negated {
            holds = self.b.not(holds);
        }
        Some(match self.mask {
            Some(mask) => self.b.and(mask, holds),
            None => holds,
        })
    }

    pub(super) fn load(&mut self, inst: &Inst, access: &Access) -> Result<(), JitError> {
        // A call's parameter is the thread's own memory, written before it is read; a kernel's never changes.
        let frame = matches!(inst.srcs[0], Operand::Frame(..));
        let access = &Access { space: if frame { Space::Local } else { access.space }, ..*access };
        let place = self.place(access.space, &inst.srcs[0], access.offset);
        let mask = self.lane_mask(inst);
        let strong = access.semantics != MemorySemantics::Weak;
        if strong {
            self.b.fence(Ordering::AcqRel);
        }
        let elements = match Self::whole(access) {
            None => self.load_elements(inst, access, &place, mask),
            Some(Whole::One(one)) => {
                let whole = self.load_elements(inst, &one, &place, mask);
                self.split_elements(whole[0], access)
            }
            Some(Whole::Wide) => self.load_wide(access, &place, mask),
        };
        if strong {
            self.b.fence(Ordering::AcqRel);
        }
        for (dst, value) in inst.dsts.iter().zip(elements) {
            let width = self.input.program.values[*dst];
            let value = self.widen(value, access, width);
            self.define_either(*dst, value);
        }
        Ok(())
    }

    fn load_elements(
        &mut self,
        inst: &Inst,
        access: &Access,
        place: &Place<'c>,
        mask: Option<Value<'c>>,
    ) -> Elements<'c> {
        let uniform = inst.dsts.iter().all(|dst| self.shape(*dst).is_uniform());
        match (place, uniform) {
            (Place::Same(pointer), true) => self.load_uniform(inst, access, *pointer, mask),
            _ => self.load_lanes(inst, access, place, mask),
        }
    }

    /// PTX's extension of a loaded element to a wider register.
    fn widen(&self, value: Value<'c>, access: &Access, width: RegWidth) -> Value<'c> {
        self.b.resize(value, self.int(width), access.ty.is_signed())
    }

    pub(super) fn element_type(&self, access: &Access) -> Type<'c> {
        self.context.int(access.ty.bytes() * 8)
    }

    fn align(access: &Access) -> u32 {
        access.ty.bytes()
    }

    /// One access for all lanes. With a guard the access happens only where some lane takes part.
    fn load_uniform(
        &mut self,
        inst: &Inst,
        access: &Access,
        pointer: Value<'c>,
        mask: Option<Value<'c>>,
    ) -> Elements<'c> {
        let ty = self.element_type(access);
        let guard = inst.guard.and(mask);
        let Some(mask) = guard else { return self.load_scalars(access, pointer) };
        let (access_block, join) = (self.new_block("guarded"), self.new_block("loaded"));
        let any = self.any(mask);
        let from = self.b.block();
        self.b.cond_branch(any, access_block, join);
        self.b.position(access_block);
        let values = self.load_scalars(access, pointer);
        let access_block = self.b.block();
        self.b.branch(join);
        self.b.position(join);
        let merge = |value| {
            let phi = self.b.phi(ty);
            self.b.add_incoming(phi, ty.zero(), from);
            self.b.add_incoming(phi, value, access_block);
            phi
        };
        values.into_iter().map(merge).collect()
    }

    fn load_scalars(&self, access: &Access, pointer: Value<'c>) -> Elements<'c> {
        let ty = self.element_type(access);
        let bytes = i64::from(access.ty.bytes());
        let load = |idx: u32| {
            let at = self.b.offset_by(pointer, i64::from(idx) * bytes);
            match access.space {
                Space::Param => self.b.load_invariant(ty, at, Self::align(access)),
                _ if access.read_only => self.b.load_invariant(ty, at, Self::align(access)),
                _ => self.b.load(ty, at, Self::align(access)),
            }
        };
        (0..access.vector).map(load).collect()
    }

    fn load_lanes(&mut self, inst: &Inst, access: &Access, place: &Place<'c>, mask: Option<Value<'c>>) -> Elements<'c> {
        match place {
            Place::Strided(strided) => self.load_strided(inst, access, strided, mask),
            Place::Checked { fits, strided, .. } => {
                let span = i64::from(access.ty.bytes() * access.vector);
                if strided.segments(span).is_none() && self.load_steps(access, strided, mask).is_none() {
                    return self.gather(access, place, mask);
                }
                let (fast, slow, join) =
                    (self.new_block("strided"), self.new_block("wrapped"), self.new_block("loaded"));
                self.b.likely_branch(*fits, fast, slow);
                self.b.position(fast);
                let quick = self.load_strided(inst, access, strided, mask);
                self.or_gather(access, place, mask, quick, slow, join)
            }
            Place::Same(pointer) if mask.is_none() => {
                let scalars = self.load_scalars(access, *pointer);
                scalars.into_iter().map(|value| self.b.splat(value, self.lanes)).collect()
            }
            Place::PerLane(lanes) => {
                let span = i64::from(access.ty.bytes() * access.vector);
                match self.neighbours(lanes, span, mask) {
                    Some(found) => self.load_neighbours(inst, access, place, &found, mask),
                    None => self.gather(access, place, mask),
                }
            }
            Place::Same(_) => self.gather(access, place, mask),
        }
    }

    /// Runs of neighbouring lanes as plain loads, when the lanes turn out to be neighbours.
    fn load_neighbours(
        &mut self,
        inst: &Inst,
        access: &Access,
        place: &Place<'c>,
        found: &Neighbours<'c>,
        mask: Option<Value<'c>>,
    ) -> Elements<'c> {
        let (fast, slow, join) = (self.new_block("neighbours"), self.new_block("scattered"), self.new_block("loaded"));
        self.b.cond_branch(found.condition, fast, slow);
        self.b.position(fast);
        let n = access.vector;
        let step = self.step_ahead(inst, access);
        let mut parts: Vec<Vec<(u32, Value<'c>)>> = vec![Vec::new(); n as usize];
        for &(segment, pointer) in &found.runs {
            let all = self.load_run(access, pointer, segment, mask, None);
            self.prefetch_ahead(step, pointer, segment.len * access.ty.bytes() * n, false);
            for idx in 0..n {
                parts[idx as usize].push((segment.len, self.every(all, segment.len, n, idx)));
            }
        }
        let quick: Elements<'c> = parts.into_iter().map(|pieces| self.concatenate(pieces)).collect();
        let Place::PerLane(lanes) = place else { return self.or_gather(access, place, mask, quick, slow, join) };
        let from_quick = self.b.block();
        self.b.branch(join);
        self.b.position(slow);
        let rows = if n == 1 { self.rows(lanes, i64::from(access.ty.bytes()), mask) } else { None };
        let exact = match rows {
            None => self.gather(access, place, mask),
            Some(rows) => {
                let (two, slow, join) = (self.new_block("rows"), self.new_block("scattered"), self.new_block("loaded"));
                self.b.cond_branch(rows.condition, two, slow);
                self.b.position(two);
                let quick = self.load_rows(access, &rows, step);
                self.or_gather(access, place, mask, quick, slow, join)
            }
        };
        let from_slow = self.b.block();
        self.b.branch(join);
        self.b.position(join);
        let merge = |(a, b): (Value<'c>, Value<'c>)| {
            let phi = self.b.phi(a.ty());
            self.b.add_incoming(phi, a, from_quick);
            self.b.add_incoming(phi, b, from_slow);
            phi
        };
        quick.into_iter().zip(exact).map(merge).collect()
    }

    /// Every sixteen lanes from two runs.
    fn load_rows(&mut self, access: &Access, rows: &Rows<'c>, step: Option<i64>) -> Elements<'c> {
        let ty = self.element_type(access).vector(RUN);
        let align = self.i32(Self::align(access));
        let mut parts = Vec::new();
        for piece in &rows.pieces {
            let mut value = ty.zero();
            for &(lanes, pointer) in piece {
                value = self.b.intrinsic("llvm.masked.load", &[ty, pointer.ty()], &[pointer, align, lanes, value]);
                self.prefetch_ahead(step, pointer, RUN * access.ty.bytes(), false);
            }
            parts.push((RUN, value));
        }
        std::iter::once(self.concatenate(parts)).collect()
    }

    /// Ends the path that loaded `quick`, gathers on the path at `slow`, and goes on at `join` with either.
    fn or_gather(
        &mut self,
        access: &Access,
        place: &Place<'c>,
        mask: Option<Value<'c>>,
        quick: Elements<'c>,
        slow: Label<'c>,
        join: Label<'c>,
    ) -> Elements<'c> {
        let from_quick = self.b.block();
        self.b.branch(join);
        self.b.position(slow);
        let exact = self.gather(access, place, mask);
        let from_slow = self.b.block();
        self.b.branch(join);
        self.b.position(join);
        let merge = |(a, b): (Value<'c>, Value<'c>)| {
            let phi = self.b.phi(a.ty());
            self.b.add_incoming(phi, a, from_quick);
            self.b.add_incoming(phi, b, from_slow);
            phi
        };
        quick.into_iter().zip(exact).map(merge).collect()
    }

    fn gather(&mut self, access: &Access, place: &Place<'c>, mask: Option<Value<'c>>) -> Elements<'c> {
        let ty = self.vector_of(self.element_type(access));
        let pointers = self.pointers(place);
        let mask = mask.unwrap_or_else(|| self.mask_type().all_ones());
        let bytes = i64::from(access.ty.bytes());
        (0..access.vector)
            .map(|idx| {
                let at = self.b.offset_by(pointers, i64::from(idx) * bytes);
                let align = self.i32(Self::align(access));
                self.b.intrinsic("llvm.masked.gather", &[ty, at.ty()], &[at, align, mask, ty.zero()])
            })
            .collect()
    }

    fn load_strided(
        &mut self,
        inst: &Inst,
        access: &Access,
        strided: &Strided<'c>,
        mask: Option<Value<'c>>,
    ) -> Elements<'c> {
        let span = i64::from(access.ty.bytes() * access.vector);
        let segments = strided.segments(span).filter(|segments| {
            mask.is_none() || segments.iter().all(|segment| segment.kind == SegmentKind::Contiguous)
        });
        let Some(segments) = segments else {
            return match self.load_steps(access, strided, mask) {
                Some(steps) => self.load_stepped(inst, access, strided, steps),
                None => self.gather(access, &Place::Strided(strided.clone()), mask),
            };
        };
        let n = access.vector;
        let step = self.step_ahead(inst, access);
        let mut parts: Vec<(u32, Elements<'c>)> = Vec::new();
        for segment in segments {
            let pointer = self.segment_pointer(strided, segment);
            let elements = match segment.kind {
                SegmentKind::Broadcast => {
                    let scalars = self.load_scalars(access, pointer);
                    scalars.into_iter().map(|value| self.b.splat(value, segment.len)).collect()
                }
                SegmentKind::Contiguous => {
                    let phase = Self::segment_phase(strided, segment);
                    let all = self.load_run(access, pointer, segment, mask, phase);
                    self.prefetch_ahead(step, pointer, segment.len * access.ty.bytes() * n, false);
                    (0..n).map(|idx| self.every(all, segment.len, n, idx)).collect()
                }
            };
            parts.push((segment.len, elements));
        }
        (0..n as usize)
            .map(|idx| {
                let pieces = parts.iter().map(|(len, elements)| (*len, elements[idx])).collect();
                self.concatenate(pieces)
            })
            .collect()
    }

    /// `len * n` consecutive elements.
    fn load_run(
        &mut self,
        access: &Access,
        pointer: Value<'c>,
        segment: Segment,
        mask: Option<Value<'c>>,
        phase: Option<u32>,
    ) -> Value<'c> {
        let n = segment.len * access.vector;
        let ty = self.element_type(access).vector(n);
        let mask = mask.map(|mask| self.run_mask(mask, segment, access.vector));
        if let Some(phase) = phase
            && let Some(value) = self.load_lines(access.ty.bytes(), n, pointer, phase, mask)
        {
            return value;
        }
        match mask {
            None => self.b.load(ty, pointer, Self::align(access)),
            Some(mask) => {
                let align = self.i32(Self::align(access));
                self.b.intrinsic("llvm.masked.load", &[ty, pointer.ty()], &[pointer, align, mask, ty.zero()])
            }
        }
    }

    /// A segment's part of a mask, each bit `n` times.
    fn run_mask(&self, mask: Value<'c>, segment: Segment, n: u32) -> Value<'c> {
        if segment.len == self.lanes && n == 1 {
            return mask;
        }
        self.b.permute(mask, (0..segment.len * n).map(|idx| segment.first + idx / n))
    }

    /// Every `n`-th element from `idx` on.
    fn every(&self, all: Value<'c>, len: u32, n: u32, idx: u32) -> Value<'c> {
        if n == 1 { all } else { self.b.permute(all, (0..len).map(|lane| lane * n + idx)) }
    }

    /// Joins vectors of power-of-two lengths, first lanes first.
    pub(super) fn concatenate(&self, mut pieces: Vec<(u32, Value<'c>)>) -> Value<'c> {
        let mut wanted = pieces.iter().map(|piece| piece.0).min().unwrap_or(self.lanes);
        while pieces.len() > 1 {
            let mut joined: Vec<(u32, Value<'c>)> = Vec::with_capacity(pieces.len());
            let mut idx = 0;
            while idx < pieces.len() {
                let (len, piece) = pieces[idx];
                if len == wanted && idx + 1 < pieces.len() && pieces[idx + 1].0 == wanted {
                    joined.push((2 * len, self.b.shuffle(piece, pieces[idx + 1].1, 0..2 * len)));
                    idx += 2;
                } else {
                    joined.push((len, piece));
                    idx += 1;
                }
            }
            pieces = joined;
            wanted *= 2;
        }
        pieces[0].1
    }

    pub(super) fn store(&mut self, inst: &Inst, access: &Access) -> Result<(), JitError> {
        let place = self.place(access.space, &inst.srcs[0], access.offset);
        let mask = self.lane_mask(inst);
        let strong = access.semantics != MemorySemantics::Weak;
        if strong {
            self.b.fence(Ordering::AcqRel);
        }
        match &place {
            place if Self::whole(access).is_some() => self.store_whole(inst, access, place, mask),
            Place::Same(pointer) if mask.is_none() => self.store_last(inst, access, *pointer),
            Place::Strided(strided) => self.store_strided(inst, access, strided, mask),
            Place::Checked { fits, strided, .. } => {
                let span = i64::from(access.ty.bytes() * access.vector);
                if strided.segments(span).is_none() && self.store_steps(access, strided, mask).is_none() {
                    self.scatter(inst, access, &place, mask);
                } else {
                    let (fast, slow, join) =
                        (self.new_block("strided"), self.new_block("wrapped"), self.new_block("stored"));
                    // Operands are read before the branch: both sides use them.
                    let _ = self.stored_vectors(inst, access);
                    self.b.likely_branch(*fits, fast, slow);
                    self.b.position(fast);
                    self.store_strided(inst, access, strided, mask);
                    self.b.branch(join);
                    self.b.position(slow);
                    self.scatter(inst, access, &place, mask);
                    self.b.branch(join);
                    self.b.position(join);
                }
            }
            Place::PerLane(lanes) => {
                let span = i64::from(access.ty.bytes() * access.vector);
                match self.neighbours(lanes, span, mask) {
                    Some(found) => self.store_neighbours(inst, access, &place, &found, mask),
                    None => self.scatter(inst, access, &place, mask),
                }
            }
            Place::Same(_) => self.scatter(inst, access, &place, mask),
        }
        if strong {
            self.b.fence(Ordering::AcqRel);
        }
        Ok(())
    }

    fn store_neighbours(
        &mut self,
        inst: &Inst,
        access: &Access,
        place: &Place<'c>,
        found: &Neighbours<'c>,
        mask: Option<Value<'c>>,
    ) {
        let values = self.stored_vectors(inst, access);
        let (fast, slow, join) = (self.new_block("neighbours"), self.new_block("scattered"), self.new_block("stored"));
        self.b.cond_branch(found.condition, fast, slow);
        self.b.position(fast);
        for &(segment, pointer) in &found.runs {
            self.store_run(inst, access, &values, segment, pointer, mask);
        }
        self.b.branch(join);
        self.b.position(slow);
        self.scatter(inst, access, place, mask);
        self.b.branch(join);
        self.b.position(join);
    }

    /// The stored elements as one vector per element index.
    pub(super) fn stored_vectors(&mut self, inst: &Inst, access: &Access) -> Elements<'c> {
        let ty = self.element_type(access);
        (0..access.vector as usize)
            .map(|idx| {
                let width = source_width(&inst.op, 1 + idx, inst.srcs.len());
                let sym = self.operand(&inst.srcs[1 + idx], width);
                let value = self.vector(&sym);
                self.b.resize(value, ty, false)
            })
            .collect()
    }

    /// All lanes store to one place: one of them wins; here the last.
    fn store_last(&mut self, inst: &Inst, access: &Access, pointer: Value<'c>) {
        let ty = self.element_type(access);
        for idx in 0..access.vector as usize {
            let sym = self.source(inst, 1 + idx);
            let value = match self.scalar(&sym) {
                Some(value) => value,
                None => {
                    let vector = self.vector(&sym);
                    self.b.extract_lane(vector, self.lanes - 1)
                }
            };
            let value = self.b.resize(value, ty, false);
            let at = self.b.offset_by(pointer, idx as i64 * i64::from(access.ty.bytes()));
            self.b.store(value, at, Self::align(access));
        }
    }

    fn scatter(&mut self, inst: &Inst, access: &Access, place: &Place<'c>, mask: Option<Value<'c>>) {
        let values = self.stored_vectors(inst, access);
        let pointers = self.pointers(place);
        let mask = mask.unwrap_or_else(|| self.mask_type().all_ones());
        for (idx, value) in values.into_iter().enumerate() {
            let at = self.b.offset_by(pointers, idx as i64 * i64::from(access.ty.bytes()));
            let align = self.i32(Self::align(access));
            self.b.intrinsic("llvm.masked.scatter", &[value.ty(), at.ty()], &[value, at, align, mask]);
        }
    }

    fn store_strided(&mut self, inst: &Inst, access: &Access, strided: &Strided<'c>, mask: Option<Value<'c>>) {
        let n = access.vector;
        let span = i64::from(access.ty.bytes() * n);
        let contiguous =
            |segments: &Vec<Segment>| segments.iter().all(|segment| segment.kind == SegmentKind::Contiguous);
        let Some(segments) = strided.segments(span).filter(contiguous) else {
            if let Some(steps) = self.store_steps(access, strided, mask) {
                let values = self.stored_vectors(inst, access);
                return self.store_stepped(access, &values, strided, steps);
            }
            return self.scatter(inst, access, &Place::Strided(strided.clone()), mask);
        };
        let values = self.stored_vectors(inst, access);
        for segment in segments {
            let pointer = self.segment_pointer(strided, segment);
            self.store_run(inst, access, &values, segment, pointer, mask);
        }
    }

    fn store_run(
        &mut self,
        inst: &Inst,
        access: &Access,
        values: &Elements<'c>,
        segment: Segment,
        pointer: Value<'c>,
        mask: Option<Value<'c>>,
    ) {
        let run = self.interleave(values, segment);
        let step = self.step_ahead(inst, access);
        self.prefetch_ahead(step, pointer, segment.len * access.ty.bytes() * access.vector, true);
        match mask {
            // No streaming stores: LLVM splits them where the address is not known to be 64-byte aligned.
            None => {
                self.b.store(run, pointer, Self::align(access));
            }
            Some(mask) => {
                let mask = self.run_mask(mask, segment, access.vector);
                // Windows of a block stay in the cache: there a crossing costs little.
                let is_far = matches!(access.space, Space::Global | Space::Generic);
                if is_far && self.store_lines(run, pointer, mask) {
                    return;
                }
                let align = self.i32(Self::align(access));
                self.b.intrinsic("llvm.masked.store", &[run.ty(), pointer.ty()], &[run, pointer, align, mask]);
            }
        }
    }

    /// A segment's elements in memory order.
    fn interleave(&self, values: &Elements<'c>, segment: Segment) -> Value<'c> {
        let (first, len) = (segment.first, segment.len);
        let part = |value: Value<'c>| {
            if len == self.lanes { value } else { self.b.permute(value, first..first + len) }
        };
        match values.len() {
            1 => part(values[0]),
            2 => {
                let (a, b) = (part(values[0]), part(values[1]));
                self.b.shuffle(a, b, (0..2 * len).map(|at| at / 2 + at % 2 * len))
            }
            n => {
                // Interleave halves, then their results: 0 2 | 1 3 gives 0 1 2 3.
                let (even, odd): (Elements<'c>, Elements<'c>) =
                    ((0..n).step_by(2).map(|i| values[i]).collect(), (1..n).step_by(2).map(|i| values[i]).collect());
                let (a, b) = (self.interleave(&even, segment), self.interleave(&odd, segment));
                let total = len * n as u32 / 2;
                self.b.shuffle(a, b, (0..2 * total).map(|at| at / 2 + at % 2 * total))
            }
        }
    }

    /// `prefetch` and `Nop` need no code.
    pub(super) const fn is_hint(op: &Op) -> bool {
        matches!(op, Op::Prefetch | Op::Nop | Op::CpAsyncCommit | Op::CpAsyncWait(_))
    }
}
