//! C = A B in shared-memory tiles of 16 and of 32, against float64.

use crate::workload::{Arg, Buffer, Launch, Verdict, Workload};
use crate::{compare, random};

const N: usize = 1024;

pub(super) fn make_16() -> Workload {
    make("matmul16", 16)
}

pub(super) fn make_32() -> Workload {
    make("matmul32", 32)
}

fn make(name: &'static str, tile: u32) -> Workload {
    let a = random::uniform(1, N * N, -1.0, 1.0);
    let b = random::uniform(2, N * N, -1.0, 1.0);
    let mut expected = vec![0.0f64; N * N];
    let mut size = vec![0.0f64; N * N];
    product(&a, &b, &mut expected, f64::from);
    product(&a, &b, &mut size, |v| f64::from(v.abs()));
    let args = vec![Arg::Buffer(0), Arg::Buffer(1), Arg::Buffer(2), Arg::I32(N as i32)];
    let blocks = N as u32 / tile;
    Workload {
        name,
        kernel: name,
        size: "1024^2",
        buffers: vec![Buffer::input("A", a), Buffer::input("B", b), Buffer::output("C", vec![0.0f32; N * N])],
        launches: vec![Launch { grid: (blocks, blocks), block: (tile, tile), args }],
        // The forward error of a dot product of length n is at most n eps times the dot product of the magnitudes.
        check: Box::new(move |after| {
            let found = after[2].f32s();
            let error = compare::largest(N * N, |i| (f64::from(found[i]) - expected[i]).abs() / size[i]);
            Verdict { error, tolerance: N as f64 * compare::EPSILON }
        }),
    }
}

fn product(a: &[f32], b: &[f32], c: &mut [f64], value: impl Fn(f32) -> f64 + Sync) {
    random::for_chunks(c, N, |first, rows| {
        for (idx, row) in rows.chunks_mut(N).enumerate() {
            let i = first / N + idx;
            for k in 0..N {
                let factor = value(a[i * N + k]);
                for (sum, b) in row.iter_mut().zip(&b[k * N..][..N]) {
                    *sum += factor * value(*b);
                }
            }
        }
    });
}
