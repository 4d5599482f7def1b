//! Several modules to one: extern names find their definitions.
//!
//! Rules, those of `nvlink`: a name without linkage directive is private to its module; two `.visible` definitions of
//! one name are an error; `.weak` gives way to `.visible`, the first of several `.weak` is kept; `.common` variables
//! merge to the largest. An `.extern` name must have a definition, unless no kernel comes to it, the device itself
//! provides it (`vprintf`, `malloc` ..), or it is dynamic shared memory. Indices of the result are new; spans still
//! speak of the text each piece came from.

use crate::ir::{
    FuncId, Function, FunctionKind, InitPart, Linkage, Module, Op, Operand, ProtoId, Space, SymbolRef, VarId, Variable,
};
use crate::lower::{builtin, same_signature};
use std::collections::HashMap;

/// Why modules do not link. All variants are the input's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// No module was given.
    #[error("nothing to link: no module was given")]
    NoModules,
    /// Extern names that are used and nowhere defined.
    #[error("undefined: {}", .0.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))]
    Undefined(Vec<String>),
    /// Two strong definitions.
    #[error("`{0}` is defined in more than one module")]
    Duplicate(String),
    /// A function is declared or defined with different parameters.
    #[error("`{0}` has different signatures in different modules")]
    Signature(String),
    /// A variable has different sizes or spaces.
    #[error("variable `{0}` has different sizes or state spaces in different modules")]
    Variable(String),
    /// A name is a variable here and a function there.
    #[error("`{0}` is a function in one module and a variable in another")]
    Kind(String),
}

/// Links modules into one.
///
/// # Errors
/// The first [`LinkError`] found; [`LinkError::Undefined`] lists all undefined names.
///
/// ```
/// let text = |body: &str| format!(".version 8.0\n.target sm_80\n.address_size 64\n{body}");
/// let a = vgpu_ptx::load(&text(".extern .func f;\n.visible .entry k() { call f; ret; }")).unwrap();
/// let b = vgpu_ptx::load(&text(".visible .func f { ret; }")).unwrap();
/// assert!(vgpu_ptx::link(vec![a.clone()]).is_err());
/// let linked = vgpu_ptx::link(vec![a, b]).unwrap();
/// assert_eq!(linked.functions.len(), 2);
/// ```
pub fn link(modules: Vec<Module>) -> Result<Module, LinkError> {
    let Some(first) = modules.first() else { return Err(LinkError::NoModules) };
    let newest = modules.iter().max_by_key(|module| architecture(&module.target)).unwrap_or(first);
    let mut linked = Module {
        version: modules.iter().map(|module| module.version).max().unwrap_or_default(),
        target: newest.target.clone(),
        ..Module::default()
    };
    let chosen = choose(&modules)?;
    let moved = number(&modules, &chosen);
    for (module_idx, module) in modules.into_iter().enumerate() {
        let places = &moved[module_idx];
        for (id, mut function) in module.functions.indices().zip(module.functions.iter().cloned()) {
            if places.kept_functions[id.idx()] {
                remap_function(&mut function, places);
                linked.functions.push(function);
            }
        }
        for (id, mut variable) in module.variables.indices().zip(module.variables.iter().cloned()) {
            if places.kept_variables[id.idx()] {
                for part in &mut variable.init {
                    if let InitPart::Address { symbol, .. } = part {
                        *symbol = places.symbol(*symbol);
                    }
                }
                linked.variables.push(variable);
            }
        }
        for prototype in module.prototypes.iter() {
            linked.prototypes.push(prototype.clone());
        }
        linked.files.extend(module.files);
    }
    check_defined(&linked)?;
    Ok(linked)
}

/// The number in `sm_90a`.
fn architecture(target: &[String]) -> u32 {
    let digits =
        |word: &String| word.strip_prefix("sm_").map(|rest| rest.trim_end_matches(char::is_alphabetic).to_owned());
    target.iter().find_map(digits).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// How much a declaration counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    Declared,
    Common,
    Weak,
    Strong,
}

fn function_strength(function: &Function) -> Strength {
    match function.linkage {
        _ if function.is_declaration() => Strength::Declared,
        Linkage::Weak => Strength::Weak,
        _ => Strength::Strong,
    }
}

