//! C's `printf` formatting, as far as CUDA has it: flags, width, precision, lengths, `d i u o x X c s p f F e E g G a A %`.
//!
//! Source: CUDA C++ programming guide, "Formatted Output"; C11 7.21.6.1. An unknown conversion is printed as it stands.

use super::FaultKind;

/// One conversion specification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Spec {
    minus: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
    /// Bytes of an integer argument after promotion, and the width it is cut to.
    size: u64,
    narrow: u32,
}

/// Longest field; a kernel must not fill memory with one `%*d`.
const MAX_FIELD: usize = 4096;

/// Formats; `next(size)` gives the next argument of 4 or 8 bytes, `text` the string at an address.
pub(super) fn format(
    format: &str,
    next: &mut dyn FnMut(u64) -> Result<u64, FaultKind>,
    text: impl Fn(u64) -> Result<String, FaultKind>,
) -> Result<String, FaultKind> {
    let mut out = String::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let start = &rest[at..];
        let mut chars = start[1..].chars().peekable();
        let mut spec = Spec { size: 4, narrow: 32, ..Spec::default() };
        while let Some(&flag) = chars.peek() {
            match flag {
                '-' => spec.minus = true,
                '+' => spec.plus = true,
                ' ' => spec.space = true,
                '#' => spec.alternate = true,
                '0' => spec.zero = true,
                _ => break,
            }
            chars.next();
        }
        if chars.next_if_eq(&'*').is_some() {
            let width = next(4)? as u32 as i32;
            spec.minus |= width < 0;
            spec.width = (width.unsigned_abs() as usize).min(MAX_FIELD);
        } else {
            spec.width = number(&mut chars);
        }
        if chars.next_if_eq(&'.').is_some() {
            spec.precision = if chars.next_if_eq(&'*').is_some() {
                usize::try_from(next(4)? as u32 as i32).ok().map(|n| n.min(MAX_FIELD))
            } else {
                Some(number(&mut chars))
            };
        }
        while let Some(&length) = chars.peek() {
            match length {
                'h' => spec.narrow = (spec.narrow / 2).max(8),
                'l' | 'z' | 't' | 'j' | 'q' | 'L' => (spec.size, spec.narrow) = (8, 64),
                _ => break,
            }
            chars.next();
        }
        let Some(conversion) = chars.next() else {
            // An unfinished specification at the end.
            out.push_str(start);
            return Ok(out);
        };
        let used = start.len() - chars.map(char::len_utf8).sum::<usize>();
        rest = &start[used..];
        match conversion {
            '%' => out.push('%'),
            'd' | 'i' => {
                let shift = 64 - spec.narrow;
                let value = (next(spec.size)? << shift) as i64 >> shift;
                out.push_str(&integer(&spec, value < 0, &value.unsigned_abs().to_string(), ""));
            }
            'u' | 'o' | 'x' | 'X' => {
                let value = next(spec.size)? & (u64::MAX >> (64 - spec.narrow));
                let digits = match conversion {
                    'u' => value.to_string(),
                    'o' => format!("{value:o}"),
                    'x' => format!("{value:x}"),
                    _ => format!("{value:X}"),
                };
                let unsigned = Spec { plus: false, space: false, ..spec.clone() };
                let prefix = match conversion {
                    'x' if spec.alternate && value != 0 => "0x",
                    'X' if spec.alternate && value != 0 => "0X",
                    'o' if spec.alternate && !digits.starts_with('0') => "0",
                    _ => "",
                };
                out.push_str(&integer(&unsigned, false, &digits, prefix));
            }
            'p' => {
                let digits = format!("{:x}", next(8)?);
                out.push_str(&pad(&spec, "0x", &digits, false));
            }
            'c' => {
                let byte = next(4)? as u8;
                out.push_str(&pad(&spec, "", &char::from(byte).to_string(), false));
            }
            's' => {
                let value = text(next(8)?)?;
                let shown: String = value.chars().take(spec.precision.unwrap_or(usize::MAX)).collect();
                out.push_str(&pad(&spec, "", &shown, false));
            }
            'f' | 'F' | 'e' | 'E' | 'g' | 'G' | 'a' | 'A' => {
                let value = f64::from_bits(next(8)?);
                out.push_str(&float(&spec, conversion, value));
            }
            _ => out.push_str(&start[..used]),
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn number(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> usize {
    let mut value = 0usize;
    while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
        value = (value * 10 + digit as usize).min(MAX_FIELD);
        chars.next();
    }
    value
}

/// Fills to the width: spaces on either side, or zeros after the prefix.
fn pad(spec: &Spec, prefix: &str, body: &str, zeros: bool) -> String {
    let fill = spec.width.saturating_sub(prefix.chars().count() + body.chars().count());
    if spec.minus {
        format!("{prefix}{body}{}", " ".repeat(fill))
    } else if zeros {
        format!("{prefix}{}{body}", "0".repeat(fill))
    } else {
        format!("{}{prefix}{body}", " ".repeat(fill))
    }
}

fn sign(spec: &Spec, negative: bool) -> &'static str {
    match (negative, spec.plus, spec.space) {
        (true, ..) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        _ => "",
    }
}

fn integer(spec: &Spec, negative: bool, digits: &str, prefix: &str) -> String {
    // A zero value with precision zero prints no digits.
    let digits = if spec.precision == Some(0) && digits == "0" { "" } else { digits };
    let zeros = spec.precision.unwrap_or(0).saturating_sub(digits.len());
    let body = format!("{}{digits}", "0".repeat(zeros));
    let prefix = format!("{}{prefix}", sign(spec, negative));
    pad(spec, &prefix, &body, spec.zero && spec.precision.is_none())
}

fn float(spec: &Spec, conversion: char, value: f64) -> String {
    let upper = conversion.is_ascii_uppercase();
    let magnitude = value.abs();
    let mut prefix = sign(spec, value.is_sign_negative()).to_owned();
    if !value.is_finite() {
        let word = if value.is_nan() { "nan" } else { "inf" };
        let word = if upper { word.to_ascii_uppercase() } else { word.to_owned() };
        return pad(spec, &prefix, &word, false);
    }
    let body = match conversion.to_ascii_lowercase() {
        'f' => fixed(magnitude, spec.precision.unwrap_or(6), spec.alternate),
        'e' => scientific(magnitude, spec.precision.unwrap_or(6), spec.alternate),
        'g' => general(magnitude, spec.precision.unwrap_or(6).max(1), spec.alternate),
        _ => {
            prefix.push_str("0x");
            hexadecimal(magnitude, spec.precision, spec.alternate)
        }
    };
    let text = |s: String| if upper { s.to_ascii_uppercase() } else { s };
    pad(spec, &text(prefix), &text(body), spec.zero)
}

fn fixed(value: f64, precision: usize, alternate: bool) -> String {
    let point = if alternate && precision == 0 { "." } else { "" };
    format!("{value:.precision$}{point}")
}

/// Digits and exponent of `d.ddd x 10^e`, correctly rounded.
fn decimal(value: f64, precision: usize) -> (String, i32) {
    let text = format!("{value:.precision$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    (digits.to_owned(), exponent.parse().unwrap_or(0))
}

fn with_exponent(digits: &str, exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

fn scientific(value: f64, precision: usize, alternate: bool) -> String {
    let (digits, exponent) = decimal(value, precision);
    let point = if alternate && precision == 0 { "." } else { "" };
    with_exponent(&format!("{digits}{point}"), exponent)
}

fn general(value: f64, precision: usize, alternate: bool) -> String {
    let (digits, exponent) = decimal(value, precision - 1);
    let trimmed = |digits: String| {
        if alternate || !digits.contains('.') {
            return digits;
        }
        digits.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    if exponent < -4 || exponent >= precision as i32 {
        return with_exponent(&trimmed(digits), exponent);
    }
    trimmed(fixed(value, (precision as i32 - 1 - exponent) as usize, alternate))
}

/// `h.hhhp+d` with a leading digit of 1 (0 for zero and, as in glibc, subnormal numbers).
fn hexadecimal(value: f64, precision: Option<usize>, alternate: bool) -> String {
    let bits = value.to_bits();
    let biased = (bits >> 52) as i32;
    let fraction = bits & ((1 << 52) - 1);
    let (mut lead, mut exponent) = if biased == 0 { (0, -1022) } else { (1, biased - 1023) };
    if value == 0.0 {
        exponent = 0;
    }
    let mut digits = format!("{fraction:013x}");
    match precision {
        Some(n) if n < 13 => {
            // Round to nearest even at the cut.
            let shift = 52 - 4 * n as u32;
            let whole = lead << 52 | fraction;
            let kept = whole >> shift;
            let cut = whole & ((1 << shift) - 1);
            let half = 1u64 << (shift - 1);
            let kept = kept + u64::from(cut > half || cut == half && kept & 1 == 1);
            lead = kept >> (4 * n);
            digits = if n == 0 { String::new() } else { format!("{:0n$x}", kept & ((1 << (4 * n)) - 1)) };
        }
        Some(n) => digits.push_str(&"0".repeat(n - 13)),
        None => digits.truncate(digits.trim_end_matches('0').len()),
    }
    let point = if digits.is_empty() && !alternate { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{lead:x}{point}{digits}p{sign}{}", exponent.abs())
}
