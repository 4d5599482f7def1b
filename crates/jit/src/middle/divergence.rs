//! Shapes of all values, and where lanes part and meet: one fixed point, because each depends on the other.
//!
//! A branch **diverges** when its condition is not uniform, except where one side is nothing but the end of the thread
//! (the rest stays in lock-step). Its region is every block between it and its post-dominator: there, part of the lanes
//! may run (`partial` blocks). A phi is varying where two paths of a region meet, and in the exits of a loop that lanes
//! leave at different times. The argument that this is enough under schedule order is in ARCHITECTURE.md, "The JIT".

use super::bitset::BitSet;
use super::geometry::Geometry;
use super::operands::source_width;
use super::prepare::names_barriers;
use super::shape::{Form, Shape, full_range};
use super::ssa::Program;
use super::symbolic::{NoScalars, Parts, Sym, transfer};
use smallvec::SmallVec;
use vgpu_ptx::ir::{BarrierOp, Inst, Op, Operand, Reg, RegWidth, Space, SpecialReg, SymbolRef, Terminator};
use vgpu_types::IndexVec;

/// Addresses that are constants of the compiled kernel.
pub(crate) trait Addresses {
    /// Offset of a shared variable in the shared window; `None` for other symbols.
    fn shared_offset(&self, symbol: SymbolRef) -> Option<u64>;
    /// Offset of a frame variable in the thread's local window.
    fn frame_offset(&self, var: vgpu_ptx::ir::FrameVarId) -> u64;
    /// Bytes of local memory per thread.
    fn local_bytes(&self) -> u64;
}

/// What the analysis finds.
#[derive(Clone, Debug)]
pub(crate) struct Analysis {
    pub(crate) shapes: IndexVec<Reg, Shape>,
    /// The block's branch sends lanes different ways.
    pub(crate) diverges: Vec<bool>,
    /// Only part of the live lanes may run the block.
    pub(crate) partial: Vec<bool>,
    /// Lanes may pass the block at different times although they are on one path: every write must keep other
    /// lanes' values.
    pub(crate) careful: Vec<bool>,
    /// The block only ends the thread.
    pub(crate) ends_thread: Vec<bool>,
    /// The block is the back edge of a waiting loop that lanes leave at different times: those that stay let those that left
    /// go ahead.
    pub(crate) parks: Vec<bool>,
    /// The block ends in a barrier or a warp synchronisation where part of a warp may wait while the rest goes on or waits
    /// elsewhere. Only in programs of one warp.
    pub(crate) joins: Vec<bool>,
}

impl Analysis {
    /// Lanes of one warp may wait in different places.
    pub(crate) fn waits_apart(&self) -> bool {
        self.joins.contains(&true)
    }

    /// Lanes may go through the program at different times.
    pub(crate) fn loses_lock_step(&self) -> bool {
        self.waits_apart() || self.parks.contains(&true)
    }
}

/// Runs the analysis.
pub(crate) fn analyse(program: &Program, geometry: &Geometry, addresses: &dyn Addresses) -> Analysis {
    let n_blocks = program.blocks.len();
    let ends_thread: Vec<bool> = program
        .blocks
        .iter()
        .map(|block| {
            block.phis.is_empty()
                && block.insts.is_empty()
                && matches!(block.terminator, Terminator::Return | Terminator::Exit)
        })
        .collect();
    let mut cx = Cx {
        program,
        geometry,
        addresses,
        shapes: IndexVec::filled(None, program.values.len()),
        forced: BitSet::new(program.values.len()),
        limits: IndexVec::filled(PhiLimit { range_lost: false, align: u32::MAX }, program.values.len()),
        ends_thread,
        diverges: vec![false; n_blocks],
        partial: vec![false; n_blocks],
        careful: vec![false; n_blocks],
        parks: vec![false; n_blocks],
        joins: vec![false; n_blocks],
        names_barriers: names_barriers(program.blocks.iter().flat_map(|block| &block.insts)),
    };
    loop {
        cx.settle_shapes();
        if !cx.settle_divergence() {
            break;
        }
    }
    let widths = &program.values;
    let shapes = cx
        .shapes
        .iter_enumerated()
        .map(|(value, shape)| shape.clone().unwrap_or_else(|| Shape::uniform(widths[value])));
    Analysis {
        shapes: shapes.collect(),
        diverges: cx.diverges,
        partial: cx.partial,
        careful: cx.careful,
        ends_thread: cx.ends_thread,
        parks: cx.parks,
        joins: cx.joins,
    }
}

