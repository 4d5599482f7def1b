//! The x86 instructions that operations between lanes gain from; everything has a portable form elsewhere.
//!
//! Model: functions answer `None` where the target lacks the instructions.
//!
//! Source: Intel SDM, VPERMI2D, VPERMD, PMADDWD, VPDPWSSD, VPDPBUSD.

use super::warp::join;
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
    Some(join(builder, &parts))
}

/// Whether [`pair_product`] exists.
pub(super) const fn has_pair_products(target: &Target) -> bool {
    cfg!(target_arch = "x86_64") && !matches!(target.isa, Isa::Baseline)
}

/// Whether [`quad_product`] exists.
pub(super) fn has_quad_products(target: &Target) -> bool {
    target.isa == Isa::Avx512 && target.features.contains("avx512vnni")
}

/// In each 32 bits: `sum` plus the products of the four bytes of `unsigned` and `signed`, exactly. Vectors of 512 bits.
pub(super) fn quad_product<'c>(
    builder: &Builder<'c>,
    unsigned: Value<'c>,
    signed: Value<'c>,
    sum: Value<'c>,
) -> Value<'c> {
    builder.intrinsic("llvm.x86.avx512.vpdpbusd.512", &[], &[sum, unsigned, signed])
}

/// In each 32 bits: `sum` plus the products of the two signed 16-bit halves of `a` and `b`. Vectors of the machine's width.
pub(super) fn pair_product<'c>(
    builder: &Builder<'c>,
    target: &Target,
    a: Value<'c>,
    b: Value<'c>,
    sum: Value<'c>,
) -> Value<'c> {
    if target.isa == Isa::Avx512 && target.features.contains("avx512vnni") {
        return builder.intrinsic("llvm.x86.avx512.vpdpwssd.512", &[], &[sum, a, b]);
    }
    let name = match target.isa {
        Isa::Avx512 => "llvm.x86.avx512.pmaddw.d.512",
        Isa::Avx2 => "llvm.x86.avx2.pmadd.wd",
        Isa::Sse42 | Isa::Baseline => "llvm.x86.sse2.pmadd.wd",
    };
    let halves = builder.context().int(16).vector(a.ty().lanes() * 2);
    let products = builder.intrinsic(name, &[], &[builder.reinterpret(a, halves), builder.reinterpret(b, halves)]);
    builder.add(products, sum)
}
