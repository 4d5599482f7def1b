//! Operands of one instruction: names to registers and symbols, literals to bits, with the width the op asks for.
//!
//! Model: an [`InstCx`] lives while one instruction is lowered. Operand numbers count from 0 in the text's order; messages
//! count from 1. A few conveniences of PTX become instructions here: a special register read in place, a
//! negated predicate operand, a widened register.

use super::Lowered;
use super::function::FunctionCx;
use super::immediate::{Misfit, immediate_bits};
use super::modifiers::Modifiers;
use super::scope::Entity;
use super::special::{special_register, special_vector};
use crate::ast::{self, Name, Operand as Ast};
use crate::ir::{
    Cvt, Guard, IntUnary, Op, Operand, Reg, RegWidth, ScalarType, Space, SpecialReg, SymbolRef, Terminator,
};
use crate::parser::shorten;
use smallvec::SmallVec;
use vgpu_types::{Diagnostic, Span};

/// The instruction being lowered.
pub(super) struct InstCx<'c, 'a, 's> {
    /// The function around it.
    pub f: &'c mut FunctionCx<'a, 's>,
    /// The text's instruction.
    pub inst: &'a ast::Inst<'s>,
    /// Its modifiers.
    pub mods: Modifiers<'s>,
    /// Its guard.
    pub guard: Option<Guard>,
}

/// How strict the width of a register is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    /// The width of the type.
    Exact,
    /// The width of the type or more (`ld`, `st`, `cvt`).
    AtLeast,
    /// The width of the type; 16 bits as well for 8-bit types, which have no registers of their own in most texts.
    Element,
}

