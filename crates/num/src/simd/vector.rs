//! Vectors of accumulators and what a kernel does with them, one implementation per element type and instruction set.
//!
//! Everything is `inline(always)`: it takes its instruction set from the kernel it ends up in (rule 5).

/// The arithmetic of a kernel: `c[i] += sum over a group of a[i] * b`, for `N` lanes `i` at a time.
pub(crate) trait Lanes: 'static {
    /// What lies in packed operands: one element, or a group of elements that one instruction multiplies and adds.
    type P: Copy;
    /// An accumulator.
    type Acc: Copy;
    /// `N` groups.
    type V: Copy;
    /// `N` accumulators.
    type C: Copy;
    /// Lanes.
    const N: usize;
    /// Packed right operands begin with one start value per column.
    const HEADER: bool = false;
    /// Accumulator values.
    const ZERO: Self::Acc;
    /// Accumulator values.
    const ONE: Self::Acc;

    /// # Safety
    /// `N` groups can be read.
    unsafe fn load(from: *const Self::P) -> Self::V;
    /// # Safety
    /// `n` groups can be read.
    unsafe fn load_part(from: *const Self::P, n: usize) -> Self::V;
    /// # Safety
    /// One group can be read.
    unsafe fn splat(from: *const Self::P) -> Self::V;
    /// # Safety
    /// Rule 5.
    unsafe fn dot(c: Self::C, a: Self::V, b: Self::V) -> Self::C;
    /// The accumulators' start value that a header holds.
    /// # Safety
    /// One group can be read.
    unsafe fn start(from: *const Self::P) -> Self::C;
    /// # Safety
    /// Rule 5.
    unsafe fn all(value: Self::Acc) -> Self::C;
    /// # Safety
    /// `n <= N` accumulators can be read.
    unsafe fn load_c(from: *const Self::Acc, n: usize) -> Self::C;
    /// # Safety
    /// `n <= N` accumulators can be written.
    unsafe fn store_c(to: *mut Self::Acc, n: usize, c: Self::C);
    /// Past the caches.
    /// # Safety
    /// `N` accumulators can be written and `to` lies on a 64-byte boundary.
    unsafe fn stream_c(to: *mut Self::Acc, c: Self::C);
    /// # Safety
    /// Rule 5.
    unsafe fn mul(a: Self::C, b: Self::C) -> Self::C;
    /// `a * b + c`.
    /// # Safety
    /// Rule 5.
    unsafe fn mul_add(a: Self::C, b: Self::C, c: Self::C) -> Self::C;
    /// Lanes 2i and 2i + 1 exchanged.
    /// # Safety
    /// Rule 5.
    unsafe fn swap_pairs(c: Self::C) -> Self::C;
    /// `even` in even lanes, `odd` in odd ones.
    /// # Safety
    /// Rule 5.
    unsafe fn pairs(even: Self::Acc, odd: Self::Acc) -> Self::C;
    /// The negative of an accumulator.
    fn negative(value: Self::Acc) -> Self::Acc;
}

