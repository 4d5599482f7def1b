//! Module level: symbols, variables with their initial bytes, function headers.

use super::initialiser::{initial_parts, unsized_bytes};
use super::layout::{Layout, declared_type, layout, parameters};
use super::{Lowered, function};
use crate::ast::{self, DeclSpace, Item};
use crate::ir::{
    DebugFile, FuncId, Function, FunctionKind, Linkage, Module, Performance, ProtoId, Prototype, Space, SymbolRef,
    VarId, Variable,
};
use crate::parser::{LIMITS, shorten};
use std::collections::{HashMap, HashSet};
use vgpu_types::{Diagnostic, IndexVec, Severity, Span};

/// A module under construction.
pub(super) struct ModuleCx<'s> {
    /// What exists so far.
    pub ir: Module,
    /// Module-level names.
    pub symbols: HashMap<&'s str, SymbolRef>,
    /// Module-level prototypes.
    pub prototypes: HashMap<&'s str, ProtoId>,
    /// `.file` number to index.
    pub files: HashMap<u64, u32>,
    /// Functions whose body was seen.
    defined: HashSet<FuncId>,
    diagnostics: Vec<Diagnostic>,
    n_errors: usize,
}

/// Lowers a tree. The module is meaningful only when no diagnostic is an error.
pub fn lower(tree: &ast::Module<'_>) -> (Module, Vec<Diagnostic>) {
    let mut cx = ModuleCx {
        ir: Module::default(),
        symbols: HashMap::new(),
        prototypes: HashMap::new(),
        files: HashMap::new(),
        defined: HashSet::new(),
        diagnostics: Vec::new(),
        n_errors: 0,
    };
    cx.header(tree);
    let variables = cx.declare(tree);
    for (id, variable) in variables {
        cx.initialise(id, variable);
    }
    for item in &tree.items {
        let Item::Function(function) = item else { continue };
        let (Some(body), Some(&SymbolRef::Func(id))) = (&function.body, cx.symbols.get(function.name.text)) else {
            continue;
        };
        if cx.ir.functions[id].span == function.span {
            function::lower_body(&mut cx, id, function, body);
        }
    }
    (cx.ir, cx.diagnostics)
}

