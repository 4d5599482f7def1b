//! Operands of instructions.

use super::{Parsed, Parser};
use crate::ast::{Address, Name, Operand};
use crate::lexer::Tok;

impl<'s> Parser<'s> {
    /// One operand. In a call `(` opens a list, elsewhere a constant expression.
    pub(super) fn operand(&mut self, is_call: bool) -> Parsed<Operand<'s>> {
        let first = self.primary(is_call)?;
        if !self.eat(Tok::Bar) {
            return Ok(first);
        }
        let second = self.primary(is_call)?;
        Ok(Operand::Pair(Box::new([first, second])))
    }

    fn primary(&mut self, is_call: bool) -> Parsed<Operand<'s>> {
        let start = self.cur.span.start;
        match self.cur.tok {
            Tok::Bang if self.next.tok == Tok::Ident => {
                self.bump();
                Ok(Operand::Not(self.expect_name("of a predicate after `!`")?))
            }
            Tok::Minus if self.next.tok == Tok::Ident && self.text(self.next.span) != "WARP_SZ" => {
                self.bump();
                let name = self.expect_name("after `-`")?;
                Ok(Operand::Name { name, component: self.component(), minus: true })
            }
            Tok::LBrace => {
                self.bump();
                let items =
                    self.nested(|parser| parser.list(Tok::RBrace, "a vector operand", |inner| inner.operand(false)))?;
                Ok(Operand::Vector(items, self.span_from(start)))
            }
            Tok::LParen if is_call => {
                self.bump();
                let items = self
                    .nested(|parser| parser.list(Tok::RParen, "a list of arguments", |inner| inner.operand(false)))?;
                Ok(Operand::List(items, self.span_from(start)))
            }
            Tok::LBracket => self.address(),
            Tok::Ident if self.cur_text() == "_" => Ok(Operand::Sink(self.bump().span)),
            Tok::Ident if self.cur_text() != "WARP_SZ" => self.named(),
            _ => Ok(Operand::Const(self.constant()?)),
        }
    }

    fn named(&mut self) -> Parsed<Operand<'s>> {
        let name = self.expect_name("of an operand")?;
        match self.cur.tok {
            Tok::Plus | Tok::Minus => Ok(Operand::Offset { name, offset: self.integer("an offset")? }),
            Tok::LBracket => {
                self.bump();
                let offset = self.integer("an index")?;
                self.expect(Tok::RBracket, "after an index")?;
                Ok(Operand::Offset { name, offset })
            }
            _ => Ok(Operand::Name { name, component: self.component(), minus: false }),
        }
    }

    /// `.x` after a name.
    fn component(&mut self) -> Option<Name<'s>> {
        let text = self.directive()?;
        let span = self.bump().span;
        Some(Name { text, span })
    }

    fn address(&mut self) -> Parsed<Operand<'s>> {
        let start = self.bump().span.start;
        let mut address = Address { base: None, offset: 0, extra: Vec::new(), span: self.cur.span };
        if self.at(Tok::Ident) && self.cur_text() != "WARP_SZ" {
            address.base = Some(self.expect_name("of an address")?);
            match self.cur.tok {
                Tok::Plus | Tok::Minus => address.offset = self.integer("an offset")?,
                Tok::LBracket => {
                    self.bump();
                    address.offset = self.integer("an index")?;
                    self.expect(Tok::RBracket, "after an index")?;
                }
                _ => {}
            }
        } else {
            address.offset = self.integer("an address")?;
        }
        while self.eat(Tok::Comma) {
            if address.extra.len() >= super::LIMITS.list_items {
                return Err(self.error("too-large", self.cur.span, "too many operands in an address"));
            }
            let extra = self.nested(|parser| parser.operand(false))?;
            address.extra.push(extra);
        }
        self.expect(Tok::RBracket, "to close an address")?;
        // `[a].unified` promises what `.attribute(.unified)` says; it changes nothing here.
        self.eat_directive("unified");
        address.span = self.span_from(start);
        Ok(Operand::Address(Box::new(address)))
    }
}
