//! Pooling: the largest or the mean of each window of an image.

use super::plan::along;
use super::{Order, Pixel, Shape4};
use crate::simd::parts;
use crate::{Error, Pool};

/// What becomes of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// The largest element, NaN if there is one; minus infinity for a window of nothing but padding.
    Max,
    /// The sum by the number of elements, those of the padding, which are zero, included.
    Mean,
    /// The sum by the number of elements that are inside the image; NaN where there are none.
    MeanInside,
}

/// Extents of the pooled images.
///
/// # Errors
/// [`Error::Shape`] when a step is 0 or the window is larger than the padded image.
pub fn pooled(
    input: Shape4,
    window: [usize; 2],
    stride: [usize; 2],
    padding: [[usize; 2]; 2],
) -> Result<Shape4, Error> {
    let rows = along("rows", input.rows, window[0], stride[0], padding[0], 1)?;
    let cols = along("columns", input.cols, window[1], stride[1], padding[1], 1)?;
    Ok(Shape4 { rows, cols, ..input })
}

/// Pools each image and channel of `input` into `out`; windows, strides and padding by rows and columns. The
/// output has the extents that [`pooled`] gives.
///
/// # Errors
/// [`Error::Shape`] when slices do not have the lengths of their shapes, a step is 0 or the window is larger than the padded
/// image.
#[allow(clippy::too_many_arguments, reason = "an operand, an output, and the windows")]
pub fn pool2d<T: Pixel>(
    pooling: Pooling,
    order: Order,
    input: &[T],
    shape: Shape4,
    window: [usize; 2],
    stride: [usize; 2],
    padding: [[usize; 2]; 2],
    out: &mut [T],
    pool: &dyn Pool,
) -> Result<(), Error> {
    let output = pooled(shape, window, stride, padding)?;
    let expected = crate::nd::elements(&[output.images, output.channels, output.rows, output.cols])?;
    let n = crate::nd::elements(&[shape.images, shape.channels, shape.rows, shape.cols])?;
    if input.len() != n {
        return Err(Error::shape("length of the input", input.len(), n));
    }
    if out.len() != expected {
        return Err(Error::shape("length of the output", out.len(), expected));
    }
    let [area_rows, area_cols] = window;
    // One line of the output: a row of a channel, or a row of pixels with all channels.
    let (planes, width) = if order == Order::Nchw { (shape.channels, 1) } else { (1, shape.channels) };
    let inside = |at: usize, before: usize, window: usize, extent: usize| {
        let (start, end) = (at.saturating_sub(before), (at + window).saturating_sub(before).min(extent));
        start.min(end)..end
    };
    parts::chunks(pool, out, output.cols * width, &|line, out| {
        let (plane, row) = (line / output.rows, line % output.rows);
        debug_assert!(plane < shape.images * planes);
        let rows = inside(row * stride[0], padding[0][0], area_rows, shape.rows);
        for col in 0..output.cols {
            let cols = inside(col * stride[1], padding[1][0], area_cols, shape.cols);
            for channel in 0..width {
                let mut result = if pooling == Pooling::Max { T::real(f64::NEG_INFINITY) } else { T::ZERO };
                for i in rows.clone() {
                    for j in cols.clone() {
                        let x = input[((plane * shape.rows + i) * shape.cols + j) * width + channel];
                        result = match pooling {
                            Pooling::Max if x > result || x.partial_cmp(&x).is_none() => x,
                            Pooling::Max => result,
                            _ => result + x,
                        };
                    }
                }
                let count = match pooling {
                    Pooling::Max => None,
                    Pooling::Mean => Some(area_rows * area_cols),
                    Pooling::MeanInside => Some(rows.len() * cols.len()),
                };
                out[col * width + channel] = count.map_or(result, |count| result / T::real(count as f64));
            }
        }
    });
    Ok(())
}
