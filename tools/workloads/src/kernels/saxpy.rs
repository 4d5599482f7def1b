//! y = a x + y, exact.

use crate::workload::{Arg, Buffer, Launch, Workload};
use crate::{compare, random};

const N: usize = 1 << 26;
const A: f32 = 1.5;

pub(super) fn make() -> Workload {
    let x = random::uniform(1, N, 0.0, 1.0);
    let y = random::uniform(2, N, 0.0, 1.0);
    // Inputs are multiples of 2^-24 below 1 and a is 3/2, so the sum is exact in float64 and rounded once, as fma does.
    let expected = random::fill(N, |i| (f64::from(A) * f64::from(x[i]) + f64::from(y[i])) as f32);
    let args = vec![Arg::U32(N as u32), Arg::F32(A), Arg::Buffer(0), Arg::Buffer(1)];
    Workload {
        name: "saxpy",
        kernel: "saxpy",
        size: "2^26",
        buffers: vec![Buffer::input("x", x), Buffer::output("y", y)],
        launches: vec![Launch { grid: (N as u32 / 256, 1), block: (256, 1), args }],
        check: compare::exact(1, expected),
    }
}
