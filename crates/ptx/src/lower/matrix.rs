//! `mma`, `wmma`, `ldmatrix`, `stmatrix`, `movmatrix`.
//!
//! How many registers a fragment has is told by [`crate::ir::fragment`]; which shapes exist is a table here.
//!
//! Source: PTX ISA "Warp Level Matrix Multiply-Accumulate Instructions".

use super::Lowered;
use super::data_movement::space_words;
use super::operand::{InstCx, Width};
use crate::ir::fragment::Fragment;
use crate::ir::{BitMma, MatrixAccess, MatrixRole, Mma, Op, Rounding, ScalarType, Space, WmmaAccess};
use ScalarType::*;

const MULTIPLIED: [ScalarType; 11] = [F16, BF16, TF32, F64, U8, S8, U4, S4, B1, E4M3, E5M2];
const ACCUMULATED: [ScalarType; 4] = [F16, F32, S32, F64];

/// `mma.sync` shapes by element type, dense.
fn dense_shapes(ty: ScalarType) -> &'static [[u32; 3]] {
    match ty {
        F16 => &[[8, 8, 4], [16, 8, 8], [16, 8, 16]],
        BF16 => &[[16, 8, 8], [16, 8, 16]],
        TF32 => &[[16, 8, 4], [16, 8, 8]],
        F64 => &[[8, 8, 4], [16, 8, 4], [16, 8, 8], [16, 8, 16]],
        E4M3 | E5M2 => &[[16, 8, 16], [16, 8, 32]],
        U8 | S8 => &[[8, 8, 16], [16, 8, 16], [16, 8, 32]],
        U4 | S4 => &[[8, 8, 32], [16, 8, 32], [16, 8, 64]],
        _ => &[[8, 8, 128], [16, 8, 128], [16, 8, 256]],
    }
}

/// `mma.sp.sync` shapes by element type.
fn sparse_shapes(ty: ScalarType) -> &'static [[u32; 3]] {
    match ty {
        F16 | BF16 => &[[16, 8, 16], [16, 8, 32]],
        TF32 => &[[16, 8, 8], [16, 8, 16]],
        U8 | S8 => &[[16, 8, 32], [16, 8, 64]],
        U4 | S4 => &[[16, 8, 64], [16, 8, 128]],
        E4M3 | E5M2 => &[[16, 8, 64]],
        _ => &[],
    }
}

/// Shapes of `wmma` by the type of `a`.
fn wmma_shapes(ty: ScalarType) -> &'static [[u32; 3]] {
    match ty {
        F16 | BF16 | U8 | S8 => &[[16, 16, 16], [8, 32, 16], [32, 8, 16]],
        TF32 => &[[16, 16, 8]],
        F64 => &[[8, 8, 4]],
        U4 | S4 => &[[8, 8, 32]],
        B1 => &[[8, 8, 128]],
        _ => &[],
    }
}

fn shape_text(shape: [u32; 3]) -> String {
    format!("`.m{}n{}k{}`", shape[0], shape[1], shape[2])
}

fn check_shape(cx: &InstCx<'_, '_, '_>, shape: [u32; 3], ty: ScalarType, accepted: &[[u32; 3]]) -> Lowered<()> {
    if accepted.contains(&shape) {
        return Ok(());
    }
    let list = accepted.iter().map(|&shape| shape_text(shape)).collect::<Vec<_>>().join(", ");
    let list = if list.is_empty() { "none".to_owned() } else { list };
    let message = format!("`{}` has shape {}; accepted for `.{ty}`: {list}", cx.mods.opcode(), shape_text(shape));
    cx.error("bad-modifier", cx.mods.span(), message)
}

fn shape(cx: &mut InstCx<'_, '_, '_>) -> Lowered<[u32; 3]> {
    match cx.mods.shape() {
        Some(shape) => Ok(shape),
        None => cx.error(
            "missing-modifier",
            cx.mods.span(),
            format!("`{}` needs a shape such as `.m16n8k16`", cx.mods.opcode()),
        ),
    }
}

