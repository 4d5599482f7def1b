//! Tokens of a PTX text.
//!
//! Model: the lexer hands out one [`Token`] at a time (kind and span, no text, no allocation); comments and white
//! space vanish. A dot and the word after it are one token (`.shared::cta`), because PTX glues modifiers to opcodes. It
//! never fails: what it cannot read becomes a [`Tok::Bad`] token, a run of strange bytes a single one.
//!
//! Source: PTX ISA chapter "Syntax".

use vgpu_types::Span;

/// Kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "punctuation says what it is")]
pub enum Tok {
    /// Identifier: `%r1`, `$L__BB0_1`, `add`.
    Ident,
    /// `.word` with `::` parts; the span includes the dot.
    Dot,
    /// Integer literal.
    Int,
    /// Floating-point literal: decimal, `0f..` or `0d..`.
    Float,
    /// String with its quotes.
    Str,
    LBrace,
    RBrace,
    LBracket,
    RBracket,
    LParen,
    RParen,
    Comma,
    Semi,
    Colon,
    At,
    Bang,
    Bar,
    Plus,
    Minus,
    Star,
    Slash,
    Percent,
    Amp,
    Caret,
    Tilde,
    Less,
    Greater,
    LessEq,
    GreaterEq,
    EqEq,
    BangEq,
    Eq,
    Shl,
    Shr,
    AmpAmp,
    BarBar,
    Question,
    /// Characters no token starts with.
    Bad,
    /// A string without its closing quote.
    UnterminatedString,
    /// A comment without its end.
    UnterminatedComment,
    /// End of the text.
    Eof,
}

impl Tok {
    /// How a message names it.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Ident => "a name",
            Self::Dot => "a directive or modifier",
            Self::Int => "an integer",
            Self::Float => "a floating-point number",
            Self::Str => "a string",
            Self::LBrace => "`{`",
            Self::RBrace => "`}`",
            Self::LBracket => "`[`",
            Self::RBracket => "`]`",
            Self::LParen => "`(`",
            Self::RParen => "`)`",
            Self::Comma => "`,`",
            Self::Semi => "`;`",
            Self::Colon => "`:`",
            Self::At => "`@`",
            Self::Bang => "`!`",
            Self::Bar => "`|`",
            Self::Eq => "`=`",
            Self::Less => "`<`",
            Self::Greater => "`>`",
            Self::Eof => "the end of the text",
            Self::Bad => "an unexpected character",
            Self::UnterminatedString => "a string without end",
            Self::UnterminatedComment => "a comment without end",
            _ => "an operator",
        }
    }
}

/// A token.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    /// Kind.
    pub tok: Tok,
    /// Where it stands.
    pub span: Span,
}

/// The lexer over one text (shorter than 4 GiB).
pub struct Lexer<'s> {
    source: &'s str,
    bytes: &'s [u8],
    at: usize,
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

impl<'s> Lexer<'s> {
    /// Starts at the beginning, after a byte order mark when there is one.
    pub fn new(source: &'s str) -> Self {
        Self { source, bytes: source.as_bytes(), at: if source.starts_with('\u{feff}') { 3 } else { 0 } }
    }

    /// The text of a span of this source.
    pub fn text(&self, span: Span) -> &'s str {
        self.source.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// Length of the source in bytes.
    pub const fn source_len(&self) -> u32 {
        self.bytes.len() as u32
    }

    /// Continues at byte `offset`.
    pub fn seek(&mut self, offset: u32) {
        self.at = (offset as usize).min(self.bytes.len());
    }

