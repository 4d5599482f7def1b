//! Cooperative launches: all blocks alive at once, taking turns on the worker threads.
//!
//! Model. Every block has windows of its own and is *queued*, *taken* by a thread, *at the grid barrier*, or *done*. A thread takes a
//! block from the queue, runs it until it can only wait, and puts it back at the end: a block that spins on a value another
//! block writes (CUDA's `grid.sync()` on `%envreg1/2`) yields and meets it in the next turn. When every block that is not done stands
//! at the grid barrier (`cudaCGSynchronize`), all are queued again.

use super::block::{BlockEnd, BlockRun, Calls};
use super::code::Code;
use super::frame::{Cause, Failure, LaunchFrame};
use super::guard::Scope;
use super::scratch::{Slot, WindowPool, Windows};
use super::services::HostServices;
use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vgpu_turns::Turn;

/// A block between turns.
#[derive(Debug)]
struct Resident {
    linear: u64,
    windows: Windows,
    run: BlockRun,
    started: bool,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Box<Resident>>,
    #[allow(clippy::vec_box, reason = "blocks move between the lists as one word each")]
    at_barrier: Vec<Box<Resident>>,
    taken: usize,
    /// Blocks that ended; kept for their windows until the launch is dropped.
    done: u64,
    dead: bool,
}

/// All blocks of one cooperative launch.
#[derive(Debug)]
pub(crate) struct Residents {
    total: u64,
    windows: Arc<WindowPool>,
    state: Mutex<State>,
}

/// What a thread finds when it looks for a block.
enum Next {
    Block(Box<Resident>),
    /// Others hold all blocks that could run.
    Wait,
    /// Nothing is left to do.
    End,
}

impl Residents {
    /// `total` blocks, all queued in order.
    pub(crate) fn new(total: u64, windows: Arc<WindowPool>) -> Self {
        let queue = (0..total).map(|linear| {
            Box::new(Resident { linear, windows: Windows::default(), run: BlockRun::default(), started: false })
        });
        let state = State { queue: queue.collect(), ..State::default() };
        Self { total, windows, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every update leaves the state consistent before it can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True while some block is not done.
    pub(crate) fn has_work(&self) -> bool {
        let state = self.lock();
        !state.dead && state.done < self.total
    }

    fn next(&self) -> Next {
        let mut state = self.lock();
        if state.dead || state.done == self.total {
            return Next::End;
        }
        match state.queue.pop_front() {
            Some(block) => {
                state.taken += 1;
                Next::Block(block)
            }
            None => Next::Wait,
        }
    }

    /// Ends a block's turn.
    fn give_back(&self, block: Box<Resident>, end: &BlockEnd) {
        let mut state = self.lock();
        state.taken -= 1;
        match end {
            BlockEnd::Done => {
                state.done += 1;
                self.windows.give(block.windows);
            }
            BlockEnd::GridWait => state.at_barrier.push(block),
            BlockEnd::Yielded => state.queue.push_back(block),
            BlockEnd::Stopped | BlockEnd::Failed(_) => state.dead = true,
        }
        if state.queue.is_empty() && state.taken == 0 && !state.at_barrier.is_empty() {
            // All blocks that are still alive have arrived.
            let mut arrived = std::mem::take(&mut state.at_barrier);
            arrived.sort_unstable_by_key(|block| block.linear);
            for mut block in arrived {
                block.run.release_grid();
                state.queue.push_back(block);
            }
        }
    }
}

/// Runs turns on the thread that holds `slot` until no block is left.
pub(crate) fn run_turns(
    residents: &Residents,
    slot: &Slot,
    code: &Code,
    frame: &LaunchFrame,
    services: &dyn HostServices,
    turn: &mut Option<Turn<'_>>,
) -> Result<(), Failure> {
    let scope = Scope::enter(frame.context().stop);
    let calls = Calls { scope: &scope, code, frame, services, take_turns: Cell::new(true), in_step: false };
    let threads = frame.block().volume() as u32;
    let mut idle = 0u32;
    loop {
        if let Some(turn) = turn {
            turn.between_blocks(|| !frame.is_stopping());
        }
        let mut block = match residents.next() {
            Next::Block(block) => block,
            Next::End => return Ok(()),
            Next::Wait => {
                idle += 1;
                if idle.is_multiple_of(16) {
                    std::thread::yield_now()
                } else {
                    std::hint::spin_loop()
                }
                continue;
            }
        };
        idle = 0;
        let position = frame.grid().position(block.linear);
        if !block.started {
            block.windows = residents.windows.take();
        }
        let prepared = block.windows.prepare(code.layout(), threads, frame.context().dynamic_shared_bytes);
        let end = match prepared {
            Err(error) => BlockEnd::Failed(Cause::System(error)),
            Ok(_) if frame.is_stopping() => BlockEnd::Stopped,
            Ok(windows) => {
                let mut context = calls.block_context(windows, slot.number);
                context.block_idx = [position.x, position.y, position.z];
                if !block.started {
                    block.started = true;
                    block.run.start(&calls, &context);
                }
                block.run.run(&calls, &mut context)
            }
        };
        residents.give_back(block, &end);
        match end {
            BlockEnd::Failed(cause) => return Err(Failure { cause, block: position }),
            BlockEnd::Stopped => return Ok(()),
            BlockEnd::Done | BlockEnd::Yielded | BlockEnd::GridWait => {}
        }
    }
}
