//! PTX: from text to the kernel IR, and an interpreter that is the oracle for everything that runs it.
//!
//! The path of a module: text -> AST -> [`ir`] -> interpreter or JIT.
//! [`load`] goes all the way and collects [`Diagnostic`]s, [`load_strict`] as strictly as a driver; [`parse`], [`lower`](fn@lower) and [`verify`](fn@verify) are its steps; [`link`](fn@link) joins modules;
//! [`print`](fn@print) and [`print_ast`] show them.
//!
//! ```
//! let text = ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 p) { ret; }";
//! let module = vgpu_ptx::load(text).expect("a correct text");
//! assert!(module.function("k").is_some());
//! let errors = vgpu_ptx::load(&text.replace("ret", "frobnicate")).expect_err("an unknown instruction");
//! assert_eq!(errors[0].code, "unknown-instruction");
//! ```
//!
//! Nothing here knows LLVM or threads. Every entry point collects diagnostics and never panics on input.
#![forbid(unsafe_code)]

pub mod ast;
pub mod interp;
pub mod ir;
mod lexer;
mod link;
mod lower;
mod parser;
mod print;
mod target;
mod verify;

pub use link::{LinkError, link};
pub use lower::lower;
pub use parser::parse;
pub use print::{print, print_ast};
pub use target::requirements;
pub use verify::{Signature, Want, signature, verify};

use vgpu_types::{Diagnostic, Severity};

/// Parses, lowers and checks a PTX text.
///
/// # Errors
/// All diagnostics when one of them is an error.
pub fn load(source: &str) -> Result<ir::Module, Vec<Diagnostic>> {
    load_with_warnings(source).map(|(module, _)| module)
}

/// As [`load`]; gives the warnings as well.
///
/// # Errors
/// All diagnostics when one of them is an error.
pub fn load_with_warnings(source: &str) -> Result<(ir::Module, Vec<Diagnostic>), Vec<Diagnostic>> {
    finish(source, false)
}

/// As [`load_with_warnings`], and an instruction that the text's own `.target` or `.version` does not have is an error
/// ([`requirements`](fn@requirements)), as it is to a driver.
///
/// # Errors
/// All diagnostics when one of them is an error.
pub fn load_strict(source: &str) -> Result<(ir::Module, Vec<Diagnostic>), Vec<Diagnostic>> {
    finish(source, true)
}

fn finish(source: &str, strict: bool) -> Result<(ir::Module, Vec<Diagnostic>), Vec<Diagnostic>> {
    let (tree, mut diagnostics) = parse(source);
    let (module, found) = lower(&tree);
    diagnostics.extend(found);
    if strict {
        diagnostics.extend(requirements(&tree));
    }
    diagnostics.sort_by_key(|diagnostic| (diagnostic.code == "too-many-errors", diagnostic.span.start));
    if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return Err(diagnostics);
    }
    // Lowering keeps the rules of the IR; a violation is a bug here, and better a message than a wrong result.
    let violations = verify(&module);
    if violations.is_empty() { Ok((module, diagnostics)) } else { Err(violations) }
}
