//! Each routine against its definition: products and updates in all four types, factorisations, which are the same generic
//! code and cost most of the tests' compile time, in one real and one complex type of different precision.
//!
//! Tolerances: products and updates are sums of k terms, error at most `(k + 4) * eps` of the sum of absolute values. A
//! factorisation's residual is compared with `20 * n * eps * norm`, where theory allows a modest multiple of `n * eps`
//! (Higham, Accuracy and Stability, theorems 9.3, 10.3, 19.4); complex operations count four real ones.

use super::*;
use crate::{Layout, Scratch, Serial, Threads};
use proptest::prelude::*;

/// Reproducible numbers between -1 and 1.
struct Source(u64);

impl Source {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / f64::from(1 << 23) - 1.0
    }
}

trait Sample: Field {
    const EPS: f64;
    fn sample(source: &mut Source) -> Self;
}

impl Sample for f32 {
    const EPS: f64 = f32::EPSILON as f64;
    fn sample(source: &mut Source) -> Self {
        source.next() as f32
    }
}
impl Sample for f64 {
    const EPS: f64 = f64::EPSILON;
    fn sample(source: &mut Source) -> Self {
        source.next()
    }
}
impl Sample for Complex32 {
    const EPS: f64 = 4.0 * f32::EPSILON as f64;
    fn sample(source: &mut Source) -> Self {
        Self::new(source.next() as f32, source.next() as f32)
    }
}
impl Sample for Complex64 {
    const EPS: f64 = 4.0 * f64::EPSILON;
    fn sample(source: &mut Source) -> Self {
        Self::new(source.next(), source.next())
    }
}

/// A matrix that owns its elements.
#[derive(Clone, Debug, PartialEq)]
struct Dense<T> {
    data: Vec<T>,
    layout: Layout,
}

impl<T: Sample> Dense<T> {
    /// `order` chooses among rows side by side, columns side by side, gaps, backwards.
    fn new(rows: usize, cols: usize, order: u8, seed: u64) -> Self {
        let (r, c) = (rows as isize, cols as isize);
        let (row_stride, col_stride, offset) = match order % 4 {
            0 => (c + 1, 1, 1),
            1 => (1, r + 2, 1),
            2 => (2 * c + 1, 2, 0),
            _ => (-c, -1, (rows * cols).saturating_sub(1)),
        };
        let mut source = Source(seed);
        let data = (0..(rows + 2) * (2 * cols + 4) + 2).map(|_| T::sample(&mut source)).collect();
        Self { data, layout: Layout { rows, cols, row_stride, col_stride, offset } }
    }

    fn plain(rows: usize, cols: usize) -> Self {
        Self { data: vec![T::ZERO; rows * cols], layout: Layout::row_major(rows, cols) }
    }

    fn view(&self) -> MatRef<'_, T> {
        MatRef::new(&self.data, self.layout).expect("fits")
    }

    fn out(&mut self) -> MatMut<'_, T> {
        MatMut::new(&mut self.data, self.layout).expect("fits")
    }

    fn get(&self, i: usize, j: usize) -> T {
        self.view().get(i, j)
    }

    fn make(rows: usize, cols: usize, f: impl Fn(usize, usize) -> T) -> Self {
        let mut made = Self::plain(rows, cols);
        put(&mut made.out(), f);
        made
    }

    fn times(&self, other: &Self) -> Self {
        assert_eq!(self.layout.cols, other.layout.rows);
        Self::make(self.layout.rows, other.layout.cols, |i, j| {
            (0..self.layout.cols).fold(T::ZERO, |sum, k| sum + self.get(i, k) * other.get(k, j))
        })
    }

    fn adjoint(&self) -> Self {
        Self::make(self.layout.cols, self.layout.rows, |i, j| self.get(j, i).conjugate())
    }

    fn norm(&self) -> f64 {
        let squares = |i| (0..self.layout.cols).map(move |j| self.get(i, j).modulus().powi(2)).sum::<f64>();
        (0..self.layout.rows).map(squares).sum::<f64>().sqrt()
    }

    fn distance(&self, other: &Self) -> f64 {
        Self::make(self.layout.rows, self.layout.cols, |i, j| self.get(i, j) - other.get(i, j)).norm()
    }

    fn identity(n: usize) -> Self {
        Self::make(n, n, |i, j| if i == j { T::ONE } else { T::ZERO })
    }

    /// Whether the columns are orthonormal.
    fn check_orthonormal(&self) {
        let n = self.layout.cols;
        let limit = 20.0 * (self.layout.rows + n) as f64 * T::EPS;
        assert!(self.adjoint().times(self).distance(&Self::identity(n)) <= limit * (n as f64).sqrt().max(1.0));
    }
}

