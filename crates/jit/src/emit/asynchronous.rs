//! `cp.async` and `mbarrier`: asynchronous operations, done when they are issued.
//!
//! An mbarrier object's 64 bits are, from bit 0: phase (1 bit), arrivals expected in each phase (20), arrivals pending in this phase
//! (20), transactions pending (23, two's complement); the interpreter has the same layout. Shared memory belongs to one worker
//! and programs are never interrupted, so lanes update the object one after the other without atomics.
//! Source: PTX ISA, "Data Movement and Conversion Instructions: Asynchronous copy", "mbarrier".

use super::Emitter;
use super::address::Place;
use crate::llvm::{IntOp, IntPredicate, Value};
use vgpu_ptx::ir::{Inst, Mbarrier, MbarrierOp, RegWidth, Space};

const COUNT_BITS: u64 = (1 << 20) - 1;
const EXPECTED: u64 = 1;
const PENDING: u64 = 21;
const TRANSACTIONS: u64 = 41;

/// An object taken apart; 64 bits each.
#[derive(Clone, Copy)]
struct Object<'c> {
    phase: Value<'c>,
    expected: Value<'c>,
    pending: Value<'c>,
    transactions: Value<'c>,
}

impl<'c> Emitter<'c, '_> {
    /// Copies `bytes` bytes per lane from global to shared memory; past the source's size there are zeros.
    pub(super) fn copy_async(&mut self, inst: &Inst, bytes: u32, has_src_size: bool, has_ignore: bool) {
        let to = self.place(Space::Shared, &inst.srcs[0], 0);
        let from = self.place(Space::Global, &inst.srcs[1], 0);
        let mask = self.lane_mask(inst);
        let mut reads = mask;
        if has_ignore {
            let ignored = self.source_vector(inst, inst.srcs.len() - 1);
            let counts = self.b.not(ignored);
            reads = Some(reads.map_or(counts, |reads| self.b.and(reads, counts)));
        }
        let size = has_src_size.then(|| self.source_vector(inst, 2));
        // Nearly always all lanes copy all of their bytes.
        let mut whole = reads;
        if let Some(size) = size {
            let enough = self.b.icmp(IntPredicate::Uge, size, size.ty().constant(u64::from(bytes)));
            whole = Some(whole.map_or(enough, |reads| self.b.and(reads, enough)));
        }
        let mut plain = whole.map(|whole| self.all(whole));
        // Each side as it is on the plain way, and as it is exactly.
        let [to, from] = [to, from].map(|place| match &place {
            Place::Checked { fits, strided, .. } => {
                plain = Some(plain.map_or(*fits, |plain| self.b.and(plain, *fits)));
                (Place::Strided(strided.clone()), place)
            }
            _ => (place.clone(), place),
        });
        // One word per lane from or to anywhere is what gathers are for, and many lanes one by one are much code.
        let strided = matches!((&to.0, &from.0), (Place::Strided(_), Place::Strided(_)));
        let pays = strided || (bytes > 4 && self.lanes <= 64);
        let slow = |cx: &mut Self| {
            let (to, from) = (cx.pointers(&to.1), cx.pointers(&from.1));
            let all = cx.mask_type().all_ones();
            cx.copy_words(to, from, bytes, (mask.unwrap_or(all), reads.unwrap_or(all)), size);
        };
        match plain {
            _ if !pays => slow(self),
            None => self.copy_lanes(&to.0, &from.0, bytes),
            Some(plain) => {
                let (runs, words, done) =
                    (self.new_block("whole"), self.new_block("in_part"), self.new_block("copied"));
                self.b.likely_branch(plain, runs, words);
                self.b.position(runs);
                self.copy_lanes(&to.0, &from.0, bytes);
                self.b.branch(done);
                self.b.position(words);
                slow(self);
                self.b.branch(done);
                self.b.position(done);
            }
        }
    }

    /// All lanes' bytes: lanes that are neighbours on both sides together, others one by one.
    fn copy_lanes(&mut self, to: &Place<'c>, from: &Place<'c>, bytes: u32) {
        const LONGEST: u32 = 64;
        let word = self.int(RegWidth::B32);
        let copy = |cx: &Self, to, from, bytes: u32| {
            let ty = word.vector(bytes / 4);
            let value = cx.b.load(ty, from, 4);
            cx.b.store(value, to, 4);
        };
        if let (Place::Strided(to), Place::Strided(from)) = (to, from) {
            let mut lane = 0;
            while lane < self.lanes {
                let mut n = 1;
                while lane % (2 * n) == 0
                    && lane + 2 * n <= self.lanes
                    && 2 * n * bytes <= LONGEST
                    && [to, from].iter().all(|side| side.is_run(lane, 2 * n, i64::from(bytes)))
                {
                    n *= 2;
                }
                copy(self, self.lane_pointer(to, lane), self.lane_pointer(from, lane), n * bytes);
                lane += n;
            }
            return;
        }
        let (to, from) = (self.pointers(to), self.pointers(from));
        for lane in 0..self.lanes {
            copy(self, self.b.extract_lane(to, lane), self.b.extract_lane(from, lane), bytes);
        }
    }

    /// Word by word, for the lanes that write and those of them that read.
    fn copy_words(
        &mut self,
        to: Value<'c>,
        from: Value<'c>,
        bytes: u32,
        (writes, reads): (Value<'c>, Value<'c>),
        size: Option<Value<'c>>,
    ) {
        let word = self.vector_of(self.int(RegWidth::B32));
        let align = self.i32(4);
        for offset in (0..bytes).step_by(4) {
            let at = self.b.offset_by(from, i64::from(offset));
            let mut here = reads;
            let mut left = None;
            if let Some(size) = size {
                let offset = word.constant(u64::from(offset));
                here = self.b.and(here, self.b.icmp(IntPredicate::Ugt, size, offset));
                left = Some(self.b.sub(size, offset));
            }
            let mut value = self.b.intrinsic("llvm.masked.gather", &[word, at.ty()], &[at, align, here, word.zero()]);
            if let Some(left) = left {
                // The last word may count in part.
                let is_whole = self.b.icmp(IntPredicate::Uge, left, word.constant(4));
                let bits = self.b.and(self.b.mul(left, word.constant(8)), word.constant(31));
                let low = self.b.sub(self.b.int(IntOp::Shl, word.constant(1), bits), word.constant(1));
                value = self.b.select(is_whole, value, self.b.and(value, low));
            }
            let at = self.b.offset_by(to, i64::from(offset));
            self.b.intrinsic("llvm.masked.scatter", &[word, at.ty()], &[value, at, align, writes]);
        }
    }

    pub(super) fn mbarrier(&mut self, inst: &Inst, form: &Mbarrier) {
        let i64_type = self.context.int(64);
        if form.op == MbarrierOp::PendingCount {
            let state = self.source_vector(inst, 0);
            let shifted = self.b.int(IntOp::LShr, state, state.ty().constant(PENDING));
            let count = self.b.and(shifted, state.ty().constant(COUNT_BITS));
            let width = self.input.program.values[inst.dsts[0]];
            let count = self.b.resize(count, self.int(width), false);
            self.define_vector(inst.dsts[0], count);
            return;
        }
        let pointers = self.pointers_of(form.space, &inst.srcs[0], form.offset);
        let operand = (inst.srcs.len() > 1).then(|| self.source_vector(inst, 1));
        let mask = self.lane_mask(inst).unwrap_or_else(|| self.mask_type().all_ones());
        let result = inst.dsts.first().map(|&dst| {
            let ty = self.vector_of(self.int(self.input.program.values[dst]));
            let variable = self.variable(ty, "mbarrier");
            self.store_variable(ty.zero(), variable);
            (dst, ty, variable)
        });
        self.for_each_lane(mask, |cx, lane| {
            let at = cx.b.extract(pointers, lane);
            let operand = operand.map(|vector| cx.b.resize(cx.b.extract(vector, lane), i64_type, false));
            let given = cx.mbarrier_lane(form.op, at, operand);
            if let (Some((_, ty, variable)), Some(value)) = (result, given) {
                let before = cx.load_variable(ty, variable);
                let value = cx.b.resize(value, ty.scalar(), false);
                cx.store_variable(cx.b.insert(before, value, lane), variable);
            }
        });
        if let Some((dst, ty, variable)) = result {
            let value = self.load_variable(ty, variable);
            self.define_vector(dst, value);
        }
    }

    /// One lane's operation on the object at `at`; what it gives.
    fn mbarrier_lane(&self, op: MbarrierOp, at: Value<'c>, operand: Option<Value<'c>>) -> Option<Value<'c>> {
        let one = self.i64(1);
        let count = operand.map_or(one, |operand| self.b.and(operand, self.i64(i64::from(u32::MAX))));
        let before = self.b.load(self.context.int(64), at, 8);
        let mut object = self.take_apart(before);
        let mut given = None;
        match op {
            MbarrierOp::Init => {
                let zero = self.i64(0);
                object = Object { phase: zero, expected: count, pending: count, transactions: zero };
            }
            MbarrierOp::Invalidate => {
                let zero = self.i64(0);
                object = Object { phase: zero, expected: zero, pending: zero, transactions: zero };
            }
            MbarrierOp::Arrive { drop, expect_tx } => {
                let arrivals = if expect_tx { one } else { count };
                if expect_tx {
                    object.transactions = self.b.add(object.transactions, count);
                }
                if drop {
                    object.expected = self.b.sub(object.expected, arrivals);
                }
                object.pending = self.b.sub(object.pending, arrivals);
                object = self.complete(object);
                given = Some(before);
            }
            MbarrierOp::ExpectTx => object.transactions = self.b.add(object.transactions, count),
            MbarrierOp::CompleteTx => {
                object.transactions = self.b.sub(object.transactions, count);
                object = self.complete(object);
            }
            MbarrierOp::TestWait { .. } => {
                // Bit 0 of a state is its phase, bit 0 of a parity the parity.
                let phase = self.b.and(operand.unwrap_or(one), one);
                return Some(self.b.icmp(IntPredicate::Ne, phase, object.phase));
            }
            MbarrierOp::CpAsyncArrive { no_increment: true } => {
                object.pending = self.b.sub(object.pending, one);
                object = self.complete(object);
            }
            // Copies are done when issued: the arrival that was added has happened.
            MbarrierOp::CpAsyncArrive { no_increment: false } | MbarrierOp::PendingCount => return None,
        }
        self.b.store(self.put_together(object), at, 8);
        given
    }

    fn take_apart(&self, bits: Value<'c>) -> Object<'c> {
        let field = |from: u64| {
            let shifted = self.b.int(IntOp::LShr, bits, self.i64(from as i64));
            self.b.and(shifted, self.i64(COUNT_BITS as i64))
        };
        Object {
            phase: self.b.and(bits, self.i64(1)),
            expected: field(EXPECTED),
            pending: field(PENDING),
            transactions: self.b.int(IntOp::AShr, bits, self.i64(TRANSACTIONS as i64)),
        }
    }

    fn put_together(&self, object: Object<'c>) -> Value<'c> {
        let field = |value, from: u64| {
            let value = self.b.and(value, self.i64(COUNT_BITS as i64));
            self.b.int(IntOp::Shl, value, self.i64(from as i64))
        };
        let transactions = self.b.int(IntOp::Shl, object.transactions, self.i64(TRANSACTIONS as i64));
        let low = self.b.or(object.phase, field(object.expected, EXPECTED));
        self.b.or(self.b.or(low, field(object.pending, PENDING)), transactions)
    }

    /// The next phase begins when nothing is pending.
    fn complete(&self, object: Object<'c>) -> Object<'c> {
        let pending = self.b.or(self.b.and(object.pending, self.i64(COUNT_BITS as i64)), object.transactions);
        let done = self.b.icmp(IntPredicate::Eq, pending, self.i64(0));
        Object {
            phase: self.b.xor(object.phase, self.b.zext(done, self.context.int(64))),
            pending: self.b.select(done, object.expected, object.pending),
            ..object
        }
    }
}
