//! Broken and hostile texts: always diagnostics, never a panic, bounded cost; and printing a tree gives the tree back.

use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use vgpu_types::{LineMap, Severity};

/// Largest text that is mutated: a load must be quick enough for hundreds of cases.
const MAX_MUTATED_BYTES: usize = 24_000;

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "ptx") {
            out.push(path);
        }
    }
}

/// All PTX texts of the repository.
fn corpus() -> &'static [String] {
    static TEXTS: OnceLock<Vec<String>> = OnceLock::new();
    TEXTS.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut paths = Vec::new();
        files(&root.join("kernels"), &mut paths);
        files(&root.join("tests/cases"), &mut paths);
        paths.iter().map(|path| std::fs::read_to_string(path).expect("readable text")).collect()
    })
}

/// Loads, renders what was found, and checks the bounds that hold for any text.
fn load_anything(source: &str) {
    let found = match vgpu_ptx::load_with_warnings(source) {
        Ok((module, warnings)) => {
            assert!(warnings.iter().all(|found| found.severity != Severity::Error));
            assert!(vgpu_ptx::print(&module).starts_with("module version"));
            warnings
        }
        Err(found) => {
            assert!(found.iter().any(|found| found.severity == Severity::Error));
            assert!(found.iter().all(|found| found.code != "invalid-ir"), "lowering broke a rule: {found:?}");
            found
        }
    };
    assert!(found.len() <= 500, "{} diagnostics", found.len());
    let lines = LineMap::new(source);
    for diagnostic in found.iter().take(20) {
        let shown = diagnostic.render("text.ptx", source, &lines);
        assert!(shown.len() < 8000, "a message of {} bytes", shown.len());
        assert!(diagnostic.span.end as usize <= source.len() + 2);
    }
}

/// Printing a tree and parsing it again gives the same tree and the same code.
fn round_trip(source: &str) {
    let (tree, diagnostics) = vgpu_ptx::parse(source);
    if !diagnostics.is_empty() {
        return;
    }
    let printed = vgpu_ptx::print_ast(&tree);
    let (again, diagnostics) = vgpu_ptx::parse(&printed);
    assert!(diagnostics.is_empty(), "{diagnostics:?} in\n{printed}");
    assert_eq!(printed, vgpu_ptx::print_ast(&again));
    let (first, second) = (vgpu_ptx::lower(&tree), vgpu_ptx::lower(&again));
    assert_eq!(first.1.len(), second.1.len(), "other diagnostics after printing");
    assert_eq!(vgpu_ptx::print(&first.0), vgpu_ptx::print(&second.0));
}

#[test]
fn every_text_of_the_repository_survives_printing() {
    assert!(corpus().len() > 20);
    for source in corpus() {
        round_trip(source);
    }
}

