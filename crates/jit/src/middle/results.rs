//! Results that nobody reads: `atom` becomes `red`.
//!
//! Compilers write `atom` where the source names `atomicAdd`, whether its value is used or not. Without it, no lane has to
//! wait for what another found, and nothing is kept per lane.

use super::bitset::BitSet;
use super::ssa::Program;
use vgpu_ptx::ir::{Op, Operand};

/// Turns atomic operations whose old value is not read into reductions.
pub(crate) fn drop_unused(program: &mut Program) {
    let mut used = BitSet::new(program.values.len());
    for block in &program.blocks {
        let phis = block.phis.iter().flat_map(|phi| &phi.args).copied().filter_map(Operand::reg);
        let insts = block.insts.iter().flat_map(|inst| inst.uses());
        for reg in phis.chain(insts).chain(block.terminator.condition()) {
            used.insert(reg.idx());
        }
    }
    for inst in program.blocks.iter_mut().flat_map(|block| &mut block.insts) {
        if let Op::Atomic(form) = &inst.op
            && inst.dsts.iter().all(|dst| !used.contains(dst.idx()))
        {
            inst.op = Op::Reduce(*form);
            inst.dsts.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Isa, Specialization, Target, dump};
    use vgpu_types::Dim3;

    fn prepared(body: &str) -> String {
        let text = format!(
            ".version 7.0\n.target sm_70\n.address_size 64\n.visible .entry k(.param .u64 p)\n{{\n.reg .b32 %r<4>;\n\
             .reg .b64 %rd<3>;\nld.param.u64 %rd1, [p];\nmov.u32 %r1, %tid.x;\n{body}\nret;\n}}\n"
        );
        let module = vgpu_ptx::load(&text).expect("the text is well formed");
        let kernel = module.function("k").expect("the text has it");
        let spec = Specialization { block: Dim3::new(64, 1, 1), grid_in_i32: true, lanes: None, test_arguments: false };
        dump(&module, kernel, &spec, &Target::detect(Some(Isa::Sse42)), "ssa").expect("compiles")
    }

    #[test]
    fn only_values_that_are_read_are_made() {
        let unread = prepared("atom.global.add.u32 %r2, [%rd1], %r1;");
        assert!(unread.contains("Reduce(") && !unread.contains("Atomic(A"), "{unread}");
        let read = prepared("atom.global.add.u32 %r2, [%rd1], %r1;\nst.global.u32 [%rd1+4], %r2;");
        assert!(read.contains("Atomic(A") && !read.contains("Reduce("), "{read}");
    }
}
