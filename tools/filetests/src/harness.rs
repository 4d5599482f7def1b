//! Finds the case files and makes a test of each: load, interpreter against expectations, JIT against interpreter.

use crate::backend::{Backend, Interpreter};
use crate::bless;
use crate::case::{Case, Run};
use crate::outcome::{Outcome, check_agreement, check_expectations};
use anyhow::{Context, Result, bail};
use libtest_mimic::{Failed, Trial};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vgpu_ptx::ir::Module;
use vgpu_types::{Diagnostic, LineMap, Severity};

/// Folder of the case files.
pub fn cases_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases")
}

/// Folder of the diagnostics' cases, which the tests of `vgpu-ptx` run.
const DIAGNOSTICS: &str = "check";

/// All `.ptx` files under `folder`, in name order.
///
/// # Errors
/// A folder cannot be read.
pub fn case_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut out = Vec::new();
    let mut pending = vec![folder.to_path_buf()];
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                if path.file_name().is_none_or(|name| name != DIAGNOSTICS) {
                    pending.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "ptx") {
                out.push(path);
            }
        }
    }
    out.sort();
    Ok(out)
}

/// The texts of all cases, those that are refused included.
///
/// # Errors
/// A file cannot be read.
pub fn texts() -> Result<Vec<String>> {
    let mut files = case_files(&cases_folder())?;
    files.extend(case_files(&cases_folder().join(DIAGNOSTICS))?);
    let read =
        |path: &PathBuf| std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    files.iter().map(read).collect()
}

/// One test per case file.
///
/// # Errors
/// The folder of cases cannot be read.
pub fn trials(backends: &Arc<Vec<Box<dyn Backend>>>) -> Result<Vec<Trial>> {
    let folder = cases_folder();
    let files = case_files(&folder)?;
    let trial = |path: PathBuf| {
        let name = path.strip_prefix(&folder).unwrap_or(&path).with_extension("");
        let backends = Arc::clone(backends);
        Trial::test(name.display().to_string(), move || {
            check_file(&path, &backends).map_err(|error| Failed::from(format!("{error:#}")))
        })
    };
    Ok(files.into_iter().map(trial).collect())
}

fn check_file(path: &Path, backends: &[Box<dyn Backend>]) -> Result<()> {
    let case = Case::read(path)?;
    if case.part {
        return Ok(());
    }
    if case.errors.is_empty() { check_runs(&case, backends) } else { check_refusal(&case) }
}

/// Renders diagnostics as the user sees them.
pub fn render(diagnostics: &[Diagnostic], name: &str, text: &str) -> String {
    let lines = LineMap::new(text);
    let shown = diagnostics.iter().take(5).map(|diagnostic| diagnostic.render(name, text, &lines));
    shown.collect::<Vec<_>>().join("\n")
}

/// Loads the case's module, linked with its parts.
///
/// # Errors
/// The text is refused; the message shows the diagnostics.
pub fn load(case: &Case) -> Result<Module> {
    let mut modules = Vec::new();
    let mut sources = vec![(case.path.clone(), case.text.clone())];
    for path in &case.links {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        sources.push((path.clone(), text));
    }
    for (path, text) in &sources {
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        match vgpu_ptx::load(text) {
            Ok(module) => modules.push(module),
            Err(diagnostics) => bail!("refused at load:\n{}", render(&diagnostics, &name, text)),
        }
    }
    if modules.len() == 1 {
        return modules.pop().context("one module");
    }
    vgpu_ptx::link(modules).with_context(|| "cannot link")
}

fn check_refusal(case: &Case) -> Result<()> {
    let diagnostics = match vgpu_ptx::load(&case.text) {
        Ok(_) => bail!("accepted, though expect-error says otherwise"),
        Err(diagnostics) => diagnostics,
    };
    let errors: Vec<_> = diagnostics.iter().filter(|one| one.severity == Severity::Error).collect();
    for (code, part) in &case.errors {
        let found = errors.iter().any(|error| error.code == code && error.message.contains(part.as_str()));
        if !found {
            bail!("no error [{code}] with \"{part}\"; found\n{}", render(&diagnostics, "case", &case.text));
        }
    }
    if errors.len() != case.errors.len() {
        let shown = render(&diagnostics, "case", &case.text);
        bail!("{} errors, {} are expected; found\n{shown}", errors.len(), case.errors.len());
    }
    Ok(())
}

/// Files up to this long run on every backend.
const SHORT_BYTES: usize = 20_000;
/// Files up to this long run on one of the two SSE levels, longer ones on none. Sixteen registers of four lanes make the
/// compilation of long kernels ten times slower there than elsewhere; short files and the tables of instructions
/// cover what is special about these levels.
const LONG_BYTES: usize = 50_000;

/// Whether a case with so long a text runs on a backend of this name. Which SSE level it gets depends on the length alone.
fn takes_part(bytes: usize, backend: &str) -> bool {
    let levels: &[&str] = match bytes {
        _ if bytes <= SHORT_BYTES => &["sse4.2", "baseline"],
        _ if bytes > LONG_BYTES => &[],
        _ if bytes.is_multiple_of(2) => &["sse4.2"],
        _ => &["baseline"],
    };
    let is_sse = backend.ends_with("sse4.2") || backend.ends_with("baseline");
    !is_sse || levels.iter().any(|level| backend.ends_with(level))
}

fn check_runs(case: &Case, backends: &[Box<dyn Backend>]) -> Result<()> {
    let module = load(case)?;
    let mut problems = Vec::new();
    let mut outcomes: Vec<Option<Outcome>> = Vec::new();
    for run in &case.runs {
        match Interpreter.launch(&module, run) {
            Ok(outcome) => outcomes.push(Some(outcome)),
            Err(error) => {
                problems.push(format!("line {}, {} on the interpreter: {error:#}", run.line, run.kernel));
                outcomes.push(None);
            }
        }
    }
    if std::env::var_os("BLESS").is_some() {
        let whole: Option<Vec<Outcome>> = outcomes.iter().cloned().collect();
        // A fault nobody expected is a failure, not an expectation.
        let as_meant = |(run, outcome): (&Run, &Outcome)| run.fault.is_some() || outcome.fault.is_none();
        if let Some(outcomes) = whole.filter(|outcomes| case.runs.iter().zip(outcomes).all(as_meant)) {
            bless::bless(case, &outcomes)?;
        }
    }
    // After blessing the file on disk is what counts.
    let case = &Case::read(&case.path)?;
    for (run, outcome) in case.runs.iter().zip(&outcomes) {
        let Some(expected) = outcome else { continue };
        if let Err(error) = check_expectations(case, run, expected) {
            problems.push(format!("line {}, {} on the interpreter: {error:#}", run.line, run.kernel));
        }
        for backend in backends.iter().filter(|backend| takes_part(case.text.len(), &backend.name())) {
            let checked = backend.launch(&module, run).and_then(|found| check_agreement(run, expected, &found));
            if let Err(error) = checked {
                problems.push(format!("line {}, {} on {}: {error:#}", run.line, run.kernel, backend.name()));
            }
        }
    }
    if problems.is_empty() { Ok(()) } else { bail!("{}", problems.join("\n\n")) }
}
