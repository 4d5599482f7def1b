//! Several PTX texts to one, as text: what `nvlink` does with machine code.
//!
//! A definition replaces declarations of its name; `.weak` gives way; two strong definitions are an error. Names that a
//! module keeps to itself are renamed where they meet a name of another module. Linking by kernel IR (`vgpu_ptx::link`)
//! has the same rules, but its result is no PTX, and PTX is what the caller must get.

use std::collections::{HashMap, HashSet};
use vgpu_ptx::ast::{Function, Item, Linkage, Module};
use vgpu_types::{Diagnostic, LineMap, Severity};

/// Why texts do not merge; all variants are the input's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// What is wrong in a text, with places.
    #[error("{0}")]
    Syntax(String),
    /// Two strong definitions.
    #[error("Multiple definition of '{name}' in '{second}', first defined in '{first}'")]
    Duplicate {
        /// The symbol.
        name: String,
        /// The input that has it first.
        first: String,
        /// The input that has it again.
        second: String,
    },
}

/// An input: its name for messages, and its text.
pub type Input = (String, String);

/// Merges; the text of a single input is returned as it is.
///
/// # Errors
/// See [`MergeError`].
pub fn merge(inputs: &[Input]) -> Result<String, MergeError> {
    if let [(name, text)] = inputs {
        parse(name, text)?;
        return Ok(text.clone());
    }
    let texts = rename_clashes(inputs)?;
    let mut modules = Vec::new();
    for (name, text) in &texts {
        modules.push(parse(name, text)?);
    }
    let mut winners: HashMap<&str, (usize, u8)> = HashMap::new();
    for (module_idx, module) in modules.iter().enumerate() {
        for (name, rank) in module.items.iter().filter_map(symbol) {
            match winners.get(name) {
                Some((_, STRONG)) if rank == STRONG => {
                    let (first, _) = winners[name];
                    return Err(MergeError::Duplicate {
                        name: name.to_owned(),
                        first: texts[first].0.clone(),
                        second: texts[module_idx].0.clone(),
                    });
                }
                Some((_, best)) if *best >= rank => {}
                _ => {
                    winners.insert(name, (module_idx, rank));
                }
            }
        }
    }
    let mut merged = Module::default();
    for module in &modules {
        if merged
            .version
            .is_none_or(|best| module.version.is_some_and(|v| (v.major, v.minor) > (best.major, best.minor)))
        {
            merged.version = module.version;
        }
        if architecture(module) > architecture(&merged) {
            merged.target.clone_from(&module.target);
        }
        merged.address_size = merged.address_size.or(module.address_size);
    }
    let wins = |name: &str, module_idx, rank| winners.get(name) == Some(&(module_idx, rank));
    let declared: HashSet<&str> = modules
        .iter()
        .flat_map(|m| &m.items)
        .filter_map(symbol)
        .filter(|(_, rank)| *rank == DECLARED)
        .map(|(n, _)| n)
        .collect();
    // Functions that some module declares come first as declarations, then variables, then what has code: so everything
    // is known where it is used, whichever module it came from.
    let (mut declarations, mut variables, mut code) = (Vec::new(), Vec::new(), Vec::new());
    let mut done = HashSet::new();
    for (module_idx, module) in modules.iter().enumerate() {
        for item in &module.items {
            let symbol = symbol(item);
            if symbol.is_some_and(|(name, rank)| !wins(name, module_idx, rank) || !done.insert(name)) {
                continue;
            }
            match item {
                Item::Function(function) if function.body.is_some() => {
                    if declared.contains(function.name.text) && !function.entry {
                        declarations.push(Item::Function(Function { body: None, ..function.clone() }));
                    }
                    code.push(item.clone());
                }
                Item::Function(_) | Item::Prototype(_) => declarations.push(item.clone()),
                Item::Variable(_) => variables.push(item.clone()),
                // Numbers of files would meet; lines stay those of the first input.
                Item::File { .. } if module_idx > 0 => {}
                _ => code.push(item.clone()),
            }
        }
    }
    merged.items = [declarations, variables, code].concat();
    Ok(vgpu_ptx::print_ast(&merged))
}

const DECLARED: u8 = 0;
const WEAK: u8 = 1;
const STRONG: u8 = 2;

/// Name of an item and how strongly it is defined; nothing for items without a name.
fn symbol<'a>(item: &'a Item<'_>) -> Option<(&'a str, u8)> {
    let rank = |linkage, defined| match (linkage, defined) {
        (Linkage::Extern, _) | (_, false) => DECLARED,
        (Linkage::Weak | Linkage::Common, true) => WEAK,
        (Linkage::None | Linkage::Visible, true) => STRONG,
    };
    match item {
        Item::Function(function) => Some((function.name.text, rank(function.linkage, function.body.is_some()))),
        Item::Variable(variable) => Some((variable.name.text, rank(variable.linkage, true))),
        _ => None,
    }
}

fn architecture(module: &Module<'_>) -> Option<u32> {
    let digits = |word: &str| word.strip_prefix("sm_")?.trim_end_matches(['a', 'f']).parse().ok();
    module.target.iter().find_map(|word| digits(word.text))
}

fn parse<'s>(name: &str, text: &'s str) -> Result<Module<'s>, MergeError> {
    let (module, diagnostics) = vgpu_ptx::parse(text);
    if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return Err(MergeError::Syntax(render(name, text, &diagnostics)));
    }
    Ok(module)
}

