//! Static single assignment over the kernel IR's own instructions.
//!
//! A [`Program`] is the function in schedule order: block `i` is the `i`-th of the order, registers are SSA values, each with
//! one definition. Where a value leaves the loop that defines it there is a phi in the exit block (loop-closed form): lanes
//! leave at different times, so what they see afterwards is a value of its own. Registers that may be read before
//! they are written are zero at the entry.
//!
//! Construction: pruned phi placement by iterated dominance frontiers (Cytron et al. 1991), renaming along the dominator tree.

use super::bitset::BitSet;
use super::graph::{Graph, Schedule};
use super::prepare::{bits_type, graph_of, retarget};
use smallvec::smallvec;
use std::collections::HashMap;
use vgpu_ptx::ir::{BlockId, Function, Inst, Op, Operand, Reg, RegWidth, Terminator};
use vgpu_types::{IndexVec, Span};

/// A value that depends on the way the block was reached.
#[derive(Clone, Debug)]
pub(crate) struct Phi {
    pub(crate) dst: Reg,
    /// One operand per predecessor, in the order of [`SsaBlock::preds`].
    pub(crate) args: Vec<Operand>,
}

#[derive(Clone, Debug)]
pub(crate) struct SsaBlock {
    pub(crate) phis: Vec<Phi>,
    pub(crate) insts: Vec<Inst>,
    pub(crate) terminator: Terminator,
    pub(crate) preds: Vec<usize>,
    pub(crate) succs: Vec<usize>,
}

/// A loop in schedule order: blocks `first..=last`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoopRange {
    pub(crate) first: usize,
    pub(crate) last: usize,
    pub(crate) irreducible: bool,
}

/// A kernel in SSA form and schedule order.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) blocks: Vec<SsaBlock>,
    pub(crate) values: IndexVec<Reg, RegWidth>,
    pub(crate) loops: Vec<LoopRange>,
    /// Immediate post-dominator of each block; `blocks.len()` is the exit.
    pub(crate) post_dominators: Vec<usize>,
}

/// Builds the program of a prepared function.
pub(crate) fn construct(mut function: Function, schedule: &Schedule) -> Program {
    renumber(&mut function, schedule);
    let graph = graph_of(&function);
    let mut position = vec![0; schedule.order.len()];
    for (at, &node) in schedule.order.iter().enumerate() {
        position[node] = at;
    }
    let loops: Vec<LoopRange> = schedule
        .loops
        .iter()
        .map(|found| {
            let places = || found.blocks.iter().map(|node| position[node]);
            LoopRange {
                first: places().min().unwrap_or(0),
                last: places().max().unwrap_or(0),
                irreducible: found.irreducible,
            }
        })
        .collect();
    zero_unset(&mut function, &graph);
    let live_in = liveness(&function, &graph);
    let order: Vec<usize> = (0..graph.len()).collect();
    let idom = graph.dominators(&order);
    let phi_regs = place_phis(&function, &graph, &idom, &live_in, &loops);
    let (blocks, values) = rename(&function, &graph, &idom, &phi_regs);
    let post_dominators = graph.post_dominators();
    Program { blocks, values, loops, post_dominators }
}

fn renumber(function: &mut Function, schedule: &Schedule) {
    let mut position = vec![BlockId(0); schedule.order.len()];
    for (at, &node) in schedule.order.iter().enumerate() {
        position[node] = BlockId::from(at);
    }
    let old = std::mem::take(&mut function.blocks);
    function.blocks = schedule.order.iter().map(|&node| old[BlockId::from(node)].clone()).collect();
    for block in function.blocks.iter_mut() {
        retarget(&mut block.terminator, |target| position[target.idx()]);
    }
}

/// Gives every register that may be read unset a zero at the entry.
fn zero_unset(function: &mut Function, graph: &Graph) {
    let unset: Vec<usize> = liveness(function, graph)[0].iter().collect();
    let zeros = unset.into_iter().map(|reg| {
        let reg = Reg::from(reg);
        Inst {
            op: Op::Mov(bits_type(function.regs[reg])),
            dsts: smallvec![reg],
            srcs: smallvec![Operand::Imm(0)],
            guard: None,
            span: Span::default(),
            line: None,
        }
    });
    let zeros: Vec<Inst> = zeros.collect();
    function.blocks[BlockId(0)].insts.splice(0..0, zeros);
}

