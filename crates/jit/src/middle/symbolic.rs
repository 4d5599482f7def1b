//! Computing with shapes: which operations keep a value uniform, affine or indexed, and how the parts are computed.
//!
//! One function serves analysis and code generation: [`transfer`] is generic over [`Scalars`], which is "nothing" in the
//! analysis and LLVM instructions in code generation, so both always agree. `None` means: no such form; compute
//! lane by lane.

use super::shape::{Form, LaneConstants, Shape, full_range, wrap};
use vgpu_ptx::ir::{Cvt, IntBinary, MulHalf, Op, RegWidth, ScalarType};

/// Scalar integer operations on uniform parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScalarOp {
    Add,
    Sub,
    Mul,
    And,
    Or,
    Xor,
    LShr,
    AShr,
    UDiv,
    URem,
}

/// Where uniform parts are computed.
pub(crate) trait Scalars {
    type V: Copy;
    fn constant(&mut self, value: i64, width: RegWidth) -> Self::V;
    fn arithmetic(&mut self, op: ScalarOp, a: Self::V, b: Self::V) -> Self::V;
    /// Truncates or extends.
    fn resize(&mut self, a: Self::V, to: RegWidth, signed: bool) -> Self::V;
}

/// The analysis computes no values.
pub(crate) struct NoScalars;

impl Scalars for NoScalars {
    type V = ();
    fn constant(&mut self, _: i64, _: RegWidth) {}
    fn arithmetic(&mut self, _: ScalarOp, (): (), (): ()) {}
    fn resize(&mut self, (): (), _: RegWidth, _: bool) {}
}

/// A value in parts.
#[derive(Clone, Debug)]
pub(crate) struct Sym<V> {
    pub(crate) shape: Shape,
    pub(crate) parts: Parts<V>,
}

/// The run-time parts of each form.
#[derive(Clone, Debug)]
pub(crate) enum Parts<V> {
    Uniform(V),
    Affine { base: V, scale: Option<V> },
    Indexed { base: V, index: Box<Sym<V>> },
    Varying(V),
}

impl<V: Copy> Sym<V> {
    pub(crate) fn uniform(value: V, shape: Shape) -> Self {
        debug_assert!(shape.is_uniform());
        Self { shape, parts: Parts::Uniform(value) }
    }

    /// Uniform or affine: base, lane constants, scaled term.
    fn linear(&self, lanes: u32) -> Option<Linear<V>> {
        match (&self.parts, &self.shape.form) {
            (Parts::Uniform(base), _) => Some(Linear { base: *base, c: vec![0; lanes as usize].into(), scaled: None }),
            (Parts::Affine { base, scale }, Form::Affine { c, d }) => {
                let scaled = scale.and_then(|scale| d.clone().map(|d| (scale, d)));
                Some(Linear { base: *base, c: c.clone(), scaled })
            }
            _ => None,
        }
    }
}

struct Linear<V> {
    base: V,
    c: LaneConstants,
    scaled: Option<(V, LaneConstants)>,
}

impl<V: Copy> Linear<V> {
    /// `base` and the lane constants share no bits.
    fn is_disjoint(&self, align: u32) -> bool {
        let low = if align >= 63 { i64::MAX } else { (1 << align) - 1 };
        self.scaled.is_none() && self.c.iter().all(|&c| c >= 0 && c <= low)
    }
}

fn build<V: Copy>(linear: Linear<V>, width: RegWidth, range: Option<(i128, i128)>, align: u32) -> Sym<V> {
    let (full_lo, full_hi) = full_range(width);
    let (lo, hi) = match range {
        Some((lo, hi)) if lo >= i128::from(full_lo) && hi <= i128::from(full_hi) => (lo as i64, hi as i64),
        _ => (full_lo, full_hi),
    };
    let flat = linear.c.iter().all(|&c| c == 0) && linear.scaled.is_none();
    let (form, parts) = if flat {
        (Form::Uniform, Parts::Uniform(linear.base))
    } else {
        let (scale, d) = linear.scaled.map_or((None, None), |(scale, d)| (Some(scale), Some(d)));
        (Form::Affine { c: linear.c, d }, Parts::Affine { base: linear.base, scale })
    };
    let align = align.min(width.bits());
    Sym { shape: Shape { form, width, lo, hi, align }, parts }
}

