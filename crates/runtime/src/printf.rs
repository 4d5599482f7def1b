//! `printf` as device code calls it: C conversion semantics over packed arguments.
//!
//! Each argument lies at a multiple of its size: 4 bytes for `int`-sized conversions, 8 for `l`, `ll`, `j`, `z`, `t`, pointers, strings and
//! all floating-point conversions (promoted to `double`). Numbers are rendered by the C library, one sanitised conversion at a
//! time. Not supported, printed as they stand: `%n`, `%lc`, `%ls`, `long double`. Source: CUDA C++ Programming Guide, "Formatted Output".

use crate::exec::cformat;

/// Where arguments come from.
pub(crate) trait Arguments {
    /// The next argument of `bytes` (4 or 8) bytes; `None` when it cannot be read.
    fn word(&mut self, bytes: u32) -> Option<u64>;
    /// The zero-terminated string at an address; `None` when it cannot be read.
    fn text(&mut self, address: u64) -> Option<Vec<u8>>;
}

/// Largest field width and precision honoured: a kernel must not make the host allocate gigabytes.
const MAX_FIELD: i32 = 4096;

/// One conversion, such as `%-8.3lf`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conversion {
    /// Any of `-+ #0`.
    pub(crate) flags: String,
    /// Field width.
    pub(crate) width: Option<i32>,
    /// Digits after the point, or most characters of a string.
    pub(crate) precision: Option<i32>,
    /// Conversion letter.
    pub(crate) letter: u8,
}

/// Bytes of an integer argument by length modifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Char,
    Short,
    Int,
    Long,
}

/// Formats. Returns the text and the number of arguments used; `None` when an argument could not be read.
pub(crate) fn format(format: &[u8], args: &mut dyn Arguments) -> Option<(Vec<u8>, u32)> {
    let mut out = Vec::with_capacity(format.len() + 16);
    let mut n_args = 0;
    let mut rest = format;
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let used = convert(rest, args, &mut out, &mut n_args)?;
        rest = &rest[used..];
    }
    out.extend_from_slice(rest);
    Some((out, n_args))
}

/// Renders the conversion at the start of `text`, which is a `%`. Returns its length.
fn convert(text: &[u8], args: &mut dyn Arguments, out: &mut Vec<u8>, n_args: &mut u32) -> Option<usize> {
    let mut at = 1;
    let mut conversion = Conversion::default();
    while let Some(flag @ (b'-' | b'+' | b' ' | b'#' | b'0')) = text.get(at) {
        if !conversion.flags.contains(*flag as char) {
            conversion.flags.push(*flag as char);
        }
        at += 1;
    }
    let mut next = |bytes| {
        *n_args += 1;
        args.word(bytes)
    };
    conversion.width = number(text, &mut at, &mut next)?;
    if let Some(width) = conversion.width.filter(|width| *width < 0) {
        // A negative `*` width means left-justified.
        conversion.flags.push('-');
        conversion.width = Some(width.saturating_neg().min(MAX_FIELD));
    }
    if text.get(at) == Some(&b'.') {
        at += 1;
        // A negative `*` precision counts as none.
        conversion.precision = Some(number(text, &mut at, &mut next)?.unwrap_or(0)).filter(|precision| *precision >= 0);
    }
    let length = length(text, &mut at);
    let Some(&letter) = text.get(at) else {
        out.extend_from_slice(text);
        return Some(text.len());
    };
    at += 1;
    conversion.letter = letter;
    match letter {
        b'%' => out.push(b'%'),
        b'd' | b'i' => {
            let value = match length {
                Length::Long => next(8)? as i64,
                Length::Int => i64::from(next(4)? as i32),
                Length::Short => i64::from(next(4)? as i16),
                Length::Char => i64::from(next(4)? as i8),
            };
            cformat::signed(&conversion, value, out);
        }
        b'u' | b'o' | b'x' | b'X' => {
            let value = match length {
                Length::Long => next(8)?,
                Length::Int => u64::from(next(4)? as u32),
                Length::Short => u64::from(next(4)? as u16),
                Length::Char => u64::from(next(4)? as u8),
            };
            cformat::unsigned(&conversion, value, out);
        }
        b'f' | b'F' | b'e' | b'E' | b'g' | b'G' | b'a' | b'A' => {
            cformat::double(&conversion, f64::from_bits(next(8)?), out);
        }
        b'c' => padded(&conversion, &[next(4)? as u8], out),
        b'p' => {
            let address = next(8)?;
            let shown = if address == 0 { "(nil)".to_owned() } else { format!("{address:#x}") };
            padded(&conversion, shown.as_bytes(), out);
        }
        b's' => {
            let address = next(8)?;
            let text = if address == 0 { b"(null)".to_vec() } else { args.text(address)? };
            let most = conversion.precision.map_or(text.len(), |most| text.len().min(most as usize));
            padded(&conversion, &text[..most], out);
        }
        _ => out.extend_from_slice(&text[..at]),
    }
    Some(at)
}

