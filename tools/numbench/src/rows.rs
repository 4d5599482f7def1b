//! What is measured: one row per shape, with a ratio of our time to the best peer's.

use crate::families;
use crate::peers::{Peers, TRANSFORMERS};
use crate::timing::{Contender, medians};
use anyhow::{Result, ensure};
use num_complex::Complex;
use serde_json::{Value, json};
use std::path::Path;
use vgpu_num::fft::{self, Direction, Norm, Plans};
use vgpu_num::gemm::{Options, gemm};
use vgpu_num::{MatMut, MatRef, Scratch, Threads};

/// Products, m x k x n: squares from small to large, a thin sum and a thin result.
const PRODUCTS: [(usize, usize, usize); 8] = [
    (64, 64, 64),
    (128, 128, 128),
    (256, 256, 256),
    (1024, 1024, 1024),
    (2048, 2048, 2048),
    (4096, 4096, 4096),
    (4096, 64, 4096),
    (64, 4096, 64),
];
/// Transforms: powers of two, mixed factors, a prime, two and three dimensions.
const TRANSFORMS: [&[usize]; 8] =
    [&[1 << 10], &[1 << 16], &[1 << 20], &[105], &[11025], &[1_000_003], &[2048, 2048], &[128, 128, 128]];

/// Reproducible numbers from -1 to 1.
pub fn numbers(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// Times the contenders and prints the row.
pub fn row(kind: &str, name: &str, threads: usize, work: f64, contenders: &mut [Contender<'_>]) -> Value {
    let seconds = medians(contenders);
    let best = seconds[1..].iter().flatten().copied().reduce(f64::min);
    let rates: Vec<String> = contenders
        .iter()
        .zip(&seconds)
        .map(|(c, s)| format!("{} {:>8}", c.name, s.map_or("na".to_owned(), |s| format!("{:.1}", work / s / 1e9))))
        .collect();
    let ratio = seconds[0].zip(best).map(|(ours, best)| ours / best);
    let shown = ratio.map_or("na".to_owned(), |ratio| format!("{ratio:.3}"));
    println!("{kind:<9} T{threads} {name:<16} GFLOP/s: {}  time/best {shown}", rates.join("  "));
    let named: serde_json::Map<_, _> =
        contenders.iter().zip(&seconds).map(|(c, s)| (c.name.to_owned(), json!(s))).collect();
    json!({ "kind": kind, "name": name, "threads": threads, "flop": work, "seconds": named, "ratio": ratio })
}

/// A row per product; also checks that ours and a peer's results agree.
macro_rules! products {
    ($name:ident, $t:ty, $kind:literal, $peers:ident, $tolerance:expr) => {
        fn $name(peers: &Peers, threads: usize, rows: &mut Vec<Value>) -> Result<()> {
            let pool = Threads::new(threads)?;
            for (m, k, n) in PRODUCTS {
                let data = |n, seed| numbers(n, seed).into_iter().map(<$t>::from).collect::<Vec<$t>>();
                let (a, b) = (data(m * k, 1), data(k * n, 2));
                let (mut ours, mut scratch) = (vec![0.0; m * n], Scratch::new());
                let mut theirs: Vec<_> =
                    peers.$peers().into_iter().map(|(name, p)| (name, p, vec![0.0; m * n])).collect();
                let mut contenders = vec![Contender {
                    name: "vgpu",
                    work: Some(Box::new(|| {
                        let left = MatRef::row_major(&a, m, k).expect("extents fit");
                        let right = MatRef::row_major(&b, k, n).expect("extents fit");
                        let out = MatMut::row_major(&mut ours, m, n).expect("extents fit");
                        gemm(&Options::default(), left, right, out, &pool, &mut scratch).expect("a product");
                    })),
                }];
                for (name, product, c) in &mut theirs {
                    let (a, b) = (&a, &b);
                    let work =
                        product.as_ref().map(|product| Box::new(move || product(m, n, k, a, b, c)) as Box<dyn FnMut()>);
                    contenders.push(Contender { name, work });
                }
                rows.push(row($kind, &format!("{m}x{k}x{n}"), threads, 2.0 * (m * k * n) as f64, &mut contenders));
                drop(contenders);
                for (name, product, c) in &theirs {
                    let limit = $tolerance * k as $t;
                    let same = ours.iter().zip(c).all(|(x, y)| (x - y).abs() <= limit);
                    ensure!(product.is_none() || same, "{name} and vgpu disagree on {m}x{k}x{n}");
                }
            }
            Ok(())
        }
    };
}
products!(products_f32, f32, "gemm_f32", products_f32, f32::EPSILON);
products!(products_f64, f64, "gemm_f64", products_f64, f64::EPSILON);

macro_rules! transforms {
    ($name:ident, $t:ty, $kind:literal, $peers:ident) => {
        fn $name(peers: &Peers, threads: usize, rows: &mut Vec<Value>) -> Result<()> {
            let pool = Threads::new(threads)?;
            let plans = Plans::<$t>::default();
            for shape in TRANSFORMS {
                let n: usize = shape.iter().product();
                let axes: Vec<usize> = (0..shape.len()).collect();
                // Zeros stay zeros however often they are transformed: no growth, no infinities.
                let mut ours = vec![Complex::<$t>::default(); n];
                let mut theirs = [ours.clone(), ours.clone()];
                let mut contenders = vec![Contender {
                    name: "vgpu",
                    work: Some(Box::new(|| {
                        fft::fft(&mut ours, shape, &axes, Direction::Forward, Norm::Unscaled, &plans, &pool)
                            .expect("fft");
                    })),
                }];
                for (name, data) in TRANSFORMERS.into_iter().zip(&mut theirs) {
                    contenders.push(Contender { name, work: peers.$peers(name, shape, data) });
                }
                let names: Vec<_> = shape.iter().map(ToString::to_string).collect();
                let work = 5.0 * n as f64 * (n as f64).log2();
                rows.push(row($kind, &names.join("x"), threads, work, &mut contenders));
            }
            Ok(())
        }
    };
}
transforms!(transforms_f32, f32, "fft_f32", transform_f32);
transforms!(transforms_f64, f64, "fft_f64", transform_f64);

/// All rows of the kinds that start with `only`.
///
/// # Errors
/// No threads, or results that disagree.
pub fn all(prefix: &Path, threads: usize, only: &str) -> Result<Vec<Value>> {
    let mut rows = Vec::new();
    type Part = fn(&Peers, usize, &mut Vec<Value>) -> Result<()>;
    let parts: [(&str, Part); 4] = [
        ("gemm_f32", products_f32),
        ("gemm_f64", products_f64),
        ("fft_f32", transforms_f32),
        ("fft_f64", transforms_f64),
    ];
    let wanted = |kind: &str| kind.starts_with(only);
    if parts.iter().any(|(kind, _)| wanted(kind)) {
        let peers = Peers::open(prefix, threads);
        for (_, part) in parts.iter().filter(|(kind, _)| wanted(kind)) {
            part(&peers, threads, &mut rows)?;
        }
        // A library's threads may be at work while another is taken down: all stay until the process ends.
        std::mem::forget(peers);
    }
    type Family = fn(&Path, usize, &mut Vec<Value>) -> Result<()>;
    let families: [(&str, Family); 3] =
        [("einsum_f32", families::einsum), ("conv_f32", families::convolutions), ("te_f64", families::entropies)];
    for (_, family) in families.iter().filter(|(kind, _)| wanted(kind)) {
        family(prefix, threads, &mut rows)?;
    }
    Ok(rows)
}
