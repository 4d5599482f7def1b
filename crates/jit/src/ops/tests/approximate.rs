//! Approximate forms against the manual's bounds, special cases bit by bit.

use super::harness::{Compiled, Equal, Form, Numbers, Source, inputs};
use super::integer::width;
use super::model;
use crate::loaded::targets;
use vgpu_ptx::interp::arith::approx::{ApproxOp, Bound, approx_bound};
use vgpu_ptx::interp::arith::float::{is_nan, is_subnormal};
use vgpu_ptx::interp::arith::{cvt, mask};
use vgpu_ptx::ir::*;

use ScalarType::{BF16, BF16x2, F16, F16x2, F32, F64};

fn forms() -> Vec<(Form, ApproxOp)> {
    let mut list = Vec::new();
    let mut add = |op: Op, ty: ScalarType, n: usize, what: ApproxOp| {
        let equal = Equal::AnyNan(ty);
        list.push((Form { op, sources: vec![Source::Of(ty); n], results: vec![width(ty)], equal }, what));
    };
    for ftz in [false, true] {
        let mode = FloatMode { ftz, ..FloatMode::default() };
        add(Op::Div(F32, Accuracy::Approx, mode), F32, 2, ApproxOp::DivApprox);
        add(Op::Div(F32, Accuracy::Full, mode), F32, 2, ApproxOp::DivFull);
        add(Op::Rcp(F32, Accuracy::Approx, mode), F32, 1, ApproxOp::Rcp);
        add(Op::Sqrt(F32, Accuracy::Approx, mode), F32, 1, ApproxOp::Sqrt);
        use Transcendental::{Cos, Ex2, Lg2, Rsqrt, Sin, Tanh};
        for function in [Rsqrt, Sin, Cos, Lg2, Ex2] {
            add(Op::Transcendental(function, F32, mode), F32, 1, ApproxOp::Function(function));
        }
        add(Op::Transcendental(Rsqrt, F64, mode), F64, 1, ApproxOp::Function(Rsqrt));
        let small: &[ScalarType] = if ftz { &[BF16, BF16x2] } else { &[F16, F16x2] };
        for ty in small {
            add(Op::Transcendental(Ex2, *ty, mode), *ty, 1, ApproxOp::Function(Ex2));
        }
        if !ftz {
            for ty in [F32, F16, F16x2, BF16, BF16x2] {
                add(Op::Transcendental(Tanh, ty, mode), ty, 1, ApproxOp::Function(Tanh));
            }
        }
    }
    let mode = FloatMode { ftz: true, ..FloatMode::default() };
    add(Op::Rcp(F64, Accuracy::Approx, mode), F64, 1, ApproxOp::Rcp);
    list
}

fn number(ty: ScalarType, bits: u64) -> f64 {
    let form = Cvt {
        to: F64,
        from: ty,
        rounding: None,
        integral: false,
        ftz: false,
        saturate: false,
        satfinite: false,
        relu: false,
    };
    f64::from_bits(cvt::cvt(&form, bits, None).expect("a float type"))
}

/// Spacing of the format at `x`.
fn ulp(ty: ScalarType, x: f64) -> f64 {
    let (fraction, least) = match ty {
        F16 => (10, -14),
        BF16 => (7, -126),
        F64 => (52, -1022),
        _ => (23, -126),
    };
    let exponent = if x == 0.0 { least } else { (x.abs().log2().floor() as i32).max(least) };
    2f64.powi(exponent - fraction)
}

/// The largest error relative to what is allowed; above 1 is a failure.
fn error(bound: Bound, ty: ScalarType, operand: f64, found: f64, expected: f64) -> f64 {
    let difference = (found - expected).abs();
    // Rounding to the format comes on top: the bounds are for the result before it where they are not in ulps.
    let rounding = ulp(ty, expected) / 2.0;
    let allowed = match bound {
        Bound::Ulp(n) => n * ulp(ty, expected),
        Bound::Relative(r) => r * expected.abs(),
        Bound::Absolute(a) => a,
        Bound::AbsoluteInside { from, to, absolute, relative } => {
            if operand > from && operand < to {
                absolute
            } else {
                relative * expected.abs()
            }
        }
        Bound::AbsoluteByRange { near, far } => {
            if operand.abs() <= near.0 {
                near.1
            } else if operand.abs() <= far.0 {
                far.1
            } else {
                f64::INFINITY
            }
        }
    };
    if difference == 0.0 { 0.0 } else { (difference - rounding).max(0.0) / allowed }
}

