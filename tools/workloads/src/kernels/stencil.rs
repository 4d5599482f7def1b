//! Ten steps of a five-point stencil that swap two images, against float64.

use crate::workload::{Arg, Buffer, Launch, Workload};
use crate::{compare, random};

const WIDTH: usize = 4096;
const HEIGHT: usize = 4096;
const STEPS: usize = 10;
const CENTRE: f32 = 0.5;
const SIDE: f32 = 0.125;

pub(super) fn make() -> Workload {
    let image = random::uniform(1, WIDTH * HEIGHT, 0.0, 1.0);
    let mut now: Vec<f64> = image.iter().map(|&v| v.into()).collect();
    // The border is never written; both images start with the same one.
    let mut next = now.clone();
    for _ in 0..STEPS {
        step(&now, &mut next);
        std::mem::swap(&mut now, &mut next);
    }
    let launch = |step: usize| Launch {
        grid: (WIDTH as u32 / 32, HEIGHT as u32 / 8),
        block: (32, 8),
        args: vec![
            Arg::Buffer(step % 2),
            Arg::Buffer((step + 1) % 2),
            Arg::I32(WIDTH as i32),
            Arg::I32(HEIGHT as i32),
            Arg::F32(CENTRE),
            Arg::F32(SIDE),
        ],
    };
    Workload {
        name: "stencil",
        kernel: "stencil",
        size: "4096^2 x 10",
        buffers: vec![Buffer::output("x", image.clone()), Buffer::output("y", image)],
        launches: (0..STEPS).map(launch).collect(),
        // Values stay in [0, 1], and each step adds a few roundings of them.
        check: compare::within(STEPS % 2, now, |_, _| 1.0, 1e-5),
    }
}

fn step(a: &[f64], b: &mut [f64]) {
    random::for_chunks(b, WIDTH, |first, rows| {
        for (idx, row) in rows.chunks_mut(WIDTH).enumerate() {
            let y = first / WIDTH + idx;
            if y == 0 || y == HEIGHT - 1 {
                continue;
            }
            for (x, to) in row.iter_mut().enumerate().take(WIDTH - 1).skip(1) {
                let i = y * WIDTH + x;
                let sides = a[i - 1] + a[i + 1] + a[i - WIDTH] + a[i + WIDTH];
                *to = f64::from(CENTRE) * a[i] + f64::from(SIDE) * sides;
            }
        }
    });
}
