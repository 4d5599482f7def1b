//! Matrix products: `c = epilogue(alpha * a * b + beta * c)`.
//!
//! Any strides, any mixture of row- and column-major, transposed views (`a.t()`), conjugation by flag. Sums of f32 and
//! f64 are kept in their own type, those of f16 and bf16 in f32 with one rounding at the end, those of int8 in i32,
//! which wraps. The order of summation depends on the extents and on the instruction set, never on the number of
//! threads. An element is a sum of ranges of k of at most a few hundred terms each, taken in order; the error is that of
//! any such sum: at most about `k * eps * sum |a| |b|`.
//!
//! As in BLAS: with `beta` zero the old output does not count, not even NaN; with `alpha` zero the operands do not.
//! An operand that shares memory with the output cannot be expressed: the borrow checker sees to it.
//!
//! The method is that of GotoBLAS and BLIS (Van Zee and van de Geijn, ACM TOMS 41(3), 2015); complex products run on the
//! real kernels.

mod epilogue;
pub(crate) mod plan;
#[cfg(test)]
mod tests;

pub use crate::simd::accumulate::{Accumulate, Output};
pub use epilogue::{Activate, Activation, Map, Run, Step};

use crate::simd::accumulate::Beta;
use crate::simd::driver::{self, Epilogue, Job, Strided};
use crate::simd::kernel::Kernels;
use crate::{Error, Isa, MatMut, MatRef, Pool, Scratch};

/// An element type of operands: f32, f64, their complex numbers, f16, bf16, i8. Results have the type of the sums, or
/// for f16 and bf16 either of the two as well.
pub trait Factor: Kernels<Acc: Activate> {}
impl<T: Kernels<Acc: Activate>> Factor for T {}

/// What to compute beside the product itself, and how.
#[derive(Clone, Copy)]
pub struct Options<'a, Acc> {
    /// Factor of the product.
    pub alpha: Acc,
    /// Factor of the old output.
    pub beta: Acc,
    /// Take the conjugate of a; of no effect on reals.
    pub conjugate_a: bool,
    /// Take the conjugate of b; of no effect on reals.
    pub conjugate_b: bool,
    /// Steps applied to each element at the end.
    pub epilogue: &'a [Step<'a, Acc>],
    /// The instruction set; what the processor does not have is lowered to what it has.
    pub isa: Isa,
}

impl<Acc: Accumulate> Default for Options<'_, Acc> {
    /// The plain product, with the best instructions there are.
    fn default() -> Self {
        Self {
            alpha: Acc::ONE,
            beta: Acc::ZERO,
            conjugate_a: false,
            conjugate_b: false,
            epilogue: &[],
            isa: Isa::detect(),
        }
    }
}

/// `c = epilogue(alpha * a * b + beta * c)`; see the module for the details.
///
/// # Errors
/// [`Error::Shape`] when extents do not fit, [`Error::Unsupported`] for an activation that the type does not have,
/// [`Error::OutOfMemory`] and [`Error::TooLarge`] when there is no scratch. The output is then as before.
pub fn gemm<T: Factor, O: Output<T::Acc>>(
    options: &Options<'_, T::Acc>,
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    c: MatMut<'_, O>,
    pool: &dyn Pool,
    scratch: &mut Scratch,
) -> Result<(), Error> {
    if a.cols() != b.rows() {
        return Err(Error::shape("rows of b", b.rows(), format!("{}, the columns of a", a.cols())));
    }
    if (c.rows(), c.cols()) != (a.rows(), b.cols()) {
        let found = format!("{}x{}", c.rows(), c.cols());
        return Err(Error::shape("extents of c", found, format!("{}x{}", a.rows(), b.cols())));
    }
    epilogue::check(options.epilogue, c.rows(), c.cols())?;
    // Kernels want the output's rows side by side; the transposed product has them where c is row-major.
    let swapped = c.cols() > 1 && c.layout.col_stride == 1 && !(c.layout.row_stride == 1 && c.rows() > 1);
    let (a, b, c) = if swapped { (b.t(), a.t(), c.t()) } else { (a, b, c) };
    let conjugate =
        if swapped { (options.conjugate_b, options.conjugate_a) } else { (options.conjugate_a, options.conjugate_b) };
    let steps = |row: usize, col: usize, run: &mut [T::Acc]| {
        let at = if swapped { Run { row: col, col: row, down: false } } else { Run { row, col, down: true } };
        epilogue::apply(options.epilogue, at, run);
    };
    let steps: &Epilogue<'_, T::Acc> = &steps;
    let beta = match options.beta {
        beta if beta == T::Acc::ZERO => Beta::Zero,
        beta if beta == T::Acc::ONE => Beta::One,
        beta => Beta::Times(beta),
    };
    let strided = |layout: &crate::Layout| (layout.row_stride, layout.col_stride);
    let ((a_row, a_col), (b_row, b_col)) = (strided(&a.layout), strided(&b.layout));
    let (c_row, c_col) = strided(&c.layout);
    let job = Job {
        m: c.rows(),
        n: c.cols(),
        k: if options.alpha == T::Acc::ZERO { 0 } else { a.cols() },
        a: Strided { ptr: a.ptr, row: a_row, col: a_col },
        b: Strided { ptr: b.ptr, row: b_row, col: b_col },
        // The distance of the rows of a single row does not matter.
        c: Strided { ptr: c.ptr, row: if c.rows() == 1 { 1 } else { c_row }, col: c_col },
        alpha: options.alpha,
        beta,
        conjugate,
        epilogue: (!options.epilogue.is_empty()).then_some(steps),
    };
    driver::run(&job, options.isa, pool, scratch)
}