fn map(c: &LaneConstants, width: RegWidth, f: impl Fn(i64) -> i64) -> LaneConstants {
    c.iter().map(|&c| wrap(f(c), width)).collect()
}

/// Range of the sum (or difference), where both are known.
fn sum_range(a: &Shape, b: &Shape, subtract: bool) -> Option<(i128, i128)> {
    if !a.is_bounded() || !b.is_bounded() {
        return None;
    }
    let (alo, ahi, blo, bhi) = (i128::from(a.lo), i128::from(a.hi), i128::from(b.lo), i128::from(b.hi));
    Some(if subtract { (alo - bhi, ahi - blo) } else { (alo + blo, ahi + bhi) })
}

fn product_range(a: &Shape, b: &Shape) -> Option<(i128, i128)> {
    if !a.is_bounded() || !b.is_bounded() {
        return None;
    }
    let ends = |x: &Shape| [i128::from(x.lo), i128::from(x.hi)];
    let products = ends(a).into_iter().flat_map(|x| ends(b).map(|y| x * y));
    let products: Vec<_> = products.collect();
    Some((*products.iter().min()?, *products.iter().max()?))
}

/// The result of an operation in parts, when its form is better than varying.
pub(crate) fn transfer<S: Scalars>(
    s: &mut S,
    op: &Op,
    args: &[Sym<S::V>],
    result: RegWidth,
    lanes: u32,
) -> Option<Sym<S::V>> {
    let mut cx = Transfer { s, lanes };
    match op {
        Op::Mov(_) => (args[0].shape.width == result).then(|| args[0].clone()),
        Op::IntBinary(int, ty) if !ty.is_packed() && *ty != ScalarType::Pred => {
            let (a, b) = (&args[0], &args[1]);
            match int {
                IntBinary::Add => cx.add(a, b, false),
                IntBinary::Sub => cx.add(a, b, true),
                IntBinary::MulLo => cx.mul(a, b),
                IntBinary::Shl => cx.shl(a, b),
                IntBinary::Shr => cx.shr(a, b.shape.as_constant()?, ty.is_signed()),
                IntBinary::And | IntBinary::Or | IntBinary::Xor => cx.bitwise(*int, a, b),
                IntBinary::Div | IntBinary::Rem => {
                    let divisor = b.shape.as_constant().filter(|k| *k > 0 && k.count_ones() == 1)?;
                    if a.shape.lo < 0 || !a.shape.is_bounded() {
                        return None;
                    }
                    match int {
                        IntBinary::Div => cx.shr(a, i64::from(divisor.trailing_zeros()), false),
                        _ => cx.bitwise_constant(IntBinary::And, a, divisor - 1),
                    }
                }
                _ => None,
            }
        }
        Op::MulWide(ty) => cx.mul_wide(&args[0], &args[1], ty.is_signed(), result),
        Op::Mad { ty, half: MulHalf::Lo, saturate: false } if !ty.is_packed() => {
            let product = cx.mul(&args[0], &args[1])?;
            cx.add(&product, &args[2], false)
        }
        Op::Mad { ty, half: MulHalf::Wide, .. } => {
            let product = cx.mul_wide(&args[0], &args[1], ty.is_signed(), result)?;
            cx.add(&product, &args[2], false)
        }
        Op::Cvt(cvt) => cx.convert(cvt, &args[0], result),
        _ => None,
    }
}

struct Transfer<'s, S: Scalars> {
    s: &'s mut S,
    lanes: u32,
}

