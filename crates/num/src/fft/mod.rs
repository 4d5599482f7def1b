//! Discrete Fourier transforms of any size, in any number of dimensions, in place.
//!
//! Arrays are contiguous, last axis fastest; transforms go along the axes that are named, so that other axes are batches.
//! One-dimensional transforms are RustFFT's and realfft's; here are axes, threads and large sizes. Lines that lie across
//! memory are copied in groups into lines that lie along it. A long single transform is cut in two dimensions with a twist
//! in between (Bailey's four-step method, J. Supercomputing 4, 1990), which also gives threads something to share.
//!
//! Accuracy: the error relative to the norm of the result is at most about `4 log2(n) eps`. Results do not depend on the
//! number of threads. NaN or infinity anywhere in a line makes all of that line's results NaN or infinite.

mod long;
mod plans;
#[cfg(test)]
mod tests;

pub use plans::Plans;
pub use realfft::FftNum;

use crate::simd::parts::{self, Stacked};
use crate::{Error, Pool};
use num_complex::Complex;
use rustfft::FftDirection;

/// Which sign the exponent has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// exp(-2 pi i j k / n).
    Forward,
    /// exp(+2 pi i j k / n).
    Inverse,
}

impl Direction {
    const fn plan(self) -> FftDirection {
        match self {
            Self::Forward => FftDirection::Forward,
            Self::Inverse => FftDirection::Inverse,
        }
    }
}

/// What results are multiplied with; NumPy's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Norm {
    /// 1/n on the inverse.
    #[default]
    Backward,
    /// 1/sqrt(n) on both.
    Ortho,
    /// 1/n on the forward transform.
    Forward,
    /// 1 on both, as FFTW and cuFFT.
    Unscaled,
}

impl Norm {
    fn factor(self, direction: Direction, n: usize) -> f64 {
        match (self, direction) {
            (Self::Ortho, _) => 1.0 / (n as f64).sqrt(),
            (Self::Backward, Direction::Inverse) | (Self::Forward, Direction::Forward) => 1.0 / n as f64,
            _ => 1.0,
        }
    }
}

/// Columns that are turned at once fill about this much.
const COLUMN_BYTES: usize = 256 << 10;
/// Lines that a task takes fill about this much.
const TASK_BYTES: usize = 64 << 10;

/// Transforms `data`, an array of extents `shape`, along `axes`, in place.
///
/// # Errors
/// [`Error::Shape`] when the slice has another length than the array, an axis does not exist or is named twice, or an axis
/// to transform is empty; [`Error::TooLarge`] when the extents' product cannot be addressed.
pub fn fft<R: FftNum + Default>(
    data: &mut [Complex<R>],
    shape: &[usize],
    axes: &[usize],
    direction: Direction,
    norm: Norm,
    plans: &Plans<R>,
    pool: &dyn Pool,
) -> Result<(), Error> {
    check(data.len(), shape, axes)?;
    if data.is_empty() {
        return Ok(());
    }
    let mut n = 1;
    for &axis in axes.iter().rev() {
        along(data, shape, axis, direction, plans, pool);
        n *= shape[axis];
    }
    scale(data, norm.factor(direction, n), pool);
    Ok(())
}

/// The forward transform of real `input` of extents `shape` along `axes`; the last of the axes is halved: `output` has
/// `n / 2 + 1` elements along it. It must be the array's last axis.
///
/// # Errors
/// As [`fft`], and [`Error::Shape`] when the last named axis is not the array's last.
pub fn rfft<R: FftNum + Default>(
    input: &[R],
    output: &mut [Complex<R>],
    shape: &[usize],
    axes: &[usize],
    norm: Norm,
    plans: &Plans<R>,
    pool: &dyn Pool,
) -> Result<(), Error> {
    check(input.len(), shape, axes)?;
    let (n, half_shape) = halved(shape, axes)?;
    check(output.len(), &half_shape, axes)?;
    if input.is_empty() {
        return Ok(());
    }
    let plan = plans.to_complex(n);
    let half = n / 2 + 1;
    let lines = (TASK_BYTES / (n * size_of::<R>())).max(1);
    parts::chunks(pool, output, lines * half, &|task, out| {
        let (mut line, mut scratch) = (plan.make_input_vec(), plan.make_scratch_vec());
        for (i, out) in out.chunks_exact_mut(half).enumerate() {
            let at = (task * lines + i) * n;
            line.copy_from_slice(&input[at..at + n]);
            plan.process_with_scratch(&mut line, out, &mut scratch).expect("slices have the plan's lengths");
        }
    });
    let mut total = n;
    for &axis in axes[..axes.len() - 1].iter().rev() {
        along(output, &half_shape, axis, Direction::Forward, plans, pool);
        total *= shape[axis];
    }
    scale(output, norm.factor(Direction::Forward, total), pool);
    Ok(())
}

