//! `mov cvta isspacep selp slct set setp prefetch`.
//!
//! Source: PTX ISA "Data Movement and Conversion", "Comparison and Selection".

use super::Lowered;
use super::operand::{InstCx, Width, width_of};
use super::special::special_vector;
use crate::ast::Operand as Ast;
use crate::ir::{BoolOp, Compare, Comparison, Op, Operand, RegWidth, ScalarType, Space};
use ScalarType::*;

const MOV: [ScalarType; 21] =
    [Pred, B16, B32, B64, U16, U32, U64, S16, S32, S64, F32, F64, B128, F16, F16x2, BF16, BF16x2, B8, U8, S8, TF32];

/// `mov`, packing and unpacking, `mov.v4` of special registers.
pub(super) fn mov(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    cx.count(2, 2)?;
    let vector = cx.mods.one_of(&[("v2", 2usize), ("v4", 4)]);
    let ty = cx.mods.scalar(&MOV)?;
    let (to, from) = (cx.operand(0)?, cx.operand(1)?);
    if let Some(n) = vector {
        return mov_vector(cx, n, ty);
    }
    let n_to = braces(to);
    let n_from = braces(from);
    match (n_to, n_from) {
        (None, None) => {
            // `mov.b64 %v, ..` with a vector register is unpacking as well.
            let src = cx.src(1, ty)?;
            let dst = cx.dst(0, ty)?;
            cx.emit(Op::Mov(ty), &[dst], &[src])
        }
        (None, Some(n)) => {
            let element = part_type(cx, ty, n)?;
            let srcs = cx.vector_srcs(1, n, element, Width::Exact)?;
            let dst = cx.dst(0, ty)?;
            cx.emit(Op::Pack { element }, &[dst], &srcs)
        }
        (Some(n), None) => {
            let element = part_type(cx, ty, n)?;
            let src = cx.src(1, ty)?;
            let dsts = cx.vector_dsts(0, n, element, Width::Exact)?;
            cx.emit(Op::Unpack { element }, &dsts, &[src])
        }
        (Some(_), Some(_)) => cx.error("bad-operand", to.span(), "`mov` packs or unpacks; found `{..}` on both sides"),
    }
}

fn braces(operand: &Ast<'_>) -> Option<usize> {
    match operand {
        Ast::Vector(items, _) => Some(items.len()),
        _ => None,
    }
}

/// The type of one of `n` parts of a packed value.
fn part_type(cx: &InstCx<'_, '_, '_>, ty: ScalarType, n: usize) -> Lowered<ScalarType> {
    let found = match (ty.bits(), n) {
        (16, 2) | (32, 4) => Some(B8),
        (32, 2) | (64, 4) => Some(B16),
        (64, 2) | (128, 4) => Some(B32),
        (128, 2) => Some(B64),
        _ => None,
    };
    match found {
        Some(ty) => Ok(ty),
        None => cx.error(
            "bad-operand",
            cx.inst.span,
            format!("`{}` cannot have {n} parts; accepted: 2 or 4 of at least 8 bits", cx.mods.opcode()),
        ),
    }
}

/// `mov.v4.u32 {a, b, c, d}, %tid`, or between vector registers.
fn mov_vector(cx: &mut InstCx<'_, '_, '_>, n: usize, ty: ScalarType) -> Lowered<()> {
    let dsts = cx.vector_dsts(0, n, ty, Width::Exact)?;
    if let Ast::Name { name, component: None, .. } = cx.operand(1)?
        && let Some(make) = special_vector(name.text)
    {
        if width_of(ty) != RegWidth::B32 {
            return cx.error(
                "bad-type",
                cx.mods.span(),
                format!("`{}` of `{}`; accepted: `.u32`", cx.mods.opcode(), name.text),
            );
        }
        for (idx, &dst) in dsts.iter().enumerate() {
            match idx {
                0..=2 => cx.emit(Op::ReadSpecial(make(idx as u8)), &[dst], &[])?,
                _ => cx.emit(Op::Mov(ty), &[dst], &[Operand::Imm(0)])?,
            }
        }
        return Ok(());
    }
    let srcs = cx.vector_srcs(1, n, ty, Width::Exact)?;
    // All sources are read before any destination is written.
    let width = width_of(ty);
    let mut held = Vec::with_capacity(n);
    for &src in &srcs {
        let reg = cx.temp(width);
        cx.emit(Op::Mov(ty), &[reg], &[src])?;
        held.push(reg);
    }
    for (&dst, &reg) in dsts.iter().zip(&held) {
        cx.emit(Op::Mov(ty), &[dst], &[Operand::Reg(reg)])?;
    }
    Ok(())
}

