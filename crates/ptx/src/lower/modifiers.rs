//! The modifiers of one opcode: which were written, which the instruction understood.
//!
//! Model: an instruction family asks for what it knows ([`Modifiers::take`], [`Modifiers::one_of`],
//! [`Modifiers::scalar`]); every question is remembered. What nobody asked for is an error at the end
//! ([`Modifiers::finish`]), and the message lists the questions: so the accepted modifiers in a message are always
//! those the code accepts. Modifiers other than types may stand in any order.

use super::Lowered;
use crate::ir::{Rounding, ScalarType, Scope};
use crate::parser::shorten;
use smallvec::SmallVec;
use vgpu_types::{Diagnostic, Span};

/// One dotted part of an opcode.
#[derive(Clone, Copy)]
struct Part<'s> {
    text: &'s str,
    span: Span,
    used: bool,
}

/// The modifiers of one opcode.
pub(super) struct Modifiers<'s> {
    /// The whole opcode text.
    opcode: &'s str,
    span: Span,
    parts: SmallVec<[Part<'s>; 8]>,
    asked: SmallVec<[&'static str; 32]>,
}

/// All type names, by [`ScalarType::name`].
const TYPES: [ScalarType; 31] = {
    use ScalarType::*;
    [
        Pred, B8, B16, B32, B64, B128, U8, U16, U32, U64, S8, S16, S32, S64, U16x2, S16x2, F16, F16x2, BF16, BF16x2,
        TF32, F32, F64, E4M3, E5M2, E4M3x2, E5M2x2, U4, S4, B1, Pred,
    ]
};

/// The scalar type of that name.
pub(super) fn scalar_named(name: &str) -> Option<ScalarType> {
    TYPES.into_iter().find(|ty| ty.name() == name)
}

/// Type words that exist in PTX but on no machine this crate lowers for.
const NEWER_TYPES: [&str; 18] = [
    "e2m1",
    "e2m1x2",
    "e2m1x4",
    "e2m3",
    "e2m3x2",
    "e2m3x4",
    "e3m2",
    "e3m2x2",
    "e3m2x4",
    "e4m3x4",
    "e5m2x4",
    "ue8m0",
    "ue8m0x2",
    "ue4m3",
    "f32x2",
    "b4",
    "b6x16_p32",
    "b4x16_p64",
];

impl<'s> Modifiers<'s> {
    /// Splits `opcode`, which stands at `span`; gives the root and the modifiers.
    pub(super) fn split(opcode: &'s str, span: Span) -> (&'s str, Self) {
        let mut parts = SmallVec::new();
        let mut at = span.start;
        let mut root = "";
        for (idx, piece) in opcode.split('.').enumerate() {
            let text = piece.trim();
            if idx == 0 {
                root = text;
            } else {
                let span = Span::new(at - 1, at + text.len() as u32);
                parts.push(Part { text, span, used: false });
            }
            at += piece.len() as u32 + 1;
        }
        (root, Self { opcode, span, parts, asked: SmallVec::new() })
    }

    /// The opcode as written, shortened for messages.
    pub(super) fn opcode(&self) -> String {
        shorten(self.opcode)
    }

    /// Where the opcode stands.
    pub(super) const fn span(&self) -> Span {
        self.span
    }

    /// The first modifier, used or not.
    pub(super) fn first(&self) -> &'s str {
        self.parts.first().map_or("", |part| part.text)
    }

    /// True when the modifier is there, used or not.
    pub(super) fn has(&self, name: &str) -> bool {
        self.parts.iter().any(|part| part.text == name)
    }

    /// True when some modifier starts with `prefix`.
    pub(super) fn has_prefix(&self, prefix: &str) -> bool {
        self.parts.iter().any(|part| part.text.starts_with(prefix))
    }

    /// The last scalar type written, used or not.
    pub(super) fn last_scalar(&self) -> Option<ScalarType> {
        self.parts.iter().rev().find_map(|part| scalar_named(part.text))
    }

    /// Takes the modifier when it is there.
    pub(super) fn take(&mut self, name: &'static str) -> bool {
        self.asked.push(name);
        match self.parts.iter_mut().find(|part| !part.used && part.text == name) {
            Some(part) => {
                part.used = true;
                true
            }
            None => false,
        }
    }

    /// Takes the first unused modifier that the table has.
    pub(super) fn one_of<T: Copy>(&mut self, table: &[(&'static str, T)]) -> Option<T> {
        self.asked.extend(table.iter().map(|entry| entry.0));
        for part in self.parts.iter_mut().filter(|part| !part.used) {
            if let Some((_, value)) = table.iter().find(|entry| entry.0 == part.text) {
                part.used = true;
                return Some(*value);
            }
        }
        None
    }

    /// As [`Self::one_of`], but an error when there is none.
    pub(super) fn require<T: Copy>(&mut self, what: &str, table: &[(&'static str, T)]) -> Lowered<T> {
        if let Some(value) = self.one_of(table) {
            return Ok(value);
        }
        let names: Vec<String> = table.iter().map(|entry| format!("`.{}`", entry.0)).collect();
        let message = format!("`{}` needs {what}: {}", self.opcode(), names.join(", "));
        Err(Box::new(Diagnostic::error("missing-modifier", self.span, message)))
    }

    /// Takes the first unused type; an error when it is not one of `accepted` or there is none.
    pub(super) fn scalar(&mut self, accepted: &[ScalarType]) -> Lowered<ScalarType> {
        self.asked.extend(accepted.iter().map(|ty| ty.name()));
        let list = || accepted.iter().map(|ty| format!("`.{ty}`")).collect::<Vec<_>>().join(", ");
        let opcode = shorten(self.opcode);
        for part in self.parts.iter_mut().filter(|part| !part.used) {
            let Some(ty) = scalar_named(part.text) else {
                if NEWER_TYPES.contains(&part.text) {
                    let message =
                        format!("type `.{}` in `{opcode}` is not supported; supported: {}", part.text, list());
                    let diagnostic = Diagnostic::error("unsupported-instruction", part.span, message);
                    return Err(Box::new(
                        diagnostic.with_help("the type needs sm_100 or later; PTX ISA section \"Types\""),
                    ));
                }
                continue;
            };
            if accepted.contains(&ty) {
                part.used = true;
                return Ok(ty);
            }
            let message = format!("`{opcode}` does not take type `.{}`; accepted here: {}", part.text, list());
            return Err(Box::new(Diagnostic::error("bad-type", part.span, message)));
        }
        let (code, span, message) = match self.parts.iter().rev().find(|part| !part.used) {
            Some(part) => (
                "bad-type",
                part.span,
                format!("`.{}` is not a type of `{opcode}`; accepted here: {}", shorten(part.text), list()),
            ),
            None => ("missing-type", self.span, format!("`{opcode}` needs a type: {}", list())),
        };
        Err(Box::new(Diagnostic::error(code, span, message)))
    }

    /// Takes the first unused type when there is one and it is accepted.
    pub(super) fn scalar_opt(&mut self, accepted: &[ScalarType]) -> Option<ScalarType> {
        self.asked.extend(accepted.iter().map(|ty| ty.name()));
        for part in self.parts.iter_mut().filter(|part| !part.used) {
            if let Some(ty) = scalar_named(part.text).filter(|ty| accepted.contains(ty)) {
                part.used = true;
                return Some(ty);
            }
        }
        None
    }

    /// `.rn .rz .rm .rp`.
    pub(super) fn rounding(&mut self) -> Option<Rounding> {
        self.one_of(&[
            ("rn", Rounding::NearestEven),
            ("rz", Rounding::Zero),
            ("rm", Rounding::Down),
            ("rp", Rounding::Up),
        ])
    }

    /// `.cta .cluster .gpu .sys`.
    pub(super) fn scope(&mut self) -> Option<Scope> {
        self.one_of(&[("cta", Scope::Cta), ("cluster", Scope::Cluster), ("gpu", Scope::Gpu), ("sys", Scope::Sys)])
    }

    /// `m16n8k16` and the like: takes the first unused modifier of that form.
    pub(super) fn shape(&mut self) -> Option<[u32; 3]> {
        for part in self.parts.iter_mut().filter(|part| !part.used) {
            if let Some(shape) = parse_shape(part.text) {
                part.used = true;
                return Some(shape);
            }
        }
        None
    }

    /// An error at the first modifier that nobody asked for.
    pub(super) fn finish(&self) -> Lowered<()> {
        let Some(part) = self.parts.iter().find(|part| !part.used) else { return Ok(()) };
        let mut asked: Vec<&str> = self.asked.to_vec();
        asked.sort_unstable();
        asked.dedup();
        let accepted = asked.iter().map(|name| format!("`.{name}`")).collect::<Vec<_>>().join(", ");
        let accepted = if accepted.is_empty() { "none".to_owned() } else { accepted };
        let twice = self.parts.iter().any(|other| other.used && other.text == part.text);
        let message = if twice {
            format!("`{}` has `.{}` twice", self.opcode(), shorten(part.text))
        } else {
            format!("`{}` does not take `.{}`; accepted: {accepted}", self.opcode(), shorten(part.text))
        };
        Err(Box::new(Diagnostic::error("bad-modifier", part.span, message)))
    }
}

/// `m16n8k16` or `m8n8`.
fn parse_shape(text: &str) -> Option<[u32; 3]> {
    let rest = text.strip_prefix('m')?;
    let (m, rest) = rest.split_once('n')?;
    let (n, k) = rest.split_once('k').unwrap_or((rest, "0"));
    Some([m.parse().ok()?, n.parse().ok()?, k.parse().ok()?])
}
