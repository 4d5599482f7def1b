//! `unsafe` lives in one named module per crate, every block says why it holds, and some crates have none at all.

use super::SourceFile;

/// The places where unsafe code may stand: a file, or a folder when the entry ends with `/`.
const ALLOWED: &[&str] = &[
    // Calls generated code inside the tests of the crate that generates it.
    "crates/jit/src/loaded.rs",
    "crates/jit/src/llvm.rs",
    "crates/jit/src/llvm/",
    "crates/runtime/src/exec.rs",
    "crates/runtime/src/exec/",
    "crates/mem/src/os.rs",
    "crates/mem/src/os/",
    "crates/turns/src/os.rs",
    "crates/num/src/simd.rs",
    "crates/num/src/simd/",
    "crates/nvidia/src/library.rs",
    "crates/cuda/src/abi/",
    "crates/capi/",
    "crates/cuda-driver/",
    "crates/cuda-runtime/",
    "crates/nvjitlink/",
    "crates/nvrtc/",
    "sonames/",
    "crates/python/",
    // A client's program: launching is unsafe in its bindings.
    "tests/programs/rust/",
    // Calls the C libraries of the numeric suite's peers.
    "tools/numbench/src/peers.rs",
    "tools/workloads/src/native.rs",
];

/// Declarations of the contract with generated code: function pointer types, no unsafe block.
const DECLARES: &[&str] = &["crates/jit/src/abi.rs"];

/// Crates whose root must forbid unsafe code.
const FORBIDDEN: &[&str] = &["types", "trace", "ptx", "fuse", "market", "policy", "daemon", "cli", "vgpud"];

/// How far above an `unsafe` block its reason may start.
const REASON_LINES: usize = 12;

/// Complaints about one file.
pub fn check(file: &SourceFile) -> Vec<String> {
    if !file.is_rust() || file.path == "tools/xtask/src/tidy/unsafety.rs" {
        return Vec::new();
    }
    let allowed =
        ALLOWED.iter().any(|place| file.path == *place || place.ends_with('/') && file.path.starts_with(place));
    let declares = DECLARES.contains(&file.path.as_str());
    let lines: Vec<&str> = file.text.lines().collect();
    let mut complaints = Vec::new();
    for (idx, line) in lines.iter().enumerate() {
        let code = line.split("//").next().unwrap_or("");
        let opens = ["unsafe {", "unsafe impl", "unsafe fn", "unsafe extern"].iter().any(|form| code.contains(form));
        if !opens {
            continue;
        }
        let at = format!("{}:{}", file.path, idx + 1);
        let is_type = code.contains("unsafe extern") && code.contains("fn(");
        if !(allowed || is_type && declares) {
            complaints.push(format!("{at}: unsafe code outside the modules that are named for it"));
            continue;
        }
        let reason = if code.contains("unsafe fn") || code.contains("unsafe extern \"C\" fn ") {
            "# Safety"
        } else if code.contains("unsafe {") || code.contains("unsafe impl") {
            "SAFETY:"
        } else {
            continue;
        };
        // A trait's unsafe functions are documented where the trait is; blocks say it themselves.
        let above = &lines[idx.saturating_sub(REASON_LINES)..=idx];
        if reason == "SAFETY:" && !above.iter().any(|line| line.contains(reason)) {
            complaints.push(format!("{at}: no `// {reason}` that says why it holds"));
        }
        if reason == "# Safety" && code.contains("pub ") && !documented(&lines[..idx], reason) {
            complaints.push(format!("{at}: no `{reason}` section that says what the caller owes"));
        }
    }
    complaints
}

/// Whether the doc comment right above has `words`.
fn documented(above: &[&str], words: &str) -> bool {
    above
        .iter()
        .rev()
        .map(|line| line.trim_start())
        .take_while(|line| line.starts_with("///") || line.starts_with("#[") || line.starts_with("//"))
        .any(|line| line.contains(words))
}

/// Complaints about crates that must forbid unsafe code and do not.
pub fn forbidden_crates(files: &[SourceFile]) -> Vec<String> {
    let mut complaints = Vec::new();
    for name in FORBIDDEN {
        for root in ["lib.rs", "main.rs"] {
            let path = format!("crates/{name}/src/{root}");
            if let Some(file) = files.iter().find(|file| file.path == path)
                && !file.text.contains("#![forbid(unsafe_code)]")
            {
                complaints.push(format!("{path}:1: lacks `#![forbid(unsafe_code)]`"));
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, text: &str) -> usize {
        check(&SourceFile { path: path.to_owned(), text: text.to_owned() }).len()
    }

    #[test]
    fn blocks_need_a_place_and_a_reason() {
        let with_reason = "// SAFETY: it is ours.\nlet x = unsafe { *p };\n";
        assert_eq!(complaints("crates/runtime/src/exec/worker.rs", with_reason), 0);
        assert_eq!(complaints("crates/runtime/src/exec.rs", "let x = unsafe { *p };\n"), 1);
        assert_eq!(complaints("crates/runtime/src/stream.rs", with_reason), 1);
        assert_eq!(complaints("crates/runtime/src/stream.rs", "// unsafe { in words }\n"), 0);
    }

    #[test]
    fn functions_need_a_section() {
        let path = "crates/capi/src/lib.rs";
        assert_eq!(complaints(path, "/// Frees.\n/// # Safety\n/// Once.\npub unsafe fn free() {}\n"), 0);
        assert_eq!(complaints(path, "/// Frees.\npub unsafe fn free() {}\n"), 1);
    }

    #[test]
    fn safe_crates_say_so() {
        let file = |text: &str| SourceFile { path: "crates/ptx/src/lib.rs".to_owned(), text: text.to_owned() };
        assert_eq!(forbidden_crates(&[file("//! PTX.\n")]).len(), 1);
        assert_eq!(forbidden_crates(&[file("//! PTX.\n#![forbid(unsafe_code)]\n")]).len(), 0);
    }
}
