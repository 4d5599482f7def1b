//! Literals and constant expressions, folded while they are read.
//!
//! Integers are 64-bit, signed unless the literal has a `U` suffix or does not fit; an operation with an unsigned
//! operand is unsigned. Floating point knows only literals and a sign. Precedence and operators are C's.
//!
//! Source: PTX ISA "Constants" and "Summary of Constant Expression Evaluation Rules".

use super::{Parsed, Parser, shorten};
use crate::ast::{Const, ConstValue};
use crate::lexer::Tok;
use vgpu_types::Span;

/// The value of an integer literal: decimal, `0x`, `0b`, octal, with or without `U`. `None` when malformed or
/// larger than 64 bits.
pub fn parse_integer(text: &str) -> Option<ConstValue> {
    let (digits, unsigned) = match text.strip_suffix(['U', 'u']) {
        Some(digits) => (digits, true),
        None => (text, false),
    };
    let lower = digits.as_bytes().get(1).map(u8::to_ascii_lowercase);
    let value = match (digits.as_bytes().first(), lower) {
        (Some(b'0'), Some(b'x')) => u64::from_str_radix(&digits[2..], 16),
        (Some(b'0'), Some(b'b')) => u64::from_str_radix(&digits[2..], 2),
        (Some(b'0'), Some(_)) => u64::from_str_radix(&digits[1..], 8),
        _ => digits.parse(),
    };
    let value = value.ok()?;
    match i64::try_from(value) {
        Ok(signed) if !unsigned => Some(ConstValue::Signed(signed)),
        _ => Some(ConstValue::Unsigned(value)),
    }
}

fn parse_float(text: &str) -> Option<ConstValue> {
    let prefix = text.get(..2).unwrap_or("");
    match prefix {
        "0f" | "0F" if text.len() == 10 => u32::from_str_radix(&text[2..], 16).ok().map(ConstValue::F32),
        "0d" | "0D" if text.len() == 18 => u64::from_str_radix(&text[2..], 16).ok().map(ConstValue::F64),
        "0f" | "0F" | "0d" | "0D" => None,
        _ => text.parse::<f64>().ok().map(|value| ConstValue::F64(value.to_bits())),
    }
}

/// Two integers brought to a common type.
enum Both {
    Signed(i64, i64),
    Unsigned(u64, u64),
}

impl ConstValue {
    /// The integer's bits; `None` for floats.
    pub const fn integer_bits(self) -> Option<u64> {
        match self {
            Self::Signed(value) => Some(value as u64),
            Self::Unsigned(value) => Some(value),
            Self::F32(_) | Self::F64(_) => None,
        }
    }

    fn with(self, other: Self) -> Option<Both> {
        Some(match (self, other) {
            (Self::Signed(a), Self::Signed(b)) => Both::Signed(a, b),
            (a, b) => Both::Unsigned(a.integer_bits()?, b.integer_bits()?),
        })
    }
}

impl<'s> Parser<'s> {
    /// A constant expression.
    pub(super) fn constant(&mut self) -> Parsed<Const> {
        let start = self.cur.span.start;
        let value = self.nested(Self::ternary)?;
        Ok(Const { value, span: self.span_from(start) })
    }

    /// A constant expression that is an unsigned number, such as a size.
    pub(super) fn unsigned(&mut self, what: &str) -> Parsed<u64> {
        let constant = self.constant()?;
        match constant.value {
            ConstValue::Signed(value) if value >= 0 => Ok(value as u64),
            ConstValue::Unsigned(value) => Ok(value),
            ConstValue::Signed(value) => {
                Err(self.error("bad-constant", constant.span, format!("{what} is {value}; it cannot be negative")))
            }
            _ => Err(self.error("bad-constant", constant.span, format!("{what} must be an integer"))),
        }
    }

    /// A constant expression that is an integer; gives its value modulo 2^64.
    pub(super) fn integer(&mut self, what: &str) -> Parsed<i64> {
        let constant = self.constant()?;
        match constant.value.integer_bits() {
            Some(bits) => Ok(bits as i64),
            None => Err(self.error("bad-constant", constant.span, format!("{what} must be an integer"))),
        }
    }

    fn ternary(&mut self) -> Parsed<ConstValue> {
        let start = self.cur.span.start;
        let condition = self.binary(0)?;
        if !self.eat(Tok::Question) {
            return Ok(condition);
        }
        let then = self.nested(Self::ternary)?;
        self.expect(Tok::Colon, "in a conditional expression")?;
        let otherwise = self.nested(Self::ternary)?;
        let span = self.span_from(start);
        let bits = condition.integer_bits();
        let bits = bits.ok_or(()).map_err(|()| self.error("bad-constant", span, "the condition must be an integer"))?;
        Ok(if bits != 0 { then } else { otherwise })
    }