/// Asks for the cache line at `at`; any address will do.
#[inline(always)]
pub(crate) fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint that reads nothing; SSE is part of the base target.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Arrays, for any machine; the compiler makes vectors of them where it can.
macro_rules! portable_lanes {
    ($name:ident, $scalar:ty, $n:literal, $mul:expr, $add:expr, $neg:expr) => {
        /// Arrays of accumulators.
        pub(crate) struct $name;
        impl Lanes for $name {
            type P = $scalar;
            type Acc = $scalar;
            type V = [$scalar; $n];
            type C = [$scalar; $n];
            const N: usize = $n;
            const ZERO: $scalar = 0 as $scalar;
            const ONE: $scalar = 1 as $scalar;

            #[inline(always)]
            unsafe fn load(from: *const $scalar) -> Self::V {
                // SAFETY: the caller's promise.
                unsafe { from.cast::<[$scalar; $n]>().read_unaligned() }
            }
            #[inline(always)]
            unsafe fn load_part(from: *const $scalar, n: usize) -> Self::V {
                // SAFETY: the caller's promise.
                std::array::from_fn(|i| if i < n { unsafe { *from.add(i) } } else { Default::default() })
            }
            #[inline(always)]
            unsafe fn splat(from: *const $scalar) -> Self::V {
                // SAFETY: the caller's promise.
                [unsafe { *from }; $n]
            }
            #[inline(always)]
            unsafe fn dot(c: Self::C, a: Self::V, b: Self::V) -> Self::C {
                std::array::from_fn(|i| $add(c[i], $mul(a[i], b[i])))
            }
            #[inline(always)]
            unsafe fn start(from: *const $scalar) -> Self::C {
                // SAFETY: the caller's promise.
                [unsafe { *from }; $n]
            }
            #[inline(always)]
            unsafe fn all(value: $scalar) -> Self::C {
                [value; $n]
            }
            #[inline(always)]
            unsafe fn load_c(from: *const $scalar, n: usize) -> Self::C {
                // SAFETY: the caller's promise.
                unsafe { if n == $n { Self::load(from) } else { Self::load_part(from, n) } }
            }
            #[inline(always)]
            unsafe fn store_c(to: *mut $scalar, n: usize, c: Self::C) {
                for (i, value) in c.into_iter().enumerate().take(n) {
                    // SAFETY: the caller's promise.
                    unsafe { *to.add(i) = value };
                }
            }
            #[inline(always)]
            unsafe fn stream_c(to: *mut $scalar, c: Self::C) {
                // SAFETY: the caller's promise.
                unsafe { Self::store_c(to, $n, c) };
            }
            #[inline(always)]
            unsafe fn mul(a: Self::C, b: Self::C) -> Self::C {
                std::array::from_fn(|i| $mul(a[i], b[i]))
            }
            #[inline(always)]
            unsafe fn mul_add(a: Self::C, b: Self::C, c: Self::C) -> Self::C {
                std::array::from_fn(|i| $add($mul(a[i], b[i]), c[i]))
            }
            #[inline(always)]
            unsafe fn swap_pairs(c: Self::C) -> Self::C {
                std::array::from_fn(|i| c[i ^ 1])
            }
            #[inline(always)]
            unsafe fn pairs(even: $scalar, odd: $scalar) -> Self::C {
                std::array::from_fn(|i| if i % 2 == 0 { even } else { odd })
            }
            #[inline(always)]
            fn negative(value: $scalar) -> $scalar {
                $neg(value)
            }
        }
    };
}

portable_lanes!(PortableF32, f32, 4, |a: f32, b| a * b, |a: f32, b| a + b, |a: f32| -a);
portable_lanes!(PortableF64, f64, 2, |a: f64, b| a * b, |a: f64, b| a + b, |a: f64| -a);
portable_lanes!(PortableI32, i32, 4, i32::wrapping_mul, i32::wrapping_add, i32::wrapping_neg);

#[cfg(target_arch = "x86_64")]
pub(crate) mod x86 {
    //! AVX2 and AVX-512.

    use super::Lanes;
    use std::arch::x86_64::*;

