//! The contract between generated code and the runtime: memory layouts, entry points, statuses.
//!
//! Model. A thread block is run by one worker thread from start to end. Its threads are divided into **programs** of
//! [`crate::KernelLayout::lanes`] threads each (one warp, several warps, or a part of one where the kernel cannot tell).
//! * A *straight* kernel has no point where a thread may have to wait: `fn(*mut BlockContext) -> u32` runs the whole block.
//! * A *resumable* kernel is `fn(*mut BlockContext, program: u32) -> u32`: it runs one program until it ends or must wait,
//!   and is called again to go on. What a program keeps between calls is its [`FrameHeader`] and the bytes after it,
//!   zeroed by the runtime before the block starts.
//!
//! The returned `u32` is a [`Status`]. Layouts are `repr(C)`; the offsets that generated code uses come from `offset_of!`
//! on these types, so there is one definition.
//!
//! Access rules:
//! 1. `LaunchContext` is read-only for generated code.
//! 2. `BlockContext`, the shared and local windows and the frames belong to the worker that runs the block.
//! 3. Generated code calls back only through [`Services`].
//! 4. Generated code holds no lock and owns nothing, so the runtime may leave it anywhere (faults, launches that are stopped).

use std::sync::atomic::AtomicU32;

/// What a program reports when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Status {
    /// All threads of the program (straight kernels: of the block) have ended.
    Done = 0,
    /// Every live thread of the program waits at a barrier; [`FrameHeader`] says which.
    Barrier = 1,
    /// The program spins or sleeps: run others, then call it again.
    Yield = 2,
    /// All live threads wait for the whole grid (`cudaCGSynchronize`).
    GridSync = 3,
    /// `trap`, or an `index` out of a branch table.
    Trap = 4,
    /// Not returned by generated code: for runtimes that end a program between two calls because its launch is being stopped.
    Stopped = 5,
    /// A device assertion failed; the service has recorded the text.
    Assert = 6,
    /// The local stack is used up (recursion, `alloca`).
    StackOverflow = 7,
    /// An indirect call through something that is not a function of matching signature.
    BadCall = 8,
    /// An access at an address that is no multiple of what it needs; [`BlockContext::misaligned`] says which.
    Misaligned = 9,
    /// Lanes of the program came to a barrier or a warp synchronisation and wait there, others may go on; [`WarpWait`] says which.
    /// Call it again.
    Join = 10,
    /// Every live lane waits where it joined: call the program again when [`WarpWait::released`] names one.
    Blocked = 11,
}

impl Status {
    /// The status with that number, when there is one.
    pub const fn from_code(code: u32) -> Option<Self> {
        Some(match code {
            0 => Self::Done,
            1 => Self::Barrier,
            2 => Self::Yield,
            3 => Self::GridSync,
            4 => Self::Trap,
            5 => Self::Stopped,
            6 => Self::Assert,
            7 => Self::StackOverflow,
            8 => Self::BadCall,
            9 => Self::Misaligned,
            10 => Self::Join,
            11 => Self::Blocked,
            _ => return None,
        })
    }
}

/// Facts of one launch, shared by all its blocks.
#[derive(Debug)]
#[repr(C)]
pub struct LaunchContext {
    /// The kernel's parameter buffer, 16-byte aligned, laid out as `ir::Param::offset` says, padded with 16 zero bytes.
    pub params: *const u8,
    /// Generic address of each module variable by `VarId`; entries of `.shared` variables are not read.
    pub symbols: *const u64,
    /// Callbacks.
    pub services: *const Services,
    /// Non-zero: the launch is being stopped. Generated code does not read it, so that loops need no check: the runtime
    /// looks at it between calls, and takes a worker that is in generated code out by a signal.
    pub stop: *const AtomicU32,
    /// `%nctaid`.
    pub grid: [u32; 3],
    /// `%ntid`; equals the block shape the code was specialised on.
    pub block: [u32; 3],
    /// `%gridid`.
    pub grid_id: u64,
    /// `%envreg1` (high) and `%envreg2` (low): address of the cooperative-launch workspace, or 0.
    pub grid_workspace: u64,
    /// `%dynamic_smem_size`: bytes of dynamic shared memory.
    pub dynamic_shared_bytes: u32,
    /// `%nsmid`: number of workers.
    pub n_workers: u32,
}