/// The inverse of [`rfft`]: `input` has `n / 2 + 1` elements along the last axis, `output` the extents `shape`. The input is
/// used up. Imaginary parts that a real array's transform cannot have are taken as zero.
///
/// # Errors
/// As [`rfft`].
pub fn irfft<R: FftNum + Default>(
    input: &mut [Complex<R>],
    output: &mut [R],
    shape: &[usize],
    axes: &[usize],
    norm: Norm,
    plans: &Plans<R>,
    pool: &dyn Pool,
) -> Result<(), Error> {
    check(output.len(), shape, axes)?;
    let (n, half_shape) = halved(shape, axes)?;
    check(input.len(), &half_shape, axes)?;
    if output.is_empty() {
        return Ok(());
    }
    let mut total = n;
    for &axis in axes[..axes.len() - 1].iter().rev() {
        along(input, &half_shape, axis, Direction::Inverse, plans, pool);
        total *= shape[axis];
    }
    let plan = plans.to_real(n);
    let half = n / 2 + 1;
    let lines = (TASK_BYTES / (n * size_of::<R>())).max(1);
    let factor = real::<R>(norm.factor(Direction::Inverse, total));
    let input = &*input;
    parts::chunks(pool, output, lines * n, &|task, out| {
        let (mut line, mut scratch) = (plan.make_input_vec(), plan.make_scratch_vec());
        for (i, out) in out.chunks_exact_mut(n).enumerate() {
            let at = (task * lines + i) * half;
            line.copy_from_slice(&input[at..at + half]);
            line[0].im = R::zero();
            if n.is_multiple_of(2) {
                line[half - 1].im = R::zero();
            }
            plan.process_with_scratch(&mut line, out, &mut scratch).expect("slices have the plan's lengths");
            for value in out {
                *value = *value * factor;
            }
        }
    });
    Ok(())
}

fn check(len: usize, shape: &[usize], axes: &[usize]) -> Result<(), Error> {
    let mut product = 1_u128;
    for extent in shape {
        product = product.saturating_mul(*extent as u128);
    }
    let total = usize::try_from(product).map_err(|_| Error::TooLarge { what: "array", count: product })?;
    if total != len {
        return Err(Error::shape("length of the array", len, format!("{total} for extents {shape:?}")));
    }
    for (i, axis) in axes.iter().enumerate() {
        if *axis >= shape.len() {
            return Err(Error::shape("axis", axis, format!("less than {}", shape.len())));
        }
        if axes[..i].contains(axis) {
            return Err(Error::shape("axes", format!("{axis} twice"), "each axis once"));
        }
        if shape[*axis] == 0 {
            return Err(Error::shape("extent of a transformed axis", 0, "at least 1"));
        }
    }
    Ok(())
}

/// The last axis' extent and the shape of the complex array.
fn halved(shape: &[usize], axes: &[usize]) -> Result<(usize, Vec<usize>), Error> {
    match axes.last() {
        Some(axis) if axis + 1 == shape.len() => {
            let mut half = shape.to_vec();
            half[*axis] = half[*axis] / 2 + 1;
            Ok((shape[*axis], half))
        }
        other => Err(Error::shape("last axis of a real transform", format!("{other:?}"), shape.len().wrapping_sub(1))),
    }
}

fn real<R: FftNum>(value: f64) -> R {
    R::from_f64(value).expect("floating-point types hold every f64, rounded")
}

fn scale<R: FftNum>(data: &mut [Complex<R>], factor: f64, pool: &dyn Pool) {
    if factor != 1.0 {
        let factor = real::<R>(factor);
        parts::chunks(pool, data, TASK_BYTES, &|_, part| {
            part.iter_mut().for_each(|value| *value = value.scale(factor))
        });
    }
}

/// All lines along one axis.
fn along<R: FftNum + Default>(
    data: &mut [Complex<R>],
    shape: &[usize],
    axis: usize,
    direction: Direction,
    plans: &Plans<R>,
    pool: &dyn Pool,
) {
    let n = shape[axis];
    let inner: usize = shape[axis + 1..].iter().product();
    if n == 1 {
        return;
    }
    if inner == 1 {
        if let Some(split) = long::split(n, size_of::<Complex<R>>()) {
            for line in data.chunks_exact_mut(n) {
                long::transform(line, split, direction, plans, pool);
            }
            return;
        }
        let plan = plans.complex(n, direction.plan());
        let lines = (TASK_BYTES / (n * size_of::<Complex<R>>())).max(1);
        parts::chunks(pool, data, lines * n, &|_, part| {
            let mut scratch = vec![Complex::default(); plan.get_inplace_scratch_len()];
            plan.process_with_scratch(part, &mut scratch);
        });
        return;
    }
    let shape = Stacked { count: data.len() / (n * inner), rows: n, cols: inner };
    let plan = plans.complex(n, direction.plan());
    parts::columns(pool, data, shape, column_width::<R>(n), &|group| {
        let mut scratch = vec![Complex::default(); plan.get_inplace_scratch_len()];
        for line in group.lines.chunks_mut(group.stride).take(group.n) {
            plan.process_with_scratch(&mut line[..n], &mut scratch);
        }
    });
}

/// How many columns of `n` elements are turned at once: whole cache lines of a row, and lines that stay in the cache.
fn column_width<R>(n: usize) -> usize {
    (COLUMN_BYTES / (n * size_of::<Complex<R>>())).clamp(8, 64) / 8 * 8
}
