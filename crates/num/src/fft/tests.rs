//! Transforms against the definition and against their own laws.
//!
//! Tolerance: `8 (log2 n + 1) eps` times the norm of the result, twice what Higham (Accuracy and Stability, section 24.1) bounds
//! radix-2 transforms with; the sums of prime lengths go through transforms of at most four times the length.

use super::*;
use crate::{Serial, Threads};
use proptest::prelude::*;

type C = Complex<f64>;

fn numbers(n: usize, seed: u64) -> Vec<C> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1 << 23) - 1.0
    };
    (0..n).map(|_| C::new(next(), next())).collect()
}

/// The definition along one axis, with exactly reduced angles.
fn oracle(data: &[C], shape: &[usize], axis: usize, sign: f64) -> Vec<C> {
    let (n, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
    let mut out = vec![C::ZERO; data.len()];
    for (at, value) in out.iter_mut().enumerate() {
        let (i, k, o) = (at % inner, at / inner % n, at / inner / n);
        for j in 0..n {
            let angle = sign * std::f64::consts::TAU * ((j * k) % n) as f64 / n as f64;
            *value += data[(o * n + j) * inner + i] * C::new(angle.cos(), angle.sin());
        }
    }
    out
}

fn distance(a: &[C], b: &[C]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).norm_sqr()).sum::<f64>().sqrt()
}

fn norm(a: &[C]) -> f64 {
    a.iter().map(C::norm_sqr).sum::<f64>().sqrt()
}

fn bound(n: usize, eps: f64, of: &[C]) -> f64 {
    8.0 * ((n as f64).log2() + 1.0) * eps * norm(of)
}

fn narrow(data: &[C]) -> Vec<Complex<f32>> {
    data.iter().map(|v| Complex::new(v.re as f32, v.im as f32)).collect()
}

fn widen(data: &[Complex<f32>]) -> Vec<C> {
    data.iter().map(|v| C::new(v.re.into(), v.im.into())).collect()
}

fn check_against_definition(shape: &[usize], axes: &[usize], pool: &dyn Pool) {
    let total: usize = shape.iter().product();
    let exact = widen(&narrow(&numbers(total, 1 + total as u64)));
    let n: usize = axes.iter().map(|axis| shape[*axis]).product();
    for (direction, sign) in [(Direction::Forward, -1.0), (Direction::Inverse, 1.0)] {
        let expected = axes.iter().fold(exact.clone(), |data, axis| oracle(&data, shape, *axis, sign));
        let mut double = exact.clone();
        fft(&mut double, shape, axes, direction, Norm::Unscaled, &Plans::default(), pool).expect("f64");
        // The oracle's own sums add up to n errors.
        let own = n as f64 * f64::EPSILON * norm(&expected);
        assert!(distance(&double, &expected) <= bound(n, f64::EPSILON, &expected) + own, "{shape:?} {axes:?}");
        let mut single = narrow(&exact);
        fft(&mut single, shape, axes, direction, Norm::Unscaled, &Plans::default(), pool).expect("f32");
        assert!(
            distance(&widen(&single), &expected) <= bound(n, f64::from(f32::EPSILON), &expected),
            "{shape:?} {axes:?}"
        );
    }
}

#[test]
fn any_length() {
    for n in (1..40).chain([64, 97, 105, 128, 210, 243, 343, 509, 1000]) {
        check_against_definition(&[n], &[0], &Serial);
    }
}

#[test]
fn any_axes() {
    let pool = Threads::new(3).expect("threads");
    for (shape, axes) in [
        (&[6, 10][..], &[0, 1][..]),
        (&[6, 10], &[0]),
        (&[6, 10], &[1]),
        (&[4, 5, 9], &[0, 1, 2]),
        (&[4, 5, 9], &[1]),
        (&[3, 2, 7, 5], &[2, 0]),
        (&[1, 8, 1], &[1]),
        (&[33, 70], &[0, 1]),
        (&[5, 4], &[]),
    ] {
        check_against_definition(shape, axes, &Serial);
        check_against_definition(shape, axes, &pool);
    }
}

