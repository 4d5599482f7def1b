//! Tests of the test tool itself: value text, initial contents, directives and their errors, blessing, comparison.

use crate::bless::blessed_text;
use crate::case::{Case, Fault};
use crate::element::Element;
use crate::init::{Init, edge_values};
use crate::outcome::{Outcome, check_agreement, check_expectations, hash};
use anyhow::{Result, bail, ensure};
use libtest_mimic::{Failed, Trial};
use std::path::Path;

/// One test.
type Check = fn() -> Result<()>;

/// The tool's own tests.
pub fn trials() -> Vec<Trial> {
    let checks: [(&str, Check); 6] = [
        ("format/values_survive_text", values_survive_text),
        ("format/initial_contents", initial_contents),
        ("format/errors_name_the_line", errors_name_the_line),
        ("format/struct_layout", struct_layout),
        ("format/bless_rewrites_expectations", bless_rewrites_expectations),
        ("format/comparisons", comparisons),
    ];
    let trial = |(name, check): (&str, Check)| {
        Trial::test(name.to_string(), move || check().map_err(|error| Failed::from(format!("{error:#}"))))
    };
    checks.into_iter().map(trial).collect()
}

const ELEMENTS: [&str; 16] =
    ["u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64", "b8", "b16", "b32", "b64", "f16", "bf16", "f32", "f64"];

fn values_survive_text() -> Result<()> {
    for name in ELEMENTS {
        let element = Element::from_name(name)?;
        for bits in edge_values(element) {
            let text = element.format(bits);
            ensure!(element.parse(&text)? == bits, "{name} {bits:#x} became \"{text}\"");
        }
    }
    ensure!(Element::S8.parse("-129").is_err() && Element::U8.parse("0x100").is_err());
    ensure!(Element::F16.parse("65520")? == 0x7c00 && Element::BF16.parse("1.00390625")? == 0x3f80);
    Ok(())
}

fn initial_contents() -> Result<()> {
    // The numbers are those of bench/gpu/caseformat.py.
    let cases = [
        ("iota(2, 3)", Element::F32, 3, "2 5 8"),
        ("mod(3)", Element::U8, 5, "0 1 2 0 1"),
        ("fill(-7)", Element::S16, 2, "-7 -7"),
        ("random(1)", Element::U32, 3, "2713282036 1703865447 201072194"),
        ("random(2, -5, 5)", Element::S32, 6, "-5 4 0 1 3 -3"),
        ("rows(3, 1, 4)", Element::U32, 4, "0 2 5 6"),
        ("permutation(4)", Element::U16, 5, "0 3 2 4 1"),
    ];
    for (init, element, n, expected) in cases {
        let bytes = Init::parse(init, element)?.bytes(element, n, &|_| bail!("no buffers"))?;
        let values: Vec<_> = (0..n).map(|i| element.format(element.load(&bytes, i))).collect();
        ensure!(values.join(" ") == expected, "{init}: {}", values.join(" "));
    }
    ensure!(Init::parse("1 2 3", Element::U8)?.bytes(Element::U8, 2, &|_| Ok(0)).is_err());
    Ok(())
}

fn parse(text: &str) -> Result<Case> {
    Case::parse(Path::new("case.ptx"), text.to_string())
}

fn errors_name_the_line() -> Result<()> {
    let wrong = [
        ("//@ run: kernel=k\n//@ arg: in x: u33[4] = iota", "case.ptx:2", "u33"),
        ("//@ run: kernel=k\n//@ rum: kernel=k", "case.ptx:2", "unknown directive \"rum\""),
        ("//@ run: grid=1", "case.ptx:1", "kernel=NAME"),
        ("//@ arg: u32 5", "case.ptx:1", "before the first"),
        ("//@ run: kernel=k\n//@ arg: &x", "case.ptx:1", "unknown buffer \"x\""),
        ("//@ run: kernel=k\n//@ expect-fault: smoke", "case.ptx:2", "accepted are trap"),
        ("//@ run: kernel=k\n//@ arg: out x: u32[4]\n//@ expect: x = 1 2 3", "case.ptx:3", "3 values"),
        ("//@ run: kernel=k\n//@ arg: in x: u32[4]", "case.ptx:2", "initial contents"),
        (".version 8.0", "case.ptx", "no \"//@ run:\""),
    ];
    for (text, place, part) in wrong {
        match parse(text) {
            Ok(_) => bail!("accepted: {text}"),
            Err(error) => {
                let message = format!("{error:#}");
                ensure!(message.contains(place) && message.contains(part), "{text}\ngave: {message}");
            }
        }
    }
    Ok(())
}

