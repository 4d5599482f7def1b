//! `vote`, `match`, `redux` and `elect`: lanes of a warp learn about each other's values.
//!
//! Model: predicates become 32 bits per warp, and a vote is integer arithmetic on them. With a membermask that all lanes
//! share the work is done once per warp; with one mask per lane, in every lane. Lanes that are not active or not in the mask
//! do not take part.
//!
//! Source: PTX ISA 9.x, "vote.sync", "match.sync", "redux.sync", "elect.sync".

use super::warp::{Associative, LaneResults, LaneValue, Per, Warps};
use crate::llvm::{IntOp, IntPredicate, Value};
use smallvec::smallvec;
use vgpu_ptx::ir::{ReduxOp, ScalarType, VoteMode};

/// `vote`: a predicate, or 32 bits for a ballot.
pub(super) fn vote<'c>(
    warps: &Warps<'_, 'c>,
    mode: VoteMode,
    predicate: LaneValue<'c>,
    membermask: Option<LaneValue<'c>>,
) -> LaneValue<'c> {
    let builder = warps.builder;
    let (members, per) = warps.members(membermask);
    let bits = match predicate {
        LaneValue::Uniform(truth) => warps.splat_to(builder.sext(truth, warps.context().int(32)), per),
        LaneValue::Varying(truths) => warps.lift(warps.bits_per_warp(truths), per),
    };
    let zero = members.ty().zero();
    let is_zero = |value| builder.icmp(IntPredicate::Eq, value, zero);
    let (yes, no) = (builder.and(members, bits), builder.and(members, builder.not(bits)));
    let result = match mode {
        VoteMode::Ballot => yes,
        VoteMode::Any => builder.icmp(IntPredicate::Ne, yes, zero),
        VoteMode::All => is_zero(no),
        VoteMode::Uni => builder.or(is_zero(yes), is_zero(no)),
    };
    warps.spread(result, per)
}

/// `match.any`: the members that hold the same value. `match.all`: the members and true when all hold the same
/// value, else 0 and false.
pub(super) fn match_values<'c>(
    warps: &Warps<'_, 'c>,
    all: bool,
    a: LaneValue<'c>,
    membermask: LaneValue<'c>,
) -> LaneResults<'c> {
    let builder = warps.builder;
    let (members, per) = warps.members(Some(membermask));
    let LaneValue::Varying(a) = a else {
        let members = warps.spread(members, per);
        return if all {
            smallvec![members, LaneValue::Uniform(warps.context().int(1).all_ones())]
        } else {
            smallvec![members]
        };
    };
    if all && per == Per::Warp {
        let different = differs_from_first(warps, a, members);
        let same = builder.icmp(IntPredicate::Eq, different, members.ty().zero());
        let mask = builder.select(same, members, members.ty().zero());
        return smallvec![warps.spread(mask, per), warps.spread(same, per)];
    }
    let members = match per {
        Per::Warp => warps.lift(members, Per::Lane),
        Per::Lane => members,
    };
    let equal = builder.and(equal_lanes(warps, a), members);
    if !all {
        return smallvec![LaneValue::Varying(equal)];
    }
    let same = builder.icmp(IntPredicate::Eq, equal, members);
    smallvec![LaneValue::Varying(builder.select(same, members, members.ty().zero())), LaneValue::Varying(same)]
}

/// Per warp, the members whose value is not that of the first member.
fn differs_from_first<'c>(warps: &Warps<'_, 'c>, a: Value<'c>, members: Value<'c>) -> Value<'c> {
    let builder = warps.builder;
    let int = warps.context().int(32);
    let first = first_member(warps, members);
    let mut leaders = a.ty().poison();
    for warp in 0..warps.n_warps() {
        let first = if warps.n_warps() == 1 { first } else { builder.extract_lane(first, warp) };
        let leader = builder.extract(a, builder.add(first, int.constant(u64::from(warp * 32))));
        let splat = builder.splat(leader, warps.lanes);
        leaders = if warp == 0 {
            splat
        } else {
            let lanes = warps.lanes;
            builder.shuffle(leaders, splat, (0..lanes).map(|lane| if lane < warp * 32 { lane } else { lanes + lane }))
        };
    }
    let different = warps.bits_per_warp(builder.icmp(IntPredicate::Ne, a, leaders));
    builder.and(different, members)
}

