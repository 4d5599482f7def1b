//! Sums, softmax and layer normalisation along the rows of a contiguous array.
//!
//! Sums are pairwise: blocks of 128 terms in eight lanes, then a binary tree over the blocks (Higham, "The accuracy of
//! floating point summation", SIAM J. Sci. Comput. 14, 1993). The error is at most about `(log2(n / 128) + 20) eps sum |x|`. The
//! tree depends on the length alone, so results are the same with any number of threads.

use crate::simd::parts;
use crate::{Error, Pool};

/// Terms that are summed directly.
const BLOCK: usize = 128;
/// Elements that a task takes, about.
const TASK: usize = 16 << 10;

/// Pairwise sum; NaN when there is a NaN, 0 for nothing.
pub fn sum(values: &[f32]) -> f32 {
    sum_of(values, &|x| x)
}

fn sum_of(values: &[f32], term: &impl Fn(f32) -> f32) -> f32 {
    if values.len() > BLOCK {
        // Whole blocks on the left.
        let half = (values.len() / 2).next_multiple_of(BLOCK).min(values.len() - 1);
        let (left, right) = values.split_at(half);
        return sum_of(left, term) + sum_of(right, term);
    }
    let mut lanes = [0.0; 8];
    let chunks = values.chunks_exact(8);
    let rest: f32 = chunks.remainder().iter().fold(0.0, |sum, x| sum + term(*x));
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += term(*x);
        }
    }
    let pairs = [lanes[0] + lanes[4], lanes[1] + lanes[5], lanes[2] + lanes[6], lanes[3] + lanes[7]];
    (pairs[0] + pairs[2]) + (pairs[1] + pairs[3]) + rest
}

/// Largest element; NaN when there is one, minus infinity for nothing.
pub fn max(values: &[f32]) -> f32 {
    values.iter().fold(f32::NEG_INFINITY, |max, x| if *x > max || x.is_nan() { *x } else { max })
}

fn check(data: &[f32], cols: usize) -> Result<(), Error> {
    if cols == 0 && !data.is_empty() || cols > 0 && !data.len().is_multiple_of(cols) {
        return Err(Error::shape("length of the array", data.len(), format!("a multiple of the row length {cols}")));
    }
    Ok(())
}

fn each_row(data: &mut [f32], cols: usize, pool: &dyn Pool, work: &(dyn Fn(&mut [f32]) + Sync)) {
    if let Some(rows) = TASK.checked_div(cols) {
        parts::chunks(pool, data, rows.max(1) * cols, &|_, part| part.chunks_exact_mut(cols).for_each(work));
    }
}

/// Softmax of each row of `cols` elements, in place: exp(x - max) over its sum. A row with NaN or plus infinity becomes NaN,
/// and so does a row of nothing but minus infinity, as in NumPy's formula.
///
/// # Errors
/// [`Error::Shape`] when the array has no whole number of rows.
pub fn softmax(data: &mut [f32], cols: usize, pool: &dyn Pool) -> Result<(), Error> {
    check(data, cols)?;
    each_row(data, cols, pool, &|row| {
        let max = max(row);
        row.iter_mut().for_each(|x| *x = (*x - max).exp());
        let factor = 1.0 / sum(row);
        row.iter_mut().for_each(|x| *x *= factor);
    });
    Ok(())
}

