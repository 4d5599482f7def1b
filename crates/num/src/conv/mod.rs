//! Two-dimensional convolution (cross-correlation, as networks have it) and pooling.
//!
//! Images are contiguous, NCHW or NHWC; weights are `[output channel][input channel of the group][row][column]`. An output
//! element is a sum of `channels / groups * rows * columns` products, taken in order: the error is at most that number
//! times eps, of the sum of absolute values. Padding is with zeros, so NaN and infinity spread to the outputs they touch.
//!
//! Two ways: [`Variant::Direct`] sums over a table of offsets into a padded copy of the input, with no other copy;
//! [`Variant::Product`] is a matrix product, of the input as it lies for 1 x 1 kernels, else of pieces unfolded into
//! columns. Which one is taken can be said.

mod plan;
mod pool2d;
#[cfg(test)]
mod tests;
mod unfolded;

pub use crate::simd::conv::Convolve;
pub use plan::{Geometry, Order, Shape4};
pub use pool2d::{Pooling, pool2d, pooled};

use crate::gemm::Output;
use crate::linalg::Field;
use crate::simd::buffer::AnyBits;
use crate::simd::conv::{Job, run};
use crate::simd::parts;
use crate::{Error, Isa, Pool, Scratch};

/// How a convolution is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Sums over a table of offsets.
    Direct,
    /// A matrix product.
    Product,
}

/// An element type of images: f32 or f64.
pub trait Pixel: Convolve + Field + Output<Self> + AnyBits {}
impl<T: Convolve + Field + Output<T> + AnyBits> Pixel for T {}

/// Padded images that are made at once fill about this much.
const CHUNK_BYTES: usize = 8 << 20;

/// `out = input * weights + bias`, one variant or, with `None`, the one that usually is faster.
///
/// # Errors
/// [`Error::Shape`] when the slices do not have the lengths of the geometry's shapes, [`Error::OutOfMemory`] when there is no
/// scratch.
#[allow(clippy::too_many_arguments, reason = "three operands, an output, and how and with what")]
pub fn conv2d<T: Pixel>(
    geometry: &Geometry,
    variant: Option<Variant>,
    input: &[T],
    weights: &[T],
    bias: Option<&[T]>,
    out: &mut [T],
    pool: &dyn Pool,
    scratch: &mut Scratch,
) -> Result<(), Error> {
    let lengths = [
        ("length of the input", input.len(), geometry.input().elements()),
        ("length of the weights", weights.len(), geometry.weights().elements()),
        ("length of the output", out.len(), geometry.output().elements()),
        ("length of the bias", bias.map_or(geometry.output().channels, <[T]>::len), geometry.output().channels),
    ];
    for (what, found, expected) in lengths {
        if found != expected {
            return Err(Error::shape(what, found, expected));
        }
    }
    if out.is_empty() {
        return Ok(());
    }
    if geometry.terms() == 0 {
        unfolded::fill(geometry, bias, out);
        return Ok(());
    }
    match variant.unwrap_or_else(|| geometry.usual()) {
        Variant::Direct => direct(geometry, input, weights, bias, out, pool, scratch),
        Variant::Product => unfolded::product(geometry, input, weights, bias, out, pool, scratch),
    }
}

fn direct<T: Pixel>(
    geometry: &Geometry,
    input: &[T],
    weights: &[T],
    bias: Option<&[T]>,
    out: &mut [T],
    pool: &dyn Pool,
    scratch: &mut Scratch,
) -> Result<(), Error> {
    let isa = Isa::detect();
    let kernels = T::kernels(isa);
    let by_pixels = geometry.pixels_side_by_side();
    let kernel = if by_pixels { &kernels.pixels } else { &kernels.channels };
    let (pixels, channels) =
        if by_pixels { (kernel.vector, kernel.broadcast) } else { (kernel.broadcast, kernel.vector) };
    let offsets = geometry.offsets();
    let (image, slack) = (geometry.padded_image()?, geometry.slack(pixels)?);
    let n_weights = geometry.packed_weights(channels)?;
    let n_images = geometry.input().images;
    let at_once = (CHUNK_BYTES / (image * size_of::<T>()).max(1)).clamp(1, n_images);
    let too_large = || Error::TooLarge { what: "padded image", count: u128::MAX };
    let n_padded = image.checked_mul(at_once).and_then(|n| n.checked_add(slack)).ok_or_else(too_large)?;
    let total = n_padded.checked_add(n_weights).ok_or_else(too_large)?;
    let (packed, padded) = scratch.elements::<T>(total)?.split_at_mut(n_weights);
    geometry.pack(weights, packed, channels);
    let (image_in, image_out) = (geometry.input().elements() / n_images, out.len() / n_images);
    for (first, out) in (0..n_images).step_by(at_once).zip(out.chunks_mut(at_once * image_out)) {
        let images = out.len() / image_out;
        geometry.pad(&input[first * image_in..][..images * image_in], &mut padded[..images * image], pool);
        let places = geometry.places(images);
        let job = Job { places, x: padded, weights: packed, offsets: &offsets, bias, by_pixels };
        run(&job, isa, out, pool);
    }
    Ok(())
}

/// Copies rows of `from` into a line with `before` zeros on its left and zeros on its right.
fn centred<T: Copy + Default>(from: &[T], before: usize, to: &mut [T]) {
    let (left, rest) = to.split_at_mut(before);
    let (middle, right) = rest.split_at_mut(from.len());
    left.fill(T::default());
    middle.copy_from_slice(from);
    right.fill(T::default());
}

impl Geometry {
    /// Copies images into larger ones with zeros around.
    fn pad<T: Copy + Default + Send + Sync>(&self, from: &[T], to: &mut [T], pool: &dyn Pool) {
        let (shape, padding) = (self.input(), self.padding());
        let [rows, cols] = self.padded_extents();
        // An NHWC row is one line of columns times channels; an NCHW plane has lines of columns.
        let (planes, width) = match self.order() {
            Order::Nchw => (shape.channels, 1),
            Order::Nhwc => (1, shape.channels),
        };
        debug_assert_eq!(to.len() % (rows * cols * width * planes), 0);
        parts::chunks(pool, to, cols * width, &|line, to| {
            let (plane, row) = (line / rows, line % rows);
            match row.checked_sub(padding[0][0]).filter(|row| *row < shape.rows) {
                Some(row) => {
                    let n = shape.cols * width;
                    centred(&from[(plane * shape.rows + row) * n..][..n], padding[1][0] * width, to);
                }
                None => to.fill(T::default()),
            }
        });
    }
}
