//! Guarded calls: a processor fault in generated code becomes a value, and the process lives on.
//!
//! Model. A thread enters a [`Scope`] and makes calls through it. The trampoline (one file per architecture) saves the
//! callee-saved registers and leaves its stack pointer in the thread's [`GuardFrame`]; as long as that is non-zero, the code
//! that runs is generated code (or a C library routine it called). The handlers of SIGSEGV, SIGBUS, SIGFPE and SIGILL then
//! note what happened and resume at the trampoline's recovery point, which returns [`FAULTED`]. A fault anywhere else goes to
//! whoever handled the signal before us. Handlers are installed once per process and stay.
//!
//! The same way leads out of code that does not end by itself: a thread in generated code that gets [`INTERRUPT`] while its
//! launch is being stopped goes on at the recovery point, so loops need no check. Generated code holds no locks and owns
//! nothing, so it can be left anywhere.
//!
//! A fault at an address of a memory budget is different: the page is brought on the thread that needs it and the instruction runs
//! again. That takes more stack than a handler usually has, so threads that enter a scope then get a signal stack that is
//! large enough.
//!
//! Services called by generated code [`suspend`] the guard, so that a fault in our own Rust code is not mistaken for the
//! kernel's. [`try_read`] reads an address that a kernel gave us without trusting it.

#[cfg(target_arch = "aarch64")]
#[path = "aarch64.rs"]
mod arch;
#[cfg(target_arch = "x86_64")]
#[path = "x86_64.rs"]
mod arch;

use super::coherent;
use std::cell::{Cell, OnceCell, UnsafeCell};
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use vgpu_jit::abi::BlockContext;
use vgpu_mem::pager::{Outcome, resolve};

/// What the trampoline returns after a fault; not a status of the code contract.
const FAULTED: u32 = u32::MAX;

/// Shared by trampoline, handler and scope of one thread. The trampoline uses the first field by its offset, 0.
#[derive(Debug)]
#[repr(C)]
struct GuardFrame {
    /// Stack pointer to resume at; non-zero while generated code runs.
    stack: u64,
    signal: i32,
    address: u64,
    pc: u64,
    /// The launch's stop flag, or null: interrupts count only while it is set.
    stop: *const AtomicU32,
}

const _: () = assert!(std::mem::offset_of!(GuardFrame, stack) == 0);

thread_local! {
    static CURRENT: Cell<*mut GuardFrame> = const { Cell::new(ptr::null_mut()) };
}

/// How a call of generated code was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// An access to the address.
    Memory(u64),
    /// An instruction that the processor refused.
    Instruction,
    /// The launch is being stopped.
    Interrupted,
}

/// A call of generated code that did not return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FaultInfo {
    /// What happened.
    pub(crate) kind: FaultKind,
    /// The instruction.
    pub(crate) pc: u64,
}

/// An entry point of generated code, or a function of the same shape.
pub(crate) type Entry = unsafe extern "C" fn(*mut BlockContext, u32) -> u32;

/// A thread's permission to call generated code. The floating-point environment is the default one inside, and the
/// caller's again afterwards.
#[derive(Debug)]
pub(crate) struct Scope {
    frame: Box<UnsafeCell<GuardFrame>>,
    outer: *mut GuardFrame,
    outer_environment: u64,
}

impl Scope {
    /// Enters; scopes of one thread nest. `stop` is the launch's stop flag, which outlives the scope.
    pub(crate) fn enter(stop: *const AtomicU32) -> Self {
        install();
        if PAGING.load(Ordering::Relaxed) {
            ensure_stack();
        }
        let frame = Box::new(UnsafeCell::new(GuardFrame { stack: 0, signal: 0, address: 0, pc: 0, stop }));
        let outer = CURRENT.with(|current| current.replace(frame.get()));
        let outer_environment = arch::environment();
        arch::set_environment(arch::DEFAULT_ENVIRONMENT);
        Self { frame, outer, outer_environment }
    }

