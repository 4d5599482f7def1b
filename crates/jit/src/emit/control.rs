//! Blocks, branches and masks: the full and the masked copy of a program, and the ways between them.
//!
//! Masked execution keeps one pending mask per block. Invariant while block `i` of the masked copy runs: every other pending
//! block comes after it in schedule order, except the one a back edge has just made pending. So the search for the next
//! block goes forward only ("check" labels), and a back edge jumps straight to its target.

use super::suspend::FrameLayout;
use super::values::Slot;
use super::{BlockLabels, Crowd, Emitted, Emitter, Input, Mode, Prologue, storage_bytes};
use crate::JitError;
use crate::abi::{BlockContext, LaunchContext, Status};
use crate::llvm::{Builder, Context, IntPredicate, Label, Value};
use crate::middle::bitset::BitSet;
use crate::middle::geometry::Environment;
use crate::middle::prepare::suspends;
use crate::middle::shape::{Form, Shape};
use crate::middle::symbolic::Sym;
use std::cell::Cell;
use std::collections::HashMap;
use std::mem::offset_of;
use vgpu_ptx::ir::{Op, Operand, Reg, Terminator};
use vgpu_types::{IndexVec, Span};

/// Emits the function.
pub(super) fn emit_function(context: &Context, input: &Input<'_>, name: &str) -> Result<Emitted, JitError> {
    let mut emitter = Emitter::new(context, input, name);
    emitter.run()?;
    Ok(Emitted { frame_bytes: emitter.frame_layout.bytes(), crowded: emitter.crowd.is_some() })
}

impl<'c, 'i> Emitter<'c, 'i> {
    /// Begins a function that runs blocks of `input`'s geometry.
    pub(super) fn new(context: &'c Context, input: &'i Input<'i>, name: &str) -> Self {
        let i32_type = context.int(32);
        let params = [context.ptr(), i32_type, context.int(64)];
        let n_params = match (input.resumable, input.is_one_of_two) {
            (false, _) => 1,
            (true, false) => 2,
            (true, true) => 3,
        };
        let function = context.add_function(name, context.function_type(i32_type, &params[..n_params]));
        function.add_attribute(context, "target-features", &input.target.features);
        function.add_flag(context, "nounwind", None);
        // Generic addresses are offsets from null: without this LLVM takes such an access for unreachable.
        function.add_flag(context, "null_pointer_is_valid", None);
        function.add_flag(context, "noalias", Some(0));
        if input.target.isa == crate::Isa::Avx512 {
            // LLVM otherwise prefers 256 bits and splits what fits a register.
            function.add_attribute(context, "prefer-vector-width", "512");
            function.add_attribute(context, "min-legal-vector-width", "512");
        }
        let b = Builder::new(context);
        let entry = function.append(context, "entry");
        b.position(entry);
        let prologue = prologue(context, &b, function.argument(0));
        let status = b.alloca(i32_type, "status");
        let exited = b.alloca(i32_type, "exited");
        let n_blocks = input.program.blocks.len();
        Self {
            input,
            context,
            b,
            function,
            lanes: input.geometry.lanes,
            prologue,
            labels: Vec::with_capacity(n_blocks),
            pending: Vec::with_capacity(n_blocks),
            waiting: HashMap::new(),
            gathering: HashMap::new(),
            exited,
            gone: None,
            slots: IndexVec::filled(None, input.program.values.len()),
            known: HashMap::new(),
            remember_reads: true,
            mode: Mode::Full,
            mask: None,
            current: 0,
            program_end: entry,
            chain_end: entry,
            yield_point: None,
            yield_status: status,
            masked: Vec::new(),
            status_return: entry,
            status,
            entry,
            crowd: None,
            resume_points: Vec::new(),
            frame_layout: FrameLayout::default(),
            span: Span::default(),
        }
    }
}

