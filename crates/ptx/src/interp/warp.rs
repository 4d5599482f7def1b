//! Warp-wide operations: `bar.warp.sync shfl vote match redux elect`, and the meeting of lanes for all of them.
//!
//! A lane that executes one waits ([`State::AtWarp`]) until every lane of its membermask that has not ended waits at the same operation
//! with the same mask, wherever in the program that is. The forms without `.sync` act on the lanes that execute together.
//! Source: PTX ISA, "Parallel Synchronization and Communication Instructions".

use super::FaultKind;
use super::arith::{integer, wrap};
use super::block::Block;
use super::launch::Grid;
use super::thread::State;
use crate::ir::{Inst, Module, Op, ReduxOp, ScalarType, ShuffleMode, VoteMode};
use vgpu_types::WARP_SIZE;

/// The instruction a waiting thread stands at.
fn waiting_at<'m>(module: &'m Module, block: &Block, t: usize) -> &'m Inst {
    let pc = block.threads[t].pc();
    &module.functions[pc.func].blocks[pc.block].insts[pc.inst]
}

impl Block {
    /// The lanes that take part in a warp-wide instruction of thread `t`.
    pub(super) fn members(&self, grid: &Grid<'_>, warp_idx: usize, t: usize, inst: &Inst, active_mask: u32) -> u32 {
        let thread = &self.threads[t];
        let mask_operand = match inst.op {
            Op::Shuffle { sync: true, .. } => Some(3),
            Op::Vote { sync: true, .. } | Op::Match { .. } | Op::Redux { .. } => Some(1),
            Op::WarpSync | Op::Elect => Some(0),
            _ => None,
        };
        match (mask_operand, &inst.op) {
            (Some(i), _) => inst.srcs.get(i).map_or(u32::MAX, |src| thread.operand(grid, src) as u32),
            (None, Op::Shuffle { .. } | Op::Vote { .. }) => active_mask,
            // Matrix operations: every lane of the warp.
            (None, _) => self.lanes(warp_idx).fold(0, |mask, t| mask | 1 << self.threads[t].lane),
        }
    }

    /// Executes the warp-wide operations whose lanes have all arrived.
    pub(super) fn complete_warp_operations(&mut self, grid: &mut Grid<'_>, warp_idx: usize) -> Result<(), FaultKind> {
        let start = warp_idx * WARP_SIZE as usize;
        for t in self.lanes(warp_idx) {
            let State::AtWarp(members) = self.threads[t].state else { continue };
            let inst = waiting_at(grid.module, self, t);
            let lanes: Vec<usize> = self
                .lanes(warp_idx)
                .filter(|&other| members >> (other - start) & 1 == 1 && self.threads[other].state != State::Ended)
                .collect();
            let all_here = lanes.iter().all(|&other| {
                self.threads[other].state == State::AtWarp(members)
                    && waiting_at(grid.module, self, other).op == inst.op
            });
            if !all_here {
                continue;
            }
            self.current = (t, self.threads[t].pc().func, inst.span, inst.line);
            let insts: Vec<&Inst> = lanes.iter().map(|&other| waiting_at(grid.module, self, other)).collect();
            self.warp_operation(grid, &lanes, &insts, members)?;
            for &other in &lanes {
                self.threads[other].state = State::Ready;
                self.threads[other].advance();
            }
        }
        Ok(())
    }

    /// Source operand `i` of the `n`-th of the lanes.
    pub(super) fn lane_src(&self, grid: &Grid<'_>, t: usize, inst: &Inst, i: usize) -> u64 {
        inst.srcs.get(i).map_or(0, |src| self.threads[t].operand(grid, src) as u64)
    }

    /// Writes destination `i`, when the instruction has it.
    pub(super) fn lane_set(&mut self, module: &Module, t: usize, inst: &Inst, i: usize, value: u64) {
        if let Some(&dst) = inst.dsts.get(i) {
            self.threads[t].set_reg(module, dst, u128::from(value));
        }
    }

