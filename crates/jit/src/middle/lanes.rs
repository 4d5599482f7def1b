//! How many threads one program runs: a choice per kernel.
//!
//! * 1, where threads walk through memory each in its own way: a loop whose length and addresses come from loaded data
//!   (sparse rows, graphs). Gathers gain nothing there, and scalar code has real branches.
//! * 64 or 128, where a loop or barriers would run several warps one after the other anyway and the registers allow it:
//!   neighbouring warps then advance through memory together, and uniform work is done once for all of them.
//! * the whole block, up to 256 threads, where its barriers are plain ones and the registers allow it: a program that is the
//!   whole block passes a barrier without stopping ([`drop_idle_barriers`]);
//! * 16, where 32 lanes' values do not fit the registers, 16 lanes' do, and threads have nothing to do with each other;
//! * 32 else, and where the kernel votes: a vote's result is uniform only within one warp.

use super::bitset::BitSet;
use super::divergence::Analysis;
use super::geometry::Geometry;
use super::shape::{Form, Shape};
use super::ssa::Program;
use crate::Isa;
use vgpu_ptx::ir::{BarrierOp, Inst, Op, Operand, Reg, RegWidth, Space};

/// The program width for a kernel that was analysed at 32 lanes.
pub(crate) fn choose(
    program: &Program,
    analysis: &Analysis,
    live_out: &[BitSet],
    geometry: &Geometry,
    isa: Isa,
) -> u32 {
    let insts = || program.blocks.iter().flat_map(|block| &block.insts);
    let exchanges = insts().any(|inst| is_exchange(&inst.op));
    if !exchanges && walks_data(program, analysis) {
        return 1;
    }
    if isa == Isa::Avx512 && half_warp(program, analysis, live_out, geometry) {
        return 16;
    }
    let votes = insts().any(|inst| {
        matches!(
            inst.op,
            Op::Vote { .. } | Op::Match { .. } | Op::ActiveMask | Op::Redux { .. } | Op::Elect | Op::Mma(_)
        )
    });
    let waits = insts().any(|inst| super::prepare::suspends(&inst.op));
    // Numbered or counted barriers are for some warps of a block: each must be a program of its own.
    let counted = insts().any(|inst| matches!(inst.op, Op::Barrier(_)) && !is_plain_barrier(inst));
    if votes || counted || (program.loops.is_empty() && !waits) {
        return 32;
    }
    let (registers, lanes_per_register) = match isa {
        Isa::Avx512 => (24, 16),
        Isa::Avx2 => (12, 8),
        _ => (12, 4),
    };
    let pressure = pressure(program, analysis, live_out, waits);
    let fits = |lanes: u32| {
        let rows_fit = geometry.block.x.is_multiple_of(lanes) || lanes.is_multiple_of(geometry.block.x);
        rows_fit && geometry.threads().is_multiple_of(lanes) && pressure * (lanes / lanes_per_register) <= registers
    };
    let whole = geometry.threads();
    let in_step = waits && insts().all(|inst| !super::prepare::suspends(&inst.op) || is_plain_barrier(inst));
    let waits_in_loop = program.loops.iter().any(|found| {
        let blocks = &program.blocks[found.first..=found.last];
        blocks.iter().flat_map(|block| &block.insts).any(|inst| super::prepare::suspends(&inst.op))
    });
    // Spilling a little costs less than stopping at barriers: measured on tiled products (loop) and stencils (none).
    let in_step_registers = match (waits_in_loop, program.loops.is_empty()) {
        (true, _) => 48,
        (false, true) => 80,
        _ => 0,
    };
    if in_step
        && isa == Isa::Avx512
        && whole.is_power_of_two()
        && (64..=256).contains(&whole)
        && pressure * (whole / lanes_per_register) <= in_step_registers
    {
        return whole;
    }
    [128, 64].into_iter().find(|&lanes| fits(lanes)).unwrap_or(32)
}

/// Half a warp is a register of 16 lanes: where a whole warp's values would not fit the 32 registers and those of half a
/// warp do. Its halves do not run in step, so they must have nothing to do with each other.
fn half_warp(program: &Program, analysis: &Analysis, live_out: &[BitSet], geometry: &Geometry) -> bool {
    let mut insts = program.blocks.iter().flat_map(|block| &block.insts);
    let apart = insts.all(|inst| match &inst.op {
        Op::Atomic(form) | Op::Reduce(form) => form.space != Space::Shared,
        Op::Store(access) => access.space != Space::Shared,
        op => !is_exchange(op) && !super::prepare::suspends(op),
    });
    // A little more than the registers is cheaper to spill than to give up two warps' latencies for.
    let pressure = apart.then(|| pressure(program, analysis, live_out, true));
    geometry.threads().is_multiple_of(16) && pressure.is_some_and(|pressure| (21..=32).contains(&pressure))
}

