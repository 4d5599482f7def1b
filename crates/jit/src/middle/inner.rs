//! Blocks of threads that touch no border: where clamps change nothing, their code is left out.
//!
//! Programs on grids clamp the indices of neighbours to the grid (`x < 0 ? 0 : x >= w ? w - 1 : x`). The clamped index
//! is a number per lane, so each access through it asks at run time whether the lanes are neighbours after all, though
//! all blocks but those at the border clamp nothing. Such a kernel is compiled twice: as it is, and for **inner** blocks, in which every
//! comparison of the kind "index against limit" has one known outcome for all threads. The comparisons' operands are
//! computed for the whole block at once when it begins ([`Inner::check`], one block of code without memory accesses except to
//! parameters), and the outcome chooses the program.
//!
//! An outcome is expected by what the index is compared with: a small constant is a lower limit, anything else an upper one.
//! A wrong guess costs the check. The second program is made only where it accesses memory in a better form.

use super::divergence::{Addresses, Analysis, analyse};
use super::geometry::Geometry;
use super::shape::{Form, Shape};
use super::ssa::{Program, SsaBlock};
use smallvec::smallvec;
use std::collections::{BTreeSet, HashMap};
use vgpu_ptx::ir::{
    Compare, Inst, IntBinary, IntUnary, MulHalf, Op, Operand, Reg, RegWidth, ScalarType, Space, SpecialReg, Terminator,
};

/// What must hold for all threads of a block: `index`, an affine number of 32 bits, does not wrap within the block, and is
/// on one side of the uniform `limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) index: Operand,
    pub(crate) limit: Operand,
    pub(crate) side: Side,
    /// Both are read as signed numbers; as unsigned ones otherwise.
    pub(crate) signed: bool,
}

/// Where the index is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Below { or_equal: bool },
    Above { or_equal: bool },
}

/// The second program of a kernel.
#[derive(Clone, Debug)]
pub(crate) struct Inner {
    pub(crate) program: Program,
    pub(crate) analysis: Analysis,
    /// One block that computes the operands of [`Inner::conditions`], for the whole block of threads at once.
    pub(crate) check: Program,
    pub(crate) check_analysis: Analysis,
    pub(crate) check_geometry: Geometry,
    pub(crate) conditions: Vec<Condition>,
}

/// A comparison that inner blocks decide: where it stands, and what takes its place.
struct Candidate {
    block: usize,
    inst: usize,
    condition: Condition,
    outcome: Outcome,
}

enum Outcome {
    /// Of a `setp`.
    Truth(bool),
    /// Of a minimum or maximum: the index.
    Index,
}

/// The second program, where there is one that is worth its code.
pub(crate) fn find(
    program: &Program,
    analysis: &Analysis,
    geometry: &Geometry,
    addresses: &dyn Addresses,
) -> Option<Inner> {
    if analysis.loses_lock_step() || n_scattered(program, analysis) == 0 {
        return None;
    }
    let check_geometry = Geometry { lanes: whole_block(geometry)?, ..*geometry };
    let mut inner = program.clone();
    let mut conditions: Vec<Condition> = Vec::new();
    // A clamp of a clamp (`min(max(x, 0), w - 1)`) is one of an index once the first is gone.
    loop {
        let sliceable = Sliceable::new(&inner);
        let check = sliceable.check();
        let candidates = candidates(&inner, &sliceable, &analyse(&check, &check_geometry, addresses));
        if candidates.is_empty() {
            break;
        }
        for candidate in &candidates {
            if !conditions.contains(&candidate.condition) {
                conditions.push(candidate.condition);
            }
        }
        inner = decided(&inner, &candidates);
    }
    if conditions.is_empty() || conditions.len() > MAX_CONDITIONS {
        return None;
    }
    let inner_analysis = analyse(&inner, geometry, addresses);
    if n_scattered(&inner, &inner_analysis) >= n_scattered(program, analysis) {
        return None;
    }
    let check = Sliceable::new(&inner).needed_for(&conditions);
    let check_analysis = analyse(&check, &check_geometry, addresses);
    Some(Inner { program: inner, analysis: inner_analysis, check, check_analysis, check_geometry, conditions })
}

