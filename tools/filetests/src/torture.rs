//! Texts that nobody means well, against the front end: `filetests torture --seconds T --seed S --megabytes N`.
//!
//! First the hostile texts, each of so many megabytes: endless tokens, a million labels, counts that overflow, nesting,
//! lists without end. Then mutations of the texts of the repository until the time is up. Every text must load or be refused
//! with diagnostics that render, without a panic, in time and memory proportional to its length; what parses without
//! diagnostics must print and parse again.
//!
//! The same property as the fuzz target in `crates/ptx/fuzz`, without coverage guidance but also without a nightly compiler.

use anyhow::{Context, Result, anyhow, bail};
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use vgpu_types::LineMap;

/// Longest time for any text, and for each megabyte more.
const BASE_TIME: Duration = Duration::from_secs(5);
const TIME_PER_MEGABYTE: Duration = Duration::from_millis(1500);
/// Most memory beside the text: at any length, and for each byte of it.
const BASE_BYTES: u64 = 64 << 20;
const BYTES_PER_BYTE: u64 = 100;
/// Longest text that is mutated, so that many are tried.
const MAX_MUTATED_BYTES: usize = 40_000;

const HEAD: &str = ".version 8.5\n.target sm_90\n.address_size 64\n";
const BODY: &str = ".visible .entry k(.param .u64 p)\n{\n.reg .b32 %r<10>;\n.reg .pred %p<4>;\n.reg .b64 %d<4>;\n";

/// A text from a beginning, a piece repeated to the size, and an end.
fn repeated(head: &str, piece: &str, tail: &str, bytes: usize) -> String {
    let n = bytes / piece.len().max(1);
    let mut text = String::with_capacity(head.len() + n * piece.len() + tail.len());
    text.push_str(head);
    for _ in 0..n {
        text.push_str(piece);
    }
    text.push_str(tail);
    text
}

/// As [`repeated`], with a number in each piece.
fn numbered(head: &str, piece: &dyn Fn(usize) -> String, tail: &str, bytes: usize) -> String {
    let mut text = String::from(head);
    let mut n = 0;
    while text.len() < bytes {
        text.push_str(&piece(n));
        n += 1;
    }
    text.push_str(tail);
    text
}