/// Pieces that parsers dislike.
const PIECES: &[&str] = &[
    "",
    ";",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ",",
    ".",
    "..",
    "%",
    "@",
    "@!",
    "|",
    "_",
    "-",
    "0x",
    "0f",
    "0d12",
    "18446744073709551616",
    "\"",
    "/*",
    "//",
    "\u{0}",
    "é",
    "<",
    "4000000000",
    "%r",
    "%r1.x",
    ".reg",
    ".b32",
    ".param",
    ".align",
    ".entry",
    ".func",
    ".v4",
    "<0>",
    "<18446744073709551615>",
    "call",
    "bra",
    "@p",
    "ret;",
    ".loc 1 1 1",
    ".f16x2",
    ".pred",
    "WARP_SZ",
    "{{{{{{{{",
    "((((((((",
    "mov.u32 %r1, %tid.x;",
    "-9223372036854775808",
    "1 << 63",
    "1 / 0",
    "generic(",
    ".local .b8 x[4294967295];",
    "%tid",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn truncated_texts(which in any::<prop::sample::Index>(), cut in any::<prop::sample::Index>()) {
        let source = &corpus()[which.index(corpus().len())];
        let mut end = cut.index(source.len());
        while !source.is_char_boundary(end) {
            end -= 1;
        }
        load_anything(&source[..end]);
    }

    #[test]
    fn spliced_texts(
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..12, 0..PIECES.len()), 1..6),
    ) {
        let small: Vec<&String> = corpus().iter().filter(|text| text.len() < MAX_MUTATED_BYTES).collect();
        let mut text = small[which.index(small.len())].clone();
        for (at, removed, piece) in edits {
            let mut start = at.index(text.len().max(1)).min(text.len());
            while !text.is_char_boundary(start) {
                start -= 1;
            }
            let mut end = (start + removed).min(text.len());
            while !text.is_char_boundary(end) {
                end += 1;
            }
            text.replace_range(start..end, PIECES[piece]);
        }
        load_anything(&text);
        round_trip(&text);
    }

    #[test]
    fn moved_lines(which in any::<prop::sample::Index>(), from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>()) {
        let small: Vec<&String> = corpus().iter().filter(|text| text.len() < MAX_MUTATED_BYTES).collect();
        let mut lines: Vec<&str> = small[which.index(small.len())].lines().collect();
        let line = lines.remove(from.index(lines.len()));
        lines.insert(to.index(lines.len()), line);
        let text = lines.join("\n");
        load_anything(&text);
        round_trip(&text);
    }

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let text = String::from_utf8_lossy(&bytes);
        load_anything(&text);
        load_anything(&format!(".version 8.0\n.target sm_80\n.address_size 64\n.entry k() {{ {text} }}"));
    }
}

const HEADER: &str = ".version 8.0\n.target sm_80\n.address_size 64\n";

/// The first diagnostic of a text that must not load.
fn first_code(source: &str) -> &'static str {
    vgpu_ptx::load(source).expect_err("must be refused")[0].code
}

#[test]
fn nesting_is_bounded() {
    for (open, n) in
        [("{", 1_000_000), ("(", 1_000_000), ("[", 1_000_000), ("-", 1_000_000), ("1+(", 500_000), ("{ {", 500_000)]
    {
        let nested = open.repeat(n);
        assert!(vgpu_ptx::load(&format!("{HEADER}.global .u32 a = {nested}")).is_err());
        assert!(vgpu_ptx::load(&format!("{HEADER}.entry k() {{ mov.b32 %r, {nested}")).is_err());
        assert!(vgpu_ptx::load(&format!("{HEADER}.entry k() {{ {nested}")).is_err());
    }
    assert_eq!(first_code(&format!("{HEADER}.entry k() {{ {}", "{".repeat(1000))), "too-deep");
}

#[test]
fn counts_cost_nothing_until_used() {
    let text = format!("{HEADER}.entry k() {{ .reg .b32 %r<4000000000>; mov.b32 %r3999999999, %r7; ret; }}");
    let module = vgpu_ptx::load(&text).expect("it loads");
    assert_eq!(module.functions.iter().next().map(|function| function.regs.len()), Some(2));
    let past = text.replace("%r3999999999", "%r4000000000");
    assert_eq!(first_code(&past), "unknown-name");
}

#[test]
fn sizes_are_bounded() {
    for declaration in [
        ".global .b8 a[18446744073709551615];",
        ".global .b64 a[4294967296][4294967296];",
        ".global .align 9223372036854775808 .b8 a[4];",
        ".global .b8 a[2000000000] = {1};",
        ".entry k(.param .b8 a[4294967295]) { ret; }",
        ".entry k() { .local .b8 a[4294967295]; ret; }",
        ".entry k() { .reg .b32 %r<99999999999999999999>; ret; }",
    ] {
        assert!(vgpu_ptx::load(&format!("{HEADER}{declaration}")).is_err(), "{declaration}");
    }
}

#[test]
fn messages_are_counted() {
    let found = vgpu_ptx::load(&format!("{HEADER}.entry k() {{ {} }}", "foo;".repeat(10_000))).expect_err("errors");
    assert_eq!(found.last().map(|last| last.code), Some("too-many-errors"));
    assert!(found.len() < 300);
}
