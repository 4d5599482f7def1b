//! `atom` and `red`.
//!
//! Threads execute one after the other, so that every access is atomic and every order and scope holds. Floating-point addition rounds
//! to nearest even and does not flush subnormal numbers: the manual calls the flushing of f32 additions in global memory a
//! property of current implementations. Source: PTX ISA, "atom", "red".

use super::FaultKind;
use super::arith::{Bits, NoSuchForm, float, int, integer, mask, per_element};
use super::execute::Lane;
use crate::ir::{Atomic, AtomicOp, FloatBinary, FloatMode, Inst, IntBinary, ScalarType};

/// What an atomic operation leaves in memory; not for `cas`.
pub(super) fn update(op: AtomicOp, ty: ScalarType, old: u64, b: u64) -> Bits {
    let bits = mask(ty.bits());
    let (unsigned_old, unsigned_b) = (old & bits, b & bits);
    let float_op =
        |op: FloatBinary| per_element(ty, [old, b], |ty, [old, b]| float::binary(op, ty, FloatMode::default(), old, b));
    match op {
        AtomicOp::And => Ok(unsigned_old & unsigned_b),
        AtomicOp::Or => Ok(unsigned_old | unsigned_b),
        AtomicOp::Xor => Ok(unsigned_old ^ unsigned_b),
        AtomicOp::Exch => Ok(unsigned_b),
        AtomicOp::Inc => Ok(if unsigned_old >= unsigned_b { 0 } else { unsigned_old + 1 }),
        AtomicOp::Dec => Ok(if unsigned_old == 0 || unsigned_old > unsigned_b { unsigned_b } else { unsigned_old - 1 }),
        AtomicOp::Add if ty.is_float() => float_op(FloatBinary::Add),
        AtomicOp::Min if ty.is_float() => float_op(FloatBinary::Min),
        AtomicOp::Max if ty.is_float() => float_op(FloatBinary::Max),
        AtomicOp::Add => int::binary(IntBinary::Add, ty, old, b),
        AtomicOp::Min => Ok(if integer(ty, b) < integer(ty, old) { unsigned_b } else { unsigned_old }),
        AtomicOp::Max => Ok(if integer(ty, b) > integer(ty, old) { unsigned_b } else { unsigned_old }),
        AtomicOp::Cas => Err(NoSuchForm { operation: "two-operand compare and swap", ty }),
    }
}

impl Lane<'_, '_> {
    pub fn atomic(&mut self, inst: &Inst, form: &Atomic) -> Result<(), FaultKind> {
        let bytes = form.ty.bytes();
        let start = self.target(form.space, &inst.srcs[0], form.offset);
        self.check_aligned(start, u64::from(bytes * form.vector))?;
        for i in 0..form.vector as usize {
            let target = start.plus(i as u64 * u64::from(bytes));
            let old = self.read_value(target, bytes)?;
            let b = self.src(inst, 1 + i);
            let new = match form.op {
                // The two operations that exist for 128 bits.
                AtomicOp::Exch => b,
                AtomicOp::Cas => {
                    let width = if bytes == 16 { u128::MAX } else { u128::from(mask(8 * bytes)) };
                    if old == b & width { self.src(inst, 2) } else { old }
                }
                op => u128::from(update(op, form.ty, old as u64, b as u64)?),
            };
            self.write_value(target, bytes, new)?;
            if matches!(inst.op, crate::ir::Op::Atomic(_)) {
                self.set_dst(inst, i, old);
            }
        }
        Ok(())
    }
}
