//! Where a page is, as a coordinate: tier, slot and depth; its hexadecimal grid address; and which free place is best.
//!
//! Model. Each tier is a sheet of [`SLOTS`] columns; `slot` is the column and `depth` the row. Rows are numbered to and fro, so
//! places with neighbouring numbers are neighbours on the sheet. A grid address is [`BASE`] plus 64 bytes per coordinate, the sheets interleaved row by
//! row: it names a place, and is no address that a program can use. Related pages (neighbours in one allocation) are put at
//! neighbouring coordinates ([`FreePlaces::take`]): frames next to each other are mapped, moved and given up in one call.
//!
//! The cache tiers hold no pages: caches are capacities that tiles and prefetching plan against, hence *advisory*.

use std::fmt;

/// First grid address.
pub const BASE: u64 = 0x7FFF_0000;
/// Columns of a sheet.
pub const SLOTS: u32 = 256;
/// Bytes between the addresses of neighbouring coordinates.
pub const STEP: u64 = 64;
/// Coordinates this near count as neighbours.
pub const NEAR: u32 = 8;

/// A kind of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// First-level cache; advisory.
    L1,
    /// Second-level cache; advisory.
    L2,
    /// Third-level cache; advisory.
    L3,
    /// The pool that kernels use.
    Vram,
    /// Pages kept compressed in memory.
    Packed,
    /// The coprocessor's buffer.
    Uhd,
    /// The spill file.
    Disk,
}

impl Tier {
    /// All of them, fastest first.
    pub const ALL: [Self; 7] = [Self::L1, Self::L2, Self::L3, Self::Vram, Self::Packed, Self::Uhd, Self::Disk];

    /// Its name in tables and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::L3 => "L3",
            Self::Vram => "VRAM",
            Self::Packed => "vVRAM",
            Self::Uhd => "UHD",
            Self::Disk => "vSSD",
        }
    }

    /// True for tiers that hold pages.
    pub const fn holds_pages(self) -> bool {
        matches!(self, Self::Vram | Self::Packed | Self::Disk)
    }
}

/// Where a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Coordinate {
    /// Sheet.
    pub tier: Tier,
    /// Column, below [`SLOTS`].
    pub slot: u32,
    /// Row.
    pub depth: u32,
}

impl Coordinate {
    /// The `index`-th place of a tier.
    pub const fn of(tier: Tier, index: u32) -> Self {
        let (slot, depth) = (index % SLOTS, index / SLOTS);
        // Every other row runs backwards, so that the next place is a neighbour at the end of a row as well.
        Self { tier, slot: if depth.is_multiple_of(2) { slot } else { SLOTS - 1 - slot }, depth }
    }

    /// Its number in the tier.
    pub const fn index(self) -> u32 {
        self.depth * SLOTS + if self.depth.is_multiple_of(2) { self.slot } else { SLOTS - 1 - self.slot }
    }

    /// Its grid address.
    pub const fn address(self) -> u64 {
        let row = self.depth as u64 * Tier::ALL.len() as u64 + self.tier as u64;
        BASE + (row * SLOTS as u64 + self.slot as u64) * STEP
    }

    /// The coordinate of a grid address.
    pub fn at(address: u64) -> Option<Self> {
        let linear = address.checked_sub(BASE).filter(|offset| offset.is_multiple_of(STEP))? / STEP;
        let (row, slot) = (linear / u64::from(SLOTS), (linear % u64::from(SLOTS)) as u32);
        let tiers = Tier::ALL.len() as u64;
        let depth = u32::try_from(row / tiers).ok().filter(|depth| *depth <= u32::MAX / SLOTS)?;
        Some(Self { tier: Tier::ALL[(row % tiers) as usize], slot, depth })
    }

    /// Steps on the sheet from one place to another; places of different tiers are far from each other.
    pub const fn distance(self, other: Self) -> u32 {
        let steps = self.slot.abs_diff(other.slot).saturating_add(self.depth.abs_diff(other.depth));
        let tiers = (self.tier as u32).abs_diff(other.tier as u32);
        steps.saturating_add(tiers.saturating_mul(SLOTS))
    }
}

impl fmt::Display for Coordinate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x} ({}, {}, {})", self.address(), self.tier.name(), self.slot, self.depth)
    }
}

/// The free places of a tier.
#[derive(Clone, Debug)]
pub struct FreePlaces {
    words: Vec<u64>,
    count: u32,
    free: u32,
}

