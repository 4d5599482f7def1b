//! Finds the loops in which a thread waits for another one, so that it lets the other run.
//!
//! A loop **waits** when it goes on or ends by what a strong load, a test of an mbarrier or an atomic gives that others can change: a flag,
//! a lock. Its back edge becomes a suspension point (a `nanosleep`). What a watched value decides is followed through
//! registers, through memory that the loop writes and reads again, and through the choice of paths in the loop. A loop none of
//! whose exits depends on anything but memory that it reads at unchanging places waits as well, strong or not.
//!
//! An atomic that makes progress by itself is no wait: a counter that is raised, or compare-and-swap with a value that the
//! loop has read anew, if its success ends the loop (then every failure is another thread's success).
//! Source: PTX ISA, "Memory Consistency Model"; CUDA programming guide, "Independent Thread Scheduling".

use super::bitset::BitSet;
use super::graph::Graph;
use super::prepare::graph_of;
use std::collections::HashMap;
use vgpu_ptx::ir::{
    Access, Atomic, AtomicOp, BlockId, Compare, Function, Inst, MbarrierOp, MemorySemantics, Op, Operand, Reg, Space,
    Terminator,
};

/// Looks at the loops of one function.
pub(super) struct Waiting<'f> {
    function: &'f Function,
    graph: Graph,
    post_dominators: Vec<usize>,
    constants: HashMap<Reg, Option<u64>>,
}

impl<'f> Waiting<'f> {
    pub(super) fn new(function: &'f Function) -> Self {
        let graph = graph_of(function);
        let post_dominators = graph.post_dominators();
        Self { function, graph, post_dominators, constants: constants(function) }
    }

    /// True when the loop made of `blocks`, entered at `header`, waits for other threads.
    pub(super) fn waits(&self, header: usize, blocks: &BitSet) -> bool {
        let mut reads =
            self.insts(blocks).filter(|(_, inst)| matches!(inst.op, Op::Load(_) | Op::Atomic(_) | Op::Mbarrier(_)));
        if reads.next().is_none() {
            return false;
        }
        let facts = LoopFacts {
            waiting: self,
            header,
            blocks,
            defined: self.defined(blocks),
            has_fence: self.insts(blocks).any(|(_, inst)| matches!(inst.op, Op::Fence(..))),
            has_barrier: self
                .insts(blocks)
                .any(|(_, inst)| matches!(&inst.op, Op::Barrier(barrier) if !barrier.has_threads)),
        };
        facts.ends_by_a_watch() || facts.ends_by_memory_alone()
    }

    fn insts<'a>(&'a self, blocks: &'a BitSet) -> impl Iterator<Item = (usize, &'a Inst)> + 'a {
        blocks.iter().flat_map(|block| self.function.blocks[BlockId::from(block)].insts.iter().map(move |i| (block, i)))
    }

    fn terminator(&self, block: usize) -> &Terminator {
        &self.function.blocks[BlockId::from(block)].terminator
    }

    fn defined(&self, blocks: &BitSet) -> BitSet {
        let mut defined = BitSet::new(self.function.regs.len());
        for dst in self.insts(blocks).flat_map(|(_, inst)| &inst.dsts) {
            defined.insert(dst.idx());
        }
        defined
    }

    fn constant(&self, operand: Operand) -> Option<u64> {
        match operand {
            Operand::Imm(bits) => Some(bits),
            Operand::Reg(reg) => self.constants.get(&reg).copied().flatten(),
            _ => None,
        }
    }
}

/// Registers that hold one constant wherever they are set.
fn constants(function: &Function) -> HashMap<Reg, Option<u64>> {
    let mut found: HashMap<Reg, Option<u64>> = HashMap::new();
    for inst in function.blocks.iter().flat_map(|block| &block.insts) {
        let value = match (&inst.op, inst.srcs.as_slice(), inst.guard) {
            (Op::Mov(_), [Operand::Imm(bits)], None) => Some(*bits),
            _ => None,
        };
        for dst in &inst.dsts {
            found.entry(*dst).and_modify(|before| *before = before.filter(|_| *before == value)).or_insert(value);
        }
    }
    found
}

