//! Shapes the kernel IR for SSA construction and scheduling.
//!
//! After it: no instruction but memory accesses and other effects has a guard; a barrier or grid synchronisation is the
//! last instruction of its block; the entry has no predecessor; every loop that is entered in one place has one back edge,
//! from a block of its own or the last of the loop; every edge that leaves a loop goes to a block that has no other
//! predecessor; the back edge of a loop that waits for other threads suspends; a conditional branch has two different targets and is not negated.

use super::graph::{Graph, Schedule};
use super::waiting::Waiting;
use crate::JitError;
use smallvec::smallvec;
use vgpu_ptx::ir::{self, Block, BlockId, Builtin, Function, Inst, Op, Operand, Reg, RegWidth, ScalarType, Terminator};
use vgpu_types::IndexVec;

/// Runs all steps.
pub(crate) fn prepare(function: &mut Function) -> Result<Schedule, JitError> {
    if function.regs.len() > crate::MAX_REGISTERS || function.blocks.len() > crate::MAX_BLOCKS {
        return Err(JitError::TooLarge { kernel: function.name.clone() });
    }
    simplify_terminators(function);
    separate_entry(function);
    remove_unreachable(function);
    unguard(function);
    split_at_suspensions(function);
    split_before_exchanges(function);
    canonicalise_loops(function)?;
    graph_of(function).schedule().ok_or_else(|| JitError::TooLarge { kernel: function.name.clone() })
}

/// The control-flow graph of a function.
pub(crate) fn graph_of(function: &Function) -> Graph {
    let succs = function.blocks.iter().map(|block| {
        let mut targets: Vec<usize> = block.terminator.successors().into_iter().map(BlockId::idx).collect();
        let mut seen = Vec::new();
        targets.retain(|&target| {
            !seen.contains(&target) && {
                seen.push(target);
                true
            }
        });
        targets
    });
    Graph::new(succs.collect())
}

/// True for instructions where a thread may have to wait for others of its block or grid.
pub(crate) fn suspends(op: &Op) -> bool {
    match op {
        Op::Barrier(barrier) => barrier.op != ir::BarrierOp::Arrive,
        Op::CallBuiltin(Builtin::CgSynchronize, _) | Op::Nanosleep => true,
        _ => false,
    }
}

fn simplify_terminators(function: &mut Function) {
    for block in function.blocks.iter_mut() {
        match &mut block.terminator {
            Terminator::CondBranch { then, otherwise, .. } if then == otherwise => {
                block.terminator = Terminator::Branch(*then);
            }
            Terminator::CondBranch { negated, then, otherwise, .. } if *negated => {
                *negated = false;
                std::mem::swap(then, otherwise);
            }
            _ => {}
        }
    }
}

fn separate_entry(function: &mut Function) {
    let entry_is_target = function.blocks.iter().any(|block| block.terminator.successors().contains(&BlockId(0)));
    if !entry_is_target {
        return;
    }
    let moved = BlockId::from(function.blocks.len());
    for block in function.blocks.iter_mut() {
        retarget(&mut block.terminator, |target| if target == BlockId(0) { moved } else { target });
    }
    let first = function.blocks[BlockId(0)].clone();
    function.blocks.push(first);
    function.blocks[BlockId(0)] = jump_to(moved);
}

fn jump_to(target: BlockId) -> Block {
    Block {
        label: None,
        insts: Vec::new(),
        terminator: Terminator::Branch(target),
        terminator_span: vgpu_types::Span::default(),
    }
}

pub(crate) fn retarget(terminator: &mut Terminator, mut map: impl FnMut(BlockId) -> BlockId) {
    match terminator {
        Terminator::Branch(target) => *target = map(*target),
        Terminator::CondBranch { then, otherwise, .. } => {
            *then = map(*then);
            *otherwise = map(*otherwise);
        }
        Terminator::IndexBranch { targets, .. } => targets.iter_mut().for_each(|target| *target = map(*target)),
        Terminator::Return | Terminator::Exit | Terminator::Trap => {}
    }
}

fn remove_unreachable(function: &mut Function) {
    let mut reached = vec![false; function.blocks.len()];
    let mut work = vec![BlockId(0)];
    while let Some(block) = work.pop() {
        if !std::mem::replace(&mut reached[block.idx()], true) {
            work.extend(function.blocks[block].terminator.successors());
        }
    }
    let mut renumbered = vec![BlockId(0); reached.len()];
    let mut kept = IndexVec::new();
    for (idx, block) in std::mem::take(&mut function.blocks).iter().enumerate() {
        if reached[idx] {
            renumbered[idx] = kept.push(block.clone());
        }
    }
    for block in kept.iter_mut() {
        retarget(&mut block.terminator, |target| renumbered[target.idx()]);
    }
    function.blocks = kept;
}

