//! The operands of every operation: how many and how wide, as documented at [`Op`].

use crate::ir::fragment::Fragment;
use crate::ir::{
    AtomicOp, BarrierOp, CarryOp, IntBinary, IntUnary, MatrixRole, MbarrierOp, MulHalf, Op, RegWidth, ScalarType,
    Space, VideoPart, VoteMode,
};
use ScalarType::*;
use smallvec::{SmallVec, smallvec};

/// What an operand must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// A register of this width.
    Exact(RegWidth),
    /// A register of this width or wider.
    AtLeast(RegWidth),
    /// An address: 64 bits, for shared, local and parameter memory also 32.
    Address(Space),
    /// 32 or 64 bits.
    Pointer,
}

impl Want {
    /// True when a register of `width` will do.
    pub fn accepts(self, width: RegWidth) -> bool {
        match self {
            Self::Exact(wanted) => width == wanted,
            Self::AtLeast(wanted) => width >= wanted && (width == RegWidth::Pred) == (wanted == RegWidth::Pred),
            Self::Address(Space::Shared | Space::Local | Space::Param) | Self::Pointer => {
                matches!(width, RegWidth::B32 | RegWidth::B64)
            }
            Self::Address(_) => width == RegWidth::B64,
        }
    }
}

/// Operands of an operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    /// Registers written.
    pub dsts: SmallVec<[Want; 8]>,
    /// Operands read.
    pub srcs: SmallVec<[Want; 8]>,
}

fn w(ty: ScalarType) -> Want {
    Want::Exact(RegWidth::from_bits(ty.bits()).unwrap_or(RegWidth::B32))
}

fn at_least(ty: ScalarType) -> Want {
    Want::AtLeast(RegWidth::from_bits(ty.bits()).unwrap_or(RegWidth::B32))
}

fn sig(dsts: &[Want], srcs: &[Want]) -> Signature {
    Signature { dsts: SmallVec::from_slice(dsts), srcs: SmallVec::from_slice(srcs) }
}

/// `d <- a` times `n`, all of one type.
fn same(ty: ScalarType, n: usize) -> Signature {
    Signature { dsts: smallvec![w(ty)], srcs: smallvec![w(ty); n] }
}

fn fragment(role: MatrixRole, shape: [u32; 3], ty: ScalarType, wmma: bool) -> SmallVec<[Want; 8]> {
    let fragment = Fragment { role, shape, ty, row: true, wmma };
    let width = if fragment.register_bits() == 64 { RegWidth::B64 } else { RegWidth::B32 };
    smallvec![Want::Exact(width); fragment.registers() as usize]
}

