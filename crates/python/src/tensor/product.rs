//! Matrix products and Fourier transforms: `vgpu_num` on the elements of arrays.

use super::dtype::{DType, Element};
use super::storage::{View, broadcast_shapes, count};
use super::walk::{Walk, converted, pool};
use crate::error::Fail;
use num_complex::Complex;
use vgpu_num::fft::{self, Direction, Norm, Plans};
use vgpu_num::linalg::Field;
use vgpu_num::{Layout, MatMut, MatRef, Scratch, gemm};

/// A stack of matrices: its last two dimensions.
fn matrices(view: &View) -> Result<(Vec<usize>, usize, usize), Fail> {
    match view.shape.as_slice() {
        [stack @ .., rows, cols] => Ok((stack.to_vec(), *rows, *cols)),
        shape => Err(Fail::Value(format!("expected at least two dimensions, found shape {shape:?}"))),
    }
}

/// The product of two stacks of matrices, which are broadcast together.
pub fn matmul(a: &View, b: &View) -> Result<View, Fail> {
    if a.dtype != b.dtype {
        return Err(Fail::Value(format!("matmul: types {} and {} differ", a.dtype.name(), b.dtype.name())));
    }
    let ((a_stack, m, k), (b_stack, k2, n)) = (matrices(a)?, matrices(b)?);
    if k != k2 {
        return Err(Fail::Value(format!("matmul: shapes {:?} and {:?}: {k} columns and {k2} rows", a.shape, b.shape)));
    }
    let stack = broadcast_shapes(&[&a_stack, &b_stack])?;
    let with = |tail: [usize; 2]| [stack.as_slice(), &tail].concat();
    let out = View::new(a.dtype, &with([m, n]))?;
    let (a, b) = (a.broadcast(&with([m, k]))?, b.broadcast(&with([k, n]))?);
    for idx in 0..count(&stack)? {
        let one = |view: &View| part(view, idx);
        let (a, b, c) = (one(&a), one(&b), one(&out));
        match out.dtype {
            DType::F32 => dense::<f32>(&a, &b, &c)?,
            DType::F64 => dense::<f64>(&a, &b, &c)?,
            DType::C64 => dense::<Complex<f32>>(&a, &b, &c)?,
            DType::C128 => dense::<Complex<f64>>(&a, &b, &c)?,
            DType::I8 => whole::<i8>(&a, &b, &c, i8::wrapping_mul, i8::wrapping_add)?,
            DType::I16 => whole::<i16>(&a, &b, &c, i16::wrapping_mul, i16::wrapping_add)?,
            DType::I32 => whole::<i32>(&a, &b, &c, i32::wrapping_mul, i32::wrapping_add)?,
            DType::I64 => whole::<i64>(&a, &b, &c, i64::wrapping_mul, i64::wrapping_add)?,
            DType::U8 => whole::<u8>(&a, &b, &c, u8::wrapping_mul, u8::wrapping_add)?,
            DType::U16 => whole::<u16>(&a, &b, &c, u16::wrapping_mul, u16::wrapping_add)?,
            DType::U32 => whole::<u32>(&a, &b, &c, u32::wrapping_mul, u32::wrapping_add)?,
            DType::U64 => whole::<u64>(&a, &b, &c, u64::wrapping_mul, u64::wrapping_add)?,
            DType::Bool => return Err(Fail::Value("matmul is not defined for bool".to_owned())),
        }
    }
    Ok(out)
}

/// Matrix `idx` of a stack.
pub fn part(view: &View, mut idx: usize) -> View {
    let n = view.shape.len() - 2;
    let mut offset = view.offset as isize;
    for (extent, stride) in view.shape[..n].iter().zip(&view.strides).rev() {
        offset += (idx % extent) as isize * stride;
        idx /= extent;
    }
    View {
        shape: view.shape[n..].to_vec(),
        strides: view.strides[n..].to_vec(),
        offset: offset as usize,
        ..view.clone()
    }
}

