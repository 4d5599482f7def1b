//! Numbers rendered by the C library, one conversion at a time.

use crate::printf::Conversion;
use std::ffi::CString;

/// Longest rendering: a 4096-character field or precision plus the digits of the largest double.
const MAX_BYTES: usize = 8192;

fn specification(conversion: &Conversion, length: &str) -> CString {
    let mut text = format!("%{}", conversion.flags);
    if let Some(width) = conversion.width {
        text.push_str(&width.to_string());
    }
    if let Some(precision) = conversion.precision {
        text.push_str(&format!(".{precision}"));
    }
    text.push_str(length);
    text.push(conversion.letter as char);
    CString::new(text).expect("flags, digits and letters hold no zero byte")
}

fn append(out: &mut Vec<u8>, render: impl Fn(*mut libc::c_char, usize) -> libc::c_int) {
    let mut buffer = [0u8; MAX_BYTES];
    let n = render(buffer.as_mut_ptr().cast(), buffer.len());
    let n = usize::try_from(n).unwrap_or(0).min(buffer.len() - 1);
    out.extend_from_slice(&buffer[..n]);
}

/// Appends a `%d` or `%i`.
pub(crate) fn signed(conversion: &Conversion, value: i64, out: &mut Vec<u8>) {
    let specification = specification(conversion, "ll");
    append(out, |to, size| {
        // SAFETY: the format has exactly one conversion, of a `long long`; the size bounds the write.
        unsafe { libc::snprintf(to, size, specification.as_ptr(), value as libc::c_longlong) }
    });
}

/// Appends a `%u`, `%o`, `%x` or `%X`.
pub(crate) fn unsigned(conversion: &Conversion, value: u64, out: &mut Vec<u8>) {
    let specification = specification(conversion, "ll");
    append(out, |to, size| {
        // SAFETY: the format has exactly one conversion, of an `unsigned long long`; the size bounds the write.
        unsafe { libc::snprintf(to, size, specification.as_ptr(), value as libc::c_ulonglong) }
    });
}

/// Appends a floating-point conversion.
pub(crate) fn double(conversion: &Conversion, value: f64, out: &mut Vec<u8>) {
    let specification = specification(conversion, "");
    append(out, |to, size| {
        // SAFETY: the format has exactly one conversion, of a `double`; the size bounds the write.
        unsafe { libc::snprintf(to, size, specification.as_ptr(), value) }
    });
}
