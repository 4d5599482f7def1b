//! Lanes of one warp that wait in different places: at different barriers, or for each other at different `bar.warp.sync`.
//!
//! A block that ends in such an operation ([`crate::middle::divergence::Analysis::joins`]) marks its lanes as waiting, tells the runtime through
//! [`WarpWait`] what for, and lets it decide who goes on: the lanes that it releases become pending after the operation. When
//! all live lanes wait, the program is blocked. Lanes pass such places at different times, so that all code after them is `careful`.
//! Source: PTX ISA, "bar, barrier" and "bar.warp.sync".

use super::Emitter;
use crate::abi::{Status, WARP_SYNC, WARP_WAIT_OFFSET, WarpWait};
use crate::llvm::{IntPredicate, Type, Value};
use std::mem::offset_of;
use vgpu_ptx::ir::{BarrierOp, Inst, Op};

impl<'c> Emitter<'c, '_> {
    fn join_sites(&self) -> Vec<usize> {
        (0..self.labels.len()).filter(|&idx| self.input.analysis.joins[idx]).collect()
    }

    fn in_warp_wait(&self, field: usize) -> Value<'c> {
        self.b.offset_by(self.frame(), (WARP_WAIT_OFFSET + field) as i64)
    }

    fn words(&self) -> Type<'c> {
        self.vector_of(self.context.int(32))
    }

    /// Emits the end of block `idx`: the active lanes wait in `inst`, others may go on.
    pub(super) fn join(&mut self, idx: usize, inst: &Inst) {
        let mask = self.mask.unwrap_or_else(|| self.mask_type().all_ones());
        let (ids, expected, predicates) = match &inst.op {
            Op::Barrier(barrier) => {
                let ids = self.source_vector(inst, 0);
                let ids = self.b.and(ids, self.words().constant(15));
                let expected = if barrier.has_threads { self.source_vector(inst, 1) } else { self.words().zero() };
                let predicates = match barrier.op {
                    BarrierOp::Sync | BarrierOp::Arrive => self.mask_type().zero(),
                    _ => {
                        let predicate = self.source_vector(inst, inst.srcs.len() - 1);
                        self.b.and(predicate, mask)
                    }
                };
                (ids, expected, predicates)
            }
            _ => (self.words().constant(u64::from(WARP_SYNC)), self.source_vector(inst, 0), self.mask_type().zero()),
        };
        self.b.store(self.mask_bits(mask), self.in_warp_wait(offset_of!(WarpWait, lanes)), 4);
        self.b.store(self.mask_bits(predicates), self.in_warp_wait(offset_of!(WarpWait, predicates)), 4);
        self.b.store(ids, self.in_warp_wait(offset_of!(WarpWait, ids)), 4);
        self.b.store(expected, self.in_warp_wait(offset_of!(WarpWait, expected)), 4);
        let waiting = self.waiting[&idx];
        let before = self.load_variable(self.mask_type(), waiting);
        self.store_variable(self.b.or(before, mask), waiting);
        self.store_variable(self.i32(Status::Join as u32), self.yield_status);
        let label = self.yield_label();
        self.b.branch(label);
    }

    /// Before the program returns at the yield point: who is alive. Gives the status.
    pub(super) fn report_warp(&mut self, masked: &[usize]) -> Value<'c> {
        if !self.input.analysis.waits_apart() {
            return self.i32(Status::Yield as u32);
        }
        let mut alive = self.mask_type().zero();
        let places = masked.iter().map(|&idx| self.pending[idx]).collect::<Vec<_>>();
        for place in places.into_iter().chain(self.waiting.values().copied()).chain(self.gathering.values().copied()) {
            alive = self.b.or(alive, self.load_variable(self.mask_type(), place));
        }
        self.b.store(self.mask_bits(alive), self.in_warp_wait(offset_of!(WarpWait, alive)), 4);
        self.b.store(self.i32(0), self.in_warp_wait(offset_of!(WarpWait, released)), 4);
        let status = self.load_variable(self.context.int(32), self.yield_status);
        self.store_variable(self.i32(Status::Yield as u32), self.yield_status);
        status
    }

    /// After the return: lanes that were released are pending after the operation they waited in.
    pub(super) fn release_joined(&mut self) {
        if !self.input.analysis.waits_apart() {
            return;
        }
        let bits = self.b.load(self.context.int(32), self.in_warp_wait(offset_of!(WarpWait, released)), 4);
        let released = self.b.reinterpret(bits, self.mask_type());
        let program = self.input.program;
        for idx in self.join_sites() {
            let waiting = self.load_variable(self.mask_type(), self.waiting[&idx]);
            let here = self.b.and(waiting, released);
            let stay = self.b.and(waiting, self.b.not(released));
            self.store_variable(stay, self.waiting[&idx]);
            let (go, next) = (self.new_block("released"), self.new_block("next_join"));
            let any = self.any(here);
            self.b.cond_branch(any, go, next);
            self.b.position(go);
            self.known.clear();
            self.current = idx;
            self.mask = Some(here);
            let block = &program.blocks[idx];
            let inst = block.insts.last().expect("a block that joins ends in the operation");
            self.define_joined(inst);
            self.assign_phis(block.succs[0], Some(here));
            self.add_pending(block.succs[0], here);
            self.b.branch(next);
            self.b.position(next);
        }
    }

    fn define_joined(&mut self, inst: &Inst) {
        let (Op::Barrier(barrier), Some(&dst)) = (&inst.op, inst.dsts.first()) else { return };
        let words = self.words();
        let results = self.b.load(words, self.in_warp_wait(offset_of!(WarpWait, results)), 4);
        let value = match barrier.op {
            BarrierOp::RedAnd => {
                let threads = self.b.load(words, self.in_warp_wait(offset_of!(WarpWait, result_threads)), 4);
                self.b.icmp(IntPredicate::Eq, results, threads)
            }
            BarrierOp::RedOr => self.b.icmp(IntPredicate::Ne, results, words.zero()),
            _ => results,
        };
        self.define_vector(dst, value);
    }

    /// When nothing is pending and lanes wait where they joined, the program is blocked. Leaves the builder where none does.
    pub(super) fn block_for_joined(&mut self) {
        if !self.input.analysis.waits_apart() {
            return;
        }
        let mut joined = self.mask_type().zero();
        for idx in self.join_sites() {
            joined = self.b.or(joined, self.load_variable(self.mask_type(), self.waiting[&idx]));
        }
        let (blocked, none) = (self.new_block("blocked"), self.new_block("none_joined"));
        let any = self.any(joined);
        self.b.cond_branch(any, blocked, none);
        self.b.position(blocked);
        self.store_variable(self.i32(Status::Blocked as u32), self.yield_status);
        let label = self.yield_label();
        self.b.branch(label);
        self.b.position(none);
    }
}
