//! Running one block: straight kernels in one call, resumable ones under the barrier scheduler of `vgpu_jit::abi`.
//!
//! Model. A resumable block is a set of programs, each *ready*, *waiting* at a barrier, *waiting for the grid* or *done*. A round calls
//! every ready program once. A program that yields is ready again in the next round. When a barrier completes, the programs
//! that wait at it become ready. When nobody is ready and not all are done, the block either waits for the grid (all live
//! programs do) or is dead, which is an error and not a hang.
//!
//! What it does not do: choose blocks (the pool and `resident` do).

use super::barrier::Barriers;
use super::code::Code;
use super::frame::{Cause, Failure, LaunchFrame};
use super::guard::{FaultInfo, FaultKind, Scope};
use super::scratch::{Slot, WindowAddresses};
use super::services::{HostServices, ServiceHost};
use std::cell::{Cell, RefCell};
use vgpu_jit::EntryKind;
use vgpu_jit::abi::{BlockContext, FrameHeader, Status};
use vgpu_types::Dim3;

/// State of one program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    Ready,
    Yielded,
    /// At the barrier of that number.
    Waiting(u32),
    GridWait,
    Done,
}

/// How a call of [`BlockRun::run`] ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BlockEnd {
    /// All threads ended.
    Done,
    /// Every live program spins or waits for one that does. Only where blocks take turns.
    Yielded,
    /// All live programs wait for the grid.
    GridWait,
    /// The launch is being stopped.
    Stopped,
    /// It cannot go on.
    Failed(Cause),
}

/// The scheduler's memory of one block, reused from block to block.
#[derive(Debug, Default)]
pub(crate) struct BlockRun {
    programs: Vec<Program>,
    /// Threads of each program that had ended when it last returned.
    exited: Vec<u32>,
    barriers: RefCell<Barriers>,
    live: u32,
}

/// What stays the same for all blocks that a thread runs of one launch.
pub(crate) struct Calls<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) code: &'a Code,
    pub(crate) frame: &'a LaunchFrame,
    pub(crate) services: &'a dyn HostServices,
    /// Blocks take turns on this thread: hand back instead of spinning.
    pub(crate) take_turns: bool,
}

impl Calls<'_> {
    fn fault(&self, fault: FaultInfo) -> BlockEnd {
        let code_offset = self.code.offset_of(fault.pc);
        match fault.kind {
            FaultKind::Memory(address) => BlockEnd::Failed(Cause::IllegalAddress { address, code_offset }),
            FaultKind::Instruction => BlockEnd::Failed(Cause::IllegalInstruction { code_offset }),
            FaultKind::Interrupted => BlockEnd::Stopped,
        }
    }

    /// A context for blocks that run in these windows.
    pub(crate) fn block_context(&self, windows: WindowAddresses, worker: u32) -> BlockContext {
        BlockContext {
            launch: self.frame.context(),
            shared: windows.shared,
            local: windows.local,
            frames: windows.frames,
            block_idx: [0; 3],
            worker,
            runtime: std::ptr::null_mut(),
        }
    }
}

fn failed_status(status: u32) -> BlockEnd {
    BlockEnd::Failed(match Status::from_code(status) {
        Some(Status::Stopped) => return BlockEnd::Stopped,
        Some(Status::Trap) => Cause::Trap,
        Some(Status::Assert) => Cause::Assert,
        Some(Status::StackOverflow) => Cause::StackOverflow,
        Some(Status::BadCall) => Cause::BadCall,
        Some(Status::Misaligned) => Cause::Misaligned,
        _ => Cause::UnknownStatus(status),
    })
}

impl BlockRun {
    /// Makes it a fresh block: every program at its start.
    pub(crate) fn start(&mut self, calls: &Calls<'_>, context: &BlockContext) {
        let layout = calls.code.layout();
        if layout.entry == EntryKind::Straight {
            return;
        }
        let n = layout.programs as usize;
        self.programs.clear();
        self.programs.resize(n, Program::Ready);
        self.exited.clear();
        self.exited.resize(n, 0);
        self.barriers.get_mut().reset();
        self.live = calls.frame.block().volume() as u32;
        for program in 0..n {
            // Only the header: a program reads nothing behind it that it did not write in an earlier call.
            // SAFETY: `prepare` made room for all programs' frames, each at least as long as a header and 64-byte aligned.
            unsafe {
                let frame = context.frames.add(program * layout.frame_bytes as usize);
                std::ptr::write_bytes(frame, 0, size_of::<FrameHeader>());
            }
        }
    }