fn close<T: Sample>(found: &Dense<T>, expected: &Dense<T>, n: usize, norm: f64) {
    let (distance, limit) = (found.distance(expected), 20.0 * (n + 4) as f64 * T::EPS * norm);
    assert!(distance <= limit, "{distance:e} is more than {limit:e}");
}

fn products<T: Sample>(m: usize, n: usize, order: u8, seed: u64) {
    let pool = Threads::new(2).expect("threads");
    let (alpha, beta) = (T::real(0.75), T::real(-0.5));
    let a = Dense::<T>::new(m, n, order, seed);
    let (x, y) = (Dense::<T>::new(n, 1, order / 4, seed + 1), Dense::<T>::new(m, 1, order / 16, seed + 2));
    let expected = Dense::make(m, 1, |i, _| alpha * a.times(&x).get(i, 0) + beta * y.get(i, 0));
    let size = a.norm() * x.norm() + y.norm();
    let (mut ours, mut alone) = (y.clone(), y.clone());
    gemv(alpha, a.view(), x.view(), beta, ours.out(), &pool).expect("fits");
    gemv(alpha, a.view(), x.view(), beta, alone.out(), &Serial).expect("fits");
    close(&ours, &expected, n, size);
    assert_eq!(ours, alone, "threads");
    for conjugate in [false, true] {
        let side = |v: T| if conjugate { v.conjugate() } else { v };
        let expected = Dense::make(m, n, |i, j| a.get(i, j) + alpha * y.get(i, 0) * side(x.get(j, 0)));
        let mut ours = a.clone();
        ger(alpha, y.view(), x.view(), conjugate, ours.out(), &pool).expect("fits");
        close(&ours, &expected, 1, a.norm() + x.norm() * y.norm());
        for triangle in [Triangle::Lower, Triangle::Upper] {
            let mut ours = Dense::<T>::new(m, m, order / 2, seed + 3);
            let before = ours.clone();
            let other = Dense::make(n, m, |i, j| side(a.get(j, i)));
            let product = a.times(&other);
            let scratch = &mut Scratch::new();
            syrk(alpha, a.view(), conjugate, beta, ours.out(), triangle, &pool, scratch).expect("fits");
            let counts = |i, j| if triangle == Triangle::Lower { j <= i } else { i <= j };
            let expected = Dense::make(m, m, |i, j| {
                let old = before.get(i, j);
                if counts(i, j) { alpha * product.get(i, j) + beta * old } else { old }
            });
            close(&ours, &expected, n, a.norm().powi(2) + before.norm());
        }
    }
    for (triangle, unit) in
        [(Triangle::Lower, false), (Triangle::Lower, true), (Triangle::Upper, false), (Triangle::Upper, true)]
    {
        let mut t = Dense::<T>::new(m, m, order, seed + 4);
        // A dominant diagonal keeps the condition number near 1; off the triangle there may be anything.
        let scale = T::real(1.0 / (m as f64));
        put(&mut t.out(), |i, j| {
            if i == j { T::real(2.0 + i as f64 / m as f64) } else { scale * T::real((i * 7 + j) as f64 % 5.0 - 2.0) }
        });
        let counts = |i: usize, j: usize| if triangle == Triangle::Lower { j <= i } else { i <= j };
        let full = Dense::make(m, m, |i, j| match (i == j, counts(i, j)) {
            (true, _) if unit => T::ONE,
            (_, true) => t.get(i, j),
            _ => T::ZERO,
        });
        let b = Dense::<T>::new(m, n, order / 4, seed + 5);
        let mut x = b.clone();
        trsm(alpha, t.view(), triangle, unit, x.out(), &pool, &mut Scratch::new()).expect("regular");
        let expected = Dense::make(m, n, |i, j| alpha * b.get(i, j));
        close(&full.times(&x), &expected, m, full.norm() * x.norm());
    }
}