impl<S: Scalars> Transfer<'_, S> {
    fn add(&mut self, a: &Sym<S::V>, b: &Sym<S::V>, subtract: bool) -> Option<Sym<S::V>> {
        let width = a.shape.width;
        let op = if subtract { ScalarOp::Sub } else { ScalarOp::Add };
        if let (Parts::Indexed { base, index }, Parts::Uniform(other)) = (&a.parts, &b.parts) {
            let base = self.s.arithmetic(op, *base, *other);
            return Some(Sym { shape: a.shape.clone(), parts: Parts::Indexed { base, index: index.clone() } });
        }
        if let (Parts::Uniform(_), Parts::Indexed { .. }, false) = (&a.parts, &b.parts, subtract) {
            return self.add(b, a, false);
        }
        let (x, y) = (a.linear(self.lanes)?, b.linear(self.lanes)?);
        let scaled = match (x.scaled, y.scaled) {
            (None, None) => None,
            (Some(scaled), None) => Some(scaled),
            (None, Some((scale, d))) => Some((scale, if subtract { map(&d, width, i64::wrapping_neg) } else { d })),
            (Some(_), Some(_)) => return None,
        };
        let combine =
            |(&p, &q): (&i64, &i64)| wrap(if subtract { p.wrapping_sub(q) } else { p.wrapping_add(q) }, width);
        let c = x.c.iter().zip(y.c.iter()).map(combine).collect();
        let base = self.s.arithmetic(op, x.base, y.base);
        let range = sum_range(&a.shape, &b.shape, subtract);
        Some(build(Linear { base, c, scaled }, width, range, a.shape.align.min(b.shape.align)))
    }

    fn mul(&mut self, a: &Sym<S::V>, b: &Sym<S::V>) -> Option<Sym<S::V>> {
        let width = a.shape.width;
        if let Some(k) = b.shape.as_constant() {
            return self.mul_constant(a, k);
        }
        if let Some(k) = a.shape.as_constant() {
            return self.mul_constant(b, k);
        }
        let (x, factor) = match (&a.parts, &b.parts) {
            (_, Parts::Uniform(factor)) => (a.linear(self.lanes)?, *factor),
            (Parts::Uniform(factor), _) => (b.linear(self.lanes)?, *factor),
            _ => return None,
        };
        if x.scaled.is_some() {
            return None;
        }
        let base = self.s.arithmetic(ScalarOp::Mul, x.base, factor);
        let flat = x.c.iter().all(|&c| c == 0);
        let scaled = (!flat).then(|| (factor, x.c.clone()));
        let c = vec![0; self.lanes as usize].into();
        Some(build(Linear { base, c, scaled }, width, product_range(&a.shape, &b.shape), 0))
    }

    fn mul_constant(&mut self, a: &Sym<S::V>, k: i64) -> Option<Sym<S::V>> {
        let width = a.shape.width;
        let factor = self.s.constant(k, width);
        if let (Parts::Indexed { base, index }, Form::Indexed { factor: f, signed, index: shape }) =
            (&a.parts, &a.shape.form)
        {
            let base = self.s.arithmetic(ScalarOp::Mul, *base, factor);
            let form = Form::Indexed { factor: f.wrapping_mul(k), signed: *signed, index: shape.clone() };
            let shape = Shape { form, ..Shape::varying(width) };
            return Some(Sym { shape, parts: Parts::Indexed { base, index: index.clone() } });
        }
        let x = a.linear(self.lanes)?;
        let base = self.s.arithmetic(ScalarOp::Mul, x.base, factor);
        let times = |c: i64| c.wrapping_mul(k);
        let scaled = x.scaled.map(|(scale, d)| (scale, map(&d, width, times)));
        let range = product_range(&a.shape, &Shape::constant(k, width).with_range(k, k));
        let align = a.shape.align.saturating_add(k.trailing_zeros());
        Some(build(Linear { base, c: map(&x.c, width, times), scaled }, width, range, align))
    }

    fn shl(&mut self, a: &Sym<S::V>, amount: &Sym<S::V>) -> Option<Sym<S::V>> {
        let amount = amount.shape.as_constant()?;
        let bits = i64::from(a.shape.width.bits());
        if (0..bits.min(63)).contains(&amount) { self.mul_constant(a, 1 << amount) } else { None }
    }

    fn shr(&mut self, a: &Sym<S::V>, amount: i64, signed: bool) -> Option<Sym<S::V>> {
        let width = a.shape.width;
        if !(0..i64::from(width.bits())).contains(&amount) {
            return None;
        }
        let x = a.linear(self.lanes)?;
        if !x.is_disjoint(a.shape.align) {
            return None;
        }
        let op = if signed { ScalarOp::AShr } else { ScalarOp::LShr };
        // The shift count has the value's width here; PTX's own count is 32 bits.
        let count = self.s.constant(amount, width);
        let base = self.s.arithmetic(op, x.base, count);
        let range = (a.shape.is_bounded() && a.shape.lo >= 0)
            .then(|| (i128::from(a.shape.lo >> amount), i128::from(a.shape.hi >> amount)));
        let c = map(&x.c, width, |c| c >> amount);
        Some(build(Linear { base, c, scaled: None }, width, range, a.shape.align.saturating_sub(amount as u32)))
    }

    fn bitwise(&mut self, op: IntBinary, a: &Sym<S::V>, b: &Sym<S::V>) -> Option<Sym<S::V>> {
        if let Some(k) = b.shape.as_constant() {
            return self.bitwise_constant(op, a, k);
        }
        if let Some(k) = a.shape.as_constant() {
            return self.bitwise_constant(op, b, k);
        }
        if op == IntBinary::And {
            return None;
        }
        // Bits that do not meet: the sum is the same.
        let low_bits_free = |x: &Sym<S::V>| {
            let linear = x.linear(self.lanes)?;
            let c_zeros = linear.c.iter().filter(|&&c| c != 0).map(|c| c.trailing_zeros()).min().unwrap_or(63);
            linear.scaled.is_none().then_some(x.shape.align.min(c_zeros).min(62))
        };
        let fits = |x: &Sym<S::V>, bits: u32| x.shape.is_bounded() && x.shape.lo >= 0 && x.shape.hi < 1 << bits;
        let meets =
            !(low_bits_free(a).is_some_and(|bits| fits(b, bits)) || low_bits_free(b).is_some_and(|bits| fits(a, bits)));
        if meets { None } else { self.add(a, b, false) }
    }

    fn bitwise_constant(&mut self, op: IntBinary, a: &Sym<S::V>, k: i64) -> Option<Sym<S::V>> {
        let width = a.shape.width;
        let x = a.linear(self.lanes)?;
        if !x.is_disjoint(a.shape.align) {
            return None;
        }
        let flat = a.shape.is_uniform();
        let low = if flat { 0 } else { (1i64 << a.shape.align.min(62)) - 1 };
        let (scalar_op, high_mask, f): (_, i64, Box<dyn Fn(i64) -> i64>) = match op {
            IntBinary::And => (ScalarOp::And, k, Box::new(move |c| c & k)),
            IntBinary::Or => (ScalarOp::Or, k & !low, Box::new(move |c| c | (k & low))),
            _ => (ScalarOp::Xor, k & !low, Box::new(move |c| c ^ (k & low))),
        };
        let mask = self.s.constant(high_mask, width);
        let base = self.s.arithmetic(scalar_op, x.base, mask);
        let c = map(&x.c, width, f);
        let range = match op {
            IntBinary::And if k >= 0 => {
                let cap = if a.shape.is_bounded() && a.shape.lo >= 0 { a.shape.hi.min(k) } else { k };
                Some((0, i128::from(cap)))
            }
            _ => a.shape.as_constant().map(|value| {
                let result = match op {
                    IntBinary::And => value & k,
                    IntBinary::Or => value | k,
                    _ => value ^ k,
                };
                (i128::from(result), i128::from(result))
            }),
        };
        let align = match op {
            IntBinary::And => a.shape.align.max(k.trailing_zeros()),
            _ if flat => a.shape.align.min(k.trailing_zeros()),
            _ => a.shape.align,
        };
        Some(build(Linear { base, c, scaled: None }, width, range, align))
    }

    fn mul_wide(&mut self, a: &Sym<S::V>, b: &Sym<S::V>, signed: bool, to: RegWidth) -> Option<Sym<S::V>> {
        let (a, b) = (self.extend(a, to, signed)?, self.extend(b, to, signed)?);
        self.mul(&a, &b)
    }

    fn convert(&mut self, cvt: &Cvt, a: &Sym<S::V>, result: RegWidth) -> Option<Sym<S::V>> {
        let is_plain = |ty: ScalarType| !ty.is_float() && !ty.is_packed() && ty != ScalarType::Pred && ty.bits() >= 8;
        if !is_plain(cvt.to) || !is_plain(cvt.from) || cvt.saturate {
            return None;
        }
        // The register may be wider than the types: only the plain cases are symbolic.
        let (from, to) = (RegWidth::from_bits(cvt.from.bits())?, RegWidth::from_bits(cvt.to.bits())?);
        if from != a.shape.width || to != result {
            return None;
        }
        match from.bits().cmp(&to.bits()) {
            std::cmp::Ordering::Equal => Some(a.clone()),
            std::cmp::Ordering::Less => self.extend(a, to, cvt.from.is_signed()),
            std::cmp::Ordering::Greater => self.truncate(a, to),
        }
    }

    fn extend(&mut self, a: &Sym<S::V>, to: RegWidth, signed: bool) -> Option<Sym<S::V>> {
        let from = a.shape.width;
        if let Parts::Uniform(value) = &a.parts {
            let value = self.s.resize(*value, to, signed);
            let (lo, hi) = self.extended_range(&a.shape, signed);
            return Some(Sym::uniform(value, Shape::uniform(to).with_range(lo, hi).with_align(a.shape.align)));
        }
        if let Some(x) = a.linear(self.lanes) {
            let (least, greatest) = (x.c.iter().min().copied()?, x.c.iter().max().copied()?);
            let (full_lo, full_hi) = full_range(from);
            let floor = if signed { full_lo } else { 0 };
            let base_fits = a.shape.lo.checked_sub(greatest).is_some_and(|lo| lo >= floor)
                && a.shape.hi.checked_sub(least).is_some_and(|hi| hi <= full_hi);
            if x.scaled.is_none() && a.shape.is_bounded() && a.shape.lo >= floor && base_fits {
                let base = self.s.resize(x.base, to, signed);
                let range = Some((i128::from(a.shape.lo), i128::from(a.shape.hi)));
                return Some(build(Linear { base, c: x.c, scaled: None }, to, range, a.shape.align));
            }
        }
        if from != RegWidth::B32 || to != RegWidth::B64 || matches!(a.parts, Parts::Indexed { .. }) {
            return None;
        }
        let form = Form::Indexed { factor: 1, signed, index: Box::new(a.shape.clone()) };
        let base = self.s.constant(0, to);
        let parts = Parts::Indexed { base, index: Box::new(a.clone()) };
        Some(Sym { shape: Shape { form, ..Shape::varying(to) }, parts })
    }

    fn extended_range(&self, a: &Shape, signed: bool) -> (i64, i64) {
        let bits = a.width.bits();
        if signed || (a.lo >= 0 && a.is_bounded()) {
            (a.lo, a.hi)
        } else if bits >= 63 {
            full_range(RegWidth::B64)
        } else if a.lo == a.hi {
            let value = a.lo & ((1 << bits) - 1);
            (value, value)
        } else {
            (0, (1 << bits) - 1)
        }
    }

    fn truncate(&mut self, a: &Sym<S::V>, to: RegWidth) -> Option<Sym<S::V>> {
        if let (Parts::Indexed { base, index }, Form::Indexed { factor, .. }) = (&a.parts, &a.shape.form) {
            let index = if index.shape.width == to { (**index).clone() } else { self.truncate(index, to)? };
            let product = self.mul_constant(&index, wrap(*factor, to))?;
            let base = self.s.resize(*base, to, false);
            return self.add(&product, &Sym::uniform(base, Shape::uniform(to)), false);
        }
        let x = a.linear(self.lanes)?;
        let base = self.s.resize(x.base, to, false);
        let scaled = match x.scaled {
            Some((scale, d)) => Some((self.s.resize(scale, to, false), map(&d, to, |d| d))),
            None => None,
        };
        let (full_lo, full_hi) = full_range(to);
        let fits = a.shape.is_bounded() && a.shape.lo >= full_lo && a.shape.hi <= full_hi;
        let range = fits.then(|| (i128::from(a.shape.lo), i128::from(a.shape.hi)));
        let c = map(&x.c, to, |c| c);
        Some(build(Linear { base, c, scaled }, to, range, a.shape.align))
    }
}