/// A hostile text: its name and how it is made.
type Hostile = (&'static str, Box<dyn Fn() -> String>);
/// A name, and a piece of a hostile text for each number.
type Numbered = (&'static str, fn(usize) -> String);

/// The hostile texts with their names; made one at a time, since each may be large.
fn hostile(bytes: usize) -> Vec<Hostile> {
    let mut out: Vec<Hostile> = Vec::new();
    let mut add = |name, make: Box<dyn Fn() -> String>| out.push((name, make));
    let pieces: [(&str, &str); 16] = [
        ("spaces", " "),
        ("slashes", "/"),
        ("an open comment", "/* "),
        ("an open string", "\""),
        ("zeros", "\0"),
        ("bytes that are no UTF-8", "\u{fffd}"),
        ("braces", "{"),
        ("parentheses", "("),
        ("brackets", "["),
        ("minus signs", "-"),
        ("semicolons", ";"),
        ("dots", "."),
        ("a number without end", "9"),
        ("a name without end", "a"),
        ("guards", "@p "),
        ("commas", ","),
    ];
    for (name, piece) in pieces {
        add(name, Box::new(move || repeated("", piece, "", bytes)));
        add(name, Box::new(move || repeated(&format!("{HEAD}{BODY}"), piece, "ret;\n}\n", bytes)));
        add(name, Box::new(move || repeated(&format!("{HEAD}.global .b32 x = "), piece, ";\n", bytes)));
        add(name, Box::new(move || repeated(&format!("{HEAD}{BODY}mov.b32 %r1, "), piece, ";ret;\n}\n", bytes)));
    }
    let in_body = move |piece: &'static str| repeated(&format!("{HEAD}{BODY}"), piece, "ret;\n}\n", bytes);
    add("instructions", Box::new(move || in_body("add.s32 %r1, %r2, %r3;\n")));
    add("short instructions", Box::new(move || in_body("exit;")));
    add("branches", Box::new(move || in_body("@%p1 bra L;\n").replace("ret;", "L: ret;")));
    add("scopes", Box::new(move || in_body("{ .reg .b32 %x; mov.b32 %x, 1; }\n")));
    add("locations", Box::new(move || in_body(".loc 1 1 1\n")));
    add("pragmas", Box::new(move || in_body(".pragma \"x\";")));
    add("unknown instructions", Box::new(move || in_body("x;")));
    add(
        "a long opcode",
        Box::new(move || repeated(&format!("{HEAD}{BODY}add"), ".s32", " %r1, %r1, %r1; ret;\n}\n", bytes)),
    );
    add(
        "a long vector",
        Box::new(move || repeated(&format!("{HEAD}{BODY}mov.b64 %d1, {{"), "%r1,", "%r1}; ret;\n}\n", bytes)),
    );
    add(
        "many operands",
        Box::new(move || repeated(&format!("{HEAD}{BODY}call f, ("), "%r1,", "%r1); ret;\n}\n", bytes)),
    );
    add("an initialiser", Box::new(move || repeated(&format!("{HEAD}.global .b8 x[] = {{"), "1,", "1};\n", bytes)));
    add("dimensions", Box::new(move || repeated(&format!("{HEAD}.global .b8 x"), "[1]", ";\n", bytes)));
    add(
        "a debug section",
        Box::new(move || repeated(&format!("{HEAD}.section .debug_info {{\n"), ".b8 1,2,3\n", "}\n", bytes)),
    );
    add("targets", Box::new(move || repeated(".version 8.5\n.target sm_90", ",debug", "\n", bytes)));
    let all: [Numbered; 8] = [
        ("labels", |n| format!("L{n}:\n")),
        ("labels and branches", |n| format!("L{n}: @%p1 bra L{};\n", n / 2)),
        ("registers", |n| format!(".reg .b32 %a{n};\n")),
        ("registers of a range", |n| format!("mov.b32 %z{n}, %z{};\n", n / 2)),
        ("register ranges", |n| format!(".reg .b32 %c{n}_<1000000>;\n")),
        ("local arrays", |n| format!(".local .b8 v{n}[100000];\n")),
        ("branch targets", |n| format!("T{n}: .branchtargets L;\n")),
        ("prototypes", |n| format!("P{n}: .callprototype _ (.param .b32 _);\n")),
    ];
    for (name, piece) in all {
        let head = format!("{HEAD}{BODY}.reg .b32 %z<4000000000>;\n");
        add(name, Box::new(move || numbered(&head, &piece, "L: ret;\n}\n", bytes)));
    }
    let items: [Numbered; 6] = [
        ("functions", |n| format!(".func f{n}() {{ ret; }}\n")),
        ("declarations", |n| format!(".extern .func f{n}(.param .b32 a);\n")),
        ("variables", |n| format!(".global .b32 v{n} = {n};\n")),
        ("pointers", |n| format!(".global .u64 v{n} = v{};\n", n / 2)),
        ("files", |n| format!(".file {n} \"a.cu\"\n")),
        ("aliases", |n| format!(".alias a{n}, f;\n")),
    ];
    for (name, piece) in items {
        add(name, Box::new(move || numbered(HEAD, &piece, "", bytes)));
    }
    add(
        "parameters",
        Box::new(move || {
            numbered(&format!("{HEAD}.entry k(.param .u32 p"), &|n| format!(",.param .u32 p{n}"), ") { ret; }", bytes)
        }),
    );
    for declaration in [
        ".global .b8 x[4611686018427387904];",
        ".global .b64 x[4294967296][4294967296][4294967296];",
        ".shared .align 65536 .b8 x[1099511627776];",
        ".const .b8 x[18446744073709551615] = {1};",
        ".extern .shared .b8 x[];",
        ".entry k() { .local .b8 x[4611686018427387904]; ret; }",
        ".entry k(.param .align 128 .b8 p[4294967295]) { ret; }",
        ".entry k() .maxntid 4294967295, 4294967295, 4294967295 { ret; }",
        ".entry k() { .reg .v4 .b32 %v<4294967295>; ret; }",
    ] {
        add("a huge declaration", Box::new(move || format!("{HEAD}{declaration}\n")));
    }
    out
}

/// Loads a text in every way there is.
fn load(text: &str) -> Result<(), String> {
    let found = match vgpu_ptx::load_strict(text) {
        Ok((module, warnings)) => {
            std::hint::black_box(vgpu_ptx::print(&module).len());
            warnings
        }
        Err(found) => found,
    };
    if found.len() > 1000 {
        return Err(format!("{} diagnostics", found.len()));
    }
    let lines = LineMap::new(text);
    for one in found.iter().take(20) {
        if one.code == "invalid-ir" {
            return Err(format!("lowering broke a rule: {}", one.message));
        }
        if one.render("text.ptx", text, &lines).len() > 20_000 {
            return Err(format!("a message of [{}] is too long", one.code));
        }
    }
    Ok(())
}

fn round_trip(text: &str) -> Result<(), String> {
    let (tree, found) = vgpu_ptx::parse(text);
    if !found.is_empty() {
        return Ok(());
    }
    let printed = vgpu_ptx::print_ast(&tree);
    let (again, found) = vgpu_ptx::parse(&printed);
    if found.is_empty() && vgpu_ptx::print_ast(&again) == printed {
        Ok(())
    } else {
        Err("printing does not give the text back".to_owned())
    }
}

/// Highest resident memory since the last call of [`forget_peak`], from Linux's `/proc`; 0 elsewhere.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0) << 10
}

fn forget_peak() {
    // 5 resets the high-water mark (proc(5)); where that is not possible the bound is only looser.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Tries a text; says what is wrong.
fn check(text: &str) -> Result<(Duration, u64), String> {
    forget_peak();
    let before = peak_bytes();
    let started = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| load(text)));
    let (time, memory) = (started.elapsed(), peak_bytes().saturating_sub(before));
    match outcome {
        Err(_) => return Err("a panic".to_owned()),
        Ok(result) => result?,
    }
    if text.len() < MAX_MUTATED_BYTES {
        catch_unwind(AssertUnwindSafe(|| round_trip(text))).map_err(|_| "a panic while printing".to_owned())??;
    }
    if time > BASE_TIME + TIME_PER_MEGABYTE * (text.len() >> 20) as u32 {
        return Err(format!("took {:.1} s for {} bytes", time.as_secs_f64(), text.len()));
    }
    if memory > BASE_BYTES + BYTES_PER_BYTE * text.len() as u64 {
        return Err(format!("took {} MB for {} bytes", memory >> 20, text.len()));
    }
    Ok((time, memory))
}

