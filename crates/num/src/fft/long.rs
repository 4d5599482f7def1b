//! One long transform as two rounds of short ones.
//!
//! With n = r c and the line seen as an r x c matrix x: transform the columns, multiply element (k, j) with
//! exp(-+2 pi i j k / n), transform the rows; the result is the matrix transposed.

use super::{Direction, FftNum, Plans, column_width, real};
use crate::Pool;
use crate::simd::parts::{self, Stacked};
use num_complex::Complex;

/// Shorter lines stay within a core's own cache, and one plan is faster.
const LONG_BYTES: usize = 2 << 20;

/// Rows and columns for a line that is long enough and has factors near its root. Depends on nothing but the length.
pub fn split(n: usize, element_bytes: usize) -> Option<(usize, usize)> {
    if n.saturating_mul(element_bytes) < LONG_BYTES {
        return None;
    }
    let root = n.isqrt();
    // The larger factor is the number of columns, at most 16 times the other.
    let rows = (root / 4 + 1..=root).rev().find(|rows| n.is_multiple_of(*rows))?;
    Some((rows, n / rows))
}

/// The transform of one line.
pub fn transform<R: FftNum + Default>(
    line: &mut [Complex<R>],
    (rows, cols): (usize, usize),
    direction: Direction,
    plans: &Plans<R>,
    pool: &dyn Pool,
) {
    let n = line.len();
    let sign = if direction == Direction::Forward { -1.0 } else { 1.0 };
    // exp(i t (a step + b)) is a product of two table entries.
    let step = n.isqrt() + 1;
    let turn = |m: usize| {
        let (sin, cos) = (sign * std::f64::consts::TAU * m as f64 / n as f64).sin_cos();
        Complex::new(real::<R>(cos), real::<R>(sin))
    };
    let fine: Vec<_> = (0..step).map(turn).collect();
    let coarse: Vec<_> = (0..=n / step).map(|m| turn(m * step)).collect();

    let plan = plans.complex(rows, direction.plan());
    parts::columns(pool, line, Stacked { count: 1, rows, cols }, column_width::<R>(rows), &|group| {
        let mut scratch = vec![Complex::default(); plan.get_inplace_scratch_len()];
        for (i, column) in group.lines.chunks_mut(group.stride).take(group.n).enumerate() {
            plan.process_with_scratch(&mut column[..rows], &mut scratch);
            let j = group.col + i;
            // j * k = high * step + low, without a division per element.
            let (mut high, mut low) = (0, 0);
            for value in &mut column[..rows] {
                *value = *value * (coarse[high] * fine[low]);
                low += j % step;
                high += j / step;
                if low >= step {
                    low -= step;
                    high += 1;
                }
            }
        }
    });
    let plan = plans.complex(cols, direction.plan());
    parts::chunks(pool, line, cols * 8, &|_, part| {
        let mut scratch = vec![Complex::default(); plan.get_inplace_scratch_len()];
        plan.process_with_scratch(part, &mut scratch);
    });
    let copy = line.to_vec();
    parts::transpose(pool, &copy, line, rows, cols);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits() {
        assert_eq!(split(1 << 20, 8), Some((1024, 1024)));
        assert_eq!(split(1 << 21, 8), Some((1024, 2048)));
        assert_eq!(split(1 << 10, 8), None);
        assert_eq!(split(1_157_625, 8), Some((1029, 1125)));
        assert_eq!(split(1_000_003, 8), None);
        assert_eq!(split(usize::MAX, 8).map(|(a, b)| a * b).unwrap_or(usize::MAX), usize::MAX);
    }
}
