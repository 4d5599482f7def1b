//! Sorting, searching, and places of elements. NaN sorts last.

use super::dtype::{Bool, DType, Element, with_type};
use super::storage::View;
use super::walk::{chunks, converted};
use crate::error::Fail;
use std::cmp::Ordering;

/// Sorted along the last axis; with `places` the places that elements come from (int64). Equal elements keep their order.
pub fn sort(view: &View, descending: bool, places: bool) -> Result<View, Fail> {
    let Some(&length) = view.shape.last() else {
        return Err(Fail::Value("sorting needs at least one dimension".to_owned()));
    };
    let sorted = converted(view, view.dtype)?;
    let indices = View::new(DType::I64, if places { &view.shape } else { &[0] })?;
    if length == 0 || sorted.len() == 0 {
        return Ok(if places { indices } else { sorted });
    }
    let (from, to) = (sorted.address(), indices.address());
    with_type!(view.dtype, E => {
        let order = |a: &E, b: &E| if descending { b.order(a) } else { a.order(b) };
        chunks(sorted.len() / length, &|start, n| {
            for line in start..start + n {
                // SAFETY: the new contiguous arrays have this line, and one task uses it.
                let elements = unsafe { std::slice::from_raw_parts_mut((from as *mut E).add(line * length), length) };
                if places {
                    // SAFETY: as above.
                    let out = unsafe { std::slice::from_raw_parts_mut((to as *mut i64).add(line * length), length) };
                    out.iter_mut().enumerate().for_each(|(i, place)| *place = i as i64);
                    out.sort_by(|a, b| order(&elements[*a as usize], &elements[*b as usize]));
                } else {
                    elements.sort_by(order);
                }
            }
        });
    });
    Ok(if places { indices } else { sorted })
}

/// Where each element of `values` would go into sorted `list`, before equal ones or after them.
pub fn search(list: &View, values: &View, right: bool) -> Result<View, Fail> {
    if list.shape.len() != 1 || list.dtype != values.dtype {
        return Err(Fail::Value("searchsorted: expected a one-dimensional array and values of its type".to_owned()));
    }
    let (list, values) = (converted(list, list.dtype)?, converted(values, values.dtype)?);
    let out = View::new(DType::I64, &values.shape)?;
    with_type!(list.dtype, E => {
        // SAFETY: rules 1 to 3 of `storage`: three plain arrays that were made here.
        let (list, values, out) = unsafe { (list.slice::<E>(), values.slice::<E>(), out.slice_mut::<i64>()) };
        for (out, value) in out.iter_mut().zip(values) {
            *out = list.partition_point(|known| match known.order(value) {
                Ordering::Less => true,
                Ordering::Equal => right,
                Ordering::Greater => false,
            }) as i64;
        }
    });
    Ok(out)
}

/// Places of the elements that are not zero: one array for each dimension.
pub fn nonzero(view: &View) -> Result<Vec<View>, Fail> {
    let plain = converted(view, DType::Bool)?;
    // SAFETY: rules 1 to 3 of `storage`: a plain array that was made here.
    let flags = unsafe { plain.slice::<Bool>() };
    let found: Vec<usize> = (0..flags.len()).filter(|i| flags[*i].truth()).collect();
    let mut inner: usize = flags.len();
    view.shape
        .iter()
        .map(|extent| {
            inner = inner.checked_div(*extent).unwrap_or(1).max(1);
            let out = View::new(DType::I64, &[found.len()])?;
            // SAFETY: as above.
            for (out, at) in unsafe { out.slice_mut::<i64>() }.iter_mut().zip(&found) {
                *out = (at / inner % extent) as i64;
            }
            Ok(out)
        })
        .collect()
}

/// For elements in sorted order: whether each differs from the one before. NaN differs from everything, itself included.
pub fn firsts(view: &View) -> Result<View, Fail> {
    let plain = converted(view, view.dtype)?;
    let out = View::new(DType::Bool, &plain.shape)?;
    with_type!(plain.dtype, E => {
        // SAFETY: rules 1 to 3 of `storage`: plain arrays that were made here.
        let (elements, out) = unsafe { (plain.slice::<E>(), out.slice_mut::<Bool>()) };
        for i in 0..elements.len() {
            out[i] = Bool::new(i == 0 || elements[i] != elements[i - 1]);
        }
    });
    Ok(out)
}
