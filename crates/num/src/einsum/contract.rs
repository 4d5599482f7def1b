//! One step: two tensors become one.
//!
//! Each index of a step is one of four: in both tensors and in the result (batch), in both and not in the result (summed),
//! or in one of them and in the result (row or column). What only one tensor has and the result does not is summed before.
//! A group of indices is one axis of a matrix where its strides nest; where they do not, the tensor is copied. Products
//! without a sum, and very small ones, go through plain loops.

use crate::gemm::{self, Batch, Options, Stack};
use crate::linalg::Field;
use crate::nd;
use crate::simd::{parts, wide};
use crate::{Error, Layout, Pool, Scratch};
use std::borrow::Cow;

/// Products with fewer multiplications each than this are not worth a call of the matrix product.
const SMALL_PRODUCT: usize = 128;
/// Elements that a task of a plain loop writes.
const TASK: usize = 16 << 10;

/// An operand or an intermediate result: its indices, each once, with their strides.
pub struct Tensor<'a, T: Clone> {
    labels: Vec<usize>,
    strides: Vec<isize>,
    data: Cow<'a, [T]>,
    offset: usize,
}

impl<'a, T: Field> Tensor<'a, T> {
    pub const fn borrowed(labels: Vec<usize>, strides: Vec<isize>, data: &'a [T], offset: usize) -> Self {
        Self { labels, strides, data: Cow::Borrowed(data), offset }
    }

    /// Elements side by side, last index fastest.
    pub fn owned(labels: Vec<usize>, shape: &[usize], data: Vec<T>) -> Self {
        Self { labels, strides: nd::contiguous_strides(shape), data: Cow::Owned(data), offset: 0 }
    }

    pub fn has(&self, label: usize) -> bool {
        self.labels.contains(&label)
    }

    /// The stride of an index; 0 where the tensor does not depend on it.
    fn stride(&self, label: usize) -> isize {
        self.labels.iter().position(|own| *own == label).map_or(0, |at| self.strides[at])
    }

    fn strides_of(&self, labels: &[usize]) -> Vec<isize> {
        labels.iter().map(|label| self.stride(*label)).collect()
    }

    /// A copy with its elements side by side in this order of indices; others are summed.
    fn gathered(&self, labels: &[usize], extents: &[usize], pool: &dyn Pool) -> Result<Tensor<'static, T>, Error> {
        let shape: Vec<usize> = labels.iter().map(|label| extents[*label]).collect();
        let mut data = nd::zeros(nd::elements(&shape)?)?;
        single(self, extents, labels, &mut data, pool);
        Ok(Tensor::owned(labels.to_vec(), &shape, data))
    }
}

/// `out` gets the tensor in this order of indices, summed over those that are not named.
pub fn single<T: Field>(tensor: &Tensor<'_, T>, extents: &[usize], labels: &[usize], out: &mut [T], pool: &dyn Pool) {
    plain(tensor, None, extents, labels, out, pool);
}

/// The order of indices in which a step's result is easiest to make.
pub fn result_labels<T: Field>(
    left: &Tensor<'_, T>,
    right: &Tensor<'_, T>,
    kept: impl Fn(&usize) -> bool,
) -> Vec<usize> {
    let both = |label: &usize| left.has(*label) && right.has(*label);
    let of = |tensor: &Tensor<'_, T>| by_stride(tensor, tensor.labels.iter().copied().filter(|l| kept(l)).collect());
    let (rows, cols) = (of(left), of(right));
    let mut labels: Vec<usize> = rows.iter().copied().filter(both).collect();
    labels.extend(rows.iter().filter(|label| !both(label)));
    labels.extend(cols.iter().filter(|label| !both(label)));
    labels
}

fn by_stride<T: Field>(tensor: &Tensor<'_, T>, mut labels: Vec<usize>) -> Vec<usize> {
    labels.sort_by_key(|label| std::cmp::Reverse(tensor.stride(*label).unsigned_abs()));
    labels
}

/// The stride of a group of indices as one axis; `None` when they do not nest.
fn nested(strides: &[isize], labels: &[usize], extents: &[usize]) -> Option<isize> {
    let mut inner: Option<(isize, usize)> = None;
    for (label, stride) in labels.iter().zip(strides).rev() {
        let extent = extents[*label];
        if extent == 1 {
            continue;
        }
        inner = match inner {
            None => Some((*stride, extent)),
            Some((step, total)) if step.checked_mul(total as isize) == Some(*stride) => Some((step, total * extent)),
            Some(_) => return None,
        };
    }
    Some(inner.map_or(0, |(step, _)| step))
}