#[derive(Clone, Copy)]
struct PhiLimit {
    range_lost: bool,
    align: u32,
}

struct Cx<'p> {
    program: &'p Program,
    geometry: &'p Geometry,
    addresses: &'p dyn Addresses,
    shapes: IndexVec<Reg, Option<Shape>>,
    /// Values that are varying because of control flow.
    forced: BitSet,
    /// What phis have been found not to keep: a range, and alignment beyond a limit. Kept when shapes start afresh, so
    /// that a form that rested on them is never joined with the one that replaces it.
    limits: IndexVec<Reg, PhiLimit>,
    ends_thread: Vec<bool>,
    diverges: Vec<bool>,
    partial: Vec<bool>,
    careful: Vec<bool>,
    parks: Vec<bool>,
    joins: Vec<bool>,
    names_barriers: bool,
}

impl Cx<'_> {
    fn settle_shapes(&mut self) {
        while self.sweep_to_rest() {}
    }

    /// Iterates from scratch until nothing moves; true when a phi lost a range or alignment on the way, so that forms
    /// that rested on it must be found anew.
    fn sweep_to_rest(&mut self) -> bool {
        let program = self.program;
        self.shapes = IndexVec::filled(None, program.values.len());
        let mut lost = false;
        let mut changed = true;
        while changed {
            changed = false;
            for block in &program.blocks {
                for phi in &block.phis {
                    let width = program.values[phi.dst];
                    let mut joined: Option<Shape> = None;
                    for arg in &phi.args {
                        let Some(shape) = self.operand(arg, width) else { continue };
                        joined = Some(joined.map_or_else(|| shape.clone(), |before| before.join(&shape)));
                    }
                    let (moved, limited) = self.update_phi(phi.dst, joined);
                    changed |= moved;
                    lost |= limited;
                }
                for inst in &block.insts {
                    changed |= self.visit(inst);
                }
            }
        }
        lost
    }

    /// Moves a phi's shape down the lattice: whether it moved, and whether that cost a range or alignment.
    fn update_phi(&mut self, value: Reg, shape: Option<Shape>) -> (bool, bool) {
        let width = self.program.values[value];
        if self.forced.contains(value.idx()) {
            return (self.replace(value, Shape::varying(width)), false);
        }
        let Some(shape) = shape else { return (false, false) };
        let mut next = match &self.shapes[value] {
            Some(before) => before.join(&shape),
            None => shape,
        };
        let limit = &mut self.limits[value];
        let mut lost = false;
        if let Some(before) = &self.shapes[value] {
            if before.is_bounded() && !next.is_bounded() && !limit.range_lost {
                limit.range_lost = true;
                lost = true;
            }
            if next.align < before.align && next.align < limit.align {
                limit.align = next.align;
                lost = true;
            }
        }
        if limit.range_lost {
            (next.lo, next.hi) = full_range(width);
        }
        next.align = next.align.min(limit.align);
        (self.replace(value, next), lost)
    }

    fn replace(&mut self, value: Reg, shape: Shape) -> bool {
        let moved = self.shapes[value].as_ref() != Some(&shape);
        self.shapes[value] = Some(shape);
        moved
    }

    fn operand(&self, operand: &Operand, width: RegWidth) -> Option<Shape> {
        operand_shape(operand, width, self.addresses, |reg| self.shapes[reg].clone())
    }

    fn visit(&mut self, inst: &Inst) -> bool {
        let n_sources = inst.srcs.len();
        let mut sources: SmallVec<[Shape; 4]> = SmallVec::new();
        for (idx, src) in inst.srcs.iter().enumerate() {
            match self.operand(src, source_width(&inst.op, idx, n_sources)) {
                Some(shape) => sources.push(shape),
                // Not reached yet by the optimistic iteration.
                None => return false,
            }
        }
        let guard = match inst.guard {
            Some(guard) => match &self.shapes[guard.reg] {
                Some(shape) => Some(shape.is_uniform()),
                None => return false,
            },
            None => None,
        };
        let mut changed = false;
        for (idx, &dst) in inst.dsts.iter().enumerate() {
            let width = self.program.values[dst];
            let shape = if guard == Some(false) || (reads_frame(inst) && self.geometry.lanes > 1) {
                Shape::varying(width)
            } else {
                result_shape(&inst.op, idx, &sources, width, self.geometry, self.addresses)
            };
            let shape = if self.forced.contains(dst.idx()) { Shape::varying(width) } else { shape };
            changed |= self.replace(dst, shape);
        }
        changed
    }

    fn settle_divergence(&mut self) -> bool {
        let program = self.program;
        let n_blocks = program.blocks.len();
        let mut changed = false;
        let mut regions: Vec<(usize, BitSet)> = Vec::new();
        for (idx, block) in program.blocks.iter().enumerate() {
            let Some(condition) = block.terminator.condition() else { continue };
            if self.shapes[condition].as_ref().is_none_or(Shape::is_uniform) {
                continue;
            }
            self.diverges[idx] = true;
            if block.succs.iter().any(|&succ| self.ends_thread[succ]) && block.succs.len() == 2 {
                continue;
            }
            regions.push((idx, self.region(idx)));
        }
        for (branch, region) in &regions {
            let end = program.post_dominators[*branch];
            region.iter().for_each(|node| self.partial[node] = true);
            let sides: Vec<(usize, BitSet)> =
                program.blocks[*branch].succs.iter().map(|&succ| (succ, self.reach(succ, end))).collect();
            for node in region.iter().chain((end < n_blocks).then_some(end)) {
                if self.sides_meet(*branch, &sides, node) {
                    changed |= self.force_phis(node);
                }
            }
        }
        for found in &program.loops {
            let contains = |node: usize| (found.first..=found.last).contains(&node);
            let leaves_apart = (found.first..=found.last).any(|node| {
                let exits = program.blocks[node].succs.iter().any(|&succ| !contains(succ) && !self.ends_thread[succ]);
                exits
                    && regions
                        .iter()
                        .any(|(branch, region)| contains(*branch) && (*branch == node || region.contains(node)))
            });
            if leaves_apart {
                for node in found.first..=found.last {
                    let outside: Vec<usize> =
                        program.blocks[node].succs.iter().copied().filter(|&succ| !contains(succ)).collect();
                    for exit in outside {
                        changed |= self.force_phis(exit);
                    }
                }
            }
            let last_inst = program.blocks[found.last].insts.last();
            let waits = matches!(program.blocks[found.last].terminator, Terminator::Branch(to) if to.idx() == found.first)
                && last_inst.is_some_and(|inst| inst.op == Op::Nanosleep);
            let is_branch_around = |region: &BitSet| region.contains(found.first);
            let around: Vec<usize> =
                regions.iter().filter(|(_, region)| is_branch_around(region)).map(|(branch, _)| *branch).collect();
            if waits && (leaves_apart || !around.is_empty()) && self.others_may_signal(found, &around) {
                self.parks[found.last] = true;
                // From here on lanes go through the program at different times.
                for node in self.reach(found.first, n_blocks).iter() {
                    self.partial[node] = true;
                    changed |= self.lose_lock_step(node);
                }
            }
            let runs_partially = (found.first..=found.last).any(|node| self.partial[node] || self.diverges[node]);
            if found.irreducible && runs_partially {
                for node in found.first..=found.last {
                    changed |= self.lose_lock_step(node);
                }
            }
        }
        changed | self.settle_joins(&regions)
    }

    /// Finds where part of a warp waits.
    fn settle_joins(&mut self, regions: &[(usize, BitSet)]) -> bool {
        if self.geometry.lanes != vgpu_types::WARP_SIZE {
            return false;
        }
        let n_blocks = self.program.blocks.len();
        let syncs_apart = self.syncs_apart(regions);
        let mut changed = false;
        for node in 0..n_blocks {
            let Some(last) = self.program.blocks[node].insts.last() else { continue };
            let is_partial = self.partial[node] || self.careful[node];
            let joins = match &last.op {
                Op::Barrier(barrier) if barrier.op != BarrierOp::Arrive && self.names_barriers => {
                    let n_operands = if barrier.has_threads { 2 } else { 1 };
                    let differs = last.srcs[..n_operands]
                        .iter()
                        .any(|src| self.operand(src, RegWidth::B32).is_some_and(|shape| !shape.is_uniform()));
                    is_partial || differs
                }
                Op::WarpSync => is_partial && syncs_apart,
                _ => false,
            };
            if joins && !std::mem::replace(&mut self.joins[node], true) {
                changed = true;
            }
            if self.joins[node] {
                self.partial[node] = true;
                changed |= self.lose_lock_step(node);
                for after in self.program.blocks[node].succs.clone() {
                    for reached in self.reach(after, n_blocks).iter() {
                        self.partial[reached] = true;
                        changed |= self.lose_lock_step(reached);
                    }
                }
            }
        }
        changed
    }

    /// Two sides of a divergent branch have a warp synchronisation each, and their lanes may mean each other.
    fn syncs_apart(&self, regions: &[(usize, BitSet)]) -> bool {
        let masks = |side: &BitSet| -> Vec<(usize, Option<u32>)> {
            let syncs = side.iter().filter_map(|node| {
                let last = self.program.blocks[node].insts.last().filter(|inst| inst.op == Op::WarpSync)?;
                let mask = self.operand(&last.srcs[0], RegWidth::B32).and_then(|shape| shape.as_constant());
                Some((node, mask.map(|bits| bits as u32)))
            });
            syncs.collect()
        };
        regions.iter().any(|(branch, _)| {
            let end = self.program.post_dominators[*branch];
            let succs = &self.program.blocks[*branch].succs;
            let sides: Vec<_> = succs.iter().map(|&succ| masks(&self.reach(succ, end))).collect();
            sides.iter().enumerate().any(|(a, one)| {
                sides[a + 1..].iter().any(|other| {
                    one.iter().any(|(here, mask)| {
                        let meets = |(there, others): &(usize, Option<u32>)| {
                            here != there && mask.zip(*others).is_none_or(|(mask, others)| mask & others != 0)
                        };
                        other.iter().any(meets)
                    })
                })
            })
        })
    }

    /// Lanes of the program that are not in a waiting loop could do what it waits for, if they went ahead: they write
    /// memory before they come to a place that they pass only together with the lanes in the loop. `around` are the
    /// branches that sent some lanes there and others elsewhere.
    fn others_may_signal(&self, found: &super::ssa::LoopRange, around: &[usize]) -> bool {
        let blocks = &self.program.blocks;
        let inside = |node: usize| (found.first..=found.last).contains(&node);
        let leaving = (found.first..=found.last).flat_map(|node| &blocks[node].succs);
        let mut work: Vec<usize> =
            leaving.chain(around.iter().flat_map(|&branch| &blocks[branch].succs)).copied().collect();
        let mut seen = BitSet::new(blocks.len());
        while let Some(node) = work.pop() {
            if inside(node) || !seen.insert(node) {
                continue;
            }
            let mut passes = true;
            for inst in &blocks[node].insts {
                if signals(&inst.op) {
                    return true;
                }
                if self.needs_everybody(inst) {
                    passes = false;
                    break;
                }
            }
            if passes {
                work.extend(&blocks[node].succs);
            }
        }
        false
    }

    /// No lane passes the instruction before all that have not ended are there.
    fn needs_everybody(&self, inst: &Inst) -> bool {
        match &inst.op {
            Op::Barrier(barrier) => !barrier.has_threads,
            Op::CallBuiltin(vgpu_ptx::ir::Builtin::CgSynchronize, _) => true,
            Op::WarpSync => {
                let mask = self.operand(&inst.srcs[0], RegWidth::B32).and_then(|shape| shape.as_constant());
                self.geometry.lanes <= 32 && mask.is_some_and(|bits| bits as u32 == u32::MAX)
            }
            _ => false,
        }
    }

    /// Lanes may run the block at different times: nothing it defines is the same for all.
    fn lose_lock_step(&mut self, node: usize) -> bool {
        self.careful[node] = true;
        let mut changed = self.force_phis(node);
        for dst in self.program.blocks[node].insts.iter().flat_map(|inst| &inst.dsts) {
            changed |= self.forced.insert(dst.idx());
        }
        changed
    }

    /// Phis whose arguments are not all one value.
    fn force_phis(&mut self, node: usize) -> bool {
        let mut changed = false;
        for phi in &self.program.blocks[node].phis {
            let is_copy = phi.args.iter().all(|arg| *arg == phi.args[0]) && phi.args.len() > 1;
            let is_constant = matches!(phi.args[0], Operand::Imm(_)) && phi.args.iter().all(|arg| *arg == phi.args[0]);
            if !is_copy && !is_constant {
                changed |= self.forced.insert(phi.dst.idx());
            }
        }
        changed
    }

    /// True when lanes that left `branch` on different sides enter `node` over different edges.
    fn sides_meet(&self, branch: usize, sides: &[(usize, BitSet)], node: usize) -> bool {
        let comes_from =
            |side: &(usize, BitSet), pred: usize| side.1.contains(pred) || (pred == branch && side.0 == node);
        let preds = &self.program.blocks[node].preds;
        if preds.len() < 2 {
            return false;
        }
        // Two different edges, reached from two different sides.
        preds.iter().any(|&one| {
            preds.iter().any(|&other| {
                one != other
                    && sides.iter().enumerate().any(|(a, side)| {
                        comes_from(side, one)
                            && sides.iter().enumerate().any(|(b, side)| a != b && comes_from(side, other))
                    })
            })
        })
    }

    /// Blocks on paths from the branch to its post-dominator, the latter excluded.
    fn region(&self, branch: usize) -> BitSet {
        let end = self.program.post_dominators[branch];
        let mut region = BitSet::new(self.program.blocks.len());
        for &succ in &self.program.blocks[branch].succs {
            region.union(&self.reach(succ, end));
        }
        region
    }

    /// Blocks reached from `start` without passing `end`.
    fn reach(&self, start: usize, end: usize) -> BitSet {
        let mut reached = BitSet::new(self.program.blocks.len());
        let mut work = vec![start];
        while let Some(node) = work.pop() {
            if node != end && reached.insert(node) {
                work.extend(&self.program.blocks[node].succs);
            }
        }
        reached
    }
}

