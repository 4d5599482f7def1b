//! The blocks that are left, by device, and how a device that has none takes some of another's.
//!
//! Model. Every device has a list of ranges in rising order, of which the first block is claimed first; the ranges of all lists
//! are disjoint and, with what is claimed, make up the grid. A list never has more than its device may still run.
//! One worker of a device at a time takes from others. Locks: a device's `taking` before a list's, and one list's at a time.

use super::lock;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Ranges that together are what nobody has claimed.
#[derive(Debug)]
pub(crate) struct Supply {
    lists: Vec<List>,
    /// Blocks that nobody has claimed. A range on its way from one device to another counts.
    unclaimed: AtomicU64,
}

#[derive(Debug)]
struct List {
    rest: Mutex<VecDeque<Range<u64>>>,
    taking: Mutex<()>,
    planned: u64,
    speed: f64,
    limit: u64,
    claimed: AtomicU64,
    taken: AtomicU64,
}

fn len(ranges: &VecDeque<Range<u64>>) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}

impl Supply {
    /// Divides `total` blocks in proportion to `speeds`, none getting more than its part in `limits`, which add up to 1 at
    /// least.
    pub(crate) fn new(total: u64, speeds: &[f64], limits: &[f64]) -> Self {
        let limits: Vec<u64> = limits.iter().map(|limit| ((limit * total as f64).ceil() as u64).min(total)).collect();
        let mut start = 0;
        let list = |((n, &speed), limit)| {
            let rest = (n > 0).then_some(start..start + n).into_iter().collect();
            start += n;
            let (claimed, taken) = (AtomicU64::new(0), AtomicU64::new(0));
            let (rest, taking) = (Mutex::new(rest), Mutex::default());
            List { rest, taking, planned: n, speed, limit, claimed, taken }
        };
        let planned = plan(total, speeds, &limits);
        let lists = planned.into_iter().zip(speeds).zip(limits).map(list).collect();
        Self { lists, unclaimed: AtomicU64::new(total) }
    }

    /// Blocks that each device starts with.
    pub(crate) fn planned(&self) -> Vec<u64> {
        self.lists.iter().map(|list| list.planned).collect()
    }

    /// Blocks that each device has claimed, and how many it took from others.
    pub(crate) fn counts(&self) -> Vec<(u64, u64)> {
        let count = |list: &List| (list.claimed.load(Ordering::Acquire), list.taken.load(Ordering::Acquire));
        self.lists.iter().map(count).collect()
    }

    /// Whether there is something that device `idx` may claim.
    pub(crate) fn has_work(&self, idx: usize) -> bool {
        self.unclaimed.load(Ordering::Acquire) > 0 && self.allowance(idx) > 0
    }

    /// Blocks that the device may still claim.
    fn allowance(&self, idx: usize) -> u64 {
        self.lists[idx].limit.saturating_sub(self.lists[idx].claimed.load(Ordering::Acquire))
    }

    /// Claims blocks for device `idx`, which has `n_workers` workers: `most` at most, fewer near the end.
    pub(crate) fn claim(&self, idx: usize, most: u64, n_workers: u64) -> Option<Range<u64>> {
        loop {
            if let Some(range) = self.claim_own(idx, most, n_workers) {
                return Some(range);
            }
            if !self.has_work(idx) || !self.take(idx) {
                return None;
            }
        }
    }

    fn claim_own(&self, idx: usize, most: u64, n_workers: u64) -> Option<Range<u64>> {
        let list = &self.lists[idx];
        let mut rest = lock(&list.rest);
        let fair = len(&rest).div_ceil(n_workers.max(1) * 2);
        let first = rest.front_mut()?;
        let n = most.min(fair).max(1).min(first.end - first.start);
        let range = first.start..first.start + n;
        first.start += n;
        if first.is_empty() {
            rest.pop_front();
        }
        list.claimed.fetch_add(n, Ordering::AcqRel);
        self.unclaimed.fetch_sub(n, Ordering::AcqRel);
        Some(range)
    }

    /// Moves a part of the largest list of another device to device `idx`. False when there is nothing to move.
    fn take(&self, idx: usize) -> bool {
        let list = &self.lists[idx];
        let _taking = lock(&list.taking);
        let own = len(&lock(&list.rest));
        if own > 0 {
            // Another worker of the device was faster.
            return true;
        }
        let others = self.lists.iter().enumerate().filter(|(other, _)| *other != idx);
        let sizes = others.map(|(_, other)| (len(&lock(&other.rest)), other));
        let Some((_, victim)) = sizes.max_by_key(|(size, _)| *size).filter(|(size, _)| *size > 0) else {
            return false;
        };
        let taken = {
            let mut rest = lock(&victim.rest);
            let part = part_to_take(len(&rest), list.speed, victim.speed);
            let n = part.min(self.allowance(idx));
            match rest.back_mut() {
                // Only from the last range: what is left of a list stays in rising order.
                Some(last) => {
                    let n = n.min(last.end - last.start);
                    last.end -= n;
                    let taken = last.end..last.end + n;
                    if last.is_empty() {
                        rest.pop_back();
                    }
                    taken
                }
                // Its own workers were faster: whoever asked looks again.
                None => return true,
            }
        };
        if !taken.is_empty() {
            list.taken.fetch_add(taken.end - taken.start, Ordering::AcqRel);
            let mut rest = lock(&list.rest);
            let at = rest.partition_point(|range| range.start < taken.start);
            rest.insert(at, taken);
        }
        true
    }
}

