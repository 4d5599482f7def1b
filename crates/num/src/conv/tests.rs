//! Convolutions and pooling against their definitions, computed in f64.
//!
//! Tolerance: a sum of k products and a bias, in whatever order, is within `(k + 4) * eps` of the sum of absolute values.

use super::*;
use crate::{Serial, Threads};
use proptest::prelude::*;

fn numbers(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2) + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// All that a geometry is made of.
#[derive(Clone, Debug)]
struct Case {
    order: Order,
    /// Images, groups, input and output channels of a group.
    counts: [usize; 4],
    extents: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [[usize; 2]; 2],
    dilation: [usize; 2],
    bias: bool,
}

impl Case {
    fn geometry(&self) -> Result<Geometry, Error> {
        let [images, groups, ins, outs] = self.counts;
        let input = Shape4 { images, channels: groups * ins, rows: self.extents[0], cols: self.extents[1] };
        let weights = Shape4 { images: groups * outs, channels: ins, rows: self.kernel[0], cols: self.kernel[1] };
        Geometry::with(self.order, input, weights, self.stride, self.padding, self.dilation, groups)
    }
}

fn place(order: Order, shape: Shape4, [image, channel, row, col]: [usize; 4]) -> usize {
    match order {
        Order::Nchw => ((image * shape.channels + channel) * shape.rows + row) * shape.cols + col,
        Order::Nhwc => ((image * shape.rows + row) * shape.cols + col) * shape.channels + channel,
    }
}

/// The definition: values and sums of absolute values.
fn oracle(case: &Case, g: &Geometry, x: &[f64], w: &[f64], bias: Option<&[f64]>) -> Vec<(f64, f64)> {
    let (input, weights, output) = (g.input(), g.weights(), g.output());
    let mut out = vec![(0.0, 0.0); output.elements()];
    let of_group = output.channels / case.counts[1];
    for image in 0..output.images {
        for channel in 0..output.channels {
            for (row, col) in (0..output.rows).flat_map(|row| (0..output.cols).map(move |col| (row, col))) {
                let start = bias.map_or(0.0, |bias| bias[channel]);
                let mut sum = (start, start.abs());
                for c in 0..weights.channels {
                    for (i, j) in (0..weights.rows).flat_map(|i| (0..weights.cols).map(move |j| (i, j))) {
                        let y = (row * case.stride[0] + i * case.dilation[0]).checked_sub(case.padding[0][0]);
                        let z = (col * case.stride[1] + j * case.dilation[1]).checked_sub(case.padding[1][0]);
                        let (Some(y), Some(z)) = (y.filter(|y| *y < input.rows), z.filter(|z| *z < input.cols)) else {
                            continue;
                        };
                        let from = place(case.order, input, [image, channel / of_group * weights.channels + c, y, z]);
                        let product =
                            x[from] * w[((channel * weights.channels + c) * weights.rows + i) * weights.cols + j];
                        sum = (sum.0 + product, sum.1 + product.abs());
                    }
                }
                out[place(case.order, output, [image, channel, row, col])] = sum;
            }
        }
    }
    out
}

fn check(case: &Case) {
    let g = case.geometry().expect("fits");
    let (x, w) = (numbers(g.input().elements(), 1), numbers(g.weights().elements(), 2));
    let bias = case.bias.then(|| numbers(g.output().channels, 3));
    let wide = |v: &[f32]| v.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
    let (wide_x, wide_w, wide_bias) = (wide(&x), wide(&w), bias.as_deref().map(wide));
    let expected = oracle(case, &g, &wide_x, &wide_w, wide_bias.as_deref());
    let k = (g.terms() + 4) as f64;
    let pool = Threads::new(2).expect("threads");
    for variant in [None, Some(Variant::Direct), Some(Variant::Product)] {
        let scratch = &mut Scratch::new();
        let (mut ours, mut alone) = (vec![f32::NAN; expected.len()], vec![f32::NAN; expected.len()]);
        conv2d(&g, variant, &x, &w, bias.as_deref(), &mut ours, &pool, scratch).expect("fits");
        conv2d(&g, variant, &x, &w, bias.as_deref(), &mut alone, &Serial, scratch).expect("fits");
        assert_eq!(ours, alone, "threads");
        for (ours, (exact, size)) in ours.iter().zip(&expected) {
            assert!(
                (f64::from(*ours) - exact).abs() <= k * f64::from(f32::EPSILON) * size,
                "{ours} for {exact}: {case:?} {variant:?}"
            );
        }
        let mut ours = vec![f64::NAN; expected.len()];
        conv2d(&g, variant, &wide_x, &wide_w, wide_bias.as_deref(), &mut ours, &pool, scratch).expect("fits");
        for (ours, (exact, size)) in ours.iter().zip(&expected) {
            assert!((ours - exact).abs() <= 2.0 * k * f64::EPSILON * size, "{ours} for {exact}: {case:?} {variant:?}");
        }
    }
}