/// Registers of a fragment and their type.
fn registers(role: MatrixRole, shape: [u32; 3], ty: ScalarType, wmma: bool) -> (usize, ScalarType) {
    let fragment = Fragment { role, shape, ty, row: true, wmma };
    let register = match ty {
        F32 | S32 => ty,
        F64 if matches!(role, MatrixRole::C | MatrixRole::D) => F64,
        _ if fragment.register_bits() == 64 => B64,
        _ => B32,
    };
    (fragment.registers() as usize, register)
}

const LAYOUTS: [(&str, bool); 2] = [("row", true), ("col", false)];

/// `mma{.sp}.sync.aligned.shape.alayout.blayout..dtype.atype.btype.ctype d, a, b, c{, e, f}`.
pub(super) fn mma(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let sparse = cx.mods.take("sp") || cx.mods.take("sp::ordered_metadata");
    cx.mods.require("the kind", &[("sync", ())])?;
    cx.mods.require("alignment", &[("aligned", ())])?;
    if cx.mods.has_prefix("kind::") {
        return cx.unsupported("block-scaled and `.kind` forms (sm_120)", "mma");
    }
    let shape = shape(cx)?;
    let a_row = cx.mods.require("the layout of `a`", &LAYOUTS)?;
    let b_row = cx.mods.require("the layout of `b`", &LAYOUTS)?;
    let satfinite = cx.mods.take("satfinite");
    let bit_op = bit_op(cx)?;
    let rounding = cx.mods.rounding().unwrap_or(Rounding::NearestEven);
    let d = cx.mods.scalar(&ACCUMULATED)?;
    let a = cx.mods.scalar(&MULTIPLIED)?;
    let b = cx.mods.scalar(&MULTIPLIED)?;
    let c = cx.mods.scalar(&ACCUMULATED)?;
    check_shape(cx, shape, a, if sparse { sparse_shapes(a) } else { dense_shapes(a) })?;
    if (a_row, b_row) != (true, false) && (shape != [8, 8, 4] || a == F64) {
        return cx.error(
            "bad-modifier",
            cx.mods.span(),
            format!("`{}`: this shape has layouts `.row.col`", cx.mods.opcode()),
        );
    }
    let op = Mma { shape, a_row, b_row, d, a, b, c, wmma: false, satfinite, sparse, bit_op, rounding };
    check_types(cx, &op)?;
    // A sparse `a` is stored with half its columns.
    let [m, n, k] = shape;
    let a_shape = if sparse { [m, n, k / 2] } else { shape };
    let fragments = [
        registers(MatrixRole::D, shape, d, false),
        registers(MatrixRole::A, a_shape, a, false),
        registers(MatrixRole::B, shape, b, false),
        registers(MatrixRole::C, shape, c, false),
    ];
    cx.count(if sparse { 6 } else { 4 }, if sparse { 6 } else { 4 })?;
    multiply(cx, op, &fragments)
}

fn multiply(cx: &mut InstCx<'_, '_, '_>, op: Mma, fragments: &[(usize, ScalarType); 4]) -> Lowered<()> {
    let mut srcs = Vec::with_capacity(16);
    for (idx, &(count, ty)) in fragments.iter().enumerate().skip(1) {
        srcs.extend(cx.vector_srcs(idx, count, ty, Width::Exact)?);
    }
    if op.sparse {
        srcs.push(cx.src(4, B32)?);
        srcs.push(crate::ir::Operand::Imm(selector(cx)?));
    }
    let dsts = cx.vector_dsts(0, fragments[0].0, fragments[0].1, Width::Exact)?;
    cx.emit(Op::Mma(op), &dsts, &srcs)
}

fn selector(cx: &InstCx<'_, '_, '_>) -> Lowered<u64> {
    let selector = cx.constant(5, "the sparsity selector")?;
    if selector > 3 {
        return cx.error(
            "bad-operand",
            cx.operand(5)?.span(),
            format!("sparsity selector {selector}; accepted: 0 to 3"),
        );
    }
    Ok(selector)
}

fn bit_op(cx: &mut InstCx<'_, '_, '_>) -> Lowered<Option<BitMma>> {
    if !cx.mods.has("popc") {
        return Ok(None);
    }
    let op = cx.mods.require("a bit operation", &[("xor", BitMma::XorPopc), ("and", BitMma::AndPopc)])?;
    cx.mods.take("popc");
    Ok(Some(op))
}