    /// Precedence climbing; `level` is the weakest operator accepted.
    fn binary(&mut self, level: u32) -> Parsed<ConstValue> {
        let start = self.cur.span.start;
        let mut left = self.unary()?;
        loop {
            let op = self.cur.tok;
            let Some(strength) = precedence(op).filter(|&strength| strength >= level) else { return Ok(left) };
            self.bump();
            let right = self.nested(|parser| parser.binary(strength + 1))?;
            let span = self.span_from(start);
            left = self.fold(op, left, right, span)?;
        }
    }

    fn fold(&mut self, op: Tok, left: ConstValue, right: ConstValue, span: Span) -> Parsed<ConstValue> {
        use ConstValue::{Signed, Unsigned};
        let Some(both) = left.with(right) else {
            return Err(self.error("bad-constant", span, "operators on floating-point constants are not accepted"));
        };
        let truth = |value: bool| Some(Signed(i64::from(value)));
        let value = match (op, &both) {
            (Tok::Star, Both::Signed(a, b)) => Some(Signed(a.wrapping_mul(*b))),
            (Tok::Star, Both::Unsigned(a, b)) => Some(Unsigned(a.wrapping_mul(*b))),
            (Tok::Slash, Both::Signed(a, b)) => (*b != 0).then(|| Signed(a.wrapping_div(*b))),
            (Tok::Slash, Both::Unsigned(a, b)) => a.checked_div(*b).map(Unsigned),
            (Tok::Percent, Both::Signed(a, b)) => (*b != 0).then(|| Signed(a.wrapping_rem(*b))),
            (Tok::Percent, Both::Unsigned(a, b)) => a.checked_rem(*b).map(Unsigned),
            (Tok::Plus, Both::Signed(a, b)) => Some(Signed(a.wrapping_add(*b))),
            (Tok::Plus, Both::Unsigned(a, b)) => Some(Unsigned(a.wrapping_add(*b))),
            (Tok::Minus, Both::Signed(a, b)) => Some(Signed(a.wrapping_sub(*b))),
            (Tok::Minus, Both::Unsigned(a, b)) => Some(Unsigned(a.wrapping_sub(*b))),
            (Tok::Less, Both::Signed(a, b)) => truth(a < b),
            (Tok::Less, Both::Unsigned(a, b)) => truth(a < b),
            (Tok::Greater, Both::Signed(a, b)) => truth(a > b),
            (Tok::Greater, Both::Unsigned(a, b)) => truth(a > b),
            (Tok::LessEq, Both::Signed(a, b)) => truth(a <= b),
            (Tok::LessEq, Both::Unsigned(a, b)) => truth(a <= b),
            (Tok::GreaterEq, Both::Signed(a, b)) => truth(a >= b),
            (Tok::GreaterEq, Both::Unsigned(a, b)) => truth(a >= b),
            (Tok::Shl | Tok::Shr, _) => {
                let amount = right.integer_bits().unwrap_or(0);
                Some(match (op, left) {
                    (Tok::Shl, Signed(a)) => Signed(if amount < 64 { a << amount } else { 0 }),
                    (Tok::Shr, Signed(a)) => Signed(a >> amount.min(63)),
                    (Tok::Shl, a) => Unsigned(a.integer_bits().filter(|_| amount < 64).map_or(0, |a| a << amount)),
                    (_, a) => Unsigned(a.integer_bits().filter(|_| amount < 64).map_or(0, |a| a >> amount)),
                })
            }
            (_, both) => {
                let (a, b, signed) = match *both {
                    Both::Signed(a, b) => (a as u64, b as u64, true),
                    Both::Unsigned(a, b) => (a, b, false),
                };
                let wrap = |value: u64| Some(if signed { Signed(value as i64) } else { Unsigned(value) });
                match op {
                    Tok::EqEq => truth(a == b),
                    Tok::BangEq => truth(a != b),
                    Tok::Amp => wrap(a & b),
                    Tok::Caret => wrap(a ^ b),
                    Tok::Bar => wrap(a | b),
                    Tok::AmpAmp => truth(a != 0 && b != 0),
                    _ => truth(a != 0 || b != 0),
                }
            }
        };
        value.ok_or(()).map_err(|()| self.error("bad-constant", span, "division by zero in a constant expression"))
    }

