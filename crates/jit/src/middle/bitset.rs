//! A set of small integers as bits.

/// A fixed-capacity set of indices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BitSet {
    words: Vec<u64>,
}

impl BitSet {
    /// An empty set of indices below `capacity`.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { words: vec![0; capacity.div_ceil(64)] }
    }

    pub(crate) fn insert(&mut self, idx: usize) -> bool {
        let fresh = !self.contains(idx);
        self.words[idx / 64] |= 1 << (idx % 64);
        fresh
    }

    pub(crate) fn remove(&mut self, idx: usize) {
        self.words[idx / 64] &= !(1 << (idx % 64));
    }

    pub(crate) fn contains(&self, idx: usize) -> bool {
        self.words[idx / 64] >> (idx % 64) & 1 != 0
    }

    /// Adds all of `other`; true when something was new.
    pub(crate) fn union(&mut self, other: &Self) -> bool {
        let mut changed = false;
        for (word, &more) in self.words.iter_mut().zip(&other.words) {
            changed |= more & !*word != 0;
            *word |= more;
        }
        changed
    }

    /// Indices in rising order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(idx, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                (rest != 0).then(|| {
                    let bit = rest.trailing_zeros() as usize;
                    rest &= rest - 1;
                    idx * 64 + bit
                })
            })
        })
    }
}
