//! Cholesky, LU and QR, and what is solved with them.

use super::{Field, copied, extents, put, put_identity, square};
use crate::gemm::Accumulate;
use crate::{Error, MatMut, MatRef};
use faer::Side;
use faer::linalg::solvers::{DenseSolveCore, PartialPivLu, Solve};

/// The lower triangular `l` with `a = l l^H`, for a Hermitian positive definite `a`, of which the lower triangle is read.
/// Above the diagonal `l` becomes zero.
///
/// # Errors
/// [`Error::Shape`] when the extents do not fit, [`Error::Singular`] when `a` is not positive definite.
pub fn cholesky<T: Field>(a: MatRef<'_, T>, mut l: MatMut<'_, T>) -> Result<(), Error> {
    let n = square("extents of a", &a)?;
    extents("extents of l", (l.rows(), l.cols()), (n, n))?;
    if n == 0 {
        return Ok(());
    }
    let not_positive = |index| Error::Singular { what: "leading minor that is not positive", index };
    let made = copied(&a)?.llt(Side::Lower).map_err(|error| match error {
        faer::linalg::cholesky::llt::factor::LltError::NonPositivePivot { index } => not_positive(index),
    })?;
    let from = made.L();
    if let Some(index) = (0..n).find(|i| !from[(*i, *i)].finite()) {
        return Err(not_positive(index));
    }
    put(&mut l, |i, j| if j <= i { from[(i, j)] } else { T::ZERO });
    Ok(())
}

/// Factors `p a = l u` with partial pivoting: `packed` gets `u` on and above the diagonal and `l` without its unit diagonal
/// below; row i of `p a` is row `rows[i]` of `a`. A singular matrix is no error here: `u` then has a zero on its diagonal.
///
/// # Errors
/// [`Error::Shape`] when the extents do not fit.
pub fn lu<T: Field>(a: MatRef<'_, T>, mut packed: MatMut<'_, T>, rows: &mut [usize]) -> Result<(), Error> {
    extents("extents of the factors", (packed.rows(), packed.cols()), (a.rows(), a.cols()))?;
    if rows.len() != a.rows() {
        return Err(Error::shape("length of the permutation", rows.len(), a.rows()));
    }
    if a.rows() == 0 || a.cols() == 0 {
        rows.iter_mut().enumerate().for_each(|(i, row)| *row = i);
        return Ok(());
    }
    let made = copied(&a)?.partial_piv_lu();
    let (l, u) = (made.L(), made.U());
    put(&mut packed, |i, j| if j < i { l[(i, j)] } else { u[(i, j)] });
    rows.copy_from_slice(made.P().arrays().0);
    Ok(())
}

/// Factors `a = q r` with orthonormal columns of `q` and upper triangular `r`. With k the smaller extent of an m x n `a`,
/// `q` is m x k and `r` k x n, or, where `q` is m x m, `r` is m x n.
///
/// # Errors
/// [`Error::Shape`] when the extents do not fit.
pub fn qr<T: Field>(a: MatRef<'_, T>, mut q: MatMut<'_, T>, mut r: MatMut<'_, T>) -> Result<(), Error> {
    let (m, n) = (a.rows(), a.cols());
    let thin = q.cols() == m.min(n);
    if q.rows() != m || !(thin || q.cols() == m) {
        let expected = format!("{m}x{} or {m}x{m}", m.min(n));
        return Err(Error::shape("extents of q", format!("{}x{}", q.rows(), q.cols()), expected));
    }
    extents("extents of r", (r.rows(), r.cols()), (q.cols(), n))?;
    if m == 0 || n == 0 {
        put_identity(&mut q);
        return Ok(());
    }
    let made = copied(&a)?.qr();
    let basis = if thin { made.compute_thin_Q() } else { made.compute_Q() };
    let from = made.thin_R();
    put(&mut q, |i, j| basis[(i, j)]);
    put(&mut r, |i, j| if i <= j && i < from.nrows() { from[(i, j)] } else { T::ZERO });
    Ok(())
}

/// LU of a square matrix that must be regular.
fn regular<T: Field>(a: &MatRef<'_, T>) -> Result<PartialPivLu<T>, Error> {
    let made = copied(a)?.partial_piv_lu();
    let u = made.U();
    match (0..a.rows()).find(|i| u[(*i, *i)] == T::ZERO) {
        Some(index) => Err(Error::Singular { what: "zero pivot", index }),
        None => Ok(made),
    }
}

/// `b = a^-1 b` by LU with partial pivoting.
///
/// # Errors
/// [`Error::Shape`] when the extents do not fit, [`Error::Singular`] when a pivot is exactly zero.
pub fn solve<T: Field>(a: MatRef<'_, T>, mut b: MatMut<'_, T>) -> Result<(), Error> {
    let n = square("extents of a", &a)?;
    if b.rows() != n {
        return Err(Error::shape("rows of b", b.rows(), format!("{n}, the rows of a")));
    }
    if n == 0 {
        return Ok(());
    }
    let made = regular(&a)?;
    let right = copied(&b.as_ref())?;
    let x = made.solve(&right);
    put(&mut b, |i, j| x[(i, j)]);
    Ok(())
}

/// `out = a^-1` by LU with partial pivoting.
///
/// # Errors
/// [`Error::Shape`] when the extents do not fit, [`Error::Singular`] when a pivot is exactly zero.
pub fn inverse<T: Field>(a: MatRef<'_, T>, mut out: MatMut<'_, T>) -> Result<(), Error> {
    let n = square("extents of a", &a)?;
    extents("extents of the inverse", (out.rows(), out.cols()), (n, n))?;
    if n > 0 {
        let x = regular(&a)?.inverse();
        put(&mut out, |i, j| x[(i, j)]);
    }
    Ok(())
}

/// The pivots of a square matrix and whether the permutation is odd.
fn pivots<T: Field>(a: &MatRef<'_, T>) -> Result<(Vec<T>, bool), Error> {
    let n = square("extents of a", a)?;
    if n == 0 {
        return Ok((Vec::new(), false));
    }
    let made = copied(a)?.partial_piv_lu();
    let u = made.U();
    let mut rows = made.P().arrays().0.to_vec();
    let mut odd = false;
    for i in 0..n {
        while rows[i] != i {
            let to = rows[i];
            rows.swap(i, to);
            odd = !odd;
        }
    }
    Ok(((0..n).map(|i| u[(i, i)]).collect(), odd))
}

/// The determinant; 1 for the empty matrix. It overflows where [`log_determinant`] does not.
///
/// # Errors
/// [`Error::Shape`] when the matrix is not square.
pub fn determinant<T: Field>(a: MatRef<'_, T>) -> Result<T, Error> {
    let (pivots, odd) = pivots(&a)?;
    let one = <T as Accumulate>::ONE;
    Ok(pivots.into_iter().fold(if odd { -one } else { one }, |product, pivot| product * pivot))
}

/// The determinant's sign (for complex numbers: phase) and the logarithm of its absolute value; 0 and minus infinity for a
/// singular matrix.
///
/// # Errors
/// [`Error::Shape`] when the matrix is not square.
pub fn log_determinant<T: Field>(a: MatRef<'_, T>) -> Result<(T, f64), Error> {
    let (pivots, odd) = pivots(&a)?;
    let one = <T as Accumulate>::ONE;
    let mut result = (if odd { -one } else { one }, 0.0);
    for pivot in pivots {
        let size = pivot.modulus();
        if size == 0.0 {
            return Ok((T::ZERO, f64::NEG_INFINITY));
        }
        result = (result.0 * (pivot / T::real(size)), result.1 + size.ln());
    }
    Ok(result)
}