const SPACES: [(&str, Space); 11] = [
    ("global", Space::Global),
    ("shared", Space::Shared),
    ("shared::cta", Space::Shared),
    // A launch without clusters is a grid of clusters of one block: the cluster's window is the block's.
    ("shared::cluster", Space::Shared),
    ("local", Space::Local),
    ("const", Space::Const),
    ("param", Space::Param),
    ("param::entry", Space::Param),
    ("param::func", Space::Param),
    ("const::0", Space::Const),
    ("global::0", Space::Global),
];

/// `cvta.space.u64 p, a` and `cvta.to.space.u64 p, a`.
pub(super) fn cvta(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    cx.count(2, 2)?;
    let to_generic = !cx.mods.take("to");
    let space = cx.mods.require("a state space", &SPACES[..9])?;
    let ty = cx.mods.scalar(&[U64, U32])?;
    if ty == U32 {
        return cx.unsupported("32-bit generic addresses", "cvta");
    }
    let src = match cx.operand(1)? {
        // `cvta.shared.u64 %rd, name` gives the generic address of a variable.
        Ast::Name { .. } | Ast::Offset { .. } | Ast::Const(_) => cx.src(1, ty)?,
        other => {
            return cx.error(
                "bad-operand",
                other.span(),
                format!("`{}` takes a register or a variable", cx.mods.opcode()),
            );
        }
    };
    let dst = cx.dst(0, ty)?;
    let op = match space {
        Space::Shared | Space::Local | Space::Param => Op::Cvta { space, to_generic },
        _ => Op::Mov(ty),
    };
    cx.emit(op, &[dst], &[src])
}

/// `isspacep.space p, a`.
pub(super) fn isspacep(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    cx.count(2, 2)?;
    let space = cx.mods.require("a state space", &SPACES[..9])?;
    let src = cx.src(1, U64)?;
    let dst = cx.dst(0, Pred)?;
    cx.emit(Op::IsSpace(space), &[dst], &[src])
}

const SELECT: [ScalarType; 15] = [B16, B32, B64, U16, U32, U64, S16, S32, S64, F32, F64, F16, BF16, F16x2, BF16x2];

/// `selp.type d, a, b, p`.
pub(super) fn selp(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    cx.count(4, 4)?;
    let ty = cx.mods.scalar(&SELECT)?;
    let srcs = [cx.src(1, ty)?, cx.src(2, ty)?, cx.src(3, Pred)?];
    let dst = cx.dst(0, ty)?;
    cx.emit(Op::Selp(ty), &[dst], &srcs)
}

/// `slct{.ftz}.dtype.{s32,f32} d, a, b, c`.
pub(super) fn slct(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    cx.count(4, 4)?;
    let ftz = cx.mods.take("ftz");
    let ty = cx.mods.scalar(&SELECT[..11])?;
    let condition = cx.mods.scalar(&[S32, F32])?;
    if ftz && condition != F32 {
        return cx.error("bad-modifier", cx.mods.span(), "`slct` takes `.ftz` only with an `.f32` condition");
    }
    let srcs = [cx.src(1, ty)?, cx.src(2, ty)?, cx.src(3, condition)?];
    let dst = cx.dst(0, ty)?;
    cx.emit(Op::Slct { ty, condition, ftz }, &[dst], &srcs)
}

