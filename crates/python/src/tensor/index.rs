//! Picking and putting elements by arrays of places.
//!
//! The first `n` axes of a view are indexed by `n` arrays of one shape; what is left of the axes goes along as it is. The Python
//! side brings any index into this form.

use super::dtype::DType;
use super::storage::{View, count};
use super::walk::{CHUNK, Walk, converted};
use crate::error::Fail;

/// An index that is out of bounds, in words.
pub struct OutOfBounds(pub String);

/// Bytes from the view's start for each place; negative places count from the end.
fn offsets(view: &View, places: &[&View]) -> Result<Result<Vec<isize>, OutOfBounds>, Fail> {
    if places.len() > view.shape.len() {
        let n = view.shape.len();
        return Err(Fail::Value(format!("{} index arrays for an array with {n} dimensions", places.len())));
    }
    let total = places.first().map_or(0, |places| places.len());
    let mut offsets = vec![0_isize; total];
    for (axis, list) in places.iter().enumerate() {
        if list.dtype != DType::I64 || list.shape != places[0].shape {
            return Err(Fail::Value("index arrays: expected int64 of one shape".to_owned()));
        }
        let extent = view.shape[axis] as i64;
        let list = converted(list, DType::I64)?;
        // SAFETY: rules 1 to 3 of `storage`: a plain array that was made here.
        for (offset, place) in offsets.iter_mut().zip(unsafe { list.slice::<i64>() }) {
            if *place >= extent || *place < -extent {
                return Ok(Err(OutOfBounds(format!(
                    "index {place} is out of bounds for axis {axis} with {extent} elements"
                ))));
            }
            let at = if *place < 0 { place + extent } else { *place };
            *offset += at as isize * view.strides[axis];
        }
    }
    Ok(Ok(offsets))
}

/// The view at one place of the indexed axes.
fn at(view: &View, n: usize, offset: isize) -> View {
    View {
        shape: view.shape[n..].to_vec(),
        strides: view.strides[n..].to_vec(),
        offset: view.offset.wrapping_add_signed(offset),
        ..view.clone()
    }
}

/// A new array of the elements at the places.
pub fn pick(view: &View, places: &[&View]) -> Result<Result<View, OutOfBounds>, Fail> {
    let offsets = match offsets(view, places)? {
        Ok(offsets) => offsets,
        Err(error) => return Ok(Err(error)),
    };
    let rest = &view.shape[places.len()..];
    let shape: Vec<usize> =
        places.first().map_or(&[][..], |places| &places.shape).iter().chain(rest).copied().collect();
    let out = View::new(view.dtype, &shape)?;
    let (n, size) = (count(rest)?, view.dtype.size());
    if n == 0 || offsets.is_empty() {
        return Ok(Ok(out));
    }
    let walk = Walk::new(&at(view, places.len(), 0));
    let mut to = out.pointer::<u8>();
    for offset in offsets {
        let mut done = 0;
        while done < n {
            let some = CHUNK.min(n - done);
            // SAFETY: rules 1 to 3 of `storage`: the place was checked, the rest is the view's; the new array has room.
            unsafe {
                walk.shifted(offset).gather(done, some, to);
                to = to.add(some * size);
            }
            done += some;
        }
    }
    Ok(Ok(out))
}

/// Writes `values`, broadcast to places and rest, to the places; where a place comes twice, the last stays.
pub fn put(view: &View, places: &[&View], values: &View) -> Result<Result<(), OutOfBounds>, Fail> {
    if !view.storage.writable() {
        return Err(Fail::Value("the array is read-only".to_owned()));
    }
    let offsets = match offsets(view, places)? {
        Ok(offsets) => offsets,
        Err(error) => return Ok(Err(error)),
    };
    let rest = &view.shape[places.len()..];
    let shape: Vec<usize> =
        places.first().map_or(&[][..], |places| &places.shape).iter().chain(rest).copied().collect();
    let values = converted(&values.broadcast(&shape)?, view.dtype)?;
    let (n, size) = (count(rest)?, view.dtype.size());
    if n == 0 || offsets.is_empty() {
        return Ok(Ok(()));
    }
    let walk = Walk::new(&at(view, places.len(), 0));
    let mut from = values.pointer::<u8>().cast_const();
    for offset in offsets {
        // SAFETY: rules 1 to 3 of `storage`: the place was checked, the rest is the view's; the values have as many.
        unsafe {
            walk.shifted(offset).scatter(0, n, from);
            from = from.add(n * size);
        }
    }
    Ok(Ok(()))
}
