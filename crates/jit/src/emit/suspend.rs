//! Waiting for other threads: a program saves what is live in its frame and returns; called again, it goes on.
//!
//! A block that suspends ends in the suspending instruction. Three cases:
//! * the full copy, and masked blocks that all live lanes run together, return at once;
//! * a masked block that only part of the lanes run marks them as waiting and lets the others go on; when no lane can, the
//!   program returns with all waiting lanes (they may stand at several barriers of the program text).
//!
//! State numbers: 0 is the start, `n` the `n`-th continuation point.

use super::Emitter;
use super::control::suspends_at_end;
use crate::JitError;
use crate::abi::{BlockContext, FrameHeader, Status, WARP_WAIT_OFFSET, WarpWait};
use crate::llvm::{IntPredicate, Label, Value};
use crate::middle::bitset::BitSet;
use crate::middle::shape::Shape;
use crate::middle::symbolic::Parts;
use std::collections::HashMap;
use std::mem::{offset_of, size_of};
use vgpu_ptx::ir::{Barrier, BarrierOp, CallArgs, Inst, Op, Operand, Reg, RegWidth};

/// Where saved values stand in the frame.
#[derive(Clone, Debug)]
pub(super) struct FrameLayout {
    next: u32,
    values: HashMap<Reg, u32>,
    masks: HashMap<usize, u32>,
}

impl Default for FrameLayout {
    fn default() -> Self {
        Self { next: size_of::<FrameHeader>() as u32, values: HashMap::new(), masks: HashMap::new() }
    }
}

impl FrameLayout {
    /// Leaves room for [`WarpWait`]; before anything else is placed.
    pub(super) fn make_room_for_warp(&mut self) {
        self.next = (WARP_WAIT_OFFSET + size_of::<WarpWait>()) as u32;
    }

    /// Bytes of the frame, a multiple of 64.
    pub(super) fn bytes(&self) -> u32 {
        self.next.next_multiple_of(64)
    }

    fn take(next: &mut u32, bytes: u32) -> u32 {
        let at = next.next_multiple_of(bytes.next_power_of_two().clamp(8, 64));
        *next = at + bytes;
        at
    }

    /// Offset of a register's parts, `bytes` in all.
    fn value(&mut self, reg: Reg, bytes: u32) -> u32 {
        let next = &mut self.next;
        *self.values.entry(reg).or_insert_with(|| Self::take(next, bytes))
    }

    /// Offset of a mask; the key is the block it belongs to, `usize::MAX` for the number of ended threads.
    fn mask(&mut self, block: usize, bytes: u32) -> u32 {
        let next = &mut self.next;
        *self.masks.entry(block).or_insert_with(|| Self::take(next, bytes))
    }
}

/// Key of the mask of active lanes of a suspended block, apart from that of its waiting lanes.
const ACTIVE: usize = usize::MAX / 2;
/// Key of the pending mask of a block.
const PENDING: usize = usize::MAX / 4;
/// Key of the held lanes of a block.
const HELD: usize = usize::MAX / 8;
/// Key of the mask of ended lanes.
const GONE: usize = usize::MAX - 1;
/// Key of the status that waiting lanes ask for.
const STATUS: usize = usize::MAX;

