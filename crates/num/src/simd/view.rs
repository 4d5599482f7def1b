//! Matrices in somebody's slice: extents and strides of any sign, checked once.

use crate::Error;
use std::marker::PhantomData;

/// Extents and strides of a matrix, in elements; `offset` is where element (0, 0) lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub cols: usize,
    /// From one row to the next; may be 0 (inputs only) or negative.
    pub row_stride: isize,
    /// From one column to the next; may be 0 (inputs only) or negative.
    pub col_stride: isize,
    /// Index of element (0, 0) in the slice.
    pub offset: usize,
}

impl Layout {
    /// Rows one after the other, as in C and NumPy.
    pub const fn row_major(rows: usize, cols: usize) -> Self {
        Self { rows, cols, row_stride: cols as isize, col_stride: 1, offset: 0 }
    }

    /// Columns one after the other, as in Fortran and BLAS.
    pub const fn col_major(rows: usize, cols: usize) -> Self {
        Self { rows, cols, row_stride: 1, col_stride: rows as isize, offset: 0 }
    }

    /// The transposed matrix in the same place.
    #[must_use]
    pub const fn t(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            offset: self.offset,
        }
    }

    /// Smallest and largest index that an element has; `None` when there are no elements.
    pub(crate) fn reach(&self) -> Option<(i128, i128)> {
        if self.rows == 0 || self.cols == 0 {
            return None;
        }
        let over = |extent: usize, stride: isize| (extent as i128 - 1) * stride as i128;
        let (r, c) = (over(self.rows, self.row_stride), over(self.cols, self.col_stride));
        let at = self.offset as i128;
        Some((at + r.min(0) + c.min(0), at + r.max(0) + c.max(0)))
    }

    fn check(&self, what: &'static str, len: usize) -> Result<(), Error> {
        let Some((low, high)) = self.reach() else { return Ok(()) };
        let reach = if low < 0 { low } else { high };
        if low < 0 || high >= len as i128 {
            return Err(Error::OutOfBounds { what, reach, len });
        }
        Ok(())
    }

    /// Whether all elements are certainly distinct: the longer stride steps over all that the shorter reaches.
    fn distinct(&self) -> bool {
        if self.rows == 0 || self.cols == 0 {
            return true;
        }
        // An extent of 1 has no stride that matters.
        let mut axes: Vec<(usize, usize)> =
            [(self.row_stride.unsigned_abs(), self.rows), (self.col_stride.unsigned_abs(), self.cols)]
                .into_iter()
                .filter(|(_, extent)| *extent > 1)
                .collect();
        axes.sort_unstable();
        let mut span = 0_u128;
        axes.into_iter().all(|(stride, extent)| {
            let free = stride as u128 > span;
            span += (extent as u128 - 1) * stride as u128;
            free
        })
    }
}

/// A matrix that is read.
#[derive(Debug)]
pub struct MatRef<'a, T> {
    pub(crate) ptr: *const T,
    pub(crate) layout: Layout,
    slice: PhantomData<&'a [T]>,
}

impl<T> Clone for MatRef<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for MatRef<'_, T> {}

// SAFETY: it stands for a shared slice.
unsafe impl<T: Sync> Send for MatRef<'_, T> {}
// SAFETY: it stands for a shared slice.
unsafe impl<T: Sync> Sync for MatRef<'_, T> {}

impl<'a, T> MatRef<'a, T> {
    /// The matrix that lies in `data` as `layout` says.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`] when an element is not in the slice.
    pub fn new(data: &'a [T], layout: Layout) -> Result<Self, Error> {
        layout.check("input matrix", data.len())?;
        // An empty matrix may have any offset; it gets one that is certainly there.
        let offset = if layout.reach().is_some() { layout.offset } else { 0 };
        let layout = Layout { offset, ..layout };
        Ok(Self { ptr: data[offset..].as_ptr(), layout, slice: PhantomData })
    }

    /// Rows one after the other.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`] when the slice is too short.
    pub fn row_major(data: &'a [T], rows: usize, cols: usize) -> Result<Self, Error> {
        Self::new(data, Layout::row_major(rows, cols))
    }

