//! Every operation with every type loads; results are those of Rust's own arithmetic, through PTX's interpreter.

use super::*;
use vgpu_ptx::interp::{LaunchConfig, Machine};

/// Runs a program on one array of each operand and returns the output's bytes.
fn run(program: &Program, inputs: &[Vec<u8>], n: u32, out_bytes: u32) -> Vec<u8> {
    let text = ptx(program).expect("a correct program");
    let module = vgpu_ptx::load(&text).unwrap_or_else(|errors| panic!("{errors:?}\n{text}"));
    let mut machine = Machine::new(&module).expect("no variables");
    let out = machine.memory.alloc(u64::from(n * out_bytes));
    let mut parameters = out.to_le_bytes().to_vec();
    parameters.extend(n.to_le_bytes());
    parameters.resize(16, 0);
    for input in inputs {
        parameters.extend(machine.memory.alloc_bytes(input).to_le_bytes());
        parameters.extend(0_u64.to_le_bytes());
    }
    machine.launch(ENTRY, LaunchConfig::new(n.div_ceil(32), 32), &parameters).expect("runs");
    machine.memory.read(out, u64::from(n * out_bytes)).expect("ours").to_vec()
}

fn program(op: Op, ty: Type) -> Program {
    let n = op.n_operands();
    let mut leaves = vec![Leaf::Array(ty, Step::One); n];
    if op == Op::Select {
        leaves[0] = Leaf::Array(Type::Bool, Step::One);
    }
    let mut nodes: Vec<_> = (0..n).map(Node::Leaf).collect();
    nodes.push(Node::Apply(op, (0..n).collect()));
    Program { leaves, nodes }
}

#[test]
fn every_operation_loads() {
    let mut n_texts = 0;
    for op in Op::ALL {
        for ty in Type::ALL {
            let program = program(op, ty);
            match ptx(&program) {
                Ok(text) => {
                    n_texts += 1;
                    if let Err(errors) = vgpu_ptx::load(&text) {
                        panic!("{op:?} {ty:?}: {errors:?}\n{text}");
                    }
                }
                Err(error) => assert!(matches!(error, Error::Types { .. }), "{error}"),
            }
        }
    }
    assert!(n_texts > 200, "{n_texts}");
    for from in Type::ALL {
        for to in Type::ALL {
            let leaves = vec![Leaf::Array(from, Step::Zero), Leaf::Scalar(from)];
            let nodes = vec![
                Node::Leaf(0),
                Node::Leaf(1),
                Node::Cast(to, 0),
                Node::Cast(to, 1),
                Node::Apply(Op::Eq, vec![2, 3]),
            ];
            let text = ptx(&Program { leaves, nodes }).expect("casts are there");
            assert!(vgpu_ptx::load(&text).is_ok(), "{from:?} {to:?}\n{text}");
        }
    }
}

#[test]
fn broken_programs_are_errors() {
    let leaves = vec![Leaf::Array(Type::F32, Step::One)];
    let with = |nodes| ptx(&Program { leaves: leaves.clone(), nodes });
    assert_eq!(with(vec![]), Err(Error::Empty));
    assert_eq!(with(vec![Node::Leaf(1)]), Err(Error::Order { node: 0, operand: 1 }));
    assert_eq!(with(vec![Node::Apply(Op::Neg, vec![0])]), Err(Error::Order { node: 0, operand: 0 }));
    let error = with(vec![Node::Leaf(0), Node::Apply(Op::Not, vec![0])]).expect_err("no complement of floats");
    assert_eq!(error.to_string(), "Not is not there for [F32]");
}

#[test]
fn narrow_integers_wrap() {
    let pairs: Vec<(i8, i8)> =
        (-128..=127).step_by(5).flat_map(|a| (-128..=127).step_by(7).map(move |b| (a as i8, b as i8))).collect();
    let inputs =
        [pairs.iter().map(|pair| pair.0 as u8).collect(), pairs.iter().map(|pair| pair.1 as u8).collect::<Vec<_>>()];
    for (op, expected) in [
        (Op::Add, i8::wrapping_add as fn(i8, i8) -> i8),
        (Op::Sub, i8::wrapping_sub),
        (Op::Mul, i8::wrapping_mul),
        (Op::Max, i8::max),
        (Op::Xor, |a, b| a ^ b),
    ] {
        let out = run(&program(op, Type::I8), &inputs, pairs.len() as u32, 1);
        for (found, (a, b)) in out.iter().zip(&pairs) {
            assert_eq!(*found as i8, expected(*a, *b), "{op:?} {a} {b}");
        }
    }
}

