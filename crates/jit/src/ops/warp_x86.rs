//! The x86 instructions that operations between lanes gain from; everything has a portable form elsewhere.
//!
//! Model: functions answer `None` where the target lacks the instructions.
//!
//! Source: Intel SDM, VPERMI2D, VPERMD.

use crate::llvm::{Builder, IntOp, IntPredicate, Value};
use crate::{Isa, Target};

/// Lane `l` gets lane `sources[l]` (0 to 31) of its group of 32 lanes, 32 bits each.
pub(super) fn permute_warps<'c>(
    builder: &Builder<'c>,
    target: &Target,
    a: Value<'c>,
    sources: Value<'c>,
) -> Option<Value<'c>> {
    let width = match target.isa {
        Isa::Avx512 => 16,
        Isa::Avx2 => 8,
        Isa::Sse42 | Isa::Baseline => return None,
    };
    let lanes = a.ty().lanes();
    let part = |vector: Value<'c>, start: u32| builder.permute(vector, start..start + width);
    let mut parts = Vec::new();
    for start in (0..lanes).step_by(width as usize) {
        let warp = start & !31;
        let index = part(sources, start);
        parts.push(if width == 16 {
            let (low, high) = (part(a, warp), part(a, warp + 16));
            builder.intrinsic("llvm.x86.avx512.vpermi2var.d.512", &[], &[low, index, high])
        } else {
            let eighth = builder.int(IntOp::LShr, index, index.ty().constant(3));
            let read = |of: u32| builder.intrinsic("llvm.x86.avx2.permd", &[], &[part(a, warp + of * 8), index]);
            (1..4).fold(read(0), |result, of| {
                let here = builder.icmp(IntPredicate::Eq, eighth, eighth.ty().constant(u64::from(of)));
                builder.select(here, read(of), result)
            })
        });
    }
    while parts.len() > 1 {
        parts = parts
            .chunks(2)
            .map(|pair| match pair {
                [low, high] => builder.shuffle(*low, *high, 0..low.ty().lanes() * 2),
                single => single[0],
            })
            .collect();
        // Unequal halves cannot be joined by one shuffle; programs have 32, 64, 128 .. lanes.
        debug_assert!(parts.windows(2).all(|pair| pair[0].ty() == pair[1].ty()), "lanes are a power of two");
    }
    Some(parts[0])
}