/// Digits or `*` at `at`. The outer `None`: the argument could not be read.
#[expect(clippy::option_option, reason = "unreadable and absent are different")]
fn number(text: &[u8], at: &mut usize, next: &mut dyn FnMut(u32) -> Option<u64>) -> Option<Option<i32>> {
    if text.get(*at) == Some(&b'*') {
        *at += 1;
        return Some(Some((next(4)? as i32).clamp(-MAX_FIELD, MAX_FIELD)));
    }
    let mut value = None;
    while let Some(digit @ b'0'..=b'9') = text.get(*at) {
        value = Some((value.unwrap_or(0) * 10 + i32::from(digit - b'0')).min(MAX_FIELD));
        *at += 1;
    }
    Some(value)
}

fn length(text: &[u8], at: &mut usize) -> Length {
    let (length, used) = match &text[*at..] {
        [b'h', b'h', ..] => (Length::Char, 2),
        [b'h', ..] => (Length::Short, 1),
        [b'l', b'l', ..] => (Length::Long, 2),
        [b'l' | b'j' | b'z' | b't', ..] => (Length::Long, 1),
        _ => (Length::Int, 0),
    };
    *at += used;
    length
}

fn padded(conversion: &Conversion, text: &[u8], out: &mut Vec<u8>) {
    let padding = (conversion.width.unwrap_or(0) as usize).saturating_sub(text.len());
    let left = conversion.flags.contains('-');
    if !left {
        out.resize(out.len() + padding, b' ');
    }
    out.extend_from_slice(text);
    if left {
        out.resize(out.len() + padding, b' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packs arguments as device code does.
    #[derive(Default)]
    struct Packed {
        bytes: Vec<u8>,
        at: usize,
        strings: Vec<&'static str>,
    }

    impl Packed {
        fn int(mut self, value: i32) -> Self {
            self.bytes.extend_from_slice(&value.to_le_bytes());
            self
        }

        fn long(mut self, value: i64) -> Self {
            self.bytes.resize(self.bytes.len().next_multiple_of(8), 0xee);
            self.bytes.extend_from_slice(&value.to_le_bytes());
            self
        }

        fn double(self, value: f64) -> Self {
            self.long(value.to_bits() as i64)
        }

        fn string(mut self, text: &'static str) -> Self {
            self.strings.push(text);
            let address = self.strings.len() as i64;
            self.long(address)
        }
    }

    impl Arguments for Packed {
        fn word(&mut self, bytes: u32) -> Option<u64> {
            let start = self.at.next_multiple_of(bytes as usize);
            let end = start + bytes as usize;
            let mut word = [0; 8];
            word[..bytes as usize].copy_from_slice(self.bytes.get(start..end)?);
            self.at = end;
            Some(u64::from_le_bytes(word))
        }

        fn text(&mut self, address: u64) -> Option<Vec<u8>> {
            self.strings.get(address as usize - 1).map(|text| text.as_bytes().to_vec())
        }
    }

    #[track_caller]
    fn check(text: &str, mut args: Packed, expected: &str) {
        let (out, _) = format(text.as_bytes(), &mut args).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn integers() {
        check(
            "%d|%5d|%-5d|%05d|%+d",
            Packed::default().int(-7).int(42).int(42).int(42).int(42),
            "-7|   42|42   |00042|+42",
        );
        check(
            "%u %x %X %#o %#x",
            Packed::default().int(-1).int(255).int(255).int(8).int(255),
            "4294967295 ff FF 010 0xff",
        );
        check("%lld %ld %zu", Packed::default().long(i64::MIN).long(-1).long(3), "-9223372036854775808 -1 3");
        check("%hd %hhd %hu", Packed::default().int(0x1_fffe).int(0x1ff).int(-1), "-2 -1 65535");
        check("%d %lld %d", Packed::default().int(1).long(2).int(3), "1 2 3");
        check("%*d|%-*d|%.*d", Packed::default().int(4).int(7).int(4).int(7).int(3).int(7), "   7|7   |007");
    }

    #[test]
    fn floats() {
        check(
            "%f %.2f %8.3f %e %g",
            [1.5, 2.0 / 3.0, -1.0, 12345.678, 1e-10].into_iter().fold(Packed::default(), Packed::double),
            "1.500000 0.67   -1.000 1.234568e+04 1e-10",
        );
        check("%f %F %5.1f", Packed::default().double(f64::INFINITY).double(f64::NAN).double(0.25), "inf NAN   0.2");
        check("%a", Packed::default().double(1.0), "0x1p+0");
    }

    #[test]
    fn text_and_pointers() {
        check(
            "%s|%6s|%-6s|%.2s|%c%%",
            Packed::default().string("abc").string("abc").string("abc").string("abc").int(33),
            "abc|   abc|abc   |ab|!%",
        );
        check("%p %p %s", Packed::default().long(0xdead_beef).long(0).long(0), "0xdeadbeef (nil) (null)");
    }

    #[test]
    fn strange_formats_are_bounded_and_never_panic() {
        check("100%", Packed::default(), "100%");
        check("%y %", Packed::default(), "%y %");
        check("%-", Packed::default(), "%-");
        let (out, _) = format(b"%999999999d", &mut Packed::default().int(1)).unwrap();
        assert_eq!(out.len(), 4096);
        assert_eq!(format(b"%d", &mut Packed::default()), None);
    }

    #[test]
    fn arguments_are_counted() {
        let (_, n_args) = format(b"%d %s %%", &mut Packed::default().int(1).string("x")).unwrap();
        assert_eq!(n_args, 2);
    }
}
