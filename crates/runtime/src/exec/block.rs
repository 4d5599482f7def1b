//! Running one block: straight kernels in one call, resumable ones under the barrier scheduler of `vgpu_jit::abi`.
//!
//! Model. A resumable block is a set of programs, each *ready*, *waiting* at a barrier, *waiting for the grid* or *done*. A round calls
//! every ready program once. A program that yields is ready again in the next round. When a barrier completes, the programs
//! that wait at it become ready. When nobody is ready and not all are done, the block either waits for the grid (all live
//! programs do) or is dead, which is an error and not a hang.
//!
//! A block of a plain launch that can only wait is set aside with its windows, so that blocks which were not started yet get
//! the thread: it may wait for one of them. Blocks that rest get turns, oldest first, until all are done.
//!
//! Blocks may also go *in step*: each gets a short turn, then the next, so that all pass the same part of their work at about the
//! same time. Where their data is larger than the memory for it, what one block has fetched then serves them all.
//!
//! What it does not do: choose blocks (the pool and `resident` do).

use super::barrier::{Barrier, Barriers, Live};
use super::code::Code;
use super::frame::{Cause, Failure, LaunchFrame};
use super::guard::{FaultInfo, FaultKind, Scope};
use super::scratch::{Slot, WindowAddresses, WindowPool, Windows};
use super::services::{HostServices, ServiceHost};
use super::warp_wait::WaitingLanes;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use vgpu_jit::EntryKind;
use vgpu_jit::abi::{BlockContext, FrameHeader, MisalignedAccess, Status, WARP_WAIT_OFFSET, WarpWait};
use vgpu_types::Dim3;

/// How long a block that only waits keeps its thread while no other block rests.
const PATIENCE: Duration = Duration::from_micros(200);

/// How long a block whose programs wait now and then keeps its thread while no other block rests.
const LONG_TURN: Duration = Duration::from_millis(5);

/// Rounds of a turn, where blocks take turns and programs wait now and then.
const TURN_ROUNDS: u32 = 64;

/// Rounds of a turn of blocks that go in step: short, so that what they touch in it fits; long enough to pay for the change.
const STEP_ROUNDS: u32 = 32;

/// Turns of each block that goes in step, without one that ends, until others may join.
const MAX_STEPS: usize = 64;

/// Memory of the windows of blocks that go in step, per thread.
const MAX_STEP_BYTES: u64 = 64 << 20;

/// Blocks that one thread sets aside at most, and the memory of their windows.
const MAX_RESTING: usize = 4096;
const MAX_RESTING_BYTES: u64 = 256 << 20;

/// State of one program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    Ready,
    Yielded,
    /// At the barrier of that number.
    Waiting(u32),
    GridWait,
    /// All its lanes wait where they joined.
    Blocked,
    Done,
}

/// How a call of [`BlockRun::run`] ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BlockEnd {
    /// All threads ended.
    Done,
    /// Every live program spins or waits for one that does, or has had its turn.
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
    /// On the heap, so that handing them to a block's calls moves a pointer: copies of them between the stores of a kernel
    /// wait for these to reach memory.
    barriers: Option<Box<RefCell<Barriers>>>,
    live: u32,
    /// Only in kernels whose lanes wait in different places: by program; empty until one does.
    waiting_lanes: Vec<WaitingLanes>,
    /// Threads of a program, and of the block.
    lanes: u32,
    threads: u32,
}

impl Live for BlockRun {
    fn total(&self) -> u32 {
        self.live
    }

    fn of_program(&self, program: usize) -> u32 {
        self.threads_of(program) - self.exited.get(program).copied().unwrap_or(0)
    }
}

/// What stays the same for all blocks that a thread runs of one launch.
pub(crate) struct Calls<'a> {
    pub(crate) scope: &'a Scope,
    pub(crate) code: &'a Code,
    pub(crate) frame: &'a LaunchFrame,
    pub(crate) services: &'a dyn HostServices,
    /// Blocks take turns on this thread: hand back instead of spinning.
    pub(crate) take_turns: Cell<bool>,
    /// Blocks go in step.
    pub(crate) in_step: bool,
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
            misaligned: MisalignedAccess::default(),
        }
    }
}