prop_compose! {
    fn cases()(
        nhwc in any::<bool>(),
        counts in [1_usize..4, 1_usize..4, 1_usize..6, 1_usize..20],
        kernel in [1_usize..5, 1_usize..5],
        stride in [1_usize..4, 1_usize..4],
        dilation in [1_usize..3, 1_usize..3],
        padding in [[0_usize..4, 0_usize..4], [0_usize..4, 0_usize..4]],
        more in [0_usize..12, 0_usize..70],
        bias in any::<bool>(),
    ) -> Case {
        let extent = |i: usize| ((kernel[i] - 1) * dilation[i] + 1 + more[i]).saturating_sub(padding[i][0] + padding[i][1]).max(1);
        let order = if nhwc { Order::Nhwc } else { Order::Nchw };
        Case { order, counts, extents: [extent(0), extent(1)], kernel, stride, padding, dilation, bias }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn against_the_definition(case in cases()) {
        check(&case);
    }
}

fn usual(order: Order) -> Case {
    Case {
        order,
        counts: [2, 1, 5, 9],
        extents: [14, 60],
        kernel: [3, 3],
        stride: [1, 1],
        padding: [[1, 1], [1, 1]],
        dilation: [1, 1],
        bias: true,
    }
}

#[test]
fn the_usual_ones() {
    for order in [Order::Nchw, Order::Nhwc] {
        let case = usual(order);
        check(&case);
        check(&Case { kernel: [1, 1], padding: [[0; 2]; 2], ..case.clone() });
        check(&Case { kernel: [1, 1], padding: [[0; 2]; 2], counts: [1, 3, 4, 5], ..case.clone() });
        check(&Case { kernel: [7, 7], stride: [2, 2], padding: [[3, 3], [3, 3]], ..case.clone() });
        check(&Case { counts: [1, 8, 1, 1], ..case.clone() });
        check(&Case { counts: [2, 2, 0, 3], ..case.clone() });
        check(&Case { counts: [0, 1, 2, 3], ..case });
    }
}

#[test]
fn nan_spreads_to_what_it_touches() {
    for order in [Order::Nchw, Order::Nhwc] {
        for variant in [Variant::Direct, Variant::Product] {
            let g = Case { counts: [1, 1, 1, 1], extents: [5, 40], ..usual(order) }.geometry().expect("fits");
            let (mut x, w, mut out) = (vec![1.0; 200], vec![1.0; 9], vec![0.0; 200]);
            x[2 * 40 + 39] = f32::NAN;
            conv2d(&g, Some(variant), &x, &w, None, &mut out, &Serial, &mut Scratch::new()).expect("fits");
            for (at, y) in out.iter().enumerate() {
                let near = (1..=3).contains(&(at / 40)) && at % 40 >= 38;
                assert_eq!(y.is_nan(), near, "{at} {variant:?}");
            }
        }
    }
}

#[test]
fn misfits() {
    let case = usual(Order::Nchw);
    let message = |case: Case| case.geometry().expect_err("does not fit").to_string();
    assert_eq!(
        message(Case { kernel: [17, 3], ..case.clone() }),
        "rows: found a kernel that spans 17, expected at most 16, the padded extent"
    );
    assert_eq!(
        message(Case { stride: [1, 0], ..case.clone() }),
        "columns: found kernel 3, stride 0, dilation 1, expected at least 1 each"
    );
    message(Case { dilation: [usize::MAX, 1], ..case.clone() });
    message(Case { padding: [[usize::MAX, 1], [0, 0]], ..case.clone() });
    message(Case { padding: [[1 << 40, 0], [1 << 40, 0]], ..case.clone() });
    message(Case { extents: [usize::MAX, usize::MAX], ..case.clone() });
    message(Case { kernel: [0, 1], ..case.clone() });
    check(&Case { stride: [usize::MAX, usize::MAX], ..case.clone() });
    let shape = Shape4 { images: 1, channels: 6, rows: 4, cols: 4 };
    let weights = Shape4 { images: 4, channels: 3, rows: 1, cols: 1 };
    let with = |groups| Geometry::with(Order::Nchw, shape, weights, [1, 1], [[0; 2]; 2], [1, 1], groups);
    assert!(with(2).is_ok() && with(0).is_err() && with(1).is_err() && with(4).is_err());
    let g = case.geometry().expect("fits");
    let (x, w, mut out) =
        (vec![0.0_f32; g.input().elements()], vec![0.0; g.weights().elements()], vec![0.0; g.output().elements()]);
    let scratch = &mut Scratch::new();
    assert!(conv2d(&g, None, &x[1..], &w, None, &mut out, &Serial, scratch).is_err());
    assert!(conv2d(&g, None, &x, &w[1..], None, &mut out, &Serial, scratch).is_err());
    assert!(conv2d(&g, None, &x, &w, Some(&w[..3]), &mut out, &Serial, scratch).is_err());
    assert!(conv2d(&g, None, &x, &w, None, &mut out[1..], &Serial, scratch).is_err());
}

#[test]
fn windows() {
    let shape = Shape4 { images: 2, channels: 3, rows: 7, cols: 9 };
    let input = numbers(shape.elements(), 4);
    for order in [Order::Nchw, Order::Nhwc] {
        for (window, stride, padding) in
            [([2, 2], [2, 2], [[0, 0], [0, 0]]), ([3, 4], [1, 2], [[1, 1], [2, 0]]), ([1, 1], [3, 1], [[2, 0], [0, 0]])]
        {
            let output = pooled(shape, window, stride, padding).expect("fits");
            for pooling in [Pooling::Max, Pooling::Mean, Pooling::MeanInside] {
                let mut ours = vec![0.0; output.elements()];
                let pool = Threads::new(2).expect("threads");
                pool2d(pooling, order, &input, shape, window, stride, padding, &mut ours, &pool).expect("fits");
                for at in 0..ours.len() {
                    let (image, rest) = (at / (output.rows * output.cols * 3), at % (output.rows * output.cols * 3));
                    let [channel, row, col] =
                        [rest / (output.rows * output.cols), rest / output.cols % output.rows, rest % output.cols];
                    let mut values = Vec::new();
                    for (i, j) in (0..window[0]).flat_map(|i| (0..window[1]).map(move |j| (i, j))) {
                        let y = (row * stride[0] + i).checked_sub(padding[0][0]).filter(|y| *y < shape.rows);
                        let z = (col * stride[1] + j).checked_sub(padding[1][0]).filter(|z| *z < shape.cols);
                        if let (Some(y), Some(z)) = (y, z) {
                            values.push(input[place(order, shape, [image, channel, y, z])]);
                        }
                    }
                    let sum: f32 = values.iter().sum();
                    let expected = match pooling {
                        Pooling::Max => values.iter().copied().fold(f32::NEG_INFINITY, f32::max),
                        Pooling::Mean => sum / (window[0] * window[1]) as f32,
                        Pooling::MeanInside => sum / values.len() as f32,
                    };
                    let found = ours[place(order, output, [image, channel, row, col])];
                    assert!(found == expected || found.is_nan() && expected.is_nan(), "{found} for {expected}");
                }
            }
        }
    }
    let mut out = [0.0; 1];
    let row = Shape4 { images: 1, channels: 1, rows: 1, cols: 3 };
    pool2d(Pooling::Max, Order::Nchw, &[1.0, f32::NAN, 2.0], row, [1, 3], [1, 1], [[0; 2]; 2], &mut out, &Serial)
        .expect("fits");
    assert!(out[0].is_nan());
    assert!(
        pool2d(Pooling::Max, Order::Nchw, &[1.0_f32], row, [1, 3], [1, 1], [[0; 2]; 2], &mut out, &Serial).is_err()
    );
    assert!(pooled(row, [2, 1], [1, 1], [[0; 2]; 2]).is_err());
}