    /// Lanes of AVX-512 with masks for parts. `$v`, `$c`: vector types of operands and accumulators.
    macro_rules! avx512_lanes {
        ($name:ident, $p:ty, $acc:ty, $v:ty, $c:ty, $n:literal, header $header:literal, $mask:ty,
         $load:expr, $load_part:expr, $splat:expr, $dot:expr, $start:expr, $all:expr,
         $loadc:ident, $loadc_part:ident, $storec:ident, $storec_part:ident, $stream:ident,
         $mul:expr, $mul_add:expr, $swap:expr, $neg:expr) => {
            /// AVX-512 vectors.
            pub(crate) struct $name;
            impl Lanes for $name {
                type P = $p;
                type Acc = $acc;
                type V = $v;
                type C = $c;
                const N: usize = $n;
                const ZERO: $acc = 0 as $acc;
                const ONE: $acc = 1 as $acc;
                const HEADER: bool = $header;

                #[inline(always)]
                unsafe fn load(from: *const $p) -> $v {
                    // SAFETY: rule 5 and the caller's promise.
                    unsafe { $load(from) }
                }
                #[inline(always)]
                unsafe fn load_part(from: *const $p, n: usize) -> $v {
                    // SAFETY: rule 5 and the caller's promise; lanes that are masked out are not read.
                    unsafe { $load_part(((1_u32 << n) - 1) as $mask, from) }
                }
                #[inline(always)]
                unsafe fn splat(from: *const $p) -> $v {
                    // SAFETY: rule 5 and the caller's promise.
                    unsafe { $splat(*from) }
                }
                #[inline(always)]
                unsafe fn dot(c: $c, a: $v, b: $v) -> $c {
                    // SAFETY: rule 5.
                    unsafe { $dot(c, a, b) }
                }
                #[inline(always)]
                unsafe fn start(from: *const $p) -> $c {
                    // SAFETY: rule 5 and the caller's promise.
                    unsafe { $start(*from) }
                }
                #[inline(always)]
                unsafe fn all(value: $acc) -> $c {
                    // SAFETY: rule 5.
                    unsafe { $all(value) }
                }
                #[inline(always)]
                unsafe fn load_c(from: *const $acc, n: usize) -> $c {
                    // SAFETY: rule 5 and the caller's promise; lanes that are masked out are not read.
                    unsafe { if n == $n { $loadc(from) } else { $loadc_part(((1_u32 << n) - 1) as $mask, from) } }
                }
                #[inline(always)]
                unsafe fn store_c(to: *mut $acc, n: usize, c: $c) {
                    // SAFETY: rule 5 and the caller's promise; lanes that are masked out are not written.
                    unsafe { if n == $n { $storec(to, c) } else { $storec_part(to, ((1_u32 << n) - 1) as $mask, c) } }
                }
                #[inline(always)]
                unsafe fn stream_c(to: *mut $acc, c: $c) {
                    // SAFETY: rule 5 and the caller's promise.
                    unsafe { $stream(to.cast(), c) }
                }
                #[inline(always)]
                unsafe fn mul(a: $c, b: $c) -> $c {
                    // SAFETY: rule 5.
                    unsafe { $mul(a, b) }
                }
                #[inline(always)]
                unsafe fn mul_add(a: $c, b: $c, c: $c) -> $c {
                    // SAFETY: rule 5.
                    unsafe { $mul_add(a, b, c) }
                }
                #[inline(always)]
                unsafe fn swap_pairs(c: $c) -> $c {
                    // SAFETY: rule 5.
                    unsafe { $swap(c) }
                }
                #[inline(always)]
                unsafe fn pairs(even: $acc, odd: $acc) -> $c {
                    let values: [$acc; $n] = std::array::from_fn(|i| if i % 2 == 0 { even } else { odd });
                    // SAFETY: rule 5; the array has as many elements as the vector.
                    unsafe { $loadc(values.as_ptr()) }
                }
                #[inline(always)]
                fn negative(value: $acc) -> $acc {
                    $neg(value)
                }
            }
        };
    }