impl<'a, 's> InstCx<'_, 'a, 's> {
    /// An error of this instruction.
    pub(super) fn error<T>(&self, code: &'static str, span: Span, message: impl Into<String>) -> Lowered<T> {
        Err(Box::new(Diagnostic::error(code, span, message)))
    }

    /// An error that the instruction is not supported, with the section of the manual.
    pub(super) fn unsupported<T>(&self, what: &str, section: &str) -> Lowered<T> {
        let message = format!("`{}` is not supported: {what}", self.mods.opcode());
        let diagnostic = Diagnostic::error("unsupported-instruction", self.mods.span(), message);
        Err(Box::new(diagnostic.with_help(format!("PTX ISA section \"{section}\""))))
    }

    /// Number of operands in the text.
    pub(super) fn n_operands(&self) -> usize {
        self.inst.operands.len()
    }

    /// An error unless the instruction has `least` to `most` operands.
    pub(super) fn count(&self, least: usize, most: usize) -> Lowered<()> {
        let found = self.n_operands();
        if (least..=most).contains(&found) {
            return Ok(());
        }
        let accepted = if least == most { format!("{least}") } else { format!("{least} to {most}") };
        let plural = if most == 1 { "operand" } else { "operands" };
        self.error(
            "operand-count",
            self.inst.span,
            format!("`{}` takes {accepted} {plural}, found {found}", self.mods.opcode()),
        )
    }

    /// Operand `idx` of the text.
    pub(super) fn operand(&self, idx: usize) -> Lowered<&'a Ast<'s>> {
        match self.inst.operands.get(idx) {
            Some(operand) => Ok(operand),
            None => self.error(
                "operand-count",
                self.inst.span,
                format!("`{}` needs operand {}", self.mods.opcode(), idx + 1),
            ),
        }
    }

    /// Appends an instruction under this instruction's guard.
    pub(super) fn emit(&mut self, op: Op, dsts: &[Reg], srcs: &[Operand]) -> Lowered<()> {
        self.f.push(op, dsts, srcs, self.guard, self.inst.span);
        Ok(())
    }

    /// A new register without a name.
    pub(super) fn temp(&mut self, width: RegWidth) -> Reg {
        self.f.new_reg(width, "")
    }

    // ---- Destinations --------------------------------------------------------------------------------------------

    /// Destination `idx` of exactly the width of `ty`.
    pub(super) fn dst(&mut self, idx: usize, ty: ScalarType) -> Lowered<Reg> {
        let operand = self.operand(idx)?;
        self.dst_of(operand, ty, Width::Exact)
    }

    /// A destination; `_` gives a register nobody reads.
    pub(super) fn dst_of(&mut self, operand: &'a Ast<'s>, ty: ScalarType, width: Width) -> Lowered<Reg> {
        match operand {
            Ast::Sink(_) => Ok(self.temp(width_of(ty))),
            Ast::Name { name, component, minus: false } => match self.entity(*name, *component)? {
                Some(Entity::Reg(reg)) => self.check_width(reg, operand.span(), name.text, ty, width).map(|()| reg),
                _ => self.error(
                    "bad-operand",
                    operand.span(),
                    format!(
                        "`{}` is not a register; the destination of `{}` is",
                        shorten(name.text),
                        self.mods.opcode()
                    ),
                ),
            },
            _ => {
                let message = format!("the destination of `{}` is a register", self.mods.opcode());
                self.error("bad-operand", operand.span(), message)
            }
        }
    }

    /// The two parts of `d|p`, or `d` alone.
    pub(super) fn pair(&self, idx: usize) -> Lowered<(&'a Ast<'s>, Option<&'a Ast<'s>>)> {
        let operand = self.operand(idx)?;
        Ok(match operand {
            Ast::Pair(pair) => (&pair[0], Some(&pair[1])),
            single => (single, None),
        })
    }

    // ---- Sources -------------------------------------------------------------------------------------------------

    /// Source `idx` of exactly the width of `ty`.
    pub(super) fn src(&mut self, idx: usize, ty: ScalarType) -> Lowered<Operand> {
        let operand = self.operand(idx)?;
        self.src_of(operand, ty, Width::Exact)
    }

    /// A source operand.
    pub(super) fn src_of(&mut self, operand: &'a Ast<'s>, ty: ScalarType, width: Width) -> Lowered<Operand> {
        let span = operand.span();
        match operand {
            Ast::Const(constant) => self.immediate(*constant, ty),
            Ast::Name { name, component, minus: false } => {
                if let Some(special) = special_register(name.text, component.map(|part| part.text)) {
                    return self.read_special(special, ty);
                }
                match self.entity(*name, *component)? {
                    Some(Entity::Reg(reg)) => {
                        self.check_width(reg, span, name.text, ty, width)?;
                        Ok(Operand::Reg(reg))
                    }
                    entity => self.address_of(*name, entity, 0, ty),
                }
            }
            Ast::Offset { name, offset } => {
                let entity = self.entity(*name, None)?;
                if let Some(Entity::Reg(_) | Entity::Vector(_)) = entity {
                    let message = format!(
                        "`{}` is a register; an offset is accepted only between `[` and `]`",
                        shorten(name.text)
                    );
                    return self.error("bad-operand", span, message);
                }
                self.address_of(*name, entity, *offset, ty)
            }
            Ast::Not(name) if ty == ScalarType::Pred => {
                let reg = self.predicate(*name)?;
                let negated = self.temp(RegWidth::Pred);
                self.emit(Op::IntUnary(IntUnary::Not, ScalarType::Pred), &[negated], &[Operand::Reg(reg)])?;
                Ok(Operand::Reg(negated))
            }
            Ast::Vector(items, _) if items.len() == 1 => self.src_of(&items[0], ty, width),
            _ => {
                let message = format!(
                    "operand of `{}`: found {}, accepted: a `.{ty}` register or constant",
                    self.mods.opcode(),
                    describe(operand)
                );
                self.error("bad-operand", span, message)
            }
        }
    }

    /// The register of a predicate name.
    pub(super) fn predicate(&mut self, name: Name<'s>) -> Lowered<Reg> {
        match self.entity(name, None)? {
            Some(Entity::Reg(reg)) => {
                self.check_width(reg, name.span, name.text, ScalarType::Pred, Width::Exact).map(|()| reg)
            }
            _ => self.error("bad-operand", name.span, format!("`{}` is not a predicate register", shorten(name.text))),
        }
    }

    /// A constant operand that the instruction needs at compile time.
    pub(super) fn constant(&self, idx: usize, what: &str) -> Lowered<u64> {
        let operand = self.operand(idx)?;
        match operand {
            Ast::Const(constant) => match constant.value.integer_bits() {
                Some(bits) => Ok(bits),
                None => self.error("bad-operand", constant.span, format!("{what} must be an integer")),
            },
            _ => self.error(
                "bad-operand",
                operand.span(),
                format!("{what} must be a constant, found {}", describe(operand)),
            ),
        }
    }

    fn immediate(&mut self, constant: ast::Const, ty: ScalarType) -> Lowered<Operand> {
        match immediate_bits(constant.value, ty) {
            Ok((bits, lost)) => {
                if lost {
                    let message = format!("the constant does not fit `.{ty}`; its low {} bits are used", ty.bits());
                    self.f.module.report(Diagnostic::warning("constant-truncated", constant.span, message));
                }
                Ok(Operand::Imm(bits))
            }
            Err(Misfit::FloatForInteger) => {
                let message = format!("a floating-point constant where `{}` takes `.{ty}`", self.mods.opcode());
                self.error("bad-operand", constant.span, message)
            }
            Err(Misfit::IntegerForFloat) => {
                let message = format!("an integer constant where `{}` takes `.{ty}`", self.mods.opcode());
                let diagnostic = Diagnostic::error("bad-operand", constant.span, message);
                Err(Box::new(diagnostic.with_help("write it as `1.0`, `0f3F800000` or `0d3FF0000000000000`")))
            }
        }
    }

    fn read_special(&mut self, special: Option<SpecialReg>, ty: ScalarType) -> Lowered<Operand> {
        let Some(special) = special else { return Ok(Operand::Imm(0)) };
        let width = special.width();
        let reg = self.temp(width);
        self.emit(Op::ReadSpecial(special), &[reg], &[])?;
        if width == width_of(ty) {
            return Ok(Operand::Reg(reg));
        }
        if width == RegWidth::Pred || ty == ScalarType::Pred {
            let message = format!("the special register does not have type `.{ty}`");
            return self.error("operand-width", self.inst.span, message);
        }
        let from = if width == RegWidth::B64 { ScalarType::U64 } else { ScalarType::U32 };
        let to = match ty.bits() {
            8 => ScalarType::U8,
            16 => ScalarType::U16,
            32 => ScalarType::U32,
            _ => ScalarType::U64,
        };
        let converted = self.temp(width_of(ty));
        self.emit(Op::Cvt(plain_cvt(to, from)), &[converted], &[Operand::Reg(reg)])?;
        Ok(Operand::Reg(converted))
    }

    /// The address of a variable, parameter or function as a value of type `ty`.
    fn address_of(&mut self, name: Name<'s>, entity: Option<Entity>, offset: i64, ty: ScalarType) -> Lowered<Operand> {
        let integer = matches!(
            ty,
            ScalarType::B32 | ScalarType::U32 | ScalarType::S32 | ScalarType::B64 | ScalarType::U64 | ScalarType::S64
        );
        let (operand, narrow) = match entity {
            None => match self.module_symbol(name)? {
                symbol @ SymbolRef::Var(id) => {
                    (Operand::Symbol(symbol, offset), self.f.module.ir.variables[id].space == Space::Shared)
                }
                symbol @ SymbolRef::Func(_) => (Operand::Symbol(symbol, offset), false),
            },
            Some(Entity::Var(id)) => {
                let narrow = self.f.module.ir.variables[id].space == Space::Shared;
                (Operand::Symbol(SymbolRef::Var(id), offset), narrow)
            }
            Some(Entity::Frame(id)) => (Operand::Frame(id, offset), true),
            Some(Entity::Param(idx)) if self.f.is_entry => {
                (Operand::Param(self.param_offset(idx, offset, 0, name)?), true)
            }
            Some(Entity::Param(idx)) => (Operand::Frame(self.f.param_copy(idx), offset), true),
            Some(Entity::Return(_)) => {
                return self.error(
                    "bad-operand",
                    name.span,
                    format!("the address of return value `{}` cannot be taken", shorten(name.text)),
                );
            }
            Some(Entity::Reg(_)) => return self.error("bad-operand", name.span, "an offset on a register"),
            Some(Entity::Vector(_)) => {
                return self.error(
                    "bad-operand",
                    name.span,
                    format!("`{}` is a vector; name a component such as `.x`", shorten(name.text)),
                );
            }
            Some(Entity::Label(_) | Entity::Prototype(_) | Entity::BranchTargets(_) | Entity::CallTargets(_)) => {
                return self.error(
                    "bad-operand",
                    name.span,
                    format!("`{}` is a label, not a value", shorten(name.text)),
                );
            }
        };
        if !integer {
            let message =
                format!("`{}` is an address; `{}` takes `.{ty}` here", shorten(name.text), self.mods.opcode());
            return self.error("bad-operand", name.span, message);
        }
        if ty.bits() == 32 && !narrow {
            let message =
                format!("the address of `{}` has 64 bits; `{}` takes 32", shorten(name.text), self.mods.opcode());
            return self.error("operand-width", name.span, message);
        }
        Ok(operand)
    }

    // ---- Vectors -------------------------------------------------------------------------------------------------

    /// The elements of a vector operand: `{a, b}`, or a vector register.
    pub(super) fn elements(&mut self, operand: &'a Ast<'s>) -> Lowered<Elements<'a, 's>> {
        if let Ast::Name { name, component: None, minus: false } = operand
            && let Some(Entity::Vector(idx)) = self.entity_opt(*name)
        {
            return Ok(Elements::Regs(self.f.vector(idx), name.text));
        }
        match operand {
            Ast::Vector(items, _) => Ok(Elements::Items(items)),
            single => Ok(Elements::Items(std::slice::from_ref(single))),
        }
    }

    /// `n` destinations of a vector operand.
    pub(super) fn vector_dsts(
        &mut self,
        idx: usize,
        n: usize,
        ty: ScalarType,
        width: Width,
    ) -> Lowered<SmallVec<[Reg; 8]>> {
        let operand = self.operand(idx)?;
        let elements = self.elements(operand)?;
        self.check_elements(elements.len(), n, operand)?;
        match elements {
            Elements::Regs(regs, name) => {
                for &reg in &regs {
                    self.check_width(reg, operand.span(), name, ty, width)?;
                }
                Ok(regs.into_iter().collect())
            }
            Elements::Items(items) => items.iter().map(|item| self.dst_of(item, ty, width)).collect(),
        }
    }

    /// `n` sources of a vector operand.
    pub(super) fn vector_srcs(
        &mut self,
        idx: usize,
        n: usize,
        ty: ScalarType,
        width: Width,
    ) -> Lowered<SmallVec<[Operand; 8]>> {
        let operand = self.operand(idx)?;
        let elements = self.elements(operand)?;
        self.check_elements(elements.len(), n, operand)?;
        match elements {
            Elements::Regs(regs, name) => {
                for &reg in &regs {
                    self.check_width(reg, operand.span(), name, ty, width)?;
                }
                Ok(regs.into_iter().map(Operand::Reg).collect())
            }
            Elements::Items(items) => items.iter().map(|item| self.src_of(item, ty, width)).collect(),
        }
    }

    fn check_elements(&self, found: usize, n: usize, operand: &Ast<'_>) -> Lowered<()> {
        if found == n {
            return Ok(());
        }
        let message =
            format!("`{}` takes {n} element{} here, found {found}", self.mods.opcode(), if n == 1 { "" } else { "s" });
        self.error("operand-count", operand.span(), message)
    }

    // ---- Names ---------------------------------------------------------------------------------------------------

    /// What a name (with a component) stands for in the function; `None` when it must be a module symbol.
    pub(super) fn entity(&mut self, name: Name<'s>, component: Option<Name<'s>>) -> Lowered<Option<Entity>> {
        let found = match self.f.find(name.text) {
            Ok(entity) => Some(entity),
            Err(_) if self.f.module.symbols.contains_key(name.text) => None,
            Err(near) => {
                let message = format!("`{}` is not declared", shorten(name.text));
                let mut diagnostic = Diagnostic::error("unknown-name", name.span, message);
                if let Some(range) = near {
                    let help = format!(
                        "`{0}<{1}>` declares `{0}0` to `{0}{2}`",
                        range.prefix,
                        range.count,
                        range.count.saturating_sub(1)
                    );
                    diagnostic = diagnostic.with_help(help);
                } else if special_vector(name.text).is_some() {
                    diagnostic = diagnostic.with_help("name a component: `.x`, `.y` or `.z`");
                }
                return Err(Box::new(diagnostic));
            }
        };
        let Some(component) = component else { return Ok(found) };
        let position = match component.text {
            "x" | "r" => 0,
            "y" | "g" => 1,
            "z" | "b" => 2,
            "w" | "a" => 3,
            _ => usize::MAX,
        };
        match found {
            Some(Entity::Vector(idx)) => match self.f.vector(idx).get(position) {
                Some(&reg) => Ok(Some(Entity::Reg(reg))),
                None => self.error(
                    "bad-operand",
                    component.span,
                    format!("`{}` has no component `.{}`", shorten(name.text), shorten(component.text)),
                ),
            },
            _ => self.error(
                "bad-operand",
                component.span,
                format!("`{}` is not a vector; it has no component `.{}`", shorten(name.text), shorten(component.text)),
            ),
        }
    }

    fn entity_opt(&mut self, name: Name<'s>) -> Option<Entity> {
        self.f.find(name.text).ok()
    }

    /// A module-level variable or function.
    pub(super) fn module_symbol(&self, name: Name<'s>) -> Lowered<SymbolRef> {
        match self.f.module.symbols.get(name.text) {
            Some(&symbol) => Ok(symbol),
            None => self.error("unknown-name", name.span, format!("`{}` is not declared", shorten(name.text))),
        }
    }

    /// An error unless a register has the width of `ty` (or more).
    pub(super) fn check_width(&self, reg: Reg, span: Span, name: &str, ty: ScalarType, width: Width) -> Lowered<()> {
        let (found, needed) = (self.f.width(reg), width_of(ty));
        let wider = match width {
            Width::Exact => false,
            Width::AtLeast => found > needed && needed != RegWidth::Pred,
            Width::Element => (needed, found) == (RegWidth::B8, RegWidth::B16),
        };
        if found == needed || wider {
            return match self.f.declared(reg) {
                Some(declared) if !agree(declared, ty, wider) => self.type_mismatch(span, name, declared, ty, wider),
                _ => Ok(()),
            };
        }
        let or_more = if width == Width::AtLeast { " or more" } else { "" };
        let message = format!(
            "register `{}` has {}; `{}` takes {}{or_more} here",
            shorten(name),
            bits_text(found),
            self.mods.opcode(),
            bits_text(needed)
        );
        self.error("operand-width", span, message)
    }

    fn type_mismatch(&self, span: Span, name: &str, declared: ScalarType, ty: ScalarType, wider: bool) -> Lowered<()> {
        let bits = declared.bits();
        let accepted = match ty {
            _ if wider && !is_integer(ty) => format!("`.b{bits}`"),
            _ if is_integer(ty) => format!("`.b{bits}`, `.u{bits}`, `.s{bits}`"),
            ScalarType::F16 | ScalarType::F16x2 | ScalarType::F32 | ScalarType::F64 => format!("`.b{bits}`, `.{ty}`"),
            _ => format!("`.b{bits}`"),
        };
        let message = format!(
            "register `{}` has type `.{declared}`; `{}` takes a register declared {accepted} here",
            shorten(name),
            self.mods.opcode()
        );
        let diagnostic = Diagnostic::error("operand-type", span, message);
        Err(Box::new(
            diagnostic.with_help("PTX ISA section \"Type Checking of operands\"; `mov.b32` and the like convert"),
        ))
    }

    // ---- Control flow --------------------------------------------------------------------------------------------

    /// Turns the guard into a branch around what follows; give the result to [`Self::end_guarded`].
    pub(super) fn begin_guarded(&mut self) -> Option<crate::ir::BlockId> {
        let guard = self.guard.take()?;
        let (then, after) = (self.f.new_block(), self.f.new_block());
        let branch =
            Terminator::CondBranch { pred: guard.reg, negated: guard.negated, then, otherwise: after, uniform: false };
        self.f.terminate(branch, self.inst.span);
        self.f.start_block(then, self.inst.span);
        Some(after)
    }

    /// Ends what [`Self::begin_guarded`] began.
    pub(super) fn end_guarded(&mut self, after: Option<crate::ir::BlockId>) {
        if let Some(after) = after {
            self.f.start_block(after, self.inst.span);
        }
    }
}

