//! Tables for floating-point arithmetic, expected values from exact rational numbers.

use super::exact::{self, ROUNDINGS, operands, rounded, value};
use crate::interp::arith::{ApproxOp, accepts, approx, compare, cvt, float};
use crate::ir::*;
use dashu::integer::IBig;
use dashu::rational::RBig;

const TYPES: [ScalarType; 4] = [ScalarType::F16, ScalarType::BF16, ScalarType::F32, ScalarType::F64];

const fn mode(rounding: Rounding) -> FloatMode {
    FloatMode { rounding, ftz: false, saturate: false, nan: false, xorsign_abs: false, relu: false }
}

/// The NaN that operands or an invalid operation give.
fn expected_nan(ty: ScalarType, operands: &[u64]) -> u64 {
    let first = operands.iter().find(|&&bits| exact::is_nan(ty, bits));
    match (ty, first) {
        (ScalarType::F64, Some(bits)) => bits | 0x0008_0000_0000_0000,
        (ScalarType::F64, None) => 0xfff8_0000_0000_0000,
        (ScalarType::F32, _) => 0x7fff_ffff,
        _ => 0x7fff,
    }
}

/// `a + b` for a second operand that may be the exact product of an fma.
fn expected_sum(ty: ScalarType, rounding: Rounding, a: (RBig, bool), b: (RBig, bool)) -> u64 {
    let sum = a.0 + b.0;
    // Equal signs give that sign; an exact cancellation gives +0, or -0 when rounding down.
    let zero_negative = if a.1 == b.1 { a.1 } else { rounding == Rounding::Down };
    rounded(ty, &sum, rounding, zero_negative)
}

#[test]
fn additions_and_products_are_correctly_rounded() {
    for ty in TYPES {
        let table = operands(ty, 12);
        let negative = |bits: u64| bits & exact::sign(ty) != 0;
        for rounding in ROUNDINGS {
            for &a in &table {
                for &b in &table {
                    let any_nan = exact::is_nan(ty, a) || exact::is_nan(ty, b);
                    let (inf_a, inf_b) = (exact::is_infinite(ty, a), exact::is_infinite(ty, b));
                    let zero = |bits: u64| bits & (exact::sign(ty) - 1) == 0;
                    let sum = |b: u64| {
                        if any_nan || inf_a && inf_b && negative(a) != negative(b) {
                            expected_nan(ty, &[a, b])
                        } else if inf_a || inf_b {
                            if inf_a { a } else { b }
                        } else {
                            expected_sum(ty, rounding, (value(ty, a), negative(a)), (value(ty, b), negative(b)))
                        }
                    };
                    let sign = (a ^ b) & exact::sign(ty);
                    let product = if any_nan || inf_a && zero(b) || inf_b && zero(a) {
                        expected_nan(ty, &[a, b])
                    } else if inf_a || inf_b {
                        exact::infinity(ty) | sign
                    } else {
                        rounded(ty, &(value(ty, a) * value(ty, b)), rounding, sign != 0)
                    };
                    let quotient = if any_nan || inf_a && inf_b || zero(a) && zero(b) {
                        expected_nan(ty, &[a, b])
                    } else if inf_a || zero(b) {
                        exact::infinity(ty) | sign
                    } else if inf_b {
                        sign
                    } else {
                        rounded(ty, &(value(ty, a) / value(ty, b)), rounding, sign != 0)
                    };
                    let difference =
                        if exact::is_nan(ty, b) { expected_nan(ty, &[a, b]) } else { sum(b ^ exact::sign(ty)) };
                    let got = |op| float::binary(op, ty, mode(rounding), a, b).expect("exists");
                    assert_eq!(got(FloatBinary::Add), sum(b), "{a:#x} + {b:#x} {ty} {rounding:?}");
                    assert_eq!(got(FloatBinary::Sub), difference, "{a:#x} - {b:#x} {ty} {rounding:?}");
                    assert_eq!(got(FloatBinary::Mul), product, "{a:#x} * {b:#x} {ty} {rounding:?}");
                    let got = float::div(ty, mode(rounding), a, b).expect("exists");
                    assert_eq!(got, quotient, "{a:#x} / {b:#x} {ty} {rounding:?}");
                }
            }
        }
    }
}

