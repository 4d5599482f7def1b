//! A block: its threads, shared memory and barriers, and the choice of who executes next.
//!
//! One **warp step** executes one instruction for all ready lanes of a warp that stand at the same place. The place is the one deepest
//! in calls and earliest in the code, which brings diverged lanes together again where their paths meet. A lane that has
//! been passed over for [`PATIENCE`] steps is then favoured for [`FAVOUR`] steps, so that a lane which others wait for
//! (a lock holder) always gets on.

use super::barrier::NamedBarrier;
use super::execute::Lane;
use super::launch::Grid;
use super::thread::{Pc, State, Thread};
use super::{Fault, FaultKind};
use crate::ir::{FuncId, Inst, LineLoc, Op, Terminator};
use vgpu_types::{Dim3, Span, WARP_SIZE};

/// Warp steps after which a lane that was not chosen is favoured.
const PATIENCE: u64 = 256;
/// Warp steps for which it is.
const FAVOUR: u64 = 256;
/// Warp steps before the next warp of the block gets its turn.
const WARP_SLICE: u64 = 500;
/// Named barriers of a block.
pub(super) const N_BARRIERS: usize = 16;

/// What a block's slice came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// All threads have ended.
    Ended,
    /// The slice is used up.
    Running,
    /// No thread could do anything.
    Stuck,
}

/// Scheduling state of one warp.
#[derive(Clone, Debug, Default)]
pub(super) struct Warp {
    steps: u64,
    /// A lane, and until which step it is favoured.
    favoured: Option<(usize, u64)>,
}

/// A block that has started.
#[derive(Debug)]
pub(super) struct Block {
    pub idx: Dim3,
    pub threads: Vec<Thread>,
    pub shared: Vec<u8>,
    pub barriers: Vec<NamedBarrier>,
    /// Threads that have not ended.
    pub live: u32,
    warps: Vec<Warp>,
    next_warp: usize,
    /// Thread and instruction that are being executed, for fault messages.
    pub current: (usize, FuncId, Span, Option<LineLoc>),
}

impl Block {
    pub fn new(grid: &Grid<'_>, kernel: FuncId, linear: u64) -> Self {
        let extent = grid.config.block;
        let n_threads = extent.volume() as u32;
        let mut threads = Vec::with_capacity(n_threads as usize);
        for t in 0..n_threads {
            // A kernel whose frame is larger than local memory leaves its threads out: `run` reports it.
            threads.extend(Thread::new(grid.module, kernel, t, extent.position(u64::from(t))));
        }
        Self {
            idx: grid.config.grid.position(linear),
            live: threads.len() as u32,
            threads,
            shared: vec![0; grid.shared_bytes as usize],
            barriers: vec![NamedBarrier::default(); N_BARRIERS],
            warps: vec![Warp::default(); n_threads.div_ceil(WARP_SIZE) as usize],
            next_warp: 0,
            current: (0, kernel, grid.module.functions[kernel].span, None),
        }
    }

    /// Runs up to `slice` warp steps.
    pub fn run(&mut self, grid: &mut Grid<'_>, slice: u64) -> Result<Progress, FaultKind> {
        if self.threads.is_empty() {
            return Err(FaultKind::StackOverflow);
        }
        let mut used = 0;
        let mut idle_warps = 0;
        while self.live > 0 {
            let warp_idx = self.next_warp;
            self.next_warp = (self.next_warp + 1) % self.warps.len();
            let mut steps = 0;
            while steps < WARP_SLICE && self.step_warp(grid, warp_idx)? {
                steps += 1;
            }
            used += steps;
            idle_warps = if steps == 0 { idle_warps + 1 } else { 0 };
            if idle_warps == self.warps.len() {
                return Ok(if used > 0 { Progress::Running } else { Progress::Stuck });
            }
            if used >= slice {
                return Ok(Progress::Running);
            }
        }
        Ok(Progress::Ended)
    }

    /// The threads of a warp, as a range of thread indices.
    pub fn lanes(&self, warp_idx: usize) -> std::ops::Range<usize> {
        let start = warp_idx * WARP_SIZE as usize;
        start..(start + WARP_SIZE as usize).min(self.threads.len())
    }

    /// The lane whose place is executed next.
    fn choose(&mut self, warp_idx: usize) -> Option<usize> {
        let ready = |block: &Self, t: usize| block.threads[t].state == State::Ready;
        let now = self.warps[warp_idx].steps;
        if let Some((t, until)) = self.warps[warp_idx].favoured {
            if now < until && ready(self, t) {
                return Some(t);
            }
            self.warps[warp_idx].favoured = None;
        }
        let mut first: Option<(Pc, usize)> = None;
        let mut oldest: Option<(u64, usize)> = None;
        for t in self.lanes(warp_idx).filter(|&t| ready(self, t)) {
            let pc = self.threads[t].pc();
            if first.is_none_or(|(best, _)| pc < best) {
                first = Some((pc, t));
            }
            let last = self.threads[t].last_run;
            if oldest.is_none_or(|(best, _)| last < best) {
                oldest = Some((last, t));
            }
        }
        let (last, starved) = oldest?;
        if now - last > PATIENCE {
            self.warps[warp_idx].favoured = Some((starved, now + FAVOUR));
            return Some(starved);
        }
        first.map(|(_, t)| t)
    }

