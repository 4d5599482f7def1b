//! Functions of single precision as PTX: range reductions and polynomials, within a few units in the last place.
//!
//! The coefficients of log, tanh and erf are minimax fits on the intervals named; the tests hold each function against
//! double precision on a grid over its whole range. NaN stays NaN, infinities go to the limits.

use crate::emit::Text;
use crate::op::Type;

const F: Type = Type::F32;

/// A constant as PTX writes it: its bits.
fn constant(value: f32) -> String {
    format!("0f{:08X}", value.to_bits())
}

/// `a * b + c`.
fn fma(text: &mut Text, a: &str, b: &str, c: &str) -> String {
    text.make(F, "fma.rn.f32", &[a, b, c])
}

/// Horner's rule, highest coefficient first.
fn polynomial(text: &mut Text, x: &str, coefficients: &[f32]) -> String {
    let mut sum = constant(coefficients[0]);
    for coefficient in &coefficients[1..] {
        sum = fma(text, &sum, x, &constant(*coefficient));
    }
    sum
}

/// 2^j with j the nearest integer to x / ln 2, times 2^f by the device's approximation on [-1/2, 1/2].
pub(crate) fn exp(text: &mut Text, x: &str) -> String {
    let scaled = text.make(F, "mul.rn.f32", &[x, &constant(std::f32::consts::LOG2_E)]);
    let whole = text.make(F, "cvt.rni.f32.f32", &[&scaled]);
    // Beyond, the result is 0 or infinite whatever the fraction is; NaN goes through the fraction.
    let whole = text.make(F, "min.f32", &[&whole, &constant(130.0)]);
    let whole = text.make(F, "max.f32", &[&whole, &constant(-160.0)]);
    let minus = text.make(F, "neg.f32", &[&whole]);
    // log2 e in two parts: the product's rounding error would be multiplied by x.
    let fraction = fma(text, x, &constant(std::f32::consts::LOG2_E), &minus);
    let fraction = fma(text, x, &constant(1.925_963e-8), &fraction);
    let power = text.make(F, "ex2.approx.f32", &[&fraction]);
    // The scale in two factors: each is a normal number.
    let exponent = text.make(Type::I32, "cvt.rni.s32.f32", &[&whole]);
    let half = text.make(Type::I32, "shr.s32", &[&exponent, "1"]);
    let rest = text.make(Type::I32, "sub.s32", &[&exponent, &half]);
    let first = power_of_two(text, &half);
    let second = power_of_two(text, &rest);
    let scaled = text.make(F, "mul.rn.f32", &[&power, &first]);
    text.make(F, "mul.rn.f32", &[&scaled, &second])
}

fn power_of_two(text: &mut Text, exponent: &str) -> String {
    let biased = text.make(Type::I32, "add.s32", &[exponent, "127"]);
    let bits = text.make(Type::I32, "shl.b32", &[&biased, "23"]);
    text.make(F, "mov.b32", &[&bits])
}

/// e ln 2 + ln m with m in [2/3, 4/3), the second by a polynomial in m - 1.
pub(crate) fn log(text: &mut Text, x: &str) -> String {
    // Numbers without an exponent of their own get one.
    let small = text.make(Type::Bool, "setp.lt.f32", &[x, &constant(f32::MIN_POSITIVE)]);
    let raised = text.make(F, "mul.rn.f32", &[x, &constant(8_388_608.0)]);
    let normal = text.make(F, "selp.f32", &[&raised, x, &small]);
    let offset = text.make(F, "selp.f32", &[&constant(-23.0), &constant(0.0), &small]);
    let bits = text.make(Type::I32, "mov.b32", &[&normal]);
    let above = text.make(Type::I32, "sub.s32", &[&bits, &format!("0x{:X}", 0.666_666_7_f32.to_bits())]);
    let exponent = text.make(Type::I32, "and.b32", &[&above, "0xFF800000"]);
    let mantissa = text.make(Type::I32, "sub.s32", &[&bits, &exponent]);
    let mantissa = text.make(F, "mov.b32", &[&mantissa]);
    let exponent = text.make(F, "cvt.rn.f32.s32", &[&exponent]);
    let exponent = fma(text, &exponent, &constant(1.192_092_9e-7), &offset);
    let m = text.make(F, "add.rn.f32", &[&mantissa, &constant(-1.0)]);
    let s = text.make(F, "mul.rn.f32", &[&m, &m]);
    let odd = polynomial(text, &s, &[-0.130_310_06, -0.121_483_8, -0.166_846_13, -0.249_996_2]);
    let even = polynomial(text, &s, &[0.140_869_14, 0.139_814_85, 0.200_120_35]);
    let sum = fma(text, &even, &m, &odd);
    let sum = fma(text, &sum, &m, &constant(0.333_331_97));
    let sum = fma(text, &sum, &m, &constant(-0.5));
    let sum = fma(text, &sum, &s, &m);
    let value = fma(text, &exponent, &constant(std::f32::consts::LN_2), &sum);
    // Zero, infinity, NaN and negative numbers: x + x keeps the first three apart.
    let infinite = text.make(Type::Bool, "setp.geu.f32", &[x, &constant(f32::INFINITY)]);
    let doubled = text.make(F, "add.rn.f32", &[x, x]);
    let value = text.make(F, "selp.f32", &[&doubled, &value, &infinite]);
    let zero = text.make(Type::Bool, "setp.eq.f32", &[x, &constant(0.0)]);
    let value = text.make(F, "selp.f32", &[&constant(f32::NEG_INFINITY), &value, &zero]);
    let negative = text.make(Type::Bool, "setp.lt.f32", &[x, &constant(0.0)]);
    text.make(F, "selp.f32", &[&constant(f32::NAN), &value, &negative])
}