/// Elements of a vector operand.
pub(super) enum Elements<'a, 's> {
    /// The registers of a vector variable and its name.
    Regs(SmallVec<[Reg; 4]>, &'s str),
    /// Operands in braces, or one without.
    Items(&'a [Ast<'s>]),
}

impl Elements<'_, '_> {
    /// Number of elements.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Regs(regs, _) => regs.len(),
            Self::Items(items) => items.len(),
        }
    }
}

/// The register width of a type.
pub(super) fn width_of(ty: ScalarType) -> RegWidth {
    RegWidth::from_bits(ty.bits()).unwrap_or(RegWidth::B32)
}

const fn is_integer(ty: ScalarType) -> bool {
    use ScalarType::{S8, S16, S32, S64, U8, U16, U32, U64};
    matches!(ty, U8 | U16 | U32 | U64 | S8 | S16 | S32 | S64)
}

/// Whether a register declared with one type may stand where an instruction takes another of the same size, or of a
/// smaller one where `wider` registers are accepted. Bit types agree with all; signed and unsigned with each other; a
/// floating-point type only with itself; packed and alternate formats live in bit registers.
///
/// Source: PTX ISA "Type Checking" of operands, its tables of relaxed checking, and what the assembler accepts.
fn agree(declared: ScalarType, ty: ScalarType, wider: bool) -> bool {
    use ScalarType::{B8, B16, B32, B64, B128, F16, F16x2, F32, F64, Pred};
    let bits = |ty| matches!(ty, B8 | B16 | B32 | B64 | B128);
    match ty {
        _ if bits(declared) || bits(ty) => true,
        Pred => declared == Pred,
        // The assembler counts a pair of halves as 32 bits of anything but `.f32`.
        _ if is_integer(ty) => is_integer(declared) || declared == F16x2,
        F16 | F16x2 | F32 | F64 => !wider && declared == ty,
        _ => false,
    }
}

