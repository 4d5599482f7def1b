//! The metadata of `mma.sp`: which columns the stored elements of A stand in.
//!
//! Model: each row stores half of its elements. Four bits of metadata speak of a *span* of columns: two bits per stored
//! element (per stored pair for 4-bit elements, per half of a stored tf32). The words lie in lanes of the group of four that
//! owns the row, where the selector says. With 16-bit and larger elements a word holds a chunk of row `group` in its
//! low and of row `group + 8` in its high half, consecutive chunks in consecutive lanes; with smaller elements a word
//! holds one row of a chunk, rows alternating between lanes.
//!
//! For each dense column the candidates are the stored elements of its span; the last one whose code names the column
//! wins, and a column without one is zero.
//!
//! Source: PTX ISA 9.x, "mma.sp", figures of its shapes.

use crate::llvm::{Builder, IntOp, IntPredicate, Value};

/// The metadata operand and how to read it.
pub(super) struct Sparsity<'c> {
    /// Size of an element of A.
    bits: u32,
    /// Dense columns that four bits speak of.
    span: u32,
    /// Dense columns that one row's part of a word speaks of.
    chunk: u32,
    /// First lane of a group of four that holds words.
    first_lane: u32,
    /// `<32 x i32>`.
    words: Value<'c>,
}

/// A stored element that may stand in a certain dense column.
pub(super) struct Candidate {
    /// Its column among the stored ones.
    pub(super) stored: u32,
    /// The dense column.
    column: u32,
    /// Its number within the span's stored elements.
    number: u32,
}

impl<'c> Sparsity<'c> {
    /// For elements of `bits` bits and `k` dense columns.
    pub(super) const fn new(bits: u32, k: u32, selector: u32, words: Value<'c>) -> Self {
        let span = match bits {
            32 => 2,
            4 => 8,
            _ => 4,
        };
        let chunk = if bits >= 16 { 4 } else { 8 } * span;
        let lanes_used = k / chunk * if bits >= 16 { 1 } else { 2 };
        // A selector past the group is undefined behaviour; this keeps the reads inside the warp.
        Self { bits, span, chunk, first_lane: selector * lanes_used % 4, words }
    }

    /// The stored elements that may stand in dense column `k`, the winning ones last.
    pub(super) fn candidates(&self, k: u32) -> Vec<Candidate> {
        let start = k - k % self.span;
        (0..self.span / 2)
            // Of 4-bit elements a pair keeps its order: the even one stands in an even column.
            .filter(|number| self.bits != 4 || number % 2 == k % 2)
            .map(|number| Candidate { stored: start / 2 + number, column: k, number })
            .collect()
    }

    /// For each of `lanes` accumulator lanes, whether the candidate of its row stands in the candidate's column.
    pub(super) fn is_at(
        &self,
        builder: &Builder<'c>,
        candidate: &Candidate,
        lanes: usize,
        row_of: impl Fn(usize) -> u32,
    ) -> Value<'c> {
        let wide = self.bits >= 16;
        let (chunk_idx, within) = (candidate.column / self.chunk, candidate.column % self.chunk / self.span);
        let lane_of = |row: u32| {
            let in_group = if wide { chunk_idx } else { 2 * chunk_idx + row / 8 };
            row % 8 * 4 + (self.first_lane + in_group) % 4
        };
        let words = builder.permute(self.words, (0..lanes).map(|lane| lane_of(row_of(lane))));
        // The two bits (one for tf32) of the candidate.
        let code = match self.bits {
            4 => 2 * (candidate.number / 2),
            32 => 1,
            _ => 2 * candidate.number,
        };
        let int = words.ty().scalar();
        let shifts = (0..lanes).map(|lane| {
            let half = if wide { 16 * (row_of(lane) / 8) } else { 0 };
            i64::from(half + 4 * within + code)
        });
        let shifted = builder.int(IntOp::LShr, words, int.constant_vector(shifts));
        let mask = if self.bits == 32 { 1 } else { 3 };
        let offset = candidate.column % self.span / if self.bits == 4 { 2 } else { 1 };
        let found = builder.and(shifted, shifted.ty().constant(mask));
        builder.icmp(IntPredicate::Eq, found, found.ty().constant(u64::from(offset)))
    }
}
