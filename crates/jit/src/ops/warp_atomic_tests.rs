//! Atomic operations against lanes that execute one after the other in plain Rust: every operation and type, every address
//! form, plain and atomic, masked or not, with colliding and distinct addresses, at every vector level.

use super::{Addresses, LaneValue, Warps, atomic};
use crate::llvm::Context;
use crate::loaded::{Loaded, targets, test_function};
use crate::{Isa, Target};
use vgpu_ptx::ir::{Atomic, AtomicOp, MemorySemantics, ScalarType, Scope, Space};

const MEMORY_BYTES: usize = 64 * 16 + 64;

#[derive(Clone, Copy, Debug)]
struct Case {
    op: AtomicOp,
    ty: ScalarType,
    form: &'static str,
    space: Space,
    vector: u32,
    lanes: usize,
    masked: bool,
    uniform_value: bool,
    want_result: bool,
}

impl Case {
    const fn spec(&self) -> Atomic {
        Atomic {
            space: self.space,
            op: self.op,
            ty: self.ty,
            vector: self.vector,
            offset: 0,
            semantics: MemorySemantics::Relaxed,
            scope: Scope::Gpu,
        }
    }

    /// Operands after the address.
    const fn n_values(&self) -> usize {
        self.vector as usize * if matches!(self.op, AtomicOp::Cas) { 2 } else { 1 }
    }
}

/// Operations and the types that PTX gives them.
fn forms() -> Vec<(AtomicOp, ScalarType)> {
    use AtomicOp::*;
    use ScalarType::*;
    let mut forms = Vec::new();
    let mut add = |op, types: &[ScalarType]| forms.extend(types.iter().map(|ty| (op, *ty)));
    add(And, &[B32, B64]);
    add(Or, &[B32, B64]);
    add(Xor, &[B32, B64]);
    add(Exch, &[B32, B64, B128]);
    add(Cas, &[B16, B32, B64, B128]);
    add(Add, &[U32, S32, U64, F16, F16x2, BF16, BF16x2, F32, F64]);
    add(Inc, &[U32]);
    add(Dec, &[U32]);
    add(Min, &[U32, S32, U64, S64, F16x2, BF16]);
    add(Max, &[U32, S32, U64, S64, F16, BF16x2]);
    forms
}

fn build(context: &Context, target: &Target, name: &str, case: &Case) {
    // Buffers: memory, offsets, active lanes, then values, then results.
    let n_results = if case.want_result { case.vector as usize } else { 0 };
    test_function(context, name, (3 + case.n_values() + n_results) as u32, |builder, buffers| {
        let lanes = case.lanes as u32;
        let item = context.int(case.ty.bits());
        let mask = builder.trunc(builder.load(context.int(8).vector(lanes), buffers[2], 1), context.int(1));
        let warps = Warps { builder, target, lanes, mask: case.masked.then_some(mask) };
        let offsets = builder.load(context.int(32).vector(lanes), buffers[1], 1);
        let addresses = match case.form {
            "one" => {
                let first = builder.load(context.int(32), buffers[1], 1);
                Addresses::Uniform(builder.offset(buffers[0], builder.zext(first, context.int(64))))
            }
            "offsets" => Addresses::Offsets { base: buffers[0], offsets },
            _ => {
                let base = builder.splat(builder.ptr_to_int(buffers[0]), lanes);
                Addresses::Each(builder.add(base, builder.zext(offsets, context.int(64))))
            }
        };
        let values: Vec<_> = buffers[3..3 + case.n_values()]
            .iter()
            .map(|buffer| match case.uniform_value {
                true => LaneValue::Uniform(builder.load(item, *buffer, 1)),
                false => LaneValue::Varying(builder.load(item.vector(lanes), *buffer, 1)),
            })
            .collect();
        let results = atomic(&warps, &case.spec(), addresses, &values, case.want_result);
        assert_eq!(results.len(), n_results);
        for (result, buffer) in results.iter().zip(&buffers[3 + case.n_values()..]) {
            builder.store(result.vector(builder, lanes), *buffer, 1);
        }
    });
}

/// The value of a float of `exponent` and `fraction` bits.
fn decode(bits: u64, exponent: u32, fraction: u32) -> f64 {
    let sign = if bits >> (exponent + fraction) & 1 == 1 { -1.0 } else { 1.0 };
    let e = (bits >> fraction & ((1 << exponent) - 1)) as i32;
    let f = (bits & ((1 << fraction) - 1)) as f64 / (1u64 << fraction) as f64;
    let bias = (1 << (exponent - 1)) - 1;
    sign * match e {
        0 => f * 2f64.powi(1 - bias),
        _ if e == (1 << exponent) - 1 => {
            if f == 0.0 {
                f64::INFINITY
            } else {
                f64::NAN
            }
        }
        _ => (1.0 + f) * 2f64.powi(e - bias),
    }
}