fn prologue<'c>(context: &'c Context, b: &Builder<'c>, block: Value<'c>) -> Prologue<'c> {
    let (ptr, i32_type) = (context.ptr(), context.int(32));
    let field = |at: Value<'c>, offset: usize, ty, align| b.load_invariant(ty, b.offset_by(at, offset as i64), align);
    let launch = field(block, offset_of!(BlockContext, launch), ptr, 8);
    let mut environment = HashMap::new();
    for axis in 0..3u8 {
        let at = 4 * usize::from(axis);
        let ctaid = field(block, offset_of!(BlockContext, block_idx) + at, i32_type, 4);
        environment.insert(Environment::Ctaid(axis), ctaid);
        let nctaid = field(launch, offset_of!(LaunchContext, grid) + at, i32_type, 4);
        environment.insert(Environment::Nctaid(axis), nctaid);
    }
    Prologue {
        block_context: block,
        launch,
        params: field(launch, offset_of!(LaunchContext, params), ptr, 8),
        symbols: field(launch, offset_of!(LaunchContext, symbols), ptr, 8),
        shared: field(block, offset_of!(BlockContext, shared), ptr, 8),
        local: field(block, offset_of!(BlockContext, local), ptr, 8),
        services: field(launch, offset_of!(LaunchContext, services), ptr, 8),
        environment,
        first_thread: b.alloca(i32_type, "first_thread"),
        frame: b.alloca(ptr, "frame"),
    }
}

/// Which copies of which blocks are reachable.
struct Reachable {
    full: bool,
    masked: Vec<bool>,
}

