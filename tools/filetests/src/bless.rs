//! `BLESS=1`: rewrites the `expect` directives of a case from the interpreter's outcome.
//!
//! `reference` directives are left alone: they come from elsewhere, and checking them is the point. Short outputs are
//! written as values, long exact ones as a hash, long inexact ones as values at both ends.

use crate::case::{Case, Compare, Direction, ExpectKind, Run, quote};
use crate::element::Element;
use crate::outcome::{Outcome, hash};
use anyhow::{Context, Result};
use std::ops::Range;

/// Outputs up to this many elements are written out.
const MAX_VALUES: usize = 64;
/// So many values are written at each end of a long inexact output.
const END_VALUES: usize = 16;

/// The text of the case with expectations of `outcomes`, one per run.
pub fn blessed_text(case: &Case, outcomes: &[Outcome]) -> String {
    let mut out = Vec::new();
    let mut run_idx = None;
    let mut pending: Vec<String> = Vec::new();
    for (idx, line) in case.text.lines().enumerate() {
        let directive = line.strip_prefix("//@").map(str::trim);
        let is = |word: &str| directive.is_some_and(|text| text.starts_with(word));
        let starts_run = case.runs.iter().position(|run| run.line == idx + 1);
        if directive.is_none() || starts_run.is_some() {
            out.append(&mut pending);
        }
        if let Some(starts) = starts_run {
            run_idx = Some(starts);
            pending = expectations(&case.runs[starts], &outcomes[starts]);
        }
        if run_idx.is_some()
            && ["expect:", "expect-hash:", "expect-printf:", "expect-fault:"].iter().any(|word| is(word))
        {
            continue;
        }
        out.push(line.to_string());
    }
    out.append(&mut pending);
    out.join("\n") + "\n"
}

fn expectations(run: &Run, outcome: &Outcome) -> Vec<String> {
    let mut out = Vec::new();
    if let Some((fault, _)) = &outcome.fault {
        out.push(format!("//@ expect-fault: {}", fault.name()));
        return out;
    }
    for (buffer, bytes) in run.buffers.iter().zip(&outcome.buffers) {
        let n = buffer.n;
        if matches!(buffer.direction, Direction::In | Direction::Scratch) {
            continue;
        }
        let referenced: usize = run
            .expects
            .iter()
            .filter(|expect| expect.reference && expect.buffer == buffer.name)
            .map(|expect| if let ExpectKind::Values(_, values) = &expect.kind { values.len() } else { n })
            .sum();
        if referenced > 0 {
            continue;
        }
        if n <= MAX_VALUES {
            out.push(format!("//@ expect: {} = {}", buffer.name, values(buffer.element, bytes, 0..n)));
        } else if matches!(buffer.compare, Compare::Exact | Compare::Bits) {
            out.push(format!("//@ expect-hash: {} = {}", buffer.name, hash(bytes)));
        } else if buffer.compare != Compare::Unordered {
            for range in [0..END_VALUES, n - END_VALUES..n] {
                let (start, end) = (range.start, range.end);
                let values = values(buffer.element, bytes, range);
                out.push(format!("//@ expect: {}[{start}..{end}] = {values}", buffer.name));
            }
        }
    }
    let word = if run.printf.as_ref().is_some_and(|printed| printed.unordered) { "unordered " } else { "" };
    for line in outcome.printed.split_inclusive('\n') {
        out.push(format!("//@ expect-printf: {word}{}", quote(line)));
    }
    out
}

fn values(element: Element, bytes: &[u8], range: Range<usize>) -> String {
    range.map(|i| element.format(element.load(bytes, i))).collect::<Vec<_>>().join(" ")
}

/// Writes the case back where an expectation changed.
///
/// # Errors
/// The file cannot be written.
pub fn bless(case: &Case, outcomes: &[Outcome]) -> Result<()> {
    let text = blessed_text(case, outcomes);
    if text != case.text {
        std::fs::write(&case.path, text).with_context(|| format!("cannot write {}", case.path.display()))?;
    }
    Ok(())
}
