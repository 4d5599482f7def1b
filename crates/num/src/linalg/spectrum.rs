//! Eigenvalues and singular values.

use super::{ComplexOf, Field, RealOf, copied, extents, finite, put, put_identity, square};
use crate::{Error, MatMut, MatRef};
use faer::Side;

/// What an iteration that does not end is called; nobody has seen one with finite input.
fn no_convergence(what: &'static str) -> Error {
    Error::Singular { what, index: 0 }
}

fn length(what: &'static str, found: usize, expected: usize) -> Result<(), Error> {
    if found == expected { Ok(()) } else { Err(Error::shape(what, found, expected)) }
}

/// The eigenvalues of a Hermitian matrix, ascending, and if wanted its orthonormal eigenvectors as columns:
/// `a v = v diag(values)`. The lower triangle is read.
///
/// # Errors
/// [`Error::Shape`] when the extents do not fit, [`Error::Singular`] for NaN or infinity in the matrix.
pub fn eigen_hermitian<T: Field>(
    a: MatRef<'_, T>,
    values: &mut [RealOf<T>],
    vectors: Option<MatMut<'_, T>>,
) -> Result<(), Error> {
    let n = square("extents of a", &a)?;
    length("number of eigenvalues", values.len(), n)?;
    if let Some(vectors) = &vectors {
        extents("extents of the eigenvectors", (vectors.rows(), vectors.cols()), (n, n))?;
    }
    finite(&a)?;
    if n == 0 {
        return Ok(());
    }
    let failed = |_| no_convergence("no convergence of the eigenvalues");
    let matrix = copied(&a)?;
    let Some(mut vectors) = vectors else {
        values.clone_from_slice(&matrix.self_adjoint_eigenvalues(Side::Lower).map_err(failed)?);
        return Ok(());
    };
    let made = matrix.self_adjoint_eigen(Side::Lower).map_err(failed)?;
    let (u, s) = (made.U(), made.S().column_vector());
    for (i, value) in values.iter_mut().enumerate() {
        *value = faer::traits::math_utils::real(&s[i]);
    }
    put(&mut vectors, |i, j| u[(i, j)]);
    Ok(())
}

/// The eigenvalues of a general square matrix, in no particular order, and if wanted its eigenvectors as columns:
/// `a v = v diag(values)`. Vectors of a defective matrix are not independent.
///
/// # Errors
/// [`Error::Shape`] when the extents do not fit, [`Error::Singular`] for NaN or infinity in the matrix.
pub fn eigen<T: Field>(
    a: MatRef<'_, T>,
    values: &mut [ComplexOf<T>],
    vectors: Option<MatMut<'_, ComplexOf<T>>>,
) -> Result<(), Error>
where
    ComplexOf<T>: Field,
{
    let n = square("extents of a", &a)?;
    length("number of eigenvalues", values.len(), n)?;
    if let Some(vectors) = &vectors {
        extents("extents of the eigenvectors", (vectors.rows(), vectors.cols()), (n, n))?;
    }
    finite(&a)?;
    if n == 0 {
        return Ok(());
    }
    let made = T::eigen_of(&copied(&a)?).ok_or_else(|| no_convergence("no convergence of the eigenvalues"))?;
    let (u, s) = (made.U(), made.S().column_vector());
    for (i, value) in values.iter_mut().enumerate() {
        *value = s[i];
    }
    if let Some(mut vectors) = vectors {
        put(&mut vectors, |i, j| u[(i, j)]);
    }
    Ok(())
}

/// The singular values, descending, and if wanted the singular vectors: `a = u diag(s) vh`. With k the smaller extent of an
/// m x n matrix, `u` is m x k and `vh` k x n, or `u` m x m and `vh` n x n.
///
/// # Errors
/// [`Error::Shape`] when the extents do not fit, [`Error::Singular`] for NaN or infinity in the matrix.
pub fn svd<T: Field>(
    a: MatRef<'_, T>,
    values: &mut [RealOf<T>],
    vectors: Option<(MatMut<'_, T>, MatMut<'_, T>)>,
) -> Result<(), Error> {
    let (m, n) = (a.rows(), a.cols());
    let k = m.min(n);
    length("number of singular values", values.len(), k)?;
    let mut thin = true;
    if let Some((u, vh)) = &vectors {
        thin = u.cols() == k && vh.rows() == k;
        let (left, right) = if thin { (k, k) } else { (m, n) };
        extents("extents of u", (u.rows(), u.cols()), (m, left))?;
        extents("extents of vh", (vh.rows(), vh.cols()), (right, n))?;
    }
    finite(&a)?;
    if k == 0 {
        if let Some((mut u, mut vh)) = vectors {
            put_identity(&mut u);
            put_identity(&mut vh);
        }
        return Ok(());
    }
    let failed = |_| no_convergence("no convergence of the singular values");
    let matrix = copied(&a)?;
    let Some((mut u, mut vh)) = vectors else {
        values.clone_from_slice(&matrix.singular_values().map_err(failed)?);
        return Ok(());
    };
    let made = if thin { matrix.thin_svd() } else { matrix.svd() }.map_err(failed)?;
    let s = made.S().column_vector();
    for (i, value) in values.iter_mut().enumerate() {
        *value = faer::traits::math_utils::real(&s[i]);
    }
    put(&mut u, |i, j| made.U()[(i, j)]);
    put(&mut vh, |i, j| made.V()[(j, i)].conjugate());
    Ok(())
}

/// The Moore-Penrose inverse: singular values up to `cutoff` times the largest count as zero.
///
/// # Errors
/// As [`svd`]; `out` must have the transposed extents of `a`.
pub fn pseudo_inverse<T: Field>(a: MatRef<'_, T>, cutoff: f64, mut out: MatMut<'_, T>) -> Result<(), Error> {
    let (m, n) = (a.rows(), a.cols());
    extents("extents of the inverse", (out.rows(), out.cols()), (n, m))?;
    finite(&a)?;
    if m == 0 || n == 0 {
        return Ok(());
    }
    let made = copied(&a)?.thin_svd().map_err(|_| no_convergence("no convergence of the singular values"))?;
    let sizes: Vec<f64> = (0..m.min(n)).map(|i| made.S().column_vector()[i].modulus()).collect();
    let rank = sizes.iter().take_while(|s| **s > cutoff * sizes[0] && **s > 0.0).count();
    let (u, v) = (made.U(), made.V());
    let scaled = faer::Mat::from_fn(n, rank, |i, j| v[(i, j)] * T::real(1.0 / sizes[j]));
    let result = &scaled * u.subcols(0, rank).adjoint();
    put(&mut out, |i, j| result[(i, j)]);
    Ok(())
}
