//! Gravity of all on all, against float64.

use crate::workload::{Arg, Buffer, Launch, Verdict, Workload};
use crate::{compare, random};

const N: usize = 16384;
/// Added to squared distances.
pub const SOFTENING_SQUARED: f32 = 1e-3;

pub(super) fn make() -> Workload {
    let component = |body: usize, c: usize| match c {
        3 => random::unit(4, body as u64),
        _ => 2.0 * random::unit(c as u64, body as u64) - 1.0,
    };
    let bodies = random::fill(4 * N, |i| component(i / 4, i % 4));
    let expected = random::fill(N, |i| acceleration(&bodies, i));
    let typical = expected.iter().map(|a| norm(*a)).sum::<f64>() / N as f64;
    let args = vec![Arg::Buffer(0), Arg::Buffer(1), Arg::I32(N as i32), Arg::F32(SOFTENING_SQUARED)];
    Workload {
        name: "nbody",
        kernel: "nbody",
        size: "16384",
        buffers: vec![Buffer::input("p", bodies), Buffer::output("acc", vec![0.0f32; 4 * N])],
        launches: vec![Launch { grid: (N as u32 / 256, 1), block: (256, 1), args }],
        // Relative to the typical acceleration: near the middle of the cube the pulls of all sides cancel.
        check: Box::new(move |after| {
            let found = after[1].f32s();
            let error = compare::largest(N, |i| {
                let d = [0, 1, 2].map(|c| f64::from(found[4 * i + c]) - expected[i][c]);
                norm(d).max(f64::from(found[4 * i + 3]).abs()) / norm(expected[i]).max(typical)
            });
            Verdict { error, tolerance: 1e-4 }
        }),
    }
}

fn norm(a: [f64; 3]) -> f64 {
    a.iter().map(|c| c * c).sum::<f64>().sqrt()
}

fn acceleration(bodies: &[f32], i: usize) -> [f64; 3] {
    let at = |i: usize| [0, 1, 2, 3].map(|c| f64::from(bodies[4 * i + c]));
    let me = at(i);
    let mut sum = [0.0; 3];
    for j in 0..N {
        let other = at(j);
        let d = [0, 1, 2].map(|c| other[c] - me[c]);
        let d2 = d[0] * d[0] + d[1] * d[1] + d[2] * d[2] + f64::from(SOFTENING_SQUARED);
        let s = other[3] / (d2 * d2.sqrt());
        for c in 0..3 {
            sum[c] += d[c] * s;
        }
    }
    sum
}
