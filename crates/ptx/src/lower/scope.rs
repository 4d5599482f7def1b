//! Names inside one function: registers, variables, labels and prototypes, in nested scopes.
//!
//! Model: `%r<10>` declares a range, not ten registers: a register exists from its first use on, so a declaration
//! of four billion costs nothing. A lookup goes from the innermost scope outwards and is remembered where it was asked.

use crate::ir::{BlockId, FrameVarId, ProtoId, Reg, ScalarType, VarId};
use std::collections::HashMap;
use vgpu_types::Span;

/// What a name stands for inside a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entity {
    /// A register.
    Reg(Reg),
    /// A vector of registers: index into the function's table of vectors.
    Vector(u32),
    /// `.local` or `.param` variable.
    Frame(FrameVarId),
    /// Module variable declared in the function.
    Var(VarId),
    /// Label.
    Label(BlockId),
    /// `.callprototype`.
    Prototype(ProtoId),
    /// `.branchtargets`: index into the function's table.
    BranchTargets(u32),
    /// `.calltargets`: index into the function's table.
    CallTargets(u32),
    /// Parameter of the function.
    Param(u32),
    /// Return value of the function.
    Return(u32),
}

/// `.reg .b32 %r<10>`.
#[derive(Clone, Copy, Debug)]
pub(super) struct RegRange<'s> {
    /// `%r`.
    pub prefix: &'s str,
    /// 10.
    pub count: u64,
    /// Type of each (of each element of a vector).
    pub ty: ScalarType,
    /// Elements of a vector register, else 1.
    pub vector: u32,
}

/// One pair of braces.
#[derive(Debug, Default)]
pub(super) struct Scope<'s> {
    names: HashMap<&'s str, (Entity, Span)>,
    ranges: HashMap<&'s str, RegRange<'s>>,
    /// What lookups from here found further out.
    seen: HashMap<&'s str, Entity>,
}

/// Where a lookup ended.
pub(super) enum Found<'s> {
    /// A name that exists.
    Entity(Entity),
    /// A register of this range in that scope, not made yet.
    InRange(usize, RegRange<'s>),
    /// No such name; a range with its prefix when there is one.
    Nothing(Option<RegRange<'s>>),
}

/// The scopes of a function, outermost first.
#[derive(Debug)]
pub(super) struct Scopes<'s> {
    stack: Vec<Scope<'s>>,
}

impl<'s> Scopes<'s> {
    pub(super) fn new() -> Self {
        Self { stack: vec![Scope::default()] }
    }

    pub(super) fn enter(&mut self) {
        self.stack.push(Scope::default());
    }

    pub(super) fn leave(&mut self) {
        self.stack.pop();
    }

    /// Declares a name in the innermost scope; gives the earlier place when it is taken.
    pub(super) fn declare(&mut self, name: &'s str, entity: Entity, span: Span) -> Result<(), Span> {
        let scope = self.innermost();
        if let Some((_, first)) = scope.names.get(name) {
            return Err(*first);
        }
        scope.names.insert(name, (entity, span));
        scope.seen.remove(name);
        Ok(())
    }

    /// Declares a range in the innermost scope. A second range of the same prefix replaces the first when it is larger.
    pub(super) fn declare_range(&mut self, range: RegRange<'s>) -> Result<(), RegRange<'s>> {
        let scope = self.innermost();
        if let Some(first) = scope.ranges.get(range.prefix) {
            return Err(*first);
        }
        scope.ranges.insert(range.prefix, range);
        // A range hides outer names that were looked up before; rare, so forget all of them.
        scope.seen.clear();
        Ok(())
    }

    /// Records that the register `name` of a range in scope `depth` was made.
    pub(super) fn materialise(&mut self, depth: usize, name: &'s str, entity: Entity) {
        self.stack[depth].names.insert(name, (entity, Span::default()));
    }

    /// Looks a name up from the innermost scope outwards.
    pub(super) fn find(&mut self, name: &'s str) -> Found<'s> {
        let mut near_miss = None;
        for depth in (0..self.stack.len()).rev() {
            let scope = &self.stack[depth];
            let known = scope.names.get(name).map(|entry| entry.0).or_else(|| scope.seen.get(name).copied());
            if let Some(entity) = known {
                if depth + 1 < self.stack.len() {
                    self.innermost().seen.insert(name, entity);
                }
                return Found::Entity(entity);
            }
            if scope.ranges.is_empty() {
                continue;
            }
            for digits in 1..=trailing_digits(name) {
                let (prefix, number) = name.split_at(name.len() - digits);
                if number.len() > 1 && number.starts_with('0') {
                    continue;
                }
                let Some(range) = scope.ranges.get(prefix) else { continue };
                match number.parse::<u64>() {
                    Ok(number) if number < range.count => return Found::InRange(depth, *range),
                    _ => near_miss = Some(*range),
                }
            }
        }
        Found::Nothing(near_miss)
    }

    fn innermost(&mut self) -> &mut Scope<'s> {
        self.stack.last_mut().expect("the outermost scope is never left")
    }
}

/// Number of decimal digits at the end of a name; at most 20, more is no register number.
fn trailing_digits(name: &str) -> usize {
    name.bytes().rev().take(20).take_while(u8::is_ascii_digit).count().min(name.len().saturating_sub(1))
}
