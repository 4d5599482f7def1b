//! Products against the definition, in every type, layout and instruction set.
//!
//! Tolerance: an element is a sum of k terms; whatever the order, its error is at most `(k + 4) * eps` times the sum of
//! the terms' absolute values (Higham, Accuracy and Stability, section 3.1), with eps of the type that sums are kept
//! in, plus one rounding to the output's type. The oracle sums in f64, for f64 in compensated f64.

use super::*;
use crate::{Layout, Serial, Threads};
use half::{bf16, f16};
use num_complex::{Complex32, Complex64};
use proptest::prelude::*;

/// A wide number that all element types can be compared in.
type Wide = Complex64;

trait Number: Factor<Acc: Wider> + Wider {
    /// A test value from small integers: exact in f16 and bf16.
    fn make(x: i32, y: i32) -> Self;
}

trait Wider: Copy + PartialEq + std::fmt::Debug {
    const EPS: f64;
    fn wide(self) -> Wide;
}

macro_rules! number {
    ($t:ty, $eps:expr, |$x:ident, $y:ident| $make:expr, |$v:ident| $wide:expr) => {
        impl Number for $t {
            fn make($x: i32, $y: i32) -> Self {
                let _ = $y;
                $make
            }
        }
        impl Wider for $t {
            const EPS: f64 = $eps;
            fn wide(self) -> Wide {
                let $v = self;
                $wide
            }
        }
    };
}
const F32_EPS: f64 = f32::EPSILON as f64 / 2.0;
const F64_EPS: f64 = f64::EPSILON / 2.0;
number!(f32, F32_EPS, |x, y| x as f32 / 32.0 + y as f32 / 8192.0, |v| Wide::new(v.into(), 0.0));
number!(f64, F64_EPS, |x, y| f64::from(x) / 32.0 + f64::from(y) / 8192.0, |v| Wide::new(v, 0.0));
number!(f16, 1.0 / 2048.0, |x, y| f16::from_f32(x as f32 / 32.0), |v| Wide::new(v.to_f64(), 0.0));
number!(bf16, 1.0 / 256.0, |x, y| bf16::from_f32(x as f32 / 32.0), |v| Wide::new(v.to_f64(), 0.0));
number!(i8, 0.0, |x, y| (x % 129) as i8, |v| Wide::new(v.into(), 0.0));
number!(Complex32, F32_EPS, |x, y| Complex32::new(x as f32 / 32.0, y as f32 / 32.0), |v| Wide::new(
    v.re.into(),
    v.im.into()
));
number!(Complex64, F64_EPS, |x, y| Complex64::new(f64::from(x) / 32.0, f64::from(y) / 32.0), |v| v);
impl Wider for i32 {
    const EPS: f64 = 0.0;
    fn wide(self) -> Wide {
        Wide::new(self.into(), 0.0)
    }
}

/// Reproducible numbers from -128 to 127.
struct Source(u64);

impl Source {
    fn next(&mut self) -> i32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i32::from((self.0 >> 33) as u8) - 128
    }

    fn numbers<T: Number>(&mut self, n: usize) -> Vec<T> {
        (0..n).map(|_| T::make(self.next(), self.next())).collect()
    }
}

/// How a matrix lies in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    Rows,
    Cols,
    /// Strides of 2 and more.
    Sparse,
    /// Backwards in both directions.
    Reversed,
    /// One row for all; inputs only.
    Broadcast,
}

const ORDERS: [Order; 5] = [Order::Rows, Order::Cols, Order::Sparse, Order::Reversed, Order::Broadcast];

impl Order {
    /// The layout and the length of its slice. Everything starts one element late, so that vectors are misaligned.
    fn layout(self, rows: usize, cols: usize) -> (Layout, usize) {
        let (r, c) = (rows as isize, cols as isize);
        let (row_stride, col_stride, offset) = match self {
            Self::Rows => (c + 3, 1, 1),
            Self::Cols => (1, r + 1, 1),
            Self::Sparse => (2 * c + 1, 2, 1),
            Self::Reversed => (-c, -1, rows * cols),
            Self::Broadcast => (0, 1, 1),
        };
        (Layout { rows, cols, row_stride, col_stride, offset }, (rows + 2) * (2 * cols + 4) + 2)
    }
}

#[derive(Clone, Copy, Debug)]
struct Case {
    m: usize,
    n: usize,
    k: usize,
    orders: (Order, Order, Order),
    scale: (i32, i32),
    conjugate: (bool, bool),
}

