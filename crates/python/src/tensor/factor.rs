//! Factorisations of stacks of matrices, and einsum: `vgpu_num::linalg` and `vgpu_num::einsum` on arrays.

use super::dtype::{DType, Element};
use super::product::{Matrix, part, written};
use super::storage::{View, count};
use super::walk::{converted, pool};
use crate::error::Fail;
use num_complex::Complex;
use vgpu_num::linalg::{self, Field};
use vgpu_num::{ArrayRef, Scratch, einsum};

/// Runs code with `$t` as the Rust type of a floating-point [`DType`].
macro_rules! with_field {
    ($dtype:expr, $what:expr, $t:ident => $body:expr) => {
        match $dtype {
            DType::F32 => {
                type $t = f32;
                $body
            }
            DType::F64 => {
                type $t = f64;
                $body
            }
            DType::C64 => {
                type $t = Complex<f32>;
                $body
            }
            DType::C128 => {
                type $t = Complex<f64>;
                $body
            }
            other => Err(Fail::Value(format!("{} is not defined for {}", $what, other.name()))),
        }
    };
}

/// The stack's shape with another tail.
fn stacked(view: &View, tail: &[usize]) -> Vec<usize> {
    [&view.shape[..view.shape.len() - 2], tail].concat()
}

fn extents(view: &View, what: &str) -> Result<(usize, usize, usize), Fail> {
    let [stack @ .., rows, cols] = view.shape.as_slice() else {
        return Err(Fail::Value(format!("{what}: expected at least two dimensions, found shape {:?}", view.shape)));
    };
    Ok((count(stack)?, *rows, *cols))
}

/// The lower factor L of a = L L^H.
pub fn cholesky(a: &View) -> Result<View, Fail> {
    let (n, ..) = extents(a, "cholesky")?;
    let out = View::new(a.dtype, &a.shape)?;
    with_field!(a.dtype, "cholesky", T => {
        for i in 0..n {
            let (a, out) = (part(a, i), part(&out, i));
            linalg::cholesky(Matrix::<T>::new(&a)?.as_ref()?, written::<T>(&out)?)?;
        }
        Ok(())
    })?;
    Ok(out)
}

/// The inverse.
pub fn inverse(a: &View) -> Result<View, Fail> {
    let (n, ..) = extents(a, "inv")?;
    let out = View::new(a.dtype, &a.shape)?;
    with_field!(a.dtype, "inv", T => {
        for i in 0..n {
            let (a, out) = (part(a, i), part(&out, i));
            linalg::inverse(Matrix::<T>::new(&a)?.as_ref()?, written::<T>(&out)?)?;
        }
        Ok(())
    })?;
    Ok(out)
}

/// The solution of a x = b for stacks of the same shape.
pub fn solve(a: &View, b: &View) -> Result<View, Fail> {
    let (n, ..) = extents(a, "solve")?;
    let (n_b, ..) = extents(b, "solve")?;
    if n != n_b || a.dtype != b.dtype {
        return Err(Fail::Value(format!("solve: shapes {:?} and {:?} do not go together", a.shape, b.shape)));
    }
    let out = converted(b, b.dtype)?;
    with_field!(a.dtype, "solve", T => {
        for i in 0..n {
            let (a, out) = (part(a, i), part(&out, i));
            linalg::solve(Matrix::<T>::new(&a)?.as_ref()?, written::<T>(&out)?)?;
        }
        Ok(())
    })?;
    Ok(out)
}

/// The determinants.
pub fn determinant(a: &View) -> Result<View, Fail> {
    let (n, ..) = extents(a, "det")?;
    let out = View::new(a.dtype, &stacked(a, &[]))?;
    with_field!(a.dtype, "det", T => {
        for i in 0..n {
            let value = linalg::determinant(Matrix::<T>::new(&part(a, i))?.as_ref()?)?;
            // SAFETY: the new array has element i.
            unsafe { out.pointer::<T>().add(i).write(value) };
        }
        Ok(())
    })?;
    Ok(out)
}

/// Signs and logarithms of the absolute values of the determinants.
pub fn log_determinant(a: &View) -> Result<(View, View), Fail> {
    let (n, ..) = extents(a, "slogdet")?;
    let sign = View::new(a.dtype, &stacked(a, &[]))?;
    let size = View::new(DType::F64, &stacked(a, &[]))?;
    with_field!(a.dtype, "slogdet", T => {
        for i in 0..n {
            let (phase, log) = linalg::log_determinant(Matrix::<T>::new(&part(a, i))?.as_ref()?)?;
            // SAFETY: the new arrays have element i.
            unsafe {
                sign.pointer::<T>().add(i).write(phase);
                size.pointer::<f64>().add(i).write(log);
            }
        }
        Ok(())
    })?;
    let part = a.dtype.part();
    Ok((sign, converted(&size, part)?))
}

