//! The table of contents of the compiler: stages in order.

use crate::emit::{self, ENTRY_SYMBOL, Emitted, choose};
use crate::llvm::{Context, Level};
use crate::middle::advance::advances;
use crate::middle::alignment::Alignment;
use crate::middle::bitset::BitSet;
use crate::middle::divergence::{Analysis, analyse};
use crate::middle::geometry::Geometry;
use crate::middle::inner::{self, Inner};
use crate::middle::layout::Layout;
use crate::middle::{Program, calls, lanes, prepare, promote, results, ssa};
use crate::{EntryKind, Isa, JitError, KernelLayout, ObjectCode, Specialization, Target};
use std::fmt::Write as _;
use vgpu_ptx::ir::{FuncId, Function, FunctionKind, Module, Op};

/// LLVM passes: the short list that gives O2's speed on this code at a third of its time.
pub(crate) const PASSES: &str = "always-inline,function(mem2reg,early-cse<memssa>,simplifycfg,instcombine<no-verify-fixpoint>,\
                      loop-simplify,lcssa,loop-mssa(licm),gvn,simplifycfg,instcombine<no-verify-fixpoint>,adce)";

/// The same for kernels whose vectors are kept in memory: `gvn` would search all blocks for each of their loads.
pub(crate) const CROWDED_PASSES: &str = "always-inline,function(mem2reg,early-cse<memssa>,simplifycfg,\
                      instcombine<no-verify-fixpoint>,loop-simplify,lcssa,loop-mssa(licm),early-cse<memssa>,simplifycfg,adce)";

impl Emitted {
    const fn passes(&self) -> &'static str {
        if self.crowded { CROWDED_PASSES } else { PASSES }
    }
}

/// Compiles one kernel for one block shape.
///
/// # Errors
/// See [`JitError`]; each variant says whose fault it is.
pub fn compile(
    module: &Module,
    kernel: FuncId,
    spec: &Specialization,
    target: &Target,
) -> Result<ObjectCode, JitError> {
    let compilation = Compilation::new(module, kernel, spec, target)?;
    let context = Context::new(&compilation.function.name);
    let emitted = compilation.emit(&context)?;
    context.verify()?;
    context.run_passes(emitted.passes(), target)?;
    let elf = context.generate(Level::Object, target)?;
    Ok(ObjectCode { elf, entry_symbol: ENTRY_SYMBOL.to_owned(), layout: compilation.layout(emitted.frame_bytes) })
}

/// What a kernel relies on of its arguments, and how many addresses its code tests.
#[cfg(test)]
pub(crate) fn alignment_of(
    module: &Module,
    kernel: FuncId,
    spec: &Specialization,
    target: &Target,
) -> Result<(Vec<crate::ParamAlignment>, usize), JitError> {
    let compilation = Compilation::new(module, kernel, spec, target)?;
    let insts = compilation.program.blocks.iter().flat_map(|block| &block.insts);
    let touches =
        insts.flat_map(|inst| crate::middle::alignment::touches(inst).into_iter().map(move |touch| (inst, touch)));
    let addresses = &compilation.addresses;
    let n = touches.filter(|(inst, touch)| compilation.alignment.needs_test(inst, touch, addresses)).count();
    Ok((compilation.layout(0).aligned_params, n))
}

const STAGES: [&str; 6] = ["ir", "prepared", "ssa", "llvm", "llvm-optimized", "asm"];

/// Names of the stages that [`dump`] shows, in pipeline order.
pub const fn stages() -> &'static [&'static str] {
    &STAGES
}

