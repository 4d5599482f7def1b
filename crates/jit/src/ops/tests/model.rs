//! What each operation should give: the interpreter's arithmetic, behind the signature of the tests.

use vgpu_ptx::interp::arith::{approx, compare, cvt, float, int, integer, mask, video, wrap};
use vgpu_ptx::ir::{Accuracy, Comparison, Op, RegWidth, ScalarType};

/// Results of one lane; `None` where PTX has no such form.
pub(super) fn results(op: &Op, s: &[u64], widths: &[RegWidth]) -> Option<Vec<u64>> {
    let at = |idx: usize| s.get(idx).copied().unwrap_or(0);
    let (a, b, c) = (at(0), at(1), at(2));
    let one = match op {
        Op::Mov(_) => a,
        Op::Pack { element } => {
            let bits = element.bits();
            s.iter().enumerate().fold(0, |whole, (idx, part)| whole | (part & mask(bits)) << (idx as u32 * bits))
        }
        Op::Unpack { element } => {
            let bits = element.bits();
            return Some((0..widths.len() as u32).map(|idx| a >> (idx * bits) & mask(bits)).collect());
        }
        Op::Cvt(form) => {
            let value = cvt::cvt(form, a, (s.len() > 1).then_some(b)).ok()?;
            if form.to.is_signed() && !form.to.is_packed() { integer(form.to, value) as u64 } else { value }
        }
        Op::CvtPack { to_bits, to_signed, from_signed, insert } => {
            cvt::pack(*to_bits, *to_signed, *from_signed, a, b, insert.then_some(c))
        }
        Op::Selp(_) => {
            if c & 1 == 1 {
                a
            } else {
                b
            }
        }
        Op::Slct { condition, ftz, .. } => {
            if compare::at_least_zero(*condition, *ftz, c) {
                a
            } else {
                b
            }
        }
        Op::Set { compare, result } => set(compare, *result, a, b, c)?,
        Op::Setp(form) => {
            let (low, high) = compare::elements(form, a, b);
            let combined = |truth| u64::from(form.combine.map_or(truth, |op| int::combine(op, truth, c & 1 == 1)));
            return Some(vec![combined(low), combined(high.unwrap_or(!low))]);
        }
        Op::IntBinary(op, ScalarType::Pred) => int::binary(*op, ScalarType::U8, a, b).ok()? & 1,
        Op::IntUnary(op, ScalarType::Pred) => int::unary(*op, ScalarType::U8, a).ok()? & 1,
        Op::IntBinary(op, ty) => int::binary(*op, *ty, a, b).ok()?,
        Op::IntUnary(op, ty) => int::unary(*op, *ty, a).ok()?,
        Op::MulWide(ty) => int::mul_wide(*ty, a, b).ok()?,
        Op::Mad { ty, half, saturate } => int::mad(*ty, *half, *saturate, a, b, c).ok()?,
        Op::Mul24 { ty, high, mad, saturate } => int::mul24(*ty, *high, *saturate, a, b, mad.then_some(c)),
        Op::Sad(ty) => int::sad(*ty, a, b, c),
        Op::Carry { op, ty, carry_in, .. } => {
            let carried = *carry_in && s[s.len() - 1] & 1 == 1;
            let (value, carry) = int::carry(*op, *ty, carried, a, b, c);
            return Some(vec![value, u64::from(carry)]);
        }
        Op::Bfe(ty) => int::bfe(*ty, a, b, c),
        Op::Bfi(ty) => int::bfi(*ty, a, b, c, at(3)),
        Op::Bmsk { clamp } => int::bmsk(*clamp, a, b),
        Op::Szext { ty, clamp } => int::szext(*ty, *clamp, a, b),
        Op::Fns => int::fns(a, b, c),
        Op::Shf { left, clamp } => int::shf(*left, *clamp, a, b, c),
        Op::Prmt(mode) => int::prmt(*mode, a, b, c),
        Op::Lop3 { table, predicate } => {
            let value = int::lop3(*table, a, b, c);
            let truth = predicate.map(|op| u64::from(int::combine(op, value != 0, at(3) & 1 == 1)));
            return Some([value].into_iter().chain(truth).collect());
        }
        Op::Dp4a { a_signed, b_signed } => int::dp4a(*a_signed, *b_signed, a, b, c),
        Op::Dp2a { a_signed, b_signed, high } => int::dp2a(*a_signed, *b_signed, *high, a, b, c),
        Op::Video(form) => video::scalar(form, a, b, c).ok()?,
        Op::VideoSimd(form) => video::simd(form, a, b, c).ok()?,
        Op::FloatBinary(op, ty, mode) => float::binary(*op, *ty, *mode, a, b).ok()?,
        Op::FloatUnary(op, ty, mode) => float::unary(*op, *ty, *mode, a).ok()?,
        Op::Fma(ty, mode) => float::fma(*ty, *mode, a, b, c).ok()?,
        Op::FloatMinMax3 { max, mode } => float::min_max3(*max, *mode, a, b, c).ok()?,
        Op::Div(ty, Accuracy::Ieee, mode) => float::div(*ty, *mode, a, b).ok()?,
        Op::Div(ty, accuracy, mode) => approx::div(*accuracy, *ty, *mode, a, b).ok()?,
        Op::Rcp(ty, Accuracy::Ieee, mode) => float::rcp(*ty, *mode, a).ok()?,
        Op::Rcp(ty, _, mode) => approx::rcp(*ty, *mode, a).ok()?,
        Op::Sqrt(ty, Accuracy::Ieee, mode) => float::sqrt(*ty, *mode, a).ok()?,
        Op::Sqrt(ty, _, mode) => approx::sqrt(*ty, *mode, a).ok()?,
        Op::Transcendental(function, ty, mode) => approx::transcendental(*function, *ty, *mode, a).ok()?,
        Op::Copysign(ty) => float::copysign(*ty, a, b),
        Op::TestP(property, ty) => u64::from(float::test(*property, *ty, a)),
        _ => return None,
    };
    Some(vec![one & mask(widths[0].bits())])
}

fn set(form: &Comparison, result: ScalarType, a: u64, b: u64, c: u64) -> Option<u64> {
    let (low, high) = compare::elements(form, a, b);
    let combined = |truth| form.combine.map_or(truth, |op| int::combine(op, truth, c & 1 == 1));
    let Some(high) = high else {
        let value = compare::set_value(result, combined(low)).ok()?;
        return Some(if result.is_signed() { integer(result, value) as u64 } else { value });
    };
    let element = if result.is_packed() { result.element() } else { ScalarType::U16 };
    let half = |truth| compare::set_value(element, combined(truth)).ok();
    Some(wrap(ScalarType::B32, i128::from(half(high)? << 16 | half(low)?)))
}