    /// Executes one instruction for one group of lanes; false when no lane of the warp is ready.
    fn step_warp(&mut self, grid: &mut Grid<'_>, warp_idx: usize) -> Result<bool, FaultKind> {
        for t in self.lanes(warp_idx) {
            let thread = &mut self.threads[t];
            if matches!(thread.state, State::AtGrid(phase) if phase < grid.grid_phase) {
                thread.state = State::Ready;
                thread.last_run = self.warps[warp_idx].steps;
            }
        }
        let Some(chosen) = self.choose(warp_idx) else { return Ok(false) };
        let pc = self.threads[chosen].pc();
        let is_in_group = |thread: &Thread| thread.state == State::Ready && thread.pc() == pc;
        let group: Vec<usize> = self.lanes(warp_idx).filter(|&t| is_in_group(&self.threads[t])).collect();
        let now = self.warps[warp_idx].steps + 1;
        self.warps[warp_idx].steps = now;
        grid.steps += group.len() as u64;
        if grid.steps > grid.config.step_limit {
            return Err(FaultKind::StepLimit(grid.config.step_limit));
        }
        let code = &grid.module.functions[pc.func].blocks[pc.block];
        for &t in &group {
            self.threads[t].last_run = now;
        }
        match code.insts.get(pc.inst) {
            Some(inst) => self.step_inst(grid, warp_idx, &group, pc, inst)?,
            None => {
                for &t in &group {
                    self.current = (t, pc.func, code.terminator_span, None);
                    self.terminate(grid, t, &code.terminator)?;
                }
            }
        }
        self.complete_warp_operations(grid, warp_idx)?;
        self.complete_barriers(grid);
        grid.complete_grid_sync();
        Ok(true)
    }

    fn step_inst(
        &mut self,
        grid: &mut Grid<'_>,
        warp_idx: usize,
        group: &[usize],
        pc: Pc,
        inst: &Inst,
    ) -> Result<(), FaultKind> {
        let passes = |thread: &Thread| inst.guard.is_none_or(|guard| (thread.reg(guard.reg) == 1) != guard.negated);
        let active: Vec<usize> = group.iter().copied().filter(|&t| passes(&self.threads[t])).collect();
        let active_mask = active.iter().fold(0, |mask, &t| mask | 1 << self.threads[t].lane);
        for &t in group.iter().filter(|t| !active.contains(t)) {
            self.threads[t].advance();
        }
        for &t in &active {
            self.current = (t, pc.func, inst.span, inst.line);
            if is_warp_wide(&inst.op) {
                let members = self.members(grid, warp_idx, t, inst, active_mask);
                if members >> self.threads[t].lane & 1 == 0 {
                    return Err(FaultKind::Undefined("the membermask does not name the executing lane"));
                }
                self.threads[t].state = State::AtWarp(members);
                continue;
            }
            self.threads[t].advance();
            if let Op::Barrier(form) = &inst.op {
                self.arrive_at_barrier(grid, t, form, inst)?;
                continue;
            }
            let thread = &mut self.threads[t];
            let mut lane = Lane { grid, thread, shared: &mut self.shared, block_idx: self.idx, active_mask };
            lane.execute(inst)?;
        }
        Ok(())
    }

    fn terminate(&mut self, grid: &mut Grid<'_>, t: usize, terminator: &Terminator) -> Result<(), FaultKind> {
        let thread = &mut self.threads[t];
        match terminator {
            Terminator::Branch(target) => thread.jump(*target),
            Terminator::CondBranch { pred, negated, then, otherwise, .. } => {
                let taken = (thread.reg(*pred) == 1) != *negated;
                thread.jump(if taken { *then } else { *otherwise });
            }
            Terminator::IndexBranch { index, targets, .. } => {
                let index = thread.reg(*index) as u32;
                let bad = FaultKind::BadBranch { index, targets: targets.len() };
                thread.jump(*targets.get(index as usize).ok_or(bad)?);
            }
            Terminator::Return => match thread.leave(grid.module) {
                Some((bytes, receivers)) => super::call::deliver(grid.module, thread, &bytes, &receivers),
                None => self.end(grid, t),
            },
            Terminator::Exit => self.end(grid, t),
            Terminator::Trap => return Err(FaultKind::Trap),
        }
        Ok(())
    }

    fn end(&mut self, grid: &mut Grid<'_>, t: usize) {
        let thread = &mut self.threads[t];
        thread.frames.clear();
        thread.local = Vec::new();
        thread.state = State::Ended;
        self.live -= 1;
        grid.ended += 1;
    }

    /// The fault of the thread that is being executed.
    pub fn fault(&self, grid: &Grid<'_>, kind: FaultKind) -> Box<Fault> {
        let (t, func, span, line) = self.current;
        Box::new(Fault {
            kind,
            function: grid.module.functions[func].name.clone(),
            block: self.idx,
            thread: grid.config.block.position(t as u64),
            span,
            line,
        })
    }

    /// Who waits for what, for the deadlock message.
    pub fn why_stuck(&self) -> String {
        let count = |is: fn(&State) -> bool| self.threads.iter().filter(|thread| is(&thread.state)).count();
        format!(
            "{} threads of the block wait at a barrier, {} for lanes of their warp, {} for the grid, {} have ended",
            count(|state| matches!(state, State::AtBarrier(_))),
            count(|state| matches!(state, State::AtWarp(_))),
            count(|state| matches!(state, State::AtGrid(_))),
            count(|state| *state == State::Ended),
        )
    }
}

/// Operations that lanes of a warp do together.
fn is_warp_wide(op: &Op) -> bool {
    matches!(
        op,
        Op::WarpSync
            | Op::Shuffle { .. }
            | Op::Vote { .. }
            | Op::Match { .. }
            | Op::Redux { .. }
            | Op::Elect
            | Op::Mma(_)
            | Op::WmmaLoad(_)
            | Op::WmmaStore(_)
            | Op::LdMatrix(_)
            | Op::StMatrix(_)
            | Op::MovMatrix
    )
}
