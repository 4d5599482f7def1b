//! Case files: PTX with directives in comments that start with `//@`.
//!
//! ```text
//! //@ run: kernel=NAME grid=X[,Y[,Z]] block=X[,Y[,Z]] [shared=BYTES] [cooperative] [timeout-ms=N]
//! //@ arg: TYPE VALUE                              a scalar parameter
//! //@ arg: bytes HH HH ..                          a parameter passed by value
//! //@ arg: struct TYPE VALUE, &NAME, pad N, ..     the same, each field at its natural alignment
//! //@ arg: in|out|inout|scratch NAME: TYPE[N] [= INIT]   a buffer and its address as parameter
//! //@ arg: &NAME[+BYTES]                           the address of a buffer
//! //@ buffer: in|out|inout|scratch NAME: TYPE[N] [= INIT]  a buffer without parameter
//! //@ variable: in|out|inout NAME: TYPE[N] [= INIT]  a module variable: set before, read after
//! //@ compare: NAME exact|bits|unordered|ulp(n)|rel(x)|abs(x)|tolerance(rel, abs)   backends against each other
//! //@ expect: NAME[ [A..B] ] = VALUE ..            written by BLESS=1 from the interpreter
//! //@ expect-hash: NAME = HEX                      the same for long outputs
//! //@ reference: NAME[ [A..B] ] = VALUE ..         from an independent computation; BLESS leaves it alone
//! //@ reference-hash: NAME = HEX
//! //@ numpy: STATEMENT                             where `reference` comes from; tests/make_cases.py runs it
//! //@ expect-fault: trap|illegal-address|misaligned|timeout|assert|stack-overflow|bad-call
//! //@ expect-printf: "text"                        the printed text; several lines are put together; `unordered` after
//!                                                  the word compares sorted lines
//! //@ expect-error: CODE "part of the message"     the file is refused at load
//! //@ link: FILE                                   another module, linked
//! //@ part-of: FILE                                this file is only linked by another
//! ```
//! Directives after a `run` belong to it. Buffers keep no state from one run to the next. `init` words: [`crate::init`].

use crate::element::Element;
use crate::init::{self, Init};
use anyhow::{Context, Result, anyhow, bail};
use std::path::{Path, PathBuf};
use vgpu_types::Dim3;

/// A case file.
#[derive(Clone, Debug)]
pub struct Case {
    /// Where it is.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// Its launches.
    pub runs: Vec<Run>,
    /// Errors that loading must give: code and a part of the message.
    pub errors: Vec<(String, String)>,
    /// Further modules.
    pub links: Vec<PathBuf>,
    /// Linked by another case; not a case itself.
    pub part: bool,
}

/// One launch.
#[derive(Clone, Debug)]
pub struct Run {
    /// Line of the `run` directive, from 1.
    pub line: usize,
    /// Kernel name.
    pub kernel: String,
    /// Grid.
    pub grid: Dim3,
    /// Block.
    pub block: Dim3,
    /// Dynamic shared memory.
    pub shared_bytes: u32,
    /// Launched so that all blocks are alive together.
    pub cooperative: bool,
    /// Time limit for the launch, where the case wants its own.
    pub timeout_ms: Option<u64>,
    /// Parameters in order.
    pub args: Vec<Arg>,
    /// Buffers and module variables.
    pub buffers: Vec<Buffer>,
    /// What the outputs must be.
    pub expects: Vec<Expect>,
    /// How the launch must fail.
    pub fault: Option<Fault>,
    /// What must be printed.
    pub printf: Option<Printed>,
}

/// A parameter.
#[derive(Clone, Debug)]
pub enum Arg {
    /// Bytes as they are.
    Bytes(Vec<u8>),
    /// Address of a buffer plus an offset.
    Address(String, u64),
    /// Fields at their natural alignment.
    Struct(Vec<Arg>),
    /// `pad N` inside a struct.
    Pad(usize),
}

/// What happens with a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Read by the kernel; compared too, since it must not change.
    In,
    /// Written.
    Out,
    /// Read and written.
    InOut,
    /// Written, but its contents depend on scheduling: not compared.
    Scratch,
}