    avx512_lanes!(
        Avx512F32, f32, f32, __m512, __m512, 16, header false, __mmask16,
        |p| _mm512_loadu_ps(p), |m, p| _mm512_maskz_loadu_ps(m, p), |x| _mm512_set1_ps(x),
        |c, a, b| _mm512_fmadd_ps(a, b, c), |x| _mm512_set1_ps(x), |x| _mm512_set1_ps(x),
        _mm512_loadu_ps, _mm512_maskz_loadu_ps, _mm512_storeu_ps, _mm512_mask_storeu_ps, _mm512_stream_ps,
        |a, b| _mm512_mul_ps(a, b), |a, b, c| _mm512_fmadd_ps(a, b, c), |c| _mm512_permute_ps::<0b1011_0001>(c),
        |x: f32| -x
    );
    avx512_lanes!(
        Avx512F64, f64, f64, __m512d, __m512d, 8, header false, __mmask8,
        |p| _mm512_loadu_pd(p), |m, p| _mm512_maskz_loadu_pd(m, p), |x| _mm512_set1_pd(x),
        |c, a, b| _mm512_fmadd_pd(a, b, c), |x| _mm512_set1_pd(x), |x| _mm512_set1_pd(x),
        _mm512_loadu_pd, _mm512_maskz_loadu_pd, _mm512_storeu_pd, _mm512_mask_storeu_pd, _mm512_stream_pd,
        |a, b| _mm512_mul_pd(a, b), |a, b, c| _mm512_fmadd_pd(a, b, c), |c| _mm512_permute_pd::<0b0101_0101>(c),
        |x: f64| -x
    );
    // A group is two bf16 values.
    avx512_lanes!(
        Avx512Bf16, u32, f32, __m512i, __m512, 16, header false, __mmask16,
        |p: *const u32| _mm512_loadu_si512(p.cast()), |m, p: *const u32| _mm512_maskz_loadu_epi32(m, p.cast()),
        |x: u32| _mm512_set1_epi32(x as i32),
        |c, a, b| _mm512_dpbf16_ps(
            c,
            std::mem::transmute::<__m512i, __m512bh>(a),
            std::mem::transmute::<__m512i, __m512bh>(b)
        ),
        |_| _mm512_setzero_ps(), |x| _mm512_set1_ps(x),
        _mm512_loadu_ps, _mm512_maskz_loadu_ps, _mm512_storeu_ps, _mm512_mask_storeu_ps, _mm512_stream_ps,
        |a, b| _mm512_mul_ps(a, b), |a, b, c| _mm512_fmadd_ps(a, b, c), |c| _mm512_permute_ps::<0b1011_0001>(c),
        |x: f32| -x
    );
    // A group is four int8 values; the left ones are stored plus 128, because the instruction takes them unsigned, and
    // the header takes that back.
    avx512_lanes!(
        Avx512I8, u32, i32, __m512i, __m512i, 16, header true, __mmask16,
        |p: *const u32| _mm512_loadu_si512(p.cast()), |m, p: *const u32| _mm512_maskz_loadu_epi32(m, p.cast()),
        |x: u32| _mm512_set1_epi32(x as i32),
        |c, a, b| _mm512_dpbusd_epi32(c, a, b),
        |x: u32| _mm512_set1_epi32(x as i32), |x| _mm512_set1_epi32(x),
        _mm512_loadu_epi32, _mm512_maskz_loadu_epi32, _mm512_storeu_epi32, _mm512_mask_storeu_epi32, _mm512_stream_si512,
        |a, b| _mm512_mullo_epi32(a, b), |a, b, c| _mm512_add_epi32(_mm512_mullo_epi32(a, b), c),
        |c| _mm512_shuffle_epi32::<0b1011_0001>(c), i32::wrapping_neg
    );

    /// Lanes of AVX2; parts go through an array.
    macro_rules! avx2_lanes {
        ($name:ident, $p:ty, $acc:ty, $v:ty, $c:ty, $n:literal,
         $load:expr, $splat:expr, $dot:expr, $start:expr, $all:expr,
         $loadc:expr, $storec:expr, $mul:expr, $mul_add:expr, $swap:expr, $neg:expr) => {
            /// AVX2 vectors.
            pub(crate) struct $name;
            impl Lanes for $name {
                type P = $p;
                type Acc = $acc;
                type V = $v;
                type C = $c;
                const N: usize = $n;
                const ZERO: $acc = 0 as $acc;
                const ONE: $acc = 1 as $acc;

                #[inline(always)]
                unsafe fn load(from: *const $p) -> $v {
                    // SAFETY: rule 5 and the caller's promise.
                    unsafe { $load(from) }
                }
                #[inline(always)]
                unsafe fn load_part(from: *const $p, n: usize) -> $v {
                    // SAFETY: the caller's promise for those below `n`; the array has all lanes.
                    unsafe {
                        let values: [$p; $n] =
                            std::array::from_fn(|i| if i < n { *from.add(i) } else { Default::default() });
                        $load(values.as_ptr())
                    }
                }
                #[inline(always)]
                unsafe fn splat(from: *const $p) -> $v {
                    // SAFETY: rule 5 and the caller's promise.
                    unsafe { $splat(*from) }
                }
                #[inline(always)]
                unsafe fn dot(c: $c, a: $v, b: $v) -> $c {
                    // SAFETY: rule 5.
                    unsafe { $dot(c, a, b) }
                }
                #[inline(always)]
                unsafe fn start(from: *const $p) -> $c {
                    // SAFETY: rule 5 and the caller's promise.
                    unsafe { $start(*from) }
                }
                #[inline(always)]
                unsafe fn all(value: $acc) -> $c {
                    // SAFETY: rule 5.
                    unsafe { $all(value) }
                }
                #[inline(always)]
                unsafe fn load_c(from: *const $acc, n: usize) -> $c {
                    // SAFETY: the caller's promise for those below `n`; the array has all lanes.
                    unsafe {
                        if n == $n {
                            return $loadc(from);
                        }
                        let values: [$acc; $n] =
                            std::array::from_fn(|i| if i < n { *from.add(i) } else { Default::default() });
                        $loadc(values.as_ptr())
                    }
                }
                #[inline(always)]
                unsafe fn store_c(to: *mut $acc, n: usize, c: $c) {
                    // SAFETY: the caller's promise for those below `n`; the array has all lanes.
                    unsafe {
                        if n == $n {
                            return $storec(to, c);
                        }
                        let mut values = [<$acc>::default(); $n];
                        $storec(values.as_mut_ptr(), c);
                        std::ptr::copy_nonoverlapping(values.as_ptr(), to, n);
                    }
                }
                #[inline(always)]
                unsafe fn stream_c(to: *mut $acc, c: $c) {
                    // SAFETY: the caller's promise.
                    unsafe { Self::store_c(to, $n, c) };
                }
                #[inline(always)]
                unsafe fn mul(a: $c, b: $c) -> $c {
                    // SAFETY: rule 5.
                    unsafe { $mul(a, b) }
                }
                #[inline(always)]
                unsafe fn mul_add(a: $c, b: $c, c: $c) -> $c {
                    // SAFETY: rule 5.
                    unsafe { $mul_add(a, b, c) }
                }
                #[inline(always)]
                unsafe fn swap_pairs(c: $c) -> $c {
                    // SAFETY: rule 5.
                    unsafe { $swap(c) }
                }
                #[inline(always)]
                unsafe fn pairs(even: $acc, odd: $acc) -> $c {
                    let values: [$acc; $n] = std::array::from_fn(|i| if i % 2 == 0 { even } else { odd });
                    // SAFETY: rule 5; the array has as many elements as the vector.
                    unsafe { $loadc(values.as_ptr()) }
                }
                #[inline(always)]
                fn negative(value: $acc) -> $acc {
                    $neg(value)
                }
            }
        };
    }

