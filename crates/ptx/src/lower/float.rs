//! Floating-point arithmetic in all formats.
//!
//! Source: PTX ISA "Floating-Point Instructions", "Half Precision Floating-Point Instructions".

use super::Lowered;
use super::operand::InstCx;
use crate::ir::{Accuracy, FloatBinary, FloatMode, FloatTest, FloatUnary, Op, Rounding, ScalarType, Transcendental};
use ScalarType::*;

const ALL: [ScalarType; 6] = [F32, F64, F16, F16x2, BF16, BF16x2];

/// Anything floating-point by its root.
pub(super) fn arithmetic(cx: &mut InstCx<'_, '_, '_>, root: &str) -> Lowered<()> {
    match root {
        "add" => add_mul(cx, FloatBinary::Add),
        "sub" => add_mul(cx, FloatBinary::Sub),
        "mul" => add_mul(cx, FloatBinary::Mul),
        "fma" | "mad" => fma(cx, root == "fma"),
        "min" | "max" => min_max(cx, root == "max"),
        "neg" | "abs" => sign(cx, root == "neg"),
        "div" => div(cx),
        "rcp" => rcp(cx),
        "sqrt" => sqrt(cx),
        "copysign" => copysign(cx),
        "testp" => testp(cx),
        _ => transcendental(cx, root),
    }
}

/// Refuses modifiers that a type does not have.
fn check_mode(cx: &InstCx<'_, '_, '_>, ty: ScalarType, mode: FloatMode, explicit: Option<Rounding>) -> Lowered<()> {
    let refuse = |what: &str| {
        let message = format!("`{}`: type `.{ty}` does not take `.{what}`", cx.mods.opcode());
        cx.error("bad-modifier", cx.mods.span(), message)
    };
    if mode.ftz && !matches!(ty, F32 | F16 | F16x2) {
        return refuse("ftz");
    }
    if mode.saturate && !matches!(ty, F32 | F16 | F16x2) {
        return refuse("sat");
    }
    if !matches!(ty, F32 | F64) {
        match explicit {
            Some(Rounding::Zero) => return refuse("rz"),
            Some(Rounding::Down) => return refuse("rm"),
            Some(Rounding::Up) => return refuse("rp"),
            _ => {}
        }
    }
    Ok(())
}

/// `{add,sub,mul}{.rnd}{.ftz}{.sat}.type d, a, b`.
fn add_mul(cx: &mut InstCx<'_, '_, '_>, op: FloatBinary) -> Lowered<()> {
    let rounding = cx.mods.rounding();
    let mode = FloatMode {
        rounding: rounding.unwrap_or(Rounding::NearestEven),
        ftz: cx.mods.take("ftz"),
        saturate: cx.mods.take("sat"),
        ..FloatMode::default()
    };
    let ty = cx.mods.scalar(&ALL)?;
    if cx.mods.scalar_opt(&[F16, BF16]).is_some() {
        return cx.unsupported("mixed-precision arithmetic (sm_100)", "Mixed Precision Floating-Point Instructions");
    }
    check_mode(cx, ty, mode, rounding)?;
    cx.count(3, 3)?;
    let srcs = [cx.src(1, ty)?, cx.src(2, ty)?];
    let dst = cx.dst(0, ty)?;
    cx.emit(Op::FloatBinary(op, ty, mode), &[dst], &srcs)
}

/// `fma.rnd{.ftz}{.sat}{.relu}.type d, a, b, c`; `mad` of sm_20 and later is the same.
fn fma(cx: &mut InstCx<'_, '_, '_>, is_fma: bool) -> Lowered<()> {
    if cx.mods.has("oob") {
        return cx.unsupported("out-of-bounds operands", "Half Precision Floating-Point Instructions: fma");
    }
    let rounding = cx.mods.rounding();
    let mode = FloatMode {
        rounding: rounding.unwrap_or(Rounding::NearestEven),
        ftz: cx.mods.take("ftz"),
        saturate: cx.mods.take("sat"),
        relu: is_fma && cx.mods.take("relu"),
        ..FloatMode::default()
    };
    let ty = if is_fma { cx.mods.scalar(&ALL)? } else { cx.mods.scalar(&ALL[..2])? };
    if cx.mods.scalar_opt(&[F16, BF16]).is_some() {
        return cx.unsupported("mixed-precision arithmetic (sm_100)", "Mixed Precision Floating-Point Instructions");
    }
    if rounding.is_none() {
        let message = format!("`{}` needs a rounding: `.rn`, `.rz`, `.rm`, `.rp`", cx.mods.opcode());
        return cx.error("missing-modifier", cx.mods.span(), message);
    }
    check_mode(cx, ty, mode, rounding)?;
    if mode.relu && (matches!(ty, F32 | F64) || mode.saturate) {
        return cx.error(
            "bad-modifier",
            cx.mods.span(),
            format!("`{}`: `.relu` is for 16-bit formats without `.sat`", cx.mods.opcode()),
        );
    }
    cx.count(4, 4)?;
    let srcs = [cx.src(1, ty)?, cx.src(2, ty)?, cx.src(3, ty)?];
    let dst = cx.dst(0, ty)?;
    cx.emit(Op::Fma(ty, mode), &[dst], &srcs)
}

