//! The forms of `--arg`, and of launch shapes.

use crate::array::{Array, Element};
use crate::npy;
use anyhow::{Result, bail};
use std::path::PathBuf;
use vgpu::Dim3;

/// Help for `--arg`.
pub const HELP: &str = "\
An argument, in the kernel's order. Repeat for each parameter:
  TYPE:VALUE            a scalar: u32:1048576, f32:2.5, i64:-1, f32:0x3f800000 (bits)
  bytes:HEX             a structure passed by value, as bytes
  in:FILE.npy           an array from a file
  inout:FILE.npy        the same, written back to the file after the launch
  zeros:TYPE[SHAPE]     an array of zeros
  random:TYPE[SHAPE]:SEED  random integers, or floats in [0, 1)
  out:FILE.npy:TYPE[SHAPE]  an array of zeros, written to the file after the launch
TYPE: u8 u16 u32 u64 i8 i16 i32 i64 f16 bf16 f32 f64
SHAPE: 1048576, 2^20, or several extents: 1024x768";

/// A kernel argument as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Bytes of a scalar or of a structure.
    Value {
        /// Little-endian.
        bytes: Vec<u8>,
    },
    /// An array.
    Array {
        /// Where its contents come from.
        source: Source,
        /// Where they go after the launch.
        output: Option<PathBuf>,
    },
}

/// The contents of an array before the launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A `.npy` file.
    File(PathBuf),
    /// Zeros.
    Zeros(Element, Vec<usize>),
    /// Random elements from a seed.
    Random(Element, Vec<usize>, u64),
}

impl Source {
    /// Reads or makes the array.
    ///
    /// # Errors
    /// A file cannot be read, or the array does not fit the address space.
    pub fn load(&self) -> Result<Array> {
        Ok(match self {
            Self::File(path) => npy::read(path)?,
            Self::Zeros(element, shape) => {
                let n_bytes = n_elements(shape) * element.size_bytes();
                Array { element: *element, shape: shape.clone(), bytes: vec![0; n_bytes] }
            }
            Self::Random(element, shape, seed) => {
                Array { element: *element, shape: shape.clone(), bytes: element.random(n_elements(shape), *seed) }
            }
        })
    }
}

fn n_elements(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// Reads one `--arg`.
pub fn parse(text: &str) -> Result<Argument, String> {
    let unknown =
        || format!("\"{text}\" is no argument; accepted are TYPE:VALUE, bytes:, in:, inout:, zeros:, random:, out:");
    let (kind, rest) = text.split_once(':').ok_or_else(unknown)?;
    let array = |source, output| Ok(Argument::Array { source, output });
    match kind {
        "in" => array(Source::File(path(rest)?), None),
        "inout" => array(Source::File(path(rest)?), Some(path(rest)?)),
        "zeros" => {
            let (element, shape) = typed_shape(rest)?;
            array(Source::Zeros(element, shape), None)
        }
        "random" => {
            let (typed, seed) = rest.rsplit_once(':').unwrap_or((rest, "0"));
            let (element, shape) = typed_shape(typed)?;
            let seed = seed.parse().map_err(|_| format!("\"{seed}\" is no seed; accepted is a number"))?;
            array(Source::Random(element, shape, seed), None)
        }
        "out" => {
            let (file, typed) = rest.rsplit_once(':').ok_or("out: needs a file and a type: out:y.npy:f32[1024]")?;
            let (element, shape) = typed_shape(typed)?;
            array(Source::Zeros(element, shape), Some(path(file)?))
        }
        "bytes" => Ok(Argument::Value { bytes: hex(rest)? }),
        name => {
            let element = Element::from_name(name).ok_or_else(unknown)?;
            Ok(Argument::Value { bytes: element.parse_value(rest)? })
        }
    }
}

fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("a file name is missing".to_owned()) } else { Ok(text.into()) }
}

/// `TYPE[SHAPE]`.
fn typed_shape(text: &str) -> Result<(Element, Vec<usize>), String> {
    let parts = text.strip_suffix(']').and_then(|text| text.split_once('['));
    let (name, shape) =
        parts.ok_or_else(|| format!("\"{text}\" is no array; accepted is TYPE[SHAPE], such as f32[1024]"))?;
    let element =
        Element::from_name(name).ok_or_else(|| format!("\"{name}\" is no type; accepted are {}", Element::names()))?;
    let shape = shape.split(['x', ',']).map(extent).collect::<Result<Vec<_>, _>>()?;
    let size = shape.iter().try_fold(element.size_bytes(), |size, extent| size.checked_mul(*extent));
    match size {
        Some(size) if size <= isize::MAX as usize => Ok((element, shape)),
        _ => Err(format!("\"{text}\" is larger than the address space")),
    }
}

