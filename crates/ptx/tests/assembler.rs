//! What NVIDIA's assembler accepts, against what this crate accepts: types of registers, `.target` and `.version`.
//!
//! `tests/make_rules.py` asked ptxas and wrote `data/types.txt` and `data/requirements.txt`.

use vgpu_types::Diagnostic;

const DECLARATIONS: &str = ".reg .pred %p, %q, %vpred; .reg .b16 %b16; .reg .u16 %rs; .reg .f16 %h, %vf16; \
    .reg .b32 %b32; .reg .u32 %r; .reg .f32 %f; .reg .u64 %rd; .reg .f64 %fd; .reg .b128 %bq; \
    .reg .b8 %vb8; .reg .u8 %vu8; .reg .s8 %vs8; .reg .b16 %vb16; .reg .u16 %vu16; .reg .s16 %vs16; .reg .b32 %vb32; \
    .reg .u32 %vu32; .reg .s32 %vs32; .reg .f32 %vf32; .reg .f16x2 %vf16x2; .reg .b64 %vb64; .reg .u64 %vu64; \
    .reg .s64 %vs64; .reg .f64 %vf64; .reg .b128 %vb128;";
const TYPES: [&str; 18] = [
    "b8", "u8", "s8", "b16", "u16", "s16", "f16", "b32", "u32", "s32", "f32", "f16x2", "b64", "u64", "s64", "f64",
    "pred", "b128",
];

fn text(version: &str, target: u32, statement: &str) -> String {
    // `.b128` has requirements of its own.
    let declarations = match statement.contains("%bq") || statement.contains("%vb128") {
        true => DECLARATIONS.to_owned(),
        false => DECLARATIONS.replace(".reg .b128 %bq;", "").replace(".reg .b128 %vb128;", ""),
    };
    format!(
        ".version {version}\n.target sm_{target}\n.address_size 64\n.visible .entry k() {{\n{declarations}\n{statement};\nret;\n}}\n"
    )
}

fn codes(found: &[Diagnostic]) -> Vec<&'static str> {
    found.iter().map(|one| one.code).collect()
}

/// Lines of a data file without comments.
fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Differences that are meant: the start of the forms, a part that they have, and why.
const DIFFERENCES: [(&str, &str, &str); 7] = [
    ("cvt.pack", "", "the assembler takes registers of any larger size; no compiler writes that"),
    ("cvt.rn.f16x2.f32", "", "as cvt.pack, and only here of all packed conversions"),
    ("isspacep", "%v", "32-bit generic addresses do not exist here"),
    ("ldmatrix", "%v", "predicates as fragments; one type for all elements of a vector"),
    ("movmatrix", "%vpred", "a predicate as a fragment"),
    ("ld.global", "{", "the assembler wants one type for all elements of a vector, and no 8-bit ones"),
    ("mov.b", "{", "the assembler wants one type for all elements of a vector"),
];

