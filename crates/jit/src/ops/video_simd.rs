//! SIMD video instructions: halves or bytes of registers side by side.
//!
//! Model: the elements of all lanes form one long vector; `a`'s and `b`'s selections are byte or half shuffles of the two registers.
//! Elements are computed with twice their width, where nothing overflows.
//!
//! Source: PTX ISA, "SIMD Video Instructions".

use super::compare;
use super::emit::Emit;
use super::video::clamp;
use crate::llvm::{IntPredicate, Value};
use vgpu_ptx::ir::{Compare, ScalarType, VideoOp, VideoSimd};

/// `d <- a, b, c`.
pub(super) fn simd<'c>(e: &Emit<'_, 'c>, form: &VideoSimd, [a, b, c]: [Value<'c>; 3]) -> Value<'c> {
    let word = |value| e.low(value, ScalarType::U32);
    let (a, b, c) = (word(a), word(b), word(c));
    let n = form.lanes;
    let bits = 32 / n;
    let wide = e.int_type(bits * 2);
    let (of_a, of_b) = (e.split(a, bits), e.split(b, bits));
    let total = of_a.ty().lanes();
    let pick = |select: [u8; 4], signed| {
        let source = |lane: u32| {
            let element = u32::from(select[(lane % n) as usize]);
            lane / n * n + element % n + if element < n { 0 } else { total }
        };
        e.resize(e.shuffle(of_a, of_b, (0..total).map(source)), wide, signed)
    };
    let (x, y) = (pick(form.a_select, form.a_signed), pick(form.b_select, form.b_signed));
    let result = match form.op {
        VideoOp::Sub => e.sub(x, y),
        VideoOp::AbsDiff => e.sub(e.extremum(true, true, x, y), e.extremum(false, true, x, y)),
        VideoOp::Min => e.extremum(false, true, x, y),
        VideoOp::Max => e.extremum(true, true, x, y),
        VideoOp::Avrg => {
            let sum = e.add(x, y);
            let not_negative = e.icmp(IntPredicate::Sge, sum, sum.ty().zero());
            e.ashr(e.add(sum, e.zext(not_negative, wide)), 1)
        }
        VideoOp::Set => {
            let truth = compare::holds(e, form.compare.unwrap_or(Compare::Eq), ScalarType::S32, false, x, y);
            e.zext(truth, wide)
        }
        VideoOp::Add | VideoOp::Shl | VideoOp::Shr | VideoOp::Mad => e.add(x, y),
    };
    let result = if form.saturate { clamp(e, result, true, bits, form.d_signed) } else { result };
    let is_written = |idx: u32| form.mask >> idx & 1 == 1;
    if form.accumulate {
        // The sum takes the whole results, not the elements they would be cut to.
        let element = |idx: u32| {
            let lanes = if c.ty().is_vector() {
                e.permute(result, (0..c.ty().lanes()).map(|lane| lane * n + idx))
            } else {
                e.extract_lane(result, idx)
            };
            e.sext(lanes, e.int_type(32))
        };
        return (0..n).filter(|idx| is_written(*idx)).fold(c, |sum, idx| e.add(sum, element(idx)));
    }
    let elements = e.trunc(result, e.int_type(bits));
    let merged = (0..total).map(|lane| if is_written(lane % n) { lane } else { lane + total });
    e.join(e.shuffle(elements, e.split(c, bits), merged), c.ty())
}