#[test]
fn fused_products_round_once() {
    for ty in TYPES {
        let table: Vec<u64> = operands(ty, 4).into_iter().step_by(if ty == ScalarType::F64 { 2 } else { 1 }).collect();
        let negative = |bits: u64| bits & exact::sign(ty) != 0;
        let zero = |bits: u64| bits & (exact::sign(ty) - 1) == 0;
        for (i, &a) in table.iter().enumerate() {
            for &b in &table[i..] {
                for &c in &table {
                    let nan = [a, b, c].iter().any(|&bits| exact::is_nan(ty, bits));
                    let (inf_a, inf_b, inf_c) =
                        (exact::is_infinite(ty, a), exact::is_infinite(ty, b), exact::is_infinite(ty, c));
                    let sign = (a ^ b) & exact::sign(ty);
                    let invalid =
                        inf_a && zero(b) || inf_b && zero(a) || (inf_a || inf_b) && inf_c && (sign != 0) != negative(c);
                    for rounding in [Rounding::NearestEven, Rounding::Down, Rounding::Zero] {
                        let expected = if nan || invalid {
                            expected_nan(ty, &[a, b, c])
                        } else if inf_a || inf_b {
                            exact::infinity(ty) | sign
                        } else if inf_c {
                            c
                        } else {
                            let product = (value(ty, a) * value(ty, b), sign != 0);
                            expected_sum(ty, rounding, product, (value(ty, c), negative(c)))
                        };
                        let got = float::fma(ty, mode(rounding), a, b, c).expect("exists");
                        assert_eq!(got, expected, "fma {a:#x} {b:#x} {c:#x} {ty} {rounding:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn roots_are_correctly_rounded() {
    for ty in TYPES {
        for rounding in ROUNDINGS {
            for a in operands(ty, 200) {
                let expected = if exact::is_nan(ty, a) {
                    expected_nan(ty, &[a])
                } else if a & (exact::sign(ty) - 1) == 0 || a == exact::infinity(ty) {
                    a
                } else if a & exact::sign(ty) != 0 {
                    expected_nan(ty, &[])
                } else {
                    rounded(ty, &exact::root(&value(ty, a)), rounding, false)
                };
                assert_eq!(float::sqrt(ty, mode(rounding), a), Ok(expected), "sqrt {a:#x} {ty} {rounding:?}");
            }
        }
    }
}

#[test]
fn modifiers() {
    use FloatBinary::{Add, Max, Min, Mul};
    let f32_op = |op, mode, a: f32, b: f32| {
        float::binary(op, ScalarType::F32, mode, u64::from(a.to_bits()), u64::from(b.to_bits())).expect("exists") as u32
    };
    let plain = FloatMode::default();
    let ftz = FloatMode { ftz: true, ..plain };
    let sat = FloatMode { saturate: true, ..plain };
    let tiny = f32::from_bits(1);
    let half_min = f32::MIN_POSITIVE / 2.0;
    // (operation, mode, a, b, bits of the result)
    let table = [
        (Add, plain, tiny, tiny, 2),
        (Add, ftz, tiny, tiny, 0),
        (Add, ftz, -tiny, -0.0, 0x8000_0000),
        (Mul, ftz, -f32::MIN_POSITIVE, 0.5, 0x8000_0000),
        (Mul, plain, -f32::MIN_POSITIVE, 0.5, (-half_min).to_bits()),
        (Add, ftz, f32::MIN_POSITIVE, half_min, f32::MIN_POSITIVE.to_bits()),
        (Add, sat, 0.75, 0.5, 1f32.to_bits()),
        (Add, sat, -0.75, 0.5, 0),
        (Add, sat, f32::NAN, 0.5, 0),
        (Add, sat, -0.0, -0.0, 0),
        (Add, plain, f32::INFINITY, f32::NEG_INFINITY, 0x7fff_ffff),
        (Min, plain, -0.0, 0.0, 0x8000_0000),
        (Min, plain, 0.0, -0.0, 0x8000_0000),
        (Max, plain, -0.0, 0.0, 0),
        (Max, plain, 0.0, -0.0, 0),
        (Min, plain, f32::NAN, 2.0, 2f32.to_bits()),
        (Max, plain, 2.0, f32::NAN, 2f32.to_bits()),
        (Max, plain, f32::NAN, f32::NAN, 0x7fff_ffff),
        (Min, FloatMode { nan: true, ..plain }, f32::NAN, 2.0, 0x7fff_ffff),
        (Min, FloatMode { xorsign_abs: true, ..plain }, -3.0, 2.0, (-2f32).to_bits()),
        (Max, FloatMode { xorsign_abs: true, ..plain }, -3.0, -2.0, 3f32.to_bits()),
        (Max, FloatMode { xorsign_abs: true, ..plain }, f32::NAN, -2.0, (2f32).to_bits() | 0x8000_0000),
        (Min, ftz, tiny, 1.0, 0),
    ];
    for (op, mode, a, b, expected) in table {
        assert_eq!(f32_op(op, mode, a, b), expected, "{op:?} {a:e} {b:e} {mode:?}");
    }
    let relu = FloatMode { relu: true, ..plain };
    for (a, b, c, expected) in [
        // f16: 1, 2, -1, NaN, infinity, zero.
        (0x3c00, 0xbc00, 0x0000, 0x0000),
        (0x3c00, 0x4000, 0xbc00, 0x3c00),
        (0x7e00, 0x4000, 0xbc00, 0x7fff),
        (0x7c00, 0x0000, 0x3c00, 0x7fff),
        (0x8000, 0x0000, 0x8000, 0x0000),
    ] {
        assert_eq!(float::fma(ScalarType::F16, relu, a, b, c), Ok(expected), "{a:#x} {b:#x} {c:#x}");
    }
    // Both halves of a packed operand, each on its own.
    let packed = float::binary(Add, ScalarType::F16x2, plain, 0x3c00_7bff, 0x4000_7bff);
    assert_eq!(packed, Ok(0x4200_7c00));
    assert_eq!(float::unary(FloatUnary::Neg, ScalarType::BF16x2, plain, 0x3f80_8000), Ok(0xbf80_0000));
    assert_eq!(float::unary(FloatUnary::Abs, ScalarType::F32, ftz, 0x8000_0001), Ok(0));
    assert_eq!(float::copysign(ScalarType::F32, 0x8000_0000, 0x7f80_0000), 0xff80_0000);
    assert!(float::binary(Add, ScalarType::E4M3, plain, 0, 0).is_err());
}

#[test]
fn comparisons() {
    use Compare::*;
    let (nan, one, two) = (f64::NAN.to_bits(), 1f64.to_bits(), 2f64.to_bits());
    // For each operator: 1 ? 2, 1 ? 1, 2 ? 1, NaN ? 1.
    let table = [
        (Eq, [false, true, false, false]),
        (Ne, [true, false, true, false]),
        (Lt, [true, false, false, false]),
        (Le, [true, true, false, false]),
        (Gt, [false, false, true, false]),
        (Ge, [false, true, true, false]),
        (Equ, [false, true, false, true]),
        (Neu, [true, false, true, true]),
        (Ltu, [true, false, false, true]),
        (Leu, [true, true, false, true]),
        (Gtu, [false, false, true, true]),
        (Geu, [false, true, true, true]),
        (Num, [true, true, true, false]),
        (Nan, [false, false, false, true]),
    ];
    for (op, expected) in table {
        let got = [(one, two), (one, one), (two, one), (nan, one)]
            .map(|(a, b)| compare::holds(op, ScalarType::F64, false, a, b));
        assert_eq!(got, expected, "{op:?}");
    }
    assert!(compare::holds(Eq, ScalarType::F32, false, 0, 0x8000_0000));
    assert!(compare::holds(Eq, ScalarType::F32, true, 1, 0x8000_0002));
    assert!(!compare::holds(Eq, ScalarType::F32, false, 1, 2));
    assert!(compare::holds(Lt, ScalarType::S32, false, 0xffff_ffff, 0));
    assert!(compare::holds(Gt, ScalarType::U32, false, 0xffff_ffff, 0));
}

#[test]
fn properties() {
    use FloatTest::*;
    // Zero, smallest subnormal and normal numbers, one, infinity, NaN: which of the six properties hold.
    let table = [
        (0, [true, false, true, false, true, false]),
        (0x8000_0000, [true, false, true, false, true, false]),
        (1, [true, false, true, false, false, true]),
        (0x807f_ffff, [true, false, true, false, false, true]),
        (0x0080_0000, [true, false, true, false, true, false]),
        (0x3f80_0000, [true, false, true, false, true, false]),
        (0xff80_0000, [false, true, true, false, false, false]),
        (0x7f80_0001, [false, false, false, true, false, false]),
    ];
    for (bits, expected) in table {
        let got = [Finite, Infinite, Number, NotANumber, Normal, Subnormal]
            .map(|property| float::test(property, ScalarType::F32, bits));
        assert_eq!(got, expected, "{bits:#x}");
    }
}

const fn form(to: ScalarType, from: ScalarType, rounding: Rounding) -> Cvt {
    Cvt {
        to,
        from,
        rounding: Some(rounding),
        integral: false,
        ftz: false,
        saturate: false,
        satfinite: false,
        relu: false,
    }
}

#[test]
fn conversions_between_formats() {
    let all = [
        ScalarType::F16,
        ScalarType::BF16,
        ScalarType::F32,
        ScalarType::TF32,
        ScalarType::F64,
        ScalarType::E4M3,
        ScalarType::E5M2,
    ];
    for to in all {
        for from in all {
            for rounding in ROUNDINGS {
                for a in operands(from, 40) {
                    let sign = if a & exact::sign(from) != 0 { exact::sign(to) } else { 0 };
                    let saturating = matches!(to, ScalarType::E4M3 | ScalarType::E5M2);
                    let got = cvt::cvt(&form(to, from, rounding), a, None).expect("exists");
                    let say = || format!("{a:#x} {from} -> {to} {rounding:?}");
                    if exact::is_nan(from, a) {
                        assert!(exact::is_nan(to, got), "{}", say());
                    } else if exact::is_infinite(from, a) {
                        let end = if saturating { exact::largest(to) } else { exact::infinity(to) };
                        assert_eq!(got, end | sign, "{}", say());
                    } else {
                        let mut expected = rounded(to, &value(from, a), rounding, sign != 0);
                        if saturating && expected & (exact::sign(to) - 1) > exact::largest(to) {
                            expected = exact::largest(to) | sign;
                        }
                        if to == ScalarType::E4M3 && value(from, a).clone().trunc().abs() >= IBig::from(448) {
                            expected = exact::largest(to) | sign;
                        }
                        assert_eq!(got, expected, "{}", say());
                    }
                }
            }
        }
    }
}

trait Absolute {
    fn abs(self) -> Self;
}

impl Absolute for IBig {
    fn abs(self) -> Self {
        if self < Self::ZERO { -self } else { self }
    }
}

#[test]
fn conversions_to_and_from_integers() {
    let integers = [
        ScalarType::U8,
        ScalarType::S8,
        ScalarType::U16,
        ScalarType::S16,
        ScalarType::U32,
        ScalarType::S32,
        ScalarType::U64,
        ScalarType::S64,
    ];
    for int in integers {
        let bits = int.bits();
        let (low, high) = if int.is_signed() {
            (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1)
        } else {
            (0, (1i128 << bits) - 1)
        };
        for float in TYPES {
            for rounding in [Rounding::NearestEven, Rounding::Zero, Rounding::Down, Rounding::Up] {
                for a in operands(float, 100) {
                    let got = cvt::cvt(&form(int, float, rounding), a, None).expect("exists");
                    let expected = if exact::is_nan(float, a) {
                        if float == ScalarType::F64 || bits == 64 { 1 << (bits - 1) } else { 0 }
                    } else if exact::is_infinite(float, a) {
                        if a & exact::sign(float) != 0 { low } else { high }
                    } else {
                        let whole = exact::integral(&value(float, a), rounding);
                        i128::try_from(whole.clamp(IBig::from(low), IBig::from(high))).expect("clamped")
                    };
                    let expected = expected as u64 & (u64::MAX >> (64 - bits));
                    assert_eq!(got, expected, "{a:#x} {float} -> {int} {rounding:?}");
                }
                for n in [low, low + 1, -1, 0, 1, 2, 77, 2049, 16_777_217, high / 2 + 1, high - 1, high] {
                    let n = n.clamp(low, high);
                    let a = n as u64 & (u64::MAX >> (64 - bits));
                    let got = cvt::cvt(&form(float, int, rounding), a, None).expect("exists");
                    let expected = rounded(float, &RBig::from(IBig::from(n)), rounding, false);
                    assert_eq!(got, expected, "{n} {int} -> {float} {rounding:?}");
                }
            }
        }
    }
}

#[test]
fn conversion_modifiers() {
    use Rounding::{NearestAway, NearestEven, Up, Zero};
    use ScalarType::{BF16, BF16x2, E4M3x2, E5M2x2, F16, F16x2, F32, F64, S8, S32, TF32, U8, U32};
    let bits = |x: f32| u64::from(x.to_bits());
    let n = NearestEven;
    // (form, a, b, result)
    let table = [
        (Cvt { integral: true, ..form(F32, F32, n) }, bits(2.5), None, bits(2.0)),
        (Cvt { integral: true, ..form(F32, F32, Up) }, bits(-0.5), None, bits(-0.0)),
        (Cvt { saturate: true, ..form(F32, F32, n) }, bits(-0.5), None, 0),
        (Cvt { saturate: true, ..form(F32, F32, n) }, bits(f32::NAN), None, 0),
        (Cvt { saturate: true, ..form(F32, F64, n) }, 2f64.to_bits(), None, bits(1.0)),
        (Cvt { ftz: true, ..form(F32, F32, n) }, 0x8000_0001, None, 0x8000_0000),
        (Cvt { ftz: true, ..form(F32, F64, n) }, 1e-40f64.to_bits(), None, 0),
        (Cvt { ftz: true, ..form(S32, F32, Up) }, 1, None, 0),
        (form(S32, F32, Up), 1, None, 1),
        (form(F32, F16, n), 0x7e01, None, 0x7fff_ffff),
        (form(F64, F32, n), 0xff80_0001, None, 0xfff8_0000_2000_0000),
        (form(F16, F32, n), bits(65520.0), None, 0x7c00),
        (form(F16, F32, Zero), bits(65520.0), None, 0x7bff),
        (Cvt { satfinite: true, ..form(F16, F32, n) }, bits(65520.0), None, 0x7bff),
        (Cvt { satfinite: true, ..form(BF16, F32, n) }, bits(f32::NEG_INFINITY), None, 0xff7f),
        (Cvt { satfinite: true, ..form(BF16, F32, n) }, bits(f32::NAN), None, 0x7fff),
        (Cvt { relu: true, ..form(F16, F32, n) }, bits(-3.0), None, 0),
        (Cvt { relu: true, ..form(F16, F32, n) }, bits(f32::NAN), None, 0x7fff),
        (form(TF32, F32, NearestAway), 0x3f80_1000, None, 0x3f80_2000),
        (form(TF32, F32, n), 0x3f80_1000, None, 0x3f80_0000),
        (form(F16x2, F32, n), bits(1.0), Some(bits(2.0)), 0x3c00_4000),
        (Cvt { relu: true, ..form(BF16x2, F32, n) }, bits(-1.0), Some(bits(2.0)), 0x0000_4000),
        (form(E4M3x2, F32, n), bits(1e9), Some(bits(-0.5)), 0x7eb0),
        (form(E5M2x2, F32, n), bits(f32::INFINITY), Some(bits(f32::NAN)), 0x7b7f),
        (form(E5M2x2, F16x2, n), 0x3c00_bc00, None, 0x3cbc),
        (form(F16x2, E4M3x2, n), 0x7f38, None, 0x7fff_3c00),
        (form(F16x2, E5M2x2, n), 0xfc01, None, 0xfc00_0100),
        (Cvt { saturate: true, ..form(U8, S32, n) }, 0xffff_ffff, None, 0),
        (Cvt { saturate: true, ..form(S8, U32, n) }, 0xffff_ffff, None, 0x7f),
        (form(S8, S32, n), 0x1ff, None, 0xff),
    ];
    for (form, a, b, expected) in table {
        assert_eq!(cvt::cvt(&form, a, b), Ok(expected), "{form:?} {a:#x} {b:x?}");
    }
    // cvt.pack: results, then c above them.
    assert_eq!(cvt::pack(16, true, true, 70_000, 0xffff_ffff, None), 0x7fff_ffff);
    assert_eq!(cvt::pack(8, false, true, 300, 0xffff_ff00, Some(0x1234)), 0x1234_ff00);
    assert_eq!(cvt::pack(4, true, true, 9, 0xffff_fff0, Some(0x12)), 0x1278);
}

#[test]
fn approximate_functions_at_their_special_cases() {
    use Transcendental::*;
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    let m = FloatMode::default();
    let canonical = f32::from_bits(0x7fff_ffff);
    let table = [
        (Rsqrt, 0.0, inf),
        (Rsqrt, -0.0, -inf),
        (Rsqrt, -1.0, canonical),
        (Rsqrt, inf, 0.0),
        (Rsqrt, 4.0, 0.5),
        (Sin, -0.0, -0.0),
        (Sin, inf, canonical),
        (Cos, 0.0, 1.0),
        (Cos, nan, canonical),
        (Lg2, 0.0, -inf),
        (Lg2, -0.0, -inf),
        (Lg2, -1.0, canonical),
        (Lg2, 8.0, 3.0),
        (Lg2, inf, inf),
        (Ex2, -inf, 0.0),
        (Ex2, inf, inf),
        (Ex2, -0.0, 1.0),
        (Ex2, -149.0, f32::from_bits(1)),
        (Tanh, inf, 1.0),
        (Tanh, -inf, -1.0),
        (Tanh, -0.0, -0.0),
    ];
    for (function, x, expected) in table {
        let got = approx::transcendental(function, ScalarType::F32, m, u64::from(x.to_bits())).expect("exists");
        assert_eq!(got, u64::from(expected.to_bits()), "{function:?} {x}");
    }
    let ftz = FloatMode { ftz: true, ..m };
    assert_eq!(approx::transcendental(Ex2, ScalarType::F32, ftz, u64::from((-149f32).to_bits())), Ok(0));
    let f = |x: f32| u64::from(x.to_bits());
    let div = |accuracy, a: f32, b: f32| approx::div(accuracy, ScalarType::F32, m, f(a), f(b)).expect("exists");
    let huge = 127f32.exp2();
    assert_eq!(div(Accuracy::Approx, 1.0, huge), 0);
    assert_eq!(div(Accuracy::Approx, inf, huge), 0x7fff_ffff);
    assert_eq!(div(Accuracy::Full, huge, -huge), f(-1.0));
    assert_eq!(div(Accuracy::Approx, 1.0, 3.0), f(1.0 / 3.0));
    assert_eq!(approx::rcp(ScalarType::F32, m, f(-0.0)), Ok(f(-inf)));
    assert_eq!(approx::rcp(ScalarType::F32, m, f(-inf)), Ok(f(-0.0)));
    assert_eq!(approx::rcp(ScalarType::F64, ftz, 3f64.to_bits()), Ok(0x3fd5_5555_0000_0000));
    assert_eq!(approx::rcp(ScalarType::F64, ftz, 1), Ok(f64::INFINITY.to_bits()));
    assert_eq!(approx::sqrt(ScalarType::F32, m, f(-1.0)), Ok(0x7fff_ffff));
    assert!(approx::transcendental(Sin, ScalarType::F16, m, 0).is_err());
    assert_eq!(approx::transcendental(Tanh, ScalarType::F16x2, m, 0x7c00_fc00), Ok(0x3c00_bc00));
}

/// The oracle's own results are accepted everywhere, and results one bound too far are not.
#[test]
fn tolerances() {
    use Transcendental::*;
    let m = FloatMode::default();
    for ty in [ScalarType::F32, ScalarType::F16, ScalarType::BF16] {
        for function in [Rsqrt, Sin, Cos, Lg2, Ex2, Tanh] {
            let op = ApproxOp::Function(function);
            for a in operands(ty, 300) {
                let Ok(got) = approx::transcendental(function, ty, m, a) else { continue };
                assert!(accepts(op, ty, a, 0, got), "{function:?} {ty} {a:#x} -> {got:#x}");
            }
        }
    }
    for a in operands(ScalarType::F32, 60) {
        let got = approx::rcp(ScalarType::F32, m, a).expect("exists");
        assert!(accepts(ApproxOp::Rcp, ScalarType::F32, a, 0, got), "rcp {a:#x} -> {got:#x}");
        let got = approx::sqrt(ScalarType::F32, m, a).expect("exists");
        assert!(accepts(ApproxOp::Sqrt, ScalarType::F32, a, 0, got), "sqrt {a:#x} -> {got:#x}");
        for b in operands(ScalarType::F32, 60) {
            for (accuracy, op) in [(Accuracy::Approx, ApproxOp::DivApprox), (Accuracy::Full, ApproxOp::DivFull)] {
                let got = approx::div(accuracy, ScalarType::F32, m, a, b).expect("exists");
                assert!(accepts(op, ScalarType::F32, a, b, got), "{op:?} {a:#x} {b:#x} -> {got:#x}");
            }
        }
    }
    let f = |x: f32| u64::from(x.to_bits());
    let third = f(1.0 / 3.0);
    // (operation, a, b, result, accepted)
    let table = [
        (ApproxOp::DivFull, f(1.0), f(3.0), third + 1, true),
        (ApproxOp::DivFull, f(1.0), f(3.0), third + 2, false),
        (ApproxOp::Rcp, f(3.0), 0, third - 1, true),
        (ApproxOp::Rcp, f(3.0), 0, third + 2, false),
        (ApproxOp::Rcp, f(1e-40), 0, f(f32::INFINITY), true),
        (ApproxOp::Rcp, f(0.0), 0, f(f32::NEG_INFINITY), false),
        (ApproxOp::Rcp, f(f32::MAX), 0, 0, true),
        (ApproxOp::Sqrt, f(-1.0), 0, 0, false),
        (ApproxOp::Function(Sin), f(1.0), 0, f(1f32.sin() + 1e-7), true),
        (ApproxOp::Function(Sin), f(1.0), 0, f(1f32.sin() + 1e-5), false),
        (ApproxOp::Function(Sin), f(100.0), 0, f(100f32.sin() + 1e-5), true),
        (ApproxOp::Function(Lg2), f(1.0), 0, f(2e-7), true),
        (ApproxOp::Function(Lg2), f(1.0), 0, f(3e-7), false),
        (ApproxOp::Function(Ex2), f(200.0), 0, f(f32::INFINITY), true),
        (ApproxOp::Function(Ex2), f(100.0), 0, f(f32::INFINITY), false),
        (ApproxOp::Function(Tanh), f(0.5), 0, f(0.5f32.tanh() * 1.0004), true),
        (ApproxOp::Function(Tanh), f(0.5), 0, f(0.5f32.tanh() * 1.0006), false),
        (ApproxOp::DivApprox, f(1.0), f(f32::MAX), 0, true),
    ];
    for (op, a, b, got, expected) in table {
        assert_eq!(accepts(op, ScalarType::F32, a, b, got), expected, "{op:?} {a:#x} {b:#x} {got:#x}");
    }
}
