//! Reproducible input: value `idx` of stream `seed` is a function of the two, so arrays are filled by all cores.

use std::ops::Range;

/// 64 random bits (SplitMix64's output function).
pub fn bits(seed: u64, idx: u64) -> u64 {
    let mut z = (seed << 40).wrapping_add(idx.wrapping_add(1)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A multiple of 2^-24 in [0, 1).
pub fn unit(seed: u64, idx: u64) -> f32 {
    (bits(seed, idx) >> 40) as f32 / (1 << 24) as f32
}

/// `n` values in [low, high).
pub fn uniform(seed: u64, n: usize, low: f32, high: f32) -> Vec<f32> {
    fill(n, |idx| low + (high - low) * unit(seed, idx as u64))
}

/// `n` values, computed by all cores.
pub fn fill<T: Send + Copy + Default>(n: usize, value: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let mut values = vec![T::default(); n];
    for_chunks(&mut values, 1, |first, chunk| {
        for (offset, slot) in chunk.iter_mut().enumerate() {
            *slot = value(first + offset);
        }
    });
    values
}

/// Calls `work(index of the first element, part)` for parts of whole rows of `values`, one part per core.
pub fn for_chunks<T: Send>(values: &mut [T], row: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    let n_cores = std::thread::available_parallelism().map_or(1, usize::from);
    let n_rows = values.len() / row;
    let part = n_rows.div_ceil(n_cores).max(1) * row;
    std::thread::scope(|scope| {
        for (idx, chunk) in values.chunks_mut(part).enumerate() {
            let work = &work;
            scope.spawn(move || work(idx * part, chunk));
        }
    });
}

/// `work` of consecutive parts of `0..n`, one part per core, in order.
pub fn fold_parts<T: Send>(n: usize, work: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
    let n_cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let parts = (0..n_cores).map(|core| n * core / n_cores..n * (core + 1) / n_cores);
        let work = &work;
        let running: Vec<_> = parts.map(|part| scope.spawn(move || work(part))).collect();
        running.into_iter().map(|part| part.join().expect("the work does not panic")).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_covers_its_range() {
        let values = uniform(7, 100_000, -2.0, 6.0);
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64;
        assert!(values.iter().all(|v| (-2.0..6.0).contains(v)));
        // The standard error is 8 / sqrt(12 n) = 0.0073; five of them.
        assert!((mean - 2.0).abs() < 0.037, "{mean}");
        assert_ne!(uniform(8, 10, 0.0, 1.0), uniform(7, 10, 0.0, 1.0));
    }

    #[test]
    fn chunks_are_whole_rows() {
        let mut values = vec![0; 7 * 5];
        for_chunks(&mut values, 7, |first, chunk| {
            assert_eq!((first % 7, chunk.len() % 7), (0, 0));
            chunk.iter_mut().for_each(|v| *v += 1);
        });
        assert_eq!(values, vec![1; 35]);
    }
}
