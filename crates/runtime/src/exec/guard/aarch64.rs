//! Trampoline, recovery point and floating-point environment on aarch64 (AAPCS64, Linux).

use super::{Entry, GuardFrame};
use std::arch::{asm, naked_asm};
use vgpu_jit::abi::BlockContext;

/// FPCR after reset: round to nearest, no flushing, no traps.
pub(super) const DEFAULT_ENVIRONMENT: u64 = 0;

/// FPCR.
pub(super) fn environment() -> u64 {
    let value: u64;
    // SAFETY: reads a register.
    unsafe { asm!("mrs {}, fpcr", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

/// Sets FPCR to a value that [`environment`] returned, or the default.
pub(super) fn set_environment(value: u64) {
    // SAFETY: the value came from the register itself or is its reset value.
    unsafe { asm!("msr fpcr, {}", in(reg) value, options(nomem, nostack, preserves_flags)) };
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
        "sub sp, sp, #176",
        "stp x29, x30, [sp]",
        "stp x19, x20, [sp, #16]",
        "stp x21, x22, [sp, #32]",
        "stp x23, x24, [sp, #48]",
        "stp x25, x26, [sp, #64]",
        "stp x27, x28, [sp, #80]",
        "stp d8, d9, [sp, #96]",
        "stp d10, d11, [sp, #112]",
        "stp d12, d13, [sp, #128]",
        "stp d14, d15, [sp, #144]",
        "str x3, [sp, #160]",
        "mov x9, sp",
        "str x9, [x3]",
        "blr x2",
        "ldr x3, [sp, #160]",
        "str xzr, [x3]",
        "ldp x29, x30, [sp]",
        "ldp x19, x20, [sp, #16]",
        "ldp x21, x22, [sp, #32]",
        "ldp x23, x24, [sp, #48]",
        "ldp x25, x26, [sp, #64]",
        "ldp x27, x28, [sp, #80]",
        "ldp d8, d9, [sp, #96]",
        "ldp d10, d11, [sp, #112]",
        "ldp d12, d13, [sp, #128]",
        "ldp d14, d15, [sp, #144]",
        "add sp, sp, #176",
        "ret",
    )
}

/// Where a faulted call goes on, with the stack pointer that [`call`] left in the frame.
#[unsafe(naked)]
unsafe extern "C" fn recover() {
    naked_asm!(
        "ldr x3, [sp, #160]",
        "str xzr, [x3]",
        "mov w0, #0xffffffff",
        "ldp x29, x30, [sp]",
        "ldp x19, x20, [sp, #16]",
        "ldp x21, x22, [sp, #32]",
        "ldp x23, x24, [sp, #48]",
        "ldp x25, x26, [sp, #64]",
        "ldp x27, x28, [sp, #80]",
        "ldp d8, d9, [sp, #96]",
        "ldp d10, d11, [sp, #112]",
        "ldp d12, d13, [sp, #128]",
        "ldp d14, d15, [sp, #144]",
        "add sp, sp, #176",
        "ret",
    )
}

/// Whether the access that faulted was a write: not known here, the context's exception record has it only at times.
///
/// # Safety
/// None needed; as on other machines, `context` is what the system passed to the handler.
pub(super) unsafe fn is_write(_context: *const libc::ucontext_t) -> Option<bool> {
    None
}

/// Makes the interrupted thread go on at [`recover`]; returns where it was.
///
/// # Safety
/// `context` is what the system passed to the handler, `stack` what [`call`] left in the frame.
pub(super) unsafe fn redirect(context: *mut libc::ucontext_t, stack: u64) -> u64 {
    // SAFETY: the caller passes the system's own context; these registers are restored when the handler returns.
    unsafe {
        let machine = &mut (*context).uc_mcontext;
        let pc = machine.pc;
        machine.pc = recover as *const () as u64;
        machine.sp = stack;
        pc
    }
}