/// Which accumulators go with which factors.
fn check_types(cx: &InstCx<'_, '_, '_>, op: &Mma) -> Lowered<()> {
    let kind = |ty: ScalarType| match ty {
        U8 | S8 => 1,
        U4 | S4 => 2,
        E4M3 | E5M2 => 3,
        other => 4 + other as u32,
    };
    let accumulators: &[ScalarType] = match op.a {
        F16 | E4M3 | E5M2 => &[F16, F32],
        BF16 | TF32 => &[F32],
        F64 => &[F64],
        _ => &[S32],
    };
    let fits = kind(op.a) == kind(op.b) && accumulators.contains(&op.d) && accumulators.contains(&op.c);
    if !fits {
        let message = format!(
            "`{}`: `.{}` and `.{}` with accumulators `.{}` and `.{}` do not go together",
            cx.mods.opcode(),
            op.a,
            op.b,
            op.d,
            op.c
        );
        return cx.error("bad-type", cx.mods.span(), message);
    }
    if op.satfinite && !matches!(op.a, U8 | S8 | U4 | S4) && !(op.wmma && op.a == F16) {
        return cx.error(
            "bad-modifier",
            cx.mods.span(),
            format!("`{}`: `.satfinite` is for integers", cx.mods.opcode()),
        );
    }
    if (op.a == B1) != op.bit_op.is_some() {
        return cx.error(
            "bad-modifier",
            cx.mods.span(),
            format!("`{}`: `.xor.popc` or `.and.popc` goes with `.b1`", cx.mods.opcode()),
        );
    }
    Ok(())
}

/// `wmma.load`, `wmma.store`, `wmma.mma`.
pub(super) fn wmma(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let kind = cx.mods.require("the kind", &[("load", 0), ("store", 1), ("mma", 2)])?;
    if kind == 2 {
        return wmma_mma(cx);
    }
    let load = kind == 0;
    let role = if load {
        cx.mods.require("a matrix", &[("a", MatrixRole::A), ("b", MatrixRole::B), ("c", MatrixRole::C)])?
    } else {
        cx.mods.require("a matrix", &[("d", MatrixRole::D)])?
    };
    cx.mods.require("the kind", &[("sync", ())])?;
    cx.mods.take("aligned");
    let row = cx.mods.require("a layout", &LAYOUTS)?;
    let shape = shape(cx)?;
    let space = cx.mods.one_of(space_words()).unwrap_or(Space::Generic);
    if !matches!(space, Space::Generic | Space::Global | Space::Shared) {
        return cx.error(
            "bad-space",
            cx.mods.span(),
            format!("`{}`: accepted are `.global`, `.shared` and generic addresses", cx.mods.opcode()),
        );
    }
    let factor = matches!(role, MatrixRole::A | MatrixRole::B);
    let ty = if factor { cx.mods.scalar(&MULTIPLIED[..9])? } else { cx.mods.scalar(&ACCUMULATED)? };
    let factors: &[ScalarType] = match ty {
        _ if factor => &[ty],
        F16 => &[F16],
        F32 => &[F16, BF16, TF32],
        F64 => &[F64],
        _ => &[U8, U4, B1],
    };
    let mut accepted = Vec::new();
    for &factor in factors {
        accepted.extend_from_slice(wmma_shapes(factor));
    }
    check_shape(cx, shape, ty, &accepted)?;
    let (count, register) = registers(role, shape, ty, true);
    cx.count(2, 3)?;
    let has_stride = cx.n_operands() == 3;
    let at = usize::from(load);
    let address = cx.address(at, space, 0)?;
    let access = WmmaAccess { role, shape, row, ty, space: address.space, offset: address.offset, has_stride };
    if load {
        let mut srcs = vec![address.base];
        if has_stride {
            srcs.push(cx.src(2, U32)?);
        }
        let dsts = cx.vector_dsts(0, count, register, Width::Exact)?;
        return cx.emit(Op::WmmaLoad(access), &dsts, &srcs);
    }
    let mut srcs = vec![address.base];
    srcs.extend(cx.vector_srcs(1, count, register, Width::Exact)?);
    if has_stride {
        srcs.push(cx.src(2, U32)?);
    }
    cx.emit(Op::WmmaStore(access), &[], &srcs)
}

