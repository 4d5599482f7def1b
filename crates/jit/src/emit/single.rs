//! Accesses of several elements that other threads see whole.
//!
//! The PTX manual makes a vector access several accesses of its elements, but GPUs do it at once, and programs rest on that:
//! CUB's look-back writes a flag and a sum with one `st.relaxed.v2` and reads both with one `ld.relaxed.v2`. So a strong
//! access, or one with a cache operator (CUB's older `ld.cg.v2`), is one machine access per lane: up to eight bytes as
//! one integer, sixteen bytes as one aligned vector, which the processors with AVX access at once.

use super::Emitter;
use super::address::Place;
use super::memory::Elements;
use crate::llvm::{IntOp, IntPredicate, Type, Value};
use vgpu_ptx::ir::{Access, CacheOp, Inst, MemorySemantics, ScalarType, Space};

/// Bytes of the widest access.
const WIDEST: u32 = 16;

/// How an access of several elements becomes one.
pub(super) enum Whole {
    /// An access of one integer.
    One(Access),
    /// Sixteen bytes.
    Wide,
}

impl<'c> Emitter<'c, '_> {
    /// How an access that must be whole is made; `None` for all others.
    pub(super) fn whole(access: &Access) -> Option<Whole> {
        let is_seen = access.semantics != MemorySemantics::Weak || access.cache == CacheOp::Coherent;
        let is_shared = matches!(access.space, Space::Global | Space::Generic | Space::Shared);
        let bytes = access.ty.bytes() * access.vector;
        if !is_seen || !is_shared || access.read_only || (access.vector == 1 && bytes < WIDEST) {
            return None;
        }
        let as_one = |ty| Whole::One(Access { ty, vector: 1, ..*access });
        match bytes {
            2 => Some(as_one(ScalarType::B16)),
            4 => Some(as_one(ScalarType::B32)),
            8 => Some(as_one(ScalarType::B64)),
            WIDEST => Some(Whole::Wide),
            _ => None,
        }
    }

    /// The elements of numbers that hold several each, the first in the low bits.
    pub(super) fn split_elements(&self, whole: Value<'c>, access: &Access) -> Elements<'c> {
        let bits = access.ty.bytes() * 8;
        let element = self.element_type(access);
        let n = whole.ty().scalar_bits() / bits;
        let part = |idx: u32| {
            let amount = whole.ty().constant(u64::from(bits * idx));
            self.b.resize(self.b.int(IntOp::LShr, whole, amount), element, false)
        };
        (0..n).map(part).collect()
    }

    /// The opposite: elements side by side in integers of type `to`.
    fn join_elements(&self, elements: &[Value<'c>], to: Type<'c>) -> Value<'c> {
        let bits = elements[0].ty().scalar_bits();
        let part = |(idx, element): (usize, &Value<'c>)| {
            let wide = self.b.resize(*element, to, false);
            let amount = wide.ty().constant(u64::from(bits) * idx as u64);
            self.b.int(IntOp::Shl, wide, amount)
        };
        let parts = elements.iter().enumerate().map(part);
        parts.reduce(|a, b| self.b.or(a, b)).expect("an access has elements")
    }

    /// Loads sixteen bytes for each lane, one after the other.
    pub(super) fn load_wide(&mut self, access: &Access, place: &Place<'c>, mask: Option<Value<'c>>) -> Elements<'c> {
        let pair = self.context.int(64).vector(2);
        if let (Place::Same(pointer), None) = (place, mask) {
            let halves = self.b.load(pair, *pointer, WIDEST);
            self.b.set_volatile(halves);
            let halves = [0, 1].map(|idx| self.b.splat(self.b.extract_lane(halves, idx), self.lanes));
            return self.wide_elements(halves, access);
        }
        let pointers = self.pointers(place);
        let lanes = self.wide_variable();
        let pairs = self.context.int(64).vector(2 * self.lanes);
        self.b.store(pairs.zero(), lanes, WIDEST);
        self.each_lane(mask, |emitter, lane, at| {
            let pointer = emitter.b.extract(pointers, lane);
            let loaded = emitter.b.load(pair, pointer, WIDEST);
            emitter.b.set_volatile(loaded);
            emitter.b.store(loaded, emitter.b.offset(lanes, at), WIDEST);
        });
        let loaded = self.b.load(pairs, lanes, WIDEST);
        let half = |first: u32| self.b.permute(loaded, (0..self.lanes).map(|lane| 2 * lane + first));
        self.wide_elements([half(0), half(1)], access)
    }

    fn wide_elements(&self, halves: [Value<'c>; 2], access: &Access) -> Elements<'c> {
        if access.ty.bytes() == WIDEST {
            return [self.join_elements(&halves, self.context.int(128))].into_iter().collect();
        }
        halves.into_iter().flat_map(|half| self.split_elements(half, access)).collect()
    }

    /// Stores an access that must be whole.
    pub(super) fn store_whole(&mut self, inst: &Inst, access: &Access, place: &Place<'c>, mask: Option<Value<'c>>) {
        let elements = self.stored_vectors(inst, access);
        let pointers = self.pointers(place);
        if let Some(Whole::One(one)) = Self::whole(access) {
            let value = self.join_elements(&elements, self.element_type(&one));
            let mask = mask.unwrap_or_else(|| self.mask_type().all_ones());
            let align = self.i32(one.ty.bytes());
            self.b.intrinsic("llvm.masked.scatter", &[value.ty(), pointers.ty()], &[value, pointers, align, mask]);
            return;
        }
        let halves: [Value<'c>; 2] = if let [whole] = elements[..] {
            let half = |idx: u64| {
                let amount = whole.ty().constant(64 * idx);
                self.b.resize(self.b.int(IntOp::LShr, whole, amount), self.context.int(64), false)
            };
            [half(0), half(1)]
        } else {
            let (low, high) = elements.split_at(elements.len() / 2);
            [low, high].map(|half| self.join_elements(half, self.context.int(64)))
        };
        let order = (0..self.lanes).flat_map(|lane| [lane, self.lanes + lane]);
        let pairs = self.b.shuffle(halves[0], halves[1], order);
        let lanes = self.wide_variable();
        self.b.store(pairs, lanes, WIDEST);
        let pair = self.context.int(64).vector(2);
        self.each_lane(mask, |emitter, lane, at| {
            let value = emitter.b.load(pair, emitter.b.offset(lanes, at), WIDEST);
            let pointer = emitter.b.extract(pointers, lane);
            // LLVM neither splits nor drops it.
            emitter.b.set_volatile(emitter.b.store(value, pointer, WIDEST));
        });
    }

    /// Memory for sixteen bytes per lane.
    fn wide_variable(&self) -> Value<'c> {
        let here = self.b.block();
        self.b.position(self.entry);
        let variable = self.b.alloca_bytes(WIDEST * self.lanes, "wide");
        self.b.position(here);
        variable
    }

    /// A loop over the lanes of `mask`; `body` is given the lane and the offset of its sixteen bytes.
    fn each_lane(&mut self, mask: Option<Value<'c>>, body: impl FnOnce(&mut Self, Value<'c>, Value<'c>)) {
        let i32_type = self.context.int(32);
        let [head, active, next, end] =
            ["lane", "lane_active", "lane_next", "lanes_done"].map(|name| self.new_block(name));
        let from = self.b.block();
        self.b.branch(head);
        self.b.position(head);
        let lane = self.b.phi(i32_type);
        self.b.add_incoming(lane, self.i32(0), from);
        match mask {
            Some(mask) => self.b.cond_branch(self.b.extract(mask, lane), active, next),
            None => self.b.branch(active),
        }
        self.b.position(active);
        let at = self.b.mul(lane, self.i32(WIDEST));
        let at = self.b.zext(at, self.context.int(64));
        body(self, lane, at);
        self.b.branch(next);
        self.b.position(next);
        let after = self.b.add(lane, self.i32(1));
        self.b.add_incoming(lane, after, next);
        let more = self.b.icmp(IntPredicate::Ult, after, self.i32(self.lanes));
        self.b.cond_branch(more, head, end);
        self.b.position(end);
    }
}
