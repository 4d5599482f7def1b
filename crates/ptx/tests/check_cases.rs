//! `tests/cases/check`: each file ends with the messages it must give, as comments; loading is strict, as `vgpu check` is.
//!
//! `// expect: none` or one `// expect: LINE:COLUMN severity[code] message` per message. `BLESS=1 cargo test -p vgpu-ptx` rewrites
//! them. Files named `accept_..` must load.

use std::path::Path;
use vgpu_types::{Diagnostic, LineMap};

const MARK: &str = "// expect: ";

fn messages(source: &str) -> Vec<String> {
    let lines = LineMap::new(source);
    let show = |found: &Diagnostic| {
        let at = lines.position(source, found.span.start);
        let help = found.help.as_ref().map_or(String::new(), |help| format!(" (help: {help})"));
        let severity = found.severity.word();
        format!("{}:{} {severity}[{}] {}{help}", at.line, at.column, found.code, found.message)
    };
    let found = match vgpu_ptx::load_strict(source) {
        Ok((_, warnings)) => warnings,
        Err(errors) => errors,
    };
    if found.is_empty() { vec!["none".to_owned()] } else { found.iter().map(show).collect() }
}

fn check(path: &Path, bless: bool) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let body_end = text.find(MARK).unwrap_or(text.len());
    let (body, expected) = text.split_at(body_end);
    let expected: Vec<&str> = expected.lines().filter_map(|line| line.strip_prefix(MARK)).collect();
    let found = messages(body);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with("accept_") && found != ["none"] {
        return Err(format!("{name} does not load:\n{}", found.join("\n")));
    }
    if bless {
        let tail: String = found.iter().map(|line| format!("{MARK}{line}\n")).collect();
        return std::fs::write(path, format!("{body}{tail}")).map_err(|error| error.to_string());
    }
    if found != expected {
        return Err(format!("{name}: expected\n{}\nfound\n{}", expected.join("\n"), found.join("\n")));
    }
    Ok(())
}

#[test]
fn messages_are_as_the_files_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases/check");
    let bless = std::env::var_os("BLESS").is_some();
    let mut failures = Vec::new();
    let mut n_files = 0;
    for entry in std::fs::read_dir(&folder).expect("the folder `tests/cases/check`") {
        let path = entry.expect("a folder entry").path();
        if path.extension().is_some_and(|extension| extension == "ptx") {
            n_files += 1;
            failures.extend(check(&path, bless).err());
        }
    }
    assert!(n_files > 5, "found {n_files} files");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
