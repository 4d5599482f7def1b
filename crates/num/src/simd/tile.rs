//! The innermost loops: a tile of the result in registers.
//!
//! A tile has `MV` vectors of rows and `NR` columns. Its left operand lies with rows next to each other, the right one
//! anywhere; packed operands are padded to whole tiles, operands used in place are not. The sum over k is taken first,
//! then combined with what the output holds, in one place for whole and partial tiles alike: the value of an element
//! does not depend on where the tile's edges are.
#![allow(clippy::needless_range_loop, reason = "loops over registers unroll only with constant bounds")]

use super::vector::{Lanes, prefetch};

/// Where a tile's result goes: `c = alpha * sum + beta * c`, rows next to each other.
pub struct Out<Acc> {
    pub c: *mut Acc,
    /// From one column to the next.
    pub stride: isize,
    /// Rows and columns that exist.
    pub rows: usize,
    pub cols: usize,
    pub alpha: Acc,
    /// `None` when the old value does not count, not even if it is NaN.
    pub beta: Option<Acc>,
    /// Write past the caches: only with whole vectors of aligned columns.
    pub stream: bool,
}

/// Operands that lie where the caller has them.
pub struct Direct<P> {
    pub a: *const P,
    pub a_k: isize,
    pub b: *const P,
    pub b_k: isize,
    pub b_col: isize,
}

/// How far ahead left panels are asked for.
const STEPS_AHEAD: usize = 12;

/// The sums of a tile. `LAST`: the last vector has only `last` rows.
///
/// # Safety
/// All that the extents and strides name can be read; rule 5.
#[inline(always)]
unsafe fn sums<L: Lanes, const MV: usize, const NR: usize, const LAST: bool, const AHEAD: bool>(
    k: usize,
    from: &Direct<L::P>,
    last: usize,
    mut acc: [[L::C; NR]; MV],
) -> [[L::C; NR]; MV] {
    let (mut a, mut b) = (from.a, from.b);
    for _ in 0..k {
        // SAFETY: the caller's promise; pointers move past the end at most after the last step, and then wrap.
        unsafe {
            // A packed panel comes from the second-level cache: asked for a dozen steps ahead.
            if AHEAD {
                for i in 0..MV {
                    prefetch(a.wrapping_add((i + STEPS_AHEAD * MV) * L::N));
                }
            }
            let rows: [L::V; MV] = std::array::from_fn(|i| {
                let at = a.add(i * L::N);
                if LAST && i == MV - 1 { L::load_part(at, last) } else { L::load(at) }
            });
            for j in 0..NR {
                let column = L::splat(b.offset(j as isize * from.b_col));
                for i in 0..MV {
                    acc[i][j] = L::dot(acc[i][j], rows[i], column);
                }
            }
        }
        a = a.wrapping_offset(from.a_k);
        b = b.wrapping_offset(from.b_k);
    }
    acc
}

/// # Safety
/// The output's extents can be written; rule 5.
#[inline(always)]
unsafe fn finish<L: Lanes, const MV: usize, const NR: usize>(acc: [[L::C; NR]; MV], out: &Out<L::Acc>) {
    // SAFETY: only rows and columns that exist are touched; rule 5.
    unsafe {
        let alpha = L::all(out.alpha);
        let whole = out.rows == MV * L::N;
        for j in 0..NR {
            if j >= out.cols {
                break;
            }
            let column = out.c.offset(j as isize * out.stride);
            for i in 0..MV {
                let n = if whole { L::N } else { out.rows.saturating_sub(i * L::N).min(L::N) };
                if n == 0 {
                    break;
                }
                let at = column.add(i * L::N);
                let value = L::mul(acc[i][j], alpha);
                match out.beta {
                    Some(beta) => L::store_c(at, n, L::mul_add(L::all(beta), L::load_c(at, n), value)),
                    None if out.stream && n == L::N => L::stream_c(at, value),
                    None => L::store_c(at, n, value),
                }
            }
        }
    }
}