fn factors<T: Sample>(m: usize, n: usize, order: u8, seed: u64) {
    let a = Dense::<T>::new(m, n, order, seed);
    let (k, norm, longer) = (m.min(n), a.norm(), m.max(n));
    // LU: the growth of pivots is at most a small power of n for such matrices.
    let mut packed = Dense::<T>::new(m, n, order / 4, 1);
    let mut rows = vec![0; m];
    lu(a.view(), packed.out(), &mut rows).expect("fits");
    let l = Dense::make(m, k, |i, j| {
        if i == j {
            T::ONE
        } else if j < i {
            packed.get(i, j)
        } else {
            T::ZERO
        }
    });
    let u = Dense::make(k, n, |i, j| if i <= j { packed.get(i, j) } else { T::ZERO });
    close(&l.times(&u), &Dense::make(m, n, |i, j| a.get(rows[i], j)), longer, l.norm() * u.norm());
    for full in [false, true] {
        let cols = if full { m } else { k };
        let (mut q, mut r) = (Dense::<T>::new(m, cols, order, 2), Dense::<T>::new(cols, n, order / 4, 3));
        qr(a.view(), q.out(), r.out()).expect("fits");
        q.check_orthonormal();
        close(&q.times(&r), &a, longer, norm);
        assert!((0..cols).all(|i| (0..i.min(n)).all(|j| r.get(i, j) == T::ZERO)));
        let (left, right) = if full { (m, n) } else { (k, k) };
        let (mut u, mut vh) = (Dense::<T>::new(m, left, order, 2), Dense::<T>::new(right, n, order / 4, 3));
        let mut s: Vec<RealOf<T>> = vec![faer::traits::math_utils::zero(); k];
        svd(a.view(), &mut s, Some((u.out(), vh.out()))).expect("finite");
        u.check_orthonormal();
        vh.adjoint().check_orthonormal();
        let sizes: Vec<f64> = s.iter().map(|s| T::from_re(s.clone())).collect();
        assert!(sizes.windows(2).all(|pair| pair[0] >= pair[1]) && sizes.iter().all(|s| *s >= 0.0));
        let middle = Dense::make(left, right, |i, j| if i == j { T::real(sizes[i]) } else { T::ZERO });
        close(&u.times(&middle).times(&vh), &a, longer, norm);
        let mut alone = s.clone();
        svd(a.view(), &mut alone, None).expect("finite");
        let limit = 20.0 * (longer + 4) as f64 * T::EPS * norm;
        assert!(sizes.iter().zip(alone).all(|(x, y)| (x - T::from_re(y)).abs() <= limit));
    }
    let mut inverse = Dense::<T>::new(n, m, order, 4);
    pseudo_inverse(a.view(), 1e-12, inverse.out()).expect("finite");
    close(&a.times(&inverse).times(&a), &a, longer, norm.powi(2) * inverse.norm());
}

