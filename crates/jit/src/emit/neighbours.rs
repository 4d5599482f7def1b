//! Lanes that turn out to be neighbours: a test when the code runs, where the analysis could not tell.
//!
//! An index that came through a clamp, an `xor` or the remainder loop of an unrolled loop is varying to the analysis but
//! mostly rises lane by lane all the same. Gathers cost ten times a plain load, the test a tenth of a gather. Lanes are
//! tested in runs of sixteen, so that rows of sixteen threads count; lanes that do not take part do not matter.

use super::Emitter;
use super::address::{PerLane, Segment, SegmentKind};
use crate::llvm::{IntPredicate, Value};

/// What to test, and where the runs are if it holds.
pub(super) struct Neighbours<'c> {
    pub(super) condition: Value<'c>,
    pub(super) runs: Vec<(Segment, Value<'c>)>,
}

/// Lanes per run.
const RUN: u32 = 16;

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
        let i64_type = self.context.int(64);
        let scalar = lanes.index.ty().scalar();
        let wide = scalar.scalar_bits() == 64;
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
            if !wide {
                // Lanes that match in 32 bits are neighbours only if none wraps between them.
                let limit = i64::from(if lanes.signed { i32::MAX } else { -1i32 });
                let last = (limit as u32).wrapping_sub((step * i64::from(RUN - 1)) as u32);
                let predicate = if lanes.signed { IntPredicate::Sle } else { IntPredicate::Ule };
                let fits = self.b.icmp(predicate, origin, scalar.constant(u64::from(last)));
                condition = self.b.and(condition, fits);
            }
            let offset = self.b.resize(origin, i64_type, lanes.signed);
            let offset = self.b.mul(offset, self.i64(lanes.factor));
            let pointer = self.b.offset(lanes.base, offset);
            runs.push((Segment { first: start, len: RUN, kind: SegmentKind::Contiguous }, pointer));
        }
        Some(Neighbours { condition, runs })
    }
}
