//! Compiles operations as functions over 32 lanes and over scalars, runs them on many values at every vector level, and compares.

use super::model;
use crate::Target;
use crate::llvm::{Context, Value};
use crate::loaded::{Loaded, from_bytes, targets, test_function, to_bytes};
use crate::ops::elementwise;
use vgpu_ptx::interp::arith::float::is_nan;
use vgpu_ptx::ir::{Op, RegWidth, ScalarType};

/// Where the values of a source come from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Source {
    /// Edge cases and random bits of a type, in a register of its width.
    Of(ScalarType),
    /// The same in a wider register, with noise above.
    In(ScalarType, RegWidth),
    /// Small numbers around 0 to 64, and a few large ones.
    Amount,
    /// Known at compile time.
    Constant(ScalarType, u64),
}

impl Source {
    fn register_bits(self) -> u32 {
        match self {
            Self::Of(ty) | Self::Constant(ty, _) => ty.bits(),
            Self::In(_, width) => width.bits(),
            Self::Amount => 32,
        }
    }
}

/// When two results count as equal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Equal {
    /// Equal bits.
    Bits,
    /// Equal bits, or both NaN of the type.
    AnyNan(ScalarType),
}

/// An operation to test.
#[derive(Clone, Debug)]
pub(super) struct Form {
    pub(super) op: Op,
    pub(super) sources: Vec<Source>,
    pub(super) results: Vec<RegWidth>,
    pub(super) equal: Equal,
}

/// Numbers that look random; fixed seed.
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }
}

const LANES: u32 = 32;

/// Bits that tend to break things.
fn edges(ty: ScalarType) -> Vec<u64> {
    let element = ty.element();
    let bits = element.bits();
    let top = 1u64 << (bits - 1);
    if !element.is_float() {
        let all = top | (top - 1);
        return vec![0, 1, 2, 3, 7, top, top - 1, top + 1, all, all - 1, all / 3, all / 5 * 2, 0x80 & all, 0xff & all];
    }
    let fraction = match element {
        ScalarType::F16 => 10,
        ScalarType::BF16 => 7,
        ScalarType::F64 => 52,
        ScalarType::E5M2 => 2,
        ScalarType::E4M3 => 3,
        _ => 23,
    };
    let infinity = (top - 1) & !((1 << fraction) - 1);
    let one = (infinity / 2) & !((1 << fraction) - 1);
    let step = 1 << fraction;
    let mut list = vec![
        0,
        1,
        2,
        step / 2,
        step / 2 + 1,
        step - 1,
        step,
        step + 1,
        one - step,
        one - 1,
        one,
        one + 1,
        one + step / 2,
        one + step,
        one + step + 1,
        one + 3 * step + step / 3,
        infinity - step,
        infinity - 1,
        infinity,
        infinity + 1,
        infinity + step / 2,
        top - 1,
    ];
    if bits >= 32 {
        // Around the limits of integers and of narrower formats.
        for power in [7, 8, 10, 11, 15, 16, 17, 23, 24, 31, 32, 53, 63, 64] {
            list.extend([one + power * step - 1, one + power * step, one + power * step + step / 2]);
        }
        for power in [1, 6, 7, 9, 10, 14, 15, 17, 24, 25, 126] {
            list.extend([one - power * step - 1, one - power * step, one - power * step + step / 2]);
        }
    }
    list.iter().flat_map(|value| [*value, value | top]).collect()
}

fn value_of(source: Source, numbers: &mut Numbers) -> u64 {
    let random = numbers.next();
    let mut of_type = |ty: ScalarType| {
        let element = ty.element();
        let list = edges(element);
        let one = |random: u64| match random >> 60 {
            0..=8 => list[(random >> 20) as usize % list.len()],
            // Near one: exponents that interact.
            9..=11 if element.is_float() && element.bits() >= 16 => {
                let (fraction, middle) = match element {
                    ScalarType::F16 => (10, 15),
                    ScalarType::BF16 => (7, 127),
                    ScalarType::F64 => (52, 1023),
                    _ => (23, 127),
                };
                let exponent = middle + (random >> 8) % 16 - 8;
                let sign = (random >> 13 & 1) << (element.bits() - 1);
                sign | exponent << fraction | random.rotate_left(17) & ((1 << fraction) - 1)
            }
            _ => random,
        };
        let low = one(random);
        if ty.is_packed() {
            let bits = element.bits();
            low & ((1 << bits) - 1) | one(numbers.next()) << bits
        } else {
            low
        }
    };
    match source {
        Source::Of(ty) => of_type(ty),
        Source::In(ty, _) => {
            let low = of_type(ty) & vgpu_ptx::interp::arith::mask(ty.bits());
            if ty.bits() >= 64 { low } else { low | numbers.next() << ty.bits() }
        }
        Source::Amount if random >> 61 == 0 => random,
        Source::Amount => (random >> 32) % 70,
        Source::Constant(_, value) => value,
    }
}

/// The values to test a form with: one list of sources per lane, a multiple of the lane count. One-operand forms see every
/// edge case.
pub(super) fn inputs(form: &Form, n: usize) -> Vec<Vec<u64>> {
    let mut numbers = Numbers(form.sources.len() as u64);
    let mut list = Vec::new();
    if let [Source::Of(ty)] = form.sources.as_slice() {
        list.extend(edges(*ty).into_iter().map(|value| vec![value]));
        if ty.bits() == 8 {
            list.extend((0..256).map(|value| vec![value]));
        }
    }
    while list.len() < n || list.len() % LANES as usize != 0 {
        list.push(form.sources.iter().map(|source| value_of(*source, &mut numbers)).collect());
    }
    let masks: Vec<_> =
        form.sources.iter().map(|source| vgpu_ptx::interp::arith::mask(source.register_bits())).collect();
    for lane in &mut list {
        lane.iter_mut().zip(&masks).for_each(|(value, mask)| *value &= mask);
    }
    list
}