impl<'s> ModuleCx<'s> {
    /// Collects a diagnostic; past the limit they are only counted.
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        if diagnostic.severity == Severity::Error {
            self.n_errors += 1;
        }
        match self.diagnostics.len().cmp(&LIMITS.diagnostics) {
            std::cmp::Ordering::Less => self.diagnostics.push(diagnostic),
            std::cmp::Ordering::Equal => {
                let message = format!("stopped after {} messages", LIMITS.diagnostics);
                self.diagnostics.push(Diagnostic::error("too-many-errors", diagnostic.span, message));
            }
            std::cmp::Ordering::Greater => {}
        }
    }

    /// True when the function has a body in this text.
    pub(super) fn is_defined(&self, id: FuncId) -> bool {
        self.defined.contains(&id)
    }

    /// True when so many errors were found that further work is pointless.
    pub(super) fn gave_up(&self) -> bool {
        self.n_errors > LIMITS.diagnostics
    }

    fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.report(Diagnostic::error(code, span, message));
    }

    fn header(&mut self, tree: &ast::Module<'s>) {
        match tree.version {
            None => self.error("missing-version", Span::default(), "the text has no `.version` directive"),
            Some(version) => {
                self.ir.version = (version.major, version.minor);
                if version.major > 9 {
                    let message =
                        format!("PTX {}.{} is newer than 9.x, the newest known", version.major, version.minor);
                    self.report(Diagnostic::warning("newer-version", version.span, message));
                } else if version.major < 1 {
                    self.error("bad-version", version.span, "PTX versions start at 1.0");
                }
            }
        }
        if tree.target.is_empty() {
            self.error(
                "missing-target",
                Span::default(),
                "the text has no `.target` directive such as `.target sm_80`",
            );
        }
        for word in &tree.target {
            let known = word.text.strip_prefix("sm_").or_else(|| word.text.strip_prefix("compute_"));
            let arch = known.map(|arch| arch.trim_end_matches(['a', 'f']));
            match word.text {
                "debug" | "texmode_unified" | "texmode_independent" | "texmode_raw" => {}
                "map_f64_to_f32" => {
                    let message = "target option `map_f64_to_f32` is not supported: it needs a device without f64";
                    self.error("unsupported-target", word.span, message);
                }
                _ if arch.is_some_and(|arch| arch.parse::<u32>().is_ok()) => {}
                _ => {
                    let message = format!("unknown target `{}`; accepted: `sm_50` and the like", shorten(word.text));
                    self.error("bad-target", word.span, message);
                }
            }
            self.ir.target.push(word.text.to_owned());
        }
        match tree.address_size {
            Some((64, _)) => {}
            Some((32, span)) => {
                let message = "`.address_size 32` is not supported; compile for 64-bit addresses";
                let help = "PTX ISA section `.address_size`";
                self.report(Diagnostic::error("unsupported-address-size", span, message).with_help(help));
            }
            Some((bits, span)) => {
                self.error("bad-address-size", span, format!("address size {bits}; accepted: 64"));
            }
            // The manual's default is 32; every 64-bit text says 64. Old hand-written texts leave it out.
            None => self.report(Diagnostic::warning(
                "missing-address-size",
                tree.version.map_or(Span::default(), |version| version.span),
                "the text has no `.address_size`; taken as 64",
            )),
        }
    }

    /// Symbols of all items; gives the variables whose initialisers are still to do.
    fn declare<'t>(&mut self, tree: &'t ast::Module<'s>) -> Vec<(VarId, &'t ast::Variable<'s>)> {
        let mut pending = Vec::new();
        for item in &tree.items {
            if self.gave_up() {
                break;
            }
            let result = match item {
                Item::Variable(variable) => self.declare_variable(variable).map(|id| {
                    if variable.init.is_some() {
                        pending.push((id, variable));
                    }
                }),
                Item::Function(function) => self.declare_function(function),
                Item::File { number, path } => {
                    let file_idx = self.ir.files.len() as u32;
                    self.files.insert(*number, file_idx);
                    let number = u32::try_from(*number).unwrap_or(u32::MAX);
                    self.ir.files.push(DebugFile { number, path: (*path).to_owned() });
                    Ok(())
                }
                Item::Prototype(prototype) => self.prototype(prototype).map(|id| {
                    self.prototypes.insert(prototype.name.text, id);
                }),
                Item::Alias { .. } | Item::Pragma(_) => Ok(()),
            };
            if let Err(diagnostic) = result {
                self.report(*diagnostic);
            }
        }
        for item in &tree.items {
            let Item::Alias { alias, aliasee } = item else { continue };
            match self.symbols.get(aliasee.text) {
                Some(&SymbolRef::Func(id)) if !is_header_only(tree, aliasee.text) => {
                    self.symbols.insert(alias.text, SymbolRef::Func(id));
                }
                _ => {
                    let message = format!("`{}` is not a function defined in this text", shorten(aliasee.text));
                    self.error("bad-alias", aliasee.span, message);
                }
            }
        }
        pending
    }

    fn declare_variable(&mut self, variable: &ast::Variable<'s>) -> Lowered<VarId> {
        let name = variable.name;
        if matches!(variable.space, DeclSpace::Reg | DeclSpace::Local | DeclSpace::Param) {
            let message = format!(
                "`{}` stands outside any function; only `.global`, `.const` and `.shared` may",
                shorten(name.text)
            );
            return Err(Box::new(Diagnostic::error("bad-space", variable.span, message)));
        }
        if let Some(&earlier) = self.symbols.get(name.text) {
            let SymbolRef::Var(id) = earlier else { return Err(duplicate(name, None)) };
            // `.extern` declarations may repeat; a definition completes them.
            let first = &self.ir.variables[id];
            let (first_extern, first_span) = (first.linkage == Linkage::Extern, first.span);
            if variable.linkage == ast::Linkage::Extern {
                return Ok(id);
            }
            if !first_extern {
                return Err(duplicate(name, Some(first_span)));
            }
            let made = self.variable(variable, false)?;
            let definition = self.ir.variables[made].clone();
            self.ir.variables[id] = definition;
            return Ok(id);
        }
        let id = self.variable(variable, false)?;
        self.symbols.insert(name.text, SymbolRef::Var(id));
        Ok(id)
    }

    /// Makes a module variable (also for `.shared`, `.global` and `.const` inside functions), with its initial bytes
    /// when it is function-scoped.
    pub(super) fn variable(&mut self, variable: &ast::Variable<'s>, function_scoped: bool) -> Lowered<VarId> {
        if variable.space == DeclSpace::Tex {
            let message = format!("`{}` is a texture: `.tex` variables are not supported", shorten(variable.name.text));
            let diagnostic = Diagnostic::error("unsupported-instruction", variable.span, message);
            return Err(Box::new(diagnostic.with_help("PTX ISA section \"Texture State Space (deprecated)\"")));
        }
        let Layout { size, align, unsized_array, .. } = layout(variable)?;
        let space = match variable.space {
            DeclSpace::Shared => Space::Shared,
            DeclSpace::Const => Space::Const,
            _ => Space::Global,
        };
        let linkage = linkage(variable.linkage);
        let mut size = size;
        if unsized_array {
            match &variable.init {
                Some(init) => size = unsized_bytes(variable, init)?,
                None if linkage == Linkage::Extern => {}
                None => {
                    let message =
                        format!("`{}` needs a size; `[]` is for `.extern` arrays", shorten(variable.name.text));
                    return Err(Box::new(Diagnostic::error("bad-size", variable.span, message)));
                }
            }
        }
        if variable.init.is_some() && (space == Space::Shared || linkage == Linkage::Extern) {
            let message = format!(
                "`{}` cannot have an initialiser; accepted on `.global` and `.const` definitions",
                shorten(variable.name.text)
            );
            return Err(Box::new(Diagnostic::error("bad-initialiser", variable.span, message)));
        }
        let id = self.ir.variables.push(Variable {
            name: variable.name.text.to_owned(),
            space,
            size,
            align,
            linkage,
            init: Vec::new(),
            function_scoped,
            managed: variable.attributes.iter().any(|word| word.text == "managed"),
            span: variable.span,
        });
        if function_scoped && variable.init.is_some() {
            self.initialise(id, variable);
        }
        Ok(id)
    }

    fn initialise(&mut self, id: VarId, variable: &ast::Variable<'s>) {
        let Some(init) = &variable.init else { return };
        let Ok(ty) = declared_type(variable) else { return };
        let size = self.ir.variables[id].size;
        match initial_parts(&self.symbols, variable, init, ty, size) {
            Ok(parts) => self.ir.variables[id].init = parts,
            Err(diagnostic) => self.report(*diagnostic),
        }
    }

    fn declare_function(&mut self, function: &ast::Function<'s>) -> Lowered<()> {
        let made = self.header_of(function)?;
        let name = function.name;
        match self.symbols.get(name.text) {
            None => {
                let id = self.ir.functions.push(made);
                self.symbols.insert(name.text, SymbolRef::Func(id));
            }
            Some(&SymbolRef::Func(id)) => {
                let first = &self.ir.functions[id];
                // Declarations may repeat; a definition (its blocks follow later) replaces them.
                let first_defined = self.defined.contains(&id);
                if function.body.is_some() && first_defined {
                    return Err(duplicate(name, Some(first.span)));
                }
                if !same_signature(first, &made) {
                    let message = format!("`{}` is declared with another signature", shorten(name.text));
                    let diagnostic = Diagnostic::error("signature-mismatch", name.span, message);
                    return Err(Box::new(diagnostic.with_label(first.span, "first declared here")));
                }
                if function.body.is_some() {
                    self.ir.functions[id] = made;
                }
            }
            Some(&SymbolRef::Var(id)) => return Err(duplicate(name, Some(self.ir.variables[id].span))),
        }
        if function.body.is_some()
            && let Some(&SymbolRef::Func(id)) = self.symbols.get(name.text)
        {
            self.defined.insert(id);
        }
        Ok(())
    }

    fn header_of(&mut self, function: &ast::Function<'s>) -> Lowered<Function> {
        Ok(Function {
            name: function.name.text.to_owned(),
            kind: if function.entry { FunctionKind::Kernel } else { FunctionKind::Device },
            linkage: linkage(function.linkage),
            params: parameters(&function.params)?,
            returns: parameters(&function.returns)?,
            regs: IndexVec::new(),
            reg_names: IndexVec::new(),
            frame: IndexVec::new(),
            blocks: IndexVec::new(),
            performance: self.performance(function)?,
            span: function.span,
        })
    }

    fn performance(&mut self, function: &ast::Function<'s>) -> Lowered<Performance> {
        let mut found = Performance::default();
        for directive in &function.directives {
            let bad = |what: &str| {
                let message = format!("`.{}` takes {what}", directive.name.text);
                Box::new(Diagnostic::error("bad-directive", directive.name.span, message))
            };
            let shape = || match directive.values[..] {
                [] => None,
                [..] if directive.values.len() > 3 => None,
                [..] => {
                    let mut shape = [1u32; 3];
                    for (slot, &value) in shape.iter_mut().zip(&directive.values) {
                        *slot = u32::try_from(value).ok().filter(|&value| value > 0)?;
                    }
                    Some(shape)
                }
            };
            let number = || match directive.values[..] {
                [value] => u32::try_from(value).ok(),
                _ => None,
            };
            match directive.name.text {
                "maxntid" => found.maxntid = Some(shape().ok_or_else(|| bad("one to three positive numbers"))?),
                "reqntid" => found.reqntid = Some(shape().ok_or_else(|| bad("one to three positive numbers"))?),
                "minnctapersm" => found.min_blocks_per_sm = Some(number().ok_or_else(|| bad("one number"))?),
                "maxnctapersm" => {
                    number().ok_or_else(|| bad("one number"))?;
                }
                "maxnreg" => found.max_registers = Some(number().ok_or_else(|| bad("one number"))?),
                "noreturn" => found.noreturn = true,
                // Hints and calling-convention notes without effect here; the last bounds a cluster and asks for none.
                "pragma" | "abi_preserve" | "abi_preserve_control" | "maxclusterrank" => {}
                "reqnctapercluster" if shape() == Some([1, 1, 1]) => {}
                word @ ("reqnctapercluster" | "explicitcluster" | "blocksareclusters") => {
                    let message =
                        format!("`.{word}` on `{}`: block clusters are not supported", shorten(function.name.text));
                    let diagnostic = Diagnostic::error("unsupported-directive", directive.name.span, message);
                    return Err(Box::new(diagnostic.with_help("PTX ISA section \"Cluster Dimension Directives\"")));
                }
                word => {
                    let message = format!(
                        "unknown directive `.{}`; accepted: `.maxntid`, `.reqntid`, `.minnctapersm`, `.maxnreg`, `.noreturn`, `.pragma`",
                        shorten(word)
                    );
                    return Err(Box::new(Diagnostic::error("unknown-directive", directive.name.span, message)));
                }
            }
        }
        Ok(found)
    }

    /// Lowers a `.callprototype`.
    pub(super) fn prototype(&mut self, prototype: &ast::Prototype<'s>) -> Lowered<ProtoId> {
        let made = Prototype { params: parameters(&prototype.params)?, returns: parameters(&prototype.returns)? };
        Ok(self.ir.prototypes.push(made))
    }
}

