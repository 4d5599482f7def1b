//! Values in parts, the variables they live in across blocks, and how a form becomes a vector.

use super::Emitter;
use crate::llvm::{IntOp, Value};
use crate::middle::divergence::operand_shape;
use crate::middle::geometry::{Environment, EnvironmentScalars};
use crate::middle::operands::source_width;
use crate::middle::shape::{Form, Shape};
use crate::middle::symbolic::{Parts, ScalarOp, Scalars, Sym, transfer};
use crate::{JitError, ops};
use smallvec::SmallVec;
use vgpu_ptx::ir::{Inst, Operand, Reg, RegWidth, SymbolRef};

/// The variables of a value that lives across blocks, one per run-time part.
#[derive(Clone, Debug)]
pub(super) struct Slot<'c> {
    pub(super) parts: Parts<Value<'c>>,
}

impl<'c> Emitter<'c, '_> {
    pub(super) fn shape(&self, value: Reg) -> &Shape {
        &self.input.analysis.shapes[value]
    }

    /// Makes the variables for a value of this shape.
    pub(super) fn new_slot(&self, shape: &Shape) -> Slot<'c> {
        Slot { parts: self.slot_parts(shape) }
    }

    fn slot_parts(&self, shape: &Shape) -> Parts<Value<'c>> {
        let scalar = self.int(shape.width);
        let vector = self.vector_of(scalar);
        match &shape.form {
            Form::Uniform => Parts::Uniform(self.lasting_variable(scalar, "u")),
            Form::Affine { d, .. } => Parts::Affine {
                base: self.lasting_variable(scalar, "base"),
                scale: d.as_ref().map(|_| self.lasting_variable(scalar, "scale")),
            },
            Form::Indexed { index, .. } => Parts::Indexed {
                base: self.lasting_variable(scalar, "base"),
                index: Box::new(Sym { shape: (**index).clone(), parts: self.slot_parts(index) }),
            },
            Form::Varying => Parts::Varying(self.lasting_variable(vector, "v")),
        }
    }

    pub(super) fn load_slot(&self, slot: &Parts<Value<'c>>, shape: &Shape) -> Sym<Value<'c>> {
        let scalar = self.int(shape.width);
        let parts = match slot {
            Parts::Uniform(at) => Parts::Uniform(self.load_variable(scalar, *at)),
            Parts::Affine { base, scale } => Parts::Affine {
                base: self.load_variable(scalar, *base),
                scale: scale.map(|scale| self.load_variable(scalar, scale)),
            },
            Parts::Indexed { base, index } => Parts::Indexed {
                base: self.load_variable(scalar, *base),
                index: Box::new(self.load_slot(&index.parts, &index.shape)),
            },
            Parts::Varying(at) => Parts::Varying(self.load_variable(self.vector_of(scalar), *at)),
        };
        Sym { shape: shape.clone(), parts }
    }

    /// Stores a value whose form is the slot's. With `keep`, lanes outside it keep what they had (varying parts only).
    pub(super) fn store_slot(&self, slot: &Parts<Value<'c>>, value: &Sym<Value<'c>>, keep: Option<Value<'c>>) {
        match (slot, &value.parts) {
            (Parts::Uniform(at), Parts::Uniform(v)) => self.store_variable(*v, *at),
            (Parts::Affine { base, scale }, Parts::Affine { base: b, scale: s }) => {
                self.store_variable(*b, *base);
                if let (Some(at), Some(v)) = (scale, s) {
                    self.store_variable(*v, *at);
                }
            }
            (Parts::Indexed { base, index }, Parts::Indexed { base: b, index: i }) => {
                self.store_variable(*b, *base);
                self.store_slot(&index.parts, i, keep);
            }
            (Parts::Varying(at), Parts::Varying(v)) => {
                let value = match keep {
                    Some(mask) => {
                        let before = self.load_variable(v.ty(), *at);
                        self.b.select(mask, *v, before)
                    }
                    None => *v,
                };
                self.store_variable(value, *at);
            }
            _ => unreachable!("a value is coerced to its slot's form before it is stored"),
        }
    }

    /// The value of a register, from the block or its variable.
    pub(super) fn read(&mut self, value: Reg) -> Sym<Value<'c>> {
        if let Some(known) = self.known.get(&value) {
            return known.clone();
        }
        let shape = self.shape(value).clone();
        let sym = if let Some(constant) = shape.as_constant() {
            Sym { parts: Parts::Uniform(self.int(shape.width).constant(constant as u64)), shape }
        } else {
            let slot = self.slots[value].clone().expect("a value used outside its block has a variable");
            self.load_slot(&slot.parts, &shape)
        };
        if self.remember_reads {
            self.known.insert(value, sym.clone());
        }
        sym
    }

    /// Defines a register: remembers it in the block and stores it where other blocks read it.
    pub(super) fn define(&mut self, value: Reg, sym: Sym<Value<'c>>) {
        let shape = self.shape(value).clone();
        let sym = self.coerce(sym, &shape);
        if let Some(slot) = self.slots[value].clone() {
            let keep = if self.input.analysis.careful[self.current] { self.mask } else { None };
            self.store_slot(&slot.parts, &sym, keep);
        }
        self.known.insert(value, sym);
    }

    pub(super) fn define_scalar(&mut self, reg: Reg, value: Value<'c>) {
        let width = self.input.program.values[reg];
        self.define(reg, Sym::uniform(value, Shape::uniform(width)));
    }

    pub(super) fn define_vector(&mut self, reg: Reg, value: Value<'c>) {
        let width = self.input.program.values[reg];
        self.define(reg, Sym { shape: Shape::varying(width), parts: Parts::Varying(value) });
    }

    /// Defines a register from a scalar or a vector, whichever it is.
    pub(super) fn define_either(&mut self, reg: Reg, value: Value<'c>) {
        if value.ty().is_vector() { self.define_vector(reg, value) } else { self.define_scalar(reg, value) }
    }

    /// Brings a value to the form of `shape`, which the analysis has found to hold for it.
    pub(super) fn coerce(&mut self, sym: Sym<Value<'c>>, shape: &Shape) -> Sym<Value<'c>> {
        let parts = match (&shape.form, sym.parts) {
            (Form::Varying, parts) => Parts::Varying(self.vector(&Sym { shape: sym.shape, parts })),
            // A program of one thread: a vector of one lane is its value.
            (Form::Uniform, Parts::Varying(vector)) => Parts::Uniform(self.b.extract_lane(vector, 0)),
            (Form::Indexed { index: wanted, .. }, Parts::Indexed { base, index }) => {
                Parts::Indexed { base, index: Box::new(self.coerce(*index, wanted)) }
            }
            (_, parts) => parts,
        };
        Sym { shape: shape.clone(), parts }
    }

    /// A source operand in parts.
    pub(super) fn operand(&mut self, operand: &Operand, width: RegWidth) -> Sym<Value<'c>> {
        if let Operand::Reg(reg) = operand {
            return self.read(*reg);
        }
        let shape = operand_shape(operand, width, self.input.addresses, |_| None);
        let shape = shape.expect("operands other than registers always have a shape");
        let value = match (operand, shape.as_constant()) {
            (_, Some(constant)) => self.int(width).constant(constant as u64),
            (Operand::Symbol(symbol, addend), None) => {
                let address = self.symbol_address(*symbol);
                let address = self.b.add(address, self.i64(*addend));
                self.b.resize(address, self.int(width), false)
            }
            _ => unreachable!("only symbols have addresses known at launch"),
        };
        Sym::uniform(value, shape)
    }

    /// Generic address of a global or constant variable, or handle of a function.
    fn symbol_address(&self, symbol: SymbolRef) -> Value<'c> {
        match symbol {
            SymbolRef::Var(var) => {
                let at = self.b.offset_by(self.prologue.symbols, i64::from(var.0) * 8);
                self.b.load_invariant(self.context.int(64), at, 8)
            }
            SymbolRef::Func(func) => self.i64(i64::from(func.0) + 1),
        }
    }

    pub(super) fn source(&mut self, inst: &Inst, idx: usize) -> Sym<Value<'c>> {
        let width = source_width(&inst.op, idx, inst.srcs.len());
        self.operand(&inst.srcs[idx], width)
    }

    /// Source `idx` as one value per lane.
    pub(super) fn source_vector(&mut self, inst: &Inst, idx: usize) -> Value<'c> {
        let sym = self.source(inst, idx);
        self.vector(&sym)
    }

    /// One value per lane.
    pub(super) fn vector(&mut self, sym: &Sym<Value<'c>>) -> Value<'c> {
        let scalar = self.int(sym.shape.width);
        match (&sym.parts, &sym.shape.form) {
            (Parts::Varying(vector), _) => *vector,
            (Parts::Uniform(value), _) => self.b.splat(*value, self.lanes),
            (Parts::Affine { base, scale }, Form::Affine { c, d }) => {
                let constants = scalar.constant_vector(c.iter().copied());
                let mut sum = self.b.add(self.b.splat(*base, self.lanes), constants);
                if let (Some(scale), Some(d)) = (scale, d) {
                    let steps = scalar.constant_vector(d.iter().copied());
                    let scaled = self.b.mul(self.b.splat(*scale, self.lanes), steps);
                    sum = self.b.add(sum, scaled);
                }
                sum
            }
            (Parts::Indexed { base, index }, Form::Indexed { factor, signed, .. }) => {
                let index = self.vector(index);
                let index = self.b.resize(index, scalar, *signed);
                let factor = self.vector_of(scalar).constant(*factor as u64);
                self.b.add(self.b.splat(*base, self.lanes), self.b.mul(index, factor))
            }
            _ => unreachable!("parts and form agree"),
        }
    }

    /// The scalar of a uniform value.
    pub(super) fn scalar(&self, sym: &Sym<Value<'c>>) -> Option<Value<'c>> {
        match sym.parts {
            Parts::Uniform(value) => Some(value),
            _ => None,
        }
    }

    /// An operation without memory, control or exchange between lanes.
    pub(super) fn compute(&mut self, inst: &Inst) -> Result<(), JitError> {
        let sources: SmallVec<[Sym<Value<'c>>; 4]> = (0..inst.srcs.len()).map(|idx| self.source(inst, idx)).collect();
        let width = self.input.program.values[inst.dsts[0]];
        if let Some(sym) = transfer(self, &inst.op, &sources, width, self.lanes) {
            self.define(inst.dsts[0], sym);
            return Ok(());
        }
        let all_uniform = sources.iter().all(|sym| sym.shape.is_uniform());
        let values: SmallVec<[Value<'c>; 4]> = sources
            .iter()
            .map(|sym| match self.scalar(sym) {
                Some(value) if all_uniform => value,
                _ => self.vector(sym),
            })
            .collect();
        let widths: SmallVec<[RegWidth; 2]> = inst.dsts.iter().map(|dst| self.input.program.values[*dst]).collect();
        let results = ops::elementwise(&self.b, self.input.target, &inst.op, &values, &widths);
        let results = results.ok_or_else(|| self.unsupported(format!("{:?}", inst.op)))?;
        for (dst, value) in inst.dsts.iter().zip(results) {
            self.define_either(*dst, value);
        }
        Ok(())
    }
}

impl<'c> Scalars for Emitter<'c, '_> {
    type V = Value<'c>;

    fn constant(&mut self, value: i64, width: RegWidth) -> Value<'c> {
        self.int(width).constant(value as u64)
    }

    fn arithmetic(&mut self, op: ScalarOp, a: Value<'c>, b: Value<'c>) -> Value<'c> {
        let op = match op {
            ScalarOp::Add => IntOp::Add,
            ScalarOp::Sub => IntOp::Sub,
            ScalarOp::Mul => IntOp::Mul,
            ScalarOp::And => IntOp::And,
            ScalarOp::Or => IntOp::Or,
            ScalarOp::Xor => IntOp::Xor,
            ScalarOp::LShr => IntOp::LShr,
            ScalarOp::AShr => IntOp::AShr,
            ScalarOp::UDiv => IntOp::UDiv,
            ScalarOp::URem => IntOp::URem,
        };
        self.b.int(op, a, b)
    }

    fn resize(&mut self, a: Value<'c>, to: RegWidth, signed: bool) -> Value<'c> {
        let ty = Emitter::int(self, to);
        self.b.resize(a, ty, signed)
    }
}

impl<'c> EnvironmentScalars for Emitter<'c, '_> {
    fn environment(&mut self, which: Environment) -> Value<'c> {
        match which {
            Environment::FirstThread => self.load_variable(self.context.int(32), self.prologue.first_thread),
            _ => self.prologue.environment[&which],
        }
    }
}
