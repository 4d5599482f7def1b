//! Neighbours and transfer entropy against their definitions: every pair of points looked at.

use super::*;
use crate::random::Philox;
use crate::{Serial, Threads};
use proptest::prelude::*;

fn normal(n: usize, seed: u64) -> Vec<f64> {
    let mut values = vec![0.0_f32; n + n % 2];
    Philox::new(seed, 0).normal_f32(0, &mut values, &Serial).expect("even");
    values[..n].iter().map(|v| f64::from(*v)).collect()
}

fn points<const D: usize>(n: usize, seed: u64, grid: bool) -> Vec<[f64; D]> {
    let values = normal(n * D, seed);
    let round = |x: f64| if grid { (2.0 * x).round() } else { x };
    (0..n).map(|i| std::array::from_fn(|axis| round(values[i * D + axis]))).collect()
}

fn distance<const D: usize>(a: &[f64; D], b: &[f64; D], metric: Metric) -> f64 {
    let parts = (0..D).map(|axis| (a[axis] - b[axis]).abs());
    match metric {
        Metric::Maximum => parts.fold(0.0, f64::max),
        Metric::Euclidean => parts.fold(0.0, |sum, part| sum + part * part).sqrt(),
    }
}

fn check<const D: usize>(n: usize, n_queries: usize, k: usize, seed: u64, grid: bool) {
    let (points, queries) = (points::<D>(n, seed, grid), points::<D>(n_queries, seed + 1, grid));
    let k = k.min(n);
    for metric in [Metric::Maximum, Metric::Euclidean] {
        let mut found = vec![(0, 0.0); n_queries * k];
        nearest(&points, &queries, k, metric, &mut found, &Threads::new(2).expect("threads")).expect("enough");
        for (i, query) in queries.iter().enumerate() {
            let mut all: Vec<(usize, f64)> = points.iter().map(|p| distance(p, query, metric)).enumerate().collect();
            // The squares decide between points whose roots are rounded to the same number.
            let square =
                |at: usize| (0..D).map(|axis| (points[at][axis] - query[axis]).powi(2)).fold(0.0, |s, p| s + p);
            all.sort_by(|a, b| match metric {
                Metric::Maximum => a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)),
                Metric::Euclidean => square(a.0).total_cmp(&square(b.0)).then(a.0.cmp(&b.0)),
            });
            assert_eq!(found[i * k..][..k], all[..k], "{metric:?}");
        }
    }
    let tree = Tree::new(&points).expect("few");
    assert_eq!(tree.len(), n);
    for query in &queries {
        for limit in [0.0, 0.5, 1.0, 100.0] {
            let near = points.iter().filter(|point| distance(point, query, Metric::Maximum) < limit).count();
            assert_eq!(tree.count_nearer(query, limit), near);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn neighbours_are_exact(n in 1_usize..300, k in 1_usize..20, seed in 0_u64..1000, grid in any::<bool>()) {
        check::<1>(n, 10, k, seed, grid);
        check::<2>(n, 10, k, seed, grid);
        check::<3>(n, 10, k, seed, grid);
    }
}

/// The definition with all pairs.
fn oracle(source: &[f64], target: &[f64], h: &History) -> f64 {
    let first = h.step * (h.source.max(h.target) - 1) + 1;
    let n = target.len() - first;
    let past = |series: &[f64], count: usize, i: usize| {
        (0..count).map(|j| series[first + i - 1 - j * h.step]).collect::<Vec<_>>()
    };
    let apart = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
    let psi = |n: usize| (1..n).map(|i| 1.0 / i as f64).sum::<f64>() - 0.577_215_664_901_532_9;
    let mut total = 0.0;
    let parts: Vec<[Vec<f64>; 3]> =
        (0..n).map(|i| [past(target, h.target, i), vec![target[first + i]], past(source, h.source, i)]).collect();
    for i in 0..n {
        let apart: Vec<[f64; 3]> = (0..n)
            .filter(|j| *j != i)
            .map(|j| std::array::from_fn(|part| apart(&parts[i][part], &parts[j][part])))
            .collect();
        let mut joint: Vec<f64> = apart.iter().map(|d| d[0].max(d[1]).max(d[2])).collect();
        joint.sort_by(f64::total_cmp);
        let limit = joint[h.k - 1];
        let count = |which: &[usize]| apart.iter().filter(|d| which.iter().all(|part| d[*part] < limit)).count();
        total += psi(count(&[0]) + 1) - psi(count(&[0, 1]) + 1) - psi(count(&[0, 2]) + 1);
    }
    psi(h.k) + total / n as f64
}

/// A target that follows its source with one step's delay.
fn coupled(n: usize, strength: f64) -> (Vec<f64>, Vec<f64>) {
    let (source, noise) = (normal(n, 5), normal(n, 6));
    let mut target = vec![0.0; n];
    for i in 1..n {
        target[i] = 0.4 * target[i - 1] + strength * source[i - 1] + noise[i];
    }
    (source, target)
}

#[test]
fn transfer_entropy_is_its_definition() {
    let (source, target) = coupled(400, 0.8);
    for (k, past, pasts, step) in [(4, 1, 1, 1), (1, 2, 1, 1), (3, 1, 2, 2), (5, 3, 1, 1), (4, 2, 2, 3), (4, 1, 3, 1)] {
        let history = History { k, target: past, source: pasts, step };
        let exact = oracle(&source, &target, &history);
        let pool = Threads::new(2).expect("threads");
        let ours = transfer_entropy(&source, &target, &history, &pool).expect("long enough");
        // A sum of 400 terms of at most 7, and the rounding of psi.
        assert!((ours - exact).abs() <= 400.0 * 7.0 * f64::EPSILON, "{ours} for {exact}");
        assert_eq!(Ok(ours), transfer_entropy(&source, &target, &history, &Serial));
    }
    // Equal values: distances of 0.
    let steps: Vec<f64> = target.iter().map(|x| x.round()).collect();
    let ours = transfer_entropy(&source, &steps, &History::default(), &Serial).expect("long enough");
    assert!((ours - oracle(&source, &steps, &History::default())).abs() <= 1e-12);
    let ours = transfer_entropy(&steps, &steps, &History::default(), &Serial).expect("long enough");
    assert!((ours - oracle(&steps, &steps, &History::default())).abs() <= 1e-12);
}

#[test]
fn influence_shows() {
    let (source, target) = coupled(2000, 0.8);
    let history = History::default();
    // For Gaussian noise: half the logarithm of the variances' ratio, 1 + 0.8^2.
    let exact = 0.5 * (1.0_f64 + 0.64).ln();
    let forth = transfer_entropy(&source, &target, &history, &Serial).expect("long enough");
    let back = transfer_entropy(&target, &source, &history, &Serial).expect("long enough");
    assert!((forth - exact).abs() < 0.08 && back.abs() < 0.08, "{forth} for {exact}, {back} back");
    let none = surrogates(&source, &target, &history, 5, 1, &Serial).expect("long enough");
    assert!(none.iter().all(|surrogate| *surrogate < 0.5 * forth), "{none:?}");
    assert_eq!(none, surrogates(&source, &target, &history, 5, 1, &Threads::new(3).expect("threads")).expect("same"));
    assert_ne!(none[0], none[1]);
}

#[test]
fn misfits() {
    let series = normal(20, 1);
    let run = |source: &[f64], history: History| transfer_entropy(source, &series, &history, &Serial);
    assert!(run(&series, History::default()).is_ok());
    assert!(run(&series[1..], History::default()).is_err());
    for (k, target, source, step) in
        [(0, 1, 1, 1), (4, 0, 1, 1), (4, 1, 0, 1), (4, 2, 3, 1), (4, 1, 1, 0), (20, 1, 1, 1), (4, 2, 1, 19)]
    {
        assert!(matches!(run(&series, History { k, target, source, step }), Err(Error::Shape { .. })));
    }
    assert!(run(&series, History { step: usize::MAX, target: 2, source: usize::MAX, k: usize::MAX }).is_err());
    let mut undefined = series.clone();
    undefined[7] = f64::NAN;
    assert_eq!(
        run(&undefined, History::default()),
        Err(Error::Singular { what: "a value that is not finite", index: 7 })
    );
    let mut found = [(0, 0.0); 2];
    assert!(nearest(&[[0.0]], &[[0.0]], 2, Metric::Maximum, &mut found, &Serial).is_err());
    assert!(nearest(&[[0.0], [f64::NAN]], &[[0.0]], 2, Metric::Maximum, &mut found, &Serial).is_err());
    assert!(nearest(&[[0.0], [1.0]], &[[0.0]], 1, Metric::Maximum, &mut found, &Serial).is_err());
    assert!(nearest::<2>(&[], &[], 0, Metric::Maximum, &mut [], &Serial).is_ok());
}
