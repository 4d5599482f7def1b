//! Text to syntax tree, with error recovery.
//!
//! Model: recursive descent with two tokens in sight. A rule that fails reports one diagnostic and returns `Err`; the
//! nearest list of statements or items skips to the next `;` or `}` and goes on, so that one run finds many errors.
//! Depth, number of nodes and number of diagnostics are bounded ([`Limits`]), so hostile text costs no more than its size.
//!
//! What it does not do: resolve names, check opcodes, types or operand counts (that is [`crate::lower`]).

mod body;
mod constant;
mod declaration;
mod module;
mod operand;

use crate::ast::{Module, Name};
use crate::lexer::{Lexer, Tok, Token};
use vgpu_types::{Diagnostic, Span};

pub use constant::parse_integer;

/// Bounds on what one text may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of source.
    pub source_bytes: usize,
    /// Initialiser values, and four for each statement and declaration (by their size in memory).
    pub nodes: u32,
    /// Braces and parentheses inside each other.
    pub depth: u32,
    /// Diagnostics after which parsing stops.
    pub diagnostics: usize,
    /// Operands of one instruction, elements of one vector, parameters of one function.
    pub list_items: usize,
}

/// The bounds of [`parse`].
pub const LIMITS: Limits =
    Limits { source_bytes: 1 << 29, nodes: 16_000_000, depth: 64, diagnostics: 200, list_items: 4096 };

/// A diagnostic was pushed; the caller recovers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reported;

pub(crate) type Parsed<T> = Result<T, Reported>;

pub(crate) struct Parser<'s> {
    lexer: Lexer<'s>,
    cur: Token,
    next: Token,
    /// End of the last token consumed.
    prev_end: u32,
    depth: u32,
    nodes: u32,
    stopped: bool,
    diagnostics: Vec<Diagnostic>,
}

/// Parses a PTX text. The tree holds everything that could be read; the diagnostics say what could not.
///
/// ```
/// let (module, diagnostics) = vgpu_ptx::parse(".version 8.0\n.target sm_80\n.address_size 64\n");
/// assert!(diagnostics.is_empty());
/// assert_eq!(module.version.map(|version| version.major), Some(8));
/// ```
pub fn parse(source: &str) -> (Module<'_>, Vec<Diagnostic>) {
    if source.len() > LIMITS.source_bytes {
        let message = format!("the text has {} bytes; at most {} are accepted", source.len(), LIMITS.source_bytes);
        return (Module::default(), vec![Diagnostic::error("too-large", Span::new(0, 0), message)]);
    }
    // C strings and image sections carry zeros after the text.
    let mut parser = Parser::new(source.trim_end_matches('\0'));
    let module = parser.module();
    (module, parser.diagnostics)
}

impl<'s> Parser<'s> {
    fn new(source: &'s str) -> Self {
        let mut lexer = Lexer::new(source);
        let cur = lexer.next_token();
        let next = lexer.next_token();
        Self { lexer, cur, next, prev_end: 0, depth: 0, nodes: 0, stopped: false, diagnostics: Vec::new() }
    }