/// Writes memory that other threads can see.
fn signals(op: &Op) -> bool {
    match op {
        Op::Store(access) => matches!(access.space, Space::Generic | Space::Global | Space::Shared),
        Op::Atomic(_)
        | Op::Reduce(_)
        | Op::Mbarrier(_)
        | Op::CpAsync { .. }
        | Op::StMatrix(_)
        | Op::WmmaStore(_)
        | Op::CallBuiltin(..)
        | Op::Call(..)
        | Op::CallIndirect(..) => true,
        Op::Barrier(barrier) => barrier.has_threads,
        _ => false,
    }
}

/// A load of a call's parameter or result: memory of each thread's own.
fn reads_frame(inst: &Inst) -> bool {
    matches!((&inst.op, inst.srcs.first()), (Op::Load(_), Some(Operand::Frame(..))))
}

/// The shape of a source operand; `None` for a register without one yet.
pub(crate) fn operand_shape(
    operand: &Operand,
    width: RegWidth,
    addresses: &dyn Addresses,
    of_register: impl Fn(Reg) -> Option<Shape>,
) -> Option<Shape> {
    Some(match operand {
        Operand::Reg(reg) => return of_register(*reg),
        Operand::Imm(bits) => Shape::constant(*bits as i64, width),
        Operand::Symbol(symbol, addend) => match addresses.shared_offset(*symbol) {
            Some(offset) => Shape::constant(offset as i64 + addend, width),
            None => Shape::uniform(width),
        },
        Operand::Frame(var, addend) => Shape::constant(addresses.frame_offset(*var) as i64 + addend, width),
        Operand::Param(offset) | Operand::Return(offset) => Shape::constant(i64::from(*offset), width),
    })
}

