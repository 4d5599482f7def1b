//! Expected floating-point results from exact rational numbers: written from the definition of rounding, nothing shared with `arith`.

use crate::ir::{Rounding, ScalarType};
use dashu::integer::{IBig, UBig};
use dashu::rational::RBig;

pub const ROUNDINGS: [Rounding; 5] =
    [Rounding::NearestEven, Rounding::Zero, Rounding::Down, Rounding::Up, Rounding::NearestAway];

/// Exponent and fraction bits.
pub const fn widths(ty: ScalarType) -> (u32, u32) {
    match ty {
        ScalarType::F16 => (5, 10),
        ScalarType::BF16 => (8, 7),
        ScalarType::F32 => (8, 23),
        ScalarType::TF32 => (8, 10),
        ScalarType::F64 => (11, 52),
        ScalarType::E5M2 => (5, 2),
        ScalarType::E4M3 => (4, 3),
        _ => panic!("not a floating-point type"),
    }
}

pub const fn sign(ty: ScalarType) -> u64 {
    1 << (ty.bits() - 1)
}

/// Position of the lowest fraction bit: only tf32 keeps unused bits below.
const fn shift(ty: ScalarType) -> u32 {
    if matches!(ty, ScalarType::TF32) { 13 } else { 0 }
}

pub fn infinity(ty: ScalarType) -> u64 {
    let (e, f) = widths(ty);
    ((1 << e) - 1) << (f + shift(ty))
}

pub fn largest(ty: ScalarType) -> u64 {
    match ty {
        ScalarType::E4M3 => 0x7e,
        _ => infinity(ty) - (1 << shift(ty)),
    }
}

pub fn is_nan(ty: ScalarType, bits: u64) -> bool {
    let magnitude = bits & (sign(ty) - 1);
    if ty == ScalarType::E4M3 { magnitude == 0x7f } else { magnitude > infinity(ty) }
}

pub fn is_infinite(ty: ScalarType, bits: u64) -> bool {
    ty != ScalarType::E4M3 && bits & (sign(ty) - 1) == infinity(ty)
}

fn power(exponent: i32) -> RBig {
    let one = UBig::ONE << exponent.unsigned_abs() as usize;
    if exponent >= 0 { RBig::from(one) } else { RBig::from_parts(IBig::ONE, one) }
}

/// The exact value; not for NaN and infinity.
pub fn value(ty: ScalarType, bits: u64) -> RBig {
    let (e, f) = widths(ty);
    let magnitude = (bits & (sign(ty) - 1)) >> shift(ty);
    let (biased, fraction) = (magnitude >> f, magnitude & ((1 << f) - 1));
    let bias = (1 << (e - 1)) - 1;
    let significand = if biased == 0 { fraction } else { fraction | 1 << f };
    let exponent = (biased.max(1) as i32) - bias - f as i32;
    let absolute = RBig::from(significand) * power(exponent);
    if bits & sign(ty) != 0 { -absolute } else { absolute }
}

/// The whole number that `absolute`, which is not negative, rounds to.
fn round_whole(absolute: &RBig, negative: bool, rounding: Rounding) -> IBig {
    let floor = absolute.floor();
    let rest = absolute.clone() - RBig::from(floor.clone());
    if rest == RBig::ZERO {
        return floor;
    }
    let half = RBig::from_parts(IBig::ONE, UBig::from(2u8));
    let up = match rounding {
        Rounding::Zero => false,
        Rounding::Down => negative,
        Rounding::Up => !negative,
        Rounding::NearestAway => rest >= half,
        Rounding::NearestEven => rest > half || rest == half && &floor % IBig::from(2) != IBig::ZERO,
    };
    if up { floor + IBig::ONE } else { floor }
}

/// The value rounded to a whole number.
pub fn integral(value: &RBig, rounding: Rounding) -> IBig {
    let negative = *value < RBig::ZERO;
    let absolute = if negative { -value.clone() } else { value.clone() };
    let whole = round_whole(&absolute, negative, rounding);
    if negative { -whole } else { whole }
}

/// The value in format `ty`; `zero_sign` is the sign of an exact zero.
pub fn rounded(ty: ScalarType, value: &RBig, rounding: Rounding, zero_negative: bool) -> u64 {
    let (e, f) = widths(ty);
    if *value == RBig::ZERO {
        return if zero_negative { sign(ty) } else { 0 };
    }
    let negative = *value < RBig::ZERO;
    let absolute = if negative { -value.clone() } else { value.clone() };
    let min_exponent = 2 - (1 << (e - 1));
    // 2^exponent <= absolute < 2^(exponent + 1).
    let bits = |n: &IBig| dashu::base::BitTest::bit_len(n) as i32;
    let mut exponent = bits(absolute.numerator()) - bits(&IBig::from(absolute.denominator().clone()));
    if power(exponent) > absolute {
        exponent -= 1;
    }
    let quantum = exponent.max(min_exponent) - f as i32;
    let whole = round_whole(&(absolute / power(quantum)), negative, rounding);
    // The encoding is monotonous: the significand's carry runs into the exponent.
    let steps = i128::try_from(whole).expect("at most 2^(fraction bits + 1)");
    let magnitude = (i128::from(exponent.max(min_exponent) - min_exponent) << f) + steps;
    let magnitude = (magnitude as u64) << shift(ty);
    let magnitude = if magnitude > largest(ty) {
        let to_infinity = match rounding {
            Rounding::NearestEven | Rounding::NearestAway => true,
            Rounding::Zero => false,
            Rounding::Down => negative,
            Rounding::Up => !negative,
        };
        if to_infinity { infinity(ty) } else { largest(ty) }
    } else {
        magnitude
    };
    if negative { magnitude | sign(ty) } else { magnitude }
}

/// A number that rounds like the square root of a positive value.
pub fn root(value: &RBig) -> RBig {
    use dashu::base::SquareRootRem;
    // value * 2^2400 is whole for every format here, and its root has more than 100 bits.
    let scaled = value * power(2400);
    let whole = UBig::try_from(scaled.numerator().clone()).expect("positive");
    assert!(*scaled.denominator() == UBig::ONE);
    let (root, rest) = whole.sqrt_rem();
    let sticky = if rest == UBig::ZERO { UBig::ZERO } else { UBig::ONE };
    RBig::from((root << 1) + sticky) * power(-1201)
}

/// Bit patterns at the edges of a format, and a fixed sample of the rest.
pub fn operands(ty: ScalarType, n_random: usize) -> Vec<u64> {
    let (e, f) = widths(ty);
    let unit = 1u64 << shift(ty);
    let min_normal = 1 << (f + shift(ty));
    let one = ((1 << (e - 1)) - 1) << (f + shift(ty));
    let inf = infinity(ty);
    let edges = [
        0,
        unit,
        2 * unit,
        3 * unit,
        min_normal - unit,
        min_normal,
        min_normal + unit,
        one - unit,
        one,
        one + unit,
        one + min_normal,
        one + min_normal + min_normal / 2,
        largest(ty) - unit,
        largest(ty),
        inf,
        inf + unit,
        inf | (min_normal / 2),
        sign(ty) - unit,
    ];
    let mut all: Vec<u64> = edges.iter().flat_map(|&bits| [bits, bits | sign(ty)]).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..n_random {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        all.push(state & (sign(ty) | (sign(ty) - 1)) & !(unit - 1));
        // Near the last one, so that differences cancel.
        all.push(all[all.len() - 1] ^ (unit * (state >> 61)));
    }
    all
}
