//! Bodies of functions: statements and instructions.

use super::declaration::declaration_space;
use super::{LIMITS, Parsed, Parser};
use crate::ast::{Guard, Inst, Loc, Name, NameList, Prototype, Statement};
use crate::lexer::Tok;

impl<'s> Parser<'s> {
    /// Statements up to the closing brace, which is consumed.
    pub(super) fn statements(&mut self) -> Parsed<Vec<Statement<'s>>> {
        let open = self.prev_end;
        let mut statements = Vec::new();
        loop {
            if self.at(Tok::RBrace) {
                self.bump();
                return Ok(statements);
            }
            if self.at(Tok::Eof) {
                let span = vgpu_types::Span::new(open.saturating_sub(1), open);
                return Err(self.error("syntax", span, "this `{` has no closing `}`"));
            }
            let before = self.cur.span;
            if self.statement(&mut statements).is_err() {
                self.recover(false, before.start);
            }
            if self.cur.span == before && !matches!(self.cur.tok, Tok::Eof | Tok::RBrace) {
                self.bump();
            }
        }
    }

    fn statement(&mut self, out: &mut Vec<Statement<'s>>) -> Parsed<()> {
        self.count_node()?;
        match self.cur.tok {
            Tok::Semi => {
                self.bump();
            }
            Tok::LBrace => {
                self.bump();
                let inner = self.nested(Self::statements)?;
                out.push(Statement::Scope(inner));
            }
            Tok::At if self.next.tok == Tok::At => self.dwarf_line(),
            Tok::Ident if self.next.tok == Tok::Colon => {
                let name = self.expect_name("of a label")?;
                self.bump();
                out.push(self.labelled(name)?);
            }
            Tok::Ident | Tok::At => out.push(Statement::Inst(self.instruction()?)),
            Tok::Dot => self.body_directive(out)?,
            _ => return Err(self.expected("an instruction, a label or a directive", "in a function body")),
        }
        Ok(())
    }

    fn labelled(&mut self, name: Name<'s>) -> Parsed<Statement<'s>> {
        let word = self.directive();
        match word {
            Some("callprototype") => Ok(Statement::Prototype(Box::new(self.prototype(name)?))),
            Some("branchtargets" | "calltargets") => {
                self.bump();
                let mut names = Vec::new();
                loop {
                    names.push(self.expect_name("in a list of targets")?);
                    self.count_node()?;
                    if !self.eat(Tok::Comma) {
                        break;
                    }
                }
                self.expect(Tok::Semi, "after a list of targets")?;
                let list = Box::new(NameList { name, names });
                Ok(if word == Some("branchtargets") {
                    Statement::BranchTargets(list)
                } else {
                    Statement::CallTargets(list)
                })
            }
            _ => Ok(Statement::Label(name)),
        }
    }

    /// `.callprototype (ret) _ (params) [.noreturn];`
    pub(super) fn prototype(&mut self, name: Name<'s>) -> Parsed<Prototype<'s>> {
        self.bump();
        let mut returns = Vec::new();
        if self.eat(Tok::LParen) {
            returns = self.list(Tok::RParen, "a list of return values", Self::parameter)?;
        }
        self.expect_name("(`_`) in a prototype")?;
        let mut params = Vec::new();
        if self.eat(Tok::LParen) {
            params = self.list(Tok::RParen, "a parameter list", Self::parameter)?;
        }
        let mut noreturn = false;
        while let Some(word) = self.directive() {
            noreturn |= word == "noreturn";
            self.bump();
            while self.at(Tok::Int) {
                self.bump();
                self.eat(Tok::Comma);
            }
        }
        self.expect(Tok::Semi, "after a prototype")?;
        Ok(Prototype { name, returns, params, noreturn })
    }

    fn body_directive(&mut self, out: &mut Vec<Statement<'s>>) -> Parsed<()> {
        let word = self.directive().unwrap_or("");
        match word {
            "loc" => out.push(Statement::Loc(self.loc()?)),
            "pragma" => out.push(Statement::Pragma(self.pragma()?)),
            "section" => self.section()?,
            "file" => {
                self.file()?;
            }
            "visible" | "extern" | "weak" | "common" => {
                self.bump();
                if word != "extern" || self.directive().and_then(declaration_space).is_none() {
                    return Err(self.expected("a declaration", "after a linkage directive in a function body"));
                }
                self.local_declaration(crate::ast::Linkage::Extern, out)?;
            }
            _ if declaration_space(word).is_some() => self.local_declaration(crate::ast::Linkage::None, out)?,
            _ => {
                return Err(
                    self.expected("`.reg`, `.local`, `.shared`, `.param`, `.loc` or `.pragma`", "in a function body")
                );
            }
        }
        Ok(())
    }

    fn local_declaration(&mut self, linkage: crate::ast::Linkage, out: &mut Vec<Statement<'s>>) -> Parsed<()> {
        match self.directive().and_then(declaration_space) {
            Some(space) => {
                self.declaration(linkage, space, |variable| out.push(Statement::Variable(Box::new(variable))))
            }
            None => Err(self.expected("a state space", "in a declaration")),
        }
    }

    /// `.loc file line column[, function_name label[+n]][, inlined_at file line column]`.
    pub(super) fn loc(&mut self) -> Parsed<Loc> {
        self.bump();
        let file = self.unsigned("a file number")?;
        let line = self.unsigned("a line number")?;
        let column = self.unsigned("a column number")?;
        while self.eat(Tok::Comma) {
            let word = self.expect_name("such as `function_name` or `inlined_at`")?;
            match word.text {
                "function_name" => {
                    self.expect_name("of the inlined function")?;
                    if self.eat(Tok::Plus) {
                        self.unsigned("an offset")?;
                    }
                }
                "inlined_at" => {
                    for what in ["a file number", "a line number", "a column number"] {
                        self.unsigned(what)?;
                    }
                }
                _ => {
                    let message = format!("`{}` in `.loc`; accepted: `function_name`, `inlined_at`", word.text);
                    return Err(self.error("syntax", word.span, message));
                }
            }
        }
        Ok(Loc { file, line, column })
    }

    fn instruction(&mut self) -> Parsed<Inst<'s>> {
        let start = self.cur.span.start;
        let mut guard = None;
        if self.eat(Tok::At) {
            let negated = self.eat(Tok::Bang);
            guard = Some(Guard { name: self.expect_name("of a predicate after `@`")?, negated });
        }
        let mut opcode = self.expect_name("of an instruction")?;
        while self.at(Tok::Dot) {
            opcode.span = opcode.span.to(self.bump().span);
        }
        opcode.text = self.text(opcode.span);
        let is_call = opcode.text.starts_with("call");
        let mut operands = Vec::new();
        while !self.at(Tok::Semi) {
            if operands.len() >= LIMITS.list_items {
                return Err(self.error("too-large", self.cur.span, "too many operands"));
            }
            operands.push(self.operand(is_call)?);
            if !self.eat(Tok::Comma) {
                break;
            }
        }
        let span = self.span_from(start);
        self.expect(Tok::Semi, &format!("after `{}`", super::shorten(opcode.text)))?;
        Ok(Inst { guard, opcode, operands, span })
    }
}