/// The nearest float of that format, ties to even, by division with its last place.
fn encode(value: f64, exponent: u32, fraction: u32) -> u64 {
    let bias = (1 << (exponent - 1)) - 1;
    let infinity = ((1u64 << exponent) - 1) << fraction;
    if value.is_nan() {
        return infinity | ((1 << fraction) - 1);
    }
    let sign = u64::from(value.is_sign_negative()) << (exponent + fraction);
    let magnitude = value.abs();
    let e = if magnitude == 0.0 { 1 - bias } else { (magnitude.log2().floor() as i32).max(1 - bias) };
    let steps = (magnitude / 2f64.powi(e - fraction as i32)).round_ties_even();
    let code = if magnitude.is_infinite() {
        infinity
    } else {
        // Steps at or above 2^fraction carry into the exponent field by themselves.
        (steps as u64 + ((e - (1 - bias)) as u64 * (1 << fraction))).min(infinity)
    };
    sign | code
}

fn float_step(op: AtomicOp, ty: ScalarType, a: u64, b: u64) -> u64 {
    let (exponent, fraction) = if ty == ScalarType::F16 { (5, 10) } else { (8, 7) };
    match (op, ty) {
        (AtomicOp::Add, ScalarType::F64) => (f64::from_bits(a) + f64::from_bits(b)).to_bits(),
        (AtomicOp::Add, ScalarType::F32) => {
            let sum = f32::from_bits(a as u32) + f32::from_bits(b as u32);
            if sum.is_nan() { 0x7fff_ffff } else { u64::from(sum.to_bits()) }
        }
        (AtomicOp::Add, _) => {
            let sum = decode(a, exponent, fraction) + decode(b, exponent, fraction);
            if sum.is_nan() { 0x7fff } else { encode(sum, exponent, fraction) }
        }
        _ => {
            let (x, y) = (decode(a, exponent, fraction), decode(b, exponent, fraction));
            match (x.is_nan(), y.is_nan()) {
                (true, true) => 0x7fff,
                (true, false) => b,
                (false, true) => a,
                _ if x == 0.0 && y == 0.0 && x.is_sign_negative() != y.is_sign_negative() => {
                    if (op == AtomicOp::Max) == x.is_sign_negative() { b } else { a }
                }
                _ if (op == AtomicOp::Max) == (x < y) => b,
                _ => a,
            }
        }
    }
}

fn step(op: AtomicOp, ty: ScalarType, old: u128, b: u128, c: u128) -> u128 {
    let mask = if ty.bits() == 128 { u128::MAX } else { (1 << ty.bits()) - 1 };
    if ty.is_packed() {
        let half = |value: u128, shift: u32| (value >> shift & 0xffff) as u64;
        let part = |shift| u128::from(float_step(op, ty.element(), half(old, shift), half(b, shift)));
        return part(16) << 16 | part(0);
    }
    if ty.is_float() {
        return u128::from(float_step(op, ty, old as u64, b as u64));
    }
    let signed = |value: u128| ((value << (128 - ty.bits())) as i128) >> (128 - ty.bits());
    let less = |x: u128, y: u128| if ty.is_signed() { signed(x) < signed(y) } else { x < y };
    mask & match op {
        AtomicOp::And => old & b,
        AtomicOp::Or => old | b,
        AtomicOp::Xor => old ^ b,
        AtomicOp::Exch => b,
        AtomicOp::Cas => {
            if old == b {
                c
            } else {
                old
            }
        }
        AtomicOp::Add => old.wrapping_add(b),
        AtomicOp::Inc => {
            if old >= b {
                0
            } else {
                old + 1
            }
        }
        AtomicOp::Dec => {
            if old == 0 || old > b {
                b
            } else {
                old - 1
            }
        }
        AtomicOp::Min => {
            if less(b, old) {
                b
            } else {
                old
            }
        }
        AtomicOp::Max => {
            if less(old, b) {
                b
            } else {
                old
            }
        }
    }
}

fn item(bytes: &[u8], idx: usize, width: usize) -> u128 {
    let chunk = &bytes[idx * width..(idx + 1) * width];
    chunk.iter().rev().fold(0, |value, byte| value << 8 | u128::from(*byte))
}

fn put(bytes: &mut [u8], at: usize, width: usize, value: u128) {
    bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
}

/// Memory contents or operands that suit the operation: ordinary floats mostly, small counters, arbitrary bits.
fn fill(case: &Case, n: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state ^ state >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 7
    };
    let width = case.ty.bytes() as usize;
    let mut bytes = vec![0; n * width];
    for idx in 0..n {
        let random = u128::from(next()) << 64 | u128::from(next());
        let value = match (case.op, case.ty) {
            (_, ScalarType::F64) => u128::from(((next() % 4000) as f64 / 16.0 - 100.0).to_bits()),
            (_, ScalarType::F32) => u128::from(((next() % 4000) as f32 / 3.0 - 100.0).to_bits()),
            (AtomicOp::Cas, _) => random % 3,
            (AtomicOp::Inc | AtomicOp::Dec, _) => random % 5,
            _ => random,
        };
        put(&mut bytes, idx * width, width, value);
    }
    bytes
}