/// Memory of other threads too.
const fn is_visible(space: Space) -> bool {
    matches!(space, Space::Generic | Space::Global | Space::Shared)
}

struct LoopFacts<'w, 'f> {
    waiting: &'w Waiting<'f>,
    header: usize,
    blocks: &'w BitSet,
    /// Registers that the loop sets.
    defined: BitSet,
    has_fence: bool,
    /// All threads of the block meet in each trip.
    has_barrier: bool,
}

/// What depends on a watched value.
struct Taint {
    regs: BitSet,
    /// Blocks of the loop that run or not.
    controlled: BitSet,
    /// Memory that the loop writes: the thread's own, and that of all.
    own_memory: bool,
    visible_memory: bool,
    /// Whether the loop starts another trip at once.
    trips: bool,
}

impl LoopFacts<'_, '_> {
    fn insts(&self) -> impl Iterator<Item = (usize, &Inst)> {
        self.waiting.insts(self.blocks)
    }

    /// Branches out of the loop, with what they look at.
    fn exits(&self) -> impl Iterator<Item = (usize, Reg)> {
        self.blocks.iter().filter_map(|block| {
            let terminator = self.waiting.terminator(block);
            let leaves = terminator.successors().iter().any(|to| !self.blocks.contains(to.idx()));
            terminator.condition().filter(|_| leaves).map(|reg| (block, reg))
        })
    }

    fn ends_by_a_watch(&self) -> bool {
        let n_regs = self.waiting.function.regs.len();
        let mut taint = Taint {
            regs: BitSet::new(n_regs),
            controlled: BitSet::new(self.waiting.graph.len()),
            own_memory: false,
            visible_memory: false,
            trips: false,
        };
        let mut watches = false;
        for (block, inst) in self.insts().filter(|(block, inst)| self.is_watch(*block, inst)) {
            watches = true;
            debug_assert!(self.blocks.contains(block));
            inst.dsts.iter().for_each(|dst| {
                taint.regs.insert(dst.idx());
            });
        }
        if !watches {
            return false;
        }
        let mut changed = true;
        while changed {
            changed = false;
            for (block, inst) in self.insts() {
                changed |= self.spread(block, inst, &mut taint);
            }
            for block in self.blocks.iter() {
                let condition = self.waiting.terminator(block).condition();
                if condition.is_some_and(|reg| taint.regs.contains(reg.idx())) {
                    changed |= self.control(block, &mut taint);
                }
            }
        }
        taint.trips || self.exits().any(|(_, reg)| taint.regs.contains(reg.idx()))
    }

    fn spread(&self, block: usize, inst: &Inst, taint: &mut Taint) -> bool {
        let mut depends = taint.controlled.contains(block) || inst.uses().any(|reg| taint.regs.contains(reg.idx()));
        if let Op::Load(access) = &inst.op {
            depends |= if is_visible(access.space) { taint.visible_memory } else { taint.own_memory };
        }
        if !depends {
            return false;
        }
        let mut changed = false;
        for dst in &inst.dsts {
            changed |= taint.regs.insert(dst.idx());
        }
        if let Op::Store(access) = &inst.op {
            let memory = if is_visible(access.space) { &mut taint.visible_memory } else { &mut taint.own_memory };
            changed |= !std::mem::replace(memory, true);
        }
        changed
    }

    /// Blocks of the loop that run or not by the branch that ends `branch`. A way to the header that passes by where the
    /// ways from the branch meet is a loop of its own, in a loop with the same header.
    fn control(&self, branch: usize, taint: &mut Taint) -> bool {
        let graph = &self.waiting.graph;
        let end = self.waiting.post_dominators[branch];
        let mut work: Vec<usize> = graph.succs[branch].clone();
        let mut changed = false;
        let mut seen = BitSet::new(graph.len());
        while let Some(block) = work.pop() {
            taint.trips |= block == self.header && block != end;
            if block == end || block == self.header || !self.blocks.contains(block) || !seen.insert(block) {
                continue;
            }
            changed |= taint.controlled.insert(block);
            work.extend(&graph.succs[block]);
        }
        changed
    }

