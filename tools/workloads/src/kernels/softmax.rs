//! Softmax of each row of a matrix, against float64.

use crate::compare;
use crate::random;
use crate::workload::{Arg, Buffer, Launch, Workload};

const ROWS: usize = 8192;
const COLUMNS: usize = 1024;

pub(super) fn make() -> Workload {
    let input = random::uniform(1, ROWS * COLUMNS, -4.0, 4.0);
    let mut expected = vec![0.0f64; ROWS * COLUMNS];
    random::for_chunks(&mut expected, COLUMNS, |first, rows| {
        for (idx, row) in rows.chunks_mut(COLUMNS).enumerate() {
            let from = &input[first + idx * COLUMNS..][..COLUMNS];
            let top = from.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            for (to, value) in row.iter_mut().zip(from) {
                *to = (f64::from(*value) - f64::from(top)).exp();
            }
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|value| *value /= sum);
        }
    });
    let args = vec![Arg::Buffer(0), Arg::Buffer(1), Arg::I32(COLUMNS as i32)];
    Workload {
        name: "softmax",
        kernel: "softmax",
        size: "8192 x 1024",
        buffers: vec![Buffer::input("in", input), Buffer::output("out", vec![0.0f32; ROWS * COLUMNS])],
        launches: vec![Launch { grid: (ROWS as u32, 1), block: (256, 1), args }],
        // The exponent is at most 8: its rounding, expf's 2 ulp, the sum's and the division's roundings are below 80 eps.
        check: compare::within(1, expected, |_, value| value, 1e-5),
    }
}
