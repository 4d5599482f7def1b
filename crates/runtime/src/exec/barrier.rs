//! The sixteen named barriers of a block, as a state machine without threads.
//!
//! A barrier is complete when as many threads arrived as it expects: the count operand where one was given, else all live
//! threads of the block. Source: PTX ISA "bar, barrier" and `vgpu_jit::abi::FrameHeader`.

/// Number of barriers of a block.
pub(crate) const BARRIERS: usize = 16;

/// One barrier between two completions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Barrier {
    /// Threads that arrived, waiting or not.
    pub(crate) arrived: u32,
    /// Of those, how many had a true predicate.
    pub(crate) predicates: u32,
    /// Count operand, or 0 for all live threads.
    pub(crate) expected: u32,
}

/// All barriers of a block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Barriers {
    slots: [Barrier; BARRIERS],
    /// Bit `i`: barrier `i` has arrivals.
    active: u16,
}

impl Barriers {
    /// Threads arrive. A number over 15 wraps, as the hardware's four-bit field does.
    pub(crate) fn arrive(&mut self, id: u32, expected: u32, threads: u32, predicates: u32) {
        let idx = id as usize % BARRIERS;
        let slot = &mut self.slots[idx];
        slot.arrived += threads;
        slot.predicates += predicates;
        slot.expected = slot.expected.max(expected);
        self.active |= 1 << idx;
    }

    /// Takes one complete barrier, resetting it, when there is one. `live` is the number of live threads of the block.
    pub(crate) fn take_complete(&mut self, live: u32) -> Option<(u32, Barrier)> {
        let mut left = self.active;
        while left != 0 {
            let idx = left.trailing_zeros();
            left &= left - 1;
            let slot = self.slots[idx as usize];
            let needed = if slot.expected == 0 { live } else { slot.expected };
            if slot.arrived >= needed {
                self.slots[idx as usize] = Barrier::default();
                self.active &= !(1 << idx);
                return Some((idx, slot));
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
    pub(crate) fn describe(&self, live: u32) -> String {
        let waiting = (0..BARRIERS).filter(|idx| self.active & (1 << idx) != 0).map(|idx| {
            let slot = self.slots[idx];
            let needed = if slot.expected == 0 { live } else { slot.expected };
            format!("barrier {idx} has {} of {needed} threads", slot.arrived)
        });
        waiting.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_live_threads_complete_an_uncounted_barrier() {
        let mut barriers = Barriers::default();
        barriers.arrive(0, 0, 32, 5);
        assert_eq!(barriers.take_complete(64), None);
        barriers.arrive(0, 0, 32, 7);
        assert_eq!(barriers.take_complete(64), Some((0, Barrier { arrived: 64, predicates: 12, expected: 0 })));
        assert_eq!(barriers.active, 0);
    }

    #[test]
    fn exits_complete_an_uncounted_barrier() {
        let mut barriers = Barriers::default();
        barriers.arrive(3, 0, 32, 0);
        assert_eq!(barriers.take_complete(96), None);
        assert_eq!(barriers.take_complete(32).map(|(id, _)| id), Some(3));
    }

    #[test]
    fn counted_barriers_do_not_look_at_live_threads_and_are_independent() {
        let mut barriers = Barriers::default();
        barriers.arrive(1, 64, 32, 0);
        barriers.arrive(2, 96, 64, 0);
        assert_eq!(barriers.take_complete(32), None);
        assert_eq!(barriers.describe(32), "barrier 1 has 32 of 64 threads, barrier 2 has 64 of 96 threads");
        barriers.arrive(2, 96, 32, 0);
        assert_eq!(barriers.take_complete(32).map(|(id, _)| id), Some(2));
        barriers.arrive(1, 64, 32, 0);
        assert_eq!(barriers.take_complete(32).map(|(id, _)| id), Some(1));
        assert_eq!(barriers.take_complete(32), None);
    }
}