    /// Skips to the end of the line.
    pub fn skip_line(&mut self) {
        self.at += self.bytes[self.at..].iter().position(|&byte| byte == b'\n').unwrap_or(self.bytes.len() - self.at);
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn skip_words(&mut self) {
        while self.at < self.bytes.len() && is_word(self.bytes[self.at]) {
            self.at += 1;
        }
    }

    /// Skips white space and comments; an unterminated comment gives its start.
    fn skip_blank(&mut self) -> Result<(), usize> {
        while self.at < self.bytes.len() {
            match self.bytes[self.at] {
                b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c => self.at += 1,
                b'/' if self.byte(1) == b'/' => self.skip_line(),
                b'/' if self.byte(1) == b'*' => {
                    let start = self.at;
                    self.at += 2;
                    loop {
                        match self.bytes[self.at..].iter().position(|&byte| byte == b'*') {
                            Some(star) => {
                                self.at += star + 1;
                                if self.byte(0) == b'/' {
                                    self.at += 1;
                                    break;
                                }
                            }
                            None => {
                                self.at = self.bytes.len();
                                return Err(start);
                            }
                        }
                    }
                }
                // Line markers of the C preprocessor.
                b'#' if self.at == 0 || self.bytes[self.at - 1] == b'\n' => self.skip_line(),
                _ => break,
            }
        }
        Ok(())
    }

    /// The next token; [`Tok::Eof`] for ever at the end.
    pub fn next_token(&mut self) -> Token {
        if let Err(start) = self.skip_blank() {
            return Token { tok: Tok::UnterminatedComment, span: Span::new(start as u32, start as u32 + 2) };
        }
        let start = self.at;
        let tok = if start >= self.bytes.len() { Tok::Eof } else { self.scan(self.bytes[start]) };
        Token { tok, span: Span::new(start as u32, self.at as u32) }
    }

    fn scan(&mut self, first: u8) -> Tok {
        match first {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' => {
                self.skip_words();
                return Tok::Ident;
            }
            b'%' if is_word(self.byte(1)) => {
                self.at += 1;
                self.skip_words();
                return Tok::Ident;
            }
            b'.' if is_word(self.byte(1)) => {
                self.at += 1;
                self.skip_words();
                while self.byte(0) == b':' && self.byte(1) == b':' && is_word(self.byte(2)) {
                    self.at += 2;
                    self.skip_words();
                }
                return Tok::Dot;
            }
            b'0'..=b'9' => return self.number(),
            b'"' => return self.string(),
            _ => {}
        }
        let two = (first, self.byte(1));
        let (tok, len) = match two {
            (b'<', b'<') => (Tok::Shl, 2),
            (b'>', b'>') => (Tok::Shr, 2),
            (b'<', b'=') => (Tok::LessEq, 2),
            (b'>', b'=') => (Tok::GreaterEq, 2),
            (b'=', b'=') => (Tok::EqEq, 2),
            (b'!', b'=') => (Tok::BangEq, 2),
            (b'&', b'&') => (Tok::AmpAmp, 2),
            (b'|', b'|') => (Tok::BarBar, 2),
            (b'{', _) => (Tok::LBrace, 1),
            (b'}', _) => (Tok::RBrace, 1),
            (b'[', _) => (Tok::LBracket, 1),
            (b']', _) => (Tok::RBracket, 1),
            (b'(', _) => (Tok::LParen, 1),
            (b')', _) => (Tok::RParen, 1),
            (b',', _) => (Tok::Comma, 1),
            (b';', _) => (Tok::Semi, 1),
            (b':', _) => (Tok::Colon, 1),
            (b'@', _) => (Tok::At, 1),
            (b'!', _) => (Tok::Bang, 1),
            (b'|', _) => (Tok::Bar, 1),
            (b'+', _) => (Tok::Plus, 1),
            (b'-', _) => (Tok::Minus, 1),
            (b'*', _) => (Tok::Star, 1),
            (b'/', _) => (Tok::Slash, 1),
            (b'%', _) => (Tok::Percent, 1),
            (b'&', _) => (Tok::Amp, 1),
            (b'^', _) => (Tok::Caret, 1),
            (b'~', _) => (Tok::Tilde, 1),
            (b'<', _) => (Tok::Less, 1),
            (b'>', _) => (Tok::Greater, 1),
            (b'=', _) => (Tok::Eq, 1),
            (b'?', _) => (Tok::Question, 1),
            _ => return self.bad(),
        };
        self.at += len;
        tok
    }

