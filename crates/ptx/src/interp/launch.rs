//! One launch: limits, the layout of shared memory, and the order in which blocks run.
//!
//! Blocks start in order of their linear index. A block runs until it ends or has used its slice of steps; then the next resident
//! block gets a slice. A new block becomes resident when one ends or when all resident blocks have used a slice, up to
//! [`MAX_RESIDENT_BLOCKS`]; a cooperative launch has all its blocks resident from the start. So a block may wait for any
//! earlier block (decoupled look-back), and in a cooperative launch for any block.

use super::block::{Block, Progress};
use super::machine::{Kernel, Machine};
use super::memory::Memory;
use super::{Fault, FaultKind};
use crate::ir::{FuncId, Function, FunctionKind, Module, Op, Operand, Space, SymbolRef, VarId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use vgpu_types::{Dim3, IndexVec, Span};

/// Largest number of threads in a block.
const MAX_THREADS: u128 = 1024;
/// Largest block extents.
const MAX_BLOCK: Dim3 = Dim3::new(1024, 1024, 64);
/// Largest grid extents.
const MAX_GRID: Dim3 = Dim3::new(0x7fff_ffff, 65535, 65535);
/// Largest static plus dynamic shared memory of a block.
const MAX_SHARED_BYTES: u64 = 227 * 1024;
/// Blocks of a launch that are alive at the same time, unless it is cooperative: more than any GPU holds.
const MAX_RESIDENT_BLOCKS: usize = 4096;
/// Warp steps of one block before the next one gets its turn.
const SLICE: u64 = 20_000;
/// Size of the workspace that `%envreg1` and `%envreg2` point to in a cooperative launch: a size word and a barrier word, zero
/// at the start, as `cooperative_groups/details/driver_abi.h` expects.
const WORKSPACE_BYTES: u64 = 1024;

/// How to launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaunchConfig {
    /// Blocks.
    pub grid: Dim3,
    /// Threads per block.
    pub block: Dim3,
    /// Dynamic shared memory.
    pub dynamic_shared_bytes: u32,
    /// All blocks may synchronise with each other.
    pub cooperative: bool,
    /// Instructions, counted per thread, before the launch is stopped.
    pub step_limit: u64,
}

impl LaunchConfig {
    /// A plain launch: no dynamic shared memory, not cooperative, at most 2^40 steps.
    pub fn new(grid: impl Into<Dim3>, block: impl Into<Dim3>) -> Self {
        Self {
            grid: grid.into(),
            block: block.into(),
            dynamic_shared_bytes: 0,
            cooperative: false,
            step_limit: 1 << 40,
        }
    }
}

/// What a launch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaunchStats {
    /// Instructions executed, counted per thread.
    pub steps: u64,
    /// Blocks run.
    pub blocks: u64,
}

/// Everything the blocks of a launch share.
pub(super) struct Grid<'a> {
    pub module: &'a Module,
    pub memory: &'a mut Memory,
    pub symbols: &'a IndexVec<VarId, u64>,
    pub heap: &'a mut BTreeSet<u64>,
    pub output: &'a mut String,
    pub config: LaunchConfig,
    pub params: &'a [u8],
    /// Offsets of the shared variables in the window.
    pub shared_offsets: BTreeMap<VarId, u32>,
    /// Static and dynamic shared memory together.
    pub shared_bytes: u32,
    /// 0 when not cooperative.
    pub workspace: u64,
    pub grid_id: u64,
    pub steps: u64,
    /// Threads that wait for the whole grid, and threads that have ended.
    pub at_grid_sync: u64,
    pub ended: u64,
    /// How often the grid has synchronised.
    pub grid_phase: u64,
}

impl Grid<'_> {
    fn total_threads(&self) -> u64 {
        (self.config.grid.volume() * self.config.block.volume()) as u64
    }

    /// Lets the grid go on when every thread that has not ended waits for it.
    pub fn complete_grid_sync(&mut self) {
        if self.at_grid_sync > 0 && self.at_grid_sync + self.ended == self.total_threads() {
            self.at_grid_sync = 0;
            self.grid_phase += 1;
        }
    }
}

