//! Running over the elements of strided views: gathering and scattering runs of elements, and element-wise loops in chunks.
//!
//! A chunk of each input is brought side by side into scratch that stays in the cache (or used where it lies, when it is side by
//! side already); the loop proper sees contiguous elements alone. Chunks are tasks of the pool; what a chunk computes depends on
//! nothing else, so results do not depend on the number of threads.

use super::dtype::{DType, Element, with_type};
use super::storage::View;
use crate::error::Fail;
use std::sync::OnceLock;
use vgpu_num::{Pool, Serial, Threads};

/// Elements of a chunk.
pub const CHUNK: usize = 4096;
/// Below this many elements one thread does it.
const SERIAL: usize = 8 * CHUNK;

/// The threads of this module.
pub fn pool() -> &'static dyn Pool {
    static POOL: OnceLock<Option<Threads>> = OnceLock::new();
    let made = POOL.get_or_init(|| Threads::new(std::thread::available_parallelism().map_or(1, usize::from)).ok());
    made.as_ref().map_or(&Serial as &dyn Pool, |threads| threads)
}

/// Calls `task(start, n)` for each chunk of `0..total`.
pub fn chunks(total: usize, task: &(dyn Fn(usize, usize) + Sync)) {
    let run = |idx: usize| task(idx * CHUNK, CHUNK.min(total - idx * CHUNK));
    let n_chunks = total.div_ceil(CHUNK);
    if total < SERIAL { Serial.run(n_chunks, &run) } else { pool().run(n_chunks, &run) }
}

/// A view with as few dimensions as its elements' places allow.
pub struct Walk {
    address: usize,
    shape: Vec<usize>,
    strides: Vec<isize>,
    size: usize,
    plain: bool,
}

impl Walk {
    pub fn new(view: &View) -> Self {
        let (mut shape, mut strides): (Vec<usize>, Vec<isize>) = (Vec::new(), Vec::new());
        for (extent, stride) in view.shape.iter().zip(&view.strides).filter(|(extent, _)| **extent != 1) {
            match (shape.last_mut(), strides.last_mut()) {
                (Some(outer), Some(step)) if *step == (*extent as isize).wrapping_mul(*stride) => {
                    *outer *= extent;
                    *step = *stride;
                }
                _ => {
                    shape.push(*extent);
                    strides.push(*stride);
                }
            }
        }
        Self { address: view.address(), shape, strides, size: view.dtype.size(), plain: view.is_plain() }
    }

    /// Calls `run(address, stride, n)` for the stretches with one stride that make up elements `start` to `start + n`.
    fn stretches(&self, mut start: usize, mut n: usize, mut run: impl FnMut(usize, isize, usize)) {
        let Some((&inner, outer)) = self.shape.split_last() else {
            // A single element.
            return run(self.address, 0, n);
        };
        let step = self.strides[outer.len()];
        while n > 0 {
            let (mut rest, at) = (start / inner, start % inner);
            let mut place = self.address as isize + at as isize * step;
            for (extent, stride) in outer.iter().zip(&self.strides).rev() {
                place += (rest % extent) as isize * stride;
                rest /= extent;
            }
            let here = (inner - at).min(n);
            run(place as usize, step, here);
            start += here;
            n -= here;
        }
    }

    /// Copies elements `start` to `start + n` side by side to `out`.
    ///
    /// # Safety
    /// The view lives, the elements exist, and `out` has room for them.
    pub unsafe fn gather(&self, start: usize, n: usize, out: *mut u8) {
        let mut to = out;
        self.stretches(start, n, |from, stride, n| {
            // SAFETY: the caller's promise; a stretch stays inside the view.
            unsafe {
                strided_copy(from as *const u8, stride, to, self.size as isize, n, self.size);
                to = to.add(n * self.size);
            }
        });
    }

    /// Copies side by side elements at `from` to elements `start` to `start + n`.
    ///
    /// # Safety
    /// The view lives and may be written, the elements exist, and `from` has as many.
    pub unsafe fn scatter(&self, start: usize, n: usize, from: *const u8) {
        let mut from = from;
        self.stretches(start, n, |to, stride, n| {
            // SAFETY: the caller's promise; a stretch stays inside the view.
            unsafe {
                strided_copy(from, self.size as isize, to as *mut u8, stride, n, self.size);
                from = from.add(n * self.size);
            }
        });
    }

    /// Where elements `start` to `start + n` lie side by side: in place, or gathered into `scratch`.
    ///
    /// # Safety
    /// As [`Walk::gather`].
    pub unsafe fn side_by_side(&self, start: usize, n: usize, scratch: &mut Vec<u128>) -> *const u8 {
        if self.plain {
            return (self.address + start * self.size) as *const u8;
        }
        scratch.resize((n * self.size).div_ceil(16), 0);
        // SAFETY: the caller's promise; the scratch has room.
        unsafe { self.gather(start, n, scratch.as_mut_ptr().cast()) };
        scratch.as_ptr().cast()
    }
}