fn failed_status(status: u32, context: &BlockContext) -> BlockEnd {
    BlockEnd::Failed(match Status::from_code(status) {
        Some(Status::Stopped) => return BlockEnd::Stopped,
        Some(Status::Trap) => Cause::Trap,
        Some(Status::Assert) => Cause::Assert,
        Some(Status::StackOverflow) => Cause::StackOverflow,
        Some(Status::BadCall) => Cause::BadCall,
        Some(Status::Misaligned) => Cause::Misaligned(context.misaligned),
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
        self.barriers.get_or_insert_default().get_mut().reset();
        self.threads = calls.frame.block().volume() as u32;
        self.lanes = layout.lanes;
        self.live = self.threads;
        self.waiting_lanes.clear();
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
        let barriers = self.barriers.take().unwrap_or_default();
        let host = ServiceHost {
            services: calls.services,
            barriers: &barriers,
            block: Cell::new(Dim3::new(x, y, z)),
            block_shape: calls.frame.block(),
            program: Cell::new(0),
        };
        context.runtime = (&raw const host).cast_mut().cast();
        let end = match calls.code.layout().entry {
            EntryKind::Straight => straight(calls, context),
            EntryKind::Resumable => self.rounds(calls, context, &host),
        };
        context.runtime = std::ptr::null_mut();
        self.barriers = Some(barriers);
        end
    }

    fn rounds(&mut self, calls: &Calls<'_>, context: &mut BlockContext, host: &ServiceHost<'_>) -> BlockEnd {
        let mut turn = Turn::default();
        loop {
            let mut ran = false;
            let mut progressed = false;
            for program in 0..self.programs.len() {
                if !matches!(self.programs[program], Program::Ready | Program::Yielded) {
                    continue;
                }
                ran = true;
                match self.step(calls, context, host, program) {
                    Ok(yielded) => {
                        progressed |= !yielded;
                        turn.yielded |= yielded;
                    }
                    Err(end) => return end,
                }
            }
            if !ran {
                return self.nobody_ready(&host.barriers.borrow());
            }
            if calls.frame.is_stopping() {
                return BlockEnd::Stopped;
            }
            if calls.in_step && turn.step_is_over(progressed) || turn.is_over(progressed, calls.take_turns.get()) {
                return BlockEnd::Yielded;
            }
        }
    }

    /// Calls one program and books what it reports. Returns whether it only yielded.
    fn step(
        &mut self,
        calls: &Calls<'_>,
        context: &mut BlockContext,
        host: &ServiceHost<'_>,
        program: usize,
    ) -> Result<bool, BlockEnd> {
        let entry = calls.code.entry();
        let barriers = host.barriers;
        host.program.set(program);
        // SAFETY: the code follows the contract and the context is the one `prepare` made for it.
        let result = unsafe { calls.scope.call(entry, context, program as u32) };
        let status = result.map_err(|fault| calls.fault(fault))?;
        let header = header(calls, context, program);
        let yielded = match Status::from_code(status) {
            Some(Status::Done) => {
                self.programs[program] = Program::Done;
                self.note_exits(program, self.threads_of(program));
                false
            }
            Some(Status::Barrier) => {
                // SAFETY: the program has returned, so nobody else touches its header.
                let waits = unsafe { header.read() };
                self.note_exits(program, waits.exited);
                self.programs[program] = Program::Waiting(waits.barrier_id % 16);
                barriers.borrow_mut().arrive(
                    program,
                    waits.barrier_id,
                    waits.expected,
                    waits.arrived,
                    waits.predicates,
                );
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
            Some(joined @ (Status::Join | Status::Blocked)) => {
                // SAFETY: as above.
                self.note_exits(program, unsafe { (*header).exited });
                if joined == Status::Join {
                    self.waiting_lanes.resize_with(self.programs.len(), WaitingLanes::default);
                    // SAFETY: as above; kernels that join have the area in their frames.
                    let wait = unsafe { warp_wait(header).read() };
                    self.waiting_lanes[program].join(program, &wait, &mut barriers.borrow_mut());
                }
                self.programs[program] = if joined == Status::Join { Program::Ready } else { Program::Blocked };
                false
            }
            _ => return Err(failed_status(status, context)),
        };
        if !self.waiting_lanes.is_empty() && self.programs[program] != Program::Done {
            // SAFETY: as above.
            let alive = unsafe { (*warp_wait(header)).alive };
            let lanes = self.waiting_lanes[program].take_synchronised(alive);
            self.release(calls, context, program, lanes, None);
        }
        loop {
            let complete = barriers.borrow_mut().take_complete(self);
            let Some((id, barrier)) = complete else { break };
            self.complete(calls, context, id, &barrier);
        }
        Ok(yielded)
    }

    /// Lets everybody who waits at a barrier go on.
    fn complete(&mut self, calls: &Calls<'_>, context: &BlockContext, id: u32, barrier: &Barrier) {
        for program in 0..self.programs.len() {
            if self.programs[program] == Program::Waiting(id) {
                self.programs[program] = Program::Ready;
                let header = header(calls, context, program);
                // SAFETY: the program waits, so nobody else touches its header.
                unsafe {
                    (*header).result = barrier.predicates;
                    (*header).result_threads = barrier.arrived;
                }
            }
            if let Some(waiting) = self.waiting_lanes.get_mut(program) {
                let lanes = waiting.take_barrier(id);
                self.release(calls, context, program, lanes, Some(barrier));
            }
        }
    }

    /// Lets lanes that joined go on.
    fn release(
        &mut self,
        calls: &Calls<'_>,
        context: &BlockContext,
        program: usize,
        lanes: u32,
        barrier: Option<&Barrier>,
    ) {
        if lanes == 0 {
            return;
        }
        // SAFETY: the program has returned, so nobody else touches its frame, and kernels that join have the area in it.
        let wait = unsafe { &mut *warp_wait(header(calls, context, program)) };
        wait.released |= lanes;
        if let Some(barrier) = barrier {
            for lane in (0..32).filter(|lane| lanes >> lane & 1 != 0) {
                wait.results[lane] = barrier.predicates;
                wait.result_threads[lane] = barrier.arrived;
            }
        }
        if self.programs[program] == Program::Blocked {
            self.programs[program] = Program::Ready;
        }
    }

    fn threads_of(&self, program: usize) -> u32 {
        self.lanes.min(self.threads.saturating_sub(program as u32 * self.lanes))
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
        let mut waiting = barriers.describe(self);
        let at_sync: u32 = self.waiting_lanes.iter().map(|lanes| lanes.synchronising().count_ones()).sum();
        if at_sync > 0 {
            waiting.push_str(&format!(", {at_sync} threads wait for others of their warp"));
        }
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

/// Where a program that joins says what its lanes wait for.
fn warp_wait(header: *mut FrameHeader) -> *mut WarpWait {
    header.cast::<u8>().wrapping_add(WARP_WAIT_OFFSET).cast()
}

fn straight(calls: &Calls<'_>, context: &mut BlockContext) -> BlockEnd {
    // SAFETY: the code follows the contract and the context is the one `prepare` made for it.
    match unsafe { calls.scope.call(calls.code.entry(), context, 0) } {
        Ok(0) => BlockEnd::Done,
        Ok(status) => failed_status(status, context),
        Err(fault) => calls.fault(fault),
    }
}

/// The rounds of a block since it got its thread.
#[derive(Default)]
struct Turn {
    rounds: u32,
    /// The same, where blocks go in step.
    steps: u32,
    /// Rounds one after the other in which programs only waited.
    idle_rounds: u32,
    /// A program waited.
    yielded: bool,
    started: Option<Instant>,
    idle_since: Option<Instant>,
}

impl Turn {
    /// After a round of a block that goes in step.
    fn step_is_over(&mut self, progressed: bool) -> bool {
        self.steps += 1;
        self.steps >= STEP_ROUNDS || !progressed
    }

    /// After a round: whether the block hands its thread back.
    fn is_over(&mut self, progressed: bool, take_turns: bool) -> bool {
        if !self.yielded {
            return false;
        }
        self.rounds += 1;
        if take_turns {
            return !progressed || self.rounds >= TURN_ROUNDS;
        }
        if progressed {
            self.idle_rounds = 0;
            self.idle_since = None;
        } else {
            self.idle_rounds += 1;
            std::hint::spin_loop();
        }
        if !self.rounds.is_multiple_of(TURN_ROUNDS) {
            return false;
        }
        let now = Instant::now();
        if self.idle_rounds >= TURN_ROUNDS {
            std::thread::yield_now();
            if now - *self.idle_since.get_or_insert(now) > PATIENCE {
                return true;
            }
        }
        now - *self.started.get_or_insert(now) > LONG_TURN
    }
}

/// A block that was set aside because it can only wait.
struct Resting {
    block: Dim3,
    windows: Windows,
    run: BlockRun,
}

/// What [`run_blocks`] is told about a launch.
pub(crate) struct BlockSource<'a> {
    pub(crate) code: &'a Code,
    pub(crate) frame: &'a LaunchFrame,
    pub(crate) services: &'a dyn HostServices,
    /// Where windows for blocks that are set aside come from.
    pub(crate) windows: &'a WindowPool,
    /// Number of the device's first worker among those of the launch.
    pub(crate) first_worker: u32,
    /// One thread runs all blocks, and when they take turns must not depend on time.
    pub(crate) in_order: bool,
    /// Blocks go from barrier to barrier together.
    pub(crate) in_step: bool,
}

/// Runs blocks of one launch on the thread that holds `slot`, asking `claim` for ranges of linear block indices until there is none.
/// Returns whether all went well; `Ok` also when the launch is being stopped.
pub(crate) fn run_blocks(
    slot: &mut Slot,
    source: &BlockSource<'_>,
    mut claim: impl FnMut() -> Option<std::ops::Range<u64>>,
) -> Result<(), Failure> {
    let BlockSource { code, frame, services, windows: pool, first_worker, in_order, in_step } = *source;
    let worker = first_worker + slot.number;
    let grid = frame.grid();
    let threads = frame.block().volume() as u32;
    let dynamic = frame.context().dynamic_shared_bytes;
    let system = |error, block| Failure { cause: Cause::System(error), block };
    let prepare = |windows: &mut Windows| windows.prepare(code.layout(), threads, dynamic);
    let addresses = prepare(&mut slot.windows).map_err(|error| system(error, Dim3::new(0, 0, 0)))?;
    let room = if in_step { MAX_STEP_BYTES } else { MAX_RESTING_BYTES };
    let most = (room / slot.windows.bytes().max(1)).clamp(1, MAX_RESTING as u64) as usize;
    let scope = Scope::enter(frame.context().stop);
    let calls = Calls { scope: &scope, code, frame, services, take_turns: Cell::new(in_order), in_step };
    let mut context = calls.block_context(addresses, worker);
    let mut resting: VecDeque<Resting> = VecDeque::new();
    let mut claimed: std::ops::Range<u64> = 0..0;
    let mut block = Dim3::new(0, 0, 0);
    let mut wave_open = true;
    let mut turns_since_end = 0usize;
    loop {
        if frame.is_stopping() {
            return Ok(());
        }
        // In step, a new wave begins when the last one is done.
        wave_open =
            if in_step { resting.is_empty() || (wave_open && resting.len() < most) } else { resting.len() < most };
        let has_room = wave_open;
        if has_room
            && claimed.is_empty()
            && let Some(range) = claim()
        {
            block = grid.position(range.start);
            claimed = range;
        }
        let fresh = has_room && !claimed.is_empty();
        if fresh {
            context.block_idx = [block.x, block.y, block.z];
            slot.run.start(&calls, &context);
            match slot.run.run(&calls, &mut context) {
                BlockEnd::Done => {}
                BlockEnd::Yielded => {
                    calls.take_turns.set(true);
                    let windows = std::mem::replace(&mut slot.windows, pool.take());
                    resting.push_back(Resting { block, windows, run: std::mem::take(&mut slot.run) });
                    let addresses = prepare(&mut slot.windows).map_err(|error| system(error, block))?;
                    context = calls.block_context(addresses, worker);
                }
                end => return ended(end, block),
            }
            claimed.start += 1;
            advance(&mut block, grid);
            if in_step {
                continue;
            }
        }
        wave_open &= !in_step;
        let Some(mut rest) = resting.pop_front() else {
            if fresh {
                continue;
            }
            return Ok(());
        };
        let addresses = prepare(&mut rest.windows).map_err(|error| system(error, rest.block))?;
        let mut context = calls.block_context(addresses, worker);
        context.block_idx = [rest.block.x, rest.block.y, rest.block.z];
        match rest.run.run(&calls, &mut context) {
            BlockEnd::Done => {
                turns_since_end = 0;
                pool.give(rest.windows);
            }
            BlockEnd::Yielded => {
                if resting.is_empty() && !fresh {
                    std::thread::yield_now();
                }
                resting.push_back(rest);
                turns_since_end += 1;
                // They may all wait for a block that was not started yet.
                if in_step && turns_since_end > resting.len() * MAX_STEPS {
                    turns_since_end = 0;
                    wave_open = true;
                }
            }
            end => return ended(end, rest.block),
        }
        calls.take_turns.set(in_order || !resting.is_empty());
    }
}

/// The end of a block that neither finished nor waits, as the end of a worker's part in the launch.
fn ended(end: BlockEnd, block: Dim3) -> Result<(), Failure> {
    match end {
        BlockEnd::Done | BlockEnd::Yielded | BlockEnd::Stopped => Ok(()),
        BlockEnd::GridWait => Err(Failure { cause: Cause::GridSync, block }),
        BlockEnd::Failed(cause) => Err(Failure { cause, block }),
    }
}

/// The next block in linear order.
fn advance(block: &mut Dim3, grid: Dim3) {
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
