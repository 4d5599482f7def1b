//! One level of a breadth-first search, exact: whoever reaches a vertex stores the same value.

use super::graph::{self, N};
use crate::workload::{Arg, Buffer, Launch, Verdict, Workload};
use crate::{compare, random};

const LEVEL: i32 = 3;

pub(super) fn make() -> Workload {
    let (starts, columns) = graph::make();
    // 5 % of the vertices are in the frontier, 15 % were visited before.
    let distance = random::fill(N, |v| match random::bits(1, v as u64) % 100 {
        0..5 => LEVEL,
        5..20 => (random::bits(2, v as u64) % LEVEL as u64) as i32,
        _ => -1,
    });
    let mut expected = distance.clone();
    for v in (0..N).filter(|&v| distance[v] == LEVEL) {
        for u in &columns[starts[v] as usize..starts[v + 1] as usize] {
            if distance[*u as usize] < 0 {
                expected[*u as usize] = LEVEL + 1;
            }
        }
    }
    let expected = expected.into();
    let args = (0..4).map(Arg::Buffer).chain([Arg::I32(LEVEL), Arg::I32(N as i32)]).collect();
    Workload {
        name: "bfs",
        kernel: "bfs",
        size: "2^20 vertices",
        buffers: vec![
            Buffer::input("rp", starts),
            Buffer::input("ci", columns),
            Buffer::output("dist", distance),
            Buffer::output("flag", vec![0i32]),
        ],
        launches: vec![Launch { grid: (N as u32 / 256, 1), block: (256, 1), args }],
        check: Box::new(move |after| {
            let flag = compare::n_different(&after[3], &vec![1i32].into());
            Verdict { error: (compare::n_different(&after[2], &expected) + flag) as f64, tolerance: 0.0 }
        }),
    }
}
