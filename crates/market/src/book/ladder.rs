//! A price ladder: one queue per tick and a two-level bitmap of the ticks that have orders.
//!
//! The best price is two bit scans away whatever the book looks like, and a level is an array access. The same structure
//! holds bids, asks, and stops at their triggers. The levels are allocated with the first order.

use super::orders::{Orders, Queue};
use crate::units::N_TICKS;

const N_WORDS: usize = N_TICKS / 64;

/// One side of a book.
#[derive(Clone, Debug)]
pub(crate) struct Ladder {
    levels: Vec<Queue>,
    /// Bit `t % 64` of word `t / 64`: tick `t` has orders.
    words: [u64; N_WORDS],
    /// Bit `w`: word `w` is not zero.
    summary: u64,
}

impl Ladder {
    pub fn new() -> Self {
        Self { levels: Vec::new(), words: [0; N_WORDS], summary: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.summary == 0
    }

    /// The queue at `tick`.
    pub fn level(&self, tick: u16) -> Queue {
        self.levels.get(usize::from(tick)).copied().unwrap_or(Queue::EMPTY)
    }

    /// The lowest tick with orders.
    #[inline]
    pub fn lowest(&self) -> Option<u16> {
        if self.summary == 0 {
            return None;
        }
        let word = self.summary.trailing_zeros();
        Some((word * 64 + self.words[word as usize].trailing_zeros()) as u16)
    }

    /// The highest tick with orders.
    #[inline]
    pub fn highest(&self) -> Option<u16> {
        if self.summary == 0 {
            return None;
        }
        let word = 63 - self.summary.leading_zeros();
        Some((word * 64 + 63 - self.words[word as usize].leading_zeros()) as u16)
    }

    /// The ticks with orders, lowest first.
    pub fn ticks(&self) -> impl DoubleEndedIterator<Item = u16> {
        (0..N_WORDS).filter(|word| self.words[*word] != 0).flat_map(move |word| {
            (0..64).filter(move |bit| self.words[word] >> bit & 1 == 1).map(move |bit| (word * 64 + bit) as u16)
        })
    }

    /// Appends an order at `tick`.
    #[inline]
    pub fn push(&mut self, orders: &mut Orders, tick: u16, slot: u32) {
        if self.levels.is_empty() {
            self.levels = vec![Queue::EMPTY; N_TICKS];
        }
        self.levels[usize::from(tick)].push(orders, slot);
        self.words[usize::from(tick / 64)] |= 1 << (tick % 64);
        self.summary |= 1 << (tick / 64);
    }

    /// Takes an order out.
    #[inline]
    pub fn unlink(&mut self, orders: &mut Orders, tick: u16, slot: u32) {
        let level = &mut self.levels[usize::from(tick)];
        level.unlink(orders, slot);
        if level.is_empty() {
            let word = &mut self.words[usize::from(tick / 64)];
            *word &= !(1 << (tick % 64));
            if *word == 0 {
                self.summary &= !(1 << (tick / 64));
            }
        }
    }

    /// The order in `slot` is worth `units` less than before; it keeps its place.
    #[inline]
    pub fn shrink(&mut self, orders: &mut Orders, tick: u16, slot: u32, units: u32) {
        orders.slots[slot as usize].quantity -= units;
        self.levels[usize::from(tick)].quantity -= u64::from(units);
    }
}

#[cfg(test)]
mod tests {
    use super::super::orders::{Place, Ticket};
    use super::*;
    use crate::order::Side;
    use crate::units::TenantId;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// Against a map of lists.
        #[test]
        fn ladder_is_a_map_of_queues(steps in prop::collection::vec((any::<bool>(), 0u16..N_TICKS as u16, 1u32..9), 1..200)) {
            let (mut ladder, mut orders) = (Ladder::new(), Orders::new());
            let mut map: BTreeMap<u16, Vec<u32>> = BTreeMap::new();
            for (insert, tick, quantity) in steps {
                let tick = if tick % 3 == 0 { tick } else { tick % 70 };
                if insert || map.is_empty() {
                    let ticket = Ticket { tenant: TenantId(0), book: 0, side: Side::Buy, tick, quantity };
                    let slot = orders.insert(ticket, Place::Resting);
                    ladder.push(&mut orders, tick, slot);
                    map.entry(tick).or_default().push(slot);
                } else {
                    let at = *map.keys().nth(usize::from(tick) % map.len()).expect("not empty");
                    let list = map.get_mut(&at).expect("listed");
                    let slot = list.remove(quantity as usize % list.len());
                    if list.is_empty() {
                        map.remove(&at);
                    }
                    ladder.unlink(&mut orders, at, slot);
                    orders.release(slot);
                }
                prop_assert_eq!(ladder.lowest(), map.keys().next().copied());
                prop_assert_eq!(ladder.highest(), map.keys().next_back().copied());
                prop_assert_eq!(ladder.ticks().collect::<Vec<_>>(), map.keys().copied().collect::<Vec<_>>());
                for (tick, list) in &map {
                    prop_assert_eq!(&orders.walk(ladder.level(*tick).head).collect::<Vec<_>>(), list);
                }
            }
        }
    }
}