    /// One token for a run of bytes that start nothing, so that binary data is one message.
    fn bad(&mut self) -> Tok {
        let strange =
            |byte: u8| byte >= 0x80 || byte < b' ' && !byte.is_ascii_whitespace() || b"\\`'#.".contains(&byte);
        self.at += 1;
        while self.at < self.bytes.len() && strange(self.bytes[self.at]) {
            self.at += 1;
        }
        Tok::Bad
    }

    fn number(&mut self) -> Tok {
        if self.byte(0) == b'0' && matches!(self.byte(1), b'f' | b'F' | b'd' | b'D') {
            self.skip_words();
            return Tok::Float;
        }
        if self.byte(0) == b'0' && matches!(self.byte(1), b'x' | b'X' | b'b' | b'B') {
            self.skip_words();
            return Tok::Int;
        }
        let digits = |lexer: &mut Self| {
            while lexer.byte(0).is_ascii_digit() {
                lexer.at += 1;
            }
        };
        digits(self);
        let mut tok = Tok::Int;
        if self.byte(0) == b'.' && !(self.byte(1).is_ascii_alphabetic() || self.byte(1) == b'_') {
            self.at += 1;
            digits(self);
            tok = Tok::Float;
        }
        let sign = usize::from(matches!(self.byte(1), b'+' | b'-'));
        if matches!(self.byte(0), b'e' | b'E') && self.byte(1 + sign).is_ascii_digit() {
            self.at += 1 + sign;
            digits(self);
            tok = Tok::Float;
        }
        self.skip_words(); // The `U` suffix; anything else is a malformed literal, found when its value is read.
        tok
    }

    fn string(&mut self) -> Tok {
        self.at += 1;
        while self.at < self.bytes.len() {
            match self.bytes[self.at] {
                b'"' => {
                    self.at += 1;
                    return Tok::Str;
                }
                b'\n' => break,
                b'\\' if self.byte(1) == b'"' => self.at += 2,
                _ => self.at += 1,
            }
        }
        Tok::UnterminatedString
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &[(Tok, &str)]) {
        let mut lexer = Lexer::new(source);
        for &(tok, text) in expected {
            let token = lexer.next_token();
            assert_eq!((token.tok, lexer.text(token.span)), (tok, text), "in {source:?}");
        }
        assert_eq!(lexer.next_token().tok, Tok::Eof, "in {source:?}");
    }

    #[test]
    fn words_and_modifiers() {
        check(
            "ld.shared::cta.v2 %r1, [%rd2+-4];",
            &[
                (Tok::Ident, "ld"),
                (Tok::Dot, ".shared::cta"),
                (Tok::Dot, ".v2"),
                (Tok::Ident, "%r1"),
                (Tok::Comma, ","),
                (Tok::LBracket, "["),
                (Tok::Ident, "%rd2"),
                (Tok::Plus, "+"),
                (Tok::Minus, "-"),
                (Tok::Int, "4"),
                (Tok::RBracket, "]"),
                (Tok::Semi, ";"),
            ],
        );
    }

    #[test]
    fn numbers() {
        check(
            "0x1FU 017 0b11 12U 1.5 2e-3 1. 0f3F800000 0d3FF0000000000000 7.0",
            &[
                (Tok::Int, "0x1FU"),
                (Tok::Int, "017"),
                (Tok::Int, "0b11"),
                (Tok::Int, "12U"),
                (Tok::Float, "1.5"),
                (Tok::Float, "2e-3"),
                (Tok::Float, "1."),
                (Tok::Float, "0f3F800000"),
                (Tok::Float, "0d3FF0000000000000"),
                (Tok::Float, "7.0"),
            ],
        );
    }

    #[test]
    fn broken_text() {
        check("a /* b", &[(Tok::Ident, "a"), (Tok::UnterminatedComment, "/*")]);
        check("\"abc\n;", &[(Tok::UnterminatedString, "\"abc"), (Tok::Semi, ";")]);
        check("\u{0}\u{1}\u{e9}x", &[(Tok::Bad, "\u{0}\u{1}\u{e9}"), (Tok::Ident, "x")]);
        check("\u{feff}a", &[(Tok::Ident, "a")]);
        check("/*a*//**/ # b\n#c\n", &[(Tok::Bad, "#"), (Tok::Ident, "b")]);
    }
}
