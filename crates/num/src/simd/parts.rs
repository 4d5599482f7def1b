//! Slices in disjoint parts, one per task: chunks side by side, and groups of columns of stacked matrices.

use super::view::MatMut;
use crate::Pool;

/// A slice that tasks write to in disjoint places (rule 3).
struct Shared<T>(*mut T);
// SAFETY: rule 3.
unsafe impl<T: Send> Sync for Shared<T> {}
impl<T> Shared<T> {
    fn get(&self) -> *mut T {
        self.0
    }
}

/// Runs `work(idx, chunk)` for each chunk of `len` elements; the last one may be shorter.
pub fn chunks<T: Send>(pool: &dyn Pool, data: &mut [T], len: usize, work: &(dyn Fn(usize, &mut [T]) + Sync)) {
    let (total, len) = (data.len(), len.max(1));
    let shared = Shared(data.as_mut_ptr());
    pool.run(total.div_ceil(len), &|idx| {
        let start = idx * len;
        if start < total {
            // SAFETY: rule 3: chunks of different indices are disjoint, and the pool runs each index once.
            work(idx, unsafe { std::slice::from_raw_parts_mut(shared.get().add(start), len.min(total - start)) });
        }
    });
}

/// Runs `work(row, band)` for each band of `rows` rows of a matrix, beginning with row `row`; the last one may be lower.
pub fn bands<T: Send>(
    pool: &dyn Pool,
    mut matrix: MatMut<'_, T>,
    rows: usize,
    work: &(dyn Fn(usize, MatMut<'_, T>) + Sync),
) {
    let (total, rows) = (matrix.rows(), rows.max(1));
    let shared = Shared(&raw mut matrix);
    pool.run(total.div_ceil(rows), &|idx| {
        let row = idx * rows;
        if row < total {
            // SAFETY: rules 1 and 3: the view outlives the call, bands of different indices have no element in common
            // because all elements are distinct, and the pool runs each index once.
            let band = unsafe { (*shared.get().cast_const()).band(row, rows.min(total - row)) };
            work(row, band);
        }
    });
}

/// Matrices of `rows` x `cols` one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Stacked {
    /// How many.
    pub count: usize,
    /// Rows of each.
    pub rows: usize,
    /// Columns of each; side by side in memory.
    pub cols: usize,
}

/// A group of columns as lines: each column's elements side by side.
pub struct Lines<'a, T> {
    /// First column.
    pub col: usize,
    /// The columns; from the beginning of one to the beginning of the next it is `stride` elements.
    pub lines: &'a mut [T],
    /// Columns in this group.
    pub n: usize,
    /// See `lines`.
    pub stride: usize,
}