/// Q and R; all columns of Q with `complete`.
pub fn qr(a: &View, complete: bool) -> Result<(View, View), Fail> {
    let (n, rows, cols) = extents(a, "qr")?;
    let k = if complete { rows } else { rows.min(cols) };
    let (q, r) = (View::new(a.dtype, &stacked(a, &[rows, k]))?, View::new(a.dtype, &stacked(a, &[k, cols]))?);
    with_field!(a.dtype, "qr", T => {
        for i in 0..n {
            let (a, q, r) = (part(a, i), part(&q, i), part(&r, i));
            linalg::qr(Matrix::<T>::new(&a)?.as_ref()?, written::<T>(&q)?, written::<T>(&r)?)?;
        }
        Ok(())
    })?;
    Ok((q, r))
}

/// Row i of a stack of rows, to write.
#[expect(clippy::mut_from_ref, reason = "a view is a handle; the caller has made it and hands out each row once")]
fn row<T: Element>(view: &View, i: usize) -> &mut [T] {
    let length = view.shape.last().copied().unwrap_or(1);
    // SAFETY: rules 1 to 3 of `storage`: a new plain array with this row, which nobody else has.
    unsafe { std::slice::from_raw_parts_mut(view.pointer::<T>().add(i * length), length) }
}

/// Eigenvalues of Hermitian matrices in ascending order, and their vectors as columns.
pub fn eigen_hermitian(a: &View) -> Result<(View, View), Fail> {
    let (n, rows, _) = extents(a, "eigh")?;
    let (values, vectors) = (View::new(a.dtype.part(), &stacked(a, &[rows]))?, View::new(a.dtype, &a.shape)?);
    with_field!(a.dtype, "eigh", T => {
        for i in 0..n {
            let (a, vectors) = (part(a, i), part(&vectors, i));
            linalg::eigen_hermitian(Matrix::<T>::new(&a)?.as_ref()?, row(&values, i), Some(written::<T>(&vectors)?))?;
        }
        Ok(())
    })?;
    Ok((values, vectors))
}

/// Eigenvalues of any square matrices, and their vectors as columns: complex.
pub fn eigen(a: &View) -> Result<(View, View), Fail> {
    fn all<T: Element + Field>(a: &View, n: usize, values: &View, vectors: &View) -> Result<(), Fail>
    where
        linalg::ComplexOf<T>: Field + Element,
    {
        for i in 0..n {
            let (a, vectors) = (part(a, i), part(vectors, i));
            let out = Some(written::<linalg::ComplexOf<T>>(&vectors)?);
            linalg::eigen(Matrix::<T>::new(&a)?.as_ref()?, row(values, i), out)?;
        }
        Ok(())
    }
    let (n, rows, _) = extents(a, "eig")?;
    let dtype = if matches!(a.dtype, DType::F32 | DType::C64) { DType::C64 } else { DType::C128 };
    let (values, vectors) = (View::new(dtype, &stacked(a, &[rows]))?, View::new(dtype, &a.shape)?);
    with_field!(a.dtype, "eig", T => all::<T>(a, n, &values, &vectors))?;
    Ok((values, vectors))
}

/// U, singular values in descending order, V^H; square factors with `full`.
pub fn svd(a: &View, full: bool) -> Result<(View, View, View), Fail> {
    let (n, rows, cols) = extents(a, "svd")?;
    let k = rows.min(cols);
    let (left, right) = if full { (rows, cols) } else { (k, k) };
    let u = View::new(a.dtype, &stacked(a, &[rows, left]))?;
    let values = View::new(a.dtype.part(), &stacked(a, &[k]))?;
    let vh = View::new(a.dtype, &stacked(a, &[right, cols]))?;
    with_field!(a.dtype, "svd", T => {
        for i in 0..n {
            let (a, u, vh) = (part(a, i), part(&u, i), part(&vh, i));
            let vectors = Some((written::<T>(&u)?, written::<T>(&vh)?));
            linalg::svd(Matrix::<T>::new(&a)?.as_ref()?, row(&values, i), vectors)?;
        }
        Ok(())
    })?;
    Ok((u, values, vh))
}

/// Einstein's sums over arrays of one floating-point type.
pub fn contract(text: &str, operands: &[View]) -> Result<View, Fail> {
    let Some(first) = operands.first() else {
        return Err(Fail::Value("einsum: expected at least one array".to_owned()));
    };
    if operands.iter().any(|operand| operand.dtype != first.dtype) {
        return Err(Fail::Value("einsum: expected arrays of one type".to_owned()));
    }
    let plain = operands.iter().map(|operand| converted(operand, operand.dtype)).collect::<Result<Vec<_>, _>>()?;
    with_field!(first.dtype, "einsum", T => {
        let mut arrays = Vec::new();
        for view in &plain {
            // SAFETY: rules 1 to 3 of `storage`: a plain array that was made here.
            arrays.push(ArrayRef::contiguous(unsafe { view.slice::<T>() }, &view.shape)?);
        }
        let (shape, elements) = einsum::einsum(text, &arrays, pool(), &mut Scratch::new())?;
        let out = View::new(first.dtype, &shape)?;
        // SAFETY: as above.
        unsafe { out.slice_mut::<T>() }.copy_from_slice(&elements);
        Ok(out)
    })
}