/// A check should not cost more than what it saves.
const MAX_CONDITIONS: usize = 16;

/// Lanes of a program that holds the whole block.
fn whole_block(geometry: &Geometry) -> Option<u32> {
    let threads = geometry.threads();
    threads.is_power_of_two().then_some(threads)
}

/// Accesses to memory beyond the block's own whose addresses are a number per lane.
fn n_scattered(program: &Program, analysis: &Analysis) -> usize {
    let scattered = |inst: &&Inst| {
        let (Op::Load(access) | Op::Store(access)) = &inst.op else { return false };
        let is_far = matches!(access.space, Space::Global | Space::Generic | Space::Const);
        let by_lane = |reg: Reg| match &analysis.shapes[reg].form {
            Form::Varying => true,
            Form::Indexed { index, .. } => index.form == Form::Varying,
            Form::Uniform | Form::Affine { .. } => false,
        };
        is_far && inst.srcs.first().and_then(|src| src.reg()).is_some_and(by_lane)
    };
    program.blocks.iter().flat_map(|block| &block.insts).filter(scattered).count()
}

/// Values that can be computed when a block begins: from parameters, special registers and constants, by integer arithmetic.
struct Sliceable<'p> {
    program: &'p Program,
    /// Their definitions, in program order.
    insts: Vec<&'p Inst>,
    /// Those that depend on which block of the grid it is.
    by_block: BTreeSet<Reg>,
    all: BTreeSet<Reg>,
}

impl<'p> Sliceable<'p> {
    fn new(program: &'p Program) -> Self {
        let mut found = Self { program, insts: Vec::new(), by_block: BTreeSet::new(), all: BTreeSet::new() };
        // Schedule order: definitions come before uses, except around loops, where phis stand between.
        for inst in program.blocks.iter().flat_map(|block| &block.insts) {
            if inst.guard.is_some() || !is_arithmetic(inst) || !inst.uses().all(|reg| found.all.contains(&reg)) {
                continue;
            }
            let by_block = matches!(inst.op, Op::ReadSpecial(SpecialReg::Ctaid(_)))
                || inst.uses().any(|reg| found.by_block.contains(&reg));
            for dst in &inst.dsts {
                found.all.insert(*dst);
                if by_block {
                    found.by_block.insert(*dst);
                }
            }
            found.insts.push(inst);
        }
        found
    }

    fn contains(&self, operand: &Operand) -> bool {
        match operand {
            Operand::Reg(reg) => self.all.contains(reg),
            Operand::Imm(_) => true,
            _ => false,
        }
    }

    /// A program of what comparisons and clamps read, if these are the operands of one.
    fn check(&self) -> Program {
        let compared = self.program.blocks.iter().flat_map(|block| &block.insts).filter(|inst| {
            matches!(inst.op, Op::Setp(_) | Op::IntBinary(IntBinary::Min | IntBinary::Max, _))
                && inst.srcs.iter().all(|src| self.contains(src))
                && inst.uses().any(|reg| self.by_block.contains(&reg))
        });
        self.computing(compared.flat_map(|inst| inst.uses()).collect())
    }

    /// The program of what the conditions read.
    fn needed_for(&self, conditions: &[Condition]) -> Program {
        let operands = conditions.iter().flat_map(|condition| [condition.index, condition.limit]);
        self.computing(operands.filter_map(Operand::reg).collect())
    }

    fn computing(&self, mut needed: BTreeSet<Reg>) -> Program {
        let mut insts: Vec<Inst> = Vec::new();
        for inst in self.insts.iter().rev() {
            if inst.dsts.iter().any(|dst| needed.contains(dst)) {
                needed.extend(inst.uses());
                insts.push((*inst).clone());
            }
        }
        insts.reverse();
        self.one_block(insts)
    }

    fn one_block(&self, insts: Vec<Inst>) -> Program {
        let block =
            SsaBlock { phis: Vec::new(), insts, terminator: Terminator::Return, preds: Vec::new(), succs: Vec::new() };
        Program {
            blocks: vec![block],
            values: self.program.values.clone(),
            loops: Vec::new(),
            post_dominators: vec![1],
        }
    }
}

