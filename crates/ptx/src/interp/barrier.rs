//! `bar` and `barrier`: named barriers that count threads.
//!
//! A barrier without a count completes when all threads of the block that have not ended have arrived. With a count, a warp whose
//! live lanes have all arrived counts as a whole warp ("the arrival count is incremented by the warp size"); until then its
//! arrived lanes count one by one. Source: PTX ISA, "Parallel Synchronization and Communication Instructions: bar, barrier".

use super::FaultKind;
use super::block::{Block, N_BARRIERS};
use super::launch::Grid;
use super::thread::State;
use crate::ir::{Barrier, BarrierOp, Inst, Reg};

/// A thread that waits.
#[derive(Clone, Debug)]
struct Waiter {
    thread_idx: usize,
    op: BarrierOp,
    pred: bool,
    dst: Option<Reg>,
}

/// One of the sixteen barriers of a block.
#[derive(Clone, Debug, Default)]
pub(super) struct NamedBarrier {
    /// Arrivals as the count operand sees them.
    arrived: u32,
    /// Lanes of each warp that have arrived since the warp last counted as a whole.
    partial: Vec<u32>,
    /// Arrivals needed; `None` for all live threads.
    expected: Option<u32>,
    waiting: Vec<Waiter>,
}

impl Block {
    /// A thread executes a barrier instruction; its program counter is already past it.
    pub(super) fn arrive_at_barrier(
        &mut self,
        grid: &Grid<'_>,
        t: usize,
        form: &Barrier,
        inst: &Inst,
    ) -> Result<(), FaultKind> {
        let thread = &self.threads[t];
        let value = |i: usize| inst.srcs.get(i).map_or(0, |src| thread.operand(grid, src));
        let id = value(0) as u32 as usize;
        if id >= N_BARRIERS {
            return Err(FaultKind::Undefined("barrier number above 15"));
        }
        let expected = form.has_threads.then(|| value(1) as u32);
        if expected.is_some_and(|n| n == 0 || !n.is_multiple_of(vgpu_types::WARP_SIZE)) {
            return Err(FaultKind::Undefined("a barrier's thread count is not a positive multiple of the warp size"));
        }
        let pred = value(if form.has_threads { 2 } else { 1 }) & 1 == 1;
        let barrier = &mut self.barriers[id];
        if barrier.arrived > 0 && barrier.expected != expected {
            return Err(FaultKind::Undefined("threads arrive at one barrier with different thread counts"));
        }
        barrier.expected = expected;
        barrier.arrived += 1;
        let (warp_idx, lane) = (t / vgpu_types::WARP_SIZE as usize, self.threads[t].lane);
        barrier.partial.resize(barrier.partial.len().max(warp_idx + 1), 0);
        barrier.partial[warp_idx] |= 1 << lane;
        if form.op != BarrierOp::Arrive {
            barrier.waiting.push(Waiter { thread_idx: t, op: form.op, pred, dst: inst.dsts.first().copied() });
            self.threads[t].state = State::AtBarrier(id as u32);
        }
        Ok(())
    }

    /// Tops up warps whose live lanes have all arrived to the warp size.
    fn count_whole_warps(&mut self, barrier_idx: usize) {
        for warp_idx in 0..self.barriers[barrier_idx].partial.len() {
            let live = self.lanes(warp_idx).filter(|&t| self.threads[t].state != State::Ended);
            let live_mask = live.fold(0, |mask, t| mask | 1 << self.threads[t].lane);
            let barrier = &mut self.barriers[barrier_idx];
            let arrived = barrier.partial[warp_idx];
            if arrived != 0 && live_mask & !arrived == 0 {
                barrier.arrived += vgpu_types::WARP_SIZE - arrived.count_ones();
                barrier.partial[warp_idx] = 0;
            }
        }
    }

    /// Lets the threads of completed barriers go on.
    pub(super) fn complete_barriers(&mut self, grid: &Grid<'_>) {
        for i in 0..N_BARRIERS {
            if self.barriers[i].arrived == 0 {
                continue;
            }
            self.count_whole_warps(i);
            let barrier = &mut self.barriers[i];
            let complete = match barrier.expected {
                Some(expected) => barrier.arrived >= expected,
                None => barrier.waiting.len() as u32 == self.live,
            };
            if !complete {
                continue;
            }
            let waiting = std::mem::take(barrier).waiting;
            let n_true = waiting.iter().filter(|waiter| waiter.pred).count();
            for waiter in &waiting {
                let thread = &mut self.threads[waiter.thread_idx];
                thread.state = State::Ready;
                let result = match waiter.op {
                    BarrierOp::RedPopc => n_true as u128,
                    BarrierOp::RedAnd => u128::from(n_true == waiting.len()),
                    BarrierOp::RedOr => u128::from(n_true > 0),
                    BarrierOp::Sync | BarrierOp::Arrive => continue,
                };
                if let Some(dst) = waiter.dst {
                    thread.set_reg(grid.module, dst, result);
                }
            }
        }
    }
}