/// Registers live at the start of each block.
pub(super) fn liveness(function: &Function, graph: &Graph) -> Vec<BitSet> {
    let n_regs = function.regs.len();
    let mut gen_sets = Vec::with_capacity(graph.len());
    let mut kill_sets = Vec::with_capacity(graph.len());
    for block in function.blocks.iter() {
        let (mut uses, mut defs) = (BitSet::new(n_regs), BitSet::new(n_regs));
        for inst in &block.insts {
            inst.uses().filter(|reg| !defs.contains(reg.idx())).collect::<Vec<_>>().into_iter().for_each(|reg| {
                uses.insert(reg.idx());
            });
            inst.dsts.iter().for_each(|dst| {
                defs.insert(dst.idx());
            });
        }
        if let Some(reg) = block.terminator.condition().filter(|reg| !defs.contains(reg.idx())) {
            uses.insert(reg.idx());
        }
        gen_sets.push(uses);
        kill_sets.push(defs);
    }
    let mut live_in = gen_sets;
    let mut changed = true;
    while changed {
        changed = false;
        for idx in (0..graph.len()).rev() {
            for &succ in &graph.succs[idx] {
                let mut through = live_in[succ].clone();
                for reg in kill_sets[idx].iter() {
                    through.remove(reg);
                }
                changed |= live_in[idx].union(&through);
            }
        }
    }
    live_in
}

/// Registers that need a phi in each block.
fn place_phis(
    function: &Function,
    graph: &Graph,
    idom: &[usize],
    live_in: &[BitSet],
    loops: &[LoopRange],
) -> Vec<Vec<Reg>> {
    let n_blocks = graph.len();
    let mut frontier: Vec<Vec<usize>> = vec![Vec::new(); n_blocks];
    for node in 0..n_blocks {
        if graph.preds[node].len() < 2 {
            continue;
        }
        for &pred in &graph.preds[node] {
            let mut runner = pred;
            while runner != idom[node] {
                if !frontier[runner].contains(&node) {
                    frontier[runner].push(node);
                }
                runner = idom[runner];
            }
        }
    }
    let mut def_blocks: IndexVec<Reg, Vec<usize>> = IndexVec::filled(Vec::new(), function.regs.len());
    for (block, contents) in function.blocks.iter_enumerated() {
        for dst in contents.insts.iter().flat_map(|inst| &inst.dsts) {
            if def_blocks[*dst].last() != Some(&block.idx()) {
                def_blocks[*dst].push(block.idx());
            }
        }
    }
    // Loop-closed form: exit blocks redefine what the loop defines.
    let mut exits: Vec<(usize, usize, usize)> = Vec::new();
    for found in loops {
        for from in found.first..=found.last {
            for &to in graph.succs[from].iter().filter(|&&to| to < found.first || to > found.last) {
                exits.push((to, found.first, found.last));
            }
        }
    }
    let mut phi_regs = vec![Vec::new(); n_blocks];
    let mut has_phi = BitSet::new(n_blocks);
    for reg in function.regs.indices() {
        if def_blocks[reg].is_empty() {
            continue;
        }
        has_phi.iter().collect::<Vec<_>>().into_iter().for_each(|node| has_phi.remove(node));
        let mut work = def_blocks[reg].clone();
        let mut done_exits = vec![false; exits.len()];
        while let Some(node) = work.pop() {
            let mut add = |at: usize, work: &mut Vec<usize>| {
                if live_in[at].contains(reg.idx()) && has_phi.insert(at) {
                    phi_regs[at].push(reg);
                    work.push(at);
                }
            };
            for &at in &frontier[node] {
                add(at, &mut work);
            }
            for (idx, &(to, first, last)) in exits.iter().enumerate() {
                if !done_exits[idx] && (first..=last).contains(&node) {
                    done_exits[idx] = true;
                    add(to, &mut work);
                }
            }
        }
    }
    phi_regs
}

