//! Top level: module directives, functions and module variables.

use super::declaration::declaration_space;
use super::{Parsed, Parser};
use crate::ast::{Function, FunctionDirective, Item, Linkage, Module, Name, Version};
use crate::lexer::Tok;

impl<'s> Parser<'s> {
    /// The whole text.
    pub(super) fn module(&mut self) -> Module<'s> {
        let mut module = Module::default();
        while !self.at(Tok::Eof) {
            let before = self.cur.span;
            if self.item(&mut module).is_err() {
                self.recover(true, before.start);
                self.eat(Tok::RBrace);
            }
            if self.cur.span == before && !self.at(Tok::Eof) {
                self.bump(); // Always forward, whatever stands here.
            }
        }
        module
    }

    fn item(&mut self, module: &mut Module<'s>) -> Parsed<()> {
        self.count_node()?;
        match self.cur.tok {
            Tok::Dot => {}
            Tok::Semi => {
                self.bump();
                return Ok(());
            }
            Tok::At if self.next.tok == Tok::At => {
                self.dwarf_line();
                return Ok(());
            }
            Tok::Ident if self.next.tok == Tok::Colon => {
                let name = self.expect_name("of a prototype")?;
                self.bump();
                if !self.at_directive("callprototype") {
                    return Err(self.expected("`.callprototype`", "after a label outside any function"));
                }
                let prototype = self.prototype(name)?;
                module.items.push(Item::Prototype(prototype));
                return Ok(());
            }
            _ => return Err(self.expected("a directive such as `.entry` or `.global`", "at the top level")),
        }
        let word = self.directive().unwrap_or("");
        match word {
            "version" => self.version(module),
            "target" => {
                self.bump();
                loop {
                    module.target.push(self.expect_name("of a target such as `sm_80`")?);
                    if !self.eat(Tok::Comma) {
                        return Ok(());
                    }
                }
            }
            "address_size" => {
                let start = self.bump().span.start;
                let bits = self.unsigned("an address size")?;
                module.address_size = Some((bits, self.span_from(start)));
                Ok(())
            }
            "file" => {
                let (number, path) = self.file()?;
                module.items.push(Item::File { number, path });
                Ok(())
            }
            "loc" => self.loc().map(|_| ()),
            "section" => self.section(),
            "pragma" => {
                let text = self.pragma()?;
                module.items.push(Item::Pragma(text));
                Ok(())
            }
            "alias" => {
                self.bump();
                let alias = self.expect_name("after `.alias`")?;
                self.expect(Tok::Comma, "between the names of `.alias`")?;
                let aliasee = self.expect_name("after `.alias`")?;
                self.expect(Tok::Semi, "after `.alias`")?;
                module.items.push(Item::Alias { alias, aliasee });
                Ok(())
            }
            _ => self.linked_item(module),
        }
    }

    fn version(&mut self, module: &mut Module<'s>) -> Parsed<()> {
        let start = self.bump().span.start;
        if !matches!(self.cur.tok, Tok::Float | Tok::Int) {
            return Err(self.expected("a version such as `8.0`", "after `.version`"));
        }
        let text = self.cur_text();
        let span = self.bump().span;
        let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
        match (major.parse(), minor.parse()) {
            (Ok(major), Ok(minor)) => {
                module.version = Some(Version { major, minor, span: self.span_from(start) });
                Ok(())
            }
            _ => Err(self.error("syntax", span, "a version has the form `major.minor`")),
        }
    }

    fn linked_item(&mut self, module: &mut Module<'s>) -> Parsed<()> {
        let start = self.cur.span.start;
        let mut linkage = Linkage::None;
        loop {
            let found = match self.directive() {
                Some("visible") => Linkage::Visible,
                Some("extern") => Linkage::Extern,
                Some("weak") => Linkage::Weak,
                Some("common") => Linkage::Common,
                _ => break,
            };
            self.bump();
            linkage = found;
        }
        let word = self.directive().unwrap_or("");
        match word {
            "entry" | "func" => {
                let function = self.function(linkage, word == "entry", start)?;
                module.items.push(Item::Function(function));
                Ok(())
            }
            _ => match declaration_space(word) {
                Some(space) => self.declaration(linkage, space, |variable| module.items.push(Item::Variable(variable))),
                None => {
                    let what = "`.entry`, `.func`, `.global`, `.const`, `.shared` or another top-level directive";
                    Err(self.expected(what, "here"))
                }
            },
        }
    }

    fn function(&mut self, linkage: Linkage, entry: bool, start: u32) -> Parsed<Function<'s>> {
        self.bump();
        let mut attributes = Vec::new();
        if self.eat_directive("attribute") {
            self.attributes(&mut attributes)?;
        }
        let mut returns = Vec::new();
        if !entry && self.eat(Tok::LParen) {
            returns = self.list(Tok::RParen, "a list of return values", Self::parameter)?;
        }
        let name = self.expect_name("of a function")?;
        let mut params = Vec::new();
        if self.eat(Tok::LParen) {
            params = self.list(Tok::RParen, "a parameter list", Self::parameter)?;
        }
        let span = self.span_from(start);
        let mut directives = Vec::new();
        while let Some(word) = self.directive() {
            directives.push(self.function_directive(word)?);
        }
        let mut body = None;
        if self.eat(Tok::LBrace) {
            body = Some(self.nested(Self::statements)?);
        } else {
            self.expect(Tok::Semi, "or a body after a function header")?;
        }
        let end = vgpu_types::Span::new(self.prev_end.saturating_sub(1), self.prev_end);
        Ok(Function { linkage, entry, name, returns, params, directives, body, span, end })
    }

    fn function_directive(&mut self, word: &'s str) -> Parsed<FunctionDirective<'s>> {
        let span = self.bump().span;
        let name = Name { text: word, span };
        let mut directive = FunctionDirective { name, values: Vec::new(), text: None };
        match word {
            "pragma" => {
                let text = self.string("after `.pragma`")?;
                directive.text = Some(text.text);
                self.expect(Tok::Semi, "after `.pragma`")?;
            }
            _ => {
                while matches!(self.cur.tok, Tok::Int | Tok::LParen) {
                    directive.values.push(self.unsigned("the value of a directive")?);
                    if !self.eat(Tok::Comma) {
                        break;
                    }
                }
                // Old texts end `.maxntid` with a semicolon when a body follows.
                if self.at(Tok::Semi) && matches!(self.next.tok, Tok::LBrace | Tok::Dot) && !directive.values.is_empty()
                {
                    self.bump();
                }
            }
        }
        Ok(directive)
    }

    fn string(&mut self, place: &str) -> Parsed<Name<'s>> {
        if !self.at(Tok::Str) {
            return Err(self.expected("a string", place));
        }
        let span = self.bump().span;
        let text = self.text(span);
        Ok(Name { text: &text[1..text.len() - 1], span })
    }

    /// `.pragma "text", "text";`: the first text is kept.
    pub(super) fn pragma(&mut self) -> Parsed<Name<'s>> {
        self.bump();
        let text = self.string("after `.pragma`")?;
        while self.eat(Tok::Comma) {
            self.string("after `.pragma`")?;
        }
        self.expect(Tok::Semi, "after `.pragma`")?;
        Ok(text)
    }

    /// `.file 1 "path"[, timestamp, size]`.
    pub(super) fn file(&mut self) -> Parsed<(u64, &'s str)> {
        self.bump();
        let number = self.unsigned("a file number")?;
        let path = self.string("after the number of `.file`")?;
        while self.eat(Tok::Comma) {
            self.unsigned("a file time or size")?;
        }
        Ok((number, path.text))
    }

    /// `.section .name { .. }`: debug information, skipped.
    pub(super) fn section(&mut self) -> Parsed<()> {
        let start = self.bump().span;
        while matches!(self.cur.tok, Tok::Dot | Tok::Ident | Tok::Comma | Tok::Str) {
            self.bump();
        }
        self.expect(Tok::LBrace, "after the name of a section")?;
        let mut depth = 1u32;
        while depth > 0 {
            match self.cur.tok {
                Tok::LBrace => depth += 1,
                Tok::RBrace => depth -= 1,
                Tok::Eof => return Err(self.error("syntax", start, "a section has no closing `}`")),
                _ => {}
            }
            self.bump();
        }
        Ok(())
    }

    /// `@@dwarf ..`: debug information of old compilers, skipped to the end of the line.
    pub(super) fn dwarf_line(&mut self) {
        self.lexer.seek(self.cur.span.end);
        self.lexer.skip_line();
        self.cur = self.lexer.next_token();
        self.next = self.lexer.next_token();
        if self.stopped {
            self.stop();
        }
    }
}
