//! Declarations: variables, registers, parameters and initialisers.

use super::{LIMITS, Parsed, Parser};
use crate::ast::{DeclSpace, Init, InitAddress, Linkage, Name, Variable};
use crate::lexer::Tok;

/// What stands in front of the names of a declaration.
#[derive(Clone)]
struct Specifiers<'s> {
    align: Option<u64>,
    vector: u32,
    ty: Name<'s>,
    pointer: Option<&'s str>,
    pointer_align: Option<u64>,
    attributes: Vec<Name<'s>>,
}

/// The state space a directive word names.
pub(super) fn declaration_space(word: &str) -> Option<DeclSpace> {
    Some(match word {
        "reg" => DeclSpace::Reg,
        "local" => DeclSpace::Local,
        "shared" => DeclSpace::Shared,
        "global" => DeclSpace::Global,
        "const" => DeclSpace::Const,
        "param" => DeclSpace::Param,
        "tex" => DeclSpace::Tex,
        _ => return None,
    })
}

impl<'s> Parser<'s> {
    /// A declaration from its state space word to the `;`; gives one variable per name to `accept`.
    pub(super) fn declaration(
        &mut self,
        linkage: Linkage,
        space: DeclSpace,
        mut accept: impl FnMut(Variable<'s>),
    ) -> Parsed<()> {
        let start = self.cur.span.start;
        self.bump();
        let specifiers = self.specifiers()?;
        loop {
            let mut variable = self.declarator(linkage, space, &specifiers, start)?;
            if self.eat(Tok::Eq) {
                variable.init = Some(self.initialiser()?);
            }
            variable.span = self.span_from(start);
            self.count_node()?;
            accept(variable);
            if !self.eat(Tok::Comma) {
                break;
            }
        }
        self.expect(Tok::Semi, "after a declaration")?;
        Ok(())
    }

    /// A parameter or return value of a function header or prototype.
    pub(super) fn parameter(&mut self) -> Parsed<Variable<'s>> {
        let start = self.cur.span.start;
        let space = match self.directive().and_then(declaration_space) {
            Some(space @ (DeclSpace::Param | DeclSpace::Reg)) => space,
            _ => return Err(self.expected("`.param` or `.reg`", "at the start of a parameter")),
        };
        self.bump();
        let specifiers = self.specifiers()?;
        let named = self.at(Tok::Ident);
        if !named {
            let name = Name { text: "", span: self.cur.span };
            return Ok(variable(Linkage::None, space, &specifiers, name, self.span_from(start)));
        }
        let mut parameter = self.declarator(Linkage::None, space, &specifiers, start)?;
        if parameter.name.text == "_" {
            parameter.name.text = "";
        }
        Ok(parameter)
    }

