//! `shfl`: each lane reads a register of another lane of its warp.
//!
//! Model: where `b` and `c` are known now, one constant permutation; where every lane reads the same lane, an extraction;
//! otherwise source lanes are computed per lane and the register is permuted by them ([`permute_warps`]). Reading a lane
//! that is not active gives whatever its register holds.
//!
//! Source: PTX ISA 9.x, "shfl.sync", whose pseudocode [`source_lane`] follows.

use super::warp::{LaneValue, Per, Warps};
use super::warp_x86;
use crate::llvm::{IntOp, IntPredicate, Value};
use vgpu_ptx::ir::ShuffleMode;

/// Source lane and predicate of `lane` for known operands.
fn source_lane(mode: ShuffleMode, lane: u32, b: u32, c: u32) -> (u32, bool) {
    let (b, clamp, segment) = ((b & 31) as i32, (c & 31) as i32, (c >> 8 & 31) as i32);
    let lane = lane as i32;
    let max = (lane & segment) | (clamp & !segment);
    let (source, inside) = match mode {
        ShuffleMode::Up => (lane - b, lane - b >= max),
        ShuffleMode::Down => (lane + b, lane + b <= max),
        ShuffleMode::Bfly => (lane ^ b, lane ^ b <= max),
        ShuffleMode::Idx => {
            let source = (lane & segment) | (b & !segment);
            (source, source <= max)
        }
    };
    // A source past the warp can only be "inside" when the clamp operand is malformed; the lane keeps its own value.
    let source = if inside && (0..32).contains(&source) { source } else { lane };
    (source as u32, inside)
}

/// `shfl`: the value read and whether the source lane was in range.
pub(super) fn shuffle<'c>(
    warps: &Warps<'_, 'c>,
    mode: ShuffleMode,
    a: LaneValue<'c>,
    b: LaneValue<'c>,
    c: LaneValue<'c>,
) -> (LaneValue<'c>, LaneValue<'c>) {
    let builder = warps.builder;
    let truth = warps.context().int(1);
    if let (Some(b), Some(c)) = (b.as_constant(), c.as_constant()) {
        let table: Vec<_> = (0..32).map(|lane| source_lane(mode, lane, b as u32, c as u32)).collect();
        let p = if table.iter().all(|(_, inside)| *inside == table[0].1) {
            LaneValue::Uniform(truth.constant(u64::from(table[0].1)))
        } else {
            let bits = (0..warps.lanes).map(|lane| i64::from(table[lane as usize % 32].1));
            LaneValue::Varying(truth.constant_vector(bits))
        };
        let d = match a {
            LaneValue::Uniform(_) => a,
            LaneValue::Varying(a) if warps.lanes == 32 && table.iter().all(|(source, _)| *source == table[0].0) => {
                LaneValue::Uniform(builder.extract_lane(a, table[0].0))
            }
            LaneValue::Varying(a) => {
                let lanes = (0..warps.lanes).map(|lane| lane & !31 | table[lane as usize % 32].0);
                LaneValue::Varying(builder.permute(a, lanes))
            }
        };
        return (d, p);
    }
    let whole_warp = c.as_constant().is_some_and(|c| c & 0x1f1f == 0x1f);
    if let (ShuffleMode::Idx, LaneValue::Uniform(b), LaneValue::Varying(vector), true) = (mode, b, a, whole_warp) {
        let lane = builder.and(b, b.ty().constant(31));
        let read = |warp: u32| builder.extract(vector, builder.add(lane, lane.ty().constant(u64::from(warp * 32))));
        let per_warp = if warps.n_warps() == 1 {
            read(0)
        } else {
            let none = vector.ty().scalar().vector(warps.n_warps()).poison();
            (0..warps.n_warps()).fold(none, |items, warp| builder.insert_lane(items, read(warp), warp))
        };
        return (warps.spread(per_warp, Per::Warp), LaneValue::Uniform(truth.constant(1)));
    }
    let (sources, inside) = source_lanes(warps, mode, b, c);
    let d = match a {
        LaneValue::Uniform(_) => a,
        LaneValue::Varying(a) => LaneValue::Varying(permute_warps(warps, a, sources)),
    };
    (d, LaneValue::Varying(inside))
}

/// [`source_lane`] as code: lanes within the warp, and predicates.
fn source_lanes<'c>(
    warps: &Warps<'_, 'c>,
    mode: ShuffleMode,
    b: LaneValue<'c>,
    c: LaneValue<'c>,
) -> (Value<'c>, Value<'c>) {
    let builder = warps.builder;
    let lane = warps.lane_ids();
    let ty = lane.ty();
    let low = ty.constant(31);
    let b = builder.and(b.vector(builder, warps.lanes), low);
    let c = c.vector(builder, warps.lanes);
    let clamp = builder.and(c, low);
    let segment = builder.and(builder.int(IntOp::LShr, c, ty.constant(8)), low);
    let outside = builder.not(segment);
    let min = builder.and(lane, segment);
    let max = builder.or(min, builder.and(clamp, outside));
    let (source, predicate) = match mode {
        ShuffleMode::Up => (builder.sub(lane, b), IntPredicate::Sge),
        ShuffleMode::Down => (builder.add(lane, b), IntPredicate::Sle),
        ShuffleMode::Bfly => (builder.xor(lane, b), IntPredicate::Sle),
        ShuffleMode::Idx => (builder.or(min, builder.and(b, outside)), IntPredicate::Sle),
    };
    let inside = builder.icmp(predicate, source, max);
    let valid = builder.and(inside, builder.icmp(IntPredicate::Ule, source, low));
    (builder.select(valid, source, lane), inside)
}

/// Lane `l` gets lane `sources[l]` (0 to 31) of its warp; both are `<lanes x i32>`.
pub(super) fn permute_warps<'c>(warps: &Warps<'_, 'c>, a: Value<'c>, sources: Value<'c>) -> Value<'c> {
    if let Some(result) = warp_x86::permute_warps(warps.builder, warps.target, a, sources) {
        return result;
    }
    let name = format!("vgpu.permute.{}", warps.lanes);
    let function = warps.function(&name, a.ty(), &[a.ty(), sources.ty()], |builder, function| {
        let slot = builder.alloca(a.ty(), "register");
        builder.store(function.argument(0), slot, 16);
        let item = a.ty().scalar();
        let mut result = a.ty().poison();
        for lane in 0..warps.lanes {
            let source = builder.extract_lane(function.argument(1), lane);
            let source = builder.and(source, source.ty().constant(31));
            let start = builder.offset_by(slot, i64::from(lane & !31) * 4);
            let index = builder.zext(source, builder.context().int(64));
            let read = builder.load(item, builder.element(item, start, index), 4);
            result = builder.insert_lane(result, read, lane);
        }
        builder.ret(result);
    });
    warps.builder.call(function, &[a, sources])
}