/// `count` products whose matrices lie equal distances apart: product i takes its operands `i * stride` elements after
/// the first, for each matrix its own stride. A stride of 0 uses the same operand for all.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// How many products.
    pub count: usize,
    /// Distance of the left operands.
    pub a: isize,
    /// Distance of the right operands.
    pub b: isize,
    /// Distance of the outputs.
    pub c: isize,
}

/// A slice with the layout of the first matrix in it.
#[derive(Debug)]
pub struct Stack<S> {
    /// All elements.
    pub data: S,
    /// The first matrix.
    pub first: crate::Layout,
}

/// [`gemm`] for each product of a batch; all share the options. Small products run one per task, large ones in turn with
/// all threads on each.
///
/// # Errors
/// As [`gemm`]; [`Error::OutOfBounds`] when the last matrices reach outside their slices, [`Error::Overlap`] when outputs
/// of two products may share an element.
pub fn gemm_strided_batched<T: Factor, O: Output<T::Acc>>(
    options: &Options<'_, T::Acc>,
    a: &Stack<&[T]>,
    b: &Stack<&[T]>,
    c: &mut Stack<&mut [O]>,
    batch: Batch,
    pool: &dyn Pool,
    scratch: &mut Scratch,
) -> Result<(), Error> {
    if batch.count == 0 {
        return Ok(());
    }
    let at = |layout: &crate::Layout, stride: isize, idx: usize, len: usize| {
        let offset = layout.offset as i128 + stride as i128 * idx as i128;
        usize::try_from(offset).map(|offset| crate::Layout { offset, ..*layout }).map_err(|_| Error::OutOfBounds {
            what: "matrix of a batch",
            reach: offset,
            len,
        })
    };
    // The first and the last matrix bound all others.
    for idx in [0, batch.count - 1] {
        MatRef::new(a.data, at(&a.first, batch.a, idx, a.data.len())?)?;
        MatRef::new(b.data, at(&b.first, batch.b, idx, b.data.len())?)?;
        MatMut::new(c.data, at(&c.first, batch.c, idx, c.data.len())?)?;
    }
    let (low, high) = c.first.reach().unwrap_or((0, -1));
    if batch.count > 1 && high >= low && (batch.c.unsigned_abs() as i128) < high - low + 1 {
        let (rows, cols) = (c.first.rows, c.first.cols);
        return Err(Error::Overlap {
            what: "batch",
            extents: vec![batch.count, rows, cols],
            strides: vec![batch.c, c.first.row_stride, c.first.col_stride],
        });
    }
    let work = c.first.rows as u128 * c.first.cols as u128 * a.first.cols as u128;
    if pool.workers() == 1 || batch.count == 1 || work > WHOLE_POOL_WORK {
        for idx in 0..batch.count {
            let (left, right) = (at(&a.first, batch.a, idx, 0)?, at(&b.first, batch.b, idx, 0)?);
            let out = at(&c.first, batch.c, idx, 0)?;
            let (left, right) = (MatRef::new(a.data, left)?, MatRef::new(b.data, right)?);
            gemm(options, left, right, MatMut::new(c.data, out)?, pool, scratch)?;
        }
        return Ok(());
    }
    // Each task gets its outputs as slices of their own, and scratch of its own.
    let outputs = c.data.len();
    let mut rest: &mut [O] = c.data;
    let mut consumed = 0;
    let mut slots = Vec::new();
    let n_tasks = batch.count.min(4 * pool.workers());
    let order = |position: usize| if batch.c < 0 { batch.count - 1 - position } else { position };
    for task in 0..n_tasks {
        let (start, end) = (task * batch.count / n_tasks, (task + 1) * batch.count / n_tasks);
        let mut part = Vec::with_capacity(end - start);
        for position in start..end {
            let idx = order(position);
            let layout = at(&c.first, batch.c, idx, outputs)?;
            let (low, high) = layout.reach().unwrap_or((consumed as i128, consumed as i128 - 1));
            let (low, high) = (low as usize, (high + 1) as usize);
            let (_, tail) = std::mem::take(&mut rest).split_at_mut(low.max(consumed) - consumed);
            let (own, tail) = tail.split_at_mut(high - low);
            rest = tail;
            consumed = high;
            part.push((idx, own, crate::Layout { offset: layout.offset.saturating_sub(low), ..layout }));
        }
        slots.push(std::sync::Mutex::new((part, Scratch::new(), Ok(()))));
    }
    pool.run(n_tasks, &|task| {
        // A slot is taken by its own task alone; the lock is there for the borrow checker.
        let Ok(mut slot) = slots[task].lock() else { return };
        let (part, scratch, result) = &mut *slot;
        *result = part.iter_mut().try_for_each(|(idx, own, layout)| {
            let left = MatRef::new(a.data, at(&a.first, batch.a, *idx, 0)?)?;
            let right = MatRef::new(b.data, at(&b.first, batch.b, *idx, 0)?)?;
            gemm(options, left, right, MatMut::new(own, *layout)?, &crate::Serial, scratch)
        });
    });
    slots.into_iter().try_for_each(|slot| slot.into_inner().map_or(Ok(()), |(_, _, result)| result))
}

/// Products with more multiplications than this use all threads each.
const WHOLE_POOL_WORK: u128 = 256 * 256 * 256;