/// The indices of a step by their part in it, each group in the order of a matrix' axis.
struct Groups {
    batch: Vec<usize>,
    rows: Vec<usize>,
    cols: Vec<usize>,
    sum: Vec<usize>,
}

/// The strides of indices in one tensor.
type Strides<'a> = &'a dyn Fn(&[usize]) -> Vec<isize>;

/// The order among a few that nests in most of the tensors concerned.
fn ordered(labels: Vec<usize>, in_each: &[Strides<'_>], extents: &[usize]) -> Vec<usize> {
    let orders = in_each.iter().map(|strides| {
        let own = strides(&labels);
        let mut places: Vec<usize> = (0..labels.len()).collect();
        places.sort_by_key(|place| std::cmp::Reverse(own[*place].unsigned_abs()));
        places.into_iter().map(|place| labels[place]).collect::<Vec<_>>()
    });
    let fits =
        |order: &[usize]| in_each.iter().filter(|strides| nested(&strides(order), order, extents).is_some()).count();
    // The first of equals is taken: that of the result or of the left tensor.
    orders.rev().max_by_key(|order| fits(order)).unwrap_or(labels)
}

/// `out`, with its elements side by side in the order `labels`, gets the product of two tensors summed over all indices that
/// are not in `kept`.
///
/// # Errors
/// There is no memory for a copy or for scratch.
#[allow(clippy::too_many_arguments, reason = "two operands, what to do with them, where to and with what")]
pub fn pair<T: Field>(
    left: &Tensor<'_, T>,
    right: &Tensor<'_, T>,
    extents: &[usize],
    kept: &[usize],
    labels: &[usize],
    out: &mut [T],
    pool: &dyn Pool,
    scratch: &mut Scratch,
) -> Result<(), Error> {
    // Sums that concern one tensor alone come first.
    let needed = |own: &Tensor<'_, T>, other: &Tensor<'_, T>| -> Option<Vec<usize>> {
        let needed: Vec<usize> = own.labels.iter().copied().filter(|l| kept.contains(l) || other.has(*l)).collect();
        (needed.len() < own.labels.len()).then(|| by_stride(own, needed))
    };
    let (summed_left, summed_right);
    let left = match needed(left, right) {
        Some(labels) => {
            summed_left = left.gathered(&labels, extents, pool)?;
            &summed_left
        }
        None => left,
    };
    let right = match needed(right, left) {
        Some(labels) => {
            summed_right = right.gathered(&labels, extents, pool)?;
            &summed_right
        }
        None => right,
    };
    let size = |labels: &[usize]| labels.iter().map(|label| extents[*label]).product::<usize>();
    let pick = |want: &dyn Fn(usize) -> bool| -> Vec<usize> { labels.iter().copied().filter(|l| want(*l)).collect() };
    let groups = Groups {
        batch: pick(&|l| left.has(l) && right.has(l)),
        rows: pick(&|l| left.has(l) && !right.has(l)),
        cols: pick(&|l| !left.has(l)),
        sum: left.labels.iter().copied().filter(|l| right.has(*l) && !kept.contains(l)).collect(),
    };
    let each = size(&groups.rows).saturating_mul(size(&groups.cols)).saturating_mul(size(&groups.sum));
    if size(&groups.sum) == 1 || each < SMALL_PRODUCT {
        plain(left, Some(right), extents, labels, out, pool);
        return Ok(());
    }
    let shape: Vec<usize> = labels.iter().map(|label| extents[*label]).collect();
    let out_strides = nd::contiguous_strides(&shape);
    let of_out = |wanted: &[usize]| -> Vec<isize> {
        wanted.iter().map(|l| labels.iter().position(|own| own == l).map_or(0, |at| out_strides[at])).collect()
    };
    let (of_left, of_right) = (|l: &[usize]| left.strides_of(l), |l: &[usize]| right.strides_of(l));
    let groups = Groups {
        batch: ordered(groups.batch, &[&of_out, &of_left, &of_right], extents),
        rows: ordered(groups.rows, &[&of_out, &of_left], extents),
        cols: ordered(groups.cols, &[&of_out, &of_right], extents),
        sum: ordered(groups.sum, &[&of_left, &of_right], extents),
    };
    products(left, right, extents, &groups, (labels, &of_out), out, pool, scratch)
}

/// The offset and the strides of batches, rows and columns of a tensor seen as a batch of matrices.
fn as_matrices<T: Field>(tensor: &Tensor<'_, T>, groups: [&[usize]; 3], extents: &[usize]) -> Option<[isize; 3]> {
    let stride = |labels: &[usize]| nested(&tensor.strides_of(labels), labels, extents);
    Some([stride(groups[0])?, stride(groups[1])?, stride(groups[2])?])
}

/// The step as a batch of matrix products.
#[allow(clippy::too_many_arguments, reason = "two operands, what to do with them, where to and with what")]
fn products<T: Field>(
    left: &Tensor<'_, T>,
    right: &Tensor<'_, T>,
    extents: &[usize],
    groups: &Groups,
    (labels, of_out): (&[usize], Strides<'_>),
    out: &mut [T],
    pool: &dyn Pool,
    scratch: &mut Scratch,
) -> Result<(), Error> {
    let size = |labels: &[usize]| labels.iter().map(|label| extents[*label]).product::<usize>();
    let (count, m, n, k) = (size(&groups.batch), size(&groups.rows), size(&groups.cols), size(&groups.sum));
    let copied = |tensor: &Tensor<'_, T>, parts: [&[usize]; 3]| -> Result<Option<Tensor<'static, T>>, Error> {
        match as_matrices(tensor, parts, extents) {
            Some(_) => Ok(None),
            None => tensor.gathered(&parts.concat(), extents, pool).map(Some),
        }
    };
    let (left_parts, right_parts) =
        ([&groups.batch[..], &groups.rows, &groups.sum], [&groups.batch[..], &groups.sum, &groups.cols]);
    let (left_copy, right_copy) = (copied(left, left_parts)?, copied(right, right_parts)?);
    let (left, right) = (left_copy.as_ref().unwrap_or(left), right_copy.as_ref().unwrap_or(right));
    let nest = "strides nest, or the tensor was copied";
    let [a_batch, a_row, a_col] = as_matrices(left, left_parts, extents).expect(nest);
    let [b_batch, b_row, b_col] = as_matrices(right, right_parts, extents).expect(nest);
    let layout = |rows, cols, row_stride, col_stride, offset| Layout { rows, cols, row_stride, col_stride, offset };
    let a = Stack { data: &left.data[..], first: layout(m, k, a_row, a_col, left.offset) };
    let b = Stack { data: &right.data[..], first: layout(k, n, b_row, b_col, right.offset) };
    // Where the output's axes do not nest, or its matrices interleave, the result is made elsewhere and put in order.
    let stride = |labels: &[usize]| nested(&of_out(labels), labels, extents);
    let place = stride(&groups.batch).zip(stride(&groups.rows)).zip(stride(&groups.cols));
    let spans = |row: isize, col: isize| (m as isize - 1) * row + (n as isize - 1) * col + 1;
    if let Some(((batch, row), col)) = place.filter(|((batch, row), col)| count == 1 || *batch >= spans(*row, *col)) {
        let mut c = Stack { data: out, first: layout(m, n, row, col, 0) };
        let batch = Batch { count, a: a_batch, b: b_batch, c: batch };
        return gemm::gemm_strided_batched(&Options::default(), &a, &b, &mut c, batch, pool, scratch);
    }
    let order = [&groups.batch[..], &groups.rows, &groups.cols].concat();
    let shape: Vec<usize> = order.iter().map(|label| extents[*label]).collect();
    let mut made = nd::zeros(out.len())?;
    let mut c = Stack { data: &mut made[..], first: Layout::row_major(m, n) };
    let batch = Batch { count, a: a_batch, b: b_batch, c: (m * n) as isize };
    gemm::gemm_strided_batched(&Options::default(), &a, &b, &mut c, batch, pool, scratch)?;
    single(&Tensor::owned(order, &shape, made), extents, labels, out, pool);
    Ok(())
}

/// A step by plain loops: each element of `out` is a sum over the indices that it does not have.
fn plain<T: Field>(
    left: &Tensor<'_, T>,
    right: Option<&Tensor<'_, T>>,
    extents: &[usize],
    labels: &[usize],
    out: &mut [T],
    pool: &dyn Pool,
) {
    let mut summed: Vec<usize> = left.labels.iter().copied().filter(|label| !labels.contains(label)).collect();
    summed.extend(right.iter().flat_map(|r| &r.labels).filter(|l| !labels.contains(l) && !left.has(**l)));
    // The longest steps outside.
    summed.sort_by_key(|l| {
        std::cmp::Reverse(left.stride(*l).unsigned_abs().max(right.map_or(0, |r| r.stride(*l).unsigned_abs())))
    });
    let strides = |labels: &[usize]| -> Vec<[isize; 2]> {
        labels.iter().map(|l| [left.stride(*l), right.map_or(0, |r| r.stride(*l))]).collect()
    };
    let (outer, inner) = match labels.split_last() {
        Some((last, outer)) => (outer, extents[*last]),
        None => (labels, 1),
    };
    let shape = |labels: &[usize]| -> Vec<usize> { labels.iter().map(|label| extents[*label]).collect() };
    let (outer_shape, outer_strides) = (shape(outer), strides(outer));
    let step = labels.last().map_or([0, 0], |last| strides(&[*last])[0]);
    let (sum_shape, sum_strides) = (shape(&summed), strides(&summed));
    let n_sum: usize = sum_shape.iter().product();
    let start = [left.offset as isize, right.map_or(0, |r| r.offset as isize)];
    let rows = (TASK / inner.saturating_mul(n_sum)).max(1);
    let (left_data, right_data) = (&left.data[..], right.map(|r| &r.data[..]));
    parts::chunks(pool, out, rows * inner, &|task, part| {
        let mut row_at = Odometer::new(&outer_shape, &outer_strides, start, task * rows);
        for row in part.chunks_exact_mut(inner) {
            let from = Row { left: left_data, right: right_data, at: row_at.at, step };
            if n_sum == 1 {
                from.put(row, false);
            } else if step.iter().all(|step| *step == 0 || *step == 1) && inner >= 8 {
                row.fill(T::ZERO);
                let mut term = Odometer::new(&sum_shape, &sum_strides, row_at.at, 0);
                for _ in 0..n_sum {
                    Row { at: term.at, ..from }.put(row, true);
                    term.next(&sum_shape, &sum_strides);
                }
            } else {
                from.sums(row, &sum_shape, &sum_strides);
            }
            row_at.next(&outer_shape, &outer_strides);
        }
    });
}

/// Counts through indices, last one fastest, and keeps two places up to date.
struct Odometer {
    idx: Vec<usize>,
    at: [isize; 2],
}

impl Odometer {
    /// At the `position`th combination.
    fn new(shape: &[usize], strides: &[[isize; 2]], start: [isize; 2], position: usize) -> Self {
        let mut made = Self { idx: vec![0; shape.len()], at: start };
        let mut rest = position;
        for axis in (0..shape.len()).rev() {
            made.idx[axis] = rest % shape[axis];
            rest /= shape[axis];
            for (at, stride) in made.at.iter_mut().zip(&strides[axis]) {
                *at += made.idx[axis] as isize * stride;
            }
        }
        made
    }

    fn next(&mut self, shape: &[usize], strides: &[[isize; 2]]) {
        for axis in (0..shape.len()).rev() {
            self.idx[axis] += 1;
            let wrapped = self.idx[axis] == shape[axis];
            let steps = if wrapped { 1 - shape[axis] as isize } else { 1 };
            for (at, stride) in self.at.iter_mut().zip(&strides[axis]) {
                *at += steps * stride;
            }
            if !wrapped {
                return;
            }
            self.idx[axis] = 0;
        }
    }
}

/// Where one row of the output has its terms.
#[derive(Clone, Copy)]
struct Row<'a, T> {
    left: &'a [T],
    right: Option<&'a [T]>,
    at: [isize; 2],
    step: [isize; 2],
}

impl<T: Field> Row<'_, T> {
    /// The term of element `i`.
    #[inline(always)]
    fn term(&self, i: isize) -> T {
        let left = self.left[(self.at[0] + i * self.step[0]) as usize];
        match self.right {
            Some(right) => left * right[(self.at[1] + i * self.step[1]) as usize],
            None => left,
        }
    }

    /// One term per element, stored or added.
    fn put(&self, row: &mut [T], add: bool) {
        let run = |data: &'_ [T], which: usize| -> Option<(usize, usize)> {
            let (at, step) = (self.at[which] as usize, self.step[which]);
            (step == 1 && at + row.len() <= data.len()).then_some((at, at + row.len()))
        };
        let left = run(self.left, 0).map(|(start, end)| &self.left[start..end]);
        let right = self.right.and_then(|data| run(data, 1).map(|(start, end)| &data[start..end]));
        let one = |which: usize, data: &[T]| (self.step[which] == 0).then(|| data[self.at[which] as usize]);
        let (one_left, one_right) = (one(0, self.left), self.right.map_or(Some(T::ONE), |data| one(1, data)));
        match (left, right, one_left, one_right) {
            (Some(left), None, _, Some(factor)) => {
                wide::run(Scaled { row, left, factor, plain: self.right.is_none(), add })
            }
            (None, Some(right), Some(factor), _) => wide::run(Scaled { row, left: right, factor, plain: false, add }),
            (Some(left), Some(right), ..) => wide::run(Product { row, left, right, add }),
            _ => {
                for (i, value) in row.iter_mut().enumerate() {
                    let term = self.term(i as isize);
                    *value = if add { *value + term } else { term };
                }
            }
        }
    }

    /// Each element's sum over an inner line at a time, in eight lanes.
    fn sums(&self, row: &mut [T], shape: &[usize], strides: &[[isize; 2]]) {
        let Some((inner, outer_shape)) = shape.split_last() else { return };
        let (step, outer_strides) = (strides[shape.len() - 1], &strides[..shape.len() - 1]);
        let n_outer: usize = outer_shape.iter().product();
        for (i, value) in row.iter_mut().enumerate() {
            let start = [0, 1].map(|which| self.at[which] + i as isize * self.step[which]);
            let mut line = Odometer::new(outer_shape, outer_strides, start, 0);
            let mut total = T::ZERO;
            for _ in 0..n_outer {
                let from = Self { at: line.at, step, ..*self };
                total += wide::run(Line { from, n: *inner });
                line.next(outer_shape, outer_strides);
            }
            *value = total;
        }
    }
}

