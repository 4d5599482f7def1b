//! The sum of 2^26 floats, by a tree in shared memory and by warp shuffles, against float64.

use crate::workload::{Arg, Buffer, Launch, Workload};
use crate::{compare, random};

const N: usize = 1 << 26;

pub(super) fn make_smem() -> Workload {
    make("reduce_smem")
}

pub(super) fn make_shfl() -> Workload {
    make("reduce_shfl")
}

fn make(name: &'static str) -> Workload {
    let x = random::uniform(1, N, 0.0, 1.0);
    let sum: f64 = random::fold_parts(N, |part| x[part].iter().map(|&v| f64::from(v)).sum::<f64>()).iter().sum();
    let args = vec![Arg::Buffer(0), Arg::Buffer(1), Arg::U32(N as u32)];
    Workload {
        name,
        kernel: name,
        size: "2^26",
        buffers: vec![Buffer::input("x", x), Buffer::output("out", vec![0.0f32])],
        launches: vec![Launch { grid: (512, 1), block: (256, 1), args }],
        // Rounding errors of a sum of like terms grow as the square root of their number.
        check: compare::within(1, vec![sum], |_, sum| sum, (N as f64).sqrt() * compare::EPSILON),
    }
}