/// A decimal number, or a power such as `2^20`.
fn extent(text: &str) -> Result<usize, String> {
    let value = match text.trim().split_once('^') {
        Some((number, power)) => {
            let parts = number.parse::<usize>().ok().zip(power.parse::<u32>().ok());
            parts.and_then(|(number, power)| number.checked_pow(power))
        }
        None => text.trim().parse().ok(),
    };
    value.ok_or_else(|| format!("\"{text}\" is no extent; accepted are numbers and powers such as 2^20"))
}

fn hex(text: &str) -> Result<Vec<u8>, String> {
    let bad = || format!("\"{text}\" is no hexadecimal text of whole bytes");
    if !text.is_ascii() || text.is_empty() || !text.len().is_multiple_of(2) {
        return Err(bad());
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| bad())).collect()
}

/// A launch shape: `X`, `X,Y` or `X,Y,Z`.
pub fn parse_dim3(text: &str) -> Result<Dim3, String> {
    let bad = || format!("\"{text}\" is no shape; accepted are X, X,Y and X,Y,Z with extents from 1");
    let extents = text.split(',').map(|part| part.trim().parse::<u32>().ok().filter(|extent| *extent > 0));
    match extents.collect::<Option<Vec<_>>>().ok_or_else(bad)?.as_slice() {
        [x] => Ok(Dim3::new(*x, 1, 1)),
        [x, y] => Ok(Dim3::new(*x, *y, 1)),
        [x, y, z] => Ok(Dim3::new(*x, *y, *z)),
        _ => Err(bad()),
    }
}

/// The same as an error of this program.
pub fn check_parameters(arguments: &[Argument], expected: &[(String, u32)], kernel: &str) -> Result<()> {
    let found = arguments.len();
    if found != expected.len() {
        let params: Vec<_> = expected.iter().map(|(name, size)| format!("{name} ({size} bytes)")).collect();
        bail!("kernel \"{kernel}\" takes {} arguments, {found} were given: {}", expected.len(), params.join(", "));
    }
    for (idx, (argument, (name, size))) in arguments.iter().zip(expected).enumerate() {
        let bytes = match argument {
            Argument::Value { bytes } => bytes.len(),
            Argument::Array { .. } => 8,
        };
        if bytes != *size as usize {
            bail!("argument {} of kernel \"{kernel}\" has {bytes} bytes; parameter \"{name}\" has {size}", idx + 1);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let zeros = |shape: &[usize]| Source::Zeros(Element::F32, shape.to_vec());
        let cases = [
            ("u32:7", Argument::Value { bytes: vec![7, 0, 0, 0] }),
            ("bytes:00ff", Argument::Value { bytes: vec![0, 255] }),
            ("in:x.npy", Argument::Array { source: Source::File("x.npy".into()), output: None }),
            ("inout:y.npy", Argument::Array { source: Source::File("y.npy".into()), output: Some("y.npy".into()) }),
            ("zeros:f32[2^4]", Argument::Array { source: zeros(&[16]), output: None }),
            ("out:a:b.npy:f32[4x2]", Argument::Array { source: zeros(&[4, 2]), output: Some("a:b.npy".into()) }),
            ("random:u8[3]:9", Argument::Array { source: Source::Random(Element::U8, vec![3], 9), output: None }),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn refusals() {
        let cases = [
            ("7", "is no argument"),
            ("u33:7", "is no argument"),
            ("u32:x", "is no u32"),
            ("in:", "file name is missing"),
            ("zeros:f32", "is no array"),
            ("zeros:f33[4]", "is no type"),
            ("zeros:f32[-1]", "is no extent"),
            ("zeros:f64[2^61]", "larger than the address space"),
            ("zeros:f64[9^99]", "is no extent"),
            ("random:f32[4]:x", "is no seed"),
            ("out:y.npy", "needs a file and a type"),
            ("bytes:0", "is no hexadecimal"),
        ];
        for (text, expected) in cases {
            let error = parse(text).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn shapes() {
        assert_eq!(parse_dim3("4096"), Ok(Dim3::new(4096, 1, 1)));
        assert_eq!(parse_dim3("64, 256"), Ok(Dim3::new(64, 256, 1)));
        assert_eq!(parse_dim3("1,2,3"), Ok(Dim3::new(1, 2, 3)));
        for text in ["", "0", "1,2,3,4", "1,-2", "x"] {
            assert!(parse_dim3(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts_name_the_parameters() {
        let params = [("n".to_owned(), 4), ("x".to_owned(), 8)];
        let (n, x) = (Argument::Value { bytes: vec![0; 4] }, Argument::Value { bytes: vec![0; 8] });
        assert!(check_parameters(&[n.clone(), x.clone()], &params, "k").is_ok());
        let error = check_parameters(&[x, n.clone()], &params, "k").expect_err("exchanged").to_string();
        assert!(error.contains("argument 1 of kernel \"k\" has 8 bytes; parameter \"n\" has 4"), "{error}");
        let error = check_parameters(&[n], &params, "k").expect_err("one is missing").to_string();
        assert!(error.contains("takes 2 arguments, 1 were given: n (4 bytes), x (8 bytes)"), "{error}");
    }
}
