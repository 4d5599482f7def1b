//! `ld`, `ldu` and `st`.
//!
//! Source: PTX ISA "Data Movement and Conversion Instructions": ld, ld.global.nc, ldu, st.

use super::Lowered;
use super::data_movement::space_words;
use super::operand::{InstCx, Width};
use crate::ir::{Access, CacheOp, MemorySemantics, Op, Operand, ScalarType, Scope, Space};
use ScalarType::*;

const TYPES: [ScalarType; 18] =
    [B8, B16, B32, B64, B128, U8, U16, U32, U64, S8, S16, S32, S64, F32, F64, F16, BF16, F16x2];

/// Cache operators and eviction hints; the flag says "streaming".
const HINTS: [(&str, CacheOp); 20] = [
    ("ca", CacheOp::Other),
    ("cg", CacheOp::Coherent),
    ("cv", CacheOp::Coherent),
    ("wb", CacheOp::Other),
    ("wt", CacheOp::Coherent),
    ("cs", CacheOp::Streaming),
    ("lu", CacheOp::Streaming),
    ("L1::evict_normal", CacheOp::Other),
    ("L1::evict_unchanged", CacheOp::Other),
    ("L1::evict_first", CacheOp::Streaming),
    ("L1::evict_last", CacheOp::Other),
    ("L1::no_allocate", CacheOp::Streaming),
    ("L2::evict_normal", CacheOp::Other),
    ("L2::evict_unchanged", CacheOp::Other),
    ("L2::evict_first", CacheOp::Other),
    ("L2::evict_last", CacheOp::Other),
    ("L2::64B", CacheOp::Other),
    ("L2::128B", CacheOp::Other),
    ("L2::256B", CacheOp::Other),
    ("L2::evict_unchanged", CacheOp::Other),
];

/// The modifiers that loads and stores share, up to the vector word.
fn access(cx: &mut InstCx<'_, '_, '_>, load: bool) -> Lowered<(Access, usize)> {
    let strengths: &[(&'static str, MemorySemantics)] = if load {
        &[
            ("weak", MemorySemantics::Weak),
            ("volatile", MemorySemantics::Volatile),
            ("mmio", MemorySemantics::Mmio),
            ("relaxed", MemorySemantics::Relaxed),
            ("acquire", MemorySemantics::Acquire),
        ]
    } else {
        &[
            ("weak", MemorySemantics::Weak),
            ("volatile", MemorySemantics::Volatile),
            ("mmio", MemorySemantics::Mmio),
            ("relaxed", MemorySemantics::Relaxed),
            ("release", MemorySemantics::Release),
        ]
    };
    let semantics = cx.mods.one_of(strengths).unwrap_or(MemorySemantics::Weak);
    if semantics == MemorySemantics::Mmio {
        cx.mods.take("relaxed");
    }
    let scope = match semantics {
        MemorySemantics::Weak => Scope::Cta,
        MemorySemantics::Volatile => Scope::Sys,
        _ => match cx.mods.scope() {
            Some(scope) => scope,
            None => {
                let message = format!("`{}` needs a scope: `.cta`, `.cluster`, `.gpu`, `.sys`", cx.mods.opcode());
                return cx.error("missing-modifier", cx.mods.span(), message);
            }
        },
    };
    let space = cx.mods.one_of(space_words()).unwrap_or(Space::Generic);
    let read_only = load && cx.mods.take("nc");
    let mut cache = CacheOp::Default;
    while let Some(hint) = cx.mods.one_of(&HINTS) {
        cache = if cache == CacheOp::Streaming { cache } else { hint };
    }
    let policy = cx.mods.take("L2::cache_hint");
    let vector = cx.mods.one_of(&[("v2", 2), ("v4", 4), ("v8", 8)]).unwrap_or(1);
    let ty = cx.mods.scalar(&TYPES)?;
    if vector * ty.bits() > 256 || vector == 8 && ty.bits() != 32 {
        let message = format!(
            "`{}` accesses {} bits; accepted: up to 256, `.v8` of 32-bit types",
            cx.mods.opcode(),
            vector * ty.bits()
        );
        return cx.error("bad-type", cx.mods.span(), message);
    }
    let n = if policy { 3 } else { 2 };
    cx.count(n, n)?;
    if policy {
        cx.src(2, U64)?;
    }
    Ok((Access { space, ty, vector, offset: 0, semantics, scope, read_only, cache }, vector as usize))
}

/// How wide the registers of an access are: the elements of a vector have their own width.
const fn width(n: usize) -> Width {
    if n > 1 { Width::Element } else { Width::AtLeast }
}

/// `ld{..}.type d, [a]`, `ldu{.space}.type d, [a]`.
pub(super) fn load(cx: &mut InstCx<'_, '_, '_>, uniform: bool) -> Lowered<()> {
    let (mut access, n) = access(cx, true)?;
    if access.read_only && (uniform || !matches!(access.space, Space::Global | Space::Generic)) {
        return cx.error("bad-modifier", cx.mods.span(), format!("`{}`: `.nc` is for `ld.global`", cx.mods.opcode()));
    }
    let address = cx.address(1, access.space, access.ty.bytes() * access.vector)?;
    access.space = address.space;
    access.offset = address.offset;
    let dsts = cx.vector_dsts(0, n, access.ty, width(n))?;
    cx.emit(Op::Load(access), &dsts, &[address.base])
}

/// `st{..}.type [a], b`.
pub(super) fn store(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let (mut access, n) = access(cx, false)?;
    if access.space == Space::Const {
        return cx.error("bad-space", cx.mods.span(), "`.const` memory cannot be written");
    }
    let address = cx.address(0, access.space, access.ty.bytes() * access.vector)?;
    if address.space == Space::Const || matches!(address.base, Operand::Param(_)) {
        return cx.error(
            "bad-space",
            cx.inst.span,
            format!("`{}` writes to constant memory or to a parameter of this function", cx.mods.opcode()),
        );
    }
    access.space = address.space;
    access.offset = address.offset;
    let values = cx.vector_srcs(1, n, access.ty, width(n))?;
    let mut srcs = vec![address.base];
    srcs.extend(values);
    cx.emit(Op::Store(access), &[], &srcs)
}