/// `row (+)= left * factor`; `plain`: without the factor, which would make NaN of infinities in complex numbers.
struct Scaled<'a, T> {
    row: &'a mut [T],
    left: &'a [T],
    factor: T,
    plain: bool,
    add: bool,
}

impl<T: Field> wide::Work for Scaled<'_, T> {
    type Result = ();
    #[inline(always)]
    fn run(self) {
        let pairs = self.row.iter_mut().zip(self.left);
        match (self.plain, self.add) {
            (true, false) => pairs.for_each(|(value, x)| *value = *x),
            (true, true) => pairs.for_each(|(value, x)| *value += *x),
            (false, false) => pairs.for_each(|(value, x)| *value = *x * self.factor),
            (false, true) => pairs.for_each(|(value, x)| *value += *x * self.factor),
        }
    }
}

/// `row (+)= left * right`.
struct Product<'a, T> {
    row: &'a mut [T],
    left: &'a [T],
    right: &'a [T],
    add: bool,
}

impl<T: Field> wide::Work for Product<'_, T> {
    type Result = ();
    #[inline(always)]
    fn run(self) {
        let terms = self.left.iter().zip(self.right);
        if self.add {
            self.row.iter_mut().zip(terms).for_each(|(value, (x, y))| *value += *x * *y);
        } else {
            self.row.iter_mut().zip(terms).for_each(|(value, (x, y))| *value = *x * *y);
        }
    }
}