    /// The instruction reads what another thread may change.
    fn is_watch(&self, block: usize, inst: &Inst) -> bool {
        match &inst.op {
            Op::Load(access) => {
                is_visible(access.space)
                    && !access.read_only
                    && (access.semantics != MemorySemantics::Weak || self.has_fence)
            }
            Op::Mbarrier(form) => matches!(form.op, MbarrierOp::TestWait { .. }),
            Op::Atomic(atomic) => self.may_fail_for_ever(block, atomic, inst),
            _ => false,
        }
    }

    fn may_fail_for_ever(&self, block: usize, atomic: &Atomic, inst: &Inst) -> bool {
        match atomic.op {
            AtomicOp::Inc | AtomicOp::Dec => false,
            // A constant makes progress; what is computed may be nothing.
            AtomicOp::Add => inst.srcs.get(1).is_some_and(|value| match self.waiting.constant(*value) {
                Some(bits) => bits == 0,
                None => value.reg().is_some_and(|reg| !self.defined.contains(reg.idx())) && self.reads_it_only(inst),
            }),
            AtomicOp::Cas => inst.srcs.get(1).is_none_or(|compare| {
                let variant = compare.reg().filter(|reg| self.defined.contains(reg.idx()));
                match variant {
                    Some(_) if self.waiting.constant(*compare).is_some() => true,
                    Some(reg) => !self.success_ends_the_loop(block, inst, reg),
                    None => true,
                }
            }),
            AtomicOp::And | AtomicOp::Or | AtomicOp::Xor | AtomicOp::Exch | AtomicOp::Min | AtomicOp::Max => true,
        }
    }

    /// Nothing in the loop but comparisons looks at what the atomic gives: it asks, as a load does.
    fn reads_it_only(&self, inst: &Inst) -> bool {
        let Some(dst) = inst.dsts.first() else { return false };
        self.insts().all(|(_, user)| !user.uses().any(|reg| reg == *dst) || matches!(user.op, Op::Setp(_)))
    }

    /// The loop ends at once when compare-and-swap gives what it was told to expect.
    fn success_ends_the_loop(&self, block: usize, cas: &Inst, compare: Reg) -> bool {
        let Some(&result) = cas.dsts.first() else { return false };
        self.insts().any(|(_, test)| {
            let Op::Setp(comparison) = &test.op else { return false };
            let operands = [test.srcs[0], test.srcs[1]];
            let tests_success = operands.contains(&Operand::Reg(result)) && operands.contains(&Operand::Reg(compare));
            let on_equal = match comparison.op {
                Compare::Eq => true,
                Compare::Ne => false,
                _ => return false,
            };
            let Some(&pred) = test.dsts.first() else { return false };
            if !tests_success || comparison.combine.is_some() {
                return false;
            }
            self.exits().any(|(exit, condition)| {
                let Terminator::CondBranch { negated, then, otherwise, .. } = self.waiting.terminator(exit) else {
                    return false;
                };
                let when_equal = if on_equal != *negated { then } else { otherwise };
                condition == pred && !self.blocks.contains(when_equal.idx()) && self.always_reaches(block, exit)
            })
        })
    }

    /// Every way from `block` on passes `later`.
    fn always_reaches(&self, block: usize, later: usize) -> bool {
        let mut at = block;
        while at != later && at < self.waiting.graph.len() {
            at = self.waiting.post_dominators[at];
        }
        at == later
    }

