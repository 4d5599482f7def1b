//! What the lanes of a program have in common in a value: the analysis that makes vector code out of per-thread code.
//!
//! Forms, from best to worst (all arithmetic modulo the value's width):
//! * `Uniform`: one number for all lanes;
//! * `Affine`: `base + c[lane] + scale * d[lane]` with uniform `base` and `scale` and constant vectors `c` and `d`;
//! * `Indexed` (64 bits): `base + factor * extend(index)` with uniform `base`, a constant `factor` and a 32-bit `index` that is affine
//!   or varying. This is exact where a 32-bit index may wrap: nothing is assumed, a memory access checks when it runs;
//! * `Varying`: a number per lane.
//!
//! Besides, a signed `range` over all lanes and the number of trailing zero bits of an affine `base`, where known.

use std::rc::Rc;
use vgpu_ptx::ir::RegWidth;

/// One constant per lane.
pub(crate) type LaneConstants = Rc<[i64]>;

/// How the lanes' values relate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Uniform,
    Affine { c: LaneConstants, d: Option<LaneConstants> },
    Indexed { factor: i64, signed: bool, index: Box<Shape> },
    Varying,
}

/// A form with what is known of the numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) form: Form,
    pub(crate) width: RegWidth,
    /// Least and greatest value over all lanes, as signed numbers of `width`.
    pub(crate) lo: i64,
    pub(crate) hi: i64,
    /// The base of an affine form is a multiple of `2^align`.
    pub(crate) align: u32,
}

/// The full signed range of a width.
pub(crate) const fn full_range(width: RegWidth) -> (i64, i64) {
    match width.bits() {
        1 => (0, 1),
        bits if bits >= 64 => (i64::MIN, i64::MAX),
        bits => (-(1 << (bits - 1)), (1 << (bits - 1)) - 1),
    }
}

/// `value` wrapped to `width` as a signed number (0 or 1 for a predicate).
pub(crate) const fn wrap(value: i64, width: RegWidth) -> i64 {
    match width.bits() {
        1 => value & 1,
        bits if bits >= 64 => value,
        bits => value << (64 - bits) >> (64 - bits),
    }
}

impl Shape {
    pub(crate) fn varying(width: RegWidth) -> Self {
        let (lo, hi) = full_range(width);
        Self { form: Form::Varying, width, lo, hi, align: 0 }
    }

    pub(crate) fn uniform(width: RegWidth) -> Self {
        Self { form: Form::Uniform, ..Self::varying(width) }
    }

    pub(crate) fn constant(value: i64, width: RegWidth) -> Self {
        let value = wrap(value, width);
        Self { form: Form::Uniform, width, lo: value, hi: value, align: value.trailing_zeros() }
    }

    pub(crate) fn with_range(mut self, lo: i64, hi: i64) -> Self {
        self.lo = lo;
        self.hi = hi;
        self
    }

    pub(crate) fn with_align(mut self, align: u32) -> Self {
        self.align = align;
        self
    }

    pub(crate) fn is_uniform(&self) -> bool {
        self.form == Form::Uniform
    }

    /// The number, when it is the same known one in all lanes.
    pub(crate) fn as_constant(&self) -> Option<i64> {
        (self.is_uniform() && self.lo == self.hi).then_some(self.lo)
    }

    /// True when the range says something, so that the representation is known not to wrap.
    pub(crate) fn is_bounded(&self) -> bool {
        (self.lo, self.hi) != full_range(self.width)
    }

    /// Least upper bound of two shapes of one width, for phis.
    pub(crate) fn join(&self, other: &Self) -> Self {
        if self == other {
            return self.clone();
        }
        let (full_lo, full_hi) = full_range(self.width);
        let same_form = self.form == other.form;
        let form = match (&self.form, &other.form) {
            (
                Form::Indexed { factor, signed, index },
                Form::Indexed { factor: other_factor, signed: other_signed, index: other_index },
            ) if factor == other_factor && signed == other_signed => {
                let joined = index.join(other_index);
                match joined.form {
                    Form::Indexed { .. } => Form::Varying,
                    _ => Form::Indexed { factor: *factor, signed: *signed, index: Box::new(joined) },
                }
            }
            _ if same_form => self.form.clone(),
            _ => Form::Varying,
        };
        let contains = self.lo <= other.lo && self.hi >= other.hi;
        // A range that grows around a loop would climb for ever: give it up at once.
        let (lo, hi) = if contains { (self.lo, self.hi) } else { (full_lo, full_hi) };
        let align = if matches!(form, Form::Varying) { 0 } else { self.align.min(other.align) };
        Self { form, width: self.width, lo, hi, align }
    }
}