/// How many blocks each device starts with: in proportion to the speeds, within the limits, all blocks in all.
fn plan(total: u64, speeds: &[f64], limits: &[u64]) -> Vec<u64> {
    let speeds: Vec<f64> =
        speeds.iter().map(|&speed| if speed.is_finite() && speed > 0.0 { speed } else { 1e-9 }).collect();
    let mut planned = vec![0u64; speeds.len()];
    let mut left = total;
    // What a limit cuts off goes to the others, until nobody is cut any more.
    while left > 0 {
        let open: Vec<usize> = (0..speeds.len()).filter(|&idx| planned[idx] < limits[idx]).collect();
        let sum: f64 = open.iter().map(|&idx| speeds[idx]).sum();
        let (mut given, batch) = (0, left);
        for &idx in &open {
            let part = (batch as f64 * speeds[idx] / sum) as u64;
            let n = part.min(limits[idx] - planned[idx]).min(left);
            planned[idx] += n;
            left -= n;
            given += n;
        }
        if given == 0 {
            // Only the rounding is left.
            let Some(&idx) = open.iter().max_by(|&&a, &&b| speeds[a].total_cmp(&speeds[b])) else { return planned };
            planned[idx] += 1;
            left -= 1;
        }
    }
    planned
}

/// How much of `left` blocks a device of speed `own` takes from one of speed `theirs`: what both then need equal time for.
fn part_to_take(left: u64, own: f64, theirs: f64) -> u64 {
    let sum = own + theirs;
    let part = if sum.is_finite() && sum > 0.0 { own / sum } else { 0.5 };
    ((left as f64 * part) as u64).clamp(1, left.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_divided_by_speed_within_limits() {
        assert_eq!(plan(100, &[3.0, 1.0], &[100, 100]), [75, 25]);
        assert_eq!(plan(100, &[1.0, 1.0, 1.0], &[100, 100, 100]).iter().sum::<u64>(), 100);
        assert_eq!(plan(100, &[1.0, 1.0, 2.0], &[10, 100, 100]), [10, 30, 60]);
        assert_eq!(plan(100, &[0.0, f64::NAN], &[100, 100]), [50, 50]);
        assert_eq!(plan(1, &[5.0, 1.0], &[1, 1]), [1, 0]);
        assert_eq!(plan(0, &[5.0, 1.0], &[0, 0]), [0, 0]);
    }

    /// Claims everything, device `next(step)` at step `step`, and returns who got each block.
    fn drain(supply: &Supply, total: u64, next: impl Fn(usize) -> usize) -> Vec<usize> {
        let mut owner = vec![usize::MAX; total as usize];
        let mut idle = 0;
        for step in 0.. {
            let idx = next(step);
            match supply.claim(idx, 7, 2) {
                Some(range) => {
                    idle = 0;
                    for block in range {
                        assert_eq!(owner[block as usize], usize::MAX, "block {block} twice");
                        owner[block as usize] = idx;
                    }
                }
                None => idle += 1,
            }
            if idle > 10 {
                break;
            }
        }
        owner
    }

    #[test]
    fn every_block_is_claimed_once_and_the_idle_take_from_the_busy() {
        let supply = Supply::new(1000, &[1.0, 1.0], &[1.0, 1.0]);
        // The second device never comes.
        let owner = drain(&supply, 1000, |_| 0);
        assert!(owner.iter().all(|&idx| idx == 0));
        assert_eq!(supply.counts(), [(1000, 500), (0, 0)]);
        assert!(!supply.has_work(0) && !supply.has_work(1));

        let supply = Supply::new(1001, &[1.0, 2.0, 4.0], &[1.0, 1.0, 1.0]);
        let owner = drain(&supply, 1001, |step| [0, 0, 0, 0, 1, 2][step % 6]);
        assert!(owner.iter().all(|&idx| idx < 3));
        assert_eq!(supply.counts().iter().map(|(n, _)| n).sum::<u64>(), 1001);
    }

    #[test]
    fn a_limit_holds_whoever_is_fast() {
        let supply = Supply::new(100, &[1.0, 1.0], &[0.2, 1.0]);
        let owner = drain(&supply, 100, |step| usize::from(step % 5 == 4));
        assert_eq!(owner.iter().filter(|&&idx| idx == 0).count(), 20);
        assert!(owner.iter().all(|&idx| idx < 2));
    }

    #[test]
    fn threads_share_the_blocks_exactly() {
        let total = 200_000u64;
        let supply = Supply::new(total, &[1.0, 3.0, 0.5], &[1.0, 1.0, 0.3]);
        let counts: Vec<AtomicU64> = (0..total).map(|_| AtomicU64::new(0)).collect();
        std::thread::scope(|scope| {
            for worker in 0..6 {
                let (supply, counts) = (&supply, &counts);
                scope.spawn(move || {
                    while let Some(range) = supply.claim(worker % 3, 5, 2) {
                        range.for_each(|block| _ = counts[block as usize].fetch_add(1, Ordering::Relaxed));
                    }
                });
            }
        });
        assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
        assert!(supply.counts()[2].0 <= (0.3f64 * total as f64).ceil() as u64);
    }
}