/// Comparison operators; the unsigned names `lo ls hi hs` mean the same.
const COMPARE: [(&str, Compare); 18] = [
    ("eq", Compare::Eq),
    ("ne", Compare::Ne),
    ("lt", Compare::Lt),
    ("le", Compare::Le),
    ("gt", Compare::Gt),
    ("ge", Compare::Ge),
    ("lo", Compare::Lt),
    ("ls", Compare::Le),
    ("hi", Compare::Gt),
    ("hs", Compare::Ge),
    ("equ", Compare::Equ),
    ("neu", Compare::Neu),
    ("ltu", Compare::Ltu),
    ("leu", Compare::Leu),
    ("gtu", Compare::Gtu),
    ("geu", Compare::Geu),
    ("num", Compare::Num),
    ("nan", Compare::Nan),
];

pub(super) const BOOL_OPS: [(&str, BoolOp); 3] = [("and", BoolOp::And), ("or", BoolOp::Or), ("xor", BoolOp::Xor)];

/// `.CmpOp`, as written and as meant.
pub(super) fn compare_op(cx: &mut InstCx<'_, '_, '_>) -> Lowered<Compare> {
    cx.mods.require("a comparison", &COMPARE)
}

/// The comparison of `set` and `setp`: operator, combination and flush, before the types.
fn comparison(cx: &mut InstCx<'_, '_, '_>) -> Lowered<(Compare, Option<BoolOp>, bool)> {
    let op = compare_op(cx)?;
    Ok((op, cx.mods.one_of(&BOOL_OPS), cx.mods.take("ftz")))
}

fn check_comparison(cx: &InstCx<'_, '_, '_>, op: Compare, ty: ScalarType, ftz: bool) -> Lowered<()> {
    use Compare::{Equ, Geu, Gtu, Leu, Ltu, Nan, Neu, Num};
    let float_only = matches!(op, Equ | Neu | Ltu | Leu | Gtu | Geu | Num | Nan);
    if float_only && !ty.is_float() {
        return cx.error(
            "bad-modifier",
            cx.mods.span(),
            format!("`{}`: this comparison is for floating-point types", cx.mods.opcode()),
        );
    }
    if matches!(ty, B16 | B32 | B64) && !matches!(op, Compare::Eq | Compare::Ne) {
        return cx.error(
            "bad-modifier",
            cx.mods.span(),
            format!("`{}`: untyped values compare with `.eq` or `.ne`", cx.mods.opcode()),
        );
    }
    if ftz && !matches!(ty, F32 | F16 | F16x2) {
        return cx.error(
            "bad-modifier",
            cx.mods.span(),
            format!("`{}`: `.ftz` is for `.f32`, `.f16` and `.f16x2`", cx.mods.opcode()),
        );
    }
    Ok(())
}

const COMPARED: [ScalarType; 17] =
    [B16, B32, B64, U16, U32, U64, S16, S32, S64, F32, F64, F16, F16x2, BF16, BF16x2, U16x2, S16x2];

/// `setp.CmpOp{.BoolOp}{.ftz}.type p{|q}, a, b{, {!}c}`.
pub(super) fn setp(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let (op, combine, ftz) = comparison(cx)?;
    let ty = cx.mods.scalar(&COMPARED[..15])?;
    check_comparison(cx, op, ty, ftz)?;
    let n = if combine.is_some() { 4 } else { 3 };
    cx.count(n, n)?;
    let mut srcs = vec![cx.src(1, ty)?, cx.src(2, ty)?];
    if combine.is_some() {
        srcs.push(cx.src(3, Pred)?);
    }
    let (p, q) = cx.pair(0)?;
    let p = cx.dst_of(p, Pred, Width::Exact)?;
    let q = match q {
        Some(q) => cx.dst_of(q, Pred, Width::Exact)?,
        None if ty.is_packed() => {
            return cx.error(
                "bad-operand",
                cx.inst.span,
                format!("`{}` compares pairs; its destination is `p|q`", cx.mods.opcode()),
            );
        }
        None => cx.temp(RegWidth::Pred),
    };
    cx.emit(Op::Setp(Comparison { op, ty, combine, ftz }), &[p, q], &srcs)
}

