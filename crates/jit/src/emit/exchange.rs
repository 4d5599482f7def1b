//! Operations between lanes, and memory operations that are more than a load or store.

use super::Emitter;
use super::address::Place;
use crate::JitError;
use crate::abi::{Services, Status};
use crate::llvm::Ordering;
use crate::middle::operands::source_width;
use crate::middle::symbolic::Parts;
use crate::ops::{Addresses, LaneValue, Warps, atomic, cross_lane, matrix};
use smallvec::SmallVec;
use std::mem::offset_of;
use vgpu_ptx::ir::{self, BarrierOp, Inst, MemorySemantics, Op, Operand, Space};

impl<'c> Emitter<'c, '_> {
    pub(super) fn lane_value(&mut self, operand: &Operand, inst: &Inst, idx: usize) -> LaneValue<'c> {
        let width = source_width(&inst.op, idx, inst.srcs.len());
        let sym = self.operand(operand, width);
        match sym.parts {
            Parts::Uniform(value) => LaneValue::Uniform(value),
            _ => LaneValue::Varying(self.vector(&sym)),
        }
    }

    fn define_lane_values(&mut self, inst: &Inst, results: impl IntoIterator<Item = LaneValue<'c>>) {
        for (dst, result) in inst.dsts.iter().zip(results) {
            self.define_either(*dst, result.value());
        }
    }

    pub(super) fn exchange(&mut self, inst: &Inst) -> Result<(), JitError> {
        match &inst.op {
            Op::Atomic(spec) => self.atomic(inst, spec, true),
            Op::Reduce(spec) => self.atomic(inst, spec, false),
            Op::Fence(semantics, _) => {
                let order = if *semantics == MemorySemantics::SeqCst { Ordering::SeqCst } else { Ordering::AcqRel };
                self.b.fence(order);
                Ok(())
            }
            Op::Barrier(barrier) if barrier.op == BarrierOp::Arrive => self.arrive(inst, barrier),
            Op::CpAsync { bytes, has_src_size, has_ignore } => {
                self.copy_async(inst, *bytes, *has_src_size, *has_ignore);
                Ok(())
            }
            Op::Mbarrier(form) => {
                self.mbarrier(inst, form);
                Ok(())
            }
            // What the passes leave of these is the case that fails: see `middle::calls`.
            Op::CallIndirect(..) => {
                self.fail_here(Status::BadCall);
                Ok(())
            }
            Op::Call(..) | Op::Alloca { .. } => {
                self.fail_here(Status::StackOverflow);
                Ok(())
            }
            Op::Mma(_) | Op::WmmaLoad(_) | Op::WmmaStore(_) | Op::LdMatrix(_) | Op::StMatrix(_) | Op::MovMatrix => {
                self.matrix(inst)
            }
            op => {
                let sources: SmallVec<[LaneValue<'c>; 4]> =
                    inst.srcs.iter().enumerate().map(|(idx, src)| self.lane_value(src, inst, idx)).collect();
                self.expect_whole_warps()?;
                let mask = self.lane_mask(inst);
                let warps = Warps { builder: &self.b, target: self.input.target, lanes: self.lanes, mask };
                let results = cross_lane(&warps, op, &sources);
                let results = results.ok_or_else(|| self.unsupported(format!("{op:?}")))?;
                self.define_lane_values(inst, results);
                Ok(())
            }
        }
    }

    fn expect_whole_warps(&self) -> Result<(), JitError> {
        if self.lanes.is_multiple_of(32) {
            return Ok(());
        }
        Err(self.unsupported(format!("an exchange between the lanes of a warp in programs of {} threads", self.lanes)))
    }

    /// Ends the program with a failure; code that follows is not reached.
    fn fail_here(&mut self, status: Status) {
        self.fail(status);
        let unreachable = self.new_block("after_failure");
        self.b.position(unreachable);
    }

    fn matrix(&mut self, inst: &Inst) -> Result<(), JitError> {
        self.expect_whole_warps()?;
        let access = match &inst.op {
            Op::WmmaLoad(form) | Op::WmmaStore(form) => Some((form.space, form.offset)),
            Op::LdMatrix(form) | Op::StMatrix(form) => Some((form.space, form.offset)),
            _ => None,
        };
        let first = usize::from(access.is_some());
        let sources: SmallVec<[LaneValue<'c>; 4]> =
            (first..inst.srcs.len()).map(|idx| self.lane_value(&inst.srcs[idx], inst, idx)).collect();
        let addresses = access.map(|(space, offset)| self.addresses(space, &inst.srcs[0], offset));
        let mask = self.lane_mask(inst);
        let warps = Warps { builder: &self.b, target: self.input.target, lanes: self.lanes, mask };
        let results = matrix(&warps, &inst.op, addresses, &sources);
        let results = results.ok_or_else(|| self.unsupported(format!("{:?}", inst.op)))?;
        self.define_lane_values(inst, results);
        Ok(())
    }

    /// Addresses as operations of several lanes take them.
    fn addresses(&mut self, space: Space, operand: &Operand, offset: i64) -> Addresses<'c> {
        match self.place(space, operand, offset) {
            Place::Same(pointer) => Addresses::Uniform(pointer),
            _ if space == Space::Shared => {
                Addresses::Offsets { base: self.prologue.shared, offsets: self.shared_offsets(operand, offset) }
            }
            place => {
                let pointers = self.pointers(&place);
                let i64_type = self.context.int(64);
                Addresses::Each(self.b.resize(self.b.ptr_to_int(pointers), i64_type, false))
            }
        }
    }

    fn atomic(&mut self, inst: &Inst, spec: &ir::Atomic, want_result: bool) -> Result<(), JitError> {
        let addresses = self.addresses(spec.space, &inst.srcs[0], spec.offset);
        let values: SmallVec<[LaneValue<'c>; 4]> =
            inst.srcs[1..].iter().enumerate().map(|(idx, src)| self.lane_value(src, inst, idx + 1)).collect();
        let mask = self.lane_mask(inst);
        let warps = Warps { builder: &self.b, target: self.input.target, lanes: self.lanes, mask };
        let results = atomic(&warps, spec, addresses, &values, want_result);
        if want_result {
            self.define_lane_values(inst, results);
        }
        Ok(())
    }

    /// `bar.arrive`: tells the runtime and goes on.
    fn arrive(&mut self, inst: &Inst, barrier: &ir::Barrier) -> Result<(), JitError> {
        let (ptr, i32_type) = (self.context.ptr(), self.context.int(32));
        let (id, expected) = (self.source(inst, 0), self.source(inst, 1));
        let ty = self.context.function_type(self.context.void(), &[ptr, i32_type, i32_type, i32_type]);
        let service = self.service(offset_of!(Services, barrier_arrive));
        if let (Some(id), Some(expected)) = (self.scalar(&id), self.scalar(&expected)) {
            let threads = match self.mask {
                Some(mask) => self.count(mask),
                None => self.i32(self.lanes),
            };
            self.b.call_pointer(ty, service, &[self.prologue.block_context, id, expected, threads]);
            return Ok(());
        }
        debug_assert!(barrier.has_threads, "lowering asks for a thread count");
        // Lanes name different barriers: one after the other.
        let (ids, counts) = (self.vector(&id), self.vector(&expected));
        let mask = self.mask.unwrap_or_else(|| self.mask_type().all_ones());
        for lane in 0..self.lanes {
            let (call, next) = (self.new_block("arrive"), self.new_block("arrived"));
            let index = self.i32(lane);
            let active = self.b.extract(mask, index);
            self.b.cond_branch(active, call, next);
            self.b.position(call);
            let (id, expected) = (self.b.extract(ids, index), self.b.extract(counts, index));
            self.b.call_pointer(ty, service, &[self.prologue.block_context, id, expected, self.i32(1)]);
            self.b.branch(next);
            self.b.position(next);
        }
        Ok(())
    }
}