    /// Columns one after the other.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`] when the slice is too short.
    pub fn col_major(data: &'a [T], rows: usize, cols: usize) -> Result<Self, Error> {
        Self::new(data, Layout::col_major(rows, cols))
    }

    /// Rows.
    pub const fn rows(&self) -> usize {
        self.layout.rows
    }

    /// Columns.
    pub const fn cols(&self) -> usize {
        self.layout.cols
    }

    /// The transposed matrix.
    #[must_use]
    pub const fn t(self) -> Self {
        Self { layout: self.layout.t(), ..self }
    }

    /// The part with `rows` rows from `row` on and `cols` columns from `col` on.
    ///
    /// # Errors
    /// [`Error::Shape`] when it is not inside.
    pub fn part(self, row: usize, col: usize, rows: usize, cols: usize) -> Result<Self, Error> {
        let at = inside(&self.layout, row, col, rows, cols)?;
        let layout = Layout { rows, cols, ..self.layout };
        Ok(Self { ptr: self.ptr.wrapping_offset(at), layout, ..self })
    }
}

impl<'a, T> MatRef<'a, T> {
    /// The same matrix with its last row first.
    #[must_use]
    pub const fn flip_rows(self) -> Self {
        let (ptr, layout) = (self.ptr.wrapping_offset(flipped(&self.layout)), self.layout);
        Self { ptr, layout: Layout { row_stride: layout.row_stride.wrapping_neg(), ..layout }, ..self }
    }

    /// The elements of a row, when they lie side by side and there is such a row.
    pub fn row(&self, row: usize) -> Option<&'a [T]> {
        let layout = &self.layout;
        if row >= layout.rows || layout.cols == 0 || (layout.col_stride != 1 && layout.cols > 1) {
            return None;
        }
        // SAFETY: rule 2; the row's elements are inside the slice, which was checked, and lie side by side.
        Some(unsafe { std::slice::from_raw_parts(self.ptr.offset(row as isize * layout.row_stride), layout.cols) })
    }

    /// The elements of a column, when they lie side by side and there is such a column.
    pub fn col(&self, col: usize) -> Option<&'a [T]> {
        self.t().row(col)
    }
}

impl<T: Copy> MatRef<'_, T> {
    /// Element (`row`, `col`).
    ///
    /// # Panics
    /// There is no such element.
    pub fn get(&self, row: usize, col: usize) -> T {
        let layout = &self.layout;
        assert!(row < layout.rows && col < layout.cols, "no element ({row}, {col}) in {layout:?}");
        // SAFETY: rule 2; the layout was checked against the slice.
        unsafe { *self.ptr.offset(row as isize * layout.row_stride + col as isize * layout.col_stride) }
    }
}

/// A matrix that is written; all its elements are distinct.
#[derive(Debug)]
pub struct MatMut<'a, T> {
    pub(crate) ptr: *mut T,
    pub(crate) layout: Layout,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: it stands for an exclusive slice.
unsafe impl<T: Send> Send for MatMut<'_, T> {}

impl<'a, T> MatMut<'a, T> {
    /// The matrix that lies in `data` as `layout` says.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`] when an element is not in the slice; [`Error::Overlap`] when two indices may be one
    /// element.
    pub fn new(data: &'a mut [T], layout: Layout) -> Result<Self, Error> {
        layout.check("output matrix", data.len())?;
        if !layout.distinct() {
            return Err(Error::Overlap {
                what: "matrix",
                extents: vec![layout.rows, layout.cols],
                strides: vec![layout.row_stride, layout.col_stride],
            });
        }
        let offset = if layout.reach().is_some() { layout.offset } else { 0 };
        let layout = Layout { offset, ..layout };
        Ok(Self { ptr: data[offset..].as_mut_ptr(), layout, slice: PhantomData })
    }

    /// Rows one after the other.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`] when the slice is too short.
    pub fn row_major(data: &'a mut [T], rows: usize, cols: usize) -> Result<Self, Error> {
        Self::new(data, Layout::row_major(rows, cols))
    }

    /// Columns one after the other.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`] when the slice is too short.
    pub fn col_major(data: &'a mut [T], rows: usize, cols: usize) -> Result<Self, Error> {
        Self::new(data, Layout::col_major(rows, cols))
    }

