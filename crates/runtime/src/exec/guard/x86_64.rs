//! Trampoline, recovery point and floating-point environment on x86-64 (System V ABI).

use super::{Entry, GuardFrame};
use std::arch::{asm, naked_asm};
use vgpu_jit::abi::BlockContext;

/// MXCSR after reset: all exceptions masked, round to nearest, no flushing.
pub(super) const DEFAULT_ENVIRONMENT: u64 = 0x1f80;

/// MXCSR.
pub(super) fn environment() -> u64 {
    let mut value = 0u32;
    // SAFETY: stores the 32-bit register to `value`.
    unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut value, options(nostack, preserves_flags)) };
    u64::from(value)
}

/// Sets MXCSR to a value that [`environment`] returned, or the default.
pub(super) fn set_environment(value: u64) {
    let value = value as u32;
    // SAFETY: the value came from the register itself or is its reset value, so no reserved bit is set.
    unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const value, options(nostack, preserves_flags, readonly)) };
}

/// Calls `entry(block, program)`; returns `u32::MAX` when it faulted.
///
/// # Safety
/// See [`super::Scope::call`]; `frame` is the calling thread's current frame.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn call(
    block: *mut BlockContext,
    program: u32,
    entry: Entry,
    frame: *mut GuardFrame,
) -> u32 {
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        // The seventh word keeps the frame's address and aligns the stack.
        "push rcx",
        "mov [rcx], rsp",
        "call rdx",
        "pop rcx",
        "mov qword ptr [rcx], 0",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

/// Where a faulted call goes on, with the stack pointer that [`call`] left in the frame.
#[unsafe(naked)]
unsafe extern "C" fn recover() {
    naked_asm!(
        "cld",
        "mov eax, 0xffffffff",
        "pop rcx",
        "mov qword ptr [rcx], 0",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

/// Whether the access that faulted was a write, as the processor said (bit 1 of the page fault's error code).
///
/// # Safety
/// `context` is what the system passed to the handler of a memory fault.
pub(super) unsafe fn is_write(context: *const libc::ucontext_t) -> Option<bool> {
    // SAFETY: the caller passes the system's own context.
    let code = unsafe { (*context).uc_mcontext.gregs[libc::REG_ERR as usize] };
    Some(code & 2 != 0)
}

/// Makes the interrupted thread go on at [`recover`]; returns where it was.
///
/// # Safety
/// `context` is what the system passed to the handler, `stack` what [`call`] left in the frame.
pub(super) unsafe fn redirect(context: *mut libc::ucontext_t, stack: u64) -> u64 {
    // SAFETY: the caller passes the system's own context; these registers are restored when the handler returns.
    unsafe {
        let registers = &mut (*context).uc_mcontext.gregs;
        let pc = registers[libc::REG_RIP as usize] as u64;
        registers[libc::REG_RIP as usize] = recover as *const () as i64;
        registers[libc::REG_RSP as usize] = stack as i64;
        pc
    }
}
