//! Barriers and communication between the threads of a warp.
//!
//! Source: PTX ISA "Parallel Synchronization and Communication Instructions".

use super::Lowered;
use super::operand::{InstCx, Width};
use crate::ir::{Barrier, BarrierOp, Op, ReduxOp, RegWidth, ScalarType, ShuffleMode, VoteMode};
use ScalarType::*;

/// `bar` and `barrier`. A guard becomes a branch around it.
pub(super) fn barrier(cx: &mut InstCx<'_, '_, '_>, bar: bool) -> Lowered<()> {
    let after = cx.begin_guarded();
    let result = unguarded_barrier(cx, bar);
    cx.end_guarded(after);
    result
}

fn unguarded_barrier(cx: &mut InstCx<'_, '_, '_>, bar: bool) -> Lowered<()> {
    if bar && cx.mods.take("warp") {
        cx.mods.require("the kind", &[("sync", ())])?;
        cx.count(1, 1)?;
        let mask = cx.src(0, U32)?;
        return cx.emit(Op::WarpSync, &[], &[mask]);
    }
    cx.mods.take("cta");
    let aligned = cx.mods.take("aligned") || bar;
    let kind = cx.mods.require("an operation", &[("sync", 0), ("arrive", 1), ("red", 2)])?;
    if kind < 2 {
        let (op, least) = if kind == 0 { (BarrierOp::Sync, 1) } else { (BarrierOp::Arrive, 2) };
        cx.count(least, 2)?;
        let mut srcs = vec![cx.src(0, U32)?];
        let has_threads = cx.n_operands() == 2;
        if has_threads {
            srcs.push(cx.src(1, U32)?);
        }
        return cx.emit(Op::Barrier(Barrier { op, has_threads, aligned }), &[], &srcs);
    }
    let op = cx.mods.require(
        "a reduction",
        &[("popc", BarrierOp::RedPopc), ("and", BarrierOp::RedAnd), ("or", BarrierOp::RedOr)],
    )?;
    let ty = if op == BarrierOp::RedPopc { cx.mods.scalar(&[U32])? } else { cx.mods.scalar(&[Pred])? };
    cx.count(3, 4)?;
    let has_threads = cx.n_operands() == 4;
    let mut srcs = vec![cx.src(1, U32)?];
    if has_threads {
        srcs.push(cx.src(2, U32)?);
    }
    srcs.push(cx.src(cx.n_operands() - 1, Pred)?);
    let dst = cx.dst(0, ty)?;
    cx.emit(Op::Barrier(Barrier { op, has_threads, aligned }), &[dst], &srcs)
}

/// `shfl{.sync}.mode.b32 d{|p}, a, b, c{, membermask}`.
pub(super) fn shfl(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let sync = cx.mods.take("sync");
    let mode = cx.mods.require(
        "a mode",
        &[("up", ShuffleMode::Up), ("down", ShuffleMode::Down), ("bfly", ShuffleMode::Bfly), ("idx", ShuffleMode::Idx)],
    )?;
    cx.mods.scalar(&[B32, U32, S32, F32])?;
    let n = if sync { 5 } else { 4 };
    cx.count(n, n)?;
    let mut srcs = Vec::with_capacity(4);
    for idx in 1..n {
        // The mask is an integer; the other three are 32 bits of any kind.
        srcs.push(cx.src(idx, if idx == 4 { U32 } else { B32 })?);
    }
    let dsts = register_and_predicate(cx, B32)?;
    cx.emit(Op::Shuffle { mode, sync }, &dsts, &srcs)
}

/// The destinations `d|p`; without `p` a register nobody reads.
fn register_and_predicate(cx: &mut InstCx<'_, '_, '_>, ty: ScalarType) -> Lowered<[crate::ir::Reg; 2]> {
    let (d, p) = cx.pair(0)?;
    let d = cx.dst_of(d, ty, Width::Exact)?;
    let p = match p {
        Some(p) => cx.dst_of(p, Pred, Width::Exact)?,
        None => cx.temp(RegWidth::Pred),
    };
    Ok([d, p])
}

