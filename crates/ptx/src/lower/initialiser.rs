//! Initial contents of variables: nested lists to bytes and addresses.
//!
//! Elements fill the array in row order; an inner list starts a new row and may be shorter than it (the rest is zero).
//!
//! Source: PTX ISA "Initializers".

use super::Lowered;
use super::immediate::{Misfit, immediate_bits};
use super::layout::declared_type;
use crate::ast::{Const, Init, InitAddress, Variable};
use crate::ir::{InitPart, ScalarType, SymbolRef};
use crate::parser::shorten;
use std::collections::HashMap;
use vgpu_types::{Diagnostic, Span};

/// Largest variable that may have an initialiser, in bytes: the bytes are kept in memory.
const MAX_INITIALISED_BYTES: u64 = 1 << 30;

/// The size that an initialiser gives to an array declared `[]`.
pub(super) fn unsized_bytes(variable: &Variable<'_>, init: &Init<'_>) -> Lowered<u64> {
    let ty = declared_type(variable)?;
    let inner: u64 = variable.dims.iter().skip(1).map(|dim| dim.unwrap_or(1)).fold(1, u64::saturating_mul);
    let row = inner.saturating_mul(u64::from(ty.bytes() * variable.vector));
    let rows = match init {
        Init::List(items, _) if inner == 1 && variable.vector == 1 => items.len() as u64,
        Init::List(items, _) if items.iter().all(|item| matches!(item, Init::List(..))) => items.len() as u64,
        Init::List(items, _) => (items.len() as u64).div_ceil((row / u64::from(ty.bytes().max(1))).max(1)),
        Init::Text(text) => text.text.len() as u64 + 1,
        Init::Value(_) | Init::Address(_) => 1,
    };
    match rows.checked_mul(row).filter(|&size| size <= MAX_INITIALISED_BYTES) {
        Some(size) => Ok(size),
        None => Err(Box::new(Diagnostic::error("too-large", variable.span, "the initialised array is too large"))),
    }
}

/// The initial contents of a variable of `size` bytes.
pub(super) fn initial_parts(
    symbols: &HashMap<&str, SymbolRef>,
    variable: &Variable<'_>,
    init: &Init<'_>,
    ty: ScalarType,
    size: u64,
) -> Lowered<Vec<InitPart>> {
    if size > MAX_INITIALISED_BYTES {
        let message = format!("`{}` is too large to be initialised", shorten(variable.name.text));
        return Err(Box::new(Diagnostic::error("too-large", variable.span, message)));
    }
    let mut writer = Writer { symbols, ty, size, bytes: Vec::new(), parts: Vec::new() };
    // Bytes of one row at each depth of lists.
    let element = u64::from(ty.bytes());
    let mut strides = vec![element];
    let mut row = element;
    if variable.vector > 1 {
        row *= u64::from(variable.vector);
        strides.insert(0, row);
    }
    for dim in variable.dims.iter().skip(1).rev() {
        row = row.saturating_mul(dim.unwrap_or(1));
        strides.insert(0, row);
    }
    if variable.dims.is_empty() && variable.vector == 1 {
        // A scalar: `= 5` or `= {5}`.
        match init {
            Init::List(items, _) if items.len() == 1 => writer.element(&items[0], 0)?,
            _ => writer.element(init, 0)?,
        };
    } else {
        let strides = if variable.dims.is_empty() { &strides[1..] } else { &strides[..] };
        match init {
            Init::List(items, _) => writer.list(items, 0, size, strides)?,
            Init::Text(_) => writer.element(init, 0).map(|_| ())?,
            _ => {
                let message = "an array takes an initialiser in braces";
                return Err(Box::new(Diagnostic::error("bad-initialiser", variable.span, message)));
            }
        }
    }
    let Writer { bytes, mut parts, .. } = writer;
    let used = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    if used > 0 {
        let mut bytes = bytes;
        bytes.truncate(used);
        parts.insert(0, InitPart::Bytes { offset: 0, bytes });
    }
    Ok(parts)
}

struct Writer<'w, 's> {
    symbols: &'w HashMap<&'s str, SymbolRef>,
    ty: ScalarType,
    size: u64,
    bytes: Vec<u8>,
    parts: Vec<InitPart>,
}