    /// Executes one operation for all its lanes; `insts` are the lanes' own instructions, alike but for operands.
    fn warp_operation(
        &mut self,
        grid: &mut Grid<'_>,
        lanes: &[usize],
        insts: &[&Inst],
        members: u32,
    ) -> Result<(), FaultKind> {
        let module = grid.module;
        let values = |block: &Self, i: usize| -> Vec<u64> {
            lanes.iter().zip(insts).map(|(&t, inst)| block.lane_src(grid, t, inst, i)).collect()
        };
        let lane_numbers: Vec<u32> = lanes.iter().map(|&t| self.threads[t].lane).collect();
        match insts[0].op.clone() {
            Op::WarpSync => {}
            Op::Shuffle { mode, .. } => {
                let (a, b, c) = (values(self, 0), values(self, 1), values(self, 2));
                for (n, &t) in lanes.iter().enumerate() {
                    let (source, in_range) = shuffle_source(mode, lane_numbers[n], b[n] as u32, c[n] as u32);
                    // A source lane that does not take part is undefined behaviour; the lane's own value here.
                    let from = lane_numbers.iter().position(|&lane| lane == source);
                    let value = if in_range { from.map_or(a[n], |from| a[from]) } else { a[n] };
                    self.lane_set(module, t, insts[n], 0, value);
                    self.lane_set(module, t, insts[n], 1, u64::from(in_range));
                }
            }
            Op::Vote { mode, .. } => {
                let ballot =
                    values(self, 0).iter().zip(&lane_numbers).fold(0, |mask, (&p, &lane)| mask | (p & 1) << lane);
                let all = lane_numbers.iter().fold(0, |mask, &lane| mask | 1 << lane);
                let result = match mode {
                    VoteMode::All => u64::from(ballot == all),
                    VoteMode::Any => u64::from(ballot != 0),
                    VoteMode::Uni => u64::from(ballot == 0 || ballot == all),
                    VoteMode::Ballot => ballot,
                };
                for (n, &t) in lanes.iter().enumerate() {
                    self.lane_set(module, t, insts[n], 0, result);
                }
            }
            Op::Match { all, ty } => {
                let a: Vec<u64> = values(self, 0).iter().map(|&value| wrap(ty, i128::from(value))).collect();
                for (n, &t) in lanes.iter().enumerate() {
                    let equal = (0..lanes.len()).filter(|&m| a[m] == a[n]);
                    let mask = equal.fold(0u64, |mask, m| mask | 1 << lane_numbers[m]);
                    let agreed = mask.count_ones() as usize == lanes.len();
                    let result = if !all || agreed { mask } else { 0 };
                    self.lane_set(module, t, insts[n], 0, result);
                    self.lane_set(module, t, insts[n], 1, u64::from(agreed));
                }
            }
            Op::Redux { op, ty } => {
                let reduced = values(self, 0).into_iter().reduce(|a, b| redux(op, ty, a, b)).unwrap_or(0);
                for (n, &t) in lanes.iter().enumerate() {
                    self.lane_set(module, t, insts[n], 0, reduced);
                }
            }
            Op::Elect => {
                // The manual leaves the choice open: the lowest lane.
                let leader = lane_numbers.iter().copied().min().unwrap_or(0);
                for (n, &t) in lanes.iter().enumerate() {
                    self.lane_set(module, t, insts[n], 0, u64::from(leader));
                    self.lane_set(module, t, insts[n], 1, u64::from(lane_numbers[n] == leader));
                }
            }
            op => {
                debug_assert!(members.count_ones() as usize >= lanes.len());
                self.matrix_operation(grid, lanes, insts, &op)?;
            }
        }
        Ok(())
    }
}

/// The lane that `shfl` reads, and whether it is in range; the manual's pseudocode.
fn shuffle_source(mode: ShuffleMode, lane: u32, b: u32, c: u32) -> (u32, bool) {
    let (b_value, c_value, segment) = (b & 0x1f, c & 0x1f, c >> 8 & 0x1f);
    let max_lane = lane & segment | c_value & !segment;
    let min_lane = lane & segment;
    match mode {
        ShuffleMode::Up => {
            let source = lane as i32 - b_value as i32;
            (source as u32, source >= max_lane as i32)
        }
        ShuffleMode::Down => (lane + b_value, lane + b_value <= max_lane),
        ShuffleMode::Bfly => (lane ^ b_value, lane ^ b_value <= max_lane),
        ShuffleMode::Idx => {
            let source = min_lane | b_value & !segment;
            (source, source <= max_lane)
        }
    }
}

fn redux(op: ReduxOp, ty: ScalarType, a: u64, b: u64) -> u64 {
    let (x, y) = (integer(ty, a), integer(ty, b));
    wrap(
        ty,
        match op {
            ReduxOp::Add => x + y,
            ReduxOp::Min => x.min(y),
            ReduxOp::Max => x.max(y),
            ReduxOp::And => x & y,
            ReduxOp::Or => x | y,
            ReduxOp::Xor => x ^ y,
        },
    )
}