/// A buffer in device memory or a module variable.
#[derive(Clone, Debug)]
pub struct Buffer {
    /// Name in the case, or of the module variable.
    pub name: String,
    /// Module variable.
    pub variable: bool,
    /// Direction.
    pub direction: Direction,
    /// Element type.
    pub element: Element,
    /// Elements.
    pub n: usize,
    /// Initial contents; `None` leaves a module variable as its initialiser made it.
    pub init: Option<Init>,
    /// How results of two backends are compared.
    pub compare: Compare,
}

/// How close two results must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Compare {
    /// Same values: same bits, except that every NaN of a float type is as good as another (the manual does not say
    /// which NaN arithmetic gives).
    Exact,
    /// Same bits.
    Bits,
    /// Same elements, in any order.
    Unordered,
    /// At most that many representable values apart.
    Ulp(u64),
    /// `|a - b| <= abs + rel * max(|a|, |b|)`.
    Tolerance {
        /// Relative part.
        rel: f64,
        /// Absolute part.
        abs: f64,
    },
}

/// An expected output.
#[derive(Clone, Debug)]
pub struct Expect {
    /// Line in the file, from 1.
    pub line: usize,
    /// Buffer.
    pub buffer: String,
    /// What it must hold.
    pub kind: ExpectKind,
    /// From an independent computation: blessing leaves it alone.
    pub reference: bool,
}

/// What a buffer must hold.
#[derive(Clone, Debug)]
pub enum ExpectKind {
    /// Values from an index on.
    Values(usize, Vec<u64>),
    /// Hash of all bytes.
    Hash(String),
}

/// Expected text of `printf`.
#[derive(Clone, Debug)]
pub struct Printed {
    /// The text.
    pub text: String,
    /// Lines may come in any order.
    pub unordered: bool,
}

/// How a launch fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum Fault {
    Trap,
    IllegalAddress,
    Misaligned,
    Timeout,
    Assert,
    StackOverflow,
    BadCall,
}

const FAULTS: [(&str, Fault); 7] = [
    ("trap", Fault::Trap),
    ("illegal-address", Fault::IllegalAddress),
    ("misaligned", Fault::Misaligned),
    ("timeout", Fault::Timeout),
    ("assert", Fault::Assert),
    ("stack-overflow", Fault::StackOverflow),
    ("bad-call", Fault::BadCall),
];

impl Fault {
    /// The name used in case files.
    pub fn name(self) -> &'static str {
        FAULTS.iter().find(|(_, fault)| *fault == self).map_or("", |(name, _)| name)
    }
}

