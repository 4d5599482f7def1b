//! One step of a bitonic sort at two distances, exact.

use crate::workload::{Arg, Buffer, Launch, Workload};
use crate::{compare, random};

const N: usize = 1 << 24;
const RUN: usize = 1024;

pub(super) fn make_64() -> Workload {
    make("bitonic j=64", 64)
}

pub(super) fn make_4() -> Workload {
    make("bitonic j=4", 4)
}

fn make(name: &'static str, distance: usize) -> Workload {
    let d = random::fill(N, |i| random::bits(1, i as u64) as u32);
    let expected = random::fill(N, |i| {
        let (own, other) = (d[i], d[i ^ distance]);
        let rising = i & RUN == 0;
        let keeps_smaller = (i & distance == 0) == rising;
        if keeps_smaller { own.min(other) } else { own.max(other) }
    });
    let args = vec![Arg::Buffer(0), Arg::U32(distance as u32), Arg::U32(RUN as u32)];
    Workload {
        name,
        kernel: "bitonic",
        size: "2^24",
        buffers: vec![Buffer::output("d", d)],
        launches: vec![Launch { grid: (N as u32 / 256, 1), block: (256, 1), args }],
        check: compare::exact(0, expected),
    }
}
