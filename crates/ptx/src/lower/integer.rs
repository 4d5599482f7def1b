//! Integer arithmetic, carry chains, bit fields, dot products.
//!
//! Source: PTX ISA "Integer Arithmetic Instructions" and "Extended-Precision Integer Arithmetic Instructions".

use super::Lowered;
use super::operand::InstCx;
use crate::ir::{CarryOp, IntBinary, IntUnary, MulHalf, Op, Operand, ScalarType};
use ScalarType::*;

/// Types of integer arithmetic.
pub(super) const INTEGERS: [ScalarType; 6] = [U16, U32, U64, S16, S32, S64];
const INTEGERS_AND_PAIRS: [ScalarType; 8] = [U16, U32, U64, S16, S32, S64, U16x2, S16x2];
const SIGNED: [ScalarType; 3] = [S16, S32, S64];
const CARRYING: [ScalarType; 6] = [U32, S32, U64, S64, B32, B64];

fn binary(cx: &mut InstCx<'_, '_, '_>, op: IntBinary, ty: ScalarType) -> Lowered<()> {
    cx.count(3, 3)?;
    let srcs = [cx.src(1, ty)?, cx.src(2, ty)?];
    let dst = cx.dst(0, ty)?;
    cx.emit(Op::IntBinary(op, ty), &[dst], &srcs)
}

/// `{add,sub}{.sat}.type` and `{add,sub}.cc.type`.
pub(super) fn add_sub(cx: &mut InstCx<'_, '_, '_>, add: bool) -> Lowered<()> {
    if cx.mods.take("cc") {
        return carry_chain(cx, if add { CarryOp::Add } else { CarryOp::Sub }, false, true);
    }
    if cx.mods.take("sat") {
        let ty = cx.mods.scalar(&[S32])?;
        return binary(cx, if add { IntBinary::AddSat } else { IntBinary::SubSat }, ty);
    }
    let ty = cx.mods.scalar(&INTEGERS_AND_PAIRS)?;
    binary(cx, if add { IntBinary::Add } else { IntBinary::Sub }, ty)
}

/// `{addc,subc}{.cc}.type`.
pub(super) fn carry(cx: &mut InstCx<'_, '_, '_>, add: bool) -> Lowered<()> {
    let carry_out = cx.mods.take("cc");
    carry_chain(cx, if add { CarryOp::Add } else { CarryOp::Sub }, true, carry_out)
}

/// `madc{.hi,.lo}{.cc}.type`.
pub(super) fn madc(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let carry_out = cx.mods.take("cc");
    let op = cx.mods.require("a half", &[("lo", CarryOp::MadLo), ("hi", CarryOp::MadHi)])?;
    carry_chain(cx, op, true, carry_out)
}

fn carry_chain(cx: &mut InstCx<'_, '_, '_>, op: CarryOp, carry_in: bool, carry_out: bool) -> Lowered<()> {
    let ty = cx.mods.scalar(&CARRYING)?;
    let n = if matches!(op, CarryOp::MadLo | CarryOp::MadHi) { 3 } else { 2 };
    cx.count(n + 1, n + 1)?;
    let mut srcs = Vec::with_capacity(4);
    for idx in 1..=n {
        srcs.push(cx.src(idx, ty)?);
    }
    let cc = cx.f.carry();
    if carry_in {
        srcs.push(Operand::Reg(cc));
    }
    let mut dsts = vec![cx.dst(0, ty)?];
    if carry_out {
        dsts.push(cc);
    }
    cx.emit(Op::Carry { op, ty, carry_in, carry_out }, &dsts, &srcs)
}

/// `mul{.hi,.lo,.wide}.type`.
pub(super) fn mul(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let half = cx.mods.require("a half", &[("lo", MulHalf::Lo), ("hi", MulHalf::Hi), ("wide", MulHalf::Wide)])?;
    match half {
        MulHalf::Lo => {
            let ty = cx.mods.scalar(&INTEGERS)?;
            binary(cx, IntBinary::MulLo, ty)
        }
        MulHalf::Hi => {
            let ty = cx.mods.scalar(&INTEGERS)?;
            binary(cx, IntBinary::MulHi, ty)
        }
        MulHalf::Wide => {
            let ty = cx.mods.scalar(&[U16, U32, S16, S32])?;
            cx.count(3, 3)?;
            let srcs = [cx.src(1, ty)?, cx.src(2, ty)?];
            let dst = cx.dst(0, doubled(ty))?;
            cx.emit(Op::MulWide(ty), &[dst], &srcs)
        }
    }
}

