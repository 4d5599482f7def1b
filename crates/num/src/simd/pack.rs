//! Packing: operands copied into panels in the order in which a kernel reads them.
//!
//! A panel holds `width` rows (of the left operand) or columns (of the right one) for a range of k: group after group
//! of k, each with `width` entries side by side. What lies beyond the matrix is packed as zero.

/// How elements become the groups that a kernel multiplies.
pub(crate) trait Group: 'static {
    /// An element of the matrix.
    type T: Copy;
    /// A packed group.
    type P: Copy;
    /// Elements of k in a group.
    const K: usize;
    /// A group of `K` neighbours in memory, seen as bits and exclusive-ored with this, is the packed group; `None` when
    /// the elements are converted.
    const BITS: Option<u32>;
    /// Beyond the last k there may be padding inside a group; this is what a group of nothing but padding holds.
    const EMPTY: Self::P;

    /// The group of the `n <= K` elements that lie `step` apart.
    /// # Safety
    /// They can be read.
    unsafe fn take(from: *const Self::T, step: isize, n: usize) -> Self::P;

    /// Start value of the sums of one column, from its elements; only for kernels with a header.
    /// # Safety
    /// `k` elements `step` apart can be read.
    unsafe fn header(_from: *const Self::T, _step: isize, _k: usize) -> Self::P {
        Self::EMPTY
    }
}

/// What to pack: `n` entries `step` apart, `k` elements deep with `step_k` between them.
pub struct Panel<T> {
    pub from: *const T,
    pub n: usize,
    pub step: isize,
    pub k: usize,
    pub step_k: isize,
}

/// Packs one panel of width `W`; `vector`: transposing with AVX-512 is possible. `header`: of a right operand whose kernel
/// wants start values.
///
/// # Safety
/// The panel's elements can be read, and `(groups + header) * W` groups written to `to`; rule 5 for `vector`.
#[inline(always)]
pub(crate) unsafe fn pack<G: Group, const W: usize, const VECTOR: bool>(
    panel: &Panel<G::T>,
    mut to: *mut G::P,
    header: bool,
) {
    let &Panel { from, n, step, k, step_k } = panel;
    // SAFETY: the caller's promise; indices stay below `n` and `k`.
    unsafe {
        if header {
            for i in 0..W {
                let value = if i < n { G::header(from.offset(i as isize * step), step_k, k) } else { G::EMPTY };
                to.add(i).write(value);
            }
            to = to.add(W);
        }
        let whole = k / G::K;
        let mut done = 0;
        if VECTOR && step_k == 1 && n > 1 {
            done = transpose::pack_whole::<G, W>(panel, to);
        }
        if step == 1 && n == W {
            // Entries side by side: whole rows, which the compiler copies or converts by vectors.
            for g in done..whole {
                let row = from.offset((g * G::K) as isize * step_k);
                for i in 0..W {
                    to.add(g * W + i).write(G::take(row.add(i), step_k, G::K));
                }
            }
        } else {
            for g in done..whole {
                let row = from.offset((g * G::K) as isize * step_k);
                for i in 0..n {
                    to.add(g * W + i).write(G::take(row.offset(i as isize * step), step_k, G::K));
                }
                for i in n..W {
                    to.add(g * W + i).write(G::EMPTY);
                }
            }
        }
        if whole * G::K < k {
            let row = from.offset((whole * G::K) as isize * step_k);
            for i in 0..W {
                let value =
                    if i < n { G::take(row.offset(i as isize * step), step_k, k - whole * G::K) } else { G::EMPTY };
                to.add(whole * W + i).write(value);
            }
        }
    }
}

/// Elements that are packed as they are.
macro_rules! plain_group {
    ($name:ident, $t:ty, $zero:expr) => {
        /// One element.
        pub(crate) struct $name;
        impl Group for $name {
            type T = $t;
            type P = $t;
            const K: usize = 1;
            const BITS: Option<u32> = Some(0);
            const EMPTY: $t = $zero;
            #[inline(always)]
            unsafe fn take(from: *const $t, _step: isize, _n: usize) -> $t {
                // SAFETY: the caller's promise.
                unsafe { *from }
            }
        }
    };
}
plain_group!(F32, f32, 0.0);
plain_group!(F64, f64, 0.0);
plain_group!(C32, num_complex::Complex32, num_complex::Complex32 { re: 0.0, im: 0.0 });
plain_group!(C64, num_complex::Complex64, num_complex::Complex64 { re: 0.0, im: 0.0 });

/// Elements that become another number, exactly.
macro_rules! converted_group {
    ($name:ident, $t:ty, $p:ty, $convert:expr) => {
        /// One element, converted.
        pub(crate) struct $name;
        impl Group for $name {
            type T = $t;
            type P = $p;
            const K: usize = 1;
            const BITS: Option<u32> = None;
            const EMPTY: $p = 0 as $p;
            #[inline(always)]
            unsafe fn take(from: *const $t, _step: isize, _n: usize) -> $p {
                // SAFETY: the caller's promise.
                $convert(unsafe { *from })
            }
        }
    };
}
converted_group!(Bf16AsF32, half::bf16, f32, |x: half::bf16| f32::from_bits(u32::from(x.to_bits()) << 16));
converted_group!(F16AsF32, half::f16, f32, f16_to_f32);
converted_group!(I8AsI32, i8, i32, i32::from);

