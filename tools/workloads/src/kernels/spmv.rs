//! Sparse matrix times vector, against float64.

use super::graph::{self, N};
use crate::workload::{Arg, Buffer, Launch, Workload};
use crate::{compare, random};

pub(super) fn make() -> Workload {
    let (starts, columns) = graph::make();
    let values = random::uniform(1, columns.len(), 0.0, 1.0);
    let x = random::uniform(2, N, 0.0, 1.0);
    let expected = random::fill(N, |row| {
        let entries = starts[row] as usize..starts[row + 1] as usize;
        entries.map(|j| f64::from(values[j]) * f64::from(x[columns[j] as usize])).sum::<f64>()
    });
    let args = (0..5).map(Arg::Buffer).chain([Arg::I32(N as i32)]).collect();
    Workload {
        name: "spmv",
        kernel: "spmv",
        size: "2^20 rows",
        buffers: vec![
            Buffer::input("rp", starts),
            Buffer::input("ci", columns),
            Buffer::input("v", values),
            Buffer::input("x", x),
            Buffer::output("y", vec![0.0f32; N]),
        ],
        launches: vec![Launch { grid: (N as u32 / 256, 1), block: (256, 1), args }],
        // All terms are positive, so the error is relative to the sum.
        check: compare::within(4, expected, |_, sum| sum, 1e-4),
    }
}
