//! The sixteen named barriers of a block, as a state machine without threads.
//!
//! A barrier without a count is complete when all live threads of the block have arrived. With a count, a warp whose live
//! threads have all arrived counts as a whole warp ("the arrival count is incremented by the warp size"); until then its
//! arrived threads count one by one, so that parts of a warp may meet parts of others. Source: PTX ISA "bar, barrier" and `vgpu_jit::abi::FrameHeader`.

use vgpu_types::WARP_SIZE;

/// Number of barriers of a block.
pub(crate) const BARRIERS: usize = 16;

/// Warps of a block, at most.
const MAX_WARPS: usize = 32;

/// One barrier between two completions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Barrier {
    /// Threads that arrived, waiting or not.
    pub(crate) arrived: u32,
    /// Of those, how many had a true predicate.
    pub(crate) predicates: u32,
    /// Count operand, or 0 for all live threads.
    pub(crate) expected: u32,
    /// What whole warps count more than they have threads.
    surplus: u32,
    /// Threads of each warp that arrived since it last counted as a whole. Only where there is a count.
    partial: [u8; MAX_WARPS],
}

/// All barriers of a block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Barriers {
    slots: [Barrier; BARRIERS],
    /// Bit `i`: barrier `i` has arrivals.
    active: u16,
}

/// The live threads of a block, to tell when a barrier is complete.
pub(crate) trait Live {
    /// Live threads of the block.
    fn total(&self) -> u32;
    /// Live threads of a program. Programs are whole warps in kernels that count threads at barriers.
    fn of_program(&self, program: usize) -> u32;
}

impl Barrier {
    fn needed(&self, live: &dyn Live) -> u32 {
        if self.expected == 0 { live.total() } else { self.expected }
    }

    /// Tops up warps that are there as a whole.
    fn count_whole_warps(&mut self, live: &dyn Live) {
        for (warp, partial) in self.partial.iter_mut().enumerate() {
            if *partial != 0 && u32::from(*partial) >= live.of_program(warp) {
                self.surplus += WARP_SIZE.saturating_sub(u32::from(*partial));
                *partial = 0;
            }
        }
    }
}

impl Barriers {
    /// Threads of a program arrive. A number over 15 wraps, as the hardware's four-bit field does.
    pub(crate) fn arrive(&mut self, program: usize, id: u32, expected: u32, threads: u32, predicates: u32) {
        let idx = id as usize % BARRIERS;
        let slot = &mut self.slots[idx];
        slot.arrived += threads;
        slot.predicates += predicates;
        slot.expected = slot.expected.max(expected);
        if expected != 0 {
            slot.partial[program % MAX_WARPS] += threads as u8;
        }
        self.active |= 1 << idx;
    }

    /// Takes one complete barrier, resetting it, when there is one.
    pub(crate) fn take_complete(&mut self, live: &dyn Live) -> Option<(u32, Barrier)> {
        let mut left = self.active;
        while left != 0 {
            let idx = left.trailing_zeros();
            left &= left - 1;
            let slot = &mut self.slots[idx as usize];
            if slot.expected != 0 {
                slot.count_whole_warps(live);
            }
            if slot.arrived + slot.surplus >= slot.needed(live) {
                let complete = std::mem::take(slot);
                self.active &= !(1 << idx);
                return Some((idx, complete));
            }
        }
        None
    }

    /// Forgets everything.
    pub(crate) fn reset(&mut self) {
        if self.active != 0 {
            *self = Self::default();
        }
    }

    /// What is waited for, for a deadlock message.
    pub(crate) fn describe(&self, live: &dyn Live) -> String {
        let waiting = (0..BARRIERS).filter(|idx| self.active & (1 << idx) != 0).map(|idx| {
            let slot = &self.slots[idx];
            format!("barrier {idx} has {} of {} threads", slot.arrived + slot.surplus, slot.needed(live))
        });
        waiting.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Threads of each warp.
    impl Live for &[u32] {
        fn total(&self) -> u32 {
            self.iter().sum()
        }

        fn of_program(&self, program: usize) -> u32 {
            self[program]
        }
    }

    fn check(barriers: &mut Barriers, live: &[u32], complete: Option<(u32, u32)>) {
        let found = barriers.take_complete(&live).map(|(id, barrier)| (id, barrier.predicates));
        assert_eq!(found, complete);
    }

    #[test]
    fn all_live_threads_complete_an_uncounted_barrier() {
        let mut barriers = Barriers::default();
        barriers.arrive(0, 0, 0, 32, 5);
        check(&mut barriers, &[32, 32], None);
        barriers.arrive(1, 0, 0, 32, 7);
        check(&mut barriers, &[32, 32], Some((0, 12)));
        assert_eq!(barriers.active, 0);
    }

    #[test]
    fn exits_complete_an_uncounted_barrier() {
        let mut barriers = Barriers::default();
        barriers.arrive(0, 3, 0, 32, 0);
        check(&mut barriers, &[32, 32, 32], None);
        check(&mut barriers, &[32, 0, 0], Some((3, 0)));
    }

    #[test]
    fn counted_barriers_are_independent() {
        let live = [32; 4];
        let mut barriers = Barriers::default();
        barriers.arrive(0, 1, 64, 32, 0);
        barriers.arrive(1, 2, 96, 32, 0);
        barriers.arrive(2, 2, 96, 32, 0);
        check(&mut barriers, &live, None);
        let text = barriers.describe(&live.as_slice());
        assert_eq!(text, "barrier 1 has 32 of 64 threads, barrier 2 has 64 of 96 threads");
        barriers.arrive(3, 2, 96, 32, 0);
        check(&mut barriers, &live, Some((2, 0)));
        barriers.arrive(1, 1, 64, 32, 0);
        check(&mut barriers, &live, Some((1, 0)));
        check(&mut barriers, &live, None);
    }

    #[test]
    fn a_warp_that_is_there_as_a_whole_counts_its_size() {
        let mut barriers = Barriers::default();
        barriers.arrive(0, 1, 64, 32, 0);
        barriers.arrive(1, 1, 64, 10, 0);
        // The second warp has 16 threads left, then 10.
        check(&mut barriers, &[32, 16], None);
        check(&mut barriers, &[32, 10], Some((1, 0)));
    }

    #[test]
    fn halves_of_two_warps_meet() {
        let mut barriers = Barriers::default();
        barriers.arrive(0, 1, 32, 16, 1);
        barriers.arrive(0, 2, 32, 16, 2);
        check(&mut barriers, &[32, 32], None);
        barriers.arrive(1, 2, 32, 16, 2);
        check(&mut barriers, &[32, 32], Some((2, 4)));
        barriers.arrive(1, 1, 32, 16, 1);
        check(&mut barriers, &[32, 32], Some((1, 2)));
    }
}