    /// Runs the block until it ends or, where blocks take turns, until it can only wait.
    pub(crate) fn run(&mut self, calls: &Calls<'_>, context: &mut BlockContext) -> BlockEnd {
        let [x, y, z] = context.block_idx;
        let barriers = std::mem::take(&mut self.barriers);
        let host = ServiceHost {
            services: calls.services,
            barriers: &barriers,
            block: Cell::new(Dim3::new(x, y, z)),
            block_shape: calls.frame.block(),
        };
        context.runtime = (&raw const host).cast_mut().cast();
        let end = match calls.code.layout().entry {
            EntryKind::Straight => straight(calls, context),
            EntryKind::Resumable => self.rounds(calls, context, &barriers),
        };
        context.runtime = std::ptr::null_mut();
        self.barriers = barriers;
        end
    }

    fn rounds(&mut self, calls: &Calls<'_>, context: &mut BlockContext, barriers: &RefCell<Barriers>) -> BlockEnd {
        let mut idle_rounds = 0u32;
        loop {
            let mut ran = false;
            let mut progressed = false;
            for program in 0..self.programs.len() {
                if !matches!(self.programs[program], Program::Ready | Program::Yielded) {
                    continue;
                }
                ran = true;
                match self.step(calls, context, barriers, program) {
                    Ok(yielded) => progressed |= !yielded,
                    Err(end) => return end,
                }
            }
            if !ran {
                return self.nobody_ready(&barriers.borrow());
            }
            if calls.frame.is_stopping() {
                return BlockEnd::Stopped;
            }
            if progressed {
                idle_rounds = 0;
                continue;
            }
            // Only spinning programs ran: what they wait for happens on another thread.
            if calls.take_turns {
                return BlockEnd::Yielded;
            }
            idle_rounds += 1;
            if idle_rounds.is_multiple_of(64) { std::thread::yield_now() } else { std::hint::spin_loop() }
        }
    }

    /// Calls one program and books what it reports. Returns whether it only yielded.
    fn step(
        &mut self,
        calls: &Calls<'_>,
        context: &mut BlockContext,
        barriers: &RefCell<Barriers>,
        program: usize,
    ) -> Result<bool, BlockEnd> {
        let entry = calls.code.entry();
        // SAFETY: the code follows the contract and the context is the one `prepare` made for it.
        let result = unsafe { calls.scope.call(entry, context, program as u32) };
        let status = result.map_err(|fault| calls.fault(fault))?;
        let header = header(calls, context, program);
        let yielded = match Status::from_code(status) {
            Some(Status::Done) => {
                self.programs[program] = Program::Done;
                let layout = calls.code.layout();
                let threads = calls.frame.block().volume() as u32;
                let own = layout.lanes.min(threads.saturating_sub(program as u32 * layout.lanes));
                self.live = self.live.saturating_sub(own.saturating_sub(self.exited[program]));
                false
            }
            Some(Status::Barrier) => {
                // SAFETY: the program has returned, so nobody else touches its header.
                let waits = unsafe { header.read() };
                self.note_exits(program, waits.exited);
                self.programs[program] = Program::Waiting(waits.barrier_id % 16);
                barriers.borrow_mut().arrive(waits.barrier_id, waits.expected, waits.arrived, waits.predicates);
                false
            }
            Some(Status::Yield) => {
                // SAFETY: as above.
                self.note_exits(program, unsafe { (*header).exited });
                self.programs[program] = Program::Yielded;
                true
            }
            Some(Status::GridSync) => {
                // SAFETY: as above.
                self.note_exits(program, unsafe { (*header).exited });
                self.programs[program] = Program::GridWait;
                false
            }
            _ => return Err(failed_status(status)),
        };
        while let Some((id, barrier)) = barriers.borrow_mut().take_complete(self.live) {
            for (waiting, state) in self.programs.iter_mut().enumerate() {
                if *state == Program::Waiting(id) {
                    *state = Program::Ready;
                    let header = self::header(calls, context, waiting);
                    // SAFETY: the program waits, so nobody else touches its header.
                    unsafe {
                        (*header).result = barrier.predicates;
                        (*header).result_threads = barrier.arrived;
                    }
                }
            }
        }
        Ok(yielded)
    }

