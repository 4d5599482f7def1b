//! `cp.async` and `mbarrier`.
//!
//! Source: PTX ISA "Data Movement and Conversion Instructions: Non-bulk copy", "Parallel Synchronization and
//! Communication Instructions: mbarrier".

use super::Lowered;
use super::address::Address;
use super::operand::{InstCx, Width};
use super::scope::Entity;
use crate::ast::Operand as Ast;
use crate::ir::{IntBinary, Mbarrier, MbarrierOp, Op, Operand, RegWidth, ScalarType, Space};
use ScalarType::*;

const SHARED: [(&str, Space); 3] =
    [("shared", Space::Shared), ("shared::cta", Space::Shared), ("shared::cluster", Space::Shared)];

/// Everything that begins with `cp.async`.
pub(super) fn cp_async(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    cx.mods.require("the kind", &[("async", ())])?;
    if cx.mods.take("commit_group") {
        cx.count(0, 0)?;
        return cx.emit(Op::CpAsyncCommit, &[], &[]);
    }
    if cx.mods.take("wait_all") {
        cx.count(0, 0)?;
        return cx.emit(Op::CpAsyncWait(None), &[], &[]);
    }
    if cx.mods.take("wait_group") {
        cx.count(1, 1)?;
        let n = cx.constant(0, "the number of groups")?;
        let Ok(n) = u32::try_from(n) else {
            return cx.error("bad-operand", cx.inst.span, format!("{n} groups; accepted: a 32-bit number"));
        };
        return cx.emit(Op::CpAsyncWait(Some(n)), &[], &[]);
    }
    if cx.mods.take("mbarrier") {
        cx.mods.require("the action", &[("arrive", ())])?;
        let no_increment = cx.mods.take("noinc");
        let space = cx.mods.one_of(&SHARED).unwrap_or(Space::Generic);
        cx.mods.scalar(&[B64])?;
        cx.count(1, 1)?;
        let address = cx.address(0, space, 8)?;
        let op = MbarrierOp::CpAsyncArrive { no_increment };
        let op = Mbarrier { space: address.space, offset: address.offset, op };
        return cx.emit(Op::Mbarrier(op), &[], &[address.base]);
    }
    copy(cx)
}

/// `cp.async.{ca,cg}.shared.global [dst], [src], size{, src_size | ignore}{, policy}`.
fn copy(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let bypass = cx.mods.require("a cache operator", &[("ca", false), ("cg", true)])?;
    cx.mods.require("the destination space", &SHARED[..2])?;
    cx.mods.require("the source space", &[("global", ())])?;
    let policy = cx.mods.take("L2::cache_hint");
    cx.mods.one_of(&[("L2::64B", ()), ("L2::128B", ()), ("L2::256B", ())]);
    cx.count(3 + usize::from(policy), 4 + usize::from(policy))?;
    let bytes = cx.constant(2, "the size of `cp.async`")?;
    let accepted: &[u64] = if bypass { &[16] } else { &[4, 8, 16] };
    if !accepted.contains(&bytes) {
        let message = format!("`{}` copies {bytes} bytes; accepted: {accepted:?}", cx.mods.opcode());
        return cx.error("bad-operand", cx.operand(2)?.span(), message);
    }
    let dst = cx.address(0, Space::Shared, bytes as u32)?;
    let src = cx.address(1, Space::Global, bytes as u32)?;
    let mut srcs = vec![whole(cx, dst)?, whole(cx, src)?];
    let n = cx.n_operands() - usize::from(policy);
    let (mut has_src_size, mut has_ignore) = (false, false);
    if n == 4 {
        let ignore = match cx.operand(3)? {
            Ast::Not(_) => true,
            Ast::Name { name, component, .. } => match cx.entity(*name, *component)? {
                Some(Entity::Reg(reg)) => cx.f.width(reg) == RegWidth::Pred,
                _ => false,
            },
            _ => false,
        };
        if ignore {
            srcs.push(cx.src(3, Pred)?);
            has_ignore = true;
        } else {
            srcs.push(cx.src(3, U32)?);
            has_src_size = true;
        }
    }
    if policy {
        cx.src(n, U64)?;
    }
    cx.emit(Op::CpAsync { bytes: bytes as u32, has_src_size, has_ignore }, &[], &srcs)
}

