//! Logic and shifts.
//!
//! Source: PTX ISA "Logic and Shift Instructions" and "prmt".

use super::Lowered;
use super::data_movement::BOOL_OPS;
use super::operand::{InstCx, Width};
use crate::ir::{IntBinary, IntUnary, Op, PrmtMode, ScalarType};
use ScalarType::*;

/// `{and,or,xor}.type d, a, b`.
pub(super) fn binary(cx: &mut InstCx<'_, '_, '_>, root: &str) -> Lowered<()> {
    let ty = cx.mods.scalar(&[Pred, B16, B32, B64])?;
    cx.count(3, 3)?;
    let op = match root {
        "and" => IntBinary::And,
        "or" => IntBinary::Or,
        _ => IntBinary::Xor,
    };
    let srcs = [cx.src(1, ty)?, cx.src(2, ty)?];
    let dst = cx.dst(0, ty)?;
    cx.emit(Op::IntBinary(op, ty), &[dst], &srcs)
}

/// `not.type d, a`, `cnot.type d, a`.
pub(super) fn unary(cx: &mut InstCx<'_, '_, '_>, root: &str) -> Lowered<()> {
    let (op, ty) = match root {
        "not" => (IntUnary::Not, cx.mods.scalar(&[Pred, B16, B32, B64])?),
        _ => (IntUnary::Cnot, cx.mods.scalar(&[B16, B32, B64])?),
    };
    cx.count(2, 2)?;
    let src = cx.src(1, ty)?;
    let dst = cx.dst(0, ty)?;
    cx.emit(Op::IntUnary(op, ty), &[dst], &[src])
}

/// `lop3.b32 d, a, b, c, immLut` and `lop3.{or,and}.b32 d|p, a, b, c, immLut, q`.
pub(super) fn lop3(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let predicate = cx.mods.one_of(&BOOL_OPS[..2]);
    cx.mods.scalar(&[B32])?;
    let n = if predicate.is_some() { 6 } else { 5 };
    cx.count(n, n)?;
    let mut srcs = vec![cx.src(1, B32)?, cx.src(2, B32)?, cx.src(3, B32)?];
    let table = cx.constant(4, "the truth table of `lop3`")?;
    let Ok(table) = u8::try_from(table) else {
        return cx.error(
            "bad-operand",
            cx.operand(4)?.span(),
            format!("the truth table of `lop3` is {table}; accepted: 0 to 255"),
        );
    };
    let (d, p) = cx.pair(0)?;
    let mut dsts = vec![cx.dst_of(d, B32, Width::Exact)?];
    match (predicate, p) {
        (Some(_), Some(p)) => {
            srcs.push(cx.src(5, Pred)?);
            dsts.push(cx.dst_of(p, Pred, Width::Exact)?);
        }
        (None, None) => {}
        _ => {
            return cx.error(
                "bad-operand",
                cx.inst.span,
                "`lop3.or` and `lop3.and` have the destination `d|p`, plain `lop3` has `d`",
            );
        }
    }
    cx.emit(Op::Lop3 { table, predicate }, &dsts, &srcs)
}

/// `shl.type d, a, b`, `shr.type d, a, b`.
pub(super) fn shift(cx: &mut InstCx<'_, '_, '_>, left: bool) -> Lowered<()> {
    let (op, ty) = if left {
        (IntBinary::Shl, cx.mods.scalar(&[B16, B32, B64, U16, U32, U64, S16, S32, S64])?)
    } else {
        (IntBinary::Shr, cx.mods.scalar(&[B16, B32, B64, U16, U32, U64, S16, S32, S64])?)
    };
    cx.count(3, 3)?;
    let srcs = [cx.src(1, ty)?, cx.src(2, U32)?];
    let dst = cx.dst(0, ty)?;
    cx.emit(Op::IntBinary(op, ty), &[dst], &srcs)
}

/// `shf.{l,r}.{clamp,wrap}.b32 d, a, b, c`.
pub(super) fn shf(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let left = cx.mods.require("a direction", &[("l", true), ("r", false)])?;
    let clamp = cx.mods.require("a mode", &[("clamp", true), ("wrap", false)])?;
    cx.mods.scalar(&[B32])?;
    cx.count(4, 4)?;
    let srcs = [cx.src(1, B32)?, cx.src(2, B32)?, cx.src(3, U32)?];
    let dst = cx.dst(0, B32)?;
    cx.emit(Op::Shf { left, clamp }, &[dst], &srcs)
}

/// `prmt.b32{.mode} d, a, b, c`.
pub(super) fn prmt(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    cx.mods.scalar(&[B32])?;
    let modes = [
        ("f4e", PrmtMode::F4e),
        ("b4e", PrmtMode::B4e),
        ("rc8", PrmtMode::Rc8),
        ("ecl", PrmtMode::Ecl),
        ("ecr", PrmtMode::Ecr),
        ("rc16", PrmtMode::Rc16),
    ];
    let mode = cx.mods.one_of(&modes).unwrap_or(PrmtMode::Default);
    cx.count(4, 4)?;
    let srcs = [cx.src(1, B32)?, cx.src(2, B32)?, cx.src(3, B32)?];
    let dst = cx.dst(0, B32)?;
    cx.emit(Op::Prmt(mode), &[dst], &srcs)
}
