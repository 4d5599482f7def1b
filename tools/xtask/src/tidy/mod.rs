//! `cargo xtask tidy`: the rules of the code base that neither the compiler nor clippy checks.
//!
//! Each rule is a function from the checked-in files to complaints (`file:line: what`); all rules run, and all
//! complaints are shown. The rules are also this package's tests.

mod arrows;
mod unsafety;
mod words;

use crate::metadata::Metadata;
use crate::shell;
use anyhow::{Context, Result, bail};

/// A checked-in text file.
pub struct SourceFile {
    /// Path from the root of the checkout, with forward slashes.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl SourceFile {
    /// True for Rust sources.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// The check.
///
/// # Errors
/// Lists every complaint.
pub fn tidy() -> Result<()> {
    let files = checked_in()?;
    let mut complaints = Vec::new();
    for file in &files {
        complaints.extend(shape(file));
        complaints.extend(words::check(file));
        complaints.extend(unsafety::check(file));
    }
    complaints.extend(unsafety::forbidden_crates(&files));
    complaints.extend(arrows::check(&Metadata::load()?));
    if !complaints.is_empty() {
        bail!("{} complaints:\n  {}", complaints.len(), complaints.join("\n  "));
    }
    eprintln!("tidy: {} files", files.len());
    Ok(())
}

/// Files that git tracks or would track, as far as they are text.
fn checked_in() -> Result<Vec<SourceFile>> {
    let args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let list = shell::output(shell::program("git").args(args)).context("tidy needs a git checkout")?;
    let root = shell::root();
    let mut files = Vec::new();
    for path in list.split('\0').filter(|path| !path.is_empty()) {
        // A deleted file may still be in the index; what is not UTF-8 (pictures) has no rules.
        let Ok(bytes) = std::fs::read(root.join(path)) else { continue };
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(SourceFile { path: path.to_owned(), text });
        }
    }
    Ok(files)
}

/// Longest hand-written file, in lines.
const MAX_LINES: usize = 1000;

/// A Rust file starts with a header and stays readable in one sitting.
fn shape(file: &SourceFile) -> Vec<String> {
    let mut complaints = Vec::new();
    if file.is_rust() {
        if !file.text.starts_with("//!") {
            complaints.push(format!("{}:1: no `//!` header that says what the file is for", file.path));
        }
        let n_lines = file.text.lines().count();
        if n_lines > MAX_LINES {
            complaints.push(format!("{}:{n_lines}: longer than {MAX_LINES} lines; find the seam", file.path));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_checkout_is_tidy() {
        if let Err(error) = tidy() {
            panic!("{error:#}");
        }
    }

    #[test]
    fn headers_and_length() {
        let file = |text: &str| SourceFile { path: "a.rs".to_owned(), text: text.to_owned() };
        assert!(shape(&file("//! Header.\n")).is_empty());
        assert_eq!(shape(&file("fn main() {}\n")).len(), 1);
        assert_eq!(shape(&file(&format!("//! Header.\n{}", "\n".repeat(1000)))).len(), 1);
    }
}
