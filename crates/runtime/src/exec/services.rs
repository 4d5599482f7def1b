//! The callbacks of generated code, and the trait behind which the runtime answers them.
//!
//! Every callback suspends the guard before it runs Rust code, reads kernel addresses only through
//! [`guard::try_read`], and does not unwind (a panic in an `extern "C"` function ends the process).

use super::barrier::Barriers;
use super::guard;
use super::os;
use crate::printf::{self, Arguments};
use std::cell::{Cell, RefCell};
use vgpu_jit::abi::{BlockContext, Services};
use vgpu_types::Dim3;

/// What the runtime does for a running kernel.
pub(crate) trait HostServices: Send + Sync {
    /// Text printed by the device.
    fn print(&self, text: &[u8]);
    /// Device `malloc`; 0 when the heap is used up.
    fn malloc(&self, bytes: u64) -> u64;
    /// Device `free`.
    fn free(&self, address: u64);
    /// A failed assertion; only the first of a launch counts.
    fn assert_failed(&self, message: String);
}

/// What `BlockContext::runtime` points to while a block runs.
pub(crate) struct ServiceHost<'a> {
    pub(crate) services: &'a dyn HostServices,
    pub(crate) barriers: &'a RefCell<Barriers>,
    pub(crate) block: Cell<Dim3>,
    pub(crate) block_shape: Dim3,
    /// The program that runs.
    pub(crate) program: Cell<usize>,
}

/// The table given to generated code.
pub(crate) static SERVICES: Services = Services { vprintf, malloc, free, assert_fail, global_timer, barrier_arrive };

/// The host of the calling block.
///
/// # Safety
/// `block` is the pointer that generated code was called with, and the call is still in progress.
unsafe fn host<'a>(block: *mut BlockContext) -> &'a ServiceHost<'a> {
    // SAFETY: the caller's promise; `runtime` is set to a live `ServiceHost` for the time of every call.
    unsafe { &*(*block).runtime.cast_const().cast::<ServiceHost<'a>>() }
}

/// Longest string taken from a kernel.
const MAX_TEXT_BYTES: usize = 1 << 20;

/// The zero-terminated string at `address`, as far as it is readable.
fn read_text(address: u64) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    loop {
        let mut piece = [0; 256];
        // Pieces end where the alignment changes, so that a string at the end of a page is read without touching the next.
        let room = piece.len() - (address as usize + text.len()) % piece.len();
        let n = guard::try_read(address.wrapping_add(text.len() as u64), &mut piece[..room], true)?;
        if let Some(end) = piece[..n].iter().position(|byte| *byte == 0) {
            text.extend_from_slice(&piece[..end]);
            return Some(text);
        }
        text.extend_from_slice(&piece[..n]);
        if text.len() > MAX_TEXT_BYTES {
            return Some(text);
        }
    }
}

/// Packed arguments in the calling thread's memory.
struct PackedArguments {
    address: u64,
}

impl Arguments for PackedArguments {
    fn word(&mut self, bytes: u32) -> Option<u64> {
        let at = self.address.next_multiple_of(u64::from(bytes));
        let mut word = [0; 8];
        guard::try_read(at, &mut word[..bytes as usize], false)?;
        self.address = at + u64::from(bytes);
        Some(u64::from_le_bytes(word))
    }

    fn text(&mut self, address: u64) -> Option<Vec<u8>> {
        read_text(address)
    }
}

unsafe extern "C" fn vprintf(block: *mut BlockContext, format: u64, args: u64) -> u32 {
    let _suspended = guard::suspend();
    // SAFETY: called by generated code with its own block.
    let host = unsafe { host(block) };
    // CUDA: -1 for a null format, -2 for an internal error, else the number of arguments.
    if format == 0 {
        return -1i32 as u32;
    }
    let Some(format) = read_text(format) else { return -2i32 as u32 };
    match printf::format(&format, &mut PackedArguments { address: args }) {
        Some((text, n_args)) => {
            host.services.print(&text);
            n_args
        }
        None => -2i32 as u32,
    }
}

unsafe extern "C" fn malloc(block: *mut BlockContext, bytes: u64) -> u64 {
    let _suspended = guard::suspend();
    // SAFETY: called by generated code with its own block.
    unsafe { host(block) }.services.malloc(bytes)
}

unsafe extern "C" fn free(block: *mut BlockContext, address: u64) {
    let _suspended = guard::suspend();
    // SAFETY: called by generated code with its own block.
    unsafe { host(block) }.services.free(address);
}

unsafe extern "C" fn assert_fail(
    block: *mut BlockContext,
    message: u64,
    file: u64,
    line: u32,
    function: u64,
    thread: u32,
) {
    let _suspended = guard::suspend();
    // SAFETY: called by generated code with its own block.
    let host = unsafe { host(block) };
    let text = |address| match read_text(address) {
        Some(text) => String::from_utf8_lossy(&text).into_owned(),
        None => "?".to_owned(),
    };
    let (b, t) = (host.block.get(), host.block_shape.position(u64::from(thread)));
    host.services.assert_failed(format!(
        "{}:{line}: {}: block: [{},{},{}], thread: [{},{},{}] Assertion `{}` failed.",
        text(file),
        text(function),
        b.x,
        b.y,
        b.z,
        t.x,
        t.y,
        t.z,
        text(message)
    ));
}

unsafe extern "C" fn global_timer() -> u64 {
    os::nanoseconds_since_epoch()
}

unsafe extern "C" fn barrier_arrive(block: *mut BlockContext, id: u32, expected: u32, threads: u32) {
    let _suspended = guard::suspend();
    // SAFETY: called by generated code with its own block.
    let host = unsafe { host(block) };
    host.barriers.borrow_mut().arrive(host.program.get(), id, expected, threads, 0);
}
