//! What a launch left behind, and whether two outcomes, or an outcome and the expectations, agree.

use crate::case::{Buffer, Case, Compare, Direction, ExpectKind, Fault, Run};
use anyhow::{Result, bail};

/// What a launch left behind.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Contents of the run's buffers, in order; empty after a fault.
    pub buffers: Vec<Vec<u8>>,
    /// Text of `printf`.
    pub printed: String,
    /// How it failed, with the message.
    pub fault: Option<(Fault, String)>,
}

/// Hash of a buffer as `expect-hash` has it: FNV-1a over 64-bit words and the length, folded after each step.
/// `bench/gpu/caseformat.py` computes the same.
pub fn hash(bytes: &[u8]) -> String {
    let mut value = 0xcbf2_9ce4_8422_2325u64;
    let words = bytes.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    });
    for word in words.chain([bytes.len() as u64]) {
        value = (value ^ word).wrapping_mul(0x0100_0000_01b3);
        value ^= value >> 32;
    }
    format!("{value:016x}")
}

fn lines_sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

fn check_fault(run: &Run, found: &Outcome) -> Result<()> {
    match (&run.fault, &found.fault) {
        (None, None) => Ok(()),
        (Some(expected), Some((kind, _))) if expected == kind => Ok(()),
        (None, Some((kind, message))) => bail!("unexpected fault {}: {message}", kind.name()),
        (Some(expected), None) => bail!("expected fault {}, but the launch ended well", expected.name()),
        (Some(expected), Some((kind, message))) => {
            bail!("expected fault {}, found {}: {message}", expected.name(), kind.name())
        }
    }
}

/// Checks an outcome against the expectations of the case.
///
/// # Errors
/// Says which expectation fails, with its line.
pub fn check_expectations(case: &Case, run: &Run, found: &Outcome) -> Result<()> {
    check_fault(run, found)?;
    if run.fault.is_none() {
        check_values(case, run, found)?;
    }
    if let Some(printed) = &run.printf {
        let same = if printed.unordered {
            lines_sorted(&printed.text) == lines_sorted(&found.printed)
        } else {
            printed.text == found.printed
        };
        if !same {
            bail!("printed text differs\nexpected: {:?}\nfound:    {:?}", printed.text, found.printed);
        }
    } else if !found.printed.is_empty() && run.fault.is_none() {
        bail!("the kernel printed {:?}; there is no expect-printf", found.printed);
    }
    Ok(())
}

fn check_values(case: &Case, run: &Run, found: &Outcome) -> Result<()> {
    for expect in &run.expects {
        let place = format!("{}:{}", case.path.display(), expect.line);
        let Some(idx) = run.buffers.iter().position(|buffer| buffer.name == expect.buffer) else {
            bail!("{place}: unknown buffer \"{}\"", expect.buffer);
        };
        let buffer = &run.buffers[idx];
        match &expect.kind {
            ExpectKind::Hash(expected) => {
                let found = hash(&found.buffers[idx]);
                if *expected != found {
                    bail!("{place}: hash of \"{}\" is {found}, expected {expected}", buffer.name);
                }
            }
            ExpectKind::Values(start, values) => {
                let mut bytes = Vec::new();
                values.iter().for_each(|&bits| buffer.element.push(&mut bytes, bits));
                let size = buffer.element.bytes();
                let part = &found.buffers[idx][start * size..start * size + bytes.len()];
                if let Err(error) = compare_buffer(buffer, *start, &bytes, part) {
                    bail!("{place}: {error:#}");
                }
            }
        }
    }
    Ok(())
}

/// Checks that two backends agree: bit for bit, except where the case allows latitude.
///
/// # Errors
/// Says which buffer and element differ. `expected` is the interpreter's outcome.
pub fn check_agreement(run: &Run, expected: &Outcome, found: &Outcome) -> Result<()> {
    let kind = |outcome: &Outcome| outcome.fault.as_ref().map(|(kind, _)| *kind);
    if kind(expected) != kind(found) {
        bail!("fault {:?}, the interpreter has {:?}", found.fault, expected.fault);
    }
    if expected.fault.is_some() {
        return Ok(());
    }
    for (idx, buffer) in run.buffers.iter().enumerate() {
        if buffer.direction != Direction::Scratch {
            compare_buffer(buffer, 0, &expected.buffers[idx], &found.buffers[idx])?;
        }
    }
    let unordered = run.printf.as_ref().is_none_or(|printed| printed.unordered);
    let same = if unordered {
        lines_sorted(&expected.printed) == lines_sorted(&found.printed)
    } else {
        expected.printed == found.printed
    };
    if !same {
        bail!("printed {:?}, the interpreter printed {:?}", found.printed, expected.printed);
    }
    Ok(())
}

/// How many differences are listed.
const MAX_SHOWN: usize = 8;

fn compare_buffer(buffer: &Buffer, start: usize, expected: &[u8], found: &[u8]) -> Result<()> {
    let element = buffer.element;
    let n = expected.len() / element.bytes();
    let list = |bytes: &[u8]| -> Vec<u64> { (0..n).map(|i| element.load(bytes, i)).collect() };
    let (mut expected, mut found) = (list(expected), list(found));
    if buffer.compare == Compare::Unordered {
        expected.sort_unstable();
        found.sort_unstable();
    }
    let mut shown = Vec::new();
    let mut n_different = 0;
    for (i, (&a, &b)) in expected.iter().zip(&found).enumerate() {
        let same = a == b
            || match buffer.compare {
                Compare::Exact => element.ulps(a, b) == Some(0) && element.to_f64(a).is_nan(),
                Compare::Bits | Compare::Unordered => false,
                Compare::Ulp(limit) => element.ulps(a, b).is_some_and(|ulps| ulps <= limit),
                Compare::Tolerance { rel, abs } => {
                    let (x, y) = (element.to_f64(a), element.to_f64(b));
                    let limit = abs + rel * x.abs().max(y.abs());
                    (x.is_nan() && y.is_nan()) || x == y || (limit.is_finite() && (x - y).abs() <= limit)
                }
            };
        if !same {
            n_different += 1;
            if shown.len() < MAX_SHOWN {
                let index = start + i;
                let (a, b) = (element.format(a) + &bits(a), element.format(b) + &bits(b));
                shown.push(format!("  {}[{index}]: expected {a}, found {b}", buffer.name));
            }
        }
    }
    if n_different > 0 {
        bail!("\"{}\" differs in {n_different} of {n} elements:\n{}", buffer.name, shown.join("\n"));
    }
    Ok(())
}

fn bits(bits: u64) -> String {
    format!(" (0x{bits:x})")
}
