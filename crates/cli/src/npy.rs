//! NumPy's `.npy` files: one array with its type and shape (format versions 1 to 3, row-major, little-endian).
//!
//! Our own reader, because the format is a page long and the crates that read it bring an array library along.
//! Source: numpy.lib.format.

use crate::array::{Array, Element};
use anyhow::{Context, Result, bail};
use std::io::Write;
use std::path::Path;

const MAGIC: &[u8] = b"\x93NUMPY";

/// Reads a file.
///
/// # Errors
/// The file cannot be read, is no `.npy` file, or holds what a kernel cannot take; the message says what is accepted.
pub fn read(path: &Path) -> Result<Array> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    decode(bytes).with_context(|| path.display().to_string())
}

/// Writes a file.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, array: &Array) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(path)?;
        file.write_all(&header(array))?;
        file.write_all(&array.bytes)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn header(array: &Array) -> Vec<u8> {
    let shape = match array.shape.as_slice() {
        [one] => format!("({one},)"),
        shape => format!("({})", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    };
    let mut text = format!("{{'descr': '{}', 'fortran_order': False, 'shape': {shape}, }}", array.element.npy());
    // Magic, version and length take 10 bytes; the data starts at a multiple of 64.
    while !(MAGIC.len() + 4 + text.len() + 1).is_multiple_of(64) {
        text.push(' ');
    }
    text.push('\n');
    let length = u16::try_from(text.len()).expect("a header of one type and one shape is short");
    [MAGIC, &[1, 0], &length.to_le_bytes(), text.as_bytes()].concat()
}

fn decode(mut bytes: Vec<u8>) -> Result<Array> {
    let rest = bytes.strip_prefix(MAGIC).context("not a .npy file")?;
    let (start, length) = match rest {
        [1, _, a, b, ..] => (4, usize::from(u16::from_le_bytes([*a, *b]))),
        [2 | 3, _, a, b, c, d, ..] => (6, u32::from_le_bytes([*a, *b, *c, *d]) as usize),
        _ => bail!("a .npy file of an unknown version; accepted are 1 to 3"),
    };
    let text = rest.get(start..).and_then(|rest| rest.get(..length)).context("a .npy file that ends in its header")?;
    let text = std::str::from_utf8(text).context("a .npy header that is no text")?;
    let description = field(text, "descr")?.trim_matches(['\'', '"']);
    let Some(element) = Element::from_npy(description) else {
        bail!("an array of type '{description}'; accepted are little-endian {}", Element::names());
    };
    if field(text, "fortran_order")? != "False" {
        bail!("an array in column-major order; accepted is row-major (numpy.ascontiguousarray)");
    }
    let shape = field(text, "shape")?.trim_start_matches('(').trim_end_matches(')');
    let extents = shape.split(',').map(str::trim).filter(|extent| !extent.is_empty());
    let shape = extents.map(str::parse).collect::<Result<Vec<usize>, _>>().context("a .npy header with a bad shape")?;
    let size = shape.iter().try_fold(element.size_bytes(), |size, extent| size.checked_mul(*extent));
    let data_start = MAGIC.len() + start + length;
    let n_bytes = bytes.len() - data_start;
    if size != Some(n_bytes) {
        bail!("{n_bytes} bytes of data for an array of shape ({}) of {element}", shape_text(&shape));
    }
    bytes.drain(..data_start);
    Ok(Array { element, shape, bytes })
}

/// Extents with commas.
pub fn shape_text(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

/// The value of `name` in the header, a Python dictionary of literals.
fn field<'t>(header: &'t str, name: &str) -> Result<&'t str> {
    let find = |quote: char| header.split_once(&format!("{quote}{name}{quote}")).map(|(_, rest)| rest);
    let rest = find('\'').or_else(|| find('"')).with_context(|| format!("a .npy header without '{name}'"))?;
    let rest = rest.trim_start().trim_start_matches(':').trim_start();
    let end = if rest.starts_with('(') { rest.find(')').map(|end| end + 1) } else { rest.find([',', '}']) };
    Ok(rest[..end.with_context(|| format!("a .npy header that ends in '{name}'"))?].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(array: &Array) -> Vec<u8> {
        [header(array), array.bytes.clone()].concat()
    }

    #[test]
    fn round_trip() {
        for shape in [vec![], vec![6], vec![2, 3], vec![0], vec![1, 2, 3]] {
            let n: usize = shape.iter().product();
            let array = Array { element: Element::F32, shape, bytes: Element::F32.random(n, 1) };
            let file = encode(&array);
            assert_eq!(file.len() % 64, 4 * n % 64);
            assert_eq!(decode(file).expect("what was written"), array);
        }
    }

    /// What NumPy 2.4 writes for `numpy.arange(3, dtype="int16")`, in version 1.0.
    #[test]
    fn numpy_file() {
        let mut file = b"\x93NUMPY\x01\x00\x76\x00{'descr': '<i2', 'fortran_order': False, 'shape': (3,), }".to_vec();
        file.resize(127, b' ');
        file.push(b'\n');
        file.extend([0, 0, 1, 0, 2, 0]);
        let expected = Array { element: Element::I16, shape: vec![3], bytes: vec![0, 0, 1, 0, 2, 0] };
        assert_eq!(decode(file.clone()).expect("well-formed"), expected);
        assert_eq!(encode(&expected), file);
    }

    #[test]
    fn refusals() {
        let array = Array { element: Element::I32, shape: vec![2], bytes: vec![0; 8] };
        let file = encode(&array);
        let replaced = |from: &str, to: &str| {
            let text = String::from_utf8_lossy(&file[10..]).replace(from, to);
            [&file[..10], text.as_bytes()].concat()
        };
        let cases = [
            (b"PK\x03\x04".to_vec(), "not a .npy file"),
            (file[..40].to_vec(), "ends in its header"),
            (file[..file.len() - 1].to_vec(), "7 bytes of data"),
            (replaced("<i4", ">i4"), "type '>i4'"),
            (replaced("False", "True "), "column-major"),
            (replaced("(2,)", "(x,)"), "bad shape"),
            (replaced("(2,)", "(9999999999999999999,)"), "bytes of data"),
            (replaced("'shape'", "'shade'"), "without 'shape'"),
        ];
        for (file, expected) in cases {
            let error = decode(file).expect_err(expected);
            assert!(format!("{error:#}").contains(expected), "{error:#}");
        }
    }
}
