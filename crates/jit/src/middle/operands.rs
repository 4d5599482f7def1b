//! How wide each source operand of an operation is: immediates have no width of their own.

use vgpu_ptx::ir::{IntBinary, MbarrierOp, MulHalf, Op, RegWidth, ScalarType};

const fn of(ty: ScalarType) -> RegWidth {
    match ty.bits() {
        1 => RegWidth::Pred,
        4 | 8 => RegWidth::B8,
        16 => RegWidth::B16,
        32 => RegWidth::B32,
        64 => RegWidth::B64,
        _ => RegWidth::B128,
    }
}

/// The width at which source `idx` of an operation is read when it is not a register. `n_sources` tells the last operand.
pub(crate) fn source_width(op: &Op, idx: usize, n_sources: usize) -> RegWidth {
    use RegWidth::{B32, B64, Pred};
    let last = idx + 1 == n_sources;
    match op {
        Op::Mov(ty) | Op::Copysign(ty) | Op::TestP(_, ty) | Op::Fma(ty, _) | Op::Div(ty, ..) | Op::Rcp(ty, ..) => {
            of(*ty)
        }
        Op::Sqrt(ty, ..) | Op::Transcendental(_, ty, _) | Op::FloatUnary(_, ty, _) | Op::FloatBinary(_, ty, _) => {
            of(*ty)
        }
        Op::FloatMinMax3 { .. } => B32,
        Op::Pack { element } => of(*element),
        Op::Unpack { element } => match element.bits() {
            8 => B32,
            16 => B32,
            32 => B64,
            _ => RegWidth::B128,
        },
        Op::Cvt(cvt) => of(cvt.from),
        Op::CvtPack { .. } => B32,
        Op::Cvta { .. } | Op::IsSpace(_) | Op::Prefetch => B64,
        Op::Selp(ty) => {
            if idx == 2 {
                Pred
            } else {
                of(*ty)
            }
        }
        Op::Slct { ty, condition, .. } => {
            if idx == 2 {
                of(*condition)
            } else {
                of(*ty)
            }
        }
        Op::Set { compare, .. } | Op::Setp(compare) => {
            if idx == 2 {
                Pred
            } else {
                of(compare.ty)
            }
        }
        Op::IntBinary(IntBinary::Shl | IntBinary::Shr, ty) => {
            if idx == 1 {
                B32
            } else {
                of(*ty)
            }
        }
        Op::IntBinary(_, ty) | Op::IntUnary(_, ty) | Op::MulWide(ty) | Op::Sad(ty) => of(*ty),
        Op::Mad { ty, half: MulHalf::Wide, .. } if idx == 2 => RegWidth::from_bits(ty.bits() * 2).unwrap_or(B64),
        Op::Mad { ty, .. } => of(*ty),
        Op::Carry { ty, carry_in, .. } => {
            if *carry_in && last {
                Pred
            } else {
                of(*ty)
            }
        }
        Op::Bfe(ty) => {
            if idx == 0 {
                of(*ty)
            } else {
                B32
            }
        }
        Op::Bfi(ty) => {
            if idx < 2 {
                of(*ty)
            } else {
                B32
            }
        }
        Op::Lop3 { .. } => {
            if idx == 3 {
                Pred
            } else {
                B32
            }
        }
        Op::Load(_) | Op::LdMatrix(_) | Op::WmmaLoad(_) => {
            if idx == 0 {
                B64
            } else {
                B32
            }
        }
        Op::Store(access) => {
            if idx == 0 {
                B64
            } else {
                of(access.ty)
            }
        }
        Op::Atomic(atomic) | Op::Reduce(atomic) => {
            if idx == 0 {
                B64
            } else {
                of(atomic.ty)
            }
        }
        Op::StMatrix(_) | Op::WmmaStore(_) => {
            if idx == 0 {
                B64
            } else {
                B32
            }
        }
        Op::CpAsync { has_ignore, .. } => match idx {
            0 | 1 => B64,
            _ if *has_ignore && last => Pred,
            _ => B32,
        },
        Op::Mbarrier(mbarrier) => match (idx, mbarrier.op) {
            (0, _) => B64,
            (_, MbarrierOp::TestWait { parity: false, .. }) => B64,
            _ => B32,
        },
        Op::Barrier(barrier) => {
            let has_predicate = !matches!(barrier.op, vgpu_ptx::ir::BarrierOp::Sync | vgpu_ptx::ir::BarrierOp::Arrive);
            if has_predicate && last { Pred } else { B32 }
        }
        Op::Vote { .. } => {
            if idx == 0 {
                Pred
            } else {
                B32
            }
        }
        Op::Match { ty, .. } => {
            if idx == 0 {
                of(*ty)
            } else {
                B32
            }
        }
        Op::CallIndirect(..) => B64,
        Op::Alloca { .. } | Op::StackRestore => B64,
        Op::Mma(mma) => {
            if of(mma.d) == B64 {
                B64
            } else {
                B32
            }
        }
        _ => B32,
    }
}