const fn stored_bits(bits: u32) -> u32 {
    if bits < 8 { 8 } else { bits }
}

pub(super) fn build(context: &Context, target: &Target, name: &str, form: &Form, lanes: u32) {
    let n_sources = form.sources.len();
    test_function(context, name, (n_sources + form.results.len()) as u32, |builder, buffers| {
        let shaped = |bits: u32| if lanes == 0 { context.int(bits) } else { context.int(bits).vector(lanes) };
        let sources: Vec<Value<'_>> = form
            .sources
            .iter()
            .zip(buffers)
            .map(|(source, buffer)| match source {
                Source::Constant(ty, value) => shaped(ty.bits()).constant(*value),
                _ => {
                    let bits = source.register_bits();
                    let value = builder.load(shaped(stored_bits(bits)), *buffer, 1);
                    builder.trunc(value, context.int(bits))
                }
            })
            .collect();
        let results =
            elementwise(builder, target, &form.op, &sources, &form.results).expect("an elementwise operation");
        assert_eq!(results.len(), form.results.len(), "{:?}", form.op);
        for ((result, width), buffer) in results.iter().zip(&form.results).zip(&buffers[n_sources..]) {
            assert_eq!(result.ty(), shaped(width.bits()), "{:?}", form.op);
            builder.store(builder.zext(*result, context.int(stored_bits(width.bits()))), *buffer, 1);
        }
    });
}

/// A family of forms compiled for one target.
pub(super) struct Compiled<'f> {
    forms: &'f [Form],
    pub(super) target: Target,
    loaded: Loaded,
}

impl<'f> Compiled<'f> {
    pub(super) fn new(forms: &'f [Form], target: &Target) -> Self {
        let context = Context::new("forms");
        for (idx, form) in forms.iter().enumerate() {
            build(&context, target, &format!("vector{idx}"), form, LANES);
            build(&context, target, &format!("scalar{idx}"), form, 0);
        }
        let loaded = Loaded::new(&context, target);
        for name in loaded.undefined_symbols() {
            let allowed = ["memcpy", "memset", "memmove", "fma", "_GLOBAL_OFFSET_TABLE_"];
            assert!(allowed.contains(&name.as_str()), "{:?} calls {name}", target.isa);
        }
        Self { forms, target: target.clone(), loaded }
    }

    /// Results of a form for lanes of sources: `[result][lane]`.
    pub(super) fn run(&self, idx: usize, lanes: &[Vec<u64>], scalar: bool) -> Vec<Vec<u64>> {
        let form = &self.forms[idx];
        let (name, step) = if scalar { (format!("scalar{idx}"), 1) } else { (format!("vector{idx}"), LANES as usize) };
        let mut all = vec![Vec::new(); form.results.len()];
        let bytes = |bits: u32| stored_bits(bits) as usize / 8;
        for chunk in lanes.chunks(step) {
            let mut buffers: Vec<Vec<u8>> = form
                .sources
                .iter()
                .enumerate()
                .map(|(source_idx, source)| {
                    let column: Vec<_> = chunk.iter().map(|lane| lane[source_idx]).collect();
                    to_bytes(&column, bytes(source.register_bits()))
                })
                .collect();
            buffers.extend(form.results.iter().map(|width| vec![0; bytes(width.bits()) * step]));
            let mut slices: Vec<&mut [u8]> = buffers.iter_mut().map(Vec::as_mut_slice).collect();
            self.loaded.call(&name, &mut slices);
            for (idx, width) in form.results.iter().enumerate() {
                all[idx].extend(from_bytes(&buffers[form.sources.len() + idx], bytes(width.bits())));
            }
        }
        all
    }
}

/// Compares each form with the interpreter's arithmetic, as a vector and as a scalar, at every vector level.
pub(super) fn check(forms: &[Form]) {
    let mut failures = Vec::new();
    for target in targets() {
        // Modules of a moderate size keep LLVM's memory in bounds.
        for family in forms.chunks(64) {
            let compiled = Compiled::new(family, &target);
            for (idx, form) in family.iter().enumerate() {
                if let Err(message) = check_form(&compiled, idx, form) {
                    failures.push(message);
                }
            }
        }
    }
    let n = failures.len();
    failures.truncate(12);
    assert!(n == 0, "{n} forms differ from the interpreter, first:\n{}", failures.join("\n"));
}

fn check_form(compiled: &Compiled<'_>, idx: usize, form: &Form) -> Result<(), String> {
    for (scalar, n) in [(false, 1024), (true, 48)] {
        let lanes = inputs(form, n);
        let found = compiled.run(idx, &lanes, scalar);
        for (lane, sources) in lanes.iter().enumerate() {
            let expected =
                model::results(&form.op, sources, &form.results).ok_or(format!("no model: {:?}", form.op))?;
            for (result_idx, column) in found.iter().enumerate() {
                let (found, expected) = (column[lane], expected[result_idx]);
                let same = found == expected
                    || matches!(form.equal, Equal::AnyNan(ty) if is_nan(ty, found) && is_nan(ty, expected));
                if !same {
                    return Err(format!(
                        "{} {} {:?}\n    sources {sources:x?} result {result_idx}: found {found:x}, expected {expected:x}",
                        compiled.target.isa,
                        if scalar { "scalar" } else { "vector" },
                        form.op,
                    ));
                }
            }
        }
    }
    Ok(())
}