/// The shape of destination `idx` of an operation.
pub(crate) fn result_shape(
    op: &Op,
    idx: usize,
    sources: &[Shape],
    width: RegWidth,
    geometry: &Geometry,
    addresses: &dyn Addresses,
) -> Shape {
    let varying = Shape::varying(width);
    let uniform = Shape::uniform(width);
    // A program of one thread has only uniform values.
    let single = geometry.lanes == 1;
    let all_uniform = single || sources.iter().all(Shape::is_uniform);
    let if_uniform = |condition: bool| if condition || single { uniform.clone() } else { varying.clone() };
    match op {
        Op::ReadSpecial(register) => match geometry.special(&mut NoScalars, *register) {
            Some(sym) => sym.shape,
            None => if_uniform(!matches!(
                register,
                SpecialReg::Tid(_)
                    | SpecialReg::LaneId
                    | SpecialReg::LaneMaskEq
                    | SpecialReg::LaneMaskLt
                    | SpecialReg::LaneMaskLe
                    | SpecialReg::LaneMaskGt
                    | SpecialReg::LaneMaskGe
            )),
        },
        Op::Load(access) => if_uniform(access.space != Space::Local && all_uniform),
        Op::Cvta { space, to_generic } => match window_shape(*space, geometry, addresses) {
            Some(window) => {
                sum(&sources[0], &window, !to_generic, geometry.lanes).unwrap_or_else(|| if_uniform(all_uniform))
            }
            None => sources[0].clone(),
        },
        Op::IsSpace(_) => if_uniform(all_uniform),
        Op::Vote { .. } | Op::Redux { .. } | Op::ActiveMask => {
            let mask_uniform = sources.get(1).is_none_or(Shape::is_uniform);
            if_uniform(geometry.lanes == 32 && mask_uniform)
        }
        Op::Barrier(_) | Op::StackSave => uniform,
        Op::Mbarrier(_) => if_uniform(false),
        Op::Atomic(_)
        | Op::Shuffle { .. }
        | Op::Match { .. }
        | Op::Elect
        | Op::Mma(_)
        | Op::WmmaLoad(_)
        | Op::LdMatrix(_)
        | Op::MovMatrix
        | Op::Alloca { .. } => if_uniform(false),
        _ => {
            if idx == 0 {
                let syms: SmallVec<[Sym<()>; 4]> = sources.iter().map(without_values).collect();
                if let Some(sym) = transfer(&mut NoScalars, op, &syms, width, geometry.lanes) {
                    return sym.shape;
                }
            }
            if_uniform(all_uniform)
        }
    }
}