/// `{min,max}{.ftz}{.NaN}{.xorsign.abs}.type d, a, b{, c}`.
fn min_max(cx: &mut InstCx<'_, '_, '_>, max: bool) -> Lowered<()> {
    let ftz = cx.mods.take("ftz");
    let nan = cx.mods.take("NaN");
    let xorsign_abs = cx.mods.take("xorsign");
    if xorsign_abs {
        cx.mods.require("the rest of `.xorsign.abs`", &[("abs", ())])?;
    }
    let mode = FloatMode { ftz, nan, xorsign_abs, ..FloatMode::default() };
    let ty = cx.mods.scalar(&ALL)?;
    check_mode(cx, ty, mode, None)?;
    if ty == F64 && (nan || xorsign_abs) {
        return cx.error(
            "bad-modifier",
            cx.mods.span(),
            format!("`{}`: `.f64` takes neither `.NaN` nor `.xorsign.abs`", cx.mods.opcode()),
        );
    }
    cx.count(3, if ty == F32 { 4 } else { 3 })?;
    let mut srcs = vec![cx.src(1, ty)?, cx.src(2, ty)?];
    let dst = cx.dst(0, ty)?;
    if cx.n_operands() == 4 {
        if xorsign_abs {
            return cx.error(
                "bad-modifier",
                cx.mods.span(),
                format!("`{}` with three inputs does not take `.xorsign`", cx.mods.opcode()),
            );
        }
        srcs.push(cx.src(3, ty)?);
        return cx.emit(Op::FloatMinMax3 { max, mode }, &[dst], &srcs);
    }
    let op = if max { FloatBinary::Max } else { FloatBinary::Min };
    cx.emit(Op::FloatBinary(op, ty, mode), &[dst], &srcs)
}

/// `{neg,abs}{.ftz}.type d, a`.
fn sign(cx: &mut InstCx<'_, '_, '_>, neg: bool) -> Lowered<()> {
    let mode = FloatMode { ftz: cx.mods.take("ftz"), ..FloatMode::default() };
    let ty = cx.mods.scalar(&ALL)?;
    check_mode(cx, ty, mode, None)?;
    cx.count(2, 2)?;
    let src = cx.src(1, ty)?;
    let dst = cx.dst(0, ty)?;
    cx.emit(Op::FloatUnary(if neg { FloatUnary::Neg } else { FloatUnary::Abs }, ty, mode), &[dst], &[src])
}

/// The accuracy and rounding of `div`, `rcp` and `sqrt`.
fn accuracy(cx: &mut InstCx<'_, '_, '_>, full: bool) -> Lowered<(Accuracy, FloatMode)> {
    let accuracy = if cx.mods.take("approx") {
        Some(Accuracy::Approx)
    } else if full && cx.mods.take("full") {
        Some(Accuracy::Full)
    } else {
        None
    };
    let rounding = cx.mods.rounding();
    let ftz = cx.mods.take("ftz");
    let accuracy = match (accuracy, rounding) {
        (Some(accuracy), None) => accuracy,
        (None, Some(_)) => Accuracy::Ieee,
        _ => {
            let full = if full { "`.full`, " } else { "" };
            let message = format!("`{}` needs one of `.approx`, {full}`.rn`, `.rz`, `.rm`, `.rp`", cx.mods.opcode());
            return cx.error("missing-modifier", cx.mods.span(), message);
        }
    };
    let mode = FloatMode { rounding: rounding.unwrap_or(Rounding::NearestEven), ftz, ..FloatMode::default() };
    Ok((accuracy, mode))
}

