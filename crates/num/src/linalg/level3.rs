//! Symmetric updates and triangular systems by blocks: nearly all work is in [`gemm`].

use super::{Field, extents, square};
use crate::gemm::{self, Options};
use crate::{Error, Layout, MatMut, MatRef, Pool, Scratch};
use faer::linalg::triangular_solve as diagonal;
use faer::{Mat, Par};

/// Which triangle of a square matrix counts, the diagonal included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Triangle {
    /// Elements with column <= row.
    Lower,
    /// Elements with column >= row.
    Upper,
}

/// Rows of a block of a symmetric update.
const UPDATE: usize = 256;
/// Rows of a diagonal block of a triangular system.
const SYSTEM: usize = 96;

/// One triangle of `c = alpha * a * a^T + beta * c`, or with `conjugate` of `a * a^H`; the other one is not touched.
///
/// # Errors
/// As [`gemm::gemm`].
#[allow(clippy::too_many_arguments, reason = "BLAS' own parameters")]
pub fn syrk<T: Field>(
    alpha: T,
    a: MatRef<'_, T>,
    conjugate: bool,
    beta: T,
    c: MatMut<'_, T>,
    triangle: Triangle,
    pool: &dyn Pool,
    scratch: &mut Scratch,
) -> Result<(), Error> {
    let n = a.rows();
    extents("extents of c", (c.rows(), c.cols()), (n, n))?;
    // The upper triangle is the transpose's lower one, and (a a^H)^T = conj(a) a^T.
    let (mut c, conjugate_a) = if triangle == Triangle::Upper { (c.t(), conjugate) } else { (c, false) };
    let options =
        Options { alpha, beta, conjugate_a, conjugate_b: conjugate && !conjugate_a, ..Options::<T>::default() };
    let square = UPDATE.min(n);
    let mut block = Vec::new();
    block
        .try_reserve_exact(square * square)
        .map_err(|_| Error::OutOfMemory { bytes: square * square * size_of::<T>() })?;
    block.resize(square * square, T::ZERO);
    for row in (0..n).step_by(UPDATE) {
        let rows = UPDATE.min(n - row);
        let left = a.part(row, 0, rows, a.cols())?;
        if row > 0 {
            let above = a.part(0, 0, row, a.cols())?.t();
            gemm::gemm(&options, left, above, c.reborrow().part(row, 0, rows, row)?, pool, scratch)?;
        }
        let layout = Layout::row_major(rows, rows);
        let plain = Options { beta: T::ZERO, ..options };
        gemm::gemm(&plain, left, left.t(), MatMut::new(&mut block, layout)?, pool, scratch)?;
        for i in 0..rows {
            for j in 0..=i {
                let value = block[i * rows + j];
                let old = if beta == T::ZERO { value } else { value + beta * c.get(row + i, row + j) };
                c.set(row + i, row + j, old);
            }
        }
    }
    Ok(())
}

/// `b = alpha * t^-1 * b` with a triangular `t`; with `unit` its diagonal is taken as ones and not read. The system from
/// the right, `b t^-1`, is that of `b.t()` with `t.t()` and the other triangle.
///
/// # Errors
/// [`Error::Shape`] when extents do not fit, [`Error::Singular`] for a zero on the diagonal, and as [`gemm::gemm`].
#[allow(clippy::too_many_arguments, reason = "BLAS' own parameters")]
pub fn trsm<T: Field>(
    alpha: T,
    t: MatRef<'_, T>,
    triangle: Triangle,
    unit: bool,
    b: MatMut<'_, T>,
    pool: &dyn Pool,
    scratch: &mut Scratch,
) -> Result<(), Error> {
    let n = square("extents of t", &t)?;
    if b.rows() != n {
        return Err(Error::shape("rows of b", b.rows(), format!("{n}, the rows of t")));
    }
    if let Some(index) = (0..n).find(|i| !unit && t.get(*i, *i) == T::ZERO) {
        return Err(Error::Singular { what: "zero on the diagonal", index });
    }
    // Read backwards, an upper triangle is a lower one.
    let (t, mut b) = match triangle {
        Triangle::Lower => (t, b),
        Triangle::Upper => (t.flip_rows().t().flip_rows().t(), b.flip_rows()),
    };
    for i in 0..n {
        for j in 0..b.cols() {
            if alpha == T::ZERO {
                b.set(i, j, T::ZERO);
            } else if alpha != T::ONE {
                b.set(i, j, alpha * b.get(i, j));
            }
        }
    }
    let minus = Options { alpha: -T::ONE, beta: T::ONE, ..Options::<T>::default() };
    for row in (0..n).step_by(SYSTEM) {
        let rows = SYSTEM.min(n - row);
        let (above, mut below) = b.reborrow().split_rows(row)?;
        let mut here = below.reborrow().part(0, 0, rows, above.cols())?;
        if row > 0 {
            gemm::gemm(&minus, t.part(row, 0, rows, row)?, above.as_ref(), here.reborrow(), pool, scratch)?;
        }
        let block = Mat::from_fn(rows, rows, |i, j| if j <= i { t.get(row + i, row + j) } else { T::ZERO });
        let mut right = Mat::from_fn(rows, here.cols(), |i, j| here.get(i, j));
        if unit {
            diagonal::solve_unit_lower_triangular_in_place(block.as_ref(), right.as_mut(), Par::Seq);
        } else {
            diagonal::solve_lower_triangular_in_place(block.as_ref(), right.as_mut(), Par::Seq);
        }
        super::put(&mut here, |i, j| right[(i, j)]);
    }
    Ok(())
}