impl Writer<'_, '_> {
    /// Items of a list into `start..end`; an inner list takes `strides[0]` bytes.
    fn list(&mut self, items: &[Init<'_>], start: u64, end: u64, strides: &[u64]) -> Lowered<()> {
        let mut at = start;
        for item in items {
            match item {
                Init::List(inner, span) => {
                    let Some((&row, rest)) = strides.split_first() else { return Err(too_deep(*span)) };
                    if rest.is_empty() && inner.len() > 1 {
                        return Err(too_deep(*span));
                    }
                    if at.checked_add(row).is_none_or(|row_end| row_end > end) {
                        return Err(self.overflow(*span));
                    }
                    match (rest.is_empty(), inner.first()) {
                        (true, Some(value)) => {
                            self.element(value, at)?;
                        }
                        (true, None) => {}
                        (false, _) => self.list(inner, at, at + row, rest)?,
                    }
                    at += row;
                }
                _ => {
                    let written = self.element(item, at)?;
                    at += written;
                    if at > end {
                        return Err(self.overflow(span_of(item)));
                    }
                }
            }
        }
        Ok(())
    }

    /// One element at byte `at`; gives the bytes it takes.
    fn element(&mut self, item: &Init<'_>, at: u64) -> Lowered<u64> {
        match item {
            Init::Value(value) => self.value(*value, at),
            Init::Text(text) => {
                let bytes: Vec<u8> = text.text.bytes().chain([0]).collect();
                // The closing zero is dropped when the array has exactly the length of the text.
                let room = self.size.saturating_sub(at) as usize;
                if bytes.len() > room + 1 {
                    return Err(self.overflow(text.span));
                }
                let n = bytes.len().min(room);
                self.put(at, &bytes[..n]);
                Ok(n as u64)
            }
            Init::Address(address) => self.address(address, at),
            Init::List(_, span) => Err(too_deep(*span)),
        }
    }

    fn value(&mut self, value: Const, at: u64) -> Lowered<u64> {
        let bytes = u64::from(self.ty.bytes());
        if at + bytes > self.size {
            return Err(self.overflow(value.span));
        }
        match immediate_bits(value.value, self.ty) {
            Ok((bits, _)) => {
                let wide = u128::from(bits).to_le_bytes();
                self.put(at, &wide[..bytes as usize]);
                Ok(bytes)
            }
            Err(Misfit::FloatForInteger) => {
                let message = format!("a floating-point number cannot initialise `.{}`", self.ty);
                Err(Box::new(Diagnostic::error("bad-initialiser", value.span, message)))
            }
            Err(Misfit::IntegerForFloat) => {
                // C texts write `{1, 2}` for floats; ptxas takes the value.
                let float = match value.value {
                    crate::ast::ConstValue::Unsigned(integer) => integer as f64,
                    other => other.integer_bits().unwrap_or(0) as i64 as f64,
                };
                let float = crate::ast::ConstValue::F64(float.to_bits());
                self.value(Const { value: float, span: value.span }, at)
            }
        }
    }

    fn address(&mut self, address: &InitAddress<'_>, at: u64) -> Lowered<u64> {
        let span = address.symbol.span;
        let Some(&symbol) = self.symbols.get(address.symbol.text) else {
            let message = format!("`{}` is not a variable or function of this text", shorten(address.symbol.text));
            return Err(Box::new(Diagnostic::error("unknown-name", span, message)));
        };
        let element = u64::from(self.ty.bytes());
        if at + element > self.size {
            return Err(self.overflow(span));
        }
        let shift = match (address.mask, element) {
            (None, 4 | 8) => 0,
            (None, _) => {
                let message = format!(
                    "an address does not fit `.{}`; accepted: `.u64`, `.b64`, `.u32`, or a mask such as `0xff(name)`",
                    self.ty
                );
                return Err(Box::new(Diagnostic::error("bad-initialiser", span, message)));
            }
            (Some(mask), 1) if mask != 0 && mask >> mask.trailing_zeros() == 0xff && mask.trailing_zeros() % 8 == 0 => {
                mask.trailing_zeros()
            }
            (Some(mask), _) => {
                let message =
                    format!("mask {mask:#x} on `.{}`; accepted: one byte of the address, in `.u8` or `.b8`", self.ty);
                return Err(Box::new(Diagnostic::error("bad-initialiser", span, message)));
            }
        };
        self.parts.push(InitPart::Address {
            offset: at as u32,
            size: element as u32,
            symbol,
            addend: address.addend,
            generic: address.generic,
            shift,
        });
        Ok(element)
    }

    fn put(&mut self, at: u64, bytes: &[u8]) {
        let (at, end) = (at as usize, at as usize + bytes.len());
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[at..end].copy_from_slice(bytes);
    }

    fn overflow(&self, span: Span) -> Box<Diagnostic> {
        let message = format!("the initialiser is longer than the variable's {} bytes", self.size);
        Box::new(Diagnostic::error("bad-initialiser", span, message))
    }
}

fn too_deep(span: Span) -> Box<Diagnostic> {
    Box::new(Diagnostic::error("bad-initialiser", span, "more braces than the array has dimensions"))
}

fn span_of(init: &Init<'_>) -> Span {
    match init {
        Init::Value(value) => value.span,
        Init::List(_, span) => *span,
        Init::Text(text) => text.span,
        Init::Address(address) => address.symbol.span,
    }
}
