//! Checks that several workloads share.

use crate::workload::{Check, Verdict};
use crate::{Data, random};

/// The largest of `deviation(idx)`; not-a-number counts as infinite.
pub fn largest(n: usize, deviation: impl Fn(usize) -> f64 + Sync) -> f64 {
    random::fold_parts(n, |range| {
        let deviations = range.map(&deviation).map(|found| if found.is_nan() { f64::INFINITY } else { found });
        deviations.fold(0.0, f64::max)
    })
    .into_iter()
    .fold(0.0, f64::max)
}

/// Buffer `idx` equals `expected`; the error is the number of elements that differ.
pub fn exact(idx: usize, expected: impl Into<Data>) -> Check {
    let expected = expected.into();
    Box::new(move |after| Verdict { error: n_different(&after[idx], &expected) as f64, tolerance: 0.0 })
}

/// Number of elements that differ; all of them when types or lengths do.
pub fn n_different(found: &Data, expected: &Data) -> usize {
    fn count<T: Copy>(a: &[T], b: &[T], same: impl Fn(T, T) -> bool) -> usize {
        if a.len() != b.len() {
            return b.len().max(1);
        }
        a.iter().zip(b).filter(|(a, b)| !same(**a, **b)).count()
    }
    match (found, expected) {
        (Data::F32(a), Data::F32(b)) => count(a, b, |a, b| a.to_bits() == b.to_bits()),
        (Data::I32(a), Data::I32(b)) => count(a, b, |a, b| a == b),
        (Data::U32(a), Data::U32(b)) => count(a, b, |a, b| a == b),
        (Data::U64(a), Data::U64(b)) => count(a, b, |a, b| a == b),
        (Data::U8(a), Data::U8(b)) => count(a, b, |a, b| a == b),
        _ => usize::MAX,
    }
}

/// Buffer `idx`, of floats, is within `tolerance` of `expected` where deviations are divided by `scale`.
pub fn within(
    idx: usize,
    expected: Vec<f64>,
    scale: impl Fn(usize, f64) -> f64 + Send + Sync + 'static,
    tolerance: f64,
) -> Check {
    Box::new(move |after| {
        let found = after[idx].f32s();
        if found.len() != expected.len() {
            return Verdict { error: f64::INFINITY, tolerance };
        }
        let error = largest(found.len(), |i| (f64::from(found[i]) - expected[i]).abs() / scale(i, expected[i]));
        Verdict { error, tolerance }
    })
}

/// The distance from 1 to the next float.
pub const EPSILON: f64 = f32::EPSILON as f64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_counts_differences() {
        let check = exact(0, vec![1u32, 2, 3]);
        assert!(check(&[vec![1u32, 2, 3].into()]).correct());
        let verdict = check(&[vec![1u32, 5, 4].into()]);
        assert_eq!((verdict.error, verdict.correct()), (2.0, false));
        assert!(!check(&[vec![1u32, 2].into()]).correct());
        assert!(!check(&[vec![1i32, 2, 3].into()]).correct());
    }

    #[test]
    fn within_refuses_nan() {
        let check = within(0, vec![1.0, 2.0], |_, expected| expected, 1e-3);
        assert!(check(&[vec![1.0005f32, 2.0].into()]).correct());
        assert!(!check(&[vec![1.01f32, 2.0].into()]).correct());
        assert!(!check(&[vec![f32::NAN, 2.0].into()]).correct());
        assert!(!check(&[vec![1.0f32].into()]).correct());
    }
}