/// True when an instruction must not run for lanes where its guard fails: it touches memory or other threads.
fn has_effect(op: &Op) -> bool {
    matches!(
        op,
        Op::Load(_)
            | Op::Store(_)
            | Op::Atomic(_)
            | Op::Reduce(_)
            | Op::CpAsync { .. }
            | Op::Mbarrier(_)
            | Op::Mma(_)
            | Op::WmmaLoad(_)
            | Op::WmmaStore(_)
            | Op::LdMatrix(_)
            | Op::StMatrix(_)
            | Op::MovMatrix
            | Op::Shuffle { .. }
            | Op::Vote { .. }
            | Op::Match { .. }
            | Op::Redux { .. }
            | Op::Elect
            | Op::ActiveMask
            | Op::Alloca { .. }
            | Op::StackRestore
    )
}

/// `@p op d, ..` becomes `op t, ..; selp d, t, d, p`; effects keep their guard as a mask.
fn unguard(function: &mut Function) {
    for block in function.blocks.indices() {
        if function.blocks[block].insts.iter().all(|inst| inst.guard.is_none()) {
            continue;
        }
        let insts = std::mem::take(&mut function.blocks[block].insts);
        let mut out = Vec::with_capacity(insts.len() + 8);
        for mut inst in insts {
            let Some(guard) = inst.guard else {
                out.push(inst);
                continue;
            };
            if !has_effect(&inst.op) {
                inst.guard = None;
            }
            let (span, line) = (inst.span, inst.line);
            let mut selects = Vec::new();
            for dst in &mut inst.dsts {
                let width = function.regs[*dst];
                let fresh = new_reg(function, width);
                let (new, old) = (Operand::Reg(fresh), Operand::Reg(*dst));
                let (a, b) = if guard.negated { (old, new) } else { (new, old) };
                selects.push(Inst {
                    op: Op::Selp(bits_type(width)),
                    dsts: smallvec![*dst],
                    srcs: smallvec![a, b, Operand::Reg(guard.reg)],
                    guard: None,
                    span,
                    line,
                });
                *dst = fresh;
            }
            out.push(inst);
            out.append(&mut selects);
        }
        function.blocks[block].insts = out;
    }
}

/// A fresh register.
pub(super) fn new_reg(function: &mut Function, width: RegWidth) -> Reg {
    function.reg_names.push(String::new());
    function.regs.push(width)
}

/// The untyped scalar type of a register width.
pub(crate) fn bits_type(width: RegWidth) -> ScalarType {
    match width {
        RegWidth::Pred => ScalarType::Pred,
        RegWidth::B8 => ScalarType::B8,
        RegWidth::B16 => ScalarType::B16,
        RegWidth::B32 => ScalarType::B32,
        RegWidth::B64 => ScalarType::B64,
        RegWidth::B128 => ScalarType::B128,
    }
}

/// Lanes of a warp may meet although they stand at different instructions: there are several to meet at.
fn may_sync_apart(function: &Function) -> bool {
    let insts = function.blocks.iter().flat_map(|block| &block.insts);
    insts.filter(|inst| inst.op == Op::WarpSync).nth(1).is_some()
}

/// Lanes of a warp may wait at different barriers: not all barriers are the same one, of all threads of the block.
pub(crate) fn names_barriers<'f>(insts: impl Iterator<Item = &'f Inst>) -> bool {
    let mut first: Option<Operand> = None;
    for inst in insts {
        let Op::Barrier(barrier) = &inst.op else { continue };
        if barrier.has_threads || !matches!(inst.srcs[0], Operand::Imm(_)) {
            return true;
        }
        if *first.get_or_insert(inst.srcs[0]) != inst.srcs[0] {
            return true;
        }
    }
    false
}

