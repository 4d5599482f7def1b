//! What lanes of each warp of a block wait for, in kernels where they wait in different places.
//!
//! Model. A program reports lanes that join ([`WarpWait`]); those at a barrier of the block are counted there and released when
//! it completes; those at `bar.warp.sync` are released when every lane of their membermask that has not ended waits with the same mask.

use super::barrier::Barriers;
use vgpu_jit::abi::{WARP_SYNC, WarpWait};

/// The waiting lanes of one program.
#[derive(Clone, Debug, Default)]
pub(crate) struct WaitingLanes {
    at_barrier: [u32; super::barrier::BARRIERS],
    /// Membermask and lanes that wait with it.
    at_sync: Vec<(u32, u32)>,
}

impl WaitingLanes {
    /// Books the lanes that a program says have joined.
    pub(crate) fn join(&mut self, program: usize, wait: &WarpWait, barriers: &mut Barriers) {
        let mut left = wait.lanes;
        while left != 0 {
            let first = left.trailing_zeros() as usize;
            let (id, expected) = (wait.ids[first], wait.expected[first]);
            let alike = |lane: &usize| wait.ids[*lane] == id && wait.expected[*lane] == expected;
            let lanes =
                (0..32).filter(|lane| left >> lane & 1 != 0).filter(alike).fold(0, |mask, lane| mask | 1 << lane);
            left &= !lanes;
            if id == WARP_SYNC {
                match self.at_sync.iter_mut().find(|(members, _)| *members == expected) {
                    Some((_, waiting)) => *waiting |= lanes,
                    None => self.at_sync.push((expected, lanes)),
                }
            } else {
                let n_true = (wait.predicates & lanes).count_ones();
                barriers.arrive(program, id, expected, lanes.count_ones(), n_true);
                self.at_barrier[id as usize % self.at_barrier.len()] |= lanes;
            }
        }
    }

    /// Lanes whose warp synchronisation is complete.
    pub(crate) fn take_synchronised(&mut self, alive: u32) -> u32 {
        let mut released = 0;
        self.at_sync.retain(|(members, waiting)| {
            let complete = members & alive & !waiting == 0;
            released |= if complete { *waiting } else { 0 };
            !complete
        });
        released
    }

    /// Lanes that waited at a barrier which is complete.
    pub(crate) fn take_barrier(&mut self, id: u32) -> u32 {
        std::mem::take(&mut self.at_barrier[id as usize % super::barrier::BARRIERS])
    }

    /// Lanes that wait for others of their warp.
    pub(crate) fn synchronising(&self) -> u32 {
        self.at_sync.iter().fold(0, |lanes, (_, waiting)| lanes | waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(lanes: u32, id: impl Fn(u32) -> u32, expected: impl Fn(u32) -> u32) -> WarpWait {
        let by_lane = |f: &dyn Fn(u32) -> u32| std::array::from_fn(|lane| f(lane as u32));
        WarpWait {
            lanes,
            alive: u32::MAX,
            predicates: 0,
            released: 0,
            ids: by_lane(&id),
            expected: by_lane(&expected),
            results: [0; 32],
            result_threads: [0; 32],
        }
    }

    #[test]
    fn a_warp_synchronisation_needs_all_members_that_live() {
        let mut lanes = WaitingLanes::default();
        let mut barriers = Barriers::default();
        lanes.join(0, &wait(0x0f, |_| WARP_SYNC, |_| 0xff), &mut barriers);
        lanes.join(0, &wait(0xf00, |_| WARP_SYNC, |_| 0xf00), &mut barriers);
        assert_eq!(lanes.take_synchronised(u32::MAX), 0xf00);
        assert_eq!(lanes.take_synchronised(u32::MAX), 0);
        assert_eq!(lanes.synchronising(), 0x0f);
        assert_eq!(lanes.take_synchronised(!0xf0), 0x0f);
    }

    #[test]
    fn lanes_of_one_operation_may_name_different_barriers() {
        let mut lanes = WaitingLanes::default();
        let mut barriers = Barriers::default();
        lanes.join(0, &wait(u32::MAX, |lane| 1 + lane % 2, |_| 32), &mut barriers);
        assert_eq!(lanes.take_barrier(1), 0x5555_5555);
        assert_eq!(lanes.take_barrier(2), 0xaaaa_aaaa);
        assert_eq!(lanes.take_barrier(2), 0);
    }
}
