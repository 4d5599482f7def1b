//! Exact floating-point forms: arithmetic in every rounding, minima and maxima, comparisons.

use super::harness::{Equal, Form, Source, check};
use super::integer::width;
use vgpu_ptx::ir::*;

use ScalarType::{BF16, BF16x2, F16, F16x2, F32, F64};
const DIRECTIONS: [Rounding; 4] = [Rounding::NearestEven, Rounding::Zero, Rounding::Down, Rounding::Up];

/// f32 and f64 operations make any quiet NaN; the 16-bit formats the canonical one.
fn equal(ty: ScalarType) -> Equal {
    if matches!(ty, F32 | F64) { Equal::AnyNan(ty) } else { Equal::Bits }
}

fn form(op: Op, ty: ScalarType, n: usize) -> Form {
    Form { op, sources: vec![Source::Of(ty); n], results: vec![width(ty)], equal: equal(ty) }
}

/// The modes of arithmetic that PTX has for a type.
fn modes(ty: ScalarType, has_relu: bool) -> Vec<FloatMode> {
    let mut modes = Vec::new();
    let roundings: &[Rounding] = if matches!(ty, F32 | F64) { &DIRECTIONS } else { &DIRECTIONS[..1] };
    for rounding in roundings {
        let plain = FloatMode { rounding: *rounding, ..FloatMode::default() };
        modes.push(plain);
        if matches!(ty.element(), F32 | F16) {
            modes.push(FloatMode { ftz: true, ..plain });
            modes.push(FloatMode { saturate: true, ..plain });
            modes.push(FloatMode { ftz: true, saturate: true, ..plain });
        }
        if has_relu && !matches!(ty, F32 | F64) {
            modes.push(FloatMode { relu: true, ..plain });
        }
    }
    modes
}

#[test]
fn sums_and_products() {
    let mut forms = Vec::new();
    for ty in [F32, F64, F16, F16x2, BF16, BF16x2] {
        for mode in modes(ty, false) {
            for op in [FloatBinary::Add, FloatBinary::Sub, FloatBinary::Mul] {
                forms.push(form(Op::FloatBinary(op, ty, mode), ty, 2));
            }
        }
    }
    check(&forms);
}

#[test]
fn fused_products() {
    let mut forms = Vec::new();
    for ty in [F32, F64, F16, F16x2, BF16, BF16x2] {
        for mode in modes(ty, true) {
            forms.push(form(Op::Fma(ty, mode), ty, 3));
        }
    }
    check(&forms);
}

#[test]
fn quotients_and_roots() {
    let mut forms = Vec::new();
    for ty in [F32, F64] {
        for rounding in DIRECTIONS {
            for ftz in [false, true] {
                if ftz && ty == F64 {
                    continue;
                }
                let mode = FloatMode { rounding, ftz, ..FloatMode::default() };
                forms.push(form(Op::Div(ty, Accuracy::Ieee, mode), ty, 2));
                forms.push(form(Op::Rcp(ty, Accuracy::Ieee, mode), ty, 1));
                forms.push(form(Op::Sqrt(ty, Accuracy::Ieee, mode), ty, 1));
            }
        }
    }
    check(&forms);
}

#[test]
fn minima_and_maxima() {
    let mut forms = Vec::new();
    for ty in [F32, F64, F16, F16x2, BF16, BF16x2] {
        for op in [FloatBinary::Min, FloatBinary::Max] {
            for nan in [false, true] {
                for xorsign_abs in [false, true] {
                    for ftz in [false, true] {
                        if ty == F64 && (nan || xorsign_abs || ftz) || ftz && matches!(ty, BF16 | BF16x2) {
                            continue;
                        }
                        let mode = FloatMode { nan, xorsign_abs, ftz, ..FloatMode::default() };
                        let equal = if ty == F64 { Equal::AnyNan(ty) } else { Equal::Bits };
                        forms.push(Form { equal, ..form(Op::FloatBinary(op, ty, mode), ty, 2) });
                    }
                }
            }
            // Clamping against constants takes a shorter way where that is right.
            for constant in [0, 0x3f80_0000, 0x8000_0000, 0x7f80_0000, 0x7fc0_0000, 0xc120_0000] {
                let op = Op::FloatBinary(op, F32, FloatMode::default());
                for sources in [
                    vec![Source::Of(F32), Source::Constant(F32, constant)],
                    vec![Source::Constant(F32, constant), Source::Of(F32)],
                ] {
                    forms.push(Form { op: op.clone(), sources, results: vec![RegWidth::B32], equal: Equal::Bits });
                }
            }
        }
    }
    for max in [false, true] {
        for nan in [false, true] {
            let mode = FloatMode { nan, ..FloatMode::default() };
            forms.push(form(Op::FloatMinMax3 { max, mode }, F32, 3));
        }
    }
    check(&forms);
}

