//! Counts of byte values, exact.

use crate::workload::{Arg, Buffer, Launch, Workload};
use crate::{compare, random};

const N: usize = 1 << 26;

pub(super) fn make() -> Workload {
    let data = random::fill(N, |i| random::bits(1, i as u64) as u8);
    let mut expected = vec![0u32; 256];
    for byte in &data {
        expected[usize::from(*byte)] += 1;
    }
    let args = vec![Arg::Buffer(0), Arg::Buffer(1), Arg::U32(N as u32)];
    Workload {
        name: "histogram",
        kernel: "histogram",
        size: "2^26 bytes",
        buffers: vec![Buffer::input("d", data), Buffer::output("h", vec![0u32; 256])],
        launches: vec![Launch { grid: (512, 1), block: (256, 1), args }],
        check: compare::exact(1, expected),
    }
}