    fn unary(&mut self) -> Parsed<ConstValue> {
        let start = self.cur.span;
        let op = self.cur.tok;
        match op {
            Tok::Plus | Tok::Minus | Tok::Bang | Tok::Tilde => {
                self.bump();
                let value = self.nested(Self::unary)?;
                Ok(match (op, value) {
                    (Tok::Plus, value) => value,
                    (Tok::Minus, ConstValue::F32(bits)) => ConstValue::F32(bits ^ 1 << 31),
                    (Tok::Minus, ConstValue::F64(bits)) => ConstValue::F64(bits ^ 1 << 63),
                    (Tok::Minus, ConstValue::Signed(value)) => ConstValue::Signed(value.wrapping_neg()),
                    // `-9223372036854775808` reads as minus an unsigned literal.
                    (Tok::Minus, ConstValue::Unsigned(value)) if value == 1 << 63 => ConstValue::Signed(i64::MIN),
                    (Tok::Minus, ConstValue::Unsigned(value)) => ConstValue::Unsigned(value.wrapping_neg()),
                    (Tok::Tilde, ConstValue::Signed(value)) => ConstValue::Signed(!value),
                    (Tok::Tilde, ConstValue::Unsigned(value)) => ConstValue::Unsigned(!value),
                    (Tok::Bang, ConstValue::Signed(value)) => ConstValue::Signed(i64::from(value == 0)),
                    (Tok::Bang, ConstValue::Unsigned(value)) => ConstValue::Signed(i64::from(value == 0)),
                    _ => {
                        let message = "`!` and `~` take integers, not floating-point numbers";
                        return Err(self.error("bad-constant", start, message));
                    }
                })
            }
            Tok::LParen => {
                self.bump();
                let cast = match self.directive() {
                    Some(word @ ("s64" | "u64")) => Some(word == "s64"),
                    _ => None,
                };
                if let Some(signed) = cast {
                    self.bump();
                    self.expect(Tok::RParen, "after the type of a cast")?;
                    let value = self.nested(Self::unary)?;
                    return Ok(match value.integer_bits() {
                        Some(bits) if signed => ConstValue::Signed(bits as i64),
                        Some(bits) => ConstValue::Unsigned(bits),
                        None => value,
                    });
                }
                let value = self.nested(Self::ternary)?;
                self.expect(Tok::RParen, "to close a constant expression")?;
                Ok(value)
            }
            Tok::Int => {
                self.bump();
                let text = self.text(start);
                parse_integer(text).ok_or(()).map_err(|()| {
                    let message = format!("`{}` is not an integer of at most 64 bits", shorten(text));
                    self.error("bad-constant", start, message)
                })
            }
            Tok::Float => {
                self.bump();
                let text = self.text(start);
                parse_float(text).ok_or(()).map_err(|()| {
                    let message = format!("`{}` is not a number; `0f` takes 8 and `0d` 16 digits", shorten(text));
                    self.error("bad-constant", start, message)
                })
            }
            // `.5`
            Tok::Dot if self.cur_text().as_bytes()[1].is_ascii_digit() => {
                self.bump();
                let text = self.text(start);
                parse_float(text)
                    .ok_or(())
                    .map_err(|()| self.error("bad-constant", start, format!("`{}` is not a number", shorten(text))))
            }
            Tok::Ident if self.cur_text() == "WARP_SZ" => {
                self.bump();
                Ok(ConstValue::Signed(i64::from(vgpu_types::WARP_SIZE)))
            }
            _ => Err(self.expected("a constant", "in a constant expression")),
        }
    }
}

const fn precedence(op: Tok) -> Option<u32> {
    Some(match op {
        Tok::BarBar => 1,
        Tok::AmpAmp => 2,
        Tok::Bar => 3,
        Tok::Caret => 4,
        Tok::Amp => 5,
        Tok::EqEq | Tok::BangEq => 6,
        Tok::Less | Tok::Greater | Tok::LessEq | Tok::GreaterEq => 7,
        Tok::Shl | Tok::Shr => 8,
        Tok::Plus | Tok::Minus => 9,
        Tok::Star | Tok::Slash | Tok::Percent => 10,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: Option<ConstValue>) {
        let mut parser = Parser::new(source);
        assert_eq!(parser.constant().ok().map(|constant| constant.value), expected, "{source}");
        assert_eq!(parser.diagnostics.is_empty(), expected.is_some(), "{source}");
    }

    #[test]
    fn expressions() {
        use ConstValue::{F32, F64, Signed, Unsigned};
        check("1 + 2 * 3", Some(Signed(7)));
        check("(1 + 2) * -3", Some(Signed(-9)));
        check("0xFFFFFFFFFFFFFFFF", Some(Unsigned(u64::MAX)));
        check("-9223372036854775808", Some(Signed(i64::MIN)));
        check("1U - 2", Some(Unsigned(u64::MAX)));
        check("7 / 2 % 2 << 4", Some(Signed(16)));
        check("-1 >> 70", Some(Signed(-1)));
        check("(.u64)-1 >> 60", Some(Unsigned(15)));
        check("1 ? 017 : 0b11", Some(Signed(15)));
        check("!(3 > 2) || 2 >= 2 && ~0 == -1", Some(Signed(1)));
        check("WARP_SZ - 1", Some(Signed(31)));
        check("-0f3F800000", Some(F32(0xbf80_0000)));
        check("0d3FF0000000000000", Some(F64(0x3ff0_0000_0000_0000)));
        check("1.5", Some(F64(1.5f64.to_bits())));
        check(".5", Some(F64(0.5f64.to_bits())));
    }

    #[test]
    fn refused() {
        for source in ["1 / 0", "1U % 0", "0x", "09", "18446744073709551616", "0f12", "1.0 + 2", "~1.0", "12q", "("] {
            check(source, None);
        }
        check(&"(".repeat(100_000), None);
        check(&"-".repeat(100_000), None);
        check(&"1?".repeat(100_000), None);
    }
}
