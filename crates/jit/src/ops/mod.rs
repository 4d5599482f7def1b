//! The arithmetic of generated code: IR operations as LLVM instructions.
//!
//! Model: pure functions from LLVM values to LLVM values. A source is the register's bits as an integer (`iN`, `i1` for a
//! predicate), either a scalar (all lanes agree) or a vector with one element per lane; all sources of one call have the
//! same shape, and so have the results. Nothing here knows about control flow, masks or memory.
//!
//! Source: PTX ISA 9.x, chapter "Instruction Set".

mod approx;
mod bits;
mod carry;
mod compare;
mod cvt;
mod data;
mod divide;
mod dot;
mod emit;
mod float;
mod format;
mod integer;
mod lop3;
mod matrix;
mod matrix_access;
mod matrix_convert;
mod matrix_mma;
mod matrix_sparse;
mod prmt;
mod roots;
mod rounding;
mod video;
mod video_simd;
mod warp;
mod warp_atomic;
mod warp_shuffle;
mod warp_vote;
mod warp_x86;
mod x86;

pub(crate) use matrix::matrix;
pub(crate) use warp::{LaneValue, Warps, cross_lane};
pub(crate) use warp_atomic::{Addresses, atomic};

#[cfg(test)]
mod tests;

use crate::Target;
use crate::llvm::{Builder, Value};
use emit::Emit;
use smallvec::{SmallVec, smallvec};
use vgpu_ptx::ir::{Op, RegWidth};

/// Results of one operation, in the order of its destinations.
pub(crate) type Results<'c> = SmallVec<[Value<'c>; 2]>;

/// Emits an operation that computes each lane from that lane's sources alone. `None` when `op` is not of that kind
/// (memory, control, or between lanes). `results` are the widths of the destination registers: `cvt` and `ld` may write
/// registers wider than their type.
pub(crate) fn elementwise<'c>(
    builder: &Builder<'c>,
    target: &Target,
    op: &Op,
    sources: &[Value<'c>],
    results: &[RegWidth],
) -> Option<Results<'c>> {
    let e = &Emit::new(builder, target);
    let s = sources;
    let values: Results<'c> = match op {
        // Data movement.
        Op::Mov(_) => smallvec![s[0]],
        Op::Pack { element } => smallvec![data::pack(e, *element, s, results[0])],
        Op::Unpack { element } => data::unpack(e, *element, s[0], results.len()),
        Op::Cvt(form) => smallvec![cvt::convert(e, form, s, results[0].bits())],
        Op::CvtPack { to_bits, to_signed, from_signed, insert } => {
            smallvec![cvt::pack(e, *to_bits, *to_signed, *from_signed, s, *insert)]
        }
        Op::Selp(ty) => smallvec![data::select_by_predicate(e, *ty, [s[0], s[1], s[2]])],
        Op::Slct { ty, condition, ftz } => {
            smallvec![data::select_by_sign(e, *ty, *condition, *ftz, [s[0], s[1], s[2]])]
        }
        Op::Set { compare, result } => {
            let value = compare::to_value(e, compare, *result, s);
            smallvec![e.resize(value, e.int_type(results[0].bits()), result.is_signed())]
        }
        Op::Setp(form) => compare::to_predicates(e, form, s, results.len()),

        // Integers.
        Op::IntBinary(op, ty) => smallvec![integer::binary(e, *op, *ty, s[0], s[1])],
        Op::IntUnary(op, ty) => smallvec![integer::unary(e, *op, *ty, s[0])],
        Op::MulWide(ty) => smallvec![integer::multiply_wide(e, *ty, s[0], s[1])],
        Op::Mad { ty, half, saturate } => {
            smallvec![integer::multiply_add(e, *ty, *half, *saturate, [s[0], s[1], s[2]])]
        }
        Op::Mul24 { ty, high, mad, saturate } => {
            let addend = mad.then(|| s[2]);
            smallvec![integer::multiply_24(e, ty.is_signed(), *high, *saturate, s[0], s[1], addend)]
        }
        Op::Sad(ty) => smallvec![integer::sum_of_difference(e, *ty, [s[0], s[1], s[2]])],
        Op::Carry { op, ty, carry_in, .. } => carry::with_carry(e, *op, *ty, *carry_in, s).into_iter().collect(),
        Op::Bfe(ty) => smallvec![bits::extract(e, *ty, [s[0], s[1], s[2]])],
        Op::Bfi(ty) => smallvec![bits::insert(e, *ty, [s[0], s[1], s[2], s[3]])],
        Op::Bmsk { clamp } => smallvec![bits::make_mask(e, *clamp, s[0], s[1])],
        Op::Szext { ty, clamp } => smallvec![bits::extend(e, ty.is_signed(), *clamp, s[0], s[1])],
        Op::Fns => smallvec![bits::find_nth_set(e, [s[0], s[1], s[2]])],
        Op::Shf { left, clamp } => smallvec![bits::funnel(e, *left, *clamp, [s[0], s[1], s[2]])],
        Op::Prmt(mode) => smallvec![prmt::permute(e, *mode, [s[0], s[1], s[2]])],
        Op::Lop3 { table, predicate } => {
            let value = lop3::logic(e, *table, [s[0], s[1], s[2]]);
            match predicate {
                Some(op) => smallvec![value, compare::combine(e, *op, e.is_not_zero(value), s[3])],
                None => smallvec![value],
            }
        }
        Op::Dp4a { a_signed, b_signed } => smallvec![dot::bytes(e, *a_signed, *b_signed, [s[0], s[1], s[2]])],
        Op::Dp2a { a_signed, b_signed, high } => {
            smallvec![dot::halves(e, *a_signed, *b_signed, *high, [s[0], s[1], s[2]])]
        }
        Op::Video(form) => smallvec![video::scalar(e, form, s)],
        Op::VideoSimd(form) => smallvec![video_simd::simd(e, form, [s[0], s[1], s[2]])],

        // Floating point.
        Op::FloatBinary(op, ty, mode) => smallvec![float::binary(e, *op, *ty, *mode, s[0], s[1])],
        Op::FloatUnary(op, ty, mode) => smallvec![float::unary(e, *op, *ty, *mode, s[0])],
        Op::Fma(ty, mode) => smallvec![float::multiply_add(e, *ty, *mode, [s[0], s[1], s[2]])],
        Op::FloatMinMax3 { max, mode } => smallvec![float::min_max3(e, *max, *mode, [s[0], s[1], s[2]])],
        Op::Div(ty, accuracy, mode) => smallvec![roots::divide(e, *ty, *accuracy, *mode, s[0], s[1])],
        Op::Rcp(ty, accuracy, mode) => smallvec![roots::reciprocal(e, *ty, *accuracy, *mode, s[0])],
        Op::Sqrt(ty, accuracy, mode) => smallvec![roots::square_root(e, *ty, *accuracy, *mode, s[0])],
        Op::Transcendental(function, ty, mode) => smallvec![approx::function(e, *function, *ty, *mode, s[0])],
        Op::Copysign(ty) => smallvec![compare::copy_sign(e, *ty, s[0], s[1])],
        Op::TestP(property, ty) => smallvec![compare::test(e, *property, *ty, s[0])],

        _ => return None,
    };
    let widths = results.iter().map(|width| e.int_type(width.bits()));
    Some(values.into_iter().zip(widths).map(|(value, width)| e.resize(value, width, false)).collect())
}