const fn linkage(linkage: ast::Linkage) -> Linkage {
    match linkage {
        ast::Linkage::None => Linkage::Internal,
        ast::Linkage::Visible => Linkage::Visible,
        ast::Linkage::Extern => Linkage::Extern,
        ast::Linkage::Weak => Linkage::Weak,
        ast::Linkage::Common => Linkage::Common,
    }
}

fn duplicate(name: ast::Name<'_>, first: Option<Span>) -> Box<Diagnostic> {
    let message = format!("`{}` is defined twice", shorten(name.text));
    let diagnostic = Diagnostic::error("duplicate-name", name.span, message);
    Box::new(match first {
        Some(first) => diagnostic.with_label(first, "first defined here"),
        None => diagnostic,
    })
}

/// Same places of parameters and results; names may differ.
pub(crate) fn same_signature(a: &Function, b: &Function) -> bool {
    let same = |a: &[crate::ir::Param], b: &[crate::ir::Param]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a.offset, a.size) == (b.offset, b.size))
    };
    a.kind == b.kind && same(&a.params, &b.params) && same(&a.returns, &b.returns)
}

/// True when no function of that name has a body.
fn is_header_only(tree: &ast::Module<'_>, name: &str) -> bool {
    !tree
        .items
        .iter()
        .any(|item| matches!(item, Item::Function(function) if function.name.text == name && function.body.is_some()))
}