/// The lowest set bit, below 32 even when there is none.
fn first_member<'c>(warps: &Warps<'_, 'c>, members: Value<'c>) -> Value<'c> {
    let builder = warps.builder;
    let no_poison = warps.context().int(1).zero();
    let first = builder.intrinsic("llvm.cttz", &[members.ty()], &[members, no_poison]);
    builder.and(first, first.ty().constant(31))
}

/// For each lane the lanes of its warp, active or not, that hold the same value.
fn equal_lanes<'c>(warps: &Warps<'_, 'c>, a: Value<'c>) -> Value<'c> {
    let result = warps.int_type(Per::Lane);
    let name = format!("vgpu.match.b{}.{}", a.ty().scalar_bits(), warps.lanes);
    let function = warps.function(&name, result, &[a.ty()], |builder, function| {
        let a = function.argument(0);
        let bits = (0..32).fold(result.zero(), |bits, of| {
            let other = builder.permute(a, (0..warps.lanes).map(|lane| lane & !31 | of));
            let equal = builder.icmp(IntPredicate::Eq, a, other);
            builder.or(bits, builder.select(equal, result.constant(1 << of), result.zero()))
        });
        builder.ret(bits);
    });
    warps.builder.call(function, &[a])
}

/// `redux`: the members' values combined.
pub(super) fn redux<'c>(
    warps: &Warps<'_, 'c>,
    op: ReduxOp,
    ty: ScalarType,
    a: LaneValue<'c>,
    membermask: LaneValue<'c>,
) -> LaneValue<'c> {
    let builder = warps.builder;
    let signed = ty.is_signed();
    let combine = match op {
        ReduxOp::Add => Associative::Int(IntOp::Add),
        ReduxOp::And => Associative::Int(IntOp::And),
        ReduxOp::Or => Associative::Int(IntOp::Or),
        ReduxOp::Xor => Associative::Int(IntOp::Xor),
        ReduxOp::Min => Associative::MinMax { signed, max: false },
        ReduxOp::Max => Associative::MinMax { signed, max: true },
    };
    let (members, per) = warps.members(Some(membermask));
    let vector = match a {
        LaneValue::Uniform(a) => {
            let a = warps.splat_to(a, per);
            let count = || builder.intrinsic("llvm.ctpop", &[members.ty()], &[members]);
            let result = match op {
                ReduxOp::Add => builder.mul(a, count()),
                ReduxOp::Xor => builder.mul(a, builder.and(count(), members.ty().constant(1))),
                _ => a,
            };
            return warps.spread(result, per);
        }
        LaneValue::Varying(vector) => vector,
    };
    let identity = combine.identity(vector.ty());
    if per == Per::Lane {
        let name = format!("vgpu.redux.{}.{}", combine.name(), warps.lanes);
        let ty = vector.ty();
        let function = warps.function(&name, ty, &[ty, ty], |builder, function| {
            let (a, members) = (function.argument(0), function.argument(1));
            let result = (0..32).fold(identity, |result, of| {
                let other = builder.permute(a, (0..warps.lanes).map(|lane| lane & !31 | of));
                let bit = builder.and(members, ty.constant(1 << of));
                let takes_part = builder.icmp(IntPredicate::Ne, bit, ty.zero());
                combine.apply(builder, result, builder.select(takes_part, other, identity))
            });
            builder.ret(result);
        });
        return LaneValue::Varying(builder.call(function, &[vector, members]));
    }
    let truths = builder.reinterpret(members, warps.context().int(1).vector(warps.lanes));
    let vector = builder.select(truths, vector, identity);
    let mut result = warps.int_type(Per::Warp).poison();
    for warp in 0..warps.n_warps() {
        if warps.n_warps() == 1 {
            result = combine.reduce(builder, vector);
        } else {
            let part = builder.permute(vector, warp * 32..warp * 32 + 32);
            result = builder.insert_lane(result, combine.reduce(builder, part), warp);
        }
    }
    warps.spread(result, Per::Warp)
}

/// `elect`: the lowest member's lane number, and whether this lane is it.
pub(super) fn elect<'c>(warps: &Warps<'_, 'c>, membermask: LaneValue<'c>) -> LaneResults<'c> {
    let (members, per) = warps.members(Some(membermask));
    let leader = first_member(warps, members);
    let leader = warps.spread(leader, per);
    let each = leader.vector(warps.builder, warps.lanes);
    let is_leader = warps.builder.icmp(IntPredicate::Eq, warps.lane_ids(), each);
    smallvec![leader, LaneValue::Varying(is_leader)]
}
