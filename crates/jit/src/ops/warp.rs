//! Operations between the lanes of a warp: what they share, and the table that dispatches them.
//!
//! Model: a program has `lanes` lanes, a multiple of 32; lane `l` belongs to warp `l / 32`. A value is either one scalar that
//! all lanes share or a vector with an element per lane ([`LaneValue`]). A result that all lanes of a program share
//! comes back as a scalar, so that uniformity survives votes and reductions. Results of inactive lanes are
//! unspecified. Each emission appends straight-line code; what needs a loop is an internal function of the module,
//! made once per operation and called ([`Warps::function`]).
//!
//! A membermask may differ between lanes: groups that run in step with disjoint masks each see only their own lanes.
//!
//! Source: PTX ISA 9.x, "Parallel Synchronization and Communication Instructions".

use super::{warp_shuffle, warp_vote};
use crate::Target;
use crate::llvm::{Builder, Context, Function, IntOp, Type, Value};
use smallvec::{SmallVec, smallvec};
use vgpu_ptx::ir::Op;

/// A register's bits across the lanes of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LaneValue<'c> {
    /// One scalar that every active lane holds.
    Uniform(Value<'c>),
    /// A vector with an element per lane.
    Varying(Value<'c>),
}

impl<'c> LaneValue<'c> {
    /// As a vector of `lanes` lanes.
    pub(crate) fn vector(self, builder: &Builder<'c>, lanes: u32) -> Value<'c> {
        match self {
            Self::Uniform(scalar) => builder.splat(scalar, lanes),
            Self::Varying(vector) => vector,
        }
    }

    /// The value in every lane when it is known now (an integer of up to 64 bits).
    pub(crate) fn as_constant(self) -> Option<u64> {
        match self {
            Self::Uniform(scalar) => scalar.as_constant(),
            Self::Varying(_) => None,
        }
    }

    /// The value, scalar or vector.
    pub(crate) const fn value(self) -> Value<'c> {
        match self {
            Self::Uniform(value) | Self::Varying(value) => value,
        }
    }
}

/// Results of an operation between lanes, in the order of its destinations.
pub(crate) type LaneResults<'c> = SmallVec<[LaneValue<'c>; 4]>;

/// Where operations between lanes are emitted: the builder and what is known of the program at that point.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Warps<'a, 'c> {
    /// Appends the code.
    pub(crate) builder: &'a Builder<'c>,
    /// The processor.
    pub(crate) target: &'a Target,
    /// Lanes of the program: a multiple of 32, or half a warp where operations do not ask for whole ones.
    pub(crate) lanes: u32,
    /// Active lanes, `<lanes x i1>`; `None` when all are.
    pub(crate) mask: Option<Value<'c>>,
}

/// Whether a quantity is one per warp or one per lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Per {
    /// `i32`, or `<n_warps x i32>` for several warps.
    Warp,
    /// `<lanes x i32>`.
    Lane,
}