impl Case {
    /// Reads a case file.
    ///
    /// # Errors
    /// Cannot be read, or a directive is wrong; the message has file and line.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(path, text)
    }

    /// Parses the directives of `text`.
    ///
    /// # Errors
    /// A directive is wrong; the message has file and line.
    pub fn parse(path: &Path, text: String) -> Result<Self> {
        let mut case = Self {
            path: path.to_path_buf(),
            text: String::new(),
            runs: Vec::new(),
            errors: Vec::new(),
            links: Vec::new(),
            part: false,
        };
        for (idx, line) in text.lines().enumerate() {
            let Some(directive) = line.strip_prefix("//@") else { continue };
            case.directive(directive.trim(), idx + 1)
                .with_context(|| format!("{}:{}: bad directive", path.display(), idx + 1))?;
        }
        if case.runs.is_empty() && case.errors.is_empty() && !case.part {
            bail!("{}: no \"//@ run:\", \"//@ expect-error:\" or \"//@ part-of:\" directive", path.display());
        }
        for run in &case.runs {
            run.check().with_context(|| format!("{}:{}: bad run", path.display(), run.line))?;
        }
        case.text = text;
        Ok(case)
    }

    fn directive(&mut self, directive: &str, line: usize) -> Result<()> {
        let (word, rest) =
            directive.split_once(':').ok_or_else(|| anyhow!("found \"{directive}\", accepted is \"word: ...\""))?;
        let rest = rest.trim();
        match word.trim() {
            "run" => {
                self.runs.push(parse_run(rest, line)?);
                return Ok(());
            }
            "link" => {
                let folder = self.path.parent().unwrap_or(Path::new(""));
                self.links.push(folder.join(rest));
                return Ok(());
            }
            "part-of" => {
                self.part = true;
                return Ok(());
            }
            "expect-error" => {
                let (code, message) = rest.split_once(' ').unwrap_or((rest, "\"\""));
                self.errors.push((code.to_string(), unquote(message.trim())?));
                return Ok(());
            }
            // For the scripts that make the PTX.
            "source" | "compile" | "numpy" => return Ok(()),
            _ => {}
        }
        let run = self.runs.last_mut().ok_or_else(|| anyhow!("\"{word}\" stands before the first \"run\""))?;
        match word.trim() {
            "arg" => run.arg(rest)?,
            "buffer" => {
                let buffer = parse_buffer(rest, false)?;
                run.buffers.push(buffer);
            }
            "variable" => {
                let buffer = parse_buffer(rest, true)?;
                run.buffers.push(buffer);
            }
            "compare" => {
                let (name, mode) = rest.split_once(' ').ok_or_else(|| anyhow!("compare takes \"NAME MODE\""))?;
                let mode = parse_compare(mode.trim())?;
                run.buffer_mut(name)?.compare = mode;
            }
            "expect" | "reference" => {
                let (target, text) = rest.split_once('=').ok_or_else(|| anyhow!("missing = after the buffer"))?;
                let (name, start, end) = parse_target(target.trim())?;
                let buffer = run.buffer_mut(name)?;
                let values = init::values(text, buffer.element)?;
                if start + values.len() > buffer.n || end.is_some_and(|end| end != start + values.len()) {
                    bail!("{} values do not match \"{}\" of {} elements", values.len(), target.trim(), buffer.n);
                }
                if end.is_none() && values.len() != buffer.n {
                    bail!("{} values given, the buffer has {} elements", values.len(), buffer.n);
                }
                let kind = ExpectKind::Values(start, values);
                run.expects.push(Expect { line, buffer: name.to_string(), kind, reference: word == "reference" });
            }
            "expect-hash" | "reference-hash" => {
                let (name, hash) = rest.split_once('=').ok_or_else(|| anyhow!("missing = after the buffer"))?;
                let name = name.trim().to_string();
                run.buffer_mut(&name)?;
                let kind = ExpectKind::Hash(hash.trim().to_string());
                run.expects.push(Expect { line, buffer: name, kind, reference: word == "reference-hash" });
            }
            "expect-fault" => {
                let found = FAULTS.iter().find(|(name, _)| *name == rest);
                run.fault = Some(found.map(|(_, fault)| *fault).ok_or_else(|| {
                    let known: Vec<_> = FAULTS.iter().map(|(name, _)| *name).collect();
                    anyhow!("unknown fault \"{rest}\"; accepted are {}", known.join(", "))
                })?);
            }
            "expect-printf" => {
                let (unordered, text) = match rest.strip_prefix("unordered") {
                    Some(text) => (true, text.trim()),
                    None => (false, rest),
                };
                let printed = run.printf.get_or_insert(Printed { text: String::new(), unordered });
                printed.text += &unquote(text)?;
            }
            other => bail!(
                "unknown directive \"{other}\"; accepted are run, arg, buffer, variable, compare, expect, expect-hash, \
                 reference, reference-hash, numpy, expect-fault, expect-printf, expect-error, link, part-of"
            ),
        }
        Ok(())
    }
}

impl Run {
    /// The buffer of that name.
    pub fn buffer(&self, name: &str) -> Option<&Buffer> {
        self.buffers.iter().find(|buffer| buffer.name == name)
    }

    fn buffer_mut(&mut self, name: &str) -> Result<&mut Buffer> {
        let found = self.buffers.iter_mut().find(|buffer| buffer.name == name);
        found.ok_or_else(|| anyhow!("unknown buffer \"{name}\""))
    }

    fn arg(&mut self, text: &str) -> Result<()> {
        let word = text.split_whitespace().next().unwrap_or("");
        let arg = match word {
            "in" | "out" | "inout" | "scratch" => {
                let buffer = parse_buffer(text, false)?;
                let arg = Arg::Address(buffer.name.clone(), 0);
                self.buffers.push(buffer);
                arg
            }
            "bytes" => {
                let bytes = text[5..].split_whitespace().map(|hex| {
                    u8::from_str_radix(hex, 16)
                        .with_context(|| format!("bad byte \"{hex}\", accepted are two hex digits"))
                });
                Arg::Bytes(bytes.collect::<Result<_>>()?)
            }
            "struct" => {
                Arg::Struct(text[6..].split(',').map(|field| parse_field(field.trim())).collect::<Result<_>>()?)
            }
            _ => parse_field(text)?,
        };
        self.args.push(arg);
        Ok(())
    }

