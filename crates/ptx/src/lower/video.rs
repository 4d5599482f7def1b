//! Scalar and SIMD video instructions.
//!
//! Operands carry selectors: `a.b2` takes byte 2 of `a`, `d.h1` merges the result into the upper half of `c`,
//! `a.h32` picks halves from the pair of operands.
//!
//! Source: PTX ISA "Scalar Video Instructions", "SIMD Video Instructions".

use super::Lowered;
use super::data_movement::compare_op;
use super::operand::{InstCx, Width};
use crate::ast::{Name, Operand as Ast};
use crate::ir::{Op, Operand, Reg, ScalarType, Video, VideoOp, VideoPart, VideoSecond, VideoSimd};
use crate::parser::shorten;
use ScalarType::*;

fn operation(root: &str) -> VideoOp {
    match root.trim_end_matches(['2', '4']) {
        "vadd" => VideoOp::Add,
        "vsub" => VideoOp::Sub,
        "vabsdiff" => VideoOp::AbsDiff,
        "vmin" => VideoOp::Min,
        "vmax" => VideoOp::Max,
        "vshl" => VideoOp::Shl,
        "vshr" => VideoOp::Shr,
        "vavrg" => VideoOp::Avrg,
        "vmad" => VideoOp::Mad,
        _ => VideoOp::Set,
    }
}

const PARTS: [(&str, VideoPart); 6] = [
    ("b0", VideoPart::Byte(0)),
    ("b1", VideoPart::Byte(1)),
    ("b2", VideoPart::Byte(2)),
    ("b3", VideoPart::Byte(3)),
    ("h0", VideoPart::Half(0)),
    ("h1", VideoPart::Half(1)),
];

fn part(cx: &InstCx<'_, '_, '_>, component: Option<Name<'_>>) -> Lowered<VideoPart> {
    let Some(component) = component else { return Ok(VideoPart::Whole) };
    match PARTS.iter().find(|entry| entry.0 == component.text) {
        Some(entry) => Ok(entry.1),
        None => cx.error(
            "bad-operand",
            component.span,
            format!("selector `.{}`; accepted: `.b0` to `.b3`, `.h0`, `.h1`", shorten(component.text)),
        ),
    }
}

/// A 32-bit source with its selector and sign.
fn source<'s>(cx: &mut InstCx<'_, '_, 's>, idx: usize) -> Lowered<(Operand, Option<Name<'s>>, bool)> {
    match cx.operand(idx)? {
        Ast::Name { name, component, minus } => {
            let reg = register(cx, *name)?;
            Ok((Operand::Reg(reg), *component, *minus))
        }
        other => Ok((cx.src_of(other, U32, Width::Exact)?, None, false)),
    }
}

fn register<'s>(cx: &mut InstCx<'_, '_, 's>, name: Name<'s>) -> Lowered<Reg> {
    match cx.entity(name, None)? {
        Some(super::scope::Entity::Reg(reg)) => {
            cx.check_width(reg, name.span, name.text, U32, Width::Exact).map(|()| reg)
        }
        _ => cx.error("bad-operand", name.span, format!("`{}` is not a register", shorten(name.text))),
    }
}

fn destination<'s>(cx: &mut InstCx<'_, '_, 's>) -> Lowered<(Reg, Option<Name<'s>>)> {
    match cx.operand(0)? {
        Ast::Name { name, component, minus: false } => Ok((register(cx, *name)?, *component)),
        other => Ok((cx.dst_of(other, U32, Width::Exact)?, None)),
    }
}

fn signed(cx: &mut InstCx<'_, '_, '_>) -> Lowered<bool> {
    Ok(cx.mods.scalar(&[U32, S32])? == S32)
}

/// `vadd vsub vabsdiff vmin vmax vshl vshr vset`.
pub(super) fn scalar(cx: &mut InstCx<'_, '_, '_>, root: &str) -> Lowered<()> {
    let op = operation(root);
    let shifts = matches!(op, VideoOp::Shl | VideoOp::Shr);
    let saturate = op != VideoOp::Set && cx.mods.take("sat");
    let clamp = shifts && cx.mods.require("a mode", &[("clamp", true), ("wrap", false)])?;
    let second = cx.mods.one_of(&[("add", VideoSecond::Add), ("min", VideoSecond::Min), ("max", VideoSecond::Max)]);
    let compare = if op == VideoOp::Set { Some(compare_op(cx)?) } else { None };
    let d_signed = if op == VideoOp::Set { false } else { signed(cx)? };
    let a_signed = signed(cx)?;
    let b_signed = if shifts { cx.mods.scalar(&[U32])? == S32 } else { signed(cx)? };
    let (dst, d_component) = destination(cx)?;
    let d_part = part(cx, d_component)?;
    let merges = d_part != VideoPart::Whole;
    if merges && second.is_some() {
        return cx.error(
            "bad-operand",
            cx.inst.span,
            format!("`{}` either merges into a part of `c` or combines with it", cx.mods.opcode()),
        );
    }
    let n = if merges || second.is_some() { 4 } else { 3 };
    cx.count(n, n)?;
    let (a, a_component, a_minus) = source(cx, 1)?;
    let (b, b_component, b_minus) = source(cx, 2)?;
    if a_minus || b_minus {
        return cx.error(
            "bad-operand",
            cx.inst.span,
            format!("`{}` does not negate operands; `vmad` does", cx.mods.opcode()),
        );
    }
    let mut srcs = vec![a, b];
    if n == 4 {
        srcs.push(cx.src(3, U32)?);
    }
    let video = Video {
        op,
        d_signed,
        a_signed,
        b_signed,
        a_part: part(cx, a_component)?,
        b_part: part(cx, b_component)?,
        d_part,
        saturate,
        second,
        compare,
        clamp,
        plus_one: false,
        negate_product: false,
        negate_c: false,
        shift: 0,
    };
    cx.emit(Op::Video(video), &[dst], &srcs)
}