fn rename(
    function: &Function,
    graph: &Graph,
    idom: &[usize],
    phi_regs: &[Vec<Reg>],
) -> (Vec<SsaBlock>, IndexVec<Reg, RegWidth>) {
    let n_blocks = graph.len();
    let mut values: IndexVec<Reg, RegWidth> = IndexVec::new();
    let mut blocks: Vec<SsaBlock> = (0..n_blocks)
        .map(|idx| SsaBlock {
            phis: Vec::new(),
            insts: Vec::new(),
            terminator: Terminator::Return,
            preds: graph.preds[idx].clone(),
            succs: graph.succs[idx].clone(),
        })
        .collect();
    for (idx, regs) in phi_regs.iter().enumerate() {
        for &reg in regs {
            let args = vec![Operand::Imm(0); graph.preds[idx].len()];
            blocks[idx].phis.push(Phi { dst: values.push(function.regs[reg]), args });
        }
    }
    let mut children = vec![Vec::new(); n_blocks];
    for node in 1..n_blocks {
        children[idom[node]].push(node);
    }
    let mut current: HashMap<Reg, Vec<Reg>> = HashMap::new();
    // Depth-first over the dominator tree; `Leave` undoes the definitions of a block.
    enum Step {
        Enter(usize),
        Leave(Vec<Reg>),
    }
    let mut work = vec![Step::Enter(0)];
    while let Some(step) = work.pop() {
        let node = match step {
            Step::Leave(defined) => {
                for reg in defined {
                    current.get_mut(&reg).and_then(Vec::pop);
                }
                continue;
            }
            Step::Enter(node) => node,
        };
        let mut defined = Vec::new();
        for (phi_idx, &reg) in phi_regs[node].iter().enumerate() {
            current.entry(reg).or_default().push(blocks[node].phis[phi_idx].dst);
            defined.push(reg);
        }
        let read =
            |current: &HashMap<Reg, Vec<Reg>>, reg: Reg| current.get(&reg).and_then(|stack| stack.last()).copied();
        let expect_set = "every register read has a definition on each path: unset ones were zeroed at the entry";
        let source = &function.blocks[BlockId::from(node)];
        for inst in &source.insts {
            let mut inst = inst.clone();
            for src in &mut inst.srcs {
                if let Operand::Reg(reg) = src {
                    *src = Operand::Reg(read(&current, *reg).expect(expect_set));
                }
            }
            if let Some(guard) = &mut inst.guard {
                guard.reg = read(&current, guard.reg).expect(expect_set);
            }
            for dst in &mut inst.dsts {
                let value = values.push(function.regs[*dst]);
                current.entry(*dst).or_default().push(value);
                defined.push(*dst);
                *dst = value;
            }
            blocks[node].insts.push(inst);
        }
        let mut terminator = source.terminator.clone();
        match &mut terminator {
            Terminator::CondBranch { pred: reg, .. } | Terminator::IndexBranch { index: reg, .. } => {
                *reg = read(&current, *reg).expect(expect_set);
            }
            _ => {}
        }
        blocks[node].terminator = terminator;
        for &succ in &graph.succs[node] {
            let pred_idx = graph.preds[succ].iter().position(|&pred| pred == node);
            let pred_idx = pred_idx.expect("predecessor lists mirror successor lists");
            for (phi_idx, &reg) in phi_regs[succ].iter().enumerate() {
                if let Some(value) = read(&current, reg) {
                    blocks[succ].phis[phi_idx].args[pred_idx] = Operand::Reg(value);
                }
            }
        }
        work.push(Step::Leave(defined));
        work.extend(children[node].iter().rev().map(|&child| Step::Enter(child)));
    }
    (blocks, values)
}

/// Values live at the end of each block: what successors read, and arguments of their phis.
pub(crate) fn live_out(program: &Program) -> Vec<BitSet> {
    let (n_blocks, n_values) = (program.blocks.len(), program.values.len());
    let mut live_in = vec![BitSet::new(n_values); n_blocks];
    let mut live_out = vec![BitSet::new(n_values); n_blocks];
    let mut changed = true;
    while changed {
        changed = false;
        for (idx, block) in program.blocks.iter().enumerate().rev() {
            let mut live = BitSet::new(n_values);
            for &succ in &block.succs {
                let target = &program.blocks[succ];
                let mut through = live_in[succ].clone();
                target.phis.iter().for_each(|phi| through.remove(phi.dst.idx()));
                live.union(&through);
                let pred_idx = target.preds.iter().position(|&pred| pred == idx);
                for phi in &target.phis {
                    if let Some(Operand::Reg(reg)) = pred_idx.map(|at| phi.args[at]) {
                        live.insert(reg.idx());
                    }
                }
            }
            changed |= live_out[idx].union(&live);
            if let Some(reg) = block.terminator.condition() {
                live.insert(reg.idx());
            }
            for inst in block.insts.iter().rev() {
                inst.dsts.iter().for_each(|dst| live.remove(dst.idx()));
                inst.uses().collect::<Vec<_>>().into_iter().for_each(|reg| {
                    live.insert(reg.idx());
                });
            }
            changed |= live_in[idx].union(&live);
        }
    }
    live_out
}