/// What `op` takes. The counts in the instruction decide only where an op has optional or repeated operands.
pub fn signature(op: &Op, n_dsts: usize, n_srcs: usize) -> Signature {
    let (p, b32, b64) = (w(Pred), w(B32), w(B64));
    match *op {
        Op::Mov(ty) => same(ty, 1),
        Op::Pack { element } => {
            let whole = RegWidth::from_bits(element.bits() * n_srcs as u32).unwrap_or(RegWidth::Pred);
            Signature { dsts: smallvec![Want::Exact(whole)], srcs: smallvec![w(element); n_srcs] }
        }
        Op::Unpack { element } => {
            let whole = RegWidth::from_bits(element.bits() * n_dsts as u32).unwrap_or(RegWidth::Pred);
            Signature { dsts: smallvec![w(element); n_dsts], srcs: smallvec![Want::Exact(whole)] }
        }
        Op::ReadSpecial(special) => sig(&[Want::Exact(special.width())], &[]),
        Op::Cvt(cvt) if cvt.to.is_packed() && !cvt.from.is_packed() => sig(&[w(cvt.to)], &[w(cvt.from), w(cvt.from)]),
        Op::Cvt(cvt) => sig(&[at_least(cvt.to)], &[at_least(cvt.from)]),
        Op::CvtPack { insert, .. } => sig(&[b32], &[b32, b32, b32][..if insert { 3 } else { 2 }]),
        Op::Cvta { .. } => sig(&[Want::Pointer], &[Want::Pointer]),
        Op::IsSpace(_) => sig(&[p], &[Want::Pointer]),
        Op::Selp(ty) => sig(&[w(ty)], &[w(ty), w(ty), p]),
        Op::Slct { ty, condition, .. } => sig(&[w(ty)], &[w(ty), w(ty), w(condition)]),
        Op::Set { compare, result } => {
            let n = if compare.combine.is_some() { 3 } else { 2 };
            sig(&[w(result)], &[w(compare.ty), w(compare.ty), p][..n])
        }
        Op::Setp(compare) => {
            let n = if compare.combine.is_some() { 3 } else { 2 };
            sig(&[p, p], &[w(compare.ty), w(compare.ty), p][..n])
        }
        Op::Prefetch => sig(&[], &[Want::Pointer]),

        Op::IntBinary(IntBinary::Shl | IntBinary::Shr, ty) => sig(&[w(ty)], &[w(ty), b32]),
        Op::IntBinary(_, ty) => same(ty, 2),
        Op::IntUnary(IntUnary::Popc | IntUnary::Clz | IntUnary::Bfind | IntUnary::BfindShift, ty) => {
            sig(&[b32], &[w(ty)])
        }
        Op::IntUnary(_, ty) => same(ty, 1),
        Op::MulWide(ty) => sig(&[doubled(ty)], &[w(ty), w(ty)]),
        Op::Mad { ty, half: MulHalf::Wide, .. } => sig(&[doubled(ty)], &[w(ty), w(ty), doubled(ty)]),
        Op::Mad { ty, .. } => same(ty, 3),
        Op::Mul24 { ty, mad, .. } => same(ty, if mad { 3 } else { 2 }),
        Op::Sad(ty) => same(ty, 3),
        Op::Carry { op, ty, carry_in, carry_out } => {
            let n = if matches!(op, CarryOp::MadLo | CarryOp::MadHi) { 3 } else { 2 };
            let mut found = same(ty, n);
            if carry_in {
                found.srcs.push(p);
            }
            if carry_out {
                found.dsts.push(p);
            }
            found
        }
        Op::Bfe(ty) => sig(&[w(ty)], &[w(ty), b32, b32]),
        Op::Bfi(ty) => sig(&[w(ty)], &[w(ty), w(ty), b32, b32]),
        Op::Bmsk { .. } | Op::Szext { .. } => same(B32, 2),
        Op::Fns | Op::Shf { .. } | Op::Prmt(_) | Op::Dp4a { .. } | Op::Dp2a { .. } => same(B32, 3),
        Op::Lop3 { predicate: None, .. } => same(B32, 3),
        Op::Lop3 { .. } => sig(&[b32, p], &[b32, b32, b32, p]),
        Op::Video(video) => {
            let three = video.second.is_some()
                || video.d_part != VideoPart::Whole
                || matches!(video.op, crate::ir::VideoOp::Mad);
            same(B32, if three { 3 } else { 2 })
        }
        Op::VideoSimd(_) => same(B32, 3),

        Op::FloatBinary(_, ty, _) | Op::Div(ty, ..) | Op::Copysign(ty) => same(ty, 2),
        Op::FloatUnary(_, ty, _) | Op::Rcp(ty, ..) | Op::Sqrt(ty, ..) | Op::Transcendental(_, ty, _) => same(ty, 1),
        Op::Fma(ty, _) => same(ty, 3),
        Op::FloatMinMax3 { .. } => same(F32, 3),
        Op::TestP(_, ty) => sig(&[p], &[w(ty)]),

        Op::Load(access) => Signature {
            dsts: smallvec![at_least(access.ty); access.vector as usize],
            srcs: smallvec![Want::Address(access.space)],
        },
        Op::Store(access) => {
            let mut srcs: SmallVec<[Want; 8]> = smallvec![Want::Address(access.space)];
            srcs.extend(std::iter::repeat_n(at_least(access.ty), access.vector as usize));
            Signature { dsts: smallvec![], srcs }
        }
        Op::Atomic(atomic) | Op::Reduce(atomic) => {
            let n = atomic.vector as usize;
            let values = if atomic.op == AtomicOp::Cas { 2 * n } else { n };
            let mut srcs: SmallVec<[Want; 8]> = smallvec![Want::Address(atomic.space)];
            srcs.extend(std::iter::repeat_n(w(atomic.ty), values));
            let n_results = if matches!(op, Op::Atomic(_)) { n } else { 0 };
            Signature { dsts: smallvec![w(atomic.ty); n_results], srcs }
        }
        Op::CpAsync { has_src_size, has_ignore, .. } => {
            let mut found = sig(&[], &[Want::Address(Space::Shared), Want::Address(Space::Global)]);
            if has_src_size {
                found.srcs.push(b32);
            }
            if has_ignore {
                found.srcs.push(p);
            }
            found
        }
        Op::Fence(..) | Op::CpAsyncCommit | Op::CpAsyncWait(_) | Op::Nop => Signature::default(),
        Op::Mbarrier(barrier) => {
            let address = Want::Address(barrier.space);
            match barrier.op {
                MbarrierOp::Init | MbarrierOp::ExpectTx | MbarrierOp::CompleteTx => sig(&[], &[address, b32]),
                MbarrierOp::Invalidate | MbarrierOp::CpAsyncArrive { .. } => sig(&[], &[address]),
                MbarrierOp::Arrive { .. } => sig(&[b64], &[address, b32]),
                MbarrierOp::TestWait { parity, .. } => sig(&[p], &[address, if parity { b32 } else { b64 }]),
                MbarrierOp::PendingCount => sig(&[b32], &[b64]),
            }
        }

        Op::Mma(mma) => {
            let [m, n, k] = mma.shape;
            let a_shape = if mma.sparse { [m, n, k / 2] } else { mma.shape };
            let mut srcs = fragment(MatrixRole::A, a_shape, mma.a, mma.wmma);
            srcs.extend(fragment(MatrixRole::B, mma.shape, mma.b, mma.wmma));
            srcs.extend(fragment(MatrixRole::C, mma.shape, mma.c, mma.wmma));
            if mma.sparse {
                srcs.extend([b32, b32]);
            }
            Signature { dsts: fragment(MatrixRole::D, mma.shape, mma.d, mma.wmma), srcs }
        }
        Op::WmmaLoad(access) => {
            let dsts = fragment(access.role, access.shape, access.ty, true);
            let n = if access.has_stride { 2 } else { 1 };
            Signature { dsts, srcs: SmallVec::from_slice(&[Want::Address(access.space), b32][..n]) }
        }
        Op::WmmaStore(access) => {
            let mut srcs: SmallVec<[Want; 8]> = smallvec![Want::Address(access.space)];
            srcs.extend(fragment(access.role, access.shape, access.ty, true));
            if access.has_stride {
                srcs.push(b32);
            }
            Signature { dsts: smallvec![], srcs }
        }
        Op::LdMatrix(access) => {
            Signature { dsts: smallvec![b32; access.count as usize], srcs: smallvec![Want::Address(access.space)] }
        }
        Op::StMatrix(access) => {
            let mut srcs: SmallVec<[Want; 8]> = smallvec![Want::Address(access.space)];
            srcs.extend(std::iter::repeat_n(b32, access.count as usize));
            Signature { dsts: smallvec![], srcs }
        }
        Op::MovMatrix => same(B32, 1),

        Op::Barrier(barrier) => {
            let mut found = sig(&[], &[b32]);
            if barrier.has_threads {
                found.srcs.push(b32);
            }
            match barrier.op {
                BarrierOp::Sync | BarrierOp::Arrive => {}
                BarrierOp::RedPopc => {
                    found.dsts.push(b32);
                    found.srcs.push(p);
                }
                BarrierOp::RedAnd | BarrierOp::RedOr => {
                    found.dsts.push(p);
                    found.srcs.push(p);
                }
            }
            found
        }
        Op::WarpSync => sig(&[], &[b32]),
        Op::Shuffle { sync, .. } => sig(&[b32, p], &[b32, b32, b32, b32][..if sync { 4 } else { 3 }]),
        Op::Vote { mode, sync } => {
            let d = if mode == VoteMode::Ballot { b32 } else { p };
            sig(&[d], &[p, b32][..if sync { 2 } else { 1 }])
        }
        Op::Match { all, ty } => sig(&[b32, p][..if all { 2 } else { 1 }], &[w(ty), b32]),
        Op::ActiveMask => sig(&[b32], &[]),
        Op::Redux { ty, .. } => sig(&[w(ty)], &[w(ty), b32]),
        Op::Elect => sig(&[b32, p], &[b32]),
        Op::Nanosleep => sig(&[], &[b32]),

        Op::Call(..) | Op::CallBuiltin(..) => Signature::default(),
        Op::CallIndirect(..) => sig(&[], &[b64]),
        Op::Alloca { .. } => sig(&[Want::Pointer], &[Want::Pointer]),
        Op::StackSave => sig(&[Want::Pointer], &[]),
        Op::StackRestore => sig(&[], &[Want::Pointer]),
    }
}

fn doubled(ty: ScalarType) -> Want {
    Want::Exact(RegWidth::from_bits(2 * ty.bits()).unwrap_or(RegWidth::B64))
}
