//! Static counts of a module's kernels: instructions of the text by what they do.

use vgpu::ir;
use vgpu_daemon::api::types::Counts;
use vgpu_daemon::protocol::KernelFacts;

/// The kernels of a module.
pub fn kernels(module: &ir::Module) -> Vec<KernelFacts> {
    let functions = module.functions.iter().filter(|function| function.kind == ir::FunctionKind::Kernel);
    functions
        .map(|function| KernelFacts {
            name: function.name.clone(),
            params: function.params.iter().map(|param| param.size.into()).collect(),
            counts: count(function),
        })
        .collect()
}

fn count(function: &ir::Function) -> Counts {
    let mut counts = Counts::default();
    for block in function.blocks.iter() {
        for inst in &block.insts {
            counts.all += 1;
            if let Some(slot) = slot(&mut counts, &inst.op) {
                *slot += 1;
            }
        }
        counts.all += 1;
        counts.branch += u64::from(block.terminator.condition().is_some());
    }
    counts
}

/// The count that an instruction belongs to.
fn slot<'a>(counts: &'a mut Counts, op: &ir::Op) -> Option<&'a mut u64> {
    use ir::Op;
    Some(match op {
        Op::FloatBinary(..)
        | Op::FloatUnary(..)
        | Op::Fma(..)
        | Op::Div(..)
        | Op::Rcp(..)
        | Op::Sqrt(..)
        | Op::Transcendental(..) => &mut counts.float,
        Op::Mma(_) => &mut counts.matrix,
        Op::IntBinary(..) | Op::IntUnary(..) | Op::MulWide(_) | Op::Mad { .. } | Op::Shf { .. } => &mut counts.integer,
        Op::Load(access) | Op::Store(access) => match access.space {
            ir::Space::Global | ir::Space::Generic => &mut counts.global,
            ir::Space::Shared => &mut counts.shared,
            _ => return None,
        },
        Op::WmmaLoad(_) | Op::WmmaStore(_) | Op::LdMatrix(_) | Op::StMatrix(_) => &mut counts.shared,
        Op::CpAsync { .. } => &mut counts.global,
        Op::Atomic(_) | Op::Reduce(_) => &mut counts.atomic,
        Op::Barrier(_) | Op::Mbarrier(_) | Op::WarpSync => &mut counts.barrier,
        _ => return None,
    })
}
