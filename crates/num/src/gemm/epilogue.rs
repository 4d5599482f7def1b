//! What happens to a product's elements while they are still in the cache.

use crate::simd::accumulate::Accumulate;
use crate::{Error, MatRef};

/// An element-wise function of the usual networks. Reals only; on integers only `Relu`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// max(x, 0); NaN stays NaN.
    Relu,
    /// x for x > 0, else slope times x.
    LeakyRelu(f64),
    /// 1 / (1 + exp(-x)).
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// x times sigmoid(x).
    Silu,
    /// The approximation of GELU by tanh: x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
    GeluTanh,
}

/// One step of an epilogue; steps are applied in order.
#[derive(Clone, Copy)]
pub enum Step<'a, Acc> {
    /// Adds `bias[row]`.
    BiasOfRow(&'a [Acc]),
    /// Adds `bias[column]`.
    BiasOfColumn(&'a [Acc]),
    /// Adds a matrix of the result's extents.
    Add(MatRef<'a, Acc>),
    /// Applies a function to each element.
    Activate(Activation),
    /// Anything else, for example a compiled function: gets the run's first element and its direction.
    Map(&'a Map<'a, Acc>),
}

/// A function of a run of elements.
pub type Map<'a, Acc> = dyn Fn(Run, &mut [Acc]) + Sync + 'a;

/// Where a run of elements lies in the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Row of the first element.
    pub row: usize,
    /// Column of the first element.
    pub col: usize,
    /// The next element is in the next row; otherwise in the next column.
    pub down: bool,
}

/// Number types that an epilogue can be applied to.
pub trait Activate: Accumulate {
    /// The function's value; `None` when it has none for this type.
    fn activate(self, activation: Activation) -> Option<Self>;
}

macro_rules! real {
    ($t:ty) => {
        impl Activate for $t {
            fn activate(self, activation: Activation) -> Option<Self> {
                let sigmoid = |x: $t| 1.0 / (1.0 + (-x).exp());
                Some(match activation {
                    // A comparison that NaN fails: it stays.
                    Activation::Relu => {
                        if self < 0.0 {
                            0.0
                        } else {
                            self
                        }
                    }
                    Activation::LeakyRelu(slope) => {
                        if self < 0.0 {
                            slope as $t * self
                        } else {
                            self
                        }
                    }
                    Activation::Sigmoid => sigmoid(self),
                    Activation::Tanh => self.tanh(),
                    Activation::Silu => self * sigmoid(self),
                    Activation::GeluTanh => {
                        let inner = (2.0 / std::f64::consts::PI).sqrt() as $t * (self + 0.044715 * self * self * self);
                        0.5 * self * (1.0 + inner.tanh())
                    }
                })
            }
        }
    };
}
real!(f32);
real!(f64);

impl Activate for i32 {
    fn activate(self, activation: Activation) -> Option<Self> {
        (activation == Activation::Relu).then_some(self.max(0))
    }
}

macro_rules! complex {
    ($t:ty) => {
        impl Activate for $t {
            fn activate(self, _activation: Activation) -> Option<Self> {
                None
            }
        }
    };
}
complex!(num_complex::Complex32);
complex!(num_complex::Complex64);

/// Checks the steps against the result's extents.
///
/// # Errors
/// [`Error::Shape`] for lengths that do not fit, [`Error::Unsupported`] for a function that the type does not have.
pub(crate) fn check<Acc: Activate>(steps: &[Step<'_, Acc>], rows: usize, cols: usize) -> Result<(), Error> {
    for step in steps {
        match step {
            Step::BiasOfRow(bias) if bias.len() != rows => {
                return Err(Error::shape("length of the row bias", bias.len(), rows));
            }
            Step::BiasOfColumn(bias) if bias.len() != cols => {
                return Err(Error::shape("length of the column bias", bias.len(), cols));
            }
            Step::Add(other) if (other.rows(), other.cols()) != (rows, cols) => {
                let found = format!("{}x{}", other.rows(), other.cols());
                return Err(Error::shape("extents of the added matrix", found, format!("{rows}x{cols}")));
            }
            Step::Activate(activation) if Acc::ZERO.activate(*activation).is_none() => {
                return Err(Error::Unsupported { what: "this activation", kind: std::any::type_name::<Acc>() });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Applies the steps to a run.
pub(crate) fn apply<Acc: Activate>(steps: &[Step<'_, Acc>], at: Run, run: &mut [Acc]) {
    let place = |i: usize| if at.down { (at.row + i, at.col) } else { (at.row, at.col + i) };
    let add = |run: &mut [Acc], other: &dyn Fn(usize) -> Acc| {
        for (i, value) in run.iter_mut().enumerate() {
            *value = value.times_plus(Acc::ONE, other(i));
        }
    };
    for step in steps {
        match step {
            Step::BiasOfRow(bias) => add(run, &|i| bias[place(i).0]),
            Step::BiasOfColumn(bias) => add(run, &|i| bias[place(i).1]),
            Step::Add(other) => add(run, &|i| other.get(place(i).0, place(i).1)),
            Step::Activate(activation) => {
                for value in run.iter_mut() {
                    *value = value.activate(*activation).unwrap_or(*value);
                }
            }
            Step::Map(map) => map(at, run),
        }
    }
}
