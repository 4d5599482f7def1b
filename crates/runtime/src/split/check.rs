//! Which kernels may be split over devices, read off the kernel's code.
//!
//! A launch is a set of blocks that CUDA lets run in any order, so blocks that do not speak with each other may run on any
//! device. Blocks that do, through atomics, strong or volatile accesses or fences, are *talkative*: on plain memory,
//! which all devices reach with the same instructions, that works as on one device. It is refused where a device has a copy
//! of its own ([`crate::Replicated`]): the protocol would give the right answers there too, but the blocks would tear the
//! page from each other at every access.
//!
//! What is refused everywhere: grid-wide synchronisation, since a grid barrier is for the blocks that one device holds at once, and
//! deterministic launches of kernels with ordered atomics, whose blocks run one after the other.
//!
//! Code that can be reached through calls counts; an indirect call may reach every function of the module.

use vgpu_ptx::ir::{self, Builtin, FuncId, MemorySemantics, Op, Scope, Space};

/// What a kernel's blocks do with each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Blocks {
    /// They synchronise as a grid.
    pub(crate) synchronise: bool,
    /// They speak through memory.
    pub(crate) talk: bool,
}

/// Reads the kernel and what it calls.
pub(crate) fn blocks(module: &ir::Module, kernel: FuncId) -> Blocks {
    let mut found = Blocks::default();
    let mut seen = vec![false; module.functions.len()];
    let mut pending = vec![kernel];
    while let Some(id) = pending.pop() {
        if std::mem::replace(&mut seen[id.idx()], true) {
            continue;
        }
        for inst in module.functions[id].blocks.iter().flat_map(|block| &block.insts) {
            match &inst.op {
                Op::Call(callee, _) => pending.push(*callee),
                Op::CallIndirect(..) => pending.extend(module.functions.iter_enumerated().map(|(id, _)| id)),
                Op::CallBuiltin(Builtin::CgSynchronize | Builtin::CgGetIntrinsicHandle, _) => {
                    found.synchronise = true;
                }
                op if talks(op) => found.talk = true,
                _ => {}
            }
        }
    }
    found
}

/// Whether an operation orders or exchanges data between blocks.
fn talks(op: &Op) -> bool {
    let reaches_others = |space: Space| matches!(space, Space::Global | Space::Generic);
    match op {
        Op::Atomic(atomic) | Op::Reduce(atomic) => reaches_others(atomic.space) && atomic.scope != Scope::Cta,
        Op::Load(access) | Op::Store(access) => {
            reaches_others(access.space) && access.semantics != MemorySemantics::Weak && access.scope != Scope::Cta
        }
        Op::Fence(_, scope) => *scope != Scope::Cta,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(body: &str) -> Blocks {
        let text = format!(
            ".version 7.0\n.target sm_70\n.address_size 64\n\
             .func helper(.param .u64 p)\n{{ .reg .b64 %rd<2>;\nld.param.u64 %rd1, [p];\nred.global.add.u32 [%rd1], 1;\nret; }}\n\
             .visible .entry k(.param .u64 p)\n{{ .reg .b32 %r<4>; .reg .b64 %rd<4>; .shared .align 4 .b8 s[4];\n\
             ld.param.u64 %rd1, [p];\n{body}\nret; }}"
        );
        let module = vgpu_ptx::load(&text).unwrap();
        blocks(&module, module.function("k").unwrap())
    }

    #[test]
    fn blocks_that_speak_are_told_from_those_that_do_not() {
        for body in [
            "ld.global.u32 %r1, [%rd1]; st.global.u32 [%rd1], %r1;",
            "atom.shared.add.u32 %r1, [s], 1; bar.sync 0; membar.cta;",
        ] {
            assert_eq!(kernel(body), Blocks::default(), "{body}");
        }
        for body in [
            "atom.global.add.u32 %r1, [%rd1], 1;",
            "red.global.add.u32 [%rd1], 1;",
            "ld.volatile.global.u32 %r1, [%rd1];",
            "ld.acquire.gpu.u32 %r1, [%rd1];",
            "membar.gl;",
            "{ .param .u64 a; st.param.u64 [a], %rd1; call helper, (a); }",
        ] {
            let found = kernel(body);
            assert!(found.talk && !found.synchronise, "{body}");
        }
    }
}