/// The type of twice the width.
const fn doubled(ty: ScalarType) -> ScalarType {
    match ty {
        U16 => U32,
        S16 => S32,
        U32 => U64,
        _ => S64,
    }
}

/// `mad{.hi,.lo,.wide}{.sat}{.cc}.type`.
pub(super) fn mad(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let half = cx.mods.require("a half", &[("lo", MulHalf::Lo), ("hi", MulHalf::Hi), ("wide", MulHalf::Wide)])?;
    if cx.mods.take("cc") {
        let op = match half {
            MulHalf::Lo => CarryOp::MadLo,
            MulHalf::Hi => CarryOp::MadHi,
            MulHalf::Wide => return cx.error("bad-modifier", cx.mods.span(), "`mad.wide` does not take `.cc`"),
        };
        return carry_chain(cx, op, false, true);
    }
    let saturate = cx.mods.take("sat");
    let ty = match (half, saturate) {
        (MulHalf::Hi, true) => cx.mods.scalar(&[S32])?,
        (_, true) => return cx.error("bad-modifier", cx.mods.span(), "`.sat` is for `mad.hi.sat.s32`"),
        (MulHalf::Wide, _) => cx.mods.scalar(&[U16, U32, S16, S32])?,
        _ => cx.mods.scalar(&INTEGERS)?,
    };
    cx.count(4, 4)?;
    let wide = if half == MulHalf::Wide { doubled(ty) } else { ty };
    let srcs = [cx.src(1, ty)?, cx.src(2, ty)?, cx.src(3, wide)?];
    let dst = cx.dst(0, wide)?;
    cx.emit(Op::Mad { ty, half, saturate }, &[dst], &srcs)
}

/// `mul24{.hi,.lo}.type`, `mad24{.hi,.lo}{.sat}.type`.
pub(super) fn mul24(cx: &mut InstCx<'_, '_, '_>, mad: bool) -> Lowered<()> {
    let high = cx.mods.require("a half", &[("lo", false), ("hi", true)])?;
    let saturate = mad && high && cx.mods.take("sat");
    let ty = if saturate { cx.mods.scalar(&[S32])? } else { cx.mods.scalar(&[U32, S32])? };
    let n = if mad { 3 } else { 2 };
    cx.count(n + 1, n + 1)?;
    let mut srcs = Vec::with_capacity(3);
    for idx in 1..=n {
        srcs.push(cx.src(idx, ty)?);
    }
    let dst = cx.dst(0, ty)?;
    cx.emit(Op::Mul24 { ty, high, mad, saturate }, &[dst], &srcs)
}

/// `sad.type d, a, b, c`.
pub(super) fn sad(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let ty = cx.mods.scalar(&INTEGERS)?;
    cx.count(4, 4)?;
    let srcs = [cx.src(1, ty)?, cx.src(2, ty)?, cx.src(3, ty)?];
    let dst = cx.dst(0, ty)?;
    cx.emit(Op::Sad(ty), &[dst], &srcs)
}

/// `div.type`, `rem.type`.
pub(super) fn div_rem(cx: &mut InstCx<'_, '_, '_>, div: bool) -> Lowered<()> {
    let ty = cx.mods.scalar(&INTEGERS)?;
    binary(cx, if div { IntBinary::Div } else { IntBinary::Rem }, ty)
}

/// `abs.type`, `neg.type`.
pub(super) fn abs_neg(cx: &mut InstCx<'_, '_, '_>, abs: bool) -> Lowered<()> {
    let ty = cx.mods.scalar(&SIGNED)?;
    unary(cx, if abs { IntUnary::Abs } else { IntUnary::Neg }, ty, ty)
}

fn unary(cx: &mut InstCx<'_, '_, '_>, op: IntUnary, ty: ScalarType, result: ScalarType) -> Lowered<()> {
    cx.count(2, 2)?;
    let src = cx.src(1, ty)?;
    let dst = cx.dst(0, result)?;
    cx.emit(Op::IntUnary(op, ty), &[dst], &[src])
}

/// `{min,max}{.relu}.type`.
pub(super) fn min_max(cx: &mut InstCx<'_, '_, '_>, max: bool) -> Lowered<()> {
    if cx.mods.take("relu") {
        let ty = cx.mods.scalar(&[S32, S16x2])?;
        return binary(cx, if max { IntBinary::MaxRelu } else { IntBinary::MinRelu }, ty);
    }
    let ty = cx.mods.scalar(&INTEGERS_AND_PAIRS)?;
    binary(cx, if max { IntBinary::Max } else { IntBinary::Min }, ty)
}

