//! Signals: what sensors and schedulers report, in the order in which it should be looked at.
//!
//! A signal belongs to a domain. Domains have ranks, safety first: a signal of a higher domain is always served before one
//! of a lower. Within a domain the more useful comes first (sixteen classes of utility), and equals in order of arrival.
//! The queue is bounded. When it is full the least important signal goes, old or new, and is counted: never silently, and
//! never a safety signal for the sake of telemetry.

use std::collections::VecDeque;

/// What a signal is about. Later is more important.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Domain {
    /// How busy things are.
    Telemetry,
    /// Cost and prices.
    Economy,
    /// How long work waits.
    Queue,
    /// Memory pressure.
    Memory,
    /// Deadlines of launches and frames.
    Deadline,
    /// Power drawn.
    Power,
    /// Temperature and faults.
    Safety,
}

impl Domain {
    /// All of them, the least important first.
    pub const ALL: [Self; 7] =
        [Self::Telemetry, Self::Economy, Self::Queue, Self::Memory, Self::Deadline, Self::Power, Self::Safety];
}

/// One report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Signal {
    /// What it is about.
    pub domain: Domain,
    /// Which sensor or counter of the domain.
    pub source: u16,
    /// How useful it is to act on it, in 256ths.
    pub utility: u8,
    /// What it says, in the source's unit.
    pub value: f64,
    /// When.
    pub time_ns: u64,
}

/// Classes of utility within a domain.
const CLASSES: usize = 16;
const N_LANES: usize = Domain::ALL.len() * CLASSES;

/// Signals that wait.
#[derive(Clone, Debug)]
pub struct SignalQueue {
    /// By domain and class, the least important first.
    lanes: [VecDeque<Signal>; N_LANES],
    /// Bit `i`: lane `i` has signals.
    occupied: u128,
    n_signals: usize,
    capacity: usize,
    dropped: [u64; Domain::ALL.len()],
}

impl SignalQueue {
    /// A queue for `capacity` signals.
    pub fn new(capacity: usize) -> Self {
        let lanes = std::array::from_fn(|_| VecDeque::new());
        Self { lanes, occupied: 0, n_signals: 0, capacity: capacity.max(1), dropped: [0; Domain::ALL.len()] }
    }

    /// Signals that wait.
    pub const fn len(&self) -> usize {
        self.n_signals
    }

    /// Whether none waits.
    pub const fn is_empty(&self) -> bool {
        self.n_signals == 0
    }

    /// Signals of a domain that were dropped.
    pub const fn dropped(&self, domain: Domain) -> u64 {
        self.dropped[domain as usize]
    }

    /// Adds a signal. When the queue is full, the least important one is dropped and counted, which may be this one.
    #[inline]
    pub fn push(&mut self, signal: Signal) {
        let lane = signal.domain as usize * CLASSES + usize::from(signal.utility) / (256 / CLASSES);
        if self.n_signals == self.capacity {
            let least = self.occupied.trailing_zeros() as usize;
            if lane < least {
                self.dropped[signal.domain as usize] += 1;
                return;
            }
            // The oldest of the least important: news replaces old news.
            self.take(least);
            self.dropped[least / CLASSES] += 1;
        }
        self.lanes[lane].push_back(signal);
        self.occupied |= 1 << lane;
        self.n_signals += 1;
    }

    /// The most important signal.
    #[inline]
    pub fn pop(&mut self) -> Option<Signal> {
        if self.occupied == 0 {
            return None;
        }
        self.take(127 - self.occupied.leading_zeros() as usize)
    }

    #[inline]
    fn take(&mut self, lane: usize) -> Option<Signal> {
        let signal = self.lanes[lane].pop_front()?;
        if self.lanes[lane].is_empty() {
            self.occupied &= !(1 << lane);
        }
        self.n_signals -= 1;
        Some(signal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn signal(domain: usize, utility: u8, source: u16) -> Signal {
        Signal { domain: Domain::ALL[domain], source, utility, value: 0.0, time_ns: 0 }
    }

    proptest! {
        /// Against a sorted list.
        #[test]
        fn the_most_important_comes_first(
            capacity in 1usize..20,
            steps in prop::collection::vec(prop::option::weighted(0.7, (0usize..7, any::<u8>())), 1..200),
        ) {
            let (mut queue, mut list, mut dropped) = (SignalQueue::new(capacity), Vec::new(), [0; 7]);
            // Most important first, then oldest.
            let key = |s: &Signal| (std::cmp::Reverse((s.domain, s.utility / 16)), s.source);
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Some((domain, utility)) => {
                        queue.push(signal(domain, utility, number as u16));
                        list.push(signal(domain, utility, number as u16));
                        if list.len() > capacity {
                            // Of the least important the oldest goes; the new one only when it alone is least.
                            let class = |s: &Signal| (s.domain, s.utility / 16);
                            let least = list.iter().map(class).min().expect("not empty");
                            let at = list.iter().position(|s| class(s) == least).expect("found");
                            dropped[list.remove(at).domain as usize] += 1;
                        }
                    }
                    None => {
                        list.sort_by_key(key);
                        let expected = (!list.is_empty()).then(|| list.remove(0));
                        list.sort_by_key(|s| s.source);
                        prop_assert_eq!(queue.pop(), expected);
                    }
                }
                prop_assert_eq!(queue.len(), list.len());
                for domain in Domain::ALL {
                    prop_assert_eq!(queue.dropped(domain), dropped[domain as usize]);
                }
            }
        }
    }
}
