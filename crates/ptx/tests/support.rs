//! `docs/ptx-support.md` stays true: every example loads or is refused as its row says, the cases it names exist, and every
//! instruction that lowering knows has a row.

use std::collections::BTreeSet;
use std::path::Path;

const DOCUMENT: &str = include_str!("../../../docs/ptx-support.md");
const DISPATCH: &str = include_str!("../src/lower/dispatch.rs");
const UNSUPPORTED: &str = include_str!("../src/lower/unsupported.rs");

struct Row {
    instructions: Vec<String>,
    example: String,
    refused: bool,
    by: String,
}

fn rows() -> Vec<Row> {
    let mut out = Vec::new();
    for line in DOCUMENT.lines().filter(|line| line.starts_with("| `")) {
        let line = line.replace("\\|", "\u{1}");
        let cells: Vec<String> =
            line.trim_matches('|').split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect();
        let [instructions, example, status, by] = &cells[..] else { panic!("four columns: {line}") };
        out.push(Row {
            instructions: instructions.split(", ").map(|name| name.trim_matches('`').to_owned()).collect(),
            example: example.trim_matches('`').to_owned(),
            refused: match status.as_str() {
                "yes" => false,
                "refused" => true,
                other => panic!("status {other}"),
            },
            by: by.clone(),
        });
    }
    out
}

fn text(statement: &str) -> String {
    format!(
        ".version 8.8\n.target sm_120\n.address_size 64\n\
         .func (.reg .u32 d) twice(.reg .u32 a) {{ add.u32 d, a, a; ret; }}\n\
         .visible .entry k() {{\n.reg .pred %p, %q; .reg .b16 %b16; .reg .u16 %rs; .reg .f16 %h; .reg .b32 %b32; .reg .u32 %r;\n\
         .reg .f32 %f; .reg .u64 %rd; .reg .f64 %fd; .reg .b128 %bq;\n{statement};\nret;\n}}\n"
    )
}

#[test]
fn examples_do_as_their_rows_say() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases");
    let rows = rows();
    assert!(rows.len() > 60, "{} rows", rows.len());
    for row in rows {
        let root = row.example.trim_start_matches("@%p ").split(['.', ' ']).next().unwrap_or("");
        assert!(row.instructions.iter().any(|name| name == root), "`{}` is no example of its row", row.example);
        match (vgpu_ptx::load(&text(&row.example)), row.refused) {
            (Ok(_), false) => {
                for by in row.by.split(", ") {
                    assert!(by == "table" || cases.join(by).is_file(), "`{}`: no case {by}", row.example);
                }
            }
            (Err(found), true) => {
                let help = found[0].help.clone().unwrap_or_default();
                assert_eq!(found[0].code, "unsupported-instruction", "`{}`: {}", row.example, found[0].message);
                assert!(help.contains(&format!("\"{}\"", row.by)), "`{}`: {help}", row.example);
            }
            (Ok(_), true) => panic!("`{}` is refused, says the document, but loads", row.example),
            (Err(found), false) => panic!("`{}` is supported, says the document: {}", row.example, found[0].message),
        }
    }
}

/// The words in quotes of a source text.
fn quoted(source: &str) -> impl Iterator<Item = &str> {
    source.split('"').skip(1).step_by(2)
}

#[test]
fn every_instruction_has_a_row() {
    let (mut supported, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for row in rows() {
        if row.refused { &mut refused } else { &mut supported }.extend(row.instructions);
    }
    let family = DISPATCH.split("fn family").nth(1).expect("the match over opcodes");
    let known: BTreeSet<&str> = quoted(family.split("_ =>").next().unwrap_or(""))
        .filter(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) && *word != "pack")
        .collect();
    assert!(known.len() > 100, "{known:?}");
    let missing: Vec<_> = known.iter().filter(|name| !supported.contains(**name)).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
    let list = UNSUPPORTED.split("const UNSUPPORTED").nth(1).expect("the list");
    let roots = list.lines().filter_map(|line| line.trim().strip_prefix("(\"")?.split(['.', '"']).next());
    let missing: Vec<_> = roots.filter(|name| !refused.contains(*name) && !supported.contains(*name)).collect();
    assert!(missing.is_empty(), "no row for the refused {missing:?}");
}
