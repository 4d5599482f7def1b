//! Sums and running sums of long arrays, in blocks whose borders depend on the length alone: the same with any number of
//! threads.
//!
//! A sum is pairwise: eight lanes in blocks of 128 terms, then a binary tree; error at most about
//! `(log2(n / 128) + 20) eps sum |x|`. A running sum is taken in order within blocks of 4096 terms, after the pairwise sum
//! of the blocks before: error at most about `(4096 + log2(n)) eps sum |x|`.

use crate::simd::parts;
use crate::{Error, Pool};
use std::ops::Add;

/// Terms that are summed directly.
const TERMS: usize = 128;
/// Terms of a running sum's block.
const BLOCK: usize = 4096;
/// Blocks that a task takes.
const TASK_BLOCKS: usize = 16;

/// A number type that can be summed; integers wrap.
pub trait Summed: Copy + Default + Send + Sync + 'static {
    /// The sum of two.
    fn plus(self, other: Self) -> Self;
}

macro_rules! summed {
    ($($t:ty, $plus:expr;)*) => {$(
        impl Summed for $t {
            fn plus(self, other: Self) -> Self {
                $plus(self, other)
            }
        }
    )*};
}
summed!(f32, Add::add; f64, Add::add; num_complex::Complex32, Add::add; num_complex::Complex64, Add::add;
    i32, i32::wrapping_add; i64, i64::wrapping_add; u32, u32::wrapping_add; u64, u64::wrapping_add;);

/// The sum of all; 0 for nothing.
pub fn sum<T: Summed>(values: &[T], pool: &dyn Pool) -> T {
    if values.len() <= BLOCK {
        return pairwise(values);
    }
    let mut sums = vec![T::default(); values.len().div_ceil(BLOCK)];
    parts::chunks(pool, &mut sums, TASK_BLOCKS, &|task, sums| {
        let from = &values[task * TASK_BLOCKS * BLOCK..];
        sums.iter_mut().zip(from.chunks(BLOCK)).for_each(|(sum, block)| *sum = pairwise(block));
    });
    pairwise_tree(&sums)
}

/// The sum of at most a few thousand.
fn pairwise<T: Summed>(values: &[T]) -> T {
    if values.len() > TERMS {
        let (left, right) = values.split_at((values.len() / 2).next_multiple_of(TERMS).min(values.len() - 1));
        return pairwise(left).plus(pairwise(right));
    }
    let mut lanes = [T::default(); 8];
    let chunks = values.chunks_exact(8);
    let rest = chunks.remainder().iter().fold(T::default(), |sum, x| sum.plus(*x));
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, x)| *lane = lane.plus(*x));
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    a.plus(e).plus(c.plus(g)).plus(b.plus(f).plus(d.plus(h))).plus(rest)
}

fn pairwise_tree<T: Summed>(sums: &[T]) -> T {
    match sums {
        [] => T::default(),
        [one] => *one,
        _ => {
            let (left, right) = sums.split_at(sums.len() / 2);
            pairwise_tree(left).plus(pairwise_tree(right))
        }
    }
}

/// `out[i]` is the sum of `values[..=i]`, or with `exclusive` of `values[..i]`.
///
/// # Errors
/// [`Error::Shape`] when the lengths differ.
pub fn running_sum<T: Summed>(values: &[T], exclusive: bool, out: &mut [T], pool: &dyn Pool) -> Result<(), Error> {
    if out.len() != values.len() {
        return Err(Error::shape("length of the output", out.len(), values.len()));
    }
    let n_blocks = values.len().div_ceil(BLOCK);
    let mut before = vec![T::default(); n_blocks];
    parts::chunks(pool, &mut before, TASK_BLOCKS, &|task, sums| {
        let from = &values[task * TASK_BLOCKS * BLOCK..];
        sums.iter_mut().zip(from.chunks(BLOCK)).for_each(|(sum, block)| *sum = pairwise(block));
    });
    // The binary tree of blocks, left to right: what is before a node is known when it is entered.
    fn spread<T: Summed>(blocks: &mut [T], before: T) -> T {
        match blocks {
            [] => before,
            [one] => before.plus(std::mem::replace(one, before)),
            _ => {
                let half = blocks.len() / 2;
                let total = pairwise_tree(&blocks[..half]);
                let (left, right) = blocks.split_at_mut(half);
                spread(left, before);
                spread(right, before.plus(total))
            }
        }
    }
    spread(&mut before, T::default());
    parts::chunks(pool, out, TASK_BLOCKS * BLOCK, &|task, out| {
        let first = task * TASK_BLOCKS;
        let from = &values[first * BLOCK..][..out.len()];
        for ((out, from), before) in out.chunks_mut(BLOCK).zip(from.chunks(BLOCK)).zip(&before[first..]) {
            let mut sum = *before;
            for (out, x) in out.iter_mut().zip(from) {
                let next = sum.plus(*x);
                *out = if exclusive { sum } else { next };
                sum = next;
            }
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Serial, Threads};

    #[test]
    fn sums_and_running_sums() {
        let pool = Threads::new(3).expect("threads");
        for n in [0, 1, 7, 8, 129, 4096, 4097, 65_536, 300_001] {
            let integers: Vec<i64> = (0..n as i64).map(|i| i * 7919 % 1013 - 500).collect();
            assert_eq!(sum(&integers, &pool), integers.iter().sum());
            for exclusive in [false, true] {
                let (mut out, mut total) = (vec![0; n], 0);
                running_sum(&integers, exclusive, &mut out, &pool).expect("same length");
                for (x, out) in integers.iter().zip(&out) {
                    assert_eq!(*out, if exclusive { total } else { total + x });
                    total += x;
                }
            }
            let values: Vec<f32> = integers.iter().map(|x| *x as f32 / 1000.1).collect();
            let size: f64 = values.iter().map(|x| f64::from(x.abs())).sum();
            let exact: f64 = values.iter().map(|x| f64::from(*x)).sum();
            let ours = sum(&values, &pool);
            assert!((f64::from(ours) - exact).abs() <= 34.0 * f64::from(f32::EPSILON) * size);
            assert_eq!(ours, sum(&values, &Serial));
            let (mut out, mut alone) = (vec![0.0; n], vec![0.0; n]);
            running_sum(&values, false, &mut out, &pool).expect("same length");
            running_sum(&values, false, &mut alone, &Serial).expect("same length");
            assert_eq!(out, alone);
            let limit = (4096.0 + 20.0) * f64::from(f32::EPSILON) * size;
            let mut exact = 0.0;
            for (x, out) in values.iter().zip(&out) {
                exact += f64::from(*x);
                assert!((f64::from(*out) - exact).abs() <= limit);
            }
        }
        assert_eq!(sum(&[i32::MAX, 1], &Serial), i32::MIN);
        assert!(sum(&[1.0, f64::NAN], &Serial).is_nan());
        assert!(running_sum(&[1.0], false, &mut [], &Serial).is_err());
    }
}
