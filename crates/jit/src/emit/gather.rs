//! Lanes that wait for the other members of their warp before an operation that all of them take part in.
//!
//! Where lanes go through the program at different times (they left a waiting loop one by one), those that reach a `.sync`
//! operation first are held until no member is elsewhere. Elsewhere, lanes are in step and nothing has to be held.
//! Source: PTX ISA, "Parallel Synchronization and Communication Instructions", membermask.

use super::Emitter;
use crate::llvm::{Label, Value};
use crate::middle::bitset::BitSet;
use crate::middle::prepare::needs_members;
use vgpu_ptx::ir::{Inst, Op};

impl<'c> Emitter<'c, '_> {
    /// The masked copy of block `idx` begins with an operation whose members may come at different times.
    pub(super) fn is_gather_site(&self, idx: usize) -> bool {
        let first = self.input.program.blocks[idx].insts.first();
        self.masked[idx]
            && self.lanes.is_multiple_of(32)
            && self.input.analysis.careful[idx]
            && self.input.analysis.loses_lock_step()
            && !self.input.analysis.joins[idx]
            && first.is_some_and(|inst| needs_members(&inst.op))
    }

    pub(super) fn gather_sites(&self) -> Vec<usize> {
        let mut sites: Vec<usize> = self.gathering.keys().copied().collect();
        sites.sort_unstable();
        sites
    }

    /// Lanes that the members of `mask` name, whole warps as bits.
    fn members(&mut self, inst: &Inst, mask: Value<'c>) -> Value<'c> {
        let i32_type = self.context.int(32);
        let masked = match inst.op {
            Op::WarpSync | Op::Shuffle { .. } | Op::Vote { .. } | Op::Match { .. } | Op::Redux { .. } | Op::Elect => {
                self.source_vector(inst, inst.srcs.len() - 1)
            }
            // Matrix operations need the whole warp.
            _ => self.vector_of(i32_type).all_ones(),
        };
        let named = self.b.select(mask, masked, masked.ty().zero());
        let n_warps = self.lanes / 32;
        let per_warp = (0..n_warps).map(|warp| {
            let lanes = if n_warps == 1 { named } else { self.b.permute(named, warp * 32..(warp + 1) * 32) };
            self.b.intrinsic("llvm.vector.reduce.or", &[lanes.ty()], &[lanes])
        });
        let mut bits = i32_type.vector(n_warps).zero();
        for (warp, word) in per_warp.collect::<Vec<_>>().into_iter().enumerate() {
            bits = self.b.insert_lane(bits, word, warp as u32);
        }
        self.b.reinterpret(bits, self.mask_type())
    }

    /// Members of the lanes in `mask`, which stand before block `idx`, that are somewhere else.
    fn missing(&mut self, idx: usize, mask: Value<'c>) -> Value<'c> {
        let inst = &self.input.program.blocks[idx].insts[0];
        let members = self.members(inst, mask);
        // A lane that is neither here nor at its end stands somewhere else.
        let gone = self.gone.expect("kernels with such places count lanes that have ended by name");
        let settled = self.b.or(self.load_variable(self.mask_type(), gone), mask);
        let elsewhere = self.b.not(settled);
        self.b.and(members, elsewhere)
    }

    /// At the start of a block: goes on with all lanes that are here, or holds them. Gives those that go on.
    pub(super) fn assemble(&mut self, idx: usize, mask: Value<'c>, otherwise: Label<'c>) -> Value<'c> {
        let variable = self.gathering[&idx];
        let held = self.load_variable(self.mask_type(), variable);
        let mask = self.b.or(mask, held);
        let missing = self.missing(idx, mask);
        let (hold, go) = (self.new_block("hold"), self.new_block("gathered"));
        let any = self.any(missing);
        self.b.cond_branch(any, hold, go);
        self.b.position(hold);
        self.store_variable(mask, variable);
        self.b.branch(otherwise);
        self.b.position(go);
        self.store_variable(self.mask_type().zero(), variable);
        mask
    }

    /// When nothing is pending: lanes whose other members have ended or come go on. Leaves the builder where there are none.
    pub(super) fn release_gathered(&mut self) {
        for idx in self.gather_sites() {
            let variable = self.gathering[&idx];
            let held = self.load_variable(self.mask_type(), variable);
            let (some, release, next) =
                (self.new_block("held"), self.new_block("release"), self.new_block("next_held"));
            let any = self.any(held);
            self.b.cond_branch(any, some, next);
            self.b.position(some);
            self.known.clear();
            self.current = idx;
            self.mask = Some(held);
            let missing = self.missing(idx, held);
            let any = self.any(missing);
            self.b.cond_branch(any, next, release);
            self.b.position(release);
            self.store_variable(self.mask_type().zero(), variable);
            self.add_pending(idx, held);
            self.b.branch(self.labels[idx].check);
            self.b.position(next);
        }
    }

    /// Lanes that are held although nobody else can come wait for ever, as on hardware: other programs and the watchdog run.
    pub(super) fn end_or_wait_for_members(&mut self) -> Label<'c> {
        let sites = self.gather_sites();
        if sites.is_empty() {
            return self.program_end;
        }
        let here = self.b.block();
        let label = self.new_block("members_missing");
        self.b.position(label);
        let mut held = self.mask_type().zero();
        for idx in sites {
            held = self.b.or(held, self.load_variable(self.mask_type(), self.gathering[&idx]));
        }
        let any = self.any(held);
        let wait = self.yield_label();
        self.b.cond_branch(any, wait, self.program_end);
        self.b.position(here);
        label
    }

    /// Values that held lanes need.
    pub(super) fn live_where_held(&self, live: &mut BitSet) {
        let program = self.input.program;
        for idx in self.gathering.keys() {
            for phi in &program.blocks[*idx].phis {
                live.insert(phi.dst.idx());
            }
            for &pred in &program.blocks[*idx].preds {
                live.union(&self.input.live_out[pred]);
            }
        }
    }
}