/// `wmma.mma.sync.aligned.alayout.blayout.shape..`: two types for f16, four for the others.
fn wmma_mma(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let bit_op = bit_op(cx)?;
    cx.mods.require("the kind", &[("sync", ())])?;
    cx.mods.take("aligned");
    let a_row = cx.mods.require("the layout of `a`", &LAYOUTS)?;
    let b_row = cx.mods.require("the layout of `b`", &LAYOUTS)?;
    let shape = shape(cx)?;
    let rounding = cx.mods.rounding().unwrap_or(Rounding::NearestEven);
    let satfinite = cx.mods.take("satfinite");
    let d = cx.mods.scalar(&ACCUMULATED)?;
    let (a, b) = match (d, cx.mods.scalar_opt(&MULTIPLIED[1..9])) {
        (_, Some(a)) => {
            let b = cx.mods.scalar(&MULTIPLIED[..9])?;
            (a, b)
        }
        _ => (F16, F16),
    };
    let c = cx.mods.scalar(&ACCUMULATED)?;
    // `.f32.f16.f16.f32` spells out what two types mean.
    let c = match cx.mods.scalar_opt(&[F16]) {
        Some(_) if c == F16 => cx.mods.scalar(&ACCUMULATED)?,
        _ => c,
    };
    check_shape(cx, shape, a, wmma_shapes(a))?;
    if matches!(a, U4 | S4 | B1) && (a_row, b_row) != (true, false) {
        return cx.error(
            "bad-modifier",
            cx.mods.span(),
            format!("`{}`: sub-byte types have layouts `.row.col`", cx.mods.opcode()),
        );
    }
    let op = Mma { shape, a_row, b_row, d, a, b, c, wmma: true, satfinite, sparse: false, bit_op, rounding };
    check_types(cx, &op)?;
    let fragments = [
        registers(MatrixRole::D, shape, d, true),
        registers(MatrixRole::A, shape, a, true),
        registers(MatrixRole::B, shape, b, true),
        registers(MatrixRole::C, shape, c, true),
    ];
    cx.count(4, 4)?;
    multiply(cx, op, &fragments)
}

/// `ldmatrix.sync.aligned.m8n8.num{.trans}{.shared}.b16 r, [p]` and `stmatrix.. [p], r`.
pub(super) fn matrix_access(cx: &mut InstCx<'_, '_, '_>, load: bool) -> Lowered<()> {
    cx.mods.require("the kind", &[("sync", ())])?;
    cx.mods.require("alignment", &[("aligned", ())])?;
    let shape = shape(cx)?;
    if shape != [8, 8, 0] {
        return cx.error("bad-modifier", cx.mods.span(), format!("`{}`: accepted shape: `.m8n8`", cx.mods.opcode()));
    }
    let count = cx.mods.require("a number of matrices", &[("x1", 1u32), ("x2", 2), ("x4", 4)])?;
    let transposed = cx.mods.take("trans");
    let space = cx.mods.one_of(&[("shared", Space::Shared), ("shared::cta", Space::Shared)]).unwrap_or(Space::Generic);
    cx.mods.scalar(&[B16])?;
    cx.count(2, 2)?;
    let address = cx.address(usize::from(load), space, 0)?;
    let access = MatrixAccess { count, transposed, space: address.space, offset: address.offset };
    if load {
        let dsts = cx.vector_dsts(0, count as usize, B32, Width::Exact)?;
        return cx.emit(Op::LdMatrix(access), &dsts, &[address.base]);
    }
    let mut srcs = vec![address.base];
    srcs.extend(cx.vector_srcs(1, count as usize, B32, Width::Exact)?);
    cx.emit(Op::StMatrix(access), &[], &srcs)
}

/// `movmatrix.sync.aligned.m8n8.trans.b16 d, a`.
pub(super) fn movmatrix(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    for word in ["sync", "aligned", "m8n8", "trans"] {
        cx.mods.require("all of its modifiers", &[(word, ())])?;
    }
    cx.mods.scalar(&[B16])?;
    cx.count(2, 2)?;
    let src = cx.src(1, B32)?;
    let dst = cx.dst(0, B32)?;
    cx.emit(Op::MovMatrix, &[dst], &[src])
}