impl FreePlaces {
    /// `count` places, all free.
    pub fn new(count: u32) -> Self {
        let mut words = vec![u64::MAX; count.div_ceil(64) as usize];
        if let Some(last) = words.last_mut()
            && !count.is_multiple_of(64)
        {
            *last = (1 << (count % 64)) - 1;
        }
        Self { words, count, free: count }
    }

    /// How many are free.
    pub const fn free(&self) -> u32 {
        self.free
    }

    fn is_free(&self, index: u32) -> bool {
        index < self.count && self.words[(index / 64) as usize] >> (index % 64) & 1 != 0
    }

    /// Takes the place after `near` if it is free, else the nearest within [`NEAR`], else the first free one after it.
    pub fn take(&mut self, near: Option<u32>) -> Option<u32> {
        if self.free == 0 {
            return None;
        }
        let start = near.map_or(0, |near| near.saturating_add(1) % self.count);
        let close = (0..=NEAR).flat_map(|step| [start.checked_add(step), start.checked_sub(step)]).flatten();
        let close = near.and_then(|_| close.into_iter().find(|index| self.is_free(*index)));
        let index = close.or_else(|| self.first_from(start)).or_else(|| self.first_from(0))?;
        self.words[(index / 64) as usize] &= !(1 << (index % 64));
        self.free -= 1;
        Some(index)
    }

    fn first_from(&self, start: u32) -> Option<u32> {
        let first = (start / 64) as usize;
        let masked = self.words.get(first)? & (u64::MAX << (start % 64));
        let rest = self.words.iter().enumerate().skip(first + 1).map(|(idx, word)| (idx, *word));
        let (idx, word) = std::iter::once((first, masked)).chain(rest).find(|(_, word)| *word != 0)?;
        Some(idx as u32 * 64 + word.trailing_zeros())
    }

    /// Makes a place free again.
    pub fn give(&mut self, index: u32) {
        debug_assert!(!self.is_free(index) && index < self.count, "a place is given back once");
        self.words[(index / 64) as usize] |= 1 << (index % 64);
        self.free += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        #[test]
        fn grid_addresses_are_aligned_and_lead_back(tier in 0usize..7, index in 0u32..1 << 24) {
            let place = Coordinate::of(Tier::ALL[tier], index);
            prop_assert_eq!(place.index(), index);
            prop_assert_eq!(place.address() % 64, 0);
            prop_assert!(place.address() >= BASE);
            prop_assert_eq!(Coordinate::at(place.address()), Some(place));
            prop_assert_eq!(Coordinate::at(place.address() + 1), None);
        }

        #[test]
        fn a_place_is_given_out_once(count in 1u32..300, wishes in prop::collection::vec(any::<(bool, u32)>(), 1..600)) {
            let mut free = FreePlaces::new(count);
            let mut taken = HashSet::new();
            for (take, wish) in wishes {
                if take {
                    match free.take((wish % 3 > 0).then_some(wish % count)) {
                        Some(index) => prop_assert!(index < count && taken.insert(index)),
                        None => prop_assert_eq!(taken.len() as u32, count),
                    }
                } else if let Some(&index) = taken.iter().min() {
                    taken.remove(&index);
                    free.give(index);
                }
                prop_assert_eq!(free.free(), count - taken.len() as u32);
            }
        }
    }

    #[test]
    fn related_pages_become_neighbours() {
        let mut free = FreePlaces::new(1000);
        let first = free.take(Some(499)).unwrap();
        let mut last = first;
        for _ in 0..20 {
            let next = free.take(Some(last)).unwrap();
            let (a, b) = (Coordinate::of(Tier::Vram, last), Coordinate::of(Tier::Vram, next));
            assert!(a.distance(b) <= NEAR);
            last = next;
        }
        assert_eq!(last, first + 20);
        // A second tensor that starts in the same place goes round it.
        assert!(free.take(Some(first)).unwrap().abs_diff(first) > 0);
    }

    #[test]
    fn the_first_coordinate_has_the_base_address() {
        assert_eq!(Coordinate::of(Tier::L1, 0).address(), 0x7FFF_0000);
        assert_eq!(Coordinate::of(Tier::Vram, 257).to_string(), "0x8001bf80 (VRAM, 254, 1)");
        assert!(Coordinate::at(BASE - 64).is_none());
    }
}