    /// Every exit looks at memory of all threads at places that do not change from trip to trip, and at nothing that the loop
    /// carries on: nobody but another thread, or the loop's own writes, can end it.
    fn ends_by_memory_alone(&self) -> bool {
        let mut exits = self.exits().peekable();
        if exits.peek().is_none() {
            return false;
        }
        exits.all(|(_, condition)| {
            let mut reads_memory = false;
            let mut open = Vec::new();
            let mut done = BitSet::new(self.waiting.function.regs.len());
            self.is_made_anew(condition, &mut open, &mut done, &mut reads_memory) && reads_memory
        })
    }

    /// No definition of the register in the loop leads back to itself.
    fn is_made_anew(&self, reg: Reg, open: &mut Vec<Reg>, done: &mut BitSet, reads_memory: &mut bool) -> bool {
        if !self.defined.contains(reg.idx()) || done.contains(reg.idx()) {
            return true;
        }
        if open.contains(&reg) || open.len() > MAX_CHAIN {
            return false;
        }
        open.push(reg);
        for (_, inst) in self.insts().filter(|(_, inst)| inst.dsts.contains(&reg)) {
            let plain = match &inst.op {
                Op::Load(Access { space, read_only, .. }) => {
                    // What a block's own threads write between barriers is no wait.
                    let is_shared = *space == Space::Shared && !self.has_barrier;
                    let watched = (is_shared || matches!(space, Space::Global | Space::Generic)) && !read_only;
                    *reads_memory |= watched;
                    watched
                }
                Op::Atomic(_) | Op::ReadSpecial(_) | Op::Call(..) | Op::CallBuiltin(..) | Op::CallIndirect(..) => false,
                _ => true,
            };
            if !plain || !inst.uses().all(|used| self.is_made_anew(used, open, done, reads_memory)) {
                return false;
            }
        }
        open.pop();
        done.insert(reg.idx());
        true
    }
}