/// The block a worker is running.
#[derive(Debug)]
#[repr(C)]
pub struct BlockContext {
    /// The launch it belongs to.
    pub launch: *const LaunchContext,
    /// Shared window: static then dynamic shared memory, 256-byte aligned. Its contents are undefined at block start.
    pub shared: *mut u8,
    /// Local windows: thread `t` (linear in the block) has `local + t * local_bytes`; 64-byte aligned.
    pub local: *mut u8,
    /// Frames: program `p` has `frames + p * frame_bytes`; 64-byte aligned.
    pub frames: *mut u8,
    /// `%ctaid`.
    pub block_idx: [u32; 3],
    /// `%smid`: the worker's number.
    pub worker: u32,
    /// For the runtime's use; generated code leaves it alone.
    pub runtime: *mut u8,
    /// Filled by generated code before it returns [`Status::Misaligned`].
    pub misaligned: MisalignedAccess,
}

/// A misaligned access.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct MisalignedAccess {
    /// The machine address.
    pub address: u64,
    /// What it should be a multiple of.
    pub bytes: u32,
    /// Where the instruction begins in the text of its module.
    pub text_offset: u32,
}

/// Start of a resumable program's frame.
///
/// A program that returns [`Status::Barrier`] says what its threads did since it was last resumed: they arrived at
/// `barrier_id`; `arrived` of them wait (`bar.sync`, `bar.red`). Arrivals without waiting (`bar.arrive`) were
/// reported through [`Services::barrier_arrive`] before. The runtime completes a barrier when the number of arrived
/// threads reaches `expected`, or, when `expected` is 0, the number of live threads of the block; then it sets `result`
/// and calls again every program that waits on it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct FrameHeader {
    /// Where to go on; 0 at the start. The runtime leaves it alone.
    pub state: u32,
    /// Number of this program's threads that have ended so far.
    pub exited: u32,
    /// Barrier number, 0 to 15.
    pub barrier_id: u32,
    /// Thread count operand, or 0 for all threads of the block.
    pub expected: u32,
    /// Threads of this program that wait.
    pub arrived: u32,
    /// Of those, how many have a true predicate (`bar.red`).
    pub predicates: u32,
    /// Set by the runtime before resuming: over all arrived threads, how many have a true predicate.
    pub result: u32,
    /// Set by the runtime before resuming: how many threads arrived in all.
    pub result_threads: u32,
}

/// What stands behind the [`FrameHeader`], at [`WARP_WAIT_OFFSET`], in the frames of kernels in which lanes of one warp may wait at
/// different barriers, or for each other in different places. Programs of such kernels are whole warps.
///
/// The program fills `alive`, and `released` with 0, before every return; before it returns [`Status::Join`] also what the lanes that
/// join wait for. The runtime sets bits of `released` and, for these lanes, the results.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct WarpWait {
    /// Lanes that join now.
    pub lanes: u32,
    /// Lanes that have not ended.
    pub alive: u32,
    /// Of the lanes that join, those with a true predicate (`bar.red`).
    pub predicates: u32,
    /// Lanes that go on.
    pub released: u32,
    /// By lane: barrier number, or [`WARP_SYNC`] for `bar.warp.sync`.
    pub ids: [u32; 32],
    /// By lane: thread count operand or 0, or the membermask.
    pub expected: [u32; 32],
    /// By lane: over all arrived threads, how many have a true predicate.
    pub results: [u32; 32],
    /// By lane: how many threads arrived in all.
    pub result_threads: [u32; 32],
}

/// In [`WarpWait::ids`]: not a barrier of the block but a synchronisation of the lanes of a warp.
pub const WARP_SYNC: u32 = 16;

/// Where [`WarpWait`] stands in a frame.
pub const WARP_WAIT_OFFSET: usize = 64;

/// Callbacks. Every function may be called from any worker; `block` is the caller's block.
///
/// They must not unwind. Per-thread operations are called once per active lane.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Services {
    /// `vprintf`: format string and packed arguments (CUDA's layout: each argument aligned to its size, `float` as
    /// `double`). Returns what `printf` returns.
    pub vprintf: unsafe extern "C" fn(block: *mut BlockContext, format: u64, args: u64) -> u32,
    /// Device `malloc`: 16-byte aligned address, or 0.
    pub malloc: unsafe extern "C" fn(block: *mut BlockContext, bytes: u64) -> u64,
    /// Device `free`.
    pub free: unsafe extern "C" fn(block: *mut BlockContext, address: u64),
    /// `__assertfail`: records the message; the program then returns [`Status::Assert`].
    pub assert_fail:
        unsafe extern "C" fn(block: *mut BlockContext, message: u64, file: u64, line: u32, function: u64, thread: u32),
    /// `%globaltimer`: nanoseconds.
    pub global_timer: unsafe extern "C" fn() -> u64,
    /// `bar.arrive`: `threads` threads arrive at barrier `id` without waiting; `expected` as in [`FrameHeader`].
    pub barrier_arrive: unsafe extern "C" fn(block: *mut BlockContext, id: u32, expected: u32, threads: u32),
}