pub(super) fn run(
    machine: &mut Machine<'_>,
    kernel: Kernel<'_>,
    config: LaunchConfig,
    params: &[u8],
) -> Result<LaunchStats, Box<Fault>> {
    let bad_launch = |function: String, span, message| {
        let origin = Dim3::new(0, 0, 0);
        let kind = FaultKind::BadLaunch(message);
        Box::new(Fault { kind, function, block: origin, thread: origin, span, line: None })
    };
    let (id, function) = check(machine.module, kernel, config, params)
        .map_err(|(name, message)| bad_launch(name, Span::default(), message))?;
    let (shared_offsets, shared_bytes) = shared_layout(machine.module, id, config.dynamic_shared_bytes);
    if u64::from(shared_bytes) > MAX_SHARED_BYTES {
        let message = format!("{shared_bytes} bytes of shared memory, at most {MAX_SHARED_BYTES} are allowed");
        return Err(bad_launch(function.name.clone(), function.span, message));
    }
    machine.n_launches += 1;
    let workspace = if config.cooperative {
        let address = machine.memory.alloc(WORKSPACE_BYTES);
        machine.memory.write(address, &(WORKSPACE_BYTES as u32).to_le_bytes()).expect("just allocated");
        address
    } else {
        0
    };
    // The parameter buffer is at least as long as the kernel's parameters.
    let mut grid = Grid {
        module: machine.module,
        memory: &mut machine.memory,
        symbols: &machine.symbols,
        heap: &mut machine.heap,
        output: &mut machine.output,
        config,
        params,
        shared_offsets,
        shared_bytes,
        workspace,
        grid_id: machine.n_launches,
        steps: 0,
        at_grid_sync: 0,
        ended: 0,
        grid_phase: 0,
    };
    let result = run_blocks(&mut grid, id);
    if workspace != 0 {
        machine.memory.free(workspace);
    }
    result
}

fn run_blocks(grid: &mut Grid<'_>, kernel: FuncId) -> Result<LaunchStats, Box<Fault>> {
    let n_blocks = grid.config.grid.volume() as u64;
    let mut next_block = 0;
    let mut resident: VecDeque<Block> = VecDeque::new();
    let mut max_resident = 1;
    // Blocks that could do nothing since another one last did something.
    let mut stuck = 0;
    loop {
        let limit = if grid.config.cooperative { usize::MAX } else { max_resident };
        while resident.len() < limit && next_block < n_blocks {
            resident.push_back(Block::new(grid, kernel, next_block));
            next_block += 1;
            stuck = 0;
        }
        let Some(mut block) = resident.pop_front() else {
            return Ok(LaunchStats { steps: grid.steps, blocks: n_blocks });
        };
        match block.run(grid, SLICE).map_err(|kind| block.fault(grid, kind))? {
            Progress::Ended => {
                stuck = 0;
                max_resident = 1.max(resident.len());
            }
            Progress::Running => {
                stuck = 0;
                resident.push_back(block);
                if resident.len() >= max_resident {
                    max_resident = (max_resident + 1).min(MAX_RESIDENT_BLOCKS);
                }
            }
            Progress::Stuck => {
                stuck += 1;
                if stuck > resident.len() {
                    let kind = FaultKind::Deadlock(block.why_stuck());
                    return Err(block.fault(grid, kind));
                }
                resident.push_back(block);
            }
        }
    }
}

