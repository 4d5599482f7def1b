//! Functions that the device provides: called once per active lane, arguments in the lane's local memory.

use super::Emitter;
use crate::JitError;
use crate::abi::{LaunchContext, Services, Status};
use crate::llvm::{IntPredicate, Value};
use std::mem::offset_of;
use vgpu_ptx::ir::{Builtin, CallArgs, FrameVarId, RegWidth};

impl<'c> Emitter<'c, '_> {
    pub(super) fn call_builtin(&mut self, builtin: Builtin, args: &CallArgs) -> Result<(), JitError> {
        let active = self.mask.unwrap_or_else(|| self.mask_type().all_ones());
        let mut called = Ok(());
        self.for_each_lane(active, |cx, lane| {
            let bytes = cx.i64(cx.input.addresses.local_bytes() as i64);
            let offset = cx.b.mul(cx.b.zext(lane, cx.context.int(64)), bytes);
            let local = cx.program_local();
            let window = cx.b.offset(local, offset);
            called = cx.call_lane(builtin, args, window, lane);
        });
        called?;
        if builtin == Builtin::AssertFail {
            self.fail(Status::Assert);
            let unreachable = self.new_block("after_assert");
            self.b.position(unreachable);
        }
        Ok(())
    }

    /// Runs code once per lane of `active`; it gets the lane's number, 32 bits.
    pub(super) fn for_each_lane(&mut self, active: Value<'c>, code: impl FnOnce(&mut Self, Value<'c>)) {
        let bits = self.mask_bits(active);
        let i32_type = self.context.int(32);
        let rest = self.variable(bits.ty(), "rest");
        self.store_variable(bits, rest);
        let (head, body, done) = (self.new_block("lanes"), self.new_block("lane"), self.new_block("lanes_done"));
        self.b.branch(head);
        self.b.position(head);
        let left = self.load_variable(bits.ty(), rest);
        let more = self.b.icmp(IntPredicate::Ne, left, left.ty().zero());
        self.b.cond_branch(more, body, done);
        self.b.position(body);
        let lane = self.b.intrinsic("llvm.cttz", &[left.ty()], &[left, self.context.int(1).constant(1)]);
        let lane = self.b.resize(lane, i32_type, false);
        let without = self.b.and(left, self.b.sub(left, left.ty().constant(1)));
        self.store_variable(without, rest);
        code(self, lane);
        self.b.branch(head);
        self.b.position(done);
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
            Builtin::CgGetIntrinsicHandle => {
                // Only a cooperative launch has a workspace, and a grid that can be waited for.
                let at = self.b.offset_by(self.prologue.launch, offset_of!(LaunchContext, grid_workspace) as i64);
                let workspace = self.b.load_invariant(i64_type, at, 8);
                let cooperative = self.b.icmp(IntPredicate::Ne, workspace, self.i64(0));
                self.give(window, args, self.b.zext(cooperative, i64_type));
            }
            Builtin::CgSynchronize => unreachable!("a grid synchronisation suspends the block"),
            Builtin::CgGetSize => {
                let (at, grids_at) = (param(0, RegWidth::B64)?, param(1, RegWidth::B64)?);
                let threads = self.b.mul(self.blocks_in_grid(), self.i32(self.input.geometry.threads()));
                self.store_if_wanted(threads, at);
                self.store_if_wanted(self.i32(1), grids_at);
                self.give(window, args, self.i32(0));
            }
            Builtin::CgGetRank => {
                let (at, grid_at) = (param(0, RegWidth::B64)?, param(1, RegWidth::B64)?);
                let first = self.load_variable(i32_type, self.prologue.first_thread);
                let before = self.b.mul(self.block_in_grid(), self.i32(self.input.geometry.threads()));
                let rank = self.b.add(before, self.b.add(first, lane));
                self.store_if_wanted(rank, at);
                self.store_if_wanted(self.i32(0), grid_at);
                self.give(window, args, self.i32(0));
            }
        }
        Ok(())
    }

    /// Stores 32 bits at a generic address, unless that is null: the caller does not want the value then.
    fn store_if_wanted(&self, value: Value<'c>, address: Value<'c>) {
        let (wanted, done) = (self.new_block("wanted"), self.new_block("given"));
        let is_address = self.b.icmp(IntPredicate::Ne, address, self.i64(0));
        self.b.cond_branch(is_address, wanted, done);
        self.b.position(wanted);
        self.b.store(value, self.b.int_to_ptr(address), 4);
        self.b.branch(done);
        self.b.position(done);
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
