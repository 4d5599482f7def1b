//! The x86 instructions that elementwise operations gain from; every caller has a portable form beside it.
//!
//! Model: functions answer `None` where the target or the shape lacks the instruction. A vector is taken apart into registers of
//! the instruction's width and put together again, which costs nothing: LLVM holds wide vectors that way.
//! The results have the same bits as the portable forms, except for the approximate functions.
//!
//! Source: Intel SDM, volume 2.

use super::emit::Emit;
use super::rounding::Arithmetic;
use crate::llvm::Value;
use crate::target::Isa;
use vgpu_ptx::ir::Rounding;

/// Applies `f` to pieces of `lanes` lanes; vectors shorter than that are filled up with copies of their lanes.
fn by_register<'c>(
    e: &Emit<'_, 'c>,
    lanes: u32,
    args: &[Value<'c>],
    f: impl Fn(&[Value<'c>]) -> Value<'c>,
) -> Value<'c> {
    let total = args[0].ty().lanes();
    if total < lanes {
        let filled: Vec<_> = args.iter().map(|arg| e.permute(*arg, (0..lanes).map(|lane| lane % total))).collect();
        return e.permute(f(&filled), 0..total);
    }
    if total == lanes {
        return f(args);
    }
    let mut parts: Vec<_> = (0..total)
        .step_by(lanes as usize)
        .map(|start| {
            let pieces: Vec<_> = args.iter().map(|arg| e.permute(*arg, start..start + lanes)).collect();
            f(&pieces)
        })
        .collect();
    // Programs have a power of two of lanes, so halves are always equal.
    while parts.len() > 1 {
        parts = parts.chunks(2).map(|pair| e.shuffle(pair[0], pair[1], 0..pair[0].ty().lanes() * 2)).collect();
    }
    parts[0]
}

fn is_avx512_vector<'c>(e: &Emit<'_, 'c>, a: Value<'c>) -> bool {
    e.target.isa == Isa::Avx512 && a.ty().lanes().is_power_of_two()
}

/// `vpternlogd` on 32-bit lanes; its immediate is PTX's truth table.
pub(super) fn ternary_logic<'c>(e: &Emit<'_, 'c>, table: u8, operands: &[Value<'c>]) -> Option<Value<'c>> {
    is_avx512_vector(e, operands[0]).then(|| {
        by_register(e, 16, operands, |part| {
            let table = e.int_type(32).constant(u64::from(table));
            e.intrinsic("llvm.x86.avx512.pternlog.d.512", &[], &[part[0], part[1], part[2], table])
        })
    })
}

/// `vpmaddwd` on 16-bit lanes: sums of neighbouring products.
pub(super) fn multiply_add_pairs<'c>(e: &Emit<'_, 'c>, a: Value<'c>, b: Value<'c>) -> Option<Value<'c>> {
    let (name, lanes) = match e.target.isa {
        Isa::Avx512 => ("llvm.x86.avx512.pmaddw.d.512", 32),
        Isa::Avx2 => ("llvm.x86.avx2.pmadd.wd", 16),
        Isa::Sse42 => ("llvm.x86.sse2.pmadd.wd", 8),
        Isa::Baseline => return None,
    };
    let total = a.ty().lanes();
    (total >= lanes && total.is_power_of_two())
        .then(|| by_register(e, lanes, &[a, b], |part| e.intrinsic(name, &[], part)))
}

/// The rounding operand of AVX-512 instructions, exceptions suppressed.
const fn rounding_operand(rounding: Rounding) -> Option<u64> {
    match rounding {
        Rounding::NearestEven => Some(8),
        Rounding::Down => Some(9),
        Rounding::Up => Some(10),
        Rounding::Zero => Some(11),
        Rounding::NearestAway => None,
    }
}

