//! Stable sorting by all workers: blocks of a fixed size are sorted, then merged in pairs.
//!
//! Order is NumPy's: NaN last, all NaN equal, -0 and 0 equal. The result is the only stable one, so it does not depend on
//! the number of threads.

use crate::simd::parts;
use crate::{Error, Pool, nd};
use std::cmp::Ordering;

/// Elements that are sorted at once.
const BLOCK: usize = 1 << 15;

/// A number type with an order.
pub trait Ordered: Copy + Default + Send + Sync + 'static {
    /// The order; NaN after everything.
    fn order(&self, other: &Self) -> Ordering;
    /// It is NaN.
    fn is_unordered(&self) -> bool {
        false
    }
}

macro_rules! ordered {
    ($($t:ty)*) => {$(
        impl Ordered for $t {
            fn order(&self, other: &Self) -> Ordering {
                self.cmp(other)
            }
        }
    )*};
}
ordered!(i8 i16 i32 i64 u8 u16 u32 u64 bool);

macro_rules! ordered_float {
    ($($t:ty)*) => {$(
        impl Ordered for $t {
            fn order(&self, other: &Self) -> Ordering {
                self.partial_cmp(other).unwrap_or_else(|| self.is_nan().cmp(&other.is_nan()))
            }
            fn is_unordered(&self) -> bool {
                self.is_nan()
            }
        }
    )*};
}
ordered_float!(f32 f64);

/// Sorts in place, ascending or descending; equal elements stay in order, and NaN is last either way.
///
/// # Errors
/// [`Error::OutOfMemory`] when there is no memory for a second array; the array is then as before.
pub fn sort<T: Ordered>(values: &mut [T], descending: bool, pool: &dyn Pool) -> Result<(), Error> {
    sort_by(values, &|a, b| directed(a, b, descending), pool)
}

/// The indices that sort `values`; equal elements in the order of their index.
///
/// # Errors
/// [`Error::Shape`] when the lengths differ, [`Error::OutOfMemory`] when there is no memory to work in.
pub fn argsort<T: Ordered>(values: &[T], descending: bool, out: &mut [usize], pool: &dyn Pool) -> Result<(), Error> {
    if out.len() != values.len() {
        return Err(Error::shape("length of the output", out.len(), values.len()));
    }
    out.iter_mut().enumerate().for_each(|(i, out)| *out = i);
    sort_by(out, &|a, b| directed(&values[*a], &values[*b], descending), pool)
}

/// The order of finite numbers turned round, that of NaN kept.
fn directed<T: Ordered>(a: &T, b: &T, descending: bool) -> Ordering {
    if !descending {
        return a.order(b);
    }
    match (a.is_unordered(), b.is_unordered()) {
        (false, false) => b.order(a),
        (a, b) => a.cmp(&b),
    }
}

fn sort_by<T: Copy + Default + Send + Sync>(
    values: &mut [T],
    order: &(dyn Fn(&T, &T) -> Ordering + Sync),
    pool: &dyn Pool,
) -> Result<(), Error> {
    let n = values.len();
    if n <= BLOCK {
        values.sort_by(order);
        return Ok(());
    }
    let mut other: Vec<T> = nd::zeros(n)?;
    parts::chunks(pool, values, BLOCK, &|_, block| block.sort_by(order));
    let (mut width, mut in_values) = (BLOCK, true);
    while width < n {
        let (from, to): (&[T], &mut [T]) = if in_values { (values, &mut other) } else { (&other, values) };
        // Each task writes one piece of a merged pair; where its inputs begin is found by bisection.
        parts::chunks(pool, to, BLOCK, &|task, to| {
            let at = task * BLOCK;
            let start = at / (2 * width) * 2 * width;
            let pair = &from[start..(start + 2 * width).min(n)];
            let (left, right) = pair.split_at(width.min(pair.len()));
            merge(left, right, at - start, to, order);
        });
        (width, in_values) = (2 * width, !in_values);
    }
    if !in_values {
        values.copy_from_slice(&other);
    }
    Ok(())
}

/// The elements from `skip` on of two sorted lists merged, equal ones of the left list first.
fn merge<T: Copy>(left: &[T], right: &[T], skip: usize, to: &mut [T], order: &(dyn Fn(&T, &T) -> Ordering + Sync)) {
    // The least number of left elements among the first `skip` of the result.
    let (mut low, mut high) = (skip.saturating_sub(right.len()), skip.min(left.len()));
    while low < high {
        let middle = low + (high - low) / 2;
        if order(&left[middle], &right[skip - middle - 1]) == Ordering::Greater {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    let (mut i, mut j) = (low, skip - low);
    for to in to {
        let take_left = j == right.len() || i < left.len() && order(&left[i], &right[j]) != Ordering::Greater;
        *to = if take_left { left[i] } else { right[j] };
        if take_left {
            i += 1;
        } else {
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Serial, Threads};

    fn numbers(n: usize, seed: u64) -> Vec<f64> {
        let mix = |i: usize| (i as u64 + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) % 5000;
        (0..n)
            .map(|i| match mix(i) {
                0 => f64::NAN,
                1 => f64::NEG_INFINITY,
                2 => -0.0,
                3 => 0.0,
                x => x as f64 - 2500.0,
            })
            .collect()
    }

    #[test]
    fn sorted_as_the_standard_library_does() {
        let pool = Threads::new(3).expect("threads");
        for n in [0, 1, 1000, BLOCK, BLOCK + 1, 3 * BLOCK, 5 * BLOCK + 17] {
            for descending in [false, true] {
                let values = numbers(n, 3);
                let mut expected: Vec<usize> = (0..n).collect();
                expected.sort_by(|a, b| {
                    let (a, b) = (values[*a], values[*b]);
                    let numbers = if descending { b.partial_cmp(&a) } else { a.partial_cmp(&b) };
                    numbers.unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
                });
                for pool in [&pool as &dyn Pool, &Serial] {
                    let mut order = vec![0; n];
                    argsort(&values, descending, &mut order, pool).expect("memory");
                    assert_eq!(order, expected);
                    let mut sorted = values.clone();
                    sort(&mut sorted, descending, pool).expect("memory");
                    let bits = |x: f64| x.to_bits();
                    assert!(sorted.iter().zip(&order).all(|(x, at)| bits(*x) == bits(values[*at])));
                }
            }
        }
        let mut integers = [3_i32, -1, 2];
        sort(&mut integers, true, &Serial).expect("memory");
        assert_eq!(integers, [3, 2, -1]);
        assert!(argsort(&integers, false, &mut [0; 2], &Serial).is_err());
    }
}