#[test]
fn registers_are_accepted_where_the_assembler_accepts_them() {
    let mut differences = Vec::new();
    let mut n_checked = 0;
    for line in lines(include_str!("data/types.txt")) {
        let mut fields = line.split(" | ");
        let (number, form) = (fields.next().expect("a number"), fields.next().expect("a form"));
        let accepted: Vec<&str> = fields.next().unwrap_or("").split(' ').collect();
        let number: usize = number.parse().expect("a number");
        let at = form.match_indices('%').nth(number).expect("a register").0;
        let end = form[at + 1..].find(|c: char| !c.is_ascii_alphanumeric()).map_or(form.len(), |n| at + 1 + n);
        for ty in TYPES {
            // Quirks of the assembler that nobody relies on: pairs of halves pass for predicates and for 32-bit integers in
            // some instructions, and predicates for fragments of matrices.
            if matches!(ty, "f16x2" | "pred") && (accepted.contains(&"pred") || accepted.contains(&"b32")) {
                continue;
            }
            let statement = format!("{}%v{ty}{}", &form[..at], &form[end..]);
            let found = vgpu_ptx::load(&text("8.8", 120, &statement));
            n_checked += 1;
            let unsupported = found.as_ref().is_err_and(|found| codes(found) == ["unsupported-instruction"]);
            let meant = DIFFERENCES.iter().any(|(start, part, _)| form.starts_with(start) && statement.contains(part));
            // One type for all elements of a vector, again.
            let meant = meant || form.contains("mma") && form[..at].ends_with(['{', ',']);
            if found.is_ok() != accepted.contains(&ty) && !meant && !unsupported {
                let found = found.err().map_or(Vec::new(), |found| found.into_iter().map(|one| one.message).collect());
                differences.push(format!("{statement}: the assembler has {accepted:?}; {}", found.join("; ")));
            }
        }
    }
    assert!(n_checked > 10_000, "{n_checked} statements");
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

/// Every target and version that ptxas knows, in order.
const TARGETS: [u32; 15] = [50, 52, 53, 60, 61, 62, 70, 72, 75, 80, 86, 87, 89, 90, 100];
const VERSIONS: [&str; 24] = [
    "6.0", "6.1", "6.2", "6.3", "6.4", "6.5", "7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "7.7", "7.8", "8.0",
    "8.1", "8.2", "8.3", "8.4", "8.5", "8.6", "8.7", "8.8",
];

/// Not decided without types of registers: the predicate operand of `cp.async`.
const NOT_DECIDED: [&str; 1] = ["cp.async.ca.shared.global [%rd], [%rd], 4, %p"];

#[test]
fn targets_and_versions_are_required_as_the_assembler_does() {
    let ask = |version: &str, target: u32, form: &str, code: &str| {
        let text = text(version, target, form);
        let (tree, found) = vgpu_ptx::parse(&text);
        assert!(found.is_empty(), "{form}: {found:?}");
        let found = vgpu_ptx::requirements(&tree);
        // The target line itself may ask for a version; only what the instruction asks for counts here.
        found.iter().any(|one| one.code == code && !one.message.starts_with("`.target"))
    };
    let mut differences = Vec::new();
    for line in lines(include_str!("data/requirements.txt")) {
        let mut fields = line.splitn(3, ' ');
        let (target, version, form) =
            (fields.next().expect("a target"), fields.next().expect("a version"), fields.next().expect("a form"));
        if NOT_DECIDED.contains(&form) {
            continue;
        }
        let target: u32 = target.trim_start_matches("sm_").parse().expect("a number");
        let found = TARGETS.into_iter().find(|&known| !ask("8.8", known, form, "needs-newer-target"));
        if found != Some(target) {
            differences.push(format!("{form}: needs sm_{target}, found {found:?}"));
        }
        let found = VERSIONS.into_iter().find(|&known| !ask(known, 121, form, "needs-newer-version"));
        if found != Some(version) {
            differences.push(format!("{form}: needs PTX {version}, found {found:?}"));
        }
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn strict_loading_names_what_is_needed() {
    let found = vgpu_ptx::load_strict(&text("6.0", 70, "redux.sync.add.s32 %r, %r, %r")).expect_err("too new");
    assert_eq!(codes(&found), ["needs-newer-target", "needs-newer-version"]);
    assert!(found[0].message.contains("`.target sm_80`") && found[1].message.contains("`.version 7.0`"), "{found:?}");
    assert!(vgpu_ptx::load(&text("6.0", 70, "redux.sync.add.s32 %r, %r, %r")).is_ok());
    let gone = text("6.4", 70, "shfl.idx.b32 %r, %r, %r, %r");
    assert_eq!(codes(&vgpu_ptx::load_strict(&gone).expect_err("gone")), ["removed-instruction"]);
    assert!(vgpu_ptx::load_strict(&gone.replace("6.4", "6.3")).is_ok());
    let early = text("7.0", 90, "ret");
    assert_eq!(codes(&vgpu_ptx::load_strict(&early).expect_err("no such target yet")), ["needs-newer-version"]);
}

#[test]
fn texts_of_compilers_use_what_their_target_has() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pending: Vec<_> =
        ["cuda", "programs", "numba", "triton", "llvm"].map(|name| root.join("tests/cases").join(name)).into();
    pending.push(root.join("kernels"));
    let mut n_texts = 0;
    let mut refused = Vec::new();
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of cases") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                pending.push(path);
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "ptx") {
                continue;
            }
            n_texts += 1;
            let source = std::fs::read_to_string(&path).expect("a text");
            if let (Ok(_), Err(found)) = (vgpu_ptx::load(&source), vgpu_ptx::load_strict(&source)) {
                refused.push(format!(
                    "{}: {:?}",
                    path.display(),
                    found.iter().map(|one| &one.message).collect::<Vec<_>>()
                ));
            }
        }
    }
    assert!(n_texts > 100, "{n_texts} texts");
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}
