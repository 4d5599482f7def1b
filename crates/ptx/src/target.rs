//! Which `.target` and `.version` an instruction needs, and what a text uses beyond its own.
//!
//! A driver refuses PTX that is newer than its own `.target` or `.version` line. This device runs every instruction it
//! supports whatever those lines say, so loading does not ask; [`requirements`] does, for `vgpu check` and for whoever
//! wants a driver's strictness. It works on the syntax tree: opcode words, the number of operands, names of special
//! registers, directives. What it does not know is types of registers.
//!
//! Source: the "PTX ISA Notes" and "Target ISA Notes" of each instruction in the PTX ISA, checked against the assembler
//! (`tests/data/requirements.txt`).

use crate::ast::{Function, Inst, Item, Module, Operand, Statement};
use crate::parser::{LIMITS, shorten};
use vgpu_types::{Diagnostic, Span};

/// `.version` as major and minor.
type Version = (u32, u32);

/// A rule: which instructions, the target and the version they need (0: any).
///
/// The pattern is `root.word.word`: the instruction has that root and all the words, in any order. `a|b` is either; `!a`
/// is none of it; `d=a` and `s=a` are its last type but one and its last; `#3` is the number of operands.
type Rule = (&'static str, u32, Version);

#[rustfmt::skip]
const RULES: &[Rule] = &[
    // Arithmetic.
    ("dp2a|dp4a", 61, (5, 0)),
    ("bmsk|szext", 70, (7, 6)),
    ("fns", 30, (6, 0)),
    ("lop3.or|and", 70, (8, 2)),
    ("add|min|max.u16x2|s16x2", 90, (8, 0)),
    ("min|max.relu", 90, (8, 0)),
    ("add|sub|mul|fma|neg|abs|set|setp.f16|f16x2", 53, (4, 2)),
    ("neg.f16|f16x2", 53, (6, 0)),
    ("abs.f16|f16x2", 53, (6, 5)),
    ("set.u16|s16|u32|s32.f16|f16x2", 53, (6, 5)),
    ("fma.relu", 80, (7, 0)),
    ("fma.oob", 90, (8, 1)),
    ("fma|neg|abs|min|max.bf16|bf16x2", 80, (7, 0)),
    ("min|max.f16|f16x2|NaN", 80, (7, 0)),
    ("min|max.xorsign", 86, (7, 2)),
    ("min|max.f32.#4", 100, (8, 8)),
    ("add|sub|mul|set|setp.bf16|bf16x2", 90, (7, 8)),
    ("tanh", 75, (7, 0)),
    ("ex2|tanh.f16|f16x2", 75, (7, 0)),
    ("ex2|tanh.bf16|bf16x2", 90, (7, 8)),
    // Conversion.
    ("cvt.pack", 72, (6, 5)),
    ("cvt.pack.u4|s4|u2|s2", 75, (6, 5)),
    ("cvt.f16x2.s=f32", 80, (7, 0)),
    ("cvt.d=bf16|bf16x2", 80, (7, 0)),
    ("cvt.d=bf16.!s=f32", 90, (7, 8)),
    ("cvt.s=bf16", 80, (7, 1)),
    ("cvt.s=bf16.!d=f32", 90, (7, 8)),
    ("cvt.tf32.rna", 80, (7, 0)),
    ("cvt.tf32.rn|rz", 90, (7, 8)),
    ("cvt.tf32.rn|rz.satfinite", 100, (8, 6)),
    ("cvt.relu", 80, (7, 0)),
    ("cvt.satfinite.!e4m3x2.!e5m2x2", 70, (8, 1)),
    ("cvt.e4m3x2|e5m2x2", 89, (7, 8)),
    ("mov.b128", 70, (8, 3)),
    // Memory.
    ("ld|st.weak|relaxed|acquire|release", 70, (6, 0)),
    ("ld|st.mmio", 70, (8, 2)),
    ("ld|st.b128", 70, (8, 3)),
    ("ld|st.L1::evict_last|L1::evict_first|L1::evict_normal|L1::evict_unchanged|L1::no_allocate", 70, (7, 4)),
    ("ld.L2::64B|L2::128B", 75, (7, 4)),
    ("ld.L2::256B", 80, (7, 4)),
    ("ld|st|atom|red|cp.L2::cache_hint", 80, (7, 4)),
    ("ld|st.v8", 100, (8, 8)),
    ("ld|st.v4.b64|u64|s64|f64", 100, (8, 8)),
    ("ld|st.L2::evict_last|L2::evict_first|L2::evict_normal", 100, (8, 8)),
    ("ld|st|atom|red|cvta|isspacep|mbarrier|ldmatrix|stmatrix.shared::cta", 0, (7, 8)),
    ("ld|st|atom|red|cvta|isspacep.shared::cluster", 90, (7, 8)),
    ("ld|st|atom|red|fence.cluster", 90, (7, 8)),
    ("cvta|isspacep.param", 70, (7, 7)),
    ("discard|applypriority|createpolicy", 80, (7, 4)),
    ("prefetch.L2::evict_last|L2::evict_normal", 80, (7, 4)),
    ("cp.async", 80, (7, 0)),
    ("cp.async.L2::64B|L2::128B|L2::256B", 80, (7, 4)),
    ("cp.async.bulk", 90, (8, 0)),
    ("alloca|stacksave|stackrestore", 52, (7, 3)),
    // Atomics and fences.
    ("atom|red.add.f64", 60, (5, 0)),
    ("atom|red.cta|sys", 60, (5, 0)),
    ("atom|red.relaxed|acquire|release|acq_rel", 70, (6, 0)),
    ("atom|red.add.f16x2", 60, (6, 2)),
    ("atom|red.add.f16", 70, (6, 3)),
    ("atom|red.bf16|bf16x2", 90, (7, 8)),
    ("atom.cas.b16", 70, (6, 3)),
    ("atom.b128", 90, (8, 3)),
    ("atom|red.v2|v4|v8", 90, (8, 1)),
    ("fence", 70, (6, 0)),
    ("fence.proxy", 70, (7, 5)),
    ("fence.proxy.async", 90, (8, 0)),
    ("fence.acquire|release.sync_restrict::shared::cta|sync_restrict::shared::cluster", 90, (8, 6)),
    // Threads of a warp and of a block.
    ("activemask", 30, (6, 2)),
    ("bar.warp", 30, (6, 0)),
    ("barrier", 30, (6, 0)),
    ("barrier|bar.cta", 30, (7, 8)),
    ("barrier.cluster", 90, (7, 8)),
    ("shfl|vote.sync", 30, (6, 0)),
    ("match", 70, (6, 0)),
    ("redux", 80, (7, 0)),
    ("redux.f32", 100, (8, 6)),
    ("elect", 90, (8, 0)),
    ("nanosleep", 70, (6, 2)),
    ("griddepcontrol", 90, (7, 8)),
    ("setmaxnreg", 90, (8, 0)),
    ("mbarrier", 80, (7, 0)),
    ("mbarrier.parity", 80, (7, 1)),
    ("mbarrier.shared::cluster", 90, (8, 0)),
    ("mbarrier.arrive|arrive_drop.!noComplete.!expect_tx.#3", 90, (7, 8)),
    ("mbarrier.try_wait", 90, (7, 8)),
    ("mbarrier.release|acquire", 80, (8, 0)),
    ("mbarrier.relaxed.!expect_tx.!complete_tx", 90, (8, 6)),
    ("mbarrier.expect_tx|complete_tx", 90, (8, 0)),
    // Matrices.
    ("wmma", 70, (6, 0)),
    ("wmma.m32n8k16|m8n32k16", 70, (6, 1)),
    ("wmma.aligned", 70, (6, 3)),
    ("wmma.u8|s8", 72, (6, 3)),
    ("wmma.u4|s4|b1", 75, (6, 3)),
    ("wmma.bf16|tf32|f64", 80, (7, 0)),
    ("wmma.b1.and", 80, (7, 1)),
    ("mma", 70, (6, 4)),
    ("mma.m16n8k8|u8|s8|u4|s4|b1", 75, (6, 5)),
    ("mma.b1", 75, (7, 0)),
    ("mma.m16n8k4|m16n8k16|m16n8k32|m16n8k64|m16n8k128|m16n8k256|bf16|tf32|f64", 80, (7, 0)),
    ("mma.b1.and", 80, (7, 1)),
    ("mma.sp|sp::ordered_metadata", 80, (7, 1)),
    ("mma.sp::ordered_metadata", 80, (8, 5)),
    ("mma.f64.m16n8k4|m16n8k8|m16n8k16", 90, (7, 8)),
    ("mma.e4m3|e5m2", 89, (8, 4)),
    ("mma.e4m3|e5m2.m16n8k16|f16", 89, (8, 7)),
    ("ldmatrix", 75, (6, 5)),
    ("movmatrix", 75, (7, 8)),
    ("stmatrix", 90, (7, 8)),
    ("wgmma", 90, (8, 0)),
];

/// Special registers, by the start of their name.
const SPECIAL: &[Rule] = &[
    ("%clusterid", 90, (7, 8)),
    ("%nclusterid", 90, (7, 8)),
    ("%cluster_", 90, (7, 8)),
    ("%is_explicit_cluster", 90, (7, 8)),
    ("%aggr_smem_size", 90, (8, 1)),
    ("%reserved_smem_offset", 80, (7, 6)),
    ("%current_graph_exec", 50, (8, 0)),
    ("%globaltimer", 30, (3, 1)),
];

/// Directives of functions.
const DIRECTIVES: &[Rule] = &[
    ("noreturn", 30, (6, 4)),
    ("reqnctapercluster", 90, (7, 8)),
    ("explicitcluster", 90, (7, 8)),
    ("maxclusterrank", 90, (7, 8)),
];

/// First version that has each target.
const TARGETS: [(u32, Version); 17] = [
    (50, (4, 0)),
    (52, (4, 1)),
    (53, (4, 2)),
    (60, (5, 0)),
    (61, (5, 0)),
    (62, (5, 0)),
    (70, (6, 0)),
    (72, (6, 1)),
    (75, (6, 3)),
    (80, (7, 0)),
    (86, (7, 1)),
    (87, (7, 4)),
    (89, (7, 8)),
    (90, (7, 8)),
    (100, (8, 6)),
    (120, (8, 7)),
    (121, (8, 8)),
];

/// From this target and version on, warp instructions without `.sync` are gone.
const WITHOUT_SYNC_ENDS: (u32, Version) = (70, (6, 4));

/// Everything in the text that its own `.target` or `.version` does not have; what a driver would refuse it for.
pub fn requirements(tree: &Module<'_>) -> Vec<Diagnostic> {
    let arch = tree.target.iter().find_map(|word| {
        let digits = word.text.strip_prefix("sm_").or_else(|| word.text.strip_prefix("compute_"))?;
        let number = digits.trim_end_matches(['a', 'f']).parse().ok()?;
        Some((number, word.span, word.text))
    });
    let (Some(version), Some((target, target_span, target_text))) = (&tree.version, arch) else {
        // Lowering says what is missing.
        return Vec::new();
    };
    let mut check = Check {
        version: (version.major, version.minor),
        version_span: version.span,
        target,
        target_span,
        accelerated: target_text.ends_with(['a', 'f']),
        found: Vec::new(),
    };
    if let Some((_, first)) = TARGETS.iter().find(|(known, _)| *known == target) {
        check.need(&format!("`.target {target_text}`"), target_span, 0, *first);
    }
    for item in &tree.items {
        match item {
            Item::Function(function) => check.function(function),
            Item::Alias { alias, .. } => check.need("`.alias`", alias.span, 30, (6, 3)),
            _ => {}
        }
    }
    check.found
}

struct Check {
    version: Version,
    version_span: Span,
    target: u32,
    target_span: Span,
    accelerated: bool,
    found: Vec<Diagnostic>,
}

impl Check {
    fn report(&mut self, diagnostic: Diagnostic) {
        if self.found.len() < LIMITS.diagnostics {
            self.found.push(diagnostic);
        }
    }

    fn need(&mut self, what: &str, span: Span, target: u32, version: Version) {
        if target > self.target {
            let message = format!("{what} needs `.target sm_{target}` or later");
            let diagnostic = Diagnostic::error("needs-newer-target", span, message);
            self.report(diagnostic.with_label(self.target_span, format!("the target is sm_{}", self.target)));
        }
        if version > self.version {
            let message = format!("{what} needs `.version {}.{}` or later", version.0, version.1);
            let diagnostic = Diagnostic::error("needs-newer-version", span, message);
            let label = format!("the version is {}.{}", self.version.0, self.version.1);
            self.report(diagnostic.with_label(self.version_span, label));
        }
    }

    fn function(&mut self, function: &Function<'_>) {
        for directive in &function.directives {
            if let Some(&(_, target, version)) = DIRECTIVES.iter().find(|rule| rule.0 == directive.name.text) {
                self.need(&format!("`.{}`", directive.name.text), directive.name.span, target, version);
            }
        }
        if let Some(body) = &function.body {
            self.statements(body);
        }
    }

    fn statements(&mut self, statements: &[Statement<'_>]) {
        for statement in statements {
            match statement {
                Statement::Inst(inst) => self.instruction(inst),
                Statement::Scope(inner) => self.statements(inner),
                Statement::Variable(variable) if variable.ty.text == "b128" => {
                    self.need("type `.b128`", variable.ty.span, 70, (8, 3));
                }
                _ => {}
            }
        }
    }

    fn instruction(&mut self, inst: &Inst<'_>) {
        let opcode = inst.opcode.text;
        let words: Vec<&str> = opcode.split('.').map(str::trim).collect();
        let (mut target, mut version) = (0, (0, 0));
        let rules = RULES.iter().filter(|rule| matches(rule.0, &words, inst.operands.len()));
        for &(_, rule_target, rule_version) in rules {
            target = target.max(rule_target);
            version = version.max(rule_version);
        }
        self.need(&format!("`{}`", shorten(opcode)), inst.opcode.span, target, version);
        if words[0] == "setmaxnreg" && self.target >= 90 && !self.accelerated {
            let message = format!("`{}` needs a target with architecture-specific features", shorten(opcode));
            let diagnostic = Diagnostic::error("needs-newer-target", inst.opcode.span, message);
            self.report(diagnostic.with_help("such as `.target sm_90a`"));
        }
        let (last_target, last_version) = WITHOUT_SYNC_ENDS;
        let ended = self.target >= last_target && self.version >= last_version;
        if ended && matches!(words[0], "shfl" | "vote") && !words.contains(&"sync") {
            let message = format!("`{}` without `.sync` ended with `.version 6.3` for this target", shorten(opcode));
            let help = format!("write `{}.sync` and the mask of the lanes that take part", words[0]);
            self.report(Diagnostic::error("removed-instruction", inst.opcode.span, message).with_help(help));
        }
        for operand in &inst.operands {
            self.operand(operand);
        }
    }

    fn operand(&mut self, operand: &Operand<'_>) {
        match operand {
            Operand::Name { name, .. } if name.text.starts_with('%') => {
                if let Some(&(_, target, version)) = SPECIAL.iter().find(|rule| name.text.starts_with(rule.0)) {
                    self.need(&format!("`{}`", shorten(name.text)), name.span, target, version);
                }
            }
            Operand::Vector(items, _) | Operand::List(items, _) => {
                for item in items {
                    self.operand(item);
                }
            }
            _ => {}
        }
    }
}

/// Whether an opcode, split into words, fits the pattern of a rule.
fn matches(pattern: &str, words: &[&str], n_operands: usize) -> bool {
    let mut parts = pattern.split('.');
    let either = |choice: &str, word: &str| choice.split('|').any(|one| one == word);
    let root = parts.next().unwrap_or("");
    if !words.first().is_some_and(|word| either(root, word)) {
        return false;
    }
    let modifiers = &words[1..];
    let nth_last = |n: usize| modifiers.len().checked_sub(n).map_or("", |at| modifiers[at]);
    parts.all(|part| {
        let (part, wanted) = part.strip_prefix('!').map_or((part, true), |rest| (rest, false));
        let found = if let Some(number) = part.strip_prefix('#') {
            number.parse() == Ok(n_operands)
        } else if let Some(ty) = part.strip_prefix("d=") {
            either(ty, nth_last(2))
        } else if let Some(ty) = part.strip_prefix("s=") {
            either(ty, nth_last(1))
        } else {
            modifiers.iter().any(|word| either(part, word))
        };
        found == wanted
    })
}