/// The sum of a line's terms.
struct Line<'a, T> {
    from: Row<'a, T>,
    n: usize,
}

impl<T: Field> wide::Work for Line<'_, T> {
    type Result = T;
    #[inline(always)]
    fn run(self) -> T {
        const LANES: usize = 16;
        let mut lanes = [T::ZERO; LANES];
        let whole = self.n / LANES * LANES;
        let side_by_side = |data: &'_ [T], which: usize| {
            let at = self.from.at[which] as usize;
            (self.from.step[which] == 1).then_some(at..at + whole).filter(|range| range.end <= data.len())
        };
        let left = side_by_side(self.from.left, 0).map(|range| &self.from.left[range]);
        let right = self.from.right.and_then(|data| side_by_side(data, 1).map(|range| &data[range]));
        match (left, right, self.from.right) {
            (Some(left), None, None) => {
                for chunk in left.chunks_exact(LANES) {
                    (0..LANES).for_each(|i| lanes[i] += chunk[i]);
                }
            }
            (Some(left), Some(right), _) => {
                for (x, y) in left.chunks_exact(LANES).zip(right.chunks_exact(LANES)) {
                    (0..LANES).for_each(|i| lanes[i] += x[i] * y[i]);
                }
            }
            _ => {
                for i in 0..whole {
                    lanes[i % LANES] += self.from.term(i as isize);
                }
            }
        }
        let mut width = LANES / 2;
        while width > 0 {
            (0..width).for_each(|i| lanes[i] += lanes[i + width]);
            width /= 2;
        }
        (whole..self.n).fold(lanes[0], |sum, i| sum + self.from.term(i as isize))
    }
}