fn variable_strength(variable: &Variable) -> Strength {
    match variable.linkage {
        Linkage::Extern => Strength::Declared,
        Linkage::Common => Strength::Common,
        Linkage::Weak => Strength::Weak,
        Linkage::Visible | Linkage::Internal => Strength::Strong,
    }
}

/// True when other modules can see the function. A private header without body looks elsewhere as well.
fn is_shared_function(function: &Function) -> bool {
    function.linkage != Linkage::Internal || function.is_declaration()
}

/// True when other modules can see the variable. Dynamic shared memory is each kernel's own.
fn is_shared_variable(variable: &Variable) -> bool {
    variable.linkage != Linkage::Internal && !variable.function_scoped && !is_dynamic_shared(variable)
}

fn is_dynamic_shared(variable: &Variable) -> bool {
    variable.space == Space::Shared && variable.linkage == Linkage::Extern && variable.size == 0
}

/// The definition each shared name stands for: module and index in it.
struct Chosen<'m> {
    functions: HashMap<&'m str, (usize, FuncId)>,
    variables: HashMap<&'m str, (usize, VarId)>,
}

fn choose(modules: &[Module]) -> Result<Chosen<'_>, LinkError> {
    let mut chosen = Chosen { functions: HashMap::new(), variables: HashMap::new() };
    for (module_idx, module) in modules.iter().enumerate() {
        for (id, function) in module.functions.iter_enumerated().filter(|(_, function)| is_shared_function(function)) {
            let name = function.name.as_str();
            let Some(&(other_module, other_id)) = chosen.functions.get(name) else {
                chosen.functions.insert(name, (module_idx, id));
                continue;
            };
            let other = &modules[other_module].functions[other_id];
            if !same_signature(function, other) {
                return Err(LinkError::Signature(name.to_owned()));
            }
            let (mine, theirs) = (function_strength(function), function_strength(other));
            if mine == Strength::Strong && theirs == Strength::Strong {
                return Err(LinkError::Duplicate(name.to_owned()));
            }
            if mine > theirs {
                chosen.functions.insert(name, (module_idx, id));
            }
        }
        for (id, variable) in module.variables.iter_enumerated().filter(|(_, variable)| is_shared_variable(variable)) {
            let name = variable.name.as_str();
            let Some(&(other_module, other_id)) = chosen.variables.get(name) else {
                chosen.variables.insert(name, (module_idx, id));
                continue;
            };
            let other = &modules[other_module].variables[other_id];
            let (mine, theirs) = (variable_strength(variable), variable_strength(other));
            if mine == Strength::Strong && theirs == Strength::Strong {
                return Err(LinkError::Duplicate(name.to_owned()));
            }
            // `extern .global a[]` goes with any size; common variables merge to the largest.
            let both_common = mine == Strength::Common && theirs == Strength::Common;
            let sized = variable.size != 0 && other.size != 0;
            if variable.space != other.space || sized && variable.size != other.size && !both_common {
                return Err(LinkError::Variable(name.to_owned()));
            }
            if mine > theirs || both_common && variable.size > other.size {
                chosen.variables.insert(name, (module_idx, id));
            }
        }
    }
    match chosen.functions.keys().find(|name| chosen.variables.contains_key(*name)) {
        Some(name) => Err(LinkError::Kind((*name).to_owned())),
        None => Ok(chosen),
    }
}

/// New indices of the pieces of one module.
struct Moved {
    functions: Vec<FuncId>,
    kept_functions: Vec<bool>,
    variables: Vec<VarId>,
    kept_variables: Vec<bool>,
    first_prototype: u32,
    first_file: u32,
}

impl Moved {
    fn symbol(&self, symbol: SymbolRef) -> SymbolRef {
        match symbol {
            SymbolRef::Var(id) => SymbolRef::Var(self.variables[id.idx()]),
            SymbolRef::Func(id) => SymbolRef::Func(self.functions[id.idx()]),
        }
    }
}

