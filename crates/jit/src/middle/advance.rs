//! By how much a value grows from one block to the next in x: for prefetching what the next block will access.
//!
//! A guess that costs nothing when it is wrong: clamps and selections are taken to give the side that moves, and wrapping is
//! left out of account. What depends on the size of the grid is unknown: a loop that strides over the grid is not done
//! with its memory when the next block begins.

use super::ssa::Program;
use vgpu_ptx::ir::{IntBinary, MulHalf, Op, Operand, Reg, Space, SpecialReg};
use vgpu_types::IndexVec;

/// How a value moves, in rising order of a lattice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advance {
    /// Not reached yet.
    Unset,
    /// By that much per block.
    By(i64),
    Unknown,
}

use Advance::{By, Unknown, Unset};

impl Advance {
    /// Either of two: a side that moves wins over one that stands still.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Unset, x) | (x, Unset) => x,
            (By(0), x) | (x, By(0)) => x,
            (By(a), By(b)) if a == b => By(a),
            _ => Unknown,
        }
    }

    fn plus(self, other: Self, sign: i64) -> Self {
        match (self, other) {
            (Unknown, _) | (_, Unknown) => Unknown,
            (Unset, _) | (_, Unset) => Unset,
            (By(a), By(b)) => By(a.wrapping_add(b.wrapping_mul(sign))),
        }
    }

    /// The product of two values, each with its number where that is known.
    fn times(self, own: Option<i64>, other: Self, others: Option<i64>) -> Self {
        match (self, other) {
            (Unknown, _) | (_, Unknown) => Unknown,
            (Unset, _) | (_, Unset) => Unset,
            (By(0), By(0)) => By(0),
            (By(a), By(0)) => others.map_or(Unknown, |factor| By(a.wrapping_mul(factor))),
            (By(0), By(b)) => own.map_or(Unknown, |factor| By(b.wrapping_mul(factor))),
            _ => Unknown,
        }
    }
}

/// How every value of `program` moves; `constant` gives the numbers that are known.
pub(crate) fn advances(program: &Program, constant: impl Fn(Reg) -> Option<i64>) -> IndexVec<Reg, Advance> {
    let mut found: IndexVec<Reg, Advance> = IndexVec::filled(Unset, program.values.len());
    let number = |operand: &Operand| match operand {
        Operand::Reg(reg) => constant(*reg),
        Operand::Imm(bits) => Some(i64::from(*bits as i32)),
        _ => None,
    };
    let mut changed = true;
    while changed {
        changed = false;
        for block in &program.blocks {
            for phi in &block.phis {
                let joined = phi.args.iter().map(|arg| of(&found, arg)).fold(Unset, Advance::or);
                changed |= raise(&mut found, phi.dst, joined);
            }
            for inst in &block.insts {
                let arg = |idx: usize| of(&found, &inst.srcs[idx]);
                let product = || arg(0).times(number(&inst.srcs[0]), arg(1), number(&inst.srcs[1]));
                let moves = match &inst.op {
                    Op::ReadSpecial(SpecialReg::Ctaid(0)) => By(1),
                    Op::ReadSpecial(SpecialReg::Nctaid(_)) => Unknown,
                    Op::Mov(_) | Op::Cvt(_) | Op::Cvta { .. } => arg(0),
                    Op::Selp(_) | Op::IntBinary(IntBinary::Min | IntBinary::Max, _) => arg(0).or(arg(1)),
                    // Compilers join disjoint bits with `or`.
                    Op::IntBinary(IntBinary::Add | IntBinary::Or, _) => arg(0).plus(arg(1), 1),
                    Op::IntBinary(IntBinary::Sub, _) => arg(0).plus(arg(1), -1),
                    Op::IntBinary(IntBinary::MulLo, _) | Op::MulWide(_) => product(),
                    Op::Mad { half: MulHalf::Lo | MulHalf::Wide, .. } => product().plus(arg(2), 1),
                    Op::IntBinary(IntBinary::Shl, _) => match number(&inst.srcs[1]) {
                        Some(bits @ 0..63) => arg(0).times(None, By(0), Some(1 << bits)),
                        _ => still(&found, &inst.srcs),
                    },
                    Op::Load(access) if access.space != Space::Param => Unknown,
                    Op::Atomic(_) | Op::CallBuiltin(..) => Unknown,
                    _ => still(&found, &inst.srcs),
                };
                for dst in &inst.dsts {
                    changed |= raise(&mut found, *dst, moves);
                }
            }
        }
    }
    found
}

