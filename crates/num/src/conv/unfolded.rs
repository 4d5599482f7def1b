//! Convolution as a matrix product: the input unfolded into columns, a piece at a time.

use super::{Geometry, Order, Pixel};
use crate::gemm::{Options, Step, gemm};
use crate::linalg::Field;
use crate::simd::parts;
use crate::{Error, Layout, MatMut, MatRef, Pool, Scratch, nd};

/// Unfolded columns of a piece fill about this much.
const PIECE_BYTES: usize = 2 << 20;

/// See [`super::conv2d`]; lengths are checked and nothing is empty.
pub fn product<T: Pixel>(
    geometry: &Geometry,
    input: &[T],
    weights: &[T],
    bias: Option<&[T]>,
    out: &mut [T],
    pool: &dyn Pool,
    scratch: &mut Scratch,
) -> Result<(), Error> {
    let (shape, output, groups) = (geometry.input(), geometry.output(), geometry.groups());
    let (terms, pixels, of_group) = (geometry.terms(), output.rows * output.cols, output.channels / groups);
    // Weights by output channel and the input's order of terms.
    let mut ordered: Vec<T> = nd::zeros(weights.len())?;
    geometry.pack(weights, &mut ordered, 1);
    let unfold = !geometry.pointwise();
    let piece =
        if unfold { (PIECE_BYTES / (terms * size_of::<T>()).max(1)).clamp(16.min(pixels), pixels) } else { pixels };
    let mut columns: Vec<T> = nd::zeros(if unfold { nd::elements(&[terms, piece])? } else { 0 })?;
    let (image_in, image_out) = (shape.elements() / shape.images, out.len() / shape.images);
    for (input, out) in input.chunks_exact(image_in).zip(out.chunks_exact_mut(image_out)) {
        for group in 0..groups {
            let w = MatRef::row_major(&ordered[group * of_group * terms..][..of_group * terms], of_group, terms)?;
            let bias = bias.map(|bias| &bias[group * of_group..][..of_group]);
            for first in (0..pixels).step_by(piece) {
                let n = piece.min(pixels - first);
                if unfold {
                    unfold_piece(geometry, input, group, first, n, &mut columns, pool);
                }
                // The output of this piece: channels by pixels, whatever the order.
                let (row_stride, col_stride, offset) = match geometry.order() {
                    Order::Nchw => (pixels as isize, 1, group * of_group * pixels + first),
                    Order::Nhwc => (1, output.channels as isize, first * output.channels + group * of_group),
                };
                let layout = Layout { rows: of_group, cols: n, row_stride, col_stride, offset };
                let x = match (unfold, geometry.order()) {
                    (true, _) => MatRef::new(&columns, Layout::row_major(terms, n))?,
                    (false, Order::Nchw) => {
                        let offset = group * terms * pixels;
                        MatRef::new(input, Layout { offset, ..Layout::row_major(terms, pixels) })?
                    }
                    (false, Order::Nhwc) => {
                        let (row_stride, col_stride) = (1, shape.channels as isize);
                        MatRef::new(
                            input,
                            Layout { rows: terms, cols: n, row_stride, col_stride, offset: group * terms },
                        )?
                    }
                };
                let steps: Vec<Step<'_, T>> = bias.iter().map(|bias| Step::BiasOfRow(bias)).collect();
                let options = Options::<'_, T> { epilogue: &steps, ..Options::default() };
                gemm(&options, w, x, MatMut::new(out, layout)?, pool, scratch)?;
            }
        }
    }
    Ok(())
}

/// Nothing to sum: the bias alone.
pub fn fill<T: Field>(geometry: &Geometry, bias: Option<&[T]>, out: &mut [T]) {
    let output = geometry.output();
    let plane = output.rows * output.cols;
    for (i, value) in out.iter_mut().enumerate() {
        let channel = if geometry.order() == Order::Nchw { i / plane } else { i } % output.channels;
        *value = bias.map_or(T::ZERO, |bias| bias[channel]);
    }
}

/// A row per term, a column per output pixel.
fn unfold_piece<T: Pixel>(
    geometry: &Geometry,
    image: &[T],
    group: usize,
    first: usize,
    n: usize,
    columns: &mut [T],
    pool: &dyn Pool,
) {
    let (shape, output, weights) = (geometry.input(), geometry.output(), geometry.weights());
    let ([sy, sx], [dy, dx], padding) = (geometry.stride(), geometry.dilation(), geometry.padding());
    let mut terms = Vec::with_capacity(geometry.terms());
    geometry.each_term(|channel, i, j| terms.push((group * weights.channels + channel, i, j)));
    parts::chunks(pool, &mut columns[..terms.len() * n], n, &|term, line| {
        let (channel, i, j) = terms[term];
        for (at, value) in line.iter_mut().enumerate() {
            let (row, col) = ((first + at) / output.cols, (first + at) % output.cols);
            let row = (row * sy + i * dy).checked_sub(padding[0][0]).filter(|row| *row < shape.rows);
            let col = (col * sx + j * dx).checked_sub(padding[1][0]).filter(|col| *col < shape.cols);
            *value = row.zip(col).map_or(T::ZERO, |(row, col)| match geometry.order() {
                Order::Nchw => image[(channel * shape.rows + row) * shape.cols + col],
                Order::Nhwc => image[(row * shape.cols + col) * shape.channels + channel],
            });
        }
    });
}