/// What a kernel looks like after a stage.
///
/// # Errors
/// As [`compile`], and for an unknown stage.
pub fn dump(
    module: &Module,
    kernel: FuncId,
    spec: &Specialization,
    target: &Target,
    stage: &str,
) -> Result<String, JitError> {
    if !STAGES.contains(&stage) {
        return Err(JitError::UnknownStage { name: stage.to_owned(), known: STAGES.join(", ") });
    }
    if stage == "ir" {
        return Ok(print_function(kernel_function(module, kernel)?));
    }
    let compilation = Compilation::new(module, kernel, spec, target)?;
    match stage {
        "prepared" => return Ok(print_function(&compilation.function)),
        "ssa" => {
            let mut out = print_program(&compilation.program, &compilation.analysis);
            if let Some(inner) = &compilation.inner {
                let _ = writeln!(out, "in blocks where {:?}:", inner.conditions);
                out.push_str(&print_program(&inner.program, &inner.analysis));
            }
            return Ok(out);
        }
        _ => {}
    }
    let context = Context::new(&compilation.function.name);
    let emitted = compilation.emit(&context)?;
    if stage == "llvm" {
        return Ok(context.print());
    }
    context.verify()?;
    context.run_passes(emitted.passes(), target)?;
    if stage == "llvm-optimized" {
        return Ok(context.print());
    }
    let text = context.generate(Level::Assembly, target)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn kernel_function(module: &Module, kernel: FuncId) -> Result<&Function, JitError> {
    let function = module.functions.get(kernel).ok_or_else(|| JitError::NotAKernel { name: kernel.to_string() })?;
    if function.kind != FunctionKind::Kernel || function.is_declaration() {
        return Err(JitError::NotAKernel { name: function.name.clone() });
    }
    Ok(function)
}

/// A kernel on its way from the IR to LLVM.
struct Compilation<'m> {
    function: Function,
    program: Program,
    analysis: Analysis,
    /// A second program for blocks that touch no border.
    inner: Option<Inner>,
    geometry: Geometry,
    addresses: Layout,
    alignment: Alignment,
    resumable: bool,
    ordered_atomics: bool,
    target: &'m Target,
}

impl<'m> Compilation<'m> {
    fn new(module: &'m Module, kernel: FuncId, spec: &Specialization, target: &'m Target) -> Result<Self, JitError> {
        let threads = spec.block.volume();
        if threads == 0 || threads > 1024 {
            return Err(JitError::BlockShape { shape: spec.block });
        }
        let mut function = calls::flatten(module, kernel_function(module, kernel)?)?;
        promote::promote(&mut function);
        let schedule = prepare::prepare(&mut function)?;
        let addresses = Layout::new(module, &function);
        let ordered_atomics = function.blocks.iter().flat_map(|block| &block.insts).any(|inst| match &inst.op {
            Op::Atomic(_) => true,
            Op::Reduce(atomic) => atomic.ty.is_float(),
            _ => false,
        });
        let mut program = ssa::construct(function.clone(), &schedule);
        results::drop_unused(&mut program);
        let live_out = ssa::live_out(&program);
        let mut geometry =
            Geometry { block: spec.block, lanes: spec.lanes.unwrap_or(32), grid_in_i32: spec.grid_in_i32 };
        // Warps may wait at different barriers: then a program must not have several of them, whoever chose the width.
        let insts = || function.blocks.iter().flat_map(|block| &block.insts);
        let mut one_warp = insts().any(|inst| matches!(inst.op, Op::Barrier(_)) && !lanes::is_plain_barrier(inst));
        // Nor where lanes of one warp may wait for each other in different places.
        let warps = Geometry { lanes: 32, ..geometry };
        let mut analysis = analyse(&program, &warps, &addresses);
        one_warp |= analysis.waits_apart() || prepare::names_barriers(insts());
        if one_warp {
            geometry.lanes = 32;
        } else if geometry.lanes != 32 {
            analysis = analyse(&program, &geometry, &addresses);
        }
        if spec.lanes.is_none() && !one_warp {
            let lanes = lanes::choose(&program, &analysis, &live_out, &geometry, target.isa);
            if lanes != geometry.lanes {
                geometry.lanes = lanes;
                analysis = analyse(&program, &geometry, &addresses);
            }
        }
        lanes::drop_idle_barriers(&mut program, &analysis, &geometry);
        let alignment = Alignment::new(&program, &addresses, spec.test_arguments);
        let suspends = program.blocks.iter().flat_map(|block| &block.insts).any(|inst| prepare::suspends(&inst.op));
        let resumable = suspends || analysis.waits_apart();
        let inner = inner::find(&program, &analysis, &geometry, &addresses);
        Ok(Self {
            function,
            program,
            analysis,
            inner,
            geometry,
            addresses,
            alignment,
            resumable,
            ordered_atomics,
            target,
        })
    }

