//! Lanes that turn out to be neighbours: a test when the code runs, where the analysis could not tell.
//!
//! An index that came through a clamp, an `xor` or the remainder loop of an unrolled loop is varying to the analysis but
//! mostly rises lane by lane all the same. Gathers cost ten times a plain load, the test a tenth of a gather. Lanes are
//! tested in runs of sixteen, so that rows of sixteen threads count; lanes that do not take part do not matter. Where a tile's
//! rows have another length, sixteen lanes are two runs at most: two masked loads.

use super::Emitter;
use super::address::{PerLane, Segment, SegmentKind};
use crate::Isa;
use crate::llvm::{IntPredicate, Value};

/// What to test, and where the runs are if it holds.
pub(super) struct Neighbours<'c> {
    pub(super) condition: Value<'c>,
    pub(super) runs: Vec<(Segment, Value<'c>)>,
}

/// Sixteen lanes in at most two runs: where one row of a tile ends and the next begins.
pub(super) struct Rows<'c> {
    /// True when every sixteen lanes are at most two runs.
    pub(super) condition: Value<'c>,
    /// For each sixteen lanes the two runs: which lanes belong to it, and where lane 0 would be.
    pub(super) pieces: Vec<[(Value<'c>, Value<'c>); 2]>,
}

/// Lanes per run.
pub(super) const RUN: u32 = 16;

impl<'c> Emitter<'c, '_> {
    /// The test whether runs of lanes access consecutive memory, `span` bytes each. `None` where the index cannot step so.
    pub(super) fn neighbours(
        &mut self,
        lanes: &PerLane<'c>,
        span: i64,
        mask: Option<Value<'c>>,
    ) -> Option<Neighbours<'c>> {
        // An index that falls while addresses rise is left to the gather: its wrap would need a test of its own.
        if self.lanes < RUN || lanes.factor <= 0 || span % lanes.factor != 0 {
            return None;
        }
        let step = span / lanes.factor;
        let scalar = lanes.index.ty().scalar();
        let mut condition = self.context.int(1).constant(1);
        let mut runs = Vec::new();
        for start in (0..self.lanes).step_by(RUN as usize) {
            let piece = self.b.permute(lanes.index, start..start + RUN);
            let taking_part = mask.map(|mask| self.b.permute(mask, start..start + RUN));
            // The first lane that takes part tells where lane 0 of the run would be.
            let (first, before) = match taking_part {
                None => (self.b.extract_lane(piece, 0), scalar.zero()),
                Some(bits) => {
                    let bits = self.b.reinterpret(bits, self.context.int(RUN));
                    let lane = self.b.intrinsic("llvm.cttz", &[bits.ty()], &[bits, self.context.int(1).constant(0)]);
                    // No lane gives 16: any lane will do then.
                    let lane = self.b.and(lane, lane.ty().constant(u64::from(RUN - 1)));
                    let lane = self.b.zext(lane, self.context.int(32));
                    let first = self.b.extract(piece, lane);
                    let lane = self.b.resize(lane, scalar, false);
                    (first, self.b.mul(lane, scalar.constant(step as u64)))
                }
            };
            let origin = self.b.sub(first, before);
            let steps = scalar.constant_vector((0..i64::from(RUN)).map(|lane| lane * step));
            let expected = self.b.add(self.b.splat(origin, RUN), steps);
            let mut matches = self.b.icmp(IntPredicate::Eq, piece, expected);
            if let Some(bits) = taking_part {
                matches = self.b.or(matches, self.b.not(bits));
            }
            let bits = self.b.reinterpret(matches, self.context.int(RUN));
            let all = self.b.icmp(IntPredicate::Eq, bits, bits.ty().all_ones());
            condition = self.b.and(condition, all);
            if let Some(fits) = self.run_fits(lanes, origin, step) {
                condition = self.b.and(condition, fits);
            }
            let pointer = self.run_pointer(lanes, origin);
            runs.push((Segment { first: start, len: RUN, kind: SegmentKind::Contiguous }, pointer));
        }
        Some(Neighbours { condition, runs })
    }

    /// The test whether every sixteen lanes access at most two runs of consecutive memory, `span` bytes per lane. `None` as for
    /// [`Self::neighbours`], and where masked loads are no instructions.
    pub(super) fn rows(&mut self, lanes: &PerLane<'c>, span: i64, mask: Option<Value<'c>>) -> Option<Rows<'c>> {
        let is_run = self.lanes >= RUN && lanes.factor > 0 && span % lanes.factor == 0;
        if self.input.target.isa != Isa::Avx512 || !is_run {
            return None;
        }
        let step = span / lanes.factor;
        let scalar = lanes.index.ty().scalar();
        let bits_type = self.context.int(RUN);
        let mask_type = self.context.int(1).vector(RUN);
        let steps = scalar.constant_vector((0..i64::from(RUN)).map(|lane| lane * step));
        let mut left_over = bits_type.zero();
        let mut condition = self.context.int(1).constant(1);
        let mut pieces = Vec::new();
        for start in (0..self.lanes).step_by(RUN as usize) {
            let piece = self.b.permute(lanes.index, start..start + RUN);
            let mut rest = match mask {
                None => bits_type.all_ones(),
                Some(mask) => self.b.reinterpret(self.b.permute(mask, start..start + RUN), bits_type),
            };
            let mut runs = Vec::new();
            for _ in 0..2 {
                // No lane left gives 16: lane 0's place will do then, of which no lane is loaded.
                let lane = self.b.intrinsic("llvm.cttz", &[bits_type], &[rest, self.context.int(1).constant(0)]);
                let lane = self.b.and(lane, bits_type.constant(u64::from(RUN - 1)));
                let before = self.b.mul(self.b.resize(lane, scalar, false), scalar.constant(step as u64));
                let first = self.b.extract(piece, self.b.zext(lane, self.context.int(32)));
                let origin = self.b.sub(first, before);
                let matches = self.b.icmp(IntPredicate::Eq, piece, self.b.add(self.b.splat(origin, RUN), steps));
                let matches = self.b.and(self.b.reinterpret(matches, bits_type), rest);
                rest = self.b.xor(rest, matches);
                if let Some(fits) = self.run_fits(lanes, origin, step) {
                    condition = self.b.and(condition, fits);
                }
                runs.push((self.b.reinterpret(matches, mask_type), self.run_pointer(lanes, origin)));
            }
            left_over = self.b.or(left_over, rest);
            pieces.push([runs[0], runs[1]]);
        }
        let none_left = self.b.icmp(IntPredicate::Eq, left_over, bits_type.zero());
        Some(Rows { condition: self.b.and(condition, none_left), pieces })
    }

    /// Lanes that match a run in 32 bits are neighbours only if none wraps between them.
    fn run_fits(&self, lanes: &PerLane<'c>, origin: Value<'c>, step: i64) -> Option<Value<'c>> {
        if origin.ty().scalar_bits() == 64 {
            return None;
        }
        let limit = i64::from(if lanes.signed { i32::MAX } else { -1i32 });
        let last = (limit as u32).wrapping_sub((step * i64::from(RUN - 1)) as u32);
        let predicate = if lanes.signed { IntPredicate::Sle } else { IntPredicate::Ule };
        Some(self.b.icmp(predicate, origin, origin.ty().constant(u64::from(last))))
    }

    /// Where the lane of index `origin` is.
    fn run_pointer(&self, lanes: &PerLane<'c>, origin: Value<'c>) -> Value<'c> {
        let offset = self.b.resize(origin, self.context.int(64), lanes.signed);
        self.b.offset(lanes.base, self.b.mul(offset, self.i64(lanes.factor)))
    }
}