fn is_arithmetic(inst: &Inst) -> bool {
    match &inst.op {
        Op::Mov(_) => inst.srcs.iter().all(|src| matches!(src, Operand::Reg(_) | Operand::Imm(_))),
        Op::IntBinary(op, ty) => {
            let is_plain = matches!(
                op,
                IntBinary::Add | IntBinary::Sub | IntBinary::MulLo | IntBinary::Shl | IntBinary::And | IntBinary::Or
            );
            is_plain && *ty != ScalarType::Pred && !ty.is_packed()
        }
        Op::Mad { half: MulHalf::Lo, saturate: false, ty } => !ty.is_packed(),
        Op::ReadSpecial(SpecialReg::Tid(_) | SpecialReg::Ntid(_) | SpecialReg::Ctaid(_) | SpecialReg::Nctaid(_)) => {
            true
        }
        Op::Load(access) => {
            access.space == Space::Param && access.vector == 1 && matches!(inst.srcs[..], [Operand::Param(_)])
        }
        _ => false,
    }
}

/// Comparisons and clamps of an index with a limit that [`Sliceable`] values decide.
fn candidates(program: &Program, sliceable: &Sliceable<'_>, check: &Analysis) -> Vec<Candidate> {
    let mut found = Vec::new();
    for (block, contents) in program.blocks.iter().enumerate() {
        for (inst, contained) in contents.insts.iter().enumerate() {
            if contained.guard.is_some() || !contained.srcs.iter().all(|src| sliceable.contains(src)) {
                continue;
            }
            let decided = match &contained.op {
                Op::Setp(compare) if compare.combine.is_none() && contained.srcs.len() == 2 => {
                    decide(compare.op, compare.ty, &contained.srcs, sliceable, check)
                }
                Op::IntBinary(clamp @ (IntBinary::Min | IntBinary::Max), ty) => {
                    clamp_condition(*clamp, *ty, &contained.srcs, sliceable, check)
                }
                _ => None,
            };
            if let Some((condition, outcome)) = decided {
                found.push(Candidate { block, inst, condition, outcome });
            }
        }
    }
    found
}

const fn signedness(ty: ScalarType) -> Option<bool> {
    match ty {
        ScalarType::S32 => Some(true),
        ScalarType::U32 | ScalarType::B32 => Some(false),
        _ => None,
    }
}

/// An index: affine over the block, with its place decided by which block of the grid it is.
fn is_index(operand: &Operand, sliceable: &Sliceable<'_>, check: &Analysis) -> bool {
    let is_affine = |shape: &Shape| matches!(shape.form, Form::Affine { d: None, .. }) && shape.width == RegWidth::B32;
    operand.reg().is_some_and(|reg| sliceable.by_block.contains(&reg) && is_affine(&check.shapes[reg]))
}

fn is_limit(operand: &Operand, check: &Analysis) -> bool {
    match operand {
        Operand::Imm(_) => true,
        Operand::Reg(reg) => check.shapes[*reg].is_uniform(),
        _ => false,
    }
}

/// The number that a limit is known to be.
fn known_limit(limit: &Operand, signed: bool, check: &Analysis) -> Option<i64> {
    let number = match limit {
        Operand::Imm(bits) => *bits as u32,
        Operand::Reg(reg) => check.shapes[*reg].as_constant()? as u32,
        _ => return None,
    };
    Some(if signed { i64::from(number as i32) } else { i64::from(number) })
}