/// One product against the definition; returns the output's data.
fn check<T: Number, O: Output<T::Acc> + Wider>(
    case: &Case,
    isa: Isa,
    pool: &dyn Pool,
    convert: impl Fn(T) -> O,
    acc: impl Fn(i32) -> T::Acc,
) -> Vec<O> {
    let &Case { m, n, k, .. } = case;
    let mut source = Source(7 + m as u64 * 31 + n as u64 * 17 + k as u64);
    let ((la, na), (lb, nb)) = (case.orders.0.layout(m, k), case.orders.1.layout(k, n));
    let (lc, nc) = case.orders.2.layout(m, n);
    let (a, b): (Vec<T>, Vec<T>) = (source.numbers(na), source.numbers(nb));
    let old: Vec<O> = source.numbers::<T>(nc).into_iter().map(convert).collect();
    let mut c = old.clone();
    let options = Options {
        alpha: acc(case.scale.0),
        beta: acc(case.scale.1),
        conjugate_a: case.conjugate.0,
        conjugate_b: case.conjugate.1,
        isa,
        ..Options::default()
    };
    let (va, vb) = (MatRef::new(&a, la).expect("a"), MatRef::new(&b, lb).expect("b"));
    let out = MatMut::new(&mut c, lc).expect("c");
    gemm(&options, va, vb, out, pool, &mut Scratch::new()).expect("product");

    let (alpha, beta) = (options.alpha.wide(), options.beta.wide());
    let conj = |flag: bool, value: Wide| if flag { value.conj() } else { value };
    let mut touched = vec![false; nc];
    for i in 0..m {
        for j in 0..n {
            let at = (lc.offset as isize + i as isize * lc.row_stride + j as isize * lc.col_stride) as usize;
            touched[at] = true;
            let (mut sum, mut size) = (Wide::ZERO, 0.0);
            for p in 0..k {
                let term = conj(case.conjugate.0, va.get(i, p).wide()) * conj(case.conjugate.1, vb.get(p, j).wide());
                sum += term;
                size += 2.0 * va.get(i, p).wide().norm() * vb.get(p, j).wide().norm();
            }
            let before = if beta == Wide::ZERO { Wide::ZERO } else { old[at].wide() };
            let expected = alpha * sum + beta * before;
            let scale = alpha.norm() * size + beta.norm() * before.norm();
            let bound = (2 * k + 8) as f64 * <T::Acc as Wider>::EPS * scale + 1.01 * O::EPS * expected.norm();
            let error = (c[at].wide() - expected).norm();
            assert!(error <= bound, "{case:?} {isa:?}: ({i}, {j}) is {:?}, not {expected}, bound {bound}", c[at]);
        }
    }
    for (at, value) in c.iter().enumerate() {
        assert!(touched[at] || *value == old[at], "{case:?} {isa:?}: wrote outside at {at}");
    }
    c
}

fn check_all_types(case: &Case, isa: Isa, pool: &dyn Pool) {
    let real = |x: i32| x as f32;
    let halved = Case { conjugate: (false, false), ..*case };
    check::<f32, f32>(&halved, isa, pool, |x| x, real);
    check::<f64, f64>(&halved, isa, pool, |x| x, f64::from);
    check::<i8, i32>(&halved, isa, pool, i32::from, |x| x);
    check::<bf16, f32>(&halved, isa, pool, f32::from, real);
    check::<bf16, bf16>(&halved, isa, pool, |x| x, real);
    check::<f16, f32>(&halved, isa, pool, f32::from, real);
    check::<f16, f16>(&halved, isa, pool, |x| x, real);
    check::<Complex32, Complex32>(case, isa, pool, |x| x, |x| Complex32::new(x as f32, (x / 2) as f32));
    check::<Complex64, Complex64>(case, isa, pool, |x| x, |x| Complex64::new(f64::from(x), f64::from(x / 2)));
}

fn case(m: usize, n: usize, k: usize) -> Case {
    let orders = (Order::Rows, Order::Rows, Order::Rows);
    Case { m, n, k, orders, scale: (1, 0), conjugate: (false, false) }
}

/// Extents around the tiles' edges of all kernels.
#[test]
fn edges() {
    for isa in Isa::available() {
        for (m, n, k) in
            [(0, 3, 4), (3, 0, 4), (3, 4, 0), (1, 1, 1), (16, 12, 4), (17, 13, 5), (31, 11, 3), (33, 25, 130)]
        {
            check_all_types(&case(m, n, k), isa, &Serial);
        }
    }
}