/// `set.CmpOp{.BoolOp}{.ftz}.dtype.stype d, a, b{, {!}c}`.
pub(super) fn set(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let (op, combine, ftz) = comparison(cx)?;
    let result = cx.mods.scalar(&[U32, S32, F32, U16, S16, F16, F16x2, BF16, BF16x2, U16x2, S16x2])?;
    let ty = cx.mods.scalar(&COMPARED)?;
    check_comparison(cx, op, ty, ftz)?;
    if ty.is_packed() != result.is_packed() && !(ty.is_packed() && result.bits() == 32) {
        return cx.error("bad-type", cx.mods.span(), format!("`{}`: a pair compares into a pair", cx.mods.opcode()));
    }
    // A mask of 16 bits counts as an integer even where it is written `.bf16`.
    let declared = if result == BF16 { U16 } else { result };
    // `set.eq.u32.f16x2` writes a pair of 16-bit masks.
    let result = match (ty.is_packed(), result) {
        (true, U32) => U16x2,
        (true, S32) => S16x2,
        (_, result) => result,
    };
    let n = if combine.is_some() { 4 } else { 3 };
    cx.count(n, n)?;
    let mut srcs = vec![cx.src(1, ty)?, cx.src(2, ty)?];
    if combine.is_some() {
        srcs.push(cx.src(3, Pred)?);
    }
    let dst = cx.dst(0, declared)?;
    cx.emit(Op::Set { compare: Comparison { op, ty, combine, ftz }, result }, &[dst], &srcs)
}

/// `prefetch{.space}.level [a]`, `prefetchu.L1 [a]`, `discard`, `applypriority`: hints.
pub(super) fn prefetch(cx: &mut InstCx<'_, '_, '_>, root: &str) -> Lowered<()> {
    let space = cx.mods.one_of(&SPACES[..9]).unwrap_or(Space::Generic);
    match root {
        "prefetch" => {
            cx.mods.require(
                "a cache level",
                &[("L1", ()), ("L2", ()), ("L2::evict_last", ()), ("L2::evict_normal", ())],
            )?;
            cx.count(1, 1)?;
        }
        "prefetchu" => {
            cx.mods.require("a cache level", &[("L1", ())])?;
            cx.count(1, 1)?;
        }
        "discard" => {
            cx.mods.require("a cache level", &[("L2", ())])?;
            cx.count(2, 2)?;
        }
        _ => {
            cx.mods.require("a priority", &[("L2::evict_normal", ())])?;
            cx.count(2, 2)?;
        }
    }
    let address = cx.address(0, space, 0)?;
    cx.emit(Op::Prefetch, &[], &[address.base])
}

/// `createpolicy..`: makes a cache policy, which is a hint; the register becomes zero.
pub(super) fn createpolicy(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    cx.mods.require("a kind", &[("fractional", ()), ("range", ()), ("cvt", ())])?;
    cx.mods.take("global");
    cx.mods.take("L2");
    let levels =
        [("L2::evict_last", ()), ("L2::evict_normal", ()), ("L2::evict_first", ()), ("L2::evict_unchanged", ())];
    while cx.mods.one_of(&levels).is_some() {}
    cx.mods.scalar(&[B64])?;
    cx.count(1, 4)?;
    let dst = cx.dst(0, U64)?;
    cx.emit(Op::Mov(B64), &[dst], &[Operand::Imm(0)])
}

/// The state spaces an access may name.
pub(super) const fn space_words() -> &'static [(&'static str, Space)] {
    static WORDS: [(&str, Space); 9] =
        [SPACES[0], SPACES[1], SPACES[2], SPACES[3], SPACES[4], SPACES[5], SPACES[6], SPACES[7], SPACES[8]];
    &WORDS
}