    fn text(&self, span: Span) -> &'s str {
        self.lexer.text(span)
    }

    /// The text of the current token.
    fn cur_text(&self) -> &'s str {
        self.text(self.cur.span)
    }

    /// The current token when it is a directive: its word without the dot.
    fn directive(&self) -> Option<&'s str> {
        if self.cur.tok == Tok::Dot { self.cur_text().get(1..) } else { None }
    }

    /// True when the current token is the directive `.word`.
    fn at_directive(&self, word: &str) -> bool {
        self.directive() == Some(word)
    }

    fn at(&self, tok: Tok) -> bool {
        self.cur.tok == tok
    }

    fn bump(&mut self) -> Token {
        let token = self.cur;
        self.prev_end = token.span.end;
        self.cur = self.next;
        self.next = self.lexer.next_token();
        if self.stopped {
            self.stop();
        }
        token
    }

    fn eat(&mut self, tok: Tok) -> bool {
        let found = self.at(tok);
        if found {
            self.bump();
        }
        found
    }

    fn eat_directive(&mut self, word: &str) -> bool {
        let found = self.at_directive(word);
        if found {
            self.bump();
        }
        found
    }

    fn expect(&mut self, tok: Tok, after: &str) -> Parsed<Token> {
        if self.at(tok) { Ok(self.bump()) } else { Err(self.expected(tok.describe(), after)) }
    }

    fn expect_name(&mut self, what: &str) -> Parsed<Name<'s>> {
        if self.at(Tok::Ident) {
            let token = self.bump();
            Ok(Name { text: self.text(token.span), span: token.span })
        } else {
            Err(self.expected("a name", what))
        }
    }

    /// Reports that `what` should stand at the current token.
    fn expected(&mut self, what: &str, place: &str) -> Reported {
        let found = match self.cur.tok {
            Tok::Ident | Tok::Dot | Tok::Int | Tok::Float => format!("`{}`", shorten(self.cur_text())),
            tok => tok.describe().to_owned(),
        };
        let code = match self.cur.tok {
            Tok::Bad => "unexpected-character",
            Tok::UnterminatedComment => "unterminated-comment",
            Tok::UnterminatedString => "unterminated-string",
            _ => "syntax",
        };
        // A missing `;` is best shown where it belongs, not at the next line's first word.
        let span = if what == "`;`" && self.cur.tok != Tok::Bad {
            Span::new(self.prev_end.saturating_sub(1), self.prev_end)
        } else {
            self.cur.span
        };
        self.error(code, span, format!("expected {what} {place}, found {found}"))
    }

    fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) -> Reported {
        self.report(Diagnostic::error(code, span, message))
    }

    fn report(&mut self, diagnostic: Diagnostic) -> Reported {
        if !self.stopped {
            let span = diagnostic.span;
            self.diagnostics.push(diagnostic);
            if self.diagnostics.len() >= LIMITS.diagnostics {
                let message = format!("stopped after {} messages", LIMITS.diagnostics);
                self.diagnostics.push(Diagnostic::error("too-many-errors", span, message));
                self.stop();
            }
        }
        Reported
    }

    /// Goes to the end of the text: every rule then ends.
    fn stop(&mut self) {
        self.stopped = true;
        let end = self.lexer.source_len();
        self.lexer.seek(end);
        let eof = Token { tok: Tok::Eof, span: Span::new(end, end) };
        self.cur = eof;
        self.next = eof;
    }

    /// Counts a statement or declaration.
    fn count_node(&mut self) -> Parsed<()> {
        self.count(4)
    }

    /// Counts a node of the tree; stops the parse when there are too many.
    fn count(&mut self, weight: u32) -> Parsed<()> {
        self.nodes += weight;
        if self.nodes > LIMITS.nodes {
            let message = format!("more than {} statements or {} values in one text", LIMITS.nodes / 4, LIMITS.nodes);
            let reported = self.error("too-large", self.cur.span, message);
            self.stop();
            return Err(reported);
        }
        Ok(())
    }

    /// Runs `rule` one level deeper.
    fn nested<T>(&mut self, rule: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= LIMITS.depth {
            let message = format!("nested deeper than {} levels", LIMITS.depth);
            let reported = self.error("too-deep", self.cur.span, message);
            // Every enclosing level would fail again at its own end.
            self.stop();
            return Err(reported);
        }
        self.depth += 1;
        let result = rule(self);
        self.depth -= 1;
        result
    }

    /// Items separated by commas up to `close`, which is consumed. At least `LIMITS.list_items` are accepted.
    fn list<T>(&mut self, close: Tok, what: &str, mut item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut items = Vec::new();
        if self.eat(close) {
            return Ok(items);
        }
        loop {
            if items.len() >= LIMITS.list_items {
                let message = format!("more than {} items in {what}", LIMITS.list_items);
                return Err(self.error("too-large", self.cur.span, message));
            }
            items.push(item(self)?);
            if self.eat(close) {
                return Ok(items);
            }
            if !self.eat(Tok::Comma) {
                return Err(self.expected(&format!("`,` or {}", close.describe()), &format!("in {what}")));
            }
        }
    }

    /// After an error: skips past the next `;` or closing brace that belongs to this level, but stops before a `}` that
    /// ends the level, and at the top level before a directive that begins an item.
    fn recover(&mut self, top_level: bool, failed_at: u32) {
        let mut depth = 0u32;
        loop {
            let begins_item = matches!(
                self.directive(),
                Some("visible" | "extern" | "weak" | "common" | "entry" | "func" | "global" | "const" | "section")
            );
            if top_level && depth == 0 && begins_item && self.cur.span.start > failed_at {
                return;
            }
            match self.cur.tok {
                Tok::Eof => return,
                Tok::Semi if depth == 0 => {
                    self.bump();
                    return;
                }
                Tok::LBrace => depth += 1,
                Tok::RBrace if depth == 0 => return,
                Tok::RBrace => {
                    depth -= 1;
                    if depth == 0 {
                        self.bump();
                        self.eat(Tok::Semi);
                        return;
                    }
                }
                _ => {}
            }
            self.bump();
        }
    }

    fn span_from(&self, start: u32) -> Span {
        Span::new(start, self.prev_end.max(start))
    }
}

/// The start of a long text, for messages.
pub(crate) fn shorten(text: &str) -> String {
    const SHOWN: usize = 60;
    if text.len() <= SHOWN {
        return text.to_owned();
    }
    format!("{}..", text.chars().take(SHOWN).collect::<String>())
}