fn check_f64(cx: &InstCx<'_, '_, '_>, ty: ScalarType, bad: bool) -> Lowered<()> {
    if ty == F64 && bad {
        return cx.error("bad-modifier", cx.mods.span(), format!("`{}` does not exist for `.f64`", cx.mods.opcode()));
    }
    Ok(())
}

/// `div.{approx,full,rnd}{.ftz}.type d, a, b`.
fn div(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let (accuracy, mode) = accuracy(cx, true)?;
    let ty = cx.mods.scalar(&ALL[..2])?;
    check_f64(cx, ty, mode.ftz || accuracy != Accuracy::Ieee)?;
    cx.count(3, 3)?;
    let srcs = [cx.src(1, ty)?, cx.src(2, ty)?];
    let dst = cx.dst(0, ty)?;
    cx.emit(Op::Div(ty, accuracy, mode), &[dst], &srcs)
}

/// `rcp.{approx,rnd}{.ftz}.type d, a`; `rcp.approx.ftz.f64`.
fn rcp(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let (accuracy, mode) = accuracy(cx, false)?;
    let ty = cx.mods.scalar(&ALL[..2])?;
    check_f64(cx, ty, mode.ftz != (accuracy == Accuracy::Approx))?;
    one(cx, ty, Op::Rcp(ty, accuracy, mode))
}

/// `sqrt.{approx,rnd}{.ftz}.type d, a`.
fn sqrt(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let (accuracy, mode) = accuracy(cx, false)?;
    let ty = cx.mods.scalar(&ALL[..2])?;
    check_f64(cx, ty, mode.ftz || accuracy != Accuracy::Ieee)?;
    one(cx, ty, Op::Sqrt(ty, accuracy, mode))
}

fn one(cx: &mut InstCx<'_, '_, '_>, ty: ScalarType, op: Op) -> Lowered<()> {
    cx.count(2, 2)?;
    let src = cx.src(1, ty)?;
    let dst = cx.dst(0, ty)?;
    cx.emit(op, &[dst], &[src])
}

/// `{rsqrt,sin,cos,lg2,ex2,tanh}.approx{.ftz}.type d, a`.
fn transcendental(cx: &mut InstCx<'_, '_, '_>, root: &str) -> Lowered<()> {
    cx.mods.require("accuracy", &[("approx", ())])?;
    let ftz = root != "tanh" && cx.mods.take("ftz");
    let (function, accepted): (_, &[ScalarType]) = match root {
        "rsqrt" => (Transcendental::Rsqrt, &[F32, F64]),
        "sin" => (Transcendental::Sin, &[F32]),
        "cos" => (Transcendental::Cos, &[F32]),
        "lg2" => (Transcendental::Lg2, &[F32]),
        "ex2" => (Transcendental::Ex2, &[F32, F16, F16x2, BF16, BF16x2]),
        _ => (Transcendental::Tanh, &[F32, F16, F16x2, BF16, BF16x2]),
    };
    let ty = cx.mods.scalar(accepted)?;
    if root == "ex2" {
        let brain = matches!(ty, BF16 | BF16x2);
        if matches!(ty, F16 | F16x2) && ftz {
            return cx.error("bad-modifier", cx.mods.span(), "`ex2.approx` for `.f16` does not take `.ftz`");
        }
        if brain && !ftz {
            return cx.error("missing-modifier", cx.mods.span(), "`ex2.approx` for `.bf16` needs `.ftz`");
        }
    }
    one(cx, ty, Op::Transcendental(function, ty, FloatMode { ftz, ..FloatMode::default() }))
}

/// `copysign.type d, a, b`.
fn copysign(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let ty = cx.mods.scalar(&ALL[..2])?;
    cx.count(3, 3)?;
    let srcs = [cx.src(1, ty)?, cx.src(2, ty)?];
    let dst = cx.dst(0, ty)?;
    cx.emit(Op::Copysign(ty), &[dst], &srcs)
}

/// `testp.op.type p, a`.
fn testp(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let test = cx.mods.require(
        "a property",
        &[
            ("finite", FloatTest::Finite),
            ("infinite", FloatTest::Infinite),
            ("number", FloatTest::Number),
            ("notanumber", FloatTest::NotANumber),
            ("normal", FloatTest::Normal),
            ("subnormal", FloatTest::Subnormal),
        ],
    )?;
    let ty = cx.mods.scalar(&ALL[..2])?;
    cx.count(2, 2)?;
    let src = cx.src(1, ty)?;
    let dst = cx.dst(0, Pred)?;
    cx.emit(Op::TestP(test, ty), &[dst], &[src])
}