fn struct_layout() -> Result<()> {
    let case = parse("//@ run: kernel=k\n//@ arg: struct u8 1, u32 2, &x+4, u16 3\n//@ buffer: in x: u8[1] = zeros")?;
    let bytes = case.runs[0].args[0].bytes(&|_| 0x1000);
    ensure!(bytes == [1, 0, 0, 0, 2, 0, 0, 0, 4, 16, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0], "{bytes:?}");
    Ok(())
}

fn bless_rewrites_expectations() -> Result<()> {
    let head = "//@ run: kernel=k\n//@ arg: out x: u16[2]\n//@ arg: out y: u16[2]\n//@ reference: y = 3 4\n";
    let case = parse(&format!("{head}//@ expect: x = 9 9\n.version 8.0\n"))?;
    let outcome = Outcome { buffers: vec![vec![1, 0, 2, 0], vec![9, 0, 9, 0]], printed: "a\n".into(), fault: None };
    let text = blessed_text(&case, &[outcome]);
    ensure!(text == format!("{head}//@ expect: x = 1 2\n//@ expect-printf: \"a\\n\"\n.version 8.0\n"), "{text}");
    Ok(())
}

fn comparisons() -> Result<()> {
    let head = "//@ run: kernel=k\n//@ arg: out x: f32[2]\n";
    let outcome = |values: [f32; 2]| Outcome {
        buffers: vec![values.iter().flat_map(|value| value.to_le_bytes()).collect()],
        ..Outcome::default()
    };
    let next = f32::from_bits(1.0f32.to_bits() + 1);
    let agree = [
        ("exact", [1.0, 2.0], [1.0, 2.0], true),
        ("exact", [0.0, 2.0], [-0.0, 2.0], false),
        ("exact", [f32::NAN, 2.0], [-f32::NAN, 2.0], true),
        ("bits", [f32::NAN, 2.0], [-f32::NAN, 2.0], false),
        ("unordered", [1.0, 2.0], [2.0, 1.0], true),
        ("unordered", [1.0, 2.0], [2.0, 2.0], false),
        ("ulp(1)", [1.0, -0.0], [next, 0.0], true),
        ("ulp(1)", [1.0, 2.0], [f32::NAN, 2.0], false),
        ("rel(0.01)", [100.0, f32::NAN], [100.9, f32::NAN], true),
        ("rel(0.01)", [100.0, f32::INFINITY], [102.0, f32::INFINITY], false),
        ("abs(0.5)", [0.0, f32::INFINITY], [0.4, f32::NEG_INFINITY], false),
    ];
    for (mode, a, b, expected) in agree {
        let case = parse(&format!("{head}//@ compare: x {mode}\n"))?;
        let found = check_agreement(&case.runs[0], &outcome(a), &outcome(b)).is_ok();
        ensure!(found == expected, "{mode} of {a:?} and {b:?} is {found}");
    }
    let case = parse(&format!("{head}//@ expect: x[1..2] = 5\n"))?;
    ensure!(check_expectations(&case, &case.runs[0], &outcome([1.0, 5.0])).is_ok());
    ensure!(check_expectations(&case, &case.runs[0], &outcome([5.0, 1.0])).is_err());
    let fault = Outcome { fault: Some((Fault::Trap, String::new())), ..Outcome::default() };
    ensure!(check_expectations(&case, &case.runs[0], &fault).is_err());
    ensure!(hash(b"123456789") != hash(b"123456789\0"), "the length counts");
    Ok(())
}
