//! One instruction for one thread: the table from operations to the functions that compute them.

use super::FaultKind;
use super::arith::{approx, compare, cvt, float, int, integer, mask, video, wrap};
use super::launch::Grid;
use super::thread::Thread;
use crate::ir::{Accuracy, Comparison, Inst, Op, Reg, ScalarType};
use vgpu_types::Dim3;

/// A thread about to execute, with everything it may touch.
pub(super) struct Lane<'l, 'g> {
    pub grid: &'l mut Grid<'g>,
    pub thread: &'l mut Thread,
    pub shared: &'l mut Vec<u8>,
    pub block_idx: Dim3,
    /// Lanes of the warp that execute this instruction together.
    pub active_mask: u32,
}

impl Lane<'_, '_> {
    /// Source operand `i`, all its bits.
    pub fn src(&self, inst: &Inst, i: usize) -> u128 {
        inst.srcs.get(i).map_or(0, |operand| self.thread.operand(self.grid, operand))
    }

    /// Source operand `i`, its low 64 bits.
    pub fn src64(&self, inst: &Inst, i: usize) -> u64 {
        self.src(inst, i) as u64
    }

    /// Source operand `i` as a truth value.
    pub fn src_pred(&self, inst: &Inst, i: usize) -> bool {
        self.src(inst, i) & 1 == 1
    }

    /// Writes a register.
    pub fn set(&mut self, reg: Reg, value: u128) {
        self.thread.set_reg(self.grid.module, reg, value);
    }

    /// Writes destination `i`, when the instruction has it.
    pub fn set_dst(&mut self, inst: &Inst, i: usize, value: u128) {
        if let Some(&reg) = inst.dsts.get(i) {
            self.set(reg, value);
        }
    }