#[test]
fn signs_and_tests() {
    let mut forms = Vec::new();
    for ty in [F32, F64, F16, F16x2, BF16, BF16x2] {
        for op in [FloatUnary::Neg, FloatUnary::Abs] {
            for ftz in [false, true] {
                if !ftz || matches!(ty.element(), F32 | F16) {
                    let mode = FloatMode { ftz, ..FloatMode::default() };
                    forms.push(Form { equal: Equal::Bits, ..form(Op::FloatUnary(op, ty, mode), ty, 1) });
                }
            }
        }
    }
    for ty in [F32, F64] {
        forms.push(Form { equal: Equal::Bits, ..form(Op::Copysign(ty), ty, 2) });
        for property in [
            FloatTest::Finite,
            FloatTest::Infinite,
            FloatTest::Number,
            FloatTest::NotANumber,
            FloatTest::Normal,
            FloatTest::Subnormal,
        ] {
            let op = Op::TestP(property, ty);
            forms.push(Form { results: vec![RegWidth::Pred], equal: Equal::Bits, ..form(op, ty, 1) });
        }
    }
    check(&forms);
}

#[test]
fn comparisons() {
    use Compare::{Eq, Equ, Ge, Geu, Gt, Gtu, Le, Leu, Lt, Ltu, Nan, Ne, Neu, Num};
    let mut forms = Vec::new();
    for ty in [F32, F64, F16, F16x2, BF16, BF16x2] {
        for op in [Eq, Ne, Lt, Le, Gt, Ge, Equ, Neu, Ltu, Leu, Gtu, Geu, Num, Nan] {
            for ftz in [false, true] {
                if ftz && !matches!(ty.element(), F32 | F16) {
                    continue;
                }
                let compare = Comparison { op, ty, combine: None, ftz };
                let pair = Form { equal: Equal::Bits, ..form(Op::Setp(compare), ty, 2) };
                forms.push(Form { results: vec![RegWidth::Pred; 2], ..pair });
            }
        }
        let sources = vec![Source::Of(ty), Source::Of(ty), Source::Of(ScalarType::Pred)];
        for combine in [BoolOp::And, BoolOp::Or, BoolOp::Xor] {
            let compare = Comparison { op: Lt, ty, combine: Some(combine), ftz: false };
            let results = vec![RegWidth::Pred; 2];
            let equal = Equal::Bits;
            forms.push(Form { op: Op::Setp(compare), sources: sources.clone(), results, equal });
            let results: &[ScalarType] = match ty {
                F16 => &[F16, ScalarType::U16, ScalarType::S16, ScalarType::U32, ScalarType::S32],
                BF16 => &[BF16, ScalarType::U16, ScalarType::S32],
                F16x2 => &[F16x2, ScalarType::U32, ScalarType::S32],
                BF16x2 => &[BF16x2, ScalarType::U32],
                _ => &[F32, ScalarType::U32, ScalarType::S32],
            };
            for result in results {
                let op = Op::Set { compare, result: *result };
                forms.push(Form { op, sources: sources.clone(), results: vec![width(*result)], equal });
            }
        }
    }
    check(&forms);
}

#[test]
fn a_flushed_result_is_not_flushed_again() {
    use crate::llvm::Context;
    use crate::loaded::{targets, test_function};
    let context = Context::new("chain");
    let mode = FloatMode { ftz: true, ..FloatMode::default() };
    test_function(&context, "chain", 3, |builder, buffers| {
        let ty = context.int(32).vector(32);
        let [a, b] = [0, 1].map(|idx| builder.load(ty, buffers[idx], 4));
        let add = Op::FloatBinary(FloatBinary::Add, F32, mode);
        let sum = |a, b| {
            crate::ops::elementwise(builder, &targets()[0], &add, &[a, b], &[RegWidth::B32]).expect("elementwise")[0]
        };
        let once = sum(a, b);
        builder.store(sum(once, once), buffers[2], 4);
    });
    // Two operands and two results; the second addition's operands are known.
    assert_eq!(context.print().matches("icmp eq").count(), 4);
}