/// A matrix where it lies, or copied when its elements do not lie at whole steps.
pub struct Matrix<'v, T> {
    copy: Option<View>,
    view: &'v View,
    kind: std::marker::PhantomData<T>,
}

impl<'v, T: Element> Matrix<'v, T> {
    pub fn new(view: &'v View) -> Result<Self, Fail> {
        let size = size_of::<T>() as isize;
        let whole = view.strides.iter().all(|stride| stride % size == 0)
            && view.address().is_multiple_of(T::DTYPE.align())
            // Views that reach back before their first element are copied: slices begin at it.
            && view.strides.iter().zip(&view.shape).all(|(stride, extent)| *stride >= 0 || *extent < 2);
        let copy = if whole { None } else { Some(converted(view, view.dtype)?) };
        Ok(Self { copy, view, kind: std::marker::PhantomData })
    }

    /// The elements as `vgpu_num` takes them.
    pub fn as_ref(&self) -> Result<MatRef<'_, T>, Fail> {
        let view = self.copy.as_ref().unwrap_or(self.view);
        let [rows, cols] = view.shape[..] else {
            return Err(Fail::Value(format!("expected a matrix, found shape {:?}", view.shape)));
        };
        let steps: Vec<isize> = view.strides.iter().map(|stride| stride / size_of::<T>() as isize).collect();
        let reach =
            if view.len() == 0 { 0 } else { (rows - 1) * steps[0] as usize + (cols - 1) * steps[1] as usize + 1 };
        // SAFETY: rules 1 to 3 of `storage`: the view's elements lie inside its storage, and these are all up to the last.
        let elements = unsafe { std::slice::from_raw_parts(view.pointer::<T>().cast_const(), reach) };
        let layout = Layout { rows, cols, row_stride: steps[0], col_stride: steps[1], offset: 0 };
        Ok(MatRef::new(elements, layout)?)
    }
}

/// A new contiguous matrix to write.
pub fn written<T: Element>(view: &View) -> Result<MatMut<'_, T>, Fail> {
    // SAFETY: rules 1 to 3 of `storage`: the matrix is new and plain, and only the caller has it.
    let elements = unsafe { view.slice_mut::<T>() };
    let [rows, cols] = view.shape[..] else {
        return Err(Fail::Value(format!("expected a matrix, found shape {:?}", view.shape)));
    };
    Ok(MatMut::row_major(elements, rows, cols)?)
}

fn dense<T: Element + Field>(a: &View, b: &View, c: &View) -> Result<(), Fail> {
    let (a, b) = (Matrix::<T>::new(a)?, Matrix::<T>::new(b)?);
    gemm::gemm(&gemm::Options::default(), a.as_ref()?, b.as_ref()?, written::<T>(c)?, pool(), &mut Scratch::new())?;
    Ok(())
}

/// Integers, row by row: the rows of `b` times the elements of a row of `a`.
fn whole<T: Element>(a: &View, b: &View, c: &View, mul: fn(T, T) -> T, add: fn(T, T) -> T) -> Result<(), Fail> {
    let (k, n) = (b.shape[0], b.shape[1]);
    let b = converted(b, b.dtype)?;
    let walk = Walk::new(a);
    let (b_at, c_at) = (b.address(), c.address());
    let row = |i: usize| {
        let mut scratch = Vec::new();
        // SAFETY: rules 1 to 3 of `storage`: row i of a, all of b, which was copied, and row i of c, which is new.
        let (left, right, out) = unsafe {
            (
                std::slice::from_raw_parts(walk.side_by_side(i * k, k, &mut scratch).cast::<T>(), k),
                std::slice::from_raw_parts(b_at as *const T, k * n),
                std::slice::from_raw_parts_mut((c_at as *mut T).add(i * n), n),
            )
        };
        out.fill(T::default());
        for (factor, right) in left.iter().zip(right.chunks_exact(n.max(1))) {
            for (out, right) in out.iter_mut().zip(right) {
                *out = add(*out, mul(*factor, *right));
            }
        }
    };
    if a.shape[0] * k * n < 1 << 16 {
        (0..a.shape[0]).for_each(row)
    } else {
        pool().run(a.shape[0], &row)
    }
    Ok(())
}