    fn specifiers(&mut self) -> Parsed<Specifiers<'s>> {
        let mut found = Specifiers {
            align: None,
            vector: 1,
            ty: Name { text: "", span: self.cur.span },
            pointer: None,
            pointer_align: None,
            attributes: Vec::new(),
        };
        while let Some(word) = self.directive() {
            let token = self.bump();
            match word {
                "align" => {
                    let align = self.unsigned("an alignment")?;
                    if found.pointer.is_some() {
                        found.pointer_align = Some(align);
                    } else {
                        found.align = Some(align);
                    }
                }
                "v2" => found.vector = 2,
                "v4" => found.vector = 4,
                "v8" => found.vector = 8,
                "ptr" => {
                    found.pointer = Some("");
                    if let Some(space @ ("global" | "shared" | "const" | "local" | "param")) = self.directive() {
                        found.pointer = Some(space);
                        self.bump();
                    }
                }
                "attribute" => self.attributes(&mut found.attributes)?,
                _ if found.ty.text.is_empty() => found.ty = Name { text: word, span: token.span },
                _ => {
                    let message = format!("a declaration has one type; found `.{}` and `.{word}`", found.ty.text);
                    return Err(self.error("syntax", token.span, message));
                }
            }
        }
        if found.ty.text.is_empty() {
            return Err(self.expected("a type such as `.b32`", "in a declaration"));
        }
        Ok(found)
    }

    /// `(.managed)` or `(.unified(uuid1, uuid2))`, after `.attribute`.
    pub(super) fn attributes(&mut self, out: &mut Vec<Name<'s>>) -> Parsed<()> {
        self.expect(Tok::LParen, "after `.attribute`")?;
        let words = self.list(Tok::RParen, "an attribute list", |parser| {
            let Some(text) = parser.directive() else {
                return Err(parser.expected("an attribute such as `.managed`", "in an attribute list"));
            };
            let span = parser.bump().span;
            if parser.eat(Tok::LParen) {
                parser.list(Tok::RParen, "an attribute", Self::constant)?;
            }
            Ok(Name { text, span })
        })?;
        out.extend(words);
        Ok(())
    }

    fn declarator(
        &mut self,
        linkage: Linkage,
        space: DeclSpace,
        specifiers: &Specifiers<'s>,
        start: u32,
    ) -> Parsed<Variable<'s>> {
        let name = self.expect_name("in a declaration")?;
        let mut declared = variable(linkage, space, specifiers, name, self.span_from(start));
        if self.eat(Tok::Less) {
            let start = self.cur.span;
            if !self.at(Tok::Int) {
                return Err(self.expected("a number", "of registers after `<`"));
            }
            self.bump();
            let text = self.text(start);
            let count = super::parse_integer(text).and_then(|value| value.integer_bits());
            let Some(count) = count else {
                return Err(self.error("bad-constant", start, "the number of registers is not an integer"));
            };
            declared.count = Some(count);
            self.expect(Tok::Greater, "after the number of registers")?;
        }
        while self.eat(Tok::LBracket) {
            if declared.dims.len() >= LIMITS.depth as usize {
                return Err(self.error("too-deep", self.cur.span, "too many array dimensions"));
            }
            if self.eat(Tok::RBracket) {
                declared.dims.push(None);
                continue;
            }
            declared.dims.push(Some(self.unsigned("an array size")?));
            self.expect(Tok::RBracket, "after an array size")?;
        }
        declared.span = self.span_from(start);
        Ok(declared)
    }

    fn initialiser(&mut self) -> Parsed<Init<'s>> {
        self.count(1)?;
        let start = self.cur.span;
        match self.cur.tok {
            Tok::LBrace => {
                self.bump();
                let mut items = Vec::new();
                while !self.at(Tok::RBrace) {
                    items.push(self.nested(Self::initialiser)?);
                    if !self.eat(Tok::Comma) {
                        break;
                    }
                }
                self.expect(Tok::RBrace, "to close an initialiser")?;
                Ok(Init::List(items, self.span_from(start.start)))
            }
            Tok::Str => {
                let span = self.bump().span;
                let text = self.text(span);
                Ok(Init::Text(Name { text: &text[1..text.len() - 1], span }))
            }
            Tok::Ident if self.cur_text() == "generic" && self.next.tok == Tok::LParen => {
                self.bump();
                self.bump();
                let mut address = self.init_address()?;
                address.generic = true;
                self.expect(Tok::RParen, "after `generic(`")?;
                address.addend = address.addend.wrapping_add(self.init_addend()?);
                Ok(Init::Address(Box::new(address)))
            }
            // `mask(0xff, symbol)` of old texts is written `0xff(symbol)`.
            Tok::Int if self.next.tok == Tok::LParen => {
                let mask = self.cur_text();
                self.bump();
                let Some(mask) = super::parse_integer(mask).and_then(|value| value.integer_bits()) else {
                    return Err(self.error("bad-constant", start, "the mask is not an integer"));
                };
                self.bump();
                let generic = self.at(Tok::Ident) && self.cur_text() == "generic" && self.next.tok == Tok::LParen;
                if generic {
                    self.bump();
                    self.bump();
                }
                let mut address = self.init_address()?;
                if generic {
                    address.generic = true;
                    self.expect(Tok::RParen, "after `generic(`")?;
                    address.addend = address.addend.wrapping_add(self.init_addend()?);
                }
                self.expect(Tok::RParen, "after a masked symbol")?;
                address.mask = Some(mask);
                Ok(Init::Address(Box::new(address)))
            }
            Tok::Ident if self.cur_text() != "WARP_SZ" => Ok(Init::Address(Box::new(self.init_address()?))),
            _ => Ok(Init::Value(self.constant()?)),
        }
    }

    fn init_address(&mut self) -> Parsed<InitAddress<'s>> {
        let symbol = self.expect_name("of a variable or function in an initialiser")?;
        Ok(InitAddress { symbol, addend: self.init_addend()?, generic: false, mask: None })
    }

    fn init_addend(&mut self) -> Parsed<i64> {
        match self.cur.tok {
            Tok::Plus | Tok::Minus => self.integer("an offset"),
            _ => Ok(0),
        }
    }
}

fn variable<'s>(
    linkage: Linkage,
    space: DeclSpace,
    specifiers: &Specifiers<'s>,
    name: Name<'s>,
    span: vgpu_types::Span,
) -> Variable<'s> {
    Variable {
        linkage,
        space,
        align: specifiers.align,
        vector: specifiers.vector,
        ty: specifiers.ty,
        pointer: specifiers.pointer,
        pointer_align: specifiers.pointer_align,
        name,
        count: None,
        dims: Vec::new(),
        init: None,
        attributes: specifiers.attributes.clone(),
        span,
    }
}