impl<'c> Warps<'_, 'c> {
    /// Stops at a program that is not made of whole warps: the compiler chooses such programs only for kernels whose
    /// lanes have nothing to do with each other.
    pub(super) fn check(&self) {
        assert!(self.lanes.is_multiple_of(32), "a program is made of whole warps, not {} lanes", self.lanes);
    }

    /// The context of the module.
    pub(super) fn context(&self) -> &'c Context {
        self.builder.context()
    }

    /// Number of warps in the program, begun ones included.
    pub(super) const fn n_warps(&self) -> u32 {
        self.lanes.div_ceil(32)
    }

    /// The type of a 32-bit quantity.
    pub(super) fn int_type(&self, per: Per) -> Type<'c> {
        let int = self.context().int(32);
        match per {
            Per::Warp if self.n_warps() == 1 => int,
            Per::Warp => int.vector(self.n_warps()),
            Per::Lane => int.vector(self.lanes),
        }
    }

    /// One bit per lane as 32 bits per warp, lane 0 lowest.
    pub(super) fn bits_per_warp(&self, predicates: Value<'c>) -> Value<'c> {
        if self.lanes >= 32 {
            return self.builder.reinterpret(predicates, self.int_type(Per::Warp));
        }
        let bits = self.builder.reinterpret(predicates, self.context().int(self.lanes));
        self.builder.zext(bits, self.context().int(32))
    }

    /// Active lanes as 32 bits per warp.
    pub(super) fn active_bits(&self) -> Value<'c> {
        self.mask.map_or_else(|| self.int_type(Per::Warp).all_ones(), |mask| self.bits_per_warp(mask))
    }

    /// A scalar as a quantity per warp or per lane.
    pub(super) fn splat_to(&self, scalar: Value<'c>, per: Per) -> Value<'c> {
        match self.int_type(per).lanes() {
            0 => scalar,
            lanes => self.builder.splat(scalar, lanes),
        }
    }

    /// A quantity per warp as one per warp or per lane.
    pub(super) fn lift(&self, per_warp: Value<'c>, per: Per) -> Value<'c> {
        match per {
            Per::Warp => per_warp,
            Per::Lane if self.n_warps() == 1 => self.builder.splat(per_warp, self.lanes),
            Per::Lane => self.builder.permute(per_warp, (0..self.lanes).map(|lane| lane / 32)),
        }
    }

    /// A quantity per warp or per lane as a register value: uniform when there is one warp.
    pub(super) fn spread(&self, value: Value<'c>, per: Per) -> LaneValue<'c> {
        match per {
            Per::Warp if self.n_warps() == 1 => LaneValue::Uniform(value),
            Per::Warp => LaneValue::Varying(self.lift(value, Per::Lane)),
            Per::Lane => LaneValue::Varying(value),
        }
    }

    /// Lane numbers within the warp, `<lanes x i32>`.
    pub(super) fn lane_ids(&self) -> Value<'c> {
        self.context().int(32).constant_vector((0..self.lanes).map(|lane| i64::from(lane % 32)))
    }

    /// The lanes that take part: active, and in `membermask` when there is one.
    pub(super) fn members(&self, membermask: Option<LaneValue<'c>>) -> (Value<'c>, Per) {
        let active = self.active_bits();
        match membermask {
            None => (active, Per::Warp),
            Some(LaneValue::Uniform(scalar)) => (self.builder.and(active, self.splat_to(scalar, Per::Warp)), Per::Warp),
            Some(LaneValue::Varying(vector)) => (self.builder.and(self.lift(active, Per::Lane), vector), Per::Lane),
        }
    }

    /// The internal function `name`, made by `body` (with a builder in its first block) when the module has none yet.
    pub(super) fn function(
        &self,
        name: &str,
        result: Type<'c>,
        params: &[Type<'c>],
        body: impl FnOnce(&Builder<'c>, Function<'c>),
    ) -> Function<'c> {
        let context = self.context();
        if let Some(function) = context.function(name) {
            return function;
        }
        let function = context.add_function(name, context.function_type(result, params));
        function.make_internal();
        function.add_flag(context, "noinline", None);
        function.add_flag(context, "nounwind", None);
        let builder = Builder::new(context);
        builder.position(function.append(context, "entry"));
        body(&builder, function);
        function
    }
}

/// Vectors one after the other.
pub(super) fn join<'c>(builder: &Builder<'c>, parts: &[Value<'c>]) -> Value<'c> {
    match parts {
        [] => unreachable!("there is at least one part"),
        [single] => *single,
        _ => {
            let half = parts.len().div_ceil(2).next_power_of_two().min(parts.len() - 1);
            let (low, high) = (join(builder, &parts[..half]), join(builder, &parts[half..]));
            let (n_low, n_high) = (low.ty().lanes(), high.ty().lanes());
            // Both operands of a shuffle have one type: the shorter one is filled up.
            let high = if n_high == n_low { high } else { builder.permute(high, (0..n_low).map(|lane| lane % n_high)) };
            builder.shuffle(low, high, 0..n_low + n_high)
        }
    }
}

/// `a op b` for the integer operations that have a minimum and maximum beside LLVM's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Associative {
    /// An instruction: add, and, or, xor.
    Int(IntOp),
    /// An intrinsic: `smin smax umin umax`.
    MinMax {
        /// Signed comparison.
        signed: bool,
        /// Maximum.
        max: bool,
    },
}

impl Associative {
    /// Its name in LLVM.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Int(IntOp::Add) => "add",
            Self::Int(IntOp::And) => "and",
            Self::Int(IntOp::Or) => "or",
            Self::Int(_) => "xor",
            Self::MinMax { signed: true, max: true } => "smax",
            Self::MinMax { signed: true, max: false } => "smin",
            Self::MinMax { signed: false, max: true } => "umax",
            Self::MinMax { signed: false, max: false } => "umin",
        }
    }

    /// `a op b`.
    pub(super) fn apply<'c>(self, builder: &Builder<'c>, a: Value<'c>, b: Value<'c>) -> Value<'c> {
        match self {
            Self::Int(op) => builder.int(op, a, b),
            Self::MinMax { .. } => builder.intrinsic(&format!("llvm.{}", self.name()), &[a.ty()], &[a, b]),
        }
    }

    /// All lanes of `vector` combined.
    pub(super) fn reduce<'c>(self, builder: &Builder<'c>, vector: Value<'c>) -> Value<'c> {
        builder.intrinsic(&format!("llvm.vector.reduce.{}", self.name()), &[vector.ty()], &[vector])
    }

    /// The value that changes nothing, of type `ty`.
    pub(super) fn identity<'c>(self, ty: Type<'c>) -> Value<'c> {
        let top = 1u64 << (ty.scalar_bits() - 1);
        match self {
            Self::Int(IntOp::And) | Self::MinMax { signed: false, max: false } => ty.all_ones(),
            Self::MinMax { signed: true, max: true } => ty.constant(top),
            Self::MinMax { signed: true, max: false } => ty.constant(top - 1),
            _ => ty.zero(),
        }
    }

    /// For each lane the combination of all lanes before it; the identity in lane 0.
    pub(super) fn scan_before<'c>(self, builder: &Builder<'c>, vector: Value<'c>) -> Value<'c> {
        let lanes = vector.ty().lanes();
        let identity = self.identity(vector.ty());
        let shifted = |value, by: u32| {
            builder.shuffle(
                identity,
                value,
                (0..lanes).map(move |lane| if lane < by { lane } else { lanes + lane - by }),
            )
        };
        let (mut sum, mut by) = (vector, 1);
        while by < lanes {
            sum = self.apply(builder, sum, shifted(sum, by));
            by *= 2;
        }
        shifted(sum, 1)
    }
}

/// Emits an operation between lanes that touches no memory. `None` when `op` is not of that kind.
///
/// Sources and results are in the order documented at [`Op`].
pub(crate) fn cross_lane<'c>(warps: &Warps<'_, 'c>, op: &Op, sources: &[LaneValue<'c>]) -> Option<LaneResults<'c>> {
    warps.check();
    Some(match op {
        Op::Shuffle { mode, .. } => {
            let (d, p) = warp_shuffle::shuffle(warps, *mode, sources[0], sources[1], sources[2]);
            smallvec![d, p]
        }
        Op::Vote { mode, sync } => smallvec![warp_vote::vote(warps, *mode, sources[0], sync.then(|| sources[1]))],
        Op::Match { all, .. } => warp_vote::match_values(warps, *all, sources[0], sources[1]),
        Op::ActiveMask => smallvec![warps.spread(warps.active_bits(), Per::Warp)],
        Op::Redux { op, ty } => smallvec![warp_vote::redux(warps, *op, *ty, sources[0], sources[1])],
        Op::Elect => warp_vote::elect(warps, sources[0]),
        Op::WarpSync => smallvec![],
        _ => return None,
    })
}

#[cfg(test)]
#[path = "warp_tests.rs"]
mod tests;