    fn check(&self) -> Result<()> {
        fn addresses<'a>(arg: &'a Arg, out: &mut Vec<&'a str>) {
            match arg {
                Arg::Address(name, _) => out.push(name),
                Arg::Struct(fields) => fields.iter().for_each(|field| addresses(field, out)),
                Arg::Bytes(_) | Arg::Pad(_) => {}
            }
        }
        let mut names = Vec::new();
        self.args.iter().for_each(|arg| addresses(arg, &mut names));
        for name in names {
            self.buffer(name).ok_or_else(|| anyhow!("parameter with the address of unknown buffer \"{name}\""))?;
        }
        for (idx, buffer) in self.buffers.iter().enumerate() {
            if self.buffers[..idx].iter().any(|earlier| earlier.name == buffer.name) {
                bail!("two buffers are named \"{}\"", buffer.name);
            }
        }
        Ok(())
    }
}

impl Arg {
    /// The parameter's bytes. `address` gives the device address of a buffer.
    pub fn bytes(&self, address: &dyn Fn(&str) -> u64) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Address(name, offset) => (address(name) + offset).to_le_bytes().to_vec(),
            Self::Pad(n) => vec![0; *n],
            Self::Struct(fields) => {
                let mut out = Vec::new();
                let mut largest = 1;
                for field in fields {
                    let bytes = field.bytes(address);
                    if !matches!(field, Self::Pad(_)) {
                        let align = bytes.len().next_power_of_two().clamp(1, 16);
                        out.resize(out.len().next_multiple_of(align), 0);
                        largest = largest.max(align);
                    }
                    out.extend(bytes);
                }
                out.resize(out.len().next_multiple_of(largest), 0);
                out
            }
        }
    }
}

fn parse_run(text: &str, line: usize) -> Result<Run> {
    let mut run = Run {
        line,
        kernel: String::new(),
        grid: Dim3::new(1, 1, 1),
        block: Dim3::new(1, 1, 1),
        shared_bytes: 0,
        cooperative: false,
        timeout_ms: None,
        args: Vec::new(),
        buffers: Vec::new(),
        expects: Vec::new(),
        fault: None,
        printf: None,
    };
    for word in text.split_whitespace() {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match key {
            "kernel" => run.kernel = value.to_string(),
            "grid" => run.grid = parse_dim(value)?,
            "block" => run.block = parse_dim(value)?,
            "shared" => run.shared_bytes = value.parse().with_context(|| format!("bad shared size \"{value}\""))?,
            "cooperative" => run.cooperative = true,
            "timeout-ms" => {
                run.timeout_ms = Some(value.parse().with_context(|| format!("bad timeout \"{value}\""))?);
            }
            _ => bail!("unknown word \"{word}\"; accepted are kernel= grid= block= shared= cooperative timeout-ms="),
        }
    }
    if run.kernel.is_empty() {
        bail!("a run needs kernel=NAME");
    }
    Ok(run)
}

fn parse_dim(text: &str) -> Result<Dim3> {
    let parts: Vec<u32> = text
        .split(',')
        .map(|part| part.parse().with_context(|| format!("bad extent \"{text}\", accepted is X[,Y[,Z]]")))
        .collect::<Result<_>>()?;
    match parts[..] {
        [x] => Ok(Dim3::new(x, 1, 1)),
        [x, y] => Ok(Dim3::new(x, y, 1)),
        [x, y, z] => Ok(Dim3::new(x, y, z)),
        _ => bail!("bad extent \"{text}\", accepted is X[,Y[,Z]]"),
    }
}

fn parse_field(text: &str) -> Result<Arg> {
    if let Some(target) = text.strip_prefix('&') {
        let (name, offset) = target.split_once('+').unwrap_or((target, "0"));
        let offset = offset.trim().parse().with_context(|| format!("bad byte offset \"{offset}\""))?;
        return Ok(Arg::Address(name.trim().to_string(), offset));
    }
    let (ty, value) = text
        .split_once(' ')
        .ok_or_else(|| anyhow!("found parameter \"{text}\", accepted are \"TYPE VALUE\" and \"&BUFFER\""))?;
    if ty == "pad" {
        return Ok(Arg::Pad(value.trim().parse().with_context(|| format!("bad padding \"{value}\""))?));
    }
    let element = Element::from_name(ty)?;
    let mut bytes = Vec::new();
    element.push(&mut bytes, element.parse(value.trim())?);
    Ok(Arg::Bytes(bytes))
}

