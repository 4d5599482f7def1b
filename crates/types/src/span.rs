//! Where in a source text something stands.

/// A half-open byte range of one source text. Texts are limited to 4 GiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The range `start..end`.
    pub const fn new(start: u32, end: u32) -> Self {
        Self { start, end }
    }

    /// The smallest span that covers both.
    pub fn to(self, other: Self) -> Self {
        Self::new(self.start.min(other.start), self.end.max(other.end))
    }
}

/// A position for people: both count from 1; columns count Unicode scalar values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LineColumn {
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

/// Finds the line and column of a byte offset in O(log lines).
#[derive(Clone, Debug)]
pub struct LineMap {
    starts: Vec<u32>,
}

impl LineMap {
    /// Indexes the line starts of `source`.
    pub fn new(source: &str) -> Self {
        let breaks = source.bytes().enumerate().filter(|&(_, byte)| byte == b'\n').map(|(at, _)| at as u32 + 1);
        Self { starts: std::iter::once(0).chain(breaks).collect() }
    }

    /// The line of byte `offset`, from 1.
    pub fn line(&self, offset: u32) -> u32 {
        self.starts.partition_point(|&start| start <= offset) as u32
    }

    /// The position of byte `offset` of the same `source`; an offset past the end gives the end.
    pub fn position(&self, source: &str, offset: u32) -> LineColumn {
        let line_idx = self.line(offset) as usize - 1;
        let start = self.starts[line_idx] as usize;
        let end = (offset as usize).min(source.len());
        let prefix = source.get(start..end).unwrap_or("");
        LineColumn { line: line_idx as u32 + 1, column: prefix.chars().count() as u32 + 1 }
    }

    /// The text of line `line` (from 1) without its line break.
    pub fn line_text<'s>(&self, source: &'s str, line: u32) -> &'s str {
        let idx = line as usize - 1;
        let start = self.starts[idx] as usize;
        let end = self.starts.get(idx + 1).map_or(source.len(), |&next| next as usize);
        source[start..end].trim_end_matches(['\n', '\r'])
    }
}