/// Copies groups of up to `width` columns into lines, runs `work` on them and copies them back.
///
/// # Panics
/// The slice is not as long as the matrices.
pub fn columns<T: Copy + Send + Default>(
    pool: &dyn Pool,
    data: &mut [T],
    shape: Stacked,
    width: usize,
    work: &(dyn Fn(Lines<'_, T>) + Sync),
) {
    let Stacked { count, rows, cols } = shape;
    assert_eq!(count.checked_mul(rows).and_then(|n| n.checked_mul(cols)), Some(data.len()), "length of the slice");
    if data.is_empty() {
        return;
    }
    let groups = cols.div_ceil(width);
    // Lines of a power of two would all begin in the same set of the cache.
    let stride = rows + 16;
    let shared = Shared(data.as_mut_ptr());
    let n_tasks = (count * groups).min(8 * pool.workers());
    pool.run(n_tasks, &|task| {
        let mut lines = vec![T::default(); stride * width];
        for idx in task * count * groups / n_tasks..(task + 1) * count * groups / n_tasks {
            let (matrix, col) = (idx / groups, idx % groups * width);
            let n = width.min(cols - col);
            // SAFETY: rules 2 and 3: a group is inside the matrix, groups are disjoint, and each belongs to one task.
            unsafe {
                let first = shared.get().add(matrix * rows * cols + col);
                turn(first, cols, lines.as_mut_ptr(), stride, rows, n);
                work(Lines { col, lines: &mut lines, n, stride });
                turn(lines.as_ptr(), stride, first, cols, n, rows);
            }
        }
    });
}

/// `to[j][i] = from[i][j]` for `rows` x `cols` elements, in blocks.
///
/// # Safety
/// Rows of `cols` elements `from_stride` apart can be read, rows of `rows` elements `to_stride` apart written, and the two
/// have no element in common.
unsafe fn turn<T: Copy>(from: *const T, from_stride: usize, to: *mut T, to_stride: usize, rows: usize, cols: usize) {
    const BLOCK: usize = 8;
    for row in (0..rows).step_by(BLOCK) {
        for col in (0..cols).step_by(BLOCK) {
            // SAFETY: the caller's promise.
            unsafe {
                if row + BLOCK <= rows && col + BLOCK <= cols {
                    for j in 0..BLOCK {
                        for i in 0..BLOCK {
                            *to.add((col + j) * to_stride + row + i) = *from.add((row + i) * from_stride + col + j);
                        }
                    }
                } else {
                    for j in col..cols.min(col + BLOCK) {
                        for i in row..rows.min(row + BLOCK) {
                            *to.add(j * to_stride + i) = *from.add(i * from_stride + j);
                        }
                    }
                }
            }
        }
    }
}

/// `to = transposed(from)`, a `rows` x `cols` matrix, by all workers.
///
/// # Panics
/// The slices are not as long as the matrix.
pub fn transpose<T: Copy + Send + Sync>(pool: &dyn Pool, from: &[T], to: &mut [T], rows: usize, cols: usize) {
    assert!(rows.checked_mul(cols) == Some(from.len()) && from.len() == to.len(), "length of the slices");
    const BAND: usize = 64;
    let shared = Shared(to.as_mut_ptr());
    pool.run(cols.div_ceil(BAND), &|band| {
        let col = band * BAND;
        let n = BAND.min(cols - col);
        for row in (0..rows).step_by(BAND) {
            // SAFETY: rules 2 and 3: bands of columns are disjoint rows of `to`.
            unsafe {
                let (from, to) = (from.as_ptr().add(row * cols + col), shared.get().add(col * rows + row));
                turn(from, cols, to, rows, BAND.min(rows - row), n);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Serial, Threads};

    #[test]
    fn columns_become_lines_and_go_back() {
        let pool = Threads::new(2).expect("threads");
        for (count, rows, cols, width) in [(1, 1, 1, 4), (2, 17, 9, 4), (3, 8, 16, 8), (2, 0, 5, 4), (1, 33, 100, 32)] {
            let mut data: Vec<i32> = (0..(count * rows * cols) as i32).collect();
            let expected: Vec<i32> = data.iter().map(|v| v * 3).collect();
            columns(&pool, &mut data, Stacked { count, rows, cols }, width, &|lines| {
                for j in 0..lines.n {
                    for i in 0..rows {
                        let value = &mut lines.lines[j * lines.stride + i];
                        let within = *value as usize % (rows * cols);
                        assert_eq!(within, i * cols + lines.col + j);
                        *value *= 3;
                    }
                }
            });
            assert_eq!(data, expected);
        }
    }

    #[test]
    fn transposes_and_chunks() {
        for (rows, cols) in [(1, 1), (5, 130), (64, 64), (100, 65)] {
            let from: Vec<usize> = (0..rows * cols).collect();
            let mut to = vec![0; rows * cols];
            transpose(&Serial, &from, &mut to, rows, cols);
            assert!(to.iter().enumerate().all(|(at, v)| *v == at % rows * cols + at / rows));
        }
        let mut data = [0; 10];
        chunks(&Serial, &mut data, 4, &|idx, part| part.fill(idx));
        assert_eq!(data, [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]);
    }
}