    fn emit(&self, context: &Context) -> Result<Emitted, JitError> {
        let live_out = ssa::live_out(&self.program);
        let whole = self.input(&self.program, &self.analysis, &live_out);
        let Some(inner) = &self.inner else { return emit::emit(context, &whole) };
        let inner_live_out = ssa::live_out(&inner.program);
        let inner_input = self.input(&inner.program, &inner.analysis, &inner_live_out);
        let check_input = emit::Input {
            advances: None,
            geometry: inner.check_geometry,
            is_one_of_two: false,
            ..self.input(&inner.check, &inner.check_analysis, &[])
        };
        let check = choose::Check { input: check_input, conditions: &inner.conditions };
        emit::emit_both(context, &whole, &inner_input, &check)
    }

    fn input<'i>(&'i self, program: &'i Program, analysis: &'i Analysis, live_out: &'i [BitSet]) -> emit::Input<'i> {
        // Where blocks are tiles: programs that wait for each other, or indices that are clamped to a grid.
        let has_tiles = self.resumable || self.inner.is_some();
        let advances = (has_tiles && self.target.isa == Isa::Avx512)
            .then(|| advances(program, |reg| analysis.shapes[reg].as_constant()));
        emit::Input {
            kernel_name: &self.function.name,
            program,
            analysis,
            advances,
            live_out,
            geometry: self.geometry,
            addresses: &self.addresses,
            alignment: &self.alignment,
            target: self.target,
            resumable: self.resumable,
            shared_static_bytes: self.addresses.shared_bytes,
            is_one_of_two: self.inner.is_some(),
        }
    }

    fn layout(&self, frame_bytes: u32) -> KernelLayout {
        KernelLayout {
            entry: if self.resumable { EntryKind::Resumable } else { EntryKind::Straight },
            lanes: self.geometry.lanes,
            programs: self.geometry.programs(),
            shared_static_bytes: self.addresses.shared_bytes,
            local_bytes: self.addresses.local_bytes,
            frame_bytes: if self.resumable { frame_bytes } else { 0 },
            param_bytes: self.function.param_bytes(),
            ordered_atomics: self.ordered_atomics,
            aligned_params: self.alignment.relies_on(&self.program, &self.addresses),
        }
    }
}

fn print_function(function: &Function) -> String {
    let mut out = format!("{} ({} registers)\n", function.name, function.regs.len());
    for (id, block) in function.blocks.iter_enumerated() {
        let _ = writeln!(out, "{id}:");
        for inst in &block.insts {
            let _ = writeln!(out, "    {:?} <- {:?} {:?} {:?}", inst.dsts, inst.op, inst.srcs, inst.guard);
        }
        let _ = writeln!(out, "    {:?}", block.terminator);
    }
    out
}

fn print_program(program: &Program, analysis: &Analysis) -> String {
    let mut out = String::new();
    for (idx, block) in program.blocks.iter().enumerate() {
        let partial = if analysis.partial[idx] { " partial" } else { "" };
        let diverges = if analysis.diverges[idx] { " diverges" } else { "" };
        let _ = writeln!(out, "bb{idx}: preds {:?}{partial}{diverges}", block.preds);
        for phi in &block.phis {
            let _ = writeln!(out, "    {} = phi {:?}  {:?}", phi.dst, phi.args, analysis.shapes[phi.dst]);
        }
        for inst in &block.insts {
            let _ = writeln!(out, "    {:?} <- {:?} {:?} {:?}", inst.dsts, inst.op, inst.srcs, inst.guard);
            for dst in &inst.dsts {
                let _ = writeln!(out, "        {dst}: {:?}", analysis.shapes[*dst]);
            }
        }
        let _ = writeln!(out, "    {:?}", block.terminator);
    }
    out
}
