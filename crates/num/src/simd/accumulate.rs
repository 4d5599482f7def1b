//! The number types in which sums are kept: what a driver must be able to do with them one by one.

use super::tile::{ComplexBeta, ComplexOut, Out};
use num_complex::{Complex32, Complex64};

/// What becomes of the old value of an output element.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Beta<Acc> {
    /// It does not count, not even if it is NaN.
    Zero,
    /// It is added.
    One,
    /// It is multiplied with this and added.
    Times(Acc),
}

/// A number type of sums.
pub trait Accumulate: Copy + Send + Sync + PartialEq + std::fmt::Debug + 'static {
    /// What tiles of this type write to.
    type Out: 'static;
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;

    /// `self * factor + addend`, each operation rounded; integers wrap.
    fn times_plus(self, factor: Self, addend: Self) -> Self;

    /// Where a tile goes. Counts and strides in elements; the flags conjugate the left and right operand.
    fn out(place: Place<Self>, alpha: Self, beta: Beta<Self>, conjugate: (bool, bool)) -> Self::Out;

    /// The old value with its factor, plus `value`.
    fn combine(beta: Beta<Self>, old: Self, value: Self) -> Self {
        match beta {
            Beta::Zero => value,
            Beta::One => old.times_plus(Self::ONE, value),
            Beta::Times(factor) => old.times_plus(factor, value),
        }
    }
}

/// A tile of an output with rows side by side.
#[derive(Clone, Copy)]
pub struct Place<Acc> {
    /// Its first element.
    pub c: *mut Acc,
    /// From one column to the next.
    pub stride: isize,
    /// Rows that exist.
    pub rows: usize,
    /// Columns that exist.
    pub cols: usize,
    /// Write past the caches.
    pub stream: bool,
}

macro_rules! real {
    ($t:ty, $times_plus:expr) => {
        impl Accumulate for $t {
            type Out = Out<$t>;
            const ZERO: Self = 0 as $t;
            const ONE: Self = 1 as $t;

            fn times_plus(self, factor: Self, addend: Self) -> Self {
                $times_plus(self, factor, addend)
            }

            fn out(place: Place<Self>, alpha: Self, beta: Beta<Self>, _conjugate: (bool, bool)) -> Out<$t> {
                let Place { c, stride, rows, cols, stream } = place;
                let beta = match beta {
                    Beta::Zero => None,
                    Beta::One => Some(Self::ONE),
                    Beta::Times(factor) => Some(factor),
                };
                Out { c, stride, rows, cols, alpha, beta, stream }
            }
        }
    };
}
real!(f32, |a: f32, b, c| a * b + c);
real!(f64, |a: f64, b, c| a * b + c);
real!(i32, |a: i32, b, c| a.wrapping_mul(b).wrapping_add(c));

macro_rules! complex {
    ($t:ty, $real:ty) => {
        impl Accumulate for $t {
            type Out = ComplexOut<$real>;
            const ZERO: Self = Self { re: 0.0, im: 0.0 };
            const ONE: Self = Self { re: 1.0, im: 0.0 };

            fn times_plus(self, factor: Self, addend: Self) -> Self {
                // A product with (1, 0) would make NaN of infinities.
                if factor == Self::ONE { self + addend } else { self * factor + addend }
            }

            fn out(place: Place<Self>, alpha: Self, beta: Beta<Self>, conjugate: (bool, bool)) -> ComplexOut<$real> {
                let sign = |negative: bool| if negative { -1.0 } else { 1.0 };
                ComplexOut {
                    c: place.c.cast(),
                    stride: 2 * place.stride,
                    rows: 2 * place.rows,
                    cols: place.cols,
                    alpha: (alpha != Self::ONE).then_some((alpha.re, alpha.im)),
                    beta: match beta {
                        Beta::Zero => ComplexBeta::Zero,
                        Beta::One => ComplexBeta::One,
                        Beta::Times(factor) => ComplexBeta::Times(factor.re, factor.im),
                    },
                    // conj(a) b = conj(a conj(b)).
                    right_im: sign(conjugate.0 != conjugate.1),
                    result_im: sign(conjugate.0),
                }
            }
        }
    };
}
complex!(Complex32, f32);
complex!(Complex64, f64);

/// An element type that sums can be rounded to.
pub trait Output<Acc>: Copy + Send + Sync + 'static {
    /// It is the type of the sums itself.
    const SAME: bool;
    /// The nearest value.
    fn from_acc(acc: Acc) -> Self;
    /// The same value.
    fn to_acc(self) -> Acc;
}

macro_rules! same_output {
    ($($t:ty)*) => {$(
        impl Output<$t> for $t {
            const SAME: bool = true;
            fn from_acc(acc: $t) -> Self {
                acc
            }
            fn to_acc(self) -> $t {
                self
            }
        }
    )*};
}
same_output!(f32 f64 i32 Complex32 Complex64);

macro_rules! narrow_output {
    ($($t:ty)*) => {$(
        impl Output<f32> for $t {
            const SAME: bool = false;
            fn from_acc(acc: f32) -> Self {
                Self::from_f32(acc)
            }
            fn to_acc(self) -> f32 {
                self.to_f32()
            }
        }
    )*};
}
narrow_output!(half::f16 half::bf16);