fn of(found: &IndexVec<Reg, Advance>, operand: &Operand) -> Advance {
    if let Operand::Reg(reg) = operand { found[*reg] } else { By(0) }
}

/// Of an operation that is not understood: it stands still if all it reads does.
fn still(found: &IndexVec<Reg, Advance>, operands: &[Operand]) -> Advance {
    match operands.iter().map(|operand| of(found, operand)).fold(By(0), Advance::or) {
        By(0) if operands.iter().any(|operand| of(found, operand) == Unset) => Unset,
        By(0) => By(0),
        _ => Unknown,
    }
}

/// Moves a value up the lattice, never down: so the search ends.
fn raise(found: &mut IndexVec<Reg, Advance>, reg: Reg, to: Advance) -> bool {
    let before = found[reg];
    let after = match (before, to) {
        (Unset, x) => x,
        (x, Unset) => x,
        (By(0), x) => x,
        (x, y) if x == y => x,
        _ => Unknown,
    };
    found[reg] = after;
    before != after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_side_that_moves_wins_and_two_that_differ_are_unknown() {
        assert_eq!(By(0).or(By(56)), By(56));
        assert_eq!(By(56).or(By(0)), By(56));
        assert_eq!(By(56).or(By(56)), By(56));
        assert_eq!(By(56).or(By(64)), Unknown);
        assert_eq!(Unset.or(By(4)), By(4));
        assert_eq!(By(0).or(Unset), By(0));
    }

    #[test]
    fn products_move_with_a_known_factor_only() {
        assert_eq!(By(14).times(None, By(0), Some(4)), By(56));
        assert_eq!(By(0).times(Some(-3), By(2), None), By(-6));
        assert_eq!(By(1).times(None, By(0), None), Unknown);
        assert_eq!(By(0).times(None, By(0), None), By(0));
        assert_eq!(By(1).times(None, By(1), None), Unknown);
    }

    /// How the address of the only global load of a kernel with this body moves.
    fn of_load(body: &str) -> Advance {
        let text = format!(
            ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 p, .param .u32 w) {{\n\
             .reg .pred %p<4>; .reg .b32 %r<16>; .reg .b64 %d<8>;\nld.param.u64 %d0, [p]; ld.param.u32 %r0, [w];\n\
             mov.u32 %r1, %ctaid.x; mov.u32 %r2, %tid.x; mov.u32 %r3, %nctaid.x;\n{body}\n\
             mul.wide.s32 %d1, %r9, 4; add.s64 %d2, %d0, %d1; ld.global.u32 %r10, [%d2]; st.global.u32 [%d0], %r10; ret; }}"
        );
        let module = vgpu_ptx::load(&text).expect("a correct text");
        let mut function = module.functions[module.function("k").expect("the kernel")].clone();
        let schedule = crate::middle::prepare::prepare(&mut function).expect("shallow");
        let program = crate::middle::ssa::construct(function, &schedule);
        let found = advances(&program, |_| None);
        let mut loads = program.blocks.iter().flat_map(|block| &block.insts).filter_map(|inst| match &inst.op {
            Op::Load(access) if access.space == Space::Global => Some(inst.srcs[0]),
            _ => None,
        });
        of(&found, &loads.next().expect("a load"))
    }

    #[test]
    fn addresses_of_tiles_move_by_the_tile() {
        assert_eq!(of_load("mad.lo.s32 %r9, %r1, 14, %r2;"), By(56));
        // Clamped to an image, in a row of its own.
        assert_eq!(
            of_load("shl.b32 %r4, %r1, 5; or.b32 %r4, %r4, %r2; min.s32 %r5, %r4, %r0; mad.lo.s32 %r9, %r2, %r0, %r5;"),
            By(128)
        );
        // In a loop of the block's own.
        assert_eq!(
            of_load(
                "mov.u32 %r4, %r2;\nL: add.s32 %r4, %r4, 256; setp.lt.s32 %p0, %r4, %r0; @%p0 bra L;\n\
                     mad.lo.s32 %r9, %r1, 8, %r4;"
            ),
            By(32)
        );
        assert_eq!(of_load("mul.lo.s32 %r9, %r2, %r0;"), By(0));
    }

    #[test]
    fn what_strides_over_the_grid_or_by_an_unknown_step_is_unknown() {
        assert_eq!(of_load("mul.lo.s32 %r9, %r1, %r0;"), Unknown);
        assert_eq!(
            of_load(
                "mad.lo.s32 %r9, %r1, 256, %r2;\nL: mad.lo.s32 %r9, %r3, 256, %r9; setp.lt.s32 %p0, %r9, %r0; @%p0 bra L;"
            ),
            Unknown
        );
    }
}
