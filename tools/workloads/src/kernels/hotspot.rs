//! Ten steps of the heat equation with a source (Rodinia's hotspot), against float64.

use crate::workload::{Arg, Buffer, Launch, Workload};
use crate::{compare, random};

const WIDTH: usize = 4096;
const HEIGHT: usize = 4096;
const STEPS: usize = 10;
const _: () = assert!(STEPS.is_multiple_of(2));
/// Where the result is after an even number of steps.
const RESULT: usize = 0;
/// cap, rx, ry, rz, ambient.
const COEFFICIENTS: [f32; 5] = [0.1, 0.1, 0.1, 0.05, 80.0];

pub(super) fn make() -> Workload {
    let first = random::uniform(1, WIDTH * HEIGHT, 70.0, 90.0);
    let power = random::uniform(2, WIDTH * HEIGHT, 0.0, 1.0);
    let mut now: Vec<f64> = first.iter().map(|&v| v.into()).collect();
    let mut next = now.clone();
    for _ in 0..STEPS {
        step(&now, &power, &mut next);
        std::mem::swap(&mut now, &mut next);
    }
    let launch = |step: usize| {
        let buffers = if step.is_multiple_of(2) { [0, 1, 2] } else { [2, 1, 0] };
        let sizes = [Arg::I32(WIDTH as i32), Arg::I32(HEIGHT as i32)];
        let args = buffers.map(Arg::Buffer).into_iter().chain(sizes).chain(COEFFICIENTS.map(Arg::F32)).collect();
        Launch { grid: ((WIDTH as u32).div_ceil(14), (HEIGHT as u32).div_ceil(14)), block: (16, 16), args }
    };
    Workload {
        name: "hotspot",
        kernel: "hotspot",
        size: "4096^2 x 10",
        buffers: vec![
            Buffer::output("t", first),
            Buffer::input("power", power),
            Buffer::output("u", vec![0.0f32; WIDTH * HEIGHT]),
        ],
        launches: (0..STEPS).map(launch).collect(),
        // Relative; each of ten steps adds a few roundings of values near 80 with coefficients below 1.
        check: compare::within(RESULT, now, |_, value| value, 1e-4),
    }
}

fn step(t: &[f64], power: &[f32], out: &mut [f64]) {
    let [cap, rx, ry, rz, ambient] = COEFFICIENTS.map(f64::from);
    random::for_chunks(out, WIDTH, |first, rows| {
        for (idx, row) in rows.chunks_mut(WIDTH).enumerate() {
            let y = first / WIDTH + idx;
            let (up, down) = (y.saturating_sub(1) * WIDTH, (y + 1).min(HEIGHT - 1) * WIDTH);
            for (x, to) in row.iter_mut().enumerate() {
                let c = t[y * WIDTH + x];
                let (left, right) = (t[y * WIDTH + x.saturating_sub(1)], t[y * WIDTH + (x + 1).min(WIDTH - 1)]);
                let across = (t[down + x] + t[up + x] - 2.0 * c) * ry + (right + left - 2.0 * c) * rx;
                *to = c + cap * (f64::from(power[y * WIDTH + x]) + across + (ambient - c) * rz);
            }
        }
    });
}