/// Sums longer than a range of k, results larger than a block, on several threads.
#[test]
fn blocks() {
    let pool = Threads::new(3).expect("threads");
    for isa in Isa::available() {
        for (m, n, k) in [(70, 37, 1100), (130, 121, 129), (7, 300, 900)] {
            check_all_types(&case(m, n, k), isa, &pool);
        }
    }
}

#[test]
fn orders() {
    for isa in Isa::available() {
        for a in ORDERS {
            for b in ORDERS {
                for c in &ORDERS[..4] {
                    for (m, n, k) in [(19, 14, 9), (103, 90, 75)] {
                        let case = Case { orders: (a, b, *c), scale: (2, -3), ..case(m, n, k) };
                        check::<f32, f32>(&case, isa, &Serial, |x| x, |x| x as f32);
                        if m < 50 {
                            check_all_types(&Case { conjugate: (true, false), ..case }, isa, &Serial);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn conjugates() {
    for isa in Isa::available() {
        for conjugate in [(false, true), (true, false), (true, true)] {
            for c in [Order::Rows, Order::Cols] {
                let orders = (Order::Rows, Order::Cols, c);
                check_all_types(&Case { conjugate, orders, scale: (2, 4), ..case(21, 9, 33) }, isa, &Serial);
            }
        }
    }
}

/// The same bits for any number of threads.
#[test]
fn threads_do_not_matter() {
    let pools: Vec<_> = (2..=5).map(|workers| Threads::new(workers).expect("threads")).collect();
    for (m, n, k) in [(64, 64, 2100), (200, 150, 170), (333, 13, 700), (12, 700, 300)] {
        for c in [Order::Rows, Order::Cols, Order::Sparse] {
            let case = Case { orders: (Order::Rows, Order::Rows, c), ..case(m, n, k) };
            let isa = Isa::detect();
            let f32s = check::<f32, f32>(&case, isa, &Serial, |x| x, |x| x as f32);
            let bf16s = check::<bf16, bf16>(&case, isa, &Serial, |x| x, |x| x as f32);
            for pool in &pools {
                assert_eq!(f32s, check::<f32, f32>(&case, isa, pool, |x| x, |x| x as f32));
                assert_eq!(bf16s, check::<bf16, bf16>(&case, isa, pool, |x| x, |x| x as f32));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn any_shape(
        (m, n, k) in (1_usize..80, 1_usize..80, 1_usize..90),
        (a, b, c) in (0_usize..5, 0_usize..5, 0_usize..4),
        scale in (-2_i32..3, -2_i32..3),
        conjugate in (any::<bool>(), any::<bool>()),
    ) {
        let case = Case { m, n, k, orders: (ORDERS[a], ORDERS[b], ORDERS[c]), scale, conjugate };
        check_all_types(&case, Isa::detect(), &Serial);
    }
}

/// int8 at the ends of its range, where the unsigned form of the left operand is largest.
#[test]
fn int8_extremes_are_exact() {
    for isa in Isa::available() {
        for (x, y) in [(-128_i8, -128_i8), (-128, 127), (127, 127), (0, -128)] {
            let (m, n, k) = (35, 14, 1003);
            let (a, b, mut c) = (vec![x; m * k], vec![y; k * n], vec![0_i32; m * n]);
            let options = Options { isa, ..Options::default() };
            let (va, vb) = (MatRef::row_major(&a, m, k).expect("a"), MatRef::row_major(&b, k, n).expect("b"));
            let out = MatMut::row_major(&mut c, m, n).expect("c");
            gemm(&options, va, vb, out, &Serial, &mut Scratch::new()).expect("product");
            assert!(c.iter().all(|v| *v == i32::from(x) * i32::from(y) * k as i32), "{isa:?}");
        }
    }
}

fn product<T>(a: &[T], b: &[T], c: &mut [T], m: usize, options: &Options<'_, T::Acc>) -> Result<(), Error>
where
    T: Number + Output<T::Acc>,
{
    let (k, n) = (a.len() / m, c.len() / m);
    let (va, vb) = (MatRef::row_major(a, m, k)?, MatRef::row_major(b, k, n)?);
    gemm(options, va, vb, MatMut::row_major(c, m, n)?, &Serial, &mut Scratch::new())
}

/// NaN and infinity go where the definition takes them, and nowhere else.
#[test]
fn nan_and_infinity() {
    for isa in Isa::available() {
        for (m, n, k) in [(20, 15, 10), (90, 95, 100)] {
            let (mut a, mut b) = (vec![1.0_f32; m * k], vec![1.0_f32; k * n]);
            a[3 * k + 2] = f32::NAN;
            b[5 * n + 7] = f32::INFINITY;
            a[4 * k + 5] = 0.0;
            let mut c = vec![f32::NAN; m * n];
            product(&a, &b, &mut c, m, &Options { isa, ..Options::default() }).expect("product");
            for i in 0..m {
                for j in 0..n {
                    let value = c[i * n + j];
                    if i == 3 || i == 4 && j == 7 {
                        assert!(value.is_nan(), "{isa:?}: ({i}, {j}) = {value}");
                    } else if j == 7 {
                        assert_eq!(value, f32::INFINITY);
                    } else {
                        assert_eq!(value, k as f32 - f32::from(u8::from(i == 4)));
                    }
                }
            }
            // alpha = 0: the operands do not count; beta is not 0: the old value does.
            let mut c = vec![2.0_f32; m * n];
            c[9] = f32::NAN;
            product(&a, &b, &mut c, m, &Options { isa, alpha: 0.0, beta: 3.0, ..Options::default() }).expect("product");
            assert!(c.iter().enumerate().all(|(i, v)| if i == 9 { v.is_nan() } else { *v == 6.0 }));
        }
        let a = [Complex32::new(f32::INFINITY, 0.0)];
        let (b, mut c) = ([Complex32::new(1.0, 1.0)], [Complex32::ZERO]);
        product(&a, &b, &mut c, 1, &Options { isa, ..Options::default() }).expect("product");
        let expected = a[0] * b[0];
        assert_eq!(
            (c[0].re.to_bits() & 0x7fff_ffff, c[0].im.is_nan()),
            (expected.re.to_bits() & 0x7fff_ffff, expected.im.is_nan())
        );
    }
}

#[test]
fn epilogues() {
    for isa in Isa::available() {
        for (m, n, k) in [(9, 14, 5), (100, 70, 80)] {
            for order in [Order::Rows, Order::Cols, Order::Sparse] {
                let mut source = Source(3);
                let (a, b): (Vec<f32>, Vec<f32>) = (source.numbers(m * k), source.numbers(k * n));
                let (row, col): (Vec<f32>, Vec<f32>) = (source.numbers(m), source.numbers(n));
                let residual: Vec<f32> = source.numbers(m * n);
                let (layout, len) = order.layout(m, n);
                let (mut plain, mut fused) = (vec![0.0_f32; len], vec![0.0_f32; len]);
                let double = |at: Run, run: &mut [f32]| {
                    for (i, value) in run.iter_mut().enumerate() {
                        let place = if at.down { (at.row + i, at.col) } else { (at.row, at.col + i) };
                        *value += (1000 * place.0 + place.1) as f32;
                    }
                };
                let steps = [
                    Step::BiasOfRow(&row),
                    Step::BiasOfColumn(&col),
                    Step::Activate(Activation::Relu),
                    Step::Add(MatRef::row_major(&residual, m, n).expect("residual")),
                    Step::Map(&double),
                ];
                let (va, vb) = (MatRef::row_major(&a, m, k).expect("a"), MatRef::row_major(&b, k, n).expect("b"));
                let run = |steps: &[Step<'_, f32>], c: &mut [f32]| {
                    let options = Options { isa, epilogue: steps, ..Options::default() };
                    gemm(&options, va, vb, MatMut::new(c, layout).expect("c"), &Serial, &mut Scratch::new())
                };
                run(&[], &mut plain).expect("product");
                run(&steps, &mut fused).expect("product");
                let view = |data| MatRef::new(data, layout).expect("c");
                for i in 0..m {
                    for j in 0..n {
                        let value = (view(&plain[..]).get(i, j) + row[i] + col[j]).max(0.0) + residual[i * n + j];
                        assert_eq!(view(&fused[..]).get(i, j), value + (1000 * i + j) as f32, "{isa:?} {order:?}");
                    }
                }
            }
        }
    }
    let (a, b, mut c) = ([bf16::ONE; 6], [bf16::ONE; 6], [bf16::ZERO; 4]);
    let bias = [0.5_f32, -7.0];
    let epilogue = [Step::BiasOfColumn(&bias), Step::Activate(Activation::LeakyRelu(0.5))];
    product(&a, &b, &mut c, 2, &Options { epilogue: &epilogue, ..Options::default() }).expect("product");
    assert_eq!(c.map(f32::from), [3.5, -2.0, 3.5, -2.0]);
}

#[test]
fn refusals() {
    let (a, b) = ([1.0_f32; 6], [1.0_f32; 6]);
    let mut c = [9.0_f32; 4];
    let bias = [1.0_f32; 3];
    let options = Options { epilogue: &[Step::BiasOfRow(&bias)], ..Options::default() };
    let error = product(&a, &b, &mut c, 2, &options).expect_err("bias is too long");
    assert_eq!(error.to_string(), "length of the row bias: found 3, expected 2");
    let (va, vb) = (MatRef::row_major(&a, 2, 3).expect("a"), MatRef::row_major(&b, 2, 3).expect("b"));
    let out = MatMut::row_major(&mut c, 2, 2).expect("c");
    let error = gemm(&Options::default(), va, vb, out, &Serial, &mut Scratch::new()).expect_err("extents");
    assert_eq!(error.to_string(), "rows of b: found 2, expected 3, the columns of a");
    assert_eq!(c, [9.0; 4]);
    let (a, b, mut c) = ([Complex32::ONE; 1], [Complex32::ONE; 1], [Complex32::ZERO; 1]);
    let options = Options { epilogue: &[Step::Activate(Activation::Relu)], ..Options::default() };
    assert!(matches!(product(&a, &b, &mut c, 1, &options), Err(Error::Unsupported { .. })));
}

#[test]
fn batches() {
    let pool = Threads::new(2).expect("threads");
    let (m, n, k, count) = (5, 7, 6, 11);
    let mut source = Source(5);
    let (a, b): (Vec<f32>, Vec<f32>) = (source.numbers(m * k * count), source.numbers(k * n));
    let first = |layout: Layout, offset| Layout { offset, ..layout };
    for pool in [&Serial as &dyn Pool, &pool] {
        for backwards in [false, true] {
            let mut c = vec![0.0_f32; m * n * count];
            let mut expected = c.clone();
            for i in 0..count {
                let left = &a[i * m * k..][..m * k];
                let at = if backwards { count - 1 - i } else { i };
                product(left, &b, &mut expected[at * m * n..][..m * n], m, &Options::default()).expect("product");
            }
            let offset = if backwards { (count - 1) * m * n } else { 0 };
            let stride = if backwards { -((m * n) as isize) } else { (m * n) as isize };
            let left = Stack { data: &a[..], first: Layout::row_major(m, k) };
            let right = Stack { data: &b[..], first: Layout::row_major(k, n) };
            let mut out = Stack { data: &mut c[..], first: first(Layout::row_major(m, n), offset) };
            let batch = Batch { count, a: (m * k) as isize, b: 0, c: stride };
            gemm_strided_batched(&Options::default(), &left, &right, &mut out, batch, pool, &mut Scratch::new())
                .expect("products");
            assert_eq!(c, expected);
            let mut out = Stack { data: &mut c[..], first: first(Layout::row_major(m, n), 0) };
            for (batch, what) in [
                (Batch { c: 1, ..batch }, "twice"),
                (Batch { count: count + 1, c: (m * n) as isize, ..batch }, "reaches"),
                (Batch { c: isize::MIN, ..batch }, "reaches"),
            ] {
                let options = Options::default();
                let error = gemm_strided_batched(&options, &left, &right, &mut out, batch, pool, &mut Scratch::new());
                assert!(error.expect_err("bad batch").to_string().contains(what));
            }
        }
    }
}

#[test]
fn activations_at_special_values() {
    let value = |activation, x: f32| x.activate(activation).expect("real");
    for activation in [Activation::Relu, Activation::LeakyRelu(0.1), Activation::Sigmoid, Activation::Tanh] {
        assert!(value(activation, f32::NAN).is_nan(), "{activation:?}");
    }
    assert_eq!(value(Activation::Sigmoid, -200.0), 0.0);
    assert_eq!(value(Activation::Tanh, 200.0), 1.0);
    assert!((value(Activation::GeluTanh, 1.0) - 0.841_192).abs() < 1e-6);
    assert!((value(Activation::Silu, 1.0) - 0.731_058_6).abs() < 1e-6);
    assert_eq!((-3_i32).activate(Activation::Relu), Some(0));
    assert_eq!(3_i32.activate(Activation::Tanh), None);
}
