//! A 5 x 5 convolution with zeros outside, against float64.

use crate::workload::{Arg, Buffer, Launch, Verdict, Workload};
use crate::{compare, random};

const WIDTH: usize = 4096;
const HEIGHT: usize = 4096;

pub(super) fn make() -> Workload {
    let image = random::uniform(1, WIDTH * HEIGHT, -1.0, 1.0);
    let filter = random::uniform(2, 25, -1.0, 1.0);
    let expected = random::fill(WIDTH * HEIGHT, |i| pixel(&image, &filter, i, |v| v));
    let size = random::fill(WIDTH * HEIGHT, |i| pixel(&image, &filter, i, f64::abs));
    let args = vec![Arg::Buffer(0), Arg::Buffer(1), Arg::Buffer(2), Arg::I32(WIDTH as i32), Arg::I32(HEIGHT as i32)];
    Workload {
        name: "conv2d",
        kernel: "conv2d",
        size: "4096^2, 5 x 5",
        buffers: vec![
            Buffer::input("in", image),
            Buffer::input("filter", filter),
            Buffer::output("out", vec![0.0f32; WIDTH * HEIGHT]),
        ],
        launches: vec![Launch { grid: (WIDTH as u32 / 32, HEIGHT as u32 / 32), block: (32, 8), args }],
        // The forward error of a sum of 25 products is at most 25 eps times the sum of their magnitudes.
        check: Box::new(move |after| {
            let found = after[2].f32s();
            let error = compare::largest(found.len(), |i| (f64::from(found[i]) - expected[i]).abs() / size[i]);
            Verdict { error, tolerance: 25.0 * compare::EPSILON }
        }),
    }
}

/// Pixel `i`; `part` is applied to each product.
fn pixel(image: &[f32], filter: &[f32], i: usize, part: impl Fn(f64) -> f64) -> f64 {
    let (x, y) = (i % WIDTH, i / WIDTH);
    let mut sum = 0.0;
    for (tap, weight) in filter.iter().enumerate() {
        let (px, py) = ((x + tap % 5).wrapping_sub(2), (y + tap / 5).wrapping_sub(2));
        if px < WIDTH && py < HEIGHT {
            sum += part(f64::from(*weight) * f64::from(image[py * WIDTH + px]));
        }
    }
    sum
}
