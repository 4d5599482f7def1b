//! Inclusive prefix sum in one pass with decoupled look-back (Merrill and Garland 2016), exact.
//!
//! A block waits for the blocks before it: it finishes only when waiting blocks do not keep others from running.

use crate::workload::{Arg, Buffer, Launch, Workload};
use crate::{compare, random};

const N: usize = 1 << 26;
const PER_BLOCK: usize = 2048;

pub(super) fn make() -> Workload {
    let input = random::fill(N, |i| random::bits(1, i as u64) as u32 & 0xff);
    let mut total = 0u32;
    let sums = input.iter().map(|value| {
        total = total.wrapping_add(*value);
        total
    });
    let expected: Vec<_> = sums.collect();
    let blocks = N / PER_BLOCK;
    let args = (0..4).map(Arg::Buffer).chain([Arg::U32(N as u32)]).collect();
    Workload {
        name: "scan",
        kernel: "scan",
        size: "2^26",
        buffers: vec![
            Buffer::input("in", input),
            Buffer::output("out", vec![0u32; N]),
            Buffer::output("state", vec![0u64; blocks]),
            Buffer::output("ticket", vec![0u32]),
        ],
        launches: vec![Launch { grid: (blocks as u32, 1), block: (256, 1), args }],
        check: compare::exact(1, expected),
    }
}