fn check(target: &Target, cases: &[Case]) {
    let context = Context::new("atomics");
    for (idx, case) in cases.iter().enumerate() {
        build(&context, target, &format!("case{idx}"), case);
    }
    let loaded = Loaded::new(&context, target);
    for (idx, case) in cases.iter().enumerate() {
        let width = case.ty.bytes() as usize;
        let span = width * case.vector as usize;
        for pattern in ["same", "few", "each"] {
            let cell = |lane: usize| match pattern {
                "same" => 2,
                _ if case.form == "one" => 3,
                "few" => lane * lane % 5,
                _ => (lane * 7 + 3) % case.lanes,
            };
            let active = |lane: usize| !case.masked || !(lane * 13 + lane / 7).is_multiple_of(3);
            let memory = fill(case, MEMORY_BYTES / width, idx as u64);
            let offsets: Vec<u8> =
                (0..case.lanes).flat_map(|lane| ((cell(lane) * span) as u32).to_le_bytes()).collect();
            let mask: Vec<u8> = (0..case.lanes).map(|lane| u8::from(active(lane))).collect();
            let mut buffers = vec![memory.clone(), offsets, mask];
            buffers.extend((0..case.n_values()).map(|value| fill(case, case.lanes, (value + 100 + idx) as u64)));
            let n_results = if case.want_result { case.vector as usize } else { 0 };
            buffers.extend((0..n_results).map(|_| vec![0; case.lanes * width]));
            let mut slices: Vec<_> = buffers.iter_mut().map(Vec::as_mut_slice).collect();
            loaded.call(&format!("case{idx}"), &mut slices);

            let mut expected = memory;
            let per_element = case.n_values() / case.vector as usize;
            for element in 0..case.vector as usize {
                for lane in (0..case.lanes).filter(|lane| active(*lane)) {
                    let at = cell(lane) * span + element * width;
                    let old = item(&expected[at..], 0, width);
                    let from = if case.uniform_value { 0 } else { lane };
                    let value = |which: usize| item(&buffers[3 + element * per_element + which], from, width);
                    let c = if per_element == 2 { value(1) } else { 0 };
                    let new = step(case.op, case.ty, old, value(0), c);
                    put(&mut expected, at, width, new);
                    if case.want_result {
                        let found = item(&buffers[3 + case.n_values() + element], lane, width);
                        assert_eq!(found, old, "{case:?} {pattern} lane {lane} {}", target.isa);
                    }
                }
            }
            assert!(buffers[0] == expected, "{case:?} {pattern} memory {}", target.isa);
        }
    }
}

#[test]
fn every_operation_in_every_form() {
    let mut cases = Vec::new();
    for (op, ty) in forms() {
        for form in ["one", "offsets", "each"] {
            for space in [Space::Shared, Space::Global] {
                let rotate = cases.len();
                cases.push(Case {
                    op,
                    ty,
                    form,
                    space,
                    vector: 1,
                    lanes: if rotate % 5 == 4 { 64 } else { 32 },
                    masked: rotate % 7 < 4,
                    uniform_value: rotate % 3 == 2,
                    want_result: rotate % 4 < 2,
                });
            }
        }
    }
    for target in targets() {
        check(&target, &cases);
    }
    // Wide and narrow exchanges need care where the processor is taken to have nothing.
    let odd: Vec<_> = cases.into_iter().filter(|case| matches!(case.ty.bits(), 16 | 128)).collect();
    check(&Target::detect(Some(Isa::Baseline)), &odd);
}

#[test]
fn vector_forms_work_element_by_element() {
    let case = Case {
        op: AtomicOp::Add,
        ty: ScalarType::F32,
        form: "each",
        space: Space::Global,
        vector: 4,
        lanes: 32,
        masked: true,
        uniform_value: false,
        want_result: true,
    };
    let halves = Case { op: AtomicOp::Max, ty: ScalarType::F16x2, vector: 2, form: "one", ..case };
    check(&Target::detect(None), &[case, halves]);
}

#[test]
fn only_what_others_can_see_is_locked() {
    for (space, scope, locked) in [
        (Space::Global, Scope::Gpu, true),
        (Space::Generic, Scope::Sys, true),
        (Space::Global, Scope::Cta, false),
        (Space::Shared, Scope::Gpu, false),
    ] {
        let (context, target) = (Context::new("strength"), Target::detect(None));
        let spec = Atomic {
            space,
            op: AtomicOp::Add,
            ty: ScalarType::U32,
            vector: 1,
            offset: 0,
            semantics: MemorySemantics::Relaxed,
            scope,
        };
        test_function(&context, "strength", 1, |builder, buffers| {
            let warps = Warps { builder, target: &target, lanes: 32, mask: None };
            let one = LaneValue::Uniform(context.int(32).constant(1));
            atomic(&warps, &spec, Addresses::Uniform(buffers[0]), &[one], false);
        });
        assert_eq!(context.print().contains("atomicrmw"), locked, "{space:?} {scope:?}");
    }
}
