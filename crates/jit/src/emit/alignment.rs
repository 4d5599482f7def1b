//! Looks at addresses whose alignment nothing else makes sure of, before they are accessed.
//!
//! One test per access, on the uniform part of the address where all lanes are as aligned as that. What failed is left in the
//! block's context for the runtime, and the program ends.
//! Source: PTX ISA, "Operands: Alignment".

use super::Emitter;
use super::address::Place;
use crate::abi::{BlockContext, MisalignedAccess, Status};
use crate::llvm::{IntPredicate, Value};
use crate::middle::alignment::{Touch, touches};
use std::mem::offset_of;
use vgpu_ptx::ir::{Inst, Space};

impl<'c> Emitter<'c, '_> {
    /// Ends the program when a lane of the instruction would access memory at an address that is no multiple of what it needs.
    pub(super) fn test_alignment(&mut self, inst: &Inst) {
        for touch in touches(inst) {
            if self.input.alignment.needs_test(inst, &touch, self.input.addresses) {
                self.test_touch(inst, &touch);
            }
        }
    }

    fn test_touch(&mut self, inst: &Inst, touch: &Touch) {
        // Windows of threads are 16 bytes apart and parameters 16 bytes aligned: no access of these needs more.
        let most = if matches!(touch.space, Space::Local | Space::Param) { 16 } else { 64 };
        let bytes = touch.bytes.min(most);
        let low = i64::from(bytes) - 1;
        let place = self.place(touch.space, &inst.srcs[touch.idx], touch.offset);
        let mask = self.touching_lanes(inst, touch);
        let whole = match &place {
            Place::Same(pointer) => Some(*pointer),
            Place::Strided(strided) => {
                let keeps = |constants: &[i64]| constants.iter().all(|c| c & low == 0);
                let even = keeps(&strided.c) && strided.scaled.as_ref().is_none_or(|(_, d)| keeps(d));
                even.then_some(strided.base)
            }
            _ => None,
        };
        let (fault, good) = (self.new_block("misaligned"), self.new_block("aligned"));
        let i64_type = self.context.int(64);
        if let Some(base) = whole {
            let is_good =
                self.b.icmp(IntPredicate::Eq, self.b.and(self.b.ptr_to_int(base), self.i64(low)), self.i64(0));
            match mask {
                None => self.b.likely_branch(is_good, good, fault),
                Some(mask) => {
                    let asked = self.new_block("is_misaligned");
                    self.b.likely_branch(is_good, good, asked);
                    self.b.position(asked);
                    let touched = self.any(mask);
                    self.b.cond_branch(touched, fault, good);
                }
            }
            self.b.position(fault);
            let pointers = self.pointers(&place);
            let pointers = self.b.resize(self.b.ptr_to_int(pointers), i64_type, false);
            let lanes = mask.unwrap_or_else(|| self.mask_type().all_ones());
            self.report_misaligned(pointers, lanes, bytes);
        } else {
            let pointers = self.pointers(&place);
            let pointers = self.b.resize(self.b.ptr_to_int(pointers), i64_type, false);
            // The low halves are enough, and half as many registers.
            let short = self.b.resize(pointers, self.context.int(32), false);
            let rest = self.b.and(short, short.ty().constant(low as u64));
            let mut bad = self.b.icmp(IntPredicate::Ne, rest, rest.ty().zero());
            if let Some(mask) = mask {
                bad = self.b.and(bad, mask);
            }
            let is_good = self.b.not(self.any(bad));
            self.b.likely_branch(is_good, good, fault);
            self.b.position(fault);
            self.report_misaligned(pointers, bad, bytes);
        }
        self.b.position(good);
    }

    /// Active lanes whose address counts.
    fn touching_lanes(&mut self, inst: &Inst, touch: &Touch) -> Option<Value<'c>> {
        let mask = self.lane_mask(inst);
        if touch.lanes >= 32 {
            return mask;
        }
        let counts = (0..self.lanes).map(|lane| i64::from(lane % 32 < touch.lanes));
        let counts = self.context.int(1).constant_vector(counts);
        Some(mask.map_or(counts, |mask| self.b.and(mask, counts)))
    }

    /// Leaves the first bad lane's address to the runtime and ends the program.
    fn report_misaligned(&mut self, addresses: Value<'c>, bad: Value<'c>, bytes: u32) {
        let bits = self.mask_bits(bad);
        let lane = self.b.intrinsic("llvm.cttz", &[bits.ty()], &[bits, self.context.int(1).constant(0)]);
        // An index past the last lane gives no address: where no lane is bad this is not reached.
        let lane = self.b.resize(lane, self.context.int(32), false);
        let address = self.b.extract(addresses, lane);
        let block = self.prologue.block_context;
        let field = |offset: usize| (offset_of!(BlockContext, misaligned) + offset) as i64;
        self.b.store(address, self.b.offset_by(block, field(offset_of!(MisalignedAccess, address))), 8);
        self.b.store(self.i32(bytes), self.b.offset_by(block, field(offset_of!(MisalignedAccess, bytes))), 4);
        let place = self.i32(self.span.start);
        self.b.store(place, self.b.offset_by(block, field(offset_of!(MisalignedAccess, text_offset))), 4);
        self.fail(Status::Misaligned);
    }
}