unsafe fn strided_copy(from: *const u8, from_step: isize, to: *mut u8, to_step: isize, n: usize, size: usize) {
    unsafe fn each<T>(from: *const u8, from_step: isize, to: *mut u8, to_step: isize, n: usize) {
        for i in 0..n as isize {
            // SAFETY: the caller's promise.
            unsafe {
                let value = from.offset(i * from_step).cast::<T>().read_unaligned();
                to.offset(i * to_step).cast::<T>().write_unaligned(value);
            }
        }
    }
    // SAFETY: the caller's promise: n elements at both places, which overlap only where they are the same.
    unsafe {
        if from_step == size as isize && to_step == size as isize {
            std::ptr::copy(from, to, n * size);
            return;
        }
        match size {
            1 => each::<u8>(from, from_step, to, to_step, n),
            2 => each::<u16>(from, from_step, to, to_step, n),
            4 => each::<u32>(from, from_step, to, to_step, n),
            8 => each::<u64>(from, from_step, to, to_step, n),
            _ => each::<u128>(from, from_step, to, to_step, n),
        }
    }
}

/// An element-wise loop: addresses of the inputs' elements, of the outputs', and how many.
pub type Loop<'w> = dyn Fn(&[*const u8], *mut u8, usize) + Sync + 'w;

/// A new array from element-wise work on views that are broadcast to `shape`.
pub fn map(inputs: &[&View], shape: &[usize], dtype: DType, work: &Loop<'_>) -> Result<View, Fail> {
    let walks = inputs.iter().map(|view| Ok(Walk::new(&view.broadcast(shape)?))).collect::<Result<Vec<_>, Fail>>()?;
    let out = View::new(dtype, shape)?;
    let to = out.address();
    chunks(out.len(), &|start, n| {
        let mut scratch = vec![Vec::new(); walks.len()];
        // SAFETY: rules 1 to 3 of `storage`; chunks of the new array are written by one task each.
        unsafe {
            let places: Vec<_> =
                walks.iter().zip(&mut scratch).map(|(walk, scratch)| walk.side_by_side(start, n, scratch)).collect();
            work(&places, (to + start * dtype.size()) as *mut u8, n);
        }
    });
    Ok(out)
}

/// Elements converted to another type, or copied, to a new contiguous array.
pub fn converted(view: &View, dtype: DType) -> Result<View, Fail> {
    if view.dtype == dtype {
        let size = dtype.size();
        return map(&[view], &view.shape, dtype, &|from, to, n| {
            // SAFETY: `map` gives places of n elements; the new array overlaps nothing.
            unsafe { std::ptr::copy_nonoverlapping(from[0], to, n * size) }
        });
    }
    with_type!(view.dtype, S => with_type!(dtype, D => map(&[view], &view.shape, dtype, &one::<S, D>(D::of::<S>))))
}

/// A loop from a function of one element.
pub fn one<A: Element, R: Element>(f: impl Fn(A) -> R + Sync) -> impl Fn(&[*const u8], *mut u8, usize) + Sync {
    move |from, to, n| {
        // SAFETY: `map` gives aligned places of n elements of these types; the output overlaps no input.
        let (a, out) = unsafe {
            (std::slice::from_raw_parts(from[0].cast::<A>(), n), std::slice::from_raw_parts_mut(to.cast::<R>(), n))
        };
        for (out, a) in out.iter_mut().zip(a) {
            *out = f(*a);
        }
    }
}

/// A loop from a function of two elements.
pub fn two<A: Element, B: Element, R: Element>(
    f: impl Fn(A, B) -> R + Sync,
) -> impl Fn(&[*const u8], *mut u8, usize) + Sync {
    move |from, to, n| {
        // SAFETY: as in `one`.
        let (a, b, out) = unsafe {
            (
                std::slice::from_raw_parts(from[0].cast::<A>(), n),
                std::slice::from_raw_parts(from[1].cast::<B>(), n),
                std::slice::from_raw_parts_mut(to.cast::<R>(), n),
            )
        };
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            *out = f(*a, *b);
        }
    }
}

/// Writes `source`, broadcast and converted, to the elements of `to`.
pub fn assign(to: &View, source: &View) -> Result<(), Fail> {
    if !to.storage.writable() {
        return Err(Fail::Value("the array is read-only".to_owned()));
    }
    // A copy first: the source may be another view of the same elements.
    let source = converted(&source.broadcast(&to.shape)?, to.dtype)?;
    let (walk, from) = (Walk::new(to), source.address());
    let size = to.dtype.size();
    // One task: elements of a view that was made outside may lie on top of each other.
    for start in (0..to.len()).step_by(CHUNK) {
        let n = CHUNK.min(to.len() - start);
        // SAFETY: rules 1 to 3 of `storage`; both have the same extents.
        unsafe { walk.scatter(start, n, (from + start * size) as *const u8) };
    }
    Ok(())
}

impl Walk {
    /// The same walk from another start.
    pub fn shifted(&self, bytes: isize) -> Self {
        let address = self.address.wrapping_add_signed(bytes);
        Self { address, shape: self.shape.clone(), strides: self.strides.clone(), size: self.size, plain: false }
    }
}
