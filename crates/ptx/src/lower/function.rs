//! One function: statements in order, blocks under construction, registers made on first use.
//!
//! Model: labels of a scope become blocks before its statements are lowered, so that jumps forward resolve. Code is
//! appended to the current block; a terminator closes it and opens a fresh one, which stays unreachable unless a
//! label follows. At the end reachable blocks are numbered in text order; block 0 is the entry and has no
//! predecessors.

use super::layout::{declared_type, layout, register_width};
use super::module::ModuleCx;
use super::scope::{Entity, Found, RegRange, Scopes};
use super::{Lowered, dispatch};
use crate::ast::{self, DeclSpace, Statement};
use crate::ir::{
    Access, Block, BlockId, CacheOp, FrameVar, FrameVarId, FuncId, Function, Guard, Inst, LineLoc, MemorySemantics, Op,
    Operand, Reg, RegWidth, ScalarType, Scope, Space, Terminator,
};
use crate::parser::shorten;
use smallvec::SmallVec;
use std::collections::HashMap;
use vgpu_types::{Diagnostic, IndexVec, Span};

/// A block under construction.
struct Draft {
    label: Option<String>,
    insts: Vec<Inst>,
    terminator: Option<(Terminator, Span)>,
}

/// A function under construction.
pub(super) struct FunctionCx<'a, 's> {
    /// The module around it.
    pub module: &'a mut ModuleCx<'s>,
    /// `.entry`.
    pub is_entry: bool,
    /// The function itself, for its parameters.
    pub id: FuncId,
    scopes: Scopes<'s>,
    regs: IndexVec<Reg, RegWidth>,
    reg_names: IndexVec<Reg, String>,
    /// Types of the registers that the text declares; lowering's own have none.
    reg_types: IndexVec<Reg, Option<ScalarType>>,
    frame: IndexVec<FrameVarId, FrameVar>,
    vectors: Vec<SmallVec<[Reg; 4]>>,
    branch_targets: Vec<&'a ast::NameList<'s>>,
    call_targets: Vec<&'a ast::NameList<'s>>,
    drafts: IndexVec<BlockId, Draft>,
    /// Blocks in the order in which their code stands in the text.
    order: Vec<BlockId>,
    current: BlockId,
    line: Option<LineLoc>,
    carry: Option<Reg>,
    /// Local copies of parameters whose address is taken (device functions).
    param_copies: HashMap<u32, FrameVarId>,
    /// Registers that hold `.reg` return values, with their offsets.
    return_regs: Vec<(Reg, u32)>,
}

/// Lowers the body of function `id`.
pub(super) fn lower_body<'a, 's>(
    module: &'a mut ModuleCx<'s>,
    id: FuncId,
    function: &'a ast::Function<'s>,
    body: &'a [Statement<'s>],
) {
    let mut drafts = IndexVec::new();
    let current = drafts.push(Draft { label: None, insts: Vec::new(), terminator: None });
    let mut cx = FunctionCx {
        module,
        is_entry: function.entry,
        id,
        scopes: Scopes::new(),
        regs: IndexVec::new(),
        reg_names: IndexVec::new(),
        reg_types: IndexVec::new(),
        frame: IndexVec::new(),
        vectors: Vec::new(),
        branch_targets: Vec::new(),
        call_targets: Vec::new(),
        drafts,
        order: vec![current],
        current,
        line: None,
        carry: None,
        param_copies: HashMap::new(),
        return_regs: Vec::new(),
    };
    cx.declare_parameters(function);
    cx.scopes.enter();
    cx.statements(body);
    cx.terminate(Terminator::Return, function.end);
    cx.finish();
}