impl<'c> Emitter<'c, '_> {
    fn run(&mut self) -> Result<(), JitError> {
        let reachable = self.reachable();
        self.masked.clone_from(&reachable.masked);
        self.make_slots();
        let n_blocks = self.input.program.blocks.len();
        self.program_end = self.new_block("program_end");
        self.chain_end = self.new_block("chain_end");
        self.status_return = self.new_block("status_return");
        for idx in 0..n_blocks {
            let labels = BlockLabels {
                full: self.new_block(&format!("full{idx}")),
                check: self.new_block(&format!("check{idx}")),
                body: self.new_block(&format!("body{idx}")),
            };
            self.labels.push(labels);
            let pending = self.lasting_variable(self.mask_type(), "pending");
            self.pending.push(pending);
            let suspends = suspends_at_end(&self.input.program.blocks[idx].insts);
            if (suspends && reachable.masked[idx]) || self.input.analysis.joins[idx] {
                let waiting = self.lasting_variable(self.mask_type(), "waiting");
                self.waiting.insert(idx, waiting);
            }
            if self.is_gather_site(idx) {
                let gathering = self.lasting_variable(self.mask_type(), "gathering");
                self.gathering.insert(idx, gathering);
            }
        }
        if self.input.analysis.waits_apart() {
            self.yield_status = self.b.alloca(self.context.int(32), "yield_status");
            self.frame_layout.make_room_for_warp();
        }
        if !self.gathering.is_empty() {
            self.gone = Some(self.b.alloca(self.storage(self.mask_type()), "gone"));
        }
        let start = self.new_block("start");
        let opening_end = self.b.block();
        if self.input.analysis.waits_apart() {
            self.store_variable(self.i32(Status::Yield as u32), self.yield_status);
        }
        self.b.position(start);
        self.start(&reachable);
        for idx in 0..n_blocks {
            self.emit_full(idx, reachable.full)?;
            self.emit_check(idx, reachable.masked[idx]);
            self.emit_body(idx, reachable.masked[idx], reachable.full)?;
        }
        self.emit_chain_end();
        self.emit_yield_point();
        self.finish(start);
        self.b.position(opening_end);
        if self.input.resumable {
            self.open_resumable(start);
        } else {
            self.store_variable(self.i32(0), self.prologue.first_thread);
            self.b.branch(start);
        }
        Ok(())
    }

    /// Variables for values that are read outside the block that defines them, and for phis.
    fn make_slots(&mut self) {
        let program = self.input.program;
        let mut home: IndexVec<Reg, Option<usize>> = IndexVec::filled(None, program.values.len());
        let mut needs = BitSet::new(program.values.len());
        for (idx, block) in program.blocks.iter().enumerate() {
            for phi in &block.phis {
                needs.insert(phi.dst.idx());
            }
            for dst in block.insts.iter().flat_map(|inst| &inst.dsts) {
                home[*dst] = Some(idx);
            }
        }
        for (idx, block) in program.blocks.iter().enumerate() {
            let uses = block.insts.iter().flat_map(|inst| inst.uses()).chain(block.terminator.condition());
            for reg in uses.filter(|reg| home[*reg] != Some(idx)).collect::<Vec<_>>() {
                needs.insert(reg.idx());
            }
            for phi in &block.phis {
                for (arg, &pred) in phi.args.iter().zip(&block.preds) {
                    if let Operand::Reg(reg) = arg
                        && home[*reg] != Some(pred)
                    {
                        needs.insert(reg.idx());
                    }
                }
            }
            // Results of a suspended operation are defined when the program goes on.
            if suspends_at_end(&block.insts) {
                block.insts.iter().flat_map(|inst| &inst.dsts).for_each(|dst| {
                    needs.insert(dst.idx());
                });
            }
        }
        self.crowd = self.make_crowd(&needs);
        for idx in needs.iter() {
            let reg = Reg::from(idx);
            let shape = self.shape(reg).clone();
            if shape.as_constant().is_none() {
                self.slots[reg] = Some(self.new_slot(&shape));
            }
        }
    }

    /// Memory for the vectors of the kernel if they are too many for registers; `lasting` are the values with variables.
    fn make_crowd(&self, lasting: &BitSet) -> Option<Crowd<'c>> {
        let n_masked = self.masked.iter().filter(|masked| **masked).count();
        let vectors: Vec<u32> = lasting.iter().filter_map(|idx| self.vector_bits(self.shape(Reg::from(idx)))).collect();
        if n_masked * (vectors.len() + n_masked) < Crowd::LIMIT {
            return None;
        }
        // Three masks for each block: pending, waiting and gathering.
        let masks = 3 * self.masked.len() as u32 * storage_bytes(self.context.int(self.lanes));
        let values: u32 = vectors.iter().map(|&bits| storage_bytes(self.vector_of(self.context.int(bits)))).sum();
        Some(Crowd { base: self.b.alloca_bytes(masks + values, "crowd"), next: Cell::new(0) })
    }

    /// Width of the vector that a value of this shape has in its variable, if any.
    fn vector_bits(&self, shape: &Shape) -> Option<u32> {
        match &shape.form {
            Form::Uniform | Form::Affine { .. } => None,
            Form::Indexed { index, .. } => self.vector_bits(index),
            Form::Varying => Some(shape.width.bits()),
        }
    }

    fn reachable(&self) -> Reachable {
        let (program, geometry) = (self.input.program, &self.input.geometry);
        let full = geometry.threads() >= geometry.lanes;
        let mut masked = vec![false; program.blocks.len()];
        let mut work = Vec::new();
        if !geometry.threads().is_multiple_of(geometry.lanes) {
            work.push(0);
        }
        for (idx, block) in program.blocks.iter().enumerate() {
            if self.input.analysis.diverges[idx] || self.input.analysis.joins[idx] {
                work.extend(&block.succs);
            }
        }
        while let Some(idx) = work.pop() {
            if !std::mem::replace(&mut masked[idx], true) {
                work.extend(&program.blocks[idx].succs);
            }
        }
        Reachable { full, masked }
    }

    /// Code that begins a program at its first block.
    fn start(&mut self, reachable: &Reachable) {
        let i32_type = self.context.int(32);
        for idx in 0..self.pending.len() {
            if reachable.masked[idx] {
                self.store_variable(self.mask_type().zero(), self.pending[idx]);
            }
        }
        for waiting in self.waiting.values().chain(self.gathering.values()).copied().collect::<Vec<_>>() {
            self.store_variable(self.mask_type().zero(), waiting);
        }
        self.store_variable(i32_type.zero(), self.exited);
        self.set_gone(self.mask_type().zero());
        let geometry = self.input.geometry;
        let threads = geometry.threads();
        if threads.is_multiple_of(geometry.lanes) {
            self.b.branch(self.labels[0].full);
        } else {
            let first = self.load_variable(i32_type, self.prologue.first_thread);
            let partial = self.new_block("partial");
            let end = self.b.add(first, self.i32(geometry.lanes));
            let is_full = self.b.icmp(IntPredicate::Ule, end, self.i32(threads));
            if reachable.full {
                self.b.cond_branch(is_full, self.labels[0].full, partial);
            } else {
                self.b.branch(partial);
            }
            self.b.position(partial);
            let rest = threads % geometry.lanes;
            let bits = (0..geometry.lanes).map(|lane| i64::from(lane < rest));
            let mask = self.context.int(1).constant_vector(bits);
            self.store_variable(mask, self.pending[0]);
            self.set_gone(self.b.not(mask));
            self.b.branch(self.labels[0].body);
        }
    }

    /// What comes after a program: the next one of the block (straight kernels), or the return.
    fn finish(&mut self, start: Label<'c>) {
        let i32_type = self.context.int(32);
        self.b.position(self.program_end);
        if !self.input.resumable {
            let geometry = self.input.geometry;
            let done = self.new_block("done");
            let first = self.load_variable(i32_type, self.prologue.first_thread);
            let next = self.b.add(first, self.i32(geometry.lanes));
            self.store_variable(next, self.prologue.first_thread);
            let more = self.b.icmp(IntPredicate::Ult, next, self.i32(geometry.threads()));
            self.b.cond_branch(more, start, done);
            self.b.position(done);
        }
        self.b.ret(self.i32(Status::Done as u32));
        self.b.position(self.status_return);
        let status = self.load_variable(i32_type, self.status);
        self.b.ret(status);
    }

    fn emit_full(&mut self, idx: usize, reachable: bool) -> Result<(), JitError> {
        self.b.position(self.labels[idx].full);
        if !reachable {
            self.b.unreachable();
            return Ok(());
        }
        self.enter(idx, Mode::Full, None);
        self.instructions(idx)?;
        self.terminator(idx)
    }

    fn emit_check(&mut self, idx: usize, reachable: bool) {
        self.b.position(self.labels[idx].check);
        let next = self.check_after(idx);
        if !reachable {
            self.b.branch(next);
            return;
        }
        let pending = self.load_variable(self.mask_type(), self.pending[idx]);
        let any = self.any(pending);
        self.b.cond_branch(any, self.labels[idx].body, next);
    }

    fn emit_body(&mut self, idx: usize, reachable: bool, full_exists: bool) -> Result<(), JitError> {
        self.b.position(self.labels[idx].body);
        if !reachable {
            self.b.unreachable();
            return Ok(());
        }
        let mask = self.load_variable(self.mask_type(), self.pending[idx]);
        self.store_variable(self.mask_type().zero(), self.pending[idx]);
        if full_exists && self.is_meeting_point(idx) {
            let apart = self.new_block("apart");
            let all = self.all(mask);
            self.b.cond_branch(all, self.labels[idx].full, apart);
            self.b.position(apart);
        }
        self.enter(idx, Mode::Masked, Some(mask));
        if self.gathering.contains_key(&idx) {
            let together = self.assemble(idx, mask, self.check_after(idx));
            self.mask = Some(together);
        }
        self.instructions(idx)?;
        self.terminator(idx)
    }

    /// Lanes that parted may all be here again.
    fn is_meeting_point(&self, idx: usize) -> bool {
        let analysis = self.input.analysis;
        !analysis.careful[idx]
            && analysis
                .diverges
                .iter()
                .enumerate()
                .any(|(branch, &diverges)| diverges && self.input.program.post_dominators[branch] == idx)
    }

    pub(super) fn enter(&mut self, idx: usize, mode: Mode, mask: Option<Value<'c>>) {
        self.known.clear();
        self.remember_reads = true;
        self.current = idx;
        self.mode = mode;
        self.mask = mask;
    }

    /// Where the search goes on after block `idx`.
    fn check_after(&self, idx: usize) -> Label<'c> {
        self.labels.get(idx + 1).map_or(self.chain_end, |labels| labels.check)
    }

    pub(super) fn instructions(&mut self, idx: usize) -> Result<(), JitError> {
        let program = self.input.program;
        for inst in &program.blocks[idx].insts {
            self.span = inst.span;
            self.test_alignment(inst);
            self.instruction(inst)?;
        }
        Ok(())
    }

    fn instruction(&mut self, inst: &vgpu_ptx::ir::Inst) -> Result<(), JitError> {
        match &inst.op {
            op if suspends(op) => Ok(()),
            Op::WarpSync if self.input.analysis.joins[self.current] => Ok(()),
            op if Self::is_hint(op) => Ok(()),
            Op::ReadSpecial(register) => self.read_special(inst, *register),
            Op::Cvta { space, to_generic } => self.convert_address(inst, *space, *to_generic),
            Op::IsSpace(space) => self.is_space(inst, *space),
            Op::Load(access) => self.load(inst, access),
            Op::Store(access) => self.store(inst, access),
            Op::CallBuiltin(builtin, args) => self.call_builtin(*builtin, args),
            Op::Fence(..)
            | Op::CpAsync { .. }
            | Op::Alloca { .. }
            | Op::StackSave
            | Op::StackRestore
            | Op::Call(..)
            | Op::CallIndirect(..) => self.exchange(inst),
            op if op.is_between_threads() => self.exchange(inst),
            _ => self.compute(inst),
        }
    }

    // ---- Edges ---------------------------------------------------------------------------------------------------

    /// Assigns the phis of `to` for the edge from the current block. `mask` are the lanes that take it; in the full copy
    /// there is none.
    pub(super) fn assign_phis(&mut self, to: usize, mask: Option<Value<'c>>) {
        let program = self.input.program;
        let from = self.current;
        let block = &program.blocks[to];
        if block.phis.is_empty() {
            return;
        }
        let pred_idx = block.preds.iter().position(|&pred| pred == from).expect("edges have a predecessor entry");
        let keep = mask.filter(|_| self.must_keep(from, to));
        // All arguments are read before the first phi is written: they assign in parallel.
        let mut values: Vec<(Slot<'c>, Sym<Value<'c>>)> = Vec::new();
        for phi in &block.phis {
            let Some(slot) = self.slots[phi.dst].clone() else { continue };
            let width = program.values[phi.dst];
            let shape = self.shape(phi.dst).clone();
            let sym = self.operand(&phi.args[pred_idx], width);
            let sym = self.coerce(sym, &shape);
            values.push((slot, sym));
        }
        for (slot, sym) in values {
            self.store_slot(&slot.parts, &sym, keep);
        }
    }

    /// Reads the phi arguments of several edges from this block, so that assigning the phis of one target does not
    /// change what another's arguments are. Only for code that nothing but its own path runs after.
    fn read_phi_arguments(&mut self, targets: &[(usize, Value<'c>)]) {
        let program = self.input.program;
        self.remember_reads = true;
        for &(to, _) in targets {
            let block = &program.blocks[to];
            let Some(pred_idx) = block.preds.iter().position(|&pred| pred == self.current) else { continue };
            for phi in &block.phis {
                if let Operand::Reg(reg) = phi.args[pred_idx] {
                    self.read(reg);
                }
            }
        }
        self.remember_reads = false;
    }

    /// True when other lanes may hold live values in the phis of `to` while the edge is taken.
    fn must_keep(&self, from: usize, to: usize) -> bool {
        let (program, analysis) = (self.input.program, self.input.analysis);
        if analysis.careful[from] || analysis.careful[to] {
            return true;
        }
        if to <= from {
            return false;
        }
        if !analysis.partial[from] && !analysis.diverges[from] {
            return false;
        }
        let leaves_loop = program
            .loops
            .iter()
            .any(|found| (found.first..=found.last).contains(&from) && !(found.first..=found.last).contains(&to));
        let is_first = program.blocks[to].preds.iter().all(|&pred| pred >= from || pred >= to);
        leaves_loop || !is_first
    }

    pub(super) fn add_pending(&mut self, to: usize, mask: Value<'c>) {
        let before = self.load_variable(self.mask_type(), self.pending[to]);
        let both = self.b.or(before, mask);
        self.store_variable(both, self.pending[to]);
    }

    fn terminator(&mut self, idx: usize) -> Result<(), JitError> {
        let program = self.input.program;
        let block = &program.blocks[idx];
        if suspends_at_end(&block.insts) || self.input.analysis.joins[idx] {
            let inst = block.insts.last().expect("a suspended block ends in the suspension");
            let Terminator::Branch(next) = block.terminator else {
                unreachable!("preparation splits blocks after suspensions")
            };
            self.span = inst.span;
            return self.suspend(idx, inst, next.idx());
        }
        match &block.terminator {
            Terminator::Branch(to) => self.jump(to.idx()),
            Terminator::CondBranch { pred, then, otherwise, .. } => self.cond_jump(*pred, then.idx(), otherwise.idx()),
            Terminator::IndexBranch { index, targets, .. } => {
                let targets: Vec<usize> = targets.iter().map(|target| target.idx()).collect();
                self.index_jump(*index, &targets);
            }
            Terminator::Return | Terminator::Exit => self.end_threads(),
            Terminator::Trap => self.fail(Status::Trap),
        }
        Ok(())
    }

    /// Returns from the function with a status.
    pub(super) fn fail(&mut self, status: Status) {
        self.store_variable(self.i32(status as u32), self.status);
        self.b.branch(self.status_return);
    }

    fn end_threads(&mut self) {
        match self.mask {
            None => self.b.branch(self.program_end),
            Some(mask) => {
                self.count_exited(mask);
                if self.input.analysis.partial[self.current] {
                    self.b.branch(self.check_after(self.current));
                } else {
                    self.b.branch(self.chain_end);
                }
            }
        }
    }

    fn count_exited(&mut self, mask: Value<'c>) {
        let before = self.load_variable(self.context.int(32), self.exited);
        let more = self.count(mask);
        let total = self.b.add(before, more);
        self.store_variable(total, self.exited);
        if let Some(gone) = self.gone {
            let before = self.load_variable(self.mask_type(), gone);
            self.set_gone(self.b.or(before, mask));
        }
    }

    /// Notes which lanes have ended, where that is asked for.
    pub(super) fn set_gone(&self, lanes: Value<'c>) {
        if let Some(gone) = self.gone {
            self.store_variable(lanes, gone);
        }
    }

    /// All active lanes go to `to`.
    pub(super) fn jump(&mut self, to: usize) {
        self.assign_phis(to, self.mask);
        match self.mask {
            None => self.b.branch(self.labels[to].full),
            Some(mask) => self.jump_masked(to, mask),
        }
    }

    fn jump_masked(&mut self, to: usize, mask: Value<'c>) {
        self.add_pending(to, mask);
        let from = self.current;
        let partial = self.input.analysis.partial[from] || self.input.analysis.careful[from];
        // Nothing can be pending before `to`: on a back edge, next in order, or where all live lanes go together.
        if to <= from + 1 || !partial {
            self.b.branch(self.labels[to].body);
        } else {
            self.b.branch(self.check_after(from));
        }
    }

    fn cond_jump(&mut self, pred: Reg, then: usize, otherwise: usize) {
        let sym = self.read(pred);
        if let Some(condition) = self.scalar(&sym) {
            self.remember_reads = false;
            let (yes, no) = (self.new_block("then"), self.new_block("else"));
            self.b.cond_branch(condition, yes, no);
            self.b.position(yes);
            self.jump(then);
            self.b.position(no);
            self.jump(otherwise);
            return;
        }
        let condition = self.vector(&sym);
        // Ways out of the block are separate paths: what one reads the other has not.
        self.remember_reads = false;
        match self.mask {
            None => self.part(condition, then, otherwise),
            Some(mask) => {
                let taken = self.b.and(mask, condition);
                let not = self.b.not(condition);
                let passed = self.b.and(mask, not);
                self.send(&[(then, taken), (otherwise, passed)]);
            }
        }
    }

    /// A divergent branch in the full copy: if the lanes agree it stays there.
    fn part(&mut self, condition: Value<'c>, then: usize, otherwise: usize) {
        let bits = self.mask_bits(condition);
        let (mixed, all, agree) = (self.new_block("mixed"), self.new_block("all"), self.new_block("agree"));
        let none = self.new_block("none");
        let is_all = self.b.icmp(IntPredicate::Eq, bits, bits.ty().all_ones());
        self.b.cond_branch(is_all, all, agree);
        self.b.position(all);
        self.jump(then);
        self.b.position(agree);
        let is_none = self.b.icmp(IntPredicate::Eq, bits, bits.ty().zero());
        self.b.cond_branch(is_none, none, mixed);
        self.b.position(none);
        self.jump(otherwise);
        self.b.position(mixed);
        let not = self.b.not(condition);
        self.mode = Mode::Masked;
        self.send(&[(then, condition), (otherwise, not)]);
        self.mode = Mode::Full;
    }

    /// Sends lanes to several blocks (all different), then goes on with the first pending one.
    fn send(&mut self, targets: &[(usize, Value<'c>)]) {
        let from = self.current;
        let analysis = self.input.analysis;
        self.read_phi_arguments(targets);
        let mut staying = Vec::new();
        for &(to, mask) in targets {
            if analysis.ends_thread[to] {
                self.count_exited(mask);
            } else {
                self.assign_phis(to, Some(mask));
                self.add_pending(to, mask);
                staying.push((to, mask));
            }
        }
        let first = staying.iter().map(|&(to, _)| to).min();
        let Some(first) = first else {
            self.b.branch(if analysis.partial[from] { self.check_after(from) } else { self.chain_end });
            return;
        };
        if first > from {
            self.b.branch(self.labels[if analysis.partial[from] { from + 1 } else { first }].check);
            return;
        }
        // A back edge: run it when some lane takes it, else what comes next.
        let taken = staying.iter().filter(|&&(to, _)| to <= from).map(|&(to, mask)| (to, mask)).collect::<Vec<_>>();
        for (to, mask) in taken {
            let any = self.any(mask);
            let other = self.new_block("other");
            self.b.cond_branch(any, self.labels[to].body, other);
            self.b.position(other);
        }
        self.b.branch(self.check_after(from));
    }

    fn index_jump(&mut self, index: Reg, targets: &[usize]) {
        let sym = self.read(index);
        self.remember_reads = false;
        let outside = self.new_block("outside");
        let ty = self.context.int(32);
        if let Some(index) = self.scalar(&sym) {
            let cases: Vec<_> = (0..targets.len()).map(|case| (case as u64, self.new_block("case"))).collect();
            self.b.switch(index, outside, &cases);
            for (&to, (_, label)) in targets.iter().zip(&cases) {
                self.b.position(*label);
                self.jump(to);
            }
        } else {
            let index = self.vector(&sym);
            let active = self.mask.unwrap_or_else(|| self.mask_type().all_ones());
            let limit = self.vector_of(ty).constant(targets.len() as u64);
            let beyond = self.b.and(self.b.icmp(IntPredicate::Uge, index, limit), active);
            let inside = self.new_block("inside");
            let any_beyond = self.any(beyond);
            self.b.cond_branch(any_beyond, outside, inside);
            self.b.position(inside);
            let mut sent: Vec<(usize, Value<'c>)> = Vec::new();
            for (case, &to) in targets.iter().enumerate() {
                let here = self.b.icmp(IntPredicate::Eq, index, self.vector_of(ty).constant(case as u64));
                let here = self.b.and(here, active);
                match sent.iter_mut().find(|(target, _)| *target == to) {
                    Some((_, mask)) => *mask = self.b.or(*mask, here),
                    None => sent.push((to, here)),
                }
            }
            self.send(&sent);
        }
        self.b.position(outside);
        self.fail(Status::Trap);
    }

    fn emit_chain_end(&mut self) {
        self.b.position(self.chain_end);
        self.resume_waiting_or_end();
    }
}

/// The block's last instruction waits for other threads.
pub(super) fn suspends_at_end(insts: &[vgpu_ptx::ir::Inst]) -> bool {
    insts.last().is_some_and(|inst| suspends(&inst.op))
}
