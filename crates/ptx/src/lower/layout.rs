//! Sizes, alignments and offsets of declarations.

use super::Lowered;
use super::modifiers::scalar_named;
use crate::ast::{DeclSpace, Variable};
use crate::ir::{Param, RegWidth, ScalarType};
use crate::parser::shorten;
use vgpu_types::Diagnostic;

/// Largest module variable. CUDA's static limit is 2 GiB; a bound keeps hostile sizes from overflowing.
const MAX_VARIABLE_BYTES: u64 = 1 << 40;
/// Largest parameter area or frame variable in bytes.
const MAX_FRAME_BYTES: u64 = 1 << 24;
/// Largest alignment.
const MAX_ALIGN: u64 = 1 << 16;

/// Size and alignment of a variable, and its element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Bytes in all.
    pub size: u64,
    /// Alignment in bytes.
    pub align: u32,
    /// Declared `[]`.
    pub unsized_array: bool,
}

/// The type word of a declaration.
pub(super) fn declared_type(variable: &Variable<'_>) -> Lowered<ScalarType> {
    let word = variable.ty.text;
    if matches!(word, "texref" | "samplerref" | "surfref") {
        let message = format!("variables of type `.{word}` are not supported");
        let diagnostic = Diagnostic::error("unsupported-instruction", variable.ty.span, message);
        return Err(Box::new(diagnostic.with_help("PTX ISA section \"Texture Sampler and Surface Types\"")));
    }
    match scalar_named(word) {
        Some(ScalarType::U4 | ScalarType::S4 | ScalarType::B1) | None => {
            let message = format!(
                "`.{}` is not a type of variables; accepted: `.b8` to `.b128`, `.u8` to `.u64`, `.s8` to `.s64`, `.f16`, `.bf16`, `.f32`, `.f64`, `.pred`",
                shorten(word)
            );
            Err(Box::new(Diagnostic::error("bad-type", variable.ty.span, message)))
        }
        Some(ty) => Ok(ty),
    }
}

/// The width of the registers that a `.reg` declaration makes.
pub(super) fn register_width(ty: ScalarType) -> RegWidth {
    RegWidth::from_bits(ty.bits()).unwrap_or(RegWidth::B32)
}

/// The layout of a variable in memory.
pub(super) fn layout(variable: &Variable<'_>) -> Lowered<Layout> {
    let ty = declared_type(variable)?;
    let too_large = || {
        let message = format!("`{}` is too large", shorten(variable.name.text));
        Box::new(Diagnostic::error("too-large", variable.span, message))
    };
    if ty == ScalarType::Pred && variable.space != DeclSpace::Reg {
        let message = "a variable in memory cannot have type `.pred`";
        return Err(Box::new(Diagnostic::error("bad-type", variable.ty.span, message)));
    }
    let element_bytes = ty.bytes() * variable.vector;
    let mut size = u64::from(element_bytes);
    let mut unsized_array = false;
    for dim in &variable.dims {
        match dim {
            Some(count) => {
                size = size.checked_mul(*count).filter(|&size| size <= MAX_VARIABLE_BYTES).ok_or_else(too_large)?
            }
            None => unsized_array = true,
        }
    }
    if unsized_array {
        size = 0;
    }
    if matches!(variable.space, DeclSpace::Param | DeclSpace::Local) && size > MAX_FRAME_BYTES {
        return Err(too_large());
    }
    let align = variable.align.unwrap_or(u64::from(element_bytes));
    if !align.is_power_of_two() || align > MAX_ALIGN {
        let message = format!("alignment {align} is not a power of two up to {MAX_ALIGN}");
        return Err(Box::new(Diagnostic::error("bad-alignment", variable.span, message)));
    }
    Ok(Layout { size, align: align as u32, unsized_array })
}

/// Lays parameters out one after the other. Gives the parameters; the end is the last one's.
pub(super) fn parameters(variables: &[Variable<'_>]) -> Lowered<Vec<Param>> {
    let mut at = 0u64;
    let mut params = Vec::with_capacity(variables.len());
    for variable in variables {
        let layout = layout(variable)?;
        let align = u64::from(layout.align);
        at = at.next_multiple_of(align);
        if at + layout.size > MAX_FRAME_BYTES {
            let message = format!("the parameters take more than {MAX_FRAME_BYTES} bytes");
            return Err(Box::new(Diagnostic::error("too-large", variable.span, message)));
        }
        params.push(Param {
            name: variable.name.text.to_owned(),
            offset: at as u32,
            size: layout.size as u32,
            align: layout.align,
        });
        at += layout.size;
    }
    Ok(params)
}