/// `vmad.dtype.atype.btype{.po}{.sat}{.scale} d, {-}a, {-}b, {-}c`.
pub(super) fn vmad(cx: &mut InstCx<'_, '_, '_>) -> Lowered<()> {
    let plus_one = cx.mods.take("po");
    let saturate = cx.mods.take("sat");
    let shift = cx.mods.one_of(&[("shr7", 7), ("shr15", 15)]).unwrap_or(0);
    let (d_signed, a_signed, b_signed) = (signed(cx)?, signed(cx)?, signed(cx)?);
    cx.count(4, 4)?;
    let (dst, d_component) = destination(cx)?;
    if let Some(component) = d_component {
        return cx.error("bad-operand", component.span, "`vmad` writes the whole register");
    }
    let (a, a_component, a_minus) = source(cx, 1)?;
    let (b, b_component, b_minus) = source(cx, 2)?;
    let (c, c_component, negate_c) = source(cx, 3)?;
    if let Some(component) = c_component {
        return cx.error("bad-operand", component.span, "operand `c` of `vmad` has no selector");
    }
    let negate_product = a_minus != b_minus;
    if plus_one && (negate_product || negate_c) {
        return cx.error("bad-operand", cx.inst.span, "`vmad.po` does not negate operands");
    }
    let video = Video {
        op: VideoOp::Mad,
        d_signed,
        a_signed,
        b_signed,
        a_part: part(cx, a_component)?,
        b_part: part(cx, b_component)?,
        d_part: VideoPart::Whole,
        saturate,
        second: None,
        compare: None,
        clamp: false,
        plus_one,
        negate_product,
        negate_c,
        shift,
    };
    cx.emit(Op::Video(video), &[dst], &[a, b, c])
}

/// `vadd2 vsub2 vavrg2 vabsdiff2 vmin2 vmax2 vset2` and the `4` forms.
pub(super) fn simd(cx: &mut InstCx<'_, '_, '_>, root: &str) -> Lowered<()> {
    let op = operation(root);
    let lanes: u32 = if root.ends_with('2') { 2 } else { 4 };
    let accumulate = cx.mods.take("add");
    let saturate = op != VideoOp::Set && !accumulate && cx.mods.take("sat");
    let compare = if op == VideoOp::Set { Some(compare_op(cx)?) } else { None };
    let d_signed = if op == VideoOp::Set { false } else { signed(cx)? };
    let (a_signed, b_signed) = (signed(cx)?, signed(cx)?);
    cx.count(4, 4)?;
    let (dst, d_component) = destination(cx)?;
    let mask = match d_component {
        None => (1u8 << lanes) - 1,
        Some(component) => {
            let mut mask = 0;
            for element in digits(cx, component, lanes, lanes as u8)? {
                mask |= 1 << element;
            }
            mask
        }
    };
    let (a, a_component, _) = source(cx, 1)?;
    let (b, b_component, _) = source(cx, 2)?;
    let a_select = select(cx, a_component, lanes, 0)?;
    let b_select = select(cx, b_component, lanes, lanes as u8)?;
    let c = cx.src(3, U32)?;
    let video =
        VideoSimd { op, lanes, d_signed, a_signed, b_signed, a_select, b_select, mask, saturate, accumulate, compare };
    cx.emit(Op::VideoSimd(video), &[dst], &[a, b, c])
}

/// The elements a selector such as `.h10` names, most significant first.
fn digits(cx: &InstCx<'_, '_, '_>, component: Name<'_>, lanes: u32, limit: u8) -> Lowered<Vec<u8>> {
    let letter = if lanes == 2 { 'h' } else { 'b' };
    let found: Option<Vec<u8>> =
        component.text.strip_prefix(letter).map(|rest| rest.bytes().map(|byte| byte.wrapping_sub(b'0')).collect());
    match found {
        Some(found) if (1..=lanes as usize).contains(&found.len()) && found.iter().all(|&digit| digit < limit) => {
            Ok(found)
        }
        _ => cx.error(
            "bad-operand",
            component.span,
            format!(
                "selector `.{}`; accepted: `.{letter}` and up to {lanes} digits below {limit}",
                shorten(component.text)
            ),
        ),
    }
}

/// For each element, least significant first, which element of the pair of operands it is.
fn select(cx: &InstCx<'_, '_, '_>, component: Option<Name<'_>>, lanes: u32, first: u8) -> Lowered<[u8; 4]> {
    let mut chosen = [0; 4];
    match component {
        None => {
            for (idx, slot) in chosen.iter_mut().enumerate().take(lanes as usize) {
                *slot = first + idx as u8;
            }
        }
        Some(component) => {
            let found = digits(cx, component, lanes, 2 * lanes as u8)?;
            if found.len() != lanes as usize {
                return cx.error(
                    "bad-operand",
                    component.span,
                    format!("selector `.{}` needs {lanes} digits", component.text),
                );
            }
            for (slot, &digit) in chosen.iter_mut().zip(found.iter().rev()) {
                *slot = digit;
            }
        }
    }
    Ok(chosen)
}