/// Exact conversion in integer steps that the compiler can do for many values at once; NaN stays NaN.
#[inline(always)]
fn f16_to_f32(x: half::f16) -> f32 {
    let bits = u32::from(x.to_bits());
    let magnitude = (bits & 0x7fff) << 13;
    // The exponent moves up by 127 - 15 through a product with 2^112, which also normalises subnormal numbers.
    let scaled = f32::from_bits(magnitude) * f32::from_bits(0x7780_0000);
    let special = (bits & 0x7c00) == 0x7c00;
    let value = if special { magnitude | 0x7f80_0000 } else { scaled.to_bits() };
    f32::from_bits(value | (bits & 0x8000) << 16)
}

/// Two bf16 values side by side.
pub(crate) struct Bf16Pair;
impl Group for Bf16Pair {
    type T = half::bf16;
    type P = u32;
    const K: usize = 2;
    const BITS: Option<u32> = Some(0);
    const EMPTY: u32 = 0;
    #[inline(always)]
    unsafe fn take(from: *const half::bf16, step: isize, n: usize) -> u32 {
        // SAFETY: the caller's promise.
        unsafe {
            let low = u32::from((*from).to_bits());
            let high = if n > 1 { u32::from((*from.offset(step)).to_bits()) } else { 0 };
            low | high << 16
        }
    }
}

/// Two int8 values widened to 16 bits.
pub(crate) struct I8Pair;
impl Group for I8Pair {
    type T = i8;
    type P = u32;
    const K: usize = 2;
    const BITS: Option<u32> = None;
    const EMPTY: u32 = 0;
    #[inline(always)]
    unsafe fn take(from: *const i8, step: isize, n: usize) -> u32 {
        // SAFETY: the caller's promise.
        unsafe {
            let low = i32::from(*from) as u32 & 0xffff;
            let high = if n > 1 { i32::from(*from.offset(step)) as u32 } else { 0 };
            low | high << 16
        }
    }
}

/// # Safety
/// `n` elements `step` apart can be read.
#[inline(always)]
unsafe fn four(from: *const i8, step: isize, n: usize) -> u32 {
    let mut bits = 0;
    for i in 0..4 {
        if i < n {
            // SAFETY: the caller's promise.
            bits |= u32::from(unsafe { *from.offset(i as isize * step) } as u8) << (8 * i);
        }
    }
    bits
}

/// Four int8 values of a right operand; the header takes back the 128 of the left one.
pub(crate) struct I8Right;
impl Group for I8Right {
    type T = i8;
    type P = u32;
    const K: usize = 4;
    const BITS: Option<u32> = Some(0);
    const EMPTY: u32 = 0;
    #[inline(always)]
    unsafe fn take(from: *const i8, step: isize, n: usize) -> u32 {
        // SAFETY: the caller's promise.
        unsafe { four(from, step, n) }
    }
    #[inline(always)]
    unsafe fn header(from: *const i8, step: isize, k: usize) -> u32 {
        // SAFETY: the caller's promise.
        let sum: i32 = (0..k).map(|i| i32::from(unsafe { *from.offset(i as isize * step) })).sum();
        sum.wrapping_mul(-128) as u32
    }
}

/// Four int8 values of a left operand, plus 128. Padding in k meets zeros on the right, so its value does not count.
pub(crate) struct I8Left;
impl Group for I8Left {
    type T = i8;
    type P = u32;
    const K: usize = 4;
    const BITS: Option<u32> = Some(0x8080_8080);
    const EMPTY: u32 = 0;
    #[inline(always)]
    unsafe fn take(from: *const i8, step: isize, n: usize) -> u32 {
        // SAFETY: the caller's promise.
        unsafe { four(from, step, n) ^ 0x8080_8080 }
    }
}

mod transpose {
    //! Entries whose k lie side by side: blocks of 64 bytes of each are turned in registers.

    use super::{Group, Panel};