impl<'a, 's> FunctionCx<'a, 's> {
    fn declare_parameters(&mut self, function: &'a ast::Function<'s>) {
        for (is_return, variables) in [(false, &function.params), (true, &function.returns)] {
            for (idx, variable) in variables.iter().enumerate() {
                let (idx, name) = (idx as u32, variable.name);
                let entity = if variable.space == DeclSpace::Reg {
                    let Ok(ty) = declared_type(variable) else { continue };
                    let reg = self.declared_reg(ty, name.text);
                    let ir = &self.module.ir.functions[self.id];
                    let param = if is_return { &ir.returns[idx as usize] } else { &ir.params[idx as usize] };
                    let offset = param.offset;
                    if is_return {
                        self.return_regs.push((reg, offset));
                    } else {
                        let access = plain_access(Space::Param, ty);
                        self.push(Op::Load(access), &[reg], &[Operand::Param(offset)], None, variable.span);
                    }
                    Entity::Reg(reg)
                } else if is_return {
                    Entity::Return(idx)
                } else {
                    Entity::Param(idx)
                };
                if !name.text.is_empty() {
                    self.declare(name, entity);
                }
            }
        }
    }

    fn statements(&mut self, statements: &'a [Statement<'s>]) {
        self.declare_labels(statements);
        for statement in statements {
            match statement {
                Statement::Label(name) => {
                    if let Found::Entity(Entity::Label(block)) = self.scopes.find(name.text) {
                        self.start_block(block, name.span);
                    }
                }
                Statement::Inst(inst) => dispatch::instruction(self, inst),
                Statement::Variable(variable) => {
                    if let Err(diagnostic) = self.declare_variable(variable) {
                        self.module.report(*diagnostic);
                    }
                }
                Statement::Scope(inner) => {
                    self.scopes.enter();
                    self.statements(inner);
                    self.scopes.leave();
                }
                Statement::Loc(loc) => {
                    self.line = self.module.files.get(&loc.file).map(|&file_idx| LineLoc {
                        file_idx,
                        line: u32::try_from(loc.line).unwrap_or(u32::MAX),
                        column: u32::try_from(loc.column).unwrap_or(u32::MAX),
                    });
                }
                Statement::Pragma(_)
                | Statement::Prototype(_)
                | Statement::BranchTargets(_)
                | Statement::CallTargets(_) => {}
            }
        }
    }

    /// Labels and labelled lists of this scope, before its statements.
    fn declare_labels(&mut self, statements: &'a [Statement<'s>]) {
        for statement in statements {
            let (name, entity) = match statement {
                Statement::Label(name) => {
                    let label = Some(name.text.to_owned());
                    (*name, Entity::Label(self.drafts.push(Draft { label, insts: Vec::new(), terminator: None })))
                }
                Statement::Prototype(prototype) => match self.module.prototype(prototype) {
                    Ok(id) => (prototype.name, Entity::Prototype(id)),
                    Err(diagnostic) => {
                        self.module.report(*diagnostic);
                        continue;
                    }
                },
                Statement::BranchTargets(list) => {
                    self.branch_targets.push(list);
                    (list.name, Entity::BranchTargets(self.branch_targets.len() as u32 - 1))
                }
                Statement::CallTargets(list) => {
                    self.call_targets.push(list);
                    (list.name, Entity::CallTargets(self.call_targets.len() as u32 - 1))
                }
                _ => continue,
            };
            self.declare(name, entity);
        }
    }

    fn declare(&mut self, name: ast::Name<'s>, entity: Entity) {
        if let Err(first) = self.scopes.declare(name.text, entity, name.span) {
            let message = format!("`{}` is declared twice in this scope", shorten(name.text));
            let diagnostic = Diagnostic::error("duplicate-name", name.span, message);
            self.module.report(diagnostic.with_label(first, "first declared here"));
        }
    }

    fn declare_variable(&mut self, variable: &'a ast::Variable<'s>) -> Lowered<()> {
        let name = variable.name;
        let entity = match variable.space {
            DeclSpace::Reg => return self.declare_register(variable),
            DeclSpace::Local | DeclSpace::Param => {
                let layout = layout(variable)?;
                let is_local = variable.space == DeclSpace::Local;
                if variable.init.is_some() {
                    let message = "variables in `.local` and `.param` cannot have an initialiser";
                    return Err(Box::new(Diagnostic::error("bad-initialiser", variable.span, message)));
                }
                if layout.unsized_array && is_local {
                    let message = format!("`{}` in `.local` needs a size", shorten(name.text));
                    return Err(Box::new(Diagnostic::error("bad-size", variable.span, message)));
                }
                Entity::Frame(self.frame.push(FrameVar {
                    name: name.text.to_owned(),
                    space: if is_local { Space::Local } else { Space::Param },
                    size: layout.size as u32,
                    align: layout.align,
                }))
            }
            DeclSpace::Shared | DeclSpace::Global | DeclSpace::Const | DeclSpace::Tex => {
                Entity::Var(self.module.variable(variable, true)?)
            }
        };
        self.declare(name, entity);
        Ok(())
    }

    fn declare_register(&mut self, variable: &'a ast::Variable<'s>) -> Lowered<()> {
        let ty = declared_type(variable)?;
        if matches!(ty, ScalarType::BF16 | ScalarType::BF16x2 | ScalarType::TF32)
            || ty.is_packed() && ty != ScalarType::F16x2
        {
            let message = format!("registers cannot have type `.{ty}`; declare them `.b{}`", ty.bits());
            return Err(Box::new(Diagnostic::error("bad-type", variable.ty.span, message)));
        }
        if !variable.dims.is_empty() || variable.init.is_some() {
            let message = "registers have neither array sizes nor initialisers; `%r<10>` declares ten registers";
            return Err(Box::new(Diagnostic::error("bad-register", variable.span, message)));
        }
        if let Some(count) = variable.count {
            let range = RegRange { prefix: variable.name.text, count, ty, vector: variable.vector };
            return self.scopes.declare_range(range).map_err(|first| {
                let message = format!(
                    "`{0}<{count}>` is declared twice in this scope; first as `{0}<{1}>`",
                    shorten(range.prefix),
                    first.count
                );
                Box::new(Diagnostic::error("duplicate-name", variable.name.span, message))
            });
        }
        let entity = self.make_register(ty, variable.vector, variable.name.text);
        self.declare(variable.name, entity);
        Ok(())
    }

    fn make_register(&mut self, ty: ScalarType, vector: u32, name: &str) -> Entity {
        if vector == 1 {
            return Entity::Reg(self.declared_reg(ty, name));
        }
        let parts = ["x", "y", "z", "w", "4", "5", "6", "7"];
        let regs =
            (0..vector as usize).map(|idx| self.declared_reg(ty, &format!("{name}.{}", parts[idx & 7]))).collect();
        self.vectors.push(regs);
        Entity::Vector(self.vectors.len() as u32 - 1)
    }

    /// A new register; `name` is empty when the text has none for it.
    pub(super) fn new_reg(&mut self, width: RegWidth, name: &str) -> Reg {
        self.reg_names.push(name.to_owned());
        self.reg_types.push(None);
        self.regs.push(width)
    }

    fn declared_reg(&mut self, ty: ScalarType, name: &str) -> Reg {
        let reg = self.new_reg(register_width(ty), name);
        self.reg_types[reg] = Some(ty);
        reg
    }

    /// The type that the text declares a register with; `None` for lowering's own.
    pub(super) fn declared(&self, reg: Reg) -> Option<ScalarType> {
        self.reg_types[reg]
    }

    /// Width of a register.
    pub(super) fn width(&self, reg: Reg) -> RegWidth {
        self.regs[reg]
    }

    /// The registers of a vector variable.
    pub(super) fn vector(&self, idx: u32) -> SmallVec<[Reg; 4]> {
        self.vectors[idx as usize].clone()
    }

    /// A frame variable.
    pub(super) fn frame_var(&self, id: FrameVarId) -> &FrameVar {
        &self.frame[id]
    }

    /// A new `.param` variable for a call.
    pub(super) fn new_call_param(&mut self, size: u32, align: u32) -> FrameVarId {
        self.frame.push(FrameVar { name: String::new(), space: Space::Param, size, align })
    }

    /// The register that stands for the condition code of carry chains.
    pub(super) fn carry(&mut self) -> Reg {
        match self.carry {
            Some(reg) => reg,
            None => {
                let reg = self.new_reg(RegWidth::Pred, "");
                self.carry = Some(reg);
                reg
            }
        }
    }

    /// What `name` stands for in this function; `None` when it is not a name of the function.
    pub(super) fn find(&mut self, name: &'s str) -> Result<Entity, Option<RegRange<'s>>> {
        match self.scopes.find(name) {
            Found::Entity(entity) => Ok(entity),
            Found::InRange(depth, range) => {
                let entity = self.make_register(range.ty, range.vector, name);
                self.scopes.materialise(depth, name, entity);
                Ok(entity)
            }
            Found::Nothing(near) => Err(near),
        }
    }

    /// The names of a `.branchtargets` list.
    pub(super) fn branch_targets(&self, idx: u32) -> &'a ast::NameList<'s> {
        self.branch_targets[idx as usize]
    }

    /// The names of a `.calltargets` list.
    pub(super) fn call_targets(&self, idx: u32) -> &'a ast::NameList<'s> {
        self.call_targets[idx as usize]
    }

    /// The local copy of parameter `idx`, whose address is taken.
    pub(super) fn param_copy(&mut self, idx: u32) -> FrameVarId {
        if let Some(&copy) = self.param_copies.get(&idx) {
            return copy;
        }
        let param = &self.module.ir.functions[self.id].params[idx as usize];
        let var = FrameVar { name: param.name.clone(), space: Space::Local, size: param.size, align: param.align };
        let copy = self.frame.push(var);
        self.param_copies.insert(idx, copy);
        copy
    }

    /// Appends an instruction to the current block.
    pub(super) fn push(&mut self, op: Op, dsts: &[Reg], srcs: &[Operand], guard: Option<Guard>, span: Span) {
        let inst = Inst {
            op,
            dsts: SmallVec::from_slice(dsts),
            srcs: SmallVec::from_slice(srcs),
            guard,
            span,
            line: self.line,
        };
        self.drafts[self.current].insts.push(inst);
    }

    /// A block without label, not placed yet.
    pub(super) fn new_block(&mut self) -> BlockId {
        self.drafts.push(Draft { label: None, insts: Vec::new(), terminator: None })
    }

    /// Closes the current block and opens one that nothing jumps to.
    pub(super) fn terminate(&mut self, terminator: Terminator, span: Span) {
        if matches!(terminator, Terminator::Return) {
            for (reg, offset) in self.return_regs.clone() {
                let ty = untyped(self.regs[reg]);
                let access = plain_access(Space::Param, ty);
                self.push(Op::Store(access), &[], &[Operand::Return(offset), Operand::Reg(reg)], None, span);
            }
        }
        self.drafts[self.current].terminator = Some((terminator, span));
        let next = self.new_block();
        self.order.push(next);
        self.current = next;
    }

    /// Continues in `block`; the current block falls through into it.
    pub(super) fn start_block(&mut self, block: BlockId, span: Span) {
        self.drafts[self.current].terminator = Some((Terminator::Branch(block), span));
        self.order.push(block);
        self.current = block;
    }

    fn finish(mut self) {
        self.copy_parameters();
        // Only blocks that can be reached are kept, in text order.
        let mut reached = vec![false; self.drafts.len()];
        let mut work = vec![self.order[0]];
        while let Some(block) = work.pop() {
            if std::mem::replace(&mut reached[block.idx()], true) {
                continue;
            }
            if let Some((terminator, _)) = &self.drafts[block].terminator {
                work.extend(terminator.successors());
            }
        }
        let mut numbers = vec![BlockId(0); self.drafts.len()];
        self.order.retain(|block| reached[block.idx()]);
        for (number, &block) in self.order.iter().enumerate() {
            numbers[block.idx()] = BlockId::from(number);
        }
        let mut blocks = IndexVec::new();
        for &id in &self.order {
            let draft = &mut self.drafts[id];
            // The last block of the text ends without a terminator only when it cannot be reached.
            let (mut terminator, terminator_span) =
                draft.terminator.take().unwrap_or((Terminator::Exit, Span::default()));
            match &mut terminator {
                Terminator::Branch(target) => *target = numbers[target.idx()],
                Terminator::CondBranch { then, otherwise, .. } => {
                    *then = numbers[then.idx()];
                    *otherwise = numbers[otherwise.idx()];
                }
                Terminator::IndexBranch { targets, .. } => {
                    for target in targets {
                        *target = numbers[target.idx()];
                    }
                }
                Terminator::Return | Terminator::Exit | Terminator::Trap => {}
            }
            let insts = std::mem::take(&mut draft.insts);
            blocks.push(Block { label: draft.label.take(), insts, terminator, terminator_span });
        }
        let function: &mut Function = &mut self.module.ir.functions[self.id];
        function.regs = self.regs;
        function.reg_names = self.reg_names;
        function.frame = self.frame;
        function.blocks = blocks;
    }

    /// Fills the local copies of parameters at the start of the function.
    fn copy_parameters(&mut self) {
        let mut copies: Vec<(u32, FrameVarId)> = self.param_copies.iter().map(|(&idx, &copy)| (idx, copy)).collect();
        copies.sort_unstable();
        let entry = self.order[0];
        let rest = std::mem::take(&mut self.drafts[entry].insts);
        let current = std::mem::replace(&mut self.current, entry);
        for (idx, copy) in copies {
            let param = self.module.ir.functions[self.id].params[idx as usize].clone();
            let span = self.module.ir.functions[self.id].span;
            let chunk = param.align.min(8);
            let (ty, width) = match chunk {
                8 => (ScalarType::B64, RegWidth::B64),
                4 => (ScalarType::B32, RegWidth::B32),
                2 => (ScalarType::B16, RegWidth::B16),
                _ => (ScalarType::B8, RegWidth::B16),
            };
            let mut at = 0;
            while at < param.size {
                let left = param.size - at;
                let (ty, width, step) =
                    if left >= chunk { (ty, width, chunk) } else { (ScalarType::B8, RegWidth::B16, 1) };
                let reg = self.new_reg(width, "");
                let from = Operand::Param(param.offset + at);
                self.push(Op::Load(plain_access(Space::Param, ty)), &[reg], &[from], None, span);
                let to = Operand::Frame(copy, i64::from(at));
                self.push(Op::Store(plain_access(Space::Local, ty)), &[], &[to, Operand::Reg(reg)], None, span);
                at += step;
            }
        }
        self.drafts[entry].insts.extend(rest);
        self.current = current;
    }
}

/// A weak scalar access.
pub(super) const fn plain_access(space: Space, ty: ScalarType) -> Access {
    Access {
        space,
        ty,
        vector: 1,
        offset: 0,
        semantics: MemorySemantics::Weak,
        scope: Scope::Cta,
        read_only: false,
        cache: CacheOp::Default,
    }
}

/// The bit type of a register's width.
pub(super) const fn untyped(width: RegWidth) -> ScalarType {
    match width {
        RegWidth::Pred => ScalarType::Pred,
        RegWidth::B8 => ScalarType::B8,
        RegWidth::B16 => ScalarType::B16,
        RegWidth::B32 => ScalarType::B32,
        RegWidth::B64 => ScalarType::B64,
        RegWidth::B128 => ScalarType::B128,
    }
}