/// A tile of packed operands.
///
/// # Safety
/// `a` and `b` are packed panels of `k` groups; the output's extents can be written; rule 5.
#[inline(always)]
pub(crate) unsafe fn packed<L: Lanes, const MV: usize, const NR: usize>(
    k: usize,
    a: *const L::P,
    mut b: *const L::P,
    out: &Out<L::Acc>,
) {
    // SAFETY: the caller's promise; prefetching reads nothing.
    unsafe {
        for j in 0..out.cols.min(NR) {
            let column = out.c.offset(j as isize * out.stride);
            prefetch(column);
            prefetch(column.wrapping_add(L::N * MV - 1));
        }
        let mut acc = [[L::all(L::ZERO); NR]; MV];
        if L::HEADER {
            for j in 0..NR {
                for row in &mut acc {
                    row[j] = L::start(b.add(j));
                }
            }
            b = b.add(NR);
        }
        let from = Direct { a, a_k: (MV * L::N) as isize, b, b_k: NR as isize, b_col: 1 };
        let acc = sums::<L, MV, NR, false, true>(k, &from, 0, acc);
        finish::<L, MV, NR>(acc, out);
    }
}

/// A tile of exactly `MV` vectors, the last one perhaps partial, and `NR` columns, from operands in place.
///
/// # Safety
/// All that the output's extents and the strides name can be read and written; rule 5.
#[inline(always)]
pub(crate) unsafe fn direct<L: Lanes, const MV: usize, const NR: usize>(
    k: usize,
    from: &Direct<L::P>,
    out: &Out<L::Acc>,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let acc = [[L::all(L::ZERO); NR]; MV];
        let last = out.rows - (MV - 1) * L::N;
        let acc = if last == L::N {
            sums::<L, MV, NR, false, false>(k, from, last, acc)
        } else {
            sums::<L, MV, NR, true, false>(k, from, last, acc)
        };
        finish::<L, MV, NR>(acc, out);
    }
}

/// How a complex product is put together from real sums.
pub struct ComplexOut<R> {
    /// Rows are pairs (re, im): all counts and strides are in real numbers, except `cols`, which counts complex columns.
    pub c: *mut R,
    pub stride: isize,
    pub rows: usize,
    pub cols: usize,
    /// `None` is 1: a product with (1, 0) would make NaN of infinities.
    pub alpha: Option<(R, R)>,
    pub beta: ComplexBeta<R>,
    /// +1 or -1: the sign of the right operand's imaginary part, and of the result's before `alpha`.
    pub right_im: R,
    pub result_im: R,
}

/// What becomes of the old value of a complex output.
#[derive(Clone, Copy)]
pub enum ComplexBeta<R> {
    Zero,
    One,
    Times(R, R),
}

/// A tile of complex numbers: rows are (re, im) pairs of the left operand, columns re and im of the right one in turn.
///
/// With `s = a * re(b)` and `t = a * im(b)`, taken on the pairs as they lie, the product is `s + i t`: `t` with its pairs
/// swapped and the sign of the even lanes changed, plus `s`.
///
/// # Safety
/// As [`packed`], with `2 * cols` real columns in the packed right operand.
#[inline(always)]
pub(crate) unsafe fn complex<L: Lanes, const MV: usize, const NR: usize>(
    k: usize,
    a: *const L::P,
    b: *const L::P,
    out: &ComplexOut<L::Acc>,
) {
    // SAFETY: only rows and columns that exist are touched; rule 5.
    unsafe {
        let from = Direct { a, a_k: (MV * L::N) as isize, b, b_k: NR as isize, b_col: 1 };
        let acc = sums::<L, MV, NR, false, true>(k, &from, 0, [[L::all(L::ZERO); NR]; MV]);
        let turn = L::pairs(L::negative(out.right_im), out.right_im);
        let conjugate = L::pairs(L::ONE, out.result_im);
        let times = |c: L::C, re: L::Acc, im: L::Acc| {
            L::mul_add(L::swap_pairs(c), L::pairs(L::negative(im), im), L::mul(c, L::all(re)))
        };
        let put = |n: usize, at: *mut L::Acc, product: L::C| {
            let value = out.alpha.map_or(product, |(re, im)| times(product, re, im));
            let value = match out.beta {
                ComplexBeta::Zero => value,
                ComplexBeta::One => L::mul_add(L::load_c(at, n), L::all(L::ONE), value),
                ComplexBeta::Times(re, im) => L::mul_add(times(L::load_c(at, n), re, im), L::all(L::ONE), value),
            };
            L::store_c(at, n, value);
        };
        for j in 0..NR / 2 {
            if j >= out.cols {
                break;
            }
            let column = out.c.offset(j as isize * out.stride);
            for i in 0..MV {
                let n = out.rows.saturating_sub(i * L::N).min(L::N);
                if n == 0 {
                    break;
                }
                let product = L::mul_add(L::swap_pairs(acc[i][2 * j + 1]), turn, acc[i][2 * j]);
                put(n, column.add(i * L::N), L::mul(product, conjugate));
            }
        }
    }
}