fn decide(
    op: Compare,
    ty: ScalarType,
    srcs: &[Operand],
    sliceable: &Sliceable<'_>,
    check: &Analysis,
) -> Option<(Condition, Outcome)> {
    let signed = signedness(ty)?;
    let (index, limit, op) = if is_index(&srcs[0], sliceable, check) && is_limit(&srcs[1], check) {
        (srcs[0], srcs[1], op)
    } else if is_index(&srcs[1], sliceable, check) && is_limit(&srcs[0], check) {
        let mirrored = match op {
            Compare::Lt => Compare::Gt,
            Compare::Le => Compare::Ge,
            Compare::Gt => Compare::Lt,
            Compare::Ge => Compare::Le,
            _ => return None,
        };
        (srcs[1], srcs[0], mirrored)
    } else {
        return None;
    };
    let is_lower_limit = known_limit(&limit, signed, check).is_some_and(|number| number <= 1);
    // `a < b` and `a >= b` part at one place, `a <= b` and `a > b` at another.
    let (side, outcome) = match (op, is_lower_limit) {
        (Compare::Lt | Compare::Ge, false) => (Side::Below { or_equal: false }, op == Compare::Lt),
        (Compare::Lt | Compare::Ge, true) => (Side::Above { or_equal: true }, op == Compare::Ge),
        (Compare::Le | Compare::Gt, false) => (Side::Below { or_equal: true }, op == Compare::Le),
        (Compare::Le | Compare::Gt, true) => (Side::Above { or_equal: false }, op == Compare::Gt),
        _ => return None,
    };
    Some((Condition { index, limit, side, signed }, Outcome::Truth(outcome)))
}

fn clamp_condition(
    clamp: IntBinary,
    ty: ScalarType,
    srcs: &[Operand],
    sliceable: &Sliceable<'_>,
    check: &Analysis,
) -> Option<(Condition, Outcome)> {
    let signed = signedness(ty)?;
    let (index, limit) = if is_index(&srcs[0], sliceable, check) && is_limit(&srcs[1], check) {
        (srcs[0], srcs[1])
    } else if is_index(&srcs[1], sliceable, check) && is_limit(&srcs[0], check) {
        (srcs[1], srcs[0])
    } else {
        return None;
    };
    let side = if clamp == IntBinary::Min { Side::Below { or_equal: true } } else { Side::Above { or_equal: true } };
    Some((Condition { index, limit, side, signed }, Outcome::Index))
}

/// The program in which the candidates have their outcomes.
fn decided(program: &Program, candidates: &[Candidate]) -> Program {
    let mut inner = program.clone();
    let mut known: HashMap<Reg, bool> = HashMap::new();
    let mut next = candidates.iter().peekable();
    for (block, contents) in inner.blocks.iter_mut().enumerate() {
        let mut insts = Vec::with_capacity(contents.insts.len());
        for (idx, inst) in contents.insts.drain(..).enumerate() {
            match next.next_if(|candidate| (candidate.block, candidate.inst) == (block, idx)) {
                Some(Candidate { outcome: Outcome::Truth(truth), .. }) => {
                    // The second result, where there is one, is the first one's opposite.
                    for (dst, truth) in inst.dsts.iter().zip([*truth, !*truth]) {
                        known.insert(*dst, truth);
                        insts.push(copy(&inst, *dst, ScalarType::Pred, Operand::Imm(u64::from(truth))));
                    }
                }
                Some(Candidate { outcome: Outcome::Index, condition, .. }) => {
                    insts.push(copy(&inst, inst.dsts[0], ScalarType::B32, condition.index));
                }
                None => insts.push(fold(inst, &mut known)),
            }
        }
        contents.insts = insts;
    }
    inner
}

/// An instruction whose predicates may be known.
fn fold(inst: Inst, known: &mut HashMap<Reg, bool>) -> Inst {
    if inst.guard.is_some() {
        return inst;
    }
    let truth = |idx: usize| match inst.srcs[idx] {
        Operand::Reg(reg) => known.get(&reg).copied(),
        Operand::Imm(bits) => Some(bits & 1 == 1),
        _ => None,
    };
    match &inst.op {
        Op::Selp(ty) => match truth(2) {
            Some(first) => copy(&inst, inst.dsts[0], *ty, inst.srcs[usize::from(!first)]),
            None => inst,
        },
        Op::IntBinary(op @ (IntBinary::And | IntBinary::Or), ScalarType::Pred) => {
            // What one operand decides alone.
            let deciding = *op == IntBinary::Or;
            let (a, b) = (truth(0), truth(1));
            let (dst, ty) = (inst.dsts[0], ScalarType::Pred);
            if a == Some(deciding) || b == Some(deciding) {
                known.insert(dst, deciding);
                copy(&inst, dst, ty, Operand::Imm(u64::from(deciding)))
            } else if a.is_some() && b.is_some() {
                known.insert(dst, !deciding);
                copy(&inst, dst, ty, Operand::Imm(u64::from(!deciding)))
            } else if a.is_some() {
                copy(&inst, dst, ty, inst.srcs[1])
            } else if b.is_some() {
                copy(&inst, dst, ty, inst.srcs[0])
            } else {
                inst
            }
        }
        Op::IntUnary(IntUnary::Not, ScalarType::Pred) => match truth(0) {
            Some(operand) => {
                known.insert(inst.dsts[0], !operand);
                copy(&inst, inst.dsts[0], ScalarType::Pred, Operand::Imm(u64::from(!operand)))
            }
            None => inst,
        },
        _ => inst,
    }
}

