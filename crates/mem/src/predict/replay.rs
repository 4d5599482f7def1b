//! A trace through a predictor and a pool of limited size: how many accesses found their page, how many fetches were for
//! nothing.

use super::predictor::{Config, Predictor};
use std::collections::{HashMap, VecDeque};

/// How good the predictions for a trace were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// Accesses to another page than the one before.
    pub accesses: u64,
    /// Of those, accesses that found their page because it had been accessed before.
    pub resident: u64,
    /// Accesses that found their page because it had been fetched ahead.
    pub covered: u64,
    /// Pages fetched ahead.
    pub fetched: u64,
    /// Of those, pages that went without having been accessed.
    pub wasted: u64,
}

impl Score {
    /// Share of the accesses to pages not there before for which the page had been fetched; 1 when there was none.
    pub fn hit_rate(&self) -> f64 {
        ratio(self.covered, self.accesses - self.resident)
    }

    /// Share of the fetched pages that were accessed before they went; 1 when none was fetched.
    pub fn accuracy(&self) -> f64 {
        ratio(self.fetched - self.wasted, self.fetched)
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

/// Runs `trace` through a predictor, with a pool of `capacity` pages from which the page that came first goes first.
pub fn replay(trace: impl IntoIterator<Item = u64>, config: Config, capacity: usize) -> Score {
    let mut predictor = Predictor::new(config);
    let mut score = Score::default();
    // Page to whether it was accessed since it came.
    let mut pool: HashMap<u64, bool> = HashMap::new();
    let mut order = VecDeque::new();
    let mut fetch = Vec::new();
    let mut last = None;
    for page in trace {
        if last.replace(page) == Some(page) {
            continue;
        }
        score.accesses += 1;
        match pool.get_mut(&page) {
            Some(accessed @ false) => {
                *accessed = true;
                score.covered += 1;
            }
            Some(true) => score.resident += 1,
            None => {
                pool.insert(page, true);
                order.push_back(page);
            }
        }
        fetch.clear();
        predictor.access(page, &mut fetch);
        for &ahead in &fetch {
            if let std::collections::hash_map::Entry::Vacant(place) = pool.entry(ahead) {
                place.insert(false);
                order.push_back(ahead);
                score.fetched += 1;
            }
        }
        while pool.len() > capacity.max(1) {
            let Some(oldest) = order.pop_front() else { break };
            score.wasted += u64::from(pool.remove(&oldest) == Some(false));
        }
    }
    score.wasted += pool.values().filter(|accessed| !**accessed).count() as u64;
    score
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(name: &str, trace: impl IntoIterator<Item = u64>) {
        let score = replay(trace, Config::default(), 256);
        assert!(score.hit_rate() >= 0.95 && score.accuracy() >= 0.95, "{name}: {score:?}");
    }

    /// What the tiles of an `n x n` matrix product touch: pages of 16 values, three arrays of `n * n` values.
    fn matmul(n: u64, tile: u64) -> impl Iterator<Item = u64> {
        let page = move |array: u64, row: u64, col: u64| (array << 30) + (row * n + col) / 16;
        let tiles = move || (0..n / tile).map(move |idx| idx * tile);
        let block = move |array, row: u64, col: u64| {
            (row..row + tile).flat_map(move |row| (col..col + tile).step_by(16).map(move |col| page(array, row, col)))
        };
        tiles().flat_map(move |row| {
            tiles().flat_map(move |col| {
                let products = tiles().flat_map(move |inner| block(0, row, inner).chain(block(1, inner, col)));
                products.chain(block(2, row, col))
            })
        })
    }

    #[test]
    fn the_traces_of_the_goal_are_predicted() {
        rates("sequential", 0..20_000);
        rates("strided", (0..20_000).map(|idx| idx * 17));
        rates("backwards", (0..20_000).rev());
        // Three arrays, as a triad reads and writes them.
        rates("triad", (0..20_000u64).flat_map(|idx| [idx, (1 << 30) + idx, (2 << 30) + idx]));
        // Two workers in one array.
        rates("halves", (0..10_000u64).flat_map(|idx| [idx, 10_000 + idx]));
        let tiles = (0..32u64).flat_map(|row| (0..64u64).map(move |tile| row * 16 * 512 + tile * 8));
        rates("tiled", tiles.flat_map(|base| (0..16).flat_map(move |row| (0..8).map(move |at| base + row * 512 + at))));
        rates("matmul", matmul(1024, 128));
        let stencil = (1..199u64).flat_map(|row| (0..100u64).map(move |col| row * 100 + col));
        rates("stencil", stencil.flat_map(|at| [at - 100, at, at + 100]));
    }

    #[test]
    fn a_random_trace_fetches_next_to_nothing_and_says_so() {
        let mut seed = 1u64;
        let trace = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % 100_000
        });
        let score = replay(trace.take(20_000), Config::default(), 256);
        assert!(score.hit_rate() < 0.05 && score.fetched < 2_000, "{score:?}");
    }
}