/// Finds the kernel and checks the launch against CUDA's limits and the kernel's directives.
fn check<'m>(
    module: &'m Module,
    kernel: Kernel<'_>,
    config: LaunchConfig,
    params: &[u8],
) -> Result<(FuncId, &'m Function), (String, String)> {
    let id = match kernel {
        Kernel::Id(id) => id,
        Kernel::Name(name) => {
            module.function(name).ok_or_else(|| (name.to_owned(), format!("no kernel named {name}")))?
        }
    };
    let function =
        module.functions.get(id).ok_or_else(|| (id.to_string(), format!("no function with number {}", id.0)))?;
    let bad = |message: String| (function.name.clone(), message);
    if function.kind != FunctionKind::Kernel || function.is_declaration() {
        return Err(bad(format!("{} is not a kernel with a body", function.name)));
    }
    let (grid, block) = (config.grid, config.block);
    let within = |extent: Dim3, max: Dim3| {
        (1..=max.x).contains(&extent.x) && (1..=max.y).contains(&extent.y) && (1..=max.z).contains(&extent.z)
    };
    if !within(grid, MAX_GRID) {
        return Err(bad(format!("grid {grid}, accepted are 1 to {MAX_GRID}")));
    }
    if !within(block, MAX_BLOCK) || block.volume() > MAX_THREADS {
        return Err(bad(format!("block {block}, accepted are 1 to {MAX_BLOCK} with at most {MAX_THREADS} threads")));
    }
    if let Some(required) = function.performance.reqntid
        && required != [block.x, block.y, block.z]
    {
        return Err(bad(format!("block {block}, the kernel requires {required:?}")));
    }
    if let Some(max) = function.performance.maxntid
        && block.volume() > max.iter().map(|&extent| u128::from(extent)).product()
    {
        return Err(bad(format!("block {block}, the kernel allows {max:?}")));
    }
    if params.len() < function.param_bytes() as usize {
        return Err(bad(format!("{} parameter bytes, the kernel takes {}", params.len(), function.param_bytes())));
    }
    Ok((id, function))
}

/// Functions that `kernel` can reach; all of them when there is an indirect call.
fn reachable(module: &Module, kernel: FuncId) -> BTreeSet<FuncId> {
    let mut reached = BTreeSet::from([kernel]);
    let mut pending = vec![kernel];
    while let Some(id) = pending.pop() {
        for inst in module.functions[id].blocks.iter().flat_map(|block| &block.insts) {
            let callees: Vec<FuncId> = match inst.op {
                Op::Call(callee, _) => vec![callee],
                Op::CallIndirect(..) => module.functions.indices().collect(),
                _ => Vec::new(),
            };
            pending.extend(callees.into_iter().filter(|&callee| reached.insert(callee)));
        }
    }
    reached
}

/// Offsets of the shared variables that the kernel can reach: static ones first, then dynamic shared memory, where all
/// variables without a size begin. Also the size of the window.
fn shared_layout(module: &Module, kernel: FuncId, dynamic_bytes: u32) -> (BTreeMap<VarId, u32>, u32) {
    let mut used = BTreeSet::new();
    for id in reachable(module, kernel) {
        for inst in module.functions[id].blocks.iter().flat_map(|block| &block.insts) {
            for src in &inst.srcs {
                if let Operand::Symbol(SymbolRef::Var(var), _) = src
                    && module.variables[*var].space == Space::Shared
                {
                    used.insert(*var);
                }
            }
        }
    }
    let mut offsets = BTreeMap::new();
    let mut end = 0u32;
    for &id in used.iter().filter(|&&id| module.variables[id].size > 0) {
        let variable = &module.variables[id];
        let offset = end.next_multiple_of(variable.align.max(1));
        offsets.insert(id, offset);
        end = offset.saturating_add(variable.size.min(1 << 30) as u32);
    }
    let dynamic: Vec<VarId> = used.into_iter().filter(|&id| module.variables[id].size == 0).collect();
    let align = dynamic.iter().map(|&id| module.variables[id].align).max().unwrap_or(1).max(16);
    let start = end.next_multiple_of(align);
    offsets.extend(dynamic.into_iter().map(|id| (id, start)));
    (offsets, if dynamic_bytes == 0 { end } else { start.saturating_add(dynamic_bytes) })
}