fn number(modules: &[Module], chosen: &Chosen<'_>) -> Vec<Moved> {
    let mut new_functions = HashMap::new();
    let mut new_variables = HashMap::new();
    let mut moved = Vec::with_capacity(modules.len());
    let (mut first_prototype, mut first_file) = (0, 0);
    let function_home = |module_idx: usize, id: FuncId, function: &Function| {
        let shared = is_shared_function(function).then(|| chosen.functions.get(function.name.as_str()).copied());
        shared.flatten().unwrap_or((module_idx, id))
    };
    let variable_home = |module_idx: usize, id: VarId, variable: &Variable| {
        let shared = is_shared_variable(variable).then(|| chosen.variables.get(variable.name.as_str()).copied());
        shared.flatten().unwrap_or((module_idx, id))
    };
    for (module_idx, module) in modules.iter().enumerate() {
        for (id, function) in module.functions.iter_enumerated() {
            if function_home(module_idx, id, function) == (module_idx, id) {
                new_functions.insert((module_idx, id), FuncId::from(new_functions.len()));
            }
        }
        for (id, variable) in module.variables.iter_enumerated() {
            if variable_home(module_idx, id, variable) == (module_idx, id) {
                new_variables.insert((module_idx, id), VarId::from(new_variables.len()));
            }
        }
    }
    for (module_idx, module) in modules.iter().enumerate() {
        let functions = module.functions.iter_enumerated();
        let variables = module.variables.iter_enumerated();
        moved.push(Moved {
            functions: functions.map(|(id, f)| new_functions[&function_home(module_idx, id, f)]).collect(),
            kept_functions: module
                .functions
                .indices()
                .map(|id| new_functions.contains_key(&(module_idx, id)))
                .collect(),
            variables: variables.map(|(id, v)| new_variables[&variable_home(module_idx, id, v)]).collect(),
            kept_variables: module
                .variables
                .indices()
                .map(|id| new_variables.contains_key(&(module_idx, id)))
                .collect(),
            first_prototype,
            first_file,
        });
        first_prototype += module.prototypes.len() as u32;
        first_file += module.files.len() as u32;
    }
    moved
}

fn remap_function(function: &mut Function, places: &Moved) {
    for block in function.blocks.iter_mut() {
        for inst in &mut block.insts {
            match &mut inst.op {
                Op::Call(id, _) => *id = places.functions[id.idx()],
                Op::CallIndirect(id, _) => *id = ProtoId(id.0 + places.first_prototype),
                _ => {}
            }
            for src in &mut inst.srcs {
                if let Operand::Symbol(symbol, _) = src {
                    *symbol = places.symbol(*symbol);
                }
            }
            if let Some(line) = &mut inst.line {
                line.file_idx += places.first_file;
            }
        }
    }
}