    /// Rows.
    pub const fn rows(&self) -> usize {
        self.layout.rows
    }

    /// Columns.
    pub const fn cols(&self) -> usize {
        self.layout.cols
    }

    /// The transposed matrix.
    #[must_use]
    pub const fn t(self) -> Self {
        Self { layout: self.layout.t(), ..self }
    }

    /// The same matrix with its last row first.
    #[must_use]
    pub const fn flip_rows(self) -> Self {
        let (ptr, layout) = (self.ptr.wrapping_offset(flipped(&self.layout)), self.layout);
        Self { ptr, layout: Layout { row_stride: layout.row_stride.wrapping_neg(), ..layout }, ..self }
    }

    /// The elements of a row, when they lie side by side and there is such a row.
    pub fn row_mut(&mut self, row: usize) -> Option<&mut [T]> {
        let layout = &self.layout;
        if row >= layout.rows || layout.cols == 0 || (layout.col_stride != 1 && layout.cols > 1) {
            return None;
        }
        // SAFETY: rule 2; the row's elements are inside the slice, which is borrowed exclusively, and lie side by side.
        Some(unsafe { std::slice::from_raw_parts_mut(self.ptr.offset(row as isize * layout.row_stride), layout.cols) })
    }

    /// The same matrix for a shorter time.
    pub const fn reborrow(&mut self) -> MatMut<'_, T> {
        MatMut { ptr: self.ptr, layout: self.layout, slice: PhantomData }
    }

    /// The same matrix, to read.
    pub const fn as_ref(&self) -> MatRef<'_, T> {
        MatRef { ptr: self.ptr, layout: self.layout, slice: PhantomData }
    }

    /// The part with `rows` rows from `row` on and `cols` columns from `col` on.
    ///
    /// # Errors
    /// [`Error::Shape`] when it is not inside.
    pub fn part(self, row: usize, col: usize, rows: usize, cols: usize) -> Result<Self, Error> {
        let at = inside(&self.layout, row, col, rows, cols)?;
        let layout = Layout { rows, cols, ..self.layout };
        Ok(Self { ptr: self.ptr.wrapping_offset(at), layout, ..self })
    }

    /// The `rows` rows from `row` on, beside the matrix itself.
    ///
    /// # Safety
    /// The rows exist; no two views that are used at once have a row in common, and this one is not used meanwhile.
    pub(crate) unsafe fn band<'b>(&self, row: usize, rows: usize) -> MatMut<'b, T> {
        let at = if self.layout.cols == 0 { 0 } else { row as isize * self.layout.row_stride };
        MatMut { ptr: self.ptr.wrapping_offset(at), layout: Layout { rows, ..self.layout }, slice: PhantomData }
    }

    /// The first `row` rows and the others.
    ///
    /// # Errors
    /// [`Error::Shape`] when there are fewer rows.
    pub fn split_rows(self, row: usize) -> Result<(Self, Self), Error> {
        let (rows, cols) = (self.rows(), self.cols());
        let below = inside(&self.layout, row, 0, rows.saturating_sub(row), cols)?;
        let top = Layout { rows: row, ..self.layout };
        let bottom = Layout { rows: rows - row, ..self.layout };
        let ptr = self.ptr;
        // The two parts have no element in common because all elements are distinct.
        Ok((
            Self { ptr, layout: top, slice: PhantomData },
            Self { ptr: ptr.wrapping_offset(below), layout: bottom, slice: PhantomData },
        ))
    }
}

impl<T: Copy> MatMut<'_, T> {
    /// Element (`row`, `col`).
    ///
    /// # Panics
    /// There is no such element.
    pub fn get(&self, row: usize, col: usize) -> T {
        self.as_ref().get(row, col)
    }

    /// Sets element (`row`, `col`).
    ///
    /// # Panics
    /// There is no such element.
    pub fn set(&mut self, row: usize, col: usize, value: T) {
        let layout = &self.layout;
        assert!(row < layout.rows && col < layout.cols, "no element ({row}, {col}) in {layout:?}");
        // SAFETY: rule 2; the layout was checked against the slice, which is borrowed exclusively.
        unsafe { *self.ptr.offset(row as isize * layout.row_stride + col as isize * layout.col_stride) = value };
    }
}