/// A sequence of numbers that look random (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

const PIECES: [&str; 30] = [
    "",
    ";",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ",",
    ".",
    "@",
    "@!",
    "|",
    "-",
    "0x",
    "18446744073709551616",
    "\"",
    "/*",
    "//",
    "\0",
    "é",
    "<",
    "4000000000",
    "%r1.x",
    ".reg",
    ".v8",
    ".param",
    "call",
    "ret;",
    "WARP_SZ",
];

/// `text` with one to eight changes: pieces put in, ranges taken out, doubled, moved, or exchanged with `other`.
fn mutated(random: &mut Random, text: &str, other: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..1 + random.below(8) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(40)).min(bytes.len());
        match random.below(8) {
            0 => drop(bytes.splice(at..at, PIECES[random.below(PIECES.len())].bytes())),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part.repeat(1 + random.below(20)));
            }
            3 => {
                let part: Vec<u8> = bytes.drain(at..end).collect();
                let to = random.below(bytes.len() + 1);
                bytes.splice(to..to, part);
            }
            4 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            5 => bytes.truncate(at),
            _ => {
                // Whole lines of another text.
                let lines: Vec<&str> = other.lines().collect();
                let first = random.below(lines.len());
                let part = lines[first..(first + 1 + random.below(6)).min(lines.len())].join("\n") + "\n";
                let start = bytes[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |found| found + 1);
                bytes.splice(start..start, part.into_bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

struct Options {
    seed: u64,
    seconds: u64,
    megabytes: usize,
    folder: PathBuf,
}

fn options(arguments: &[String]) -> Result<Options> {
    let mut options = Options { seed: 1, seconds: 60, megabytes: 1, folder: std::env::temp_dir().join("vgpu-torture") };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| anyhow!("{word} needs a value"))?;
        let number = || value.parse::<u64>().with_context(|| format!("{word} takes a number, found \"{value}\""));
        match word.as_str() {
            "--seed" => options.seed = number()?,
            "--seconds" => options.seconds = number()?,
            "--megabytes" => options.megabytes = number()? as usize,
            "--out" => options.folder = PathBuf::from(value),
            _ => bail!("unknown option {word}; accepted are --seed S --seconds T --megabytes N --out FOLDER"),
        }
    }
    Ok(options)
}