fn norm(name: &str) -> Result<Norm, Fail> {
    match name {
        "backward" => Ok(Norm::Backward),
        "ortho" => Ok(Norm::Ortho),
        "forward" => Ok(Norm::Forward),
        other => Err(Fail::Value(format!("norm: found \"{other}\", expected \"backward\", \"ortho\" or \"forward\""))),
    }
}

/// Elements of the lines whose plans are kept.
const PLANS: usize = 1 << 22;
static PLANS_F32: Plans<f32> = Plans::new(PLANS);
static PLANS_F64: Plans<f64> = Plans::new(PLANS);

/// Fourier transform of complex numbers along axes.
pub fn transform(view: &View, axes: &[usize], inverse: bool, norm_name: &str) -> Result<View, Fail> {
    let (direction, norm) = (if inverse { Direction::Inverse } else { Direction::Forward }, norm(norm_name)?);
    let out = converted(view, view.dtype)?;
    // SAFETY: rules 1 to 3 of `storage`: a plain array that was made here, of the type that is asked for.
    unsafe {
        match view.dtype {
            DType::C64 => {
                fft::fft(out.slice_mut::<Complex<f32>>(), &out.shape, axes, direction, norm, &PLANS_F32, pool())?
            }
            DType::C128 => {
                fft::fft(out.slice_mut::<Complex<f64>>(), &out.shape, axes, direction, norm, &PLANS_F64, pool())?
            }
            other => return Err(Fail::Value(format!("expected complex numbers, found {}", other.name()))),
        }
    }
    Ok(out)
}

/// Forward transform of real numbers; the last of the axes is the array's last.
pub fn transform_real(view: &View, axes: &[usize], norm_name: &str) -> Result<View, Fail> {
    let norm = norm(norm_name)?;
    let input = converted(view, view.dtype)?;
    let mut shape = view.shape.clone();
    if let Some(last) = shape.last_mut() {
        *last = *last / 2 + 1;
    }
    let dtype = if view.dtype == DType::F32 { DType::C64 } else { DType::C128 };
    let out = View::new(dtype, &shape)?;
    // SAFETY: rules 1 to 3 of `storage`: plain arrays that were made here, of the types that are asked for.
    unsafe {
        match view.dtype {
            DType::F32 => {
                fft::rfft(input.slice::<f32>(), out.slice_mut(), &input.shape, axes, norm, &PLANS_F32, pool())?
            }
            DType::F64 => {
                fft::rfft(input.slice::<f64>(), out.slice_mut(), &input.shape, axes, norm, &PLANS_F64, pool())?
            }
            other => return Err(Fail::Value(format!("expected real numbers, found {}", other.name()))),
        }
    }
    Ok(out)
}

/// Inverse transform to `n` real numbers along the array's last axis, which is the last of the axes.
pub fn transform_to_real(view: &View, axes: &[usize], n: usize, norm_name: &str) -> Result<View, Fail> {
    let norm = norm(norm_name)?;
    let input = converted(view, view.dtype)?;
    let mut shape = view.shape.clone();
    if let Some(last) = shape.last_mut() {
        *last = n;
    }
    let dtype = view.dtype.part();
    let out = View::new(dtype, &shape)?;
    // SAFETY: as above.
    unsafe {
        match view.dtype {
            DType::C64 => {
                fft::irfft(input.slice_mut(), out.slice_mut::<f32>(), &shape, axes, norm, &PLANS_F32, pool())?;
            }
            DType::C128 => {
                fft::irfft(input.slice_mut(), out.slice_mut::<f64>(), &shape, axes, norm, &PLANS_F64, pool())?;
            }
            other => return Err(Fail::Value(format!("expected complex numbers, found {}", other.name()))),
        }
    }
    Ok(out)
}
