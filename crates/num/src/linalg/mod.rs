//! Linear algebra beside the product: BLAS levels 2 and 3, factorisations, eigenvalues and singular values.
//!
//! Products with vectors and updates with triangles are here; they end in [`crate::gemm`] wherever there is enough to do.
//! Factorisations are faer's (Cholesky, LU, QR, symmetric and general eigenvalues, SVD), on one thread, so that results do
//! not depend on threads; they work on copies, and inputs may have any strides.
//!
//! Accuracy is that of the standard backward-stable methods: each factorisation is exact for a matrix that differs from
//! the given one by a modest multiple of `n eps` in norm (Higham, Accuracy and Stability, 2nd edition).
//!
//! A matrix without the property that a routine needs (positive definite, regular, finite) is [`crate::Error::Singular`]
//! with the index where that shows. LU and QR carry NaN through, as LAPACK does.

mod factor;
mod level2;
mod level3;
mod spectrum;
#[cfg(test)]
mod tests;

pub use factor::{cholesky, determinant, inverse, log_determinant, lu, qr, solve};
pub use level2::{gemv, ger};
pub use level3::{Triangle, syrk, trsm};
pub use spectrum::{eigen, eigen_hermitian, pseudo_inverse, svd};

use crate::gemm::{Factor, Output};
use crate::{Error, MatMut, MatRef};
use faer::Mat;
use faer::linalg::solvers::Eigen;
use faer::traits::ComplexField;
use num_complex::{Complex, Complex32, Complex64};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// f32, f64 and their complex numbers.
pub trait Field:
    Factor<Acc = Self>
    + Output<Self>
    + ComplexField
    + Default
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// Neither NaN nor infinite, in both parts.
    fn finite(self) -> bool;
    /// The complex conjugate.
    fn conjugate(self) -> Self;
    /// The absolute value.
    fn modulus(self) -> f64;
    /// A real number of this type.
    fn real(value: f64) -> Self;
    /// A real part's value.
    fn from_re(value: RealOf<Self>) -> f64;
    /// faer's eigenvalues of a general matrix.
    #[doc(hidden)]
    fn eigen_of(matrix: &Mat<Self>) -> Option<Eigen<RealOf<Self>>>;
}

macro_rules! real_field {
    ($($t:ty)*) => {$(
        impl Field for $t {
            fn finite(self) -> bool {
                self.is_finite()
            }
            fn conjugate(self) -> Self {
                self
            }
            fn modulus(self) -> f64 {
                f64::from(self.abs())
            }
            fn real(value: f64) -> Self {
                value as Self
            }
            fn from_re(value: $t) -> f64 {
                f64::from(value)
            }
            fn eigen_of(matrix: &Mat<Self>) -> Option<Eigen<Self>> {
                Eigen::new_from_real(matrix.as_ref()).ok()
            }
        }
    )*};
}
real_field!(f32 f64);

macro_rules! complex_field {
    ($($t:ty, $real:ty;)*) => {$(
        impl Field for $t {
            fn finite(self) -> bool {
                self.re.is_finite() && self.im.is_finite()
            }
            fn conjugate(self) -> Self {
                self.conj()
            }
            fn modulus(self) -> f64 {
                f64::from(self.norm())
            }
            fn real(value: f64) -> Self {
                Self::new(value as $real, 0.0)
            }
            fn from_re(value: $real) -> f64 {
                f64::from(value)
            }
            fn eigen_of(matrix: &Mat<Self>) -> Option<Eigen<$real>> {
                Eigen::new(matrix.as_ref()).ok()
            }
        }
    )*};
}
complex_field!(Complex32, f32; Complex64, f64;);

/// The real type of `T`.
pub type RealOf<T> = <T as ComplexField>::Real;

/// A complex number with the real type of `T`.
pub type ComplexOf<T> = Complex<RealOf<T>>;

/// A copy for faer, once it is certain that the memory for it and for as much again as the method works in is there.
fn copied<T: Field>(a: &MatRef<'_, T>) -> Result<Mat<T>, Error> {
    let (rows, cols) = (a.rows(), a.cols());
    let longer = rows.max(cols) as u128;
    let count = 4 * longer * longer;
    let elements =
        usize::try_from(count).map_err(|_| Error::TooLarge { what: "work space of a factorisation", count })?;
    let bytes = elements.saturating_mul(size_of::<T>());
    Vec::<T>::new().try_reserve_exact(elements).map_err(|_| Error::OutOfMemory { bytes })?;
    Ok(Mat::from_fn(rows, cols, |i, j| a.get(i, j)))
}

/// `out = from`, of equal extents.
fn put<T: Field>(out: &mut MatMut<'_, T>, from: impl Fn(usize, usize) -> T) {
    for i in 0..out.rows() {
        for j in 0..out.cols() {
            out.set(i, j, from(i, j));
        }
    }
}

/// `out = I`.
fn put_identity<T: Field>(out: &mut MatMut<'_, T>) {
    put(out, |i, j| if i == j { T::ONE } else { T::ZERO });
}

fn square<T>(what: &'static str, a: &MatRef<'_, T>) -> Result<usize, Error> {
    if a.rows() != a.cols() {
        return Err(Error::shape(what, format!("{}x{}", a.rows(), a.cols()), "a square matrix"));
    }
    Ok(a.rows())
}

fn extents(what: &'static str, found: (usize, usize), expected: (usize, usize)) -> Result<(), Error> {
    if found != expected {
        let show = |(rows, cols): (usize, usize)| format!("{rows}x{cols}");
        return Err(Error::shape(what, show(found), show(expected)));
    }
    Ok(())
}

/// All elements are finite; iterative methods would not end, or end in nonsense.
fn finite<T: Field>(a: &MatRef<'_, T>) -> Result<(), Error> {
    for i in 0..a.rows() {
        for j in 0..a.cols() {
            if !a.get(i, j).finite() {
                return Err(Error::Singular { what: "a number that is not finite", index: i * a.cols() + j });
            }
        }
    }
    Ok(())
}
