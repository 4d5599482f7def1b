//! `cvt` in every form, and `cvt.pack`.
//!
//! Source: PTX ISA "Data Movement and Conversion Instructions: cvt" and ": cvt.pack".

use super::Lowered;
use super::operand::{InstCx, Width};
use crate::ir::{Cvt, Op, Operand, Rounding, ScalarType};
use ScalarType::*;

const TYPES: [ScalarType; 20] =
    [U8, U16, U32, U64, S8, S16, S32, S64, F16, BF16, F32, F64, F16x2, BF16x2, TF32, E4M3x2, E5M2x2, B16, B32, B64];

/// `cvt{.rnd}{.ftz}{.sat}{.relu}{.satfinite}.dtype.atype d, a{, b}`.
pub(super) fn cvt(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let integer_rounding = cx.mods.one_of(&[
        ("rni", Rounding::NearestEven),
        ("rzi", Rounding::Zero),
        ("rmi", Rounding::Down),
        ("rpi", Rounding::Up),
    ]);
    let mut rounding = cx.mods.rounding();
    if rounding.is_none() && cx.mods.take("rna") {
        rounding = Some(Rounding::NearestAway);
    }
    if cx.mods.has("rs") {
        return cx.unsupported("stochastic rounding (sm_100)", "cvt");
    }
    let ftz = cx.mods.take("ftz");
    let satfinite = cx.mods.take("satfinite");
    let relu = cx.mods.take("relu");
    let saturate = cx.mods.take("sat");
    let to = cx.mods.scalar(&TYPES[..17])?;
    let from = cx.mods.scalar(&TYPES[..17])?;
    let pair = to.is_packed() && !from.is_packed();
    let span = cx.mods.span();
    let name = cx.mods.opcode();

    if to.is_packed() || from.is_packed() {
        let known = matches!(
            (to, from),
            (F16x2 | BF16x2 | E4M3x2 | E5M2x2, F32) | (E4M3x2 | E5M2x2, F16x2) | (F16x2, E4M3x2 | E5M2x2)
        );
        if !known {
            return cx.error(
                "bad-type",
                span,
                format!(
                    "`{name}` does not exist; packed results come from two `.f32`, fp8 pairs from `.f16x2` and back"
                ),
            );
        }
    }
    if to == TF32 && from != F32 || from == TF32 {
        return cx.error("bad-type", span, format!("`{name}` does not exist; `.tf32` comes from `.f32`"));
    }
    let (to_float, from_float) = (to.is_float(), from.is_float());
    let rounding = match (to_float, from_float) {
        (false, true) => {
            // Float to integer: the integer roundings; PTX 1.x texts wrote the float ones.
            if integer_rounding.is_none() && rounding.is_none() {
                return cx.error(
                    "missing-modifier",
                    span,
                    format!("`{name}` needs a rounding: `.rni`, `.rzi`, `.rmi`, `.rpi`"),
                );
            }
            integer_rounding.or(rounding)
        }
        (true, false) => {
            if rounding.is_none() {
                return cx.error(
                    "missing-modifier",
                    span,
                    format!("`{name}` needs a rounding: `.rn`, `.rz`, `.rm`, `.rp`"),
                );
            }
            rounding
        }
        (true, true) => {
            let exact = widens(to, from);
            if integer_rounding.is_some() && to != from {
                return cx.error(
                    "bad-modifier",
                    span,
                    format!("`{name}`: integer rounding is for one floating-point type"),
                );
            }
            if !exact && to != from && rounding.is_none() {
                return cx.error(
                    "missing-modifier",
                    span,
                    format!("`{name}` needs a rounding: `.rn`, `.rz`, `.rm`, `.rp`"),
                );
            }
            // `cvt.rn.f32.f32` of old texts, and roundings of exact conversions, change nothing.
            integer_rounding.or(if to == from || exact { None } else { rounding })
        }
        (false, false) => {
            if rounding.is_some() || integer_rounding.is_some() {
                return cx.error("bad-modifier", span, format!("`{name}`: integers convert without rounding"));
            }
            None
        }
    };
    if ftz && to != F32 && from != F32 {
        return cx.error("bad-modifier", span, format!("`{name}`: `.ftz` needs an `.f32` on one side"));
    }
    if relu && !matches!(to, F16 | BF16 | F16x2 | BF16x2 | TF32 | E4M3x2 | E5M2x2) {
        return cx.error("bad-modifier", span, format!("`{name}` does not take `.relu`"));
    }
    if satfinite && !matches!(to, F16 | BF16 | F16x2 | BF16x2 | TF32 | E4M3x2 | E5M2x2) {
        return cx.error("bad-modifier", span, format!("`{name}` does not take `.satfinite`"));
    }
    let op = Op::Cvt(Cvt {
        to,
        from,
        rounding,
        integral: to_float && integer_rounding.is_some(),
        ftz,
        saturate,
        satfinite,
        relu,
    });
    if pair {
        cx.count(3, 3)?;
        let srcs = [cx.src(1, from)?, cx.src(2, from)?];
        let dst = cx.dst(0, to)?;
        return cx.emit(op, &[dst], &srcs);
    }
    cx.count(2, 2)?;
    // The relaxed rules are those of the fundamental types.
    let alternate = [to, from].iter().any(|ty| ty.is_packed() || matches!(ty, BF16 | TF32));
    let width = if alternate { Width::Exact } else { Width::AtLeast };
    let operand = cx.operand(1)?;
    let src = cx.src_of(operand, from, width)?;
    let operand = cx.operand(0)?;
    let dst = cx.dst_of(operand, to, width)?;
    cx.emit(op, &[dst], &[src])
}

/// True when every value of `from` exists in `to`.
fn widens(to: ScalarType, from: ScalarType) -> bool {
    matches!((to, from), (F32 | F64, F16 | BF16) | (F64, F32) | (F16x2, E4M3x2 | E5M2x2))
}

/// `cvt.pack.sat.to.from{.b32} d, a, b{, c}`.
pub(super) fn pack(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    cx.mods.take("pack");
    cx.mods.require("saturation", &[("sat", ())])?;
    let (to_bits, to_signed) = cx.mods.require(
        "an element type",
        &[
            ("u16", (16, false)),
            ("s16", (16, true)),
            ("u8", (8, false)),
            ("s8", (8, true)),
            ("u4", (4, false)),
            ("s4", (4, true)),
            ("u2", (2, false)),
            ("s2", (2, true)),
        ],
    )?;
    let from_signed = cx.mods.require("a source type", &[("s32", true), ("u32", false)])?;
    let insert = cx.mods.take("b32");
    if insert == (to_bits == 16) {
        let message = "`cvt.pack` to 16-bit elements takes `a, b`; to smaller ones `.b32` and `a, b, c`";
        return cx.error("bad-modifier", cx.mods.span(), message);
    }
    let n = if insert { 4 } else { 3 };
    cx.count(n, n)?;
    let mut srcs: Vec<Operand> = vec![cx.src(1, S32)?, cx.src(2, S32)?];
    if insert {
        srcs.push(cx.src(3, B32)?);
    }
    let dst = cx.dst(0, U32)?;
    cx.emit(Op::CvtPack { to_bits, to_signed, from_signed, insert }, &[dst], &srcs)
}
