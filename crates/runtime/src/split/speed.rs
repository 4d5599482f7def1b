//! How fast a device ran which kernel: what the next split of it starts from.

use super::{SpeedKey, lock};
use std::collections::HashMap;
use std::sync::Mutex;

/// Kernels remembered; when there are more, all are forgotten and measured anew.
const MAX_KERNELS: usize = 4096;

/// Blocks per second, by kernel and block shape.
#[derive(Debug, Default)]
pub(crate) struct SpeedBook(Mutex<HashMap<SpeedKey, f64>>);

impl SpeedBook {
    pub(crate) fn get(&self, key: &SpeedKey) -> Option<f64> {
        lock(&self.0).get(key).copied()
    }

    /// Takes a measurement; half of it counts, so that one launch that was held up does not decide the next.
    pub(crate) fn learn(&self, key: &SpeedKey, blocks_per_second: f64) {
        let mut speeds = lock(&self.0);
        if speeds.len() >= MAX_KERNELS && !speeds.contains_key(key) {
            speeds.clear();
        }
        let speed = speeds.entry(key.clone()).or_insert(blocks_per_second);
        *speed = (*speed + blocks_per_second) / 2.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_measurement_counts() {
        let book = SpeedBook::default();
        let key = SpeedKey { kernel: "k".into(), module: [0; 32], block: vgpu_types::Dim3::new(1, 1, 1) };
        assert_eq!(book.get(&key), None);
        book.learn(&key, 100.0);
        assert_eq!(book.get(&key), Some(100.0));
        book.learn(&key, 200.0);
        assert_eq!(book.get(&key), Some(150.0));
    }
}