/// Diagnostics as text, with places.
pub fn render(name: &str, text: &str, diagnostics: &[Diagnostic]) -> String {
    let lines = LineMap::new(text);
    let all: Vec<_> = diagnostics.iter().map(|diagnostic| diagnostic.render(name, text, &lines).to_string()).collect();
    all.join("\n")
}

/// Gives private names of later inputs that an earlier input has, too, a name of their own.
fn rename_clashes(inputs: &[Input]) -> Result<Vec<Input>, MergeError> {
    let mut taken: HashMap<String, bool> = HashMap::new();
    let mut renamed = Vec::new();
    for (input_idx, (name, text)) in inputs.iter().enumerate() {
        let module = parse(name, text)?;
        let mut changes = HashMap::new();
        let mut own = Vec::new();
        for item in &module.items {
            let (symbol, private) = match item {
                Item::Function(f) => (f.name.text, f.linkage == Linkage::None && !f.entry),
                Item::Variable(v) => (v.name.text, v.linkage == Linkage::None),
                _ => continue,
            };
            // Either side may be the private one; renaming the later side is enough when it is private, and a private
            // name that came first was renamed on sight below.
            if private && taken.contains_key(symbol) {
                changes.insert(symbol.to_owned(), format!("{symbol}$m{input_idx}"));
            } else {
                own.push((symbol.to_owned(), private));
            }
        }
        let clashes_with_private = |symbol: &str| taken.get(symbol) == Some(&true);
        if let Some((symbol, _)) = own.iter().find(|(symbol, private)| !private && clashes_with_private(symbol)) {
            // An earlier module keeps this name to itself: rename it there.
            let symbol = symbol.clone();
            let change = HashMap::from([(symbol.clone(), format!("{symbol}$m"))]);
            for earlier in &mut renamed {
                let (earlier_name, earlier_text): &mut Input = earlier;
                let defines =
                    parse(earlier_name, earlier_text)?.items.iter().filter_map(self::symbol).any(|(n, _)| n == symbol);
                if defines {
                    *earlier_text = rename(earlier_text, &change);
                }
            }
        }
        taken.extend(own);
        renamed.push((name.clone(), rename(text, &changes)));
    }
    Ok(renamed)
}

/// Replaces whole words; a word after a point is part of an instruction and no name.
fn rename(text: &str, changes: &HashMap<String, String>) -> String {
    if changes.is_empty() {
        return text.to_owned();
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_$%".contains(c);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut after_point = false;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| is_word(c) != is_word(first)).unwrap_or(rest.len());
        let (piece, tail) = rest.split_at(end);
        let is_opcode = tail.starts_with('.');
        match changes.get(piece) {
            Some(new) if is_word(first) && !after_point && !is_opcode => out.push_str(new),
            _ => out.push_str(piece),
        }
        after_point = piece.ends_with('.');
        rest = tail;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = ".version 8.0\n.target sm_80\n.address_size 64\n";

    fn inputs(bodies: &[&str]) -> Vec<Input> {
        bodies.iter().enumerate().map(|(idx, body)| (format!("in{idx}"), format!("{HEAD}{body}"))).collect()
    }

    fn check(bodies: &[&str]) -> vgpu_ptx::ir::Module {
        let text = merge(&inputs(bodies)).expect("the inputs link");
        let module =
            vgpu_ptx::load(&text).unwrap_or_else(|errors| panic!("{text}\n{}", render("merged", &text, &errors)));
        vgpu_ptx::link(vec![module]).unwrap_or_else(|error| panic!("{text}\n{error}"))
    }

    #[test]
    fn declarations_find_definitions_in_either_order() {
        let caller = ".extern .func (.param .b32 r) f (.param .b32 x);\n.visible .entry k() { .reg .b32 %a; { .param .b32 p; st.param.b32 [p], 1; .param .b32 q; call (q), f, (p); ld.param.b32 %a, [q]; } ret; }";
        let callee = ".visible .func (.param .b32 r) f (.param .b32 x) { .reg .b32 %a; ld.param.b32 %a, [x]; st.param.b32 [r], %a; ret; }";
        for order in [[caller, callee], [callee, caller]] {
            let module = check(&order);
            assert!(module.function("f").is_some() && module.function("k").is_some());
        }
    }

    #[test]
    fn private_names_do_not_meet() {
        let first = ".global .b32 data = 1;\n.visible .entry a() { .reg .b32 %r; ld.global.b32 %r, [data]; ret; }";
        let second = ".global .b32 data = 2;\n.visible .entry b() { .reg .b32 %r; ld.global.b32 %r, [data]; ret; }";
        let third = ".visible .global .b32 data = 3;\n.visible .entry c() { ret; }";
        assert_eq!(check(&[first, second]).variables.len(), 2);
        assert_eq!(check(&[first, third]).variables.len(), 2);
        assert_eq!(check(&[third, first]).variables.len(), 2);
    }

    #[test]
    fn weak_gives_way_and_strong_may_not_repeat() {
        let weak = ".weak .func f { ret; }\n.visible .entry a() { call f; ret; }";
        let strong = ".visible .func f { ret; }\n.visible .entry b() { call f; ret; }";
        assert_eq!(check(&[weak, strong]).functions.len(), 3);
        assert_eq!(check(&[weak, &weak.replace("a()", "c()")]).functions.len(), 3);
        let error = merge(&inputs(&[strong, strong])).expect_err("two strong definitions");
        assert_eq!(error.to_string(), "Multiple definition of 'f' in 'in1', first defined in 'in0'");
        assert!(
            matches!(merge(&inputs(&["frobnicate", strong])), Err(MergeError::Syntax(text)) if text.contains("in0:4:1"))
        );
    }
}
