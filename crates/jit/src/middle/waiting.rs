//! Finds the loops in which a thread waits for another one, so that it lets the other run.
//!
//! A loop **waits** when it goes on or ends by what a strong load, a test of an mbarrier or an atomic gives that others can change: a flag,
//! a lock. Its back edge becomes a suspension point (a `nanosleep`). An atomic that makes progress by itself is no wait:
//! a counter that is raised, or compare-and-swap with a value that the loop has read anew (every failure is another
//! thread's success). Source: PTX ISA, "Memory Consistency Model"; CUDA programming guide, "Independent Thread Scheduling".

use super::bitset::BitSet;
use std::collections::HashMap;
use vgpu_ptx::ir::{Atomic, AtomicOp, BlockId, Function, Inst, MbarrierOp, MemorySemantics, Op, Operand, Reg, Space};

/// True when the loop made of `blocks` waits for other threads.
pub(super) fn waits(function: &Function, blocks: &BitSet) -> bool {
    let insts = || blocks.iter().flat_map(|block| &function.blocks[BlockId::from(block)].insts);
    let has_fence = insts().any(|inst| matches!(inst.op, Op::Fence(..)));
    let mut candidates = insts().filter(|inst| matches!(inst.op, Op::Load(_) | Op::Atomic(_) | Op::Mbarrier(_)));
    if candidates.next().is_none() {
        return false;
    }
    let loop_facts = LoopFacts { constants: constants(function), defined: defined(function, blocks), has_fence };
    let mut tainted = BitSet::new(function.regs.len());
    for inst in insts().filter(|inst| loop_facts.is_watch(inst)) {
        inst.dsts.iter().for_each(|dst| {
            tainted.insert(dst.idx());
        });
    }
    let mut changed = true;
    while changed {
        changed = false;
        for inst in insts() {
            if inst.uses().any(|reg| tainted.contains(reg.idx())) {
                for dst in &inst.dsts {
                    changed |= tainted.insert(dst.idx());
                }
            }
        }
    }
    blocks.iter().any(|block| {
        let terminator = &function.blocks[BlockId::from(block)].terminator;
        let leaves = terminator.successors().iter().any(|to| !blocks.contains(to.idx()));
        leaves && terminator.condition().is_some_and(|reg| tainted.contains(reg.idx()))
    })
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

fn defined(function: &Function, blocks: &BitSet) -> BitSet {
    let mut defined = BitSet::new(function.regs.len());
    for dst in blocks.iter().flat_map(|block| &function.blocks[BlockId::from(block)].insts).flat_map(|inst| &inst.dsts)
    {
        defined.insert(dst.idx());
    }
    defined
}

struct LoopFacts {
    constants: HashMap<Reg, Option<u64>>,
    defined: BitSet,
    has_fence: bool,
}

impl LoopFacts {
    fn constant(&self, operand: Operand) -> Option<u64> {
        match operand {
            Operand::Imm(bits) => Some(bits),
            Operand::Reg(reg) => self.constants.get(&reg).copied().flatten(),
            _ => None,
        }
    }

    /// The instruction reads what another thread may change.
    fn is_watch(&self, inst: &Inst) -> bool {
        match &inst.op {
            Op::Load(access) => {
                let is_visible = matches!(access.space, Space::Generic | Space::Global | Space::Shared);
                is_visible && !access.read_only && (access.semantics != MemorySemantics::Weak || self.has_fence)
            }
            Op::Mbarrier(form) => matches!(form.op, MbarrierOp::TestWait { .. }),
            Op::Atomic(atomic) => self.may_fail_for_ever(atomic, &inst.srcs),
            _ => false,
        }
    }

    fn may_fail_for_ever(&self, atomic: &Atomic, srcs: &[Operand]) -> bool {
        match atomic.op {
            AtomicOp::Inc | AtomicOp::Dec => false,
            AtomicOp::Add => srcs.get(1).is_some_and(|value| self.constant(*value) == Some(0)),
            AtomicOp::Cas => srcs.get(1).is_none_or(|compare| {
                let is_variant = compare.reg().is_some_and(|reg| self.defined.contains(reg.idx()));
                !is_variant || self.constant(*compare).is_some()
            }),
            AtomicOp::And | AtomicOp::Or | AtomicOp::Xor | AtomicOp::Exch | AtomicOp::Min | AtomicOp::Max => true,
        }
    }
}

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
        waits(function, &schedule.loops[0].blocks)
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
        assert!(check("L: membar.gl; ld.global.u32 %r0, [%d0]; setp.eq.u32 %p0, %r0, 0; @%p0 bra L;"));
    }

    #[test]
    fn progress_is_no_wait() {
        // A counter, a retry with the value that was found, a loop over plain data, a strong load that decides nothing.
        assert!(!check("L: atom.global.add.u32 %r0, [%d0], 1; setp.lt.u32 %p0, %r0, 100; @%p0 bra L;"));
        assert!(!check(
            "mov.u32 %r0, 5;\nL: mov.u32 %r1, %r0; add.u32 %r2, %r1, 1; atom.global.cas.b32 %r0, [%d0], %r1, %r2; \
             setp.ne.u32 %p0, %r0, %r1; @%p0 bra L;"
        ));
        assert!(!check("L: ld.global.u32 %r0, [%d0]; setp.eq.u32 %p0, %r0, 0; @%p0 bra L;"));
        assert!(!check(
            "mov.u32 %r1, 0;\nL: ld.volatile.global.u32 %r0, [%d0]; add.u32 %r1, %r1, 1; setp.lt.u32 %p0, %r1, 8; @%p0 bra L;"
        ));
    }
}