/// Operands in the interval where a function is used, besides edge cases.
fn operands(form: &Form) -> Vec<Vec<u64>> {
    let mut lanes = inputs(form, 2048);
    let mut numbers = Numbers(7);
    let Source::Of(ty) = form.sources[0] else { return lanes };
    for idx in 0..16384 {
        let unit = (numbers.next() >> 11) as f64 / 2f64.powi(53);
        let x = match idx % 4 {
            0 => (unit - 0.5) * 16.0,
            1 => (unit - 0.5) * 2.0,
            2 => (unit - 0.5) * 300.0,
            _ => 0.5 + unit * 1.5,
        };
        let bits = match ty {
            F64 => x.to_bits(),
            F32 => u64::from((x as f32).to_bits()),
            _ => numbers.next() & mask(ty.bits()),
        };
        lanes.push(form.sources.iter().map(|_| bits ^ (numbers.next() & 0xff)).collect());
    }
    lanes
}

#[test]
fn within_the_manuals_bounds() {
    let forms = forms();
    let list: Vec<Form> = forms.iter().map(|(form, _)| form.clone()).collect();
    let mut failures = Vec::new();
    for target in targets() {
        let compiled = Compiled::new(&list, &target);
        for (idx, (form, what)) in forms.iter().enumerate() {
            let Source::Of(whole) = form.sources[0] else { continue };
            let ty = whole.element();
            let bound = approx_bound(*what, whole).expect("a bound for each form");
            let lanes = operands(form);
            let found = compiled.run(idx, &lanes, false).remove(0);
            let mut worst = 0.0;
            for (sources, found) in lanes.iter().zip(found) {
                let expected = model::results(&form.op, sources, &form.results).expect("a form that exists")[0];
                for at in (0..whole.bits()).step_by(ty.bits() as usize) {
                    let part = |bits: u64| bits >> at & mask(ty.bits());
                    let (found, expected) = (part(found), part(expected));
                    let operands: Vec<f64> = sources.iter().map(|source| number(ty, part(*source))).collect();
                    let special = |bits| is_nan(ty, bits) || number(ty, bits).is_infinite();
                    let (x, y) = (number(ty, found), number(ty, expected));
                    let flushes = matches!(form.op, Op::Transcendental(.., mode) | Op::Rcp(.., mode) | Op::Div(.., mode) if mode.ftz);
                    let good = if special(expected) || special(found) {
                        // Next to the overflow threshold either side is within the bound.
                        let near_largest = |x: f64| ty == F32 && x.abs() > 3.402e38;
                        found == expected
                            || is_nan(ty, found) && is_nan(ty, expected)
                            || near_largest(x) && near_largest(y)
                    } else if operands.iter().any(|operand| !operand.is_finite()) || operands[0] == 0.0 {
                        found == expected
                    } else if flushes && (expected << 1 & mask(ty.bits()) == 0 || found << 1 & mask(ty.bits()) == 0) {
                        // The flush may fall on either side of the smallest normal number.
                        x.abs().max(y.abs()) <= number(ty, 1 << (ty.bits() - 1).min(23)).abs() || found == expected || {
                            !is_subnormal(ty, found) && x.abs().max(y.abs()) < 1.2e-38
                        }
                    } else {
                        let error = error(bound, ty, operands[0], x, y);
                        worst = f64::max(worst, error);
                        error <= 1.0
                    };
                    if !good {
                        failures.push(format!(
                            "{} {:?}: {sources:x?} ({operands:?}) gives {found:x} ({x}), expected {expected:x} ({y})",
                            target.isa, form.op
                        ));
                    }
                }
            }
            println!("{} {what:?} {whole}: {worst:.3} of the bound", target.isa);
        }
    }
    let n = failures.len();
    failures.truncate(20);
    assert!(n == 0, "{n} results out of bounds, first:\n{}", failures.join("\n"));
}
