//! One sequence of pages, explained as nested loops of constant strides.
//!
//! Model. Level 0 groups the pages into *runs* of one stride; the first pages of its runs are the sequence that level 1
//! groups, and so on. A level learns its stride from two elements and its *trip* (elements per run) from the runs it
//! has seen. The next page is the next of the innermost run that is not at its trip, else the start of the next run, which
//! the level above predicts in the same way.

/// Loops that are told apart: a row, the rows of a tile, the tiles of a row of tiles, the rows of tiles, and one more.
pub const LEVELS: usize = 5;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Level {
    last: u64,
    stride: i64,
    /// Elements of the current run so far; 0 before the first.
    count: u32,
    /// Elements of a whole run; 0 while unknown.
    trip: u32,
    /// A length seen once that differs from `trip`; when it comes twice in a row it is the new trip.
    other: u32,
}

/// What a sequence looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Too short to say, or without order.
    Irregular,
    /// Page after page.
    Sequential,
    /// A constant stride, in pages.
    Strided(i64),
    /// Runs whose starts have a stride of their own.
    Tiled {
        /// Stride within a run.
        stride: i64,
        /// Pages of a run.
        run: u32,
        /// Stride from run to run.
        pitch: i64,
    },
}

/// See the module header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Nest {
    levels: [Level; LEVELS],
    /// Pages in a row that were predicted.
    streak: u32,
}

impl Nest {
    /// A sequence of which nothing is known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The page seen last.
    pub fn last(&self) -> Option<u64> {
        (self.levels[0].count > 0).then_some(self.levels[0].last)
    }

    /// How many pages in a row were predicted before they were seen.
    pub const fn streak(&self) -> u32 {
        self.streak
    }

    /// The page that comes next, if the sequence goes on as it did.
    pub fn next(&self) -> Option<u64> {
        predict(&self.levels)
    }

    /// The sequence after `page`; true when that is what [`Self::next`] said. The same page again changes nothing.
    #[must_use]
    pub fn step(mut self, page: u64) -> (Self, bool) {
        if self.last() == Some(page) {
            return (self, true);
        }
        let predicted = self.next() == Some(page);
        self.streak = if predicted { self.streak.saturating_add(1) } else { 0 };
        feed(&mut self.levels, page);
        (self, predicted)
    }

    /// What the sequence looks like so far.
    pub fn pattern(&self) -> Pattern {
        let [inner, outer, ..] = &self.levels;
        if inner.count + inner.trip < 3 || inner.stride == 0 {
            return Pattern::Irregular;
        }
        match (inner.stride, outer.stride) {
            (stride, pitch) if pitch != 0 && inner.trip > 1 && pitch != stride.wrapping_mul(inner.trip.into()) => {
                Pattern::Tiled { stride, run: inner.trip, pitch }
            }
            (1, _) => Pattern::Sequential,
            (stride, _) => Pattern::Strided(stride),
        }
    }
}

fn predict(levels: &[Level]) -> Option<u64> {
    let (level, above) = levels.split_first()?;
    if level.count == 0 || level.stride == 0 {
        return None;
    }
    let onward = level.last.checked_add_signed(level.stride);
    if level.trip == 0 || level.count != level.trip {
        return onward;
    }
    predict(above).or(onward)
}

/// Takes the next element of the sequence that `levels[0]` groups.
fn feed(levels: &mut [Level], element: u64) {
    let Some((level, above)) = levels.split_first_mut() else { return };
    if level.count == 0 {
        *level = Level { last: element, count: 1, ..*level };
        return feed(above, element);
    }
    let before = std::mem::replace(&mut level.last, element);
    let delta = element.wrapping_sub(before) as i64;
    // A whole run is followed by the next, also where that happens to begin at the next element: the last tile of a row
    // of tiles ends where the next row begins.
    if level.stride == 0 || (delta == level.stride && level.count != level.trip) {
        level.stride = delta;
        level.count += 1;
    } else if level.count == 1 {
        // Two jumps in a row: what was taken for the stride is none. The element before is the first of a new run.
        *level = Level { last: element, stride: delta, count: 2, ..Level::default() };
        above.fill(Level::default());
        feed(above, before);
    } else {
        if level.trip == 0 || level.other == level.count {
            (level.trip, level.other) = (level.count, 0);
        } else {
            level.other = if level.count == level.trip { 0 } else { level.count };
        }
        level.count = 1;
        feed(above, element);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks a trace and returns how many of its pages were not predicted, and the nest.
    fn misses(trace: impl IntoIterator<Item = u64>) -> (usize, Nest) {
        trace.into_iter().fold((0, Nest::new()), |(misses, nest), page| {
            let (nest, predicted) = nest.step(page);
            (misses + usize::from(!predicted), nest)
        })
    }

    #[test]
    fn walks_are_known_from_the_third_page_on() {
        let (missed, nest) = misses(100..5_000);
        assert_eq!((missed, nest.pattern()), (2, Pattern::Sequential));
        let (missed, nest) = misses((0..900).map(|idx| 1_000_000 - idx * 37));
        assert_eq!((missed, nest.pattern()), (2, Pattern::Strided(-37)));
        assert_eq!(nest.next(), Some(1_000_000 - 900 * 37));
    }

    #[test]
    fn tiles_cost_a_few_pages_per_level() {
        // A matrix of 64 x 256 pages in tiles of 8 rows x 4 pages.
        let tiles = (0..8u64).flat_map(|tile_row| (0..64u64).map(move |tile| tile_row * 8 * 256 + tile * 4));
        let trace = tiles.flat_map(|base| (0..8).flat_map(move |row| (0..4).map(move |page| base + row * 256 + page)));
        let (missed, nest) = misses(trace);
        assert_eq!(nest.pattern(), Pattern::Tiled { stride: 1, run: 4, pitch: 256 });
        // Two to start, and two jumps at most to learn each of the four levels' trip and stride.
        assert!(missed <= 2 + 2 * 3, "{missed}");
    }

    #[test]
    fn a_short_row_at_the_edge_is_forgotten() {
        let rows = [10, 10, 10, 3, 10, 10, 10, 10].into_iter().enumerate();
        let trace = rows.flat_map(|(row, len)| (0..len).map(move |page| row as u64 * 1000 + page));
        let (missed, nest) = misses(trace);
        assert_eq!(nest.pattern(), Pattern::Tiled { stride: 1, run: 10, pitch: 1000 });
        assert_eq!(missed, 2 + 1 + 1, "start, first row end, end of the short row");
    }

    #[test]
    fn the_same_page_again_changes_nothing() {
        let (nest, _) = Nest::new().step(5);
        let (nest, _) = nest.step(6);
        assert_eq!(nest.step(6), (nest, true));
    }

    #[test]
    fn addresses_at_the_ends_of_the_range_do_not_overflow() {
        let (_, nest) = misses([u64::MAX - 2, u64::MAX - 1, u64::MAX]);
        assert_eq!(nest.next(), None);
        let (_, nest) = misses([2, 1, 0]);
        assert_eq!(nest.next(), None);
        misses([0, u64::MAX, 0, u64::MAX, 7, u64::MAX / 2]);
    }
}
