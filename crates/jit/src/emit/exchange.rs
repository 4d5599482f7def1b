//! Operations between lanes, and memory operations that are more than a load or store.

use super::Emitter;
use super::address::Place;
use crate::JitError;
use crate::abi::Services;
use crate::llvm::{Ordering, Value};
use crate::middle::operands::source_width;
use crate::middle::symbolic::Parts;
use crate::ops::{Addresses, LaneValue, Warps, atomic, cross_lane};
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
            Op::Call(..) => Err(self.unsupported("a recursive call")),
            Op::CallIndirect(..) => Err(self.unsupported("an indirect call")),
            op => {
                let sources: SmallVec<[LaneValue<'c>; 4]> =
                    inst.srcs.iter().enumerate().map(|(idx, src)| self.lane_value(src, inst, idx)).collect();
                if self.lanes % 32 != 0 {
                    unreachable!("programs narrower than a warp are chosen only for kernels without exchange");
                }
                let mask = self.lane_mask(inst);
                let warps = Warps { builder: &self.b, target: self.input.target, lanes: self.lanes, mask };
                let results = cross_lane(&warps, op, &sources);
                let results = results.ok_or_else(|| self.unsupported(format!("{op:?}")))?;
                self.define_lane_values(inst, results);
                Ok(())
            }
        }
    }

    fn atomic(&mut self, inst: &Inst, spec: &ir::Atomic, want_result: bool) -> Result<(), JitError> {
        let place = self.place(spec.space, &inst.srcs[0], spec.offset);
        let values: SmallVec<[LaneValue<'c>; 4]> =
            inst.srcs[1..].iter().enumerate().map(|(idx, src)| self.lane_value(src, inst, idx + 1)).collect();
        let mask = self.lane_mask(inst);
        let addresses = match &place {
            Place::Same(pointer) => Addresses::Uniform(*pointer),
            place => {
                let pointers = self.pointers(place);
                let i64_type = self.context.int(64);
                if spec.space == Space::Shared {
                    let addresses = self.b.ptr_to_int(pointers);
                    let window = self.b.splat(self.b.ptr_to_int(self.prologue.shared), self.lanes);
                    let offsets = self.b.trunc(self.b.sub(addresses, window), self.context.int(32));
                    Addresses::Offsets { base: self.prologue.shared, offsets }
                } else {
                    Addresses::Each(self.b.resize(self.b.ptr_to_int(pointers), i64_type, false))
                }
            }
        };
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
        let mut operand = |idx: usize| -> Result<Value<'c>, JitError> {
            let sym = self.source(inst, idx);
            self.scalar(&sym).ok_or_else(|| self.unsupported("bar.arrive whose operands differ between threads"))
        };
        let id = operand(0)?;
        let expected = if barrier.has_threads { operand(1)? } else { self.i32(0) };
        let threads = match self.mask {
            Some(mask) => self.count(mask),
            None => self.i32(self.lanes),
        };
        let ty = self.context.function_type(self.context.void(), &[ptr, i32_type, i32_type, i32_type]);
        let service = self.service(offset_of!(Services, barrier_arrive));
        self.b.call_pointer(ty, service, &[self.prologue.block_context, id, expected, threads]);
        Ok(())
    }
}