/// `popc clz brev bfind`.
pub(super) fn bit_count(cx: &mut InstCx<'_, '_, '_>, root: &str) -> Lowered<()> {
    match root {
        "popc" => {
            let ty = cx.mods.scalar(&[B32, B64])?;
            unary(cx, IntUnary::Popc, ty, U32)
        }
        "clz" => {
            let ty = cx.mods.scalar(&[B32, B64])?;
            unary(cx, IntUnary::Clz, ty, U32)
        }
        "brev" => {
            let ty = cx.mods.scalar(&[B32, B64])?;
            unary(cx, IntUnary::Brev, ty, ty)
        }
        _ => {
            let shift = cx.mods.take("shiftamt");
            let ty = cx.mods.scalar(&[U32, U64, S32, S64])?;
            unary(cx, if shift { IntUnary::BfindShift } else { IntUnary::Bfind }, ty, U32)
        }
    }
}

/// `fns.b32 d, mask, base, offset`.
pub(super) fn fns(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    cx.mods.scalar(&[B32])?;
    cx.count(4, 4)?;
    let srcs = [cx.src(1, B32)?, cx.src(2, B32)?, cx.src(3, B32)?];
    let dst = cx.dst(0, B32)?;
    cx.emit(Op::Fns, &[dst], &srcs)
}

/// `bfe.type d, a, position, length`.
pub(super) fn bfe(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let ty = cx.mods.scalar(&[U32, U64, S32, S64])?;
    cx.count(4, 4)?;
    let srcs = [cx.src(1, ty)?, cx.src(2, U32)?, cx.src(3, U32)?];
    let dst = cx.dst(0, ty)?;
    cx.emit(Op::Bfe(ty), &[dst], &srcs)
}

/// `bfi.type f, a, b, position, length`.
pub(super) fn bfi(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let ty = cx.mods.scalar(&[B32, B64])?;
    cx.count(5, 5)?;
    let srcs = [cx.src(1, ty)?, cx.src(2, ty)?, cx.src(3, U32)?, cx.src(4, U32)?];
    let dst = cx.dst(0, ty)?;
    cx.emit(Op::Bfi(ty), &[dst], &srcs)
}

/// `bmsk{.clamp,.wrap}.b32 d, a, b`.
pub(super) fn bmsk(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let clamp = cx.mods.require("a mode", &[("clamp", true), ("wrap", false)])?;
    cx.mods.scalar(&[B32])?;
    cx.count(3, 3)?;
    let srcs = [cx.src(1, U32)?, cx.src(2, U32)?];
    let dst = cx.dst(0, U32)?;
    cx.emit(Op::Bmsk { clamp }, &[dst], &srcs)
}

/// `szext{.clamp,.wrap}.type d, a, b`.
pub(super) fn szext(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let clamp = cx.mods.require("a mode", &[("clamp", true), ("wrap", false)])?;
    let ty = cx.mods.scalar(&[U32, S32])?;
    cx.count(3, 3)?;
    let srcs = [cx.src(1, ty)?, cx.src(2, U32)?];
    let dst = cx.dst(0, ty)?;
    cx.emit(Op::Szext { ty, clamp }, &[dst], &srcs)
}

/// `dp4a.atype.btype d, a, b, c`.
pub(super) fn dp4a(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let a_signed = cx.mods.scalar(&[U32, S32])? == S32;
    let b_signed = cx.mods.scalar(&[U32, S32])? == S32;
    dot(cx, Op::Dp4a { a_signed, b_signed })
}

/// `dp2a.{lo,hi}.atype.btype d, a, b, c`.
pub(super) fn dp2a(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let high = cx.mods.require("a half", &[("lo", false), ("hi", true)])?;
    let a_signed = cx.mods.scalar(&[U32, S32])? == S32;
    let b_signed = cx.mods.scalar(&[U32, S32])? == S32;
    dot(cx, Op::Dp2a { a_signed, b_signed, high })
}

fn dot(cx: &mut InstCx<'_, '_, '_>, op: Op) -> Lowered<()> {
    cx.count(4, 4)?;
    let srcs = [cx.src(1, U32)?, cx.src(2, U32)?, cx.src(3, U32)?];
    let dst = cx.dst(0, U32)?;
    cx.emit(op, &[dst], &srcs)
}