    avx2_lanes!(
        Avx2F32,
        f32,
        f32,
        __m256,
        __m256,
        8,
        |p| _mm256_loadu_ps(p),
        |x| _mm256_set1_ps(x),
        |c, a, b| _mm256_fmadd_ps(a, b, c),
        |x| _mm256_set1_ps(x),
        |x| _mm256_set1_ps(x),
        |p| _mm256_loadu_ps(p),
        |p, c| _mm256_storeu_ps(p, c),
        |a, b| _mm256_mul_ps(a, b),
        |a, b, c| _mm256_fmadd_ps(a, b, c),
        |c| _mm256_permute_ps::<0b1011_0001>(c),
        |x: f32| -x
    );
    avx2_lanes!(
        Avx2F64,
        f64,
        f64,
        __m256d,
        __m256d,
        4,
        |p| _mm256_loadu_pd(p),
        |x| _mm256_set1_pd(x),
        |c, a, b| _mm256_fmadd_pd(a, b, c),
        |x| _mm256_set1_pd(x),
        |x| _mm256_set1_pd(x),
        |p| _mm256_loadu_pd(p),
        |p, c| _mm256_storeu_pd(p, c),
        |a, b| _mm256_mul_pd(a, b),
        |a, b, c| _mm256_fmadd_pd(a, b, c),
        |c| _mm256_permute_pd::<0b0101>(c),
        |x: f64| -x
    );
    // A group is two int8 values, widened to 16 bits: their products and sums are exact.
    avx2_lanes!(
        Avx2I8,
        u32,
        i32,
        __m256i,
        __m256i,
        8,
        |p: *const u32| _mm256_loadu_si256(p.cast()),
        |x: u32| _mm256_set1_epi32(x as i32),
        |c, a, b| _mm256_add_epi32(c, _mm256_madd_epi16(a, b)),
        |x: u32| _mm256_set1_epi32(x as i32),
        |x| _mm256_set1_epi32(x),
        |p: *const i32| _mm256_loadu_si256(p.cast()),
        |p: *mut i32, c| _mm256_storeu_si256(p.cast(), c),
        |a, b| _mm256_mullo_epi32(a, b),
        |a, b, c| _mm256_add_epi32(_mm256_mullo_epi32(a, b), c),
        |c| _mm256_shuffle_epi32::<0b1011_0001>(c),
        i32::wrapping_neg
    );
}
