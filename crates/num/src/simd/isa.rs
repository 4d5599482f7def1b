//! Which vector instructions this process may use.

/// An instruction set with micro-kernels of its own, from plain to wide.
///
/// Every level computes the same sums in the same order of blocks, but levels that fuse multiply and add, or that
/// split a sum over wider vectors, round differently: results are equal bit by bit only on one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// What the compiler's base target has.
    Portable,
    /// AVX2 with FMA and F16C.
    Avx2,
    /// AVX-512 F, BW, DQ, VL and VNNI.
    Avx512,
    /// The same with AVX512-BF16: products of bf16 without conversion.
    Avx512Bf16,
}

impl Isa {
    /// The best level of this processor; asked once, then remembered by the standard library.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 =
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c");
            let avx512 = avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni");
            if avx512 && is_x86_feature_detected!("avx512bf16") {
                return Self::Avx512Bf16;
            }
            if avx512 {
                return Self::Avx512;
            }
            if avx2 {
                return Self::Avx2;
            }
        }
        Self::Portable
    }

    /// All levels up to the best of this processor, plain first.
    pub fn available() -> impl Iterator<Item = Self> {
        let best = Self::detect();
        [Self::Portable, Self::Avx2, Self::Avx512, Self::Avx512Bf16].into_iter().filter(move |isa| *isa <= best)
    }

    /// This level, or the processor's best if that is lower: a level that is not there is never used.
    pub fn at_most_detected(self) -> Self {
        self.min(Self::detect())
    }
}