#[test]
fn nan_goes_through_maximum() {
    let values = [1.0_f32, f32::NAN, 2.0, f32::NAN, f32::INFINITY];
    let others = [f32::NAN, 1.0, 3.0, f32::NAN, f32::NEG_INFINITY];
    let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>();
    let out = run(&program(Op::Max, Type::F32), &[bytes(&values), bytes(&others)], 5, 4);
    let out: Vec<f32> = out.chunks(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    assert!(out[0].is_nan() && out[1].is_nan() && out[3].is_nan());
    assert_eq!((out[2], out[4]), (3.0, f32::INFINITY));
}

/// erf in double precision: the Maclaurin series, and the continued fraction where that cancels.
fn erf(x: f64) -> f64 {
    let size = x.abs();
    if size > 6.0 {
        return x.signum();
    }
    if size > 2.5 {
        let mut tail = 0.0;
        for k in (1..200).rev() {
            tail = f64::from(k) / 2.0 / (size + tail);
        }
        return (1.0 - (-size * size).exp() / (std::f64::consts::PI.sqrt() * (size + tail))).copysign(x);
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

/// Largest error in units in the last place of the exact value, which subnormal results have larger.
fn worst(op: Op, values: &[f32], exact: impl Fn(f64) -> f64) -> (f64, f32) {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let out = run(&program(op, Type::F32), &[bytes], values.len() as u32, 4);
    let mut worst = (0.0, 0.0);
    for (out, x) in out.chunks(4).zip(values) {
        let found = f32::from_le_bytes([out[0], out[1], out[2], out[3]]);
        let exact = exact(f64::from(*x));
        if exact.is_nan() || (exact as f32).is_infinite() {
            assert!(found.is_nan() == exact.is_nan(), "{op:?}({x}) = {found}, not {exact}");
            // The largest finite numbers round either way.
            assert!(exact.is_nan() || found == exact as f32 || exact.is_finite(), "{op:?}({x}) = {found}, not {exact}");
            continue;
        }
        let ulp = f64::from((exact.abs() as f32).max(f32::MIN_POSITIVE)) * f64::from(f32::EPSILON) / 1.0;
        let error = (f64::from(found) - exact).abs() / ulp;
        if error.is_nan() || error > worst.0 {
            worst = (error, *x);
        }
    }
    worst
}

#[test]
fn functions_are_accurate() {
    // Every exponent and sign, a few mantissas each, and a fine grid where things happen.
    let mut values: Vec<f32> = (0..=255_u32)
        .flat_map(|exponent| {
            [0, 0x12_3456, 0x3f_ffff, 0x55_5555, 0x7f_ffff].map(|m| f32::from_bits(exponent << 23 | m))
        })
        .flat_map(|x| [x, -x])
        .collect();
    values.extend((-3000..=3000).map(|i| i as f32 * 0.003_3));
    values.extend((-900..=900).map(|i| i as f32 * 0.113));
    values.extend([f32::INFINITY, f32::NEG_INFINITY, f32::NAN]);
    for (op, limit, exact) in [
        (Op::Exp, 2.0, f64::exp as fn(f64) -> f64),
        (Op::Log, 1.5, f64::ln),
        (Op::Tanh, 2.0, f64::tanh),
        (Op::Erf, 2.0, erf),
        (Op::Sigmoid, 3.0, |x| 1.0 / (1.0 + (-x).exp())),
    ] {
        let (error, at) = worst(op, &values, exact);
        assert!(error <= limit, "{op:?}: {error} ulp at {at:e}");
    }
    // Far left of zero the factor 1 + erf cancels: there the error is one of x's own size.
    let near: Vec<f32> = values.iter().copied().filter(|x| x.abs() < 1e30).collect();
    let bytes: Vec<u8> = near.iter().flat_map(|value| value.to_le_bytes()).collect();
    let out = run(&program(Op::Gelu, Type::F32), &[bytes], near.len() as u32, 4);
    for (out, x) in out.chunks(4).zip(&near) {
        let found = f64::from(f32::from_le_bytes([out[0], out[1], out[2], out[3]]));
        let exact = f64::from(*x) / 2.0 * (1.0 + erf(f64::from(*x) * std::f64::consts::FRAC_1_SQRT_2));
        let limit = 4.0 * f64::from(f32::EPSILON) * f64::from(x.abs().max(f32::MIN_POSITIVE));
        assert!((found - exact).abs() <= limit, "gelu({x}) = {found}, not {exact}");
    }
}
