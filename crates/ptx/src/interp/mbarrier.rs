//! `mbarrier`: objects in shared memory that count arrivals and bytes.
//!
//! The 64 bits of an object are opaque to programs. Here, from bit 0: phase (1 bit), arrivals expected in each phase (20), arrivals still
//! pending in this phase (20), transactions pending (23, two's complement). The state that `arrive` returns is the
//! object before the arrival. A phase completes when both pending counts are zero.
//! Source: PTX ISA, "Parallel Synchronization and Communication Instructions: mbarrier".

use super::FaultKind;
use super::access::Target;
use super::execute::Lane;
use crate::ir::{Inst, Mbarrier, MbarrierOp};

/// Largest arrival count.
const MAX_COUNT: u64 = (1 << 20) - 1;

/// An object taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Object {
    phase: u64,
    expected: u64,
    pending: u64,
    transactions: i64,
}

impl Object {
    const fn from_bits(bits: u64) -> Self {
        Self {
            phase: bits & 1,
            expected: bits >> 1 & MAX_COUNT,
            pending: bits >> 21 & MAX_COUNT,
            transactions: bits as i64 >> 41,
        }
    }

    const fn to_bits(self) -> u64 {
        self.phase | self.expected << 1 | self.pending << 21 | (self.transactions as u64) << 41
    }

    fn arrive(&mut self, count: u64) -> Result<(), FaultKind> {
        if count > self.pending {
            return Err(FaultKind::Undefined("more arrivals at an mbarrier than it expects in this phase"));
        }
        self.pending -= count;
        self.complete();
        Ok(())
    }

    const fn complete(&mut self) {
        if self.pending == 0 && self.transactions == 0 {
            self.phase ^= 1;
            self.pending = self.expected;
        }
    }
}

impl Lane<'_, '_> {
    pub fn mbarrier(&mut self, inst: &Inst, form: &Mbarrier) -> Result<(), FaultKind> {
        if form.op == MbarrierOp::PendingCount {
            let state = Object::from_bits(self.src64(inst, 0));
            self.set_dst(inst, 0, u128::from(state.pending));
            return Ok(());
        }
        let target = self.target(form.space, &inst.srcs[0], form.offset);
        if !matches!(target, Target::Shared(_)) {
            return Err(FaultKind::Undefined("an mbarrier object outside shared memory"));
        }
        self.check_aligned(target, 8)?;
        let before = self.read_value(target, 8)? as u64;
        let mut object = Object::from_bits(before);
        let operand = inst.srcs.get(1).map(|_| self.src64(inst, 1));
        let count = operand.unwrap_or(1) & u64::from(u32::MAX);
        match form.op {
            MbarrierOp::Init => {
                if !(1..=MAX_COUNT).contains(&count) {
                    return Err(FaultKind::Undefined("an mbarrier count outside 1 to 2^20 - 1"));
                }
                object = Object { phase: 0, expected: count, pending: count, transactions: 0 };
            }
            MbarrierOp::Invalidate => object = Object::from_bits(0),
            MbarrierOp::Arrive { drop, expect_tx } => {
                let arrivals = if expect_tx { 1 } else { count };
                if expect_tx {
                    object.transactions += count as i64;
                }
                if drop {
                    object.expected = object.expected.saturating_sub(arrivals);
                }
                object.arrive(arrivals)?;
                self.set_dst(inst, 0, u128::from(before));
            }
            MbarrierOp::ExpectTx => object.transactions += count as i64,
            MbarrierOp::CompleteTx => {
                object.transactions -= count as i64;
                object.complete();
            }
            MbarrierOp::TestWait { parity, .. } => {
                // The phase that the state, or the parity, names is complete when the current one is another.
                let phase = if parity { count & 1 } else { Object::from_bits(operand.unwrap_or(0)).phase };
                self.set_dst(inst, 0, u128::from(phase != object.phase));
                return Ok(());
            }
            // Copies are done when issued: one arrival now. Without `.noinc` it was added to the pending count first.
            MbarrierOp::CpAsyncArrive { no_increment: true } => object.arrive(1)?,
            MbarrierOp::CpAsyncArrive { no_increment: false } => {}
            MbarrierOp::PendingCount => unreachable!("handled above: it has no address"),
        }
        self.write_value(target, 8, u128::from(object.to_bits()))
    }
}