    /// Calls `entry(block, program)`.
    ///
    /// # Safety
    /// `entry` follows the code contract (or touches only what it can leave half done), and `block` is what it expects.
    #[inline]
    pub(crate) unsafe fn call(&self, entry: Entry, block: *mut BlockContext, program: u32) -> Result<u32, FaultInfo> {
        // SAFETY: the frame lives as long as the scope, which is borrowed; the rest is the caller's promise.
        let status = unsafe { arch::call(block, program, entry, self.frame.get()) };
        if status == FAULTED { Err(self.fault()) } else { Ok(status) }
    }

    #[cold]
    fn fault(&self) -> FaultInfo {
        arch::set_environment(arch::DEFAULT_ENVIRONMENT);
        // SAFETY: no generated code runs in this scope now, so nothing else writes the frame.
        let frame = unsafe { &*self.frame.get() };
        let kind = match frame.signal {
            libc::SIGSEGV | libc::SIGBUS => FaultKind::Memory(frame.address),
            INTERRUPT => FaultKind::Interrupted,
            _ => FaultKind::Instruction,
        };
        FaultInfo { kind, pc: frame.pc }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        arch::set_environment(self.outer_environment);
        CURRENT.with(|current| current.set(self.outer));
    }
}

/// While it lives, faults on this thread are our own, not the kernel's.
#[derive(Debug)]
pub(crate) struct Suspended {
    frame: *mut GuardFrame,
    stack: u64,
    environment: u64,
}

/// Suspends the guard of the calling thread, inside a call out of generated code.
pub(crate) fn suspend() -> Suspended {
    let frame = CURRENT.with(Cell::get);
    let mut stack = 0;
    if !frame.is_null() {
        // SAFETY: a non-null current frame belongs to a live scope of this thread.
        unsafe { stack = ptr::replace(&raw mut (*frame).stack, 0) };
    }
    let environment = arch::environment();
    arch::set_environment(arch::DEFAULT_ENVIRONMENT);
    Suspended { frame, stack, environment }
}

impl Drop for Suspended {
    fn drop(&mut self) {
        arch::set_environment(self.environment);
        if !self.frame.is_null() {
            // SAFETY: as in `suspend`; the scope outlives the service call that suspended it.
            unsafe { (*self.frame).stack = self.stack };
        }
    }
}

struct ReadRequest {
    from: *const u8,
    to: *mut u8,
    bytes: usize,
    /// Stop after a zero byte.
    until_zero: bool,
    done: usize,
}

unsafe extern "C" fn read_bytes(request: *mut BlockContext, _program: u32) -> u32 {
    let request = request.cast::<ReadRequest>();
    // SAFETY: `request` is what `try_read` passed; `to` has room for `bytes`; `from` may be wild, and then this function
    // is left in the middle, which leaks nothing. Volatile: the memory may change under us.
    unsafe {
        while (*request).done < (*request).bytes {
            let byte = (*request).from.wrapping_add((*request).done).read_volatile();
            (*request).to.add((*request).done).write(byte);
            (*request).done += 1;
            if byte == 0 && (*request).until_zero {
                break;
            }
        }
    }
    0
}

/// Reads memory at an address that is not trusted. Returns how many bytes could be read, up to and with the first zero byte
/// if `until_zero`; `None` when it faulted.
pub(crate) fn try_read(address: u64, to: &mut [u8], until_zero: bool) -> Option<usize> {
    let _suspended = suspend();
    let scope = Scope::enter(ptr::null());
    let mut request =
        ReadRequest { from: address as *const u8, to: to.as_mut_ptr(), bytes: to.len(), until_zero, done: 0 };
    // SAFETY: `read_bytes` expects a request in place of the block and holds nothing that a fault could leak.
    let result = unsafe { scope.call(read_bytes, (&raw mut request).cast(), 0) };
    result.ok().map(|_| request.done)
}

/// The signal that takes a thread out of generated code. Ignored by default, so a stray one does no harm.
const INTERRUPT: i32 = libc::SIGURG;

const SIGNALS: [i32; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, INTERRUPT];

/// A thread that runs generated code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ThreadHandle(libc::pthread_t);

impl ThreadHandle {
    /// The calling thread.
    pub(crate) fn current() -> Self {
        // SAFETY: has no preconditions.
        Self(unsafe { libc::pthread_self() })
    }