fn squares<T: Sample>(n: usize, order: u8, seed: u64, widen: impl Fn(T) -> ComplexOf<T>)
where
    ComplexOf<T>: Sample,
{
    let a = Dense::<T>::new(n, n, order, seed);
    let mut positive = a.times(&a.adjoint());
    for i in 0..n {
        let shifted = positive.get(i, i) + T::ONE;
        positive.out().set(i, i, shifted);
    }
    let norm = positive.norm();
    let mut l = Dense::<T>::new(n, n, order / 4, 1);
    cholesky(positive.view(), l.out()).expect("positive");
    close(&l.times(&l.adjoint()), &positive, n, norm);
    let b = Dense::<T>::new(n, 3, order / 4, seed + 1);
    let mut x = b.clone();
    solve(positive.view(), x.out()).expect("regular");
    close(&positive.times(&x), &b, n, norm * x.norm());
    let mut inverted = Dense::<T>::new(n, n, order / 4, 1);
    inverse(positive.view(), inverted.out()).expect("regular");
    close(&positive.times(&inverted), &Dense::identity(n), n, norm * inverted.norm());
    // det(l l^H) is the product of l's squared diagonal; relative errors add up.
    let logarithm: f64 = (0..n).map(|i| 2.0 * l.get(i, i).modulus().ln()).sum();
    let (sign, size) = log_determinant(positive.view()).expect("square");
    let condition = norm * inverted.norm();
    assert!((size - logarithm).abs() <= 20.0 * (n + 4) as f64 * T::EPS * condition * n.max(1) as f64);
    assert!((sign - T::ONE).modulus() <= 20.0 * (n + 4) as f64 * T::EPS * condition * n.max(1) as f64);
    let direct = determinant(positive.view()).expect("square").modulus();
    if size.abs() < 60.0 {
        assert!((direct.ln() - size).abs() <= 20.0 * (n + 4) as f64 * T::EPS);
    }
    let mut values: Vec<RealOf<T>> = vec![faer::traits::math_utils::zero(); n];
    let mut vectors = Dense::<T>::new(n, n, order, 2);
    eigen_hermitian(positive.view(), &mut values, Some(vectors.out())).expect("finite");
    vectors.check_orthonormal();
    let sizes: Vec<f64> = values.iter().map(|v| T::from_re(v.clone())).collect();
    assert!(sizes.windows(2).all(|pair| pair[0] <= pair[1]));
    let scaled = Dense::make(n, n, |i, j| vectors.get(i, j) * T::real(sizes[j]));
    close(&positive.times(&vectors), &scaled, n, norm);
    let mut alone = values.clone();
    eigen_hermitian(positive.view(), &mut alone, None).expect("finite");
    let limit = 20.0 * (n + 4) as f64 * T::EPS * norm;
    assert!(sizes.iter().zip(alone).all(|(x, y)| (x - T::from_re(y)).abs() <= limit));
    // A general matrix: the residual of each pair.
    let mut values = vec![ComplexOf::<T>::default(); n];
    let mut vectors = Dense::<ComplexOf<T>>::plain(n, n);
    eigen(a.view(), &mut values, Some(vectors.out())).expect("finite");
    let wide = Dense::<ComplexOf<T>>::make(n, n, |i, j| widen(a.get(i, j)));
    let scaled = Dense::make(n, n, |i, j| vectors.get(i, j) * values[j]);
    let distance = wide.times(&vectors).distance(&scaled);
    assert!(distance <= 100.0 * (n + 4) as f64 * T::EPS * a.norm() * vectors.norm(), "{distance:e}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, ..ProptestConfig::default() })]

    #[test]
    fn levels_2_and_3(m in 1_usize..40, n in 1_usize..40, order in 0_u8..64, seed in 0_u64..1000) {
        products::<f32>(m, n, order, seed);
        products::<f64>(m, n, order, seed);
        products::<Complex32>(m, n, order, seed);
        products::<Complex64>(m, n, order, seed);
    }

    #[test]
    fn factorisations(m in 1_usize..20, n in 1_usize..20, order in 0_u8..64, seed in 0_u64..1000) {
        factors::<f64>(m, n, order, seed);
        factors::<Complex32>(m, n, order, seed);
    }

    #[test]
    fn square_matrices(n in 1_usize..16, order in 0_u8..64, seed in 0_u64..1000) {
        squares::<f64>(n, order, seed, Complex64::from);
        squares::<Complex32>(n, order, seed, |z| z);
    }
}

#[test]
fn many_blocks() {
    products::<f32>(600, 37, 0, 1);
    products::<f64>(300, 5, 5, 2);
    products::<f32>(5, 2000, 1, 3);
}

#[test]
fn nothing_and_misfits() {
    let none = Dense::<f64>::plain(0, 0);
    let (mut l, mut rows) = (none.clone(), []);
    cholesky(none.view(), l.out()).expect("empty");
    lu(none.view(), l.out(), &mut rows).expect("empty");
    solve(none.view(), Dense::plain(0, 4).out()).expect("empty");
    inverse(none.view(), l.out()).expect("empty");
    assert_eq!(determinant(none.view()), Ok(1.0));
    assert_eq!(log_determinant(none.view()), Ok((1.0, 0.0)));
    eigen_hermitian(none.view(), &mut [], None).expect("empty");
    let tall = Dense::<f64>::plain(3, 0);
    let mut q = Dense::plain(3, 3);
    qr(tall.view(), q.out(), Dense::plain(3, 0).out()).expect("empty");
    assert_eq!(q, Dense::identity(3));
    svd(tall.view(), &mut [], Some((q.out(), none.clone().out()))).expect("empty");
    let wide = Dense::<f64>::plain(2, 3);
    let message = cholesky(wide.view(), q.out()).expect_err("not square").to_string();
    assert_eq!(message, "extents of a: found 2x3, expected a square matrix");
    assert!(solve(q.view(), Dense::plain(2, 1).out()).is_err() && inverse(q.view(), l.out()).is_err());
    assert!(qr(wide.view(), Dense::plain(2, 1).out(), Dense::plain(1, 3).out()).is_err());
    assert!(gemv(1.0, wide.view(), wide.view(), 0.0, q.out(), &Serial).is_err());
    assert!(ger(1.0, wide.view(), wide.view(), false, q.out(), &Serial).is_err());
    assert!(syrk(1.0, wide.view(), false, 0.0, q.out(), Triangle::Lower, &Serial, &mut Scratch::new()).is_err());
    let mut x = Dense::plain(2, 1);
    assert!(trsm(1.0, wide.view(), Triangle::Lower, false, x.out(), &Serial, &mut Scratch::new()).is_err());
}

#[test]
fn matrices_that_lack_what_is_needed() {
    let singular = Dense::<f64>::make(3, 3, |i, j| (i + j) as f64 * f64::from(u8::from(i != 2)));
    let mut out = Dense::plain(3, 3);
    assert_eq!(inverse(singular.view(), out.out()), Err(Error::Singular { what: "zero pivot", index: 2 }));
    assert!(solve(singular.view(), out.out()).is_err());
    assert_eq!(determinant(singular.view()), Ok(0.0));
    assert_eq!(log_determinant(singular.view()), Ok((0.0, f64::NEG_INFINITY)));
    let negative = Dense::<f64>::make(2, 2, |i, j| if i == j { 1.0 - 2.0 * i as f64 } else { 0.0 });
    let error = cholesky(negative.view(), Dense::plain(2, 2).out()).expect_err("not positive");
    assert_eq!(error, Error::Singular { what: "leading minor that is not positive", index: 1 });
    let mut undefined = Dense::<f64>::identity(2);
    undefined.out().set(1, 0, f64::NAN);
    let mut values = [0.0; 2];
    assert!(cholesky(undefined.view(), Dense::plain(2, 2).out()).is_err());
    assert_eq!(
        eigen_hermitian(undefined.view(), &mut values, None),
        Err(Error::Singular { what: "a number that is not finite", index: 2 })
    );
    assert!(svd(undefined.view(), &mut values, None).is_err());
    assert!(eigen(undefined.view(), &mut [Complex64::default(); 2], None).is_err());
    assert!(determinant(undefined.view()).expect("square").is_nan());
    let system = trsm(1.0, singular.view(), Triangle::Lower, false, out.out(), &Serial, &mut Scratch::new());
    assert_eq!(system, Err(Error::Singular { what: "zero on the diagonal", index: 0 }));
    // With beta 0 the old output does not count; NaN in an operand does.
    let (x, mut y) = (Dense::<f64>::make(2, 1, |_, _| 1.0), Dense::<f64>::make(2, 1, |_, _| f64::NAN));
    gemv(1.0, Dense::identity(2).view(), x.view(), 0.0, y.out(), &Serial).expect("fits");
    assert_eq!(y, x);
    gemv(1.0, undefined.view(), x.view(), 0.0, y.out(), &Serial).expect("fits");
    assert!(y.get(0, 0) == 1.0 && y.get(1, 0).is_nan());
}