/// `vote{.sync}.mode.type d, {!}a{, membermask}`.
pub(super) fn vote(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let sync = cx.mods.take("sync");
    let mode = cx.mods.require(
        "a mode",
        &[("all", VoteMode::All), ("any", VoteMode::Any), ("uni", VoteMode::Uni), ("ballot", VoteMode::Ballot)],
    )?;
    let ty = if mode == VoteMode::Ballot { cx.mods.scalar(&[B32])? } else { cx.mods.scalar(&[Pred])? };
    let n = if sync { 3 } else { 2 };
    cx.count(n, n)?;
    let mut srcs = vec![cx.src(1, Pred)?];
    if sync {
        srcs.push(cx.src(2, U32)?);
    }
    let dst = cx.dst(0, ty)?;
    cx.emit(Op::Vote { mode, sync }, &[dst], &srcs)
}

/// `match.{any,all}.sync.type d{|p}, a, membermask`.
pub(super) fn match_(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let all = cx.mods.require("a mode", &[("any", false), ("all", true)])?;
    cx.mods.require("the kind", &[("sync", ())])?;
    let ty = cx.mods.scalar(&[B32, B64])?;
    cx.count(3, 3)?;
    let srcs = [cx.src(1, ty)?, cx.src(2, U32)?];
    if all {
        let dsts = register_and_predicate(cx, U32)?;
        return cx.emit(Op::Match { all, ty }, &dsts, &srcs);
    }
    let dst = cx.dst(0, U32)?;
    cx.emit(Op::Match { all, ty }, &[dst], &srcs)
}

/// `activemask.b32 d`.
pub(super) fn activemask(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    cx.mods.scalar(&[B32])?;
    cx.count(1, 1)?;
    let dst = cx.dst(0, B32)?;
    cx.emit(Op::ActiveMask, &[dst], &[])
}

/// `redux.sync.op.type d, a, membermask`.
pub(super) fn redux(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    cx.mods.require("the kind", &[("sync", ())])?;
    let op = cx.mods.require(
        "an operation",
        &[
            ("add", ReduxOp::Add),
            ("min", ReduxOp::Min),
            ("max", ReduxOp::Max),
            ("and", ReduxOp::And),
            ("or", ReduxOp::Or),
            ("xor", ReduxOp::Xor),
        ],
    )?;
    if cx.mods.last_scalar() == Some(F32) {
        return cx.unsupported("floating-point reductions (sm_100)", "redux.sync");
    }
    let ty = match op {
        ReduxOp::Add | ReduxOp::Min | ReduxOp::Max => cx.mods.scalar(&[U32, S32])?,
        _ => cx.mods.scalar(&[B32])?,
    };
    cx.count(3, 3)?;
    let srcs = [cx.src(1, ty)?, cx.src(2, U32)?];
    let dst = cx.dst(0, ty)?;
    cx.emit(Op::Redux { op, ty }, &[dst], &srcs)
}

/// `elect.sync d|p, membermask`.
pub(super) fn elect(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    cx.mods.require("the kind", &[("sync", ())])?;
    cx.count(2, 2)?;
    let mask = cx.src(1, U32)?;
    if cx.pair(0)?.1.is_none() {
        return cx.error("bad-operand", cx.inst.span, "`elect.sync` has the destination `d|p`");
    }
    let dsts = register_and_predicate(cx, U32)?;
    cx.emit(Op::Elect, &dsts, &[mask])
}

/// `nanosleep.u32 t`.
pub(super) fn nanosleep(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    cx.mods.scalar(&[U32])?;
    cx.count(1, 1)?;
    let time = cx.src(0, U32)?;
    cx.emit(Op::Nanosleep, &[], &[time])
}