/// The subcommand `torture`; `corpus` are the texts to mutate.
///
/// # Errors
/// Bad options, or texts that fell; they were written.
pub fn main(arguments: &[String], corpus: &[String]) -> Result<()> {
    let options = options(arguments)?;
    std::panic::set_hook(Box::new(|_| {}));
    let mut fallen = Vec::new();
    let keep = |what: &str, text: &str, reason: &str, fallen: &mut Vec<String>| -> Result<()> {
        println!("{what}: {reason}");
        fallen.push(format!("{what}: {reason}"));
        if text.len() < 10 << 20 {
            std::fs::create_dir_all(&options.folder)
                .with_context(|| format!("cannot make {}", options.folder.display()))?;
            let path = options.folder.join(format!("{}.ptx", fallen.len()));
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    };
    let (mut slowest, mut largest) = ((Duration::ZERO, ""), (0, ""));
    let texts = hostile(options.megabytes << 20);
    for (name, make) in &texts {
        let text = make();
        match check(&text) {
            Ok((time, memory)) => {
                slowest = slowest.max((time, name));
                largest = largest.max((memory / text.len().max(1) as u64, name));
            }
            Err(reason) => keep(name, &text, &reason, &mut fallen)?,
        }
    }
    let mut summary = String::new();
    let _ = write!(summary, "RESULT hostile={} slowest_s={:.1} ({})", texts.len(), slowest.0.as_secs_f64(), slowest.1);
    let _ = write!(summary, " bytes_per_byte={} ({})", largest.0, largest.1);
    let small: Vec<&String> = corpus.iter().filter(|text| text.len() < MAX_MUTATED_BYTES).collect();
    let mut random = Random(options.seed);
    let end = Instant::now() + Duration::from_secs(options.seconds);
    let mut n_mutations = 0u64;
    while Instant::now() < end && !small.is_empty() {
        let (first, second) = (random.below(small.len()), random.below(small.len()));
        let text = mutated(&mut random, small[first], small[second]);
        n_mutations += 1;
        if let Err(reason) = check(&text) {
            keep("a mutation", &text, &reason, &mut fallen)?;
        }
    }
    println!("{summary} mutations={n_mutations} fallen={}", fallen.len());
    if fallen.is_empty() { Ok(()) } else { bail!("{} texts fell; see {}", fallen.len(), options.folder.display()) }
}