    /// Takes the thread out of generated code if its launch is being stopped; does nothing when it is elsewhere.
    ///
    /// # Safety
    /// The thread has not ended.
    pub(crate) unsafe fn interrupt(self) {
        // SAFETY: the caller's promise; the handler is installed, or the signal is ignored.
        unsafe { libc::pthread_kill(self.0, INTERRUPT) };
    }
}

/// What handled each of [`SIGNALS`] before us. Written once, before our handlers can run.
struct Previous(UnsafeCell<[Option<libc::sigaction>; 5]>);

// SAFETY: written only inside `install`'s `Once`, before the handler that reads it is in place.
unsafe impl Sync for Previous {}

static PREVIOUS: Previous = Previous(UnsafeCell::new([None; 5]));

/// Installs the handlers; does nothing after the first time.
pub(crate) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        for (idx, signal) in SIGNALS.into_iter().enumerate() {
            // SAFETY: `sigaction` is plain data; the previous action is stored before the new one is installed, and the handler
            // follows the rules for handlers (it touches only this thread's frame and `PREVIOUS`).
            unsafe {
                let mut previous: libc::sigaction = std::mem::zeroed();
                libc::sigaction(signal, ptr::null(), &raw mut previous);
                (*PREVIOUS.0.get())[idx] = Some(previous);
                let mut action: libc::sigaction = std::mem::zeroed();
                let handler: unsafe extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) = on_signal;
                action.sa_sigaction = handler as usize;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
                libc::sigemptyset(&raw mut action.sa_mask);
                // An interrupt that left a fault handler would leave the fault's signal blocked.
                libc::sigaddset(&raw mut action.sa_mask, INTERRUPT);
                libc::sigaction(signal, &raw const action, ptr::null_mut());
            }
        }
    });
}

/// Some device of the process has a memory budget.
static PAGING: AtomicBool = AtomicBool::new(false);

/// From now on faults may have to bring pages.
pub(crate) fn enable_paging() {
    install();
    PAGING.store(true, Ordering::Relaxed);
}

/// What bringing a page may take: packing, unpacking and the vectors of this machine in the signal's frame.
const PAGING_STACK_BYTES: usize = 128 << 10;

thread_local! {
    static OWN_STACK: OnceCell<Option<LastingStack>> = const { OnceCell::new() };
}

/// The signal stack of the calling thread is large enough to bring a page, now or after this thread got one of its own.
/// Without a signal stack handlers run on the thread's own, which is.
fn has_stack() -> bool {
    // SAFETY: only asks; `stack_t` is plain data.
    unsafe {
        let mut stack: libc::stack_t = std::mem::zeroed();
        let known = libc::sigaltstack(ptr::null(), &raw mut stack) == 0;
        known && (stack.ss_flags & libc::SS_DISABLE != 0 || stack.ss_size >= PAGING_STACK_BYTES)
    }
}

/// A signal stack until the thread ends. The one before it is gone by then.
#[derive(Debug)]
struct LastingStack(SignalStack);

impl Drop for LastingStack {
    fn drop(&mut self) {
        self.0.previous.ss_flags = libc::SS_DISABLE;
    }
}

fn ensure_stack() {
    // Failing means that the thread is about to end: then the stack it has must do.
    let _ = OWN_STACK.try_with(|own| {
        own.get_or_init(|| if has_stack() { None } else { SignalStack::install().map(LastingStack) }).is_some()
    });
}

/// Whether the fault was at an address whose page could be brought.
///
/// # Safety
/// `info` and `context` are what the system passed to the handler of a fault that this thread caused.
unsafe fn brings_page(info: *mut libc::siginfo_t, context: *mut libc::c_void) -> bool {
    if !PAGING.load(Ordering::Relaxed) || !has_stack() {
        return false;
    }
    // SAFETY: the caller's promise. The interrupted code may be about to look at `errno`.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        let outcome = resolve((*info).si_addr() as u64, arch::is_write(context.cast()));
        *errno = before;
        outcome == Some(Outcome::Resolved)
    }
}