    /// Executes `inst`; the program counter is already past it.
    pub fn execute(&mut self, inst: &Inst) -> Result<(), FaultKind> {
        let a = self.src64(inst, 0);
        let b = self.src64(inst, 1);
        let c = self.src64(inst, 2);
        let result: u64 = match &inst.op {
            // Data movement.
            Op::Mov(_) => {
                let value = self.src(inst, 0);
                self.set_dst(inst, 0, value);
                return Ok(());
            }
            Op::Pack { element } => {
                let bits = element.bits();
                let parts = (0..inst.srcs.len()).map(|i| (self.src64(inst, i) & mask(bits), i as u32 * bits));
                let value = parts.fold(0, |value, (part, at)| value | u128::from(part) << at);
                self.set_dst(inst, 0, value);
                return Ok(());
            }
            Op::Unpack { element } => {
                let value = self.src(inst, 0);
                for i in 0..inst.dsts.len() {
                    let part = (value >> (i as u32 * element.bits())) as u64 & mask(element.bits());
                    self.set_dst(inst, i, u128::from(part));
                }
                return Ok(());
            }
            Op::ReadSpecial(register) => self.special(*register),
            Op::Cvt(form) => {
                let value = cvt::cvt(form, a, inst.srcs.get(1).map(|_| b))?;
                // An integer in a wider register is extended by its own sign.
                if form.to.is_signed() && !form.to.is_packed() { integer(form.to, value) as u64 } else { value }
            }
            Op::CvtPack { to_bits, to_signed, from_signed, insert } => {
                cvt::pack(*to_bits, *to_signed, *from_signed, a, b, insert.then_some(c))
            }
            Op::Cvta { space, to_generic } => self.cvta(*space, *to_generic, a),
            Op::IsSpace(space) => u64::from(self.is_in_space(*space, a)),
            Op::Selp(_) => {
                let value = self.src(inst, if self.src_pred(inst, 2) { 0 } else { 1 });
                self.set_dst(inst, 0, value);
                return Ok(());
            }
            Op::Slct { condition, ftz, .. } => {
                if compare::at_least_zero(*condition, *ftz, c) {
                    a
                } else {
                    b
                }
            }
            Op::Set { compare, result } => self.set_op(inst, compare, *result)?,
            Op::Setp(comparison) => {
                self.setp(inst, comparison);
                return Ok(());
            }
            Op::Prefetch | Op::Nop | Op::Nanosleep | Op::Fence(..) => return Ok(()),

            // Integers.
            Op::IntBinary(op, ty) => int::binary(*op, *ty, a, b)?,
            Op::IntUnary(op, ty) => int::unary(*op, *ty, a)?,
            Op::MulWide(ty) => int::mul_wide(*ty, a, b)?,
            Op::Mad { ty, half, saturate } => int::mad(*ty, *half, *saturate, a, b, c)?,
            Op::Mul24 { ty, high, mad, saturate } => int::mul24(*ty, *high, *saturate, a, b, mad.then_some(c)),
            Op::Sad(ty) => int::sad(*ty, a, b, c),
            Op::Carry { op, ty, carry_in, carry_out } => {
                let carried = *carry_in && self.src_pred(inst, inst.srcs.len() - 1);
                let (value, carry) = int::carry(*op, *ty, carried, a, b, c);
                if *carry_out {
                    self.set_dst(inst, inst.dsts.len() - 1, u128::from(carry));
                }
                value
            }
            Op::Bfe(ty) => int::bfe(*ty, a, b, c),
            Op::Bfi(ty) => int::bfi(*ty, a, b, c, self.src64(inst, 3)),
            Op::Bmsk { clamp } => int::bmsk(*clamp, a, b),
            Op::Szext { ty, clamp } => int::szext(*ty, *clamp, a, b),
            Op::Fns => int::fns(a, b, c),
            Op::Shf { left, clamp } => int::shf(*left, *clamp, a, b, c),
            Op::Prmt(mode) => int::prmt(*mode, a, b, c),
            Op::Lop3 { table, predicate } => {
                let value = int::lop3(*table, a, b, c);
                if let Some(op) = predicate {
                    let combined = int::combine(*op, value != 0, self.src_pred(inst, 3));
                    self.set_dst(inst, 1, u128::from(combined));
                }
                value
            }
            Op::Dp4a { a_signed, b_signed } => int::dp4a(*a_signed, *b_signed, a, b, c),
            Op::Dp2a { a_signed, b_signed, high } => int::dp2a(*a_signed, *b_signed, *high, a, b, c),
            Op::Video(form) => video::scalar(form, a, b, c)?,
            Op::VideoSimd(form) => video::simd(form, a, b, c)?,

            // Floating point.
            Op::FloatBinary(op, ty, mode) => float::binary(*op, *ty, *mode, a, b)?,
            Op::FloatUnary(op, ty, mode) => float::unary(*op, *ty, *mode, a)?,
            Op::Fma(ty, mode) => float::fma(*ty, *mode, a, b, c)?,
            Op::FloatMinMax3 { max, mode } => float::min_max3(*max, *mode, a, b, c)?,
            Op::Div(ty, Accuracy::Ieee, mode) => float::div(*ty, *mode, a, b)?,
            Op::Div(ty, accuracy, mode) => approx::div(*accuracy, *ty, *mode, a, b)?,
            Op::Rcp(ty, Accuracy::Ieee, mode) => float::rcp(*ty, *mode, a)?,
            Op::Rcp(ty, _, mode) => approx::rcp(*ty, *mode, a)?,
            Op::Sqrt(ty, Accuracy::Ieee, mode) => float::sqrt(*ty, *mode, a)?,
            Op::Sqrt(ty, _, mode) => approx::sqrt(*ty, *mode, a)?,
            Op::Transcendental(function, ty, mode) => approx::transcendental(*function, *ty, *mode, a)?,
            Op::Copysign(ty) => float::copysign(*ty, a, b),
            Op::TestP(property, ty) => u64::from(float::test(*property, *ty, a)),

            // Memory.
            Op::Load(form) => return self.load(inst, form),
            Op::Store(form) => return self.store(inst, form),
            Op::Atomic(form) | Op::Reduce(form) => return self.atomic(inst, form),
            Op::CpAsync { bytes, has_src_size, has_ignore } => {
                return self.cp_async(inst, *bytes, *has_src_size, *has_ignore);
            }
            // Copies were done when they were issued.
            Op::CpAsyncCommit | Op::CpAsyncWait(_) => return Ok(()),
            Op::Mbarrier(form) => return self.mbarrier(inst, form),

            // Calls and stack.
            Op::Call(callee, args) => return self.call(*callee, args),
            Op::CallIndirect(prototype, args) => return self.call_indirect(*prototype, args, a),
            Op::CallBuiltin(builtin, args) => return self.call_builtin(*builtin, args),
            Op::Alloca { align } => {
                let size = u32::try_from(a).map_err(|_| FaultKind::StackOverflow)?;
                // The manual guarantees at least 8.
                u64::from(self.thread.allocate(size, (*align).max(8)).ok_or(FaultKind::StackOverflow)?)
            }
            Op::StackSave => self.thread.local.len() as u64,
            Op::StackRestore => {
                if a > self.thread.local.len() as u64 {
                    return Err(FaultKind::Undefined("stackrestore to above the top of the stack"));
                }
                self.thread.local.truncate(a as usize);
                return Ok(());
            }
            Op::ActiveMask => u64::from(self.active_mask),

            Op::Barrier(_)
            | Op::WarpSync
            | Op::Shuffle { .. }
            | Op::Vote { .. }
            | Op::Match { .. }
            | Op::Redux { .. }
            | Op::Elect
            | Op::Mma(_)
            | Op::WmmaLoad(_)
            | Op::WmmaStore(_)
            | Op::LdMatrix(_)
            | Op::StMatrix(_)
            | Op::MovMatrix => unreachable!("the block executes operations of several threads"),
        };
        self.set_dst(inst, 0, u128::from(result));
        Ok(())
    }

    fn setp(&mut self, inst: &Inst, comparison: &Comparison) {
        let (low, high) = compare::elements(comparison, self.src64(inst, 0), self.src64(inst, 1));
        let other = comparison.combine.map(|op| (op, self.src_pred(inst, 2)));
        let combined = |truth: bool| u128::from(other.map_or(truth, |(op, c)| int::combine(op, truth, c)));
        self.set_dst(inst, 0, combined(low));
        self.set_dst(inst, 1, combined(high.unwrap_or(!low)));
    }

    fn set_op(&mut self, inst: &Inst, comparison: &Comparison, result: ScalarType) -> Result<u64, FaultKind> {
        let (low, high) = compare::elements(comparison, self.src64(inst, 0), self.src64(inst, 1));
        let other = comparison.combine.map(|op| (op, self.src_pred(inst, 2)));
        let combined = |truth: bool| other.map_or(truth, |(op, c)| int::combine(op, truth, c));
        let Some(high) = high else {
            let value = compare::set_value(result, combined(low))?;
            return Ok(if result.is_signed() { integer(result, value) as u64 } else { value });
        };
        // A packed comparison with an integer result gives two 16-bit masks.
        let element = if result.is_packed() { result.element() } else { ScalarType::U16 };
        let (low, high) = (compare::set_value(element, combined(low))?, compare::set_value(element, combined(high))?);
        Ok(wrap(ScalarType::B32, i128::from(high << 16 | low)))
    }
}
