//! The transpose of a square matrix, exact.

use crate::workload::{Arg, Buffer, Launch, Workload};
use crate::{compare, random};

const N: usize = 4096;

pub(super) fn make() -> Workload {
    let a = random::uniform(1, N * N, 0.0, 1.0);
    let expected = random::fill(N * N, |i| a[i % N * N + i / N]);
    let args = vec![Arg::Buffer(0), Arg::Buffer(1), Arg::I32(N as i32), Arg::I32(N as i32)];
    Workload {
        name: "transpose",
        kernel: "transpose",
        size: "4096^2",
        buffers: vec![Buffer::input("x", a), Buffer::output("y", vec![0.0f32; N * N])],
        launches: vec![Launch { grid: (N as u32 / 32, N as u32 / 32), block: (32, 8), args }],
        check: compare::exact(1, expected),
    }
}