/// A conversion without modifiers.
pub(super) const fn plain_cvt(to: ScalarType, from: ScalarType) -> Cvt {
    Cvt { to, from, rounding: None, integral: false, ftz: false, saturate: false, satfinite: false, relu: false }
}

/// How messages name a kind of operand.
pub(super) fn describe(operand: &Ast<'_>) -> String {
    match operand {
        Ast::Name { name, .. } => format!("`{}`", shorten(name.text)),
        Ast::Not(name) => format!("`!{}`", shorten(name.text)),
        Ast::Offset { name, offset } => format!("`{}{offset:+}`", shorten(name.text)),
        Ast::Const(_) => "a constant".to_owned(),
        Ast::Sink(_) => "`_`".to_owned(),
        Ast::Pair(_) => "a pair `d|p`".to_owned(),
        Ast::Vector(..) => "a vector `{..}`".to_owned(),
        Ast::List(..) => "a list `(..)`".to_owned(),
        Ast::Address(_) => "an address `[..]`".to_owned(),
    }
}

fn bits_text(width: RegWidth) -> String {
    if width == RegWidth::Pred { "a predicate".to_owned() } else { format!("{} bits", width.bits()) }
}

/// PTX's word for a space.
pub(crate) const fn space_name(space: Space) -> &'static str {
    match space {
        Space::Generic => "generic memory",
        Space::Global => "`.global`",
        Space::Shared => "`.shared`",
        Space::Local => "`.local`",
        Space::Const => "`.const`",
        Space::Param => "`.param`",
    }
}