fn split_at_suspensions(function: &mut Function) {
    let syncs = may_sync_apart(function);
    let mut idx = 0;
    while idx < function.blocks.len() {
        let block = BlockId::from(idx);
        idx += 1;
        let current = &mut function.blocks[block];
        let ends_block = |inst: &Inst| suspends(&inst.op) || (syncs && inst.op == Op::WarpSync);
        let Some(at) = current.insts.iter().position(ends_block) else { continue };
        if at + 1 == current.insts.len() && matches!(current.terminator, Terminator::Branch(_)) {
            continue;
        }
        let rest = current.insts.split_off(at + 1);
        let terminator_span = current.terminator_span;
        let terminator = std::mem::replace(&mut current.terminator, Terminator::Branch(block));
        let tail = function.blocks.push(Block { label: None, insts: rest, terminator, terminator_span });
        function.blocks[block].terminator = Terminator::Branch(tail);
    }
}

/// What the back edge of a waiting loop does.
fn let_others_run() -> Inst {
    Inst {
        op: Op::Nanosleep,
        dsts: smallvec![],
        srcs: smallvec![Operand::Imm(0)],
        guard: None,
        span: vgpu_types::Span::default(),
        line: None,
    }
}

/// True for operations that all lanes of a membermask, or all of the warp, take part in.
pub(crate) const fn needs_members(op: &Op) -> bool {
    matches!(
        op,
        Op::WarpSync
            | Op::Shuffle { sync: true, .. }
            | Op::Vote { sync: true, .. }
            | Op::Match { .. }
            | Op::Redux { .. }
            | Op::Elect
            | Op::Mma(_)
            | Op::WmmaLoad(_)
            | Op::WmmaStore(_)
            | Op::LdMatrix(_)
            | Op::StMatrix(_)
            | Op::MovMatrix
    )
}

/// Where lanes may wait for each other, an operation of several lanes begins a block: lanes can be held there.
fn split_before_exchanges(function: &mut Function) {
    let insts = || function.blocks.iter().flat_map(|block| &block.insts);
    if !insts().any(|inst| needs_members(&inst.op)) {
        return;
    }
    let Some(schedule) = graph_of(function).schedule() else { return };
    let waiting = Waiting::new(function);
    let waits = schedule.loops.iter().any(|found| waiting.waits(found.header, &found.blocks));
    if !waits && !may_sync_apart(function) && !names_barriers(insts()) {
        return;
    }
    let mut idx = 0;
    while idx < function.blocks.len() {
        let block = BlockId::from(idx);
        idx += 1;
        let current = &mut function.blocks[block];
        let found = current.insts.iter().skip(1).position(|inst| needs_members(&inst.op));
        let Some(at) = found else { continue };
        let rest = current.insts.split_off(at + 1);
        let terminator_span = current.terminator_span;
        let terminator = std::mem::replace(&mut current.terminator, Terminator::Branch(block));
        let tail = function.blocks.push(Block { label: None, insts: rest, terminator, terminator_span });
        function.blocks[block].terminator = Terminator::Branch(tail);
    }
}

fn canonicalise_loops(function: &mut Function) -> Result<(), JitError> {
    let graph = graph_of(function);
    let too_large = || JitError::TooLarge { kernel: function.name.clone() };
    let schedule = graph.schedule().ok_or_else(too_large)?;
    let waiting = Waiting::new(function);
    let waits: Vec<bool> = schedule.loops.iter().map(|found| waiting.waits(found.header, &found.blocks)).collect();
    for (found, waits) in schedule.loops.iter().zip(waits) {
        let header = found.header;
        let latches: Vec<usize> =
            graph.preds[header].iter().copied().filter(|&pred| found.blocks.contains(pred)).collect();
        if waits || (latches.len() > 1 && !found.irreducible) {
            let mut latch = jump_to(BlockId::from(header));
            if waits {
                latch.insts.push(let_others_run());
            }
            let latch = function.blocks.push(latch);
            for from in latches {
                retarget(&mut function.blocks[BlockId::from(from)].terminator, |target| {
                    if target.idx() == header { latch } else { target }
                });
            }
        }
    }
    let graph = graph_of(function);
    let schedule = graph.schedule().ok_or_else(|| JitError::TooLarge { kernel: function.name.clone() })?;
    for from in 0..graph.len() {
        for &to in &graph.succs[from] {
            let leaves = schedule.loops.iter().any(|found| found.blocks.contains(from) && !found.blocks.contains(to));
            if leaves && (graph.preds[to].len() > 1) {
                let exit = function.blocks.push(jump_to(BlockId::from(to)));
                retarget(&mut function.blocks[BlockId::from(from)].terminator, |target| {
                    if target.idx() == to { exit } else { target }
                });
            }
        }
    }
    Ok(())
}