unsafe extern "C" fn on_signal(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the system passes valid `info` and `context`; a positive code means that this thread caused the signal.
    if signal == libc::SIGSEGV && unsafe { (*info).si_code > 0 && brings_page(info, context) } {
        return;
    }
    let frame = CURRENT.with(Cell::get);
    // SAFETY: the system passes valid `info` and `context`; a non-null frame belongs to a live scope of this thread, and
    // its stop flag outlives the scope. A positive code means that the processor raised the signal here and now, not another process.
    unsafe {
        if !frame.is_null() && (*frame).stack != 0 {
            let stop = (*frame).stop;
            let stopping = !stop.is_null() && (*stop).load(Ordering::Acquire) != 0;
            if if signal == INTERRUPT { stopping } else { (*info).si_code > 0 } {
                if matches!(signal, libc::SIGSEGV | libc::SIGBUS) && !stopping {
                    // The generated code's launch keeps the memory alive that it was given (rule 4 of `coherent`).
                    let error = *libc::__errno_location();
                    let again = coherent::resolve((*info).si_addr() as u64, arch::is_write(context.cast()));
                    *libc::__errno_location() = error;
                    if again {
                        return;
                    }
                }
                (*frame).signal = signal;
                (*frame).address = if signal == INTERRUPT { 0 } else { (*info).si_addr() as u64 };
                (*frame).pc = arch::redirect(context.cast(), (*frame).stack);
                return;
            }
        }
        chain(signal, info, context);
    }
}

/// Hands a fault that is not ours to the handler before us.
unsafe fn chain(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let slot = SIGNALS.iter().position(|known| *known == signal);
    // SAFETY: `PREVIOUS` was written before this handler was installed. Calling the previous handler is what the system
    // would have done; it gets the arguments it expects.
    unsafe {
        let previous = slot.and_then(|idx| (*PREVIOUS.0.get())[idx]);
        match previous {
            Some(action) if action.sa_sigaction != libc::SIG_DFL && action.sa_sigaction != libc::SIG_IGN => {
                if action.sa_flags & libc::SA_SIGINFO != 0 {
                    let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) =
                        std::mem::transmute(action.sa_sigaction);
                    handler(signal, info, context);
                } else {
                    let handler: extern "C" fn(i32) = std::mem::transmute(action.sa_sigaction);
                    handler(signal);
                }
            }
            // Ignored before us, and by default.
            _ if signal == INTERRUPT => {}
            _ => {
                // The default action: restore it; returning executes the faulting instruction again.
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = libc::SIG_DFL;
                libc::sigaction(signal, &raw const action, ptr::null_mut());
                if (*info).si_code <= 0 {
                    libc::raise(signal);
                }
            }
        }
    }
}

/// A signal stack for a worker thread, so that running out of stack is a fault like any other.
#[derive(Debug)]
pub(crate) struct SignalStack {
    range: super::os::Range,
    previous: libc::stack_t,
}

impl SignalStack {
    /// Installs one on the calling thread; `None` when the system refuses (faults are then handled on the thread's stack).
    pub(crate) fn install() -> Option<Self> {
        const BYTES: u64 = 256 << 10;
        let range = super::os::Range::reserve(BYTES).ok()?;
        range.commit(0, BYTES).ok()?;
        let stack = libc::stack_t { ss_sp: range.base() as *mut libc::c_void, ss_flags: 0, ss_size: BYTES as usize };
        // SAFETY: the stack's memory lives in `range` until `drop` has put the previous one back.
        unsafe {
            let mut previous: libc::stack_t = std::mem::zeroed();
            (libc::sigaltstack(&raw const stack, &raw mut previous) == 0).then_some(Self { range, previous })
        }
    }
}