/// A plain copy in the place of an instruction.
fn copy(place: &Inst, dst: Reg, ty: ScalarType, from: Operand) -> Inst {
    Inst { op: Op::Mov(ty), dsts: smallvec![dst], srcs: smallvec![from], guard: None, ..place.clone() }
}

#[cfg(test)]
mod tests {
    use crate::{Isa, Specialization, Target, dump};
    use vgpu_types::Dim3;

    /// The conditions of inner blocks of a kernel that loads `x[index]`; `%r1` is the thread's number in the grid.
    fn conditions(index: &str) -> Option<String> {
        let text = format!(
            ".version 7.0\n.target sm_70\n.address_size 64\n.visible .entry k(.param .u64 x, .param .u32 n)\n{{\n\
             .reg .pred %p<3>;\n.reg .b32 %r<9>;\n.reg .b64 %rd<4>;\nld.param.u64 %rd1, [x];\nld.param.u32 %r5, [n];\n\
             mov.u32 %r2, %ctaid.x;\nmov.u32 %r3, %ntid.x;\nmov.u32 %r4, %tid.x;\nmad.lo.s32 %r1, %r2, %r3, %r4;\n{index}\n\
             mul.wide.s32 %rd2, %r8, 4;\nadd.s64 %rd3, %rd1, %rd2;\nld.global.u32 %r7, [%rd3];\n\
             st.global.u32 [%rd1], %r7;\nret;\n}}\n"
        );
        let module = vgpu_ptx::load(&text).expect("the text is well formed");
        let kernel = module.function("k").expect("the text has it");
        let spec = Specialization { block: Dim3::new(64, 1, 1), grid_in_i32: true, lanes: None, test_arguments: false };
        let ssa = dump(&module, kernel, &spec, &Target::detect(Some(Isa::Sse42)), "ssa").expect("compiles");
        ssa.lines().find_map(|line| line.strip_prefix("in blocks where ")).map(str::to_owned)
    }

    #[test]
    fn clamps_to_a_grid_are_left_out_of_inner_blocks() {
        let clamped = conditions("add.s32 %r6, %r1, -1;\nmax.s32 %r6, %r6, 0;\nmin.s32 %r8, %r6, %r5;");
        let clamped = clamped.expect("both limits are known when a block begins");
        assert!(
            clamped.contains("Above { or_equal: true }") && clamped.contains("Below { or_equal: true }"),
            "{clamped}"
        );
        let selected = conditions("setp.lt.s32 %p1, %r1, %r5;\nselp.b32 %r8, %r1, 0, %p1;");
        assert!(selected.is_some_and(|found| found.contains("Below { or_equal: false }")));
    }

    #[test]
    fn other_kernels_have_one_program() {
        assert_eq!(conditions("add.s32 %r8, %r1, 1;"), None, "nothing is clamped");
        assert_eq!(conditions("min.s32 %r8, %r4, %r5;"), None, "the same in all blocks");
        let loaded = "ld.global.u32 %r6, [%rd1];\nmin.s32 %r8, %r1, %r6;";
        assert_eq!(conditions(loaded), None, "the limit is read from memory");
        let scattered = "min.s32 %r8, %r1, %r5;\nxor.b32 %r8, %r8, 3;\nmul.lo.s32 %r8, %r8, %r8;";
        assert_eq!(conditions(scattered), None, "no access gains by it");
    }
}