    /// Packs whole blocks of groups and returns how many groups are done.
    ///
    /// # Safety
    /// As `pack`, with AVX-512.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub unsafe fn pack_whole<G: Group, const W: usize>(panel: &Panel<G::T>, to: *mut G::P) -> usize {
        let Some(bits) = G::BITS else { return 0 };
        // SAFETY: the caller's promise.
        unsafe {
            match size_of::<G::P>() {
                4 => blocks::<G, u32, 16, W>(panel, to, bits),
                8 => blocks::<G, u64, 8, W>(panel, to, bits),
                _ => 0,
            }
        }
    }

    /// Nothing is done here on other machines.
    ///
    /// # Safety
    /// None needed.
    #[cfg(not(target_arch = "x86_64"))]
    pub unsafe fn pack_whole<G: Group, const W: usize>(_panel: &Panel<G::T>, _to: *mut G::P) -> usize {
        0
    }

    /// `S` groups per vector of 64 bytes.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn blocks<G: Group, U, const S: usize, const W: usize>(
        panel: &Panel<G::T>,
        to: *mut G::P,
        bits: u32,
    ) -> usize {
        use std::arch::x86_64::*;
        let n_blocks = panel.k / G::K / S;
        // SAFETY: blocks are whole in k; rows beyond `n` are not read, columns beyond `W` not written; AVX-512 is the
        // caller's promise.
        unsafe {
            let flip = _mm512_set1_epi32(bits as i32);
            for block in 0..n_blocks {
                let mut first = 0;
                while first < W {
                    let zero = _mm512_setzero_si512();
                    let mut rows = [zero; S];
                    for (i, row) in rows.iter_mut().enumerate() {
                        if first + i < panel.n.min(W) {
                            let at = panel.from.offset((first + i) as isize * panel.step).add(block * S * G::K);
                            *row = _mm512_xor_si512(_mm512_loadu_si512(at.cast()), flip);
                        }
                    }
                    if S == 16 {
                        turn32(rows.as_mut_ptr())
                    } else {
                        turn64(rows.as_mut_ptr())
                    }
                    let n_columns = (W - first).min(S);
                    for (g, row) in rows.iter().enumerate() {
                        let at = to.add((block * S + g) * W + first).cast::<U>();
                        if n_columns == S {
                            _mm512_storeu_si512(at.cast(), *row);
                        } else if S == 16 {
                            _mm512_mask_storeu_epi32(at.cast(), ((1_u32 << n_columns) - 1) as u16, *row);
                        } else {
                            _mm512_mask_storeu_epi64(at.cast(), ((1_u32 << n_columns) - 1) as u8, *row);
                        }
                    }
                    first += S;
                }
            }
        }
        n_blocks * S
    }

    /// Transposes 16 vectors of 16 words.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn turn32(rows: *mut std::arch::x86_64::__m512i) {
        use std::arch::x86_64::*;
        // SAFETY: 16 vectors are there; AVX-512 is the caller's promise.
        unsafe {
            let r: [__m512i; 16] = std::array::from_fn(|i| *rows.add(i));
            let mut t = r;
            for i in 0..8 {
                t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
                t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
            }
            let mut u = t;
            for i in 0..4 {
                u[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
                u[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
                u[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
                u[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
            }
            // u[4 i + j] holds, in 128-bit part p, column 4 p + j of rows 4 i .. 4 i + 3.
            for j in 0..4 {
                let ab_low = _mm512_shuffle_i32x4::<0x44>(u[j], u[4 + j]);
                let ab_high = _mm512_shuffle_i32x4::<0xee>(u[j], u[4 + j]);
                let cd_low = _mm512_shuffle_i32x4::<0x44>(u[8 + j], u[12 + j]);
                let cd_high = _mm512_shuffle_i32x4::<0xee>(u[8 + j], u[12 + j]);
                *rows.add(j) = _mm512_shuffle_i32x4::<0x88>(ab_low, cd_low);
                *rows.add(4 + j) = _mm512_shuffle_i32x4::<0xdd>(ab_low, cd_low);
                *rows.add(8 + j) = _mm512_shuffle_i32x4::<0x88>(ab_high, cd_high);
                *rows.add(12 + j) = _mm512_shuffle_i32x4::<0xdd>(ab_high, cd_high);
            }
        }
    }

    /// Transposes 8 vectors of 8 double words.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn turn64(rows: *mut std::arch::x86_64::__m512i) {
        use std::arch::x86_64::*;
        // SAFETY: 8 vectors are there; AVX-512 is the caller's promise.
        unsafe {
            let r: [__m512i; 8] = std::array::from_fn(|i| *rows.add(i));
            let mut t = r;
            for i in 0..4 {
                t[2 * i] = _mm512_unpacklo_epi64(r[2 * i], r[2 * i + 1]);
                t[2 * i + 1] = _mm512_unpackhi_epi64(r[2 * i], r[2 * i + 1]);
            }
            // t[2 i + j] holds, in 128-bit part p, column 2 p + j of rows 2 i, 2 i + 1.
            for j in 0..2 {
                let ab_low = _mm512_shuffle_i64x2::<0x44>(t[j], t[2 + j]);
                let ab_high = _mm512_shuffle_i64x2::<0xee>(t[j], t[2 + j]);
                let cd_low = _mm512_shuffle_i64x2::<0x44>(t[4 + j], t[6 + j]);
                let cd_high = _mm512_shuffle_i64x2::<0xee>(t[4 + j], t[6 + j]);
                *rows.add(j) = _mm512_shuffle_i64x2::<0x88>(ab_low, cd_low);
                *rows.add(2 + j) = _mm512_shuffle_i64x2::<0xdd>(ab_low, cd_low);
                *rows.add(4 + j) = _mm512_shuffle_i64x2::<0x88>(ab_high, cd_high);
                *rows.add(6 + j) = _mm512_shuffle_i64x2::<0xdd>(ab_high, cd_high);
            }
        }
    }
}
