//! Plain loops compiled for the processor's vectors: the compiler unrolls them, nothing here names an instruction.

use super::isa::Isa;

/// A piece of work that is compiled once per instruction set. Its `run` must be `#[inline(always)]`, and so must what it
/// calls: only what is inlined is compiled for the wider vectors.
pub trait Work {
    /// What it returns.
    type Result;
    /// Does it.
    fn run(self) -> Self::Result;
}

/// Runs `work` as it was compiled for the best level of this processor. Multiplications and additions are never fused:
/// results differ between levels only where a sum is split over vectors by its own lanes, which is the same on all.
pub fn run<W: Work>(work: W) -> W::Result {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
        fn avx512<W: Work>(work: W) -> W::Result {
            work.run()
        }
        #[target_feature(enable = "avx2")]
        fn avx2<W: Work>(work: W) -> W::Result {
            work.run()
        }
        match Isa::detect() {
            // SAFETY: rule 5.
            Isa::Avx512 | Isa::Avx512Bf16 => return unsafe { avx512(work) },
            // SAFETY: rule 5.
            Isa::Avx2 => return unsafe { avx2(work) },
            Isa::Portable => {}
        }
    }
    let _ = Isa::Portable;
    work.run()
}
