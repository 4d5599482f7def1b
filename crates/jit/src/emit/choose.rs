//! The function that runs a block with one of two programs: the one for inner blocks where every condition holds.
//!
//! The choice depends on the block alone, so a suspended block goes on in the program that began it. Source of the method:
//! [`crate::middle::inner`].

use super::{Emitter, Input, Mode};
use crate::JitError;
use crate::llvm::{Context, IntPredicate, Value};
use crate::middle::inner::{Condition, Side};
use crate::middle::shape::Form;
use crate::middle::symbolic::{Parts, Sym};
use vgpu_ptx::ir::{Operand, RegWidth};

/// What decides.
pub(crate) struct Check<'i> {
    /// Computes the conditions' operands for the whole block.
    pub(crate) input: Input<'i>,
    pub(crate) conditions: &'i [Condition],
}

/// Emits the function; `callees` are the functions for inner blocks and for the others, `frame_bytes` what either needs.
pub(super) fn emit_function(
    context: &Context,
    check: &Check<'_>,
    name: &str,
    callees: [&str; 2],
    frame_bytes: u32,
) -> Result<(), JitError> {
    let mut emitter = Emitter::new(context, &check.input, name);
    let [inner, other] = ["inner", "other"].map(|label| emitter.new_block(label));
    emitter.store_variable(emitter.i32(0), emitter.prologue.first_thread);
    emitter.enter(0, Mode::Full, None);
    emitter.instructions(0)?;
    let held: Vec<_> = check.conditions.iter().map(|condition| emitter.holds(condition)).collect();
    let all = held.into_iter().reduce(|a, b| emitter.b.and(a, b)).unwrap_or_else(|| context.int(1).constant(1));
    emitter.b.likely_branch(all, inner, other);
    for (label, callee) in [inner, other].into_iter().zip(callees) {
        emitter.b.position(label);
        let callee = context.function(callee).expect("both programs are emitted before the choice");
        callee.make_internal();
        let mut arguments = vec![emitter.function.argument(0)];
        if check.input.resumable {
            arguments.extend([emitter.function.argument(1), emitter.i64(i64::from(frame_bytes))]);
        }
        let status = emitter.b.call(callee, &arguments);
        emitter.b.ret(status);
    }
    Ok(())
}

impl<'c> Emitter<'c, '_> {
    /// Whether a condition holds for all threads.
    fn holds(&mut self, condition: &Condition) -> Value<'c> {
        let i64_type = self.context.int(64);
        let (index, limit) = (self.condition_operand(condition.index), self.condition_operand(condition.limit));
        let (Parts::Affine { base, .. }, Form::Affine { c, .. }) = (&index.parts, &index.shape.form) else {
            unreachable!("an index is affine: the same analysis says so here and there");
        };
        let limit = self.scalar(&limit).expect("a limit is uniform");
        let least = c.iter().copied().min().unwrap_or(0);
        let greatest = c.iter().copied().max().unwrap_or(0);
        // In 64 bits nothing wraps; in 32 bits the lanes' sums do not either if both ends are in range.
        let base = self.b.sext(*base, i64_type);
        let (first, last) = (self.b.add(base, self.i64(least)), self.b.add(base, self.i64(greatest)));
        let lower_end = if condition.signed { i64::from(i32::MIN) } else { 0 };
        let above_end = self.b.icmp(IntPredicate::Sge, first, self.i64(lower_end));
        let below_end = self.b.icmp(IntPredicate::Sle, last, self.i64(i64::from(i32::MAX)));
        let limit = self.b.resize(limit, i64_type, condition.signed);
        let on_side = match condition.side {
            Side::Below { or_equal: false } => self.b.icmp(IntPredicate::Slt, last, limit),
            Side::Below { or_equal: true } => self.b.icmp(IntPredicate::Sle, last, limit),
            Side::Above { or_equal: false } => self.b.icmp(IntPredicate::Sgt, first, limit),
            Side::Above { or_equal: true } => self.b.icmp(IntPredicate::Sge, first, limit),
        };
        let in_range = self.b.and(above_end, below_end);
        self.b.and(in_range, on_side)
    }

    fn condition_operand(&mut self, operand: Operand) -> Sym<Value<'c>> {
        self.operand(&operand, RegWidth::B32)
    }
}