/// An error when something that is used has no definition.
fn check_defined(module: &Module) -> Result<(), LinkError> {
    let mut missing = Vec::new();
    let mut used = |symbol: SymbolRef| {
        let name = match symbol {
            SymbolRef::Func(id) => {
                let function = &module.functions[id];
                (function.is_declaration() && builtin(&function.name).is_none()).then_some(&function.name)
            }
            SymbolRef::Var(id) => {
                let variable = &module.variables[id];
                (variable.linkage == Linkage::Extern && !is_dynamic_shared(variable)).then_some(&variable.name)
            }
        };
        if let Some(name) = name.filter(|name| !missing.contains(*name)) {
            missing.push(name.clone());
        }
    };
    let reached = reached(module);
    let functions = module.functions.indices().filter(|id| reached[id.idx()]).map(|id| &module.functions[id]);
    let insts = functions.flat_map(|function| function.blocks.iter()).flat_map(|block| &block.insts);
    for inst in insts {
        if let Op::Call(id, _) = inst.op {
            used(SymbolRef::Func(id));
        }
        for src in &inst.srcs {
            if let Operand::Symbol(symbol, _) = *src {
                used(symbol);
            }
        }
    }
    for part in module.variables.iter().flat_map(|variable| &variable.init) {
        if let InitPart::Address { symbol, .. } = part {
            used(*symbol);
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(LinkError::Undefined(missing)) }
}

/// Which functions a kernel can come to, or a variable holds the address of. Without kernels, all.
fn reached(module: &Module) -> Vec<bool> {
    let is_kernel = |function: &Function| function.kind == FunctionKind::Kernel;
    let none = !module.functions.iter().any(is_kernel);
    let mut reached: Vec<bool> = module.functions.iter().map(|function| none || is_kernel(function)).collect();
    for part in module.variables.iter().flat_map(|variable| &variable.init) {
        if let InitPart::Address { symbol: SymbolRef::Func(id), .. } = part {
            reached[id.idx()] = true;
        }
    }
    let mut pending: Vec<FuncId> = module.functions.indices().filter(|id| reached[id.idx()]).collect();
    while let Some(id) = pending.pop() {
        for inst in module.functions[id].blocks.iter().flat_map(|block| &block.insts) {
            let called = if let Op::Call(id, _) = inst.op { Some(id) } else { None };
            let named = inst.srcs.iter().filter_map(|src| match src {
                Operand::Symbol(SymbolRef::Func(id), _) => Some(*id),
                _ => None,
            });
            for id in named.chain(called) {
                if !std::mem::replace(&mut reached[id.idx()], true) {
                    pending.push(id);
                }
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_kernel_comes_to_may_be_undefined() {
        let unused = module(".extern .func gone;\n.visible .func f { call gone; ret; }");
        let kernel = module(".visible .entry k() { ret; }");
        assert!(link(vec![unused.clone()]).is_err());
        assert!(link(vec![unused.clone(), kernel]).is_ok());
        let caller = module(".extern .func f;\n.visible .entry k() { call f; ret; }");
        assert_eq!(link(vec![unused, caller]), Err(LinkError::Undefined(vec!["gone".to_owned()])));
    }

    fn module(body: &str) -> Module {
        let text = format!(".version 8.0\n.target sm_80\n.address_size 64\n{body}");
        crate::load(&text).unwrap_or_else(|found| panic!("{found:?}"))
    }

    #[test]
    fn weak_gives_way_and_ids_move() {
        let a = module(
            ".weak .func f() { trap; }
             .extern .global .u32 g;
             .global .u64 table[2] = {f, g};
             .visible .entry k() { .reg .b32 %r<2>; call f; ld.global.u32 %r1, [g]; ret; }",
        );
        let b = module(".global .u32 own; .visible .global .u32 g = 7; .visible .func f() { ret; }");
        let linked = link(vec![a, b]).expect("it links");
        assert!(crate::verify(&linked).is_empty());
        assert_eq!(linked.functions.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["k", "f"]);
        assert_eq!(linked.variables.iter().map(|v| v.name.as_str()).collect::<Vec<_>>(), ["table", "own", "g"]);
        let InitPart::Address { symbol, .. } = linked.variables[VarId(0)].init[0] else { panic!("an address") };
        assert_eq!(symbol, SymbolRef::Func(FuncId(1)));
        assert!(linked.function("f").is_some_and(|f| !linked.functions[f].is_declaration()));
    }

    #[test]
    fn errors() {
        let f = ".visible .func f() { ret; }";
        assert_eq!(link(vec![]), Err(LinkError::NoModules));
        assert_eq!(link(vec![module(f), module(f)]), Err(LinkError::Duplicate("f".into())));
        let other = module(
            ".extern .func f(.param .b32 a); .visible .entry k() { .reg .b32 %r; mov.b32 %r, 0; call f, (%r); ret; }",
        );
        assert_eq!(link(vec![other.clone()]), Err(LinkError::Undefined(vec!["f".into()])));
        assert_eq!(link(vec![other, module(f)]), Err(LinkError::Signature("f".into())));
        let (narrow, wide) = (".extern .global .u32 g;", ".visible .global .u64 g;");
        assert_eq!(link(vec![module(narrow), module(wide)]), Err(LinkError::Variable("g".into())));
        assert_eq!(link(vec![module(f), module(".visible .global .u32 f;")]), Err(LinkError::Kind("f".into())));
    }

    #[test]
    fn common_and_private_and_builtin() {
        let a = module(
            ".common .global .u32 c[4]; .global .u32 p = 1; .extern .func (.param .b32 r) vprintf(.param .b64 a, .param .b64 b);",
        );
        let b = module(".common .global .u32 c[8]; .global .u32 p = 2;");
        let linked = link(vec![a, b]).expect("it links");
        let sizes: Vec<_> = linked.variables.iter().map(|v| (v.name.as_str(), v.size)).collect();
        assert_eq!(sizes, [("p", 4), ("c", 32), ("p", 4)]);
    }
}
