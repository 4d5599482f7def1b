//! `atom`, `red`, `fence` and `membar`.
//!
//! Source: PTX ISA "Parallel Synchronization and Communication Instructions": atom, red, membar/fence.

use super::Lowered;
use super::data_movement::space_words;
use super::operand::{InstCx, Width};
use crate::ir::{Atomic, AtomicOp, MemorySemantics, Op, ScalarType, Scope, Space};
use ScalarType::*;

const OPS: [(&str, AtomicOp); 10] = [
    ("add", AtomicOp::Add),
    ("and", AtomicOp::And),
    ("or", AtomicOp::Or),
    ("xor", AtomicOp::Xor),
    ("inc", AtomicOp::Inc),
    ("dec", AtomicOp::Dec),
    ("min", AtomicOp::Min),
    ("max", AtomicOp::Max),
    ("exch", AtomicOp::Exch),
    ("cas", AtomicOp::Cas),
];

/// `atom{.sem}{.scope}{.space}.op.type d, [a], b{, c}` and `red{..}.op.type [a], b`.
pub(super) fn atom(cx: &mut InstCx<'_, '_, '_>, atom: bool) -> Lowered<()> {
    let semantics = cx.mods.one_of(&[
        ("relaxed", MemorySemantics::Relaxed),
        ("acquire", MemorySemantics::Acquire),
        ("release", MemorySemantics::Release),
        ("acq_rel", MemorySemantics::AcquireRelease),
    ]);
    let semantics = semantics.unwrap_or(MemorySemantics::Relaxed);
    if !atom && matches!(semantics, MemorySemantics::Acquire | MemorySemantics::AcquireRelease) {
        return cx.error("bad-modifier", cx.mods.span(), "`red` takes `.relaxed` or `.release`");
    }
    let scope = cx.mods.scope().unwrap_or(Scope::Gpu);
    let space = cx.mods.one_of(space_words()).unwrap_or(Space::Generic);
    if !matches!(space, Space::Generic | Space::Global | Space::Shared) {
        return cx.error(
            "bad-space",
            cx.mods.span(),
            format!("`{}`: atomics work on `.global`, `.shared` and generic addresses", cx.mods.opcode()),
        );
    }
    let op = cx.mods.require("an operation", if atom { &OPS } else { &OPS[..8] })?;
    let vector = cx.mods.one_of(&[("v2", 2u32), ("v4", 4), ("v8", 8)]).unwrap_or(1);
    let no_flush = cx.mods.take("noftz");
    let policy = cx.mods.take("L2::cache_hint");
    let accepted: &[ScalarType] = match op {
        AtomicOp::And | AtomicOp::Or | AtomicOp::Xor => &[B32, B64],
        AtomicOp::Exch => &[B32, B64, B128],
        AtomicOp::Cas => &[B32, B64, B128, B16],
        AtomicOp::Inc | AtomicOp::Dec => &[U32],
        AtomicOp::Min | AtomicOp::Max if vector > 1 => &[F16, F16x2, BF16, BF16x2],
        AtomicOp::Min | AtomicOp::Max => &[U32, S32, U64, S64],
        AtomicOp::Add if vector > 1 => &[F32, F16, F16x2, BF16, BF16x2],
        AtomicOp::Add => &[U32, S32, U64, F32, F64, F16, F16x2, BF16, BF16x2],
    };
    let ty = cx.mods.scalar(accepted)?;
    let half = matches!(ty, F16 | F16x2 | BF16 | BF16x2);
    if no_flush && !half {
        return cx.error("bad-modifier", cx.mods.span(), "`.noftz` is for 16-bit floating-point types");
    }
    if vector * ty.bits() > 128 {
        return cx.error(
            "bad-type",
            cx.mods.span(),
            format!("`{}` accesses {} bits; accepted: up to 128", cx.mods.opcode(), vector * ty.bits()),
        );
    }
    if vector > 1 && space == Space::Shared {
        return cx.error("bad-space", cx.mods.span(), "vector atomics are for `.global`");
    }
    let first = usize::from(atom);
    let values = if op == AtomicOp::Cas { 2 } else { 1 };
    let n = first + 1 + values + usize::from(policy);
    // `atom.cas.b16` and the like may have no destination register but `_`.
    cx.count(n, n)?;
    let address = cx.address(first, space, ty.bytes() * vector)?;
    if !matches!(address.space, Space::Generic | Space::Global | Space::Shared) {
        return cx.error("bad-space", cx.inst.span, "atomics work on `.global`, `.shared` and generic addresses");
    }
    let mut srcs = vec![address.base];
    for idx in 0..values {
        srcs.extend(cx.vector_srcs(first + 1 + idx, vector as usize, ty, Width::Exact)?);
    }
    if policy {
        cx.src(n - 1, U64)?;
    }
    let op = Atomic { space: address.space, op, ty, vector, offset: address.offset, semantics, scope };
    if atom {
        let dsts = cx.vector_dsts(0, vector as usize, ty, Width::Exact)?;
        cx.emit(Op::Atomic(op), &dsts, &srcs)
    } else {
        cx.emit(Op::Reduce(op), &[], &srcs)
    }
}

/// `fence{.sem}.scope`, `fence.proxy.kind`, `membar.{cta,gl,sys}`.
pub(super) fn fence(cx: &mut InstCx<'_, '_, '_>, membar: bool) -> Lowered<()> {
    cx.count(0, 0)?;
    if cx.mods.take("proxy") {
        // All proxies of this device are coherent; what is left is the ordering.
        cx.mods.require("a kind of proxy", &[("alias", ()), ("async", ()), ("async.global", ())])?;
        cx.mods.one_of(&[("global", ()), ("shared::cta", ()), ("shared::cluster", ())]);
        return cx.emit(Op::Fence(MemorySemantics::AcquireRelease, Scope::Sys), &[], &[]);
    }
    if membar {
        let scope = cx.mods.require("a level", &[("cta", Scope::Cta), ("gl", Scope::Gpu), ("sys", Scope::Sys)])?;
        return cx.emit(Op::Fence(MemorySemantics::SeqCst, scope), &[], &[]);
    }
    if cx.mods.has_prefix("sync_restrict") {
        return cx.unsupported("block clusters", "membar/fence");
    }
    let semantics = cx.mods.one_of(&[
        ("sc", MemorySemantics::SeqCst),
        ("acq_rel", MemorySemantics::AcquireRelease),
        ("acquire", MemorySemantics::Acquire),
        ("release", MemorySemantics::Release),
    ]);
    let Some(scope) = cx.mods.scope() else {
        let message = format!("`{}` needs a scope: `.cta`, `.cluster`, `.gpu`, `.sys`", cx.mods.opcode());
        return cx.error("missing-modifier", cx.mods.span(), message);
    };
    cx.emit(Op::Fence(semantics.unwrap_or(MemorySemantics::AcquireRelease), scope), &[], &[])
}
