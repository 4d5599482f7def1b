//! Arrays of any number of dimensions in somebody's slice: extents and strides of any sign, checked once.

use crate::Error;

/// An array that is read.
#[derive(Debug)]
pub struct ArrayRef<'a, T> {
    data: &'a [T],
    shape: Vec<usize>,
    strides: Vec<isize>,
    offset: usize,
}

impl<T> Clone for ArrayRef<'_, T> {
    fn clone(&self) -> Self {
        Self { data: self.data, shape: self.shape.clone(), strides: self.strides.clone(), offset: self.offset }
    }
}

impl<'a, T> ArrayRef<'a, T> {
    /// The array of extents `shape` in `data`, whose first element has the index `offset`; strides count elements.
    ///
    /// # Errors
    /// [`Error::Shape`] when there are not as many strides as extents, [`Error::OutOfBounds`] when an element is not in the
    /// slice.
    pub fn new(data: &'a [T], shape: &[usize], strides: &[isize], offset: usize) -> Result<Self, Error> {
        if shape.len() != strides.len() {
            return Err(Error::shape("number of strides", strides.len(), shape.len()));
        }
        let (mut low, mut high) = (offset as i128, offset as i128);
        if !shape.contains(&0) {
            for (extent, stride) in shape.iter().zip(strides) {
                let over = (*extent as i128 - 1).saturating_mul(*stride as i128);
                low = low.saturating_add(over.min(0));
                high = high.saturating_add(over.max(0));
            }
            if low < 0 || high >= data.len() as i128 {
                let reach = if low < 0 { low } else { high };
                return Err(Error::OutOfBounds { what: "input array", reach, len: data.len() });
            }
        }
        Ok(Self { data, shape: shape.to_vec(), strides: strides.to_vec(), offset })
    }

    /// The array whose elements lie side by side, last axis fastest.
    ///
    /// # Errors
    /// [`Error::OutOfBounds`] when the slice is too short.
    pub fn contiguous(data: &'a [T], shape: &[usize]) -> Result<Self, Error> {
        elements(shape)?;
        Self::new(data, shape, &contiguous_strides(shape), 0)
    }

    /// Extents.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Strides in elements.
    pub fn strides(&self) -> &[isize] {
        &self.strides
    }

    /// Index of the first element in [`Self::data`].
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// The slice it lies in.
    pub const fn data(&self) -> &'a [T] {
        self.data
    }
}

/// How many elements an array of these extents has.
///
/// # Errors
/// [`Error::TooLarge`] when they cannot be addressed.
pub(crate) fn elements(shape: &[usize]) -> Result<usize, Error> {
    let count = shape.iter().fold(1_u128, |product, extent| product.saturating_mul(*extent as u128));
    // Strides are signed, so half of the address space is the limit even where the array is empty otherwise.
    let bounded =
        shape.iter().filter(|extent| **extent > 0).fold(1_u128, |p, extent| p.saturating_mul(*extent as u128));
    if bounded > isize::MAX as u128 {
        return Err(Error::TooLarge { what: "array", count: bounded });
    }
    Ok(count as usize)
}

/// Strides of elements side by side, last axis fastest.
pub(crate) fn contiguous_strides(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![1_isize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis].max(1) as isize);
    }
    strides
}

/// `n` zeros, or an error.
pub(crate) fn zeros<T: Copy + Default>(n: usize) -> Result<Vec<T>, Error> {
    let mut made = Vec::new();
    made.try_reserve_exact(n).map_err(|_| Error::OutOfMemory { bytes: n.saturating_mul(size_of::<T>()) })?;
    made.resize(n, T::default());
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reach_is_checked() {
        let data = [0_u8; 24];
        assert!(ArrayRef::contiguous(&data, &[2, 3, 4]).is_ok());
        assert!(ArrayRef::contiguous(&data, &[5, 5]).is_err());
        assert!(ArrayRef::contiguous(&data, &[usize::MAX, 0, usize::MAX]).is_err());
        assert!(ArrayRef::contiguous(&data, &[7, 0, 9]).is_ok());
        assert!(ArrayRef::new(&data, &[4, 6], &[-6, -1], 23).is_ok());
        assert!(ArrayRef::new(&data, &[4, 6], &[-6, -1], 22).is_err());
        assert!(ArrayRef::new(&data, &[1 << 40, 6], &[0, 1], 18).is_ok());
        assert!(ArrayRef::new(&data, &[2], &[1, 1], 0).is_err());
        assert!(ArrayRef::new(&data, &[usize::MAX, usize::MAX], &[isize::MAX, isize::MIN], 0).is_err());
        assert!(ArrayRef::new(&data, &[], &[], 24).is_err());
    }
}