impl<'c> Emitter<'c, '_> {
    pub(super) fn frame(&self) -> Value<'c> {
        self.load_variable(self.context.ptr(), self.prologue.frame)
    }

    fn header(&self, offset: usize) -> Value<'c> {
        self.b.offset_by(self.frame(), offset as i64)
    }

    fn set_header(&self, offset: usize, value: Value<'c>) {
        self.b.store(value, self.header(offset), 4);
    }

    fn get_header(&self, offset: usize) -> Value<'c> {
        self.b.load(self.context.int(32), self.header(offset), 4)
    }

    /// The end of the entry block of a resumable kernel: finds the frame and goes to its state.
    pub(super) fn open_resumable(&mut self, start: Label<'c>) {
        let (i32_type, i64_type) = (self.context.int(32), self.context.int(64));
        let program = self.function.argument(1);
        let first = self.b.mul(program, self.i32(self.lanes));
        self.store_variable(first, self.prologue.first_thread);
        let at = self.b.offset_by(self.prologue.block_context, offset_of!(BlockContext, frames) as i64);
        let frames = self.b.load_invariant(self.context.ptr(), at, 8);
        let bytes = match self.input.is_one_of_two {
            true => self.function.argument(2),
            false => self.i64(i64::from(self.frame_layout.bytes())),
        };
        let offset = self.b.mul(self.b.zext(program, i64_type), bytes);
        let frame = self.b.offset(frames, offset);
        self.store_variable(frame, self.prologue.frame);
        let state = self.b.load(i32_type, self.b.offset_by(frame, offset_of!(FrameHeader, state) as i64), 4);
        let cases: Vec<_> =
            self.resume_points.iter().enumerate().map(|(idx, label)| (idx as u64 + 1, *label)).collect();
        self.b.switch(state, start, &cases);
    }

    /// Registers with variables that are live when block `idx` ends.
    fn live_out(&self, idx: usize) -> Vec<Reg> {
        let live = self.input.live_out[idx].iter().map(Reg::from);
        live.filter(|reg| self.slots[*reg].is_some()).collect()
    }

    fn save(&mut self, regs: &[Reg]) {
        self.transfer(regs, true);
    }

    fn restore(&mut self, regs: &[Reg]) {
        self.transfer(regs, false);
        self.known.clear();
    }

    fn transfer(&mut self, regs: &[Reg], to_frame: bool) {
        let frame = self.frame();
        for &reg in regs {
            let Some(slot) = self.slots[reg].clone() else { continue };
            let shape = self.shape(reg).clone();
            let at = self.frame_layout.value(reg, self.parts_bytes(&slot.parts, &shape));
            self.transfer_parts(&slot.parts, &shape, frame, at, to_frame);
        }
    }

    fn parts_bytes(&self, parts: &Parts<Value<'c>>, shape: &Shape) -> u32 {
        let scalar = shape.width.bits().div_ceil(8).max(8);
        match parts {
            Parts::Uniform(_) => scalar,
            Parts::Affine { .. } => 2 * scalar,
            Parts::Indexed { index, .. } => 64 + self.parts_bytes(&index.parts, &index.shape),
            Parts::Varying(_) => (shape.width.bits() * self.lanes).div_ceil(8),
        }
    }

    fn transfer_parts(&self, parts: &Parts<Value<'c>>, shape: &Shape, frame: Value<'c>, at: u32, to_frame: bool) {
        let scalar = self.int(shape.width);
        let scalar_bytes = shape.width.bits().div_ceil(8).max(8);
        let one = |variable: Value<'c>, ty: crate::llvm::Type<'c>, at: u32| {
            let memory = self.b.offset_by(frame, i64::from(at));
            if to_frame {
                let value = self.load_variable(ty, variable);
                self.b.store(value, memory, 8);
            } else {
                let value = self.b.load(ty, memory, 8);
                self.store_variable(value, variable);
            }
        };
        match parts {
            Parts::Uniform(variable) => one(*variable, scalar, at),
            Parts::Affine { base, scale } => {
                one(*base, scalar, at);
                if let Some(scale) = scale {
                    one(*scale, scalar, at + scalar_bytes);
                }
            }
            Parts::Indexed { base, index } => {
                one(*base, scalar, at);
                self.transfer_parts(&index.parts, &index.shape, frame, at + 64, to_frame);
            }
            Parts::Varying(variable) => one(*variable, self.vector_of(scalar), at),
        }
    }

    fn transfer_mask(&mut self, variable: Value<'c>, key: usize, to_frame: bool) {
        let at = self.frame_layout.mask(key, self.lanes.div_ceil(8).max(8));
        let memory = self.b.offset_by(self.frame(), i64::from(at));
        if to_frame {
            let mask = self.load_variable(self.mask_type(), variable);
            self.b.store(self.mask_bits(mask), memory, 8);
        } else {
            let bits = self.b.load(self.context.int(self.lanes), memory, 8);
            self.store_variable(self.b.reinterpret(bits, self.mask_type()), variable);
        }
    }

    /// Returns from the function; gives the label where execution goes on, positioned there.
    fn return_and_resume(&mut self, status: Value<'c>) {
        let resume = self.new_block("resume");
        self.resume_points.push(resume);
        let state = self.i32(self.resume_points.len() as u32);
        self.set_header(offset_of!(FrameHeader, state), state);
        self.b.ret(status);
        self.b.position(resume);
    }

    const fn status_of(op: &Op) -> Status {
        match op {
            Op::Barrier(_) => Status::Barrier,
            Op::CallBuiltin(..) => Status::GridSync,
            _ => Status::Yield,
        }
    }

    /// Emits the end of block `idx`, which suspends in `inst` and goes on at block `next`.
    pub(super) fn suspend(&mut self, idx: usize, inst: &Inst, next: usize) -> Result<(), JitError> {
        if self.input.analysis.joins[idx] {
            self.join(idx, inst);
            return Ok(());
        }
        let status = self.i32(Self::status_of(&inst.op) as u32);
        let partial = self.input.analysis.partial[idx] || self.input.analysis.careful[idx];
        let lanes_here = match self.mask {
            Some(mask) => self.count(mask),
            None => self.i32(self.lanes),
        };
        if let Op::Barrier(barrier) = &inst.op {
            self.request_barrier(inst, barrier)?;
        }
        if let (Some(mask), true, Op::Nanosleep) = (self.mask, partial, &inst.op) {
            self.yield_lanes(idx, next, mask);
            return Ok(());
        }
        if let (Some(mask), true) = (self.mask, partial) {
            let waiting = self.waiting[&idx];
            let before = self.load_variable(self.mask_type(), waiting);
            self.store_variable(self.b.or(before, mask), waiting);
            self.store_variable(status, self.status);
            self.b.branch(self.labels.get(idx + 1).map_or(self.chain_end, |labels| labels.check));
            return Ok(());
        }
        self.set_header(offset_of!(FrameHeader, arrived), lanes_here);
        let live = self.live_out(idx);
        self.save(&live);
        let active = self.mask.map(|mask| {
            let variable = self.variable(self.mask_type(), "active");
            self.store_variable(mask, variable);
            self.transfer_mask(variable, ACTIVE + idx, true);
            variable
        });
        self.save_exited();
        self.return_and_resume(status);
        self.restore(&live);
        if let Some(variable) = active {
            self.transfer_mask(variable, ACTIVE + idx, false);
            let active = self.load_variable(self.mask_type(), variable);
            self.mask = Some(active);
            self.clear_masks();
            // All that have not ended wait here.
            self.set_gone(self.b.not(active));
        }
        self.restore_exited();
        self.define_results(inst);
        self.jump(next);
        Ok(())
    }

    /// Part of the lanes let others run. Lanes of this program that can go on elsewhere go first: one of them may hold what these
    /// wait for. Otherwise everything stays as it is while other programs run, so that lanes keep in step.
    fn yield_lanes(&mut self, idx: usize, next: usize, mask: Value<'c>) {
        if self.input.analysis.parks[idx] {
            let program = self.input.program;
            let mut left = self.mask_type().zero();
            for other in (0..program.blocks.len()).filter(|other| !(next..=idx).contains(other) && self.masked[*other])
            {
                left = self.b.or(left, self.load_variable(self.mask_type(), self.pending[other]));
            }
            let (park, stay) = (self.new_block("park"), self.new_block("stay"));
            let any = self.any(left);
            self.b.cond_branch(any, park, stay);
            self.b.position(park);
            let waiting = self.waiting[&idx];
            let before = self.load_variable(self.mask_type(), waiting);
            self.store_variable(self.b.or(before, mask), waiting);
            self.b.branch(self.labels.get(idx + 1).map_or(self.chain_end, |labels| labels.check));
            self.b.position(stay);
        }
        self.assign_phis(next, Some(mask));
        self.add_pending(next, mask);
        let label = self.yield_label();
        self.b.branch(label);
    }

    pub(super) fn yield_label(&mut self) -> Label<'c> {
        match self.yield_point {
            Some(label) => label,
            None => {
                let label = self.new_block("yield");
                self.yield_point = Some(label);
                label
            }
        }
    }

    /// Saves everything that the masked copy may need, lets other programs run and goes on with the first pending block.
    pub(super) fn emit_yield_point(&mut self) {
        let Some(label) = self.yield_point else { return };
        self.b.position(label);
        let program = self.input.program;
        let blocks: Vec<usize> = (0..program.blocks.len()).filter(|&idx| self.masked[idx]).collect();
        let mut live = BitSet::new(self.slots.len());
        for &idx in &blocks {
            for phi in &program.blocks[idx].phis {
                live.insert(phi.dst.idx());
            }
            for &pred in &program.blocks[idx].preds {
                live.union(&self.input.live_out[pred]);
            }
        }
        let live: Vec<Reg> = live.iter().map(Reg::from).filter(|reg| self.slots[*reg].is_some()).collect();
        let mut sites: Vec<usize> = self.waiting.keys().copied().collect();
        sites.sort_unstable();
        // The count of ended threads is in its variable.
        self.mask = Some(self.mask_type().all_ones());
        self.save(&live);
        let transfer_masks = |cx: &mut Self, to_frame: bool| {
            for &idx in &blocks {
                cx.transfer_mask(cx.pending[idx], PENDING + idx, to_frame);
            }
            for idx in &sites {
                cx.transfer_mask(cx.waiting[idx], *idx, to_frame);
            }
            cx.transfer_held(to_frame);
        };
        transfer_masks(self, true);
        let i32_type = self.context.int(32);
        let at = self.frame_layout.mask(STATUS, 8);
        let status = self.load_variable(i32_type, self.status);
        self.b.store(status, self.b.offset_by(self.frame(), i64::from(at)), 4);
        self.save_exited();
        let reported = self.report_warp(&blocks);
        self.return_and_resume(reported);
        self.restore(&live);
        self.restore_exited();
        let status = self.b.load(i32_type, self.b.offset_by(self.frame(), i64::from(at)), 4);
        self.store_variable(status, self.status);
        transfer_masks(self, false);
        self.release_parked();
        self.release_joined();
        self.b.branch(self.labels[0].check);
    }

    /// Variables are fresh in every call: no lane is pending or waiting but those that are restored.
    fn clear_masks(&mut self) {
        for idx in 0..self.pending.len() {
            self.store_variable(self.mask_type().zero(), self.pending[idx]);
        }
        for waiting in self.waiting.values().chain(self.gathering.values()).copied().collect::<Vec<_>>() {
            self.store_variable(self.mask_type().zero(), waiting);
        }
    }

    fn save_exited(&mut self) {
        let exited = match self.mask {
            None => self.i32(0),
            Some(_) => self.load_variable(self.context.int(32), self.exited),
        };
        self.set_header(offset_of!(FrameHeader, exited), exited);
    }

    fn restore_exited(&mut self) {
        let exited = self.get_header(offset_of!(FrameHeader, exited));
        self.store_variable(exited, self.exited);
        if self.mask.is_none() {
            self.clear_masks();
            self.set_gone(self.mask_type().zero());
        }
    }

    /// Writes barrier number, count and predicates to the frame's header.
    fn request_barrier(&mut self, inst: &Inst, barrier: &Barrier) -> Result<(), JitError> {
        let uniform = |cx: &mut Self, idx: usize| {
            let sym = cx.source(inst, idx);
            match cx.scalar(&sym) {
                Some(value) => value,
                None => {
                    // All threads of a warp name one barrier: the first active lane's.
                    let vector = cx.vector(&sym);
                    let active = cx.mask.unwrap_or_else(|| cx.mask_type().all_ones());
                    let bits = cx.mask_bits(active);
                    let first = cx.b.intrinsic("llvm.cttz", &[bits.ty()], &[bits, cx.context.int(1).constant(1)]);
                    let first = cx.b.resize(first, cx.context.int(32), false);
                    cx.b.extract(vector, first)
                }
            }
        };
        let id = uniform(self, 0);
        let id = self.b.and(id, self.i32(15));
        self.set_header(offset_of!(FrameHeader, barrier_id), id);
        let expected = if barrier.has_threads { uniform(self, 1) } else { self.i32(0) };
        self.set_header(offset_of!(FrameHeader, expected), expected);
        if barrier.op != BarrierOp::Sync {
            let idx = inst.srcs.len() - 1;
            let predicate = self.source_vector(inst, idx);
            let active = self.mask.unwrap_or_else(|| self.mask_type().all_ones());
            let mut holds = self.count(self.b.and(predicate, active));
            let partial = self.input.analysis.partial[self.current] || self.input.analysis.careful[self.current];
            if self.mask.is_some() && partial {
                let before = self.get_header(offset_of!(FrameHeader, predicates));
                holds = self.b.add(before, holds);
            }
            self.set_header(offset_of!(FrameHeader, predicates), holds);
        }
        Ok(())
    }

    /// Defines what a suspended operation gives, after it.
    fn define_results(&mut self, inst: &Inst) {
        match &inst.op {
            Op::Barrier(barrier) => {
                let Some(&dst) = inst.dsts.first() else { return };
                let result = self.get_header(offset_of!(FrameHeader, result));
                let value = match barrier.op {
                    BarrierOp::RedAnd => {
                        let threads = self.get_header(offset_of!(FrameHeader, result_threads));
                        self.b.icmp(IntPredicate::Eq, result, threads)
                    }
                    BarrierOp::RedOr => self.b.icmp(IntPredicate::Ne, result, self.i32(0)),
                    _ => result,
                };
                self.define_scalar(dst, value);
            }
            Op::CallBuiltin(_, CallArgs { returns, .. }) => {
                // `cudaCGSynchronize` answers 0.
                for var in returns {
                    let place = Operand::Frame(*var, 0);
                    let pointers = self.pointers_of(vgpu_ptx::ir::Space::Local, &place, 0);
                    let value = self.vector_of(self.int(RegWidth::B32)).zero();
                    let mask = self.mask.unwrap_or_else(|| self.mask_type().all_ones());
                    let arguments = [value, pointers, self.i32(4), mask];
                    self.b.intrinsic("llvm.masked.scatter", &[value.ty(), pointers.ty()], &arguments);
                }
            }
            _ => {}
        }
    }

    /// The end of the search for pending blocks: lanes wait, or the program is over.
    pub(super) fn resume_waiting_or_end(&mut self) {
        let sites: Vec<usize> = {
            let mut sites: Vec<usize> = self.waiting.keys().copied().filter(|&idx| self.is_partial_site(idx)).collect();
            sites.sort_unstable();
            sites
        };
        self.release_gathered();
        let end = self.end_or_wait_for_members();
        if sites.is_empty() {
            self.block_for_joined();
            self.b.branch(end);
            return;
        }
        let (spinning, sites): (Vec<usize>, Vec<usize>) =
            sites.into_iter().partition(|&idx| self.input.analysis.parks[idx]);
        self.yield_for_parked(&spinning);
        self.block_for_joined();
        let mut all = self.mask_type().zero();
        for idx in &sites {
            let waiting = self.load_variable(self.mask_type(), self.waiting[idx]);
            all = self.b.or(all, waiting);
        }
        let wait = self.new_block("wait");
        let any = self.any(all);
        self.b.cond_branch(any, wait, end);
        self.b.position(wait);
        self.mask = Some(all);
        let arrived = self.count(all);
        self.set_header(offset_of!(FrameHeader, arrived), arrived);
        let mut live = BitSet::new(self.slots.len());
        for &idx in &sites {
            self.live_out(idx).iter().for_each(|reg| {
                live.insert(reg.idx());
            });
        }
        self.live_where_held(&mut live);
        let live: Vec<Reg> = live.iter().map(Reg::from).filter(|reg| self.slots[*reg].is_some()).collect();
        self.save(&live);
        for idx in &sites {
            self.transfer_mask(self.waiting[idx], *idx, true);
        }
        self.transfer_held(true);
        self.save_exited();
        let status = self.load_variable(self.context.int(32), self.status);
        self.return_and_resume(status);
        self.restore(&live);
        self.clear_masks();
        self.restore_exited();
        for &idx in &sites {
            self.transfer_mask(self.waiting[&idx], idx, false);
        }
        self.transfer_held(false);
        let program = self.input.program;
        for &idx in &sites {
            let waiting = self.load_variable(self.mask_type(), self.waiting[&idx]);
            self.store_variable(self.mask_type().zero(), self.waiting[&idx]);
            let (here, skip) = (self.new_block("released"), self.new_block("next_site"));
            let any = self.any(waiting);
            self.b.cond_branch(any, here, skip);
            self.b.position(here);
            self.known.clear();
            self.current = idx;
            self.mask = Some(waiting);
            let inst = program.blocks[idx].insts.last().expect("a suspended block ends in the suspension");
            self.define_results(inst);
            let next = program.blocks[idx].succs[0];
            self.assign_phis(next, Some(waiting));
            self.add_pending(next, waiting);
            self.b.branch(skip);
            self.b.position(skip);
        }
        self.set_header(offset_of!(FrameHeader, predicates), self.i32(0));
        self.b.branch(self.labels[0].check);
    }

    /// When lanes are parked in waiting loops, other programs run before those try again. Lanes that wait at barriers meanwhile
    /// go on waiting. Leaves the builder where no lane is parked.
    fn yield_for_parked(&mut self, sites: &[usize]) {
        if sites.is_empty() {
            return;
        }
        let mut parked = self.mask_type().zero();
        for idx in sites {
            parked = self.b.or(parked, self.load_variable(self.mask_type(), self.waiting[idx]));
        }
        let none = self.new_block("none_parked");
        let label = self.yield_label();
        let any = self.any(parked);
        self.b.cond_branch(any, label, none);
        self.b.position(none);
    }

    fn transfer_held(&mut self, to_frame: bool) {
        for idx in self.gather_sites() {
            self.transfer_mask(self.gathering[&idx], HELD + idx, to_frame);
        }
        if let Some(gone) = self.gone {
            self.transfer_mask(gone, GONE, to_frame);
        }
    }

    /// Makes parked lanes pending at their loops again.
    fn release_parked(&mut self) {
        let program = self.input.program;
        let mut sites: Vec<usize> =
            self.waiting.keys().copied().filter(|&idx| self.input.analysis.parks[idx]).collect();
        sites.sort_unstable();
        for idx in sites {
            let waiting = self.load_variable(self.mask_type(), self.waiting[&idx]);
            self.store_variable(self.mask_type().zero(), self.waiting[&idx]);
            self.known.clear();
            self.current = idx;
            self.mask = Some(waiting);
            let next = program.blocks[idx].succs[0];
            self.assign_phis(next, Some(waiting));
            self.add_pending(next, waiting);
        }
    }

    fn is_partial_site(&self, idx: usize) -> bool {
        let insts = &self.input.program.blocks[idx].insts;
        let stays = insts.last().is_some_and(|inst| inst.op == Op::Nanosleep) && !self.input.analysis.parks[idx];
        suspends_at_end(insts)
            && !stays
            && !self.input.analysis.joins[idx]
            && (self.input.analysis.partial[idx] || self.input.analysis.careful[idx])
    }
}