/// The address as one operand: an offset on a register is added first.
fn whole(cx: &mut InstCx<'_, '_, '_>, address: Address) -> Lowered<Operand> {
    let Operand::Reg(base) = address.base else { return Ok(address.base) };
    if address.offset == 0 {
        return Ok(address.base);
    }
    let width = cx.f.width(base);
    let (ty, offset) =
        if width == RegWidth::B64 { (U64, address.offset as u64) } else { (U32, u64::from(address.offset as u32)) };
    let sum = cx.temp(width);
    cx.emit(Op::IntBinary(IntBinary::Add, ty), &[sum], &[Operand::Reg(base), Operand::Imm(offset)])?;
    Ok(Operand::Reg(sum))
}

/// `mbarrier.operation{..}.b64`.
pub(super) fn mbarrier(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let operation = cx.mods.require(
        "an operation",
        &[
            ("init", "init"),
            ("inval", "inval"),
            ("arrive", "arrive"),
            ("arrive_drop", "arrive_drop"),
            ("expect_tx", "expect_tx"),
            ("complete_tx", "complete_tx"),
            ("test_wait", "test_wait"),
            ("try_wait", "try_wait"),
            ("pending_count", "pending_count"),
        ],
    )?;
    if operation == "pending_count" {
        cx.mods.scalar(&[B64])?;
        cx.count(2, 2)?;
        let state = cx.src(1, U64)?;
        let dst = cx.dst(0, U32)?;
        let op = Mbarrier { space: Space::Shared, offset: 0, op: MbarrierOp::PendingCount };
        return cx.emit(Op::Mbarrier(op), &[dst], &[state]);
    }
    let arrives = matches!(operation, "arrive" | "arrive_drop");
    let waits = matches!(operation, "test_wait" | "try_wait");
    let expect_tx = arrives && cx.mods.take("expect_tx");
    let no_complete = arrives && !expect_tx && cx.mods.take("noComplete");
    let parity = waits && cx.mods.take("parity");
    // Every access here is at least as strong as any of these asks for.
    if arrives || waits || operation.ends_with("_tx") {
        cx.mods.one_of(&[("release", ()), ("acquire", ()), ("relaxed", ())]);
        cx.mods.one_of(&[("cta", ()), ("cluster", ())]);
    }
    let space = cx.mods.one_of(&SHARED).unwrap_or(Space::Generic);
    cx.mods.scalar(&[B64])?;
    let at = usize::from(arrives || waits);
    let make = |address: Address, op| Op::Mbarrier(Mbarrier { space: address.space, offset: address.offset, op });
    match operation {
        "inval" => {
            cx.count(1, 1)?;
            let address = cx.address(0, space, 8)?;
            cx.emit(make(address, MbarrierOp::Invalidate), &[], &[address.base])
        }
        "init" | "expect_tx" | "complete_tx" => {
            cx.count(2, 2)?;
            let address = cx.address(0, space, 8)?;
            let op = match operation {
                "init" => MbarrierOp::Init,
                "expect_tx" => MbarrierOp::ExpectTx,
                _ => MbarrierOp::CompleteTx,
            };
            let count = cx.src(1, U32)?;
            cx.emit(make(address, op), &[], &[address.base, count])
        }
        "test_wait" | "try_wait" => {
            let blocking = operation == "try_wait";
            cx.count(3, if blocking { 4 } else { 3 })?;
            let address = cx.address(at, space, 8)?;
            let state = cx.src(2, if parity { U32 } else { U64 })?;
            if cx.n_operands() == 4 {
                cx.src(3, U32)?; // The time limit is a hint.
            }
            let dst = cx.dst(0, Pred)?;
            cx.emit(make(address, MbarrierOp::TestWait { parity, blocking }), &[dst], &[address.base, state])
        }
        _ => {
            // PTX 7.0 has no state operand on `.shared::cluster` arrivals: `mbarrier.arrive.b64 _, [a]`.
            cx.count(if expect_tx || no_complete { 3 } else { 2 }, 3)?;
            let address = cx.address(at, space, 8)?;
            let count = if cx.n_operands() == 3 { cx.src(2, U32)? } else { Operand::Imm(1) };
            let operand = cx.operand(0)?;
            let dst = cx.dst_of(operand, U64, Width::Exact)?;
            let op = MbarrierOp::Arrive { drop: operation == "arrive_drop", expect_tx };
            cx.emit(make(address, op), &[dst], &[address.base, count])
        }
    }
}
