//! Mandelbrot iterations. Fused and separate rounding make pixels near the border differ, so the check counts those that differ
//! by much.

use crate::random;
use crate::workload::{Arg, Buffer, Launch, Verdict, Workload};

const WIDTH: usize = 2048;
const HEIGHT: usize = 2048;
/// Iterations after which a point counts as inside.
pub const MAX_ITERATIONS: i32 = 256;
const LEFT: f32 = -2.2;
const TOP: f32 = -1.5;
const STEP_X: f32 = 3.0 / WIDTH as f32;
const STEP_Y: f32 = 3.0 / HEIGHT as f32;

pub(super) fn make() -> Workload {
    let expected = random::fill(WIDTH * HEIGHT, |i| iterations((i % WIDTH) as f32, (i / WIDTH) as f32));
    let args = vec![
        Arg::Buffer(0),
        Arg::I32(WIDTH as i32),
        Arg::I32(HEIGHT as i32),
        Arg::F32(LEFT),
        Arg::F32(TOP),
        Arg::F32(STEP_X),
        Arg::F32(STEP_Y),
        Arg::I32(MAX_ITERATIONS),
    ];
    Workload {
        name: "mandel",
        kernel: "mandel",
        size: "2048^2 x 256",
        buffers: vec![Buffer::output("out", vec![-1i32; WIDTH * HEIGHT])],
        launches: vec![Launch { grid: (WIDTH as u32 / 32, HEIGHT as u32 / 8), block: (32, 8), args }],
        check: Box::new(move |after| {
            let found = after[0].i32s();
            let far = found.iter().zip(&expected).filter(|(a, b)| a.abs_diff(**b) > 8 || **a < 0).count();
            Verdict { error: far as f64 / expected.len() as f64, tolerance: 0.01 }
        }),
    }
}

fn iterations(px: f32, py: f32) -> i32 {
    let (cr, ci) = (LEFT + px * STEP_X, TOP + py * STEP_Y);
    let (mut zr, mut zi) = (0.0f32, 0.0f32);
    for n in 0..MAX_ITERATIONS {
        let (r2, i2) = (zr * zr, zi * zi);
        if r2 + i2 > 4.0 {
            return n;
        }
        zi = 2.0 * zr * zi + ci;
        zr = r2 - i2 + cr;
    }
    MAX_ITERATIONS
}