impl Drop for SignalStack {
    fn drop(&mut self) {
        debug_assert!(self.range.len() > 0);
        // SAFETY: restores what was there before, on the same thread (the worker keeps this value on its stack).
        unsafe { libc::sigaltstack(&raw const self.previous, ptr::null_mut()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C" fn store(address: *mut BlockContext, value: u32) -> u32 {
        // SAFETY: deliberately none: the tests pass wild addresses and expect a fault.
        unsafe { address.cast::<u32>().write_volatile(value) };
        7
    }

    unsafe extern "C" fn illegal(_: *mut BlockContext, _: u32) -> u32 {
        // SAFETY: raises SIGILL, which the test expects.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            std::arch::asm!("ud2")
        }
        // SAFETY: as above.
        #[cfg(target_arch = "aarch64")]
        unsafe {
            std::arch::asm!("udf #0")
        }
        0
    }

    #[test]
    fn a_good_call_returns_its_status() {
        let scope = Scope::enter(ptr::null());
        let mut word = 0u32;
        // SAFETY: stores to `word`.
        let status = unsafe { scope.call(store, (&raw mut word).cast(), 42) };
        assert_eq!((status, word), (Ok(7), 42));
    }

    #[test]
    fn a_wild_store_is_an_error_and_can_be_repeated() {
        let scope = Scope::enter(ptr::null());
        for address in [8u64, 0x10_0000, 4096] {
            // SAFETY: the store faults.
            let fault = unsafe { scope.call(store, address as *mut BlockContext, 1) }.unwrap_err();
            assert_eq!(fault.kind, FaultKind::Memory(address));
            assert_ne!(fault.pc, 0);
        }
    }

    #[test]
    fn illegal_instructions_are_told_from_bad_addresses() {
        let scope = Scope::enter(ptr::null());
        // SAFETY: raises SIGILL.
        let fault = unsafe { scope.call(illegal, ptr::null_mut(), 0) }.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Instruction);
    }

    #[test]
    fn faults_on_many_threads_at_once_stay_apart() {
        std::thread::scope(|threads| {
            for thread in 1..=8u64 {
                threads.spawn(move || {
                    let _stack = SignalStack::install();
                    for round in 0..200u64 {
                        let scope = Scope::enter(ptr::null());
                        let address = thread * 256 + round % 64 * 4;
                        // SAFETY: the store faults: nothing is mapped in the first page.
                        let fault = unsafe { scope.call(store, address as *mut BlockContext, 1) }.unwrap_err();
                        assert_eq!(fault.kind, FaultKind::Memory(address));
                    }
                });
            }
        });
    }

    unsafe extern "C" fn endless(_: *mut BlockContext, _: u32) -> u32 {
        loop {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn an_endless_call_can_be_left_when_its_launch_is_stopped() {
        let (stop, (send, thread)) = (AtomicU32::new(0), std::sync::mpsc::channel());
        std::thread::scope(|threads| {
            let stop = &stop;
            let worker = threads.spawn(move || {
                send.send(ThreadHandle::current()).unwrap();
                let scope = Scope::enter(stop);
                // SAFETY: the loop owns nothing.
                unsafe { scope.call(endless, ptr::null_mut(), 0) }.unwrap_err().kind
            });
            let thread = thread.recv().unwrap();
            let interrupt = || {
                // SAFETY: the scope joins the thread later.
                unsafe { thread.interrupt() };
                std::thread::sleep(std::time::Duration::from_millis(2));
            };
            interrupt();
            assert!(!worker.is_finished());
            stop.store(1, Ordering::Release);
            while !worker.is_finished() {
                interrupt();
            }
            assert_eq!(worker.join().unwrap(), FaultKind::Interrupted);
        });
    }

    #[test]
    fn untrusted_reads_say_how_far_they_got() {
        let mut to = [1u8; 8];
        assert_eq!(try_read(16, &mut to, false), None);
        let text = b"abc\0def\0";
        assert_eq!(try_read(text.as_ptr() as u64, &mut to, true), Some(4));
        assert_eq!(&to[..4], b"abc\0");
        assert_eq!(try_read(text.as_ptr() as u64, &mut to, false), Some(8));
    }

    #[test]
    fn the_floating_point_environment_of_the_caller_survives() {
        let before = arch::environment();
        {
            let _scope = Scope::enter(ptr::null());
            arch::set_environment(arch::DEFAULT_ENVIRONMENT);
        }
        assert_eq!(arch::environment(), before);
    }
}