/// x + x^3 p(x^2) up to 0.55, then 1 - 2 / (e^2x + 1).
pub(crate) fn tanh(text: &mut Text, x: &str) -> String {
    let size = text.make(F, "abs.f32", &[x]);
    let double = text.make(F, "add.rn.f32", &[&size, &size]);
    let power = exp(text, &double);
    let below = text.make(F, "add.rn.f32", &[&power, &constant(1.0)]);
    let part = text.make(F, "div.rn.f32", &[&constant(-2.0), &below]);
    let large = text.make(F, "add.rn.f32", &[&part, &constant(1.0)]);
    let large = text.make(F, "copysign.f32", &[x, &large]);
    let s = text.make(F, "mul.rn.f32", &[x, x]);
    let p = polynomial(text, &s, &[1.573_944e-2, -5.230_256e-2, 1.331_524_7e-1, -3.333_276_8e-1]);
    let p = text.make(F, "mul.rn.f32", &[&p, &s]);
    let small = fma(text, &p, x, x);
    let use_small = text.make(Type::Bool, "setp.lt.f32", &[&size, &constant(0.55)]);
    text.make(F, "selp.f32", &[&small, &large, &use_small])
}

/// x + x p(x^2) up to 0.92, then 1 - e^(p(|x|)).
pub(crate) fn erf(text: &mut Text, x: &str) -> String {
    let size = text.make(F, "abs.f32", &[x]);
    let s = text.make(F, "mul.rn.f32", &[x, x]);
    let small = polynomial(
        text,
        &s,
        &[-5.967_617e-4, 4.991_194_2e-3, -2.676_813_5e-2, 1.128_199_25e-1, -3.761_253_4e-1, 1.283_791_7e-1],
    );
    let small = fma(text, &small, x, x);
    // From 4 on the result is 1.
    let near = text.make(F, "min.f32", &[&size, &constant(4.0)]);
    let near_s = text.make(F, "mul.rn.f32", &[&near, &near]);
    let even = fma(text, &constant(-1.728_534_7e-5), &near, &constant(3.831_97e-4));
    let odd = fma(text, &constant(-3.883_964_4e-3), &near, &constant(2.425_462_2e-2));
    let p = fma(text, &even, &near_s, &odd);
    let p = fma(text, &p, &near, &constant(-1.067_777_9e-1));
    let p = fma(text, &p, &near, &constant(-6.348_468_7e-1));
    let p = fma(text, &p, &near, &constant(-1.287_175_1e-1));
    let minus = text.make(F, "neg.f32", &[&near]);
    let p = fma(text, &p, &near, &minus);
    let power = exp(text, &p);
    let large = text.make(F, "sub.rn.f32", &[&constant(1.0), &power]);
    let large = text.make(F, "copysign.f32", &[x, &large]);
    // NaN is not above, and the small branch keeps it.
    let use_large = text.make(Type::Bool, "setp.gt.f32", &[&size, &constant(0.921_875)]);
    text.make(F, "selp.f32", &[&large, &small, &use_large])
}

/// 1 / (1 + e^-x), as e^x / (1 + e^x) left of zero, where e^-x would overflow.
pub(crate) fn sigmoid(text: &mut Text, x: &str) -> String {
    let size = text.make(F, "abs.f32", &[x]);
    let minus = text.make(F, "neg.f32", &[&size]);
    let power = exp(text, &minus);
    let below = text.make(F, "add.rn.f32", &[&power, &constant(1.0)]);
    let right = text.make(F, "rcp.rn.f32", &[&below]);
    let left = text.make(F, "mul.rn.f32", &[&power, &right]);
    let negative = text.make(Type::Bool, "setp.lt.f32", &[x, &constant(0.0)]);
    text.make(F, "selp.f32", &[&left, &right, &negative])
}

/// x/2 (1 + erf(x / sqrt 2)).
pub(crate) fn gelu(text: &mut Text, x: &str) -> String {
    let scaled = text.make(F, "mul.rn.f32", &[x, &constant(std::f32::consts::FRAC_1_SQRT_2)]);
    let part = erf(text, &scaled);
    let half = text.make(F, "mul.rn.f32", &[x, &constant(0.5)]);
    fma(text, &half, &part, &half)
}