/// Longest chain of definitions that is followed.
const MAX_CHAIN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::middle::prepare::graph_of;

    /// Whether the only loop of a kernel with this body waits.
    fn check(body: &str) -> bool {
        let text = format!(
            ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 p) {{\n\
             .reg .pred %p<4>; .reg .b32 %r<8>; .reg .b64 %d<4>;\nld.param.u64 %d0, [p];\n{body}\nret; }}"
        );
        let module = vgpu_ptx::load(&text).expect("a correct text");
        let function = &module.functions[module.function("k").expect("the kernel")];
        let schedule = graph_of(function).schedule().expect("shallow");
        assert_eq!(schedule.loops.len(), 1, "{body}");
        Waiting::new(function).waits(schedule.loops[0].header, &schedule.loops[0].blocks)
    }

    #[test]
    fn flags_and_locks_wait() {
        assert!(check("L: ld.volatile.global.u32 %r0, [%d0]; setp.eq.u32 %p0, %r0, 0; @%p0 bra L;"));
        assert!(check("L: ld.acquire.gpu.global.u32 %r0, [%d0]; setp.ne.u32 %p0, %r0, %r1; @%p0 bra L;"));
        assert!(check("L: atom.global.cas.b32 %r0, [%d0], 0, 1; setp.ne.u32 %p0, %r0, 0; @%p0 bra L;"));
        assert!(check(
            "L: mov.u32 %r1, 0; atom.global.cas.b32 %r0, [%d0], %r1, 1; setp.ne.u32 %p0, %r0, 0; @%p0 bra L;"
        ));
        assert!(check("L: atom.global.exch.b32 %r0, [%d0], 1; setp.ne.u32 %p0, %r0, 0; @%p0 bra L;"));
        assert!(check("L: atom.global.add.u32 %r0, [%d0], 0; setp.ne.u32 %p0, %r0, 9; @%p0 bra L;"));
        // A plain load that alone decides.
        assert!(check("L: ld.global.u32 %r0, [%d0]; setp.eq.u32 %p0, %r0, 0; @%p0 bra L;"));
        // A compare value that was read, where success is not all that counts; a sum with nothing.
        assert!(check(
            "L: mov.u32 %r1, %r0; or.b32 %r2, %r1, 1; atom.global.cas.b32 %r0, [%d0], %r1, %r2; \
             and.b32 %r3, %r1, 1; xor.b32 %r4, %r0, %r1; or.b32 %r3, %r3, %r4; setp.ne.u32 %p0, %r3, 0; @%p0 bra L;"
        ));
        assert!(check("L: atom.global.add.u32 %r0, [%d0], %r5; setp.ne.u32 %p0, %r0, 9; @%p0 bra L;"));
        assert!(check("L: membar.gl; ld.global.u32 %r0, [%d0]; setp.eq.u32 %p0, %r0, 0; @%p0 bra L;"));
    }

    #[test]
    fn a_flag_counts_whatever_way_it_reaches_the_exit() {
        // Through the choice of paths, through the thread's own memory, through memory of all.
        assert!(check(
            "mov.u32 %r1, 0;\nL: ld.volatile.global.u32 %r0, [%d0]; setp.eq.u32 %p0, %r0, 0; @%p0 bra M; mov.u32 %r1, 1; \
             M: setp.eq.u32 %p1, %r1, 0; @%p1 bra L;"
        ));
        assert!(check(
            ".local .b32 own; L: ld.volatile.global.u32 %r0, [%d0]; st.local.u32 [own], %r0; add.u32 %r2, %r2, 1; \
             ld.local.u32 %r1, [own]; add.u32 %r1, %r1, %r2; setp.eq.u32 %p1, %r1, 0; @%p1 bra L;"
        ));
        assert!(check(
            ".shared .b32 seen; L: ld.volatile.global.u32 %r0, [%d0]; st.shared.u32 [seen], %r0; bar.sync 0; \
             ld.shared.u32 %r1, [seen]; setp.eq.u32 %p1, %r1, 0; @%p1 bra L;"
        ));
        // A spin whose loop is also the loop around it.
        assert!(check(
            "mov.u32 %r1, 0;\nL: ld.volatile.global.u32 %r0, [%d0]; setp.eq.u32 %p0, %r0, 0; @%p0 bra L; add.u32 %r1, %r1, 1; \
             st.volatile.global.u32 [%d0], 0; setp.lt.u32 %p1, %r1, 9; @%p1 bra L;"
        ));
        // A path that decides nothing but a side product.
        assert!(!check(
            "mov.u32 %r1, 0;\nL: ld.volatile.global.u32 %r0, [%d0]; setp.eq.u32 %p0, %r0, 0; @%p0 bra M; mov.u32 %r2, 1; \
             M: add.u32 %r1, %r1, 1; setp.lt.u32 %p1, %r1, 9; @%p1 bra L;"
        ));
    }

    #[test]
    fn progress_is_no_wait() {
        // A counter, a retry with the value that was found, a loop over plain data, a strong load that decides nothing.
        assert!(!check("L: atom.global.add.u32 %r0, [%d0], 1; setp.lt.u32 %p0, %r0, 100; @%p0 bra L;"));
        assert!(!check(
            "mov.u32 %r0, 5;\nL: mov.u32 %r1, %r0; add.u32 %r2, %r1, 1; atom.global.cas.b32 %r0, [%d0], %r1, %r2; \
             setp.ne.u32 %p0, %r0, %r1; @%p0 bra L;"
        ));
        assert!(!check(
            "mov.u32 %r1, 0;\nL: add.u32 %r1, %r1, 1; ld.global.u32 %r0, [%d0]; setp.lt.u32 %p0, %r1, %r0; @%p0 bra L;"
        ));
        assert!(!check("L: ld.global.u64 %d0, [%d0]; setp.ne.u64 %p0, %d0, 0; @%p0 bra L;"));
        assert!(!check(
            "mov.u32 %r1, 0;\nL: ld.volatile.global.u32 %r0, [%d0]; add.u32 %r1, %r1, 1; setp.lt.u32 %p0, %r1, 8; @%p0 bra L;"
        ));
    }
}