/// Layer normalisation of each row of `cols` elements, in place: `(x - mean) / sqrt(variance + epsilon) * gain + bias`, with the
/// variance over n and `gain` and `bias` per column, where given.
///
/// # Errors
/// [`Error::Shape`] when the array has no whole number of rows, or gain or bias do not have `cols` elements.
pub fn layer_norm(
    data: &mut [f32],
    cols: usize,
    epsilon: f32,
    gain: Option<&[f32]>,
    bias: Option<&[f32]>,
    pool: &dyn Pool,
) -> Result<(), Error> {
    check(data, cols)?;
    for (what, values) in [("length of the gain", gain), ("length of the bias", bias)] {
        if let Some(values) = values.filter(|values| values.len() != cols) {
            return Err(Error::shape(what, values.len(), cols));
        }
    }
    each_row(data, cols, pool, &|row| {
        let n = cols as f32;
        let mean = sum(row) / n;
        let variance = sum_of(row, &|x| (x - mean) * (x - mean)) / n;
        let factor = 1.0 / (variance + epsilon).sqrt();
        for (i, x) in row.iter_mut().enumerate() {
            *x = (*x - mean) * factor * gain.map_or(1.0, |gain| gain[i]) + bias.map_or(0.0, |bias| bias[i]);
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Philox;
    use crate::{Serial, Threads};

    fn numbers(n: usize) -> Vec<f32> {
        let mut values = vec![0.0; n];
        Philox::new(1, 2).normal_f32(0, &mut values, &Serial).expect("even");
        values
    }

    #[test]
    fn sums_are_accurate() {
        for n in [0, 1, 7, 8, 127, 128, 129, 1000, 4096, 100_003] {
            let values = numbers(n);
            let exact: f64 = values.iter().map(|x| f64::from(*x)).sum();
            let size: f64 = values.iter().map(|x| f64::from(x.abs())).sum();
            let depth = (n as f64 / 128.0).max(1.0).log2() + 20.0;
            assert!((f64::from(sum(&values)) - exact).abs() <= depth * f64::from(f32::EPSILON) * size, "{n}");
        }
        assert!(sum(&[1.0, f32::NAN]).is_nan() && max(&[1.0, f32::NAN, 2.0]).is_nan());
        assert_eq!(max(&[]), f32::NEG_INFINITY);
    }

    #[test]
    fn softmax_against_f64() {
        let pool = Threads::new(2).expect("threads");
        for (rows, cols) in [(0, 5), (1, 1), (3, 1000), (40, 513)] {
            let input = numbers(rows * cols);
            let mut ours = input.clone();
            softmax(&mut ours, cols, &pool).expect("rows");
            for (row, ours) in input.chunks(cols).zip(ours.chunks(cols)) {
                let exps: Vec<f64> = row.iter().map(|x| f64::from(*x).exp()).collect();
                let total: f64 = exps.iter().sum();
                // The difference to the maximum is rounded (up to 8 here), exp, sum and quotient add a few roundings.
                let limit = (8.0 + 24.0 + 8.0) * f64::from(f32::EPSILON);
                for (x, exact) in ours.iter().zip(&exps) {
                    assert!((f64::from(*x) - exact / total).abs() <= limit * exact / total);
                }
            }
        }
        let mut row = [f32::NEG_INFINITY, 0.0, 0.0];
        softmax(&mut row, 3, &Serial).expect("a row");
        assert_eq!(row, [0.0, 0.5, 0.5]);
        let mut row = [1.0, f32::INFINITY, 1e30, 1e30];
        softmax(&mut row, 2, &Serial).expect("rows");
        assert!(row[1].is_nan() && row[2..] == [0.5, 0.5]);
        assert!(softmax(&mut row, 3, &Serial).is_err() && softmax(&mut row, 0, &Serial).is_err());
    }

    #[test]
    fn layer_norm_against_f64() {
        let (rows, cols) = (9, 300);
        let input: Vec<f32> = numbers(rows * cols).iter().map(|x| x + 3.0).collect();
        let (gain, bias) = (numbers(cols), numbers(cols));
        let mut ours = input.clone();
        layer_norm(&mut ours, cols, 1e-5, Some(&gain), Some(&bias), &Threads::new(3).expect("threads")).expect("rows");
        let mut alone = input.clone();
        layer_norm(&mut alone, cols, 1e-5, Some(&gain), Some(&bias), &Serial).expect("rows");
        assert_eq!(ours, alone);
        for (row, ours) in input.chunks(cols).zip(ours.chunks(cols)) {
            let mean = row.iter().map(|x| f64::from(*x)).sum::<f64>() / cols as f64;
            let variance = row.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / cols as f64;
            for (i, x) in ours.iter().enumerate() {
                let exact =
                    (f64::from(row[i]) - mean) / (variance + 1e-5).sqrt() * f64::from(gain[i]) + f64::from(bias[i]);
                // The mean's error, about 25 eps of |x| <= 8, is divided by a deviation near 1.
                let limit =
                    25.0 * 8.0 * f64::from(f32::EPSILON) * (f64::from(gain[i].abs()) + f64::from(bias[i].abs()));
                assert!((f64::from(*x) - exact).abs() <= limit, "{x} for {exact}");
            }
        }
        assert!(layer_norm(&mut ours, cols, 1e-5, Some(&gain[1..]), None, &Serial).is_err());
    }
}
