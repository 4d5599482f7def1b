//! Functions that the device provides: called once per active lane, arguments in the lane's local memory.

use super::Emitter;
use crate::JitError;
use crate::abi::{Services, Status};
use crate::llvm::{IntOp, IntPredicate, Value};
use std::mem::offset_of;
use vgpu_ptx::ir::{Builtin, CallArgs, FrameVarId, RegWidth};

impl<'c> Emitter<'c, '_> {
    pub(super) fn call_builtin(&mut self, builtin: Builtin, args: &CallArgs) -> Result<(), JitError> {
        let active = self.mask.unwrap_or_else(|| self.mask_type().all_ones());
        let bits = self.mask_bits(active);
        let i32_type = self.context.int(32);
        let counter = self.variable(i32_type, "lane");
        self.store_variable(self.i32(0), counter);
        let (head, body, next, done) =
            (self.new_block("lanes"), self.new_block("lane"), self.new_block("next_lane"), self.new_block("called"));
        self.b.branch(head);
        self.b.position(head);
        let lane = self.load_variable(i32_type, counter);
        let wide = self.b.resize(lane, bits.ty(), false);
        let bit = self.b.trunc(self.b.int(IntOp::LShr, bits, wide), self.context.int(1));
        self.b.cond_branch(bit, body, next);
        self.b.position(body);
        let offset =
            self.b.mul(self.b.zext(lane, self.context.int(64)), self.i64(self.input.addresses.local_bytes() as i64));
        let local = self.program_local();
        let window = self.b.offset(local, offset);
        self.call_lane(builtin, args, window, lane)?;
        self.b.branch(next);
        self.b.position(next);
        let following = self.b.add(lane, self.i32(1));
        self.store_variable(following, counter);
        let more = self.b.icmp(IntPredicate::Ult, following, self.i32(self.lanes));
        self.b.cond_branch(more, head, done);
        self.b.position(done);
        if builtin == Builtin::AssertFail {
            self.fail(Status::Assert);
            let unreachable = self.new_block("after_assert");
            self.b.position(unreachable);
        }
        Ok(())
    }

    fn argument(&self, window: Value<'c>, var: Option<&FrameVarId>, width: RegWidth) -> Result<Value<'c>, JitError> {
        let var = var.ok_or_else(|| self.unsupported("a call of a device function with too few arguments"))?;
        let at = self.b.offset_by(window, self.input.addresses.frame_offset(*var) as i64);
        Ok(self.b.load(self.int(width), at, width.bits() / 8))
    }

    fn give(&self, window: Value<'c>, args: &CallArgs, value: Value<'c>) {
        if let Some(var) = args.returns.first() {
            let at = self.b.offset_by(window, self.input.addresses.frame_offset(*var) as i64);
            self.b.store(value, at, value.ty().scalar_bits() / 8);
        }
    }

    fn call_lane(
        &mut self,
        builtin: Builtin,
        args: &CallArgs,
        window: Value<'c>,
        lane: Value<'c>,
    ) -> Result<(), JitError> {
        let (ptr, i32_type, i64_type) = (self.context.ptr(), self.context.int(32), self.context.int(64));
        let block = self.prologue.block_context;
        let param = |idx: usize, width| self.argument(window, args.params.get(idx), width);
        match builtin {
            Builtin::Vprintf => {
                let (format, values) = (param(0, RegWidth::B64)?, param(1, RegWidth::B64)?);
                let ty = self.context.function_type(i32_type, &[ptr, i64_type, i64_type]);
                let service = self.service(offset_of!(Services, vprintf));
                let result = self.b.call_pointer(ty, service, &[block, format, values]);
                self.give(window, args, result);
            }
            Builtin::Malloc => {
                let bytes = param(0, RegWidth::B64)?;
                let ty = self.context.function_type(i64_type, &[ptr, i64_type]);
                let service = self.service(offset_of!(Services, malloc));
                let result = self.b.call_pointer(ty, service, &[block, bytes]);
                self.give(window, args, result);
            }
            Builtin::Free => {
                let address = param(0, RegWidth::B64)?;
                let ty = self.context.function_type(self.context.void(), &[ptr, i64_type]);
                let service = self.service(offset_of!(Services, free));
                self.b.call_pointer(ty, service, &[block, address]);
            }
            Builtin::AssertFail => {
                let (message, file) = (param(0, RegWidth::B64)?, param(1, RegWidth::B64)?);
                let (line, function) = (param(2, RegWidth::B32)?, param(3, RegWidth::B64)?);
                let params = [ptr, i64_type, i64_type, i32_type, i64_type, i32_type];
                let ty = self.context.function_type(self.context.void(), &params);
                let first = self.load_variable(i32_type, self.prologue.first_thread);
                let thread = self.b.add(first, lane);
                let service = self.service(offset_of!(Services, assert_fail));
                self.b.call_pointer(ty, service, &[block, message, file, line, function, thread]);
            }
            Builtin::CgGetIntrinsicHandle => self.give(window, args, self.i64(1)),
            Builtin::CgSynchronize => unreachable!("a grid synchronisation suspends the block"),
            Builtin::CgGetSize => {
                let at = self.b.int_to_ptr(param(0, RegWidth::B64)?);
                let threads = self.b.mul(self.blocks_in_grid(), self.i32(self.input.geometry.threads()));
                self.b.store(threads, at, 4);
                self.give(window, args, self.i32(0));
            }
            Builtin::CgGetRank => {
                let at = self.b.int_to_ptr(param(0, RegWidth::B64)?);
                let first = self.load_variable(i32_type, self.prologue.first_thread);
                let before = self.b.mul(self.block_in_grid(), self.i32(self.input.geometry.threads()));
                let rank = self.b.add(before, self.b.add(first, lane));
                self.b.store(rank, at, 4);
                self.give(window, args, self.i32(0));
            }
        }
        Ok(())
    }

    fn blocks_in_grid(&self) -> Value<'c> {
        use crate::middle::geometry::Environment::Nctaid;
        let extent = |axis| self.prologue.environment[&Nctaid(axis)];
        self.b.mul(self.b.mul(extent(0), extent(1)), extent(2))
    }

    fn block_in_grid(&self) -> Value<'c> {
        use crate::middle::geometry::Environment::{Ctaid, Nctaid};
        let (extent, at) =
            (|axis| self.prologue.environment[&Nctaid(axis)], |axis| self.prologue.environment[&Ctaid(axis)]);
        let planes = self.b.add(self.b.mul(at(2), extent(1)), at(1));
        self.b.add(self.b.mul(planes, extent(0)), at(0))
    }
}