/// A long line goes through two rounds: compare with one plan of RustFFT, and with itself on other numbers of threads.
#[test]
fn long_lines() {
    let n = 1 << 18;
    assert!(long::split(n, size_of::<C>()).is_some());
    let data = numbers(n, 9);
    let mut expected = data.clone();
    rustfft::FftPlanner::new().plan_fft_forward(n).process(&mut expected);
    let mut results = Vec::new();
    for workers in 1..4 {
        let mut ours = data.clone();
        let pool = Threads::new(workers).expect("threads");
        fft(&mut ours, &[n], &[0], Direction::Forward, Norm::Unscaled, &Plans::default(), &pool).expect("fft");
        assert!(distance(&ours, &expected) <= 2.0 * bound(n, f64::EPSILON, &expected));
        results.push(ours);
    }
    assert!(results.iter().all(|result| *result == results[0]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Inverse, Parseval, linearity and shift, for any length.
    #[test]
    fn laws(n in 1_usize..600, seed in any::<u64>(), shift in 0_usize..600, factor in -4.0..4.0) {
        let plans = Plans::default();
        let run = |data: &[C], direction, norm| {
            let mut out = data.to_vec();
            fft(&mut out, &[n], &[0], direction, norm, &plans, &Serial).expect("fft");
            out
        };
        let (x, y) = (numbers(n, seed), numbers(n, !seed));
        let eps = f64::EPSILON;
        let spectrum = run(&x, Direction::Forward, Norm::Ortho);
        prop_assert!((norm(&spectrum) - norm(&x)).abs() <= bound(n, eps, &x));
        prop_assert!(distance(&run(&spectrum, Direction::Inverse, Norm::Ortho), &x) <= 2.0 * bound(n, eps, &x));
        for norms in [Norm::Backward, Norm::Forward] {
            let there = run(&x, Direction::Forward, norms);
            prop_assert!(distance(&run(&there, Direction::Inverse, norms), &x) <= 2.0 * bound(n, eps, &x));
        }
        let mixed: Vec<C> = x.iter().zip(&y).map(|(x, y)| x * factor + y).collect();
        let sum: Vec<C> = spectrum.iter().zip(run(&y, Direction::Forward, Norm::Ortho)).map(|(x, y)| x * factor + y).collect();
        prop_assert!(distance(&run(&mixed, Direction::Forward, Norm::Ortho), &sum) <= bound(n, eps, &x) * 10.0 + bound(n, eps, &y) * 4.0);
        let mut shifted = x.clone();
        shifted.rotate_left(shift % n);
        let turned: Vec<C> = spectrum.iter().enumerate().map(|(k, v)| {
            let angle = std::f64::consts::TAU * ((k * (shift % n)) % n) as f64 / n as f64;
            v * C::new(angle.cos(), angle.sin())
        }).collect();
        prop_assert!(distance(&run(&shifted, Direction::Forward, Norm::Ortho), &turned) <= 3.0 * bound(n, eps, &x));
    }

    /// Real transforms are halves of complex ones, and come back.
    #[test]
    fn real_halves(a in 1_usize..9, b in 1_usize..9, n in 1_usize..70, seed in any::<u64>()) {
        let plans = Plans::default();
        let (shape, axes) = ([a, b, n], [0, 2]);
        let half = n / 2 + 1;
        let input: Vec<f64> = numbers(a * b * n, seed).iter().map(|v| v.re).collect();
        let mut whole: Vec<C> = input.iter().map(|v| C::new(*v, 0.0)).collect();
        fft(&mut whole, &shape, &axes, Direction::Forward, Norm::Ortho, &plans, &Serial).expect("fft");
        let mut ours = vec![C::ZERO; a * b * half];
        rfft(&input, &mut ours, &shape, &axes, Norm::Ortho, &plans, &Serial).expect("rfft");
        let expected: Vec<C> = whole.chunks_exact(n).flat_map(|line| line[..half].to_vec()).collect();
        let limit = 2.0 * bound(a * n, f64::EPSILON, &whole);
        prop_assert!(distance(&ours, &expected) <= limit);
        let mut back = vec![0.0; a * b * n];
        irfft(&mut ours, &mut back, &shape, &axes, Norm::Ortho, &plans, &Serial).expect("irfft");
        let error: f64 = back.iter().zip(&input).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt();
        prop_assert!(error <= 2.0 * limit);
    }
}

#[test]
fn nan_stays_in_its_line() {
    let mut data = numbers(4 * 30, 2);
    data[37].im = f64::NAN;
    fft(&mut data, &[4, 30], &[1], Direction::Forward, Norm::Backward, &Plans::default(), &Serial).expect("fft");
    for (at, value) in data.iter().enumerate() {
        assert_eq!(value.re.is_nan() || value.im.is_nan(), at / 30 == 1);
    }
}

#[test]
fn refusals() {
    let plans = Plans::<f32>::default();
    let run = |len: usize, shape: &[usize], axes: &[usize]| {
        let mut data = vec![Complex::default(); len];
        fft(&mut data, shape, axes, Direction::Forward, Norm::Backward, &plans, &Serial)
    };
    assert_eq!(run(0, &[0, 3], &[1]), Ok(()));
    let message = |result: Result<(), Error>| result.expect_err("bad input").to_string();
    assert_eq!(message(run(5, &[2, 3], &[0])), "length of the array: found 5, expected 6 for extents [2, 3]");
    assert_eq!(message(run(6, &[2, 3], &[2])), "axis: found 2, expected less than 2");
    assert_eq!(message(run(6, &[2, 3], &[1, 1])), "axes: found 1 twice, expected each axis once");
    assert_eq!(message(run(0, &[0, 3], &[0])), "extent of a transformed axis: found 0, expected at least 1");
    assert!(matches!(run(0, &[usize::MAX, usize::MAX], &[0]), Err(Error::TooLarge { .. })));
    let mut out = vec![Complex::default(); 6];
    assert!(rfft(&[0.0; 6], &mut out, &[2, 3], &[0], Norm::Backward, &plans, &Serial).is_err());
    assert!(rfft(&[0.0; 6], &mut out, &[2, 3], &[1], Norm::Backward, &plans, &Serial).is_err());
    assert!(rfft(&[0.0; 6], &mut out[..4], &[2, 3], &[], Norm::Backward, &plans, &Serial).is_err());
    assert!(irfft(&mut out, &mut [0.0; 6], &[2, 3], &[1], Norm::Backward, &plans, &Serial).is_err());
}