/// The generic address of the shared or local window, as a shape.
pub(crate) fn window_shape(space: Space, geometry: &Geometry, addresses: &dyn Addresses) -> Option<Shape> {
    match space {
        Space::Shared => Some(Shape::uniform(RegWidth::B64)),
        Space::Local => {
            let stride = addresses.local_bytes() as i64;
            let c: Vec<i64> = (0..i64::from(geometry.lanes)).map(|lane| lane * stride).collect();
            let form =
                if stride == 0 || geometry.lanes == 1 { Form::Uniform } else { Form::Affine { c: c.into(), d: None } };
            Some(Shape { form, ..Shape::uniform(RegWidth::B64) })
        }
        _ => None,
    }
}

fn sum(a: &Shape, b: &Shape, subtract: bool, lanes: u32) -> Option<Shape> {
    let op = if subtract { vgpu_ptx::ir::IntBinary::Sub } else { vgpu_ptx::ir::IntBinary::Add };
    let op = Op::IntBinary(op, vgpu_ptx::ir::ScalarType::U64);
    let args = [without_values(a), without_values(b)];
    transfer(&mut NoScalars, &op, &args, RegWidth::B64, lanes).map(|sym| sym.shape)
}

/// A shape as a value in parts, for the analysis.
pub(crate) fn without_values(shape: &Shape) -> Sym<()> {
    let parts = match &shape.form {
        Form::Uniform => Parts::Uniform(()),
        Form::Affine { d, .. } => Parts::Affine { base: (), scale: d.as_ref().map(|_| ()) },
        Form::Indexed { index, .. } => Parts::Indexed { base: (), index: Box::new(without_values(index)) },
        Form::Varying => Parts::Varying(()),
    };
    Sym { shape: shape.clone(), parts }
}
