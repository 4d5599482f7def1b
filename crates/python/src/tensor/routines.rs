//! Routines of `vgpu_num` beside linear algebra: convolution, transfer entropy, random numbers, softmax.

use super::Tensor;
use super::dtype::DType;
use super::storage::View;
use super::walk::{converted, pool};
use crate::error::Fail;
use pyo3::prelude::*;
use vgpu_num::conv::{self, Geometry, Order, Pixel, Shape4};
use vgpu_num::neighbours::{History, surrogates, transfer_entropy};
use vgpu_num::random::Philox;
use vgpu_num::{Scratch, rows};

/// Convolution of images `(n, channels, rows, columns)` (or channels last) with weights `(outputs, channels per group, rows,
/// columns)`; steps are by rows and columns in turn, padding before and after each.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "Python calls it with everything that a convolution has")]
pub fn conv2d(
    py: Python<'_>,
    input: PyRef<'_, Tensor>,
    weights: PyRef<'_, Tensor>,
    bias: Option<PyRef<'_, Tensor>>,
    channels_last: bool,
    stride: [usize; 2],
    padding: [[usize; 2]; 2],
    dilation: [usize; 2],
    groups: usize,
) -> PyResult<Tensor> {
    let (input, weights) = (input.view(py)?, weights.view(py)?);
    let bias = bias.map(|bias| bias.view(py)).transpose()?;
    let out = py.detach(|| {
        let four = |view: &View| match view.shape[..] {
            [a, b, c, d] => Ok([a, b, c, d]),
            _ => Err(Fail::Value(format!("expected four dimensions, found shape {:?}", view.shape))),
        };
        let [n, a, b, c] = four(&input)?;
        let (channels, height, width) = if channels_last { (c, a, b) } else { (a, b, c) };
        let image = Shape4 { images: n, channels, rows: height, cols: width };
        let [outputs, per_group, height, width] = four(&weights)?;
        let kernel = Shape4 { images: outputs, channels: per_group, rows: height, cols: width };
        let order = if channels_last { Order::Nhwc } else { Order::Nchw };
        let geometry = Geometry::with(order, image, kernel, stride, padding, dilation, groups)?;
        let made = geometry.output();
        let shape = if channels_last {
            [made.images, made.rows, made.cols, made.channels]
        } else {
            [made.images, made.channels, made.rows, made.cols]
        };
        let out = View::new(input.dtype, &shape)?;
        match input.dtype {
            DType::F32 => convolve::<f32>(&geometry, &input, &weights, bias.as_ref(), &out)?,
            DType::F64 => convolve::<f64>(&geometry, &input, &weights, bias.as_ref(), &out)?,
            other => return Err(Fail::Value(format!("conv2d is not defined for {}", other.name()))),
        }
        Ok(out)
    })?;
    Ok(Tensor::given(out))
}

fn convolve<T: Pixel>(
    geometry: &Geometry,
    input: &View,
    weights: &View,
    bias: Option<&View>,
    out: &View,
) -> Result<(), Fail> {
    if weights.dtype != input.dtype || bias.is_some_and(|bias| bias.dtype != input.dtype) {
        return Err(Fail::Value("conv2d: expected arrays of one type".to_owned()));
    }
    let (input, weights) = (converted(input, input.dtype)?, converted(weights, weights.dtype)?);
    let bias = bias.map(|bias| converted(bias, bias.dtype)).transpose()?;
    // SAFETY: rules 1 to 3 of `storage`: plain arrays of this type that were made here.
    unsafe {
        let bias = bias.as_ref().map(|bias| bias.slice::<T>());
        conv::conv2d(
            geometry,
            None,
            input.slice(),
            weights.slice(),
            bias,
            out.slice_mut::<T>(),
            pool(),
            &mut Scratch::new(),
        )?;
    }
    Ok(())
}

/// Transfer entropy in nats from one float64 series to another, and those of shuffled sources.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "Python calls it with everything that the estimate has")]
pub fn entropy_of_transfer(
    py: Python<'_>,
    source: PyRef<'_, Tensor>,
    target: PyRef<'_, Tensor>,
    k: usize,
    histories: (usize, usize),
    step: usize,
    n_surrogates: usize,
    seed: u64,
) -> PyResult<(f64, Vec<f64>)> {
    let (source, target) = (source.view(py)?, target.view(py)?);
    let made = py.detach(|| {
        if source.dtype != DType::F64
            || target.dtype != DType::F64
            || source.shape.len() != 1
            || target.shape.len() != 1
        {
            return Err(Fail::Value("transfer_entropy: expected float64 series of one dimension".to_owned()));
        }
        let history = History { k, source: histories.0, target: histories.1, step };
        let (source, target) = (converted(&source, DType::F64)?, converted(&target, DType::F64)?);
        // SAFETY: rules 1 to 3 of `storage`: plain arrays that were made here.
        let (source, target) = unsafe { (source.slice::<f64>(), target.slice::<f64>()) };
        let value = transfer_entropy(source, target, &history, pool())?;
        Ok((value, surrogates(source, target, &history, n_surrogates, seed, pool())?))
    })?;
    Ok(made)
}

/// Random numbers: `kind` is "uniform" in (0, 1], "normal", or "words" (uint32), from place `at` of a Philox sequence on.
#[pyfunction]
pub fn philox(py: Python<'_>, kind: &str, seed: u64, sequence: u64, at: u64, n: usize) -> PyResult<Tensor> {
    let philox = Philox::new(seed, sequence);
    let dtype = if kind == "words" { DType::U32 } else { DType::F32 };
    let view = py.detach(|| View::new(dtype, &[n]))?;
    // SAFETY: rules 1 to 3 of `storage`: a plain array that was made here, of these types.
    py.detach(|| unsafe {
        match kind {
            "words" => philox.words(at, view.slice_mut(), pool()),
            "uniform" => philox.uniform_f32(at, view.slice_mut(), pool()),
            "normal" => philox.normal_f32(at, view.slice_mut(), pool())?,
            other => return Err(Fail::Value(format!("kind of random numbers: found \"{other}\""))),
        }
        Ok(())
    })?;
    Ok(Tensor::given(view))
}

/// Softmax or layer normalisation of the rows of a float32 array, in a new array.
#[pyfunction]
pub fn softmax_rows(py: Python<'_>, tensor: PyRef<'_, Tensor>) -> PyResult<Tensor> {
    let view = tensor.view(py)?;
    let out = py.detach(|| {
        if view.dtype != DType::F32 {
            return Err(Fail::Value(format!("expected float32, found {}", view.dtype.name())));
        }
        let out = converted(&view, DType::F32)?;
        let cols = view.shape.last().copied().unwrap_or(1);
        // SAFETY: rules 1 to 3 of `storage`: a plain array that was made here.
        rows::softmax(unsafe { out.slice_mut() }, cols, pool())?;
        Ok(out)
    })?;
    Ok(Tensor::given(out))
}