fn parse_buffer(text: &str, variable: bool) -> Result<Buffer> {
    let form = "accepted is \"in|out|inout|scratch NAME: TYPE[N] [= INIT]\"";
    let (head, init) = match text.split_once('=') {
        Some((head, init)) => (head.trim(), Some(init.trim())),
        None => (text, None),
    };
    let (direction, rest) = head.split_once(' ').ok_or_else(|| anyhow!("found \"{text}\", {form}"))?;
    let direction = match direction {
        "in" => Direction::In,
        "out" => Direction::Out,
        "inout" => Direction::InOut,
        "scratch" => Direction::Scratch,
        _ => bail!("found direction \"{direction}\", {form}"),
    };
    let (name, shape) = rest.split_once(':').ok_or_else(|| anyhow!("found \"{rest}\", {form}"))?;
    let (ty, n) = shape
        .trim()
        .strip_suffix(']')
        .and_then(|shape| shape.split_once('['))
        .ok_or_else(|| anyhow!("found shape \"{}\", {form}", shape.trim()))?;
    let element = Element::from_name(ty.trim())?;
    let n = n.trim().parse().with_context(|| format!("bad element count \"{n}\""))?;
    let init = match init {
        Some(init) => Some(Init::parse(init, element)?),
        None if variable => None,
        None if direction == Direction::In => bail!("an \"in\" buffer needs initial contents"),
        None => Some(Init::Poison),
    };
    let name = name.trim().to_string();
    Ok(Buffer { name, variable, direction, element, n, init, compare: Compare::Exact })
}

/// Parses a comparison mode.
///
/// # Errors
/// Unknown mode or bad number.
pub fn parse_compare(text: &str) -> Result<Compare> {
    let (word, inner) = match text.split_once('(') {
        Some((word, rest)) => (word.trim(), rest.trim_end_matches(')')),
        None => (text, ""),
    };
    let number = |text: &str| text.trim().parse::<f64>().with_context(|| format!("bad number \"{text}\""));
    Ok(match word {
        "exact" => Compare::Exact,
        "bits" => Compare::Bits,
        "unordered" => Compare::Unordered,
        "ulp" => Compare::Ulp(number(inner)? as u64),
        "rel" => Compare::Tolerance { rel: number(inner)?, abs: 0.0 },
        "abs" => Compare::Tolerance { rel: 0.0, abs: number(inner)? },
        "tolerance" => {
            let (rel, abs) = inner.split_once(',').ok_or_else(|| anyhow!("tolerance takes (rel, abs)"))?;
            Compare::Tolerance { rel: number(rel)?, abs: number(abs)? }
        }
        _ => bail!(
            "unknown comparison \"{text}\"; accepted are exact, bits, unordered, ulp(n), rel(x), abs(x), tolerance(rel, abs)"
        ),
    })
}

fn parse_target(text: &str) -> Result<(&str, usize, Option<usize>)> {
    let Some((name, range)) = text.split_once('[') else { return Ok((text, 0, None)) };
    let range = range.strip_suffix(']').ok_or_else(|| anyhow!("missing ] in \"{text}\""))?;
    let (start, end) = range.split_once("..").ok_or_else(|| anyhow!("found range \"{range}\", accepted is A..B"))?;
    let index = |text: &str| text.trim().parse::<usize>().with_context(|| format!("bad index \"{text}\""));
    Ok((name.trim(), index(start)?, Some(index(end)?)))
}

/// The text between quotes, with `\n`, `\t`, `\"` and `\\` replaced.
fn unquote(text: &str) -> Result<String> {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let inner = inner.ok_or_else(|| anyhow!("found {text}, accepted is text in double quotes"))?;
    let mut out = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some('t')) => out.push('\t'),
            ('\\', Some(other)) => out.push(other),
            (c, _) => out.push(c),
        }
    }
    Ok(out)
}

/// The inverse of [`unquote`].
pub fn quote(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\t', "\\t");
    format!("\"{escaped}\"")
}
