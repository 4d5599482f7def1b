//! Products of a matrix and a vector, and updates by two vectors: bounded by memory, so the matrix is read once, where it
//! lies.

use super::{Field, extents};
use crate::simd::{parts, wide};
use crate::{Error, MatMut, MatRef, Pool};

/// Rows of a band: their sums stay in the first-level cache.
const BAND: usize = 512;
/// Multiplications that are worth a task of their own.
const TASK_WORK: usize = 1 << 16;
/// Partial sums of a row's product.
const LANES: usize = 32;

/// `y = alpha * a * x + beta * y`; `x` and `y` are matrices of one column. With `beta` zero the old `y` does not count.
///
/// The sum of a row is kept in 32 lanes where rows lie side by side, else taken in order: error at most
/// `cols * eps * |a| |x|`.
///
/// # Errors
/// [`Error::Shape`] when extents do not fit.
pub fn gemv<T: Field>(
    alpha: T,
    a: MatRef<'_, T>,
    x: MatRef<'_, T>,
    beta: T,
    y: MatMut<'_, T>,
    pool: &dyn Pool,
) -> Result<(), Error> {
    extents("extents of x", (x.rows(), x.cols()), (a.cols(), 1))?;
    extents("extents of y", (y.rows(), y.cols()), (a.rows(), 1))?;
    let copy: Vec<T>;
    let x = match x.col(0) {
        Some(x) => x,
        None => {
            copy = (0..x.rows()).map(|i| x.get(i, 0)).collect();
            &copy
        }
    };
    let rows = (TASK_WORK / a.cols().max(1)).clamp(1, BAND);
    let rows = if a.col(0).is_some() && a.rows() > 1 { BAND } else { rows };
    parts::bands(pool, y, rows, &|row, mut y| {
        let mut sums = [T::ZERO; BAND];
        let sums = &mut sums[..y.rows()];
        sum_rows(&a, x, row, sums);
        for (i, sum) in sums.iter().enumerate() {
            let value = alpha * *sum;
            y.set(i, 0, if beta == T::ZERO { value } else { value + beta * y.get(i, 0) });
        }
    });
    Ok(())
}

/// The sums of rows `row` on.
fn sum_rows<T: Field>(a: &MatRef<'_, T>, x: &[T], row: usize, sums: &mut [T]) {
    let (down, end) = (a.rows() > 1, row + sums.len());
    for (j, x) in x.iter().enumerate() {
        let Some(column) = a.col(j).filter(|_| down) else { break };
        wide::run(Add { sums, values: &column[row..end], factor: *x });
    }
    if down && a.col(0).is_some() {
        return;
    }
    for (i, sum) in sums.iter_mut().enumerate() {
        *sum = match a.row(row + i) {
            Some(row) => wide::run(Dot { left: row, right: x }),
            None => x.iter().enumerate().fold(T::ZERO, |sum, (j, x)| sum + a.get(row + i, j) * *x),
        };
    }
}

/// `sums += factor * values`.
struct Add<'a, T> {
    sums: &'a mut [T],
    values: &'a [T],
    factor: T,
}

impl<T: Field> wide::Work for Add<'_, T> {
    type Result = ();
    #[inline(always)]
    fn run(self) {
        for (sum, value) in self.sums.iter_mut().zip(self.values) {
            *sum += *value * self.factor;
        }
    }
}

/// The scalar product, without conjugation.
struct Dot<'a, T> {
    left: &'a [T],
    right: &'a [T],
}

impl<T: Field> wide::Work for Dot<'_, T> {
    type Result = T;
    #[inline(always)]
    fn run(self) -> T {
        let mut lanes = [T::ZERO; LANES];
        let (left, right) = (self.left.chunks_exact(LANES), self.right.chunks_exact(LANES));
        let rest = left.remainder().iter().zip(right.remainder()).fold(T::ZERO, |sum, (x, y)| sum + *x * *y);
        for (left, right) in left.zip(right) {
            for lane in 0..LANES {
                lanes[lane] += left[lane] * right[lane];
            }
        }
        let mut width = LANES / 2;
        while width > 0 {
            for lane in 0..width {
                lanes[lane] += lanes[lane + width];
            }
            width /= 2;
        }
        lanes[0] + rest
    }
}

/// `a = a + alpha * x * y^T`, or with `conjugate` `alpha * x * y^H`; `x` and `y` are matrices of one column.
///
/// # Errors
/// [`Error::Shape`] when extents do not fit.
pub fn ger<T: Field>(
    alpha: T,
    x: MatRef<'_, T>,
    y: MatRef<'_, T>,
    conjugate: bool,
    a: MatMut<'_, T>,
    pool: &dyn Pool,
) -> Result<(), Error> {
    extents("extents of x", (x.rows(), x.cols()), (a.rows(), 1))?;
    extents("extents of y", (y.rows(), y.cols()), (a.cols(), 1))?;
    let collect = |v: &MatRef<'_, T>, conjugate: bool| -> Vec<T> {
        (0..v.rows()).map(|i| v.get(i, 0)).map(|v| if conjugate { v.conjugate() } else { v }).collect()
    };
    let (x, y) = (collect(&x, false), collect(&y, conjugate));
    // Rows side by side are updated as such; a matrix with columns side by side is its transpose's.
    let turned = a.layout.col_stride != 1 && a.layout.row_stride == 1;
    let (a, x, y) = if turned { (a.t(), y, x) } else { (a, x, y) };
    let rows = (TASK_WORK / a.cols().max(1)).max(1);
    parts::bands(pool, a, rows, &|row, mut band| {
        for i in 0..band.rows() {
            let factor = alpha * x[row + i];
            if let Some(elements) = band.row_mut(i) {
                wide::run(Add { sums: elements, values: &y, factor });
                continue;
            }
            for (j, y) in y.iter().enumerate() {
                band.set(i, j, band.get(i, j) + *y * factor);
            }
        }
    });
    Ok(())
}
