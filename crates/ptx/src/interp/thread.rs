//! A thread: registers, frames, local memory, and where it stands.

use super::launch::Grid;
use crate::ir::{BlockId, FrameVarId, FuncId, Function, Module, Operand, Reg};
use vgpu_types::{Dim3, IndexVec};

/// Local memory of one thread.
const MAX_LOCAL_BYTES: u32 = 512 * 1024;
/// Saved registers of all calls in progress, 16 bytes per call on top: bounds the depth of a recursion.
const MAX_SAVED_BYTES: u32 = 64 * 1024;

/// What a thread is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It can execute its next instruction.
    Ready,
    /// At a warp-wide instruction, for the lanes of this mask.
    AtWarp(u32),
    /// At a barrier.
    AtBarrier(u32),
    /// Waiting for the grid; the number of the synchronisation it waits to pass.
    AtGrid(u64),
    /// Ended.
    Ended,
}

/// The place of the next instruction. Ordered: inner calls first, then earlier code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pc {
    /// Negated call depth, so that deeper compares as smaller.
    pub depth: i64,
    pub func: FuncId,
    pub block: BlockId,
    /// Index in the block; the number of instructions for the terminator.
    pub inst: usize,
}

/// One call in progress.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub func: FuncId,
    pub block: BlockId,
    pub inst: usize,
    /// Bits of the virtual registers, zero-extended.
    pub regs: IndexVec<Reg, u128>,
    /// Local-window offsets of the frame variables.
    pub vars: IndexVec<FrameVarId, u32>,
    /// Incoming arguments (device functions; a kernel's are in the grid).
    pub params: Vec<u8>,
    /// Return values.
    pub returns: Vec<u8>,
    /// Frame variables of the caller that receive the return values.
    pub receivers: Vec<FrameVarId>,
    /// Top of local memory before this call.
    saved_top: u32,
}

/// One thread of a block.
#[derive(Clone, Debug)]
pub(super) struct Thread {
    pub tid: Dim3,
    /// Linear index in the block.
    pub linear: u32,
    pub lane: u32,
    pub state: State,
    /// Warp step at which it last executed.
    pub last_run: u64,
    pub frames: Vec<Frame>,
    /// Local memory up to the current top.
    pub local: Vec<u8>,
    saved_bytes: u32,
}

/// Bytes that a frame's registers would take on a stack.
fn register_bytes(function: &Function) -> u32 {
    16 + function.regs.iter().map(|width| width.bits().div_ceil(8)).sum::<u32>()
}

impl Thread {
    pub fn new(module: &Module, kernel: FuncId, linear: u32, tid: Dim3) -> Option<Self> {
        let mut thread = Self {
            tid,
            linear,
            lane: linear % vgpu_types::WARP_SIZE,
            state: State::Ready,
            last_run: 0,
            frames: Vec::new(),
            local: Vec::new(),
            saved_bytes: 0,
        };
        thread.enter(module, kernel, Vec::new(), Vec::new()).then_some(thread)
    }

    /// Starts a call; false when the stack is used up. A kernel's own frame may be as large as it likes.
    pub fn enter(&mut self, module: &Module, func: FuncId, params: Vec<u8>, receivers: Vec<FrameVarId>) -> bool {
        let function = &module.functions[func];
        let saved_top = self.local.len() as u32;
        if !self.frames.is_empty() {
            self.saved_bytes += register_bytes(function);
            if self.saved_bytes > MAX_SAVED_BYTES {
                return false;
            }
        }
        let mut vars = IndexVec::new();
        for var in function.frame.iter() {
            match self.allocate(var.size, var.align) {
                Some(offset) => vars.push(offset),
                None => return false,
            };
        }
        self.frames.push(Frame {
            func,
            block: BlockId(0),
            inst: 0,
            regs: IndexVec::filled(0, function.regs.len()),
            vars,
            params,
            returns: vec![0; function.return_bytes() as usize],
            receivers,
            saved_top,
        });
        true
    }

    /// Ends the innermost call and gives its return bytes and their receivers; `None` when it was the kernel.
    pub fn leave(&mut self, module: &Module) -> Option<(Vec<u8>, Vec<FrameVarId>)> {
        let frame = self.frames.pop()?;
        self.local.truncate(frame.saved_top as usize);
        if self.frames.is_empty() {
            return None;
        }
        self.saved_bytes -= register_bytes(&module.functions[frame.func]);
        Some((frame.returns, frame.receivers))
    }

    /// Takes zeroed local memory; `None` when there is too little.
    pub fn allocate(&mut self, size: u32, align: u32) -> Option<u32> {
        let offset = (self.local.len() as u32).checked_next_multiple_of(align.max(1))?;
        let end = offset.checked_add(size).filter(|&end| end <= MAX_LOCAL_BYTES)?;
        self.local.resize(end as usize, 0);
        Some(offset)
    }

    pub fn frame(&self) -> &Frame {
        self.frames.last().expect("a thread that has not ended has a frame")
    }

    pub fn frame_mut(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("a thread that has not ended has a frame")
    }

    pub fn pc(&self) -> Pc {
        let frame = self.frame();
        Pc { depth: -(self.frames.len() as i64), func: frame.func, block: frame.block, inst: frame.inst }
    }

    /// Goes to the next instruction.
    pub fn advance(&mut self) {
        self.frame_mut().inst += 1;
    }

    /// Goes to the start of a block.
    pub fn jump(&mut self, block: BlockId) {
        let frame = self.frame_mut();
        frame.block = block;
        frame.inst = 0;
    }

    /// Bits of a register.
    pub fn reg(&self, reg: Reg) -> u128 {
        self.frame().regs[reg]
    }

    /// Sets a register; bits past its width are dropped.
    pub fn set_reg(&mut self, module: &Module, reg: Reg, value: u128) {
        let frame = self.frame_mut();
        let bits = module.functions[frame.func].regs[reg].bits();
        frame.regs[reg] = if bits >= 128 { value } else { value & ((1 << bits) - 1) };
    }

    /// Bits of an operand; bits past the width that the operation reads are not cleared.
    pub fn operand(&self, grid: &Grid<'_>, operand: &Operand) -> u128 {
        use crate::ir::SymbolRef;
        let frame = self.frame();
        match *operand {
            Operand::Reg(reg) => frame.regs[reg],
            Operand::Imm(bits) => u128::from(bits),
            Operand::Symbol(SymbolRef::Func(id), offset) => {
                u128::from(super::machine::function_handle(id).wrapping_add_signed(offset))
            }
            Operand::Symbol(SymbolRef::Var(id), offset) => {
                let start = grid.shared_offsets.get(&id).map_or(grid.symbols[id], |&offset| u64::from(offset));
                u128::from(start.wrapping_add_signed(offset))
            }
            Operand::Frame(var, offset) => u128::from(u64::from(frame.vars[var]).wrapping_add_signed(offset)),
            Operand::Param(offset) | Operand::Return(offset) => u128::from(offset),
        }
    }
}
