//! European option prices, against the same formula in float64.

use crate::workload::{Arg, Buffer, Launch, Verdict, Workload};
use crate::{compare, random};

const N: usize = 1 << 24;
const RATE: f32 = 0.02;
const VOLATILITY: f32 = 0.3;

pub(super) fn make() -> Workload {
    let price = random::uniform(1, N, 5.0, 30.0);
    let strike = random::uniform(2, N, 1.0, 100.0);
    let years = random::uniform(3, N, 0.25, 10.0);
    let call = random::fill(N, |i| value(price[i].into(), strike[i].into(), years[i].into()).0);
    let put = random::fill(N, |i| value(price[i].into(), strike[i].into(), years[i].into()).1);
    let scale = random::fill(N, |i| price[i].max(strike[i]));
    let args = (0..5).map(Arg::Buffer).chain([Arg::F32(RATE), Arg::F32(VOLATILITY), Arg::I32(N as i32)]);
    Workload {
        name: "blackscholes",
        kernel: "blackscholes",
        size: "2^24",
        buffers: vec![
            Buffer::output("call", vec![0.0f32; N]),
            Buffer::output("put", vec![0.0f32; N]),
            Buffer::input("S", price),
            Buffer::input("X", strike),
            Buffer::input("T", years),
        ],
        launches: vec![Launch { grid: (N as u32 / 256, 1), block: (256, 1), args: args.collect() }],
        // A price is a difference of two terms of the size of S and X, each with a few float32 roundings and an exponential of a
        // few ulp: the error is a small multiple of eps max(S, X).
        check: Box::new(move |after| {
            let (c, p) = (after[0].f32s(), after[1].f32s());
            let error = compare::largest(N, |i| {
                let deviation = (f64::from(c[i]) - call[i]).abs().max((f64::from(p[i]) - put[i]).abs());
                deviation / f64::from(scale[i])
            });
            Verdict { error, tolerance: 1e-5 }
        }),
    }
}

/// Call and put.
fn value(s: f64, x: f64, t: f64) -> (f64, f64) {
    let (r, v) = (f64::from(RATE), f64::from(VOLATILITY));
    let d1 = ((s / x).ln() + (r + 0.5 * v * v) * t) / (v * t.sqrt());
    let d2 = d1 - v * t.sqrt();
    let (c1, c2, e) = (normal(d1), normal(d2), (-r * t).exp());
    (s * c1 - x * e * c2, x * e * (1.0 - c2) - s * (1.0 - c1))
}

/// The cumulative normal distribution by Abramowitz and Stegun 26.2.17, which the kernel uses.
fn normal(d: f64) -> f64 {
    let k = 1.0 / (1.0 + 0.2316419 * d.abs());
    let p = k * (0.31938153 + k * (-0.356563782 + k * (1.781477937 + k * (-1.821255978 + k * 1.330274429))));
    let c = 0.398_942_280_401_432_7 * (-0.5 * d * d).exp() * p;
    if d > 0.0 { 1.0 - c } else { c }
}