/// Where the last row begins, in elements from (0, 0).
const fn flipped(layout: &Layout) -> isize {
    if layout.rows == 0 || layout.cols == 0 {
        return 0;
    }
    layout.row_stride.wrapping_mul(layout.rows as isize - 1)
}

/// Where a part begins, in elements from (0, 0) of the whole.
fn inside(layout: &Layout, row: usize, col: usize, rows: usize, cols: usize) -> Result<isize, Error> {
    let fits = |start: usize, extent: usize, of: usize| start.checked_add(extent).is_some_and(|end| end <= of);
    if !fits(row, rows, layout.rows) || !fits(col, cols, layout.cols) {
        let found = format!("{rows}x{cols} at ({row}, {col})");
        return Err(Error::shape("part of a matrix", found, format!("a part of {}x{}", layout.rows, layout.cols)));
    }
    if rows == 0 || cols == 0 {
        return Ok(0);
    }
    Ok(row as isize * layout.row_stride + col as isize * layout.col_stride)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(rows: usize, cols: usize, row_stride: isize, col_stride: isize, offset: usize) -> Layout {
        Layout { rows, cols, row_stride, col_stride, offset }
    }

    #[test]
    fn reach_is_checked() {
        let data = [1, 2, 3, 4, 5, 6];
        let ok = |l| MatRef::new(&data, l).is_ok();
        assert!(ok(layout(2, 3, 3, 1, 0)));
        assert!(ok(layout(2, 3, -3, -1, 5)));
        assert!(ok(layout(7, 9, 0, 0, 5)));
        assert!(ok(layout(0, 3, 100, 100, 77)));
        assert!(!ok(layout(2, 3, 3, 1, 1)));
        assert!(!ok(layout(2, 3, -3, 1, 2)));
        assert!(!ok(layout(usize::MAX, 2, isize::MAX, 1, 0)));
        let reversed = MatRef::new(&data, layout(2, 3, -3, -1, 5)).expect("fits");
        assert_eq!((reversed.get(0, 0), reversed.get(1, 2)), (6, 1));
        assert_eq!(reversed.part(1, 1, 1, 2).expect("inside").get(0, 1), 1);
        assert!(reversed.part(1, 1, 2, 1).is_err());
        assert!(reversed.part(usize::MAX, 1, 2, 1).is_err());
    }

    #[test]
    fn rows_and_flips() {
        let mut data = [1, 2, 3, 4, 5, 6];
        let matrix = MatRef::row_major(&data, 2, 3).expect("fits");
        assert_eq!((matrix.row(1), matrix.col(1)), (Some(&[4, 5, 6][..]), None));
        assert_eq!((matrix.t().col(0), matrix.row(2)), (Some(&[1, 2, 3][..]), None));
        assert_eq!(matrix.flip_rows().row(0), Some(&[4, 5, 6][..]));
        assert_eq!(matrix.t().flip_rows().get(0, 1), 6);
        let mut matrix = MatMut::row_major(&mut data, 2, 3).expect("fits").flip_rows();
        matrix.row_mut(1).expect("side by side").fill(7);
        assert!(matrix.row_mut(2).is_none() && matrix.t().row_mut(0).is_none());
        assert_eq!(data, [7, 7, 7, 4, 5, 6]);
        assert!(MatRef::row_major(&data, 0, 3).expect("fits").flip_rows().row(0).is_none());
    }

    #[test]
    fn outputs_are_distinct() {
        let mut data = [0; 64];
        let mut ok = |l| MatMut::new(&mut data, l).is_ok();
        assert!(ok(layout(4, 4, 4, 1, 0)));
        assert!(ok(layout(4, 4, -1, 8, 8)));
        assert!(ok(layout(1, 4, 0, 1, 0)));
        assert!(ok(layout(4, 1, 2, 0, 0)));
        assert!(ok(layout(1, 1, 0, 0, 0)));
        assert!(!ok(layout(4, 4, 0, 1, 0)));
        assert!(!ok(layout(4, 4, 3, 1, 0)));
        assert!(!ok(layout(2, 2, 1, 1, 0)));
        assert!(!ok(layout(4, 1, 0, 1, 0)));
    }
}