/// `bar.sync` of all threads with a constant number.
pub(crate) fn is_plain_barrier(inst: &Inst) -> bool {
    let Op::Barrier(barrier) = &inst.op else { return false };
    barrier.op == BarrierOp::Sync && !barrier.has_threads && matches!(inst.srcs[0], Operand::Imm(_))
}

/// Removes the barriers of a program that is the whole block: all live threads arrive together. Not where part of the
/// threads may be elsewhere.
pub(crate) fn drop_idle_barriers(program: &mut Program, analysis: &Analysis, geometry: &Geometry) {
    if geometry.programs() != 1 {
        return;
    }
    let idle = |idx: usize, inst: &Inst| {
        !super::prepare::suspends(&inst.op)
            || (is_plain_barrier(inst) && !analysis.partial[idx] && !analysis.careful[idx])
    };
    if !program.blocks.iter().enumerate().all(|(idx, block)| block.insts.iter().all(|inst| idle(idx, inst))) {
        return;
    }
    for inst in program.blocks.iter_mut().flat_map(|block| &mut block.insts) {
        if is_plain_barrier(inst) {
            inst.op = Op::Nop;
        }
    }
}

/// Operations whose meaning involves the warp or other threads, and those that leave the program's own code.
const fn is_exchange(op: &Op) -> bool {
    op.is_between_threads()
        || matches!(
            op,
            Op::Nanosleep
                | Op::Call(..)
                | Op::CallIndirect(..)
                | Op::CallBuiltin(..)
                | Op::Alloca { .. }
                | Op::StackSave
                | Op::StackRestore
        )
}

/// A loop that lanes leave at different times because of loaded data, and that loads from addresses made of loaded data.
fn walks_data(program: &Program, analysis: &Analysis) -> bool {
    let loaded = loaded_values(program, analysis);
    let is_loaded = |reg: Reg| loaded.contains(reg.idx());
    program.loops.iter().any(|found| {
        let blocks = || program.blocks[found.first..=found.last].iter().zip(found.first..);
        let leaves_by_data = blocks().any(|(block, idx)| {
            analysis.diverges[idx]
                && block.succs.iter().any(|&succ| succ < found.first || succ > found.last)
                && block.terminator.condition().is_some_and(is_loaded)
        });
        let loads_by_data =
            blocks().flat_map(|(block, _)| &block.insts).any(|inst| match (&inst.op, inst.srcs.first()) {
                (Op::Load(access), Some(Operand::Reg(reg))) => access.space != Space::Shared && is_loaded(*reg),
                _ => false,
            });
        leaves_by_data && loads_by_data
    })
}

/// Values that depend on what lanes loaded each for itself.
fn loaded_values(program: &Program, analysis: &Analysis) -> BitSet {
    let mut loaded = BitSet::new(program.values.len());
    let mut changed = true;
    while changed {
        changed = false;
        for block in &program.blocks {
            for phi in &block.phis {
                if phi.args.iter().any(|arg| matches!(arg, Operand::Reg(reg) if loaded.contains(reg.idx()))) {
                    changed |= loaded.insert(phi.dst.idx());
                }
            }
            for inst in &block.insts {
                let reads = inst.uses().any(|reg| loaded.contains(reg.idx()));
                let is_load = matches!(inst.op, Op::Load(_));
                for dst in &inst.dsts {
                    if reads || (is_load && !analysis.shapes[*dst].is_uniform()) {
                        changed |= loaded.insert(dst.idx());
                    }
                }
            }
        }
    }
    loaded
}

/// Most vector values alive at once, in units of 32 bits per lane; in loops, or anywhere when the kernel waits.
fn pressure(program: &Program, analysis: &Analysis, live_out: &[BitSet], everywhere: bool) -> u32 {
    let weight = |reg: Reg| weight(&analysis.shapes[reg]);
    let mut most = 1;
    for (idx, block) in program.blocks.iter().enumerate() {
        let in_loop = program.loops.iter().any(|found| (found.first..=found.last).contains(&idx));
        if !in_loop && (!everywhere || !program.loops.is_empty()) {
            continue;
        }
        let mut live = live_out[idx].clone();
        let mut now: u32 = live.iter().map(|reg| weight(Reg::from(reg))).sum();
        most = most.max(now);
        for inst in block.insts.iter().rev() {
            now -= inst.dsts.iter().filter(|dst| live.contains(dst.idx())).map(|dst| weight(*dst)).sum::<u32>();
            inst.dsts.iter().for_each(|dst| live.remove(dst.idx()));
            for reg in uses(inst) {
                if live.insert(reg.idx()) {
                    now += weight(reg);
                }
            }
            most = most.max(now);
        }
    }
    most
}

fn uses(inst: &Inst) -> Vec<Reg> {
    inst.uses().collect()
}

fn weight(shape: &Shape) -> u32 {
    match (&shape.form, shape.width) {
        (Form::Varying, RegWidth::Pred) | (Form::Uniform | Form::Affine { .. }, _) => 0,
        (Form::Varying, width) => width.bits().div_ceil(32),
        (Form::Indexed { index, .. }, _) => weight(index),
    }
}
