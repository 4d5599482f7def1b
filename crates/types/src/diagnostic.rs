//! A message about a source text, with the place it speaks of.
//!
//! Stages collect diagnostics instead of stopping at the first; rendering with caret and line is one function here,
//! so that every stage looks the same to the user.

use crate::{LineMap, Span};
use std::fmt::Write as _;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Additional information.
    Note,
    /// Accepted, but probably not what was meant.
    Warning,
    /// Not accepted.
    Error,
}

impl Severity {
    /// The word shown in front of the message.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A further place with its own text, such as "first declared here".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What to say of it; lower case, no full stop.
    pub text: String,
}

/// One message: lower case, no full stop; names the thing, what was found and what is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name for tests and `--json`, such as `unsupported-instruction`.
    pub code: &'static str,
    /// The message.
    pub message: String,
    /// The place it speaks of.
    pub span: Span,
    /// Further places.
    pub labels: Vec<Label>,
    /// What the user can do, or the section of the PTX manual.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error at `span`.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, message: message.into(), span, labels: Vec::new(), help: None }
    }

    /// A warning at `span`.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// The same with a further place.
    pub fn with_label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// The same with advice.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Text for a terminal: `file:line:column`, the source line and a caret under the span.
    pub fn render(&self, file_name: &str, source: &str, lines: &LineMap) -> String {
        let at = lines.position(source, self.span.start);
        let mut out = format!("{}[{}]: {}\n", self.severity.word(), self.code, self.message);
        let width = at.line.to_string().len();
        let _ = writeln!(out, "{:width$}--> {file_name}:{}:{}", "", at.line, at.column);
        excerpt(&mut out, source, lines, self.span, width, "");
        for label in &self.labels {
            excerpt(&mut out, source, lines, label.span, width, &label.text);
        }
        if let Some(help) = &self.help {
            let _ = writeln!(out, "{:width$} = help: {help}", "");
        }
        out
    }
}

/// Longest stretch of a source line that is shown; a 100 MB line must not be printed whole.
const MAX_SHOWN_COLUMNS: usize = 160;

fn excerpt(out: &mut String, source: &str, lines: &LineMap, span: Span, width: usize, text: &str) {
    let at = lines.position(source, span.start);
    let line = lines.line_text(source, at.line);
    let first = (at.column as usize - 1).saturating_sub(MAX_SHOWN_COLUMNS / 2);
    let shown: String =
        line.chars().skip(first).take(MAX_SHOWN_COLUMNS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let indent = at.column as usize - 1 - first;
    let spanned = source.get(span.start as usize..span.end as usize).unwrap_or("");
    let carets = spanned.split('\n').next().unwrap_or("").chars().count();
    let carets = carets.clamp(1, MAX_SHOWN_COLUMNS.saturating_sub(indent).max(1));
    let _ = writeln!(out, "{:width$} |", "");
    let _ = writeln!(out, "{:>width$} | {shown}", at.line);
    let _ = writeln!(out, "{:width$} | {:indent$}{} {text}", "", "", "^".repeat(carets));
    while out.ends_with(" \n") {
        out.truncate(out.len() - 2);
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caret_stands_under_the_span() {
        let source = "first\n  add.u33 %r1;\n";
        let lines = LineMap::new(source);
        let shown = Diagnostic::error("bad-type", Span::new(11, 15), "no type .u33").render("k.ptx", source, &lines);
        assert_eq!(shown, "error[bad-type]: no type .u33\n --> k.ptx:2:6\n  |\n2 |   add.u33 %r1;\n  |      ^^^^\n");
    }

    #[test]
    fn hostile_lines_and_spans_are_bounded() {
        let source = "x".repeat(1_000_000);
        let lines = LineMap::new(&source);
        for span in [Span::new(0, 1_000_000), Span::new(999_999, 1_000_000), Span::new(2_000_000, 3_000_000)] {
            assert!(Diagnostic::error("c", span, "m").render("f", &source, &lines).len() < 1000);
        }
    }
}