    fn note_exits(&mut self, program: usize, exited: u32) {
        self.live = self.live.saturating_sub(exited.saturating_sub(self.exited[program]));
        self.exited[program] = exited;
    }

    fn nobody_ready(&self, barriers: &Barriers) -> BlockEnd {
        if self.programs.iter().all(|state| *state == Program::Done) {
            return BlockEnd::Done;
        }
        if self.programs.iter().all(|state| matches!(state, Program::Done | Program::GridWait)) {
            return BlockEnd::GridWait;
        }
        let mut waiting = barriers.describe(self.live);
        let grid = self.programs.iter().filter(|state| **state == Program::GridWait).count();
        if grid > 0 {
            waiting.push_str(&format!(", {grid} warps wait for the grid"));
        }
        BlockEnd::Failed(Cause::Deadlock { waiting })
    }

    /// The grid has synchronised: programs that waited for it are ready.
    pub(crate) fn release_grid(&mut self) {
        for state in &mut self.programs {
            if *state == Program::GridWait {
                *state = Program::Ready;
            }
        }
    }
}

fn header(calls: &Calls<'_>, context: &BlockContext, program: usize) -> *mut FrameHeader {
    context.frames.wrapping_add(program * calls.code.layout().frame_bytes as usize).cast()
}

fn straight(calls: &Calls<'_>, context: &mut BlockContext) -> BlockEnd {
    // SAFETY: the code follows the contract and the context is the one `prepare` made for it.
    match unsafe { calls.scope.call(calls.code.entry(), context, 0) } {
        Ok(0) => BlockEnd::Done,
        Ok(status) => failed_status(status),
        Err(fault) => calls.fault(fault),
    }
}

/// Runs blocks of one launch on the thread that holds `slot`, asking `claim` for ranges of linear block indices until there is none.
/// Returns whether all went well; `Ok` also when the launch is being stopped.
pub(crate) fn run_blocks(
    slot: &mut Slot,
    code: &Code,
    frame: &LaunchFrame,
    services: &dyn HostServices,
    mut claim: impl FnMut() -> Option<std::ops::Range<u64>>,
) -> Result<(), Failure> {
    let grid = frame.grid();
    let threads = frame.block().volume() as u32;
    let dynamic = frame.context().dynamic_shared_bytes;
    let windows = slot
        .windows
        .prepare(code.layout(), threads, dynamic)
        .map_err(|error| Failure { cause: Cause::System(error), block: Dim3::new(0, 0, 0) })?;
    let scope = Scope::enter(frame.context().stop);
    let calls = Calls { scope: &scope, code, frame, services, take_turns: false };
    let mut context = calls.block_context(windows, slot.number);
    while let Some(range) = claim() {
        let mut block = grid.position(range.start);
        for _ in range {
            if frame.is_stopping() {
                return Ok(());
            }
            context.block_idx = [block.x, block.y, block.z];
            slot.run.start(&calls, &context);
            match slot.run.run(&calls, &mut context) {
                BlockEnd::Done => {}
                BlockEnd::Stopped => return Ok(()),
                BlockEnd::GridWait => return Err(Failure { cause: Cause::GridSync, block }),
                BlockEnd::Yielded => unreachable!("blocks do not take turns here"),
                BlockEnd::Failed(cause) => return Err(Failure { cause, block }),
            }
            block.x += 1;
            if block.x == grid.x {
                block.x = 0;
                block.y += 1;
                if block.y == grid.y {
                    block.y = 0;
                    block.z += 1;
                }
            }
        }
    }
    Ok(())
}