/// Arithmetic with the rounding in the instruction.
pub(super) fn rounded<'c>(
    e: &Emit<'_, 'c>,
    op: Arithmetic,
    rounding: Rounding,
    args: &[Value<'c>],
) -> Option<Value<'c>> {
    if !is_avx512_vector(e, args[0]) {
        return None;
    }
    let mode = e.int_type(32).constant(rounding_operand(rounding)?);
    let double = args[0].ty().scalar_bits() == 64;
    let lanes = if double { 8 } else { 16 };
    let suffix = if double { "pd.512" } else { "ps.512" };
    let name = match op {
        Arithmetic::Add => "llvm.x86.avx512.add.",
        Arithmetic::Sub => "llvm.x86.avx512.sub.",
        Arithmetic::Mul => "llvm.x86.avx512.mul.",
        Arithmetic::Div => "llvm.x86.avx512.div.",
        Arithmetic::Sqrt => "llvm.x86.avx512.sqrt.",
        Arithmetic::Fma => "llvm.x86.avx512.vfmadd.",
        Arithmetic::Narrow => {
            let name = "llvm.x86.avx512.mask.cvtpd2ps.512";
            return Some(by_register(e, 8, args, |part| {
                let none = e.float_type(32).vector(8).zero();
                e.intrinsic(name, &[], &[part[0], none, e.int_type(8).all_ones(), mode])
            }));
        }
    };
    let name = format!("{name}{suffix}");
    Some(by_register(e, lanes, args, |part| {
        let mut operands = part.to_vec();
        operands.push(mode);
        e.intrinsic(&name, &[], &operands)
    }))
}

/// `a * 2^floor(x)`, 0 where `keep` fails: `vscalefps`, which overflows and underflows as it should.
pub(super) fn scale_by_power<'c>(
    e: &Emit<'_, 'c>,
    a: Value<'c>,
    x: Value<'c>,
    keep: Option<Value<'c>>,
) -> Option<Value<'c>> {
    is_avx512_vector(e, a).then(|| {
        let mut args = vec![a, x];
        args.extend(keep);
        by_register(e, 16, &args, |part| {
            let word = e.int_type(16);
            let kept = part.get(2).map_or(word.all_ones(), |kept| e.reinterpret(*kept, word));
            let current = e.int_type(32).constant(4);
            let name = "llvm.x86.avx512.mask.scalef.ps.512";
            e.intrinsic(name, &[], &[part[0], part[1], part[0].ty().zero(), kept, current])
        })
    })
}

/// `x` as mantissa in [3/4, 3/2) and exponent: `vgetmantps`, `vgetexpps`. The mantissa of a negative number is NaN; zero
/// and infinity have mantissa 1 and an infinite exponent.
pub(super) fn mantissa_and_exponent<'c>(e: &Emit<'_, 'c>, x: Value<'c>) -> Option<(Value<'c>, Value<'c>)> {
    if !is_avx512_vector(e, x) {
        return None;
    }
    let (all, current) = (e.int_type(16).all_ones(), e.int_type(32).constant(4));
    let mantissa = by_register(e, 16, &[x], |part| {
        // Interval [3/4, 3/2); both sign bits: no sign, NaN for negative numbers.
        let mode = e.int_type(32).constant(0b1111);
        e.intrinsic("llvm.x86.avx512.mask.getmant.ps.512", &[], &[part[0], mode, part[0], all, current])
    });
    let exponent_of = |value| {
        by_register(e, 16, &[value], |part| {
            e.intrinsic("llvm.x86.avx512.mask.getexp.ps.512", &[], &[part[0], part[0], all, current])
        })
    };
    // Mantissas below 1 were halved.
    Some((mantissa, e.fsub(exponent_of(x), exponent_of(mantissa))))
}

/// `x - floor(x)`, 0 for infinities: `vreduceps`.
pub(super) fn fraction<'c>(e: &Emit<'_, 'c>, x: Value<'c>) -> Option<Value<'c>> {
    is_avx512_vector(e, x).then(|| {
        by_register(e, 16, &[x], |part| {
            let (floor, all, current) =
                (e.int_type(32).constant(1), e.int_type(16).all_ones(), e.int_type(32).constant(4));
            let name = "llvm.x86.avx512.mask.reduce.ps.512";
            e.intrinsic(name, &[], &[part[0], floor, part[0], all, current])
        })
    })
}

/// `1 / sqrt(x)` to 14 bits: `vrsqrt14ps`.
pub(super) fn reciprocal_root_14<'c>(e: &Emit<'_, 'c>, x: Value<'c>) -> Option<Value<'c>> {
    estimate(e, "llvm.x86.avx512.rsqrt14.ps.512", x)
}

fn estimate<'c>(e: &Emit<'_, 'c>, name: &str, x: Value<'c>) -> Option<Value<'c>> {
    is_avx512_vector(e, x).then(|| {
        by_register(e, 16, &[x], |part| e.intrinsic(name, &[], &[part[0], part[0], e.int_type(16).all_ones()]))
    })
}
