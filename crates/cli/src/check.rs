//! `vgpu check`: everything that is wrong in a file.

use crate::failure::Failure;
use crate::output::out;
use crate::source;
use serde_json::{Value, json};
use std::path::PathBuf;
use vgpu::{Diagnostic, LineMap, Severity, Span};
use vgpu_ptx::ir::{FunctionKind, Module};

/// What to check.
#[derive(clap::Args)]
#[command(
    after_help = "Exit status: 0 nothing is wrong; 1 something is; 2 the command line is wrong or a file cannot be read."
)]
pub struct Options {
    /// PTX files, or CUDA C++ files that end in .cu.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Count warnings as errors.
    #[arg(long)]
    deny_warnings: bool,
    /// Passed to NVRTC when the file is CUDA C++.
    #[arg(long = "nvrtc-option", value_name = "OPTION", allow_hyphen_values = true)]
    nvrtc_options: Vec<String>,
}

/// Checks all files; the first that cannot be read ends it.
pub fn check(options: &Options, json: bool) -> Result<(), Failure> {
    let mut clean = true;
    let mut reports = Vec::new();
    for path in &options.files {
        let source = source::read(path, &options.nvrtc_options)?;
        let (module, diagnostics) = match vgpu_ptx::load_strict(&source.text) {
            Ok((module, warnings)) => (Some(module), warnings),
            Err(diagnostics) => (None, diagnostics),
        };
        let n = |severity| diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
        let (n_errors, n_warnings) = (n(Severity::Error), n(Severity::Warning));
        clean &= n_errors == 0 && (n_warnings == 0 || !options.deny_warnings);
        let lines = LineMap::new(&source.text);
        let kernels = module.as_ref().map_or(Vec::new(), kernels);
        if json {
            let list = diagnostics.iter().map(|diagnostic| describe(diagnostic, &source.text, &lines));
            let list: Vec<_> = list.collect();
            reports.push(json!({ "file": source.name, "diagnostics": list, "kernels": kernels }));
            continue;
        }
        for diagnostic in &diagnostics {
            out!("{}", diagnostic.render(&source.name, &source.text, &lines));
        }
        let outcome = match (n_errors, n_warnings) {
            (0, 0) => format!("ok, {}", counted(kernels.len(), "kernel")),
            (errors, warnings) => format!("{}, {}", counted(errors, "error"), counted(warnings, "warning")),
        };
        out!("{}: {outcome}", source.name);
    }
    if json {
        out!("{:#}", Value::from(reports));
    }
    if clean { Ok(()) } else { Err(Failure::Reported) }
}

/// A number with its noun.
fn counted(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// Kernels with their parameters.
fn kernels(module: &Module) -> Vec<Value> {
    let kernels = module.functions.iter().filter(|function| function.kind == FunctionKind::Kernel);
    let describe = kernels.map(|function| {
        let params = function.params.iter();
        let params: Vec<_> = params.map(|p| json!({ "name": p.name, "size": p.size, "align": p.align })).collect();
        json!({ "name": function.name, "parameters": params })
    });
    describe.collect()
}

/// Shows the diagnostics of a file that was not accepted.
pub fn refused(source: &source::Source, diagnostics: &[Diagnostic], json: bool) -> Failure {
    let lines = LineMap::new(&source.text);
    if json {
        let list = diagnostics.iter().map(|diagnostic| describe(diagnostic, &source.text, &lines));
        out!("{:#}", json!({ "file": source.name, "diagnostics": list.collect::<Vec<_>>() }));
    } else {
        for diagnostic in diagnostics {
            eprintln!("{}", diagnostic.render(&source.name, &source.text, &lines));
        }
    }
    Failure::Reported
}

/// A diagnostic as JSON; places count from 1.
pub fn describe(diagnostic: &Diagnostic, text: &str, lines: &LineMap) -> Value {
    let place = |span: Span| {
        let (start, end) = (lines.position(text, span.start), lines.position(text, span.end));
        json!({ "line": start.line, "column": start.column, "end_line": end.line, "end_column": end.column })
    };
    let labels: Vec<_> =
        diagnostic.labels.iter().map(|label| json!({ "text": label.text, "place": place(label.span) })).collect();
    json!({
        "severity": diagnostic.severity.word(),
        "code": diagnostic.code,
        "message": diagnostic.message,
        "place": place(diagnostic.span),
        "labels": labels,
        "help": diagnostic.help,
    })
}
